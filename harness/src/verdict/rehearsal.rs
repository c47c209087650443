//! `RehearsalResult` → [`RehearsalVerdict`]. It never changes the verdict of the drill.

use crate::outcome::{Outcome, RehearsalResult, Step};

/// The result of a rehearsal as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RehearsalVerdict {
    /// Every step passed.
    Safe,
    /// A step failed.
    Unsafe,
    /// A step could not run, or the database that the migrations ran on was not proven.
    Inconclusive,
    /// The tool ended well and changed nothing.
    NothingPending,
    /// A signal interrupted it.
    Interrupted,
}

impl RehearsalVerdict {
    /// All verdicts, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Safe,
        Self::Unsafe,
        Self::Inconclusive,
        Self::NothingPending,
        Self::Interrupted,
    ];

    /// The upper-case words that every report uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Safe => "SAFE",
            Self::Unsafe => "UNSAFE",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NothingPending => "NOTHING PENDING",
            Self::Interrupted => "INTERRUPTED",
        }
    }

    /// The meaning, one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Safe => {
                "The migrations ran on a copy of the restored database, and nothing that was tried failed."
            }
            Self::Unsafe => {
                "The migrations fail, harm the database or those who use it, or leave behind what no review accepted."
            }
            Self::Inconclusive => {
                "The rehearsal could not be completed. This says nothing about the migrations."
            }
            Self::NothingPending => {
                "The tool ended well and changed nothing, so nothing was rehearsed."
            }
            Self::Interrupted => "A signal interrupted the rehearsal.",
        }
    }
}

/// Computes the verdict. A failure outweighs anything that could not run.
#[must_use]
pub fn rehearsal_verdict(result: &RehearsalResult) -> RehearsalVerdict {
    if result.interrupted {
        return RehearsalVerdict::Interrupted;
    }
    let mut outcomes = result.steps.iter().map(|step| &step.outcome);
    if outcomes.any(|outcome| *outcome == Outcome::Fail) {
        return RehearsalVerdict::Unsafe;
    }
    if result.nothing_pending {
        return RehearsalVerdict::NothingPending;
    }
    // A step without a result did not pass. One that the scenario switches off is skipped, and listed as not tested; the first two
    // are what all others rest on.
    let step = |step: Step| result.steps.iter().find(|one| one.step == step);
    let passed = |one: Step| step(one).is_some_and(|one| one.outcome == Outcome::Pass);
    let complete = Step::ALL.iter().all(|one| {
        step(*one).is_some_and(|one| matches!(one.outcome, Outcome::Pass | Outcome::Skipped { .. }))
    });
    let mut kept = result.kept.iter();
    let proven = result.drill_passed && kept.all(|kept| kept.doubts.is_empty());
    if complete && passed(Step::Copy) && passed(Step::Run) && proven {
        RehearsalVerdict::Safe
    } else {
        RehearsalVerdict::Inconclusive
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::outcome::{CouldNotRun, KeptServerFacts, StepResult};

    fn result(other: impl Fn(Step) -> Outcome) -> RehearsalResult {
        let steps = Step::ALL.map(|step| StepResult {
            step,
            outcome: other(step),
            summary: String::new(),
            findings: Vec::new(),
            duration: Duration::ZERO,
        });
        RehearsalResult {
            drill_passed: true,
            steps: steps.into(),
            ..RehearsalResult::default()
        }
    }

    fn skipped() -> Outcome {
        Outcome::Skipped {
            reason: "off".to_owned(),
        }
    }

    fn error() -> Outcome {
        Outcome::Error(CouldNotRun::new("no server"))
    }

    #[rstest]
    #[case(Step::Down, Outcome::Pass, RehearsalVerdict::Safe)]
    #[case(Step::Down, skipped(), RehearsalVerdict::Safe)]
    #[case(Step::Run, skipped(), RehearsalVerdict::Inconclusive)]
    #[case(Step::Copy, error(), RehearsalVerdict::Inconclusive)]
    #[case(Step::Checks, error(), RehearsalVerdict::Inconclusive)]
    #[case(Step::Changes, Outcome::Fail, RehearsalVerdict::Unsafe)]
    fn the_worst_step_decides(
        #[case] of: Step,
        #[case] outcome: Outcome,
        #[case] verdict: RehearsalVerdict,
    ) {
        let other = |step| match step == of {
            true => outcome.clone(),
            false => Outcome::Pass,
        };
        assert_eq!(rehearsal_verdict(&result(other)), verdict);
    }

    #[test]
    fn nothing_is_safe_that_was_not_rehearsed() {
        let good = result(|_| Outcome::Pass);
        let unproven = RehearsalResult {
            drill_passed: false,
            ..good.clone()
        };
        assert_eq!(rehearsal_verdict(&unproven), RehearsalVerdict::Inconclusive);
        let kept = |doubts: &[&str]| RehearsalResult {
            kept: Some(KeptServerFacts {
                doubts: doubts.iter().map(|&one| one.to_owned()).collect(),
                ..KeptServerFacts::default()
            }),
            ..good.clone()
        };
        let doubtful = kept(&["It was restored by another scenario."]);
        assert_eq!(rehearsal_verdict(&kept(&[])), RehearsalVerdict::Safe);
        assert_eq!(rehearsal_verdict(&doubtful), RehearsalVerdict::Inconclusive);
        let mut short = good.clone();
        short.steps.pop();
        assert_eq!(rehearsal_verdict(&short), RehearsalVerdict::Inconclusive);
        let nothing = RehearsalResult {
            nothing_pending: true,
            ..good
        };
        assert_eq!(
            rehearsal_verdict(&nothing),
            RehearsalVerdict::NothingPending
        );
    }
}
