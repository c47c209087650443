//! The tables that the backup has rows for: where they are in the server, and how it is asked to print their rows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::zone;
use crate::backup::contents::Rows;
use crate::backup::values;
use crate::backup::{Backup, Part};
use crate::database::{DatabaseError, Endpoint, Session, Terms};
use crate::digest::CANONICAL;
use crate::restore::settings::Restore;
use crate::restore::target;
use crate::server::ThrowawayServer;
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// Statement timeout: the limit for one table.
const WITHIN: Duration = Duration::from_secs(6 * 3600);

/// All tables: the kind of relation, whether an extension created it, and the condition for the rows that pg_dump dumps
/// of a table of an extension.
const TABLES: &str = "
SELECT n.nspname, c.relname, c.relkind,
       EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  AND d.objid = c.oid AND d.deptype = 'e'),
       (SELECT e.extcondition[i]
          FROM pg_catalog.pg_extension e, pg_catalog.generate_subscripts(e.extconfig, 1) i
         WHERE e.extconfig[i] = c.oid LIMIT 1)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f')";

/// Columns of a table in order.
const COLUMNS: &str = "
SELECT attname FROM pg_catalog.pg_attribute
 WHERE attrelid = {table}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped
 ORDER BY attnum";

/// A table of the backup, and where it is on the server.
#[derive(Debug, Clone)]
pub(super) struct RestoredTable {
    /// Position of the dump in the backup.
    pub part: usize,
    /// The database as the dump names it; empty where it names none.
    pub named: String,
    pub name: QualifiedName,
    /// The rows in the backup.
    pub held: Rows,
    /// As in `pg_class.relkind`.
    pub kind: String,
    /// Whether an extension created it.
    pub of_extension: bool,
    /// The condition for the rows that are dumped of a table of an extension: `WHERE …`, or empty.
    pub condition: String,
    /// The quoted columns that the backup has values for; empty for all that are not generated.
    pub columns: Vec<String>,
    pub print: PrintSettings,
}

impl RestoredTable {
    /// The COPY of the rows that the backup should have.
    pub(super) fn copy(&self) -> String {
        let options = self.print.copy_options();
        let columns = self.columns.join(", ");
        // Rows loaded through a partitioned table are in its partitions. Foreign tables cannot be copied, and
        // of a table of an extension only a part is dumped.
        if self.kind == "r" && self.condition.is_empty() {
            let list = match columns.as_str() {
                "" => columns,
                some => format!("({some})"),
            };
            return format!("COPY {} {list} TO STDOUT {options}", self.name);
        }
        let columns = if columns.is_empty() { "*" } else { &columns };
        let rows = self.from();
        format!("COPY (SELECT {columns} FROM {rows}) TO STDOUT {options}")
    }

    /// Counts the same rows.
    pub(super) fn count(&self) -> String {
        format!("SELECT pg_catalog.count(*) FROM {}", self.from())
    }

    /// The table without what inherits from it, and the condition; of a partitioned one, its partitions.
    fn from(&self) -> String {
        let only = if self.kind == "p" { "" } else { "ONLY " };
        format!("{only}{} {}", self.name, self.condition)
    }
}

/// Settings that make the server print the rows of a database as they are in the dump.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PrintSettings {
    pub database: String,
    pub encoding: &'static str,
    pub zone: String,
}

impl PrintSettings {
    /// Opens a session with these settings.
    pub(super) async fn session(&self, endpoint: &Endpoint) -> Result<Session, DatabaseError> {
        let terms = Terms {
            statement_timeout: WITHIN,
        };
        let mut session = Session::superuser(endpoint, &self.database, &terms).await?;
        session.run(&self.statements()).await?;
        Ok(session)
    }

    /// The options of a COPY in this encoding. `client_encoding` is not changed, since names in statements are in it.
    pub(super) fn copy_options(&self) -> String {
        format!("WITH (ENCODING {})", quote_literal(self.encoding))
    }

    /// The statements that make these settings, except for the encoding.
    pub(super) fn statements(&self) -> String {
        let zone = quote_literal(&self.zone);
        format!("{CANONICAL}; SET \"TimeZone\" = {zone}")
    }
}

