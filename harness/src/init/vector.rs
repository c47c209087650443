//! Columns of embeddings: dimensions, missing ones, norms, and how well indexes find them.

use super::block::{Block, Value};
use super::relation::{Relations, text};
use super::section::{Section, some};
use crate::check::privilege::is_true;
use crate::database::{DatabaseError, QualifiedName, Session, quote_ident};

/// Up to so many rows the neighbours are looked for exactly.
const SEARCHED: u64 = 2_000_000;

/// A column of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    table: QualifiedName,
    column: String,
    kind: String,
    /// Dimensions that all of them have.
    dimensions: Option<u64>,
    rows: u64,
    missing: u64,
    zero: u64,
    /// Whether all norms are 1.
    normed: bool,
    /// Whether an HNSW or IVFFlat index is on it.
    indexed: bool,
}

const COLUMNS: &str = "
SELECT a.attrelid, a.attname, t.typname, n.nspname,
       EXISTS (SELECT FROM pg_catalog.pg_index i
                 JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                 JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname IN ('hnsw', 'ivfflat')
                WHERE i.indrelid = a.attrelid AND i.indisvalid AND i.indkey[0] = a.attnum)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typname IN ('vector', 'halfvec')
  JOIN pg_catalog.pg_extension e ON e.extname = 'vector'
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace AND n.oid = t.typnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum";

const SCAN: &str = "
SELECT pg_catalog.count(*), pg_catalog.count(*) - pg_catalog.count({column}),
       pg_catalog.min({schema}.vector_dims({column})), pg_catalog.max({schema}.vector_dims({column})),
       pg_catalog.count(*) FILTER (WHERE {norm} = 0),
       pg_catalog.bool_and(pg_catalog.abs({norm} - 1) < 0.0005) FILTER (WHERE {norm} > 0)
  FROM {table}";

/// Reads them, all rows of them.
///
/// # Errors
/// When one cannot be read.
pub async fn look(
    session: &mut Session,
    relations: &Relations,
) -> Result<Vec<Vectors>, DatabaseError> {
    let mut found = Vec::new();
    for row in session.rows(COLUMNS).await? {
        let Some(table) = relations.of(&text(&row, 0)) else {
            continue;
        };
        if table.foreign || table.partition || !matches!(table.kind, 'r' | 'p') {
            continue;
        }
        let (column, schema) = (quote_ident(&text(&row, 1)), quote_ident(&text(&row, 3)));
        let norm = match text(&row, 2).as_str() {
            "halfvec" => format!("{schema}.l2_norm({column})"),
            _ => format!("{schema}.vector_norm({column})"),
        };
        let sql = SCAN
            .replace("{norm}", &norm)
            .replace("{column}", &column)
            .replace("{schema}", &schema)
            .replace("{table}", &table.name.to_string());
        let rows = session.rows(&sql).await?;
        let Some(scan) = rows.first() else { continue };
        let number = |at: usize| text(scan, at).parse::<u64>().ok();
        found.push(Vectors {
            table: table.name.clone(),
            column: text(&row, 1),
            kind: text(&row, 2),
            dimensions: number(2).filter(|least| Some(*least) == number(3)),
            rows: number(0).unwrap_or_default(),
            missing: number(1).unwrap_or_default(),
            zero: number(4).unwrap_or_default(),
            normed: is_true(scan.get(5)),
            indexed: is_true(row.get(4)),
        });
    }
    found.sort_by(|one, other| one.table.cmp(&other.table));
    Ok(found)
}

/// Makes checks of them.
#[must_use]
pub fn section(vectors: &[Vectors]) -> Section {
    let mut section = Section::new("embeddings");
    let (filled, empty): (Vec<&Vectors>, Vec<&Vectors>) =
        vectors.iter().partition(|one| one.rows > one.missing);
    let mut groups: Vec<(Block, Vec<String>)> = Vec::new();
    for vectors in filled {
        let block = vectors.block();
        match groups.iter_mut().find(|(known, _)| *known == block) {
            Some((_, tables)) => tables.push(vectors.table.to_string()),
            None => groups.push((block, vec![vectors.table.to_string()])),
        }
    }
    for (block, tables) in groups {
        section.blocks.push(named(block, &tables));
    }
    if !empty.is_empty() {
        let names: Vec<String> = empty
            .iter()
            .map(|one| format!("{}.{}", one.table, quote_ident(&one.column)))
            .collect();
        section.note(format!("Without a vector when this was written: {}.", names.join(", ")));
    }
    if !vectors.is_empty() {
        section.found(some(vectors.len(), "column of vectors").replace("vectorss", "vectors"));
    }
    section
}

/// Gives a check and its weaker ones their tables.
fn named(mut block: Block, tables: &[String]) -> Block {
    let place = match tables {
        [one] => one.clone(),
        many => some(many.len(), "table"),
    };
    block.name = format!("{} of {place}", block.name);
    let table = Block::new("", "").of_tables(tables).body;
    block.body.splice(0..0, table);
    block.otherwise = block
        .otherwise
        .into_iter()
        .map(|weaker| named(weaker, tables))
        .collect();
    block
}

impl Vectors {
    /// The check without its tables: columns that are alike share one.
    fn block(&self) -> Block {
        let share = |count: u64| -> Option<String> {
            // A share with room to grow; where most are missing there is nothing to say.
            let percent = count.saturating_mul(100) / self.rows.max(1);
            match (count, percent) {
                (0, _) => Some("none".to_owned()),
                (_, ..50) => Some(format!("{}%", (percent + 1) * 3 / 2 + 1)),
                _ => None,
            }
        };
        let whole = Block::new("vector", format!("{} is whole", self.column))
            .with("column", self.column.as_str())
            .maybe("dimensions", self.dimensions)
            .maybe("nulls", share(self.missing))
            .maybe("zero", share(self.zero))
            .maybe("norm", (self.normed && self.kind == "vector").then_some(1_i64));
        if !self.indexed || self.rows > SEARCHED {
            return whole;
        }
        let recall = |min: &str| {
            let mut block = whole.clone().with(
                "recall",
                Value::Inline(vec![("min".to_owned(), min.into())]),
            );
            block.name = format!("{} is whole, and found through its indexes", self.column);
            block
        };
        recall("90%")
            .guess("nine of ten neighbours, with the server's own settings: add `role` and `settings` of the application")
            .or(recall("70%"))
            .or(recall("50%"))
            .or(whole)
    }
}
