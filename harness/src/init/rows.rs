//! How many rows there are, and how few would be too few.

use super::block::Block;
use super::cover::cover;
use super::relation::{Relation, Relations};
use super::section::{Section, named, some};
use crate::sql::QualifiedName;
use crate::units::show_count;

/// From so many rows on, a table is held to nearly as many.
const BIG: u64 = 1000;

/// So many big tables have a bound of their own; more are taken together by size.
const ALONE: usize = 12;

/// So many names stand in one list; more are written as patterns.
const LISTED: usize = 400;

/// Words of tables that are emptied as a matter of course.
const PASSING: &[&str] = &[
    "session", "sessions", "job", "jobs", "queue", "queues", "outbox", "inbox", "cache", "caches",
    "lock", "locks", "token", "tokens", "tmp", "temp", "staging", "scratch", "buffer", "pending",
    "presence", "nonces", "otp", "otps",
];

/// Whether a table's name says that its rows come and go.
#[must_use]
pub fn is_passing(name: &str) -> bool {
    name.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| PASSING.contains(&word))
}

/// Makes checks of what was counted.
#[must_use]
pub fn section(relations: &Relations) -> Section {
    let mut section = Section::new("the data");
    let tables: Vec<&Relation> = relations.tables().collect();
    let filled: Vec<&Relation> = tables
        .iter()
        .copied()
        .filter(|one| one.rows.is_some_and(|rows| rows > 0))
        .collect();
    let (passing, lasting): (Vec<&Relation>, Vec<&Relation>) =
        filled.iter().partition(|one| is_passing(&one.name.name));
    let (big, small): (Vec<&Relation>, Vec<&Relation>) =
        lasting.iter().partition(|one| one.rows >= Some(BIG));
    if !small.is_empty() {
        section.blocks.push(
            Block::new("row-count", "no table that had rows is empty")
                .of_tables(&list(&small, relations))
                .with("min", 1_u64),
        );
    }
    for (floor, tables) in floors(&big) {
        let name = match tables.as_slice() {
            [one] => format!("{} is not hollow", one.name),
            _ => format!(
                "tables with more than {} rows are not hollow",
                show_count(floor)
            ),
        };
        section.blocks.push(
            Block::new("row-count", name)
                .of_tables(&list(&tables, relations))
                .with("min", floor),
        );
    }
    if !big.is_empty() {
        section.note(
            "Floors are about nine tenths of what there was; the baseline knows exact numbers.",
        );
    }
    if !passing.is_empty() {
        section.note(format!(
            "Guessed: rows of these come and go, so no floor is set: {}.",
            named(&names(&passing), 12)
        ));
    }
    let empty: Vec<&Relation> = tables
        .iter()
        .copied()
        .filter(|one| one.rows == Some(0))
        .collect();
    if !empty.is_empty() {
        section.note(format!(
            "Without rows when this was written, so nothing is expected of {}: {}.",
            if empty.len() == 1 { "it" } else { "them" },
            named(&names(&empty), 12)
        ));
    }
    views(relations, &mut section);
    section.found(format!(
        "{} with {} rows",
        some(tables.len(), "table"),
        show_count(relations.rows())
    ));
    section
}

/// Materialised views that were filled: pg_dump refills them, and a failure there is easily lost.
fn views(relations: &Relations, section: &mut Section) {
    let views: Vec<String> = relations
        .all
        .iter()
        .filter(|one| one.kind == 'm' && !one.foreign && one.rows.is_some_and(|rows| rows > 0))
        .map(|one| one.name.to_string())
        .collect();
    if !views.is_empty() {
        section.blocks.push(
            Block::new("row-count", "every materialised view is filled")
                .of_tables(&views)
                .with("min", 1_u64),
        );
    }
}

fn names(tables: &[&Relation]) -> Vec<QualifiedName> {
    tables.iter().map(|one| one.name.clone()).collect()
}

/// The names of a list, written out: a pattern would expect rows of tables that are yet to be made.
fn list(tables: &[&Relation], relations: &Relations) -> Vec<String> {
    let all = names(tables);
    if all.len() > LISTED {
        return cover(&all, &relations.nameable());
    }
    all.iter().map(ToString::to_string).collect()
}

/// Bounds, each with its tables.
fn floors<'a>(big: &[&'a Relation]) -> Vec<(u64, Vec<&'a Relation>)> {
    let mut floors: Vec<(u64, Vec<&Relation>)> = Vec::new();
    for table in big {
        let rows = table.rows.unwrap_or_default();
        let floor = if big.len() <= ALONE {
            round(rows - rows / 10)
        } else {
            step(rows - rows / 10)
        };
        match floors.iter_mut().find(|(known, _)| *known == floor) {
            Some((_, tables)) => tables.push(table),
            None => floors.push((floor, vec![table])),
        }
    }
    floors.sort_by_key(|(floor, _)| *floor);
    floors
}

/// Two digits and zeros.
#[must_use]
pub fn round(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    number / unit * unit
}

/// The next lower of 1000, 2000, 5000, 10 000 and so on; below, the number itself.
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

    #[rstest]
    #[case("sessions", true)]
    #[case("good_job_queue", true)]
    #[case("UserTokens", false)]
    #[case("user-tokens", true)]
    #[case("obsession", false)]
    #[case("orders", false)]
    fn rows_that_come_and_go_are_told_by_name(#[case] name: &str, #[case] passing: bool) {
        assert_eq!(is_passing(name), passing);
    }
}
