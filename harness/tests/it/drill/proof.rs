//! Every row of a backup is in the restored database, value by value: said of every way to write a value
//! and a dump, and not said of one that was changed on the way.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rstest::rstest;

use super::builder::{Ended, none, redrill};
use super::dumps::{docker, started};
use crate::support::shared;

/// What is dumped: every kind of value, and every kind of table.
const KINDS: &str = include_str!("proof/kinds.sql");

/// Servers with other clocks, all ways of pg_dump, two encodings.
const DUMP: &str = r#"
set -e
mkdir /tmp/dumps
cd /tmp/dumps
for zone in UTC Europe/Berlin America/St_Johns; do
    name=$(echo "${zone##*/}" | tr A-Z a-z)
    psql -qXc "CREATE DATABASE $name TEMPLATE template0"
    psql -qXc "ALTER DATABASE $name SET timezone TO '$zone'"
    psql -qX -v ON_ERROR_STOP=1 -d $name -f /tmp/kinds.sql >/dev/null
    pg_dump $name >$name.sql
done
pg_dump --format=custom berlin >berlin.dump
pg_dump --format=custom --compress=0 --file=stored.dump berlin
pg_dump --format=directory --file=berlin.dir berlin
pg_dump --format=tar --file=berlin.tar berlin
pg_dump --inserts berlin >inserts.sql
pg_dump --column-inserts berlin >column-inserts.sql
pg_dump --rows-per-insert=50 berlin >rows-per-insert.sql
pg_dump --inserts --on-conflict-do-nothing berlin >on-conflict.sql
pg_dump --inserts --format=custom berlin >inserts.dump
pg_dump --rows-per-insert=1000 --format=directory --file=inserts.dir berlin
pg_dump --load-via-partition-root berlin >root.sql
pg_dump --exclude-table-data=public.secret berlin >excluded.sql
pg_dump --no-unlogged-table-data berlin >unlogged.sql
PGOPTIONS='-c bytea_output=escape' pg_dump utc >escape.sql
pg_dump --create berlin >create.sql
sed 's/$/\r/' utc.sql >crlf.sql
psql -qXc "CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'"
psql -qX -d latin -f /tmp/latin.sql
pg_dump latin >latin.sql
pg_dump --inserts latin >latin-inserts.sql
pg_dump --format=custom latin >latin.dump
pg_dumpall >all.sql
"#;

const LATIN: &str = "SET client_encoding = 'UTF8';
CREATE TABLE public.times (id integer, \"größe\" text);
INSERT INTO public.times SELECT i, 'naïve Größe ' || i FROM generate_series(1, 50) i;
";

static DUMPS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = shared::folder();
    let container = started(17, "proof");
    for (name, text) in [("kinds.sql", KINDS), ("latin.sql", LATIN)] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        let inside = format!("{}:/tmp/{name}", container.0);
        docker(&["cp", &path.to_string_lossy(), &inside]).unwrap();
    }
    docker(&["exec", "--user=postgres", &container.0, "bash", "-c", DUMP]).unwrap();
    let inside = format!("{}:/tmp/dumps", container.0);
    docker(&["cp", &inside, &folder.to_string_lossy()]).unwrap();
    folder
});

