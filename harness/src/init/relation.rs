//! The tables of a database as the catalog has them, with the number of their rows.
//!
//! By its own SQL: the names of tables of extensions and of the server. The catalog leaves them out, and a pattern
//! of a check matches them.

use std::sync::LazyLock;

use regex::Regex;

use super::cover::cover;
use super::in_savepoint;
use crate::catalog::{Catalog, ObjectId, ObjectKind, PartKind, Properties};
use crate::database::{DatabaseError, Session, TextRow};
use crate::sql::{QualifiedName, read_identifier, tokens};

/// A table, a partition, a foreign table or a materialized view.
#[derive(Debug, Clone)]
pub struct Relation<'a> {
    catalog: &'a Catalog,
    properties: &'a Properties,
    /// Its identity in the catalog.
    pub id: &'a ObjectId,
    /// Its name.
    pub name: QualifiedName,
    /// Rows, including those of partitions and of tables that inherit from it, as a check counts them; `None` if they were
    /// not counted.
    pub rows: Option<u64>,
    /// Rows, without those of tables that inherit from it.
    pub own_rows: Option<u64>,
}

/// A column of a relation.
#[derive(Debug, Clone, Copy)]
pub struct RelationColumn<'a> {
    /// Its name, unquoted.
    pub name: &'a str,
    /// Its properties.
    pub properties: &'a Properties,
}

/// The relations of a database, without those of extensions, graphs and the server.
#[derive(Debug, Clone)]
pub struct Relations<'a> {
    /// The catalog that they are from.
    pub catalog: &'a Catalog,
    /// By name.
    pub all: Vec<Relation<'a>>,
    /// Every table that a pattern of a check could match, including those of extensions and of the server, without
    /// partitions.
    pub nameable: Vec<QualifiedName>,
}

const NAMEABLE: &str = "
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_(toast|temp_)'
 ORDER BY n.nspname, c.relname";

/// A default that is the time of the statement or transaction.
static NOW: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^\(?(now\(\)|CURRENT_TIMESTAMP|(statement|transaction|clock)_timestamp\(\)|timezone\('utc'::text, (now\(\)|CURRENT_TIMESTAMP)\)|\(now\(\) AT TIME ZONE 'utc'::text\)|LOCALTIMESTAMP)").ok()
});

/// Returns the text of a value; empty for NULL.
#[must_use]
pub fn text(row: &TextRow, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

/// Returns two values as a schema and a name.
#[must_use]
pub fn name(row: &TextRow, at: usize) -> QualifiedName {
    QualifiedName {
        schema: text(row, at),
        name: text(row, at + 1),
    }
}

/// The names of relations.
#[must_use]
pub fn names(relations: &[&Relation<'_>]) -> Vec<QualifiedName> {
    relations.iter().map(|one| one.name.clone()).collect()
}

/// Whether a schema is that of an Apache AGE graph.
#[must_use]
pub fn is_graph(catalog: &Catalog, schema: &str) -> bool {
    let name = QualifiedName {
        schema: schema.to_owned(),
        name: "_ag_label_vertex".to_owned(),
    };
    let id = ObjectId::qualified(ObjectKind::Table, &name);
    catalog.objects.contains_key(&id)
}

impl<'a> RelationColumn<'a> {
    /// One property of it; empty if it does not have it.
    #[must_use]
    pub fn get(&self, property: &str) -> &'a str {
        self.properties.get(property).map_or("", String::as_str)
    }

    /// Whether it is a point in time that is NOT NULL and by default the time of the INSERT.
    #[must_use]
    pub fn is_time_of_insert(&self) -> bool {
        let of_type = self.get("type");
        of_type.starts_with("timestamp")
            && !of_type.ends_with("[]")
            && self.properties.contains_key("not null")
            && NOW
                .as_ref()
                .is_some_and(|now| now.is_match(self.get("default")))
    }
}

impl<'a> Relation<'a> {
    /// One property of it.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'a str> {
        self.properties.get(name).map(String::as_str)
    }

    /// Name of its owner.
    #[must_use]
    pub fn owner(&self) -> &'a str {
        self.property("owner").unwrap_or_default()
    }

    /// Whether it is a table, partitioned or not.
    #[must_use]
    pub fn is_table(&self) -> bool {
        self.id.kind == ObjectKind::Table
    }

    /// Whether it is a partitioned table.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.property("partition by").is_some()
    }

    /// Whether it is a partition.
    #[must_use]
    pub fn is_partition(&self) -> bool {
        self.property("partition of").is_some()
    }

    /// The partitioned table that it is a partition of.
    #[must_use]
    pub fn parent(&self) -> Option<ObjectId> {
        self.catalog.partition_parent(self.id)
    }

    /// The tables that it inherits from; not those that it is a partition of.
    #[must_use]
    pub fn inherits(&self) -> Vec<ObjectId> {
        tokens(self.property("inherits").unwrap_or_default())
            .filter(|token| token.text != ",")
            .filter_map(|token| format!("table {}", token.text).parse().ok())
            .collect()
    }

    /// Its parts of one kind by name.
    pub fn parts(
        &self,
        kind: PartKind,
    ) -> impl Iterator<Item = (&'a str, &'a Properties)> + use<'a> {
        self.catalog
            .children(self.id)
            .filter(move |(_, part, _)| part.kind == kind)
            .map(|(_, part, properties)| (part.name.as_str(), properties))
    }

    /// Its columns in their order.
    #[must_use]
    pub fn columns(&self) -> Vec<RelationColumn<'a>> {
        let order: Vec<String> = tokens(self.property("columns").unwrap_or_default())
            .map(|token| read_identifier(token.text))
            .collect();
        let columns = self.parts(PartKind::Column);
        let mut columns: Vec<RelationColumn<'a>> = columns
            .map(|(name, properties)| RelationColumn { name, properties })
            .collect();
        columns.sort_by_key(|column| order.iter().position(|name| name == column.name));
        columns
    }

    /// Whether it has a primary key.
    #[must_use]
    pub fn has_primary_key(&self) -> bool {
        let mut constraints = self.parts(PartKind::Constraint);
        constraints.any(|(_, properties)| {
            let definition = properties.get("definition");
            definition.is_some_and(|definition| definition.starts_with("PRIMARY KEY"))
        })
    }
}

