//! Whether a role can write any row of a table: tried on all rows, in transactions that are rolled back.

use super::behaviour::Behaviour;
use crate::check::Restored;
use crate::check::columns::Columns as _;
use crate::check::privilege::{could_not_try, says_nothing};
use crate::database::{Attempt, DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::show_counted;

/// How many rows of the table are tried to be inserted again.
const ROWS_TO_INSERT: usize = 8;

/// How many of the columns that the role may update are tried: a new value of one may be refused by what is no policy.
const COLUMNS_TO_UPDATE: usize = 3;

/// The size of a row, in bytes as stored, up to which it is tried to be inserted again.
const LARGEST_ROW: u64 = 1 << 20;

/// Columns that a statement can set, and whether the role may insert and update them.
const COLUMNS: &str = "
SELECT a.attname, pg_catalog.has_column_privilege({role}, a.attrelid, a.attnum, 'INSERT'),
       pg_catalog.has_column_privilege({role}, a.attrelid, a.attnum, 'UPDATE')
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = '' AND a.attidentity <> 'a'
 ORDER BY a.attnum";

/// How an attempt to write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WriteEnd {
    /// It wrote no row: a right is missing, or a policy refused it or hid every row.
    Closed,
    /// WITH CHECK refused the values that were tried; for an UPDATE, others may go through.
    Checked,
    /// It reached rows, and this says how far.
    Open(String),
    /// It was stopped by something that may come before policies, or behind them.
    Unclear(DatabaseError),
}

impl Behaviour {
    /// Requires that INSERT, UPDATE and DELETE write no row of `table`, which has some.
    ///
    /// # Errors
    /// When it is not known whether the policies or something else stopped an attempt.
    pub(super) async fn writes_nothing(
        &self,
        restored: &Restored<'_>,
        superuser: &mut Session,
        own: &mut Session,
        table: &QualifiedName,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let statements = write_statements(superuser, &self.role, table).await?;
        let mut findings = Vec::new();
        let mut unclear = None;
        for (word, all) in statements {
            let mut ends = Vec::new();
            for sql in &all {
                ends.push(self.try_write(restored, own, sql).await?);
            }
            let open = ends.iter().find_map(|end| match end {
                WriteEnd::Open(what) => Some(what),
                WriteEnd::Closed | WriteEnd::Checked | WriteEnd::Unclear(_) => None,
            });
            if let Some(what) = open {
                findings.push(
                    Finding::about(self.object(table), format!("its {word} writes no row"), what)
                        .hint("a policy is permissive or lacks WITH CHECK, row security is off, or the role bypasses it"),
                );
            }
            if word == "UPDATE" && ends.contains(&WriteEnd::Checked) {
                let reason = format!(
                    "the UPDATE of {table} as {} reaches rows, and WITH CHECK refuses the values that were tried: it may let others through",
                    self.role
                );
                unclear.get_or_insert(CouldNotRun::with_hint(
                    reason,
                    "a policy whose USING hides every row is closed for certain; otherwise try values of your own in a check of kind `role` with `refused`",
                ));
            }
            for end in ends {
                if let WriteEnd::Unclear(error) = end {
                    let what = format!("{word} of {table} as {}", self.role);
                    unclear.get_or_insert(could_not_try(&what, &error));
                }
            }
        }
        match unclear {
            Some(error) if findings.is_empty() => Err(error),
            _ => Ok(findings),
        }
    }

    /// Tries a statement as the role; once more without triggers where one may have stopped it.
    async fn try_write(
        &self,
        restored: &Restored<'_>,
        own: &mut Session,
        sql: &str,
    ) -> Result<WriteEnd, CouldNotRun> {
        let end = judge(own.attempt(sql).await?);
        let WriteEnd::Unclear(error) = end else {
            return Ok(end);
        };
        if says_nothing(&error) {
            return Ok(WriteEnd::Unclear(error));
        }
        let settings: Vec<(String, String)> = self.settings.clone().into_iter().collect();
        let name = &restored.server.endpoint().superuser;
        let mut session = restored.session_as(name, &settings).await?;
        let prepare = format!(
            "SET LOCAL session_replication_role = replica; SET LOCAL SESSION AUTHORIZATION {}",
            quote_ident(&self.role)
        );
        let (tried, _) = session.attempt_measured(&prepare, sql, "SELECT 1").await?;
        session.close().await;
        Ok(match judge(tried) {
            WriteEnd::Open(what) => WriteEnd::Open(format!(
                "the policies let it through, and only a trigger stopped it: without triggers {what}"
            )),
            end @ (WriteEnd::Closed | WriteEnd::Checked) => end,
            WriteEnd::Unclear(_) => WriteEnd::Unclear(error),
        })
    }
}

