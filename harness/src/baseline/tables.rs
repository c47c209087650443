//! The tables of a database that have rows of their own.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::database::{DatabaseError, Session, is_true};
use crate::sql::{QualifiedName, quote_ident};

/// A table with storage of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTable {
    /// Its name.
    pub name: QualifiedName,
    /// Its columns in order, without generated ones, which a restore computes again.
    pub columns: Vec<String>,
    /// The table itself, and the tables of all levels that it is a partition of.
    pub ancestors: Vec<QualifiedName>,
}

/// Tables that several sessions read at the same time, each the next one.
#[derive(Debug)]
pub struct TableQueue(Mutex<VecDeque<StoredTable>>);

impl TableQueue {
    /// The tables in the order in which they are read.
    #[must_use]
    pub fn new(tables: Vec<StoredTable>) -> Self {
        Self(Mutex::new(tables.into()))
    }

    /// Takes the next table; `None` when no table is left.
    pub fn take_next(&self) -> Option<StoredTable> {
        // A panic in another reader cannot leave half a table in the queue.
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.pop_front()
    }
}

impl StoredTable {
    /// The statement that reads its rows, without generated columns.
    #[must_use]
    pub fn copy_statement(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| quote_ident(name)).collect();
        let columns = match columns.as_slice() {
            [] => String::new(),
            some => format!(" ({})", some.join(", ")),
        };
        format!("COPY {}{columns} TO STDOUT", self.name)
    }

    /// The statement that counts them.
    #[must_use]
    pub fn count_statement(&self) -> String {
        format!("SELECT pg_catalog.count(*) FROM ONLY {}", self.name)
    }
}

/// Tables with rows of their own, the largest first, except those of extensions; and whether the role may read all of
/// their rows.
const TABLES: &str = "
WITH RECURSIVE line(oid, ancestor) AS (
    SELECT c.oid, c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'r'
    UNION
    SELECT line.oid, i.inhparent FROM line JOIN pg_catalog.pg_inherits i ON i.inhrelid = line.ancestor)
SELECT n.nspname, c.relname,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.row_security_active(c.oid),
       pg_catalog.to_json(ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum)),
       pg_catalog.to_json(ARRAY(SELECT pg_catalog.format('%I.%I', an.nspname, ac.relname)
               FROM line JOIN pg_catalog.pg_class ac ON ac.oid = line.ancestor
               JOIN pg_catalog.pg_namespace an ON an.oid = ac.relnamespace
              WHERE line.oid = c.oid))
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY pg_catalog.pg_relation_size(c.oid) DESC, 1, 2";

/// Lists the tables of a database, the largest first; and what cannot be read, with the reason.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn list_tables(
    session: &mut Session,
) -> Result<(Vec<StoredTable>, Vec<String>), DatabaseError> {
    let (mut tables, mut not_read) = (Vec::new(), Vec::new());
    for row in session.rows(TABLES).await? {
        let Ok(
            [
                Some(schema),
                Some(name),
                readable,
                Some(columns),
                Some(ancestors),
            ],
        ) = <[_; 5]>::try_from(row)
        else {
            continue;
        };
        let name = QualifiedName { schema, name };
        if !is_true(Some(&readable)) {
            not_read.push(format!("rows of {name}: the role may not read all of them"));
            continue;
        }
        let ancestors = parse_names(&ancestors);
        let ancestors = ancestors.iter().map(|name| QualifiedName::parse(name));
        tables.push(StoredTable {
            name,
            columns: parse_names(&columns),
            ancestors: ancestors.flatten().collect(),
        });
    }
    Ok((tables, not_read))
}

/// Parses a JSON list of names.
fn parse_names(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}
