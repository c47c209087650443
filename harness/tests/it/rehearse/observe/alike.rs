//! Nothing that a program notices is different: results, errors with all fields, notices, COPY.

use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, Connection as _};

use super::{connect, observed, on_schema, psql};

/// Strings that fail, in the simple protocol.
const ERRORS: &[&str] = &[
    "SELEC 1",
    "SELECT 1; SELEC 2",
    "SELECT 'é'; SELECT 1; SELECT nothing FROM app.t; SELECT 3",
    "SELECT 1; SELECT",
    "SELECT 1; CREATE TABLE app.x (",
    "SELECT 1; ALTER TABLE app.t",
    "ALTER TABLE app.t -- x",
    "ALTER TABLE app.t ADD COLUMN a text",
    "SELECT 1; ALTER TABLE app.t ADD COLUMN a text; SELECT 2",
    "SELECT $1",
    "SELECT $1::integer; SELECT 2",
    "SELECT 1/0",
    "SELECT 1; SELECT 1/0",
    "INSERT INTO app.t VALUES (1)",
    "SELECT 1; INSERT INTO app.t VALUES (1); SELECT 2",
    "SELECT 1; CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql AS 'SELECT nothing'; SELECT 2",
    "CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql AS 'SELEC 1'",
    "DO $$ BEGIN RAISE EXCEPTION 'own' USING DETAIL = 'd', HINT = 'h', ERRCODE = '12345', TABLE = 't'; END $$",
    "DO $$ BEGIN EXECUTE 'SELEC 1'; END $$; SELECT 1",
    "SELECT 1; CREATE INDEX CONCURRENTLY i ON app.t (b)",
    "SELECT 1; VACUUM app.t",
    "BEGIN; CREATE DATABASE x; COMMIT",
    "LOCK TABLE app.t",
    "SAVEPOINT a",
    "INSERT INTO app.v VALUES (1, 99)",
    "SELECT 1; INSERT INTO app.v VALUES (1, 99)",
    "SELECT 'open",
    "SELECT (1; SELECT 2",
    "/* open",
    "\\x",
    "SELECT 'a\u{301}ü', 1; SELECT \"ü\"; SELECT 3",
    "SELECT 1; DO $redrill$ BEGIN",
    "COPY app.t FROM '/nowhere'",
    "EXECUTE nothing",
    "FETCH 1 FROM nothing",
    "SELECT 1; SET nothing = 1; SELECT 2",
    "BEGIN; SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
];

#[derive(Debug, PartialEq)]
struct Fields(String, Vec<Option<String>>);

