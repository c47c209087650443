//! Stages and checks: a table of each, then a part for each that found something.

use super::block::Page;
use super::inline::{Inline, code, fixed, span, strong, words};
use crate::outcome::{CheckResult, DrillResult, Finding, Outcome, StageResult};
use crate::report::view;
use crate::units::show_count;

/// The longest list of statements of one check and role.
const TRIED: usize = 5;

/// The longest list of findings of one stage or check.
const FINDINGS: usize = 25;

pub(in crate::report) fn write(page: &mut Page, result: &DrillResult) {
    table(page, result);
    for check in view::by_severity(result) {
        details(page, result, check);
    }
    stages(page, result);
}

fn stages(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Stages"));
    if result.stages.is_empty() {
        return page.paragraph(fixed("No stage ran."));
    }
    let rows = result.stages.iter().map(|stage| {
        vec![
            strong(view::label(&stage.outcome, stage.required)),
            words(stage.stage.word()),
            words(&stage.title),
            words(view::stage_why(stage)),
            span(stage.duration),
        ]
    });
    page.table(
        &["result", "stage", "what it proves", "summary", "time"],
        rows.collect(),
    );
    for stage in &result.stages {
        stage_details(page, stage);
    }
}

/// A part of its own for a stage that found something.
pub(in crate::report) fn stage_details(page: &mut Page, stage: &StageResult) {
    if stage.findings.is_empty() && view::hint(&stage.outcome).is_none() {
        return;
    }
    let title = match stage.outcome {
        Outcome::Pass => "Warnings of stage",
        Outcome::Fail | Outcome::Waived => "FAIL: stage",
        Outcome::Error(_) => "ERROR: stage",
        Outcome::Skipped { .. } => "skipped: stage",
    };
    page.heading(3, fixed(title) + " " + code(stage.stage.word()));
    findings(page, view::hint(&stage.outcome), &stage.findings);
}

/// The table of all checks.
pub(in crate::report) fn table(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Checks"));
    if result.checks.is_empty() {
        return page.paragraph(fixed("The scenario has no checks."));
    }
    let rows = view::by_severity(result).into_iter().map(|check| {
        let found = match &check.outcome {
            Outcome::Pass => words(&check.actual),
            Outcome::Fail | Outcome::Waived => words(view::found(check)),
            Outcome::Error(_) | Outcome::Skipped { .. } => words(&view::why(check)),
        };
        vec![
            strong(view::label(&check.outcome, check.required)),
            words(&check.title()),
            code(&check.kind),
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
    page.paragraph(
        fixed("The last column is the line of ")
            + code(&result.scenario.file.display().to_string())
            + ".",
    );
}

/// As whom each check ran, and what it tried.
pub(in crate::report) fn conduct(page: &mut Page, result: &DrillResult) {
    if result.conduct.is_empty() {
        return;
    }
    page.heading(2, fixed("As whom, and what was tried"));
    page.paragraph(fixed(
        "Statements are shown without values, as `…`. Of the superuser, who reads the catalogs, only attempts and statements of \
         the scenario are shown. What a program sends is not known.",
    ));
    let rows = view::conduct(result).map(|(check, role)| {
        let shown = &role.tried[..role.tried.len().min(TRIED)];
        let tried = shown.iter().map(|tried| match view::tried_end(tried) {
            end if end.is_empty() => code(&tried.what),
            end => code(&tried.what) + " (" + words(&end) + ")",
        });
        let more = (role.tried.len() - shown.len()) as u64 + role.unlisted;
        let more = (more > 0).then(|| words(&format!("{} more", show_count(more))));
        let tried = tried.chain(more).reduce(|all, one| all + "; " + one);
        vec![
            code(check),
            code(&view::role_name(role.superuser, &role.role)),
            words(&show_count(role.statements)),
            tried.unwrap_or_default(),
        ]
    });
    page.table(&["check", "as", "statements", "tried"], rows.collect());
}

/// A part of its own for a check that found something.
pub(in crate::report) fn details(page: &mut Page, result: &DrillResult, check: &CheckResult) {
    let passed = match check.outcome {
        Outcome::Pass | Outcome::Skipped { .. } => true,
        Outcome::Fail | Outcome::Waived | Outcome::Error(_) => false,
    };
    if passed && check.findings.is_empty() {
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
        Outcome::Error(_) => fixed("Could not run: ") + words(view::found(check)),
        Outcome::Pass | Outcome::Fail | Outcome::Waived | Outcome::Skipped { .. } => {
            fixed("Found: ") + words(view::found(check))
        }
    });
    if !check.required {
        summary.push(words(&view::not_required(check)));
    }
    page.list(summary);
    findings(page, view::hint(&check.outcome), &check.findings);
}

/// Findings as a table, with a column for hints only where they differ.
fn findings(page: &mut Page, hint: Option<&str>, all: &[Finding]) {
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
    let is_waived = shown.iter().any(|finding| finding.waived.is_some());
    if is_waived {
        header.push("waived");
    }
    let rows = shown.iter().map(|finding| {
        let mut row = vec![
            finding.object.as_deref().map_or_else(Inline::default, code),
            words(&finding.expected),
            words(&finding.actual),
        ];
        if !one_hint {
            row.push(words(finding.hint.as_deref().unwrap_or_default()));
        }
        if is_waived {
            row.push(words(finding.waived.as_deref().unwrap_or("no")));
        }
        row
    });
    page.table(&header, rows.collect());
    page.more(all.len() - shown.len());
    if let (true, Some(hint)) = (one_hint, &first.hint) {
        page.paragraph(fixed("What to do: ") + words(hint));
    }
}
