//! Takes a baseline: reads a database once, several tables at the same time, and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use super::history::{self, History};
use super::tables::{StoredTable, TableQueue, list_tables};
use super::{Database, RowsState};
use crate::catalog::Catalog;
use crate::database::{DatabaseError, Session};
use crate::digest;
use crate::proof::large_objects;
use crate::sql::QualifiedName;

/// What is read.
#[derive(Debug, Clone, Default)]
pub struct TakeOptions {
    /// Append-only tables, whose history is read; of a partitioned one all partitions.
    pub append_only: Vec<QualifiedName>,
    /// Whether rows are digested and not only counted.
    pub digests: bool,
    /// Known counts, by table as SQL writes it: these are not counted again.
    pub known: BTreeMap<String, RowsState>,
}

/// The last value of each used sequence.
const SEQUENCES: &str = "
SELECT schemaname, sequencename, last_value
  FROM pg_catalog.pg_sequences WHERE last_value IS NOT NULL";

/// Reads a database: definition and sequences with the first session, tables with all of them.
///
/// # Errors
/// When it cannot be read.
pub async fn take(
    sessions: &mut [&mut Session],
    options: &TakeOptions,
) -> Result<Database, DatabaseError> {
    let Some(first) = sessions.first_mut() else {
        return Ok(Database::default());
    };
    let catalog = Catalog::read(first).await?;
    with_catalog(sessions, catalog, options).await
}

/// The same, with a catalog that the first session has read in the same snapshot.
///
/// # Errors
/// When it cannot be read.
pub async fn with_catalog(
    sessions: &mut [&mut Session],
    catalog: Catalog,
    options: &TakeOptions,
) -> Result<Database, DatabaseError> {
    let Some(first) = sessions.first_mut() else {
        return Ok(Database::default());
    };
    first.run(digest::CANONICAL).await?;
    let (tables, mut not_read) = list_tables(first).await?;
    let sequences = read_sequences(first).await?;
    // Only a superuser may read the content of large objects.
    let content = options.digests && is_superuser(first).await?;
    let large_objects = match content {
        true => RowsState::of(&large_objects::digest(first).await?),
        false => RowsState {
            count: first
                .count("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata")
                .await?,
            digest: None,
        },
    };
    if options.digests && !content && large_objects.count > 0 {
        not_read.push("content of large objects: only a superuser may read it".to_owned());
    }
    let append_only: BTreeSet<&QualifiedName> = options.append_only.iter().collect();
    let queue = TableQueue::new(tables);
    let readers = sessions
        .iter_mut()
        .map(|session| read_tables(session, &queue, options, &append_only));
    let (mut rows, mut history) = (BTreeMap::new(), BTreeMap::new());
    for (of_rows, of_history) in try_join_all(readers).await? {
        rows.extend(of_rows);
        for (table, found) in of_history {
            match found {
                Some(found) => {
                    history.insert(table, found);
                }
                None => not_read.push(format!(
                    "history of {table}: no column grows with the rows, such as an identity column or a time with a default"
                )),
            }
        }
    }
    not_read.sort();
    Ok(Database {
        catalog,
        rows,
        sequences,
        history,
        differences: Vec::new(),
        large_objects,
        not_read,
    })
}

/// Reads the last value of each used sequence.
///
/// # Errors
/// When it cannot be read.
pub async fn read_sequences(
    session: &mut Session,
) -> Result<BTreeMap<QualifiedName, i64>, DatabaseError> {
    let mut sequences = BTreeMap::new();
    for row in session.rows(SEQUENCES).await? {
        if let [Some(schema), Some(name), Some(value)] = row.as_slice()
            && let Ok(value) = value.parse()
        {
            let (schema, name) = (schema.clone(), name.clone());
            sequences.insert(QualifiedName { schema, name }, value);
        }
    }
    Ok(sequences)
}

async fn is_superuser(session: &mut Session) -> Result<bool, DatabaseError> {
    let value = session
        .value("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER")
        .await?;
    Ok(value.as_deref() == Some("t"))
}

/// Rows of tables, and the histories of append-only ones; `None` for a history that cannot be taken.
type TablesRead = (
    Vec<(QualifiedName, RowsState)>,
    Vec<(QualifiedName, Option<History>)>,
);

/// Reads tables of the queue until it is empty.
async fn read_tables(
    session: &mut Session,
    queue: &TableQueue,
    options: &TakeOptions,
    append_only: &BTreeSet<&QualifiedName>,
) -> Result<TablesRead, DatabaseError> {
    session.run(digest::CANONICAL).await?;
    let (mut rows, mut histories) = (Vec::new(), Vec::new());
    while let Some(table) = queue.take_next() {
        let known = options
            .known
            .get(&table.name.to_string())
            .filter(|known| known.digest.is_some() || !options.digests);
        let counted = match known {
            Some(known) => known.clone(),
            None => count_rows(session, &table, options.digests).await?,
        };
        let number = counted.count;
        rows.push((table.name.clone(), counted));
        if table
            .ancestors
            .iter()
            .any(|name| append_only.contains(name))
        {
            let found = history::take(session, &table, number).await?;
            histories.push((table.name, found));
        }
    }
    Ok((rows, histories))
}

/// Counts the rows of one table, and digests them if `digests`.
async fn count_rows(
    session: &mut Session,
    table: &StoredTable,
    digests: bool,
) -> Result<RowsState, DatabaseError> {
    if !digests {
        let name = &table.name;
        let count = session
            .count(&format!("SELECT pg_catalog.count(*) FROM ONLY {name}"))
            .await?;
        return Ok(RowsState {
            count,
            digest: None,
        });
    }
    let digest = session.digest_rows(&table.copy_statement()).await?;
    Ok(RowsState::of(&digest))
}
