//! Statements that would change history, and the row that they name.

use super::triggers::Event;
use crate::check::privilege::Relation;
use crate::check::row::{Row, columns};
use crate::database::{DatabaseError, Session};
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

impl From<Event> for HistoryChange {
    fn from(event: Event) -> Self {
        match event {
            Event::Update => Self::Update,
            Event::Delete => Self::Delete,
            Event::Truncate => Self::Truncate,
        }
    }
}

impl HistoryChange {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::row::Column;
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
}
