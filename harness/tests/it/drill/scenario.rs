//! Mistakes in a scenario: all of them at once, each with its line, and what to write instead.

use std::path::Path;

use redrill::input::Environment;
use redrill::scenario::parse;
use rstest::rstest;

use super::builder::redrill;

/// An application with a worker, and a program that gets a key.
const PROGRAMS: &str = r#"schema = 1
name = "x"
[backup]
path = "a.sql"
[[backup.companion]]
name = "master key"
path = "key"
[server]
tls = "required"
certificate = { file = "a.crt", key = "a.key", ca = "ca.crt" }
[[restore.stub]]
extension = "pg_cron"
reason = "a provider's"
[[check.command]]
command = ["x", "{companion.master key}", "{id}", "{}"]
expect = { exit = 0, output = "^ok$" }
[[check.api]]
command = ["x", "--port={port}", "{worker.port}"]
role = "app"
env = { URL = "http://127.0.0.1:{application.port}" }
ready = { output = "^up$" }
[[check.api.process]]
name = "worker"
command = ["x", "{port}"]
ready = { path = "/health" }
[[check.api.request]]
path = "/me"
expect = { status = 200, json = { "$.id" = 1 } }
[[check.reference]]
table = "a.b"
column = "c"
to = { folder = "files", file = "{value}.pdf" }
"#;

/// Where each mistake is: the place is that of the key or value, and not of the section.
#[rstest]
#[case::placeholder_of_a_process(
    "{worker.port}",
    "{worker.prt}",
    "18:34",
    "did you mean `{worker.port}`?"
)]
#[case::placeholder_in_a_process(
    "[\"x\", \"{port}\"]",
    "[\"x\", \"{prt}\"]",
    "24:17",
    "nothing fills in `{prt}`"
)]
#[case::placeholder_in_a_variable(
    "{application.port}",
    "{aplication.port}",
    "20:15",
    "did you mean `{application.port}`?"
)]
#[case::companion(
    "{companion.master key}",
    "{companion.masterkey}",
    "15:18",
    "did you mean `master key`?"
)]
#[case::companion_of_an_api(
    "{port}\", \"{w",
    "{companion.master key}{companion.key}\", \"{w",
    "18:17",
    "nothing fills in `{companion.key}`"
)]
#[case::part_of_a_certificate(", ca = \"ca.crt\"", "", "10:15", "`ca` is missing")]
#[case::one_stub(
    "[[restore.stub]]",
    "[restore.stub]",
    "11:1",
    "double brackets for each"
)]
#[case::no_reason("reason = \"a provider's\"\n", "", "11:1", "`reason` is missing")]
#[case::name_of_a_process("\"worker\"", "\"a worker\"", "23:8", "a name has letters")]
#[case::pattern("\"^ok$\"", "\"^(ok$\"", "16:31", "is not a regular expression")]
#[case::pattern_of_ready("\"^up$\"", "\"^(up$\"", "21:20", "is not a regular expression")]
#[case::path_of_ready("\"/health\"", "\"health\"", "25:18", "a path begins with `/`")]
#[case::path_of_a_request("\"/me\"", "\"me\"", "27:8", "a path begins with `/`")]
#[case::status("status = 200", "status = 20", "28:21", "is not an HTTP status")]
#[case::file_of_a_value(
    "\"{value}.pdf\"",
    "\"a.pdf\"",
    "32:33",
    "`file` must have `{value}` once"
)]
fn a_mistake_is_where_its_key_is(
    #[case] good: &str,
    #[case] bad: &str,
    #[case] place: &str,
    #[case] says: &str,
) {
    parse(Path::new("x.toml"), PROGRAMS, &Environment::new()).unwrap();
    let shown = mistakes(&PROGRAMS.replacen(good, bad, 1));
    assert!(
        shown.contains(&format!("scenario.toml:{place}\n")),
        "{shown}"
    );
    assert!(shown.contains(says), "{shown}");
}

