//! Rows that the selected checks do not need are left out of a restore, and the checks find what they find on all rows.

use std::sync::Arc;

use redrill::baseline::observed::Observed;
use redrill::check::Restored;
use redrill::check::counts::Counts;
use redrill::check::sessions::Sessions;
use redrill::event::Listener;
use redrill::needed::RowsLeftOut;
use redrill::outcome::Finding;
use redrill::redact::Redactor;
use redrill::restore::{self, settings::Restore};
use redrill::run;
use redrill::scenario::ScenarioCheck;
use redrill::server::{Client, ClientInput};
use sqlx::Row as _;
use tokio::io::AsyncReadExt as _;

use crate::support::{Plur, environment, inspect, on_empty, parse, root};

/// A shop: orders of two tenants under policies, a log of them, and tables of some MB that only some of it needs.
const SHOP: &str = "
CREATE ROLE shop_owner;
CREATE ROLE web LOGIN;
CREATE SCHEMA app AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA app TO web;
SET ROLE shop_owner;
CREATE TABLE app.members (name text PRIMARY KEY, tenant text NOT NULL, filler text);
INSERT INTO app.members SELECT 'm' || i, CASE WHEN i % 2 = 0 THEN 'acme' ELSE 'bolt' END, repeat('m', 1000) FROM generate_series(1, 1500) i;
CREATE TABLE app.orders (id integer PRIMARY KEY, tenant text NOT NULL, note text);
INSERT INTO app.orders SELECT i, CASE WHEN i % 3 = 0 THEN 'acme' ELSE 'bolt' END, 'n' FROM generate_series(1, 30) i;
CREATE TABLE app.log (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
INSERT INTO app.log (what) SELECT 'w' || i FROM generate_series(1, 20) i;
CREATE TABLE app.clicks (id bigserial PRIMARY KEY, at date NOT NULL, order_id integer REFERENCES app.orders, filler text);
INSERT INTO app.clicks (at, order_id, filler) SELECT '2026-01-01', 1 + i % 30, repeat('c', 1000) FROM generate_series(1, 2000) i;
CREATE TABLE app.\"Odd Clicks\" (id integer, filler text) PARTITION BY RANGE (id);
CREATE TABLE app.\"Odd 1\" PARTITION OF app.\"Odd Clicks\" FOR VALUES FROM (0) TO (5000);
INSERT INTO app.\"Odd Clicks\" SELECT i, repeat('o', 1000) FROM generate_series(1, 2000) i;
CREATE MATERIALIZED VIEW app.per_order AS SELECT order_id, count(*) AS clicks FROM app.clicks GROUP BY 1;
CREATE MATERIALIZED VIEW app.per_tenant AS SELECT tenant, count(*) AS orders FROM app.orders GROUP BY 1;
CREATE FUNCTION app.tenant() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = app AS
$$ BEGIN RETURN (SELECT m.tenant FROM members m WHERE m.tenant = current_setting('app.tenant', true) LIMIT 1); END $$;
CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'append-only'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON app.log EXECUTE FUNCTION app.refuse();
CREATE POLICY fence ON app.orders USING (tenant = app.tenant());
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.orders TO web;
GRANT SELECT, INSERT ON app.log TO web;
GRANT INSERT ON app.clicks TO web;
RESET ROLE;
";

/// The checks of a release gate for it.
const CHECKS: [&str; 4] = [
    "[[check.rls]]
table = 'app.orders'
trusted-functions = ['app.tenant()']
[[check.rls.behaviour]]
role = 'web'
settings = { 'app.tenant' = 'acme' }
sees-where = \"tenant = 'acme'\"
refuses = \"UPDATE app.orders SET note = note WHERE tenant = 'bolt'\"
allows = \"INSERT INTO app.orders VALUES (99, 'acme')\"
[[check.rls.behaviour]]
role = 'web'
sees = 'none'",
    "[[check.tenant]]
tables = ['app.orders']
column = 'tenant'
role = 'web'
setting = 'app.tenant'
tenants = ['acme', 'bolt']
trusted-functions = ['app.tenant()']",
    "[[check.append-only]]
table = 'app.log'
roles = ['web']
attempt-as-owner = true",
    "[[check.role]]
role = 'web'
attributes = { login = true }
floor = ['connect, temporary on database', 'usage on schema app', 'select, insert, update, delete on app.orders', 'select, insert on app.log', 'insert on app.clicks*', 'execute on functions app.*']
ceiling = ['usage on schema public']
trusted-functions = ['app.tenant()']
attempts = false",
];

/// Changes of the database and the kinds of checks that find them; none for what is as it should be.
const CHANGES: [(&str, &str, &[&str]); 9] = [
    ("nothing", "", &[]),
    ("no row security", "ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY", &["rls", "tenant"]),
    ("a policy that shows too much", "DROP POLICY fence ON app.orders; CREATE POLICY fence ON app.orders USING (app.tenant() IS NOT NULL)", &["rls", "tenant"]),
    ("members without rows", "DELETE FROM app.members", &["rls", "tenant"]),
    ("a right too many", "GRANT DELETE ON app.log TO web", &["append-only", "role"]),
    ("no trigger", "DROP TRIGGER refuse ON app.log", &["append-only"]),
    (
        "a view past the policies, on clicks",
        "CREATE VIEW app.seen AS SELECT o.id, o.note, c.id AS click FROM app.orders o JOIN app.clicks c ON c.order_id = o.id; GRANT SELECT ON app.seen TO web",
        &["rls", "tenant", "role"],
    ),
    (
        "a trigger of clicks that changes history",
        "CREATE FUNCTION app.purge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM app.log; RETURN NULL; END $$;
         DROP TRIGGER refuse ON app.log;
         CREATE TRIGGER purge AFTER DELETE ON app.clicks FOR EACH ROW EXECUTE FUNCTION app.purge();
         GRANT SELECT, DELETE ON app.clicks TO web",
        &["append-only", "role"],
    ),
    (
        "a cascade from clicks to history",
        "ALTER TABLE app.log DISABLE TRIGGER refuse;
         ALTER TABLE app.log ADD COLUMN click bigint REFERENCES app.clicks ON DELETE CASCADE;
         UPDATE app.log SET click = 7; GRANT SELECT, DELETE ON app.clicks TO web; ALTER TABLE app.log ENABLE TRIGGER refuse",
        &["role"],
    ),
];

/// What pg_dump writes of the database `plur`.
async fn dump(plur: &Plur, options: &[&str]) -> Vec<u8> {
    let arguments = options.iter().chain(&["--dbname=plur"]);
    let mut client = plur
        .server
        .client(Client {
            program: "pg_dump",
            arguments: arguments.map(|&argument| argument.to_owned()).collect(),
            input: ClientInput::Nothing,
        })
        .await
        .unwrap();
    let mut bytes = Vec::new();
    client.stdout.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(client.end.wait().await.unwrap(), Some(0));
    bytes
}

/// Restores a dump for these checks into a database of its own; returns what was left out.
async fn restored(plur: &Plur, dump: &[u8], checks: &[ScenarioCheck]) -> RowsLeftOut {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.dump");
    std::fs::write(&file, dump).unwrap();
    let backup = inspect(&file).await;
    assert_eq!(backup.problems, []);
    let settings = Restore {
        database: Some("copy".to_owned()),
        ..Restore::default()
    };
    let left_out = RowsLeftOut::of(&backup, &settings, checks);
    let listener = Arc::new(|_| {}) as Listener;
    let how = (&settings, &left_out);
    let log = restore::restore_needed(&plur.server, &backup, how, &Redactor::default(), &listener)
        .await
        .unwrap();
    assert_eq!(log.errors, []);
    assert_eq!(log.unable, []);
    left_out
}

/// What a check finds in a database.
async fn found(plur: &Plur, database: &str, check: &ScenarioCheck) -> Result<Vec<Finding>, String> {
    let restored = Restored {
        last_record: &Ok(None),
        server: &plur.server,
        servers: &[],
        run: &plur.run.id,
        database,
        backup: &plur.backup,
        counts: &Counts::default(),
        sessions: &Sessions::default(),
        observed: &Observed::default(),
        trail: &redrill::database::Trail::default(),
        folder: &root(),
        environment: &environment(),
        redactor: &Redactor::default(),
        timeout: check.timeout,
    };
    let observation = run::run_check(check, &restored).await;
    match observation {
        Ok(observation) => Ok(observation.all_findings().cloned().collect()),
        Err(error) => Err(error.reason),
    }
}

/// What of it does not depend on rows elsewhere: a DELETE that goes through may be stopped by a foreign key where the table
/// that refers has rows, and is a finding all the same.
fn outline(found: &Result<Vec<Finding>, String>) -> Result<Vec<Option<&str>>, &String> {
    let found = found.as_ref()?;
    Ok(found.iter().map(|one| one.object.as_deref()).collect())
}

async fn value(plur: &Plur, sql: &str) -> i64 {
    let mut connection = plur.connect("copy").await;
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
    let value = row.fetch_one(&mut connection).await.unwrap().get(0);
    sqlx::Connection::close(connection).await.unwrap();
    value
}

/// Makes the shop anew, with a change.
async fn make(plur: &Plur, change: &str) {
    for database in ["copy", "plur"] {
        let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        plur.sql("postgres", &drop).await;
    }
    plur.sql("postgres", "DROP ROLE IF EXISTS web").await;
    plur.sql("postgres", "DROP ROLE IF EXISTS shop_owner").await;
    plur.sql("postgres", "CREATE DATABASE plur TEMPLATE template0")
        .await;
    plur.sql("plur", SHOP).await;
    plur.sql("plur", change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_no_check_needs_are_left_out_however_they_are_written() {
    on_empty(17, async |plur: &Plur| {
        let checks: Vec<ScenarioCheck> = CHECKS.iter().map(|check| parse(check)).collect();
        for options in [&[][..], &["--inserts"], &["--quote-all-identifiers", "--disable-dollar-quoting"]] {
            make(plur, "").await;
            let left_out = restored(plur, &dump(plur, options).await, &checks).await;
            assert_eq!(left_out.none_because, None, "{options:?}");
            let held: Vec<&str> = left_out.held.iter().map(|one| one.table.as_str()).collect();
            assert_eq!(held, ["app.clicks", "app.\"Odd 1\""], "{options:?}");
            let views: Vec<&str> = left_out.views.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(views, ["per_order"], "{options:?}");
            for (sql, expected) in [
                ("SELECT count(*) FROM app.clicks", 0),
                ("SELECT count(*) FROM app.\"Odd Clicks\"", 0),
                ("SELECT count(*) FROM app.orders", 30),
                ("SELECT count(*) FROM app.members", 1500),
                ("SELECT count(*) FROM app.log", 20),
                ("SELECT count(*) FROM app.per_tenant", 2),
                ("SELECT last_value FROM app.clicks_id_seq", 2000),
                ("SELECT count(*) FROM pg_class WHERE relname = 'per_order' AND NOT relispopulated", 1),
                // The foreign key, the indexes and the triggers are there all the same.
                ("SELECT count(*) FROM pg_constraint WHERE conrelid = 'app.clicks'::regclass AND contype IN ('f', 'p') AND convalidated", 2),
            ] {
                assert_eq!(value(plur, sql).await, expected, "{options:?}: {sql}");
            }
        }
    })
    .await;
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all(1)]
#[case::some(3)]
#[tokio::test(flavor = "multi_thread")]
async fn the_checks_find_what_they_find_on_all_rows(#[case] each: usize) {
    on_empty(17, async |plur: &Plur| {
        let checks: Vec<ScenarioCheck> = CHECKS.iter().map(|check| parse(check)).collect();
        let mut wrong = Vec::new();
        for (name, change, kinds) in CHANGES.into_iter().step_by(each) {
            make(plur, change).await;
            let left_out = restored(plur, &dump(plur, &[]).await, &checks).await;
            assert_eq!(left_out.none_because, None, "{name}");
            let names = |name: &str| change.contains(name);
            let clicks = left_out.held.iter().any(|one| one.table == "app.clicks");
            assert_eq!(clicks, !names("clicks"), "{name}: {left_out:?}");
            let mut failed = Vec::new();
            for check in &checks {
                let all = found(plur, "plur", check).await;
                let some = found(plur, "copy", check).await;
                if outline(&all) != outline(&some) {
                    wrong.push(format!(
                        "{name}, {}:\n  all rows: {all:?}\n  some: {some:?}",
                        check.kind
                    ));
                }
                if all.is_ok_and(|all| !all.is_empty()) {
                    failed.push(check.kind);
                }
            }
            if failed != kinds {
                wrong.push(format!("{name}: {failed:?} failed instead of {kinds:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    })
    .await;
}
