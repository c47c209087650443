//! Plain SQL is split as psql splits it: odd statements by the hundred, and what psql says it sent.

use std::io::{BufRead, BufReader};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use redrill::backup::Contents;
use redrill::backup::format::plain;
use redrill::backup::script::lexer::{End, Lexer, Piece};
use redrill::server::{Client, ClientInput};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::on_restored_plur;

/// Text that looks like the end of whatever holds it.
fn tricky() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        ";",
        "''",
        "\"\"",
        "--",
        "/",
        "*",
        "(",
        ")",
        "\n",
        "\\",
        "\\.",
        "$",
        "$a",
        " BEGIN ",
        " END ",
        "COPY t FROM stdin;",
        "é",
        "x",
        "-- PostgreSQL database dump",
        "1",
    ];
    proptest::collection::vec(
        proptest::sample::select(PARTS).prop_map(str::to_owned),
        0..8,
    )
    .prop_map(|parts| parts.concat())
}

/// One expression.
fn expression() -> impl Strategy<Value = String> {
    tricky().prop_flat_map(|text| {
        let without = |out: &[&str]| {
            out.iter()
                .fold(text.clone(), |text, out| text.replace(out, " "))
        };
        prop_oneof![
            Just(format!("'{}'", without(&["\""]))),
            Just(format!(
                "E'{}\\'{}'",
                without(&["\\", "\""]),
                without(&["\""]).replace('\\', "\\\\")
            )),
            Just(format!("U&'{}'", without(&["\\", "\""]))),
            Just(format!("$${}$$", without(&["$"]))),
            Just(format!("$a${}$ab$ $a$", without(&["$"]))),
            Just(format!("1 AS \"{}x\"", without(&["''"]))),
            Just(format!("/* {} /* nested */ ; */ 1", without(&["*", "/"]))),
            Just("((1) + (CASE WHEN true THEN 2 END))".to_owned()),
            Just("1 AS a$b".to_owned()),
            Just("3 - -1".to_owned()),
        ]
    })
}

/// One statement, with the rows that follow it.
fn statement() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        8 => proptest::collection::vec(expression(), 1..5)
            .prop_map(|list| (format!("SELECT {};", list.join(",\n  ")), String::new())),
        2 => proptest::collection::vec(expression(), 1..4)
            .prop_map(|list| (format!("INSERT INTO odd VALUES ({});", list.join("), (")), String::new())),
        1 => tricky().prop_map(|text| {
            let body = text.replace('$', " ");
            (format!("CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $f${body}$f$;"), String::new())
        }),
        1 => Just((
            "CREATE OR REPLACE FUNCTION pg_temp.g() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;".to_owned(),
            String::new(),
        )),
        1 => Just((
            "CREATE RULE r AS ON INSERT TO odd DO ALSO (SELECT 1; SELECT 2);".to_owned(),
            String::new(),
        )),
        2 => tricky().prop_map(|text| {
            let rows = text.replace('\\', "\\\\").replace('\n', "\\n");
            ("COPY odd FROM stdin;".to_owned(), format!("{rows}\n{rows}x\n\\.\n"))
        }),
    ]
}

/// What the lexer takes for statements.
fn split(sql: impl BufRead) -> (Vec<String>, End) {
    let mut lexer = Lexer::new(sql);
    let mut statements = Vec::new();
    loop {
        let copy = match lexer.next_piece().unwrap() {
            None => break,
            Some(Piece::Inserts(inserts)) => {
                // A small buffer never holds one as a whole.
                let (each, end) = split(BufReader::with_capacity(7, inserts.text));
                assert_eq!((each.len() as u64, end), (inserts.count, End::Clean));
                statements.extend(each);
                false
            }
            Some(Piece::Statement(statement)) => {
                statements.push(String::from_utf8(statement.text.to_vec()).unwrap());
                statement.text.starts_with(b"COPY odd")
            }
            Some(_) => false,
        };
        if copy {
            lexer.expect_rows();
        }
    }
    (statements, lexer.end())
}

/// Between which lines psql's log shows a query.
const QUERY: &str = "/******** QUERY *********/\n";
const QUERY_END: &str = "\n/************************/";

