//! How long the restore took, against the objectives, and the messages that it was allowed to give.

use super::LIST;
use super::block::Page;
use super::inline::{code, fixed, span, strong, words};
use crate::outcome::{DrillResult, RecoveryFacts, RestoreFacts};
use crate::report::view;
use crate::units::show_count;

/// What is said about the steps of a restore.
pub(in crate::report) const STEPS: &str =
    "The longest steps, and every HNSW and IVFFlat index. Some ran at the same time.";

pub(in crate::report) fn write(page: &mut Page, result: &DrillResult) {
    time(page, result);
    if let Some(restore) = &result.restore {
        steps(page, restore);
    }
    rest(page, result);
}

/// How long it took, in all and by phase.
pub(in crate::report) fn time(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Restore"));
    match &result.restore {
        Some(restore) => phases(page, restore),
        None => page.paragraph(fixed("No restore was started.")),
    }
}

/// The objectives, and the messages that it was allowed to give.
pub(in crate::report) fn rest(page: &mut Page, result: &DrillResult) {
    objectives(page, result);
    tolerated(page, result.restore.as_ref());
}

fn phases(page: &mut Page, restore: &RestoreFacts) {
    let mut line =
        fixed("Restored by ") + words(&restore.method) + " in **" + span(restore.duration) + "**.";
    if let Some(processor) = restore.processor {
        line = line + " Processor time of the server: " + span(processor) + ".";
    }
    if let Some(analyzed) = restore.analyzed {
        line = line + " `ANALYZE` afterwards: " + span(analyzed) + ".";
    }
    page.paragraph(line);
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
    if let Some(recovery) = &restore.recovery {
        recovered(page, recovery);
    }
}

/// How the recovery of a base backup ended, and what of the backup is not in effect on the server.
fn recovered(page: &mut Page, recovery: &RecoveryFacts) {
    page.paragraph(fixed("The recovery:"));
    let facts = view::recovered(recovery).into_iter();
    page.facts(facts.map(|(name, value)| (name, words(&value))).collect());
}

fn steps(page: &mut Page, restore: &RestoreFacts) {
    if restore.steps.is_empty() {
        return;
    }
    page.paragraph(fixed(STEPS));
    let (longest, others) = view::longest_steps(&restore.steps);
    let rows = longest.into_iter().map(|step| {
        let method = step.method.as_deref().unwrap_or_default();
        vec![words(&step.what), words(method), span(step.duration)]
    });
    page.table(&["step", "method", "time"], rows.collect());
    page.more(others);
}

fn objectives(page: &mut Page, result: &DrillResult) {
    page.heading(3, fixed("Objectives"));
    if result.objectives.is_empty() {
        return page.paragraph(fixed("The scenario sets no objective."));
    }
    let rows = result.objectives.iter().map(|objective| {
        let found = view::objective_found(objective);
        vec![
            code(&objective.name),
            fixed(view::objective_meaning(&objective.name)),
            words(&view::objective_asked(objective)),
            found.map_or_else(|| fixed("not measured"), |found| words(&found)),
            strong(view::objective_word(objective)),
        ]
    });
    page.table(
        &["objective", "meaning", "required", "found", "result"],
        rows.collect(),
    );
}

fn tolerated(page: &mut Page, restore: Option<&RestoreFacts>) {
    page.heading(3, fixed("Tolerated messages"));
    let all = restore.map_or(&[][..], |restore| &restore.tolerated);
    if all.is_empty() {
        return page.paragraph(fixed("None."));
    }
    page.paragraph(fixed(
        "The restore printed these messages; for the reasons given they do not fail it.",
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
