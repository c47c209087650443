//! What is said of a rehearsal, and the short form of it that fits into a comment on a pull request.

use std::time::Duration;

use super::block::Page;
use super::inline::{self, Inline, fixed, span, strong, words};
use super::recorded;
use crate::exit_code;
use crate::outcome::{
    CheckAfter, Finding, MigrationFacts, Outcome, RehearsalResult, StepResult, TableFacts,
};
use crate::report::view::{self, Recorded};
use crate::units::show_bytes;
use crate::verdict::RehearsalVerdict;

/// Findings of a step that the comment shows.
const IN_COMMENT: usize = 5;
/// Migrations that the comment shows.
const MIGRATIONS_IN_COMMENT: usize = 20;
/// Changes that the comment shows.
const CHANGES_IN_COMMENT: usize = 10;
/// Tables that the comment shows.
const TABLES_IN_COMMENT: usize = 10;

/// Everything that is said of a rehearsal.
pub(in crate::report) fn whole(result: &RehearsalResult, verdict: RehearsalVerdict) -> Page {
    let mut page = Page::beside("rehearsal.json");
    lead(&mut page, result, verdict);
    steps(&mut page, result);
    faults(&mut page, result, usize::MAX);
    advice(&mut page, result);
    if let Some(migration) = &result.migration {
        migrations(&mut page, migration, usize::MAX);
        tables(&mut page, migration, usize::MAX);
        statements(&mut page, migration);
        changes(&mut page, migration, usize::MAX);
    }
    checks(&mut page, result);
    if !result.not_tested.is_empty() {
        page.heading(2, fixed("Not tested"));
        page.reasons(&result.not_tested);
    }
    facts(&mut page, result);
    page
}

/// The short form of it.
pub(in crate::report) fn comment(result: &RehearsalResult, verdict: RehearsalVerdict) -> Page {
    let mut page = Page::beside("rehearsal.json");
    lead(&mut page, result, verdict);
    faults(&mut page, result, IN_COMMENT);
    if let Some(migration) = &result.migration {
        migrations(&mut page, migration, MIGRATIONS_IN_COMMENT);
        tables(&mut page, migration, TABLES_IN_COMMENT);
        changes(&mut page, migration, CHANGES_IN_COMMENT);
    }
    // The run is what `redrill verify` finds its record by.
    let run = inline::code(&result.run);
    page.paragraph(
        fixed("Everything else is in `rehearsal.md` and `rehearsal.json` of the run ") + run + ".",
    );
    page
}

fn lead(page: &mut Page, result: &RehearsalResult, verdict: RehearsalVerdict) {
    let code = exit_code::of_rehearsal(verdict).to_string();
    page.heading(
        1,
        fixed(verdict.word()) + ": rehearsal of " + words(&result.scenario.title()),
    );
    page.paragraph(fixed(verdict.meaning()) + " Exit code " + words(&code) + ".");
    if !result.drill_passed {
        page.paragraph(
            fixed("The drill that restored the backup ended with **")
                + words(&result.drill)
                + "**, so nothing that runs on it is SAFE.",
        );
    }
    if let Some(kept) = &result.kept {
        for doubt in &kept.doubts {
            page.paragraph(fixed("Nothing that runs on it is SAFE: ") + words(doubt) + ".");
        }
        let made = result.backup.as_ref();
        let made = made.map_or_else(Inline::default, |backup| {
            let age = words(&view::made_ago(backup, result.started));
            fixed(" from the backup ") + inline::code(&backup.origin) + ", " + age
        });
        let drill = fixed(", with the verdict ") + words(&result.drill);
        page.paragraph(
            fixed("On copies of the kept server ")
                + inline::code(&kept.name)
                + ", restored"
                + made
                + drill
                + ".",
        );
    }
    let command = inline::code(&result.command.join(" "));
    let role = inline::code(&result.role);
    let line = command + " ran as " + role;
    page.paragraph(match &result.migration {
        Some(migration) => {
            let wal = show_bytes(migration.wal_bytes);
            let (before, after) = (migration.size_before, migration.size_after);
            line + ": "
                + words(&view::show(migration.statements))
                + " statements in "
                + span(migration.duration)
                + " on this machine, "
                + words(&wal)
                + " of WAL; the databases have "
                + words(&show_bytes(after))
                + ", before "
                + words(&show_bytes(before))
                + "."
        }
        None => fixed("The migrations did not run: ") + inline::code(&result.command.join(" ")),
    });
}

