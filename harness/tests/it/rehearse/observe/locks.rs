//! Locks: of every kind of statement, by every way in which programs send it.

use std::time::Duration;

use redrill::database::Endpoint;
use redrill::rehearse::observe::LockMode::{self, *};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::{connect, mode, observed, on_schema, psql, strongest};

/// A statement, the relation, and the strongest lock on it. They follow each other on one server.
const STATEMENTS: &[(&str, &str, LockMode)] = &[
    ("SELECT * FROM app.t", "app.t", AccessShare),
    ("SELECT * FROM app.t", "app.t_pkey", AccessShare),
    ("SELECT * FROM app.t FOR UPDATE", "app.t", RowShare),
    ("UPDATE app.t SET b = 1 WHERE id = 1", "app.t", RowExclusive),
    (
        "INSERT INTO app.t VALUES (99, 'x', 1) ON CONFLICT DO NOTHING",
        "app.t",
        RowExclusive,
    ),
    ("DELETE FROM app.t WHERE id = 99", "app.t", RowExclusive),
    ("LOCK TABLE app.t IN EXCLUSIVE MODE", "app.t", Exclusive),
    (
        "ALTER TABLE app.t ADD COLUMN c integer",
        "app.t",
        AccessExclusive,
    ),
    ("ALTER TABLE app.t DROP COLUMN c", "app.t", AccessExclusive),
    (
        "ALTER TABLE app.t VALIDATE CONSTRAINT positive",
        "app.t",
        ShareUpdateExclusive,
    ),
    (
        "ALTER TABLE app.u ADD CONSTRAINT f FOREIGN KEY (t) REFERENCES app.t",
        "app.t",
        ShareRowExclusive,
    ),
    (
        "ALTER TABLE app.u DROP CONSTRAINT f",
        "app.t",
        AccessExclusive,
    ),
    ("CREATE INDEX i ON app.t (b)", "app.t", Share),
    ("DROP INDEX app.i", "app.t", AccessExclusive),
    (
        "CREATE TRIGGER g BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.noop()",
        "app.t",
        ShareRowExclusive,
    ),
    ("DROP TRIGGER g ON app.t", "app.t", AccessExclusive),
    ("ANALYZE app.t", "app.t", ShareUpdateExclusive),
    (
        "REFRESH MATERIALIZED VIEW CONCURRENTLY app.m",
        "app.m",
        Exclusive,
    ),
    (
        "COMMENT ON TABLE app.t IS 'secret'",
        "app.t",
        ShareUpdateExclusive,
    ),
    (
        "DO $$ BEGIN ALTER TABLE app.t ALTER b SET DEFAULT 1; END $$",
        "app.t",
        AccessExclusive,
    ),
    ("ALTER TABLE app.u RENAME TO v", "app.u", AccessExclusive),
    ("ALTER TABLE app.v RENAME TO u", "app.v", AccessExclusive),
    ("TRUNCATE app.u", "app.u", AccessExclusive),
    ("REINDEX INDEX app.u_t", "app.u_t", AccessExclusive),
];

/// Those that may not run in a transaction.
const ALONE: &[(&str, &str, LockMode)] = &[
    (
        "CREATE INDEX CONCURRENTLY i ON app.t (b)",
        "app.t",
        ShareUpdateExclusive,
    ),
    (
        "REINDEX INDEX CONCURRENTLY app.u_t",
        "app.u",
        ShareUpdateExclusive,
    ),
    (
        "DROP INDEX CONCURRENTLY app.i",
        "app.t",
        ShareUpdateExclusive,
    ),
    ("VACUUM app.t", "app.t", ShareUpdateExclusive),
    ("CALL app.commits()", "app.t", RowExclusive),
];

