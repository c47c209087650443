//! Indexes: that all are valid, and what is special about those that are not btrees.

use super::block::{Block, Value, keys};
use super::cover::cover;
use super::relation::{Relations, name, text};
use super::section::{Section, some};
use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};

/// An index that is not a btree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    table: QualifiedName,
    /// The role that owns the table, and so may read it.
    owner: String,
    name: String,
    method: String,
    /// Key columns with their operator classes.
    classes: Vec<(String, String)>,
    options: Vec<(String, String)>,
    /// The operator that orders by distance, with its schema.
    distance: Option<String>,
    partial: bool,
}

/// The indexes of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    /// Tables with an index, by name.
    tables: Vec<QualifiedName>,
    /// How many there are.
    count: usize,
    /// Those that the server does not hold for valid.
    invalid: Vec<QualifiedName>,
    special: Vec<Index>,
}

const INDEXES: &str = "
SELECT t.oid, n.nspname, x.relname, am.amname, i.indisvalid AND i.indisready,
       i.indpred IS NOT NULL, pg_catalog.array_to_string(x.reloptions, E'\\n'), x.relispartition,
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
  JOIN pg_catalog.pg_am am ON am.oid = x.relam
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
 WHERE t.relkind IN ('r', 'p')
 ORDER BY n.nspname, x.relname";

/// Reads them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session, relations: &Relations) -> Result<Indexes, DatabaseError> {
    let mut indexes = Indexes::default();
    for row in session.rows(INDEXES).await? {
        let Some(table) = relations.of(&text(&row, 0)).filter(|one| !one.foreign) else {
            continue;
        };
        if !is_true(row.get(4)) {
            indexes.invalid.push(name(&row, 1));
        }
        // The parent stands for those of its partitions.
        if table.partition || is_true(row.get(7)) {
            continue;
        }
        indexes.count += 1;
        if !indexes.tables.contains(&table.name) {
            indexes.tables.push(table.name.clone());
        }
        let method = text(&row, 3);
        if method == "btree" {
            continue;
        }
        let pairs = |at: usize, by: char| -> Vec<(String, String)> {
            let all = text(&row, at);
            let pairs = all.lines().filter_map(|line| line.split_once(by));
            pairs
                .map(|(one, two)| (one.to_owned(), two.to_owned()))
                .collect()
        };
        indexes.special.push(Index {
            table: table.name.clone(),
            owner: table.owner.clone(),
            name: text(&row, 2),
            method,
            classes: pairs(8, '\t'),
            options: pairs(6, '='),
            distance: row.get(9).cloned().flatten(),
            partial: is_true(row.get(5)),
        });
    }
    Ok(indexes)
}

/// Makes checks of them.
#[must_use]
pub fn section(indexes: &Indexes, relations: &Relations) -> Section {
    let mut section = Section::new("indexes");
    if indexes.tables.is_empty() {
        return section;
    }
    let faulty = |table: &QualifiedName| {
        let of = |index: &QualifiedName| index.schema == table.schema;
        indexes.invalid.iter().any(of)
    };
    if indexes.invalid.is_empty() {
        // Tables without an index do no harm, as long as one of a pattern has some.
        let own: Vec<QualifiedName> = relations.tables().map(|one| one.name.clone()).collect();
        let all = cover(&own, &relations.nameable());
        let exact = cover(&indexes.tables, &relations.nameable());
        let strict = |tables: Vec<String>| {
            Block::new("index", "every index is valid")
                .of_tables(&tables)
                .with("all-valid", true)
        };
        let fewer = if all.len() < exact.len() {
            all
        } else {
            exact.clone()
        };
        section.blocks.push(strict(fewer).or(strict(exact)));
    } else {
        let invalid: Vec<String> = indexes.invalid.iter().map(ToString::to_string).collect();
        section.note(format!(
            "Invalid in this database, and so nothing is said of the indexes of their schemas: {}.",
            invalid.join(", ")
        ));
        let good: Vec<QualifiedName> = indexes
            .tables
            .iter()
            .filter(|table| !faulty(table))
            .cloned()
            .collect();
        if !good.is_empty() {
            section.blocks.push(
                Block::new("index", "every index is valid")
                    .of_tables(&cover(&good, &relations.nameable()))
                    .with("all-valid", true),
            );
        }
    }
    for (first, tables) in alike(&indexes.special) {
        section.blocks.push(first.block(&tables));
    }
    section.found(format!(
        "{}{}",
        some(indexes.count, "index"),
        match indexes.special.len() {
            0 => String::new(),
            special => format!(", {special} of them no btree"),
        }
    ));
    section
}