/// A table of the backup that the database does not have.
#[derive(Debug)]
pub(super) struct MissingTable {
    pub database: String,
    pub name: QualifiedName,
    /// Rows in the backup.
    pub count: u64,
}

/// Finds the tables of the backup in the databases that it was restored into.
pub(super) async fn find(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
) -> Result<(Vec<RestoredTable>, Vec<MissingTable>), DatabaseError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (database, held) in by_database(backup, settings) {
        let mut session = server.session(&database).await?;
        let existing = existing_tables(&mut session).await?;
        let mut zones: BTreeMap<(usize, &str), String> = BTreeMap::new();
        for (part, named, name, held) in held {
            // Of an extension that is not there, which is listed as not tested.
            if settings.stub_of_schema(&name.schema).is_some() && !existing.contains_key(name) {
                continue;
            }
            let Some((kind, of_extension, condition)) = existing.get(name) else {
                missing.push(MissingTable {
                    database: database.clone(),
                    name: name.clone(),
                    count: held.count,
                });
                continue;
            };
            let contents = &backup.parts[part].contents;
            let zone = match zones.entry((part, named)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let times = contents.times.get(named).map_or(&[][..], Vec::as_slice);
                    unknown.insert(zone::find(&mut session, times).await?)
                }
            };
            found.push(RestoredTable {
                part,
                named: named.to_owned(),
                name: name.clone(),
                held: held.clone(),
                kind: kind.clone(),
                of_extension: *of_extension,
                condition: condition.clone(),
                columns: columns_with_values(&mut session, name, held).await?,
                print: PrintSettings {
                    database: database.clone(),
                    encoding: held.values.encoding.name(),
                    zone: zone.clone(),
                },
            });
        }
        session.close().await;
    }
    Ok((found, missing))
}

/// A table of a dump: position of the dump, database as the dump names it, name, rows.
type DumpedTable<'a> = (usize, &'a str, &'a QualifiedName, &'a Rows);

/// The tables of the backup, by the database that they were restored into.
fn by_database<'a>(
    backup: &'a Backup,
    settings: &Restore,
) -> BTreeMap<String, Vec<DumpedTable<'a>>> {
    let mut all: BTreeMap<String, Vec<DumpedTable<'_>>> = BTreeMap::new();
    for (at, part) in backup.parts.iter().enumerate() {
        let own = own_database(part, settings);
        for ((named, table), rows) in &part.contents.rows {
            let database = if named.is_empty() { &own } else { named };
            let tables = all.entry(database.clone()).or_default();
            tables.push((at, named, table, rows));
        }
    }
    all
}

/// The database for objects of a dump that names none.
pub(super) fn own_database(part: &Part, settings: &Restore) -> String {
    target::database_of(part, settings).unwrap_or_else(|| "postgres".to_owned())
}

/// The tables of a database: kind, whether an extension created it, and the condition for its rows.
async fn existing_tables(
    session: &mut Session,
) -> Result<BTreeMap<QualifiedName, (String, bool, String)>, DatabaseError> {
    let rows = session.rows(TABLES).await?;
    let tables = rows.into_iter().filter_map(|row| {
        let [schema, name, kind, of_extension, condition] = <[_; 5]>::try_from(row).ok()?;
        let (schema, name) = (schema?, name?);
        let of_extension = of_extension? == "t";
        Some((
            QualifiedName { schema, name },
            (kind?, of_extension, condition.unwrap_or_default()),
        ))
    });
    Ok(tables.collect())
}

/// The columns that the backup has values for; empty for all of them.
async fn columns_with_values(
    session: &mut Session,
    table: &QualifiedName,
    held: &Rows,
) -> Result<Vec<String>, DatabaseError> {
    let values = &held.values;
    let mut named = values::names(&values.columns);
    if named.is_empty() {
        if !values.inserts || values.width == 0 {
            return Ok(named);
        }
        let rows = session
            .rows(&COLUMNS.replace("{table}", &table.literal()))
            .await?;
        let all = rows.into_iter().filter_map(|row| row.into_iter().next()?);
        named.extend(all.take(values.width).map(|name| quote_ident(&name)));
    }
    let named = named.into_iter().enumerate();
    Ok(named
        .filter(|(at, _)| !values.defaults.contains(at))
        .map(|(_, name)| name)
        .collect())
}
