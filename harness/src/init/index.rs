//! Indexes: that all are valid, and what those other than btree are made of.
//!
//! By its own SQL: indexes other than btree. The catalog has an index as one text, without operator classes that are
//! the default of their type, and it does not have the operators of an operator class.

use super::block::{Block, Value, keys};
use super::relation::{Relation, Relations, name, text};
use super::section::{Section, grouped, listed};
use crate::catalog::PartKind;
use crate::database::{DatabaseError, Session, is_true};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_counted;

/// An index other than a btree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialIndex {
    /// The table, which is not a partition.
    pub table: QualifiedName,
    /// Owner of the table, who may read it.
    owner: String,
    /// Its name, unquoted.
    pub name: String,
    /// Its access method.
    pub method: String,
    /// Key columns with their operator classes; without expressions.
    pub classes: Vec<(String, String)>,
    options: Vec<(String, String)>,
    /// The operator that orders by distance, with its schema.
    distance: Option<String>,
    /// Whether it has all rows of the table, and the server uses it.
    pub is_complete: bool,
}

const SPECIAL: &str = "
SELECT n.nspname, t.relname, x.relname, am.amname, i.indisvalid AND i.indpred IS NULL,
       pg_catalog.array_to_string(x.reloptions, E'\\n'),
       (SELECT pg_catalog.string_agg(a.attname || E'\\t' || o.opcname, E'\\n' ORDER BY k.place)
          FROM ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]))
                 WITH ORDINALITY k(attnum, class, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          JOIN pg_catalog.pg_opclass o ON o.oid = k.class),
       (SELECT pg_catalog.format('%I.%s', on_.nspname, o.oprname)
          FROM pg_catalog.pg_opclass c
          JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amoppurpose = 'o' AND p.amoplefttype = c.opcintype
          JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
          JOIN pg_catalog.pg_namespace on_ ON on_.oid = o.oprnamespace
         WHERE c.oid = i.indclass[0] ORDER BY 1 LIMIT 1)
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_am am ON am.oid = x.relam AND am.amname <> 'btree'
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
 ORDER BY n.nspname, x.relname";

/// Reads the indexes other than btree of tables that are not partitions.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read_special(
    session: &mut Session,
    relations: &Relations<'_>,
) -> Result<Vec<SpecialIndex>, DatabaseError> {
    let rows = session.rows(SPECIAL).await?;
    let special = rows.iter().filter_map(|row| {
        let table = relations.table(&name(row, 0))?;
        let pairs = |at: usize, by: char| -> Vec<(String, String)> {
            let all = text(row, at);
            let pairs = all.lines().filter_map(|line| line.split_once(by));
            pairs
                .map(|(one, two)| (one.to_owned(), two.to_owned()))
                .collect()
        };
        Some(SpecialIndex {
            table: table.name.clone(),
            owner: table.owner().to_owned(),
            name: text(row, 2),
            method: text(row, 3),
            is_complete: is_true(row.get(4)),
            options: pairs(5, '='),
            classes: pairs(6, '\t'),
            distance: row.get(7).cloned().flatten(),
        })
    });
    Ok(special.collect())
}

/// The indexes of a table by name, and whether each is valid. That of a constraint is part of the constraint.
fn indexes<'a>(table: &Relation<'a>) -> Vec<(&'a str, bool)> {
    let of_constraints = table.parts(PartKind::Constraint).filter(|(_, properties)| {
        let definition = properties.get("definition").map_or("", String::as_str);
        let mut kinds = ["PRIMARY KEY", "UNIQUE", "EXCLUDE"].iter();
        kinds.any(|kind| definition.starts_with(kind))
    });
    let all = table.parts(PartKind::Index).chain(of_constraints);
    all.map(|(name, properties)| {
        let is = |property: &str| !properties.contains_key(property);
        (name, is("index valid") && is("index ready"))
    })
    .collect()
}

