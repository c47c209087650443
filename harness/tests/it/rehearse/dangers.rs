//! Migrations that harm the database or those who use it, each with the findings that it must cause, and its safe twin.

use std::collections::BTreeSet;

use rstest::rstest;

use super::release::{FIRST_RUN_ONLY, Release, dump, release};

/// A dangerous migration of a table of its own, `app.<name>`, which is `{t}` in its statements.
struct Danger {
    name: &'static str,
    sql: &'static str,
    /// The findings that it causes, as [`super::release::Rehearsed::faults`] names them, and its advice.
    faults: &'static [&'static str],
    advice: &'static [&'static str],
    /// What reaches the same, or as much of it as can be reached, and causes no finding.
    safe: &'static str,
}

const fn danger(
    name: &'static str,
    sql: &'static str,
    faults: &'static [&'static str],
    advice: &'static [&'static str],
    safe: &'static str,
) -> Danger {
    Danger {
        name,
        sql,
        faults,
        advice,
        safe,
    }
}

/// What is observed of locks and of work.
const OBSERVED: &[Danger] = &[
    danger(
        "check_added",
        "ALTER TABLE {t} ADD CONSTRAINT positive CHECK (amount >= 0);",
        &["scan-under-lock: scan table {t}"],
        &[],
        "-- no transaction
ALTER TABLE {t} ADD CONSTRAINT positive CHECK (amount >= 0) NOT VALID;
ALTER TABLE {t} VALIDATE CONSTRAINT positive;",
    ),
    danger(
        "not_null",
        "ALTER TABLE {t} ALTER amount SET NOT NULL;",
        &["scan-under-lock: scan table {t}"],
        &[],
        "-- no transaction
ALTER TABLE {t} ADD CONSTRAINT there CHECK (amount IS NOT NULL) NOT VALID;
ALTER TABLE {t} VALIDATE CONSTRAINT there;
ALTER TABLE {t} ALTER amount SET NOT NULL;
ALTER TABLE {t} DROP CONSTRAINT there;",
    ),
    danger(
        "json",
        "ALTER TABLE {t} ADD COLUMN data json;",
        &[],
        &["json-column: json-column table app.\"json\" column data"],
        "ALTER TABLE {t} ADD COLUMN data jsonb;",
    ),
    danger(
        "type",
        "ALTER TABLE {t} ALTER amount TYPE bigint;",
        &["rewrite: rewrite table {t}"],
        &[],
        "ALTER TABLE {t} ALTER note TYPE varchar;",
    ),
    danger(
        "index",
        "CREATE INDEX index_note ON {t} (note);",
        &["index-under-lock: build index index_note on {t}"],
        &[],
        "-- no transaction
CREATE INDEX CONCURRENTLY index_note ON {t} (note);",
    ),
    danger(
        "unique",
        "ALTER TABLE {t} ADD CONSTRAINT one_email UNIQUE (email);",
        &["index-under-lock: build index one_email on app.\"unique\""],
        &[],
        "-- no transaction
CREATE UNIQUE INDEX CONCURRENTLY one_email ON {t} (email);
ALTER TABLE {t} ADD CONSTRAINT one_email UNIQUE USING INDEX one_email;",
    ),
    danger(
        "exclusion",
        "ALTER TABLE {t} ADD CONSTRAINT excluded EXCLUDE USING btree (email WITH =);",
        &["index-under-lock: build index excluded on {t}"],
        &[],
        "CREATE TABLE app.new_exclusion (email text, EXCLUDE USING btree (email WITH =));",
    ),
    danger(
        "foreign_key",
        "ALTER TABLE {t} ADD COLUMN account bigint;
ALTER TABLE {t} ADD CONSTRAINT of_account FOREIGN KEY (account) REFERENCES app.account;",
        &["scan-under-lock: scan table {t}"],
        &["key-without-index: key-without-index table {t} constraint of_account"],
        "-- no transaction
ALTER TABLE {t} ADD COLUMN account bigint;
CREATE INDEX CONCURRENTLY foreign_key_account ON {t} (account);
ALTER TABLE {t} ADD CONSTRAINT of_account FOREIGN KEY (account) REFERENCES app.account NOT VALID;
ALTER TABLE {t} VALIDATE CONSTRAINT of_account;",
    ),
    // Its name is before that of the table that it refers to, which is locked as well.
    danger(
        "a_key",
        "ALTER TABLE {t} ADD CONSTRAINT of_note FOREIGN KEY (id) REFERENCES app.account;",
        &["scan-under-lock: scan table {t}"],
        &[],
        "CREATE TABLE app.new_key (account bigint PRIMARY KEY);
ALTER TABLE app.new_key ADD FOREIGN KEY (account) REFERENCES app.account;",
    ),
    // The referenced table is the newer one.
    danger(
        "b_key",
        "ALTER TABLE app.account ADD CONSTRAINT of_b FOREIGN KEY (id) REFERENCES {t};",
        &["scan-under-lock: scan table app.account"],
        &[],
        "ALTER TABLE app.account ADD CONSTRAINT of_b FOREIGN KEY (id) REFERENCES {t} NOT VALID;
COMMIT;
BEGIN;
ALTER TABLE app.account VALIDATE CONSTRAINT of_b;",
    ),
    danger(
        "no_timeout",
        "SET LOCAL lock_timeout = 0;
ALTER TABLE {t} ADD COLUMN extra text;",
        &[],
        &["lock-timeout: lock table {t} without a timeout"],
        "ALTER TABLE {t} ADD COLUMN extra text;",
    ),
    danger(
        "serial",
        "ALTER TABLE {t} ADD COLUMN number serial;",
        &["rewrite: rewrite table {t}"],
        &[],
        "CREATE SEQUENCE app.numbers;
ALTER TABLE {t} ADD COLUMN number integer;
ALTER TABLE {t} ALTER number SET DEFAULT nextval('app.numbers');",
    ),
    danger(
        "generated",
        "ALTER TABLE {t} ADD COLUMN lower_email text GENERATED ALWAYS AS (lower(email)) STORED;",
        &["rewrite: rewrite table {t}"],
        &[],
        "CREATE VIEW app.generated_2 AS SELECT id, lower(email) AS lower_email FROM {t};",
    ),
    danger(
        "volatile_default",
        "ALTER TABLE {t} ADD COLUMN key uuid DEFAULT gen_random_uuid();",
        &["rewrite: rewrite table {t}"],
        &[],
        "ALTER TABLE {t} ADD COLUMN plan text NOT NULL DEFAULT 'free';",
    ),
    danger(
        "several",
        "ALTER TABLE {t} ADD COLUMN a text;
ALTER TABLE {t}_2 ADD COLUMN a text;",
        &[],
        &["several-locks: lock tables {t}, {t}_2"],
        "-- no transaction
ALTER TABLE {t} ADD COLUMN a text;
ALTER TABLE {t}_2 ADD COLUMN a text;",
    ),
    danger(
        "enum",
        "CREATE TYPE {t}_state AS ENUM ('a', 'b');",
        &[],
        &["new-enum: new-enum type {t}_state"],
        "CREATE TABLE {t}_state (name text PRIMARY KEY);",
    ),
    danger(
        "primary_key",
        "-- no transaction
ALTER TABLE {t} ADD COLUMN key bigint;
UPDATE {t} SET key = id;
CREATE UNIQUE INDEX CONCURRENTLY primary_key_key ON {t} (key);
ALTER TABLE {t} DROP CONSTRAINT primary_key_pkey;
ALTER TABLE {t} ADD PRIMARY KEY USING INDEX primary_key_key;",
        &[
            "accept: drop constraint primary_key_pkey on {t}",
            "scan-under-lock: scan table {t}",
        ],
        &[],
        "-- no transaction
CREATE UNIQUE INDEX CONCURRENTLY primary_key_id ON {t} (id);",
    ),
    danger(
        "backfill",
        "UPDATE {t} SET note = 'x';",
        &["backfill: backfill {t}"],
        &[],
        "-- no transaction
UPDATE {t} SET note = 'x' WHERE id <= 4000;
UPDATE {t} SET note = 'x' WHERE id BETWEEN 4001 AND 8000;
UPDATE {t} SET note = 'x' WHERE id > 8000;",
    ),
    danger(
        "long_lock",
        "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE;
SELECT pg_sleep(6);",
        &[
            "blocked: block readers of {t}",
            "blocked: block writers of {t}",
            "long-lock: lock table {t}",
        ],
        &[],
        "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE;",
    ),
    danger(
        "vacuum_full",
        "-- no transaction
VACUUM FULL {t};",
        &["rewrite: rewrite table {t}"],
        &[],
        "-- no transaction
VACUUM {t};",
    ),
];

