//! What a verdict means for a drill, in words.

use super::Verdict;
use crate::outcome::{DrillResult, Outcome, Stage, WaiverState};
use crate::units::{show_bytes, show_counted};

/// How many of the tables without rows a sentence names.
const LARGEST: usize = 3;

/// Says what the verdict means for this drill: its meaning, or what failed, and which stage the scenario switched off.
#[must_use]
pub fn explain(result: &DrillResult, verdict: Verdict) -> String {
    let mut text = match verdict {
        Verdict::NotProven => explain_failure(result),
        Verdict::Proven if result.checks.is_empty() => {
            "The backup restores, and the database is equal to it. The scenario has no check."
                .to_owned()
        }
        Verdict::Proven
        | Verdict::ProvenWithWaivers
        | Verdict::ObjectiveMissed
        | Verdict::Inconclusive
        | Verdict::NothingChecked
        | Verdict::Interrupted
        | Verdict::ChecksPassed
        | Verdict::ChecksPassedWithWaivers => verdict.meaning().to_owned(),
    };
    text.push_str(&explain_waivers(result));
    text.push_str(&explain_selection(result, verdict));
    for stage in result.stages.iter().filter(|stage| !stage.required) {
        if let Outcome::Skipped { reason } = &stage.outcome {
            let word = stage.stage.word();
            text.push_str(&format!(" The {word} stage was skipped: {reason}."));
        }
    }
    text
}

/// Says how much is waived, and until when; empty where nothing is.
fn explain_waivers(result: &DrillResult) -> String {
    let used = result.waivers.iter();
    let used: Vec<_> = used
        .filter(|waiver| waiver.state == WaiverState::Used)
        .collect();
    let Some(first) = used.iter().map(|waiver| waiver.until).min() else {
        return String::new();
    };
    let findings: u64 = used.iter().map(|waiver| waiver.findings).sum();
    format!(
        " Waived: {}, the first until {first}.",
        show_counted(findings, "finding")
    )
}

/// Says which rows were not restored because only some checks were selected; empty for a drill of all checks.
fn explain_selection(result: &DrillResult, verdict: Verdict) -> String {
    let only = &result.scenario.only;
    if only.is_empty() {
        return String::new();
    }
    let mut text = format!(" Selected: {}", only.join(", "));
    if let Some(restore) = &result.restore {
        let bytes: u64 = restore.left_out.iter().map(|table| table.bytes).sum();
        let bytes = show_bytes(bytes);
        let all: Vec<&str> = restore.left_out.iter().map(|table| &*table.table).collect();
        match (all.as_slice(), &restore.none_left_out_because) {
            (_, Some(why)) => text.push_str(&format!(", which needs all rows: {why}")),
            ([], None) => text.push_str(", which needs the rows of all tables"),
            ([one], None) => {
                text.push_str(&format!("; the rows of {one} ({bytes}) were not restored"))
            }
            (some, None) => {
                let largest = some
                    .iter()
                    .take(LARGEST)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", ");
                let tables = show_counted(some.len(), "table");
                text.push_str(&format!(
                    "; the rows of {tables} ({bytes}) were not restored, the largest: {largest}"
                ));
            }
        }
    }
    text.push('.');
    if !verdict.passed() {
        text.push_str(" The backup is not proven.");
    }
    text
}

/// Says which stages failed, and how many of the required checks.
fn explain_failure(result: &DrillResult) -> String {
    let outcome = |wanted| result.stages.iter().find(|stage| stage.stage == wanted);
    let failed = |wanted| outcome(wanted).is_some_and(|stage| stage.outcome == Outcome::Fail);
    let restored = if failed(Stage::Backup) {
        "The inspection of the backup failed, and it was not restored"
    } else if failed(Stage::Server) {
        "The server does not have what the backup needs"
    } else if failed(Stage::Restore) {
        "The restore failed"
    } else if failed(Stage::Proof) {
        "The backup was restored, but the database differs from it"
    } else if failed(Stage::Teardown) {
        "The teardown failed"
    } else {
        "The backup was restored without an error"
    };
    let required = || result.checks.iter().filter(|check| check.required);
    let failures = required().filter(|check| check.outcome == Outcome::Fail);
    match (failures.count(), required().count()) {
        (0, _) => format!("{restored}."),
        (failures, all) => format!(
            "{restored}; {failures} of {} failed.",
            show_counted(all, "required check")
        ),
    }
}
