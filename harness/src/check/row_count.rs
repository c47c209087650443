//! `row-count`: tables hold as many rows as they must.

use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::columns::Columns as _;
use crate::check::count_bound::CountBound;
use crate::check::known::KnownState;
use crate::check::target::{Targets, is_listed};
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::QualifiedName;
use crate::units::{Percent, show_counted};

/// Tables hold as many rows as they must: exactly, at least, at most, or as many as a baseline says.
///
/// ## What it proves
/// The exact `count(*)` of each table, partitions included, and of each partition by itself where
/// `per-partition` is given. Estimates of the planner are never used.
///
/// ## What it does not prove
/// That the rows hold the right values.
///
/// ## Example
/// ```toml
/// [[check.row-count]]
/// name = "orders is not hollow"
/// table = "app.orders"
/// min = 1_000_000
///
/// [[check.row-count]]
/// tables = ["app.*"]
/// baseline = "app.baseline.json"
/// tolerance = "5%"
///
/// [[check.row-count]]
/// table = "app.audit"
/// per-partition = { min = 1, empty = ["app.audit_default"] }
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RowCount {
    /// One table.
    pub table: Option<String>,
    /// Several tables; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Exactly this many rows in each.
    pub exact: Option<u64>,
    /// At least this many rows in each.
    pub min: Option<u64>,
    /// At most this many rows in each.
    pub max: Option<u64>,
    /// A baseline file, relative to the scenario, whose `rows` say how many.
    pub baseline: Option<PathBuf>,
    /// How far a count may be from the baseline's, as in `5%`. Default: `0%`.
    pub tolerance: Option<Percent>,
    /// Bounds for each partition of a partitioned table.
    pub per_partition: Option<PerPartition>,
}

/// Bounds for each partition.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PerPartition {
    /// At least this many rows in each.
    pub min: Option<u64>,
    /// At most this many rows in each.
    pub max: Option<u64>,
    /// Partitions that must be empty, such as the default partition.
    #[serde(default)]
    pub empty: Vec<String>,
}

impl Parameters for RowCount {
    const KIND: &'static str = "row-count";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        self.targets().validate(errors);
        let asserted = [
            self.exact.is_some(),
            self.min.is_some(),
            self.max.is_some(),
            self.baseline.is_some(),
            self.per_partition.is_some(),
        ];
        errors.require_assertion(
            asserted,
            "add `exact`, `min`, `max`, `baseline` or `per-partition`",
        );
        if self.min == Some(0) && self.max.is_none() && self.exact.is_none() {
            let message = "every table has at least 0 rows: this asserts nothing";
            errors
                .at("min", message)
                .add_hint("give the number below which rows must be lost, 1 or more");
        }
        errors.refuse_empty_range(self.min, self.max);
        if self.tolerance.is_some() && self.baseline.is_none() {
            errors.at("tolerance", "`tolerance` needs a `baseline`");
        }
    }
}

/// The leaves of a partition tree.
const PARTITIONS: &str = "
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_partition_tree({table}::pg_catalog.regclass) t
  JOIN pg_catalog.pg_class c ON c.oid = t.relid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE t.isleaf AND t.level > 0
 ORDER BY 1, 2";

#[async_trait]
impl Check for RowCount {
    fn inputs(&self) -> Vec<PathBuf> {
        self.baseline.iter().cloned().collect()
    }

