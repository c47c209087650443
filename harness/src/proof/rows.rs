//! What is in the tables against what is in the backup: every row of every table, counted and, where that
//! is asked for, digested. One pass over each table, several tables side by side.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::settings::Level;
use super::{anew, zone};
use crate::backup::contents::Rows;
use crate::backup::script::literal::Form;
use crate::backup::values;
use crate::backup::{Backup, Part};
use crate::database::{DatabaseError, Endpoint, Session, Terms};
use crate::digest::{CANONICAL, RowsDigest};
use crate::event::{Event, Listener};
use crate::outcome::{Finding, TableRows, Values};
use crate::restore::settings::Restore;
use crate::restore::target;
use crate::server::ThrowawayServer;
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::show_count;

/// Tables that are read at the same time.
const SIDE_BY_SIDE: usize = 3;

/// Limit of reading one table.
const WITHIN: Duration = Duration::from_secs(6 * 3600);

/// How often is told how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// Which tables are there: the kind of relation, whether an extension made it, and which of its rows that
/// extension lets be dumped.
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

/// Columns of a table in their order, without generated ones where those are not asked for.
const COLUMNS: &str = "
SELECT attname FROM pg_catalog.pg_attribute
 WHERE attrelid = {table}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped
 ORDER BY attnum";

/// A table of the backup, and where it is in the server.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Place of the dump in the backup.
    pub part: usize,
    /// The database as the dump names it; empty where it names none.
    pub named: String,
    /// The database that it went into.
    pub database: String,
    pub name: QualifiedName,
    /// What the backup says of its rows.
    pub held: Rows,
    /// As in `pg_class.relkind`.
    pub kind: String,
    /// Whether an extension made it.
    pub of_extension: bool,
    /// Which of its rows that extension lets be dumped: `WHERE …`, or empty.
    pub condition: String,
    /// The columns that the backup has values for, quoted; empty for all that are not generated.
    pub columns: Vec<String>,
}

impl Table {
    /// Reads the rows that the backup should have.
    pub(super) fn copy(&self, style: &Style) -> String {
        let options = style.options();
        let columns = self.columns.join(", ");
        // What is loaded through a partitioned table lies below it. Foreign tables cannot be copied, and
        // of an extension's table only a part is dumped.
        if self.kind == "r" && self.condition.is_empty() {
            let list = if columns.is_empty() {
                columns
            } else {
                format!("({columns})")
            };
            return format!("COPY {} {list} TO STDOUT {options}", self.name);
        }
        let columns = if columns.is_empty() { "*" } else { &columns };
        format!(
            "COPY (SELECT {columns} FROM {} {}) TO STDOUT {options}",
            self.only(),
            self.condition
        )
    }

    /// Counts the same rows.
    fn count(&self) -> String {
        format!(
            "SELECT pg_catalog.count(*) FROM {} {}",
            self.only(),
            self.condition
        )
    }

    /// The table without what inherits from it; of a partitioned one, its partitions.
    fn only(&self) -> String {
        let only = if self.kind == "p" { "" } else { "ONLY " };
        format!("{only}{}", self.name)
    }
}

/// What is found of the rows of one table.
#[derive(Debug, Clone, Copy)]
struct Seen {
    count: u64,
    digest: Option<RowsDigest>,
}

/// How the server is asked to write the rows of one database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Style {
    pub database: String,
    pub encoding: String,
    pub zone: String,
}

impl Style {
    /// A session that writes so.
    pub(super) async fn session(&self, endpoint: &Endpoint) -> Result<Session, DatabaseError> {
        let terms = Terms {
            statement_timeout: WITHIN,
        };
        let mut session = Session::superuser(endpoint, &self.database, &terms).await?;
        session.run(&self.settings()).await?;
        Ok(session)
    }

    /// The end of a COPY in this encoding. That of the session is left alone, since names in
    /// statements are in it.
    pub(super) fn options(&self) -> String {
        format!("WITH (ENCODING {})", quote_literal(&self.encoding))
    }

    /// What makes a session write so.
    pub(super) fn settings(&self) -> String {
        format!(
            "{CANONICAL}; SET \"TimeZone\" = {}",
            quote_literal(&self.zone)
        )
    }
}

