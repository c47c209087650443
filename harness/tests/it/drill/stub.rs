//! Extensions that the throwaway server lacks: dumps of a database with pg_cron, written by pg_dump 15 where it was installed.

use rstest::rstest;

use super::builder::{Ended, redrill};

const PLAIN: &[u8] = include_bytes!("cron.sql");
const ARCHIVE: &[u8] = include_bytes!("cron.dump");

/// The stub of pg_cron.
const STUB: &str = "[[restore.stub]]\nextension = \"pg_cron\"\nschema = \"cron\"\nreason = \"the provider runs the jobs\"\n";

/// Drills a dump with these lines after `[restore]`.
fn drill(dump: &[u8], restore: &str) -> Ended {
    let scenario = format!(
        "schema = 1\nname = \"drilled\"\n[backup]\npath = \"dump\"\n[restore]\ndatabase = \"plur\"\nrole = [{{ name = \"app\", login = true }}]\n{restore}"
    );
    redrill().file("dump", dump).scenario(&scenario).run()
}

/// The plain dump with a statement before its rows.
fn with(statement: &str) -> Vec<u8> {
    let text = str::from_utf8(PLAIN).unwrap();
    let (before, after) = text.split_once("--\n-- Data for Name: events;").unwrap();
    format!("{before}{statement}\n\n--\n-- Data for Name: events;{after}").into_bytes()
}

#[rstest]
#[case::plain(PLAIN)]
#[case::archive(ARCHIVE)]
fn a_stub_is_not_tested_and_the_rest_is_proven(#[case] dump: &[u8]) {
    let ended = drill(dump, STUB);
    ended.is_proven_with(20).unwrap();
    let says = "the extension pg_cron, with the rows, sequences and rights in its schema cron";
    let json = ended.drill()["not_tested"].to_string();
    for report in [&json, &ended.pages[0].replace(['\\', '`'], "")] {
        assert!(report.contains(says), "{report}");
        assert!(report.contains("the provider runs the jobs"), "{report}");
    }
    let terminal: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(terminal.join(" ").contains(says), "{}", ended.stdout);
    assert!(
        ended.drill()["server"]["extensions"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(ended.findings("server"), "");
}

#[rstest]
#[case::plain(PLAIN)]
#[case::archive(ARCHIVE)]
fn without_a_stub_it_is_inconclusive(#[case] dump: &[u8]) {
    let ended = drill(dump, "");
    let says = [
        "pg_cron",
        "`[[restore.stub]]` with `extension = \"pg_cron\"`",
    ];
    ended.cannot_look_in("server", &says).unwrap();
}

#[rstest]
#[case::column("CREATE TABLE app.jobs (of cron.job);", "app.jobs")]
#[case::view("CREATE VIEW app.jobs AS SELECT jobid FROM cron.job;", "app.jobs")]
#[case::function(
    "CREATE VIEW app.plans AS SELECT cron.schedule('a', 'b');",
    "app.plans"
)]
#[case::foreign_key(
    "CREATE TABLE app.notes (job bigint REFERENCES cron.job);",
    "app.notes"
)]
fn what_needs_more_than_a_stub_fails(#[case] statement: &str, #[case] object: &str) {
    let ended = drill(&with(statement), STUB);
    let says = [object, "does not exist", "makes nothing of pg_cron"];
    ended.fails_in("restore", &says).unwrap();
}

#[test]
fn own_objects_in_the_schema_are_restored() {
    let own = "CREATE FUNCTION cron.own() RETURNS integer LANGUAGE sql AS 'SELECT 1';";
    let ended = drill(&with(own), STUB);
    // An object without an entry of its own in the dump: pg_dump of the database has it.
    ended.fails_in("proof", &["FUNCTION cron.own()"]).unwrap();
}

