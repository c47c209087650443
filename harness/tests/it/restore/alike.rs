//! Dumps that no pg_dump writes, where other sessions would do something else than the one that reads the dump.

use super::{SMALL, difference, dumped, errors_of, into, on_server, psql, redrill};
use crate::drill::builder::none;
use crate::support::Plur;
use redrill::server::Wanted;
use redrill::server::settings::Server;

const TABLES: &str = "CREATE SCHEMA app;
CREATE TABLE app.a (d date);
CREATE TABLE app.b (d date);
";

/// In the order of the day, and in that of the month.
const DAYS: &str = "COPY app.a (d) FROM stdin;
01.02.2026
\\.
COPY app.b (d) FROM stdin;
03.04.2026
\\.
";

/// Rows of tables that are there, and statements that keep four sessions busy: of those that wait then, the one whose table has
/// the most rows begins first, unless it depends on another.
fn busy(dump: &str) -> String {
    let rows = "2026-01-02\n".repeat(4000);
    let copy = |table: &str, rows: &str| format!("COPY app.{table} (d) FROM stdin;\n{rows}\\.\n");
    let large = if dump.contains("app.p ") { "p" } else { "b" };
    let mut text = String::from(
        "CREATE FUNCTION app.nap(date) RETURNS date IMMUTABLE LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_catalog.pg_sleep(1); RETURN $1; END $$;
CREATE TABLE app.c (d date);
",
    );
    text += &copy(large, &rows);
    text += &copy("c", "2026-01-02\n");
    for number in 1..=4 {
        text += &format!("CREATE INDEX c{number} ON app.c USING btree (app.nap(d));\n");
    }
    text
}

/// What it is, and statements; `{tables}` and `{days}` are those above, `{busy}` see [`busy`].
const DUMPS: &[(&str, &str)] = &[
    (
        "a setting by a function",
        "{tables} SELECT set_config('datestyle', 'German', false);\n{days}",
    ),
    (
        "a setting by a block",
        "{tables} DO $$ BEGIN PERFORM pg_catalog.set_config('datestyle', 'German', false); END $$;\n{days}",
    ),
    (
        "a setting in a transaction",
        "{tables} BEGIN; SET datestyle = German; COMMIT;\n{days}",
    ),
    (
        "a setting that is taken back",
        "SET datestyle = German;\n{tables} BEGIN; SET datestyle = 'SQL, MDY'; ROLLBACK;\n{days}",
    ),
    (
        "a setting that is repeated after a reset",
        "SET datestyle = German;\n{tables} COPY app.a (d) FROM stdin;\n05.06.2026\n\\.\nRESET ALL; SET datestyle = German;\nCOPY app.b (d) FROM stdin;\n03.04.2026\n\\.\n",
    ),
    (
        "a setting of new sessions",
        "{tables} ALTER ROLE postgres SET datestyle = German;\n{days} ALTER ROLE postgres RESET datestyle;\n",
    ),
    (
        "a trigger that notes the order of commands",
        "{tables} CREATE TABLE app.noted (n serial, o text);
CREATE FUNCTION app.notes() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO app.noted (o) SELECT object_identity FROM pg_event_trigger_ddl_commands(); END $$;
CREATE EVENT TRIGGER notes ON ddl_command_end EXECUTE FUNCTION app.notes();
CREATE INDEX i ON app.a USING btree (d);
CREATE INDEX j ON app.b USING btree (d);
CREATE INDEX k ON app.a USING hash (d);
CREATE INDEX l ON app.b USING hash (d);
ALTER TABLE app.b ADD CONSTRAINT m UNIQUE (d);
ALTER TABLE app.a ADD CONSTRAINT o UNIQUE (d);
DROP EVENT TRIGGER notes;
",
    ),
    (
        "an index that reads rows which come later",
        "{tables} CREATE FUNCTION app.known(date) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_catalog.pg_sleep(1); RETURN (SELECT 12 / count(*) FROM app.b); END $$;
COPY app.a (d) FROM stdin;\n2026-01-02\n\\.
CREATE INDEX i ON app.a USING btree (app.known(d));
COPY app.b (d) FROM stdin;\n2026-01-02\n\\.
",
    ),
    (
        "indexes of one name",
        "{tables} {busy} CREATE INDEX i ON app.a USING btree (d);
CREATE INDEX i ON app.b USING btree (d);
ALTER TABLE app.b ADD CONSTRAINT i UNIQUE (d);
",
    ),
    (
        "a trigger of a partition and of its table",
        "CREATE SCHEMA app;
CREATE TABLE app.p (d date) PARTITION BY RANGE (d);
CREATE TABLE app.a (d date);
ALTER TABLE ONLY app.p ATTACH PARTITION app.a FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
CREATE TABLE app.b (d date);
ALTER TABLE ONLY app.p ATTACH PARTITION app.b DEFAULT;
CREATE FUNCTION app.g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
{busy} CREATE TRIGGER g AFTER INSERT ON app.a FOR EACH ROW EXECUTE FUNCTION app.g();
CREATE TRIGGER g AFTER INSERT ON app.p FOR EACH ROW EXECUTE FUNCTION app.g();
",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_dump_does_to_its_session_several_restore_what_psql_does() {
    let wanted = Wanted {
        superuser: "postgres".to_owned(),
        ..Wanted::default()
    };
    let mut wrong = Vec::new();
    on_server(&Server::default(), &wanted, async |plur: &Plur| {
        for (what, statements) in DUMPS {
            let statements = statements
                .replace("{busy}", &busy(statements))
                .replace("{tables}", TABLES);
            let dump = format!(
                "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.6\n{}",
                statements.replace("{days}", DAYS)
            );
            // First: it learns which names may be shown.
            let log = redrill(plur, dump.as_bytes(), &into("four", 4, SMALL)).await;
            let errors = errors_of(&log.unwrap());
            plur.sql("postgres", "CREATE DATABASE psql TEMPLATE template0")
                .await;
            let expected = psql(plur, "psql", dump.as_bytes()).await;
            if errors != expected {
                wrong.push(format!("{what}: psql {expected:?}, redrill {errors:?}"));
            }
            let (one, other) = (dumped(plur, "psql").await, dumped(plur, "four").await);
            let differ = difference(&one, &other);
            wrong.extend(differ.map(|difference| format!("{what}: {difference}")));
            for name in ["psql", "four"] {
                plur.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))
                    .await;
            }
        }
    })
    .await;
    none(wrong);
}
