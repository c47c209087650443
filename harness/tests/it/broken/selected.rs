//! The faults that `role`, `rls`, `tenant` and `append-only` catch are caught by `--only` too, on a backup with a table that
//! these checks do not need.

use super::production::Production;
use super::score::names;
use super::{Row, drilled_with, rows};
use crate::drill::broken::table::{Broken, Change, SECTIONS};
use crate::drill::builder::Ended;
use crate::support::environment;

/// The kinds of checks of a release gate.
const KINDS: [&str; 4] = ["role", "rls", "tenant", "append-only"];

/// A table of some MB that nothing names, with a foreign key to one that the checks do name.
const TELEMETRY: &str = "
CREATE TABLE plur.telemetry (id integer PRIMARY KEY, user_id bigint REFERENCES plur.users, filler text);
INSERT INTO plur.telemetry SELECT i, 1, repeat('t', 1000) FROM generate_series(1, 2000) i;
ALTER TABLE plur.telemetry OWNER TO plur_app;";

/// The dump of a job.
const DUMP: &str = "pg_dumpall --globals-only && pg_dump --create plur";

#[test]
#[ignore = "slow: ci/slow.sh"]
fn selected_checks_catch_one_fault_of_each_section() {
    let first = |section: &'static str| {
        let section = SECTIONS.iter().find(|one| one.name.starts_with(section));
        let mut faults = section.unwrap().faults.iter();
        faults.find(|fault| is_for_gate(fault)).unwrap()
    };
    look_at(&["R ", "S ", "A "].map(first));
}

#[test]
#[ignore = "some minutes: ci/broken.sh runs it"]
fn selected_checks_catch_every_fault_that_they_can() {
    let faults = rows().into_iter().filter_map(|row| match row {
        Row::Broken(_, fault) if is_for_gate(fault) => Some(fault),
        Row::Broken(..) | Row::Harmless(_) => None,
    });
    look_at(&faults.collect::<Vec<&Broken>>());
}

/// Whether one of these checks must catch a fault that is made by SQL.
fn is_for_gate(fault: &Broken) -> bool {
    let mut must_fail = fault.must_fail.iter();
    matches!(fault.change, Change::Sql { .. }) && must_fail.any(|name| is_of_gate(name))
}

fn is_of_gate(name: &str) -> bool {
    KINDS.contains(&name.split('/').next().unwrap_or(name))
}

fn look_at(faults: &[&Broken]) {
    let production = Production::default();
    let mut wrong = Vec::new();
    let good = gate(&production, "");
    if good.code != 0 || good.drill()["verdict"] != "CHECKS PASSED" {
        wrong.push(format!("the good one: {}", good.stdout));
    }
    for fault in faults {
        let Change::Sql { change, undo } = fault.change else {
            continue;
        };
        let ended = gate(&production, &change.replace("{database}", "plur"));
        production
            .dump(&undo.replace("{database}", "plur"), "true")
            .unwrap();
        let failed = ended.checks("fail");
        let must_fail = fault.must_fail.iter().filter(|name| is_of_gate(name));
        let missed = must_fail.filter(|name| !failed.iter().any(|id| names(name, id)));
        let missed: Vec<&&str> = missed.collect();
        eprintln!("{:8} {}: {failed:?}", fault.id, fault.what);
        if !missed.is_empty() || ended.code != 10 {
            wrong.push(format!(
                "{} {}: {missed:?} did not fail\n{}",
                fault.id, fault.what, ended.stdout
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// Drills production after a change with the checks of a gate; the table that they do not need is left out.
fn gate(production: &Production, change: &str) -> Ended {
    let bytes = production
        .dump(&format!("{TELEMETRY}\n{change}"), DUMP)
        .unwrap();
    let ended = drilled_with(&bytes, None, &environment(), &["--only", &KINDS.join(",")]);
    let left_out = ended.drill()["restore"]["left_out"].as_array().unwrap();
    let left_out: Vec<&str> = left_out
        .iter()
        .map(|one| one["table"].as_str().unwrap())
        .collect();
    assert_eq!(left_out, ["plur.telemetry"], "{change}: {}", ended.stdout);
    for text in [&ended.stdout, &ended.pages[0], &ended.pages[1]] {
        let text = text.replace("NOT PROVEN", "").replace("0 PROVEN or", "");
        assert!(!text.contains("PROVEN"), "{text}");
    }
    ended
}
