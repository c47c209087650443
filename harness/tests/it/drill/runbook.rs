//! `runbook-within`: the backup is restored once more, by the command of a runbook on a server with the settings of production.

use redrill::exit_code;
use rstest::rstest;

use super::builder::{Ended, Redrill, redrill};
use super::dumps::{ROWS, dumps};

fn drilled(name: &str, more: &str, within: &str, arguments: &[&str]) -> Ended {
    let scenario = format!(
        r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[restore]
create-roles = ["shop_app"]
database = "users"
{more}

[objective]
restore-within = "1h"
runbook-within = "{within}"

[[check.row-count]]
table = "auth.users"
exact = 1500
"#
    );
    let drill = redrill()
        .scenario(&scenario)
        .copy(&dumps(17).path(name), name)
        .names(name);
    let drill = arguments.iter().copied().fold(drill, Redrill::with);
    drill.run()
}

#[rstest]
#[case::plain("users.sql", "", "psql")]
#[case::archive("users.dump", "", "pg_restore")]
#[case::folder("users.dir", "jobs = 2", "pg_restore -j 2")]
fn both_times_are_judged(#[case] name: &str, #[case] more: &str, #[case] by: &str) {
    let ended = drilled(name, more, "1h", &[]);
    ended.is_proven_with(ROWS[0]).unwrap();
    let drill = ended.drill();
    let objectives = drill["objectives"].as_array().unwrap();
    let of = |name: &str| objectives.iter().find(|one| one["name"] == name).unwrap();
    let runbook = of("runbook-within");
    let on = format!("by {by} on a server with the settings of production");
    assert_eq!(runbook["on"], on.as_str());
    // It was measured, and not taken from the restore of the drill.
    let seconds = |one: &serde_json::Value| one["actual_s"].as_f64().unwrap();
    assert!(seconds(runbook) > 0.0);
    assert!((seconds(runbook) - seconds(of("restore-within"))).abs() > f64::EPSILON);
    let page = ended.pages[0].replace('`', "");
    assert!(page.contains(&on), "{page}");
}

#[test]
fn a_runbook_that_takes_too_long_misses_its_own_objective() {
    let ended = drilled("users.sql", "", "1ms", &[]);
    assert_eq!(ended.code, i32::from(exit_code::OBJECTIVE_MISSED));
    let drill = ended.drill();
    let met = |name: &str| {
        let mut objectives = drill["objectives"].as_array().unwrap().iter();
        objectives.find(|one| one["name"] == name).unwrap()["met"].clone()
    };
    assert_eq!(
        (met("restore-within"), met("runbook-within")),
        (true.into(), false.into())
    );
}

#[test]
fn selected_checks_measure_neither() {
    let ended = drilled("users.sql", "", "1ms", &["--only", "row-count"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(
        ended.pages[0].contains("the objective `runbook-within`"),
        "{}",
        ended.pages[0]
    );
}

#[test]
fn a_stub_is_refused() {
    let stub = "[[restore.stub]]\nextension = \"pg_cron\"\nreason = \"no job runs in a drill\"";
    let ended = drilled("users.sql", stub, "1h", &[]);
    assert_eq!(ended.code, i32::from(exit_code::INVALID));
    assert!(
        ended.stderr.contains("`runbook-within`"),
        "{}",
        ended.stderr
    );
}
