//! No value of a row reaches an output, whatever error of the server, of psql or of pg_restore has it;
//! names of objects do, since an error without them helps nobody.

use std::fmt::Write as _;
use std::path::Path;

use redrill::outcome::BackupFacts;
use redrill::server::settings::{Local, Server};
use redrill::server::{Client, ClientInput, ThrowawayServer, Wanted};
use tokio::io::AsyncReadExt as _;

use super::drill::{Drill, PROVIDERS, usable};
use crate::support::{given, work};

/// Types whose input function may refuse a text.
const TYPES: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "money",
    "boolean",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "jsonpath",
    "xml",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit(8)",
    "varbit",
    "bytea",
    "varchar(3)",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "int4range",
    "numrange",
    "daterange",
    "tstzrange",
    "int4multirange",
    "tstzmultirange",
    "integer[]",
    "text[]",
    "tsvector",
    "tsquery",
    "oid",
    "xid",
    "tid",
    "pg_lsn",
    "pg_snapshot",
    "int2vector",
    "oidvector",
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regoper",
    "regoperator",
    "regrole",
    "regnamespace",
    "regcollation",
    "regconfig",
    "regdictionary",
    "app.mood",
    "app.positive",
    "app.pair",
];

/// Ways a value may try to look like something else; `{}` is the planted word.
const SHAPES: &[&str] = &[
    "{}",
    "a\"{}\"b",
    "x\" does not exist, relation \"{}",
    "'{}' {not} [closed",
    "first\nCommand was: ALTER TABLE {}\npsql:<stdin>:1: ERROR:  42P01: relation \"{}\" does not exist",
    "{}.{}",
    "99999999999999999999999{}",
];

const CHECK: &str = "[[check.row-count]]\ntable = \"app.orders\"\nexact = 2\n";

/// What the sql of the tests needs.
const OBJECTS: &str = "
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('fine', 'sad');
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE TYPE app.pair AS (a integer, b date);
";

/// Planted words, none of which is part of another.
#[derive(Default)]
struct Planted(Vec<String>);

impl Planted {
    fn word(&mut self) -> String {
        let word = format!("planted{:04}x", self.0.len());
        self.0.push(word.clone());
        word
    }

    /// A text with a new word in it.
    fn shaped(&mut self, shape: &str) -> String {
        let word = self.word();
        shape.replace("{}", &word)
    }

    /// Asserts that none of the words is in an output of the drill; returns all of them.
    fn assert_hidden(&self, drill: &Drill, provider: &str, what: &str) -> String {
        let reports = drill.reports(provider);
        let began = drill.begin(provider, &reports).wait_with_output().unwrap();
        let mut shown = String::from_utf8_lossy(&began.stdout).into_owned();
        shown.push_str(&String::from_utf8_lossy(&began.stderr));
        let files = add_files(&reports, &mut shown);
        assert!(files >= 3, "{what}, {provider}: {files} reports");
        let leaks: Vec<&str> = shown
            .lines()
            .filter(|line| line.contains("planted"))
            .collect();
        let leaked = self.0.iter().filter(|word| shown.contains(word.as_str()));
        assert!(
            leaks.is_empty(),
            "{what}, {provider}: {} of {} came out:\n{}",
            leaked.count(),
            self.0.len(),
            leaks.join("\n")
        );
        shown
    }
}

/// Adds the text of all files below a folder; returns how many.
fn add_files(folder: &Path, text: &mut String) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            count += add_files(&entry.path(), text);
        } else {
            text.push_str(&String::from_utf8_lossy(
                &std::fs::read(entry.path()).unwrap(),
            ));
            count += 1;
        }
    }
    count
}

fn copied(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
}

fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// One table and one COPY for each type and shape; `shapes` are their numbers.
fn copies(planted: &mut Planted, shapes: std::ops::Range<usize>) -> String {
    let mut sql = OBJECTS.to_owned();
    for (number, kind) in TYPES.iter().enumerate() {
        for shape in shapes.clone() {
            let value = copied(&planted.shaped(SHAPES[shape]));
            let table = format!("app.t{number}_{shape}");
            write!(
                sql,
                "CREATE TABLE {table} (v {kind});\nCOPY {table} (v) FROM stdin;\n{value}\n\\.\n"
            )
            .unwrap();
        }
    }
    sql
}

/// The same as INSERTs, with other words.
fn inserts(planted: &mut Planted) -> String {
    let mut sql = OBJECTS.to_owned();
    for (number, kind) in TYPES.iter().enumerate() {
        for shape in [0, 1, 4] {
            let value = literal(&planted.shaped(SHAPES[shape]));
            writeln!(
                sql,
                "CREATE TABLE app.i{number}_{shape} (v {kind});\nINSERT INTO app.i{number}_{shape} VALUES ({value});"
            )
            .unwrap();
        }
    }
    sql
}

/// Errors of every other class: `{}` is a word, a new one in each statement.
const STATEMENTS: &[&str] = &[
    "SELECT '{}'::regclass;",
    "SELECT '{}'::regtype;",
    "SELECT '{}.y(integer)'::regprocedure;",
    "SELECT to_regclass('app.\"{}');",
    "SELECT nextval('{}');",
    "SELECT pg_catalog.currval('{}');",
    "SELECT pg_get_serial_sequence('{}', 'a');",
    "SELECT pg_catalog.set_config('{}', 'x', false);",
    "SELECT pg_catalog.set_config('work_mem', '{}', false);",
    "SELECT pg_catalog.set_config('DateStyle', '{}', false);",
    "SELECT pg_catalog.set_config('TimeZone', '{}', false);",
    "SELECT pg_catalog.set_config('role', '{}', false);",
    "SET work_mem = '{}';",
    "SELECT current_setting('{}');",
    "SELECT app.refuse('{}', 'P0001');",
    "SELECT app.refuse('{}', '42P01');",
    "SELECT app.refuse('{}', '23505');",
    "SELECT app.refuse('{}', '3F000');",
    "SELECT app.refuse('{}', '42501');",
    "SELECT app.refuse('{}', '22P02');",
    "SELECT app.refuse('{}', '0A000');",
    "SELECT app.refuse('{}', '55000');",
    "SELECT app.refuse('{}', '57014');",
    "SELECT app.refuse('{}', '58P01');",
    "SELECT app.refuse('{}', 'ABCDE');",
    "SELECT app.refuse('relation \"{}\" does not exist', '42P01');",
    "SELECT app.refuse(E'division by zero\\n{}', '22012');",
    "SELECT app.run('{}');",
    "SELECT app.run('SELECT {}');",
    "SELECT app.run('SELECT * FROM {}');",
    "SELECT app.run('SELECT \"{}\"(1)');",
    "SELECT app.run('SELECT 1::{}');",
    "SELECT app.run('SET ROLE {}');",
    "SELECT app.run('CREATE TABLE {}.t ()');",
    "SELECT app.run('SELECT 1 FROM app.orders WHERE {} = 1');",
    "SELECT app.run('ALTER TABLE app.orders DROP COLUMN {}');",
    "SELECT app.run('CREATE EXTENSION \"{}\"');",
    "SELECT app.run('ALTER SYSTEM SET {} = 1');",
    "SELECT app.run('DROP INDEX {}');",
    "SELECT app.run('SELECT ''{}''::integer');",
    "SELECT app.run('GRANT SELECT ON app.orders TO {}');",
    "SELECT app.run('CREATE TABLE x (a integer COLLATE \"{}\")');",
    "SELECT app.run('CREATE TABLE x () TABLESPACE {}');",
    "SELECT app.run('CREATE INDEX ON app.orders USING {} (id)');",
    "SELECT app.run('COPY app.orders FROM ''/{}''');",
    "SELECT app.run('LOAD ''{}''');",
    "SELECT app.run('SELECT ''{}');",
    "SELECT app.run('SELECT \"{}');",
    "SELECT pg_read_file('{}');",
    "SELECT to_tsquery('{} &');",
    "SELECT to_tsquery('{}', 'a');",
    "SELECT to_date('{}', 'YYYY-MM-DD');",
    "SELECT to_timestamp('{}', 'YYYY');",
    "SELECT to_number('{}', '99');",
    "SELECT timezone('{}', now());",
    "SELECT date_trunc('{}', now());",
    "SELECT extract('{}' FROM now());",
    "SELECT jsonb_path_query('{}', '$');",
    "SELECT '$.{}['::jsonpath;",
    "SELECT jsonb_path_query('[1]', 'strict $.{}');",
    "SELECT ('{\"a\": \"{}\"}'::jsonb -> 'a')::integer;",
    "SELECT ('{\"a\": \"{}\"}'::jsonb ->> 'a')::integer;",
    "SELECT jsonb_set('\"{}\"', '{a}', '1');",
    "SELECT json_populate_record(NULL::app.pair, '{\"a\": \"{}\"}');",
    "SELECT 'x' ~ '({}';",
    "SELECT 'x' LIKE '{}\\';",
    "SELECT regexp_replace('a', 'a', 'b', '{}');",
    "SELECT encode('a', '{}');",
    "SELECT decode('{}', 'hex');",
    "SELECT decode('{}!', 'base64');",
    "SELECT convert_from('a', '{}');",
    "SELECT format('%{}', 1);",
    "SELECT xmlparse(DOCUMENT '<{}');",
    "SELECT xpath('{}[', '<a/>');",
    "SELECT xmlelement(name a, xmlparse(content '</{}>'));",
    "SELECT '{{}'::integer[];",
    "SELECT '[{}'::int4range;",
    "SELECT ROW('{}')::app.pair;",
    "SELECT '({},2026-01-01)'::app.pair;",
    "SELECT enum_range('{}'::app.mood, 'sad');",
    "SELECT has_table_privilege('{}', 'app.orders', 'SELECT');",
    "SELECT has_table_privilege('app.orders', '{}');",
    "SELECT has_schema_privilege('{}', 'USAGE');",
    "SELECT obj_description(1, '{}');",
    "SELECT pg_size_bytes('{}');",
    "SELECT nullif('{}', 1);",
    "SELECT convert_to('{}', 'nothing');",
    "SELECT string_to_array('{}', ',')::integer[];",
    "SELECT lo_import('{}');",
    "SELECT lower('{}'::int4range);",
    "SELECT app.orders('{}');",
    "INSERT INTO app.orders VALUES (3, '{}', 'checked');",
    "INSERT INTO app.orders VALUES (1, '{}', 'a');",
    "INSERT INTO app.orders VALUES (4, '{}');",
    "INSERT INTO app.orders VALUES (4, '{}', 'a', 'too', 'many');",
    "INSERT INTO app.orders VALUES (NULL, '{}', 'a');",
    "INSERT INTO app.lines VALUES ('{}');",
    "INSERT INTO app.spans VALUES ('{}', '[1,5]');",
    "INSERT INTO app.parts VALUES ('{}');",
    "INSERT INTO app.seen VALUES ('{}');",
    "UPDATE app.orders SET mail = 'a', id = '{}';",
    "SET lc_messages = 'de_DE.UTF-8'; SELECT '{}'::integer;",
    "SELECT \"{}\" FROM app.orders;",
    "SELECT * FROM \"{}\";",
    "SELECT {};",
];

