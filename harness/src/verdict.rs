//! `DrillResult` → [`Verdict`]. Pure: no clock, no I/O, and no second place where it is computed.

use crate::outcome::{DrillResult, Outcome};

/// What a drill shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Every stage and every required check passed, objectives met.
    Proven,
    /// The restore failed or a required check failed.
    NotProven,
    /// The data is good, but too slow or too old.
    ObjectiveMissed,
    /// Something could not be looked at. Says nothing about the backup.
    Inconclusive,
    /// No check ran.
    NothingChecked,
    /// A signal ended the drill.
    Interrupted,
}

impl Verdict {
    /// All verdicts, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::Proven,
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
            Self::NotProven => "NOT PROVEN",
            Self::ObjectiveMissed => "OBJECTIVE MISSED",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NothingChecked => "NOTHING CHECKED",
            Self::Interrupted => "INTERRUPTED",
        }
    }

    /// What it means, one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Proven => {
                "The backup restores, and everything that was checked is as it must be."
            }
            Self::NotProven => "The backup did not restore as it must; the findings say where.",
            Self::ObjectiveMissed => "The data is good, but a time objective was missed.",
            Self::Inconclusive => {
                "Something could not be looked at. This says nothing about the backup."
            }
            Self::NothingChecked => "No check ran, so nothing is proven.",
            Self::Interrupted => "A signal ended the drill before it was complete.",
        }
    }
}

/// Computes the verdict.
///
/// One thing seen to be wrong outweighs anything that could not be looked at.
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
    let stage_missing = result.stages.is_empty()
        || result
            .stages
            .iter()
            .any(|stage| matches!(stage.outcome, Outcome::Skipped { .. }));
    if stage_missing || outcomes().any(|outcome| *outcome == Outcome::Error) {
        return Verdict::Inconclusive;
    }
    if !required.clone().any(|check| check.outcome == Outcome::Pass) {
        return Verdict::NothingChecked;
    }
    // A required check that was left out, for whatever reason, is not a pass.
    if required
        .clone()
        .any(|check| matches!(check.outcome, Outcome::Skipped { .. }))
    {
        return Verdict::Inconclusive;
    }
    match result
        .objectives
        .iter()
        .map(crate::outcome::Objective::met)
        .fold(Some(true), |all, met| match (all, met) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, _) | (_, None) => None,
            (Some(true), Some(true)) => Some(true),
        }) {
        Some(true) => Verdict::Proven,
        Some(false) => Verdict::ObjectiveMissed,
        None => Verdict::Inconclusive,
    }
}
