//! A database of no framework that redrill knows: what its scenario's checks alone, without the baseline,
//! see of small changes.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use redrill::baseline::history::find_watermark;
use redrill::baseline::observed::Observed;
use redrill::catalog::Catalog;
use redrill::check::Restored;
use redrill::check::counts::Counts;
use redrill::check::sessions::Sessions;
use redrill::database::{Session, Terms};
use redrill::init::access::Access;
use redrill::init::location::BackupLocation;
use redrill::init::relation::Relations;
use redrill::init::write::{Head, scenario};
use redrill::init::{Origin, append_only, describe};
use redrill::outcome::{BackupFacts, TimeSource};
use redrill::redact::Redactor;
use redrill::run;
use redrill::scenario::{Scenario, parse};
use rstest::rstest;

use crate::support::{Plur, environment, on_empty};

/// Roles, tenants by row, partitions by month, history, quoted names; Drizzle's migrations.
pub const SHOP: &str = include_str!("shop.sql");

/// What is changed, how it is taken back where clones share it, and a kind that must see it.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "DROP POLICY by_org ON shop.orders; CREATE POLICY by_org ON shop.orders USING (true)",
        "",
        "rls",
    ),
    (
        "ALTER TABLE shop.payments DISABLE ROW LEVEL SECURITY",
        "",
        "rls",
    ),
    (
        "ALTER TABLE shop.customers NO FORCE ROW LEVEL SECURITY",
        "",
        "rls",
    ),
    (
        "GRANT UPDATE ON shop.payments TO shop_reader",
        "",
        "append-only",
    ),
    (
        "GRANT UPDATE (total) ON shop.orders TO shop_support",
        "",
        "role",
    ),
    (
        "REVOKE INSERT ON shop.audit FROM shop_app",
        "",
        "append-only",
    ),
    (
        "ALTER TABLE shop.orders DISABLE TRIGGER orders_are_audited",
        "",
        "trigger",
    ),
    (
        "DROP TRIGGER audit_is_not_emptied ON shop.audit",
        "",
        "append-only",
    ),
    (
        "CREATE OR REPLACE FUNCTION shop.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN COALESCE(NEW, OLD); END $$",
        "",
        "function",
    ),
    (
        "ALTER FUNCTION shop.audit_orders() RESET search_path",
        "",
        "function",
    ),
    ("DROP INDEX shop.customers_name_trgm", "", "index"),
    (
        "ALTER TABLE shop.events DETACH PARTITION shop.events_default",
        "",
        "partition",
    ),
    (
        "INSERT INTO shop.events (at, name) VALUES ('2001-01-01', 'x')",
        "",
        "partition",
    ),
    ("SELECT setval('shop.orders_id_seq', 10)", "", "sequence"),
    (
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_customer_id_fkey",
        "",
        "constraint",
    ),
    (
        "ALTER TABLE shop.orders DISABLE TRIGGER ALL; UPDATE shop.orders SET customer_id = 0 WHERE id = 3; ALTER TABLE shop.orders ENABLE TRIGGER ALL",
        "",
        "constraint",
    ),
    ("DELETE FROM shop.imports", "", "row-count"),
    ("DELETE FROM shop.orders WHERE id % 2 = 0", "", "row-count"),
    (
        "DELETE FROM drizzle.__drizzle_migrations WHERE id = 7",
        "",
        "schema-version",
    ),
    (
        "DELETE FROM drizzle.__drizzle_migrations WHERE id = 3",
        "",
        "row-count",
    ),
    (
        "REFRESH MATERIALIZED VIEW \"Reports\".\"Monthly\" WITH NO DATA",
        "",
        "row-count",
    ),
    ("ALTER TABLE shop.imports OWNER TO shop_app", "", "role"),
    ("DROP EXTENSION pgcrypto", "", "extension"),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA shop GRANT UPDATE ON TABLES TO shop_reader",
        "",
        "role",
    ),
    (
        "GRANT shop_owner TO shop_app",
        "REVOKE shop_owner FROM shop_app",
        "role",
    ),
    (
        "ALTER ROLE shop_support CREATEDB",
        "ALTER ROLE shop_support NOCREATEDB",
        "role",
    ),
    (
        "ALTER ROLE shop_app RESET statement_timeout",
        "ALTER ROLE shop_app SET statement_timeout = '30s'",
        "role",
    ),
];

/// What no check may alarm about.
const HARMLESS: &[&str] = &[
    "ANALYZE",
    "REINDEX TABLE shop.orders",
    "CLUSTER shop.orders USING orders_pkey",
    "COMMENT ON TABLE shop.orders IS 'orders'",
    "DELETE FROM shop.sessions",
    "INSERT INTO shop.audit (who, what) VALUES ('drill', '{}')",
    "INSERT INTO shop.customers (org_id, \"fullName\", email) SELECT org_id, 'New', 'new' || id || '@example.com' FROM shop.customers LIMIT 9",
];

/// The backup that the scenario speaks of.
fn backup() -> BackupFacts {
    BackupFacts {
        made: Some((Timestamp::now(), TimeSource::Name)),
        ..BackupFacts::default()
    }
}

