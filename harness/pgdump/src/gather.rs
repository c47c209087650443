//! What the readers of formats tell, statement by statement and row by row → [`Contents`].
//!
//! Every format is read by its own file and told here in the same words, so that a plain dump, an
//! archive and the parts of a bundle are judged alike.

pub mod entries;
mod objects;
mod roles;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use entries::Entries;
use objects::Objects;
pub use values::Tap;
use values::{Digesting, Inserted};

use sha2::{Digest as _, Sha256};

use crate::contents::{Contents, Rows};
use crate::digest::show_count;
use crate::fault::{Fault, FaultKind, Place, Problems};
use crate::needs::{self, Need};
use crate::script::lexer::{self, Inserts};
use crate::script::literal::Form;
use crate::script::statement::{CopyStatement, Words, inserts_into};
use crate::sql::{QualifiedName, TokenKind};
use crate::values::Values;

/// Faults of one sort that are told in full; the rest is counted.
const TOLD: usize = 5;

/// Tables that INSERTs go into in turn, at most; a writer that has more of them is only slower.
const INSERTED: usize = 1024;

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

/// A statement as the reader of a format gives it.
#[derive(Debug, Clone, Copy)]
pub struct ReadStatement<'a> {
    /// Where it is.
    pub place: Place,
    /// Its first words.
    pub words: &'a Words<'a>,
    /// Its text; the beginning of it where it is long.
    pub text: &'a [u8],
    /// Bytes of all of it.
    pub bytes: u64,
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
    /// Its objects, entry by entry.
    pub entries: Entries,
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
    /// What the last INSERTs held, by table as they name it: cheaper to find than with its database.
    inserted: HashMap<String, (QualifiedName, Rows)>,
    /// The column of the rows that come now that names a graph.
    graph_column: Option<usize>,
    objects: Objects,
    values: Digesting,
    /// Whether a backslash in quotes is none of an escape.
    standard_strings: Option<bool>,
    /// The large object whose bytes come.
    large_object: Option<(String, Sha256)>,
    /// Whether parts of a row have come.
    in_parts: bool,
}

/// Whether the rows of a table are AGE's list of graphs.
fn is_graphs(table: &QualifiedName) -> bool {
    table.schema == "ag_catalog" && table.name == "ag_graph"
}

/// A large object as a row: its number and the digest of its bytes.
#[must_use]
pub fn large_object_row(oid: &str, digest: &[u8]) -> String {
    format!("{oid}\t{}", crate::digest::hex(digest))
}

/// What `SELECT pg_catalog.setval('app.orders_id_seq', 42, true);` says.
fn set_sequence(words: &Words<'_>) -> Option<(QualifiedName, (i64, bool))> {
    let name = QualifiedName::parse(&words.literal(3)?).ok()?;
    let tokens: Vec<&str> = words.tokens().iter().map(|token| token.text).collect();
    let behind = match tokens.get(4..)? {
        [":", ":", "regclass", behind @ ..] => behind,
        behind => behind,
    };
    let (value, behind): (i64, _) = match behind {
        [",", "-", value, behind @ ..] => (format!("-{value}").parse().ok()?, behind),
        [",", value, behind @ ..] => (value.parse().ok()?, behind),
        _ => return None,
    };
    let called = match behind {
        [")", ..] | [",", "true", ")", ..] => true,
        [",", "false", ")", ..] => false,
        _ => return None,
    };
    Some((name, (value, called)))
}

/// Whether a statement says how values of the rows behind it are read.
fn is_input_setting(words: &Words<'_>) -> bool {
    const SETTINGS: &[&str] = &[
        "datestyle",
        "timezone",
        "intervalstyle",
        "xmloption",
        "lc_monetary",
        "time",
    ];
    let at = match words.start() {
        ["set", "session" | "local", ..] => 2,
        ["set", ..] => 1,
        _ => return false,
    };
    let name = words.identifier(at).map(|name| name.to_ascii_lowercase());
    words.text.len() < 200 && name.is_some_and(|name| SETTINGS.contains(&name.as_str()))
}

impl Gather {
    /// Digests the rows of every table too.
    #[must_use]
    pub fn digesting() -> Self {
        Self {
            values: Digesting::On(Box::default()),
            ..Self::default()
        }
    }

    /// Hands on the rows that `tap` wants.
    #[must_use]
    pub fn tapped(tap: Box<dyn Tap>) -> Self {
        Self {
            values: Digesting::Tapped { tap, wanted: false },
            ..Self::default()
        }
    }

