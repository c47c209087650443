//! Tables to which rows are added continuously: the newest row of each must be about as old as the backup.
//!
//! By its own SQL: the newest row of a table, on how many days it has rows, and the longest time without one.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::block::Block;
use super::relation::{RelationColumn, Relations, text};
use super::section::{Section, grouped};
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_counted;

/// Minimum number of rows of a table that rows are added to continuously.
const BUSY: u64 = 100;

/// Parts of names of columns that do not say when a row was added.
const OTHER_TIMES: &[&str] = &["update", "modif", "change", "delet", "expire"];

/// Minimum number of days with rows, and of days from the first row to the newest, that show how often rows are added.
const DAYS: u64 = 7;
const SPAN: f64 = 14.0 * DAY;

/// The bound, in longest times without a row: a longer weekend or holiday is no fault.
const FACTOR: f64 = 3.0;

/// The longest bound that is written, in days.
const MOST: u64 = 30;

const DAY: f64 = 24.0 * HOUR;
const HOUR: f64 = 3600.0;

/// When rows were added to a table.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedRows {
    table: QualifiedName,
    column: String,
    /// Number of days with rows.
    days: u64,
    /// Seconds from the first row to the newest.
    span: f64,
    /// The longest time between two rows in seconds, to the hour.
    gap: f64,
    /// The newest row, in seconds since 1970.
    newest: f64,
}

/// Rows by the hour: a table has far more rows than hours.
const ADDED: &str = "
SELECT pg_catalog.count(DISTINCT pg_catalog.date_trunc('day', g.hour)),
       pg_catalog.date_part('epoch', pg_catalog.max(g.hour) - pg_catalog.min(g.hour)),
       pg_catalog.date_part('epoch', pg_catalog.max(g.gap)),
       pg_catalog.date_part('epoch', pg_catalog.max(g.newest))
  FROM (SELECT h.hour, h.newest, h.hour - pg_catalog.lag(h.hour) OVER (ORDER BY h.hour) AS gap
          FROM (SELECT pg_catalog.date_trunc('hour', t.{column}) AS hour, pg_catalog.max(t.{column}) AS newest
                  FROM {table} t WHERE pg_catalog.isfinite(t.{column}) GROUP BY 1) h) g";

/// Whether a column is the time at which a row was added.
fn is_time_added(column: &RelationColumn<'_>) -> bool {
    let name = column.name.to_lowercase();
    column.is_time_of_insert() && !OTHER_TIMES.iter().any(|part| name.contains(part))
}

/// Reads when rows were added to each table that has many, by one column.
///
/// # Errors
/// When a table cannot be read.
pub async fn read(
    session: &mut Session,
    relations: &Relations<'_>,
    shrinking: &BTreeSet<QualifiedName>,
) -> Result<Vec<AddedRows>, DatabaseError> {
    let mut found = Vec::new();
    for table in relations.tables() {
        let is_busy = table.rows.is_some_and(|rows| rows >= BUSY);
        let Some(column) = table.columns().into_iter().find(is_time_added) else {
            continue;
        };
        if !is_busy || shrinking.contains(&table.name) {
            continue;
        }
        let sql = ADDED
            .replace("{column}", &quote_ident(column.name))
            .replace("{table}", &table.name.to_string());
        let rows = session.rows(&sql).await?;
        let row = rows.first();
        let number = |at: usize| row.and_then(|row| text(row, at).parse::<f64>().ok());
        let days = row.and_then(|row| text(row, 0).parse().ok());
        if let (Some(days), Some(span), Some(gap), Some(newest)) =
            (days, number(1), number(2), number(3))
        {
            found.push(AddedRows {
                table: table.name.clone(),
                column: column.name.to_owned(),
                days,
                span,
                gap,
                newest,
            });
        }
    }
    Ok(found)
}

/// Writes the checks, for tables to which rows were added on many days until about the time of the backup.
#[must_use]
pub fn section(all: &[AddedRows], made: Option<Timestamp>) -> Section {
    let mut section = Section::new(
        "freshness",
        "The newest row is about as old as the backup: an older one means that the backup is of an older state. Change \
         `within` to the longest time that passes without a new row.",
    );
    let Some(made) = made else { return section };
    let recent = all.iter().filter_map(|added| {
        let gap = added.longest_gap(made)?;
        Some(((&added.column, within(gap)?), (&added.table, gap)))
    });
    let groups = grouped(recent);
    let count: usize = groups.iter().map(|(_, tables)| tables.len()).sum();
    for ((column, within), tables) in groups {
        let (tables, gaps): (Vec<&QualifiedName>, Vec<f64>) = tables.into_iter().unzip();
        let name = match tables.as_slice() {
            [one] => format!("{one} has rows as new as the backup"),
            many => format!(
                "{} have rows as new as the backup",
                show_counted(many.len(), "table")
            ),
        };
        let hours = gaps.into_iter().fold(0.0, f64::max) / HOUR;
        section.blocks.push(
            Block::new("freshness", name)
                .guess(format!(
                    "`{column}` is the time at which a row is added. There was no row for at most {hours:.0} h, and `within` is \
                     three times as long, in whole days."
                ))
                .of_tables(&tables)
                .with("column", column.as_str())
                .with("within", format!("{within}d")),
        );
    }
    if count > 0 {
        section.found(format!(
            "{} with rows as new as the backup",
            show_counted(count, "table")
        ));
    }
    section
}

impl AddedRows {
    /// The longest time without a row until the backup was made, in seconds; nothing where the rows do not show it.
    fn longest_gap(&self, made: Timestamp) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are exact in an f64"
        )]
        let last = made.as_second() as f64 - self.newest;
        let is_regular = self.days >= DAYS && self.span >= SPAN && last >= -DAY;
        is_regular.then(|| self.gap.max(last))
    }
}

/// The bound for a longest time without a row, in days; nothing if it is too long to show anything.
fn within(gap: f64) -> Option<u64> {
    let days = (FACTOR * gap / DAY).ceil();
    (1..=MOST).find(|bound| {
        #[expect(clippy::cast_precision_loss, reason = "at most 30")]
        let bound = *bound as f64;
        bound >= days
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::hourly(1.0, Some(1))]
    #[case::nights(16.0, Some(2))]
    #[case::weekends(64.0, Some(8))]
    #[case::weeks(24.0 * 7.0, Some(21))]
    #[case::months(24.0 * 31.0, None)]
    fn the_bound_is_longer_than_any_gap(#[case] hours: f64, #[case] bound: Option<u64>) {
        assert_eq!(within(hours * HOUR), bound);
    }

    #[rstest]
    #[case::regular(7, 14.0, 1.0, 0.0, Some(1.0))]
    #[case::older_than_any_gap(7, 14.0, 1.0, 2.0, Some(2.0))]
    #[case::few_days(6, 14.0, 1.0, 0.0, None)]
    #[case::short(7, 13.9, 1.0, 0.0, None)]
    #[case::future(7, 14.0, 1.0, -1.1, None)]
    fn rows_show_how_often_they_are_added(
        #[case] days: u64,
        #[case] span: f64,
        #[case] gap: f64,
        #[case] age: f64,
        #[case] longest: Option<f64>,
    ) {
        let added = AddedRows {
            table: QualifiedName::parse("app.t").unwrap(),
            column: "at".to_owned(),
            days,
            span: span * DAY,
            gap: gap * DAY,
            newest: -age * DAY,
        };
        let found = added.longest_gap(Timestamp::UNIX_EPOCH);
        assert_eq!(found, longest.map(|days| days * DAY));
    }
}
