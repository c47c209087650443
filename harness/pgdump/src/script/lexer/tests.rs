//! Files that a splitter stumbles over, and any bytes at all.

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use std::io::BufReader;

/// Splits, with a COPY told as the reader of plain files tells it.
fn split(reader: impl BufRead) -> (Vec<String>, End) {
    let mut lexer = Lexer::new(reader);
    let mut pieces = Vec::new();
    let show = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    loop {
        let mut copy = false;
        match lexer.next_piece().unwrap() {
            None => break,
            Some(Piece::Statement(s)) => {
                copy = s.text.starts_with(b"COPY");
                pieces.push(format!("{}:{}", s.line, show(s.text)));
            }
            Some(Piece::Inserts(run)) => {
                // One by one, behind as many lines.
                let mut text = "\n"
                    .repeat(usize::try_from(run.line - 1).unwrap())
                    .into_bytes();
                text.extend_from_slice(run.text);
                let (each, end) = split(BufReader::with_capacity(7, text.as_slice()));
                assert_eq!((each.len() as u64, end), (run.count, End::Clean));
                pieces.extend(each);
            }
            Some(Piece::Rows { lines, count }) => {
                let before = pieces.len();
                let rows = lines.split_inclusive(|byte| *byte == b'\n');
                pieces.extend(rows.map(|row| format!("row {}", show(without_line_end(row)))));
                assert_eq!(pieces.len() - before, usize::try_from(count).unwrap());
            }
            Some(Piece::Part(text)) => pieces.push(format!("part {}", show(text))),
            Some(Piece::Row { text, .. }) => pieces.push(format!("row {}", show(text))),
            Some(Piece::EndOfRows) => pieces.push("end".to_owned()),
            Some(Piece::Meta { line, text, alone }) => {
                pieces.push(format!("{line}:meta {} {alone}", show(text)));
            }
            Some(Piece::Comment { line, text }) => pieces.push(format!("{line}:{}", show(text))),
        }
        if copy {
            lexer.expect_rows();
        }
    }
    (pieces, lexer.end())
}

fn pieces(text: &[u8]) -> (Vec<String>, End) {
    split(text)
}

#[rstest]
#[case("SELECT 1;\nSELECT 2;", &["1:SELECT 1;", "2:SELECT 2;"])]
#[case("SELECT 'a;b';", &["1:SELECT 'a;b';"])]
#[case("SELECT 'a\\';SELECT 2;", &["1:SELECT 'a\\';", "1:SELECT 2;"])]
#[case("SELECT E'a\\';b';", &["1:SELECT E'a\\';b';"])]
#[case("SELECT E'a''\\';b';", &["1:SELECT E'a''\\';b';"])]
#[case("SELECT E'a' \n 'b\\';c';", &["1:SELECT E'a' \n 'b\\';c';"])]
#[case("SELECT 'a'\n'b\\';", &["1:SELECT 'a'\n'b\\';"])]
#[case("SELECT U&'\\';", &["1:SELECT U&'\\';"])]
#[case("SELECT \"a;b\";", &["1:SELECT \"a;b\";"])]
#[case("DO $x$ ; $$ ; $x$;", &["1:DO $x$ ; $$ ; $x$;"])]
#[case("SELECT /* ; /* ; */ ; */ 1;", &["1:SELECT /* ; /* ; */ ; */ 1;"])]
#[case("SELECT 1 -- ;\n;", &["1:SELECT 1 -- ;\n;"])]
#[case("-- note\nSELECT a$1;", &["1:-- note", "2:SELECT a$1;"])]
#[case("CREATE RULE r AS (a; b);", &["1:CREATE RULE r AS (a; b);"])]
#[case("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN b END; END;\nSELECT 2;",
       &["1:CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN b END; END;", "2:SELECT 2;"])]
