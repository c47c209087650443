//! Statements that would change history, and the row that they name.

use crate::check::privilege::{Relation, is_true};
use crate::database::{DatabaseError, Session, TextRow};
use crate::sql::{QualifiedName, quote_ident};

/// A change of history that can be tried on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryChange {
    /// UPDATE of one row.
    Update,
    /// DELETE of one row.
    Delete,
    /// TRUNCATE.
    Truncate,
    /// ALTER TABLE … DISABLE TRIGGER USER.
    DisableTriggers,
}

impl HistoryChange {
    /// What a role that must not change history tries.
    pub const ALL: [Self; 4] = [
        Self::Update,
        Self::Delete,
        Self::Truncate,
        Self::DisableTriggers,
    ];

    /// The statement as findings name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::DisableTriggers => "ALTER TABLE … DISABLE TRIGGER USER",
        }
    }
}

/// A table that is tried, and one row in it.
#[derive(Debug, Clone)]
pub struct AttemptTarget {
    /// The table that the statement names.
    pub table: QualifiedName,
    /// One row, and its columns; `None` when the table is empty.
    pub row: Option<Row>,
}

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

/// Finds a row to try on: of the table itself, or of a partition where it only has those.
///
/// # Errors
/// When the table cannot be read.
pub async fn find_row(
    session: &mut Session,
    relation: &Relation,
) -> Result<Option<Row>, DatabaseError> {
    let only = if relation.is_storage() { "ONLY " } else { "" };
    let rows = session
        .rows(&format!(
            "SELECT ctid, tableoid FROM {only}{} LIMIT 1",
            relation.name
        ))
        .await?;
    let Some([Some(ctid), Some(holder)]) = rows.first().map(Vec::as_slice) else {
        return Ok(None);
    };
    let columns = columns(session, &relation.oid).await?;
    Ok(Some(Row {
        ctid: ctid.clone(),
        holder: holder.clone(),
        columns,
    }))
}

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
    pub(super) fn condition(&self, can_select: bool) -> String {
        if can_select {
            format!("ctid = '{}' AND tableoid = {}", self.ctid, self.holder)
        } else {
            "false".to_owned()
        }
    }
}

/// Writes the statement of a change; `None` when there is no row or column for it.
pub(super) fn write_statement(
    target: &AttemptTarget,
    change: HistoryChange,
    can_select: bool,
) -> Option<String> {
    let table = &target.table;
    Some(match change {
        HistoryChange::Update => {
            let row = target.row.as_ref()?;
            let column = quote_ident(&row.columns.first()?.name);
            // Reading the column needs SELECT too; DEFAULT does not.
            let value = if can_select {
                column.as_str()
            } else {
                "DEFAULT"
            };
            format!(
                "UPDATE {table} SET {column} = {value} WHERE {}",
                row.condition(can_select)
            )
        }
        HistoryChange::Delete => format!(
            "DELETE FROM {table} WHERE {}",
            target.row.as_ref()?.condition(can_select)
        ),
        HistoryChange::Truncate => format!("TRUNCATE TABLE {table}"),
        // ALL would also name the triggers of foreign keys, which no owner may touch.
        HistoryChange::DisableTriggers => format!("ALTER TABLE {table} DISABLE TRIGGER USER"),
    })
}

/// Writes statements that really change a column of one row, the likeliest to be valid first.
pub(super) fn write_changes(table: &QualifiedName, column: &Column, place: &str) -> Vec<String> {
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
    use rstest::rstest;

    fn target(with_row: bool) -> AttemptTarget {
        AttemptTarget {
            table: QualifiedName::parse("app.audit").unwrap(),
            row: with_row.then(|| Row {
                ctid: "(0,1)".to_owned(),
                holder: "99".to_owned(),
                columns: vec![Column {
                    name: "id".to_owned(),
                    category: 'N',
                    nullable: false,
                }],
            }),
        }
    }

    #[rstest]
    #[case(
        HistoryChange::Update,
        true,
        Some("UPDATE app.audit SET id = id WHERE ctid = '(0,1)' AND tableoid = 99")
    )]
    #[case(
        HistoryChange::Update,
        false,
        Some("UPDATE app.audit SET id = DEFAULT WHERE false")
    )]
    #[case(
        HistoryChange::Delete,
        true,
        Some("DELETE FROM app.audit WHERE ctid = '(0,1)' AND tableoid = 99")
    )]
    #[case(HistoryChange::Truncate, true, Some("TRUNCATE TABLE app.audit"))]
    fn one_row_at_most(
        #[case] change: HistoryChange,
        #[case] select: bool,
        #[case] sql: Option<&str>,
    ) {
        assert_eq!(
            write_statement(&target(true), change, select).as_deref(),
            sql
        );
    }

    #[test]
    fn without_a_row_only_the_table_is_tried() {
        assert!(write_statement(&target(false), HistoryChange::Update, true).is_none());
        assert!(write_statement(&target(false), HistoryChange::Truncate, true).is_some());
    }

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
