//! The rows of a table that its policies hide from a role.

use super::Under;
use crate::database::{Attempt, DatabaseError, Session};
use crate::sql::{quote_ident, quote_literal};

/// Lists the rows that the role sees, as the role.
const VISIBLE: &str = "
SET LOCAL SESSION AUTHORIZATION {role};
INSERT INTO pg_temp.redrill_visible SELECT tableoid, ctid FROM {table};
RESET SESSION AUTHORIZATION;";

/// The rows that the policies hide are in `pg_temp.redrill_hidden`, by `holder` and `place`.
const HIDDEN: &str = "
CREATE TEMPORARY TABLE redrill_visible (holder pg_catalog.oid, place pg_catalog.tid) ON COMMIT DROP;
GRANT INSERT ON redrill_visible TO PUBLIC;{visible}
CREATE TEMPORARY TABLE redrill_hidden ON COMMIT DROP AS SELECT t.tableoid AS holder, t.ctid AS place FROM {table} t
 WHERE NOT EXISTS (SELECT FROM pg_temp.redrill_visible v WHERE v.holder = t.tableoid AND v.place = t.ctid);";

/// Joins the rows `t` of the table with those that are hidden.
pub(super) const IS_HIDDEN: &str = "h.holder = t.tableoid AND h.place = t.ctid";

/// Commands of a superuser that list the hidden rows, for the transaction of an attempt. A role that may not read the table
/// sees none.
///
/// # Errors
/// When the connection is lost.
pub(super) async fn list(session: &mut Session, under: Under<'_>) -> Result<String, DatabaseError> {
    let reads = format!(
        "SELECT pg_catalog.has_any_column_privilege({}, {}, 'SELECT')",
        quote_literal(under.role),
        under.table.literal()
    );
    let visible = match session.value(&reads).await?.as_deref() {
        Some("t") => VISIBLE,
        _ => "",
    };
    let commands = HIDDEN.replace("{visible}", visible);
    let commands = commands.replace("{role}", &quote_ident(under.role));
    Ok(commands.replace("{table}", &under.table.to_string()))
}

/// Counts the rows of a temporary table that `prepare` makes.
///
/// # Errors
/// When `prepare` is refused or the connection is lost.
pub(super) async fn count(
    session: &mut Session,
    prepare: &str,
    table: &str,
) -> Result<u64, DatabaseError> {
    let sql = format!("DELETE FROM pg_temp.{table}");
    match session.attempt_measured(prepare, &sql, "SELECT 1").await? {
        (Attempt::Allowed(rows), _) => Ok(rows),
        (Attempt::Refused(error), _) => Err(error),
    }
}