#[test]
fn a_stub_passes_over_nothing_of_the_application() {
    // Of an extension that the backup lacks there is nothing to pass over.
    let other = STUB
        .replace("pg_cron", "pg_other")
        .replace("\"cron\"", "\"app\"");
    let rows =
        "[[check.sql]]\nquery = \"SELECT pg_catalog.count(*) FROM app.events\"\nscalar = 20\n";
    let ended = drill(PLAIN, &format!("{STUB}{other}{rows}"));
    ended.is_proven_with(20).unwrap();
    assert!(ended.stdout.contains("1 sequence"), "{}", ended.stdout);
    let shared = STUB.replace("\"cron\"", "\"app\"");
    let says = [
        "extension pg_cron",
        "nothing but the extension in app",
        "the backup defines it",
    ];
    drill(PLAIN, &shared).fails_in("backup", &says).unwrap();
}

#[test]
fn rows_of_the_backup_itself_are_still_proven() {
    let text = str::from_utf8(PLAIN).unwrap();
    let lost = text.replace(
        "SELECT pg_catalog.setval('app.events_id_seq'",
        "DELETE FROM app.events WHERE id = 7;\nSELECT pg_catalog.setval('app.events_id_seq'",
    );
    let ended = drill(lost.as_bytes(), STUB);
    assert_eq!(ended.code, 10, "{}", ended.stdout);
    assert!(ended.stdout.contains("app.events"), "{}", ended.stdout);
}

#[test]
fn a_stub_that_is_not_needed_is_a_warning() {
    let dump = str::from_utf8(PLAIN).unwrap();
    let dump = dump.replace("pg_cron WITH SCHEMA public", "pg_trgm WITH SCHEMA public");
    let dump = dump
        .replace("EXTENSION pg_cron", "EXTENSION pg_trgm")
        .replace("Name: pg_cron", "Name: pg_trgm");
    // Only what is about the extension itself.
    let (before, after) = dump.split_once("--\n-- Data for Name: job;").unwrap();
    let (_, after) = after
        .split_once("--\n-- Name: events_id_seq; Type: SEQUENCE SET")
        .unwrap();
    let (sequence, after) = after.split_once("--\n-- Name: jobid_seq;").unwrap();
    let (_, after) = after
        .split_once("--\n-- Name: events events_pkey;")
        .unwrap();
    let (key, after) = after.split_once("--\n-- Name: SCHEMA cron;").unwrap();
    let (_, end) = after
        .split_once("--\n-- PostgreSQL database dump complete")
        .unwrap();
    let dump = format!(
        "{before}--\n-- Name: events_id_seq; Type: SEQUENCE SET{sequence}--\n-- Name: events events_pkey;{key}--\n-- PostgreSQL database dump complete{end}"
    );
    let stub = |name: &str| {
        STUB.replace("pg_cron", name)
            .replace("schema = \"cron\"\n", "")
    };
    let ended = drill(dump.as_bytes(), &stub("pg_trgm"));
    ended.is_proven_with(20).unwrap();
    let server = ended.findings("server");
    assert!(
        server.contains("the server has it, and it was restored"),
        "{server}"
    );
    assert!(!ended.drill()["not_tested"].to_string().contains("pg_trgm"));
    let ended = drill(dump.as_bytes(), &stub("pg_other"));
    ended.is_proven_with(20).unwrap();
    assert!(
        ended
            .findings("server")
            .contains("the backup does not create it")
    );
}

#[rstest]
#[case::reason(
    "reason = \"the provider runs the jobs\"",
    "reason = \" \"",
    "`reason` is empty"
)]
#[case::no_reason("reason = \"the provider runs the jobs\"", "", "reason")]
#[case::no_name("\"pg_cron\"", "\"\"", "`extension` is empty")]
#[case::public("\"cron\"", "\"public\"", "it is no schema of an extension")]
#[case::psql(
    "[[restore.stub]]",
    "method = \"psql\"\n[[restore.stub]]",
    "needs the sessions of redrill"
)]
#[case::twice(
    "[[restore.stub]]",
    "[[restore.stub]]\nextension = \"pg_cron\"\nreason = \"x\"\n[[restore.stub]]",
    "two stubs"
)]
fn a_stub_that_says_nothing_is_refused(#[case] from: &str, #[case] to: &str, #[case] says: &str) {
    let ended = drill(PLAIN, &STUB.replace(from, to));
    assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
}
