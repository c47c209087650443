//! Compares the rows of every table with the backup: counted and, at level `full`, digested. Each table is read once,
//! several at the same time.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;

use super::reload;
use super::settings::Level;
use super::tables::{self, MissingTable, PrintSettings, RestoredTable};
use crate::backup::Backup;
use crate::backup::script::literal::Form;
use crate::database::{DatabaseError, Endpoint, Session};
use crate::digest::RowsDigest;
use crate::event::{Event, Listener};
use crate::outcome::{Finding, TableRows, Values};
use crate::restore::settings::Restore;
use crate::server::ThrowawayServer;
use crate::units::show_counted;

/// Tables that are read at the same time.
const SIDE_BY_SIDE: usize = 3;

/// How often progress is reported.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// The result of the comparison of all tables.
#[derive(Debug, Default)]
pub struct RowsProof {
    /// Every table of the backup.
    pub rows: Vec<TableRows>,
    /// Tables whose rows differ from the backup.
    pub findings: Vec<Finding>,
}

/// Compares the rows of every table of the backup with those in the database that it was restored into.
///
/// # Errors
/// When a database or the backup cannot be read: this says nothing about the backup.
pub async fn compare(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
    level: Level,
    listener: &Listener,
) -> Result<RowsProof, DatabaseError> {
    let mut proof = RowsProof::default();
    let (found, missing) = tables::find(server, backup, settings).await?;
    for table in missing {
        proof.add_missing(table);
    }
    let mut to_reload = Vec::new();
    let (found, read) = read_all(server.endpoint(), found, level, listener).await?;
    for (at, read) in read {
        let Some(table) = found.get(at) else { continue };
        match compare_table(table, &read, level) {
            Some((values, finding)) => proof.add(table, read.count, values, finding),
            None => to_reload.push(table.clone()),
        }
    }
    drop(found);
    for (table, values, finding) in reload::compare(server, backup, to_reload).await? {
        proof.add(&table, table.held.count, values, finding);
    }
    proof
        .rows
        .sort_by(|a, b| (&a.database, &a.table).cmp(&(&b.database, &b.table)));
    proof.findings.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(proof)
}

impl RowsProof {
    fn add(
        &mut self,
        table: &RestoredTable,
        restored: u64,
        values: Values,
        finding: Option<Finding>,
    ) {
        self.rows.push(TableRows {
            database: table.print.database.clone(),
            table: table.name.to_string(),
            backup: table.held.count,
            restored: Some(restored),
            values,
        });
        self.findings.extend(finding);
    }

    fn add_missing(&mut self, table: MissingTable) {
        let actual = "the table is not in the database";
        let finding = Finding::about(table.name.to_string(), expected(table.count), actual);
        self.findings
            .push(finding.hint("see the errors of the restore for its CREATE TABLE"));
        self.rows.push(TableRows {
            database: table.database,
            table: table.name.to_string(),
            backup: table.count,
            restored: None,
            values: Values::NotAsked,
        });
    }
}

/// The rows of a restored table.
#[derive(Debug, Clone, Copy)]
struct RowsRead {
    count: u64,
    digest: Option<RowsDigest>,
}

/// Tables in the order in which they are read.
type Queue = Arc<Vec<RestoredTable>>;

/// Reads all tables, the largest first; gives what was read by the place of its table. The tables of a backup may be very many:
/// they are kept once.
async fn read_all(
    endpoint: &Endpoint,
    mut tables: Vec<RestoredTable>,
    level: Level,
    listener: &Listener,
) -> Result<(Queue, Vec<(usize, RowsRead)>), DatabaseError> {
    tables.sort_by_key(|table| Reverse(table.held.bytes));
    let total = tables.iter().map(|table| table.held.bytes).sum();
    let workers = SIDE_BY_SIDE.min(tables.len());
    let (tables, next) = (Arc::new(tables), Arc::new(AtomicUsize::new(0)));
    let done = Arc::new(AtomicU64::new(0));
    let mut working = JoinSet::new();
    for _ in 0..workers {
        working.spawn(read_queue(
            endpoint.clone(),
            (tables.clone(), next.clone()),
            level,
            done.clone(),
        ));
    }
    let mut all = Vec::new();
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            ended = working.join_next() => match ended {
                None => return Ok((tables, all)),
                Some(Ok(read)) => all.extend(read?),
                Some(Err(error)) => return Err(DatabaseError::new(format!("reading a table ended: {error}"))),
            },
            _ = tick.tick() => listener(Event::Proven { bytes: done.load(Relaxed).min(total), total }),
        }
    }
}