fn steps(page: &mut Page, result: &RehearsalResult) {
    page.heading(2, fixed("Steps"));
    let rows = result.steps.iter().map(|step| {
        vec![
            fixed(step.step.word()),
            strong(view::label(&step.outcome, true)),
            words(&step.summary),
            span(step.duration),
        ]
    });
    page.table(&["step", "result", "what", "time"], rows.collect());
}

fn is_bad(step: &&StepResult) -> bool {
    matches!(step.outcome, Outcome::Fail | Outcome::Error(_))
}

fn faults(page: &mut Page, result: &RehearsalResult, most: usize) {
    let bad: Vec<&StepResult> = result.steps.iter().filter(is_bad).collect();
    if bad.is_empty() {
        return;
    }
    page.heading(2, fixed("What is wrong"));
    for step in bad {
        page.heading(
            3,
            fixed(view::label(&step.outcome, true)) + " " + fixed(step.step.word()),
        );
        page.paragraph(words(&step.summary));
        if let Some(hint) = view::hint(&step.outcome) {
            page.paragraph(fixed("Hint: ") + words(hint));
        }
        let shown = step.findings.iter().take(most);
        page.list(shown.map(finding).collect());
        page.more(step.findings.len().saturating_sub(most));
    }
}

fn finding(finding: &Finding) -> Inline {
    let object = finding
        .object
        .as_deref()
        .map_or_else(Inline::default, |object| inline::code(object) + ": ");
    let text = object + words(&finding.actual) + " (expected: " + words(&finding.expected) + ")";
    match &finding.hint {
        Some(hint) => text + ". Hint: " + words(hint),
        None => text,
    }
}

fn advice(page: &mut Page, result: &RehearsalResult) {
    let passed = result.steps.iter().filter(|step| !is_bad(step));
    let advice: Vec<Inline> = passed
        .flat_map(|step| &step.findings)
        .map(finding)
        .collect();
    if !advice.is_empty() {
        page.heading(2, fixed("Advice"));
        page.paragraph(fixed("The verdict does not depend on it."));
        page.list(advice);
    }
}

fn known(time: Option<Duration>) -> Inline {
    time.map_or_else(|| fixed("–"), span)
}

/// The migrations one by one, the first ones where they are more than fit.
fn migrations(page: &mut Page, migration: &MigrationFacts, most: usize) {
    let all = &migration.migrations;
    if all.is_empty() {
        return;
    }
    page.heading(2, fixed("Migrations"));
    let rows = all.iter().take(most).map(|one| {
        let name = match (&one.name, one.recorded) {
            (Some(name), _) => inline::code(name),
            (None, true) => fixed("–"),
            (None, false) => fixed("not in the history"),
        };
        let mut row = vec![name, span(one.duration), words(&view::show(one.statements))];
        row.extend(match &one.lock {
            Some(lock) => [
                span(lock.held),
                words(&lock.mode),
                inline::code(&lock.table),
            ],
            None => ["–", "", ""].map(fixed),
        });
        row
    });
    let header = [
        "migration",
        "time",
        "statements",
        "blocking for at most",
        "lock",
        "table",
    ];
    page.table(&header, rows.collect());
    page.more(all.len().saturating_sub(most));
}

