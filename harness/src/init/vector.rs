//! Columns of embeddings: dimensions, missing ones, norms, and how well indexes find them.

use super::block::{Block, Value, keys};
use super::relation::{Relations, text};
use super::section::{Section, some};
use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};

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
    /// HNSW and IVFFlat indexes on it, with their method.
    indexes: Vec<(String, String)>,
}

const COLUMNS: &str = "
SELECT a.attrelid, a.attname, t.typname, n.nspname,
       (SELECT pg_catalog.string_agg(x.relname || E'\\t' || m.amname, E'\\n' ORDER BY x.relname)
          FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
          JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname IN ('hnsw', 'ivfflat')
         WHERE i.indrelid = a.attrelid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)
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
            indexes: text(&row, 4)
                .lines()
                .filter_map(|line| line.split_once('\t'))
                .map(|(name, method)| (name.to_owned(), method.to_owned()))
                .collect(),
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
        for block in vectors.blocks() {
            match groups.iter_mut().find(|(known, _)| *known == block) {
                Some((_, tables)) => tables.push(vectors.table.to_string()),
                None => groups.push((block, vec![vectors.table.to_string()])),
            }
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
        section.note(format!(
            "Without a vector when this was written: {}.",
            names.join(", ")
        ));
    }
    if !vectors.is_empty() {
        section.found(format!("{} of vectors", some(vectors.len(), "column")));
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
    /// The checks without their tables: columns that are alike share them.
    fn blocks(&self) -> Vec<Block> {
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
            .maybe(
                "norm",
                (self.normed && self.kind == "vector").then_some(1_i64),
            );
        let mut blocks = vec![whole];
        if self.rows <= SEARCHED {
            blocks.extend(
                self.indexes
                    .iter()
                    .map(|(name, method)| self.recall(name, method)),
            );
        }
        blocks
    }

    /// How well an index finds. Lists of IVFFlat are made anew by every restore, and differ a little.
    fn recall(&self, index: &str, method: &str) -> Block {
        let block = |min: &str| {
            let mut recall = keys([("index", index.into()), ("min", min.into())]);
            if method == "ivfflat" {
                let probes = keys([("ivfflat.probes", "10".into())]);
                recall.push(("settings".to_owned(), Value::Inline(probes)));
            }
            Block::new(
                "vector",
                format!("{} is found through {index}", self.column),
            )
            .with("column", self.column.as_str())
            .with("recall", Value::Inline(recall))
        };
        block("80%")
            .guess(
                "what the server's own settings find: add `role` and `settings` of the application",
            )
            .or(block("60%"))
            .or(block("30%"))
    }
}
