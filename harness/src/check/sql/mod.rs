//! `sql`: a query of the user's gives what it must.

mod compare;
mod query;
mod rows;
mod value;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::query::{SYNTAX, check_reads, explain_error, statement, tries_to_write};
use self::value::{SqlRow, SqlTolerance, SqlValue};
use crate::check::privilege::says_nothing;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::database::DatabaseError;
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::RoleFacts;
use crate::sql::quote_ident;
use crate::sqlstate::Names;
use crate::units::show_counted;

/// A query of your own gives what it must: one value, rows, no rows, so many rows, or an error.
///
/// Exactly one of `scalar`, `min`/`max`, `rows`, `no-rows`, `row-count` and `error` says what. The query
/// runs alone in a read-only transaction that is rolled back, within the `timeout` of the check.
/// With `role` it runs as that role, in a session of its own with that role's settings and row
/// security; without, as superuser, who sees every row and finds nothing without its schema
/// (`search_path` is `pg_catalog`).
///
/// Values are written as TOML has them: `5`, `1.5`, `true`, `"text"`; NULL is `{ null = true }`.
/// Numbers compare as numbers (`1` is `1.0`), everything else as the text that Postgres writes, with
/// `TimeZone` UTC, `DateStyle` ISO and `bytea_output` hex unless `settings` say otherwise. Rows
/// compare in any order, each as often as it is there, unless `ordered = true`.
///
/// ## What it proves
/// That the query, as this role, gives this answer. A single row that only the right database has
/// (an id made at installation, say) proves that it is the right database, and not that of
/// another system or of a test. Reports show numbers, `true` and `false`; of texts and rows they only
/// tell that and where they differ.
///
/// ## What it does not prove
/// More than the query asks: a query for bad rows finds none in an empty table, so add a `row-count`
/// check. That the role may not write: `error` is about reading, since a write is refused in a
/// read-only transaction whoever asks; see `append-only` and the `refuses` of `rls`.
///
/// ## Example
/// ```toml
/// [[check.sql]]
/// name = "it is the production database"
/// query = "SELECT value FROM app.settings WHERE name = 'installation'"
/// scalar = "6f1c2b1e-4d4f-4b58-9d1a-0d5b0f6f9f6e"
///
/// [[check.sql]]
/// name = "the ledger balances"
/// query = "SELECT sum(amount) FROM app.ledger"
/// scalar = 0
/// tolerance = 0.01
///
/// [[check.sql]]
/// name = "every plan has its price"
/// query = "SELECT name, price, retired_at FROM app.plans"
/// rows = [["free", 0, { null = true }], ["team", 19.5, { null = true }]]
///
/// [[check.sql]]
/// name = "no order lost its customer"
/// query = "SELECT 1 FROM app.orders o LEFT JOIN app.customers c ON c.id = o.customer_id WHERE c.id IS NULL"
/// no-rows = true
///
/// [[check.sql]]
/// name = "support cannot read cards"
/// query = "SELECT count(*) FROM app.cards"
/// role = "support"
/// error = "42501"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sql {
    /// One statement that reads: SELECT, WITH, VALUES, TABLE or SHOW.
    pub query: String,
    /// The role that asks. Default: the superuser.
    pub role: Option<String>,
    /// Settings of the role's session, over its own.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// It gives one row of one column with this value.
    pub scalar: Option<SqlValue>,
    /// How far a number may be from `scalar` or `row-count`: `"5%"`, or `0.5`. Default: 0.
    pub tolerance: Option<SqlTolerance>,
    /// It gives one number, at least this.
    pub min: Option<f64>,
    /// It gives one number, at most this.
    pub max: Option<f64>,
    /// It gives these rows and no other.
    pub rows: Option<Vec<SqlRow>>,
    /// Whether `rows` come in this order. Default: false.
    pub ordered: Option<bool>,
    /// `true`: it gives no row.
    pub no_rows: Option<bool>,
    /// It gives this many rows.
    pub row_count: Option<u64>,
    /// It is refused with this SQLSTATE, such as `42501` for a right that the role must not have.
    pub error: Option<String>,
}

