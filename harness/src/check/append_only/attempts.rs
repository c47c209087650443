//! Tries to change history, each time in a transaction that is rolled back.

use super::statement::{AttemptTarget, HistoryChange, write_statement};
use crate::check::privilege::{Refusal, could_not_try, judge_refusal, says_nothing};
use crate::check::row::write_changes;
use crate::database::{Attempt, Session};
use crate::outcome::CouldNotRun;
use crate::sql::quote_ident;
use crate::units::show_counted;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It changed something, and this says what.
    Changed(String),
    /// It went through without having had anything to change: the right is there.
    Permitted,
    /// Nothing but a foreign key that refers to this row stopped it.
    OnlyForeignKey,
    /// It was refused, or it changed nothing.
    Stopped,
}

/// Tries a change with rights only: what a role that must not change history would try.
///
/// # Errors
/// When the attempt ended in something that says nothing about rights.
pub async fn try_as_role(
    session: &mut Session,
    target: &AttemptTarget,
    change: HistoryChange,
    can_select: bool,
) -> Result<AttemptEnd, CouldNotRun> {
    let Some(sql) = write_statement(target, change, can_select) else {
        return Ok(AttemptEnd::Stopped);
    };
    Ok(match attempt(session, target, change, &sql).await? {
        Attempt::Refused(_) => AttemptEnd::Stopped,
        Attempt::Allowed(rows) => judge_success(change, rows, can_select),
    })
}

/// Judges a change that was not refused.
fn judge_success(change: HistoryChange, rows: u64, can_select: bool) -> AttemptEnd {
    match change {
        HistoryChange::Update | HistoryChange::Delete if rows > 0 => {
            AttemptEnd::Changed(format!("{} of one row", change.word()))
        }
        HistoryChange::Update | HistoryChange::Delete if !can_select => AttemptEnd::Permitted,
        // A rule, a policy or a trigger took the row out of the statement.
        HistoryChange::Update | HistoryChange::Delete => AttemptEnd::Stopped,
        HistoryChange::Truncate | HistoryChange::DisableTriggers => {
            AttemptEnd::Changed(change.word().to_owned())
        }
    }
}

/// Runs one attempt, and sorts out what says nothing.
async fn attempt(
    session: &mut Session,
    target: &AttemptTarget,
    change: HistoryChange,
    sql: &str,
) -> Result<Attempt, CouldNotRun> {
    let tried = session.attempt(sql).await?;
    if let Attempt::Refused(error) = &tried {
        if says_nothing(error) {
            return Err(could_not_try(
                &format!("{} of {}", change.word(), target.table),
                error,
            ));
        }
        // A key that refers to the table stops a plain TRUNCATE before any trigger fires.
        if change == HistoryChange::Truncate && error.sqlstate.as_deref() == Some("0A000") {
            return Ok(session.attempt(&format!("{sql} CASCADE")).await?);
        }
    }
    Ok(tried)
}

/// Tries UPDATE, DELETE and TRUNCATE as someone who has all rights, so that only triggers and rules
/// are in the way. `each_column` is for tables with a trigger on some columns.
///
/// # Errors
/// When the attempts say nothing: a constraint or a broken function got in the way first.
pub async fn try_as_owner(
    session: &mut Session,
    target: &AttemptTarget,
    change: HistoryChange,
    each_column: bool,
) -> Result<AttemptEnd, CouldNotRun> {
    if change == HistoryChange::Update {
        return update_as_owner(session, target, each_column).await;
    }
    let Some(sql) = write_statement(target, change, true) else {
        return Ok(AttemptEnd::Stopped);
    };
    match attempt(session, target, change, &sql).await? {
        Attempt::Allowed(rows) => Ok(judge_success(change, rows, true)),
        Attempt::Refused(error) => match judge_refusal(&error) {
            Refusal::OnPurpose => Ok(AttemptEnd::Stopped),
            Refusal::ByConstraint => Ok(AttemptEnd::OnlyForeignKey),
            Refusal::Unclear => Err(could_not_try(
                &format!("{} of {}", change.word(), target.table),
                &error,
            )),
        },
    }
}

/// Tries to change one row, first to what it is. Where that is let through, a trigger may still
/// stop a real change (`WHEN (OLD.* IS DISTINCT FROM NEW.*)`), so each column is really changed.
async fn update_as_owner(
    session: &mut Session,
    target: &AttemptTarget,
    each_column: bool,
) -> Result<AttemptEnd, CouldNotRun> {
    let Some(row) = &target.row else {
        return Ok(AttemptEnd::Stopped);
    };
    let table = &target.table;
    let place = row.condition(true);
    let first = if each_column { row.columns.len() } else { 1 };
    let mut idle_went_through = false;
    for column in row.columns.iter().take(first) {
        let name = quote_ident(&column.name);
        let sql = format!("UPDATE {table} SET {name} = {name} WHERE {place}");
        match attempt(session, target, HistoryChange::Update, &sql).await? {
            Attempt::Allowed(0) => {}
            Attempt::Allowed(_) => {
                idle_went_through = true;
                break;
            }
            Attempt::Refused(error) => match judge_refusal(&error) {
                Refusal::OnPurpose => {}
                Refusal::ByConstraint => {
                    idle_went_through = true;
                    break;
                }
                Refusal::Unclear => {
                    return Err(could_not_try(&format!("UPDATE of {table}"), &error));
                }
            },
        }
    }
    if !idle_went_through {
        return Ok(AttemptEnd::Stopped);
    }
    let mut stopped = false;
    for column in &row.columns {
        for sql in write_changes(table, column, &place) {
            match attempt(session, target, HistoryChange::Update, &sql).await? {
                // Nothing was changed: the new value is the old one, or a rule took the row away.
                Attempt::Allowed(0) => {}
                Attempt::Allowed(_) => {
                    return Ok(AttemptEnd::Changed(format!(
                        "UPDATE of column {} of one row",
                        quote_ident(&column.name)
                    )));
                }
                Attempt::Refused(error) => match judge_refusal(&error) {
                    Refusal::OnPurpose => {
                        stopped = true;
                        break;
                    }
                    Refusal::ByConstraint | Refusal::Unclear => {}
                },
            }
        }
    }
    if stopped {
        return Ok(AttemptEnd::Stopped);
    }
    Err(CouldNotRun::new(format!(
        "an UPDATE of {table} that changes nothing goes through, and no value was found that really changes a row"
    )))
}

/// Says how many tables have a row to try on.
#[must_use]
pub fn describe_rows(held: usize, all: usize) -> String {
    let tables = show_counted(all, "table");
    match all - held {
        0 => format!("rows in each of {tables}"),
        empty => format!("no row in {empty} of {tables}: of these only the catalog was checked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(HistoryChange::Update, 0, true, AttemptEnd::Stopped)]
    #[case(HistoryChange::Update, 0, false, AttemptEnd::Permitted)]
    #[case(HistoryChange::Update, 1, true, AttemptEnd::Changed("UPDATE of one row".to_owned()))]
    #[case(HistoryChange::Truncate, 0, true, AttemptEnd::Changed("TRUNCATE".to_owned()))]
    fn what_went_through(
        #[case] change: HistoryChange,
        #[case] rows: u64,
        #[case] select: bool,
        #[case] end: AttemptEnd,
    ) {
        assert_eq!(judge_success(change, rows, select), end);
    }
}
