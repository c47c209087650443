//! A dump is untrusted code. It runs as superuser, and still gets nowhere.

use rstest::rstest;

use super::drill::{Drill, PROVIDERS, usable};

/// Each attempt is put together at run time, so that no reader of the dump can see it coming.
/// A refusal leaves a row, a success leaves none.
const TRIES: &[&str] = &[
    "co%spy public.t from pro%sgram ''id''",
    "co%spy public.t to pro%sgram ''cat > /tmp/redrill-hostile''",
    "co%spy public.t to ''/tmp/redrill-ho%sstile/x''",
    "co%spy public.t to ''/etc/redrill-ho%sstile''",
    "select pg_re%sad_file(''/etc/sha%sdow'')",
    "select pg_ls_%sdir(''/ro%sot'')",
    "select lo_exp%sort(4711, ''/usr/redrill-ho%sstile'')",
    "select dblink_con%snect(''host=127.0.0.1 port=1 dbname=x connect_timeout=2'')::text || ''%s''",
    "select dblink_con%snect(''host=192.0.2.1 port=1 dbname=x connect_timeout=2'')::text || ''%s''",
    "select dblink_con%snect(''host=/var/run/postgresql dbname=postgres'')::text || ''%s''",
];

#[tokio::test]
async fn nothing_that_a_dump_tries_succeeds() {
    let mut sql = String::from(
        "CREATE EXTENSION dblink;
CREATE TABLE public.t (x text);
CREATE TABLE public.refused (attempt text, why text);
SELECT pg_catalog.lo_create(4711);
CREATE FUNCTION public.attempt(form text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE replace(form, '%s', '');
EXCEPTION WHEN OTHERS THEN
  INSERT INTO public.refused VALUES (form, SQLERRM);
END $$;
",
    );
    for attempt in TRIES {
        sql.push_str(&format!("SELECT public.attempt('{attempt}');\n"));
    }
    let check = format!(
        "[[check.row-count]]\ntable = \"public.refused\"\nexact = {}\n",
        TRIES.len()
    );
    let drill = Drill::new(&sql, &check);
    for provider in PROVIDERS {
        if usable(provider).await {
            let (output, report) = drill.run(provider);
            assert_eq!(output.status.code(), Some(0), "{provider}: {report:#}");
            assert!(!std::path::Path::new("/tmp/redrill-hostile").exists());
            assert_eq!(drill.left(), [""; 0]);
        }
    }
}

/// Rows whose COPY fails, in each way that psql would read them as SQL and as commands of its own.
const ROWS_OF_NOBODY: &str = "CREATE TABLE public.witness (x integer);
COPY public.witness (x) FROM stdin;
1
\\.
COPY public.gone (a) FROM stdin;
DELETE FROM public.witness;
\\! touch @FILE@
\\copy public.witness from program 'echo 2'
\\.
BEGIN;
SELECT 1/0;
COPY public.witness (x) FROM stdin;
ROLLBACK; DELETE FROM public.witness;
\\! touch @FILE@
\\.
ROLLBACK;
COPY public.witness (no_such_column) FROM stdin;
DELETE FROM public.witness;
\\connect postgres
\\.
COPY public.witness (x) FROM stdin;
DELETE FROM public.witness;
\\.
";

const TOLERATED: &str = "
[[restore.tolerate]]
sqlstate = \"42P01\"
reason = \"a test\"
[[restore.tolerate]]
sqlstate = \"22012\"
reason = \"a test\"
[[restore.tolerate]]
sqlstate = \"25P02\"
reason = \"a test\"
[[restore.tolerate]]
sqlstate = \"42703\"
reason = \"a test\"
[[restore.tolerate]]
sqlstate = \"22P02\"
reason = \"a test\"
[[check.row-count]]
table = \"public.witness\"
exact = 1
";

#[tokio::test]
async fn rows_that_no_copy_takes_are_not_executed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let sql = ROWS_OF_NOBODY.replace("@FILE@", file.to_str().unwrap());
    let drill = Drill::new(&sql, TOLERATED);
    for provider in PROVIDERS {
        if !usable(provider).await {
            continue;
        }
        let (_, report) = drill.run(provider);
        assert_eq!(
            report["checks"][0]["outcome"], "pass",
            "{provider}: {report:#}"
        );
        // One error for each COPY and one for the division; nothing of the rows was looked at.
        let tolerated = report["restore"]["tolerated"].as_array().unwrap();
        let times = |entry: &serde_json::Value| entry["times"].as_u64().unwrap();
        assert_eq!(
            tolerated.iter().map(times).sum::<u64>(),
            5,
            "{provider}: {report:#}"
        );
        assert!(!file.exists());
    }
}

#[tokio::test]
async fn strings_are_read_as_the_server_reads_them() {
    // The setting is gone with the transaction: the backslash ends nothing, and the row is deleted.
    let sql = "CREATE TABLE public.witness (x integer);
COPY public.witness (x) FROM stdin;
1
\\.
BEGIN;
SET standard_conforming_strings = off;
ROLLBACK;
SELECT 'a\\'; DELETE FROM public.witness; SELECT '\\'';
";
    let checks = "[[check.row-count]]\ntable = \"public.witness\"\nexact = 1\n";
    let drill = Drill::new(sql, checks);
    for provider in PROVIDERS {
        if usable(provider).await {
            let (output, report) = drill.run(provider);
            assert_eq!(output.status.code(), Some(10), "{provider}: {report:#}");
        }
    }
}

