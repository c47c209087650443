//! Ordinary options of pg_dump: what they write is proven, and what is next to it and wrong is not.

use std::path::PathBuf;
use std::sync::LazyLock;

use rstest::rstest;

use super::builder::{Ended, Redrill, redrill};
use super::dumps::{docker, started};
use crate::support::shared;

/// A database with every kind of object that pg_dump drops, one without rows, and one in UTF-8 for another encoding.
const DUMP: &str = r#"
set -e
mkdir /tmp/dumps
cd /tmp/dumps
psql -qX -v ON_ERROR_STOP=1 <<'SQL'
SET client_min_messages = error;
CREATE DATABASE shop;
CREATE DATABASE nothing;
CREATE DATABASE word;
CREATE ROLE reader;
\connect shop
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('a');
CREATE TABLE app.a (id serial PRIMARY KEY, m app.mood);
CREATE TABLE public.b (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text);
INSERT INTO app.a (m) VALUES ('a');
INSERT INTO public.b (t) VALUES ('x');
ALTER TABLE app.a ADD FOREIGN KEY (id) REFERENCES public.b;
CREATE VIEW public.v AS SELECT * FROM public.b;
CREATE VIEW public.w AS SELECT id, t, count(*) AS n FROM public.b GROUP BY id;
CREATE MATERIALIZED VIEW public.m AS SELECT * FROM public.b;
CREATE FUNCTION public.f(i integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g BEFORE INSERT ON public.b FOR EACH ROW EXECUTE FUNCTION public.g();
CREATE POLICY p ON public.b USING (true);
CREATE TABLE public.part (id integer) PARTITION BY RANGE (id);
CREATE TABLE public.part1 PARTITION OF public.part FOR VALUES FROM (0) TO (10);
CREATE INDEX ON public.part (id);
CREATE RULE r AS ON INSERT TO public.part DO ALSO NOTHING;
CREATE PUBLICATION pub FOR TABLE public.b;
CREATE DOMAIN public.d AS integer;
CREATE AGGREGATE public.agg (integer) (SFUNC = int4pl, STYPE = integer);
CREATE STATISTICS public.st ON id, t FROM public.b;
CREATE CAST (app.mood AS integer) WITH INOUT;
CREATE TEXT SEARCH CONFIGURATION public.ts (COPY = simple);
CREATE OPERATOR public.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
SELECT lo_create(4711);
GRANT SELECT ON public.b TO reader;
GRANT CREATE ON SCHEMA public TO reader;
\connect nothing
CREATE TABLE public.b (id integer PRIMARY KEY);
CREATE TABLE public.part (id integer) PARTITION BY RANGE (id);
CREATE TABLE public.part1 PARTITION OF public.part FOR VALUES FROM (0) TO (10);
\connect word
CREATE TABLE public.b (id integer PRIMARY KEY, "größe" text);
INSERT INTO public.b VALUES (1, 'Größe');
SQL
pg_dump --clean shop >clean.sql
pg_dump --clean --create shop >clean-create.sql
pg_dumpall --clean >clean-all.sql
pg_dump --schema=public shop >public.sql
pg_dump --schema=public --format=custom shop >public.dump
pg_dump --schema=public --clean shop >public-clean.sql
pg_dump --inserts nothing >nothing.sql
pg_dump --inserts --format=custom nothing >nothing.dump
pg_dump --inserts --load-via-partition-root nothing >nothing-root.sql
pg_dump --schema-only nothing >schema.sql
pg_dump --schema-only --format=custom nothing >schema.dump
pg_dump --encoding=LATIN1 word >word.sql
pg_dump --encoding=LATIN1 --format=custom word >word.dump
"#;

static DUMPS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = shared::folder();
    let container = started(17, "options");
    docker(&["exec", "--user=postgres", &container.0, "bash", "-c", DUMP]).unwrap();
    let inside = format!("{}:/tmp/dumps", container.0);
    docker(&["cp", &inside, &folder.to_string_lossy()]).unwrap();
    folder
});

fn path(name: &str) -> PathBuf {
    DUMPS.join("dumps").join(name)
}

fn scenario(roles: &str, database: &str) -> String {
    format!(
        "schema = 1\nname = \"drilled\"\n[backup]\npath = \"named-by-the-command-line\"\n[restore]\n{roles}\n\
         [server.container]\n[[check.sql]]\nname = \"it answers\"\nquery = \"SELECT 1\"\nscalar = \"1\"\n{database}\n"
    )
}

fn drill(name: &str) -> Redrill {
    match name {
        "clean-all.sql" => redrill().scenario(&scenario("", "database = \"shop\"")),
        _ => redrill().scenario(&scenario("create-roles = [\"reader\"]", "")),
    }
}

fn drilled(name: &str) -> Ended {
    drill(name).copy(&path(name), name).names(name).run()
}