/// What a review must accept, by the definitions and rows before and after.
const CHANGED: &[Danger] = &[
    danger(
        "widened",
        "GRANT DELETE ON {t} TO shop_app;",
        &["accept: grant delete on table {t} to shop_app"],
        &[],
        "REVOKE SELECT ON {t} FROM shop_app;",
    ),
    danger(
        "policy",
        "DROP POLICY of_amount ON {t};
CREATE POLICY of_amount ON {t} USING (true);",
        &["accept: change policy of_amount on {t}"],
        &[],
        "CREATE POLICY narrow ON {t} AS RESTRICTIVE USING (amount < 40);",
    ),
    danger(
        "trigger",
        "ALTER TABLE {t} DISABLE TRIGGER touch;",
        &["accept: disable trigger touch on {t}"],
        &[],
        "CREATE TABLE {t}_2 (note text);
CREATE TRIGGER touch_2 BEFORE INSERT ON {t}_2 FOR EACH ROW EXECUTE FUNCTION app.touch();",
    ),
    danger(
        "emptied",
        "TRUNCATE {t};",
        &["accept: empty table {t}"],
        &[],
        "INSERT INTO {t} (email) VALUES ('new@example.com');",
    ),
    danger(
        "dropped_column",
        "ALTER TABLE {t} DROP COLUMN note;",
        &["accept: drop column {t}.note"],
        &[],
        "COMMENT ON COLUMN {t}.note IS 'nothing reads it';",
    ),
    danger(
        "roles",
        "GRANT postgres TO shop_app;
ALTER ROLE shop_owner BYPASSRLS;",
        &[
            "accept: alter role shop_owner bypassrls",
            "accept: grant role postgres to shop_app",
        ],
        &[],
        "CREATE ROLE shop_reader;",
    ),
];