    /// How much of a statement is to be kept: all of it, where it is handed on.
    #[must_use]
    pub const fn keeps(&self) -> usize {
        match self.values {
            Digesting::Off | Digesting::On(_) => lexer::KEPT,
            Digesting::Tapped { .. } => 1 << 30,
        }
    }

    /// How backslashes in `'…'` are read from here on.
    pub fn set_standard_strings(&mut self, on: bool) {
        self.standard_strings = Some(on);
        if !on {
            self.input_setting("SET standard_conforming_strings = off");
        }
    }

    /// Notes a statement that says how values are read.
    fn input_setting(&mut self, statement: &str) {
        let setting = (self.database.clone(), statement.to_owned());
        self.contents.settings.push(setting);
    }

    /// What comes from here on goes to this database.
    pub fn connect(&mut self, database: String) {
        if !self.contents.connects.contains(&database) {
            self.contents.connects.push(database.clone());
        }
        self.flush();
        self.entries.connect(&database);
        self.database = database;
    }

    /// Notes something that no dump contains and that could reach outside the database.
    pub fn foreign(&mut self, place: Place, what: &str) {
        self.foreign += 1;
        if self.foreign <= TOLD {
            let fault = Fault::new(FaultKind::Foreign, "only what pg_dump writes", what);
            self.found.problems.push(fault.at(place));
        }
    }

    /// A table's rows follow, each told by [`Gather::row`].
    pub fn begin_rows(
        &mut self,
        table: Option<QualifiedName>,
        copy: CopyStatement<'_>,
        place: Place,
    ) {
        self.current = table.map(|table| (self.database.clone(), table));
        if let Some(key) = self.current.clone() {
            self.values.begin(&key.0, &key.1, copy);
            self.contents.rows.entry(key).or_insert(Rows {
                line: place.line(),
                ..Rows::default()
            });
        }
    }

    /// Whole rows of COPY text, each with its line end.
    pub fn rows(&mut self, lines: &[u8], count: u64) {
        self.values.rows(lines);
        if self.one_byte.is_none() && self.graph_column.is_none() {
            self.count += count;
            self.bytes += lines.len() as u64;
            return;
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let row = line.strip_suffix(b"\n").unwrap_or(line);
            self.count += 1;
            self.bytes += line.len() as u64;
            self.letters(row.strip_suffix(b"\r").unwrap_or(row));
        }
    }

    /// A part of a row that is long.
    pub fn part(&mut self, text: &[u8]) {
        self.values.part(text);
        self.in_parts = true;
    }

    /// One row of COPY text without its line end, or what stands behind its parts; `bytes` is all of it.
    pub fn row(&mut self, row: &[u8], bytes: u64) {
        self.values.row(row);
        self.count += 1;
        self.bytes += bytes;
        // A part may end within a letter.
        if !std::mem::take(&mut self.in_parts) {
            self.letters(row);
        }
    }

    /// What a row says of graphs, and of the encoding that it is in.
    fn letters(&mut self, row: &[u8]) {
        if let Some(column) = self.graph_column
            && let Some(name) = row.split(|byte| *byte == b'\t').nth(column)
        {
            let name = String::from_utf8_lossy(name).replace("\\\\", "\\");
            self.contents.graphs.insert(name);
        }
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
        self.graph_column = None;
        if let Some(key) = self.current.take()
            && let Some(entry) = self.contents.rows.get_mut(&key)
        {
            entry.count += count;
            entry.bytes += bytes;
            entry.values.merge(&self.values.end());
        }
    }

    /// Rows of INSERTs into one table, which begin alike.
    pub fn inserts(&mut self, inserts: &Inserts<'_>, place: Place) {
        let Some(written) = inserts_into(inserts.text) else {
            return;
        };
        let mut rows = Rows {
            line: place.line(),
            count: inserts.rows.unwrap_or(0),
            bytes: inserts.bytes,
            unknown: inserts.rows.is_none(),
            may_be_fewer: inserts.on_conflict,
            ..Rows::default()
        };
        if self.values.is_on() {
            let known = self.inserted.get(written);
            let Some(table) = known
                .map(|(table, _)| table.clone())
                .or_else(|| QualifiedName::parse(written).ok())
            else {
                return;
            };
            let inserted = Inserted {
                table: &table,
                written,
                text: inserts.text,
                // Line ends between them are not counted.
                whole: inserts.text.len() as u64 >= inserts.bytes,
                rows: inserts.rows,
                standard_strings: self.standard_strings != Some(false),
            };
            rows.values = self.values.inserts(&self.database, &inserted);
        }
        self.insert(written, &rows);
    }

