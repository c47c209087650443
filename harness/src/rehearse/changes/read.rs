//! Reads the state of a cluster.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::rows::{self, TableColumns, TableRows};
use super::{DatabaseState, State, storage, stored, system, view};
use crate::baseline::RowsState;
use crate::baseline::tables::{TableQueue, list_tables};
use crate::baseline::take::read_sequences;
use crate::catalog::{self, Catalog};
use crate::database::{DatabaseError, Session, Terms};
use crate::digest;
use crate::outcome::CouldNotRun;
use crate::proof::large_objects;
use crate::server::ThrowawayServer;
use crate::sql::{QualifiedName, quote_literal};

/// Sessions that read tables at the same time, at most.
const SESSIONS: usize = 4;

/// Whether rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadRows {
    /// Those of all tables, with digests of their values.
    All,
    /// How many each table has.
    Counted,
    /// None.
    Off,
}

/// Databases that are there, of which some are expected: others were made meanwhile.
const DATABASES: &str = "
SELECT datname FROM pg_catalog.pg_database
 WHERE datallowconn AND (datname IN ({expected}) OR NOT datistemplate AND datname <> 'postgres') ORDER BY 1";

/// Reads the state of these databases of a server, as far as they are there, and of others that were made since. Statements have no
/// time limit; memory does not depend on the number of rows.
///
/// # Errors
/// When a database cannot be read.
pub async fn read(
    server: &ThrowawayServer,
    databases: &[String],
    rows: ReadRows,
) -> Result<State, CouldNotRun> {
    let mut session = Session::superuser(server.endpoint(), "postgres", &Terms::default()).await?;
    let mut state = State {
        settings: system::read(&mut session).await?,
        ..State::default()
    };
    for name in list(&mut session, databases).await? {
        let read = read_database(server, &name, rows).await;
        let read = read.map_err(|error| {
            let error = CouldNotRun::from(error);
            CouldNotRun {
                reason: format!(
                    "the state of database {name} cannot be read: {}",
                    error.reason
                ),
                ..error
            }
        })?;
        state.databases.insert(name, read);
    }
    session.close().await;
    Ok(state)
}

/// The databases to be read.
async fn list(session: &mut Session, expected: &[String]) -> Result<Vec<String>, CouldNotRun> {
    let literals: Vec<String> = expected.iter().map(|name| quote_literal(name)).collect();
    let sql = DATABASES.replace("{expected}", &literals.join(", "));
    let rows = session.rows(&sql).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next()?)
        .collect())
}

async fn read_database(
    server: &ThrowawayServer,
    name: &str,
    rows: ReadRows,
) -> Result<DatabaseState, DatabaseError> {
    let terms = Terms {
        statement_timeout: Duration::ZERO,
    };
    let open = || Session::superuser(server.endpoint(), name, &terms);
    let mut first = open().await?;
    let identities = catalog::identities(&mut first).await?;
    let mut state = DatabaseState {
        known_by_views: view::read(&mut first, &identities).await?,
        catalog: Catalog::read(&mut first).await?,
        identities,
        stored: stored::read(&mut first).await?,
        relations: storage::read(&mut first).await?,
        sequences: read_sequences(&mut first).await?,
        bytes: first
            .count("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())")
            .await?,
        ..DatabaseState::default()
    };
    let mut sessions = vec![first];
    if rows != ReadRows::Off {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        for _ in 1..processors.min(SESSIONS) {
            sessions.push(open().await?);
        }
        state.rows = Some(read_tables(&mut sessions, rows).await?);
        let large_objects = large_objects::digest(&mut sessions[0]).await?;
        state.large_objects = Some(RowsState::of(&large_objects));
    }
    for session in sessions {
        session.close().await;
    }
    Ok(state)
}

/// Reads the rows of all tables, each with one of the sessions.
async fn read_tables(
    sessions: &mut [Session],
    rows: ReadRows,
) -> Result<BTreeMap<QualifiedName, TableRows>, DatabaseError> {
    let Some(first) = sessions.first_mut() else {
        return Ok(BTreeMap::new());
    };
    first.run(digest::CANONICAL).await?;
    let (tables, _) = list_tables(first).await?;
    let columns = rows::read_columns(first).await?;
    let cells = rows::cells_of_each(tables.len());
    let queue = TableQueue::new(tables);
    let readers = sessions
        .iter_mut()
        .map(|session| read_queue(session, &queue, &columns, (rows, cells)));
    let read = try_join_all(readers).await?;
    Ok(read.into_iter().flatten().collect())
}

/// Reads tables of the queue until it is empty.
async fn read_queue(
    session: &mut Session,
    queue: &TableQueue,
    columns: &HashMap<QualifiedName, TableColumns>,
    (how, cells): (ReadRows, usize),
) -> Result<Vec<(QualifiedName, TableRows)>, DatabaseError> {
    session.run(digest::CANONICAL).await?;
    let mut read = Vec::new();
    while let Some(table) = queue.take_next() {
        let Some(columns) = columns.get(&table.name) else {
            continue;
        };
        if how == ReadRows::Counted {
            let count = session.count(&table.count_statement()).await?;
            read.push((table.name, TableRows::counted(columns.clone(), count)));
            continue;
        }
        let mut rows = TableRows::new(columns.clone(), cells);
        session
            .copy_out(&table.copy_statement(), |row| rows.add(row))
            .await?;
        read.push((table.name, rows));
    }
    Ok(read)
}
