//! `vector`: embeddings are what they must be, and are found again through their indexes.

mod contents;
mod recall;

use std::borrow::Cow;
use std::time::Instant;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use self::contents::VectorColumn;
use self::recall::Recall;
use crate::check::absent;
use crate::check::target::Targets;
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding, NotTested};
use crate::sql::QualifiedName;
use crate::units::{Percent, show_counted};

/// Embeddings have their dimensions and norms, none is missing, and searches through their indexes
/// find what an exact search finds.
///
/// The column is a `vector`, `halfvec`, `sparsevec` or `bit` of pgvector, wherever its schema is.
/// Dimensions, NULLs and norms are those of every row, read in one scan, whatever the column declares.
///
/// `recall` takes `queries` vectors out of the table itself, spread over it and the same ones each
/// time, asks for the `k` nearest through each index and without any, and counts how many of
/// the true neighbours the index finds (recall@k). A neighbour at the same distance counts as well. The operator
/// is that of the index's operator class; expressions and conditions of the index are taken over. The plan must
/// use the very index. Searches run as `role` with that role's settings, and `settings` over them:
/// give what the application sets, since `hnsw.ef_search` and `ivfflat.probes` decide. A role
/// without LOGIN brings no settings of its own; where the application logs in as one role and takes
/// on another, write `role = "app", settings = { role = "app_of_tenant" }`.
///
/// ## What it proves
/// That the index was built on the rows that are there: an ivfflat index that was made before its rows were
/// loaded is valid, complete, and finds half. That the settings on which the application's searches
/// depend came back with the role. That no row is of another model: other dimensions, other norms.
///
/// ## What it does not prove
/// That the numbers are the right ones, or how fast a search is. The recall of other query vectors: those of
/// the table find at least themselves. Every exact search reads the whole table: on a large
/// one lower `queries` and raise `timeout`.
///
/// ## Example
/// ```toml
/// [[check.vector]]
/// name = "embeddings are complete and found"
/// tables = ["app.documents", "tenant_*.documents"]
/// column = "embedding"
/// dimensions = 1536
/// nulls = "none"
/// zero = "none"
/// norm = 1.0
/// recall = { k = 10, min = "95%", operator = "<=>", role = "app" }
///
/// [[check.vector]]
/// table = "app.images"
/// column = "embedding"
/// nulls = "5%"
/// recall = { index = "images_ivf", min = "90%", settings = { "ivfflat.probes" = "10" }, where = "NOT deleted" }
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Vector {
    /// One table.
    pub table: Option<String>,
    /// Several tables that all have the column; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The column.
    pub column: String,
    /// Every vector has this many dimensions.
    pub dimensions: Option<u32>,
    /// How many rows may have no vector: `"none"` or a share such as `"5%"`.
    pub nulls: Option<AtMost>,
    /// How many vectors may be zero in every dimension, which no cosine index finds: `"none"` or a share.
    pub zero: Option<AtMost>,
    /// Every vector but a zero one has this Euclidean norm, as in `1.0`.
    pub norm: Option<f64>,
    /// How far a norm may be from `norm`. Default: `0.001`.
    pub norm_tolerance: Option<f64>,
    /// How much of the exact answer each index finds.
    pub recall: Option<Recall>,
}

/// The most that there may be of something: `"none"`, or a share of all rows.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct AtMost(Percent);

impl TryFrom<String> for AtMost {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self(Percent(0.0))),
            other => Percent::parse(other)
                .map(Self)
                .map_err(|_| format!("`{other}` is neither \"none\" nor a share such as \"5%\"")),
        }
    }
}

impl JsonSchema for AtMost {
    fn schema_name() -> Cow<'static, str> {
        "AtMost".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "`none`, or a share of all rows.", "type": "string" })
    }
}

impl AtMost {
    /// Says it in words.
    fn show(self, what: &str) -> String {
        if self.0.0 == 0.0 {
            format!("no {what}")
        } else {
            format!("at most {} % {what}", self.0.0)
        }
    }
}

impl Parameters for Vector {
    const KIND: &'static str = "vector";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        self.targets().validate(errors);
        errors.refuse_empty("column", &self.column);
        let asserted = [
            self.dimensions.is_some(),
            self.nulls.is_some(),
            self.zero.is_some(),
            self.norm.is_some(),
            self.recall.is_some(),
        ];
        errors.require_assertion(
            asserted,
            "add `dimensions`, `nulls`, `zero`, `norm` or `recall`",
        );
        for (key, share) in [("nulls", self.nulls), ("zero", self.zero)] {
            if share.is_some_and(|share| share.0.0 >= 100.0) {
                errors.at(key, "all may be so: this asserts nothing");
            }
        }
        if self.dimensions == Some(0) {
            errors.at("dimensions", "a vector has a dimension at least");
        }
        if self
            .norm
            .is_some_and(|norm| !norm.is_finite() || norm <= 0.0)
        {
            errors
                .at("norm", "a norm is more than 0")
                .add_hint("zero vectors have `zero`");
        }
        match self.norm_tolerance {
            Some(_) if self.norm.is_none() => {
                errors.at("norm-tolerance", "`norm-tolerance` needs `norm`");
            }
            Some(tolerance) if !tolerance.is_finite() || tolerance < 0.0 => {
                errors.at("norm-tolerance", "a tolerance is 0 or more");
            }
            _ => {}
        }
        if let Some(recall) = &self.recall {
            recall.validate(errors);
        }
    }
}

