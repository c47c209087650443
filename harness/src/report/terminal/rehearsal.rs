//! The summary of a rehearsal.

use super::Look;
use super::paper::{Hue, INDENT, Paper};
use crate::exit_code;
use crate::outcome::{Outcome, RehearsalResult};
use crate::report::text::line;
use crate::report::view;
use crate::units::{listed, show_bytes, show_counted, show_duration};
use crate::verdict::RehearsalVerdict;

/// Findings of one step that are shown.
const FINDINGS: usize = 5;
/// Migrations that are named.
const MIGRATIONS: usize = 5;

/// Writes the summary.
#[must_use]
pub fn rehearsal(result: &RehearsalResult, verdict: RehearsalVerdict, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    let hue = match verdict {
        RehearsalVerdict::Safe => Hue::Green,
        RehearsalVerdict::Unsafe => Hue::Red,
        RehearsalVerdict::Inconclusive
        | RehearsalVerdict::NothingPending
        | RehearsalVerdict::Interrupted => Hue::Yellow,
    };
    let word = paper.paint(verdict.word(), hue);
    let title = line(&result.scenario.title());
    let code = exit_code::of_rehearsal(verdict);
    paper.text.push_str(&format!(
        "{word}  rehearsal of {title} (exit code {code})\n"
    ));
    paper.wrap(verdict.meaning(), 0, 0);
    paper.blank();
    for step in &result.steps {
        let bad = matches!(step.outcome, Outcome::Fail | Outcome::Error(_));
        if !bad && !look.verbose {
            continue;
        }
        let text = format!("{}: {}", step.step.word(), step.summary);
        paper.outcome(&step.outcome, true, &text);
        if let Some(hint) = view::hint(&step.outcome) {
            paper.wrap(&format!("hint: {hint}"), INDENT, INDENT);
        }
        paper.findings(&step.findings, FINDINGS, ", see rehearsal.md");
    }
    if let Some(migration) = &result.migration {
        let text = format!(
            "{} as {}: {} in {} on this machine, {} of WAL",
            result.command.join(" "),
            result.role,
            show_counted(migration.statements, "statement"),
            show_duration(migration.duration),
            show_bytes(migration.wal_bytes)
        );
        paper.fact("ran", &text);
        let migrations = migration.migrations.iter().map(|one| {
            let name = one.name.as_deref().unwrap_or("–");
            format!("{name} in {}", show_duration(one.duration))
        });
        let migrations: Vec<String> = migrations.collect();
        if !migrations.is_empty() {
            paper.fact("migrations", &listed(&migrations, MIGRATIONS));
        }
        let longest = migration.tables.iter().max_by_key(|table| table.held);
        if let Some((table, held)) = longest.and_then(|table| Some((table, table.held?))) {
            let text = format!(
                "{} for {} at most, {}",
                table.lock,
                show_duration(held),
                table.table
            );
            paper.fact("locks", &text);
        }
        let waited = migration.tables.iter().flat_map(|table| {
            let both = [table.readers_waited, table.writers_waited];
            both.into_iter().flatten()
        });
        if let Some(waited) = waited.max() {
            paper.fact(
                "waited",
                &format!("readers and writers for {} at most", show_duration(waited)),
            );
        }
        let review = migration
            .changes
            .iter()
            .filter(|one| one.needs_review)
            .count();
        let text = format!("{}, {review} for a review", migration.changes.len());
        paper.fact("changes", &text);
    }
    let advice = result
        .steps
        .iter()
        .filter(|step| step.outcome == Outcome::Pass)
        .map(|step| step.findings.len())
        .sum::<usize>();
    if advice > 0 {
        paper.fact(
            "advice",
            &format!("{}, see rehearsal.md", show_counted(advice, "entry")),
        );
    }
    let failed = result
        .checks
        .iter()
        .filter(|one| one.result.outcome != Outcome::Pass)
        .count();
    if !result.checks.is_empty() {
        let passed = result.checks.len() - failed;
        paper.fact(
            "checks",
            &format!("{passed} passed, {failed} did not, on the migrated copy"),
        );
    }
    let untested: Vec<&str> = result.not_tested.iter().map(|one| &*one.what).collect();
    if !untested.is_empty() {
        let text = listed(&untested, 6);
        paper.fact("not tested", &text);
    }
    if let Some(kept) = &result.kept {
        for doubt in &kept.doubts {
            paper.fact("not safe", doubt);
        }
        let backup = result.backup.iter();
        let backup: String = backup
            .map(|one| format!(", restored from {}", one.origin))
            .collect();
        let text = format!("{}{backup}; until {}", kept.name, view::utc(kept.until));
        paper.fact("kept", &text);
    }
    paper.fact("drill", &result.drill);
    paper.fact("repeat", &result.repeat);
    paper.text
}