/// A release of these migrations, which are rehearsed once.
fn release_of(dangers: &[Danger], sql: impl Fn(&Danger) -> &'static str) -> Release {
    let empty = release().settings(FIRST_RUN_ONLY);
    let numbered = dangers.iter().enumerate();
    numbered.fold(empty, |release, (number, danger)| {
        let file = format!("{:03}_{}", number + 1, danger.name);
        release.up(&file, &filled(danger, sql(danger)))
    })
}

/// With the name of the table.
fn filled(danger: &Danger, text: &str) -> String {
    text.replace("{t}", &format!("app.{}", danger.name))
}

fn expected(
    dangers: &[Danger],
    lines: impl Fn(&Danger) -> &'static [&'static str],
) -> BTreeSet<String> {
    let each = dangers.iter();
    let lines = each.flat_map(|one| lines(one).iter().map(|line| filled(one, line)));
    lines.collect()
}

/// What is missing (`-`) and what is too much (`+`), for the message of an assertion.
fn difference(found: &[BTreeSet<String>; 2], wanted: &[BTreeSet<String>; 2]) -> Vec<String> {
    let each = found.iter().zip(wanted);
    let lines = each.flat_map(|(found, wanted)| {
        let missing = wanted.difference(found).map(|line| format!("- {line}"));
        let more = found.difference(wanted).map(|line| format!("+ {line}"));
        missing.chain(more).collect::<Vec<_>>()
    });
    lines.collect()
}

/// Long enough for a statement on a busy machine, and shorter than what `long_lock` waits.
const LIMIT: &str = "lock-limit = \"4s\"\n";

#[test]
fn each_danger_is_named_and_nothing_else() {
    let rehearsed = release_of(OBSERVED, |one| one.sql)
        .settings(LIMIT)
        .rehearse();
    let found = [rehearsed.faults(), rehearsed.advice()];
    let wanted = [
        expected(OBSERVED, |one| one.faults),
        expected(OBSERVED, |one| one.advice),
    ];
    assert_eq!(found, wanted, "{:#?}", difference(&found, &wanted));
    let failed = rehearsed.steps("fail");
    assert_eq!(failed, ["locks", "work", "blocking", "changes"]);
    assert_eq!(rehearsed.outcome("run"), "pass");
    assert_eq!(rehearsed.verdict(), "UNSAFE");
}

#[test]
fn changes_that_a_review_must_accept_are_named() {
    let rehearsed = release_of(CHANGED, |one| one.sql)
        .role("postgres")
        .rehearse();
    assert_eq!(rehearsed.faults(), expected(CHANGED, |one| one.faults));
    rehearsed.fails_in(&["changes"]);
}

