//! Single migrations of a database, each with the changes that it must cause.

use redrill::rehearse::changes::{
    ChangeClass, ClusterChange, EqualOptions, REVIEWED, REVIEWED_FOR_OLD, ReadRows, State, compare,
    equal, read, sizes,
};
use redrill::sql::QualifiedName;

use crate::drill::builder::redrill;
use crate::support::{Plur, on_empty};

/// Statements, each on lines of its own; statements that undo what databases share; the expected changes. `!` marks those that a
/// scenario must accept.
type Case = (&'static str, &'static str, &'static [&'static str]);

async fn state(plur: &Plur, database: &str, rows: ReadRows) -> State {
    read(&plur.server, &[database.to_owned()], rows)
        .await
        .unwrap()
}

/// Runs statements one by one, so that none is in a transaction with another.
async fn migrate(plur: &Plur, database: &str, sql: &str) {
    for statement in sql.split(";\n") {
        plur.sql(database, statement).await;
    }
}

fn lines(changes: &[ClusterChange]) -> Vec<String> {
    let mark = |change: &ClusterChange| if change.needs_acceptance() { "! " } else { "" };
    changes
        .iter()
        .map(|change| format!("{}{}", mark(change), change.name))
        .collect()
}

/// A fresh database `shop` like `base`.
async fn create_shop(plur: &Plur) {
    migrate(
        plur,
        "postgres",
        "DROP DATABASE IF EXISTS shop WITH (FORCE);\nCREATE DATABASE shop TEMPLATE base STRATEGY file_copy",
    )
    .await;
}

async fn create_base(plur: &Plur) {
    plur.sql("postgres", "CREATE DATABASE base TEMPLATE template0")
        .await;
    plur.sql("base", include_str!("shop.sql")).await;
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all_on_15(15, 1)]
#[ignore = "slow: ci/slow.sh"]
#[case::all_on_17(17, 1)]
#[case::some_on_17(17, 3)]
#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_migration_is_reported(#[case] major: u32, #[case] each: usize) {
    on_empty(major, async |plur| {
        create_base(plur).await;
        let mut wrong = String::new();
        for (sql, undo, expected) in CASES.iter().step_by(each) {
            create_shop(plur).await;
            let before = state(plur, "shop", ReadRows::All).await;
            migrate(plur, "shop", sql).await;
            let after = state(plur, "shop", ReadRows::All).await;
            let changes = compare(&before, &after);
            let found = lines(&changes);
            if found != *expected {
                wrong += &format!("(\n    {sql:?},\n    {undo:?},\n    &{found:#?},\n),\n");
            }
            for change in &changes {
                if change.text.contains("SECRET") || change.text.contains('\n') {
                    wrong += &format!("    // {}\n", change.text);
                }
                if found != *expected {
                    wrong += &format!("    // {}\n", change.text);
                }
            }
            if !undo.is_empty() {
                plur.sql("shop", undo).await;
            }
        }
        assert!(wrong.is_empty(), "other changes:\n{wrong}");
    })
    .await;
}

/// An index that is left invalid has a test of its own.
#[test]
fn what_a_review_must_accept_is_listed_by_changes_that_exist() {
    let of_cases = CASES.iter().flat_map(|(_, _, changes)| *changes);
    let known: Vec<&str> = of_cases
        .copied()
        .chain([INVALID])
        .filter_map(|line| line.strip_prefix("! "))
        .collect();
    for (what, name) in REVIEWED {
        assert!(known.contains(name), "{what}: {name}");
    }
    let explained = redrill().call(&["explain", "rehearse"]).stdout;
    for (what, name) in REVIEWED.iter().chain(REVIEWED_FOR_OLD) {
        assert!(explained.contains(what), "{what}");
        assert!(explained.contains(name), "{name}");
    }
}

const INVALID: &str = "! leave index app.twice invalid";

