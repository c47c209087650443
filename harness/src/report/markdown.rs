//! The markdown report: for people today and for auditors months later.
//!
//! It reads on GitHub and as plain text. Every text that comes from outside passes through `Md`,
//! which leaves no way to make a link, an image, a mention, HTML or a table cell of it.

mod inline;
mod page;

use inline::{Md, code, fixed, known, names, span, strong, words};
use page::Page;

use super::view;
use crate::exit_code;
use crate::outcome::{
    BackupFacts, CheckResult, DrillResult, Finding, NotTested, Outcome, RestoreFacts, ServerFacts,
};
use crate::units::{show_bytes, show_count};
use crate::verdict::Verdict;

/// The longest list of findings of one check.
const FINDINGS: usize = 25;
/// The longest list of tables whose rows differ.
const DIFFERENCES: usize = 200;
/// How many of the largest tables are shown.
const LARGEST: usize = 20;
/// The longest of all other lists.
const LIST: usize = 100;

/// Writes the report.
#[must_use]
pub fn render(result: &DrillResult, verdict: Verdict) -> String {
    let mut page = Page::default();
    verdict_section(&mut page, result, verdict);
    match &result.backup {
        Some(backup) => backup_section(&mut page, result, backup),
        None => page.section("Backup", "No backup was found, or it could not be read."),
    }
    match &result.server {
        Some(server) => server_section(&mut page, server),
        None => page.section("Where it was restored", "No throwaway server ran."),
    }
    time_section(&mut page, result);
    stages_section(&mut page, result);
    checks_section(&mut page, result);
    rows_section(&mut page, result);
    tolerated_section(&mut page, result.restore.as_ref());
    not_tested_section(&mut page, result);
    not_held_section(&mut page, result.backup.as_ref());
    repeat_section(&mut page, result);
    words_section(&mut page);
    page.text
}

fn verdict_section(page: &mut Page, result: &DrillResult, verdict: Verdict) {
    let scenario = &result.scenario;
    page.heading(
        1,
        fixed(verdict.word()) + ": restore drill of " + code(&scenario.title()),
    );
    page.paragraph(
        fixed("**")
            + fixed(verdict.word())
            + "** (exit code "
            + words(&exit_code::of(verdict).to_string())
            + "). "
            + words(verdict.meaning()),
    );
    if let Some(description) = &scenario.description {
        page.paragraph(fixed("The scenario: ") + words(description));
    }
    page.paragraph(words(&view::check_counts(result)) + ".");
    let decisive = view::decisive(result);
    page.list(decisive.iter().map(|line| words(line)).collect());
    let severity = view::severity(result, verdict).map(|severity| ("Severity", words(severity)));
    let mut facts: Vec<_> = severity.into_iter().collect();
    facts.extend(vec![
        ("Drill began", words(&view::utc(result.started))),
        ("It took", span(result.duration)),
        ("Run", code(&result.run)),
        ("redrill version", words(&result.redrill)),
        ("Scenario file", code(&scenario.file.display().to_string())),
        ("SHA-256 of the scenario file", code(&scenario.sha256)),
    ]);
    page.facts(facts);
}