#[tokio::test(flavor = "multi_thread")]
async fn psql_sends_what_the_lexer_takes_for_statements() {
    let mut runner = TestRunner::deterministic();
    let mut expected = vec!["CREATE TEMPORARY TABLE odd (t text);".to_owned()];
    let mut sql = format!("{}\n", expected[0]);
    for at in 0..600 {
        let (statement, rows) = statement().new_tree(&mut runner).unwrap().current();
        let between = [
            "\n",
            " \n\n",
            "\r\n",
            "\n-- it's; a (note\n",
            "\n/* a; ' */\n",
        ];
        // Rows begin on the next line; a comment behind the last statement is sent alone.
        let between = if rows.is_empty() && at < 599 {
            between[at % between.len()]
        } else {
            "\n"
        };
        sql.push_str(&format!("{statement}{between}{rows}"));
        expected.push(statement);
    }
    let (taken, end) = split(sql.as_bytes());
    for (taken, expected) in taken.iter().zip(&expected) {
        assert_eq!(taken, expected, "the lexer against what was written");
    }
    assert_eq!((taken.len(), end), (expected.len(), End::Clean));

    on_restored_plur(None, async |plur| {
        let arguments = [
            "-X",
            "-d",
            "plur",
            "-L",
            "/dev/stdout",
            "-o",
            "/dev/null",
            "-f",
            "-",
        ];
        let mut client = plur
            .server
            .client(Client {
                program: "psql",
                arguments: arguments.map(str::to_owned).into(),
                input: ClientInput::Pipe,
            })
            .await
            .unwrap();
        let mut stdin = client.stdin.take().unwrap();
        let (mut log, mut said) = (String::new(), String::new());
        let (written, read, _) = tokio::join!(
            async {
                stdin.write_all(sql.as_bytes()).await?;
                stdin.shutdown().await?;
                drop(stdin);
                Ok::<(), std::io::Error>(())
            },
            client.stdout.read_to_string(&mut log),
            client.stderr.read_to_string(&mut said),
        );
        written.unwrap();
        read.unwrap();
        client.end.wait().await.unwrap();
        let sent = log.split(QUERY).skip(1);
        let sent: Vec<&str> = sent
            .map(|query| query.split(QUERY_END).next().unwrap())
            .collect();
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        for (sent, taken) in sent.iter().zip(&taken) {
            // psql sends the comment before a statement with it.
            assert!(
                squeezed(sent).ends_with(&squeezed(taken)),
                "psql: {sent}\nlexer: {taken}"
            );
        }
        assert_eq!(sent.len(), taken.len(), "{said}");
    })
    .await;
}

/// Options that change how a dump is written, and not which rows it holds.
const WAYS: &[&[&str]] = &[
    &["--create"],
    &["--create", "--clean", "--if-exists"],
    &["--no-owner", "--no-privileges"],
    &["--disable-triggers"],
    &["--load-via-partition-root"],
    &["--quote-all-identifiers", "--disable-dollar-quoting"],
    &["--inserts"],
    &["--column-inserts", "--load-via-partition-root"],
    &["--rows-per-insert=7"],
    &["--inserts", "--on-conflict-do-nothing"],
];

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_writing_a_dump_is_read_alike() {
    on_restored_plur(None, async |plur| {
        let write = async |program: &'static str, options: &[&str]| {
            let mut client = plur
                .server
                .client(Client {
                    program,
                    arguments: options.iter().map(|option| (*option).to_owned()).collect(),
                    input: ClientInput::Nothing,
                })
                .await
                .unwrap();
            let (mut sql, mut said) = (Vec::new(), String::new());
            let (read, _) = tokio::join!(
                client.stdout.read_to_end(&mut sql),
                client.stderr.read_to_string(&mut said)
            );
            read.unwrap();
            assert_eq!(client.end.wait().await.unwrap(), Some(0), "{said}");
            sql
        };
        let dump = async |options: &[&str]| {
            let sql = write("pg_dump", &[&["--dbname", "plur"], options].concat()).await;
            let (contents, found, _) = plain::read(sql.as_slice()).unwrap();
            assert_eq!(
                (found.problems, found.warnings),
                (vec![], vec![]),
                "{options:?}"
            );
            assert!(
                contents.left_out.is_empty(),
                "{options:?}: {:?}",
                contents.left_out
            );
            assert!(
                contents.without_data.is_empty(),
                "{options:?}: {:?}",
                contents.without_data
            );
            assert!(
                contents.rows.values().all(|rows| !rows.unknown),
                "{options:?}"
            );
            contents
        };
        // Rows loaded through the root of a partitioned table are its own; of empty tables an INSERT says nothing.
        let sum = |contents: &Contents| contents.rows.values().map(|rows| rows.count).sum::<u64>();
        let good = dump(&[]).await;
        assert!(sum(&good) > 1000);
        assert!(!good.graphs.is_empty());
        for options in WAYS {
            let contents = dump(options).await;
            assert_eq!(sum(&contents), sum(&good), "{options:?}");
            assert_eq!(contents.graphs, good.graphs, "{options:?}");
            assert_eq!(contents.policies, good.policies, "{options:?}");
            assert_eq!(contents.counts, good.counts, "{options:?}");
            assert_eq!(contents.schemas, good.schemas, "{options:?}");
            assert_eq!(contents.row_security, good.row_security, "{options:?}");
        }
        for (options, says) in [
            (&["--schema=org_acme"][..], "left it out"),
            (&["--exclude-table-data=plur.orgs"], "rows of plur.orgs"),
        ] {
            let sql = write("pg_dump", &[&["--dbname", "plur"], options].concat()).await;
            let (contents, ..) = plain::read(sql.as_slice()).unwrap();
            let said = format!("{:?}", redrill::backup::fault::missing(&contents));
            assert!(said.contains(says), "F39 {options:?}: {said}");
        }
        let sql = write(
            "pg_dump",
            &["--dbname", "plur", "--section=pre-data", "--section=data"],
        )
        .await;
        let (_, found, _) = plain::read(sql.as_slice()).unwrap();
        assert_eq!((found.problems.len(), found.warnings.len()), (0, 1), "F41");
    })
    .await;
}
