//! Plain SQL: what it holds, whether it is whole, and whether anything in it is no dump's business.
//!
//! A dump that was cut between two statements restores without an error, so the end is proven by
//! what its writer puts there: the trailer, the `\unrestrict` that answers `\restrict`, and the
//! `\.` of every COPY.

use std::io::{self, BufRead};

use super::lexer::{End, Lexer, Piece, Statement};
use crate::backup::contents::{Contents, Problems, Rows};
use crate::database::QualifiedName;
use crate::outcome::Finding;
use crate::units::show_count;

/// Findings of one sort that are told in full; the rest is counted.
const TOLD: usize = 5;

/// Encodings in which a second byte may look like a quote or a backslash.
const UNSAFE_ENCODINGS: &[&str] = &[
    "SJIS",
    "SHIFT_JIS_2004",
    "BIG5",
    "GBK",
    "GB18030",
    "UHC",
    "JOHAB",
];

/// Beginnings of the names of encodings in which every byte is a letter, so that none is ever wrong.
const ONE_BYTE_ENCODINGS: &[&str] = &["LATIN", "WIN1", "WIN8", "ISO_8859", "KOI8"];

/// Reads a plain file to its end.
#[derive(Debug, Default)]
struct Reading {
    contents: Contents,
    found: Problems,
    database: String,
    /// Dumps that were begun and not completed, by the line of their header.
    open_dumps: Vec<u64>,
    /// `\restrict` that was not answered.
    restricted: Option<(u64, Vec<u8>)>,
    completed: u64,
    /// The table of the COPY whose rows are read.
    current: Option<(String, QualifiedName)>,
    foreign: usize,
    /// The encoding of one byte per letter that the rows are said to be in.
    one_byte: Option<String>,
    /// Rows with letters beyond ASCII under such an encoding: those that are UTF-8, and those that are not.
    letters: (u64, u64),
    /// Databases that the file makes in UTF-8.
    utf8_databases: Vec<String>,
    /// Whether such rows go into one of them.
    into_utf8: bool,
}

