//! What the rows of a column of vectors hold, in one scan.

use super::Vector;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::{show_count, show_counted};

/// A column of vectors.
#[derive(Debug, Clone)]
pub struct VectorColumn {
    /// Its name.
    pub name: String,
    /// `vector`, `halfvec`, `sparsevec` or `bit`.
    kind: VectorType,
    /// Schema of pgvector.
    pub extension: String,
}

/// Types that pgvector searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VectorType {
    Vector,
    Halfvec,
    Sparsevec,
    Bit,
}

/// The column's type, and where pgvector is.
const TYPE: &str = "
SELECT t.typname, e.nspname
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN (SELECT n.nspname FROM pg_catalog.pg_extension x
               JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
              WHERE x.extname = 'vector') e ON true
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attname = {column}
   AND a.attnum > 0 AND NOT a.attisdropped";

/// Everything in one scan. Where nothing is asked of norms they are not computed.
const COUNT: &str = "
SELECT pg_catalog.count(*), pg_catalog.count({column}),
       pg_catalog.count(*) FILTER (WHERE {dimensions} <> {wanted}),
       pg_catalog.min({dimensions}), pg_catalog.max({dimensions}),
       pg_catalog.count(*) FILTER (WHERE {norm} = 0),
       pg_catalog.count(*) FILTER (WHERE {norm} > 0 AND pg_catalog.abs({norm} - {length}) > {tolerance})
  FROM {table}";

impl VectorColumn {
    /// Finds the column; `None` when there is no such one.
    pub async fn find(
        session: &mut Session,
        table: &QualifiedName,
        name: &str,
    ) -> Result<Option<Self>, CouldNotRun> {
        let sql = TYPE
            .replace("{table}", &table.literal())
            .replace("{column}", &quote_literal(name));
        let rows = session.rows(&sql).await?;
        let Some([Some(kind), extension]) = rows.first().map(Vec::as_slice) else {
            return Ok(None);
        };
        let Some(extension) = extension.clone() else {
            return Err(CouldNotRun::new("the database has no extension vector")
                .hint("a check of kind `extension` says why"));
        };
        let kind = match kind.as_str() {
            "vector" => VectorType::Vector,
            "halfvec" => VectorType::Halfvec,
            "sparsevec" => VectorType::Sparsevec,
            "bit" => VectorType::Bit,
            other => {
                return Err(CouldNotRun::new(format!(
                    "{table}.{} is no vector but {other}",
                    quote_ident(name)
                )));
            }
        };
        Ok(Some(Self {
            name: name.to_owned(),
            kind,
            extension,
        }))
    }

    /// The number of dimensions of a value, as SQL.
    fn dimensions(&self) -> String {
        let (schema, column) = (quote_ident(&self.extension), quote_ident(&self.name));
        match self.kind {
            VectorType::Vector | VectorType::Halfvec => format!("{schema}.vector_dims({column})"),
            // pgvector has no function for it; the text is `{1:0.5,…}/3`.
            VectorType::Sparsevec => {
                format!("pg_catalog.split_part({column}::pg_catalog.text, '/', 2)::pg_catalog.int4")
            }
            VectorType::Bit => format!("pg_catalog.length({column})"),
        }
    }

    /// The Euclidean norm of a value, as SQL; a bit string has none.
    fn norm(&self) -> Option<String> {
        let (schema, column) = (quote_ident(&self.extension), quote_ident(&self.name));
        match self.kind {
            VectorType::Vector => Some(format!("{schema}.vector_norm({column})")),
            VectorType::Halfvec | VectorType::Sparsevec => {
                Some(format!("{schema}.l2_norm({column})"))
            }
            VectorType::Bit => None,
        }
    }

