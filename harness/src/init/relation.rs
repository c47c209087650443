//! The tables of a database, as everything else here needs them.

use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session, TextRow};
use crate::sql::QualifiedName;

/// A table, partitioned table, partition, materialised or foreign table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its oid, as text.
    pub oid: String,
    /// Its name.
    pub name: QualifiedName,
    /// `relkind`.
    pub kind: char,
    /// Whether it is a partition.
    pub partition: bool,
    /// The oid of the partitioned table that it is a partition of.
    pub parent: Option<String>,
    /// The role that owns it.
    pub owner: String,
    /// Whether it belongs to the server, to an extension or to a graph: nobody's own work.
    pub foreign: bool,
    /// Whether it has a primary key.
    pub has_key: bool,
    /// Whether a materialised view has been filled.
    pub populated: bool,
    /// Rows, with those of its partitions and of what inherits from it; only of tables of one's own.
    pub rows: Option<u64>,
}

const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition,
       (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition LIMIT 1),
       pg_catalog.pg_get_userbyid(c.relowner),
       n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
         OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
         OR EXISTS (SELECT FROM pg_catalog.pg_class g
                     WHERE g.relnamespace = n.oid AND g.relname = '_ag_label_vertex'),
       EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'),
       c.relispopulated
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname !~ '^pg_(toast|temp_)'
 ORDER BY n.nspname, c.relname";

/// The relations of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// All of them, by name; those of the server and of extensions too.
    pub all: Vec<Relation>,
}

/// Reads the text of a column.
#[must_use]
pub fn text(row: &TextRow, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

/// Reads two columns as a name.
#[must_use]
pub fn name(row: &TextRow, at: usize) -> QualifiedName {
    QualifiedName {
        schema: text(row, at),
        name: text(row, at + 1),
    }
}

/// Reads the relations; no rows are counted.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session) -> Result<Relations, DatabaseError> {
    let rows = session.rows(RELATIONS).await?;
    let all = rows.iter().map(|row| Relation {
        oid: text(row, 0),
        name: name(row, 1),
        kind: text(row, 3).chars().next().unwrap_or('r'),
        partition: is_true(row.get(4)),
        parent: row.get(5).cloned().flatten(),
        owner: text(row, 6),
        foreign: is_true(row.get(7)),
        has_key: is_true(row.get(8)),
        populated: is_true(row.get(9)),
        rows: None,
    });
    Ok(Relations { all: all.collect() })
}

/// Counts the rows of every table and materialised view of one's own; exactly. Gives those that could not
/// be read. The session is in a transaction.
///
/// # Errors
/// When the connection is lost.
pub async fn count(
    session: &mut Session,
    relations: &mut Relations,
) -> Result<Vec<(QualifiedName, DatabaseError)>, DatabaseError> {
    let mut unread = Vec::new();
    for relation in &mut relations.all {
        let filled =
            matches!(relation.kind, 'r' | 'p') || relation.kind == 'm' && relation.populated;
        if relation.foreign || !filled {
            continue;
        }
        let sql = format!("SELECT pg_catalog.count(*) FROM {}", relation.name);
        session.run("SAVEPOINT redrill_count").await?;
        match session.count(&sql).await {
            Ok(rows) => relation.rows = Some(rows),
            Err(error) if error.lost => return Err(error),
            Err(error) => {
                session.run("ROLLBACK TO SAVEPOINT redrill_count").await?;
                unread.push((relation.name.clone(), error));
            }
        }
        session.run("RELEASE SAVEPOINT redrill_count").await?;
    }
    Ok(unread)
}

impl Relations {
    /// Tables of one's own, partitions left out.
    pub fn tables(&self) -> impl Iterator<Item = &Relation> {
        self.all
            .iter()
            .filter(|one| !one.foreign && !one.partition && matches!(one.kind, 'r' | 'p'))
    }

    /// Names that a pattern of a check could mean: tables, partitions left out, whoever's they are.
    #[must_use]
    pub fn nameable(&self) -> Vec<QualifiedName> {
        let tables = self.all.iter();
        tables
            .filter(|one| !one.partition && matches!(one.kind, 'r' | 'p'))
            .map(|one| one.name.clone())
            .collect()
    }

    /// Finds one by oid.
    #[must_use]
    pub fn of(&self, oid: &str) -> Option<&Relation> {
        self.all.iter().find(|one| one.oid == oid)
    }

    /// Finds one by name.
    #[must_use]
    pub fn named(&self, name: &QualifiedName) -> Option<&Relation> {
        self.all.iter().find(|one| one.name == *name)
    }

    /// Direct partitions of a table.
    pub fn partitions<'a>(&'a self, of: &'a Relation) -> impl Iterator<Item = &'a Relation> {
        let all = self.all.iter();
        all.filter(|one| one.parent.as_deref() == Some(of.oid.as_str()))
    }

    /// The rows of all tables together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables().filter_map(|one| one.rows).sum()
    }
}