#[async_trait]
impl Check for Vector {
    fn describe(&self) -> String {
        format!("vectors of {}", self.targets().describe())
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let resolved = self.targets().resolve(&mut session).await?;
        let expected = self.expectation();
        let mut entries = Vec::new();
        let (mut not_run, mut not_tested) = (Vec::new(), Vec::new());
        for table in &resolved.tables {
            let began = Instant::now();
            let mut seen = TableResult::default();
            self.one(restored, &mut session, table, &mut seen).await?;
            if seen.findings.is_empty() && !seen.unclear.is_empty() {
                let errors = seen.unclear.into_iter().take(1);
                not_run.extend(errors.map(|error| (table.to_string(), error)));
                continue;
            }
            not_tested.extend(seen.unclear.into_iter().map(|error| NotTested {
                what: format!("all of {table}"),
                why: error.reason,
            }));
            entries.push(Entry::new(
                table,
                expected.clone(),
                seen.actual.join("; "),
                seen.findings,
                began,
            ));
        }
        session.close().await;
        // What could not run must not hide what is wrong; alone it is no verdict.
        if resolved.missing.is_empty()
            && entries.iter().all(|entry| entry.findings.is_empty())
            && let Some((_, first)) = not_run.first()
        {
            return Err(first.clone());
        }
        let actual = match entries.as_slice() {
            [one] if self.table.is_some() => one.actual.clone(),
            several => format!("{} checked", show_counted(several.len(), "table")),
        };
        let whole = Observation {
            not_run,
            not_tested,
            ..Observation::new(expected, actual, resolved.missing)
        };
        Ok(self.targets().in_entries(whole, entries))
    }
}

/// What was seen of one table.
#[derive(Debug, Default)]
struct TableResult {
    actual: Vec<String>,
    findings: Vec<Finding>,
    unclear: Vec<CouldNotRun>,
}

impl Vector {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = Vec::new();
        if let Some(dimensions) = self.dimensions {
            parts.push(show_counted(dimensions, "dimension"));
        }
        parts.extend(self.nulls.map(|most| most.show("rows without a vector")));
        parts.extend(self.zero.map(|most| most.show("zero vectors")));
        if let Some(norm) = self.norm {
            parts.push(format!("norm {norm}"));
        }
        parts.extend(self.recall.as_ref().map(Recall::expectation));
        parts.join(", ")
    }

    /// Checks one table.
    async fn one(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        table: &QualifiedName,
        seen: &mut TableResult,
    ) -> Result<(), CouldNotRun> {
        let Some(column) = VectorColumn::find(session, table, &self.column).await? else {
            seen.actual.push("no such column".to_owned());
            let missing = absent::column(session, table, &self.column).await?;
            seen.findings.push(missing);
            return Ok(());
        };
        let counted = column.count(session, table, self).await?;
        seen.actual.push(show_counted(counted.vectors, "vector"));
        seen.findings.extend(counted.compare(table, self));
        if counted.vectors == 0 {
            if seen.findings.is_empty() {
                seen.unclear.push(
                    CouldNotRun::new(format!("{table} holds no vector"))
                        .hint("an empty table proves nothing; name tables that hold rows"),
                );
            }
            return Ok(());
        }
        match &self.recall {
            Some(recall) => recall.check(restored, session, table, &column, seen).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    #[rstest]
    #[case("dimensions = 3", 0)]
    #[case("nulls = 'none'\nzero = '5%'\nnorm = 1.0\nnorm-tolerance = 0.1", 0)]
    #[case("recall = { min = '95%' }", 0)]
    #[case("", 1)]
    #[case("dimensions = 0", 1)]
    #[case("nulls = '100%'", 1)]
    #[case("norm = 0.0", 1)]
    #[case("dimensions = 3\nnorm-tolerance = 0.1", 1)]
    #[case("norm = 1\nnorm-tolerance = -1.0", 1)]
    #[case("recall = { min = '0%' }", 1)]
    #[case("recall = { min = '95%', k = 0 }", 1)]
    #[case("recall = { min = '95%', queries = 0 }", 1)]
    #[case("recall = { min = '95%', where = 'true; COMMIT' }", 1)]
    fn parameters(#[case] toml: &str, #[case] expected: usize) {
        let check: Vector =
            toml::from_str(&format!("table = 'a.b'\ncolumn = 'v'\n{toml}")).unwrap();
        assert_eq!(
            errors_of(|errors| check.validate(errors)).len(),
            expected,
            "{:?}",
            errors_of(|errors| check.validate(errors))
        );
    }

    #[rstest]
    #[case("none", Some(0.0))]
    #[case("5%", Some(5.0))]
    #[case("few", None)]
    fn at_most(#[case] text: &str, #[case] percent: Option<f64>) {
        let read = AtMost::try_from(text.to_owned()).ok();
        assert_eq!(read.map(|most| most.0.0), percent);
    }
}
