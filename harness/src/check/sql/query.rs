//! The query: whether it only reads, how it is run, and what its errors mean.

use super::Sql;
use crate::check::privilege::says_nothing;
use crate::database::{Answer, DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};

/// Words that a query begins with.
const READS: &[&str] = &["select", "with", "values", "table", "show"];

/// A syntax error.
pub(super) const SYNTAX: &str = "42601";

/// Rows that are kept beyond those that are expected, so that differences can be reported.
const MORE: usize = 1000;

/// The first rows that a query gave, and how many there were.
pub(super) struct Given {
    pub(super) answer: Answer,
    pub(super) count: u64,
}

/// Tells whether this is one statement that reads; else a message and a hint. The server refuses
/// writes in any case; a second statement would be outside of what it guards.
pub(super) fn check_reads(query: &str) -> Result<(), (String, &'static str)> {
    let body = statement(query);
    let word = body.trim_start_matches(['(', ' ', '\n', '\t', '\r']);
    let word: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
    if !READS.contains(&word.to_ascii_lowercase().as_str()) {
        return Err((
            "the query is not a statement that reads".to_owned(),
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

/// Gives the query without its end.
pub(super) fn statement(query: &str) -> &str {
    query.trim().trim_end_matches(';').trim_end()
}

/// Tells whether a statement was refused because it would write, or leave the read-only transaction.
pub(super) fn tries_to_write(state: &str) -> bool {
    state.starts_with("25")
}

impl Sql {
    /// Runs the query in a transaction that cannot write and does not stay.
    pub(super) async fn run_query(&self, session: &mut Session) -> Result<Given, DatabaseError> {
        session.run("BEGIN READ ONLY").await?;
        let keep = self.rows.as_ref().map_or(1, |rows| rows.len() + MORE);
        let given = session.run_keeping(statement(&self.query), keep).await;
        if given.as_ref().is_err_and(|error| error.lost) {
            return given.map(|(answer, count)| Given { answer, count });
        }
        session.run("ROLLBACK").await?;
        given.map(|(answer, count)| Given { answer, count })
    }

    /// Makes a finding of an error that is about the database.
    pub(super) fn find_fault(&self, error: &DatabaseError) -> Option<Finding> {
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
                "it is missing in the restored database, or its schema is missing in the query: \
                 the superuser's search path is pg_catalog alone",
            ),
            (Some("42P01" | "42883" | "42704"), Some(_)) => finding.hint(
                "it is missing in the restored database, or the role's search_path was not restored",
            ),
            _ => finding,
        })
    }
}

/// Explains an error that says nothing about the database.
pub(super) fn explain_error(error: &DatabaseError) -> CouldNotRun {
    let unable = CouldNotRun::new(format!("the query ended in {error}"));
    match error.sqlstate.as_deref() {
        Some(state) if tries_to_write(state) => unable.hint(
            "checks only read; try a write by `refuses` or `allows` of `rls`, or by `append-only`",
        ),
        Some("57014") => unable.hint("raise the `timeout` of the check"),
        _ => unable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

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
        assert_eq!(check_reads(query).is_ok(), good);
    }
}
