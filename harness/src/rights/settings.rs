//! Settings that the server keeps for a role or for a database.

use crate::database::{DatabaseError, Session, TextRow};
use crate::sql::quote_literal;

/// Settings of a role, those for this database before those for every database; or of the database itself.
const SETTINGS: &str = "
SELECT DISTINCT ON (1) pg_catalog.split_part(c, '=', 1), pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1)
  FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
 WHERE s.setrole = coalesce((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {role}), 0)
   AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
 ORDER BY 1, s.setdatabase DESC";

/// Reads the name and value of each setting kept for a role; without one, for the database.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read_settings(
    session: &mut Session,
    role: Option<&str>,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let role = role.map_or_else(|| "NULL".to_owned(), quote_literal);
    let rows = session.rows(&SETTINGS.replace("{role}", &role)).await?;
    let setting = |row: &TextRow| Some((row.first()?.clone()?, row.get(1)?.clone()?));
    Ok(rows.iter().filter_map(setting).collect())
}
