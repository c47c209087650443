//! Tries to change history, each time in a transaction that is rolled back.

use crate::check::privilege::{Relation, could_not_try, is_true, says_nothing};
use crate::database::{Attempt, DatabaseError, Session};
use crate::outcome::CouldNotRun;
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_count;

/// What can be tried on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// UPDATE of one row.
    Update,
    /// DELETE of one row.
    Delete,
    /// TRUNCATE.
    Truncate,
    /// ALTER TABLE … DISABLE TRIGGER USER.
    DisableTriggers,
}

impl Deed {
    /// All deeds: what a role that must not change history tries.
    pub const ALL: [Self; 4] = [
        Self::Update,
        Self::Delete,
        Self::Truncate,
        Self::DisableTriggers,
    ];

    /// How people call it.
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
pub struct Target {
    /// The table that the statement names.
    pub table: QualifiedName,
    /// One row, and its columns; `None` when the table is empty.
    pub row: Option<Row>,
}

/// Where one row lies.
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
   AND a.attgenerated = '' AND a.attidentity <> 'a'
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
    let columns = session
        .rows(&COLUMNS.replace("{oid}", &relation.oid))
        .await?
        .into_iter()
        .filter_map(|row| match row.as_slice() {
            [Some(name), Some(category), _] => Some(Column {
                name: name.clone(),
                category: category.chars().next()?,
                nullable: is_true(row.get(2)),
            }),
            _ => None,
        })
        .collect();
    Ok(Some(Row {
        ctid: ctid.clone(),
        holder: holder.clone(),
        columns,
    }))
}