    /// Counts what the check asks for.
    pub async fn count(
        &self,
        session: &mut Session,
        table: &QualifiedName,
        check: &Vector,
    ) -> Result<VectorCounts, CouldNotRun> {
        let wants_norm = check.norm.is_some() || check.zero.is_some();
        let norm = if wants_norm {
            self.norm().ok_or_else(|| {
                CouldNotRun::new(format!(
                    "{table}.{} is a bit string",
                    quote_ident(&self.name)
                ))
                .hint("`norm` and `zero` are for vectors of numbers")
            })?
        } else {
            "NULL::pg_catalog.float8".to_owned()
        };
        let number = |number: Option<f64>| format!("{}::pg_catalog.float8", number.unwrap_or(0.0));
        let dimensions = match check.dimensions {
            Some(_) => self.dimensions(),
            None => "NULL::pg_catalog.int4".to_owned(),
        };
        let sql = COUNT
            .replace("{column}", &quote_ident(&self.name))
            .replace("{dimensions}", &dimensions)
            .replace("{wanted}", &check.dimensions.unwrap_or(0).to_string())
            .replace("{norm}", &norm)
            .replace("{length}", &number(check.norm))
            .replace(
                "{tolerance}",
                &number(Some(check.norm_tolerance.unwrap_or(0.001))),
            )
            .replace("{table}", &table.to_string());
        let rows = session.rows(&sql).await?;
        let row = rows.first().map_or(&[][..], Vec::as_slice);
        let at = |place: usize| {
            let text = row.get(place).and_then(Option::as_deref);
            text.and_then(|text| text.parse::<u64>().ok())
        };
        let (Some(all), Some(vectors)) = (at(0), at(1)) else {
            return Err(CouldNotRun::new(format!("{table} could not be counted")));
        };
        Ok(VectorCounts {
            rows: all,
            vectors,
            of_other_dimensions: at(2).unwrap_or(0),
            dimensions: (at(3).unwrap_or(0), at(4).unwrap_or(0)),
            zero: at(5).unwrap_or(0),
            of_other_norms: at(6).unwrap_or(0),
        })
    }
}

/// What the rows of a table hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VectorCounts {
    pub rows: u64,
    pub vectors: u64,
    pub of_other_dimensions: u64,
    /// The least and the most.
    pub dimensions: (u64, u64),
    pub zero: u64,
    pub of_other_norms: u64,
}

impl VectorCounts {
    /// Compares with what the check asks for.
    pub fn compare(&self, table: &QualifiedName, check: &Vector) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |expected: String, actual: String, hint: &str| {
            findings.push(Finding::about(table.to_string(), expected, actual).hint(hint));
        };
        if let Some(dimensions) = check.dimensions
            && self.of_other_dimensions > 0
        {
            let (least, most) = self.dimensions;
            wrong(
                format!("{} in every row", show_counted(dimensions, "dimension")),
                format!(
                    "{} of {} with others, from {least} to {most}",
                    show_count(self.of_other_dimensions),
                    show_counted(self.vectors, "vector")
                ),
                "they come from another model, or from another database",
            );
        }
        let missing = self.rows.saturating_sub(self.vectors);
        if let Some(most) = check.nulls
            && exceeds(missing, self.rows, most.0.fraction())
        {
            wrong(
                most.show("rows without a vector"),
                format!(
                    "{} of {}",
                    show_count(missing),
                    show_counted(self.rows, "row")
                ),
                "no search finds them; check whether the column was left out of the backup",
            );
        }
        if let Some(most) = check.zero
            && exceeds(self.zero, self.vectors, most.0.fraction())
        {
            wrong(
                most.show("zero vectors"),
                format!(
                    "{} of {}",
                    show_count(self.zero),
                    show_counted(self.vectors, "vector")
                ),
                "a search by cosine distance never finds them",
            );
        }
        if let Some(norm) = check.norm
            && self.of_other_norms > 0
        {
            wrong(
                format!("norm {norm} in every row"),
                format!(
                    "{} of {} with another",
                    show_count(self.of_other_norms),
                    show_counted(self.vectors, "vector")
                ),
                "they come from another model, or were not normalised",
            );
        }
        findings
    }
}

/// Tells whether a part is more than a share of all.
#[expect(clippy::cast_precision_loss, reason = "a share is approximate")]
fn exceeds(part: u64, all: u64, share: f64) -> bool {
    part as f64 > all as f64 * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("dimensions = 3", 0)]
    #[case("dimensions = 4", 1)]
    #[case("nulls = '10%'", 0)]
    #[case("nulls = '9%'", 1)]
    #[case("nulls = 'none'", 1)]
    #[case("zero = '4%'", 0)]
    #[case("zero = 'none'", 1)]
    #[case("norm = 1.0", 1)]
    fn counts_are_compared(#[case] toml: &str, #[case] findings: usize) {
        let text = format!("table = 'a.b'\ncolumn = 'v'\n{toml}");
        let check: Vector = toml::from_str(&text).unwrap();
        let counted = VectorCounts {
            rows: 100,
            vectors: 90,
            of_other_dimensions: if check.dimensions == Some(3) { 0 } else { 90 },
            dimensions: (3, 3),
            zero: 3,
            of_other_norms: 1,
        };
        let table = QualifiedName::parse("a.b").unwrap();
        assert_eq!(counted.compare(&table, &check).len(), findings);
    }
}