fn backup_section(page: &mut Page, result: &DrillResult, backup: &BackupFacts) {
    page.heading(2, fixed("Backup"));
    let size = match backup.uncompressed_bytes {
        Some(bytes) => format!(
            "{} ({} bytes), {} decompressed",
            show_bytes(backup.bytes),
            show_count(backup.bytes),
            show_bytes(bytes)
        ),
        None => format!(
            "{} ({} bytes)",
            show_bytes(backup.bytes),
            show_count(backup.bytes)
        ),
    };
    let contents = format!(
        "{} rows in {} tables with rows, {} large objects, {} policies",
        show_count(backup.rows),
        show_count(backup.tables),
        show_count(backup.large_objects),
        show_count(backup.policies)
    );
    page.facts(vec![
        ("Where it lies", code(&backup.origin)),
        ("How it was chosen", words(&backup.chosen)),
        ("SHA-256", code(&backup.sha256)),
        (
            "That digest",
            match &backup.digest {
                Some(agrees) => words(agrees),
                None => fixed("nothing beside the backup says what it must be"),
            },
        ),
        ("Size", words(&size)),
        ("Made", words(&view::made(backup, result.started))),
        (
            "Beside the backup before",
            match &backup.previous {
                Some(compared) => words(compared),
                None => fixed("not compared: no earlier one was found"),
            },
        ),
        ("Format", words(&backup.format)),
        ("Servers", words(&backup.servers)),
        (
            "Taken from PostgreSQL",
            known(backup.source_version.as_deref()),
        ),
        ("Written by", known(backup.dump_version.as_deref())),
        ("Holds", words(&contents)),
        ("Databases", names(&backup.databases)),
        ("Schemas", names(&backup.schemas)),
        ("Graphs", names(&backup.graphs)),
        ("Extensions it names", names(&backup.extensions)),
        ("Roles it creates", names(&backup.roles)),
        ("Roles it needs beside", names(&backup.roles_needed)),
    ]);
    if !backup.parts.is_empty() {
        page.paragraph(fixed("Its dumps, in the order of their restore:"));
        let rows = backup.parts.iter().take(LIST).map(|part| {
            vec![
                code(&part.name),
                words(&part.format),
                words(&show_bytes(part.bytes)),
                words(&show_count(part.rows)),
                code(&part.sha256),
            ]
        });
        page.table(
            &["dump", "format", "size", "rows", "SHA-256"],
            rows.collect(),
        );
        page.more(backup.parts.len().saturating_sub(LIST));
    }
    if !backup.candidates.is_empty() {
        page.paragraph(fixed("What there was to choose from, newest first:"));
        let rows = backup.candidates.iter().take(LIST).map(|candidate| {
            vec![
                code(&candidate.name),
                words(&show_bytes(candidate.bytes)),
                match &candidate.not_taken {
                    None => fixed("**taken**"),
                    Some(why) => words(why),
                },
            ]
        });
        page.table(
            &["candidate", "size", "why it was not taken"],
            rows.collect(),
        );
        let more = backup.candidates.len().saturating_sub(LIST);
        page.more(more + usize::try_from(backup.unlisted).unwrap_or(usize::MAX));
    }
}

fn server_section(page: &mut Page, server: &ServerFacts) {
    page.heading(2, fixed("Where it was restored"));
    page.paragraph(fixed(
        "A throwaway server: redrill starts it for this drill alone and destroys it afterwards.",
    ));
    let extensions: Vec<String> = server
        .extensions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    page.facts(vec![
        ("PostgreSQL", words(&server.version)),
        ("Extensions", names(&extensions)),
        ("Provider", words(server.provider)),
        ("Origin", code(&server.origin)),
        ("Why this one", words(&server.chosen)),
        ("Ready after", span(server.started_in)),
    ]);
    page.paragraph(fixed(
        "A backup is code that the server runs. What keeps it away from the machine of the drill:",
    ));
    match server.isolation.as_slice() {
        [] => page.paragraph(fixed("**Nothing is known to.**")),
        some => page.list(some.iter().map(|line| words(line)).collect()),
    }
    match server.weaknesses.as_slice() {
        [] => page.paragraph(fixed("No weakness of this is known.")),
        some => {
            page.paragraph(fixed("Where this is **weaker** than it could be:"));
            page.list(some.iter().map(|line| words(line)).collect());
        }
    }
}

fn time_section(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Time"));
    if result.objectives.is_empty() {
        page.paragraph(fixed("The scenario sets no objective."));
    } else {
        let rows = result.objectives.iter().map(|objective| {
            let found = view::objective_found(objective);
            let found = found.map_or_else(|| fixed("not measured"), |found| words(&found));
            vec![
                code(objective.name),
                fixed(view::objective_meaning(objective.name)),
                words(&view::objective_asked(objective)),
                found,
                strong(view::objective_word(objective)),
            ]
        });
        page.table(
            &[
                "objective",
                "what it is about",
                "asked for",
                "found",
                "result",
            ],
            rows.collect(),
        );
    }
    let Some(restore) = &result.restore else {
        return page.paragraph(fixed("The restore was not tried."));
    };
    page.paragraph(
        fixed("The restore, by ")
            + words(&restore.method)
            + ", took **"
            + span(restore.duration)
            + "**.",
    );
    if restore.phases.is_empty() {
        return;
    }
    let whole = restore.duration.as_secs_f64();
    let rows = restore.phases.iter().map(|phase| {
        let share = if whole > 0.0 {
            format!("{:.0} %", phase.duration.as_secs_f64() / whole * 100.0)
        } else {
            String::new()
        };
        vec![words(&phase.name), span(phase.duration), words(&share)]
    });
    page.table(&["phase", "time", "share of the restore"], rows.collect());
}