/// Drills a dump with another text in place of its first `old`, or at its end where that is empty.
fn changed(name: &str, old: &str, new: &str) -> Ended {
    let mut text = std::fs::read_to_string(path(name)).unwrap();
    let at = match old {
        "" => text
            .find("--\n-- PostgreSQL database dump complete")
            .unwrap(),
        old => text.find(old).unwrap(),
    };
    text.replace_range(at..at + old.len(), new);
    drill(name).backup(text, name).run()
}

#[rstest]
#[case("public.sql")]
#[case("public.dump")]
#[case("clean.sql")]
#[case("clean-create.sql")]
#[case("clean-all.sql")]
#[case("nothing.sql")]
#[case("nothing.dump")]
#[case("nothing-root.sql")]
#[case("word.sql")]
#[case("word.dump")]
fn an_ordinary_dump_is_proven(#[case] name: &str) {
    drilled(name).is_proven().unwrap();
}

#[rstest]
#[case("public.sql", "every database already has the schema public")]
#[case("public.dump", "every database already has the schema public")]
#[case("clean.sql", "`--clean` drops what the dump then creates")]
fn what_is_tolerated_is_reported(#[case] name: &str, #[case] reason: &str) {
    let ended = drilled(name);
    let tolerated = ended.drill()["restore"]["tolerated"].to_string();
    assert!(tolerated.contains(reason), "{tolerated}");
    // Every restore of such a dump has it, so the summary does not name it.
    assert!(!ended.stdout.contains("tolerated"), "{}", ended.stdout);
}

#[rstest]
// Behind the first CREATE nothing is empty by itself.
#[case("clean.sql", "", "DROP TABLE public.absent;\n", "absent")]
#[case(
    "clean.sql",
    "DROP TABLE public.b;",
    "DROP TABLE pg_catalog.pg_class;",
    "permission denied"
)]
// One statement on a line is dropped, the other is not.
#[case(
    "clean.sql",
    "DROP TABLE public.b;",
    "DROP TABLE public.b; SELECT * FROM public.b;",
    "does not exist"
)]
#[case("public.sql", "", "CREATE SCHEMA pg_temporary;\n", "pg_temporary")]
#[case("public.sql", "", "CREATE TABLE public.b ();\n", "already exists")]
fn other_errors_are_not_tolerated(
    #[case] name: &str,
    #[case] old: &str,
    #[case] new: &str,
    #[case] says: &str,
) {
    changed(name, old, new)
        .fails_in("restore", &[says])
        .unwrap();
}

#[rstest]
#[case(
    "public.sql",
    "COMMENT ON SCHEMA public IS NULL;\nCOMMENT ON SCHEMA public IS 'ours';\n",
    "SCHEMA public"
)]
#[case(
    "public.sql",
    "ALTER SCHEMA public OWNER TO reader;\n",
    "SCHEMA public"
)]
#[case(
    "public.sql",
    "REVOKE CREATE ON SCHEMA public FROM reader;\n",
    "SCHEMA public"
)]
#[case("clean.sql", "DROP VIEW public.v;\n", "VIEW public.v")]
#[case(
    "nothing.sql",
    "DO $$ BEGIN INSERT INTO public.b VALUES (1); END $$;\n",
    "public.b"
)]
#[case(
    "nothing-root.sql",
    "DO $$ BEGIN INSERT INTO public.part VALUES (1); END $$;\n",
    "public.part1"
)]
fn other_contents_are_not_proven(#[case] name: &str, #[case] more: &str, #[case] says: &str) {
    changed(name, "", more).fails_in("proof", &[says]).unwrap();
}

/// Its DROP takes the right of PUBLIC to use the schema away, and nothing in the dump grants it again.
#[test]
fn a_right_that_a_dump_drops_for_good_is_seen() {
    let ended = drilled("public-clean.sql");
    let says = [
        "ACL SCHEMA public",
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC",
    ];
    ended.fails_in("proof", &says).unwrap();
}

#[rstest]
#[case("schema.sql")]
#[case("schema.dump")]
fn a_schema_without_places_for_rows_is_no_backup(#[case] name: &str) {
    let ended = drilled(name);
    ended
        .fails_in("backup", &["definitions without any data"])
        .unwrap();
}

#[rstest]
#[case("word.dump", "UTF8")]
// A plain dump says nothing of its database.
#[case("word.sql", "LATIN1")]
fn the_database_has_the_encoding_that_the_dump_says(#[case] name: &str, #[case] encoding: &str) {
    let check = format!(
        "[[check.sql]]\nname = \"encoding\"\nquery = \"SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()\"\nscalar = \"{encoding}\"\n"
    );
    let scenario = scenario("", "") + &check;
    let drill = redrill()
        .scenario(&scenario)
        .copy(&path(name), name)
        .names(name);
    drill.run().is_proven().unwrap();
}
