//! What fails in the restore is told with its SQLSTATE, its line and its statement.

use super::broken::restore::FAULTS;
use super::builder::{none, redrill};
use super::{GOOD, SCENARIO};

#[test]
fn every_statement_that_fails_and_every_row_that_is_lost_is_told() {
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let ended = redrill()
            .scenario(SCENARIO)
            .backup((fault.file)(&GOOD), "broken.sql")
            .run();
        if let Err(why) = ended.fails_in(fault.stage, fault.says) {
            wrong.push(format!("{} {}: {why}", fault.id, fault.what));
        }
        // What else is wrong is worth knowing where a restore ended, and nothing where it did not.
        let skipped = ended.checks("skipped") == ["row-count/orgs"];
        if skipped == (fault.stage == "proof") {
            wrong.push(format!("{}: checks skipped: {skipped}", fault.id));
        }
    }
    none(wrong);
}