fn tables(page: &mut Page, migration: &MigrationFacts, most: usize) {
    let mut all: Vec<&TableFacts> = migration.tables.iter().collect();
    all.sort_by_key(|table| std::cmp::Reverse((table.held, table.readers_waited)));
    page.heading(2, fixed("Locks on existing tables"));
    if all.is_empty() {
        page.paragraph(fixed("No table that was there before was locked."));
        return;
    }
    let rows = all.iter().take(most).map(|table| {
        vec![
            inline::code(&table.table),
            words(&table.lock),
            known(table.held),
            known(table.readers_waited),
            known(table.writers_waited),
            inline::code(&table.statement),
        ]
    });
    let header = [
        "table",
        "lock",
        "blocking for at most",
        "readers waited",
        "writers waited",
        "by",
    ];
    page.table(&header, rows.collect());
    page.more(all.len().saturating_sub(most));
}

fn statements(page: &mut Page, migration: &MigrationFacts) {
    if migration.longest.is_empty() {
        return;
    }
    page.heading(2, fixed("Longest statements"));
    let rows = migration.longest.iter().map(|one| {
        vec![
            span(one.duration),
            inline::code(&one.text),
            one.error
                .as_deref()
                .map_or_else(Inline::default, inline::code),
        ]
    });
    page.table(&["time", "statement", "error"], rows.collect());
}

fn changes(page: &mut Page, migration: &MigrationFacts, most: usize) {
    page.heading(2, fixed("What changed"));
    if migration.changes.is_empty() {
        page.paragraph(fixed("Nothing."));
        return;
    }
    // What a review is about comes first.
    let mut all: Vec<_> = migration.changes.iter().collect();
    all.sort_by_key(|change| !change.needs_review);
    let rows = all.iter().take(most).map(|change| {
        let review = match (&change.accepted, change.needs_review) {
            (Some(reason), _) => fixed("accepted: ") + words(reason),
            (None, true) => fixed("**not accepted**"),
            (None, false) => Inline::default(),
        };
        vec![inline::code(&change.name), words(&change.text), review]
    });
    page.table(&["change", "what", "review"], rows.collect());
    page.more(all.len().saturating_sub(most));
}

fn checks(page: &mut Page, result: &RehearsalResult) {
    if result.checks.is_empty() {
        return;
    }
    page.heading(2, fixed("Checks on the migrated copy"));
    let rows = result.checks.iter().map(|CheckAfter { result, before }| {
        vec![
            words(&result.title()),
            before
                .as_ref()
                .map_or_else(|| fixed("new"), |one| fixed(one.word())),
            strong(view::label(&result.outcome, result.required)),
            words(&view::why(result)),
        ]
    });
    page.table(&["check", "before", "after", "what"], rows.collect());
}

fn facts(page: &mut Page, result: &RehearsalResult) {
    page.heading(2, fixed("Rehearsal"));
    let mut facts = vec![
        ("Run", inline::code(&result.run)),
        ("redrill version", words(&result.redrill)),
        ("Run by", inline::code(&result.provenance.actor.name)),
        ("Host", inline::code(&view::host(&result.provenance))),
        ("Drill of the backup", words(&result.drill)),
    ];
    if let Some(kept) = &result.kept {
        facts.push(("Kept server", inline::code(&kept.name)));
        facts.push(("Restored by the scenario", words(&kept.scenario)));
        facts.push(("Run of its drill", inline::code(&kept.run)));
        facts.push(("Removed at", words(&view::utc(kept.until))));
    }
    facts.extend([
        (
            "Scenario file",
            inline::code(&result.scenario.file.display().to_string()),
        ),
        (
            "SHA-256 of the scenario file",
            inline::code(&result.scenario.sha256),
        ),
    ]);
    if let Some(backup) = &result.backup {
        facts.push(("Backup", inline::code(&backup.origin)));
        facts.push(("SHA-256 of the backup", inline::code(&backup.sha256)));
    }
    if let Some(server) = &result.server {
        facts.push(("Server of the copies", words(&view::server(server))));
    }
    page.facts(facts);
    page.paragraph(fixed("To repeat it:"));
    page.block("sh", &result.repeat);
    if let Some(evidence) = &result.evidence {
        recorded(page, Recorded::Rehearsal, result.state.as_deref(), evidence);
    }
}