/// Lists the mistakes of a scenario.
fn mistakes(text: &str) -> String {
    let ended = redrill().scenario(text).call(&["list"]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    ended.stderr
}

#[test]
fn several_mistakes_are_reported_at_once() {
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
"#), @r#"
    error: a name consists of letters, digits, `-`, `_` and `.`
     --> scenario.toml:2:8
      |
    2 | name = "two words"
      |        ^^^^^^^^^^^
      |
      = hint: it is the name of the folder of the reports; write sentences in `description`

    error: unknown key `descripton`
     --> scenario.toml:3:1
      |
    3 | descripton = "x"
      | ^^^^^^^^^^
      |
      = hint: did you mean `description`?

    error: `[backup]` has exactly one source
     --> scenario.toml:7:1
      |
    7 | newest = "b-*.sql"
      | ^^^^^^
      |
      = hint: keep `path` or `newest`

    error: `26` is not a duration; write a number and a unit, as in "90s", "20m", "26h", "14d"
     --> scenario.toml:8:11
      |
    8 | max-age = "26"
      |           ^^^^

    error: unknown key `contaner`
      --> scenario.toml:10:9
       |
    10 | [server.contaner]
       |         ^^^^^^^^
       |
       = hint: did you mean `container`?

    error: unknown kind of check `row-cuont`
      --> scenario.toml:12:9
       |
    12 | [[check.row-cuont]]
       |         ^^^^^^^^^
       |
       = hint: did you mean `row-count`?

    error: unknown key `minimum`
      --> scenario.toml:17:1
       |
    17 | minimum = 1
       | ^^^^^^^
       |
       = hint: did you mean `min`?

    error: this must be an integer, 0 or more, not a text
      --> scenario.toml:21:7
       |
    21 | min = "many"
       |       ^^^^^^

    8 errors in scenario.toml
    "#);
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
"#), @r#"
    error: this check asserts nothing
     --> scenario.toml:5:1
      |
    5 | [[check.row-count]]
      | ^^^^^^^^^^^^^^^^^^^
      |
      = hint: add `exact`, `min`, `max`, `baseline` or `per-partition`

    error: every table has at least 0 rows: this asserts nothing
     --> scenario.toml:9:7
      |
    9 | min = 0
      |       ^
      |
      = hint: give the number below which rows must be lost, 1 or more

    error: no table is named
      --> scenario.toml:10:1
       |
    10 | [[check.row-count]]
       | ^^^^^^^^^^^^^^^^^^^
       |
       = hint: add `table = "schema.name"`, or `tables = ["schema.*"]`

    error: a check has double brackets
      --> scenario.toml:12:1
       |
    12 | [check.rls]
       | ^^^^^^^^^^^
       |
       = hint: write `[[check.rls]]`

    4 errors in scenario.toml
    "#);
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
"#), @r#"
    error: environment variable `REDRILL_NOT_SET` is not set
     --> scenario.toml:4:8
      |
    4 | path = "${REDRILL_NOT_SET}/a.sql"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: set it, or give a default: `${REDRILL_NOT_SET:-value}`; or name a backup: `redrill run SCENARIO --backup FILE`

    error: environment variable `REDRILL_NOT_SET_EITHER` is not set
     --> scenario.toml:6:9
      |
    6 | table = "${REDRILL_NOT_SET_EITHER}.a"
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: set it, or give a default: `${REDRILL_NOT_SET_EITHER:-value}`

    2 errors in scenario.toml
    "#);
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!(mistakes("proof = \"objects\""), @r#"
    error: `schema` is missing
    --> scenario.toml
     = hint: begin the file with `schema = 1`

    error: `name` is missing
    --> scenario.toml
     = hint: add `name = "scenario"` at the top

    error: the scenario has no check, and `proof = "objects"` reads no rows
    --> scenario.toml
     = hint: add a check, such as `[[check.row-count]]` (`redrill explain` lists the kinds), or remove `proof`

    error: `[backup]` is missing
    --> scenario.toml
     = hint: add `path = "backup.sql.gz"`, or `newest = "backups/plur-*.sql.gz"`

    4 errors in scenario.toml
    "#);
    insta::assert_snapshot!(mistakes("schema = 2\nname = \"x\"\nproof = \"off\"\n[backup]\n[check]\n"), @r#"
    error: this version of redrill reads `schema = 1`
     --> scenario.toml:1:10
      |
    1 | schema = 2
      |          ^
      |
      = hint: use a newer redrill, or write the scenario in format 1

    error: `[backup]` names no backup
     --> scenario.toml:4:1
      |
    4 | [backup]
      | ^^^^^^^^
      |
      = hint: add `path = "backup.sql.gz"`, or `newest = "backups/plur-*.sql.gz"`

    error: the scenario has no check, and `proof = "off"` reads no rows
    --> scenario.toml
     = hint: add a check, such as `[[check.row-count]]` (`redrill explain` lists the kinds), or remove `proof`

    3 errors in scenario.toml
    "#);
    insta::assert_snapshot!(mistakes("schema = 1\nname = \"x\n"), @r#"
    error: invalid basic string, expected `"`
     --> scenario.toml:2:10
      |
    2 | name = "x
      |          ^
      |
      = hint: the file is TOML: `key = value` lines below `[table]` headers

    1 error in scenario.toml
    "#);
}

#[test]
fn a_scenario_without_a_check_rests_on_the_proof() {
    let (plain, _) = super::SCENARIO.split_once("[[check").unwrap();
    for level in ["full", "counts"] {
        let scenario = plain.replace("[backup]", &format!("proof = \"{level}\"\n[backup]"));
        let drill = || redrill().scenario(&scenario);
        let good = drill().backup(super::codes::SMALL, "small.sql").run();
        assert_eq!(good.code, 0, "{}", good.stdout);
        let said = good.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("The scenario has no check"), "{said}");
        assert!(said.contains("how the restored database behaves"), "{said}");
        let lost = super::codes::SMALL.replace(
            "COPY plur",
            "CREATE FUNCTION plur.lose() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER lose BEFORE INSERT ON plur.orgs FOR EACH ROW EXECUTE FUNCTION plur.lose();\nCOPY plur",
        );
        let bad = drill().backup(lost, "small.sql").run();
        assert_eq!(bad.code, 10, "{}", bad.stdout);
    }
}

#[test]
fn a_scenario_that_looks_at_no_data_is_refused() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
proof = "objects"
[backup]
path = "a.sql"
[[check.extension]]
extension = "vector"
"#), @r#"
    error: no check of this scenario reads data, so an empty database would pass
    --> scenario.toml
     = hint: add a `[[check.row-count]]` with a `min`, or replace `proof = "objects"` with "counts" or "full"

    1 error in scenario.toml
    "#);
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let ended = redrill()
        .file("all/a.toml", super::SCENARIO)
        .file("all/b.toml", super::SCENARIO)
        .call(&["list", "all"]);
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!(ended.stderr, @r"
    error: the name `drilled` is also the name of all/a.toml
    --> all/b.toml
     = hint: the name is the folder of the reports: give each scenario its own

    1 error in all/b.toml
    ");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ended = redrill().call(&["list", "nosuch.toml"]);
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!(ended.stderr, @r"
    error: cannot read the scenario: No such file or directory (os error 2)
    --> nosuch.toml
     = hint: give a scenario file, or a folder of them, such as `redrill run scenarios/`

    1 error in nosuch.toml
    ");
}

#[test]
fn settings_of_tls_that_contradict_each_other_are_refused() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
[backup]
path = "a.sql"
[server]
certificate = { file = "a.crt", key = "a.key", ca = "ca.crt" }
[[check.row-count]]
table = "a"
min = 1
"#), @r#"
    error: `certificate` has no effect without `tls`
     --> scenario.toml:6:1
      |
    6 | certificate = { file = "a.crt", key = "a.key", ca = "ca.crt" }
      | ^^^^^^^^^^^
      |
      = hint: add `tls = "required"` to `[server]`

    1 error in scenario.toml
    "#);
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
[backup]
path = "a.sql"
[server]
tls = "required"
[server.container]
reach = "port"
[[check.row-count]]
table = "a"
min = 1
"#), @r#"
    error: a server that requires TLS is reached by its own network, not by a port of this machine
     --> scenario.toml:8:1
      |
    8 | reach = "port"
      | ^^^^^
      |
      = hint: remove `reach`, or `tls` in `[server]`

    1 error in scenario.toml
    "#);
}

#[test]
fn explanations_need_an_upgrade_and_a_reason() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
[backup]
path = "a.sql"
[server]
explained = { "view app.v" = " " }
[[check.row-count]]
table = "a"
min = 1
"#), @r#"
    error: `explained` has no effect without `major`
     --> scenario.toml:6:1
      |
    6 | explained = { "view app.v" = " " }
      | ^^^^^^^^^
      |
      = hint: add `major = 18`, the version that the upgrade leads to, or remove it

    error: the reason for `view app.v` is empty
     --> scenario.toml:6:1
      |
    6 | explained = { "view app.v" = " " }
      | ^^^^^^^^^
      |
      = hint: say why the difference is harmless: every report shows it

    2 errors in scenario.toml
    "#);
}

#[test]
fn two_of_what_must_be_one_are_refused() {
    insta::assert_snapshot!(mistakes(r#"schema = 1
name = "x"
[backup]
path = "a.sql"
newest = "b-*.sql"
[server.container]
[server.local]
[[check.row-count]]
table = "a"
exact = -1
[[check.row-count]]
table = "a"
min = 9
max = 8
"#), @r#"
    error: `[backup]` has exactly one source
     --> scenario.toml:5:1
      |
    5 | newest = "b-*.sql"
      | ^^^^^^
      |
      = hint: keep `path` or `newest`

    error: the scenario sets two providers
     --> scenario.toml:7:1
      |
    7 | [server.local]
      | ^^^^^^^^^^^^^^
      |
      = hint: keep `[server.container]` or `[server.local]`, or neither

    error: this must be an integer, 0 or more
      --> scenario.toml:10:9
       |
    10 | exact = -1
       |         ^^

    error: `min` 9 is more than `max` 8
      --> scenario.toml:13:7
       |
    13 | min = 9
       |       ^

    4 errors in scenario.toml
    "#);
    insta::assert_snapshot!(mistakes("schema = 1\nname = \"x\"\nname = \"y\"\n"), @r#"
    error: duplicate key
     --> scenario.toml:3:1
      |
    3 | name = "y"
      | ^^^^
      |
      = hint: a key may occur once in its table; each check begins with its own `[[check.…]]`

    1 error in scenario.toml
    "#);
}

#[test]
fn a_backup_is_given_on_the_command_line_for_one_scenario_only() {
    let ended = redrill()
        .file("all/a.toml", super::SCENARIO)
        .file("all/b.toml", super::SCENARIO.replace("drilled", "other"))
        .with("all")
        .backup("", "x.sql")
        .run();
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!(ended.stderr, @r"
    `--backup` needs exactly one scenario
    hint: name the scenario that the file is a backup for
    ");
}

#[test]
fn a_backup_that_is_given_takes_the_place_of_the_source() {
    let given = |name: &str| {
        let source = "path = \"${BACKUP}\"\nsha256 = \"of another file\"";
        let scenario = super::SCENARIO.replace("path = \"named-by-the-command-line\"", source);
        assert_ne!(scenario, super::SCENARIO);
        redrill()
            .scenario(&scenario)
            .file("x ${a}.sql", super::codes::SMALL)
            .names(name)
            .run()
    };
    // Mistakes of a source that is not used do not matter.
    let ended = given("x ${a}.sql");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    // It is blamed itself, and not the scenario.
    let ended = given("x ${a}.sgl");
    assert_eq!(ended.code, 3);
    let hint = ended
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        hint.contains("did you mean ") && hint.contains("x ${a}.sql?"),
        "{hint}"
    );
}

/// Where each key of a scenario that reads a secret stands; `SECRET` is where the secret is found.
const SECRETS: &[(&str, &str)] = &[
    (
        "backup.s3.access-key-id",
        "[backup.s3]\nbucket = 'b'\nkey = 'k'\naccess-key-id = SECRET\nsecret-access-key = 'plain'",
    ),
    (
        "backup.s3.secret-access-key",
        "[backup.s3]\nbucket = 'b'\nkey = 'k'\naccess-key-id = 'plain'\nsecret-access-key = SECRET",
    ),
    (
        "backup.s3.session-token",
        "[backup.s3]\nbucket = 'b'\nkey = 'k'\nsession-token = SECRET",
    ),
    ("backup.http.url", "[backup.http]\nurl = SECRET"),
    (
        "backup.http.bearer",
        "[backup.http]\nurl = 'https://a.test/b'\nbearer = SECRET",
    ),
    (
        "backup.http.user",
        "[backup.http]\nurl = 'https://a.test/b'\nuser = SECRET\npassword = 'plain'",
    ),
    (
        "backup.http.password",
        "[backup.http]\nurl = 'https://a.test/b'\nuser = 'u'\npassword = SECRET",
    ),
    (
        "backup.http.headers.X-Key",
        "[backup.http]\nurl = 'https://a.test/b'\nheaders = { X-Key = SECRET }",
    ),
    (
        "backup.command.env.KEY",
        "[backup.command]\ncommand = ['x']\nname = 'n'\nenv = { KEY = SECRET }",
    ),
    (
        "backup.decrypt.age-identity",
        "[backup]\npath = 'a'\n[backup.decrypt]\nage-identity = SECRET",
    ),
    (
        "backup.decrypt.env.KEY",
        "[backup]\npath = 'a'\n[backup.decrypt]\ncommand = ['x']\nenv = { KEY = SECRET }",
    ),
    ("incident.webhook.url", "[incident.webhook]\nurl = SECRET"),
    (
        "incident.webhook.token",
        "[incident.webhook]\nurl = 'https://a.test'\ntoken = SECRET",
    ),
    (
        "incident.webhook.headers.X-Key",
        "[incident.webhook]\nurl = 'https://a.test'\nheaders = { X-Key = SECRET }",
    ),
    (
        "check.command.env.KEY",
        "[[check.command]]\ncommand = ['x']\nenv = { KEY = SECRET }",
    ),
    ("check.api.env.KEY", "[[check.api]]\nenv = { KEY = SECRET }"),
    (
        "check.reference.to.s3.secret-access-key",
        "[[check.reference]]\nto = { s3 = { bucket = 'b', access-key-id = 'name', secret-access-key = SECRET } }",
    ),
    (
        "check.api.process.env.KEY",
        "[[check.api]]\n[[check.api.process]]\nenv = { KEY = SECRET }",
    ),
    (
        "check.api.request.headers.X-Key",
        "[[check.api]]\n[[check.api.request]]\nheaders = { X-Key = SECRET }",
    ),
];

/// The messages about one scenario.
fn told(text: &str, folder: &Path, environment: &Environment) -> String {
    match parse(&folder.join("s.toml"), text, environment) {
        Ok(_) => String::new(),
        Err(mistakes) => mistakes.render(false),
    }
}

#[test]
fn a_secret_that_cannot_be_masked_is_refused_wherever_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "abc\n").unwrap();
    std::fs::write(folder.path().join("long"), "abcd\n").unwrap();
    let pairs = [("SHORT", "abc"), ("LONG", "abcd"), ("BEARER", "Bearer abc")];
    let environment: Environment = pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    for (key, text) in SECRETS {
        for (place, origin) in [
            ("{ env = 'SHORT' }", "environment variable `SHORT`"),
            ("{ env = 'BEARER' }", "environment variable `BEARER`"),
            ("{ file = 'short' }", "file `short`"),
        ] {
            let told = told(&text.replace("SECRET", place), folder.path(), &environment);
            let wanted = format!("the secret `{key}` in {origin} is too short");
            assert!(told.contains(&wanted), "{key}: {told}");
            assert!(told.contains("4 characters"), "{told}");
            assert!(!told.contains("abc"), "{told}");
        }
        for place in [
            "{ env = 'LONG' }",
            "{ file = 'long' }",
            "{ env = 'NOT_SET' }",
            "{ file = 'none' }",
        ] {
            let told = told(&text.replace("SECRET", place), folder.path(), &environment);
            assert!(!told.contains("too short"), "{key}: {told}");
        }
    }
}

#[rstest]
#[case("[[check.baseline]]\nfile = 'short'")]
#[case("[[check.command]]\ncommand = ['x']\nenv = { file = 'short' }")]
#[case("[[check.command]]\ncommand = ['x']\nenv = { env = 'SHORT' }")]
fn what_is_no_secret_may_be_short(#[case] text: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "abc\n").unwrap();
    let environment: Environment = [("SHORT".to_owned(), "abc".to_owned())].into();
    let told = told(text, folder.path(), &environment);
    assert!(!told.contains("too short"), "{told}");
}

#[test]
fn a_secret_that_is_too_short_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let environment: Environment = [("TOKEN".to_owned(), "abc".to_owned())].into();
    let text = "schema = 1\nname = \"a\"\n[backup.http]\nurl = \"https://a.test/b.sql\"\nbearer = { env = \"TOKEN\" }\n[[check.row-count]]\ntable = \"a.b\"\nmin = 1\n";
    let told = told(text, folder.path(), &environment);
    let told = told.replace(&folder.path().display().to_string(), "");
    insta::assert_snapshot!(told, @r#"
    error: the secret `backup.http.bearer` in environment variable `TOKEN` is too short
     --> /s.toml:5:10
      |
    5 | bearer = { env = "TOKEN" }
      |          ^^^^^^^^^^^^^^^^^
      |
      = hint: a secret has 4 characters or more, since a shorter one cannot be masked in reports; write what is no secret as plain text

    1 error in /s.toml
    "#);
}
