//! Rows: the least number of rows of each table.

use std::collections::BTreeSet;

use super::block::Block;
use super::relation::{Relation, Relations, names};
use super::section::{Section, grouped, listed};
use crate::catalog::ObjectKind;
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// Minimum number of rows of a table that must have nearly as many.
const BIG: u64 = 1000;

/// Maximum number of big tables that have a bound each; more are grouped by size.
const ALONE: usize = 12;

/// Maximum number of names in one list; more are written as patterns.
const LISTED: usize = 400;

/// Writes the checks; the rows of tables in `shrinking` are removed regularly, and so are old partitions of those in `rolling`.
#[must_use]
pub fn section(
    relations: &Relations<'_>,
    shrinking: &BTreeSet<QualifiedName>,
    rolling: &BTreeSet<QualifiedName>,
) -> Section {
    let mut section = Section::new(
        "rows",
        "No table lost its rows: one with many rows has at least about nine tenths of them, any other at least one. The \
         baseline compares exact numbers. Lower `min` for a table that shrinks.",
    );
    let tables: Vec<&Relation<'_>> = relations.tables().collect();
    let filled: Vec<&Relation<'_>> = tables
        .iter()
        .copied()
        .filter(|one| one.own_rows.is_some_and(|rows| rows > 0))
        .collect();
    let (passing, lasting): (Vec<&Relation<'_>>, Vec<&Relation<'_>>) =
        filled.iter().partition(|one| shrinking.contains(&one.name));
    let (big, small): (Vec<&Relation<'_>>, Vec<&Relation<'_>>) = lasting
        .iter()
        .partition(|one| one.rows >= Some(BIG) && !rolling.contains(&one.name));
    if !small.is_empty() {
        section.blocks.push(
            Block::new("row-count", "no table that had rows is empty")
                .of_tables(&list(&small, relations))
                .with("min", 1_u64),
        );
    }
    for (floor, tables) in floors(&big) {
        let name = match tables.as_slice() {
            [one] => format!("{} has at least {}", one.name, show_counted(floor, "row")),
            _ => format!("these tables have at least {}", show_counted(floor, "row")),
        };
        section.blocks.push(
            Block::new("row-count", name)
                .of_tables(&list(&tables, relations))
                .with("min", floor),
        );
    }
    if !passing.is_empty() {
        section.note(format!(
            "Guessed: the rows of these tables are removed regularly, as the names suggest, or with such rows by ON DELETE CASCADE, \
             so they may be empty: {}.",
            listed(&names(&passing), 12)
        ));
    }
    let empty: Vec<&Relation<'_>> = tables
        .iter()
        .copied()
        .filter(|one| one.own_rows == Some(0))
        .collect();
    if !empty.is_empty() {
        section.note(format!(
            "Tables without rows, which are not checked: {}.",
            listed(&names(&empty), 12)
        ));
    }
    views(relations, &mut section);
    let rows = show_counted(relations.rows(), "row");
    let all = show_counted(tables.len(), "table");
    section.found(match empty.len() {
        0 => format!("{all} with {rows}"),
        _ => format!("{all}, {} of them with {rows}", filled.len()),
    });
    section
}

/// Adds a check of materialized views that had rows: a restore refreshes them.
fn views(relations: &Relations<'_>, section: &mut Section) {
    let views: Vec<String> = relations
        .all
        .iter()
        .filter(|one| {
            one.id.kind == ObjectKind::MaterializedView && one.rows.is_some_and(|rows| rows > 0)
        })
        .map(|one| one.name.to_string())
        .collect();
    if !views.is_empty() {
        section.blocks.push(
            Block::new("row-count", "no materialized view is empty")
                .of_tables(&views)
                .with("min", 1_u64),
        );
    }
}

/// The names of tables, written out: a pattern would also match tables that do not exist yet.
fn list(tables: &[&Relation<'_>], relations: &Relations<'_>) -> Vec<String> {
    if tables.len() > LISTED {
        return relations.cover(tables);
    }
    tables.iter().map(|one| one.name.to_string()).collect()
}

/// Groups tables by the least number of rows.
fn floors<'a>(big: &[&'a Relation<'a>]) -> Vec<(u64, Vec<&'a Relation<'a>>)> {
    let mut floors = grouped(big.iter().map(|table| {
        let rows = table.rows.unwrap_or_default();
        let most = rows - rows / 10;
        let floor = if big.len() <= ALONE {
            round(most)
        } else {
            step(most)
        };
        (floor, *table)
    }));
    floors.sort_by_key(|(floor, _)| *floor);
    floors
}

/// Rounds down to two digits and zeros.
#[must_use]
pub fn round(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    number / unit * unit
}

/// Rounds down to 1, 2 or 5 and zeros.
fn step(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 10 {
        unit *= 10;
    }
    match number / unit {
        5.. => 5 * unit,
        2..5 => 2 * unit,
        _ => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(1234, 1200, 1000)]
    #[case(99, 99, 50)]
    #[case(100_000, 100_000, 100_000)]
    #[case(987_654, 980_000, 500_000)]
    fn floors_are_round(#[case] rows: u64, #[case] rounded: u64, #[case] stepped: u64) {
        assert_eq!((round(rows), step(rows)), (rounded, stepped));
    }
}
