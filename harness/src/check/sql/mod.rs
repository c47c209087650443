//! `sql`: a query of the user's gives what it must.

mod rows;
mod value;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::value::{SqlRow, SqlTolerance, SqlValue};
use crate::check::privilege::says_nothing;
use crate::check::{Check, Complaint, Observation, Parameters, Restored};
use crate::database::{Answer, DatabaseError};
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::RoleFacts;
use crate::sql::quote_ident;
use crate::units::show_count;

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
/// More than the query asks: a query for bad rows finds none in an empty table, so have a `row-count`
/// beside it. That the role may not write: `error` is about reading, since a write is refused in a
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

/// Words that a query begins with.
const READS: &[&str] = &["select", "with", "values", "table", "show"];

impl Parameters for Sql {
    const KIND: &'static str = "sql";
    const LOOKS_AT_DATA: bool = true;

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Err((message, hint)) = reads(&self.query) {
            complaints.push(Complaint::about("query", message).hint(hint));
        }
        if self.role.is_none() && !self.settings.is_empty() {
            complaints.push(Complaint::about("settings", "`settings` need a `role`"));
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
            0 => complaints.push(Complaint::whole("this check asserts nothing").hint(hint)),
            1 => {}
            _ => complaints.push(Complaint::whole("two things are expected").hint(hint)),
        }
        if self.no_rows == Some(false) {
            complaints.push(
                Complaint::about(
                    "no-rows",
                    "`no-rows = false` does not say what the rows are",
                )
                .hint("write `rows` or `row-count`"),
            );
        }
        if self.ordered.is_some() && self.rows.is_none() {
            complaints.push(Complaint::about("ordered", "`ordered` needs `rows`"));
        }
        let number = self
            .scalar
            .as_ref()
            .is_some_and(|v| v.as_number().is_some());
        if self.tolerance.is_some() && !number && self.row_count.is_none() {
            complaints.push(Complaint::about(
                "tolerance",
                "`tolerance` needs a number in `scalar`, or `row-count`",
            ));
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            complaints.push(Complaint::about(
                "min",
                format!("`min` {min} is more than `max` {max}"),
            ));
        }
        complaints.extend(self.rows.as_deref().and_then(row_complaint));
        complaints.extend(self.error.as_deref().and_then(error_complaint));
        complaints
    }
}

/// Finds rows that no query gives.
fn row_complaint(rows: &[SqlRow]) -> Option<Complaint> {
    let width = rows.first().map_or(0, |row| row.0.len());
    let message = if rows.is_empty() {
        return Some(
            Complaint::about("rows", "there is no row in `rows`").hint("write `no-rows = true`"),
        );
    } else if width == 0 {
        "a row has no column"
    } else if rows.iter().any(|row| row.0.len() != width) {
        "the rows have different numbers of columns"
    } else {
        return None;
    };
    Some(Complaint::about("rows", message))
}

/// Finds an SQLSTATE that is none, or that tells nothing of the database.
fn error_complaint(state: &str) -> Option<Complaint> {
    let is_state = state.len() == 5
        && state
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if !is_state {
        return Some(
            Complaint::about("error", format!("`{state}` is no SQLSTATE"))
                .hint("write its five characters, as in \"42501\""),
        );
    }
    let error = DatabaseError {
        sqlstate: Some(state.to_owned()),
        message: String::new(),
        lost: false,
    };
    (says_nothing(&error) || tries_to_write(state) || state == SYNTAX)
        .then(|| Complaint::about("error", format!("{state} says nothing about the database")))
}

/// Tells whether this is one statement that reads; else a message and a hint. The server refuses
/// writes in any case; a second statement would be outside of what it guards.
fn reads(query: &str) -> Result<(), (String, &'static str)> {
    let body = statement(query);
    let word = body.trim_start_matches(['(', ' ', '\n', '\t', '\r']);
    let word: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
    if !READS.contains(&word.to_ascii_lowercase().as_str()) {
        return Err((
            "the query is no statement that reads".to_owned(),
            "it begins with SELECT, WITH, VALUES, TABLE or SHOW",
        ));
    }
    if body.contains(';') {
        return Err((
            "the query is more than one statement".to_owned(),
            "leave one; a `;` inside a text can be written `chr(59)`",
        ));
    }
    Ok(())
}

