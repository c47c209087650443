//! Exit codes: documented constants and one exhaustive match.

use crate::verdict::Verdict;

/// Every stage and every required check passed, objectives met.
pub const PROVEN: u8 = 0;
/// A bug in redrill.
pub const INTERNAL: u8 = 1;
/// Bad command line or scenario.
pub const INVALID: u8 = 2;
/// Could not look: no container engine, no image, tool missing, connection lost.
pub const INCONCLUSIVE: u8 = 3;
/// No scenario matched, or no check ran.
pub const NOTHING_CHECKED: u8 = 4;
/// The restore failed or a required check failed.
pub const NOT_PROVEN: u8 = 10;
/// The data is good, but too slow or too old.
pub const OBJECTIVE_MISSED: u8 = 11;
/// Ctrl-C or SIGTERM; cleaned up.
pub const INTERRUPTED: u8 = 130;

/// The table that `--help` prints.
pub const TABLE: &str = "\
Exit codes:
    0  PROVEN            every stage and every required check passed, objectives met
    1  INTERNAL          a bug in redrill
    2  INVALID           bad command line or scenario
    3  INCONCLUSIVE      could not look: no engine, no image, tool missing, connection lost
    4  NOTHING CHECKED   no scenario matched, or no check ran
   10  NOT PROVEN        the restore failed or a required check failed
   11  OBJECTIVE MISSED  the data is good, but too slow or too old
  130  INTERRUPTED       Ctrl-C or SIGTERM; cleaned up";

/// Gives the exit code of one verdict.
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

/// How bad a code is beside others; the worst of several drills is the exit code of the run.
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

/// Gives one exit code for several drills; none at all is [`NOTHING_CHECKED`].
#[must_use]
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    codes
        .into_iter()
        .max_by_key(|code| weight(*code))
        .unwrap_or(NOTHING_CHECKED)
}