/// What was found of the rows of all tables.
#[derive(Debug, Default)]
pub struct Compared {
    /// Every table.
    pub rows: Vec<TableRows>,
    /// Tables that do not hold the rows of the backup.
    pub findings: Vec<Finding>,
}

/// Compares the rows of every table of the backup with those in the database that it was restored into.
///
/// # Errors
/// When a database or the backup cannot be looked at: this says nothing about the backup.
pub async fn compare(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
    level: Level,
    listener: &Listener,
) -> Result<Compared, DatabaseError> {
    let endpoint = server.endpoint();
    let mut compared = Compared::default();
    let mut queue = Vec::new();
    for (database, held) in by_database(backup, settings) {
        let mut session = server.session(&database).await?;
        let there = tables(&mut session).await?;
        let mut zones: BTreeMap<(usize, &str), String> = BTreeMap::new();
        for (at, named, name, rows) in held {
            let Some((kind, of_extension, condition)) = there.get(name) else {
                compared.lacks(&database, name, rows);
                continue;
            };
            let part = &backup.parts[at];
            let zone = match zones.get(&(at, named)) {
                Some(zone) => zone.clone(),
                None => {
                    let times = part
                        .contents
                        .times
                        .get(named)
                        .map_or(&[][..], Vec::as_slice);
                    let zone = zone::of(&mut session, times).await?;
                    zones.insert((at, named), zone.clone());
                    zone
                }
            };
            let table = Table {
                part: at,
                named: named.to_owned(),
                database: database.clone(),
                name: name.clone(),
                held: rows.clone(),
                kind: kind.clone(),
                of_extension: *of_extension,
                condition: condition.clone(),
                columns: columns(&mut session, name, rows).await?,
            };
            let style = Style {
                database: database.clone(),
                encoding: encoding(part, named),
                zone,
            };
            queue.push((table, style));
        }
        session.close().await;
    }
    let seen = read(endpoint, queue, level, listener).await?;
    let mut again = Vec::new();
    for (table, style, seen) in seen {
        match judge(&table, seen, level) {
            Judged::Values(values) => compared.note(&table, seen.count, values, None),
            Judged::Wrong(finding) => {
                compared.note(&table, seen.count, Values::NotAsked, Some(finding));
            }
            Judged::Again => again.push((table, style)),
        }
    }
    for (table, judged) in anew::look(server, backup, again).await? {
        match judged {
            Ok(()) => compared.note(&table, table.held.count, Values::Same, None),
            Err(anew::Unlike::NotCompared(why)) => {
                compared.note(&table, table.held.count, Values::NotCompared(why), None);
            }
            Err(anew::Unlike::Differ(finding)) => {
                compared.note(&table, table.held.count, Values::Differ, Some(finding));
            }
        }
    }
    compared
        .rows
        .sort_by(|a, b| (&a.database, &a.table).cmp(&(&b.database, &b.table)));
    compared.findings.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(compared)
}

impl Compared {
    fn note(&mut self, table: &Table, restored: u64, values: Values, finding: Option<Finding>) {
        self.rows.push(TableRows {
            database: table.database.clone(),
            table: table.name.to_string(),
            backup: table.held.count,
            restored: Some(restored),
            values,
        });
        self.findings.extend(finding);
    }

    /// A table that is not there.
    fn lacks(&mut self, database: &str, name: &QualifiedName, held: &Rows) {
        self.rows.push(TableRows {
            database: database.to_owned(),
            table: name.to_string(),
            backup: held.count,
            restored: None,
            values: Values::NotAsked,
        });
        self.findings.push(
            Finding::about(
                name.to_string(),
                expected(held.count),
                "the table is not in the database",
            )
            .hint("see the errors of the restore for its CREATE TABLE"),
        );
    }
}

/// A table of a dump: place of the dump, database as it names it, table, rows.
type Held<'a> = (usize, &'a str, &'a QualifiedName, &'a Rows);

/// What the backup holds, by the database that it went into.
fn by_database<'a>(backup: &'a Backup, settings: &Restore) -> BTreeMap<String, Vec<Held<'a>>> {
    let mut all: BTreeMap<String, Vec<Held<'_>>> = BTreeMap::new();
    for (at, part) in backup.parts.iter().enumerate() {
        let own = own_database(part, settings);
        for ((named, table), rows) in &part.contents.rows {
            let name = if named.is_empty() { &own } else { named };
            all.entry(name.clone())
                .or_default()
                .push((at, named, table, rows));
        }
    }
    all
}