/// Describes the database and writes its scenario.
async fn written(plur: &Plur) -> String {
    let endpoint = plur.server.endpoint();
    let mut session = Session::superuser(endpoint, "plur", &Terms::default())
        .await
        .unwrap();
    session
        .run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await
        .unwrap();
    let origin = Origin {
        made: Some(Timestamp::now()),
        ..Origin::default()
    };
    let catalog = Catalog::read(&mut session).await.unwrap();
    let description = describe(&mut session, &catalog, &origin).await.unwrap();
    session.close().await;
    assert_eq!(description.omitted, []);
    let head = Head {
        name: "shop".to_owned(),
        from: "shop.sql".to_owned(),
        made: origin.made,
        location: BackupLocation::of(Path::new("shop.sql"), Path::new(".")),
        create_roles: Vec::new(),
        database: None,
        run: true,
    };
    scenario(&head, &[description])
}

/// Runs every check; gives what each that did not pass says, with its kind.
async fn failing(plur: &Plur, scenario: &Scenario, database: &str) -> Vec<(&'static str, String)> {
    let (counts, sessions, observed) =
        (Counts::default(), Sessions::default(), Observed::default());
    let (backup, environment, redactor) = (backup(), environment(), Redactor::default());
    let mut failing = Vec::new();
    for check in &scenario.checks {
        let restored = Restored {
            last_record: &Ok(None),
            server: &plur.server,
            servers: &[],
            run: &plur.run.id,
            database,
            backup: &backup,
            counts: &counts,
            sessions: &sessions,
            observed: &observed,
            trail: &redrill::database::Trail::default(),
            folder: Path::new("."),
            environment: &environment,
            redactor: &redactor,
            timeout: check.timeout,
        };
        match run::run_check(check, &restored).await {
            Ok(seen) => {
                let says = seen.all_findings().next();
                failing.extend(says.map(|finding| (check.kind, format!("{finding:?}"))));
            }
            Err(unable) => failing.push((check.kind, format!("{unable:?}"))),
        }
    }
    sessions.end().await;
    failing
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all_on_15(15, 1)]
#[ignore = "slow: ci/slow.sh"]
#[case::all_on_17(17, 1)]
#[case::some_on_17(17, 3)]
#[tokio::test]
async fn the_scenario_holds_and_sees_what_changes(#[case] major: u32, #[case] each: usize) {
    on_empty(major, async |plur| {
        plur.sql("plur", SHOP).await;
        // A clone gets the rights that are kept, not those that are there by default.
        let connect = "GRANT CONNECT, TEMPORARY ON DATABASE plur TO PUBLIC";
        plur.sql("postgres", connect).await;
        let text = written(plur).await;
        let read = match parse(Path::new("shop.toml"), &text, &environment()) {
            Ok(read) => read,
            Err(mistakes) => panic!("{}\n{text}", mistakes.render(false)),
        };
        assert_eq!(failing(plur, &read, "plur").await, [], "{text}");
        let mut wrong = Vec::new();
        for (change, undo, kind) in FAULTS.iter().step_by(each) {
            let database = plur.cloned().await;
            plur.sql(&database, change).await;
            let seen: BTreeSet<&str> = failing(plur, &read, &database)
                .await
                .into_iter()
                .map(|one| one.0)
                .collect();
            if !seen.contains(kind) {
                wrong.push(format!("{change}: {seen:?}"));
            }
            if !undo.is_empty() {
                plur.sql("postgres", undo).await;
            }
            plur.sql(
                "postgres",
                &format!("DROP DATABASE {database} WITH (FORCE)"),
            )
            .await;
        }
        for change in HARMLESS.iter().step_by(each) {
            let database = plur.cloned().await;
            plur.sql(&database, change).await;
            let seen = failing(plur, &read, &database).await;
            if !seen.is_empty() {
                wrong.push(format!("{change}: {seen:?}"));
            }
            plur.sql(
                "postgres",
                &format!("DROP DATABASE {database} WITH (FORCE)"),
            )
            .await;
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    })
    .await;
}

#[tokio::test]
async fn append_only_tables_are_found_by_their_definitions() {
    on_empty(17, async |plur| {
        plur.sql("plur", SHOP).await;
        let endpoint = plur.server.endpoint();
        let mut session = Session::superuser(endpoint, "plur", &Terms::default())
            .await
            .unwrap();
        let catalog = Catalog::read(&mut session).await.unwrap();
        let (relations, access) = (Relations::of(&catalog), Access::of(&catalog));
        let mut found = Vec::new();
        for one in append_only::find(&relations, &access) {
            let column = find_watermark(&mut session, &one.table).await.unwrap();
            found.push((one.table.to_string(), column, one.guarded));
        }
        session.close().await;
        let id = || Some("id".to_owned());
        assert_eq!(
            found,
            [
                ("shop.audit".to_owned(), id(), true),
                ("shop.events".to_owned(), id(), false),
                ("shop.payments".to_owned(), id(), false),
            ]
        );
    })
    .await;
}