/// Indexes of several tables that are the same, as those of tenants are.
fn alike(all: &[Index]) -> Vec<(&Index, Vec<QualifiedName>)> {
    let mut groups: Vec<(&Index, Vec<QualifiedName>)> = Vec::new();
    for index in all {
        let same = |(first, _): &&mut (&Index, Vec<QualifiedName>)| {
            let mut moved = (*first).clone();
            moved.table = index.table.clone();
            moved.owner.clone_from(&index.owner);
            moved == *index && first.table.name == index.table.name
        };
        match groups.iter_mut().find(same) {
            Some((_, tables)) => tables.push(index.table.clone()),
            None => groups.push((index, vec![index.table.clone()])),
        }
    }
    groups
}

impl Index {
    fn is_vector(&self) -> bool {
        matches!(self.method.as_str(), "hnsw" | "ivfflat")
    }

    fn block(&self, tables: &[QualifiedName]) -> Block {
        let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
        // A column that the index holds in two ways has two classes, and the check takes one of each.
        let once = |(column, _): &&(String, String)| {
            self.classes
                .iter()
                .filter(|(other, _)| other == column)
                .count()
                == 1
        };
        let classes = self.classes.iter().filter(once);
        let classes: Vec<(String, Value)> = classes
            // The check knows columns as SQL writes them.
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
        let strict = Block::new(
            "index",
            format!("{} of {} is as it was", self.name, named_tables(tables)),
        )
        .of_tables(&names)
        .with("index", self.name.as_str())
        .with("method", self.method.as_str())
        .maybe(
            "operator-classes",
            (!classes.is_empty()).then_some(Value::Inline(classes)),
        )
        .maybe(
            "options",
            (!options.is_empty()).then_some(Value::Inline(options)),
        );
        let plain = strict.clone().without(&["operator-classes", "options"]);
        let Some(query) = self.query(tables) else {
            return strict.or(plain);
        };
        let mut used = strict.clone();
        used.name = format!(
            "{} of {} is as it was, and used",
            self.name,
            named_tables(tables)
        );
        used.guess =
            Some("the owner asks: name the application's role, and its own query".to_owned());
        let asks = keys([
            ("role", self.owner.as_str().into()),
            ("query", query.into()),
        ]);
        used.table = Some(("used-by", asks));
        used.or(strict).or(plain)
    }

    /// A search that the index is made for; only where it is of one table.
    fn query(&self, tables: &[QualifiedName]) -> Option<String> {
        let ([table], [(column, _)], Some(distance)) =
            (tables, self.classes.as_slice(), self.distance.as_ref())
        else {
            return None;
        };
        if !self.is_vector() || self.partial {
            return None;
        }
        let column = quote_ident(column);
        Some(format!(
            "SELECT t.ctid FROM {table} t ORDER BY t.{column} OPERATOR({distance}) \
             (SELECT q.{column} FROM {table} q WHERE q.{column} IS NOT NULL LIMIT 1) LIMIT 10"
        ))
    }
}

/// One table, or how many.
fn named_tables(tables: &[QualifiedName]) -> String {
    match tables {
        [one] => one.to_string(),
        many => some(many.len(), "table"),
    }
}
