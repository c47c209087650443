//! The checks that hold after the release, on the migrated copy.

use super::copies::{Copied, Copies};
use super::steps::{Ended, Steps};
use crate::outcome::{CheckAfter, CheckResult, CouldNotRun, Finding, NotTested, Outcome, Step};
use crate::run::judge;
use crate::scenario::Scenario;

/// Runs the checks that hold after the release.
pub(super) async fn run(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    before: &[CheckResult],
) {
    let began = steps.begin_step(Step::Checks);
    let after = copies.scenario().after_release();
    steps.not_tested(after.not_tested.iter().cloned());
    if steps.settings.old_application && !copies.scenario().has_programs() {
        steps.not_tested([NotTested::new(
            "whether the application of the old release works on the new schema",
            "no `api` or `command` check of the scenario ran",
        )]);
    }
    let restored = copies.restored_on(copy);
    let results = judge(&restored, &after, steps.context).await;
    if results.is_empty() {
        let why = "the scenario has no check that was to run".to_owned();
        return steps.ended(Step::Checks, began, Ended::Skipped(why));
    }
    let mut findings = Vec::new();
    let mut unable = None;
    for result in results {
        let old = before
            .iter()
            .find(|one| one.id == result.id && one.object == result.object);
        let replaced = after_replaces(copies.scenario(), &result.id);
        let old = old.filter(|_| !replaced).map(|one| one.outcome.clone());
        let passed_before = old.as_ref().is_none_or(Outcome::is_accepted);
        match &result.outcome {
            Outcome::Fail if result.required && passed_before => {
                let hint = if_meant(&result);
                findings.extend(result.findings.iter().map(|one| Finding {
                    hint: Some(match &one.hint {
                        Some(own) => format!("{own}; {hint}"),
                        None => hint.clone(),
                    }),
                    object: Some(match &one.object {
                        Some(object) => format!("{}: {object}", result.title()),
                        None => result.title(),
                    }),
                    ..one.clone()
                }));
            }
            Outcome::Error(error) if result.required && passed_before => {
                unable.get_or_insert_with(|| CouldNotRun {
                    reason: format!("{}: {}", result.title(), error.reason),
                    ..error.clone()
                });
            }
            _ => {}
        }
        steps.result.checks.push(CheckAfter {
            result,
            before: old,
        });
    }
    let of = |word: &str| {
        let all = steps.result.checks.iter();
        all.filter(|one| one.result.outcome.word() == word).count()
    };
    let waived = match of("waived") {
        0 => String::new(),
        some => format!("{some} waived, "),
    };
    let summary = format!(
        "{} passed, {waived}{} failed, {} could not run",
        of("pass"),
        of("fail"),
        of("error")
    );
    let ended = match (findings.is_empty(), unable) {
        (false, _) => Ended::Fail(summary, findings),
        (true, Some(error)) => Ended::Error(error),
        (true, None) => Ended::Pass(summary, Vec::new()),
    };
    steps.ended(Step::Checks, began, ended);
}

/// What to do about a check that the release makes fail on purpose.
fn if_meant(result: &CheckResult) -> String {
    format!(
        "if the release means it: leave it out by `without = [\"{}\"]` in `[after]`, or put what holds afterwards into `[[after.{}]]` with the same name",
        result.id, result.kind
    )
}

/// Whether `[after]` replaces a check of the scenario, so that its result before says nothing of it.
fn after_replaces(scenario: &Scenario, id: &str) -> bool {
    scenario.after.checks.iter().any(|check| check.id == id)
}