/// Reads a plain file to its end, and gives what it holds and what is wrong with it.
///
/// # Errors
/// What the reader gives: damaged compression, a disk that fails.
pub fn read(reader: impl BufRead) -> io::Result<(Contents, Problems, u64)> {
    let mut lexer = Lexer::new(reader);
    let mut reading = Reading::default();
    let mut rows = 0_u64;
    loop {
        let mut expect_rows = None;
        let mut standard_strings = None;
        match lexer.next_piece()? {
            None => break,
            Some(Piece::Row(row)) => {
                rows += 1;
                reading.row(row);
            }
            Some(Piece::EndOfRows) => {
                reading.end_rows(rows);
                rows = 0;
                reading.contents.data_ends = Some(lexer.offset());
            }
            Some(Piece::Comment { line, text }) => reading.comment(line, text),
            Some(Piece::Meta { line, text, alone }) => reading.meta(line, text, alone),
            Some(Piece::Statement(statement)) => {
                reading.contents.statements += 1;
                let words = Words::of(statement.text);
                standard_strings = words.standard_strings();
                expect_rows = words.copies_from_stdin().then_some(statement.line);
                let (begins, data) = (statement.begins, words.is_insert());
                reading.statement(statement, &words);
                if expect_rows.is_some() || data {
                    reading.contents.data_begins.get_or_insert(begins);
                }
                if data {
                    reading.contents.data_ends = Some(lexer.offset());
                }
            }
        }
        if let Some(on) = standard_strings {
            lexer.set_standard_strings(on);
        }
        if let Some(line) = expect_rows
            && !lexer.expect_rows()
        {
            reading.foreign(line, "something behind a COPY on its line");
        }
    }
    if rows > 0 {
        reading.end_rows(rows);
    }
    reading.finish(lexer.end(), lexer.offset() == 0);
    Ok((reading.contents, reading.found, lexer.offset()))
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
            self.contents
                .source_version
                .get_or_insert_with(|| version.to_owned());
        } else if let Some(version) = text.strip_prefix("Dumped by ") {
            self.contents
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
                _ => self.foreign(line, "an `\\unrestrict` that answers no `\\restrict`"),
            },
            "\\connect" | "\\c" if alone => match connected_database(argument) {
                Some(database) => {
                    if !self.contents.connects.contains(&database) {
                        self.contents.connects.push(database.clone());
                    }
                    self.database = database;
                }
                None => self.foreign(line, "a `\\connect` to another server or user"),
            },
            _ => {
                let name: String = command.chars().take(20).collect();
                self.foreign(line, &format!("the psql command `{name}`"));
            }
        }
    }

    /// Notes something that no dump contains and that could reach outside the database.
    fn foreign(&mut self, line: u64, what: &str) {
        self.foreign += 1;
        if self.foreign <= TOLD {
            self.found.problems.push(
                Finding::about(format!("line {line}"), "only what pg_dump writes", what)
                    .hint("somebody put this into the dump: find out who before anyone restores it by hand"),
            );
        }
    }

    fn statement(&mut self, statement: Statement<'_>, words: &Words<'_>) {
        let contents = &mut self.contents;
        let add = |list: &mut Vec<String>, name: Option<String>| {
            if let Some(name) = name
                && !list.contains(&name)
            {
                list.push(name);
            }
        };
        match words.start() {
            ["copy", ..] => {
                if words.copies_from_stdin() {
                    let table = words.name_after("copy");
                    self.current = table.map(|table| (self.database.clone(), table));
                    if let Some(key) = self.current.clone() {
                        self.contents.rows.entry(key).or_insert(Rows {
                            line: statement.line,
                            ..Rows::default()
                        });
                    }
                } else {
                    self.foreign(statement.line, "a COPY to or from a program or a file of the server");
                }
            }
            ["insert", "into", ..] => {
                if let Some(table) = words.name_after("into") {
                    let rows = contents
                        .rows
                        .entry((self.database.clone(), table))
                        .or_insert(Rows { line: statement.line, ..Rows::default() });
                    rows.count += statement.value_groups;
                    rows.may_be_fewer |= statement.on_conflict;
                }
            }
            ["create", "role" | "user", ..] if words.start().get(2) != Some(&"mapping") => {
                add(&mut contents.roles, words.identifier(2));
            }
            ["alter", "role", ..] if words.contains(&["superuser"]) => {
                add(&mut contents.superusers, words.identifier(2));
            }
            ["create", "database", ..] => {
                add(&mut contents.creates, words.identifier(2));
                if words.text.contains("ENCODING = 'UTF8'") {
                    self.utf8_databases.extend(words.identifier(2));
                }
            }
            ["create", "extension", "if", "not", "exists", ..] => {
                add(&mut contents.extensions, words.identifier(5));
            }
            ["create", "extension", ..] => add(&mut contents.extensions, words.identifier(2)),
            ["grant", ..] => {
                contents.has_privileges = true;
                if let Some(at) = words.position(&["granted", "by"]) {
                    add(&mut contents.grantors, words.identifier(at + 2));
                }
            }
            ["revoke", ..] => contents.has_privileges = true,
            ["alter", ..] => {
                if let Some(at) = words.position(&["owner", "to"]) {
                    contents.has_owners = true;
                    add(&mut contents.owners, words.identifier(at + 2));
                }
            }
            ["select", function, ..] if function.ends_with("lo_create") => contents.large_objects += 1,
            ["set", "row_security", "=", "on", ..] => self.found.problems.push(
                Finding::about(
                    format!("line {}", statement.line),
                    "`SET row_security = off`",
                    "`SET row_security = on`: rows that policies hid from the dumping role are missing",
                )
                .hint("dump as a role with BYPASSRLS, without `--enable-row-security`"),
            ),
            ["set", "client_encoding", "=", ..] => {
                let encoding = words.literal(3);
                if let Some(encoding) = &encoding
                    && UNSAFE_ENCODINGS.contains(&encoding.to_ascii_uppercase().as_str())
                {
                    self.foreign(
                        statement.line,
                        "an encoding in which parts of letters look like quotes; dump with `--encoding=UTF8`",
                    );
                }
                self.one_byte = encoding.clone().filter(|name| {
                    let name = name.to_ascii_uppercase();
                    ONE_BYTE_ENCODINGS.iter().any(|start| name.starts_with(start))
                });
                if self.contents.encoding.is_none() {
                    self.contents.encoding = encoding;
                }
            }
            _ => {}
        }
    }

    /// Under an encoding of one byte per letter, rows that are UTF-8 all the same are noted.
    fn row(&mut self, row: &[u8]) {
        if self.one_byte.is_some() && !row.is_ascii() {
            self.into_utf8 |= self.utf8_databases.contains(&self.database);
            match std::str::from_utf8(row) {
                Ok(_) => self.letters.0 += 1,
                Err(_) => self.letters.1 += 1,
            }
        }
    }

    /// Letters of another alphabet are hardly ever UTF-8 by chance, and never all of them.
    fn encoding(&mut self) {
        let (Some(encoding), (utf8 @ 1.., 0)) = (&self.one_byte, self.letters) else {
            return;
        };
        let finding = Finding::new(
            format!("rows in {encoding}, as `client_encoding` says"),
            format!("{} rows with letters beyond ASCII, all in UTF-8: they restore as other letters, without an error", show_count(utf8)),
        )
        .hint("compare `SET client_encoding` with what the backup job wrote, and look whether the file was converted");
        if self.into_utf8 {
            self.found.problems.push(finding);
        } else {
            // A database in that encoding may have held such bytes all along.
            self.found.warnings.push(finding);
        }
    }

    fn end_rows(&mut self, rows: u64) {
        if let Some(key) = self.current.take()
            && let Some(entry) = self.contents.rows.get_mut(&key)
        {
            entry.count += rows;
        }
    }

    /// Judges whether the file is whole.
    fn finish(&mut self, end: End, empty: bool) {
        self.encoding();
        let problems = &mut self.found.problems;
        if self.foreign > TOLD {
            problems.push(Finding::new(
                "only what pg_dump writes",
                format!("{} more such lines", self.foreign - TOLD),
            ));
        }
        if empty || (self.contents.statements == 0 && self.contents.rows.is_empty()) {
            problems.push(
                Finding::new("statements that make a database", "none: there is nothing to restore")
                    .hint("a compressed nothing is what a failed pg_dump in a pipe without `pipefail` leaves"),
            );
        }
        let cut = "the file was cut off: look at the disk and at the transfer of the backup job";
        match end {
            End::Clean => {}
            End::InRows { line } => {
                let table = self
                    .contents
                    .rows
                    .iter()
                    .find(|(_, rows)| rows.line == line);
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
            self.found.warnings.push(
                Finding::new(
                    "the header and trailer that pg_dump writes",
                    "neither: whether the end of the file is missing cannot be told from the file",
                )
                .hint("this file comes from another writer; hold it to a `row-count` baseline"),
            );
        }
    }
}

