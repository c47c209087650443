//! Plain SQL: what it holds, whether it is whole, and whether anything in it is no dump's business.
//!
//! A dump that was cut between two statements restores without an error, so the end is proven by
//! what its writer puts there: the trailer, the `\unrestrict` that answers `\restrict`, and the
//! `\.` of every COPY.

use std::io::{self, BufRead};

use super::lexer::{End, Lexer, Piece};
use super::statement::Words;
use crate::backup::contents::{Contents, Problems};
use crate::backup::gather::{Gather, Place, Told};
use crate::outcome::Finding;
use crate::units::show_count;

/// Reads a plain file to its end.
#[derive(Debug, Default)]
struct Reading {
    gather: Gather,
    /// Dumps that were begun and not completed, by the line of their header.
    open_dumps: Vec<u64>,
    /// `\restrict` that was not answered.
    restricted: Option<(u64, Vec<u8>)>,
    completed: u64,
}

/// Reads a plain file to its end, and gives what it holds, what is wrong with it and its bytes.
///
/// # Errors
/// What the reader gives: damaged compression, a disk that fails.
pub fn read(reader: impl BufRead) -> io::Result<(Contents, Problems, u64)> {
    let mut lexer = Lexer::new(reader);
    let mut reading = Reading::default();
    loop {
        let mut expect_rows = None;
        let mut standard_strings = None;
        match lexer.next_piece()? {
            None => break,
            Some(Piece::Row { text, bytes }) => reading.gather.row(text, bytes),
            Some(Piece::EndOfRows) => {
                reading.gather.end_rows();
                reading.gather.contents.data_ends = Some(lexer.offset());
            }
            Some(Piece::Comment { line, text }) => reading.comment(line, text),
            Some(Piece::Meta { line, text, alone }) => reading.meta(line, text, alone),
            Some(Piece::Statement(statement)) => {
                let words = Words::of(statement.text);
                standard_strings = words.standard_strings();
                expect_rows = words.copies_from_stdin().then_some(statement.line);
                let data = words.is_insert();
                reading.gather.contents.statements += 1;
                reading.gather.statement(Told {
                    place: Place::Line(statement.line),
                    words: &words,
                    value_groups: statement.value_groups,
                    on_conflict: statement.on_conflict,
                });
                let contents = &mut reading.gather.contents;
                if expect_rows.is_some() || data {
                    contents.data_begins.get_or_insert(statement.begins);
                }
                if data {
                    contents.data_ends = Some(lexer.offset());
                }
            }
        }
        if let Some(on) = standard_strings {
            lexer.set_standard_strings(on);
        }
        if let Some(line) = expect_rows
            && !lexer.expect_rows()
        {
            let what = "something behind a COPY on its line";
            reading.gather.foreign(Place::Line(line), what);
        }
    }
    let bytes = lexer.offset();
    let (contents, found) = reading.finish(lexer.end(), bytes == 0);
    Ok((contents, found, bytes))
}

impl Reading {
    /// Comments carry the writer's header and trailer.
    fn comment(&mut self, line: u64, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let text = text.trim_start_matches('-').trim();
        if let Some(rest) = text.strip_prefix("PostgreSQL database ") {
            match rest.strip_prefix("cluster ").unwrap_or(rest) {
                "dump" => self.open_dumps.push(line),
                "dump complete" => {
                    self.open_dumps.pop();
                    self.completed += 1;
                }
                _ => {}
            }
        } else if let Some(version) = text.strip_prefix("Dumped from database version ") {
            self.gather
                .contents
                .source_version
                .get_or_insert_with(|| version.to_owned());
        } else if let Some(version) = text.strip_prefix("Dumped by ") {
            self.gather
                .contents
                .dump_version
                .get_or_insert_with(|| version.replace(" version", ""));
        }
    }

