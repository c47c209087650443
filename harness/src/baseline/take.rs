//! Takes a baseline: reads a database once, tables side by side, and writes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;

use super::history::{self, History};
use super::{Database, Rows};
use crate::catalog::Catalog;
use crate::database::{DatabaseError, Session};
use crate::digest;
use crate::proof::large_objects;
use crate::sql::{QualifiedName, quote_ident};

/// A table that has storage of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: QualifiedName,
    /// Its columns in their order, without generated ones, which are computed again.
    pub columns: Vec<String>,
    /// What it is a partition of, over all levels, and itself.
    pub line: Vec<QualifiedName>,
}

/// What is to be read.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Tables that only grow; of a partitioned one all partitions.
    pub append_only: Vec<QualifiedName>,
    /// Whether the values of rows are digested, or only counted.
    pub digests: bool,
    /// What is counted already, by table as SQL writes it: those are not counted again.
    pub known: BTreeMap<String, Rows>,
}

/// Tables with rows of their own, the largest first; those of extensions come with the extension. Whether
/// we may read all of their rows.
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

/// The last value of each sequence that was ever used.
const SEQUENCES: &str = "
SELECT schemaname, sequencename, last_value
  FROM pg_catalog.pg_sequences WHERE last_value IS NOT NULL";

/// Lists the tables of a database, the largest first; those that may not be read come by name.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn tables(session: &mut Session) -> Result<(Vec<Table>, Vec<String>), DatabaseError> {
    let (mut tables, mut not_read) = (Vec::new(), Vec::new());
    for row in session.rows(TABLES).await? {
        let [
            Some(schema),
            Some(name),
            Some(readable),
            Some(columns),
            Some(line),
        ] = row.as_slice()
        else {
            continue;
        };
        let name = QualifiedName {
            schema: schema.clone(),
            name: name.clone(),
        };
        if readable == "t" {
            tables.push(Table {
                name,
                columns: names(columns),
                line: names(line)
                    .iter()
                    .filter_map(|name| QualifiedName::parse(name).ok())
                    .collect(),
            });
        } else {
            not_read.push(format!("rows of {name}: the role may not read all of them"));
        }
    }
    Ok((tables, not_read))
}

/// Reads a database: its definition and sequences by the first session, its tables by all.
///
/// # Errors
/// When it cannot be read.
pub async fn take(sessions: &mut [&mut Session], wish: &Wish) -> Result<Database, DatabaseError> {
    let Some(first) = sessions.first_mut() else {
        return Ok(Database::default());
    };
    first.run(digest::CANONICAL).await?;
    let catalog = Catalog::read(first).await?;
    first.run(digest::CANONICAL).await?;
    let (tables, mut not_read) = tables(first).await?;
    let mut sequences = BTreeMap::new();
    for row in first.rows(SEQUENCES).await? {
        if let [Some(schema), Some(name), Some(value)] = row.as_slice()
            && let Ok(value) = value.parse()
        {
            let (schema, name) = (schema.clone(), name.clone());
            sequences.insert(QualifiedName { schema, name }, value);
        }
    }
    // Their content is the superuser's to read.
    let content = wish.digests && is_superuser(first).await?;
    let large_objects = match content {
        true => Rows::of(&large_objects::digest(first).await?),
        false => Rows {
            count: first
                .count("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata")
                .await?,
            digest: None,
        },
    };
    if wish.digests && !content && large_objects.count > 0 {
        not_read.push("content of large objects: only a superuser may read it".to_owned());
    }
    let grows: BTreeSet<&QualifiedName> = wish.append_only.iter().collect();
    let queue = Mutex::new(VecDeque::from(tables));
    let readers = sessions
        .iter_mut()
        .map(|session| read(session, &queue, wish, &grows));
    let (mut rows, mut history) = (BTreeMap::new(), BTreeMap::new());
    for (of_rows, of_history) in try_join_all(readers).await? {
        rows.extend(of_rows);
        for (table, found) in of_history {
            match found {
                Some(found) => {
                    history.insert(table, found);
                }
                None => not_read.push(format!(
                    "history of {table}: no column of it grows with its rows, such as an identity or a time with a default"
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

async fn is_superuser(session: &mut Session) -> Result<bool, DatabaseError> {
    let value = session
        .value("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER")
        .await?;
    Ok(value.as_deref() == Some("t"))
}

type Read = (
    Vec<(QualifiedName, Rows)>,
    Vec<(QualifiedName, Option<History>)>,
);

/// Reads tables until none is left.
async fn read(
    session: &mut Session,
    queue: &Mutex<VecDeque<Table>>,
    wish: &Wish,
    grows: &BTreeSet<&QualifiedName>,
) -> Result<Read, DatabaseError> {
    session.run(digest::CANONICAL).await?;
    let (mut rows, mut histories) = (Vec::new(), Vec::new());
    loop {
        // A panic elsewhere leaves whole tables in it, or none.
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(table) = next else { break };
        let known = wish
            .known
            .get(&table.name.to_string())
            .filter(|known| known.digest.is_some() || !wish.digests);
        let counted = match known {
            Some(known) => known.clone(),
            None => count(session, &table, wish.digests).await?,
        };
        let number = counted.count;
        rows.push((table.name.clone(), counted));
        if table.line.iter().any(|name| grows.contains(name)) {
            let found = history::take(session, &table, number).await?;
            histories.push((table.name, found));
        }
    }
    Ok((rows, histories))
}

/// Counts the rows of one table, and digests them.
async fn count(session: &mut Session, table: &Table, digests: bool) -> Result<Rows, DatabaseError> {
    let name = &table.name;
    if !digests {
        let count = session
            .count(&format!("SELECT pg_catalog.count(*) FROM ONLY {name}"))
            .await?;
        return Ok(Rows {
            count,
            digest: None,
        });
    }
    let columns: Vec<String> = table.columns.iter().map(|name| quote_ident(name)).collect();
    let columns = match columns.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some.join(", ")),
    };
    let digest = digest::of_copy(session, &format!("COPY {name}{columns} TO STDOUT")).await?;
    Ok(Rows::of(&digest))
}

/// Reads a list of names, as the server writes it in JSON.
fn names(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}
