//! `DrillResult` → [`Verdict`]. Pure: no clock, no I/O, and no second place where it is computed. `explain` says what it means
//! for a drill.

mod explain;
mod rehearsal;

pub use explain::explain;
pub use rehearsal::{RehearsalVerdict, rehearsal_verdict};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::outcome::{DrillResult, Inspection, Objective, Outcome, Stage};

/// The result of a drill as a whole; in a scenario in lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every stage and every required check passed, all objectives were met.
    Proven,
    /// A stage or a required check failed.
    NotProven,
    /// As PROVEN, but for findings that the scenario accepts for a time.
    ProvenWithWaivers,
    /// Everything passed, but an objective was missed.
    ObjectiveMissed,
    /// A stage or a required check could not run. Says nothing about the backup.
    Inconclusive,
    /// No required check ran.
    NothingChecked,
    /// A signal interrupted the drill.
    Interrupted,
    /// The checks that `--only` selects passed. Proves nothing about the rest of the backup.
    ChecksPassed,
    /// As CHECKS PASSED, but for findings that the scenario accepts for a time.
    ChecksPassedWithWaivers,
}

impl Verdict {
    /// All verdicts, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Proven,
        Self::ProvenWithWaivers,
        Self::ChecksPassed,
        Self::ChecksPassedWithWaivers,
        Self::NotProven,
        Self::ObjectiveMissed,
        Self::Inconclusive,
        Self::NothingChecked,
        Self::Interrupted,
    ];

    /// The upper-case words that every report uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proven => "PROVEN",
            Self::ProvenWithWaivers => "PROVEN WITH WAIVERS",
            Self::NotProven => "NOT PROVEN",
            Self::ObjectiveMissed => "OBJECTIVE MISSED",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NothingChecked => "NOTHING CHECKED",
            Self::Interrupted => "INTERRUPTED",
            Self::ChecksPassed => "CHECKS PASSED",
            Self::ChecksPassedWithWaivers => "CHECKS PASSED WITH WAIVERS",
        }
    }

    /// The meaning, one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Proven => "The backup restores, and every required check passed.",
            Self::ProvenWithWaivers => {
                "The backup restores, and every required check passed but for findings that are waived."
            }
            Self::NotProven => {
                "The restore, the comparison with the backup, or a required check failed."
            }
            Self::ObjectiveMissed => {
                "Every stage and every required check passed, but an objective was missed."
            }
            Self::Inconclusive => {
                "The drill could not be completed. This says nothing about the backup."
            }
            Self::NothingChecked => "No required check ran, so nothing is proven.",
            Self::Interrupted => "A signal interrupted the drill.",
            Self::ChecksPassed => "The selected checks passed. The backup is not proven.",
            Self::ChecksPassedWithWaivers => {
                "The selected checks passed but for findings that are waived. The backup is not proven."
            }
        }
    }

    /// Whether everything that was to be tested passed, so that there is nothing to do.
    #[must_use]
    pub const fn passed(self) -> bool {
        match self {
            Self::Proven
            | Self::ProvenWithWaivers
            | Self::ChecksPassed
            | Self::ChecksPassedWithWaivers => true,
            Self::NotProven
            | Self::ObjectiveMissed
            | Self::Inconclusive
            | Self::NothingChecked
            | Self::Interrupted => false,
        }
    }

    /// Whether the backup is proven; findings of checks may be waived.
    #[must_use]
    pub const fn proves(self) -> bool {
        matches!(self, Self::Proven | Self::ProvenWithWaivers)
    }

    /// The verdict that reports show as this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

fn has_passed(result: &DrillResult, stage: Stage) -> bool {
    let mut stages = result.stages.iter();
    stages.any(|one| one.stage == stage && one.outcome == Outcome::Pass)
}