impl<'a> Relations<'a> {
    /// The relations of a catalog; no rows are counted.
    #[must_use]
    pub fn of(catalog: &'a Catalog) -> Self {
        let kinds = [
            ObjectKind::Table,
            ObjectKind::MaterializedView,
            ObjectKind::ForeignTable,
        ];
        let objects = kinds.into_iter().flat_map(|kind| catalog.of_kind(kind));
        let mut all: Vec<Relation<'a>> = objects
            // Of an extension the catalog has what was granted in addition.
            .filter(|(_, properties)| !properties.contains_key("part of"))
            .filter_map(|(id, properties)| {
                let name = id.qualified_name()?;
                (!is_graph(catalog, &name.schema)).then_some(Relation {
                    catalog,
                    properties,
                    id,
                    name,
                    rows: None,
                    own_rows: None,
                })
            })
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            catalog,
            all,
            nameable: Vec::new(),
        }
    }

    /// The relations of a catalog with exact numbers of rows, counted by a session in a transaction; and the tables
    /// that could not be read.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn counted(
        session: &mut Session,
        catalog: &'a Catalog,
    ) -> Result<(Self, Vec<(QualifiedName, DatabaseError)>), DatabaseError> {
        let mut relations = Self::of(catalog);
        let rows = session.rows(NAMEABLE).await?;
        relations.nameable = rows.iter().map(|row| name(row, 0)).collect();
        let parents: Vec<ObjectId> = relations.all.iter().flat_map(Relation::inherits).collect();
        let mut unread = Vec::new();
        for relation in &mut relations.all {
            let is_foreign = relation.id.kind == ObjectKind::ForeignTable;
            if is_foreign || relation.property("populated").is_some() {
                continue;
            }
            let name = &relation.name;
            let has_heirs = parents.contains(relation.id);
            let counted = in_savepoint(session, async |s| {
                let rows = s
                    .count(&format!("SELECT pg_catalog.count(*) FROM {name}"))
                    .await?;
                let own = format!("SELECT pg_catalog.count(*) FROM ONLY {name}");
                Ok((
                    rows,
                    if has_heirs {
                        s.count(&own).await?
                    } else {
                        rows
                    },
                ))
            });
            match counted.await? {
                Ok((rows, own)) => (relation.rows, relation.own_rows) = (Some(rows), Some(own)),
                Err(error) => unread.push((relation.name.clone(), error)),
            }
        }
        Ok((relations, unread))
    }

    /// Tables, without partitions.
    pub fn tables(&self) -> impl Iterator<Item = &Relation<'a>> {
        let all = self.all.iter();
        all.filter(|one| one.is_table() && !one.is_partition())
    }

    /// The relation of a name.
    #[must_use]
    pub fn named(&self, name: &QualifiedName) -> Option<&Relation<'a>> {
        self.all.iter().find(|one| one.name == *name)
    }

    /// The table of a name, unless it is a partition.
    #[must_use]
    pub fn table(&self, name: &QualifiedName) -> Option<&Relation<'a>> {
        self.tables().find(|one| one.name == *name)
    }

    /// Names and patterns that match tables and no other.
    #[must_use]
    pub fn cover(&self, tables: &[&Relation<'a>]) -> Vec<String> {
        cover(&names(tables), &self.nameable)
    }

    /// The rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables().filter_map(|one| one.own_rows).sum()
    }
}
