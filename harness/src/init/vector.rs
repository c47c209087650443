//! Columns of embeddings: dimensions, missing ones, norms, and how well indexes find them.
//!
//! By its own SQL: what the vectors of a column have in common.

use super::block::{Block, Value, keys};
use super::index::SpecialIndex;
use super::relation::{Relations, text};
use super::section::{Section, grouped};
use crate::catalog::{ObjectId, ObjectKind};
use crate::database::{DatabaseError, Session, is_true};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_counted;

/// Maximum number of rows of a table in which nearest neighbours are searched.
const SEARCHED: u64 = 2_000_000;

/// Replaced with the tables in the name of a check.
const PLACE: &str = "{tables}";

/// A column of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorColumn {
    table: QualifiedName,
    column: String,
    /// `vector` or `halfvec`.
    of_type: &'static str,
    /// Dimensions that all of them have.
    dimensions: Option<u64>,
    rows: u64,
    missing: u64,
    zero: u64,
    /// Whether all norms are 1.
    normed: bool,
    /// HNSW and IVFFlat indexes on it, with their access method.
    indexes: Vec<(String, String)>,
}

const SCAN: &str = "
SELECT pg_catalog.count(*), pg_catalog.count(*) - pg_catalog.count({column}),
       pg_catalog.min({schema}.vector_dims({column})), pg_catalog.max({schema}.vector_dims({column})),
       pg_catalog.count(*) FILTER (WHERE {norm} = 0),
       pg_catalog.bool_and(pg_catalog.abs({norm} - 1) < 0.0005) FILTER (WHERE {norm} > 0)
  FROM {table}";

/// Reads all vectors of every column of the extension's types.
///
/// # Errors
/// When a table cannot be read.
pub async fn read(
    session: &mut Session,
    relations: &Relations<'_>,
    special: &[SpecialIndex],
) -> Result<Vec<VectorColumn>, DatabaseError> {
    let mut found = Vec::new();
    let extension = ObjectId::new(ObjectKind::Extension, "vector");
    let Some(schema) = relations.catalog.get(&extension, "schema") else {
        return Ok(found);
    };
    for table in relations.tables().filter(|one| one.rows.is_some()) {
        for column in table.columns() {
            let of_type = column.get("type").strip_prefix(schema);
            let of_type = of_type.and_then(|of_type| of_type.strip_prefix('.'));
            let (of_type, norm) = match of_type.and_then(|of_type| of_type.split('(').next()) {
                Some("vector") => ("vector", "vector_norm"),
                Some("halfvec") => ("halfvec", "l2_norm"),
                _ => continue,
            };
            let quoted = quote_ident(column.name);
            let sql = SCAN
                .replace("{norm}", &format!("{schema}.{norm}({quoted})"))
                .replace("{column}", &quoted)
                .replace("{schema}", schema)
                .replace("{table}", &table.name.to_string());
            let rows = session.rows(&sql).await?;
            let Some(scan) = rows.first() else { continue };
            let number = |at: usize| text(scan, at).parse::<u64>().ok();
            let indexes = special.iter().filter(|index| {
                let first = index.classes.first().map(|(column, _)| column.as_str());
                index.table == table.name
                    && index.is_of_vectors()
                    && index.is_complete
                    && first == Some(column.name)
            });
            found.push(VectorColumn {
                table: table.name.clone(),
                column: column.name.to_owned(),
                of_type,
                dimensions: number(2).filter(|least| Some(*least) == number(3)),
                rows: number(0).unwrap_or_default(),
                missing: number(1).unwrap_or_default(),
                zero: number(4).unwrap_or_default(),
                normed: is_true(scan.get(5)),
                indexes: indexes
                    .map(|index| (index.name.clone(), index.method.clone()))
                    .collect(),
            });
        }
    }
    Ok(found)
}

/// Writes the checks.
#[must_use]
pub fn section(vectors: &[VectorColumn]) -> Section {
    let mut section = Section::new(
        "embeddings",
        "Embeddings have the same dimensions and norm, no more of them are missing, and indexes find the nearest \
         neighbours. Raise `nulls` if rows wait longer for their embedding.",
    );
    let (filled, empty): (Vec<&VectorColumn>, Vec<&VectorColumn>) =
        vectors.iter().partition(|one| one.rows > one.missing);
    let blocks = filled.into_iter().flat_map(|one| {
        let blocks = one.blocks().into_iter();
        blocks.map(move |block| (block, &one.table))
    });
    for (block, tables) in grouped(blocks) {
        section.blocks.push(with_tables(block, &tables));
    }
    if !empty.is_empty() {
        let names: Vec<String> = empty
            .iter()
            .map(|one| format!("{}.{}", one.table, quote_ident(&one.column)))
            .collect();
        section.note(format!(
            "Columns without any embedding, which are not checked: {}.",
            names.join(", ")
        ));
    }
    if !vectors.is_empty() {
        section.found(format!(
            "{} of vectors",
            show_counted(vectors.len(), "column")
        ));
    }
    section
}

/// Adds tables to a check and to the weaker ones that may replace it.
fn with_tables(mut block: Block, tables: &[&QualifiedName]) -> Block {
    let place = match tables {
        [one] => one.to_string(),
        many => show_counted(many.len(), "table"),
    };
    block.name = block.name.replacen(PLACE, &place, 1);
    let table = Block::new("", "").of_tables(tables).body;
    block.body.splice(0..0, table);
    block.otherwise = block
        .otherwise
        .into_iter()
        .map(|weaker| with_tables(weaker, tables))
        .collect();
    block
}

impl VectorColumn {
    /// The checks without their tables: tables with the same columns share them.
    fn blocks(&self) -> Vec<Block> {
        let share = |count: u64| -> Option<String> {
            // Half as many more may be missing; nothing is checked if most are.
            let percent = count.saturating_mul(100) / self.rows.max(1);
            match (count, percent) {
                (0, _) => Some("none".to_owned()),
                (_, ..50) => Some(format!("{}%", (percent + 1) * 3 / 2 + 1)),
                _ => None,
            }
        };
        let complete = Block::new("vector", format!("{} of {PLACE} is complete", self.column))
            .with("column", self.column.as_str())
            .maybe("dimensions", self.dimensions)
            .maybe("nulls", share(self.missing))
            .maybe("zero", share(self.zero))
            .maybe(
                "norm",
                (self.normed && self.of_type == "vector").then_some(1_i64),
            );
        let mut blocks = vec![complete];
        if self.rows <= SEARCHED {
            blocks.extend(
                self.indexes
                    .iter()
                    .map(|(name, method)| self.recall(name, method)),
            );
        }
        blocks
    }

    /// A check of the recall of an index. A restore builds the lists of IVFFlat again, and they differ a little.
    fn recall(&self, index: &str, method: &str) -> Block {
        let block = |min: &str| {
            let mut recall = keys([("index", index.into()), ("min", min.into())]);
            if method == "ivfflat" {
                let probes = keys([("ivfflat.probes", "10".into())]);
                recall.push(("settings".to_owned(), Value::Inline(probes)));
            }
            Block::new(
                "vector",
                format!("{} of {PLACE} is found through {index}", self.column),
            )
            .with("column", self.column.as_str())
            .with("recall", Value::Inline(recall))
        };
        block("80%")
            .guess(
                "the settings of the server are those of the application. If not, add its `role` and `settings`.",
            )
            .or(block("60%"))
            .or(block("30%"))
    }
}
