//! Partition trees, attempts and refusals that several checks need.

use crate::check::columns::Columns as _;
pub use crate::database::is_true;
use crate::database::{DatabaseError, Session, TextRow};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::QualifiedName;

/// One table of a partition or inheritance tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its oid, as text.
    pub oid: String,
    /// Its name.
    pub name: QualifiedName,
    /// `relkind`: `r` holds rows itself, `p` only has partitions, `f` is foreign.
    pub kind: char,
    /// The role that owns it.
    pub owner: String,
    /// Steps down from the root, which is 0.
    pub level: u32,
}

impl Relation {
    /// Tells whether it holds rows itself.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        self.kind == 'r'
    }
}

const TREE: &str = "
WITH RECURSIVE tree(oid, level) AS (
  SELECT pg_catalog.to_regclass({table})::pg_catalog.oid, 0
  UNION
  SELECT i.inhrelid, tree.level + 1
    FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
)
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner),
       pg_catalog.min(tree.level)
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f')
 GROUP BY 1, 2, 3, 4, 5
 ORDER BY 6, 2, 3";

/// Lists a table with all its partitions or inheritance children, the table first; empty when
/// there is no such table.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn tree(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Vec<Relation>, DatabaseError> {
    let rows = session
        .rows(&TREE.replace("{table}", &table.literal()))
        .await?;
    let relation = |row: &TextRow| {
        Some(Relation {
            oid: row.text(0)?,
            name: row.name(1)?,
            kind: row.number(3)?,
            owner: row.text(4)?,
            level: row.number(5)?,
        })
    };
    Ok(rows.iter().filter_map(relation).collect())
}

/// Tells whether an error is about this moment or this machine, and so says nothing about rights:
/// a lost connection, a lock, a time limit, no memory or disk, a bug.
#[must_use]
pub fn says_nothing(error: &DatabaseError) -> bool {
    const CLASSES: &[&str] = &["08", "40", "53", "54", "57", "58", "XX"];
    match error.sqlstate.as_deref() {
        None => true,
        Some("55P03") => true,
        Some(state) => state.get(..2).is_some_and(|class| CLASSES.contains(&class)),
    }
}

/// Why a statement was refused that had all rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A trigger refused it.
    OnPurpose,
    /// A constraint got in the way of this value, and would not of another.
    ByConstraint,
    /// It might be either, or a mistake in the statement.
    Unclear,
}

/// Distinguishes a refusal by a trigger from other errors. A trigger may raise any SQLSTATE, but the
/// server's own errors about constraints have texts of their own.
#[must_use]
pub fn judge_refusal(error: &DatabaseError) -> Refusal {
    let state = error.sqlstate.as_deref().unwrap_or("");
    let own = [
        "violates foreign key constraint",
        "violates unique constraint",
        "violates check constraint",
        "violates not-null constraint",
        "violates partition constraint",
        "violates exclusion constraint",
        "cannot truncate a table referenced",
    ];
    if own.iter().any(|text| error.mentions(text)) {
        return Refusal::ByConstraint;
    }
    match state.get(..2) {
        Some("22") => Refusal::ByConstraint,
        Some("42") if !error.denied() => Refusal::Unclear,
        _ => Refusal::OnPurpose,
    }
}

/// Refuses a statement of the scenario that could end the transaction it is tried in.
///
/// # Errors
/// A lowercase fragment.
pub fn one_statement(sql: &str) -> Result<(), String> {
    let body = sql.trim().trim_end_matches(';').trim_end();
    let first: String = body
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_lowercase();
    match first.as_str() {
        "insert" | "update" | "delete" | "merge" | "with" | "truncate" | "select" | "copy"
        | "alter" | "create" | "drop" | "set" | "grant" | "refresh" | "call" | "lock" => {}
        "" => return Err("there is no statement here".to_owned()),
        other => {
            return Err(format!(
                "`{other}` cannot be tried in a transaction that is rolled back"
            ));
        }
    }
    if body.contains(';') {
        return Err("only one statement can be tried at a time".to_owned());
    }
    Ok(())
}

