//! Plain SQL: its contents, whether it is complete, and whether it contains what no dump contains.
//!
//! A dump that was cut between two statements restores without an error, so the end is proven by
//! what its writer puts there: the trailer, the `\unrestrict` that answers `\restrict`, and the
//! `\.` of every COPY.
//!
//! - `end`: what proves the end, and the judgement
//! - `clean`: the statements of `--clean`

mod clean;
mod end;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use crate::contents::Contents;
use crate::digest::from_hex;
use crate::fault::{Place, Problems};
use crate::gather::{Gather, ReadStatement};
use crate::needs;
use crate::script::lexer::{Inserts, Lexer, Piece, Statement};
use crate::script::statement::{Words, inserts_into};
use crate::sql::{QualifiedName, unquote};

use clean::Clean;
use end::Marks;

/// Lines in which another program than pg_dump may say what it is.
const HEADER: u64 = 3;

/// Reads a plain file to its end.
#[derive(Debug, Default)]
struct Reading {
    gather: Gather,
    marks: Marks,
    clean: Clean,
}

/// What a statement means for how the file is read on.
#[derive(Debug, Default)]
struct Follows {
    /// Rows, behind this line.
    rows: Option<u64>,
    /// Another reading of backslashes.
    standard_strings: Option<bool>,
    /// Whether it was an INSERT.
    data: bool,
}

/// Reads a plain file to its end; returns contents, faults and bytes.
///
/// # Errors
/// Errors of the reader: damaged compression, a disk that fails.
pub fn read(reader: impl BufRead) -> io::Result<(Contents, Problems, u64)> {
    read_into(Lexer::new(reader), Gather::default())
}

/// The same, with a gatherer that does more with rows than to count them.
///
/// # Errors
/// Errors of the reader: damaged compression, a disk that fails.
pub fn read_into(
    mut lexer: Lexer<impl BufRead>,
    gather: Gather,
) -> io::Result<(Contents, Problems, u64)> {
    let mut reading = Reading {
        gather,
        ..Reading::default()
    };
    loop {
        let mut follows = Follows::default();
        match lexer.next_piece()? {
            None => break,
            Some(Piece::Rows { lines, count }) => reading.gather.rows(lines, count),
            Some(Piece::Part(text)) => reading.gather.part(text),
            Some(Piece::Row { text, bytes }) => reading.gather.row(text, bytes),
            Some(Piece::EndOfRows) => {
                reading.gather.end_rows();
                reading.gather.contents.data_ends = Some(lexer.offset());
            }
            Some(Piece::Comment { line, text }) => {
                reading.comment(line, text);
                reading.gather.check_size()?;
            }
            Some(Piece::Meta { line, text, alone }) => reading.meta(line, text, alone),
            Some(Piece::Inserts(inserts)) => {
                follows = reading.inserts(&inserts);
                reading.gather.check_size()?;
            }
            Some(Piece::Statement(statement)) => {
                follows = reading.statement(&statement);
                reading.gather.check_size()?;
            }
        }
        if follows.data {
            reading.gather.contents.data_ends = Some(lexer.offset());
        }
        lexer.set_encoding(reading.gather.encoding());
        if let Some(on) = follows.standard_strings {
            lexer.set_standard_strings(on);
            reading.gather.set_standard_strings(on);
        }
        if let Some(line) = follows.rows
            && !lexer.expect_rows()
        {
            let what = "text after a COPY on its line";
            reading.gather.foreign(Place::Line(line), what);
        }
    }
    let bytes = lexer.offset();
    let Reading { gather, marks, .. } = reading;
    let (contents, found) = gather.finish();
    let (contents, found) = marks.judge(contents, found, lexer.end());
    Ok((contents, found, bytes))
}

impl Reading {
    /// INSERTs into one table; they cost no more than they must.
    fn inserts(&mut self, inserts: &Inserts<'_>) -> Follows {
        self.gather.contents.statements += inserts.count;
        self.clean.data();
        self.gather.inserts(inserts, Place::Line(inserts.line));
        self.data(inserts.begins);
        Follows {
            data: true,
            ..Follows::default()
        }
    }

    /// Any statement.
    fn statement(&mut self, statement: &Statement<'_>) -> Follows {
        let table = inserts_into(statement.text);
        if table.is_some_and(|table| !table.starts_with(b"ag_catalog.")) {
            return self.inserts(&Inserts::from(statement));
        }
        self.gather.contents.statements += 1;
        let place = Place::Line(statement.line);
        let text = statement.encoding.decode(statement.text);
        let words = Words::of(text.as_bytes());
        let rows = words.copy().map(|_| statement.line);
        let data = words.is_insert();
        let drops = &mut self.gather.contents.drops;
        self.clean
            .statement(&words, (statement.line, statement.last_line), drops);
        self.gather.entries.statement(statement.line, &words, &text);
        self.gather.statement(ReadStatement {
            place,
            words: &words,
            text: statement.text,
            encoding: statement.encoding,
            bytes: statement.bytes,
            value_groups: statement.value_groups,
            on_conflict: statement.on_conflict,
        });
        if let Some(bytes) = written_to_large_object(&words, statement) {
            self.gather.large_object(&bytes);
        }
        if rows.is_some() || data {
            self.data(statement.begins);
        }
        self.marks.statement(&words, statement.line);
        Follows {
            rows,
            standard_strings: words.standard_strings(),
            data,
        }
    }

