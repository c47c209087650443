//! The first screen: verdict, backup, time against objectives, what failed, what was not tested.

use super::block::Page;
use super::inline::{Inline, code, fixed, span, strong, words};
use crate::exit_code;
use crate::outcome::{DrillResult, Objective, Outcome, Stage};
use crate::report::view;
use crate::units::show_bytes;
use crate::verdict::{Verdict, explain};

/// The longest list of failures; each has a part of its own further down.
const FAILURES: usize = 10;

pub(in crate::report) fn write(page: &mut Page, result: &DrillResult, verdict: Verdict) {
    page.heading(1, title(result, verdict));
    page.paragraph(
        fixed("**")
            + fixed(verdict.word())
            + "** (exit code "
            + words(&exit_code::of(verdict).to_string())
            + "). "
            + words(&explain(result, verdict)),
    );
    page.table(&["summary", ""], summary(result, verdict));
    failures(page, result);
    not_tested(page, result);
}

/// What the page is about.
pub(in crate::report) fn title(result: &DrillResult, verdict: Verdict) -> Inline {
    fixed(verdict.word()) + ": restore drill of " + code(&result.scenario.title())
}

/// The facts of the first screen: name and value.
pub(in crate::report) fn summary(result: &DrillResult, verdict: Verdict) -> Vec<Vec<Inline>> {
    let mut rows = Vec::new();
    let mut row = |name: Inline, value: Inline| rows.push(vec![name, value]);
    if let Some(severity) = view::severity(result, verdict) {
        row(fixed("Severity"), words(severity));
    }
    if let Some(delivery) = &result.incident {
        row(fixed("Incident webhook"), words(&view::delivery(delivery)));
    }
    for delivery in &result.notified {
        row(fixed("Notification"), words(&view::delivery(delivery)));
    }
    row(
        fixed("Backup"),
        match &result.backup {
            Some(backup) => {
                let size = code(&backup.origin) + ", " + words(&show_bytes(backup.bytes));
                match backup.fetched_in {
                    Some(time) => size + ", fetched in " + span(time),
                    None => size,
                }
            }
            None => fixed("none was found, or it could not be read"),
        },
    );
    if let Some(backup) = &result.backup {
        row(
            fixed("Backup taken"),
            words(&view::made(backup, result.started)),
        );
    }
    row(
        fixed("Restored"),
        match (&result.restore, &result.server) {
            (Some(restore), Some(server)) => {
                fixed("in **")
                    + span(restore.duration)
                    + "**, on PostgreSQL "
                    + words(&server.version)
            }
            (Some(restore), None) => fixed("in **") + span(restore.duration) + "**",
            (None, _) => fixed("no restore was started"),
        },
    );
    for objective in &result.objectives {
        row(
            fixed("Objective ") + code(&objective.name),
            objective_result(objective),
        );
    }
    if let Some(proof) = result.stages.iter().find(|one| one.stage == Stage::Proof) {
        row(
            fixed("Comparison with the backup"),
            strong(view::label(&proof.outcome, proof.required))
                + ": "
                + words(view::stage_why(proof)),
        );
    }
    row(fixed("Checks"), words(&view::check_counts(result)));
    row(
        fixed("Drill"),
        words(&view::utc(result.started)) + ", took " + span(result.duration),
    );
    if let Some(description) = &result.scenario.description {
        row(fixed("Scenario"), words(description));
    }
    rows
}

/// `25 min 11 s, at most 20 min 00 s: **MISSED**`.
fn objective_result(objective: &Objective) -> Inline {
    let asked = words(&view::objective_asked(objective));
    match view::objective_found(objective) {
        Some(found) => {
            words(&found) + ", " + asked + ": " + strong(view::objective_word(objective))
        }
        None => fixed("**not measured**, ") + asked,
    }
}

/// What keeps the verdict from being PROVEN, and checks that are not required.
pub(in crate::report) fn failures(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("What failed or could not run"));
    let mut lines = view::decisive(result);
    let optional = result.checks.iter().filter(|check| !check.required);
    lines.extend(optional.filter_map(|check| match check.outcome {
        Outcome::Fail => Some(format!(
            "{}: check `{}` failed: {}",
            view::not_required(check),
            check.title(),
            view::why(check)
        )),
        Outcome::Error(_) => Some(format!(
            "{}: check `{}` {}",
            view::not_required(check),
            check.title(),
            view::why(check)
        )),
        Outcome::Pass | Outcome::Waived | Outcome::Skipped { .. } => None,
    }));
    if lines.is_empty() {
        return page.paragraph(fixed("Nothing."));
    }
    let more = lines.len().saturating_sub(FAILURES);
    lines.truncate(FAILURES);
    page.list(lines.iter().map(|line| words(line)).collect());
    if more > 0 {
        page.paragraph(fixed("… and ") + words(&view::show(more)) + " more, listed below.");
    }
}

/// What the drill does not prove.
pub(in crate::report) fn not_tested(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("What was not tested"));
    let all = view::not_tested(result);
    if all.is_empty() {
        return page.paragraph(fixed(
            "Nothing that the scenario names: every stage and every check ran.",
        ));
    }
    page.reasons(&all);
}
