//! A partitioned table with everything below it, and tables that look as if they belonged to it.

use std::collections::BTreeSet;

use crate::check::columns::Columns as _;
use crate::check::privilege::Relation;
use crate::database::{Session, TextRow};
use crate::outcome::CouldNotRun;
use crate::sql::QualifiedName;

/// A table of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What every check knows of a table.
    pub relation: Relation,
    /// The oid of what it is a partition of; empty for the root.
    pub parent: String,
    /// What it takes, as in `FOR VALUES FROM (…) TO (…)`; empty for the root.
    pub bound: String,
    /// How it is partitioned itself, as in `RANGE (at)`; empty where it is not.
    pub key: String,
    /// Whether row security is on, and whether for the owner too.
    pub row_security: (bool, bool),
}

const TREE: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner), t.level,
       COALESCE(t.parentrelid::pg_catalog.oid::pg_catalog.text, ''),
       COALESCE(pg_catalog.pg_get_expr(c.relpartbound, c.oid), ''),
       COALESCE(pg_catalog.pg_get_partkeydef(c.oid), ''),
       c.relrowsecurity, c.relforcerowsecurity
  FROM pg_catalog.pg_partition_tree({table}::pg_catalog.regclass) t
  JOIN pg_catalog.pg_class c ON c.oid = t.relid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY t.level, n.nspname, c.relname";

/// Tables in the schemas of the tree that are no partition and no child of anything, with the very
/// columns of the root.
const ALIKE: &str = "
WITH shape(oid, columns) AS (
  SELECT c.oid,
         pg_catalog.array_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
                              ORDER BY a.attname)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.oid = {root}
      OR (c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relnamespace IN (SELECT t.relnamespace FROM pg_catalog.pg_class t
                                  WHERE t.oid IN ({oids})))
   GROUP BY c.oid)
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner),
       c.relrowsecurity, c.relforcerowsecurity
  FROM shape root
  JOIN shape s ON s.columns = root.columns AND s.oid <> root.oid
  JOIN pg_catalog.pg_class c ON c.oid = s.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE root.oid = {root}
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)
 ORDER BY 2, 3";

const ONE: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner),
       c.relrowsecurity, c.relforcerowsecurity, c.relispartition
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = pg_catalog.to_regclass({table})";

/// Reads the tree below a partitioned table, itself first.
pub async fn read(session: &mut Session, table: &QualifiedName) -> Result<Vec<Node>, CouldNotRun> {
    let rows = session
        .rows(&TREE.replace("{table}", &table.literal()))
        .await?;
    let of_tree = |row: &TextRow| {
        let mut node = node(row, 9)?;
        node.relation.level = row.number(5)?;
        node.parent = row.text(6)?;
        node.bound = row.text(7)?;
        node.key = row.text(8)?;
        Some(node)
    };
    Ok(rows.iter().filter_map(of_tree).collect())
}

/// Makes a table without a parent of a row; whether row security is on is in the column `at` and the
/// one behind it.
fn node(row: &[Option<String>], at: usize) -> Option<Node> {
    Some(Node {
        relation: Relation {
            oid: row.text(0)?,
            name: row.name(1)?,
            kind: row.number(3)?,
            owner: row.text(4)?,
            level: 0,
        },
        parent: String::new(),
        bound: String::new(),
        key: String::new(),
        row_security: (row.is_true(at), row.is_true(at + 1)),
    })
}

/// Finds one table by name, and whether it is a partition of something.
pub async fn find(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Option<(Node, bool)>, CouldNotRun> {
    let rows = session
        .rows(&ONE.replace("{table}", &table.literal()))
        .await?;
    Ok(rows
        .first()
        .and_then(|row| Some((node(row, 5)?, row.is_true(7)))))
}

/// Finds tables with the columns of the root and a name like those of its partitions, that are not
/// attached.
pub async fn detached(session: &mut Session, tree: &[Node]) -> Result<Vec<Node>, CouldNotRun> {
    let Some((root, below)) = tree.split_first() else {
        return Ok(Vec::new());
    };
    let oids: Vec<&str> = tree.iter().map(|node| node.relation.oid.as_str()).collect();
    let sql = ALIKE
        .replace("{root}", &root.relation.oid)
        .replace("{oids}", &oids.join(", "));
    let names: Vec<&str> = below.iter().map(|node| &*node.relation.name.name).collect();
    let rows = session.rows(&sql).await?;
    let nodes = rows.iter().filter_map(|row| node(row, 5));
    Ok(nodes
        .filter(|node| is_named_like(&node.relation.name.name, &root.relation.name.name, &names))
        .collect())
}

/// Tells whether a name is that of a partition: the parent's with something behind it, or a
/// sibling's with other numbers.
fn is_named_like(name: &str, root: &str, siblings: &[&str]) -> bool {
    let patterns: BTreeSet<String> = siblings.iter().map(|name| pattern(name)).collect();
    let has_numbers = name.contains(|c: char| c.is_ascii_digit());
    let behind = name.strip_prefix(root);
    behind.is_some_and(|rest| rest.starts_with('_'))
        || (has_numbers && patterns.contains(&pattern(name)))
}

/// A name with `#` for every run of digits.
fn pattern(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("audit_2025_05", true)]
    #[case("audit_default", true)]
    #[case("audit_2025_05_old", true)]
    #[case("audit_archive", true)]
    #[case("y2031", true)]
    #[case("auditor", false)]
    #[case("other_2025_05", false)]
    fn names_tell_what_was_a_partition(#[case] name: &str, #[case] alike: bool) {
        assert_eq!(
            is_named_like(name, "audit", &["audit_2026_01", "y2030"]),
            alike
        );
    }
}