    /// Rows come, from this byte on.
    fn data(&mut self, begins: u64) {
        self.gather.contents.data_begins.get_or_insert(begins);
        self.marks.data();
    }

    /// Comments carry the writer's header and trailer.
    fn comment(&mut self, line: u64, text: &[u8]) {
        let dashes = text.iter().take_while(|byte| **byte == b'-').count();
        let text = text[dashes..].trim_ascii();
        if line > HEADER && !matches!(text, [b'P' | b'D' | b'N' | b'S', ..]) {
            // Some writers write one after every statement.
            return;
        }
        let text = self.gather.encoding().decode(text);
        if let Some(entry) = text.strip_prefix("Name: ") {
            self.gather.entries.begin(line, entry);
        } else if let Some(rest) = text.strip_prefix("PostgreSQL database ") {
            self.gather.entries.end();
            if rest.starts_with("cluster ") {
                self.gather.entries.by_pg_dumpall();
            }
            match rest.strip_prefix("cluster ").unwrap_or(rest) {
                "dump" => self.marks.dump(line),
                "dump complete" => self.marks.complete(),
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
        } else if text.starts_with("Statistics for Name: ") {
            self.gather.entries.end();
        } else if let Some(entry) = text.strip_prefix("Data for Name: ") {
            self.gather.entries.end();
            self.gather_entry(entry);
        } else if let Some(name) = text.strip_suffix(" database backup")
            && line == 1
        {
            self.gather.contents.writer = Some(name.chars().take(40).collect());
        } else if let Some(time) = text.strip_prefix("Created: ")
            && line <= HEADER
            && self.gather.contents.writer.is_some()
        {
            self.gather.contents.made = time.parse().ok();
        }
    }

    /// `NAME; Type: TABLE DATA; Schema: SCHEMA; …`: a place for rows, though no row may follow.
    fn gather_entry(&mut self, entry: &str) {
        if let Some((name, rest)) = entry.rsplit_once("; Type: TABLE DATA; Schema: ")
            && let Some((schema, _)) = rest.split_once("; Owner: ")
        {
            self.gather.data_entry(QualifiedName {
                schema: schema.to_owned(),
                name: name.to_owned(),
            });
        }
    }

    /// Only the commands that pg_dump and pg_dumpall write are let through.
    fn meta(&mut self, line: u64, text: &[u8], alone: bool) {
        let shown = self.gather.encoding().decode(text).into_owned();
        let (command, argument) = match shown.split_once(char::is_whitespace) {
            Some((command, argument)) => (command, argument.trim()),
            None => (shown.as_str(), ""),
        };
        let plain_key =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric());
        match command {
            "\\restrict" if alone && plain_key(argument) => {
                self.marks.restrict(line, argument);
                self.gather.needs(needs::of_restrict(Place::Line(line)));
            }
            "\\unrestrict" if alone && plain_key(argument) => {
                if !self.marks.unrestrict(argument) {
                    self.gather.foreign(
                        Place::Line(line),
                        "an `\\unrestrict` that answers no `\\restrict`",
                    );
                }
            }
            "\\connect" | "\\c" if alone => match connected_database(argument) {
                Some(database) => {
                    self.clean = Clean::default();
                    self.gather.connect(database);
                }
                None => self
                    .gather
                    .foreign(Place::Line(line), "a `\\connect` to another server or user"),
            },
            _ => {
                // Of a row without its COPY it is a part of a value.
                let what = match command {
                    shell if shell.starts_with("\\!") => "the psql command `\\!`".to_owned(),
                    known if PSQL.contains(&known) => format!("the psql command `{known}`"),
                    _ => "another psql command".to_owned(),
                };
                self.gather.foreign(Place::Line(line), &what);
            }
        }
    }
}

/// Commands of psql that a report names, in addition to `\!`.
const PSQL: &[&str] = &[
    "\\c",
    "\\cd",
    "\\connect",
    "\\copy",
    "\\crosstabview",
    "\\d",
    "\\e",
    "\\echo",
    "\\edit",
    "\\encoding",
    "\\g",
    "\\gexec",
    "\\gset",
    "\\i",
    "\\if",
    "\\include",
    "\\include_relative",
    "\\ir",
    "\\lo_export",
    "\\lo_import",
    "\\o",
    "\\out",
    "\\password",
    "\\prompt",
    "\\pset",
    "\\q",
    "\\restrict",
    "\\s",
    "\\set",
    "\\setenv",
    "\\unrestrict",
    "\\unset",
    "\\w",
    "\\warn",
    "\\watch",
    "\\write",
];

/// The database of a `\connect`, unless it names another server or user.
pub fn connected_database(argument: &str) -> Option<String> {
    let argument = argument
        .strip_prefix("-reuse-previous=on")
        .map_or(argument, str::trim_start);
    let name = match unquote(argument) {
        Some(name) => name,
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

/// Bytes that `SELECT pg_catalog.lowrite(0, '\x…')` puts into a large object.
fn written_to_large_object(words: &Words<'_>, statement: &Statement<'_>) -> Option<Vec<u8>> {
    let ["select", "pg_catalog.lowrite" | "lowrite", ..] = words.start() else {
        return None;
    };
    let text = statement.text;
    let digits = memchr::memmem::find(text, b"'\\x")? + 3;
    let length = memchr::memchr(b'\'', &text[digits..])?;
    from_hex(&text[digits..digits + length])
}
