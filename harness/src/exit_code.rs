//! Exit codes: documented constants and one exhaustive match.

use crate::verdict::Verdict;

/// Every stage and every required check passed, all objectives were met.
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
/// Ctrl-C or SIGTERM; cleaned up.
pub const INTERRUPTED: u8 = 130;

/// The table that `--help` prints.
pub const TABLE: &str = "\
Exit codes:
    0  PROVEN            every stage and every required check passed, all objectives were met
    1  INTERNAL          a bug in redrill
    2  INVALID           bad command line or scenario
    3  INCONCLUSIVE      could not run: no engine, no image, tool missing, connection lost
    4  NOTHING CHECKED   no scenario matched, or no required check ran
   10  NOT PROVEN        the restore, the comparison with the backup, or a required check failed
   11  OBJECTIVE MISSED  everything passed, but too slow, too old, or too few backups
  130  INTERRUPTED       Ctrl-C or SIGTERM; cleaned up";

/// Returns the exit code of a verdict.
#[must_use]
pub const fn of(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Proven => PROVEN,
        Verdict::NotProven => NOT_PROVEN,
        Verdict::ObjectiveMissed => OBJECTIVE_MISSED,
        Verdict::Inconclusive => INCONCLUSIVE,
        Verdict::NothingChecked => NOTHING_CHECKED,
        Verdict::Interrupted => INTERRUPTED,
    }
}

/// Rank of a code; the highest of several drills is the exit code of the run.
const fn weight(code: u8) -> u8 {
    match code {
        INTERRUPTED => 8,
        INTERNAL => 7,
        INVALID => 6,
        NOT_PROVEN => 5,
        INCONCLUSIVE => 4,
        NOTHING_CHECKED => 3,
        OBJECTIVE_MISSED => 2,
        PROVEN => 0,
        _ => 9,
    }
}

/// Returns one exit code for several drills; [`NOTHING_CHECKED`] for none.
#[must_use]
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    codes
        .into_iter()
        .max_by_key(|code| weight(*code))
        .unwrap_or(NOTHING_CHECKED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], NOTHING_CHECKED)]
    #[case(&[PROVEN], PROVEN)]
    #[case(&[PROVEN, PROVEN], PROVEN)]
    #[case(&[PROVEN, OBJECTIVE_MISSED], OBJECTIVE_MISSED)]
    #[case(&[OBJECTIVE_MISSED, NOTHING_CHECKED], NOTHING_CHECKED)]
    #[case(&[NOTHING_CHECKED, INCONCLUSIVE], INCONCLUSIVE)]
    #[case(&[INCONCLUSIVE, NOT_PROVEN], NOT_PROVEN)]
    #[case(&[NOT_PROVEN, INVALID], INVALID)]
    #[case(&[INVALID, INTERNAL], INTERNAL)]
    #[case(&[INTERNAL, INTERRUPTED], INTERRUPTED)]
    fn the_worst_code_is_that_of_the_run(#[case] codes: &[u8], #[case] worst_of_all: u8) {
        assert_eq!(worst(codes.iter().copied()), worst_of_all);
        assert_eq!(worst(codes.iter().rev().copied()), worst_of_all);
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
        fn a_run_is_proven_only_when_every_drill_is(
            verdicts in prop::collection::vec(prop::sample::select(Verdict::ALL.to_vec()), 0..8)
        ) {
            let code = worst(verdicts.iter().map(|verdict| of(*verdict)));
            let proven = !verdicts.is_empty() && verdicts.iter().all(|v| *v == Verdict::Proven);
            prop_assert_eq!(code == PROVEN, proven);
            if !verdicts.is_empty() {
                prop_assert!(verdicts.iter().any(|verdict| of(*verdict) == code));
            }
        }
    }
}