fn fields(error: sqlx::Error) -> Fields {
    let sqlx::Error::Database(database) = error else {
        panic!("no error of the server: {error}");
    };
    let pg = database.downcast::<PgDatabaseError>();
    let text = |text: Option<&str>| text.map(str::to_owned);
    Fields(
        format!(
            "{} {} {:?} {:?}",
            pg.code(),
            pg.message(),
            pg.severity(),
            pg.position()
        ),
        vec![
            text(pg.detail()),
            text(pg.hint()),
            text(pg.r#where()),
            text(pg.schema()),
            text(pg.table()),
            text(pg.column()),
            text(pg.data_type()),
            text(pg.constraint()),
            text(pg.file()),
            pg.line().map(|line| line.to_string()),
            text(pg.routine()),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_the_same_in_all_fields() {
    on_schema(async |plur| {
        plur.sql(
            "plur",
            "CREATE TABLE app.v (id integer, t integer REFERENCES app.t DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
        for string in ERRORS {
            for before in ["", "BEGIN"] {
                let run = async |connection: &mut sqlx::PgConnection| {
                    sqlx::raw_sql(before).execute(&mut *connection).await.unwrap();
                    let done = sqlx::raw_sql(AssertSqlSafe(*string)).execute(&mut *connection).await;
                    let done = done.map(drop).map_err(fields);
                    // The session works as before.
                    let again = sqlx::raw_sql("SELECT 1; SELECT 2").execute(&mut *connection).await;
                    (done, again.map(drop).map_err(fields))
                };
                let mut direct = plur.connect("plur").await;
                let expected = run(&mut direct).await;
                direct.close().await.unwrap();
                let seen = super::stopped(plur, None, async |endpoint| {
                    let mut tool = connect(endpoint).await;
                    assert_eq!(run(&mut tool).await, expected, "`{before}` {string}");
                    tool.close().await.unwrap();
                })
                .await;
                if let Err(Fields(error, _)) = &expected.0 {
                    let codes: Vec<_> = seen.statements.iter().filter_map(|s| s.error.clone()).collect();
                    assert!(codes.first().is_some_and(|code| error.starts_with(code)), "{before} {string}: {error} {seen:#?}");
                }
            }
        }
    })
    .await;
}

/// What psql prints, line by line.
const SCRIPT: &str = r"
    SELECT 1 AS a, 'x'::text, NULL, now() IS NULL;
    SELECT * FROM app.t ORDER BY id;
    ;
    EXPLAIN (COSTS OFF) SELECT * FROM app.t;
    SHOW search_path;
    SET search_path = app;
    INSERT INTO t VALUES (100, 'new') RETURNING *;
    INSERT INTO t VALUES (100, 'new') RETURNING *;
    UPDATE t SET b = 5 WHERE id = 100;
    DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$;
    SELECT 1 \; SELECT 2 AS two, 3 \; DO $$ BEGIN RAISE NOTICE 'three'; END $$ \; UPDATE t SET b = 6;
    BEGIN \; ALTER TABLE t ADD COLUMN added integer \; COMMIT;
    BEGIN; SELECT 1/0; SELECT 2; ROLLBACK;
    BEGIN; DECLARE c BINARY CURSOR FOR SELECT id FROM t ORDER BY id; FETCH 1 FROM c; CLOSE c; COMMIT;
    DECLARE h CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id; FETCH 2 FROM h;
    COPY t (id, a) FROM STDIN;
200	from
201	stdin
\.
    COPY t (id, a) FROM STDIN;
200	again
\.
    COPY (SELECT id FROM t ORDER BY id) TO STDOUT;
    \copy (SELECT a FROM t WHERE id > 199) TO STDOUT
    PREPARE p (integer) AS SELECT $1 + 1; EXECUTE p (41);
    LISTEN channel; NOTIFY channel, 'hello'; SELECT 3;
    CREATE TABLE IF NOT EXISTS t (id integer);
    DROP TABLE IF EXISTS nothing;
    SET LOCAL lock_timeout = 1;
    SELECT generate_series(1, 3) \gdesc
    SELECT 'a' \g |cat
    CREATE INDEX CONCURRENTLY i2 ON t (b);
    VACUUM t;
    SET standard_conforming_strings = off; SET escape_string_warning = off;
    SELECT 'it\'s; one' \; SELECT 'two\\';
    SET client_encoding = 'LATIN1';
    SELECT 'x' \; SELECT 'y';
    SET ROLE pg_monitor; SELECT current_user \; SELECT current_user; RESET ROLE;
    CREATE RULE r AS ON DELETE TO t DO INSTEAD (UPDATE t SET b = 0 WHERE id = old.id; NOTIFY x);
    DELETE FROM t WHERE id = 1;
    SELECT id, b FROM t ORDER BY id \bind \g
    SELECT $1 + $2 \bind 1 2 \g
    \d t
    DROP SCHEMA app CASCADE;
";

#[tokio::test(flavor = "multi_thread")]
async fn psql_prints_the_same() {
    on_schema(async |plur| {
        let direct = psql(plur.server.endpoint(), SCRIPT).await;
        plur.sql("plur", "DROP SCHEMA IF EXISTS app CASCADE").await;
        plur.sql("plur", super::SCHEMA).await;
        super::stopped(plur, None, async |endpoint| {
            let through = psql(endpoint, SCRIPT).await;
            let lines = |bytes: &[u8]| -> Vec<String> {
                // The process differs.
                let text = String::from_utf8_lossy(bytes).into_owned();
                text.lines()
                    .map(|line| {
                        line.split(" from server process")
                            .next()
                            .unwrap()
                            .to_owned()
                    })
                    .collect()
            };
            assert_eq!(lines(&through.stdout), lines(&direct.stdout));
            assert_eq!(lines(&through.stderr), lines(&direct.stderr));
            assert_eq!(through.status, direct.status);
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn much_data_passes_in_both_directions() {
    on_schema(async |plur| {
        observed(plur, async |endpoint| {
            let mut tool = connect(endpoint).await;
            let rows: (i64, i64) = sqlx::query_as(
                "SELECT count(*), sum(length(x)) FROM (SELECT repeat('x', 1000) AS x FROM generate_series(1, 20000)) x",
            )
            .fetch_one(&mut tool)
            .await
            .unwrap();
            assert_eq!(rows, (20_000, 20_000_000));
            let rows = sqlx::query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)").fetch_all(&mut tool).await;
            assert_eq!(rows.unwrap().len(), 20_000);
            let rows = sqlx::raw_sql("SELECT repeat('x', 20000000) AS a; SELECT repeat('y', 1000) FROM generate_series(1, 20000)").fetch_all(&mut tool).await;
            assert_eq!(rows.unwrap().len(), 20_001);
            let mut copy = tool.copy_in_raw("COPY app.u (id) FROM STDIN").await.unwrap();
            let lines: String = (1_000_000..1_200_000).map(|n| format!("{n}\n")).collect();
            for part in lines.as_bytes().chunks(100_000) {
                copy.send(part).await.unwrap();
            }
            assert_eq!(copy.finish().await.unwrap(), 200_000);
            tool.close().await.unwrap();
        })
        .await;
    })
    .await;
}
