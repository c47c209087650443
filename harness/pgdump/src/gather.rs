//! Statements and rows of a dump → [`Contents`].
//!
//! The reader of each format passes its statements and rows to [`Gather`], so that a plain dump, an archive
//! and the parts of a bundle are treated alike.

mod attributes;
mod encoding;
pub mod entries;
mod graphs;
mod objects;
mod roles;
mod size;
mod values;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use entries::Entries;
use objects::Objects;
pub use values::Tap;
use values::{Digesting, Inserted};

use sha2::{Digest as _, Sha256};

use crate::contents::{Contents, Rows};
use crate::digest::show_counted;
use crate::encoding::{Encoding, UNKNOWN};
use crate::fault::{Fault, FaultKind, Place, Problems};
use crate::needs::{self, Need};
use crate::script::lexer::{self, Inserts};
use crate::script::literal::Form;
use crate::script::statement::{CopyStatement, Words, inserts_into};
use crate::sql::QualifiedName;
use crate::values::Values;

/// Maximum number of listed faults of one kind; the rest is counted.
const LISTED: usize = 5;

/// Maximum number of tables whose INSERTs alternate; with more of them reading is only slower.
const INSERTED: usize = 1024;

/// A statement, as the reader of a format passes it.
#[derive(Debug, Clone, Copy)]
pub struct ReadStatement<'a> {
    /// Where it is.
    pub place: Place,
    /// Its first words.
    pub words: &'a Words<'a>,
    /// Its text; only the beginning if it is long.
    pub text: &'a [u8],
    /// The encoding of its text.
    pub encoding: Encoding,
    /// Bytes of all of it.
    pub bytes: u64,
    /// Number of groups after VALUES.
    pub value_groups: u64,
    /// Whether it has ON CONFLICT.
    pub on_conflict: bool,
}

/// Gathers what a backup holds, while it is read.
#[derive(Debug, Default)]
pub struct Gather {
    /// The contents so far.
    pub contents: Contents,
    /// The faults so far.
    pub found: Problems,
    /// Its objects, entry by entry.
    pub entries: Entries,
    /// The database of the statements; empty while none is named.
    database: String,
    /// The table of the current rows, and their number so far.
    current: Option<(String, QualifiedName)>,
    count: u64,
    bytes: u64,
    foreign: usize,
    /// The encoding of what follows.
    encoding: Encoding,
    /// Encodings other than UTF8 that occurred.
    encodings: BTreeSet<&'static str>,
    /// Rows with letters beyond ASCII under such an encoding: those that are UTF-8, and those that are not.
    letters: (u64, u64),
    /// Encodings of the databases that the file makes.
    databases: BTreeMap<String, Encoding>,
    /// Whether such rows go into one of them.
    into_utf8: bool,
    /// Rows of the last INSERTs, by the table as it is written there: faster to find than with its database.
    inserted: HashMap<Vec<u8>, (QualifiedName, Rows)>,
    /// The column of the current rows that contains the name of a graph.
    graph_column: Option<usize>,
    objects: Objects,
    values: Digesting,
    /// Whether a backslash in quotes is none of an escape.
    standard_strings: Option<bool>,
    /// The current large object.
    large_object: Option<(String, Sha256)>,
    /// Whether parts of a row were passed.
    in_parts: bool,
}

fn to_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A large object as a row: its number and the digest of its bytes.
#[must_use]
pub fn large_object_row(oid: &str, digest: &[u8]) -> String {
    format!("{oid}\t{}", crate::digest::hex(digest))
}

/// Parses `SELECT pg_catalog.setval('app.orders_id_seq', 42, true);`.
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

