//! The result of a comparison with a baseline, as an entry for each area. Expected drift is listed next to
//! what is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::baseline::compare::Comparison;
use crate::baseline::difference::{Area, Difference};
use crate::baseline::{Baseline, Database};
use crate::catalog::ObjectId;
use crate::check::{Entry, Observation};
use crate::outcome::summarize;
use crate::units::show_counted;

/// Expected changes of one area that are listed by name.
const LISTED: usize = 4;

/// Makes an entry for each area that was compared.
pub(super) fn observe(
    baseline: &Baseline,
    was: &Database,
    now: &Database,
    compared: &Comparison,
) -> Observation {
    let notes = compared.notes();
    let entries = Area::ALL.into_iter().filter_map(|area| {
        let failing = compared.failing(area);
        let findings: Vec<_> = failing.iter().map(|one| one.marked()).collect();
        let (expected, seen) = match area {
            Area::Rights => (
                "every role with the rights of the baseline, and no more".to_owned(),
                show_counted(count_roles(now), "role"),
            ),
            Area::Definition => (
                format!(
                    "the {} of the baseline",
                    show_counted(count_objects(was), "object")
                ),
                show_counted(count_objects(now), "object"),
            ),
            Area::History if was.history.is_empty() => return None,
            Area::History => {
                let rows: u64 = was.history.values().map(|history| history.rows()).sum();
                (
                    format!(
                        "the {} of the baseline, unchanged",
                        show_counted(rows, "row")
                    ),
                    format!(
                        "{} read",
                        show_counted(was.history.len(), "append-only table")
                    ),
                )
            }
            Area::Rows => (
                format!("no row fewer in {}", show_counted(was.rows.len(), "table")),
                describe_rows(compared, now),
            ),
            Area::Sequences if was.sequences.is_empty() => return None,
            Area::Sequences => (
                format!(
                    "{} no further back",
                    show_counted(was.sequences.len(), "sequence")
                ),
                show_counted(now.sequences.len(), "sequence"),
            ),
        };
        let mut actual = match findings.len() {
            0 => seen,
            _ => format!(
                "{seen}; {}{}",
                summarize(&findings, "difference"),
                count_marks(&failing)
            ),
        };
        if let Some(notes) = notes.get(&area) {
            actual.push_str(&list_notes(notes));
        }
        Some(Entry {
            object: area.word().to_owned(),
            expected,
            actual,
            findings,
            duration: Duration::ZERO,
        })
    });
    let expected = format!("as it was on {}", baseline.taken.strftime("%F %H:%M UTC"));
    Observation::new(expected, describe_size(now), Vec::new()).with_entries(entries.collect())
}

/// Describes how much was read.
pub(super) fn describe_size(now: &Database) -> String {
    let rows: u64 = now.rows.values().map(|rows| rows.count).sum();
    format!(
        "{}, {} of {}",
        show_counted(count_objects(now), "object"),
        show_counted(rows, "row"),
        show_counted(now.rows.len(), "table")
    )
}

fn count_objects(database: &Database) -> u64 {
    database.catalog.objects.len() as u64
}

fn count_roles(database: &Database) -> usize {
    let objects = database.catalog.objects.keys();
    objects.filter_map(ObjectId::as_role).count()
}

fn describe_rows(compared: &Comparison, now: &Database) -> String {
    let mut parts = vec![show_counted(now.rows.len(), "table")];
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    add(compared.grown, "with more rows");
    add(compared.changed, "with other values");
    parts.join(", ")
}

/// Counts the differences that must be accepted by their names, of several: `; 1 WIDER, 2 WEAKER`.
fn count_marks(failing: &[&Difference]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in failing.iter().filter_map(|one| one.by_name_only()) {
        *counts.entry(word).or_default() += 1;
    }
    if failing.len() < 2 || counts.is_empty() {
        return String::new();
    }
    let counts = counts.iter().rev();
    let counts: Vec<String> = counts
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    format!("; {}", counts.join(", "))
}

/// Lists expected drift by name: `; no failure: extension vector, table app.audit_2026_12`.
fn list_notes(notes: &[&Difference]) -> String {
    let names = notes.iter().map(|note| note.area.name_of(&note.object));
    let mut names: Vec<String> = names.collect();
    names.dedup();
    let more = names.len().saturating_sub(LISTED);
    let mut text = format!("; no failure: {}", names[..names.len() - more].join(", "));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
