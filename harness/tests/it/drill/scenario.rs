//! Mistakes in a scenario: all of them at once, each with its line, and what to write instead.

use super::builder::redrill;

/// Lists the mistakes of a scenario.
fn mistakes(text: &str) -> String {
    let ended = redrill().scenario(text).call(&["list"]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    ended.stderr
}

#[test]
fn several_mistakes_are_told_at_once() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "two words"
descripton = "x"

[backup]
path = "a.sql"
newest = "b-*.sql"
max-age = "26"

[server.contaner]

[[check.row-cuont]]
table = "a"

[[check.row-count]]
table = "a"
minimum = 1

[[check.row-count]]
table = "a"
min = "many"
"#), @"");
}

#[test]
fn a_check_that_asserts_nothing_is_a_mistake() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
[backup]
path = "a.sql"
[[check.row-count]]
table = "a"
[[check.row-count]]
table = "a"
min = 0
[[check.row-count]]
min = 1
[check.rls]
table = "a"
"#), @"");
}

#[test]
fn a_variable_that_is_not_set_is_named_with_its_line() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
[backup]
path = "${REDRILL_NOT_SET}/a.sql"
[[check.row-count]]
table = "${REDRILL_NOT_SET_EITHER}.a"
min = 1
"#), @"");
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!(mistakes(""), @"");
    insta::assert_snapshot!(mistakes("schema = 2\nname = \"x\"\n[backup]\n[check]\n"), @"");
    insta::assert_snapshot!(mistakes("schema = 1\nname = \"x\n"), @"");
}

#[test]
fn a_scenario_that_looks_at_no_data_is_refused() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
[backup]
path = "a.sql"
[[check.extension]]
extension = "vector"
"#), @"");
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let ended = redrill()
        .file("all/a.toml", super::SCENARIO)
        .file("all/b.toml", super::SCENARIO)
        .call(&["list", "all"]);
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!(ended.stderr, @"");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ended = redrill().call(&["list", "nosuch.toml"]);
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!(ended.stderr, @"");
}