impl Parameters for Sql {
    const KIND: &'static str = "sql";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if let Err((message, hint)) = check_reads(&self.query) {
            errors.at("query", message).add_hint(hint);
        }
        if self.role.is_none() && !self.settings.is_empty() {
            errors.at("settings", "`settings` need a `role`");
        }
        let given = [
            self.scalar.is_some(),
            self.min.is_some() || self.max.is_some(),
            self.rows.is_some(),
            self.no_rows.is_some(),
            self.row_count.is_some(),
            self.error.is_some(),
        ];
        let hint = "give one of `scalar`, `min`/`max`, `rows`, `no-rows`, `row-count` and `error`";
        match given.iter().filter(|given| **given).count() {
            0 | 1 => errors.require_assertion(given, hint),
            _ => errors.whole("two things are expected").add_hint(hint),
        }
        if self.no_rows == Some(false) {
            let message = "`no-rows = false` does not say what the rows are";
            errors
                .at("no-rows", message)
                .add_hint("write `rows` or `row-count`");
        }
        if self.ordered.is_some() && self.rows.is_none() {
            errors.at("ordered", "`ordered` needs `rows`");
        }
        let number = self.scalar.as_ref().and_then(SqlValue::as_number).is_some();
        if self.tolerance.is_some() && !number && self.row_count.is_none() {
            errors.at(
                "tolerance",
                "`tolerance` needs a number in `scalar`, or `row-count`",
            );
        }
        errors.refuse_empty_range(self.min, self.max);
        if let Some(rows) = &self.rows {
            validate_rows(rows, errors);
        }
        if let Some(state) = &self.error {
            validate_state(state, errors);
        }
    }
}

/// Refuses rows that no query gives.
fn validate_rows(rows: &[SqlRow], errors: &mut ParameterErrors<'_>) {
    let width = rows.first().map_or(0, |row| row.0.len());
    if rows.is_empty() {
        errors
            .at("rows", "there is no row in `rows`")
            .add_hint("write `no-rows = true`");
    } else if width == 0 {
        errors.at("rows", "a row has no column");
    } else if rows.iter().any(|row| row.0.len() != width) {
        errors.at("rows", "the rows have different numbers of columns");
    }
}

/// Refuses a text that is not an SQLSTATE, and one that is not about the database.
fn validate_state(state: &str, errors: &mut ParameterErrors<'_>) {
    let is_own = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    let error = DatabaseError::answered(state, "", false, &Names::default());
    if state.len() != 5 || !state.bytes().all(is_own) {
        errors
            .at("error", format!("`{state}` is not an SQLSTATE"))
            .add_hint("write its five characters, as in \"42501\"");
    } else if says_nothing(&error) || tries_to_write(state) || state == SYNTAX {
        errors.at("error", format!("{state} says nothing about the database"));
    }
}

