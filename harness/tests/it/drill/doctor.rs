//! `redrill doctor`: it starts what a drill would start, and its exit code says whether that worked.

use redrill::exit_code;

use super::SCENARIO;
use super::builder::{Ended, redrill};
use super::codes::SMALL;

/// What it says of a kind of server.
fn of<'a>(ended: &'a Ended, kind: &str) -> Option<&'a str> {
    let line = ended.stdout.lines().find(|line| line.starts_with(kind));
    line?.strip_prefix(kind)?.strip_prefix(": ")
}

#[test]
fn it_starts_a_server_of_each_kind() {
    let ended = redrill().call(&["doctor"]);
    let container = of(&ended, "container").unwrap();
    let local = of(&ended, "local").unwrap();
    let started =
        |line: &str| line.starts_with("usable, PostgreSQL 1") && line.contains(", up in ");
    assert!(
        started(container) || container.starts_with("not usable, "),
        "{container}"
    );
    assert!(
        started(local) || local.starts_with("not usable, "),
        "{local}"
    );
    let commands = of(&ended, "commands that fetch a backup").unwrap();
    assert!(
        commands.starts_with("confined") || commands.starts_with("not confined"),
        "{commands}"
    );
    let usable = started(container) || started(local);
    let expected = if usable {
        exit_code::PROVEN
    } else {
        exit_code::INCONCLUSIVE
    };
    assert_eq!(ended.code, i32::from(expected), "{}", ended.stdout);
}

#[test]
fn a_scenario_decides_which_kind_counts() {
    let ended = redrill()
        .file("small.sql", SMALL)
        .scenario(&SCENARIO.replace("named-by-the-command-line", "small.sql"))
        .call(&["doctor"]);
    assert_eq!(ended.code, i32::from(exit_code::PROVEN), "{}", ended.stdout);
    assert!(
        of(&ended, "container")
            .unwrap()
            .starts_with("usable, PostgreSQL ")
    );
    assert_eq!(of(&ended, "local"), None);
    assert!(
        ended
            .stdout
            .ends_with("this backup can be drilled here: container\n")
    );
}

#[test]
fn a_backup_that_needs_what_no_server_has_cannot_be_drilled() {
    let needy = SMALL.replace(
        "CREATE SCHEMA plur;",
        "CREATE SCHEMA plur;\nCREATE EXTENSION nosuch;",
    );
    let ended = redrill()
        .file("needy.sql", needy)
        .call(&["doctor", "needy.sql"]);
    assert_eq!(
        ended.code,
        i32::from(exit_code::INCONCLUSIVE),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("needs the extensions nosuch"),
        "{}",
        ended.stdout
    );
    for kind in ["container", "local"] {
        let line = of(&ended, kind).unwrap();
        assert!(line.starts_with("not usable, "), "{line}");
    }
    assert!(
        ended.stderr.contains("cannot be drilled here"),
        "{}",
        ended.stderr
    );
}

#[test]
fn roles_that_nothing_creates_are_named() {
    let owned = SMALL.replace(
        "COPY plur",
        "ALTER TABLE plur.orgs OWNER TO boss;\nCOPY plur",
    );
    let says = "cannot be restored as it is: role \"boss\" does not exist\n    hint: ";
    let created = "small.sql\"\n\n[restore]\ncreate-roles = [\"boss\"]\n#";
    for (scenario, is_named) in [("small.sql", true), (created, false)] {
        let ended = redrill()
            .file("small.sql", &owned)
            .scenario(&SCENARIO.replace("named-by-the-command-line", scenario))
            .call(&["doctor"]);
        assert_eq!(ended.stdout.contains(says), is_named, "{}", ended.stdout);
    }
}

#[test]
fn a_damaged_backup_starts_no_server() {
    let ended = redrill()
        .file("cut.sql", &SMALL[..SMALL.len() / 2])
        .call(&["doctor", "cut.sql"]);
    assert_eq!(
        ended.code,
        i32::from(exit_code::NOT_PROVEN),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stderr
            .starts_with("NOT READY  no server was started\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(of(&ended, "container"), None);
}

#[test]
fn the_address_of_the_engine_is_named() {
    let ended = redrill()
        .environment("DOCKER_HOST", "tcp://127.0.0.1:1")
        .call(&["doctor"]);
    assert!(
        ended.stdout.contains("DOCKER_HOST: tcp://127.0.0.1:1\n"),
        "{}",
        ended.stdout
    );
    let container = of(&ended, "container").unwrap();
    assert!(
        container.contains("does not answer: Connection refused"),
        "{container}"
    );
    assert!(
        ended.stdout.contains("`DOCKER_HOST` is the address"),
        "{}",
        ended.stdout
    );
}