    /// Adds rows of INSERTs to their table, which is named as it is written there.
    fn insert(&mut self, table: &str, rows: &Rows) {
        if let Some((_, all)) = self.inserted.get_mut(table) {
            all.add(rows);
            return;
        }
        let Ok(parsed) = QualifiedName::parse(table) else {
            return;
        };
        if self.inserted.len() == INSERTED {
            self.flush();
        }
        self.inserted
            .insert(table.to_owned(), (parsed, rows.clone()));
    }

    /// Adds what the last INSERTs held to their tables.
    fn flush(&mut self) {
        for (table, rows) in std::mem::take(&mut self.inserted).into_values() {
            let all = self
                .contents
                .rows
                .entry((self.database.clone(), table))
                .or_insert(Rows {
                    line: rows.line,
                    ..Rows::default()
                });
            all.add(&rows);
        }
        let times = self.values.take_times();
        if !times.is_empty() {
            let all = self.contents.times.entry(self.database.clone());
            all.or_default().extend(times);
        }
    }

    /// Bytes of a large object follow.
    pub fn begin_large_object(&mut self, oid: &str) {
        self.large_object = Some((oid.to_owned(), Sha256::new()));
    }

    /// Bytes of a large object.
    pub fn large_object(&mut self, bytes: &[u8]) {
        self.contents.large_object_bytes += bytes.len() as u64;
        if self.values.is_on()
            && let Some((_, digest)) = &mut self.large_object
        {
            digest.update(bytes);
        }
    }

    /// All bytes of the large object were read.
    pub fn end_large_object(&mut self) {
        if let Some((oid, digest)) = self.large_object.take()
            && self.values.is_on()
        {
            let row = large_object_row(&oid, &digest.finalize());
            let all = self
                .contents
                .large_object_values
                .entry(self.database.clone());
            all.or_default().add(row.as_bytes());
        }
    }

    /// The backup has a place for the rows of a table, though perhaps not one row.
    pub fn data_entry(&mut self, table: QualifiedName) {
        self.objects.data_entry(self.database.clone(), table);
    }

    /// What not every server takes.
    pub fn needs(&mut self, need: Need) {
        if !self
            .contents
            .needs
            .iter()
            .any(|known| known.what == need.what)
        {
            self.contents.needs.push(need);
        }
    }

    /// A statement outside of rows.
    pub fn statement(&mut self, read: ReadStatement<'_>) {
        let ReadStatement { place, words, .. } = read;
        match words.start() {
            ["copy", ..] => {
                if let Some(copy) = words.copy() {
                    self.begin_rows(words.name_after("copy"), copy, place);
                    self.graph_column = self.column_of_graphs(words);
                } else {
                    self.foreign(place, "a COPY to or from a program or a file of the server");
                }
            }
            ["insert", "into", ..] => {
                self.insert_statement(&read);
                self.graphs_of_insert(words);
            }
            ["select", "pg_catalog.setval" | "setval", ..] => {
                if let Some((sequence, value)) = set_sequence(words) {
                    let key = (self.database.clone(), sequence);
                    self.contents.sequences.insert(key, value);
                }
            }
            ["select", "pg_catalog.lo_open" | "lo_open", ..] => {
                if let Some(oid) = words.literal(3) {
                    self.begin_large_object(&oid);
                }
            }
            ["select", "pg_catalog.lo_close" | "lo_close", ..] => self.end_large_object(),
            ["refresh", "materialized", "view", ..] => {
                let view = words.qualified(3);
                let database = || self.database.clone();
                self.contents.refreshed.extend(view.map(|view| (database(), view)));
            }
            ["set", "row_security", "=", "on", ..] => self.found.problems.push(
                Fault::new(FaultKind::RowsHidden, "`SET row_security = off`", "`SET row_security = on`: rows that policies hid from the dumping role are missing").at(place),
            ),
            ["set", "client_encoding", "=", ..] => self.set_encoding(place, words.literal(3)),
            ["create", "database", ..] if words.text.contains("ENCODING = 'UTF8'") => {
                self.utf8_databases.extend(words.identifier(2));
            }
            _ => {}
        }
        if is_input_setting(words) {
            self.input_setting(words.text);
        }
        for need in needs::of_statement(words, place) {
            self.needs(need);
        }
        roles::named(&mut self.contents, words);
        self.objects
            .statement(&mut self.contents, &self.database, words);
    }

