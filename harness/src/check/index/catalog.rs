//! What the catalogs say of indexes.

use std::fmt;

use crate::check::absent;
use crate::check::columns::Columns as _;
use crate::database::{Session, TextRow};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_literal};

/// An index as the catalogs know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundIndex {
    pub index: QualifiedName,
    pub table: QualifiedName,
    pub method: String,
    pub unique: bool,
    pub valid: bool,
    pub ready: bool,
    pub live: bool,
    /// On a partitioned table; its parts are the indexes of the partitions.
    pub partitioned: bool,
    /// As `pg_get_indexdef` writes it when only `pg_catalog` is in the search path.
    pub definition: String,
    /// As in `m=16`.
    pub options: Vec<String>,
    /// Key columns in order; only filled by [`find`].
    pub keys: Vec<Key>,
}

/// A key column of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name, or the expression.
    pub column: String,
    /// The operator class with its schema.
    pub class: String,
}

impl fmt::Display for FoundIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.index, self.table)
    }
}

/// Indexes; `{where}` says which.
const INDEXES: &str = "
SELECT xn.nspname, x.relname, tn.nspname, t.relname, am.amname,
       i.indisunique, i.indisvalid, i.indisready, i.indislive, x.relkind = 'I',
       pg_catalog.pg_get_indexdef(i.indexrelid),
       pg_catalog.array_to_string(x.reloptions, E'\\n')
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace xn ON xn.oid = x.relnamespace
  JOIN pg_catalog.pg_am am ON am.oid = x.relam
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
 WHERE {where}
 ORDER BY 3, 4, 2";

const OF_TABLE: &str = "i.indrelid = {table}::pg_catalog.regclass AND x.relname = {name}";

/// The table and, where it is partitioned, what is below it.
const OF_TREE: &str = "(i.indrelid = {table}::pg_catalog.regclass OR i.indrelid IN
    (SELECT p.relid FROM pg_catalog.pg_partition_tree({table}::pg_catalog.regclass) p))";

const OF_ALL: &str = "tn.nspname <> 'pg_toast'";

const KEYS: &str = "
SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k + 1, true),
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(o.opcname)
  FROM pg_catalog.pg_index i
 CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) k
  JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[k]
  JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
 WHERE i.indexrelid = {index}::pg_catalog.regclass
 ORDER BY k";

/// Tables below the index's table, and whether an index that belongs to it is on each. A foreign
/// table has no indexes.
const PARTITIONS: &str = "
SELECT n.nspname, t.relname, x.indexrelid IS NOT NULL,
       COALESCE(x.indisvalid AND x.indisready AND x.indislive, false)
  FROM pg_catalog.pg_partition_tree({table}::pg_catalog.regclass) p
  JOIN pg_catalog.pg_class t ON t.oid = p.relid AND t.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN (SELECT i.*
               FROM pg_catalog.pg_partition_tree({index}::pg_catalog.regclass) q
               JOIN pg_catalog.pg_index i ON i.indexrelid = q.relid) x ON x.indrelid = t.oid
 WHERE p.level > 0
 ORDER BY 1, 2";

/// Names of the index and of all that belong to it on partitions.
const MEMBERS: &str = "
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = {index}::pg_catalog.regclass
    OR c.oid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree({index}::pg_catalog.regclass) p)";

/// Finds one index of a table.
pub async fn find(
    session: &mut Session,
    table: &QualifiedName,
    name: &str,
) -> Result<Option<FoundIndex>, CouldNotRun> {
    let condition = OF_TABLE
        .replace("{table}", &table.literal())
        .replace("{name}", &quote_literal(name));
    let Some(mut found) = indexes(session, &condition).await?.into_iter().next() else {
        return Ok(None);
    };
    let rows = session
        .rows(&KEYS.replace("{index}", &found.index.literal()))
        .await?;
    let key = |row: &TextRow| {
        Some(Key {
            column: row.text(0)?,
            class: row.text(1)?,
        })
    };
    found.keys = rows.iter().filter_map(key).collect();
    Ok(Some(found))
}

/// Gives all indexes of a table and of its partitions.
pub async fn all_of(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Vec<FoundIndex>, CouldNotRun> {
    indexes(session, &OF_TREE.replace("{table}", &table.literal())).await
}

/// Gives all indexes of the database.
pub async fn everything(session: &mut Session) -> Result<Vec<FoundIndex>, CouldNotRun> {
    indexes(session, OF_ALL).await
}

async fn indexes(session: &mut Session, condition: &str) -> Result<Vec<FoundIndex>, CouldNotRun> {
    let rows = session.rows(&INDEXES.replace("{where}", condition)).await?;
    Ok(rows.iter().filter_map(read).collect())
}

fn read(row: &TextRow) -> Option<FoundIndex> {
    let options = row.text(11).unwrap_or_default();
    Some(FoundIndex {
        index: row.name(0)?,
        table: row.name(2)?,
        method: row.text(4)?,
        unique: row.is_true(5),
        valid: row.is_true(6),
        ready: row.is_true(7),
        live: row.is_true(8),
        partitioned: row.is_true(9),
        definition: row.text(10)?,
        options: options.lines().map(str::to_owned).collect(),
        keys: Vec::new(),
    })
}

/// Finds partitions on which a partitioned index is missing or invalid.
///
/// The server holds a partitioned index for valid once every partition has a part, and does not
/// look again when a part becomes invalid later.
pub async fn partitions(
    session: &mut Session,
    found: &FoundIndex,
) -> Result<Vec<Finding>, CouldNotRun> {
    let sql = PARTITIONS
        .replace("{table}", &found.table.literal())
        .replace("{index}", &found.index.literal());
    let rows = session.rows(&sql).await?;
    let mut findings = Vec::new();
    for row in rows {
        let Some(partition) = row.name(0) else {
            continue;
        };
        let actual = match (row.is_true(2), row.is_true(3)) {
            (true, true) => continue,
            (true, false) => "it is invalid there",
            (false, _) => "none is attached there",
        };
        findings.push(
            Finding::about(
                found.to_string(),
                format!("a valid part of it on partition {partition}"),
                actual,
            )
            .hint(absent::why("ALTER INDEX … ATTACH PARTITION")),
        );
    }
    Ok(findings)
}

/// Gives the names under which an index may be in a plan.
pub async fn members(
    session: &mut Session,
    found: &FoundIndex,
) -> Result<Vec<QualifiedName>, CouldNotRun> {
    let rows = session
        .rows(&MEMBERS.replace("{index}", &found.index.literal()))
        .await?;
    Ok(rows.iter().filter_map(|row| row.name(0)).collect())
}