/// How the role's session writes values, whatever the role's own settings are.
const TEXTS: &[(&str, &str)] = &[
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

#[async_trait]
impl Check for Sql {
    fn describe(&self) -> String {
        let asker = self.role.as_deref().unwrap_or("superuser");
        let query: String = statement(&self.query)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let short: String = query.chars().take(60).collect();
        let dots = if short.len() < query.len() { "…" } else { "" };
        format!("{short}{dots} as {asker}")
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let expected = self.expectation();
        let answer = match &self.role {
            None => {
                let mut session = restored.own_session().await?;
                session.list_statements();
                self.run_query(&mut session).await
            }
            Some(role) => {
                let mut catalogs = restored.session().await?;
                let known = RoleFacts::read(&mut catalogs, role).await?;
                catalogs.close().await;
                if known.is_none() {
                    let actual = "there is none in the restored server";
                    let finding = Finding::about(format!("role {}", quote_ident(role)), "a role", actual)
                        .hint("look for its CREATE ROLE in the backup, or dump roles as well with pg_dumpall --globals-only");
                    return Ok(Observation::new(expected, actual, vec![finding]));
                }
                let texts = TEXTS.iter().map(|(name, value)| (*name, *value));
                let own = self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str()));
                let settings: Vec<(String, String)> = texts
                    .chain(own)
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                let session = restored.session_as(role, &settings).await;
                let mut session = session.map_err(|error| {
                    CouldNotRun::new(format!("cannot be {}: {error}", quote_ident(role)))
                })?;
                self.run_query(&mut session).await
            }
        };
        let (actual, finding) = match answer {
            Ok(answer) => self.compare(&answer),
            Err(error) if self.error.is_some() && error.sqlstate == self.error => {
                let state = self.error.as_deref().unwrap_or_default();
                (format!("SQLSTATE {state}"), None)
            }
            Err(error) => match self.find_fault(&error) {
                Some(finding) => (finding.actual.clone(), Some(finding)),
                None => return Err(explain_error(&error)),
            },
        };
        let findings = finding.into_iter().collect();
        Ok(Observation::new(expected, actual, findings))
    }
}

impl Sql {
    /// Says what is expected, in one line, without the text of any row.
    fn expectation(&self) -> String {
        let tolerance = |text: String| match self.tolerance {
            Some(tolerance) => format!("{text}, give or take {tolerance}"),
            None => text,
        };
        if let Some(scalar) = &self.scalar {
            return tolerance(scalar.show());
        }
        if let Some(rows) = &self.rows {
            let order = if self.ordered == Some(true) {
                " in this order"
            } else {
                ""
            };
            let count = show_counted(rows.len(), "row");
            return format!("the {count} of the scenario{order}");
        }
        if let Some(count) = self.row_count {
            return tolerance(show_counted(count, "row"));
        }
        if let Some(state) = &self.error {
            return format!("the error {state}");
        }
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("a number from {min} to {max}"),
            (Some(min), None) => format!("a number, at least {min}"),
            (None, Some(max)) => format!("a number, at most {max}"),
            (None, None) => "no row".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(toml: &str) -> Sql {
        toml::from_str(&format!("query = 'SELECT 1'\n{toml}")).unwrap()
    }

    #[rstest]
    #[case("scalar = 5", 0)]
    #[case("scalar = { null = true }", 0)]
    #[case("scalar = 5\ntolerance = '5%'", 0)]
    #[case("row-count = 5\ntolerance = 1", 0)]
    #[case("min = 1", 0)]
    #[case("min = 1\nmax = 2", 0)]
    #[case("rows = [['a', 1], ['b', 2.5]]", 0)]
    #[case("rows = ['a', 'b']\nordered = true", 0)]
    #[case("no-rows = true", 0)]
    #[case("error = '42501'", 0)]
    #[case("scalar = 5\nrole = 'app'\nsettings = { a = 'b' }", 0)]
    #[case("", 1)]
    #[case("scalar = 5\nno-rows = true", 1)]
    #[case("scalar = 5\nmin = 1", 1)]
    #[case("scalar = 'a'\ntolerance = 1", 1)]
    #[case("scalar = 5\nordered = true", 1)]
    #[case("scalar = 5\nsettings = { a = 'b' }", 1)]
    #[case("min = 2\nmax = 1", 1)]
    #[case("rows = []", 1)]
    #[case("rows = [[]]", 1)]
    #[case("rows = [[1], [1, 2]]", 1)]
    #[case("no-rows = false", 1)]
    #[case("error = 'denied'", 1)]
    #[case("error = '57014'", 1)]
    #[case("error = '25006'", 1)]
    fn what_is_expected_is_one_thing(#[case] toml: &str, #[case] expected: usize) {
        let found = errors_of(|errors| check(toml).validate(errors));
        assert_eq!(found.len(), expected, "{found:?}");
    }
}
