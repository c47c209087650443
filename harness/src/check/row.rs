//! One row that a write is tried on, and statements that change it.

use crate::database::{DatabaseError, Session, TextRow, is_true};
use crate::sql::{QualifiedName, quote_ident};

/// The place of one row.
#[derive(Debug, Clone)]
pub struct Row {
    /// `ctid`, as in `(0,1)`.
    pub ctid: String,
    /// Oid of the table that holds it.
    pub holder: String,
    /// The columns of the table that can be set.
    pub columns: Vec<Column>,
}

/// A column that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `typcategory` of its type: `N` number, `S` text, `D` date, `B` boolean, …
    pub category: char,
    /// Whether it may be NULL.
    pub nullable: bool,
}

const COLUMNS: &str = "
SELECT a.attname, t.typcategory, NOT a.attnotnull
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = '' AND a.attidentity <> 'a' AND pg_catalog.pg_column_is_updatable(a.attrelid, a.attnum, true)
 ORDER BY a.attnum";

/// Reads the columns of a table or view that can be set.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn columns(session: &mut Session, oid: &str) -> Result<Vec<Column>, DatabaseError> {
    let rows = session.rows(&COLUMNS.replace("{oid}", oid)).await?;
    let column = |row: TextRow| match row.as_slice() {
        [Some(name), Some(category), _] => Some(Column {
            name: name.clone(),
            category: category.chars().next()?,
            nullable: is_true(row.get(2)),
        }),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(column).collect())
}

impl Row {
    /// Writes the condition that names this row alone. `ctid` needs the right to SELECT the whole table;
    /// a role without it is tried on no row, which still shows whether it has the right.
    #[must_use]
    pub fn condition(&self, can_select: bool) -> String {
        if can_select {
            format!("ctid = '{}' AND tableoid = {}", self.ctid, self.holder)
        } else {
            "false".to_owned()
        }
    }
}

/// Writes statements that really change a column of one row, the likeliest to be valid first.
#[must_use]
pub fn write_changes(table: &QualifiedName, column: &Column, place: &str) -> Vec<String> {
    let name = quote_ident(&column.name);
    let mut values: Vec<String> = match column.category {
        'B' => vec![format!("NOT {name}")],
        'N' => vec![
            format!("{name} OPERATOR(pg_catalog.+) 1"),
            format!("{name} OPERATOR(pg_catalog.-) 1"),
        ],
        'S' => vec![
            format!("{name} OPERATOR(pg_catalog.||) '.'"),
            "''".to_owned(),
        ],
        'D' => vec![
            format!("{name} OPERATOR(pg_catalog.+) INTERVAL '1 day'"),
            format!("{name} OPERATOR(pg_catalog.-) INTERVAL '1 second'"),
        ],
        'A' => vec!["'{}'".to_owned()],
        'U' => vec!["'{}'".to_owned()],
        _ => Vec::new(),
    };
    if column.nullable {
        values.push("NULL".to_owned());
    }
    values
        .into_iter()
        .map(|value| {
            let differs = match value.as_str() {
                "NULL" => format!("{name} IS NOT NULL"),
                value => {
                    format!("({value})::pg_catalog.text IS DISTINCT FROM {name}::pg_catalog.text")
                }
            };
            format!("UPDATE {table} SET {name} = {value} WHERE {place} AND {differs}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_real_one() {
        let column = Column {
            name: "note".to_owned(),
            category: 'S',
            nullable: true,
        };
        let table = QualifiedName::parse("app.audit").unwrap();
        let all = write_changes(&table, &column, "true");
        assert_eq!(all.len(), 3);
        assert!(
            all.iter()
                .all(|sql| sql.contains("IS DISTINCT FROM") || sql.contains("IS NOT NULL"))
        );
    }
}
