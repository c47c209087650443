//! Plain SQL is split as psql splits it: odd statements by the hundred, and what psql says it sent.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use redrill::backup::format::lexer::{End, Lexer, Piece};
use redrill::server::{Client, ClientInput};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::on_plur;

/// Text that looks like the end of whatever holds it.
fn tricky() -> impl Strategy<Value = String> {
    let parts = [
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
        proptest::sample::select(&parts[..]).prop_map(str::to_owned),
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
fn split(sql: &str) -> (Vec<String>, End) {
    let mut lexer = Lexer::new(sql.as_bytes());
    let mut statements = Vec::new();
    loop {
        let copy = match lexer.next_piece().unwrap() {
            None => break,
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
        // Rows begin on the next line.
        let between = if rows.is_empty() {
            between[at % between.len()]
        } else {
            "\n"
        };
        sql.push_str(&format!("{statement}{between}{rows}"));
        expected.push(statement);
    }
    let (taken, end) = split(&sql);
    assert_eq!(end, End::Clean);
    assert_eq!(taken, expected, "the lexer against what was written");

    on_plur(async |plur| {
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
