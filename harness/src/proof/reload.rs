//! Compares rows whose text differs from the backup although their number is the same. A value can be written in several
//! ways, so the server reads the rows of the backup again, into temporary tables of the same types without triggers,
//! defaults or constraints, in a transaction that is rolled back, and prints both sets.
//!
//! This cannot detect what both reads change in the same way: a column with a narrower type than in the backup rounds
//! both. So columns of types with only one text for each value, such as numbers and texts, are compared with the text of
//! the backup if pg_dump wrote it. That the types are those of the backup is part of the proof of objects.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::sync::mpsc::{Receiver, channel};

use super::fields::Fields;
use super::reread::{self, Reread};
use super::tables::{PrintSettings, RestoredTable};
use crate::backup::{Backup, Part};
use crate::database::{DatabaseError, Session, is_true};
use crate::outcome::{Finding, Values};
use crate::server::ThrowawayServer;
use crate::sql::quote_ident;
use crate::units::{listed, show_count, show_counted};

/// Bytes that are sent at once.
const CHUNK: usize = 256 * 1024;

/// Maximum number of columns that a finding names.
const NAMED: usize = 8;

/// Columns of a table: the name, whether it is generated, and whether its type has only one text for each value.
const COLUMNS: &str = "
SELECT a.attname, a.attgenerated <> '',
       coalesce(nullif(t.typbasetype, 0), CASE t.typcategory WHEN 'A' THEN nullif(t.typelem, 0) END, t.oid)
           = ANY ('{int2,int4,int8,oid,bool,text,varchar,bpchar,name,uuid,json,jsonb,numeric,bit,varbit,inet,cidr,macaddr}'::pg_catalog.regtype[])
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum";

/// The result for one table.
type Compared = (RestoredTable, Values, Option<Finding>);

/// Compares tables by reading the rows of the backup again.
///
/// # Errors
/// When the server or the backup cannot be read.
pub(super) async fn compare(
    server: &ThrowawayServer,
    backup: &Backup,
    tables: Vec<RestoredTable>,
) -> Result<Vec<Compared>, DatabaseError> {
    let mut by_part: BTreeMap<usize, Vec<RestoredTable>> = BTreeMap::new();
    for table in tables {
        by_part.entry(table.part).or_default().push(table);
    }
    let mut all = Vec::new();
    for (part, tables) in by_part {
        all.extend(compare_part(server, &backup.parts[part], tables).await?);
    }
    Ok(all)
}

/// Compares tables of one dump.
async fn compare_part(
    server: &ThrowawayServer,
    part: &Part,
    tables: Vec<RestoredTable>,
) -> Result<Vec<Compared>, DatabaseError> {
    let mut sessions: BTreeMap<PrintSettings, Session> = BTreeMap::new();
    let (mut loaded, mut wanted) = (Vec::new(), HashMap::new());
    for table in tables {
        let session = match sessions.entry(table.print.clone()) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(none) => none.insert(begin(server, part, &table).await?),
        };
        wanted.insert((table.named.clone(), table.name.clone()), loaded.len());
        loaded.push(ReloadedTable::create(session, table, loaded.len()).await?);
    }
    let (sender, mut receiver) = channel(16);
    let reading = tokio::task::spawn_blocking({
        let part = part.clone();
        move || reread::read(&part, wanted, sender)
    });
    while let Some(next) = receiver.recv().await {
        let (Reread::Begin(at, _) | Reread::Inserts(at, _)) = &next else {
            continue;
        };
        let table = &mut loaded[*at];
        let Some(session) = sessions.get_mut(&table.table.print) else {
            continue;
        };
        match next {
            Reread::Begin(_, columns) => table.copy(session, columns, &mut receiver).await?,
            Reread::Inserts(_, rests) if table.failure.is_none() => {
                table.failure = table.insert(session, rests).await?;
            }
            Reread::Inserts(..) | Reread::Rows(_) | Reread::End => {}
        }
    }
    let error = match reading.await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("the backup cannot be read again: {error}")),
        Err(error) => Some(format!("reading the backup again ended: {error}")),
    };
    if let Some(error) = error {
        return Err(DatabaseError::new(error));
    }
    for (print, session) in &mut sessions {
        session.run(&print.statements()).await?;
    }
    let mut all = Vec::new();
    for table in loaded {
        if let Some(session) = sessions.get_mut(&table.table.print) {
            let (values, finding) = table.compare(session, part).await?;
            all.push((table.table, values, finding));
        }
    }
    for session in sessions.into_values() {
        // The transaction ends with the session, and the temporary tables with it.
        session.close().await;
    }
    Ok(all)
}