/// The query without its end.
fn statement(query: &str) -> &str {
    query.trim().trim_end_matches(';').trim_end()
}

/// How the role's session writes values, whatever the role's own settings are.
const TEXTS: &[(&str, &str)] = &[
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

/// Whether a statement was refused because it would write, or leave the read-only transaction.
fn tries_to_write(state: &str) -> bool {
    state.starts_with("25")
}

/// A syntax error.
const SYNTAX: &str = "42601";

/// Rows that are kept beyond those that are expected, so that what differs can be told.
const MORE: usize = 1000;

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
            None => self.ask(&mut restored.own_session().await?).await,
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
                self.ask(&mut session).await
            }
        };
        let answer = match answer {
            Err(error) if self.error.is_some() && error.sqlstate == self.error => {
                let actual = format!("SQLSTATE {}", self.error.as_deref().unwrap_or_default());
                return Ok(Observation::new(expected, actual, Vec::new()));
            }
            Err(error) => match self.failed(&error) {
                Some(finding) => {
                    let actual = finding.actual.clone();
                    return Ok(Observation::new(expected, actual, vec![finding]));
                }
                None => return Err(self.could_not(&error)),
            },
            Ok(answer) => answer,
        };
        let (actual, wrong) = self.compare(&answer);
        let finding = wrong.map(|(hint, actual)| {
            let finding = Finding::new(expected.clone(), actual);
            match hint {
                Some(hint) => finding.hint(hint),
                None => finding,
            }
        });
        Ok(Observation::new(
            expected,
            actual,
            finding.into_iter().collect(),
        ))
    }
}

/// What a query gave: its first rows, and how many there were.
struct Given {
    answer: Answer,
    count: u64,
}

/// What was found, in one line; and where it is wrong, a hint and what to say of it.
type ComparedRows = (String, Option<(Option<String>, String)>);

