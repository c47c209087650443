//! Hints on objects that a check names and the restored database does not have.
//!
//! Checks run after a restore in which every statement of the backup succeeded or is tolerated, so the backup does not
//! make such an object, or the name is not its name.

use crate::check::columns::Columns as _;
use crate::database::{DatabaseError, Session};
use crate::input::diagnostic::nearest;
use crate::outcome::Finding;
use crate::rights::Roles;
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// Why something is not there that `statement`, such as `CREATE INDEX`, would have made.
#[must_use]
pub fn why(statement: &str) -> String {
    format!(
        "the backup has no {statement} for it, because it did not exist or was left out when the backup was made; or the statement \
         failed, and the scenario tolerates its error"
    )
}

/// The same, with the most similar of the names that are there.
#[must_use]
pub fn why_or_meant<'a>(
    statement: &str,
    name: &str,
    there: impl IntoIterator<Item = &'a str>,
) -> String {
    match nearest(name, there) {
        Some(meant) => {
            format!("did you mean `{meant}`? If not: the backup has no {statement} for it")
        }
        None => why(statement),
    }
}

/// Tables and views, those of the schema or of the name first, which are what a slip of the pen is nearest to.
const RELATIONS: &str = "
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND NOT c.relispartition
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY n.nspname = {schema} OR c.relname = {name} DESC, 1, 2
 LIMIT 20000";

/// The same for a table, from the tables of the database.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn table(session: &mut Session, name: &QualifiedName) -> Result<String, DatabaseError> {
    let sql = RELATIONS
        .replace("{schema}", &quote_literal(&name.schema))
        .replace("{name}", &quote_literal(&name.name));
    let rows = session.rows(&sql).await?;
    let there: Vec<String> = rows
        .iter()
        .filter_map(|row| row.name(0))
        .map(|there| there.to_string())
        .collect();
    let there = there.iter().map(String::as_str);
    Ok(why_or_meant("CREATE TABLE", &name.to_string(), there))
}

const COLUMNS: &str = "
SELECT attname FROM pg_catalog.pg_attribute
 WHERE attrelid = pg_catalog.to_regclass({table}) AND attnum > 0 AND NOT attisdropped
 ORDER BY attnum";

/// A finding about a column that a table does not have.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn column(
    session: &mut Session,
    table: &QualifiedName,
    column: &str,
) -> Result<Finding, DatabaseError> {
    let rows = session
        .rows(&COLUMNS.replace("{table}", &table.literal()))
        .await?;
    let there: Vec<String> = rows.into_iter().flatten().flatten().collect();
    let hint = match nearest(column, there.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "correct its name, or that of the table".to_owned(),
    };
    let expected = format!("a column {}", quote_ident(column));
    Ok(Finding::about(table.to_string(), expected, "there is none").hint(hint))
}

/// A finding about a role that the server does not have.
#[must_use]
pub fn role(name: &str, roles: &Roles) -> Finding {
    let hint = match nearest(name, roles.all.keys().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "a dump of one database has no roles: keep the output of `pg_dumpall --globals-only` with it".to_owned(),
    };
    Finding::about(
        format!("role {name}"),
        "a role",
        "there is none on the restored server",
    )
    .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_name_is_meant() {
        let there = ["app.orders", "app.customers"];
        let hint = why_or_meant("CREATE TABLE", "app.ordrs", there);
        assert!(
            hint.starts_with("did you mean `app.orders`? If not: the backup has no CREATE TABLE")
        );
        assert_eq!(
            why_or_meant("CREATE TABLE", "x.y", there),
            why("CREATE TABLE")
        );
    }
}