/// Opens a session with the settings of the restore, in a transaction that is never committed.
async fn begin(
    server: &ThrowawayServer,
    part: &Part,
    table: &RestoredTable,
) -> Result<Session, DatabaseError> {
    let mut session = Session::plain(server.endpoint(), &table.print.database).await?;
    session
        .run(
            "SET session_replication_role = replica; SET statement_timeout = 0; SET row_security = off; \
             SET client_encoding = 'UTF8'",
        )
        .await?;
    let settings = part.contents.settings.iter();
    for (_, setting) in settings.filter(|(database, _)| *database == table.named) {
        session.run(setting).await?;
    }
    session.run("BEGIN READ WRITE").await?;
    Ok(session)
}

/// A table whose rows are loaded again.
struct ReloadedTable {
    table: RestoredTable,
    /// The name of the temporary table.
    temporary: String,
    /// The quoted columns that the backup has values for.
    columns: Vec<String>,
    /// For each column whether its type has only one text for each value.
    strict: Vec<bool>,
    /// The rows as text of the backup.
    raw: Fields,
    /// Whether some rows of the backup have their columns in another order.
    reordered: bool,
    /// Why the rows could not be loaded.
    failure: Option<String>,
}

impl ReloadedTable {
    /// Creates the temporary table.
    async fn create(
        session: &mut Session,
        table: RestoredTable,
        number: usize,
    ) -> Result<Self, DatabaseError> {
        let name = &table.name;
        session
            .run(&format!(
                "CREATE TEMPORARY TABLE redrill_{number} AS SELECT * FROM ONLY {name} WITH NO DATA"
            ))
            .await?;
        let rows = session
            .rows(&COLUMNS.replace("{table}", &name.literal()))
            .await?;
        // Name -> whether it is generated, whether it is strict; in the order of the table.
        let all: Vec<(String, bool, bool)> = rows
            .iter()
            .filter_map(|row| match row.as_slice() {
                [Some(name), generated, strict] => {
                    let is = |cell| is_true(Some(cell));
                    Some((quote_ident(name), is(generated), is(strict)))
                }
                _ => None,
            })
            .collect();
        let columns = match table.columns.as_slice() {
            [] => all
                .iter()
                .filter(|(_, generated, _)| !generated)
                .map(|(name, ..)| name.clone())
                .collect(),
            named => named.to_vec(),
        };
        let is_strict = |column: &String| {
            let mut all = all.iter();
            all.any(|(name, _, strict)| name == column && *strict)
        };
        Ok(Self {
            temporary: format!("pg_temp.redrill_{number}"),
            strict: columns.iter().map(is_strict).collect(),
            columns,
            table,
            raw: Fields::default(),
            reordered: false,
            failure: None,
        })
    }