const CASES: &[Case] = &[
    // Harmless.
    (
        "ALTER TABLE app.account ADD COLUMN note text",
        "",
        &["add column app.account.note"],
    ),
    (
        "ALTER TABLE app.account ADD COLUMN plan text NOT NULL DEFAULT 'free';\nUPDATE app.account SET plan = 'paid' WHERE id < 5",
        "",
        &["add column app.account.plan"],
    ),
    (
        "CREATE INDEX CONCURRENTLY account_name ON app.account (name)",
        "",
        &["create index app.account_name"],
    ),
    (
        "COMMENT ON TABLE app.account IS 'who pays'",
        "",
        &["comment on table app.account"],
    ),
    (
        "SET ROLE app_owner; CREATE TABLE app.invoice (id int PRIMARY KEY); CREATE VIEW app.v AS SELECT id FROM app.entry; RESET ROLE",
        "",
        &["create table app.invoice", "create view app.v"],
    ),
    (
        "ALTER TABLE app.account RENAME TO account_2; ALTER TABLE app.account_2 RENAME name TO label;\nALTER TABLE app.account_2 RENAME label TO name; ALTER TABLE app.account_2 RENAME TO account",
        "",
        &[],
    ),
    ("ANALYZE", "", &[]),
    (
        "VACUUM FULL app.account",
        "",
        &["rewrite table app.account"],
    ),
    (
        "ALTER TABLE app.entry VALIDATE CONSTRAINT entry_amount",
        "",
        &["validate constraint entry_amount on app.entry"],
    ),
    (
        "ALTER TABLE app.account ALTER name SET NOT NULL",
        "",
        &["set not null on app.account.name"],
    ),
    (
        "REVOKE SELECT ON app.account FROM app_reader",
        "",
        &["revoke select on table app.account from app_reader"],
    ),
    (
        "INSERT INTO app.account (name, tenant) VALUES ('SECRET', 1)",
        "",
        &["insert rows into app.account"],
    ),
    (
        "UPDATE app.account SET name = 'SECRET' WHERE id = 7",
        "",
        &["update rows of app.account"],
    ),
    ("SELECT nextval('app.account_id_seq')", "", &[]),
    (
        "ALTER TABLE app.account ALTER changed TYPE text",
        "",
        &[
            "change type of app.account.changed",
            "rewrite table app.account",
        ],
    ),
    (
        "ALTER TABLE app.entry ENABLE ROW LEVEL SECURITY",
        "",
        &["enable row level security on app.entry"],
    ),
    (
        "CREATE POLICY narrow ON app.account AS RESTRICTIVE USING (id > 0)",
        "",
        &["create policy narrow on app.account"],
    ),
    (
        "ALTER TABLE app.entry ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID",
        "",
        &[
            "add constraint positive on app.entry",
            "leave constraint positive on app.entry not valid",
        ],
    ),
    (
        "REINDEX INDEX app.entry_account",
        "",
        &["rebuild index app.entry_account"],
    ),
    (
        "REINDEX INDEX CONCURRENTLY app.entry_account",
        "",
        &["rebuild index app.entry_account"],
    ),
    // A rename changes the text of constraints, policies, indexes and views, and not what they are.
    (
        "ALTER TABLE app.account RENAME tenant TO organisation",
        "",
        &["rename column app.account.tenant to organisation"],
    ),
    (
        "ALTER TABLE app.account RENAME TO customer",
        "",
        &["rename table app.account to app.customer"],
    ),
    (
        "ALTER SCHEMA app RENAME TO shop",
        "",
        &["rename schema app to shop"],
    ),
    (
        "ALTER TABLE app.log SET SCHEMA public",
        "",
        &["rename table app.log to public.log"],
    ),
    (
        "ALTER INDEX app.entry_account RENAME TO by_account",
        "",
        &["rename index app.entry_account to by_account"],
    ),
    (
        "ALTER TABLE app.account RENAME tenant TO organisation; UPDATE app.account SET organisation = 9 WHERE id = 1",
        "",
        &[
            "rename column app.account.tenant to organisation",
            "update rows of app.account",
        ],
    ),
    (
        "ALTER TABLE app.account RENAME TO customer; ALTER POLICY of_tenant ON app.customer USING (true)",
        "",
        &[
            "! change policy of_tenant on app.customer",
            "rename table app.account to app.customer",
        ],
    ),
    // A table is replaced by another one of its name.
    (
        "SET ROLE app_owner; CREATE TABLE app.log_2 (LIKE app.log INCLUDING ALL); INSERT INTO app.log_2 SELECT * FROM app.log WHERE text <> 'line 3'; DROP TABLE app.log; ALTER TABLE app.log_2 RENAME TO log",
        "",
        &["! delete rows of app.log"],
    ),
    (
        "ALTER TABLE app.log RENAME TO log_old; ALTER TABLE app.account RENAME CONSTRAINT account_pkey TO account_old_pkey; ALTER TABLE app.account RENAME TO account_old; CREATE TABLE app.account (id int CONSTRAINT account_pkey PRIMARY KEY)",
        "",
        &[
            "create table app.account",
            "rename constraint account_pkey on app.account to account_old_pkey",
            "rename table app.account to app.account_old",
            "rename table app.log to app.log_old",
        ],
    ),
    (
        "ALTER TABLE app.entry RENAME TO entry_old; CREATE TABLE app.entry (id int PRIMARY KEY)",
        "",
        &[
            "create table app.entry",
            "rename table app.entry to app.entry_old",
        ],
    ),
    (
        "ALTER TABLE app.migration RENAME TO old; ALTER INDEX app.migration_pkey RENAME TO old_pkey; CREATE TABLE app.migration (LIKE app.old INCLUDING ALL); INSERT INTO app.migration SELECT * FROM app.old",
        "",
        &[
            "create table app.migration",
            "rename constraint migration_pkey on app.migration to old_pkey",
            "rename table app.migration to app.old",
        ],
    ),
    // More, and nothing that anybody loses.
    (
        "ALTER TYPE app.state ADD VALUE 'more'",
        "",
        &["change type app.state"],
    ),
    (
        "ALTER TABLE app.log ALTER text SET DEFAULT 'x'",
        "",
        &["change default of app.log.text"],
    ),
    (
        "SET ROLE app_owner; CREATE TABLE app.part_2 (id int); RESET ROLE; ALTER TABLE app.part ATTACH PARTITION app.part_2 FOR VALUES FROM (10) TO (19)",
        "",
        &["create table app.part_2"],
    ),
    (
        "CREATE TABLE app.n (changed timestamptz); CREATE TRIGGER touch BEFORE UPDATE ON app.n FOR EACH ROW EXECUTE FUNCTION app.touch()",
        "",
        &["create table app.n"],
    ),
    (
        "REFRESH MATERIALIZED VIEW app.summary",
        "",
        &["rewrite materialized view app.summary"],
    ),
    (
        "ALTER SEQUENCE app.entry_id_seq INCREMENT 2",
        "",
        &["change sequence app.entry_id_seq"],
    ),
    // What a role reads by a view it reads already.
    (
        "CREATE VIEW app.entries AS SELECT * FROM app.entry; GRANT SELECT ON app.entries TO app_reader",
        "",
        &["create view app.entries"],
    ),
    (
        "CREATE MATERIALIZED VIEW app.entries AS SELECT * FROM app.entry; GRANT SELECT ON app.entries TO app_reader",
        "",
        &["create materialized view app.entries"],
    ),
    (
        "SET ROLE app_owner; CREATE VIEW app.v WITH (security_invoker) AS SELECT id FROM app.account; RESET ROLE",
        "",
        &["create view app.v"],
    ),
    (
        "SET ROLE app_owner; CREATE VIEW app.v AS SELECT id FROM app.account; RESET ROLE",
        "",
        &[
            "! grant select on view app.v to app_reader",
            "create view app.v",
        ],
    ),
    (
        "GRANT EXECUTE ON FUNCTION app.f(integer) TO app_reader",
        "",
        &["grant execute on function app.f(integer) to app_reader"],
    ),
    // Lost.
    (
        "ALTER TABLE app.part DETACH PARTITION app.part_1",
        "",
        &["! detach partition app.part_1 from app.part"],
    ),
    (
        "ALTER TYPE app.state RENAME VALUE 'old' TO 'closed'",
        "",
        &["! change type app.state"],
    ),
    (
        "ALTER TABLE app.log ALTER text DROP DEFAULT",
        "",
        &["! change default of app.log.text"],
    ),
    (
        "ALTER SEQUENCE app.entry_id_seq INCREMENT -1",
        "",
        &["! change sequence app.entry_id_seq"],
    ),
    (
        "SELECT setval('app.entry_id_seq', 2147483647)",
        "",
        &["! use up sequence app.entry_id_seq"],
    ),
    (
        "REFRESH MATERIALIZED VIEW app.summary WITH NO DATA",
        "",
        &[
            "! change materialized view app.summary",
            "rewrite materialized view app.summary",
        ],
    ),
    (
        "CREATE RULE ignored AS ON INSERT TO app.log DO INSTEAD NOTHING",
        "",
        &["! create rule ignored on app.log"],
    ),
    (
        "CREATE TRIGGER touch_2 BEFORE INSERT ON app.account FOR EACH ROW EXECUTE FUNCTION app.touch()",
        "",
        &["! create trigger touch_2 on app.account"],
    ),
    (
        "CREATE TRIGGER noted AFTER INSERT ON app.account FOR EACH ROW EXECUTE FUNCTION app.touch()",
        "",
        &["create trigger noted on app.account"],
    ),
    (
        "ALTER SYSTEM SET work_mem = '8MB'",
        "ALTER SYSTEM RESET work_mem",
        &["! alter system set work_mem"],
    ),
    ("DROP TABLE app.log", "", &["! drop table app.log"]),
    (
        "ALTER TABLE app.log SET UNLOGGED",
        "",
        &["! set unlogged table app.log", "rewrite table app.log"],
    ),
    (
        "ALTER TABLE app.log ALTER text TYPE varchar(50)",
        "",
        &["! change type of app.log.text", "rewrite table app.log"],
    ),
    (
        "ALTER TABLE app.log ALTER text TYPE varchar",
        "",
        &["change type of app.log.text"],
    ),
    (
        "ALTER TABLE app.migration DROP COLUMN at",
        "",
        &["! drop column app.migration.at"],
    ),
    (
        "DELETE FROM app.entry WHERE id = 3",
        "",
        &["! delete rows of app.entry"],
    ),
    (
        "DELETE FROM app.entry WHERE id < 3; INSERT INTO app.entry (account, amount) SELECT 1, 1 FROM generate_series(1, 9)",
        "",
        &["! delete rows of app.entry", "insert rows into app.entry"],
    ),
    ("DELETE FROM app.log", "", &["! empty table app.log"]),
    ("TRUNCATE app.log", "", &["! empty table app.log"]),
    (
        "ALTER SEQUENCE app.account_id_seq RESTART",
        "",
        &["! move back sequence app.account_id_seq"],
    ),
    (
        "SELECT setval('app.account_id_seq', 2)",
        "",
        &["! move back sequence app.account_id_seq"],
    ),
    ("DROP VIEW app.names", "", &["! drop view app.names"]),
    ("SELECT lo_unlink(4711)", "", &["! delete large objects"]),
    // Less protected.
    (
        "ALTER TABLE app.account ALTER tenant DROP NOT NULL",
        "",
        &["! drop not null on app.account.tenant"],
    ),
    (
        "ALTER TABLE app.entry DROP CONSTRAINT entry_account_fkey",
        "",
        &["! drop constraint entry_account_fkey on app.entry"],
    ),
    (
        "DROP INDEX app.account_name_key",
        "",
        &["! drop index app.account_name_key"],
    ),
    (
        "DROP POLICY of_tenant ON app.account",
        "",
        &["! drop policy of_tenant on app.account"],
    ),
    (
        "DROP POLICY of_tenant ON app.account; CREATE POLICY of_tenant ON app.account USING (true)",
        "",
        &["! change policy of_tenant on app.account"],
    ),
    (
        "CREATE POLICY more ON app.account USING (true)",
        "",
        &["! create policy more on app.account"],
    ),
    (
        "ALTER TABLE app.account DISABLE ROW LEVEL SECURITY",
        "",
        &["! disable row level security on app.account"],
    ),
    (
        "ALTER TABLE app.account NO FORCE ROW LEVEL SECURITY",
        "",
        &["! no force row level security on app.account"],
    ),
    (
        "ALTER TABLE app.account DISABLE TRIGGER touch",
        "",
        &["! disable trigger touch on app.account"],
    ),
    (
        "DROP TRIGGER touch ON app.account",
        "",
        &["! drop trigger touch on app.account"],
    ),
    (
        "CREATE OR REPLACE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2'",
        "",
        &["! change function app.f(integer)"],
    ),
    (
        "ALTER FUNCTION app.f(integer) SECURITY DEFINER",
        "",
        &["! security definer function app.f(integer)"],
    ),
    (
        "ALTER FUNCTION app.f(integer) SET search_path = app",
        "",
        &["! change function app.f(integer)"],
    ),
    (
        "CREATE OR REPLACE VIEW app.names AS SELECT id, name FROM app.account WHERE true OR id > 1",
        "",
        &["! change view app.names"],
    ),
    // Wider.
    (
        "GRANT UPDATE, DELETE ON app.account TO app_reader",
        "",
        &[
            "! grant delete on table app.account to app_reader",
            "! grant update on table app.account to app_reader",
        ],
    ),
    (
        "GRANT UPDATE (name) ON app.account TO app_reader",
        "",
        &["! grant update (name) on table app.account to app_reader"],
    ),
    (
        "GRANT SELECT ON app.log TO PUBLIC",
        "",
        &["! grant select on table app.log to public"],
    ),
    (
        "GRANT CREATE ON SCHEMA app TO app_reader",
        "",
        &["! grant create on schema app to app_reader"],
    ),
    (
        "ALTER TABLE app.log OWNER TO app_reader",
        "",
        &["! change owner of table app.log"],
    ),
    (
        "ALTER FUNCTION app.f(integer) OWNER TO app_reader",
        "",
        &["! change owner of function app.f(integer)"],
    ),
    (
        "CREATE VIEW app.everything AS SELECT * FROM app.account; GRANT SELECT ON app.everything TO app_reader",
        "",
        &[
            "! grant select on view app.everything to app_reader",
            "create view app.everything",
        ],
    ),
    (
        "CREATE FUNCTION app.g() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM app.account'",
        "",
        &[
            "! security definer function app.g()",
            "create function app.g()",
        ],
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA app GRANT DELETE ON TABLES TO app_reader",
        "",
        &[
            "! grant delete on default privileges of app_owner in schema app on tables to app_reader",
        ],
    ),
    (
        "CREATE ROLE app_admin LOGIN",
        "DROP ROLE app_admin",
        &["create role app_admin"],
    ),
    (
        "CREATE ROLE app_admin SUPERUSER; GRANT app_owner TO app_admin",
        "DROP ROLE app_admin",
        &[
            "! alter role app_admin superuser",
            "! grant role app_owner to app_admin",
            "create role app_admin",
        ],
    ),
    (
        "ALTER ROLE app_reader BYPASSRLS",
        "ALTER ROLE app_reader NOBYPASSRLS",
        &["! alter role app_reader bypassrls"],
    ),
    (
        "GRANT app_owner TO app_reader",
        "REVOKE app_owner FROM app_reader",
        &["! grant role app_owner to app_reader"],
    ),
];

