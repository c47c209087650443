//! Rows of a catalog, read by the place of a column; what a column of a table is.

use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_literal};
use std::str::FromStr;

/// Columns of a row as the server prints them.
pub trait Columns {
    /// Gives the text of a column; `None` for NULL and where there is no such column.
    fn text(&self, at: usize) -> Option<String>;

    /// Reads a boolean; NULL is false.
    fn is_true(&self, at: usize) -> bool {
        self.text(at).as_deref() == Some("t")
    }

    /// Reads a number.
    fn number<T: FromStr>(&self, at: usize) -> Option<T> {
        self.text(at)?.parse().ok()
    }

    /// Reads a schema and, in the column behind it, a name.
    fn name(&self, at: usize) -> Option<QualifiedName> {
        Some(QualifiedName {
            schema: self.text(at)?,
            name: self.text(at + 1)?,
        })
    }
}

impl Columns for [Option<String>] {
    fn text(&self, at: usize) -> Option<String> {
        self.get(at).cloned().flatten()
    }
}

/// The name of the column's type; a domain counts as what it is of.
const TYPE: &str = "
WITH RECURSIVE kind(oid, base) AS (
    SELECT t.oid, t.typbasetype
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = pg_catalog.to_regclass({table}) AND a.attname = {column}
       AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT t.oid, t.typbasetype FROM kind JOIN pg_catalog.pg_type t ON t.oid = kind.base)
SELECT pg_catalog.format_type(oid, NULL) FROM kind WHERE base = 0";

/// The name of the type of a column, of a domain that of its base; `None` where there is no such column or table.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn base_type(
    session: &mut Session,
    table: &QualifiedName,
    column: &str,
) -> Result<Option<String>, DatabaseError> {
    let sql = TYPE
        .replace("{table}", &table.literal())
        .replace("{column}", &quote_literal(column));
    session.value(&sql).await
}