/// Computes the verdict.
///
/// A failure outweighs anything that could not run.
#[must_use]
pub fn verdict(result: &DrillResult) -> Verdict {
    if result.interrupted {
        return Verdict::Interrupted;
    }
    let required = result.checks.iter().filter(|check| check.required);
    let outcomes = || {
        let stages = result.stages.iter().map(|stage| &stage.outcome);
        stages.chain(required.clone().map(|check| &check.outcome))
    };
    if outcomes().any(|outcome| *outcome == Outcome::Fail) {
        return Verdict::NotProven;
    }
    // A stage without a result did not pass. A proof that the scenario switches
    // off is no pass either; the verdict then rests on the checks, and `explain` says so.
    let stage_missing = Stage::ALL.iter().any(|stage| {
        let result = result.stages.iter().find(|result| result.stage == *stage);
        result.is_none_or(|result| {
            result.required && matches!(result.outcome, Outcome::Skipped { .. })
        })
    });
    if stage_missing || outcomes().any(|outcome| matches!(outcome, Outcome::Error(_))) {
        return Verdict::Inconclusive;
    }
    let rests_on_proof = result.checks.is_empty() && has_passed(result, Stage::Proof);
    if !rests_on_proof && !required.clone().any(|check| check.outcome.is_accepted()) {
        return Verdict::NothingChecked;
    }
    // A required check that was skipped, for whatever reason, is not a pass.
    if required
        .clone()
        .any(|check| matches!(check.outcome, Outcome::Skipped { .. }))
    {
        return Verdict::Inconclusive;
    }
    let is_waived = required
        .clone()
        .any(|check| check.outcome == Outcome::Waived);
    match of_objectives(&result.objectives) {
        Verdict::Proven => match (result.scenario.only.is_empty(), is_waived) {
            (true, false) => Verdict::Proven,
            (true, true) => Verdict::ProvenWithWaivers,
            (false, false) => Verdict::ChecksPassed,
            (false, true) => Verdict::ChecksPassedWithWaivers,
        },
        verdict => verdict,
    }
}

/// Judges an inspection: only what it inspected, not whether the backup restores.
#[must_use]
pub fn judge_inspection(inspection: &Inspection) -> Verdict {
    if inspection.problems.is_empty() {
        of_objectives(&inspection.objectives)
    } else {
        Verdict::NotProven
    }
}