/// A failed concurrent build leaves an index that is not valid.
#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_index_must_be_accepted() {
    on_empty(17, async |plur| {
        create_base(plur).await;
        create_shop(plur).await;
        let before = state(plur, "shop", ReadRows::All).await;
        let failed = plur
            .try_sql(
                "shop",
                "CREATE UNIQUE INDEX CONCURRENTLY twice ON app.entry (account)",
            )
            .await;
        assert!(
            failed
                .unwrap_err()
                .contains("could not create unique index")
        );
        let after = state(plur, "shop", ReadRows::All).await;
        let changes = compare(&before, &after);
        assert_eq!(lines(&changes), [INVALID, "create index app.twice"]);
        assert_eq!(changes[0].class, ChangeClass::IndexInvalid);
    })
    .await;
}

/// A second run and a rerun on another copy, in which objects have other OIDs.
#[tokio::test(flavor = "multi_thread")]
async fn two_states_that_should_be_equal() {
    const UP: [&str; 2] = [
        "CREATE TABLE app.a (id int PRIMARY KEY)",
        "CREATE TABLE app.b (id int PRIMARY KEY, a int REFERENCES app.a)",
    ];
    on_empty(17, async |plur| {
        create_base(plur).await;
        let history = "INSERT INTO app.migration VALUES (2, clock_timestamp())";
        create_shop(plur).await;
        let base = state(plur, "shop", ReadRows::All).await;
        migrate(plur, "shop", &format!("{};\n{};\n{history}", UP[0], UP[1])).await;
        let first = state(plur, "shop", ReadRows::All).await;
        create_shop(plur).await;
        // Other OIDs, and tables in another order.
        migrate(plur, "shop", "CREATE TABLE app.x (id int); DROP TABLE app.x; CREATE TABLE app.b (id int PRIMARY KEY, a int)").await;
        migrate(plur, "shop", &format!("{}; ALTER TABLE app.b ADD FOREIGN KEY (a) REFERENCES app.a;\n{history}", UP[0])).await;
        let second = state(plur, "shop", ReadRows::All).await;
        let ignore = [QualifiedName::parse("app.migration").unwrap()];
        let other = EqualOptions { ignore_rows: &ignore, same_copy: false };
        assert_eq!(lines(&equal(&first, &second, &other)), [] as [&str; 0]);
        let all = EqualOptions { ignore_rows: &[], ..other };
        assert_eq!(lines(&equal(&first, &second, &all)), ["update rows of app.migration"]);
        // A second run that writes a table anew.
        let same = EqualOptions { same_copy: true, ..other };
        assert_eq!(equal(&second, &second, &same), []);
        migrate(plur, "shop", "VACUUM FULL app.account;\nALTER TABLE app.account RENAME name TO label").await;
        let third = state(plur, "shop", ReadRows::All).await;
        let found = lines(&equal(&second, &third, &same));
        assert!(found.contains(&"rewrite table app.account".to_owned()), "{found:?}");
        assert!(found.contains(&"! drop column app.account.name".to_owned()), "{found:?}");
        // Down.
        migrate(plur, "shop", "ALTER TABLE app.account RENAME label TO name; DROP TABLE app.b, app.a").await;
        let down = state(plur, "shop", ReadRows::Off).await;
        assert_eq!(lines(&equal(&base, &down, &other)), [] as [&str; 0]);
    })
    .await;
}

/// How long it takes to read some million rows: `cargo test -- --ignored --nocapture reading_takes`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, by the command above; nothing fails by its result"]
async fn reading_takes() {
    on_empty(17, async |plur| {
        for table in ["a", "b"] {
            migrate(
                plur,
                "plur",
                &format!(
                    "CREATE TABLE {table} AS SELECT id, id % 100 AS tenant, md5(id::text) AS name, now() AS at, repeat('x', 40) AS note FROM generate_series(1, 4000000) id;\nALTER TABLE {table} ADD PRIMARY KEY (id)"
                ),
            )
            .await;
        }
        for rows in [ReadRows::Off, ReadRows::All] {
            let begun = std::time::Instant::now();
            let state = state(plur, "plur", rows).await;
            eprintln!("{rows:?}: {:?}, {} bytes", begun.elapsed(), state.databases["plur"].bytes);
            assert_eq!(sizes(&state, &state), []);
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        eprintln!("{:?}", status.lines().find(|line| line.starts_with("VmHWM")));
    })
    .await;
}