#[test]
fn what_a_review_accepts_is_no_fault() {
    let changes = expected(CHANGED, |one| one.faults);
    let mut allow = String::new();
    for change in &changes {
        let change = change.strip_prefix("accept: ").unwrap();
        allow += &format!(
            "[[rehearse.allow]]\nchange = \"{change}\"\nreason = \"reviewed in SHOP-12\"\n"
        );
    }
    allow += "[[rehearse.allow]]\nchange = \"drop table app.nosuch\"\nreason = \"of the last release\"\n";
    let rehearsed = release_of(CHANGED, |one| one.sql)
        .role("postgres")
        .settings(&allow)
        .rehearse();
    assert_eq!(rehearsed.faults(), BTreeSet::new());
    assert_eq!(rehearsed.verdict(), "SAFE");
    let unused: Vec<_> = rehearsed.advice().into_iter().collect();
    assert_eq!(unused.len(), 1, "{unused:?}");
    assert!(unused[0].contains("nothing is named `drop table app.nosuch`"));
    let facts = rehearsed.report()["migration"]["changes"]
        .as_array()
        .unwrap();
    let accepted = facts
        .iter()
        .filter(|one| one["accepted"] == "reviewed in SHOP-12");
    assert_eq!(accepted.count(), changes.len());
}

#[rstest]
#[case::observed(OBSERVED, "shop_owner")]
#[case::changed(CHANGED, "postgres")]
fn the_safe_twins_cause_no_finding(#[case] dangers: &[Danger], #[case] role: &'static str) {
    let rehearsed = release_of(dangers, |one| one.safe)
        .role(role)
        .settings(LIMIT)
        .rehearse();
    assert_eq!(rehearsed.faults(), BTreeSet::new());
    assert_eq!(rehearsed.advice(), BTreeSet::new());
    assert_eq!(rehearsed.verdict(), "SAFE");
}

/// Migrations that the server refuses: the finding names the statement, its SQLSTATE, and what to do.
#[rstest]
#[case::new_value_of_an_enumerated_type(
    "ALTER TYPE app.state ADD VALUE 'old';
