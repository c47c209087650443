//! What restores without an error and is wrong fails exactly the check that is about it.

use super::broken::check::{CHECKS, FAULTS, Fault};
use super::builder::{none, redrill};
use super::{GOOD, SCENARIO};
use crate::support::root;

/// A scenario with these checks.
pub fn scenario(checks: &str) -> String {
    let (head, _) = SCENARIO.split_once("[[check.").unwrap();
    let migrations = root().join("fixtures/databases/plur/migrations");
    head.to_owned() + &checks.replace("{migrations}", migrations.to_str().unwrap())
}

#[test]
fn every_fault_fails_its_own_check_and_no_other() {
    let mut wrong = Vec::new();
    for faults in groups() {
        let sql = faults
            .iter()
            .fold(GOOD.sql.clone(), |sql, fault| fault.apply(sql));
        let ended = redrill()
            .scenario(&scenario(CHECKS))
            .backup(sql, "broken.sql")
            .run();
        let mut expected: Vec<&str> = faults.iter().map(|fault| fault.check).collect();
        let mut failed = ended.checks("fail");
        expected.sort_unstable();
        failed.sort_unstable();
        if ended.code != 10 || failed != expected || !ended.checks("error").is_empty() {
            wrong.push(format!(
                "must fail {expected:?}, and failed {failed:?}\n{}",
                ended.stdout
            ));
        }
        for fault in faults {
            let findings = ended.findings(fault.check);
            if !findings.contains(fault.says) {
                wrong.push(format!(
                    "{} {}: no `{}` in\n{findings}",
                    fault.id, fault.what, fault.says
                ));
            }
        }
    }
    none(wrong);
}

/// Puts faults together that different checks must see: a drill takes seconds.
fn groups() -> Vec<Vec<&'static Fault>> {
    let mut groups: Vec<Vec<&Fault>> = Vec::new();
    for fault in FAULTS {
        let free = groups
            .iter_mut()
            .find(|group| group.iter().all(|other| other.check != fault.check));
        match free {
            Some(group) => group.push(fault),
            None => groups.push(vec![fault]),
        }
    }
    groups
}