/// Whether a statement changes how the values of later rows are read.
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
    /// Also digests the rows of every table.
    #[must_use]
    pub fn digesting() -> Self {
        Self {
            values: Digesting::On(Box::default()),
            ..Self::default()
        }
    }

    /// Passes the rows to `tap`.
    #[must_use]
    pub fn tapped(tap: Box<dyn Tap>) -> Self {
        Self {
            values: Digesting::Tapped { tap, wanted: false },
            ..Self::default()
        }
    }

    /// Bytes of a statement that are kept: all of it, where it is passed to a [`Tap`].
    #[must_use]
    pub const fn keeps(&self) -> usize {
        match self.values {
            Digesting::Off | Digesting::On(_) => lexer::KEPT,
            Digesting::Tapped { .. } => 1 << 30,
        }
    }

    /// Sets how backslashes in `'…'` are read from here on.
    pub fn set_standard_strings(&mut self, on: bool) {
        self.standard_strings = Some(on);
        if !on {
            self.input_setting("SET standard_conforming_strings = off");
        }
    }

    /// Keeps a statement that changes how values are read.
    fn input_setting(&mut self, statement: &str) {
        let setting = (self.database.clone(), statement.to_owned());
        self.contents.settings.push(setting);
    }

    /// Sets the database of what follows.
    pub fn connect(&mut self, database: String) {
        if !self.contents.connects.contains(&database) {
            self.contents.connects.push(database.clone());
        }
        self.flush();
        self.entries.connect(&database);
        self.database = database;
        // psql begins in the encoding of the database.
        self.encoding = self.default_encoding();
    }

    /// Adds a fault: something that no dump contains and that could affect more than the database.
    pub fn foreign(&mut self, place: Place, what: &str) {
        self.foreign += 1;
        if self.foreign <= LISTED {
            let fault = Fault::new(FaultKind::Foreign, "only what pg_dump writes", what);
            self.found.problems.push(fault.at(place));
        }
    }

    /// Begins the rows of a table.
    pub fn begin_rows(
        &mut self,
        table: Option<QualifiedName>,
        copy: CopyStatement<'_>,
        place: Place,
    ) {
        self.current = table.map(|table| (self.database.clone(), table));
        if let Some(key) = self.current.clone() {
            let encoding = self.encoding;
            self.values.begin(&key.0, &key.1, copy, encoding);
            self.contents.rows.entry(key).or_insert(Rows {
                line: place.line(),
                ..Rows::default()
            });
        }
    }

    /// Adds complete rows of COPY text, each with its line end.
    pub fn rows(&mut self, lines: &[u8], count: u64) {
        self.values.rows(lines);
        if !self.encoding.is_one_byte() && self.graph_column.is_none() {
            self.count += count;
            self.bytes += lines.len() as u64;
            return;
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let row = line.strip_suffix(b"\n").unwrap_or(line);
            self.count += 1;
            self.bytes += line.len() as u64;
            self.inspect_row(row.strip_suffix(b"\r").unwrap_or(row));
        }
    }

    /// Adds a part of a long row.
    pub fn part(&mut self, text: &[u8]) {
        self.values.part(text);
        self.in_parts = true;
    }

    /// Adds a row of COPY text without its line end, or the rest after its parts; `bytes` is the length of the row.
    pub fn row(&mut self, row: &[u8], bytes: u64) {
        self.values.row(row);
        self.count += 1;
        self.bytes += bytes;
        // A part may end within a letter.
        if !std::mem::take(&mut self.in_parts) {
            self.inspect_row(row);
        }
    }

    /// Ends the rows of a table.
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

    /// Adds the rows of INSERTs into one table, which have the same beginning.
    pub fn inserts(&mut self, inserts: &Inserts<'_>, place: Place) {
        // A part of a letter may look like a backslash; a tap passes statements to a session in UTF-8.
        let decodes = inserts.encoding.is_client_only() || self.values.is_tapped();
        let (text, encoding, readable) = if decodes && inserts.encoding != Encoding::default() {
            let text = inserts.encoding.decode(inserts.text);
            let readable = !text.contains(UNKNOWN);
            (to_bytes(text), Encoding::default(), readable)
        } else {
            (Cow::Borrowed(inserts.text), inserts.encoding, true)
        };
        let Some(written) = inserts_into(&text) else {
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
                .or_else(|| QualifiedName::parse(&encoding.decode(written)).ok())
            else {
                return;
            };
            let inserted = Inserted {
                table: &table,
                written,
                text: &text,
                encoding,
                // Line ends between them are not counted.
                whole: readable && inserts.text.len() as u64 >= inserts.bytes,
                rows: inserts.rows,
                standard_strings: self.standard_strings != Some(false),
            };
            rows.values = self.values.inserts(&self.database, &inserted);
        }
        self.insert(written, encoding, &rows);
    }

    /// Adds rows of INSERTs to their table, which is named as it is written there.
    fn insert(&mut self, table: &[u8], encoding: Encoding, rows: &Rows) {
        if let Some((_, all)) = self.inserted.get_mut(table) {
            all.add(rows);
            return;
        }
        let Ok(parsed) = QualifiedName::parse(&encoding.decode(table)) else {
            return;
        };
        if self.inserted.len() == INSERTED {
            self.flush();
        }
        self.inserted.insert(table.to_vec(), (parsed, rows.clone()));
    }

    /// Adds the rows of the last INSERTs to their tables.
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

    /// Begins a large object.
    pub fn begin_large_object(&mut self, oid: &str) {
        self.large_object = Some((oid.to_owned(), Sha256::new()));
    }

    /// Adds bytes of a large object.
    pub fn large_object(&mut self, bytes: &[u8]) {
        self.contents.large_object_bytes += bytes.len() as u64;
        if self.values.is_on()
            && let Some((_, digest)) = &mut self.large_object
        {
            digest.update(bytes);
        }
    }

    /// Ends a large object.
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

    /// Adds an entry for the rows of a table, which may have none.
    pub fn data_entry(&mut self, table: QualifiedName) {
        self.objects.data_entry(self.database.clone(), table);
    }

    /// Adds a feature that not every server supports.
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

    /// Adds a statement.
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
            ["create", "database", ..] => {
                let made = words.identifier(2).zip(words.database_encoding());
                self.databases.extend(made);
            }
            _ => {}
        }
        if let Some(encoding) = words.client_encoding() {
            self.set_encoding(&encoding);
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

    /// Adds a single INSERT.
    fn insert_statement(&mut self, read: &ReadStatement<'_>) {
        let rows = Some(read.value_groups).filter(|groups| *groups > 0);
        let inserts = Inserts {
            count: 1,
            line: read.place.line(),
            last_line: read.place.line(),
            begins: 0,
            text: read.text,
            encoding: read.encoding,
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
            self.insert(table.text.as_bytes(), Encoding::default(), &rows);
        }
    }

    /// Ends the dump, with the faults that concern the whole.
    #[must_use]
    pub fn finish(mut self) -> (Contents, Problems) {
        self.end_rows();
        self.flush();
        self.objects.finish(&mut self.contents);
        self.contents.objects = Arc::new(std::mem::take(&mut self.entries).finish());
        self.check_encoding();
        self.check_names();
        self.check_sections();
        if self.foreign > LISTED {
            self.found.problems.push(Fault::new(
                FaultKind::More,
                "only what pg_dump writes",
                format!("{} more such lines", self.foreign - LISTED),
            ));
        }
        (self.contents, self.found)
    }

    /// Warns about tables without any object after their rows, which is valid but rarely intended.
    fn check_sections(&mut self) {
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
                    "{} without any",
                    show_counted(contents.tables.len(), "table")
                ),
            ));
        }
    }
}
