//! How a comparison with a baseline is told: an entry for each area, with what is life beside what is wrong.

use std::time::Duration;

use crate::baseline::compare::{Area, Compared, Difference};
use crate::baseline::{Baseline, Database};
use crate::catalog::ObjectId;
use crate::check::{Entry, Observation};
use crate::units::show_count;

/// Notes of one area that are told by name.
const TOLD: usize = 4;

/// Tells what was compared.
pub(super) fn observation(
    held: &Baseline,
    was: &Database,
    now: &Database,
    compared: &Compared,
) -> Observation {
    let notes = compared.notes();
    let entries = Area::ALL.into_iter().filter_map(|area| {
        let findings: Vec<_> = compared.failing(area).cloned().collect();
        let (expected, seen) = match area {
            Area::Rights => (
                "every role may do what it could, and no more".to_owned(),
                format!("{} roles", roles(now)),
            ),
            Area::Definition => (
                format!("the {} objects of the baseline", show_count(objects(was))),
                format!("{} objects", show_count(objects(now))),
            ),
            Area::History if was.history.is_empty() => return None,
            Area::History => {
                let rows = was.history.values().map(|history| history.rows()).sum();
                (
                    format!("the {} rows that were there, unchanged", show_count(rows)),
                    format!("{} append-only tables read", was.history.len()),
                )
            }
            Area::Rows => (
                format!("no row fewer in {} tables", was.rows.len()),
                rows(compared, now),
            ),
            Area::Sequences if was.sequences.is_empty() => return None,
            Area::Sequences => (
                format!("{} sequences no further back", was.sequences.len()),
                format!("{} sequences", now.sequences.len()),
            ),
        };
        let mut actual = match findings.len() {
            0 => seen,
            1 => format!("{seen}; 1 difference"),
            more => format!("{seen}; {more} differences"),
        };
        if let Some(notes) = notes.get(&area) {
            actual.push_str(&told(notes));
        }
        Some(Entry {
            object: area.word().to_owned(),
            expected,
            actual,
            findings,
            duration: Duration::ZERO,
        })
    });
    let expected = format!("as it was on {}", held.taken.strftime("%F %H:%M UTC"));
    Observation::new(expected, size(now), Vec::new()).with_entries(entries.collect())
}

/// How much was looked at.
pub(super) fn size(now: &Database) -> String {
    let rows = now.rows.values().map(|rows| rows.count).sum();
    format!(
        "{} objects, {} rows of {} tables",
        show_count(objects(now)),
        show_count(rows),
        now.rows.len()
    )
}

fn objects(database: &Database) -> u64 {
    database.catalog.objects.len() as u64
}

fn roles(database: &Database) -> usize {
    let objects = database.catalog.objects.keys();
    objects.filter_map(ObjectId::as_role).count()
}

fn rows(compared: &Compared, now: &Database) -> String {
    let mut parts = vec![format!("{} tables", now.rows.len())];
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    add(compared.grown, "with more rows");
    add(compared.changed, "with other values");
    parts.join(", ")
}

/// What is life, by name: `; and told, 2: extension vector, table app.audit_2026_12`.
fn told(notes: &[&Difference]) -> String {
    let names = notes.iter().map(|note| note.area.name_of(&note.object));
    let mut names: Vec<String> = names.collect();
    names.dedup();
    let more = names.len().saturating_sub(TOLD);
    let mut text = format!("; no failure: {}", names[..names.len() - more].join(", "));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