    /// Only the commands that pg_dump and pg_dumpall write are let through.
    fn meta(&mut self, line: u64, text: &[u8], alone: bool) {
        let shown = String::from_utf8_lossy(text).into_owned();
        let (command, argument) = match shown.split_once(char::is_whitespace) {
            Some((command, argument)) => (command, argument.trim()),
            None => (shown.as_str(), ""),
        };
        let plain_key =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric());
        match command {
            "\\restrict" if alone && plain_key(argument) => {
                self.restricted = Some((line, argument.as_bytes().to_vec()));
            }
            "\\unrestrict" if alone && plain_key(argument) => match self.restricted.take() {
                Some((_, key)) if key == argument.as_bytes() => {}
                _ => self.gather.foreign(
                    Place::Line(line),
                    "an `\\unrestrict` that answers no `\\restrict`",
                ),
            },
            "\\connect" | "\\c" if alone => match connected_database(argument) {
                Some(database) => self.gather.connect(database),
                None => self
                    .gather
                    .foreign(Place::Line(line), "a `\\connect` to another server or user"),
            },
            _ => {
                let name: String = command.chars().take(20).collect();
                self.gather
                    .foreign(Place::Line(line), &format!("the psql command `{name}`"));
            }
        }
    }

    /// Judges whether the file is whole.
    fn finish(self, end: End, empty: bool) -> (Contents, Problems) {
        let (contents, mut found) = self.gather.finish();
        let problems = &mut found.problems;
        if empty || (contents.statements == 0 && contents.rows.is_empty()) {
            problems.push(
                Finding::new("statements that make a database", "none: there is nothing to restore")
                    .hint("a compressed nothing is what a failed pg_dump in a pipe without `pipefail` leaves"),
            );
        }
        let cut = "the file was cut off: look at the disk and at the transfer of the backup job";
        match end {
            End::Clean => {}
            End::InRows { line } => {
                let table = contents.rows.iter().find(|(_, rows)| rows.line == line);
                let (name, count) = table.map_or_else(
                    || ("a table".to_owned(), 0),
                    |((_, table), rows)| (table.to_string(), rows.count),
                );
                problems.push(
                    Finding::about(
                        name,
                        "rows that end with the line `\\.`",
                        format!(
                            "the file ends after {} of its rows (COPY in line {line})",
                            show_count(count)
                        ),
                    )
                    .hint(cut),
                );
            }
            End::InStatement { line, open } => problems.push(
                Finding::about(
                    format!("line {line}"),
                    "a statement that ends",
                    format!("the file ends within {open}"),
                )
                .hint(cut),
            ),
        }
        if let Some((line, _)) = &self.restricted {
            problems.push(
                Finding::new(
                    format!("an `\\unrestrict` for the `\\restrict` in line {line}"),
                    "the file ends without this `\\unrestrict`",
                )
                .hint(cut),
            );
        }
        for line in &self.open_dumps {
            problems.push(
                Finding::new(
                    format!("`-- PostgreSQL database dump complete` for the dump that begins in line {line}"),
                    "the file ends without this last line",
                )
                .hint(cut),
            );
        }
        if self.completed == 0 && self.open_dumps.is_empty() && problems.is_empty() {
            found.warnings.push(
                Finding::new(
                    "the header and trailer that pg_dump writes",
                    "neither: whether the end of the file is missing cannot be told from the file",
                )
                .hint("this file comes from another writer; hold it to a `row-count` baseline"),
            );
        }
        (contents, found)
    }
}

/// The database that a `\connect` goes to, unless it names another server or user.
fn connected_database(argument: &str) -> Option<String> {
    let argument = argument
        .strip_prefix("-reuse-previous=on")
        .map_or(argument, str::trim_start);
    let inner = argument
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let name = match inner {
        Some(inner) => inner.replace("\"\"", "\""),
        None if argument.contains(|c: char| c.is_whitespace() || "'`\"\\|".contains(c)) => {
            return None;
        }
        None => argument.to_owned(),
    };
    if let Some(value) = name.strip_prefix("dbname=") {
        // pg_dumpall writes this for names that need it: dbname='my db', and nothing behind it.
        let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
        return (!value.replace("\\'", "").contains('\''))
            .then(|| value.replace("\\'", "'").replace("\\\\", "\\"));
    }
    (!name.is_empty() && !name.contains(['=', '`']) && !name.contains("://")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
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
            .map(|finding| format!("{}; {}", finding.expected, finding.actual))
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
            .replacen("1\n2\n", "\\\\! sh\n-- PostgreSQL database dump\nCOPY t FROM PROGRAM 'x';\n", 1)
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
            let told = |list: &[Finding]| list.iter().any(|f| f.actual.contains("in UTF-8"));
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
}