/// Waits for as long as it can in each session of a superuser.
const WAITS: &str = "CREATE TABLE public.t (x integer);
INSERT INTO public.t VALUES (1);
CREATE ROLE app LOGIN;
GRANT SELECT ON public.t TO app;
CREATE FUNCTION public.wait() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user) THEN
    PERFORM pg_catalog.pg_sleep(3600);
  END IF;
END $$;
CREATE EVENT TRIGGER waits ON login EXECUTE FUNCTION public.wait();
";

const READ_BY_THE_ROLE: &str = "[[check.role]]
role = \"app\"
floor = [\"select on public.t\"]
ceiling = \"any\"
[[check.row-count]]
table = \"public.t\"
exact = 1
";

/// No `statement_timeout` ends what runs while a session opens.
#[tokio::test]
async fn no_code_of_the_dump_runs_when_redrill_connects() {
    // Event triggers ON login begin with 17, which is not the local server everywhere.
    if !usable("container").await {
        return;
    }
    let drill = Drill::new(WAITS, READ_BY_THE_ROLE).dumped_by("17.4");
    let (output, report) = drill.run("container");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
}

/// A dump that hides from whoever reads its text what it does.
fn disguised(sql: &str) -> String {
    let halves = sql
        .replace('\'', "''")
        .replace("pg_catalog", "pg_cat' || 'alog");
    format!(
        "CREATE TABLE public.t (x integer);\nINSERT INTO public.t VALUES (1);\n\
         DO $do$ BEGIN EXECUTE '{halves}'; END $do$;\n"
    )
}

/// How the stage `restore` of a dump ends on a local server, and its findings.
async fn restored(dump: &str) -> Option<(String, String)> {
    if !usable("local").await {
        return None;
    }
    let (_, report) = Drill::new(dump, "").run("local");
    let mut stages = report["stages"].as_array().unwrap().iter();
    let stage = stages.find(|stage| stage["name"] == "restore").unwrap();
    let outcome = stage["outcome"].as_str().unwrap().to_owned();
    Some((outcome, stage["findings"].to_string()))
}

/// What redrill asks of a server must be answered by the server's own functions.
#[rstest]
#[case::replaced(
    "CREATE OR REPLACE FUNCTION pg_catalog.aclexplode(acl aclitem[], OUT grantor oid, OUT grantee oid, \
     OUT privilege_type text, OUT is_grantable boolean) RETURNS SETOF record LANGUAGE sql \
     AS $$ SELECT 0::oid, 0::oid, NULL::text, false WHERE false $$",
    "function aclexplode"
)]
#[case::renamed(
    "ALTER FUNCTION pg_catalog.has_schema_privilege(text, text) RENAME TO other",
    "function has_schema_privilege"
)]
#[case::called_in_its_place(
    "CREATE FUNCTION pg_catalog.concat(text, text) RETURNS text LANGUAGE sql AS $$ SELECT NULL::text $$",
    "function concat"
)]
#[case::operator(
    "CREATE OPERATOR pg_catalog.@= (FUNCTION = pg_catalog.starts_with, LEFTARG = text, RIGHTARG = text)",
    "operator \\\"@=\\\""
)]
#[case::view(
    "SET allow_system_table_mods = on; CREATE OR REPLACE VIEW pg_catalog.pg_tables AS \
     SELECT * FROM pg_catalog.pg_tables LIMIT 0",
    "view pg_tables"
)]
#[case::row(
    "SET allow_system_table_mods = on; \
     UPDATE pg_catalog.pg_cast SET castcontext = 'i' WHERE castsource = 23 AND casttarget = 16",
    "cast "
)]
#[tokio::test]
async fn a_dump_that_changes_the_server_itself_is_not_believed(
    #[case] sql: &str,
    #[case] object: &str,
) {
    let Some((outcome, findings)) = restored(&disguised(sql)).await else {
        return;
    };
    assert_eq!(outcome, "fail", "{findings}");
    for text in [object, "as PostgreSQL itself makes it"] {
        assert!(findings.contains(text), "no `{text}` in {findings}");
    }
}

/// What dumps and extensions do beside the server's own objects.
const BESIDE: &str = "DROP EXTENSION plpgsql;
CREATE EXTENSION plpgsql WITH SCHEMA pg_catalog;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
CREATE EXTENSION btree_gin WITH SCHEMA public;
CREATE EXTENSION hstore WITH SCHEMA pg_catalog;
REVOKE ALL ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
GRANT SELECT ON TABLE pg_catalog.pg_authid TO PUBLIC;
CREATE FUNCTION public.concat(text, text) RETURNS text LANGUAGE sql AS $$ SELECT $1 $$;
CREATE OPERATOR public.@= (FUNCTION = pg_catalog.starts_with, LEFTARG = text, RIGHTARG = text);
CREATE CAST (integer AS text) WITH INOUT AS IMPLICIT;
CREATE TABLE public.t (x integer);
INSERT INTO public.t VALUES (1);
";

#[tokio::test]
async fn what_dumps_and_extensions_do_leaves_the_server_as_it_is() {
    if let Some((outcome, findings)) = restored(BESIDE).await {
        assert_eq!(outcome, "pass", "{findings}");
    }
}