/// Reads the next of the tables until there is none.
async fn read_queue(
    endpoint: Endpoint,
    (tables, next): (Queue, Arc<AtomicUsize>),
    level: Level,
    done: Arc<AtomicU64>,
) -> Result<Vec<(usize, RowsRead)>, DatabaseError> {
    let mut all = Vec::new();
    let mut open: Option<(PrintSettings, Session)> = None;
    loop {
        let at = next.fetch_add(1, Relaxed);
        let Some(table) = tables.get(at) else {
            break;
        };
        let mut session = match open.take() {
            Some((of, session)) if of == table.print => session,
            other => {
                if let Some((_, session)) = other {
                    session.close().await;
                }
                table.print.session(&endpoint).await?
            }
        };
        let read = read_table(&mut session, table, level, &done).await?;
        open = Some((table.print.clone(), session));
        all.push((at, read));
    }
    if let Some((_, session)) = open {
        session.close().await;
    }
    Ok(all)
}

async fn read_table(
    session: &mut Session,
    table: &RestoredTable,
    level: Level,
    done: &AtomicU64,
) -> Result<RowsRead, DatabaseError> {
    if level != Level::Full || table.held.values.form != Form::Text {
        let count = session.count(&table.count()).await?;
        done.fetch_add(table.held.bytes, Relaxed);
        return Ok(RowsRead {
            count,
            digest: None,
        });
    }
    let (mut digest, mut bytes) = (RowsDigest::default(), 0);
    session
        .copy_out(&table.copy(), |row| {
            digest.add(row);
            bytes += row.len() as u64 + 1;
            if bytes > 1 << 20 {
                done.fetch_add(std::mem::take(&mut bytes), Relaxed);
            }
        })
        .await?;
    done.fetch_add(bytes, Relaxed);
    Ok(RowsRead {
        count: digest.count,
        digest: Some(digest),
    })
}

/// Compares the rows of one table; `None` where the server must read the rows of the backup again.
fn compare_table(
    table: &RestoredTable,
    read: &RowsRead,
    level: Level,
) -> Option<(Values, Option<Finding>)> {
    let held = &table.held;
    let full = level == Level::Full;
    let not_compared = |why: &str| Some((Values::NotCompared(why.to_owned()), None));
    if held.unknown && read.count >= held.count {
        // The dump contains queries; their rows come in addition to those that it counts.
        return match full {
            true => not_compared("the backup computes them with queries and does not contain them"),
            false => Some((Values::NotAsked, None)),
        };
    }
    if !may_be(
        held.count,
        read.count,
        table.of_extension,
        held.may_be_fewer,
    ) {
        let actual = show_counted(read.count, "row");
        let finding = Finding::about(table.name.to_string(), expected(held.count), actual);
        let hint = "see the errors of the restore for its COPY, and check its triggers and rules";
        return Some((Values::NotAsked, Some(finding.hint(hint))));
    }
    if !full {
        return Some((Values::NotAsked, None));
    }
    match held.values.form {
        _ if held.count == 0 && read.count == 0 => Some((Values::Same, None)),
        Form::Text if read.digest == Some(held.values.digest) => Some((Values::Same, None)),
        _ if read.count < held.count => {
            not_compared("the backup lets the server skip rows (`ON CONFLICT`), and it did")
        }
        _ if read.count > held.count => {
            not_compared("the extension that created the table inserted rows of its own")
        }
        Form::Text | Form::Read => None,
        Form::Computed => not_compared("the backup has them computed when they are restored"),
        Form::Mixed => {
            not_compared("the backup names other columns for some of them than for others")
        }
        Form::Other => {
            not_compared("the backup contains them in a form that redrill does not read")
        }
    }
}

fn expected(rows: u64) -> String {
    format!("{}, as in the backup", show_counted(rows, "row"))
}

/// Whether a table with `backup` rows in the backup may have `restored` rows.
fn may_be(backup: u64, restored: u64, of_extension: bool, may_be_fewer: bool) -> bool {
    match restored.cmp(&backup) {
        Ordering::Equal => true,
        // The script of the extension may insert rows before those of the dump.
        Ordering::Greater => of_extension,
        Ordering::Less => may_be_fewer && restored > 0,
    }
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
        assert_eq!(may_be(backup, restored, of_extension, may_be_fewer), good);
    }
}