    fn describe(&self) -> String {
        format!("rows of {}", self.targets().describe())
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let baseline = match &self.baseline {
            Some(path) => Some(KnownState::load(restored.folder, path)?),
            None => None,
        };
        let resolved = self.targets().resolve(&mut session).await?;
        let mut findings = resolved.missing;
        let mut entries = Vec::new();
        let mut sum = 0;
        for table in &resolved.tables {
            let began = Instant::now();
            let rows = match restored.count(&mut session, table).await {
                Err(error) if error.is_not_populated() => {
                    entries.push(self.not_populated(table, began));
                    continue;
                }
                counted => counted?,
            };
            let mut found = self.compare(table, rows, baseline.as_ref());
            if let Some(bounds) = &self.per_partition {
                found.extend(partitions(restored, &mut session, table, bounds).await?);
            }
            sum += rows;
            entries.push(Entry::new(
                table,
                self.expectation(),
                show_counted(rows, "row"),
                found,
                began,
            ));
        }
        session.close().await;
        if let Some(baseline) = &baseline {
            findings.extend(self.lost(baseline, &resolved.tables));
        }
        let rows = show_counted(sum, "row");
        let actual = if self.table.is_some() && entries.len() == 1 {
            rows
        } else {
            format!("{rows} in {}", show_counted(entries.len(), "table"))
        };
        let whole = Observation::new(self.expectation(), actual, findings);
        Ok(self.targets().in_entries(whole, entries))
    }
}

impl RowCount {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    /// The entry of a materialized view that cannot be queried.
    fn not_populated(&self, view: &QualifiedName, began: Instant) -> Entry {
        let actual = "it is not populated";
        let finding = Finding::about(view.to_string(), self.expectation(), actual)
            .hint("it was not when the backup was made: run REFRESH MATERIALIZED VIEW in the source, or leave it out of the check");
        Entry::new(view, self.expectation(), actual, vec![finding], began)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let bound = CountBound {
            exact: self.exact,
            min: self.min,
            max: self.max,
        };
        let mut parts = Vec::new();
        if bound != CountBound::default() {
            parts.push(bound.show("row"));
        }
        if let Some(path) = &self.baseline {
            let tolerance = self.tolerance.map_or(0.0, |percent| percent.0);
            parts.push(format!(
                "as many rows as {} says, within {tolerance} %",
                path.display()
            ));
        }
        if self.per_partition.is_some() {
            parts.push("each partition within its bounds".to_owned());
        }
        parts.join(", ")
    }

    /// Compares one table's count with the bounds and the baseline.
    fn compare(
        &self,
        table: &QualifiedName,
        count: u64,
        baseline: Option<&KnownState>,
    ) -> Vec<Finding> {
        let mut findings = bounds(table, count, self.exact, self.min, self.max);
        if let Some(baseline) = baseline {
            let name = table.to_string();
            match baseline.rows.get(&name) {
                Some(known) => {
                    let share = self.tolerance.map_or(0.0, |percent| percent.0) / 100.0;
                    #[expect(clippy::cast_precision_loss, reason = "a tolerance is approximate")]
                    let allowed = *known as f64 * share;
                    #[expect(clippy::cast_precision_loss, reason = "a tolerance is approximate")]
                    let off = count.abs_diff(*known) as f64;
                    if off > allowed {
                        findings.push(Finding::about(
                            name,
                            format!(
                                "{} as in the baseline, give or take {allowed:.0}",
                                show_counted(*known, "row")
                            ),
                            show_counted(count, "row"),
                        ));
                    }
                }
                None => findings.push(
                    Finding::about(
                        name,
                        "a count in the baseline",
                        "the baseline does not know this table",
                    )
                    .hint("add the table to the baseline's `rows`, or name tables more narrowly"),
                ),
            }
        }
        findings
    }

    /// Finds tables that the baseline knows and a pattern names, but the database does not have.
    fn lost(&self, baseline: &KnownState, found: &[QualifiedName]) -> Vec<Finding> {
        let is_lost =
            |table: &QualifiedName| !found.contains(table) && is_listed(&self.tables, table);
        baseline
            .rows
            .iter()
            .filter(|(name, _)| QualifiedName::parse(name).is_ok_and(|table| is_lost(&table)))
            .map(|(name, rows)| {
                Finding::about(
                    name,
                    format!(
                        "a table with {}, as in the baseline",
                        show_counted(*rows, "row")
                    ),
                    "there is none in the restored database",
                )
            })
            .collect()
    }
}