fn stages_section(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Stages"));
    if result.stages.is_empty() {
        return page.paragraph(fixed("No stage ran."));
    }
    let rows = result.stages.iter().map(|stage| {
        vec![
            strong(view::label(&stage.outcome, true)),
            words(stage.stage.word()),
            words(stage.stage.title()),
            words(view::stage_why(stage)),
            span(stage.duration),
        ]
    });
    page.table(
        &["result", "stage", "what it shows", "summary", "time"],
        rows.collect(),
    );
    for stage in result.stages.iter().filter(|s| !s.findings.is_empty()) {
        let title = match stage.outcome {
            Outcome::Pass => "Notes on stage",
            Outcome::Fail => "FAIL: stage",
            Outcome::Error => "ERROR: stage",
            Outcome::Skipped { .. } => "skipped: stage",
        };
        page.heading(3, fixed(title) + " " + code(stage.stage.word()));
        findings(
            page,
            &stage.outcome,
            view::stage_why(stage),
            &stage.findings,
        );
    }
}

fn checks_section(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Checks"));
    if result.checks.is_empty() {
        return page.paragraph(fixed("The scenario has no checks."));
    }
    page.paragraph(
        words(&view::check_counts(result))
            + ". Lines are those of the scenario file. What did not pass comes first.",
    );
    let checks = view::by_gravity(result);
    let rows = checks.iter().map(|check| {
        let found = match &check.outcome {
            Outcome::Pass => words(&check.actual),
            Outcome::Fail => words(view::found(check)),
            Outcome::Error | Outcome::Skipped { .. } => words(&view::why(check)),
        };
        vec![
            strong(view::label(&check.outcome, check.required)),
            words(&check.title()),
            code(check.kind),
            words(&check.expected),
            found,
            span(check.duration),
            words(&check.line.to_string()),
        ]
    });
    page.table(
        &[
            "result", "check", "kind", "expected", "found", "time", "line",
        ],
        rows.collect(),
    );
    for check in checks {
        check_details(page, result, check);
    }
}

/// A part of its own for each check that found something.
fn check_details(page: &mut Page, result: &DrillResult, check: &CheckResult) {
    let looked = match check.outcome {
        Outcome::Pass | Outcome::Skipped { .. } => false,
        Outcome::Fail | Outcome::Error => true,
    };
    if !looked && check.findings.is_empty() {
        return;
    }
    page.heading(
        3,
        fixed(view::label(&check.outcome, check.required)) + ": " + words(&check.title()),
    );
    page.paragraph(
        fixed("Check ")
            + code(&check.id)
            + " on database "
            + code(&check.database)
            + ", "
            + code(&format!(
                "{}:{}",
                result.scenario.file.display(),
                check.line
            ))
            + ".",
    );
    let mut summary = Vec::new();
    if !check.expected.trim().is_empty() {
        summary.push(fixed("Expected: ") + words(&check.expected));
    }
    summary.push(match check.outcome {
        Outcome::Error => fixed("Could not look: ") + words(view::found(check)),
        Outcome::Pass | Outcome::Fail | Outcome::Skipped { .. } => {
            fixed("Found: ") + words(view::found(check))
        }
    });
    page.list(summary);
    findings(page, &check.outcome, view::found(check), &check.findings);
}

/// Findings as a table, with a column for hints only where they differ.
fn findings(page: &mut Page, outcome: &Outcome, said: &str, all: &[Finding]) {
    let (all, hint) = view::beside(outcome, said, all);
    if let Some(hint) = hint {
        page.paragraph(fixed("What to do: ") + words(hint));
    }
    let Some(first) = all.first() else {
        return;
    };
    let shown = &all[..all.len().min(FINDINGS)];
    let one_hint = shown.iter().all(|finding| finding.hint == first.hint);
    let mut header = vec!["object", "expected", "found"];
    if !one_hint {
        header.push("what to do");
    }
    let rows = shown.iter().map(|finding| {
        let mut row = vec![
            finding.object.as_deref().map_or_else(Md::default, code),
            words(&finding.expected),
            words(&finding.actual),
        ];
        if !one_hint {
            row.push(words(finding.hint.as_deref().unwrap_or_default()));
        }
        row
    });
    page.table(&header, rows.collect());
    page.more(all.len() - shown.len());
    if let (true, Some(hint)) = (one_hint, &first.hint) {
        page.paragraph(fixed("What to do: ") + words(hint));
    }
}

