//! Tables to which rows are added continuously: the newest row of each must be about as old as the backup.
//!
//! By its own SQL: the newest row of a table.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::block::Block;
use super::relation::{RelationColumn, Relations};
use super::section::{Section, grouped};
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_counted;

/// Minimum number of rows of a table that rows are added to continuously.
const BUSY: u64 = 100;

/// Parts of names of columns that do not say when a row was added.
const OTHER_TIMES: &[&str] = &["update", "modif", "change", "delet", "expire"];

/// The newest row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct NewestRow {
    table: QualifiedName,
    column: String,
    /// Seconds since 1970.
    at: f64,
}

/// Whether a column is the time at which a row was added.
fn is_time_added(column: &RelationColumn<'_>) -> bool {
    let name = column.name.to_lowercase();
    column.is_time_of_insert() && !OTHER_TIMES.iter().any(|part| name.contains(part))
}

/// Reads the newest row of each table that has many, by one column.
///
/// # Errors
/// When a table cannot be read.
pub async fn read(
    session: &mut Session,
    relations: &Relations<'_>,
    shrinking: &BTreeSet<QualifiedName>,
) -> Result<Vec<NewestRow>, DatabaseError> {
    let mut found = Vec::new();
    for table in relations.tables() {
        let is_busy = table.rows.is_some_and(|rows| rows >= BUSY);
        let Some(column) = table.columns().into_iter().find(is_time_added) else {
            continue;
        };
        if !is_busy || shrinking.contains(&table.name) {
            continue;
        }
        let sql = format!(
            "SELECT pg_catalog.date_part('epoch', pg_catalog.max({})) FROM {}",
            quote_ident(column.name),
            table.name
        );
        let newest = session.value(&sql).await?;
        found.extend(
            newest
                .and_then(|text| text.parse().ok())
                .map(|at| NewestRow {
                    table: table.name.clone(),
                    column: column.name.to_owned(),
                    at,
                }),
        );
    }
    Ok(found)
}

/// Writes the checks, for tables whose newest row is about as old as the backup.
#[must_use]
pub fn section(all: &[NewestRow], made: Option<Timestamp>) -> Section {
    let mut section = Section::new(
        "freshness",
        "The newest row is about as old as the backup: an older one means that the backup is of an older state. Change \
         `within` to the longest time that passes without a new row.",
    );
    let Some(made) = made else { return section };
    let recent = all.iter().filter_map(|newest| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are exact in an f64"
        )]
        let gap = made.as_second() as f64 - newest.at;
        Some(((&newest.column, within(gap)?), &newest.table))
    });
    let groups = grouped(recent);
    let count: usize = groups.iter().map(|(_, tables)| tables.len()).sum();
    for ((column, within), tables) in groups {
        let name = match tables.as_slice() {
            [one] => format!("{one} has rows as new as the backup"),
            many => format!(
                "{} have rows as new as the backup",
                show_counted(many.len(), "table")
            ),
        };
        section.blocks.push(
            Block::new("freshness", name)
                .guess(format!(
                    "`{column}` is the time at which a row is added, and a row is added at least every {within}."
                ))
                .of_tables(&tables)
                .with("column", column.as_str())
                .with("within", within),
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

/// A bound that is longer than a day without rows; nothing if the newest row is too old to tell.
fn within(gap: f64) -> Option<&'static str> {
    const HOUR: f64 = 3600.0;
    match gap {
        gap if gap < -24.0 * HOUR => None,
        gap if gap <= 3.0 * HOUR => Some("1d"),
        gap if gap <= 24.0 * HOUR => Some("3d"),
        gap if gap <= 60.0 * HOUR => Some("7d"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, Some("1d"))]
    #[case(80_000.0, Some("3d"))]
    #[case(200_000.0, Some("7d"))]
    #[case(3_000_000.0, None)]
    #[case(-90_000.0, None)]
    fn the_bound_allows_a_day_without_rows(#[case] gap: f64, #[case] bound: Option<&str>) {
        assert_eq!(within(gap), bound);
    }
}