/// Ends a check of several things. What could not run must not hide what is wrong: it is the answer
/// only where there are no findings.
///
/// # Errors
/// The first thing that could not run, when nothing is known to be wrong.
pub fn conclude(
    mut findings: Vec<Finding>,
    unclear: Vec<CouldNotRun>,
) -> Result<Vec<Finding>, CouldNotRun> {
    let is_wrong = !findings.is_empty();
    add_unclear(&mut findings, is_wrong, unclear)?;
    findings.dedup();
    Ok(findings)
}

/// Adds what could not run to the findings of a check that found something wrong.
///
/// # Errors
/// The first thing that could not run, unless something `is_wrong`.
pub fn add_unclear(
    findings: &mut Vec<Finding>,
    is_wrong: bool,
    unclear: Vec<CouldNotRun>,
) -> Result<(), CouldNotRun> {
    if !is_wrong && let Some(first) = unclear.first() {
        return Err(first.clone());
    }
    findings.extend(unclear.into_iter().map(|could_not_run| Finding {
        hint: could_not_run.hint,
        ..Finding::new("every part of the check runs", could_not_run.reason)
    }));
    Ok(())
}

/// Wraps an error of a role's statement with what was tried.
#[must_use]
pub fn could_not_try(what: &str, error: &DatabaseError) -> CouldNotRun {
    let state = error.sqlstate.as_deref().unwrap_or("no SQLSTATE");
    CouldNotRun::new(format!("{what} ended in {state}: {}", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlstate::Names;
    use rstest::rstest;

    #[rstest]
    #[case("INSERT INTO t VALUES (1)", true)]
    #[case("  update t set a = 1 ; ", true)]
    #[case("with x as (select 1) delete from t", true)]
    #[case("COMMIT", false)]
    #[case("rollback", false)]
    #[case("", false)]
    #[case("DELETE FROM t; COMMIT", false)]
    fn a_statement_cannot_leave_its_transaction(#[case] sql: &str, #[case] good: bool) {
        assert_eq!(one_statement(sql).is_ok(), good);
    }

    #[test]
    fn what_is_wrong_is_not_hidden_by_what_is_unclear() {
        let unclear = || vec![CouldNotRun::new("a lock")];
        assert!(conclude(Vec::new(), unclear()).is_err());
        let findings = conclude(vec![Finding::new("a", "b")], unclear()).unwrap();
        assert_eq!(findings.len(), 2);
        assert_eq!(conclude(Vec::new(), Vec::new()), Ok(Vec::new()));
    }

    #[rstest]
    #[case(Some("42501"), false)]
    #[case(Some("P0001"), false)]
    #[case(Some("23505"), false)]
    #[case(Some("55P03"), true)]
    #[case(Some("57014"), true)]
    #[case(Some("53200"), true)]
    #[case(None, true)]
    fn errors_of_the_moment_are_told_apart(#[case] state: Option<&str>, #[case] moment: bool) {
        let error = DatabaseError {
            sqlstate: state.map(str::to_owned),
            ..DatabaseError::new("")
        };
        assert_eq!(says_nothing(&error), moment);
    }

    #[rstest]
    #[case("P0001", "withheld", Refusal::OnPurpose)]
    #[case("42501", "append-only", Refusal::OnPurpose)]
    #[case("23001", "history is closed", Refusal::OnPurpose)]
    #[case("55000", "history is closed", Refusal::OnPurpose)]
    #[case(
        "23503",
        "update on table \"a\" violates foreign key constraint \"b\"",
        Refusal::ByConstraint
    )]
    #[case(
        "22001",
        "value too long for type character varying(3)",
        Refusal::ByConstraint
    )]
    #[case("42883", "function f() does not exist", Refusal::Unclear)]
    fn a_trigger_is_distinguished_from_an_accident(
        #[case] state: &str,
        #[case] message: &str,
        #[case] expected: Refusal,
    ) {
        let error = DatabaseError::answered(state, message, false, &Names::default());
        assert_eq!(judge_refusal(&error), expected);
    }
}
