//! How many rows tables hold: each is read once in a drill, however many checks count on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::baseline::RowsState;
use crate::check::columns::Columns as _;
use crate::database::{DatabaseError, Session};
use crate::outcome::TableRows;
use crate::sql::QualifiedName;

/// A database and a relation in it, as SQL names it.
type RelationKey = (String, String);

/// Counts by database and relation, of the relation alone: what inherits from it is not in. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    known: Arc<Mutex<HashMap<RelationKey, Arc<OnceCell<u64>>>>>,
}

/// A relation and whatever inherits from it, partitions among them. What has no storage of its own
/// (a partitioned table) holds no row itself.
const TREE: &str = "
WITH RECURSIVE tree(oid) AS (
    SELECT {table}::pg_catalog.regclass::pg_catalog.oid
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid)
SELECT n.nspname, c.relname
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind <> 'p'";

impl Counts {
    /// Begins with what the proof has counted already, one relation at a time.
    #[must_use]
    pub fn of(rows: &[TableRows]) -> Self {
        let known = rows.iter().filter_map(|table| {
            let key = (table.database.clone(), table.table.clone());
            Some((key, Arc::new(OnceCell::new_with(Some(table.restored?)))))
        });
        Self {
            known: Arc::new(Mutex::new(known.collect())),
        }
    }

    /// Gives what is counted already in a database, by relation as SQL names it.
    #[must_use]
    pub fn known(&self, database: &str) -> BTreeMap<String, RowsState> {
        // A panic elsewhere leaves the map as it was: an entry is there or not.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_database = known.iter().filter(|((of, _), _)| of == database);
        of_database
            .filter_map(|((_, relation), count)| {
                let rows = RowsState {
                    count: *count.get()?,
                    digest: None,
                };
                Some((relation.clone(), rows))
            })
            .collect()
    }

    /// Gives the rows of a table as a query of it sees them: those of its partitions and of what
    /// inherits from it too. Exact, never an estimate.
    ///
    /// # Errors
    /// When a relation is not there or cannot be read.
    pub async fn rows(
        &self,
        session: &mut Session,
        database: &str,
        table: &QualifiedName,
    ) -> Result<u64, DatabaseError> {
        let tree = session
            .rows(&TREE.replace("{table}", &table.literal()))
            .await?;
        let mut sum = 0;
        for row in tree {
            if let Some(relation) = row.name(0) {
                sum += self.alone(session, database, &relation).await?;
            }
        }
        Ok(sum)
    }

    /// Gives the rows of one relation alone.
    async fn alone(
        &self,
        session: &mut Session,
        database: &str,
        relation: &QualifiedName,
    ) -> Result<u64, DatabaseError> {
        let key = (database.to_owned(), relation.to_string());
        let cell = {
            // A panic elsewhere leaves the map as it was: an entry is there or not.
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(key).or_default())
        };
        cell.get_or_try_init(|| async {
            session
                .count(&format!("SELECT pg_catalog.count(*) FROM ONLY {relation}"))
                .await
        })
        .await
        .copied()
    }
}
