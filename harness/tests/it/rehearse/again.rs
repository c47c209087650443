//! Further runs of a release, runs that are cut off, and the checks once it is there.

use rstest::rstest;

use super::release::{FIRST_RUN_ONLY, release};

const LOCKED: &str = "[\"./migrate.sh\", \"locked\"]";

/// The way back, in the opposite order.
const DOWN: &str = "DROP INDEX app.orders_note;\nDROP TABLE app.invoice;";

/// Two migrations, one in a transaction and one outside, both of which a run that is cut off may repeat.
const UP: [(&str, &str); 2] = [
    (
        "001",
        "CREATE TABLE app.invoice (id bigint PRIMARY KEY);\nINSERT INTO app.invoice VALUES (1), (2);",
    ),
    (
        "002",
        "-- no transaction\nDROP INDEX CONCURRENTLY IF EXISTS app.orders_note;\nCREATE INDEX CONCURRENTLY orders_note ON app.orders (note);",
    ),
];

#[rstest]
#[case::local("local")]
#[ignore = "slow: ci/slow.sh"]
#[case::container("container")]
fn a_release_that_is_right_in_every_way_is_safe(#[case] provider: &'static str) {
    let rehearsed = release()
        .on(provider)
        .command(LOCKED)
        .settings("history = [\"app.migration\"]\n")
        .up(UP[0].0, UP[0].1)
        .up(UP[1].0, UP[1].1)
        .down(DOWN)
        .more("[[check.row-count]]\nname = \"accounts\"\ntable = \"app.account\"\nexact = 50\n")
        .rehearse();
    assert_eq!(rehearsed.verdict(), "SAFE", "{}", rehearsed.ended.stdout);
    let all = rehearsed.report()["steps"].as_array().unwrap().len();
    assert_eq!(rehearsed.steps("pass").len(), all);
    assert_eq!(rehearsed.report()["server"]["provider"], provider);
    let migrations = &rehearsed.report()["migration"]["migrations"];
    let names: Vec<&str> = migrations
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["001", "002"]);
    for page in [
        &rehearsed.ended.rehearsal_pages[0],
        &rehearsed.ended.rehearsal_pages[2],
    ] {
        let (_, table) = page.split_once("## Migrations").unwrap();
        assert!(
            table.contains("\n| `001` ") && table.contains("\n| `002` "),
            "{page}"
        );
    }
}

/// Where the scenario has no check, nothing is said of any.
#[test]
fn without_a_check_none_has_passed() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .up(UP[0].0, UP[0].1)
        .rehearse();
    assert_eq!(rehearsed.verdict(), "SAFE");
    assert_eq!(rehearsed.outcome("checks"), "skipped");
    let not_tested = rehearsed.report()["not_tested"].to_string();
    assert!(not_tested.contains("no check"), "{not_tested}");
}

#[rstest]
#[case::is_refused("CREATE TABLE app.a (id bigint);", &["CREATE TABLE app.a", "(42P07)"])]
#[case::adds_rows_again(
    "INSERT INTO app.account (email) VALUES ('admin@example.com');",
    &["insert rows into app.account", "must not run again"]
)]
fn a_second_run_that_runs_everything_again_fails(#[case] sql: &str, #[case] says: &[&str]) {
    let rehearsed = release()
        .command("[\"./migrate.sh\", \"always\"]")
        .settings("crashes = 0\ntwo-runners = false\n")
        .up("001", sql)
        .rehearse();
    let findings = rehearsed.fails_in(&["second-run"]);
    for text in says {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
}

#[test]
fn a_way_back_that_forgets_something_fails() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .up(UP[0].0, UP[0].1)
        .up(UP[1].0, UP[1].1)
        .down("DROP TABLE app.invoice;\nDELETE FROM app.orders WHERE id = 1;")
        .rehearse();
    let findings = rehearsed.fails_in(&["down"]);
    for text in [
        "index app.orders_note",
        "delete rows of app.orders",
        "the opposite order",
    ] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
    assert!(!findings.contains("app.invoice"), "{findings}");
}

/// `CREATE INDEX CONCURRENTLY` waits for the snapshot of the second run, which waits for the lock of the first.
#[test]
fn a_run_that_waits_for_a_lock_keeps_an_index_waiting() {
    let rehearsed = release()
        .command("[\"./migrate.sh\", \"waits\"]")
        .settings("second-run = false\ncrashes = 0\n")
        .up(UP[1].0, UP[1].1)
        .rehearse();
    let findings = rehearsed.fails_in(&["two-runners"]);
    for text in ["(40P01)", "pg_try_advisory_lock"] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
}

/// Both runs read the history before either has written it: they wait for each other there.
#[rstest]
#[case::create_twice(
    "CREATE TABLE app.a (id bigint);",
    "the server refused `CREATE TABLE app.a"
)]
#[ignore = "slow: ci/slow.sh"]
#[case::history_twice(
    "COMMENT ON TABLE app.account IS 'x';",
    "the server refused `INSERT INTO app.migration"
)]
#[ignore = "slow: ci/slow.sh"]
#[case::deadlock(
    "LOCK TABLE app.account IN SHARE MODE;\nSELECT pg_sleep(1);\nALTER TABLE app.account ADD COLUMN a text;",
    "(40P01)"
)]
fn two_runs_at_once_need_a_lock(#[case] sql: &str, #[case] code: &str) {
    let rehearsal = || {
        release()
            .settings("second-run = false\ncrashes = 0\nlock-limit = \"60s\"\n")
            .up("001", sql)
    };
    let findings = rehearsal().rehearse().fails_in(&["two-runners"]);
    for text in [code, "pg_advisory_lock"] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
    let locked = rehearsal().command(LOCKED).rehearse();
    assert_eq!(locked.verdict(), "SAFE", "{}", locked.ended.stdout);
}

