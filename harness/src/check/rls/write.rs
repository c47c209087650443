//! Whether a write that a role tries is refused or goes through.

use crate::check::Restored;
use crate::check::privilege::could_not_try;
use crate::database::{Attempt, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::units::show_counted;

/// Gives the first word of a statement, in lower case.
fn first_word(sql: &str) -> String {
    sql.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Tells whether a statement picks the rows that it touches, so that a policy can hide them from it.
pub(super) fn picks_rows(sql: &str) -> bool {
    matches!(
        first_word(sql).as_str(),
        "update" | "delete" | "merge" | "with"
    )
}

/// Tells whether the server says how many rows a statement touched; it does not for TRUNCATE.
fn counts_rows(sql: &str) -> bool {
    picks_rows(sql) || matches!(first_word(sql).as_str(), "insert" | "select" | "copy")
}

/// Requires that an UPDATE or DELETE that reached no row reaches one as superuser: otherwise it says nothing.
/// Names are looked for as in the role's session, and with its settings.
pub(super) async fn require_a_row(
    restored: &Restored<'_>,
    own: &mut Session,
    sql: &str,
    settings: &[(String, String)],
) -> Result<(), CouldNotRun> {
    let path = own
        .value("SELECT pg_catalog.current_setting('search_path')")
        .await?
        .unwrap_or_default();
    let mut all = settings.to_vec();
    all.push(("search_path".to_owned(), path));
    let superuser = &restored.server.endpoint().superuser;
    let mut session = restored.session_as(superuser, &all).await?;
    let tried = session.attempt(sql).await?;
    session.close().await;
    match tried {
        Attempt::Allowed(0) => Err(CouldNotRun::new(format!(
            "the {} of `refuses` reaches no row even as superuser, and so says nothing",
            first_word(sql).to_ascii_uppercase()
        ))
        .hint("name rows that the restored data has")),
        // Something got in the way after the row was reached.
        Attempt::Allowed(_) => Ok(()),
        Attempt::Refused(error) => Err(could_not_try(
            "`refuses`, tried as superuser to see that it reaches a row,",
            &error,
        )),
    }
}

/// Judges a write that must be refused.
pub(super) fn judge_refusal(tried: &Attempt, sql: &str) -> Result<Option<Finding>, CouldNotRun> {
    let expected = "the write is refused";
    match tried {
        Attempt::Refused(error) if error.denied() => Ok(None),
        Attempt::Refused(error) => Err(could_not_try("the statement of `refuses`", error)
            .hint("only 42501 shows that a right or a policy refuses it: correct the statement")),
        Attempt::Allowed(0) if picks_rows(sql) => Ok(None),
        Attempt::Allowed(0) if counts_rows(sql) => Err(CouldNotRun::new(
            "the statement of `refuses` went through and touched no row: this says nothing",
        )
        .hint("give an INSERT of one row, or an UPDATE or DELETE of rows that are there")),
        Attempt::Allowed(rows) => Ok(Some(
            Finding::new(
                expected,
                format!(
                    "it went through and touched {} (rolled back)",
                    show_counted(*rows, "row")
                ),
            )
            .hint("look at the policy's WITH CHECK, and at the grants"),
        )),
    }
}

/// Judges a write that must go through.
pub(super) fn judge_success(tried: &Attempt, sql: &str) -> Result<Option<Finding>, CouldNotRun> {
    let actual = match tried {
        Attempt::Allowed(0) if counts_rows(sql) => {
            format!(
                "its {} touched no row",
                first_word(sql).to_ascii_uppercase()
            )
        }
        Attempt::Allowed(_) => return Ok(None),
        Attempt::Refused(error) if error.denied() => format!("it was refused: {error}"),
        Attempt::Refused(error) => {
            return Err(could_not_try("the statement of `allows`", error)
                .hint("correct the statement, so that it is valid on the restored data"));
        }
    };
    Ok(Some(Finding::new("the write goes through", actual).hint(
        "look at the grants on the table, its schema and its sequences, and at its policies",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::DatabaseError;
    use crate::sqlstate::Names;

    fn error(state: &str) -> Attempt {
        Attempt::Refused(DatabaseError::answered(
            state,
            "no",
            false,
            &Names::default(),
        ))
    }

    #[test]
    fn only_a_missing_right_is_a_refusal() {
        assert_eq!(judge_refusal(&error("42501"), "INSERT INTO t"), Ok(None));
        assert!(judge_refusal(&error("42601"), "INSERT INTO t").is_err());
        assert!(judge_refusal(&error("23505"), "INSERT INTO t").is_err());
        assert!(
            judge_refusal(&Attempt::Allowed(1), "INSERT INTO t")
                .unwrap()
                .is_some()
        );
        assert_eq!(
            judge_refusal(&Attempt::Allowed(0), "DELETE FROM t"),
            Ok(None)
        );
        assert!(judge_refusal(&Attempt::Allowed(0), "INSERT INTO t").is_err());
        assert!(
            judge_refusal(&Attempt::Allowed(0), "TRUNCATE t")
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn a_write_that_must_go_through_touches_a_row() {
        assert_eq!(judge_success(&Attempt::Allowed(1), "INSERT"), Ok(None));
        assert!(
            judge_success(&Attempt::Allowed(0), "UPDATE t")
                .unwrap()
                .is_some()
        );
        assert!(judge_success(&error("42501"), "INSERT").unwrap().is_some());
        assert!(judge_success(&error("23505"), "INSERT").is_err());
    }
}