/// The first words of a statement, folded to lower case where they are not quoted.
struct Words<'a> {
    text: &'a str,
    folded: Vec<String>,
    words: Vec<&'static str>,
}

/// Words that are told apart; anything else is the empty string.
const KNOWN: &[&str] = &[
    "copy",
    "insert",
    "into",
    "create",
    "role",
    "user",
    "mapping",
    "alter",
    "superuser",
    "database",
    "extension",
    "if",
    "not",
    "exists",
    "grant",
    "granted",
    "by",
    "revoke",
    "owner",
    "to",
    "select",
    "set",
    "row_security",
    "client_encoding",
    "standard_conforming_strings",
    "=",
    "on",
    "off",
    "conflict",
    "from",
    "stdin",
    "program",
    "lo_create",
    "pg_catalog.lo_create",
];

impl<'a> Words<'a> {
    /// Splits the beginning of a statement.
    fn of(text: &'a [u8]) -> Self {
        let head = &text[..text.len().min(4096)];
        let text = match std::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
        };
        let folded: Vec<String> = tokens(text)
            .take(400)
            .map(str::to_ascii_lowercase)
            .collect();
        let words = folded
            .iter()
            .map(|word| {
                KNOWN
                    .iter()
                    .find(|known| *known == word)
                    .copied()
                    .unwrap_or("")
            })
            .collect();
        Self {
            text,
            folded,
            words,
        }
    }

    fn start(&self) -> &[&'static str] {
        &self.words
    }

    fn position(&self, sequence: &[&str]) -> Option<usize> {
        self.words
            .windows(sequence.len())
            .position(|window| window == sequence)
    }

    fn contains(&self, sequence: &[&str]) -> bool {
        self.position(sequence).is_some()
    }

    fn is_insert(&self) -> bool {
        self.words.starts_with(&["insert", "into"])
    }

    fn copies_from_stdin(&self) -> bool {
        self.words.first() == Some(&"copy") && self.contains(&["from", "stdin"])
    }

    fn standard_strings(&self) -> Option<bool> {
        match self.words.as_slice() {
            ["set", "standard_conforming_strings", "=", value, ..] => Some(*value != "off"),
            _ => None,
        }
    }

    /// The identifier at a place, unquoted or folded.
    fn identifier(&self, at: usize) -> Option<String> {
        tokens(self.text)
            .nth(at)
            .map(|token| match token.strip_prefix('"') {
                Some(quoted) => quoted.trim_end_matches('"').replace("\"\"", "\""),
                None => token.to_ascii_lowercase(),
            })
    }

    /// The text between single quotes at a place.
    fn literal(&self, at: usize) -> Option<String> {
        self.folded.get(at).map(|_| ())?;
        tokens(self.text)
            .nth(at)
            .map(|token| token.trim_matches('\'').to_owned())
    }

    /// The name that follows the first `word`.
    fn name_after(&self, word: &str) -> Option<QualifiedName> {
        let at = self.words.iter().position(|known| *known == word)?;
        QualifiedName::parse(tokens(self.text).nth(at + 1)?).ok()
    }
}

/// Splits into words, names with their quotes and dots, literals, and single other characters.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end = if first == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |at| at + 2)
        } else if first == '"' || first.is_alphabetic() || first == '_' {
            let mut quoted = false;
            rest.char_indices()
                .find(|(_, c)| {
                    if *c == '"' {
                        quoted = !quoted;
                        return false;
                    }
                    !(quoted || c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '-'))
                })
                .map_or(rest.len(), |(at, _)| at)
        } else {
            first.len_utf8()
        };
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some(token)
    })
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