/// Writes the checks.
#[must_use]
pub fn section(relations: &Relations<'_>, special: &[SpecialIndex]) -> Section {
    let mut section = Section::new(
        "indexes",
        "Every index is valid, and indexes other than btree have the operator classes and options that they had.",
    );
    let mut indexed: Vec<&Relation<'_>> = relations
        .tables()
        .filter(|table| !indexes(table).is_empty())
        .collect();
    if indexed.is_empty() {
        return section;
    }
    let count: usize = indexed.iter().map(|table| indexes(table).len()).sum();
    let mut invalid: Vec<QualifiedName> = Vec::new();
    for table in relations.all.iter().filter(|one| one.is_table()) {
        let of_table = indexes(table).into_iter().filter(|(_, valid)| !valid);
        invalid.extend(of_table.map(|(name, _)| QualifiedName {
            schema: table.name.schema.clone(),
            name: name.to_owned(),
        }));
    }
    let valid = |tables: Vec<String>| {
        Block::new("index", "every index is valid")
            .of_tables(&tables)
            .with("all-valid", true)
    };
    if invalid.is_empty() {
        let exact = relations.cover(&indexed);
        // Tables without an index may be matched as well, as long as a pattern matches one that has some.
        let all = relations.cover(&relations.tables().collect::<Vec<_>>());
        let shorter = if all.len() < exact.len() {
            all
        } else {
            exact.clone()
        };
        section.blocks.push(valid(shorter).or(valid(exact)));
    } else {
        section.note(format!(
            "These indexes are invalid, so the indexes of their schemas are not checked: {}. REINDEX repairs them.",
            listed(&invalid, usize::MAX)
        ));
        let is_good = |table: &&Relation<'_>| {
            let mut invalid = invalid.iter();
            !invalid.any(|index| index.schema == table.name.schema)
        };
        indexed.retain(is_good);
        let good = relations.cover(&indexed);
        if !good.is_empty() {
            section.blocks.push(valid(good));
        }
    }
    // Those of tenants with a schema each share a check.
    for (_, alike) in grouped(special.iter().map(|index| (index.without_table(), index))) {
        let tables: Vec<&QualifiedName> = alike.iter().map(|index| &index.table).collect();
        let first = alike.first().map(|index| index.block(&tables));
        section.blocks.extend(first);
    }
    section.found(match special.len() {
        0 => show_counted(count, "index"),
        some => format!("{}, {some} of them not btree", show_counted(count, "index")),
    });
    section
}

impl SpecialIndex {
    /// Whether it finds nearest neighbours of embeddings.
    #[must_use]
    pub fn is_of_vectors(&self) -> bool {
        matches!(self.method.as_str(), "hnsw" | "ivfflat")
    }

    /// The same for tables of one name in several schemas.
    fn without_table(&self) -> Self {
        let mut index = self.clone();
        index.table.schema.clear();
        index.owner.clear();
        index
    }

    fn block(&self, tables: &[&QualifiedName]) -> Block {
        // A column that the index has twice has two classes, and the check takes one of each.
        let is_single = |(column, _): &&(String, String)| {
            let of_column = self.classes.iter().filter(|(other, _)| other == column);
            of_column.count() == 1
        };
        let classes = self.classes.iter().filter(is_single);
        let classes: Vec<(String, Value)> = classes
            // The check takes columns as SQL writes them.
            .map(|(column, class)| (quote_ident(column), class.as_str().into()))
            .collect();
        let options = self.options.iter();
        let options: Vec<(String, Value)> = options
            .map(|(name, value)| {
                let value = match value.parse::<i64>() {
                    Ok(number) => number.into(),
                    Err(_) => value.as_str().into(),
                };
                (name.clone(), value)
            })
            .collect();
        let place = match tables {
            [one] => one.to_string(),
            many => show_counted(many.len(), "table"),
        };
        let strict = Block::new("index", format!("{} of {place} is the same", self.name))
            .of_tables(tables)
            .with("index", self.name.as_str())
            .with("method", self.method.as_str())
            .inline("operator-classes", classes)
            .inline("options", options);
        let plain = strict.clone().without(&["operator-classes", "options"]);
        let Some(query) = self.query(tables) else {
            return strict.or(plain);
        };
        let mut used = strict.clone();
        used.name = format!("{} of {place} is the same, and used", self.name);
        used.guess = Some(
            "the table's owner runs a plain search: change `role` and `query` to those of the application.".to_owned(),
        );
        let asks = keys([
            ("role", self.owner.as_str().into()),
            ("query", query.into()),
        ]);
        used.table = Some(("used-by", asks));
        used.or(strict).or(plain)
    }

    /// A search that the index is made for, if it is of one table.
    fn query(&self, tables: &[&QualifiedName]) -> Option<String> {
        let ([table], [(column, _)], Some(distance)) =
            (tables, self.classes.as_slice(), self.distance.as_ref())
        else {
            return None;
        };
        if !self.is_of_vectors() || !self.is_complete {
            return None;
        }
        let column = quote_ident(column);
        Some(format!(
            "SELECT t.ctid FROM {table} t ORDER BY t.{column} OPERATOR({distance}) \
             (SELECT q.{column} FROM {table} q WHERE q.{column} IS NOT NULL LIMIT 1) LIMIT 10"
        ))
    }
}
