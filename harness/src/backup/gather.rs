//! What the readers of formats tell, statement by statement and row by row → [`Contents`].
//!
//! Every format is read by its own file and told here in the same words, so that a plain dump, an
//! archive and the parts of a bundle are judged alike.

use std::fmt;

use super::contents::{Contents, Problems, Rows};
use super::format::statement::Words;
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

/// Where in a backup something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Line of a plain file, counted from 1.
    Line(u64),
    /// Entry of an archive's table of contents, by its dump id.
    Entry(i64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Entry(id) => write!(f, "entry {id}"),
        }
    }
}

impl Place {
    /// The line, 0 where the format has none.
    const fn line(self) -> u64 {
        match self {
            Self::Line(line) => line,
            Self::Entry(_) => 0,
        }
    }
}

/// A statement that a reader came to.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Where it stands.
    pub place: Place,
    /// Its first words.
    pub words: &'a Words<'a>,
    /// Rows that it holds in groups behind VALUES.
    pub value_groups: u64,
    /// Whether it says what to do ON CONFLICT.
    pub on_conflict: bool,
}

/// Gathers what a backup holds, while it is read.
#[derive(Debug, Default)]
pub struct Gather {
    /// What it holds, so far.
    pub contents: Contents,
    /// What is wrong with it, so far.
    pub found: Problems,
    /// The database that the statements go to; empty while none is named.
    database: String,
    /// The table whose rows come now, and how many came.
    current: Option<(String, QualifiedName)>,
    count: u64,
    bytes: u64,
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

impl Gather {
    /// What comes from here on goes to this database.
    pub fn connect(&mut self, database: String) {
        if !self.contents.connects.contains(&database) {
            self.contents.connects.push(database.clone());
        }
        self.database = database;
    }

    /// Notes something that no dump contains and that could reach outside the database.
    pub fn foreign(&mut self, place: Place, what: &str) {
        self.foreign += 1;
        if self.foreign <= TOLD {
            self.found.problems.push(
                Finding::about(place.to_string(), "only what pg_dump writes", what)
                    .hint("somebody put this into the dump: find out who before anyone restores it by hand"),
            );
        }
    }

    /// A table's rows follow, each told by [`Gather::row`].
    pub fn begin_rows(&mut self, table: Option<QualifiedName>, place: Place) {
        self.current = table.map(|table| (self.database.clone(), table));
        if let Some(key) = self.current.clone() {
            self.contents.rows.entry(key).or_insert(Rows {
                line: place.line(),
                ..Rows::default()
            });
        }
    }

    /// One row of COPY text, without its line end. Of a long row it is the beginning; `bytes` is all of it.
    pub fn row(&mut self, row: &[u8], bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
        // Under an encoding of one byte per letter, rows that are UTF-8 all the same are noted.
        if self.one_byte.is_some() && !row.is_ascii() {
            self.into_utf8 |= self.utf8_databases.contains(&self.database);
            match std::str::from_utf8(row) {
                Ok(_) => self.letters.0 += 1,
                Err(_) => self.letters.1 += 1,
            }
        }
    }

    /// The table's rows have ended, with their mark or with the file.
    pub fn end_rows(&mut self) {
        let (count, bytes) = (
            std::mem::take(&mut self.count),
            std::mem::take(&mut self.bytes),
        );
        if let Some(key) = self.current.take()
            && let Some(entry) = self.contents.rows.get_mut(&key)
        {
            entry.count += count;
            entry.bytes += bytes;
        }
    }

    /// A statement outside of rows.
    pub fn statement(&mut self, told: Told<'_>) {
        let Told { place, words, .. } = told;
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
                    self.begin_rows(words.name_after("copy"), place);
                } else {
                    self.foreign(place, "a COPY to or from a program or a file of the server");
                }
            }
            ["insert", "into", ..] => {
                if let Some(table) = words.name_after("into") {
                    let rows = contents
                        .rows
                        .entry((self.database.clone(), table))
                        .or_insert(Rows { line: place.line(), ..Rows::default() });
                    // The row of a table without columns has no group behind VALUES.
                    let by_default = words.text.trim_end_matches(';').ends_with(" DEFAULT VALUES");
                    rows.count += told.value_groups.max(by_default.into());
                    rows.may_be_fewer |= told.on_conflict;
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
                    place.to_string(),
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
                        place,
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

    /// Nothing more comes: what can only be said of the whole.
    #[must_use]
    pub fn finish(mut self) -> (Contents, Problems) {
        self.end_rows();
        self.encoding();
        if self.foreign > TOLD {
            self.found.problems.push(Finding::new(
                "only what pg_dump writes",
                format!("{} more such lines", self.foreign - TOLD),
            ));
        }
        (self.contents, self.found)
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
}