/// The verdict where everything else passed.
fn of_objectives(objectives: &[Objective]) -> Verdict {
    let met: Vec<Option<bool>> = objectives.iter().map(Objective::met).collect();
    if met.contains(&Some(false)) {
        Verdict::ObjectiveMissed
    } else if met.contains(&None) {
        Verdict::Inconclusive
    } else {
        Verdict::Proven
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::outcome::{CheckResult, CouldNotRun, StageResult};

    /// `p` pass, `f` fail, `w` waived, `e` error, `s` skipped, `o` switched off by the scenario.
    fn outcome(letter: char) -> Outcome {
        match letter.to_ascii_lowercase() {
            'p' => Outcome::Pass,
            'f' => Outcome::Fail,
            'w' => Outcome::Waived,
            'e' => Outcome::Error(CouldNotRun::new("it could not run")),
            's' | 'o' => Outcome::Skipped {
                reason: "it was not its turn".to_owned(),
            },
            other => panic!("{other} is no outcome"),
        }
    }

    /// A drill from letters: stages; checks (in capitals: required); objectives (`+` met, `-`
    /// missed, `?` not measured).
    fn drill(stages: &str, checks: &str, objectives: &str) -> DrillResult {
        let second = Duration::from_secs(1);
        DrillResult {
            stages: stages
                .chars()
                .zip(Stage::ALL)
                .map(|(letter, stage)| StageResult {
                    stage,
                    title: "".into(),
                    required: letter != 'o',
                    outcome: outcome(letter),
                    summary: String::new(),
                    findings: Vec::new(),
                    duration: Duration::ZERO,
                })
                .collect(),
            checks: checks
                .chars()
                .map(|letter| CheckResult {
                    id: String::new(),
                    object: None,
                    kind: "row-count".into(),
                    name: String::new(),
                    line: 1,
                    required: letter.is_ascii_uppercase(),
                    not_required_because: None,
                    database: String::new(),
                    outcome: outcome(letter),
                    expected: String::new(),
                    actual: String::new(),
                    findings: Vec::new(),
                    duration: Duration::ZERO,
                })
                .collect(),
            objectives: objectives
                .chars()
                .map(|letter| {
                    let actual = match letter {
                        '+' => Some(second),
                        '-' => Some(second * 2),
                        _ => None,
                    };
                    Objective::time("restore-within", second, actual)
                })
                .collect(),
            ..DrillResult::default()
        }
    }

    #[rstest]
    #[case::all_is_well("ppppp", "PP", "++", Verdict::Proven)]
    #[case::without_objectives("ppppp", "P", "", Verdict::Proven)]
    #[case::an_objective_met_to_the_second("ppppp", "P", "+", Verdict::Proven)]
    #[case::an_optional_failure("ppppp", "Pf", "", Verdict::Proven)]
    #[case::an_optional_error("ppppp", "Pe", "", Verdict::Proven)]
    #[case::an_optional_skip("ppppp", "Ps", "", Verdict::Proven)]
    #[case::waived("ppppp", "PW", "+", Verdict::ProvenWithWaivers)]
    #[case::all_waived("ppppp", "W", "", Verdict::ProvenWithWaivers)]
    #[case::a_waived_one_is_not_required("ppppp", "Pw", "", Verdict::Proven)]
    #[case::only_one_is_waived("ppppp", "PWF", "", Verdict::NotProven)]
    #[case::waived_and_too_slow("ppppp", "W", "-", Verdict::ObjectiveMissed)]
    #[case::waived_and_an_error("ppppp", "WE", "", Verdict::Inconclusive)]
    #[case::the_restore_failed("ppfsp", "SS", "", Verdict::NotProven)]
    #[case::a_stage_failed_without_checks("fssss", "", "", Verdict::NotProven)]
    #[case::a_required_failure("ppppp", "PF", "+", Verdict::NotProven)]
    #[case::a_failure_and_an_error("ppppp", "EFE", "", Verdict::NotProven)]
    #[case::a_failure_and_a_stage_in_error("ppppe", "PF", "", Verdict::NotProven)]
    #[case::a_failure_and_a_missed_objective("ppppp", "PF", "-", Verdict::NotProven)]
    #[case::too_slow("ppppp", "P", "-", Verdict::ObjectiveMissed)]
    #[case::one_of_two_missed("ppppp", "P", "+-", Verdict::ObjectiveMissed)]
    #[case::missed_and_not_measured("ppppp", "P", "?-", Verdict::ObjectiveMissed)]
    #[case::not_measured("ppppp", "P", "+?", Verdict::Inconclusive)]
    #[case::an_error_and_a_missed_objective("ppppp", "PE", "-", Verdict::Inconclusive)]
    #[case::no_server("pessp", "SS", "?", Verdict::Inconclusive)]
    #[case::leftovers("ppppe", "PP", "", Verdict::Inconclusive)]
    #[case::a_stage_was_left_out("pppsp", "PP", "", Verdict::Inconclusive)]
    #[case::the_proof_is_off("pppop", "PP", "+", Verdict::Proven)]
    #[case::the_proof_is_off_and_a_check_fails("pppop", "PF", "", Verdict::NotProven)]
    #[case::the_proof_is_off_and_a_check_was_left_out("pppop", "PS", "", Verdict::Inconclusive)]
    #[case::the_proof_is_off_and_nothing_else_is_checked("pppop", "", "", Verdict::NothingChecked)]
    #[case::the_proof_is_off_and_the_restore_failed("ppfop", "S", "", Verdict::NotProven)]
    #[case::the_proof_is_off_and_no_server("pesop", "S", "", Verdict::Inconclusive)]
    #[case::no_stage_at_all("", "PP", "", Verdict::Inconclusive)]
    #[case::a_required_error("ppppp", "PE", "", Verdict::Inconclusive)]
    #[case::a_required_check_was_left_out("ppppp", "PS", "", Verdict::Inconclusive)]
    #[case::no_check("ppppp", "", "", Verdict::Proven)]
    #[case::no_check_and_the_proof_failed("pppfp", "", "", Verdict::NotProven)]
    #[case::no_check_and_no_proof("pppep", "", "", Verdict::Inconclusive)]
    #[case::only_optional_checks("ppppp", "pp", "", Verdict::NothingChecked)]
    #[case::all_checks_left_out("ppppp", "SS", "", Verdict::NothingChecked)]
    #[case::no_check_and_too_slow("ppppp", "", "-", Verdict::ObjectiveMissed)]
    fn rules(
        #[case] stages: &str,
        #[case] checks: &str,
        #[case] objectives: &str,
        #[case] expected: Verdict,
    ) {
        let mut result = drill(stages, checks, objectives);
        assert_eq!(verdict(&result), expected);
        // With selected checks it is the same, but for what only all of them show.
        result.scenario.only = vec!["role".to_owned()];
        let selected = match expected {
            Verdict::Proven => Verdict::ChecksPassed,
            Verdict::ProvenWithWaivers => Verdict::ChecksPassedWithWaivers,
            other => other,
        };
        assert_eq!(verdict(&result), selected);
        assert!(explain(&result, selected).contains("The backup is not proven."));
        // A signal outweighs all of them.
        result.interrupted = true;
        assert_eq!(verdict(&result), Verdict::Interrupted);
    }

    #[rstest]
    #[case(
        "fssss",
        "S",
        "The inspection of the backup failed, and it was not restored."
    )]
    #[case("pfssp", "S", "The server does not have what the backup needs.")]
    #[case("ppfsp", "S", "The restore failed.")]
    #[case(
        "pppfp",
        "PF",
        "The backup was restored, but the database differs from it; 1 of 2 required checks failed."
    )]
    #[case(
        "pppfp",
        "Pf",
        "The backup was restored, but the database differs from it."
    )]
    #[case(
        "ppppp",
        "FPFEf",
        "The backup was restored without an error; 2 of 4 required checks failed."
    )]
    #[case(
        "pppep",
        "F",
        "The backup was restored without an error; 1 of 1 required check failed."
    )]
    fn a_failure_is_explained(#[case] stages: &str, #[case] checks: &str, #[case] expected: &str) {
        let result = drill(stages, checks, "");
        assert_eq!(explain(&result, verdict(&result)), expected);
    }

    proptest! {
        #[test]
        fn proven_is_what_nothing_speaks_against(
            stages in "[ppppfeso]{5}", checks in "[PWFESpwfes]{0,6}", objectives in "[+?-]{0,2}"
        ) {
            let proven = !stages.contains(['f', 'e', 's'])
                && (checks.contains(['P', 'W']) || checks.is_empty() && stages.as_bytes()[3] == b'p')
                && !checks.contains(['F', 'E', 'S'])
                && !objectives.contains(['-', '?']);
            let result = drill(&stages, &checks, &objectives);
            let expected = match checks.contains('W') {
                true => Verdict::ProvenWithWaivers,
                false => Verdict::Proven,
            };
            prop_assert_eq!(verdict(&result) == expected, proven);
            prop_assert_eq!(verdict(&result).proves(), proven);
        }

        #[test]
        fn selected_checks_never_prove_a_backup(
            stages in "[ppppfeso]{5}", checks in "[PWFESpwfes]{0,6}", objectives in "[+?-]{0,2}"
        ) {
            let mut result = drill(&stages, &checks, &objectives);
            let all = verdict(&result);
            result.scenario.only = vec!["role".to_owned()];
            let selected = verdict(&result);
            prop_assert!(!selected.proves());
            prop_assert_eq!(selected.passed(), all.proves());
            prop_assert!(selected.passed() || selected == all);
        }

        #[test]
        fn what_was_switched_off_is_always_text(
            stages in "[ppppfeso]{5}", checks in "[PWFESpwfes]{0,6}"
        ) {
            let result = drill(&stages, &checks, "");
            let text = explain(&result, verdict(&result));
            prop_assert_eq!(text.matches("stage was skipped").count(), stages.matches('o').count());
        }

        #[test]
        fn a_failure_seen_is_never_lost(
            stages in "[pfeso]{5}", checks in "[PWFESpwfes]{0,6}", objectives in "[+?-]{0,2}"
        ) {
            let failed = stages.contains('f') || checks.contains('F');
            let result = drill(&stages, &checks, &objectives);
            prop_assert_eq!(verdict(&result) == Verdict::NotProven, failed);
        }

        #[test]
        fn the_order_of_checks_means_nothing(
            stages in "[pppppfes]{5}", checks in "[PWFESpwfes]{0,6}", objectives in "[+?-]{0,2}"
        ) {
            let backwards: String = checks.chars().rev().collect();
            prop_assert_eq!(
                verdict(&drill(&stages, &checks, &objectives)),
                verdict(&drill(&stages, &backwards, &objectives))
            );
        }
    }
}