#[case("\\connect plur\nSELECT 1;", &["1:meta \\connect plur true", "2:SELECT 1;"])]
#[case("SELECT 1 \\g |sh\nSELECT 2;", &["1:meta \\g |sh false", "2:SELECT 2;"])]
#[case("COPY t FROM stdin;\na;'\n\\\\.x\n\\.\nSELECT 1;",
       &["1:COPY t FROM stdin;", "row a;'", "row \\\\.x", "end", "5:SELECT 1;"])]
#[case("COPY t FROM stdin;\r\na\r\n\\.\r\nSELECT 1;", &["1:COPY t FROM stdin;", "row a", "end", "4:SELECT 1;"])]
fn a_file_is_split_as_psql_splits_it(#[case] text: &str, #[case] expected: &[&str]) {
    let (pieces, end) = pieces(text.as_bytes());
    assert_eq!(pieces, expected);
    assert_eq!(end, End::Clean);
}

#[rstest]
#[case("COPY t FROM stdin;\na\n", End::InRows { line: 1 })]
#[case("\nSELECT 'a", End::InStatement { line: 2, open: "a quoted text" })]
#[case("DO $$ x", End::InStatement { line: 1, open: "a dollar-quoted text" })]
#[case("CREATE TABLE t (a", End::InStatement { line: 1, open: "a statement" })]
#[case("/* x", End::InStatement { line: 1, open: "a comment" })]
#[case("SELECT 1;\n-- x", End::Clean)]
fn the_end_is_told(#[case] text: &str, #[case] expected: End) {
    assert_eq!(pieces(text.as_bytes()).1, expected);
}