fn path(name: &str) -> PathBuf {
    DUMPS.join("dumps").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// A drill with a check that asks for next to nothing.
const SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[server.container]

[[check.row-count]]
table = "public.times"
min = 1
"#;

fn drilled(backup: &Path) -> Ended {
    let name = backup.file_name().unwrap().to_str().unwrap();
    let scenario = match name {
        "all.sql" => SCENARIO.replace("min = 1", "min = 1\ndatabase = \"berlin\""),
        _ => SCENARIO.to_owned(),
    };
    redrill()
        .scenario(&scenario)
        .copy(backup, name)
        .names(name)
        .run()
}

fn drilled_text(sql: &str) -> Ended {
    redrill().scenario(SCENARIO).backup(sql, "dump.sql").run()
}

/// Tables whose values were not compared.
fn only_counted(ended: &Ended) -> Vec<String> {
    let rows = ended.drill()["restore"]["rows"].as_array().unwrap();
    let not = rows.iter().filter(|table| table["values"] != "same");
    not.map(|table| table["table"].as_str().unwrap().to_owned())
        .collect()
}

#[rstest]
#[case::clocks(&["utc.sql", "berlin.sql", "st_johns.sql"])]
#[ignore = "slow: ci/slow.sh"]
#[case::formats(&["berlin.dump", "stored.dump", "berlin.dir", "berlin.tar", "create.sql", "all.sql"])]
#[ignore = "slow: ci/slow.sh"]
#[case::ways_to_write_a_value(&["escape.sql", "crlf.sql", "latin.sql", "latin.dump", "latin-inserts.sql"])]
#[case::parts(&["root.sql", "excluded.sql", "unlogged.sql"])]
fn every_value_is_found_again(#[case] names: &[&str]) {
    let mut wrong = Vec::new();
    for name in names {
        let ended = drilled(&path(name));
        if let Err(why) = ended.is_proven() {
            wrong.push(format!("{name}: {why}"));
        } else if let not @ [_, ..] = only_counted(&ended).as_slice() {
            wrong.push(format!("{name}: {not:?} are only counted"));
        }
    }
    none(wrong);
}

#[test]
fn values_of_inserts_are_found_again() {
    let mut wrong = Vec::new();
    for name in [
        "inserts.sql",
        "column-inserts.sql",
        "rows-per-insert.sql",
        "on-conflict.sql",
        "inserts.dump",
        "inserts.dir",
    ] {
        let ended = drilled(&path(name));
        // Of a table without columns there is nothing to compare.
        if let Err(why) = ended.is_proven() {
            wrong.push(format!("{name}: {why}"));
        } else if only_counted(&ended) != ["public.nothing"] {
            wrong.push(format!(
                "{name}: {:?} are only counted",
                only_counted(&ended)
            ));
        }
    }
    none(wrong);
}

#[test]
fn what_was_compared_is_told() {
    let ended = drilled(&path("berlin.sql"));
    let proof = &ended.drill()["proof"];
    assert_eq!(
        proof.to_string(),
        r#"{"large_objects":3,"level":"full","materialized_views":1,"sequences":4,"tables":20,"upgrade":null}"#
    );
    let rows = ended.drill()["restore"]["rows"].as_array().unwrap();
    assert!(
        rows.iter()
            .all(|table| table["backup"] == table["restored"])
    );
    assert!(
        !ended.stdout.contains("the values of rows"),
        "{}",
        ended.stdout
    );
}

/// What another writer than pg_dump may write.
const FOREIGN: &str = r#"-- Shop database backup
SET client_encoding = 'UTF8';
SET datestyle = 'German, DMY';
SET TIME ZONE 'Asia/Tokyo';
CREATE TYPE "public"."mood" AS ENUM ('sad', 'happy');
CREATE TABLE "public"."times" ("id" integer PRIMARY KEY, "at" timestamptz, "day" date, "data" jsonb, "tags" text[], "price" numeric(10,3), "raw" bytea, "mood" "public"."mood");
CREATE TABLE "public"."copied" ("id" integer, "day" date, "at" timestamptz, "amount" double precision);
CREATE TABLE "public"."made" ("id" integer, "at" timestamptz DEFAULT now());
INSERT INTO "public"."times" ("id", "at", "day", "data", "tags", "price", "raw", "mood") VALUES (1, '2026-07-01T10:00:00.000Z', '24.12.2025', '{"b":1,"a":[1,2]}'::jsonb, ARRAY['x', 'it''s']::text[], '1.5', '\x00ff', 'sad');
INSERT INTO "public"."times" ("id", "at", "day", "data", "tags", "price", "raw", "mood") VALUES (2, '1.7.2026 10:00', NULL, NULL, '{}', 2, E'\\x01', 'happy');
INSERT INTO "public"."times" ("id", "at", "day", "data", "tags", "price", "raw", "mood") VALUES (3, $s$2026-07-01T10:00:00+02:00$s$, '1.2.2026', '[]', NULL, NULL, NULL, NULL) ON CONFLICT DO NOTHING;
COPY "public"."copied" ("id", "day", "at", "amount") FROM stdin;
1	24.12.2025	1.7.2026 10:00	0.10000000000000001
2	1.2.2026	\N	1e3
\.
INSERT INTO "public"."made" ("id", "at") VALUES (1, now());
"#;

#[test]
fn what_others_write_is_read_by_the_server() {
    let ended = drilled_text(FOREIGN);
    ended.is_proven().unwrap();
    assert_eq!(only_counted(&ended), ["public.made"]);
    let what = "the values of rows in public.made";
    assert!(ended.stdout.contains(what), "{}", ended.stdout);
    let all = ended.drill()["not_tested"].as_array().unwrap();
    let why = all.iter().find(|one| one["what"] == what).unwrap()["why"].as_str();
    assert!(
        why.unwrap().starts_with("the backup has them computed"),
        "{why:?}"
    );
}

#[test]
fn values_by_servers_before_12_are_read_by_the_server() {
    // They write floats with 17 digits, which are more than it takes.
    let sql = text("utc.sql").replace(
        "{1e-300,0.1,",
        "{1.0000000000000001e-300,0.10000000000000001,",
    );
    let ended = drilled_text(&sql);
    ended.is_proven().unwrap();
    assert_eq!(only_counted(&ended), [""; 0]);
}

/// A dump that ends with another statement, or has one before the rows of a table.
enum Change {
    AtTheEnd(&'static str),
    /// What a trigger does to each row of this table.
    ByTrigger(&'static str, &'static str),
    Replaced(&'static str, &'static str),
}

impl Change {
    fn of(&self, sql: &str) -> String {
        match self {
            Self::AtTheEnd(statement) => {
                let at = sql
                    .rfind("--\n-- PostgreSQL database dump complete")
                    .unwrap();
                format!("{}{statement}\n{}", &sql[..at], &sql[at..])
            }
            Self::ByTrigger(table, action) => {
                let rows = [
                    format!("COPY public.{table} "),
                    format!("INSERT INTO public.{table} "),
                ];
                let at = rows.iter().find_map(|rows| sql.find(rows)).unwrap();
                format!(
                    "{}CREATE FUNCTION public.act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action} RETURN NEW; END $$;\n\
                     CREATE TRIGGER act BEFORE INSERT ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.act();\n{}",
                    &sql[..at],
                    &sql[at..]
                )
            }
            Self::Replaced(old, new) => {
                assert!(sql.contains(old), "{old}");
                sql.replacen(old, new, 1)
            }
        }
    }
}

#[rstest]
#[case::d_rewritten_text("utc.sql", Change::ByTrigger("texts", "NEW.t := upper(NEW.t);"), &["public.texts", "column t"])]
#[case::d_rewritten_time("utc.sql", Change::ByTrigger("times", "IF NEW.id = 7 THEN NEW.zoned := NEW.zoned + interval '1 s'; END IF;"), &["public.times", "at least 1 of", "column zoned"])]
#[case::d_rewritten_in_an_array_of_another_zone("berlin.sql", Change::ByTrigger("times", "IF NEW.id = 7 THEN NEW.many[1] := NEW.many[1] + interval '1 s'; END IF;"), &["public.times", "at least 1 of", "column many"])]
#[case::d_rewritten_by_inserts("inserts.sql", Change::ByTrigger("floats", "NEW.n := NEW.n + 0.001;"), &["public.floats", "column n"])]
#[case::d_lost_by_a_trigger("utc.sql", Change::ByTrigger("dropped", "IF NEW.a = 1 THEN RETURN NULL; END IF;"), &["public.dropped", "2 rows", "1 row"])]
#[case::d_lost_by_a_rule("inserts.sql", Change::Replaced("INSERT INTO public.dropped", "CREATE RULE nowhere AS ON INSERT TO public.dropped DO INSTEAD NOTHING;\nINSERT INTO public.dropped"), &["public.dropped", "0 rows"])]
#[case::f17_one_value_beside_the_dump("crlf.sql", Change::AtTheEnd("UPDATE public.texts SET bo = NOT bo WHERE id = 1;"), &["public.texts", "at least 1 of", "column bo"])]
#[case::values_that_changed_places("utc.sql", Change::AtTheEnd("UPDATE public.dropped SET c = CASE c WHEN 'x' THEN 'y' ELSE 'x' END;"), &["public.dropped", "in other rows"])]
#[case::a_narrower_type_rounds("utc.sql", Change::Replaced("    n numeric,", "    n numeric(10,2),"), &["public.floats", "column n"])]
#[case::a_quoted_name("utc.sql", Change::AtTheEnd("UPDATE public.\"Mixed \"\"Case\"\" (x)\" SET \"user\" = 'V' WHERE \"Plain\" = 1;"), &["Mixed", "column \"user\""])]
#[case::a_row_lost("utc.sql", Change::AtTheEnd("DELETE FROM public.part_2 WHERE id = 150;"), &["public.part_2", "100 rows", "99 rows"])]
#[case::a_row_moved_to_the_child("utc.sql", Change::AtTheEnd("UPDATE public.child SET t = 'other' WHERE id = 2;"), &["public.child", "column t"])]
#[case::a_detached_child("utc.sql", Change::AtTheEnd("UPDATE public.gone SET v = 'other';"), &["public.gone", "column v"])]
#[case::a_very_long_value("utc.sql", Change::AtTheEnd("UPDATE public.texts SET t = t || 'x' WHERE id = 16;"), &["public.texts", "at least 1 of", "column t"])]
#[case::a_partition_loaded_by_its_root("root.sql", Change::AtTheEnd("UPDATE public.part SET v = 'other' WHERE id = 150;"), &["public.part", "at least 1 of", "column v"])]
#[case::a_sequence_behind("utc.sql", Change::AtTheEnd("SELECT setval('public.used', (SELECT 1));"), &["public.used", "its last value is 2", "its last value is 1"])]
#[case::a_materialized_view_emptied("utc.sql", Change::AtTheEnd("REFRESH MATERIALIZED VIEW public.filled WITH NO DATA;"), &["public.filled", "not populated"])]
#[case::f24_a_large_object_changed("utc.sql", Change::AtTheEnd("SELECT lo_put(4000000000, 30000, '\\x99');"), &["large objects", "other content"])]
#[case::f24_a_large_object_lost("utc.sql", Change::AtTheEnd("SELECT lo_unlink(4712);"), &["3 large objects", "2 large objects"])]
#[case::rows_of_a_table_without("excluded.sql", Change::AtTheEnd("DO $$ BEGIN INSERT INTO public.secret VALUES (3); END $$;"), &["public.secret", "no row"])]
fn what_is_not_as_in_the_backup_is_seen(
    #[case] dump: &str,
    #[case] change: Change,
    #[case] says: &[&str],
) {
    let sql = text(dump).replace("\r\n", "\n");
    let ended = drilled_text(&change.of(&sql));
    ended.fails_in("proof", says).unwrap();
    assert!(!ended.stdout.contains("a fat cat"), "no value is told");
}

#[rstest]
#[case("off", "the rows")]
#[case("objects", "the rows")]
#[case("counts", "the values of rows")]
fn less_is_proven_where_a_scenario_says_so(#[case] level: &str, #[case] untested: &str) {
    let sql = Change::AtTheEnd("UPDATE public.dropped SET c = 'other';").of(&text("utc.sql"));
    let scenario = SCENARIO.replace("[backup]", &format!("proof = \"{level}\"\n[backup]"));
    let ended = redrill().scenario(&scenario).backup(&sql, "dump.sql").run();
    ended.is_proven().unwrap();
    assert_eq!(ended.drill()["proof"]["level"], level);
    let not = ended.drill()["not_tested"].as_array().unwrap();
    assert!(not.iter().any(|entry| entry["what"] == untested), "{not:?}");
    // No report says that rows were compared.
    let claim = "every row of the backup is in the database";
    let drill = ended.drill().to_string();
    for text in ended.pages.iter().chain([&ended.stdout, &drill]) {
        assert!(!text.contains(claim), "{text}");
    }
}

#[test]
fn a_proof_that_is_off_is_skipped_in_every_report() {
    let sql = Change::AtTheEnd("UPDATE public.dropped SET c = 'other';").of(&text("utc.sql"));
    let scenario = SCENARIO.replace("[backup]", "proof = \"off\"\n[backup]");
    let ended = redrill().scenario(&scenario).backup(&sql, "dump.sql").run();
    ended.is_proven().unwrap();
    let drill = ended.drill();
    let proof = &drill["stages"][3];
    assert_eq!(proof["outcome"], "skipped");
    assert_eq!(proof["required"], false);
    let reason =
        "the scenario sets `proof = \"off\"`, so the database is not compared with the backup";
    assert!(
        proof["skipped_because"]
            .as_str()
            .unwrap()
            .starts_with(reason)
    );
    let said = format!("The proof stage was skipped: {reason}");
    assert!(drill["meaning"].as_str().unwrap().contains(&said));
    let shown = ended
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(shown.contains(&said), "{shown}");
    let [markdown, junit] = &ended.pages;
    let case = junit
        .split("<testcase")
        .find(|case| case.contains("stage\"") && case.contains("the database is compared"));
    assert!(case.unwrap().contains("<skipped"), "{junit}");
    assert!(
        markdown.contains("The proof stage was skipped"),
        "{markdown}"
    );
}