/// COPYs that do not take their rows, so that psql reads some of them as SQL.
const ROWS: &str = "COPY app.gone (id, mail) FROM stdin;
1\t{}
select {} from {};
Insert into {} values (1);
SET {} = 1;
create table {}
drop table {};
\\b{}
\\connect {}
\\set {}
say \"{}
;
\\.
;
COPY app.orders (id, mail, note) FROM stdin;
7\t{}\ta\tmore {}
\\.
COPY app.orders (id, mail, note) FROM stdin;
7\t{}
\\.
COPY app.orders (id, hidden) FROM stdin;
7\t{}
\\.
COPY app.gone (id, mail) FROM stdin;
{}'; {}
select {};
\\.
SELECT 'a', 'b';
";

const TABLES: &str = "
CREATE FUNCTION app.refuse(text, state text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', $1 USING ERRCODE = state, CONSTRAINT = $1, TABLE = $1, DETAIL = $1; END $$;
CREATE FUNCTION app.run(text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; END $$;
CREATE FUNCTION app.orders(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TABLE app.orders (id integer PRIMARY KEY, mail text, note text CONSTRAINT noted CHECK (note <> 'checked'));
INSERT INTO app.orders VALUES (1, 'a', 'b');
CREATE TABLE app.lines (mail text REFERENCES app.mails);
CREATE TABLE app.mails (mail text PRIMARY KEY);
CREATE TABLE app.spans (mail text, span int4range, EXCLUDE USING gist (span WITH &&));
INSERT INTO app.spans VALUES ('a', '[1,3]');
CREATE TABLE app.parts (mail text) PARTITION BY LIST (mail);
CREATE FUNCTION app.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'seen %', NEW.mail USING ERRCODE = '23505'; END $$;
CREATE TABLE app.seen (mail text);
CREATE TRIGGER see BEFORE INSERT ON app.seen FOR EACH ROW EXECUTE FUNCTION app.see();
CREATE TABLE app.copies (mail text);
INSERT INTO app.copies VALUES ('{}'), ('a');
UPDATE app.copies SET mail = '{}';
CREATE UNIQUE INDEX copies_mail ON app.copies (mail);
ALTER TABLE app.copies ADD CONSTRAINT short CHECK (length(mail) < 3);
";

/// The statements, and words for them.
fn statements(planted: &mut Planted) -> String {
    let mut sql = OBJECTS.to_owned();
    let filled = |planted: &mut Planted, text: &str, sql: &mut String| {
        for line in text.split_inclusive('\n') {
            sql.push_str(&planted.shaped(line));
        }
        sql.push('\n');
    };
    filled(planted, TABLES, &mut sql);
    for statement in STATEMENTS {
        filled(planted, statement, &mut sql);
    }
    filled(planted, ROWS, &mut sql);
    sql
}

/// Runs a drill with each provider.
async fn with_each(planted: &Planted, what: &str, drill: &Drill) -> Vec<String> {
    let mut outputs = Vec::new();
    for provider in PROVIDERS {
        if usable(provider).await {
            outputs.push(planted.assert_hidden(drill, provider, what));
        }
    }
    outputs
}

#[tokio::test]
async fn no_value_of_any_type_comes_out_of_a_plain_dump() {
    let mut planted = Planted::default();
    for shapes in [0..3, 3..5, 5..7] {
        let sql = copies(&mut planted, shapes);
        for shown in with_each(&planted, "COPY", &Drill::new(&sql, CHECK)).await {
            // The wording remains, and names of types.
            assert!(
                shown.contains("invalid input syntax for type uuid"),
                "{shown}"
            );
        }
    }
    let sql = inserts(&mut planted);
    with_each(&planted, "INSERT", &Drill::new(&sql, CHECK)).await;
    assert!(planted.0.len() > 400, "{}", planted.0.len());
}

#[tokio::test]
async fn no_value_comes_out_of_any_class_of_errors() {
    let mut planted = Planted::default();
    let sql = statements(&mut planted);
    for shown in with_each(&planted, "classes", &Drill::new(&sql, CHECK)).await {
        for useful in [
            "violates check constraint",
            "noted",
            "copies_mail",
            "app.gone",
        ] {
            assert!(shown.contains(useful), "{useful}: {shown}");
        }
    }
    assert!(planted.0.len() > 100, "{}", planted.0.len());
}

#[tokio::test]
async fn rows_without_their_copy_are_not_shown() {
    let mut planted = Planted::default();
    let mut rows = String::from("CREATE TABLE app.orders (id integer);\n");
    for begin in [
        "17\t", "Select ", "Set\t", "Insert\t", "Create\t", "Copy\t", "Grant\t", "it's\t",
    ] {
        rows.push_str(&planted.shaped(&format!("{begin}{{}}\t{{}}\n;\n")));
    }
    with_each(&planted, "rows", &Drill::new(&rows, CHECK)).await;
    // psql would run what begins with a backslash, so that nothing of this is restored.
    let mut rows = String::from("CREATE TABLE app.orders (id integer);\n");
    for begin in ["\\b", "\\connect host=", "\\set ", "\\!", "17\\t\\f"] {
        rows.push_str(&planted.shaped(&format!("{begin}{{}}\t{{}}\n")));
    }
    with_each(&planted, "commands", &Drill::new(&rows, CHECK)).await;
}

#[tokio::test]
async fn a_message_of_megabytes_is_cut() {
    let mut planted = Planted::default();
    let word = planted.word();
    let long = word.repeat(1_000_000);
    let sql = format!(
        "CREATE TABLE public.t (v integer);\nCOPY public.t (v) FROM stdin;\n{long}\n\\.\nSELECT '{long}';\n"
    );
    let drill = Drill::new(&sql, CHECK);
    for shown in with_each(&planted, "long", &drill).await {
        // The wording is recognised all the same.
        assert!(
            shown.contains("invalid input syntax for type integer: "),
            "{shown}"
        );
        assert!(shown.len() < 100_000, "{}", shown.len());
    }
}

#[tokio::test]
async fn no_value_comes_out_of_an_archive() {
    if !usable("local").await {
        return;
    }
    let mut planted = Planted::default();
    // The cast fails in the restore only.
    let mut sql = format!(
        "SET made.now = on;{OBJECTS}
        CREATE FUNCTION public.reads(v text, kind text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('made.now', true) = 'on' THEN RETURN true; END IF;
        IF kind = 'raise' THEN RAISE EXCEPTION 'relation \"%\" does not exist', v USING ERRCODE = '42P01'; END IF;
        EXECUTE format('SELECT %L::%s', v, kind); RETURN true; END $$;"
    );
    for (number, kind) in TYPES.iter().chain(&["raise"]).enumerate() {
        for shape in [0, 1, 4] {
            let value = literal(&planted.shaped(SHAPES[shape]));
            writeln!(
                sql,
                "CREATE TABLE app.a{number}_{shape} (v text CHECK (public.reads(v, '{kind}')));
                INSERT INTO app.a{number}_{shape} VALUES ({value});"
            )
            .unwrap();
        }
    }
    let archive = dumped(&sql).await;
    let drill = Drill::new("", CHECK);
    std::fs::write(drill.reports("dump.sql"), archive).unwrap();
    for shown in with_each(&planted, "archive", &drill).await {
        assert!(
            shown.contains("invalid input syntax for type uuid"),
            "{shown}"
        );
    }
}

/// An archive of a database that SQL makes.
async fn dumped(sql: &str) -> Vec<u8> {
    let run = work().begin().unwrap();
    let settings = Server {
        local: Some(Local::default()),
        ..Server::default()
    };
    let wanted = Wanted {
        superuser: "postgres".to_owned(),
        ..Wanted::default()
    };
    let path = std::env::var("PATH").unwrap();
    let server = ThrowawayServer::start(&settings, &wanted, &run, &path)
        .await
        .unwrap();
    let mut archive = Vec::new();
    given(server, run, BackupFacts::default(), async |made| {
        made.sql("postgres", sql).await;
        let mut client = made
            .server
            .client(Client {
                program: "pg_dump",
                arguments: ["--format=custom", "--dbname=postgres"]
                    .map(str::to_owned)
                    .into(),
                input: ClientInput::Nothing,
            })
            .await
            .unwrap();
        client.stdout.read_to_end(&mut archive).await.unwrap();
        assert_eq!(client.end.wait().await.unwrap(), Some(0));
    })
    .await;
    archive
}

#[tokio::test]
async fn no_value_comes_out_of_a_check() {
    let mut planted = Planted::default();
    let mut sql = format!("{OBJECTS}CREATE TABLE app.texts (id integer PRIMARY KEY, v text);\n");
    let (mut rows, mut checks) = (String::new(), String::new());
    for (number, kind) in TYPES.iter().enumerate() {
        for shape in [0, 1] {
            let id = number * 10 + shape;
            let value = copied(&planted.shaped(SHAPES[shape]));
            writeln!(rows, "{id}\t{value}").unwrap();
            write!(
                checks,
                "[[check.sql]]\nname = \"{id}\"\nquery = \"SELECT v::{kind} FROM app.texts WHERE id = {id}\"\nno-rows = true\n"
            )
            .unwrap();
        }
    }
    write!(
        checks,
        "[[check.sql]]\nname = \"gone\"\nquery = \"SELECT * FROM app.gone\"\nno-rows = true\n"
    )
    .unwrap();
    write!(sql, "COPY app.texts (id, v) FROM stdin;\n{rows}\\.\n").unwrap();
    for shown in with_each(&planted, "checks", &Drill::new(&sql, &checks)).await {
        assert!(
            shown.contains("invalid input syntax for type uuid"),
            "{shown}"
        );
        assert!(shown.contains("app.gone"), "{shown}");
    }
}

/// Statements that fail, and what their message shows.
const USEFUL: &[(&str, &str)] = &[
    (
        "ALTER TABLE ONLY app.missing ADD CONSTRAINT missing_key UNIQUE (id);",
        "relation \"app.missing\" does not exist",
    ),
    (
        "ALTER TABLE app.orders ADD CONSTRAINT small CHECK (id < 0);",
        "check constraint \"small\" of relation \"orders\" is violated by some row",
    ),
    (
        "CREATE VIEW app.v AS SELECT gone FROM app.orders;",
        "column \"gone\" does not exist",
    ),
    (
        "CREATE INDEX i ON app.orders (app.hashed(id));",
        "function app.hashed(integer) does not exist",
    ),
    (
        "CREATE TABLE app.orders (id integer);",
        "relation \"orders\" already exists",
    ),
    (
        "SET ROLE reader;\nSELECT * FROM app.orders;\nRESET ROLE;",
        "permission denied for table orders",
    ),
    (
        "INSERT INTO app.orders VALUES (1);",
        "duplicate key value violates unique constraint \"orders_pkey\"",
    ),
];

#[tokio::test]
async fn names_of_objects_are_shown() {
    let mut sql = String::from(
        "CREATE SCHEMA app;\nCREATE ROLE reader;\nGRANT USAGE ON SCHEMA app TO reader;
CREATE TABLE app.orders (id integer);\nALTER TABLE ONLY app.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
INSERT INTO app.orders VALUES (1);\n",
    );
    for (statement, _) in USEFUL {
        writeln!(sql, "{statement}").unwrap();
    }
    let drill = Drill::new(&sql, CHECK);
    for provider in PROVIDERS {
        if !usable(provider).await {
            continue;
        }
        let (_, report) = drill.run(provider);
        let found: Vec<&str> = report["stages"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|stage| stage["findings"].as_array().unwrap())
            .filter_map(|finding| finding["actual"].as_str())
            .collect();
        for (statement, useful) in USEFUL {
            assert!(
                found.iter().any(|actual| actual.starts_with(useful)),
                "{provider}: {statement}: {found:#?}"
            );
        }
    }
}
