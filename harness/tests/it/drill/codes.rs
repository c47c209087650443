//! Each exit code, shown by a run that gives it.

use redrill::exit_code;

use super::SCENARIO;
use super::builder::redrill;

/// A whole plain backup of a few lines.
pub const SMALL: &str = "--
-- PostgreSQL database dump
--

-- Dumped from database version 17.6

CREATE SCHEMA plur;
CREATE TABLE plur.orgs (id integer);
COPY plur.orgs (id) FROM stdin;
1
2
3
\\.

--
-- PostgreSQL database dump complete
--
";

#[test]
fn code_0_is_proven_10_a_failed_check_and_11_a_missed_objective() {
    let ended = redrill()
        .scenario(SCENARIO)
        .backup(SMALL, "orgs-2026-11-20.sql")
        .run();
    assert_eq!(ended.code, i32::from(exit_code::PROVEN), "{}", ended.stdout);

    // The data is good and too old: by the date in the name, whatever the file system says.
    let aged = SCENARIO.replace("[server", "max-age = \"26h\"\n\n[server");
    let ended = redrill()
        .scenario(&aged)
        .backup(SMALL, "orgs-2020-01-01.sql")
        .run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::OBJECTIVE_MISSED),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("max-age"), "{}", ended.stdout);

    // A failure outweighs a missed objective.
    let hollow = aged.replace("exact = 3", "min = 4");
    let ended = redrill()
        .scenario(&hollow)
        .backup(SMALL, "orgs-2020-01-01.sql")
        .run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::NOT_PROVEN),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.checks("fail"), ["row-count/orgs"]);
}

#[test]
fn code_2_is_a_mistake_in_the_scenario_or_on_the_command_line() {
    let ended = redrill()
        .scenario(&SCENARIO.replace("exact = 3", "exakt = 3"))
        .run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::INVALID),
        "{}",
        ended.stderr
    );
    let ended = redrill().call(&["run", "--nosuch"]);
    assert_eq!(
        ended.code,
        i32::from(exit_code::INVALID),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--nosuch"), "{}", ended.stderr);
    let ended = redrill().call(&["run", "nosuch.toml"]);
    assert_eq!(
        ended.code,
        i32::from(exit_code::INVALID),
        "{}",
        ended.stderr
    );
}

#[test]
fn code_3_is_what_could_not_be_looked_at() {
    // No backup.
    let ended = redrill().scenario(SCENARIO).run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::INCONCLUSIVE),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.stages("error"), ["backup"]);

    // No image.
    let image = "[server.container]\nimage = \"redrill/nosuch:1\"";
    let scenario = SCENARIO.replace("[server.container]", image);
    let ended = redrill()
        .scenario(&scenario)
        .backup(SMALL, "orgs.sql")
        .run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::INCONCLUSIVE),
        "{}",
        ended.stdout
    );
    let findings = ended.findings("server");
    assert!(
        findings.contains("the image `redrill/nosuch:1` is not on this machine"),
        "{findings}"
    );

    // No engine.
    let ended = redrill()
        .scenario(SCENARIO)
        .backup(SMALL, "orgs.sql")
        .environment("DOCKER_HOST", "unix:///nowhere.sock")
        .run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::INCONCLUSIVE),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.stages("error"), ["server"]);

    // A check whose baseline is not there.
    let scenario = SCENARIO.replace("exact = 3", "baseline = \"nosuch.json\"");
    let ended = redrill()
        .scenario(&scenario)
        .backup(SMALL, "orgs.sql")
        .run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::INCONCLUSIVE),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.checks("error"), ["row-count/orgs"]);
    let findings = ended.findings("row-count/orgs");
    assert!(findings.contains("nosuch.json"), "{findings}");
}

#[test]
fn code_3_is_also_a_drill_whose_reports_cannot_be_written() {
    // Found before anything starts.
    let ended = redrill()
        .file("reports", "a file, not a folder")
        .scenario(SCENARIO)
        .backup(SMALL, "orgs.sql")
        .run();
    assert_eq!(ended.code, i32::from(exit_code::INCONCLUSIVE));
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("the reports cannot be written")
            && ended.stderr.contains("--reports"),
        "{}",
        ended.stderr
    );

    // Found at the end: a drill without its reports does not claim to be PROVEN.
    let ended = redrill()
        .file("reports/drilled", "a file, not a folder")
        .scenario(SCENARIO)
        .backup(SMALL, "orgs.sql")
        .run();
    assert_eq!(ended.code, i32::from(exit_code::INCONCLUSIVE));
    assert!(
        ended.stdout.starts_with("PROVEN, NOT RECORDED  ")
            && ended.stdout.contains("(exit code 3)"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("exit code 0"), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("the reports were not written"),
        "{}",
        ended.stderr
    );
}

#[test]
fn code_4_is_nothing_to_drill() {
    let ended = redrill()
        .file("empty/notes.txt", "")
        .call(&["run", "empty"]);
    assert_eq!(
        ended.code,
        i32::from(exit_code::NOTHING_CHECKED),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("no scenario in empty"),
        "{}",
        ended.stderr
    );

    // Only checks that are not required: nothing was held to anything.
    let optional = SCENARIO.replace(
        "exact = 3",
        "exact = 3\nrequired = false\nreason = \"a test\"",
    );
    let ended = redrill()
        .scenario(&optional)
        .backup(SMALL, "orgs.sql")
        .run();
    assert_eq!(
        ended.code,
        i32::from(exit_code::NOTHING_CHECKED),
        "{}",
        ended.stdout
    );
}