/// Where what a dump does not say goes.
pub(super) fn own_database(part: &Part, settings: &Restore) -> String {
    target::database_of(part, settings).unwrap_or_else(|| "postgres".to_owned())
}

/// The encoding that a dump's rows for a database are in.
fn encoding(part: &Part, named: &str) -> String {
    let contents = &part.contents;
    let encoding = contents.encodings.get(named).or(contents.encoding.as_ref());
    encoding.cloned().unwrap_or_else(|| "UTF8".to_owned())
}

/// The tables of a database: kind, whether an extension's, and the condition of that.
async fn tables(
    session: &mut Session,
) -> Result<BTreeMap<QualifiedName, (String, bool, String)>, DatabaseError> {
    let rows = session.rows(TABLES).await?;
    let tables = rows.into_iter().filter_map(|row| {
        let [schema, name, kind, of_extension, condition] = <[_; 5]>::try_from(row).ok()?;
        let table = QualifiedName {
            schema: schema?,
            name: name?,
        };
        Some((
            table,
            (kind?, of_extension? == "t", condition.unwrap_or_default()),
        ))
    });
    Ok(tables.collect())
}

/// The columns that the backup has values for, where they are not simply all.
async fn columns(
    session: &mut Session,
    table: &QualifiedName,
    held: &Rows,
) -> Result<Vec<String>, DatabaseError> {
    let values = &held.values;
    let named = values::names(&values.columns);
    if named.is_empty() && (!values.inserts || values.width == 0) {
        return Ok(Vec::new());
    }
    let named = if named.is_empty() {
        let rows = session
            .rows(&COLUMNS.replace("{table}", &table.literal()))
            .await?;
        let all = rows
            .into_iter()
            .filter_map(|row| row.into_iter().next().flatten());
        all.take(values.width)
            .map(|name| quote_ident(&name))
            .collect()
    } else {
        named
    };
    let valued = named.into_iter().enumerate();
    Ok(valued
        .filter(|(at, _)| !values.defaults.contains(at))
        .map(|(_, name)| name)
        .collect())
}

/// Reads all tables, the largest first.
async fn read(
    endpoint: &Endpoint,
    mut tables: Vec<(Table, Style)>,
    level: Level,
    listener: &Listener,
) -> Result<Vec<(Table, Style, Seen)>, DatabaseError> {
    tables.sort_by_key(|(table, _)| std::cmp::Reverse(table.held.bytes));
    let total = tables.iter().map(|(table, _)| table.held.bytes).sum();
    let workers = SIDE_BY_SIDE.min(tables.len());
    let queue = Arc::new(Mutex::new(VecDeque::from(tables)));
    let done = Arc::new(AtomicU64::new(0));
    let mut working = JoinSet::new();
    for _ in 0..workers {
        working.spawn(work(endpoint.clone(), queue.clone(), level, done.clone()));
    }
    let mut all = Vec::new();
    let mut tick = tokio::time::interval(TOLD_EVERY);
    loop {
        tokio::select! {
            ended = working.join_next() => match ended {
                None => return Ok(all),
                Some(Ok(seen)) => all.extend(seen?),
                Some(Err(error)) => return Err(DatabaseError {
                    sqlstate: None,
                    message: format!("reading a table ended: {error}"),
                    lost: false,
                }),
            },
            _ = tick.tick() => listener(Event::Proven { bytes: done.load(Ordering::Relaxed).min(total), total }),
        }
    }
}

