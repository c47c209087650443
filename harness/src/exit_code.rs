//! Exit codes: documented constants and one exhaustive match.

use crate::outcome::Refusal;
use crate::verdict::{RehearsalVerdict, Verdict};

/// Every stage and every required check passed, all objectives were met; also for the checks that `--only` selects.
pub const PROVEN: u8 = 0;
/// A bug in redrill.
pub const INTERNAL: u8 = 1;
/// Bad command line or scenario.
pub const INVALID: u8 = 2;
/// Could not run: no container engine, no image, tool missing, connection lost.
pub const INCONCLUSIVE: u8 = 3;
/// No scenario matched, or no required check ran.
pub const NOTHING_CHECKED: u8 = 4;
/// The restore, the comparison with the backup, or a required check failed.
pub const NOT_PROVEN: u8 = 10;
/// Everything passed, but an objective was missed: too slow, too old or too few backups.
pub const OBJECTIVE_MISSED: u8 = 11;
/// Rehearsal: the migrations fail, harm the database, or leave behind what no review accepted.
pub const UNSAFE: u8 = 12;
/// Every stage and every required check passed but for findings that are waived; also for the checks that `--only` selects.
pub const WITH_WAIVERS: u8 = 13;
/// Gate: the newest drill is too old.
pub const TOO_OLD: u8 = 20;
/// Gate: the newest drill did not check what is asked for.
pub const NOT_COVERED: u8 = 21;
/// Gate: the release was not rehearsed, or is not safe.
pub const NOT_REHEARSED: u8 = 22;
/// The log of drills was changed.
pub const NOT_VERIFIED: u8 = 23;
/// Ctrl-C or SIGTERM; cleaned up.
pub const INTERRUPTED: u8 = 130;

/// The table that `--help` prints.
pub const TABLE: &str = "\
Exit codes:
    0  PROVEN            every stage and every required check passed, all objectives were met
    0  CHECKS PASSED     with --only: the selected checks passed, the backup is not proven
    1  INTERNAL          a bug in redrill
    2  INVALID           bad command line or scenario
    3  INCONCLUSIVE      could not run: no engine, no image, tool missing, connection lost
    4  NOTHING CHECKED   no scenario matched, or no required check ran
   10  NOT PROVEN        the restore, the comparison with the backup, or a required check failed
   11  OBJECTIVE MISSED  everything passed, but too slow, too old, or too few backups
   13  PROVEN WITH WAIVERS         as 0, but for findings that a `[[waiver]]` accepts for a time
   13  CHECKS PASSED WITH WAIVERS  the same with --only
  130  INTERRUPTED       Ctrl-C or SIGTERM; cleaned up";

/// The table of `redrill rehearse`, in addition.
pub const REHEARSAL_TABLE: &str = "\
Exit codes of a rehearsal:
    0  SAFE              every step passed
    3  INCONCLUSIVE      a step could not run, or the restored database is not proven
    4  NOTHING PENDING   the tool ended well and changed nothing
   12  UNSAFE            a step failed
  130  INTERRUPTED       Ctrl-C or SIGTERM; cleaned up";

/// The table of `redrill gate`.
pub const GATE_TABLE: &str = "\
Exit codes, of several reasons the first of this order:
    0  OPEN
    2  INVALID           bad command line or scenario
    3  INCONCLUSIVE      the state cannot be read
   23  NOT VERIFIED      the log was changed
    4  NOT DRILLED       there is no state, or no drill of the scenario
   10  NOT PROVEN        the newest drill is not PROVEN, or a waiver that it needs has ended
   20  TOO OLD           the newest drill is older than --max-age
   21  NOT COVERED       the newest drill did not check a kind of --covers
   22  NOT REHEARSED     there is no rehearsal, or it is not SAFE";

