//! How the tool behaved in its first run: as whom it connected, which refusals of the server it passed over, what it left open, and
//! what it replaced of PostgreSQL itself.

use std::collections::BTreeSet;

use super::observe::{Observed, Statement};
use super::rules::{IGNORED_ERROR, LEFT_OPEN, OTHER_ROLE, REPLACED_SYSTEM, Violation};
use super::settings::{Rehearse, history};
use crate::check::schema_version::recognise::is_known_history;
use crate::database::{Session, Terms};
use crate::outcome::CouldNotRun;
use crate::server::ThrowawayServer;
use crate::sql::QualifiedName;

/// Prepared transactions, of all databases.
const PREPARED: &str = "
SELECT pg_catalog.format('the prepared transaction %L of %I', gid, owner)
  FROM pg_catalog.pg_prepared_xacts ORDER BY 1";

/// What the tool did beside the migrations.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// What it left open on the server, in words.
    pub(super) left_open: Vec<String>,
    /// What it replaced of PostgreSQL itself.
    pub(super) replaced: BTreeSet<String>,
}

/// What the tool left open on a server, in words.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn left_open(
    server: &ThrowawayServer,
    observed: &Observed,
) -> Result<Vec<String>, CouldNotRun> {
    let terms = Terms::default();
    let mut session = Session::superuser(server.endpoint(), "template1", &terms).await?;
    let rows = session.rows(PREPARED).await?;
    session.close().await;
    let mut left: Vec<String> = rows.into_iter().flatten().flatten().collect();
    if observed.left_open {
        left.push("a session that was still open some seconds after the tool had ended".to_owned());
    }
    Ok(left)
}

/// Judges a run that ended well.
pub(super) fn judge(observed: &Observed, aside: &Aside, settings: &Rehearse) -> Vec<Violation> {
    let passed_over = passed_over(observed, &history(settings))
        .into_iter()
        .map(|statement| Violation {
            rule: &IGNORED_ERROR,
            name: format!("pass over {}", statement.text),
            object: String::new(),
            actual: format!(
                "the server refused `{}` ({}), and the tool went on and ended as if it had not",
                statement.text,
                statement.error.as_deref().unwrap_or_default()
            ),
        });
    let roles: BTreeSet<&String> = observed.roles.iter().collect();
    let others = roles.into_iter().filter(|role| **role != settings.role);
    let others = others.map(|role| Violation {
        rule: &OTHER_ROLE,
        name: format!("connect as {role}"),
        object: String::new(),
        actual: format!("the tool connected as `{role}`, not as `{}`", settings.role),
    });
    let left = aside.left_open.iter().map(|what| Violation {
        rule: &LEFT_OPEN,
        name: format!("leave {what}"),
        object: String::new(),
        actual: format!("the tool left {what}"),
    });
    let replaced = aside.replaced.iter().map(|object| Violation {
        rule: &REPLACED_SYSTEM,
        name: format!("replace {object} of PostgreSQL"),
        object: object.clone(),
        actual: "the tool replaced it, or added one that is called in its place".to_owned(),
    });
    passed_over
        .chain(others)
        .chain(left)
        .chain(replaced)
        .collect()
}

/// Statements that the server refused and that nothing made up for: neither was the same one accepted later, nor did the tool go
/// back to a savepoint.
fn passed_over<'o>(observed: &'o Observed, tables: &[QualifiedName]) -> Vec<&'o Statement> {
    let statements = observed.statements.iter().enumerate();
    // What follows in a failed transaction is a consequence.
    let failed = |one: &Statement| one.error.as_deref().is_some_and(|code| code != "25P02");
    let refused = statements.filter(|(_, one)| failed(one) && one.may_change());
    let refused = refused.filter(|(at, one)| {
        let mut later = observed.statements[at + 1..].iter();
        let made_up_for = later.any(|other| {
            let repeated = other.text == one.text && other.error.is_none();
            let back = other.text.to_ascii_lowercase().starts_with("rollback to");
            repeated || (back && other.connection == one.connection)
        });
        // Some tools create their history table each time, and pass over that it is there.
        let of_history = || {
            let is_there = matches!(one.error.as_deref(), Some("42P06" | "42P07"));
            let words = || one.text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let named = |word: &str| tables.iter().any(|table| table.name == word);
            is_there && words().any(|word| named(word) || is_known_history(word))
        };
        !made_up_for && !of_history()
    });
    let mut found: Vec<&Statement> = Vec::new();
    for (_, one) in refused {
        if !found.iter().any(|other| other.text == one.text) {
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn statement(text: &str, error: Option<&str>) -> Statement {
        Statement {
            text: text.to_owned(),
            error: error.map(str::to_owned),
            ..Statement::default()
        }
    }

    #[rstest]
    #[case::refused(&[("ALTER TABLE app.t …", Some("42P01")), ("INSERT INTO h …", None)], &["ALTER TABLE app.t …"])]
    #[case::once_for_each_text(&[("ALTER TABLE app.t …", Some("42P01")), ("ALTER TABLE app.t …", Some("42P01"))], &["ALTER TABLE app.t …"])]
    #[case::tried_again(&[("ALTER TABLE app.t …", Some("55P03")), ("ROLLBACK", None), ("ALTER TABLE app.t …", None)], &[])]
    #[case::back_to_a_savepoint(&[("ALTER TABLE app.t …", Some("42701")), ("ROLLBACK TO SAVEPOINT s", None)], &[])]
    #[case::its_transaction_too(&[("ALTER TABLE app.t …", Some("42P01")), ("INSERT INTO h …", Some("25P02"))], &["ALTER TABLE app.t …"])]
    #[case::it_only_reads(&[("SELECT … FROM schema_migrations", Some("42P01"))], &[])]
    #[case::its_history_is_there(&[("CREATE TABLE schema_migrations (…)", Some("42P07"))], &[])]
    #[case::another_table_is_there(&[("CREATE TABLE app.t (…)", Some("42P07"))], &["CREATE TABLE app.t (…)"])]
    fn a_refusal_that_is_passed_over(
        #[case] statements: &[(&str, Option<&str>)],
        #[case] expected: &[&str],
    ) {
        let statements = statements
            .iter()
            .map(|(text, error)| statement(text, *error));
        let observed = Observed {
            statements: statements.collect(),
            ..Observed::default()
        };
        let found = passed_over(&observed, &[]);
        let found: Vec<&str> = found.iter().map(|one| &*one.text).collect();
        assert_eq!(found, expected);
    }
}
