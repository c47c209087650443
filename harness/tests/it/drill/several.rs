//! Several scenarios in one run: side by side, until one fails, and their total.

use serde_json::Value;

use super::SCENARIO;
use super::builder::{Ended, Redrill, redrill};
use super::codes::SMALL;
use crate::report::xml;
use crate::support::json_schema::JsonSchema;

/// A scenario of this name that passes; `more` is added to it.
fn good(name: &str, more: &str) -> String {
    let named = SCENARIO.replace("drilled", name);
    named.replace("named-by-the-command-line", "../small.sql") + more
}

/// A scenario of this name whose check fails.
fn bad(name: &str) -> String {
    good(name, "").replace("exact = 3", "exact = 4")
}

fn folder(scenarios: &[(&str, String)]) -> Redrill {
    let empty = redrill().file("small.sql", SMALL).with("drills");
    scenarios.iter().fold(empty, |folder, (name, text)| {
        folder.file(&format!("drills/{name}.toml"), text)
    })
}

/// The last lines: the total.
fn total(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.iter().rposition(|line| line.contains(" scenarios: "));
    lines[begin.unwrap_or_else(|| panic!("no total: {text}"))..].to_vec()
}

fn suites(ended: &Ended) -> Vec<xml::Suite> {
    xml::parse(ended.merged.as_ref().expect("a merged report"))
}

#[test]
fn jobs_are_scenarios_at_the_same_time() {
    // Each waits for the other, which one after the other would never come.
    let meets = |name: &str, other: &str| {
        let wait = format!("touch {name}; until [ -e {other} ]; do sleep 0.1; done");
        let command = format!("[[check.command]]\ncommand = [\"/bin/sh\", \"-c\", \"{wait}\"]\n");
        good(name, &format!("{command}timeout = \"60s\"\n"))
    };
    let ended = folder(&[("a", meets("a", "b")), ("b", meets("b", "a"))]).call(&[
        "run",
        "--jobs",
        "2",
        "--reports",
        "reports",
    ]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        total(&ended.stdout),
        [
            "2 scenarios: 2 PROVEN (exit code 0)",
            "  PROVEN  a  reports/a",
            "  PROVEN  b  reports/b",
            "merged     reports/junit.xml, reports/drills.md, reports/drills.html",
        ]
    );
    // Every line of progress says whose it is.
    let stray = |line: &&str| !line.starts_with("a: ") && !line.starts_with("b: ");
    assert_eq!(ended.stderr.lines().find(stray), None);
}

#[test]
fn fail_fast_begins_no_other_drill_and_says_so() {
    let ended = folder(&[("a", good("a", "")), ("b", bad("b")), ("c", good("c", ""))])
        .with("--fail-fast")
        .run();
    assert_eq!(ended.code, 10, "{}{}", ended.stdout, ended.stderr);
    let why = "`--fail-fast`: an earlier scenario is not PROVEN";
    assert_eq!(
        total(&ended.stdout),
        [
            "3 scenarios: 1 PROVEN, 1 NOT PROVEN, 1 not drilled (exit code 10)",
            "  PROVEN       a  reports/a",
            "  NOT PROVEN   b  reports/b",
            &format!("  not drilled  c  {why}"),
            "merged     reports/junit.xml, reports/drills.md, reports/drills.html",
        ]
    );
    let suites = suites(&ended);
    let states: Vec<_> = suites.iter().map(|s| (&*s.name, s.red())).collect();
    assert_eq!(states, [("a", false), ("b", true), ("c", false)]);
    let case = &suites[2].cases[0];
    assert_eq!(case.outcome.as_deref(), Some("skipped"));
    assert_eq!(case.message, format!("not drilled: {why}"));
}

#[test]
fn all_are_drilled_without_fail_fast() {
    let ended = folder(&[("a", bad("a")), ("b", good("b", ""))]).run();
    assert_eq!(ended.code, 10);
    let first = total(&ended.stdout)[0];
    assert_eq!(first, "2 scenarios: 1 PROVEN, 1 NOT PROVEN (exit code 10)");
}

#[test]
fn json_is_a_line_for_each_drill_and_nothing_else() {
    let ended = folder(&[("a", bad("a")), ("b", good("b", ""))])
        .with("--json")
        .run();
    assert_eq!(ended.code, 10);
    let schema = JsonSchema::of(redrill::report::json::schema());
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said: Vec<_> = lines.iter().map(|line| &line["verdict"]).collect();
    assert_eq!(said, ["NOT PROVEN", "PROVEN"]);
    for line in &lines {
        assert_eq!(schema.errors(line), "");
    }
    assert_eq!(total(&ended.stderr)[1], "  NOT PROVEN  a  reports/a");
}

#[test]
fn a_drill_whose_files_were_not_written_is_nowhere_proven() {
    let run = |option: &str| {
        folder(&[("a", good("a", "")), ("b", good("b", ""))])
            .file("reports/a", "a file, not a folder")
            .with(option)
            .run()
    };
    let ended = run("--jobs=1");
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    let total = total(&ended.stdout);
    assert_eq!(
        total[0],
        "2 scenarios: 1 PROVEN, 1 NOT RECORDED (exit code 3)"
    );
    assert_eq!(
        total[1],
        "  NOT RECORDED  a  not all of its files were written"
    );
    let ended = run("--json");
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    let [line] = ended.stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", ended.stdout);
    };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["scenario"]["name"], "b");
}

#[test]
fn what_passed_has_lines_only_with_verbose() {
    let run = |option: &str| {
        let arguments = ["run", "--reports", "reports", option];
        let drilled = good("drilled", "").replace("../small", "small");
        redrill()
            .file("small.sql", SMALL)
            .scenario(&drilled)
            .call(&arguments)
    };
    let (short, verbose) = (run("--jobs=1"), run("--verbose"));
    assert_eq!((short.code, verbose.code), (0, 0), "{}", short.stderr);
    for line in [
        "  pass     orgs",
        "rows per table: none differs",
        "  pass     backup: ",
    ] {
        assert!(!short.stdout.contains(line), "{}", short.stdout);
        assert!(verbose.stdout.contains(line), "{}", verbose.stdout);
    }
    assert!(
        short.stdout.contains("\nchecks     1 passed\n"),
        "{}",
        short.stdout
    );
    let progress = "  ok      row-count/orgs  ";
    assert!(!short.stderr.contains(progress), "{}", short.stderr);
    assert!(verbose.stderr.contains(progress), "{}", verbose.stderr);
}