/// How a command ended; determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It succeeded.
    Done,
    /// It judged a backup, or was interrupted while doing so.
    Judged(Verdict),
    /// It rehearsed a release, or was interrupted while doing so.
    Rehearsed(RehearsalVerdict),
    /// The command line or a scenario has mistakes; nothing was started.
    Invalid,
    /// It could not run to its end, or could not remove or write what it had to.
    CouldNotRun,
    /// What it should work on does not exist.
    NothingFound,
    /// A gate is closed; with [`Refusal::NotVerified`] also the end of a verification.
    Closed(Refusal),
    /// A bug in redrill.
    Internal,
}

impl Ending {
    /// Its exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done | Self::Judged(Verdict::Proven | Verdict::ChecksPassed) => PROVEN,
            Self::Judged(Verdict::ProvenWithWaivers | Verdict::ChecksPassedWithWaivers) => {
                WITH_WAIVERS
            }
            Self::Judged(Verdict::NotProven) | Self::Closed(Refusal::NotProven) => NOT_PROVEN,
            Self::Closed(Refusal::NotVerified) => NOT_VERIFIED,
            Self::Closed(Refusal::NotDrilled) => NOTHING_CHECKED,
            Self::Closed(Refusal::TooOld) => TOO_OLD,
            Self::Closed(Refusal::NotCovered) => NOT_COVERED,
            Self::Closed(Refusal::NotRehearsed) => NOT_REHEARSED,
            Self::Judged(Verdict::ObjectiveMissed) => OBJECTIVE_MISSED,
            Self::CouldNotRun | Self::Judged(Verdict::Inconclusive) => INCONCLUSIVE,
            Self::NothingFound | Self::Judged(Verdict::NothingChecked) => NOTHING_CHECKED,
            Self::Judged(Verdict::Interrupted) => INTERRUPTED,
            Self::Rehearsed(verdict) => of_rehearsal(verdict),
            Self::Invalid => INVALID,
            Self::Internal => INTERNAL,
        }
    }

    /// Returns `other` instead of a success, such as for a failed teardown or report.
    #[must_use]
    pub const fn unless(self, other: Self) -> Self {
        match self {
            Self::Judged(verdict) if verdict.passed() => other,
            Self::Done | Self::Rehearsed(RehearsalVerdict::Safe) => other,
            Self::Judged(_)
            | Self::Rehearsed(_)
            | Self::Invalid
            | Self::CouldNotRun
            | Self::NothingFound
            | Self::Closed(_)
            | Self::Internal => self,
        }
    }

    /// Its severity compared with others.
    const fn weight(self) -> u8 {
        match self {
            Self::Judged(Verdict::Interrupted) | Self::Rehearsed(RehearsalVerdict::Interrupted) => {
                8
            }
            Self::Internal => 7,
            Self::Invalid => 6,
            Self::Judged(Verdict::NotProven)
            | Self::Closed(_)
            | Self::Rehearsed(RehearsalVerdict::Unsafe) => 5,
            Self::CouldNotRun
            | Self::Judged(Verdict::Inconclusive)
            | Self::Rehearsed(RehearsalVerdict::Inconclusive) => 4,
            Self::NothingFound
            | Self::Judged(Verdict::NothingChecked)
            | Self::Rehearsed(RehearsalVerdict::NothingPending) => 3,
            Self::Judged(Verdict::ObjectiveMissed) => 2,
            Self::Judged(Verdict::ProvenWithWaivers | Verdict::ChecksPassedWithWaivers) => 1,
            Self::Done
            | Self::Judged(Verdict::Proven | Verdict::ChecksPassed)
            | Self::Rehearsed(RehearsalVerdict::Safe) => 0,
        }
    }
}

/// The exit code of a verdict.
#[must_use]
pub const fn of(verdict: Verdict) -> u8 {
    Ending::Judged(verdict).code()
}

/// The exit code of the verdict of a rehearsal.
#[must_use]
pub const fn of_rehearsal(verdict: RehearsalVerdict) -> u8 {
    match verdict {
        RehearsalVerdict::Safe => PROVEN,
        RehearsalVerdict::Unsafe => UNSAFE,
        RehearsalVerdict::Inconclusive => INCONCLUSIVE,
        RehearsalVerdict::NothingPending => NOTHING_CHECKED,
        RehearsalVerdict::Interrupted => INTERRUPTED,
    }
}