CREATE TABLE app.q (s app.state DEFAULT 'old');",
    ["CREATE TABLE app.q", "(55P04)", "a migration of its own before"]
)]
#[case::nulls(
    "ALTER TABLE app.orders ALTER amount SET NOT NULL;",
    ["ALTER TABLE app.orders ALTER amount SET NOT NULL", "(23502)", "fill it first"]
)]
#[case::duplicates(
    "CREATE UNIQUE INDEX one_phone ON app.account (phone);",
    ["CREATE UNIQUE INDEX one_phone ON app.account (phone)", "(23505)", "duplicates"]
)]
#[case::no_right(
    "CREATE ROLE shop_reader;",
    ["CREATE ROLE shop_reader", "(42501)", "the role lacks a right"]
)]
fn a_migration_that_is_refused_fails(#[case] sql: &str, #[case] says: [&str; 3]) {
    let rehearsed = release().settings(FIRST_RUN_ONLY).up("001", sql).rehearse();
    let findings = rehearsed.fails_in(&["run"]);
    for text in says {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
    // A transaction that is rolled back leaves nothing.
    assert!(!findings.contains("leaves nothing behind"), "{findings}");
}

/// Repeated with IF NOT EXISTS it would end well and leave the index as it is.
#[test]
fn a_unique_index_that_is_not_built_to_its_end_must_be_dropped_first() {
    let index =
        "-- no transaction\nCREATE UNIQUE INDEX CONCURRENTLY one_phone ON app.account (phone);";
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .up("001", index)
        .rehearse();
    let findings = rehearsed.fails_in(&["run", "changes"]);
    for text in ["(23505)", "it leaves", "DROP INDEX CONCURRENTLY IF EXISTS"] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
}

#[test]
fn a_migration_that_works_on_an_empty_database_fails_on_real_rows() {
    let number = || {
        let change = "ALTER TABLE app.orders ALTER note TYPE integer USING note::integer;";
        release()
            .settings(FIRST_RUN_ONLY)
            .settings("rewrites = \"any\"\n")
            .settings("[[rehearse.allow]]\nchange = \"change type of app.orders.note\"\nreason = \"every note is a number\"\n")
            .up("001", change)
    };
    let empty = number()
        .backup(dump("TRUNCATE app.orders, app.account"))
        .rehearse();
    assert_eq!(empty.verdict(), "SAFE", "{}", empty.ended.stdout);
    let findings = number().rehearse().fails_in(&["run"]);
    assert!(findings.contains("(22P02)"), "{findings}");
    // No value of a row.
    let n = regex::Regex::new(r"\bn\d").unwrap();
    assert!(!n.is_match(&findings), "{findings}");
}

#[test]
fn what_a_failed_run_leaves_is_named() {
    let sql = "-- no transaction
CREATE TABLE app.left_behind (id bigint);
CREATE UNIQUE INDEX CONCURRENTLY one_phone ON app.account (phone);";
    let rehearsed = release().settings(FIRST_RUN_ONLY).up("001", sql).rehearse();
    let findings = rehearsed.findings("run");
    for text in [
        "(23505)",
        "create table app.left_behind",
        "leave index app.one_phone invalid",
    ] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
    assert_eq!(rehearsed.verdict(), "UNSAFE");
}

/// The server's log names an index that is built under a lock; whoever changes what is logged may not hide that.
const BUILDS: &str = "CREATE INDEX orders_note ON app.orders (note);";

#[test]
fn a_role_whose_sessions_log_less_is_observed_all_the_same() {
    let mut backup = dump("");
    backup.extend_from_slice(
        b"\nALTER ROLE shop_owner SET log_min_messages = 'error';\nDO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET log_min_messages = ''panic''', current_database()); END $$;\n",
    );
    let rehearsed = release()
        .backup(backup)
        .settings(FIRST_RUN_ONLY)
        .up("001", BUILDS)
        .rehearse();
    rehearsed.fails_in(&["work"]);
    let built = "index-under-lock: build index orders_note on app.orders".to_owned();
    assert_eq!(rehearsed.faults(), BTreeSet::from([built]));
}

#[rstest]
#[case::by_the_session(
    "SET log_min_messages = 'error';",
    "",
    "the tool changes `log_min_messages`"
)]
#[case::within_a_function(
    "DO $$ BEGIN PERFORM set_config('log_min_messages', 'error', false); END $$;",
    "",
    "the tool changes `log_min_messages`"
)]
#[case::by_the_options_of_its_connection(
    "",
    "env = { PGOPTIONS = \"-c log_min_messages=error\" }\n",
    "the tool changes `log_min_messages`"
)]
#[case::for_a_role(
    "DO $$ BEGIN EXECUTE 'ALTER ROLE shop_owner SET log_' || 'min_messages = ''error'''; END $$;",
    "",
    "the migrations `ALTER ROLE shop_owner SET log_min_messages`"
)]
fn a_release_that_hides_its_work_from_the_log_is_not_safe(
    #[case] hides: &str,
    #[case] settings: &str,
    #[case] why: &str,
) {
    let rehearsed = release()
        .role("postgres")
        .settings(FIRST_RUN_ONLY)
        .settings(settings)
        .up("001", &format!("{hides}\n{BUILDS}"))
        .rehearse();
    assert_eq!(
        rehearsed.verdict(),
        "INCONCLUSIVE",
        "{}",
        rehearsed.ended.stdout
    );
    assert_eq!(rehearsed.steps("error"), ["work"]);
    let findings = rehearsed.findings("work");
    assert!(findings.contains(why), "{findings}");
}

/// The application is refused something while the migrations run: a review knows the change, a probe has seen it.
#[test]
fn a_right_that_the_application_loses_is_named_twice() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings("application = [\"shop_app\"]\n")
        .up(
            "001",
            "-- no transaction\nREVOKE SELECT ON app.account FROM shop_app;\nSELECT pg_sleep(3);",
        )
        .rehearse();
    let faults = [
        "accept: revoke select on table app.account from shop_app",
        "refused: refuse app.account to shop_app",
    ];
    assert_eq!(rehearsed.faults(), faults.map(str::to_owned).into());
    rehearsed.fails_in(&["blocking", "changes"]);
}

/// What the old application uses may not change its name, unless it is not expected to run.
#[rstest]
#[case::it_runs("", &["accept: rename column app.account.phone to mobile"])]
#[case::it_does_not("old-application = false\n", &[])]
fn a_rename_is_for_a_review_where_the_old_application_runs(
    #[case] settings: &str,
    #[case] faults: &[&str],
) {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings(settings)
        .up(
            "001",
            "ALTER TABLE app.account RENAME COLUMN phone TO mobile;",
        )
        .rehearse();
    let faults = faults.iter().map(|one| (*one).to_owned());
    assert_eq!(rehearsed.faults(), faults.collect());
}