    /// An INSERT that is told by itself.
    fn insert_statement(&mut self, read: &ReadStatement<'_>) {
        let rows = Some(read.value_groups).filter(|groups| *groups > 0);
        let inserts = Inserts {
            count: 1,
            line: read.place.line(),
            last_line: read.place.line(),
            begins: 0,
            text: read.text,
            bytes: read.bytes,
            rows,
            on_conflict: read.on_conflict,
        };
        if inserts_into(read.text).is_some() {
            self.inserts(&inserts, read.place);
        } else if let Some(table) = read.words.tokens().get(2) {
            let rows = Rows {
                line: read.place.line(),
                count: rows.unwrap_or(0),
                bytes: read.bytes,
                unknown: rows.is_none(),
                may_be_fewer: read.on_conflict,
                values: Values {
                    form: Form::Other,
                    ..Values::default()
                },
            };
            self.insert(table.text, &rows);
        }
    }

    /// The file says which encoding it is in.
    fn set_encoding(&mut self, place: Place, encoding: Option<String>) {
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
            ONE_BYTE_ENCODINGS
                .iter()
                .any(|start| name.starts_with(start))
        });
        if let Some(encoding) = &encoding {
            // The head of the next database's dump still stands in this one: the first one counts.
            let encodings = &mut self.contents.encodings;
            let own = encodings.entry(self.database.clone());
            own.or_insert_with(|| encoding.clone());
        }
        if self.contents.encoding.is_none() {
            self.contents.encoding = encoding;
        }
    }

    /// Which column of the rows that follow is the name of a graph.
    fn column_of_graphs(&self, words: &Words<'_>) -> Option<usize> {
        let (_, table) = self.current.as_ref()?;
        if !is_graphs(table) {
            return None;
        }
        words
            .identifiers(words.next("(", 0)? + 1)
            .iter()
            .position(|column| column == "name")
    }

    /// Graphs in the rows of an INSERT; without a list of columns the name is the second.
    fn graphs_of_insert(&mut self, words: &Words<'_>) {
        if !words.qualified(2).as_ref().is_some_and(is_graphs) {
            return;
        }
        let Some(values) = words.next("values", 3) else {
            return;
        };
        let columns = words.identifiers(4);
        let column = columns.iter().position(|name| name == "name").unwrap_or(1);
        let (mut depth, mut at_column) = (0, 0);
        for (at, word) in words.start().iter().enumerate().skip(values) {
            match *word {
                "(" => {
                    depth += 1;
                    at_column = 0;
                }
                ")" => depth -= 1,
                "," if depth == 1 => at_column += 1,
                _ if at_column == column && words.tokens()[at].kind == TokenKind::Literal => {
                    self.contents.graphs.extend(words.literal(at));
                }
                _ => {}
            }
        }
    }

    /// Nothing more comes: what can only be said of the whole.
    #[must_use]
    pub fn finish(mut self) -> (Contents, Problems) {
        self.end_rows();
        self.flush();
        self.objects.finish(&mut self.contents);
        self.contents.objects = Arc::new(std::mem::take(&mut self.entries).finish());
        self.encoding();
        self.sections();
        if self.foreign > TOLD {
            self.found.problems.push(Fault::new(
                FaultKind::More,
                "only what pg_dump writes",
                format!("{} more such lines", self.foreign - TOLD),
            ));
        }
        (self.contents, self.found)
    }

    /// Tables without anything behind their rows are legal, and hardly ever what was meant.
    fn sections(&mut self) {
        let contents = &self.contents;
        let counts = contents.counts;
        if !contents.tables.is_empty()
            && !contents.rows.is_empty()
            && counts.constraints + counts.indexes + counts.triggers == 0
            && contents.policies.is_empty()
        {
            self.found.warnings.push(Fault::new(
                FaultKind::OnlyTables,
                "constraints, indexes or triggers after the rows",
                format!(
                    "{} tables, and not one of them has any",
                    show_count(contents.tables.len() as u64)
                ),
            ));
        }
    }

    /// Letters of another alphabet are hardly ever UTF-8 by chance, and never all of them.
    fn encoding(&mut self) {
        let (Some(encoding), (utf8 @ 1.., 0)) = (&self.one_byte, self.letters) else {
            return;
        };
        let fault = Fault::new(
            FaultKind::Encoding,
            format!("rows in {encoding}, as `client_encoding` says"),
            format!(
                "{} rows with letters beyond ASCII, all in UTF-8: they restore as other letters, without an error",
                show_count(utf8)
            ),
        );
        if self.into_utf8 {
            self.found.problems.push(fault);
        } else {
            // A database in that encoding may have held such bytes all along.
            self.found.warnings.push(fault);
        }
    }
}