impl Row {
    /// The condition that names this row alone. `ctid` needs the right to SELECT the whole table;
    /// whoever lacks it is tried on no row, which still shows whether it has the right.
    fn condition(&self, can_select: bool) -> String {
        if can_select {
            format!("ctid = '{}' AND tableoid = {}", self.ctid, self.holder)
        } else {
            "false".to_owned()
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It changed something, and this says what.
    Changed(String),
    /// It went through without having had anything to change: the right is there.
    Permitted,
    /// Nothing but a foreign key that refers to this row stopped it.
    OnlyForeignKey,
    /// It was refused, or it changed nothing.
    Stopped,
}

/// Tries a deed with rights only: what a role that must not change history would try.
///
/// # Errors
/// When the attempt ended in something that says nothing about rights.
pub async fn as_role(
    session: &mut Session,
    target: &Target,
    deed: Deed,
    can_select: bool,
) -> Result<End, CouldNotRun> {
    let Some(sql) = statement(target, deed, can_select) else {
        return Ok(End::Stopped);
    };
    Ok(match attempt(session, target, deed, &sql).await? {
        Attempt::Refused(_) => End::Stopped,
        Attempt::Allowed(rows) => went_through(deed, rows, can_select),
    })
}

/// Writes the statement of a deed; `None` when there is no row or column for it.
fn statement(target: &Target, deed: Deed, can_select: bool) -> Option<String> {
    let table = &target.table;
    Some(match deed {
        Deed::Update => {
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
        Deed::Delete => format!(
            "DELETE FROM {table} WHERE {}",
            target.row.as_ref()?.condition(can_select)
        ),
        Deed::Truncate => format!("TRUNCATE TABLE {table}"),
        // ALL would also name the triggers of foreign keys, which no owner may touch.
        Deed::DisableTriggers => format!("ALTER TABLE {table} DISABLE TRIGGER USER"),
    })
}

/// Reads what it means that a deed was not refused.
fn went_through(deed: Deed, rows: u64, can_select: bool) -> End {
    match deed {
        Deed::Update | Deed::Delete if rows > 0 => {
            End::Changed(format!("{} of one row", deed.word()))
        }
        Deed::Update | Deed::Delete if !can_select => End::Permitted,
        // A rule, a policy or a trigger took the row out of the statement.
        Deed::Update | Deed::Delete => End::Stopped,
        Deed::Truncate | Deed::DisableTriggers => End::Changed(deed.word().to_owned()),
    }
}

/// Runs one attempt, and sorts out what says nothing.
async fn attempt(
    session: &mut Session,
    target: &Target,
    deed: Deed,
    sql: &str,
) -> Result<Attempt, CouldNotRun> {
    let tried = session.attempt(sql).await?;
    if let Attempt::Refused(error) = &tried {
        if says_nothing(error) {
            return Err(could_not_try(
                &format!("{} of {}", deed.word(), target.table),
                error,
            ));
        }
        // A key that refers to the table stops a plain TRUNCATE before any trigger is asked.
        if deed == Deed::Truncate && error.sqlstate.as_deref() == Some("0A000") {
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
pub async fn as_owner(
    session: &mut Session,
    target: &Target,
    deed: Deed,
    each_column: bool,
) -> Result<End, CouldNotRun> {
    if deed == Deed::Update {
        return update_as_owner(session, target, each_column).await;
    }
    let Some(sql) = statement(target, deed, true) else {
        return Ok(End::Stopped);
    };
    match attempt(session, target, deed, &sql).await? {
        Attempt::Allowed(rows) => Ok(went_through(deed, rows, true)),
        Attempt::Refused(error) => match refusal(&error) {
            Refusal::OnPurpose => Ok(End::Stopped),
            Refusal::ByConstraint => Ok(End::OnlyForeignKey),
            Refusal::Unclear => Err(could_not_try(
                &format!("{} of {}", deed.word(), target.table),
                &error,
            )),
        },
    }
}

/// Why a statement was refused that had all rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// A trigger said no.
    OnPurpose,
    /// A constraint got in the way of this value, and would not of another.
    ByConstraint,
    /// It might be either, or a mistake in the statement.
    Unclear,
}

/// Tells a trigger's no from an accident. A trigger may raise any SQLSTATE, but the server's own
/// complaints about constraints have texts of their own.
fn refusal(error: &DatabaseError) -> Refusal {
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
    if own.iter().any(|text| error.message.contains(text)) {
        return Refusal::ByConstraint;
    }
    match state.get(..2) {
        Some("22") => Refusal::ByConstraint,
        Some("42") if !error.denied() => Refusal::Unclear,
        _ => Refusal::OnPurpose,
    }
}

/// Tries to change one row, first to what it is. Where that is let through, a trigger may still
/// stop a real change (`WHEN (OLD.* IS DISTINCT FROM NEW.*)`), so each column is really changed.
async fn update_as_owner(
    session: &mut Session,
    target: &Target,
    each_column: bool,
) -> Result<End, CouldNotRun> {
    let Some(row) = &target.row else {
        return Ok(End::Stopped);
    };
    let table = &target.table;
    let place = row.condition(true);
    let first = if each_column { row.columns.len() } else { 1 };
    let mut idle_went_through = false;
    for column in row.columns.iter().take(first) {
        let name = quote_ident(&column.name);
        let sql = format!("UPDATE {table} SET {name} = {name} WHERE {place}");
        match attempt(session, target, Deed::Update, &sql).await? {
            Attempt::Allowed(0) => {}
            Attempt::Allowed(_) => {
                idle_went_through = true;
                break;
            }
            Attempt::Refused(error) => match refusal(&error) {
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
        return Ok(End::Stopped);
    }
    let mut stopped = false;
    for column in &row.columns {
        for sql in changes(table, column, &place) {
            match attempt(session, target, Deed::Update, &sql).await? {
                // Nothing was changed: the new value is the old one, or a rule took the row away.
                Attempt::Allowed(0) => {}
                Attempt::Allowed(_) => {
                    return Ok(End::Changed(format!(
                        "UPDATE of column {} of one row",
                        quote_ident(&column.name)
                    )));
                }
                Attempt::Refused(error) => match refusal(&error) {
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
        return Ok(End::Stopped);
    }
    Err(CouldNotRun::new(format!(
        "an UPDATE of {table} that changes nothing goes through, and no value was found that really changes a row"
    )))
}

/// Writes statements that really change a column of one row, the likeliest to be valid first.
fn changes(table: &QualifiedName, column: &Column, place: &str) -> Vec<String> {
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

/// Says how many tables hold a row to try on.
#[must_use]
pub fn describe(held: usize, all: usize) -> String {
    let shown = |n: usize| show_count(u64::try_from(n).unwrap_or(u64::MAX));
    if held == all {
        format!("rows in each of {} tables", shown(all))
    } else {
        format!(
            "{} of {} tables hold no row, and were only looked at in the catalog",
            shown(all - held),
            shown(all)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn target(with_row: bool) -> Target {
        Target {
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
        Deed::Update,
        true,
        Some("UPDATE app.audit SET id = id WHERE ctid = '(0,1)' AND tableoid = 99")
    )]
    #[case(
        Deed::Update,
        false,
        Some("UPDATE app.audit SET id = DEFAULT WHERE false")
    )]
    #[case(
        Deed::Delete,
        true,
        Some("DELETE FROM app.audit WHERE ctid = '(0,1)' AND tableoid = 99")
    )]
    #[case(Deed::Truncate, true, Some("TRUNCATE TABLE app.audit"))]
    fn one_row_at_most(#[case] deed: Deed, #[case] select: bool, #[case] sql: Option<&str>) {
        assert_eq!(statement(&target(true), deed, select).as_deref(), sql);
    }

    #[test]
    fn without_a_row_only_the_table_is_tried() {
        assert!(statement(&target(false), Deed::Update, true).is_none());
        assert!(statement(&target(false), Deed::Truncate, true).is_some());
    }

    #[rstest]
    #[case(Deed::Update, 0, true, End::Stopped)]
    #[case(Deed::Update, 0, false, End::Permitted)]
    #[case(Deed::Update, 1, true, End::Changed("UPDATE of one row".to_owned()))]
    #[case(Deed::Truncate, 0, true, End::Changed("TRUNCATE".to_owned()))]
    fn what_went_through(
        #[case] deed: Deed,
        #[case] rows: u64,
        #[case] select: bool,
        #[case] end: End,
    ) {
        assert_eq!(went_through(deed, rows, select), end);
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
    fn a_trigger_is_told_from_an_accident(
        #[case] state: &str,
        #[case] message: &str,
        #[case] expected: Refusal,
    ) {
        let error = DatabaseError {
            sqlstate: Some(state.to_owned()),
            message: message.to_owned(),
            lost: false,
        };
        assert_eq!(refusal(&error), expected);
    }

    #[test]
    fn a_change_is_a_real_one() {
        let column = Column {
            name: "note".to_owned(),
            category: 'S',
            nullable: true,
        };
        let table = QualifiedName::parse("app.audit").unwrap();
        let all = changes(&table, &column, "true");
        assert_eq!(all.len(), 3);
        assert!(
            all.iter()
                .all(|sql| sql.contains("IS DISTINCT FROM") || sql.contains("IS NOT NULL"))
        );
    }
}