/// Rows of the tool's own history are its own affair.
#[rstest]
#[case::of_the_history("history = [\"app.migration\"]\n", &[])]
#[case::of_a_table("", &["accept: delete rows of app.migration"])]
fn rows_of_the_history_may_go(#[case] settings: &str, #[case] faults: &[&str]) {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings(settings)
        .up(
            "001",
            "DELETE FROM app.migration;\nCREATE TABLE app.a (id bigint);",
        )
        .rehearse();
    let faults = faults.iter().map(|one| (*one).to_owned());
    assert_eq!(rehearsed.faults(), faults.collect());
}

/// The log does not name what VACUUM FULL writes anew; a scenario permits it all the same.
#[test]
fn a_rewrite_that_the_scenario_permits_is_no_fault() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings("rewrites = [\"app.vacuum_*\"]\n")
        .up("001", "-- no transaction\nVACUUM FULL app.vacuum_full;")
        .rehearse();
    assert_eq!(rehearsed.faults(), BTreeSet::new());
    assert_eq!(rehearsed.verdict(), "SAFE");
}

/// Databases that a release makes and drops, which others of the cluster would never show.
#[test]
fn databases_that_come_and_go_are_changes() {
    let rehearsed = release()
        .role("postgres")
        .settings(FIRST_RUN_ONLY)
        .up("001", "-- no transaction\nCREATE DATABASE reports;")
        .rehearse();
    assert_eq!(rehearsed.verdict(), "SAFE", "{}", rehearsed.ended.stdout);
    let changes = rehearsed.report()["migration"]["changes"].to_string();
    assert!(changes.contains("create database reports"), "{changes}");
}

/// The first statement takes the lock, the second one works under it.
#[test]
fn work_names_the_statement_that_works() {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .up("001", "ALTER TABLE app.not_null ALTER note SET DEFAULT 'x';\nALTER TABLE app.not_null ALTER amount SET NOT NULL;")
        .rehearse();
    let findings = rehearsed.fails_in(&["work"]);
    let statement = "`ALTER TABLE app.not_null ALTER amount SET NOT NULL` reads all of its rows";
    assert!(findings.contains(statement), "{findings}");
}

/// What a statement only reads is no table that it changes, and what has no rows proves nothing.
#[rstest]
#[case::a_table_that_is_only_read(
    "ALTER TABLE app.backfill ADD COLUMN more text;
CREATE TABLE app.copied (id bigint, note text);
INSERT INTO app.copied SELECT id, note FROM app.backfill;",
    &[]
)]
#[case::a_statement_within_with(
    "WITH changed AS (UPDATE app.backfill SET note = 'x' RETURNING id) SELECT count(*) FROM changed;
CREATE TABLE app.copied (id bigint);
WITH changed AS (UPDATE app.backfill SET note = 'y' RETURNING id) INSERT INTO app.copied SELECT id FROM changed;",
    &["backfill: backfill app.backfill"]
)]
#[case::slices_of_one_transaction(
    "UPDATE app.backfill SET note = 'x' WHERE id <= 6000;
UPDATE app.backfill SET note = 'x' WHERE id > 6000;",
    &["backfill: backfill app.backfill"]
)]
#[case::through_a_view(
    "CREATE VIEW app.filled AS SELECT * FROM app.backfill;
UPDATE app.filled SET note = 'x';",
    &["backfill: backfill app.backfill"]
)]
#[case::the_history_is_emptied(
    "TRUNCATE app.migration;",
    &[]
)]
fn the_tables_that_a_transaction_changes_are_named(#[case] sql: &str, #[case] faults: &[&str]) {
    let rehearsed = release()
        .settings(FIRST_RUN_ONLY)
        .settings("history = [\"app.migration\"]\n")
        .up("001", sql)
        .rehearse();
    let faults = faults.iter().map(|one| (*one).to_owned());
    assert_eq!(rehearsed.faults(), faults.collect());
}

#[test]
fn work_on_a_table_without_rows_is_not_tested() {
    let rehearsed = release()
        .backup(dump("TRUNCATE app.orders;"))
        .settings(FIRST_RUN_ONLY)
        .up(
            "001",
            "CREATE INDEX more ON app.orders (note);
ALTER TABLE app.orders ALTER amount TYPE bigint;
ALTER TABLE app.orders ALTER amount SET NOT NULL;",
        )
        .rehearse();
    assert_eq!(rehearsed.faults(), BTreeSet::new());
    // Lines are wrapped.
    let words: Vec<&str> = rehearsed.ended.stdout.split_whitespace().collect();
    let text = "what work on tables without rows costs: app.orders";
    assert!(words.join(" ").contains(text), "{words:?}");
}