/// Locks that a statement needs a block for.
fn needs_block(statement: &str) -> bool {
    statement.starts_with("LOCK")
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_statements_that_are_sent_alone() {
    on_schema(async |plur| {
        // Those that commit before they end are watched, which needs them to take some milliseconds.
        let rows = "INSERT INTO app.t SELECT n, 'a', 0 FROM generate_series(1000, 100000) n";
        plur.sql("plur", rows).await;
        let mut other = plur.connect("plur").await;
        for (statement, relation, expected) in STATEMENTS.iter().chain(ALONE) {
            if needs_block(statement) {
                continue;
            }
            for way in ["psql", "prepared", "unprepared", "block"] {
                if way == "block" && ALONE.iter().any(|(alone, ..)| alone == statement) {
                    continue;
                }
                // What is there cannot be made again.
                let again = way == "psql"
                    || !(statement.starts_with("CREATE")
                        || statement.starts_with("DROP")
                        || statement.starts_with("ALTER"));
                if !again {
                    continue;
                }
                if statement.starts_with("VACUUM") {
                    plur.sql("plur", "UPDATE app.t SET b = b").await;
                }
                let run = async |endpoint: &Endpoint| match way {
                    "psql" => {
                        let output = psql(endpoint, statement).await;
                        assert!(output.stderr.is_empty(), "{statement}: {output:?}");
                    }
                    "prepared" => {
                        let mut tool = connect(endpoint).await;
                        sqlx::query(AssertSqlSafe(*statement))
                            .execute(&mut tool)
                            .await
                            .unwrap();
                        tool.close().await.unwrap();
                    }
                    "unprepared" => {
                        let mut tool = connect(endpoint).await;
                        sqlx::raw_sql(AssertSqlSafe(*statement))
                            .execute(&mut tool)
                            .await
                            .unwrap();
                        tool.close().await.unwrap();
                    }
                    _ => {
                        let mut tool = connect(endpoint).await;
                        let mut block = tool.begin().await.unwrap();
                        block.execute(AssertSqlSafe(*statement)).await.unwrap();
                        block.commit().await.unwrap();
                        tool.close().await.unwrap();
                    }
                };
                // One that waits for older transactions is seen while it does.
                let waits = statement.contains("CONCURRENTLY") && !statement.contains("VIEW");
                let seen = observed(plur, async |endpoint| {
                    if !waits {
                        return run(endpoint).await;
                    }
                    let mut writes = other.begin().await.unwrap();
                    writes
                        .execute("LOCK TABLE app.t, app.u IN ROW EXCLUSIVE MODE")
                        .await
                        .unwrap();
                    let ends = async {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        writes.rollback().await.unwrap();
                    };
                    tokio::join!(run(endpoint), ends);
                })
                .await;
                assert_eq!(
                    mode(&seen, relation),
                    Some(*expected),
                    "{way}: {statement}\n{seen:#?}"
                );
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_statements_in_one_string() {
    on_schema(async |plur| {
        for (statement, relation, expected) in STATEMENTS {
            let string = format!("SET lock_timeout = '5s'; {statement}; SELECT 1");
            let seen = observed(plur, async |endpoint| {
                let mut tool = connect(endpoint).await;
                sqlx::raw_sql(AssertSqlSafe(string.clone()))
                    .execute(&mut tool)
                    .await
                    .unwrap();
                tool.close().await.unwrap();
            })
            .await;
            assert_eq!(
                mode(&seen, relation),
                Some(*expected),
                "{statement}\n{seen:#?}"
            );
            let texts: Vec<&str> = seen.statements.iter().map(|s| s.text.as_str()).collect();
            assert_eq!(
                (texts.len(), texts[0], texts[2]),
                (3, "SET lock_timeout = …", "SELECT …")
            );
            assert_eq!(
                strongest(&seen, relation).unwrap().statement,
                1,
                "{statement}"
            );
            assert!(!texts[1].contains("secret"));
        }
        // As without the observer, the whole string is one transaction.
        for (statement, ..) in ALONE.iter().take(4) {
            let mut tool = plur.connect("plur").await;
            let string = format!("SELECT 1; {statement}");
            let direct = sqlx::raw_sql(AssertSqlSafe(string.clone()))
                .execute(&mut tool)
                .await;
            observed(plur, async |endpoint| {
                let mut tool = connect(endpoint).await;
                let done = sqlx::raw_sql(AssertSqlSafe(string))
                    .execute(&mut tool)
                    .await;
                assert_eq!(
                    done.unwrap_err().to_string(),
                    direct.unwrap_err().to_string()
                );
                tool.close().await.unwrap();
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_held_until_its_transaction_ends() {
    on_schema(async |plur| {
        let pause = "SELECT pg_sleep(0.2)";
        let scripts = [
            format!("BEGIN; ALTER TABLE app.t ADD x integer; {pause}; COMMIT; {pause}; SELECT * FROM app.u; SELECT 1"),
            format!("BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; ALTER TABLE app.t ADD y integer; {pause}; COMMIT; {pause}; SELECT * FROM app.u; SELECT 1"),
        ];
        for (n, script) in scripts.iter().enumerate() {
            for alone in [true, false] {
                let column = ["x", "y"][n];
                plur.sql("plur", &format!("ALTER TABLE app.t DROP COLUMN IF EXISTS {column}")).await;
                let script = match alone {
                    true => format!("{script};"),
                    false => script.replace("; ", r"\; ") + ";",
                };
                let seen = observed(plur, async |endpoint| {
                    let output = psql(endpoint, &script).await;
                    assert!(!String::from_utf8_lossy(&output.stderr).contains("ERROR"), "{output:?}");
                })
                .await;
                let added = seen.statements.iter().position(|s| s.text.contains(" ADD ")).unwrap();
                let lock = seen.locks.iter().find(|lock| lock.statement == added && lock.relation == "app.t").unwrap();
                assert_eq!(lock.mode, AccessExclusive);
                let held = lock.until - lock.from;
                assert!(held >= Duration::from_millis(200), "{alone}: {seen:#?}");
                assert!(seen.statements[added].took < Duration::from_millis(190), "{alone}: {seen:#?}");
                let ended = seen.statements.iter().position(|s| s.text == "COMMIT").unwrap();
                // The first pause is before its end, the second one after it.
                assert!(lock.until < seen.statements[ended + 1].began + Duration::from_millis(150), "{alone}: {seen:#?}");
                let read = strongest(&seen, "app.u").unwrap();
                assert_eq!(read.mode, AccessShare);
                assert!(read.from >= lock.until, "{alone}: {seen:#?}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_before_a_savepoint_stay_and_those_behind_it_go() {
    on_schema(async |plur| {
        let seen = observed(plur, async |endpoint| {
            let script = "BEGIN; ALTER TABLE app.t ADD x integer; SAVEPOINT s; ALTER TABLE app.u ADD x integer;
                SELECT 1/0; ROLLBACK TO s; SELECT pg_sleep(0.2); COMMIT;";
            psql(endpoint, script).await;
        })
        .await;
        let held = |relation| {
            let lock = strongest(&seen, relation).unwrap();
            (lock.mode, lock.until - lock.from > Duration::from_millis(200))
        };
        assert_eq!(held("app.t"), (AccessExclusive, true));
        assert_eq!(held("app.u"), (AccessExclusive, false));
        let error = seen.statements.iter().find_map(|s| s.error.as_deref());
        assert_eq!(error, Some("22012"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_measured() {
    on_schema(async |plur| {
        let mut other = plur.connect("plur").await;
        let mut watch = plur.connect("plur").await;
        for string in [
            "ALTER TABLE app.t ADD x integer",
            "SELECT 1; ALTER TABLE app.t ADD y integer; SELECT 2",
        ] {
            let mut reads = other.begin().await.unwrap();
            reads.execute("SELECT * FROM app.t").await.unwrap();
            let seen = observed(plur, async |endpoint| {
                let mut tool = connect(endpoint).await;
                let waits = async {
                    sqlx::raw_sql(AssertSqlSafe(string))
                        .execute(&mut tool)
                        .await
                        .unwrap();
                };
                let ends = async {
                    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
                    while 0
                        == sqlx::query_scalar::<_, i64>(waits)
                            .fetch_one(&mut watch)
                            .await
                            .unwrap()
                    {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    reads.rollback().await.unwrap();
                };
                tokio::join!(waits, ends);
                tool.close().await.unwrap();
            })
            .await;
            let lock = strongest(&seen, "app.t").unwrap();
            assert_eq!(lock.mode, AccessExclusive);
            assert!(lock.waited > Duration::from_millis(200), "{seen:#?}");
            assert!(seen.statements[lock.statement].text.starts_with("ALTER"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relations_are_those_before_the_run() {
    on_schema(async |plur| {
        plur.sql("plur", "CREATE TABLE app.\"Long\" (a text); CREATE INDEX \"L\" ON app.\"Long\" (a)").await;
        let seen = observed(plur, async |endpoint| {
            psql(
                endpoint,
                "CREATE TABLE app.new (a integer); ALTER TABLE app.new ADD b integer; SELECT * FROM pg_catalog.pg_class;
                 ALTER TABLE app.\"Long\" RENAME TO short; INSERT INTO app.short SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n;
                 DROP TABLE app.short;",
            )
            .await;
        })
        .await;
        let of_other: Vec<_> = seen.locks.iter().filter(|l| l.relation != "app.\"Long\"" && l.table.as_deref() != Some("app.\"Long\"")).collect();
        assert!(of_other.is_empty(), "{of_other:#?}");
        assert_eq!(mode(&seen, "app.\"Long\""), Some(AccessExclusive));
        assert_eq!(mode(&seen, "app.\"L\""), Some(AccessExclusive));
        assert!(seen.locks.iter().any(|lock| lock.relation.starts_with("pg_toast.")));
        assert_eq!(seen.locks[0].database, "plur");
    })
    .await;
}