/// The worst of several endings; [`Ending::NothingFound`] for none.
#[must_use]
pub fn worst(endings: impl IntoIterator<Item = Ending>) -> Ending {
    endings
        .into_iter()
        .max_by_key(|ending| ending.weight())
        .unwrap_or(Ending::NothingFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const DONE: Ending = Ending::Done;
    const OK: Ending = Ending::Judged(Verdict::Proven);
    const SOME: Ending = Ending::Judged(Verdict::ChecksPassed);
    const WAIVED: Ending = Ending::Judged(Verdict::ProvenWithWaivers);
    const LATE: Ending = Ending::Judged(Verdict::ObjectiveMissed);
    const NONE: Ending = Ending::NothingFound;
    const UNABLE: Ending = Ending::CouldNotRun;
    const BAD: Ending = Ending::Judged(Verdict::NotProven);
    const SIGNAL: Ending = Ending::Judged(Verdict::Interrupted);

    #[rstest]
    #[case(&[], NOTHING_CHECKED)]
    #[case(&[OK], PROVEN)]
    #[case(&[OK, OK], PROVEN)]
    #[case(&[SOME], PROVEN)]
    #[case(&[SOME, BAD], NOT_PROVEN)]
    #[case(&[OK, WAIVED], WITH_WAIVERS)]
    #[case(&[WAIVED, LATE], OBJECTIVE_MISSED)]
    #[case(&[OK, LATE], OBJECTIVE_MISSED)]
    #[case(&[LATE, NONE], NOTHING_CHECKED)]
    #[case(&[NONE, UNABLE], INCONCLUSIVE)]
    #[case(&[UNABLE, BAD], NOT_PROVEN)]
    #[case(&[BAD, Ending::Invalid], INVALID)]
    #[case(&[Ending::Invalid, Ending::Internal], INTERNAL)]
    #[case(&[Ending::Internal, SIGNAL], INTERRUPTED)]
    fn the_worst_ending_is_that_of_the_run(#[case] endings: &[Ending], #[case] code: u8) {
        assert_eq!(worst(endings.iter().copied()).code(), code);
        assert_eq!(worst(endings.iter().rev().copied()).code(), code);
    }

    #[rstest]
    #[case(DONE, INCONCLUSIVE)]
    #[case(OK, INCONCLUSIVE)]
    #[case(SOME, INCONCLUSIVE)]
    #[case(WAIVED, INCONCLUSIVE)]
    #[case(LATE, OBJECTIVE_MISSED)]
    #[case(BAD, NOT_PROVEN)]
    #[case(SIGNAL, INTERRUPTED)]
    #[case(Ending::Invalid, INVALID)]
    fn a_teardown_that_failed_spoils_a_success_only(#[case] ending: Ending, #[case] code: u8) {
        assert_eq!(ending.unless(UNABLE).code(), code);
    }

    #[test]
    fn the_table_names_every_verdict_with_its_code() {
        for verdict in Verdict::ALL {
            let code = of(verdict).to_string();
            let line = TABLE.lines().find(|line| {
                line.trim_start()
                    .split_once("  ")
                    .is_some_and(|(number, rest)| {
                        number == code && rest.trim_start().starts_with(verdict.word())
                    })
            });
            assert!(line.is_some(), "{code} {}", verdict.word());
        }
    }

    proptest! {
        #[test]
        fn a_run_ends_with_0_only_when_every_drill_passed(
            verdicts in prop::collection::vec(prop::sample::select(Verdict::ALL.to_vec()), 0..8)
        ) {
            let code = worst(verdicts.iter().copied().map(Ending::Judged)).code();
            let passed = !verdicts.is_empty() && verdicts.iter().all(|verdict| verdict.passed());
            prop_assert_eq!(code == PROVEN || code == WITH_WAIVERS, passed);
            if !verdicts.is_empty() {
                prop_assert!(verdicts.iter().any(|verdict| of(*verdict) == code));
            }
        }
    }
}