/// Counts each partition and compares it with its bounds.
async fn partitions(
    restored: &Restored<'_>,
    session: &mut Session,
    table: &QualifiedName,
    want: &PerPartition,
) -> Result<Vec<Finding>, CouldNotRun> {
    let rows = session
        .rows(&PARTITIONS.replace("{table}", &table.literal()))
        .await?;
    if rows.is_empty() {
        return Ok(vec![Finding::about(
            table.to_string(),
            "a partitioned table with partitions",
            "it has none",
        )]);
    }
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for row in rows {
        let Some(partition) = row.name(0) else {
            continue;
        };
        let count = restored.count(session, &partition).await?;
        let must_be_empty = want
            .empty
            .iter()
            .any(|name| QualifiedName::parse(name).is_ok_and(|name| name == partition));
        findings.extend(if must_be_empty {
            bounds(&partition, count, Some(0), None, None)
        } else {
            bounds(&partition, count, None, want.min, want.max)
        });
        seen.push(partition);
    }
    for name in &want.empty {
        let parsed = QualifiedName::parse(name).map_err(CouldNotRun::new)?;
        if !seen.contains(&parsed) {
            findings.push(Finding::about(
                name,
                format!("an empty partition of {table}"),
                "there is none",
            ));
        }
    }
    Ok(findings)
}

/// Compares a count with exact, least and most.
fn bounds(
    table: &QualifiedName,
    count: u64,
    exact: Option<u64>,
    min: Option<u64>,
    max: Option<u64>,
) -> Vec<Finding> {
    let broken = [
        exact
            .filter(|exact| count != *exact)
            .map(|n| ("exactly", n)),
        min.filter(|min| count < *min).map(|n| ("at least", n)),
        max.filter(|max| count > *max).map(|n| ("at most", n)),
    ];
    broken
        .into_iter()
        .flatten()
        .map(|(word, bound)| {
            Finding::about(
                table.to_string(),
                format!("{word} {}", show_counted(bound, "row")),
                show_counted(count, "row"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn orders() -> QualifiedName {
        QualifiedName::parse("app.orders").unwrap()
    }

    #[rstest]
    #[case(Some(5), None, None, 5, 0)]
    #[case(Some(5), None, None, 4, 1)]
    #[case(None, Some(5), None, 5, 0)]
    #[case(None, Some(5), None, 4, 1)]
    #[case(None, None, Some(5), 5, 0)]
    #[case(None, None, Some(5), 6, 1)]
    fn a_count_is_held_to_its_bounds(
        #[case] exact: Option<u64>,
        #[case] min: Option<u64>,
        #[case] max: Option<u64>,
        #[case] count: u64,
        #[case] broken: usize,
    ) {
        assert_eq!(bounds(&orders(), count, exact, min, max).len(), broken);
    }

    #[rstest]
    #[case(100, 0)]
    #[case(105, 0)]
    #[case(95, 0)]
    #[case(94, 1)]
    #[case(106, 1)]
    fn a_count_is_held_to_the_baseline(#[case] count: u64, #[case] broken: usize) {
        let check = RowCount {
            tolerance: Some(Percent(5.0)),
            ..RowCount::default()
        };
        let baseline = KnownState {
            rows: [("app.orders".to_owned(), 100)].into(),
            ..KnownState::default()
        };
        assert_eq!(
            check.compare(&orders(), count, Some(&baseline)).len(),
            broken
        );
    }

    #[test]
    fn a_table_that_only_the_baseline_knows_is_lost() {
        let check = RowCount {
            tables: vec!["app.*".to_owned()],
            ..RowCount::default()
        };
        let rows = [("app.orders", 1), ("app.lost", 2), ("other.kept", 3)];
        let baseline = KnownState {
            rows: rows.map(|(name, count)| (name.to_owned(), count)).into(),
            ..KnownState::default()
        };
        let lost = check.lost(&baseline, &[orders()]);
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].object.as_deref(), Some("app.lost"));
    }

    #[test]
    fn a_check_that_asserts_nothing_is_refused() {
        let check = RowCount {
            table: Some("app.orders".to_owned()),
            ..RowCount::default()
        };
        assert_eq!(errors_of(|errors| check.validate(errors)).len(), 1);
        let check = RowCount {
            min: Some(0),
            ..check
        };
        assert_eq!(errors_of(|errors| check.validate(errors)).len(), 1);
    }
}