    /// Loads rows of COPY text, up to their end.
    async fn copy(
        &mut self,
        session: &mut Session,
        named: Vec<String>,
        receiver: &mut Receiver<Reread>,
    ) -> Result<(), DatabaseError> {
        let columns = if named.is_empty() {
            self.columns.clone()
        } else {
            named
        };
        self.reordered |= columns != self.columns;
        let list = match columns.as_slice() {
            [] => String::new(),
            columns => format!("({})", columns.join(", ")),
        };
        let options = self.table.print.copy_options();
        let statement = format!("COPY {} {list} FROM STDIN {options}", self.temporary);
        let mut copy = session.copy_in(&statement).await?;
        let mut row: Vec<u8> = Vec::new();
        let mut batch: Vec<u8> = Vec::new();
        while let Some(Reread::Rows(bytes)) = receiver.recv().await {
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                row.extend_from_slice(piece);
                if row.ends_with(b"\n") {
                    row.pop();
                    if row.ends_with(b"\r") {
                        row.pop();
                    }
                    self.raw.add(&row);
                    batch.append(&mut row);
                    batch.push(b'\n');
                }
            }
            if batch.len() > CHUNK {
                copy.send(&batch).await?;
                batch.clear();
            }
        }
        copy.send(&batch).await?;
        copy.finish().await.map(drop)
    }

    /// Runs INSERTs, of which `rests` has the text after the name of the table; gives why it could not.
    async fn insert(
        &mut self,
        session: &mut Session,
        rests: Option<Vec<Vec<u8>>>,
    ) -> Result<Option<String>, DatabaseError> {
        let Some(rests) = rests else {
            return Ok(Some("its INSERTs cannot be parsed".to_owned()));
        };
        let mut batch = String::new();
        let mut rests = rests.into_iter().peekable();
        while let Some(rest) = rests.next() {
            let Ok(rest) = String::from_utf8(rest) else {
                return Ok(Some("its INSERTs are not in UTF-8".to_owned()));
            };
            batch.push_str(&format!("INSERT INTO {}{rest}\n", self.temporary));
            if batch.len() > CHUNK || rests.peek().is_none() {
                session.run("SAVEPOINT redrill").await?;
                let done = session.run(&batch).await;
                batch.clear();
                match done {
                    Ok(_) => session.run("RELEASE redrill").await?,
                    Err(error) if error.lost => return Err(error),
                    Err(error) => {
                        session.run("ROLLBACK TO redrill").await?;
                        return Ok(Some(format!(
                            "its INSERTs fail without the other statements of the dump: {error}"
                        )));
                    }
                };
            }
        }
        Ok(None)
    }

    /// Compares the reloaded rows with the restored ones.
    async fn compare(
        &self,
        session: &mut Session,
        part: &Part,
    ) -> Result<(Values, Option<Finding>), DatabaseError> {
        if let Some(why) = &self.failure {
            return Ok((Values::NotCompared(why.clone()), None));
        }
        let columns = self.columns.join(", ");
        let options = self.table.print.copy_options();
        let reloaded = format!(
            "COPY (SELECT {columns} FROM {}) TO STDOUT {options}",
            self.temporary
        );
        let reloaded = read_fields(session, &reloaded).await?;
        let table = RestoredTable {
            columns: self.columns.clone(),
            ..self.table.clone()
        };
        let restored = read_fields(session, &table.copy()).await?;
        let mut different: BTreeSet<usize> =
            reloaded.different_columns(&restored).into_iter().collect();
        let by_pg_dump = part.contents.dump_version.is_some()
            && !self.table.held.values.inserts
            && !self.reordered;
        if by_pg_dump {
            let strict = |at: &usize| self.strict.get(*at) == Some(&true);
            different.extend(
                self.raw
                    .different_columns(&restored)
                    .into_iter()
                    .filter(strict),
            );
        }
        if reloaded.all == restored.all && different.is_empty() {
            return Ok((Values::Same, None));
        }
        let at_least = match reloaded.different_rows(&restored) {
            0 => self.raw.different_rows(&restored).max(1),
            rows => rows,
        };
        let finding = self.finding(&different, at_least, restored.all.count);
        Ok((Values::Differ, Some(finding)))
    }

    fn finding(&self, different: &BTreeSet<usize>, at_least: u64, rows: u64) -> Finding {
        let names = different.iter().filter_map(|at| self.columns.get(*at));
        let names: Vec<&String> = names.collect();
        let columns = match names.len() {
            0 => "the values are in other rows".to_owned(),
            1 => format!("in the column {}", names[0]),
            _ => format!("in the columns {}", listed(&names, NAMED)),
        };
        let rows = show_counted(rows, "row");
        Finding::about(
            self.table.name.to_string(),
            format!("{rows} with the values of the backup"),
            format!("at least {} of {rows} with other values: {columns}", show_count(at_least)),
        )
        .hint("check triggers, rules and defaults that apply while rows are loaded, and programs that write to the database")
    }
}

/// Reads a COPY to its end.
async fn read_fields(session: &mut Session, copy: &str) -> Result<Fields, DatabaseError> {
    let mut fields = Fields::default();
    session.copy_out(copy, |row| fields.add(row)).await?;
    Ok(fields)
}
