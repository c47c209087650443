//! Settings, tools and releases that cannot be rehearsed, and what is said of them.

use rstest::rstest;

use super::release::{FIRST_RUN_ONLY, Rehearsed, release};
use crate::drill::builder::redrill;

const UP: &str = "CREATE TABLE app.a (id bigint);";

fn is_inconclusive(rehearsed: &Rehearsed, says: &[&str]) {
    assert_eq!(rehearsed.verdict(), "INCONCLUSIVE");
    assert_eq!(rehearsed.steps("error"), ["run"]);
    let findings = rehearsed.findings("run");
    for text in says {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
}

#[test]
fn a_scenario_without_a_rehearsal_is_none() {
    let scenario = "schema = 1\nname = \"drilled\"\n[backup]\npath = \"shop.sql\"\n";
    let ended = redrill().scenario(scenario).call(&["rehearse", "--quiet"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    insta::assert_snapshot!(ended.stderr, @r#"
    scenario.toml: no `[rehearse]`
    hint: add it with the `command` of the release's migrations and the `role` that runs them; `redrill explain rehearse` shows how
    "#);
}

#[rstest]
#[case::role("nosuch", "[\"./migrate.sh\"]", &["nosuch", "[[restore.role]]"])]
#[case::command("shop_owner", "[\"./nosuch\"]", &["nosuch`: No such file", "relative to the scenario file"])]
#[case::hangs("shop_owner", "[\"sleep\", \"600\"]", &["sleep", "did not end within", "was killed"])]
fn what_cannot_run_is_inconclusive(
    #[case] role: &'static str,
    #[case] command: &str,
    #[case] says: &[&str],
) {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings("timeout = \"3s\"\n")
        .role(role)
        .command(command)
        .up("001", UP)
        .rehearse();
    is_inconclusive(&rehearsed, says);
}

#[rstest]
#[case::missing("nosuch", "does not exist")]
#[case::a_file("migrate.sh", "is not a folder")]
fn a_working_directory_that_is_none_is_named(#[case] folder: &str, #[case] says: &str) {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings(&format!("working-directory = \"{folder}\"\n"))
        .up("001", UP)
        .rehearse();
    let says = format!("{folder} {says}");
    is_inconclusive(&rehearsed, &[&says, "correct `working-directory`"]);
}

const NO_ROLE: &str = "probes ran as the superuser";
const NO_PROGRAM: &str = "no `api` or `command` check of the scenario ran";

#[test]
fn reports_say_that_nothing_was_tried_as_the_application() {
    let bare = release().settings(FIRST_RUN_ONLY).up("001", UP).rehearse();
    let page = &bare.ended.rehearsal_pages[0];
    for text in [NO_ROLE, NO_PROGRAM] {
        assert!(page.contains(text), "no `{text}` in {page}");
    }
    let tried = release()
        .settings(FIRST_RUN_ONLY)
        .settings("application = [\"shop_app\"]\n")
        .up("001", UP)
        .more("[[check.command]]\ncommand = [\"true\"]\nrole = \"shop_app\"\n")
        .rehearse();
    let page = &tried.ended.rehearsal_pages[0];
    assert!(!page.contains(NO_ROLE), "{page}");
    assert!(!page.contains(NO_PROGRAM), "{page}");
    let left_out = release()
        .settings(FIRST_RUN_ONLY)
        .settings("old-application = false\n")
        .up("001", UP)
        .more("[[check.command]]\nname = \"shop\"\ncommand = [\"true\"]\n")
        .rehearse();
    let page = &left_out.ended.rehearsal_pages[0];
    assert!(page.contains("old-application = false"), "{page}");
}

#[test]
fn steps_after_a_run_that_failed_say_what_they_cover() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .up("001", "SELECT 1 / 0;")
        .rehearse();
    for step in ["locks", "work", "blocking", "changes"] {
        let summary = rehearsed.summary(step);
        assert!(summary.starts_with("until the run failed: "), "{summary}");
    }
    let rehearsed = release().settings(FIRST_RUN_ONLY).up("001", UP).rehearse();
    assert!(!rehearsed.summary("locks").contains("failed"));
}

/// Ctrl-C in the middle of the run.
#[test]
fn a_rehearsal_that_is_interrupted_shows_itself_and_not_the_drill() {
    let ended = release()
        .command("[\"sh\", \"-c\", \"touch begun; sleep 600\"]")
        .interrupted_once("begun");
    assert_eq!(ended.code, 130, "{}", ended.stdout);
    let first = ended.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("rehearsal of drilled"), "{}", ended.stdout);
    assert!(ended.stdout.contains("A signal interrupted the rehearsal."));
    assert!(
        !ended.stdout.contains("A signal interrupted the drill."),
        "{}",
        ended.stdout
    );
}

#[rstest]
#[case::without_a_statement("[\"true\"]", "without a connection to the copy")]
#[case::with_an_empty_history("[\"./migrate.sh\"]", "nothing changed, so nothing was pending")]
fn a_tool_that_changes_nothing_has_nothing_pending(#[case] command: &str, #[case] says: &str) {
    let rehearsed = release().command(command).rehearse();
    assert_eq!(rehearsed.verdict(), "NOTHING PENDING");
    assert_eq!(rehearsed.ended.code, 4);
    assert_eq!(rehearsed.outcome("run"), "pass");
    let summary = rehearsed.summary("run");
    assert!(summary.contains(says), "{summary}");
    let skipped = rehearsed.steps("skipped");
    for step in ["second-run", "down", "two-runners", "crashes"] {
        assert!(skipped.contains(&step), "{step}: {skipped:?}");
    }
}

#[test]
fn a_tool_that_does_not_connect_fails_and_is_helped() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .command("[\"sh\", \"-c\", \"psql --host=/nowhere --command='SELECT 1'\"]")
        .rehearse();
    let findings = rehearsed.fails_in(&["run"]);
    for text in [
        "exit code",
        "without a statement to the server",
        "DATABASE_URL",
    ] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
}

#[rstest]
#[case::with_output("show-output = true\n", true)]
#[case::without_output("", false)]
fn a_secret_is_in_no_report(#[case] settings: &str, #[case] shown: bool) {
    const SECRET: &str = "s3cret-of-the-release";
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings("env = { TOKEN = { env = \"SHOP_TOKEN\" } }\n")
        .settings(settings)
        .environment("SHOP_TOKEN", SECRET)
        .command("[\"sh\", \"-c\", \"echo the token is $TOKEN; ./migrate.sh; psql --command=\\\"SELECT '$TOKEN'::int\\\"\"]")
        .up("001", UP)
        .rehearse();
    let findings = rehearsed.fails_in(&["run"]);
    assert!(findings.contains("(22P02)"), "{findings}");
    assert_eq!(findings.contains("the token is"), shown, "{findings}");
    let ended = &rehearsed.ended;
    let report = rehearsed.report().to_string();
    let all = [&report, &ended.stdout, &ended.stderr];
    for text in all.into_iter().chain(&ended.rehearsal_pages) {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// Lists the mistakes of a scenario.
fn mistakes(text: &str) -> String {
    let head = "schema = 1\nname = \"drilled\"\n[backup]\npath = \"shop.sql\"\n";
    let ended = redrill().scenario(&format!("{head}{text}")).call(&["list"]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    ended.stderr
}

#[test]
fn mistakes_of_settings_are_reported_where_they_are() {
    insta::assert_snapshot!(mistakes(r#"[rehearse]
comand = ["./migrate"]
command = ["./migrate"]
role = ""
rewrites = "some"
lock-limit = "0s"
history = ["a.b.c"]

[[rehearse.probe]]
name = "orders"
query = ""

[after]
without = ["row-count/nosuch"]

[[after.row-count]]
table = "app.a"
minimum = 1
"#), @r#"
    error: unknown key `comand`
     --> scenario.toml:6:1
      |
    6 | comand = ["./migrate"]
      | ^^^^^^
      |
      = hint: did you mean `command`?

    error: write "none", "any" or a list of names
     --> scenario.toml:9:12
      |
    9 | rewrites = "some"
      |            ^^^^^^

    error: no check of this scenario has this id
      --> scenario.toml:18:12
       |
    18 | without = ["row-count/nosuch"]
       |            ^^^^^^^^^^^^^^^^^^
       |
       = hint: `redrill list` shows the ids; `*` matches any text

    error: unknown key `minimum`
      --> scenario.toml:22:1
       |
    22 | minimum = 1
       | ^^^^^^^
       |
       = hint: did you mean `min`?

    4 errors in scenario.toml
    "#);
}

#[test]
fn a_command_is_needed() {
    insta::assert_snapshot!(mistakes("[rehearse]\ncommand = []\nrole = \"shop_owner\"\n"), @r#"
    error: `command` names no program
     --> scenario.toml:6:11
      |
    6 | command = []
      |           ^^
      |
      = hint: write `command = ["bin/check", "--all"]`

    1 error in scenario.toml
    "#);
}

#[test]
fn entries_of_a_review_that_accept_everything_are_refused() {
    insta::assert_snapshot!(mistakes(r#"[rehearse]
command = ["./migrate"]
role = "shop_owner"

[[rehearse.allow]]
change = "drop table app.a"
reason = ""

[[rehearse.allow]]
change = "** *"
reason = "everything is right"
"#), @r#"
    error: `reason` is empty
     --> scenario.toml:9:1
      |
    9 | [[rehearse.allow]]
      | ^^^^^^^^^^^^^^^^^^
      |
      = hint: say why the change is right; every report shows it

    error: this would accept every change
      --> scenario.toml:13:1
       |
    13 | [[rehearse.allow]]
       | ^^^^^^^^^^^^^^^^^^
       |
       = hint: name it as the report of the rehearsal does, such as `drop column app.account.legacy`

    2 errors in scenario.toml
    "#);
}

#[test]
fn checks_after_need_a_rehearsal() {
    insta::assert_snapshot!(mistakes("[[after.row-count]]\ntable = \"app.a\"\nmin = 1\n"), @r#"
    error: `after` has no effect without `[rehearse]`
     --> scenario.toml:5:3
      |
    5 | [[after.row-count]]
      |   ^^^^^
      |
      = hint: add `[rehearse]` with the `command` of the migrations, or remove it

    1 error in scenario.toml
    "#);
}

#[test]
fn checks_that_are_left_out_must_be_there() {
    insta::assert_snapshot!(mistakes(r#"[rehearse]
command = ["./migrate"]
role = "shop_owner"

[[check.row-count]]
name = "accounts"
table = "app.account"
min = 1

[after]
without = ["row-count/accounts", "row-count/nosuch"]
"#), @r#"
    error: no check of this scenario has this id
      --> scenario.toml:15:34
       |
    15 | without = ["row-count/accounts", "row-count/nosuch"]
       |                                  ^^^^^^^^^^^^^^^^^^
       |
       = hint: `redrill list` shows the ids; `*` matches any text

    1 error in scenario.toml
    "#);
}

/// What `redrill explain rehearse` shows can be copied.
#[test]
fn the_example_is_a_scenario() {
    let explained = redrill().call(&["explain", "rehearse"]).stdout;
    let (_, example) = explained.split_once("## Example").unwrap();
    let (example, _) = example.split_once("\n## ").unwrap();
    let head = "schema = 1\nname = \"drilled\"\n[backup]\npath = \"shop.sql\"\n";
    let listed = redrill()
        .scenario(&format!("{head}{example}"))
        .call(&["list"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert!(example.contains("[[rehearse.allow]]"), "{example}");
}

/// A disk that is too small says nothing of the migrations: the verdict of the drill stays, and nothing is left.
#[rstest]
#[case::for_a_copy(
    150,
    "SELECT 1;",
    "a copy of the data of the server does not fit on the disk"
)]
#[case::for_a_migration(
    250,
    "CREATE TABLE app.copies AS SELECT pg_catalog.repeat('x', 1000) AS x FROM pg_catalog.generate_series(1, 300000);",
    // The server crashes where the WAL has no space first.
    "the copy's machine lacked space on the disk"
)]
fn a_disk_that_is_too_small(#[case] mebibytes: u32, #[case] sql: &str, #[case] says: &str) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("a disk of its own needs root");
        return;
    }
    let rehearsed = release().up("001", sql).on_a_disk_of(mebibytes).rehearse();
    is_inconclusive(&rehearsed, &[says, "`--work-dir`"]);
    assert_eq!(rehearsed.report()["drill"], "PROVEN");
    let said = &rehearsed.ended.stderr;
    assert!(!said.contains("left on the disk"), "{said}");
}