fn rows_section(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Rows per table"));
    let all = result.restore.as_ref().map_or(&[][..], |r| &r.rows);
    if all.is_empty() {
        return page.paragraph(fixed("Rows were not counted."));
    }
    let rows = view::rows(all, LARGEST);
    if rows.compared {
        let verdict = if rows.differ.is_empty() {
            fixed("No table differs.")
        } else {
            fixed("**") + words(&view::show(rows.differ.len())) + " differ**; they come first."
        };
        page.paragraph(
            fixed("The tables of the backup with their rows there and as counted in the restored database; in one that is equal, each row has the values of the backup. ") + verdict,
        );
    } else {
        page.paragraph(fixed(
            "The restored database was not counted; these are the backup's own numbers.",
        ));
    }
    let line = |table: &crate::outcome::TableRows, word: &'static str| {
        vec![
            strong(word),
            code(&table.database),
            code(&table.table),
            words(&show_count(table.backup)),
            words(&view::restored_rows(table)),
        ]
    };
    let mut lines: Vec<Vec<Md>> = Vec::new();
    let shown = rows.differ.iter().take(DIFFERENCES);
    lines.extend(shown.map(|table| line(table, "DIFFERS")));
    let others = rows.largest.iter();
    lines.extend(others.map(|table| line(table, view::word(table))));
    lines.push(vec![
        Md::default(),
        Md::default(),
        fixed("**all ") + words(&view::show(rows.tables)) + " tables**",
        fixed("**") + words(&show_count(rows.backup)) + "**",
        if rows.compared {
            fixed("**") + words(&show_count(rows.restored)) + "**"
        } else {
            Md::default()
        },
    ]);
    page.table(
        &["", "database", "table", "in the backup", "restored"],
        lines,
    );
    page.more(rows.differ.len().saturating_sub(DIFFERENCES));
    if rows.rest > 0 {
        page.paragraph(
            words(&view::show(rows.rest))
                + if rows.compared {
                    " more tables are equal and smaller; `drill.json` has them all."
                } else {
                    " more tables are smaller; `drill.json` has them all."
                },
        );
    }
}

fn tolerated_section(page: &mut Page, restore: Option<&RestoreFacts>) {
    page.heading(2, fixed("Messages that were let pass"));
    let all = restore.map_or(&[][..], |restore| &restore.tolerated);
    if all.is_empty() {
        return page.paragraph(fixed("None."));
    }
    page.paragraph(fixed(
        "The restore gave these messages, and for the stated reasons they did not fail it.",
    ));
    let rows = all.iter().take(LIST).map(|tolerated| {
        vec![
            words(&tolerated.message),
            words(&show_count(tolerated.times)),
            words(&tolerated.reason),
        ]
    });
    page.table(&["message", "times", "reason"], rows.collect());
    page.more(all.len().saturating_sub(LIST));
}

fn not_tested_section(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("What was not tested"));
    let all = view::not_tested(result);
    if all.is_empty() {
        return page.paragraph(fixed(
            "The scenario names nothing that it leaves out, and nothing in it was left out.",
        ));
    }
    reasons(page, &all);
}

fn not_held_section(page: &mut Page, backup: Option<&BackupFacts>) {
    page.heading(2, fixed("What the backup does not hold"));
    match backup.map(|backup| backup.not_held.as_slice()) {
        None => page.paragraph(fixed("No backup was looked at.")),
        Some([]) => page.paragraph(fixed("Nothing is known to be missing from it.")),
        Some(all) => {
            page.paragraph(fixed(
                "A restore from this backup alone leaves these to be provided by other means.",
            ));
            reasons(page, all);
        }
    }
}

fn reasons(page: &mut Page, all: &[NotTested]) {
    let rows = all
        .iter()
        .take(LIST)
        .map(|item| vec![words(&item.what), words(&item.why)]);
    page.table(&["what", "why"], rows.collect());
    page.more(all.len().saturating_sub(LIST));
}

fn repeat_section(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("How to repeat this drill"));
    page.paragraph(
        fixed("With redrill ")
            + words(&result.redrill)
            + ", the scenario file and the backup whose SHA-256 are given above:",
    );
    page.block("sh", &result.repeat);
}

fn words_section(page: &mut Page) {
    page.heading(2, fixed("Words"));
    page.list(vec![
        fixed("**drill**: one run of one scenario: the backup is restored into a throwaway server and checked there."),
        fixed("**pass**: it was looked at and is as it must be. **FAIL**: it was looked at and is not."),
        fixed("**ERROR**: it could not be looked at, which says nothing about the backup. **skipped**: it was not tried."),
        fixed("**not required**: the scenario wants to know it, but does not let the verdict depend on it."),
        fixed("**SHA-256**: a fingerprint of a file; another file does not have the same one."),
        fixed("**exit code**: 0 PROVEN, 3 INCONCLUSIVE, 4 NOTHING CHECKED, 10 NOT PROVEN, 11 OBJECTIVE MISSED, 130 INTERRUPTED."),
    ]);
    page.paragraph(fixed(
        "The file `drill.json` beside this one has everything that this report leaves out.",
    ));
}