#[rstest]
#[case("INSERT INTO t VALUES (1, f(2)), (3, ')');", 2)]
#[case("INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE VALUES (1, 2);", 1)]
#[case("INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING;", 1)]
#[case(
    "INSERT INTO t VALUES (1), (2) ON CONFLICT ON CONSTRAINT c DO UPDATE SET a = (1);",
    2
)]
#[case("INSERT INTO t VALUES ($a$)$a$), ($$, ($$);", 2)]
#[case("INSERT INTO t VALUES (E'\\'),('), ('x)');", 2)]
#[case("INSERT INTO t VALUES (e'\\\\'), (U&'\\'), (N'a');", 3)]
#[case(
    "INSERT INTO t VALUES ((1)::numeric(10,2), '{}'::jsonb), (CAST(2 AS numeric(10, 2)), NULL);",
    2
)]
#[case("INSERT INTO t VALUES (E'''\\'),(', 1), (E'a'\n'\\'),(');", 2)]
#[case("INSERT INTO t VALUES (1) RETURNING (a);", 1)]
#[case("INSERT INTO t DEFAULT VALUES;", 1)]
#[case("INSERT INTO t VALUES (1), (2) UNION ALL VALUES (3);", 3)]
#[case("INSERT INTO t (a) VALUES (DEFAULT), (ARRAY[1, 2]), (ROW(1, 2));", 3)]
#[case("INSERT INTO \"values (\" VALUES (1);", 1)]
#[case("INSERT INTO t (\"a)b\", a$values) VALUES (1, 2);", 1)]
#[case("INSERT INTO t /* ( */ VALUES (1) -- ), (\n, (2);", 2)]
#[case("INSERT INTO t SELECT (1), (2);", 0)]
#[case("INSERT INTO t SELECT * FROM (VALUES (1), (2)) AS v (a);", 0)]
#[case("insert into t values (1),\n(2)\n,(3);", 3)]
#[case("SELECT f(1);", 0)]
fn rows_of_inserts_are_counted(#[case] text: &str, #[case] groups: u64) {
    // By one look at the buffer where that can be, and by steps.
    for text in [format!("{text}\n"), format!(" {text}")] {
        let mut lexer = Lexer::new(text.as_bytes());
        let inserts = match lexer.next_piece() {
            Ok(Some(Piece::Inserts(inserts))) => inserts,
            Ok(Some(Piece::Statement(statement))) => Inserts::from(&statement),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(inserts.rows.unwrap_or(0), groups, "{text}");
        assert_eq!(inserts.text, text.trim().as_bytes());
        assert_eq!(inserts.bytes, text.trim().len() as u64);
    }
}

#[test]
fn what_lies_across_the_parts_of_a_long_line_is_one() {
    for quoted in ["'", "$tag$", "\"", "E'\\'"] {
        let close = quoted.trim_start_matches("E").trim_end_matches("\\'");
        for less in 0..8 {
            let filler = "x".repeat(KEPT - 20 - less);
            let sql = format!("SELECT {quoted}{filler};{filler};{close};\nSELECT 2;\n");
            let (pieces, end) = split(sql.as_bytes());
            assert_eq!((pieces.len(), end), (2, End::Clean), "{quoted} {less}");
        }
    }
}

/// SQL that is likely to be mistaken, and bytes of any kind.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => proptest::sample::select(PARTS).prop_map(|part| part.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

const PARTS: &[&str] = &[
    "INSERT INTO t VALUES (",
    "INSERT INTO ",
    "values",
    " DEFAULT VALUES",
    "), (",
    ");\n",
    ";\r\n",
    ";",
    "\n",
    "\r\n",
    "'",
    "''",
    "E'",
    "U&'",
    "\\'",
    "\\",
    "\"",
    "$$",
    "$a$",
    "a$",
    "$1",
    "--",
    "-- x\n",
    "/*",
    "*/",
    "- ",
    "/",
    "(",
    ")",
    "é",
    "COPY t FROM stdin;\n",
    "1\t2\n",
    "\\.\n",
    "\\.\r\n",
    "\\.x\n",
    "\\connect x\n",
    "CREATE FUNCTION f() ",
    " BEGIN ",
    " END",
    " CASE ",
    "SELECT 1",
    " ON CONFLICT ",
    "INSERT INTO t (a) VALUES (",
    "INSERT INTO t VALUES (1);\n",
    "\u{feff}",
];

/// What the INSERTs of a text hold, all of them together.
fn inserted(reader: impl BufRead) -> (u64, u64, u64, bool) {
    let mut lexer = Lexer::new(reader);
    let mut all = (0, 0, 0, false);
    while let Some(piece) = lexer.next_piece().unwrap() {
        let inserts = match piece {
            Piece::Inserts(inserts) => inserts,
            Piece::Statement(statement) => Inserts::from(&statement),
            _ => continue,
        };
        all.0 += inserts.count;
        all.1 += inserts.rows.unwrap_or(0);
        all.2 += inserts.bytes;
        all.3 |= inserts.on_conflict;
    }
    all
}

#[test]
fn inserts_that_begin_alike_are_told_together() {
    let text = b"INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (';\n'), (2);\nINSERT INTO t VALUES (3) ON CONFLICT DO NOTHING;\r\nINSERT INTO u VALUES (4);\nINSERT INTO u SELECT 1;\nINSERT INTO u VALUES (5);\n";
    let mut lexer = Lexer::new(&text[..]);
    let mut runs = Vec::new();
    while let Some(Piece::Inserts(run)) = lexer.next_piece().unwrap() {
        runs.push((
            run.line,
            run.last_line,
            run.count,
            run.rows,
            run.on_conflict,
        ));
    }
    let expected = [
        (1, 4, 3, Some(4), true),
        (5, 5, 1, Some(1), false),
        (6, 6, 1, None, false),
        (7, 7, 1, Some(1), false),
    ];
    assert_eq!(runs, expected);
    assert_eq!(lexer.end(), End::Clean);
}

#[test]
fn inserts_into_tables_of_age_come_one_by_one() {
    let text = b"INSERT INTO ag_catalog.ag_graph VALUES (1);\nINSERT INTO ag_catalog.ag_graph VALUES (2);\n";
    let mut lexer = Lexer::new(&text[..]);
    for line in 1..=2 {
        let piece = lexer.next_piece().unwrap();
        assert!(
            matches!(piece, Some(Piece::Statement(s)) if s.line == line),
            "{piece:?}"
        );
    }
}

/// Where `text` begins, behind white space and whole comments only.
fn behind_blanks(rest: &[u8], text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while !rest[at..].starts_with(text) {
        match rest[at..] {
            [b'/', b'*', ..] => {
                let mut depth = 0;
                loop {
                    match rest[at..] {
                        [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
                        [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
                        [_, ..] => at += 1,
                        [] => return None,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            [byte, ..] if byte.is_ascii_whitespace() || byte == 0x0b => at += 1,
            [..] => return None,
        }
    }
    Some(at)
}

#[test]
fn a_comment_without_an_end_is_named_by_its_own_line() {
    let text = b"\\.\nINSERT INTO t VALUES (1);\n/* and\nso on";
    for size in [1, 40, 4096] {
        let (_, end) = split(BufReader::with_capacity(size, &text[..]));
        let open = "a comment";
        assert_eq!(end, End::InStatement { line: 3, open }, "{size}");
    }
}

proptest! {
    #[test]
    fn inserts_hold_the_same_together_and_alone(bytes in odd()) {
        let alone = inserted(BufReader::with_capacity(7, bytes.as_slice()));
        prop_assert_eq!(inserted(bytes.as_slice()), alone);
    }

    #[test]
    fn the_size_of_the_readers_buffer_changes_nothing(bytes in odd(), size in 1..40_usize) {
        let small = split(BufReader::with_capacity(size, bytes.as_slice()));
        prop_assert_eq!(split(bytes.as_slice()), small);
    }

    #[test]
    fn pieces_cover_everything_but_white_space_and_comments(bytes in odd()) {
        let mut lexer = Lexer::new(bytes.as_slice());
        let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).to_vec();
        loop {
            let (text, rows) = match lexer.next_piece().unwrap() {
                None => break,
                Some(Piece::Statement(s)) => (s.text.to_vec(), s.text.starts_with(b"COPY")),
                Some(Piece::Inserts(inserts)) => (inserts.text.to_vec(), false),
                Some(Piece::Rows { lines, .. }) => (lines.to_vec(), false),
                Some(Piece::EndOfRows) => (b"\\.".to_vec(), false),
                // Such a command is no dump's; what stood before it is not told.
                Some(Piece::Meta { alone: false, .. }) => return Ok(()),
                Some(
                    Piece::Part(text)
                    | Piece::Row { text, .. }
                    | Piece::Meta { text, .. }
                    | Piece::Comment { text, .. },
                ) => (text.to_vec(), false),
            };
            let at = behind_blanks(&rest, &text);
            prop_assert!(at.is_some(), "{:?} stands at {:?}", text, rest);
            let at = at.unwrap();
            rest.drain(..at + text.len());
            if rows {
                let line = memchr::memchr(b'\n', &rest).map_or(rest.len(), |at| at + 1);
                rest.drain(..line);
                lexer.expect_rows();
            }
        }
        if lexer.end() == End::Clean {
            let rest = String::from_utf8_lossy(&rest).into_owned();
            let blank = rest.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
            prop_assert!(blank.is_empty() || blank.starts_with("/*"), "{rest:?} is left");
        }
    }

    #[test]
    fn any_bytes_are_read_to_the_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut lexer = Lexer::new(bytes.as_slice());
        while let Some(piece) = lexer.next_piece().unwrap() {
            if matches!(piece, Piece::Statement(s) if s.text.starts_with(b"C")) {
                lexer.expect_rows();
            }
        }
        prop_assert_eq!(lexer.offset(), bytes.len() as u64);
        lexer.end();
    }

    #[test]
    fn quoting_hides_everything(text in "[a-z;'\\\\$\\-/*(\n\"]{0,40}") {
        let doubled = text.replace('\'', "''");
        let sql = format!("SELECT '{doubled}';\nSELECT 2;");
        let (pieces, end) = pieces(sql.as_bytes());
        prop_assert_eq!(pieces.len(), 2, "{:?}", pieces);
        prop_assert_eq!(end, End::Clean);
    }
}