/// A report says how far two runs at the same time were at the same point.
#[rstest]
#[case::repeatable(
    "always",
    "both came to `COMMENT ON TABLE app.account IS …` before either ran it"
)]
#[case::with_a_lock(
    "waits",
    "one waited for a lock while the other came to `COMMENT ON TABLE app.account IS …`"
)]
fn two_runs_at_once_meet(#[case] mode: &str, #[case] says: &str) {
    let rehearsed = release()
        .command(&format!("[\"./migrate.sh\", \"{mode}\"]"))
        .settings("second-run = false\ncrashes = 0\n")
        .up("001", "COMMENT ON TABLE app.account IS 'x';")
        .rehearse();
    assert_eq!(rehearsed.verdict(), "SAFE", "{}", rehearsed.ended.stdout);
    assert!(rehearsed.summary("two-runners").contains(says));
}

#[rstest]
#[case::index_without_if_not_exists(
    "CREATE INDEX CONCURRENTLY orders_note ON app.orders (note);",
    &["cut off after `CREATE INDEX CONCURRENTLY orders_note", "the server refused `CREATE INDEX CONCURRENTLY orders_note", "(42P07)", "IF NOT EXISTS"]
)]
#[case::index_that_is_left_invalid(
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_note ON app.orders (note);",
    &["cut off within `CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_note", "is not valid: no query uses it", "DROP INDEX CONCURRENTLY IF EXISTS"]
)]
#[case::several_statements(
    "CREATE TABLE app.a (id bigint);\nINSERT INTO app.account (email) VALUES ('admin@example.com');",
    &["cut off after `CREATE TABLE app.a", "cut off after `INSERT INTO app.account", "(42P07)"]
)]
#[case::rows_twice(
    "CREATE TABLE IF NOT EXISTS app.a (id bigint);\nINSERT INTO app.a VALUES (1);",
    &["cut off after `INSERT INTO app.a", "app.a"]
)]
fn what_a_run_that_is_cut_off_leaves_is_named(#[case] sql: &str, #[case] says: &[&str]) {
    let rehearsed = release()
        .settings("second-run = false\ntwo-runners = false\n")
        .up("001", &format!("-- no transaction\n{sql}"))
        .rehearse();
    let findings = rehearsed.fails_in(&["crashes"]);
    for text in says {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
}

/// A role, rows and a policy that the release changes.
const CHECKS: &str = "
[[check.role]]
name = \"app\"
role = \"shop_app\"
attributes = { login = true }
floor = [\"select on app.* except app.migration\", \"insert on app.account, app.orders\", \"update on app.orders\"]
ceiling = [\"connect on database\", \"temporary on database\", \"usage on schema app\", \"usage on schema public\", \"usage on types app.*\", \"execute on function app.*\"]
[[check.row-count]]
name = \"accounts\"
table = \"app.account\"
exact = 50
[[check.rls]]
name = \"tenants\"
table = \"app.orders\"
";

/// The same once the release is there.
const AFTER: &str = "
[[after.row-count]]
name = \"accounts\"
table = \"app.account\"
exact = 51
[[after.role]]
name = \"app\"
role = \"shop_app\"
floor = [\"delete on app.orders\"]
ceiling = \"any\"
[[after.rls]]
name = \"tenants\"
table = \"app.orders\"
enabled = false
";

const CHANGES: &str = "GRANT DELETE ON app.orders TO shop_app;
INSERT INTO app.account (email) VALUES ('admin@example.com');
ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY;";

const ALLOWED: &str = "
[[rehearse.allow]]
change = \"grant delete on table app.orders to shop_app\"
reason = \"orders may be deleted\"
[[rehearse.allow]]
change = \"disable row level security on app.orders\"
reason = \"tenants have databases of their own\"
";

#[test]
fn checks_that_fail_after_the_release_only_are_faults_of_it() {
    let rehearsal = |after: &str| {
        release()
            .settings(FIRST_RUN_ONLY)
            .settings(ALLOWED)
            .up("001", CHANGES)
            .more(CHECKS)
            .more(after)
            .rehearse()
    };
    let changed = rehearsal("");
    let findings = changed.fails_in(&["checks"]);
    for text in ["DELETE", "51", "app.orders"] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
    let checks = changed.report()["checks"].as_array().unwrap();
    for id in ["role/app", "row-count/accounts", "rls/tenants"] {
        let check = checks.iter().find(|check| check["result"]["id"] == id);
        assert_eq!(check.unwrap()["result"]["outcome"], "fail", "{id}");
        assert_eq!(check.unwrap()["before"], "pass", "{id}");
    }
    let expected = rehearsal(AFTER);
    assert_eq!(expected.verdict(), "SAFE", "{}", expected.ended.stdout);
}

#[test]
fn a_check_that_failed_before_is_no_fault_of_the_release() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .up(UP[0].0, UP[0].1)
        .more("[[check.row-count]]\nname = \"accounts\"\ntable = \"app.account\"\nmin = 1000\n")
        .rehearse();
    assert_eq!(rehearsed.steps("fail"), [""; 0]);
    assert_eq!(rehearsed.outcome("checks"), "pass");
    assert_eq!(rehearsed.report()["drill"], "NOT PROVEN");
    assert_eq!(rehearsed.verdict(), "INCONCLUSIVE");
    let stdout = &rehearsed.ended.stdout;
    assert!(stdout.contains("NOT PROVEN"), "{stdout}");
}