impl Sql {
    /// Runs the query in a transaction that cannot write and does not stay.
    async fn ask(&self, session: &mut crate::database::Session) -> Result<Given, DatabaseError> {
        session.run("BEGIN READ ONLY").await?;
        let keep = self.rows.as_ref().map_or(1, |rows| rows.len() + MORE);
        let given = session.run_keeping(statement(&self.query), keep).await;
        if given.as_ref().is_err_and(|error| error.lost) {
            return given.map(|(answer, count)| Given { answer, count });
        }
        session.run("ROLLBACK").await?;
        given.map(|(answer, count)| Given { answer, count })
    }

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
            let count = show_count(rows.len() as u64);
            return format!("the {count} rows of the scenario{order}");
        }
        if let Some(count) = self.row_count {
            return tolerance(format!("{} rows", show_count(count)));
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

    /// Makes a finding of an error that is about the database.
    fn failed(&self, error: &DatabaseError) -> Option<Finding> {
        let state = error.sqlstate.as_deref();
        let about_the_query = |state: &str| tries_to_write(state) || state == SYNTAX;
        if error.lost || says_nothing(error) || state.is_some_and(about_the_query) {
            return None;
        }
        let finding = Finding::new(
            self.expectation(),
            format!("the query gives an error: {error}"),
        );
        Some(match (state, &self.role) {
            (Some("42P01" | "42883" | "42704"), None) => finding.hint(
                "the restored database lacks it, or its schema is missing in the query: \
                 the superuser's search path is pg_catalog alone",
            ),
            (Some("42P01" | "42883" | "42704"), Some(_)) => finding.hint(
                "the restored database lacks it, or the role's search_path did not come back",
            ),
            _ => finding,
        })
    }

    /// Says why an error tells nothing.
    fn could_not(&self, error: &DatabaseError) -> CouldNotRun {
        let unable = CouldNotRun::new(format!("the query ended in {error}"));
        match error.sqlstate.as_deref() {
            Some(state) if tries_to_write(state) => unable.hint(
                "checks only read; try a write by `refuses` or `allows` of `rls`, or by `append-only`",
            ),
            Some("57014") => unable.hint("raise the `timeout` of the check"),
            _ => unable,
        }
    }

    /// Compares what came with what is expected.
    fn compare(&self, given: &Given) -> ComparedRows {
        let count = given.count;
        let rows = format!("{} rows", show_count(count));
        if let Some(wanted) = &self.rows {
            let ordered = self.ordered == Some(true);
            let wrong = rows::compare(wanted, &given.answer, count, ordered);
            return (rows, wrong.map(|wrong| (None, wrong)));
        }
        if let Some(wanted) = self.row_count {
            let wanted = SqlValue::Integer(i64::try_from(wanted).unwrap_or(i64::MAX));
            let tolerance = self.tolerance.unwrap_or(SqlTolerance::Absolute(0.0));
            let near = wanted.is_near(Some(&count.to_string()), tolerance);
            return (rows.clone(), (!near).then_some((None, rows)));
        }
        if self.no_rows.is_some() {
            return (rows.clone(), (count > 0).then_some((None, rows)));
        }
        if self.error.is_some() {
            let actual = format!("the query is answered, with {rows}");
            return (actual.clone(), Some((None, actual)));
        }
        let one = match given.answer.rows.as_slice() {
            [row] if count == 1 && row.len() == 1 => row[0].as_deref(),
            [row] if count == 1 => {
                let actual = format!("{} columns", row.len());
                let hint = "one value is one row of one column".to_owned();
                return (actual.clone(), Some((Some(hint), actual)));
            }
            _ => {
                let actual = if count == 0 {
                    "no row".to_owned()
                } else {
                    rows
                };
                return (actual.clone(), Some((None, actual)));
            }
        };
        let (wanted, fits) = match &self.scalar {
            Some(wanted) => {
                let fits = match self.tolerance {
                    Some(tolerance) => wanted.is_near(one, tolerance),
                    None => wanted.is(one),
                };
                (wanted.clone(), fits)
            }
            None => {
                let fits = one.and_then(value::number).is_some_and(|number| {
                    self.min.is_none_or(|min| number >= min)
                        && self.max.is_none_or(|max| number <= max)
                });
                (SqlValue::Float(0.0), fits)
            }
        };
        if fits && !wanted.has_many_spellings() {
            return (wanted.show(), None);
        }
        let actual = wanted.show_found(one);
        (actual.clone(), (!fits).then_some((None, actual)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn what_is_expected_is_one_thing(#[case] toml: &str, #[case] complaints: usize) {
        let found = check(toml).complaints();
        assert_eq!(found.len(), complaints, "{found:?}");
    }

    #[rstest]
    #[case("SELECT 1", true)]
    #[case(" with x as (select 1) table x ; ", true)]
    #[case("(SELECT 1) UNION (SELECT 2)", true)]
    #[case("VALUES (1)", true)]
    #[case("SHOW server_version", true)]
    #[case("SELECT 1; SELECT 2", false)]
    #[case("SELECT 1; COMMIT", false)]
    #[case("COMMIT", false)]
    #[case("DELETE FROM app.t", false)]
    #[case("", false)]
    fn a_query_is_one_statement_that_reads(#[case] query: &str, #[case] good: bool) {
        assert_eq!(reads(query).is_ok(), good);
    }

    /// Rows between `;`, columns between `|`, `~` for NULL.
    fn given(rows: &str) -> Given {
        let value = |text: &str| (text != "~").then(|| text.to_owned());
        let rows = rows.split(';').filter(|row| !row.is_empty());
        let answer = Answer {
            rows: rows
                .map(|row| row.split('|').map(value).collect())
                .collect(),
            ..Answer::default()
        };
        Given {
            count: answer.rows.len() as u64,
            answer,
        }
    }

    #[rstest]
    #[case("scalar = 5", "5", true)]
    #[case("scalar = 5", "6", false)]
    #[case("scalar = 5", "", false)]
    #[case("scalar = 5", "5;5", false)]
    #[case("scalar = 5", "5|5", false)]
    #[case("scalar = { null = true }", "~", true)]
    #[case("scalar = { null = true }", "", false)]
    #[case("min = 1", "1", true)]
    #[case("min = 1", "0.5", false)]
    #[case("min = 1", "~", false)]
    #[case("max = 1", "two", false)]
    #[case("no-rows = true", "", true)]
    #[case("no-rows = true", "~", false)]
    #[case("row-count = 2", "~;~", true)]
    #[case("row-count = 1", "~;~", false)]
    #[case("row-count = 1\ntolerance = 1", "~;~", true)]
    #[case("error = '42501'", "", false)]
    fn answers_are_compared(#[case] toml: &str, #[case] rows: &str, #[case] good: bool) {
        assert_eq!(check(toml).compare(&given(rows)).1.is_none(), good);
    }
}