/// Writes the statements that are tried, by their word. None reads a column, so that no policy for SELECT hides a row from
/// them; each sets columns that the role may set.
async fn write_statements(
    superuser: &mut Session,
    role: &str,
    table: &QualifiedName,
) -> Result<[(&'static str, Vec<String>); 3], CouldNotRun> {
    let sql = COLUMNS
        .replace("{role}", &quote_literal(role))
        .replace("{table}", &table.literal());
    let rows = superuser.rows(&sql).await?;
    let named = |allowed: usize| {
        let columns = rows.iter().filter(move |row| row.is_true(allowed));
        columns
            .filter_map(|row| row.text(0))
            .map(|name| quote_ident(&name))
    };
    let insertable: Vec<String> = named(1).collect();
    let first = rows
        .first()
        .and_then(|row| row.text(0))
        .map(|name| quote_ident(&name));
    let mut updatable: Vec<String> = named(2).take(COLUMNS_TO_UPDATE).collect();
    if updatable.is_empty() {
        // Without a column that it may set, any shows that it may not.
        updatable.extend(first);
    }
    let updates = updatable
        .iter()
        .map(|column| format!("UPDATE {table} SET {column} = DEFAULT"));
    Ok([
        ("INSERT", inserts(superuser, table, &insertable).await?),
        ("UPDATE", updates.collect()),
        ("DELETE", vec![format!("DELETE FROM {table}")]),
    ])
}

/// Writes INSERTs of rows that the table has. The server asks policies before constraints, so a key that is taken is no matter.
async fn inserts(
    superuser: &mut Session,
    table: &QualifiedName,
    columns: &[String],
) -> Result<Vec<String>, CouldNotRun> {
    if columns.is_empty() {
        return Ok(vec![format!("INSERT INTO {table} DEFAULT VALUES")]);
    }
    let texts: Vec<String> = columns
        .iter()
        .map(|column| format!("redrill_row.{column}::pg_catalog.text"))
        .collect();
    let sql = format!(
        "SELECT {} FROM {table} redrill_row WHERE pg_catalog.pg_column_size(redrill_row) <= {LARGEST_ROW} LIMIT {ROWS_TO_INSERT}",
        texts.join(", ")
    );
    let rows = superuser.rows(&sql).await?;
    if rows.is_empty() {
        return Err(CouldNotRun::new(format!(
            "every row of {table} is too large to be inserted again as a trial"
        )));
    }
    let columns = columns.join(", ");
    let insert = |row: &Vec<Option<String>>| {
        let value = |cell: &Option<String>| match cell {
            Some(text) => quote_literal(text),
            None => "NULL".to_owned(),
        };
        let values: Vec<String> = row.iter().map(value).collect();
        format!(
            "INSERT INTO {table} ({columns}) VALUES ({})",
            values.join(", ")
        )
    };
    Ok(rows.iter().map(insert).collect())
}

/// Judges an attempt. A trigger may raise 42501 as well, so the words of the server decide.
fn judge(tried: Attempt) -> WriteEnd {
    let error = match tried {
        Attempt::Allowed(0) => return WriteEnd::Closed,
        Attempt::Allowed(rows) => {
            let rows = show_counted(rows, "row");
            return WriteEnd::Open(format!("it writes {rows} (rolled back)"));
        }
        Attempt::Refused(error) => error,
    };
    if error.denied() && error.mentions("row-level security policy") {
        return WriteEnd::Checked;
    }
    if error.denied() && error.mentions("permission denied for") {
        return WriteEnd::Closed;
    }
    match error.sqlstate.as_deref() {
        Some(state) if state.starts_with("23") && error.mentions("violates") => WriteEnd::Open(
            format!("the policies let it through, and only a constraint stopped it ({state})"),
        ),
        _ => WriteEnd::Unclear(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlstate::Names;
    use rstest::rstest;

    #[rstest]
    #[case(
        "42501",
        "new row violates row-level security policy for table \"t\"",
        "checked"
    )]
    #[case("42501", "permission denied for table t", "closed")]
    #[case("42501", "history is closed", "unclear")]
    #[case(
        "23505",
        "duplicate key value violates unique constraint \"t_pkey\"",
        "open"
    )]
    #[case(
        "23502",
        "null value in column \"a\" of relation \"t\" violates not-null constraint",
        "open"
    )]
    #[case("23001", "a version never changes", "unclear")]
    #[case("P0001", "a version never changes", "unclear")]
    #[case(
        "42704",
        "unrecognized configuration parameter \"app.zone\"",
        "unclear"
    )]
    fn refusals_are_distinguished(#[case] state: &str, #[case] text: &str, #[case] expected: &str) {
        let error = DatabaseError::answered(state, text, false, &Names::default());
        let end = match judge(Attempt::Refused(error)) {
            WriteEnd::Closed => "closed",
            WriteEnd::Checked => "checked",
            WriteEnd::Open(_) => "open",
            WriteEnd::Unclear(_) => "unclear",
        };
        assert_eq!(end, expected);
    }

    #[test]
    fn rows_that_are_written_are_counted() {
        assert_eq!(judge(Attempt::Allowed(0)), WriteEnd::Closed);
        let open = judge(Attempt::Allowed(3));
        assert_eq!(
            open,
            WriteEnd::Open("it writes 3 rows (rolled back)".to_owned())
        );
    }
}