/// Reads tables of the queue until there are none.
async fn work(
    endpoint: Endpoint,
    queue: Arc<Mutex<VecDeque<(Table, Style)>>>,
    level: Level,
    done: Arc<AtomicU64>,
) -> Result<Vec<(Table, Style, Seen)>, DatabaseError> {
    let mut all = Vec::new();
    let mut open: Option<(Style, Session)> = None;
    loop {
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some((table, style)) = next else {
            break;
        };
        let mut session = match open.take() {
            Some((of, session)) if of == style => session,
            other => {
                if let Some((_, session)) = other {
                    session.close().await;
                }
                style.session(&endpoint).await?
            }
        };
        let digested = level == Level::Full && table.held.values.form == Form::Text;
        let seen = if digested {
            let (mut digest, mut bytes) = (RowsDigest::default(), 0);
            session
                .copy_out(&table.copy(&style), |row| {
                    digest.add(row.strip_suffix(b"\n").unwrap_or(row));
                    bytes += row.len() as u64;
                    if bytes > 1 << 20 {
                        done.fetch_add(std::mem::take(&mut bytes), Ordering::Relaxed);
                    }
                })
                .await?;
            done.fetch_add(bytes, Ordering::Relaxed);
            Seen {
                count: digest.count,
                digest: Some(digest),
            }
        } else {
            let count = session.count(&table.count()).await?;
            done.fetch_add(table.held.bytes, Ordering::Relaxed);
            Seen {
                count,
                digest: None,
            }
        };
        all.push((table, style.clone(), seen));
        open = Some((style, session));
    }
    if let Some((_, session)) = open {
        session.close().await;
    }
    Ok(all)
}

/// What is to be said of the rows of a table.
enum Judged {
    /// As many as in the backup, and this is known of their values.
    Values(Values),
    /// They are not those of the backup.
    Wrong(Finding),
    /// Only the server can tell.
    Again,
}

/// Compares the rows of one table.
fn judge(table: &Table, seen: Seen, level: Level) -> Judged {
    let held = &table.held;
    let not = |why: &str| Judged::Values(Values::NotCompared(why.to_owned()));
    if held.unknown && seen.count >= held.count {
        // Such a dump says of some rows how many they are, and there are no fewer.
        return match level {
            Level::Full => not("the backup computes them with queries and does not contain them"),
            Level::Off | Level::Objects | Level::Counts => Judged::Values(Values::NotAsked),
        };
    }
    if let Some(finding) = count(
        &table.name,
        held.count,
        seen.count,
        table.of_extension,
        held.may_be_fewer,
    ) {
        return Judged::Wrong(finding);
    }
    if level != Level::Full {
        return Judged::Values(Values::NotAsked);
    }
    match held.values.form {
        _ if held.count == 0 && seen.count == 0 => Judged::Values(Values::Same),
        Form::Text if seen.digest == Some(held.values.digest) => Judged::Values(Values::Same),
        _ if seen.count < held.count => {
            not("the backup lets the server skip rows (`ON CONFLICT`), and it did")
        }
        _ if seen.count > held.count => {
            not("the extension that made the table put rows of its own into it")
        }
        Form::Text | Form::Read => Judged::Again,
        Form::Computed => not("the backup has them computed when they are restored"),
        Form::Mixed => not("the backup names other columns for some of them than for others"),
        Form::Other => not("the backup contains them in a form that redrill does not read"),
    }
}

fn expected(rows: u64) -> String {
    format!("{}, as in the backup", show_rows(rows))
}

fn show_rows(rows: u64) -> String {
    let noun = if rows == 1 { "row" } else { "rows" };
    format!("{} {noun}", show_count(rows))
}

/// Compares how many rows there are.
fn count(
    table: &QualifiedName,
    backup: u64,
    restored: u64,
    of_extension: bool,
    may_be_fewer: bool,
) -> Option<Finding> {
    let good = match restored.cmp(&backup) {
        std::cmp::Ordering::Equal => true,
        // The extension's own script may put rows into its table before the dump adds others.
        std::cmp::Ordering::Greater => of_extension,
        std::cmp::Ordering::Less => may_be_fewer && restored > 0,
    };
    (!good).then(|| {
        Finding::about(table.to_string(), expected(backup), show_rows(restored))
            .hint("see the errors of the restore for its COPY, and check its triggers and rules")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(5, 5, false, false, true)]
    #[case(5, 4, false, false, false)]
    #[case(5, 6, false, false, false)]
    #[case(5, 6, true, false, true)]
    #[case(5, 4, false, true, true)]
    #[case(5, 0, false, true, false)]
    fn rows_are_counted(
        #[case] backup: u64,
        #[case] restored: u64,
        #[case] of_extension: bool,
        #[case] may_be_fewer: bool,
        #[case] good: bool,
    ) {
        let table = QualifiedName::parse("app.orders").unwrap();
        let judged = count(&table, backup, restored, of_extension, may_be_fewer);
        assert_eq!(judged.is_none(), good);
    }
}
