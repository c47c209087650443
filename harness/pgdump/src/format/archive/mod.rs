//! Archives of pg_dump, read to their last byte before any server: custom, directory and tar.
//!
//! - `head`, `toc`: header and table of contents, the same in all three
//! - `data`: one data stream, the same in all three; `script`: the archive as SQL
//! - `custom`, `directory`, `tar`: the location of the data; `folder`: the files of a directory; `files`: which
//!   file or member belongs to which entry; `stop`: why reading stops early
//!
//! `pg_restore --list` accepts an archive that is cut off, and a directory whose files are cut
//! restores without an error. So every stream is decompressed, its rows are counted, and its end is
//! demanded. The layouts are those of `src/bin/pg_dump/pg_backup_*.c`.

pub mod custom;
mod data;
pub mod directory;
mod files;
mod folder;
mod head;
pub mod script;
mod stop;
pub mod tar;
mod toc;

#[cfg(test)]
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, Read};

use jiff::Timestamp;

use self::data::{Coding, Data, Inside};
use self::head::Head;
use self::stop::{Stop, damaged};
pub use self::toc::{Entry, Stored};
use crate::compression::read_from_buffer;
use crate::contents::Contents;
use crate::digest::show_count;
use crate::fault::{Fault, FaultKind, Place, Problems};
use crate::gather::Gather;
use crate::layout::{Kind, Layout, Version};
use crate::script::lexer::{End, Lexer};
use crate::script::statement::{CopyStatement, Words};
use crate::sql::QualifiedName;

/// Maximum number of listed faults; the rest is counted.
const LISTED: usize = 20;

/// An archive that was read to its last byte, or as far as that is possible.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Custom, directory or tar.
    pub kind: Kind,
    /// Its layout; unknown if even the header is truncated. Also in [`Contents::archive`].
    pub layout: Option<Layout>,
    /// When the dump began, by the clock of the machine that wrote it.
    pub made: Option<Timestamp>,
    /// What it holds.
    pub contents: Contents,
    /// Faults and warnings.
    pub problems: Problems,
    /// Bytes of definitions and data, after decompression.
    pub uncompressed_bytes: u64,
    /// Entries of the table of contents that have data.
    pub data_entries: u64,
}

/// Why an archive could not be read. It says nothing about the backup.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The reader failed.
    #[error("cannot read the archive: {0}")]
    Io(#[from] io::Error),
    /// Its version is not known.
    #[error(
        "an archive of version {0}; this version reads {oldest} to {newest}",
        oldest = head::VERSIONS.0,
        newest = head::VERSIONS.1
    )]
    Unsupported(Version),
}

/// Counts the bytes that are read, and distinguishes errors of the reader from those of the archive.
#[derive(Debug)]
struct Source<R> {
    reader: R,
    /// Bytes read so far.
    at: u64,
    failed: Option<io::Error>,
}

impl<R: BufRead> Source<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            at: 0,
            failed: None,
        }
    }

    fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.fill_buf()?.is_empty())
    }

    /// Reads the rest.
    fn drain(&mut self) -> io::Result<u64> {
        io::copy(self, &mut io::sink())
    }

    /// The result, or the error of the reader.
    fn ended<T>(&mut self, ended: Result<T, Stop>) -> Result<T, Stop> {
        match self.failed.take() {
            Some(error) => Err(Stop::Io(error)),
            None => ended,
        }
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_from_buffer(self, buffer)
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What is read through a decompressor may end too early as well.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(error),
                Err(error) => {
                    let copy = io::Error::new(error.kind(), error.to_string());
                    self.failed = Some(error);
                    return Err(copy);
                }
            }
        }
        // Without a second call, the first would borrow the reader for its error too.
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
        self.at += amount as u64;
    }
}

/// What the readers of all three kinds collect.
#[derive(Debug)]
struct Reading {
    kind: Kind,
    layout: Option<Layout>,
    made: Option<Timestamp>,
    gather: Gather,
    /// Entries whose data was not read yet.
    missing: BTreeMap<i64, Entry>,
    /// Their numbers, in the order of the table of contents.
    order: VecDeque<i64>,
    ids: BTreeSet<i64>,
    data_entries: u64,
    bytes: u64,
    standard_strings: bool,
    /// Entries that hold the data of large objects, and such data.
    large_object_entries: u64,
    large_objects: u64,
}

impl Reading {
    fn new(kind: Kind, gather: Gather) -> Self {
        Self {
            kind,
            layout: None,
            made: None,
            gather,
            missing: BTreeMap::new(),
            order: VecDeque::new(),
            ids: BTreeSet::new(),
            data_entries: 0,
            bytes: 0,
            standard_strings: true,
            large_object_entries: 0,
            large_objects: 0,
        }
    }

    /// Reads the header and the table of contents; also returns the size of numbers.
    fn table_of_contents(&mut self, reader: impl BufRead) -> Result<(Head, u8), Stop> {
        let (head, mut fields) = head::read(reader)?;
        let (format, name) = match self.kind {
            Kind::Custom => (1, "custom"),
            // A directory calls itself tar.
            Kind::Directory | Kind::Tar => (3, "directory or tar"),
        };
        if head.format != format {
            return Err(Stop::damaged(
                format!("the head of a {name} archive"),
                "that of another kind of archive",
            ));
        }
        let layout = Layout {
            kind: self.kind,
            version: head.version,
            compression: head.compression,
        };
        self.layout = Some(layout);
        self.made = head.made;
        let contents = &mut self.gather.contents;
        contents.archive = Some(layout);
        contents.source_version.clone_from(&head.server);
        contents.dump_version = head
            .program
            .as_ref()
            .map(|version| format!("pg_dump {version}"));
        for _ in 0..head.entries {
            let entry = Entry::read(&mut fields, &head, self.kind)?;
            self.add_entry(entry)?;
            fields.encoding = self.gather.encoding();
            self.gather.check_size().map_err(Stop::Io)?;
        }
        let database = self.gather.encoding().decode(&head.database);
        self.gather.contents.origin = Some(database.into_owned()).filter(|name| !name.is_empty());
        Ok((head, fields.int_size))
    }

    /// Adds an entry of the table of contents.
    fn add_entry(&mut self, mut entry: Entry) -> Result<(), Stop> {
        let place = Place::Entry(entry.id);
        if !self.ids.insert(entry.id) {
            return Err(head::damaged(&format!(
                "two entries have the number {}",
                entry.id
            )));
        }
        if entry.has_data == (entry.stored == Stored::Nothing) {
            return Err(head::damaged(&format!(
                "it contradicts itself about the data of {}",
                entry.name()
            )));
        }
        // pg_restore runs whatever is there.
        if !entry.copy.is_empty() && CopyStatement::read(entry.copy.as_bytes()).is_none() {
            let what = "another statement in place of the COPY before an entry's rows";
            self.gather.foreign(place, what);
        }
        if self.gather.contents.only_by_pg_restore.is_none() {
            let obstacle = script::obstacle(&entry, self.gather.encoding());
            self.gather.contents.only_by_pg_restore = obstacle;
        }
        self.bytes += entry.definition.len() as u64;
        if let Some(what) = script::foreign(&entry) {
            self.gather.foreign(place, what);
        }
        self.gather.entries.entry(entry.object(), &entry.definition);
        let contents = &mut self.gather.contents;
        if !entry.owner.is_empty() {
            contents.has_owners = true;
            if entry.sets_owner() && !contents.owners.contains(&entry.owner) {
                contents.owners.push(entry.owner.clone());
            }
        }
        match entry.kind.as_str() {
            "TABLE DATA" => {
                // A table without rows is in the backup too.
                self.gather
                    .begin_rows(table(&entry), CopyStatement::NONE, place);
                self.gather.end_rows();
            }
            "DATABASE" => {
                let words = Words::of(entry.definition.as_bytes());
                let encoding = words.database_encoding();
                contents.database_encoding = encoding.map(|encoding| encoding.name().to_owned());
            }
            "BLOBS" => self.large_object_entries += 1,
            // From version 17 on one entry is for many, each on a line.
            "BLOB METADATA" => {
                contents.large_objects += entry.definition.lines().count() as u64;
                // pg_restore writes each of them into a statement as it is.
                let is_number = |line: &str| line.bytes().all(|byte| byte.is_ascii_digit());
                if !entry.definition.lines().all(is_number) {
                    let what = "something else in place of the numbers of large objects";
                    self.gather.foreign(place, what);
                }
            }
            "STDSTRINGS" => {
                self.standard_strings = !entry.definition.contains("off");
                self.gather.set_standard_strings(self.standard_strings);
            }
            _ if entry.is_within_database() => self.definition(&entry),
            _ => {}
        }
        if entry.has_data {
            self.data_entries += 1;
            entry.definition = String::new();
            entry.dependencies = Vec::new();
            self.order.push_back(entry.id);
            self.missing.insert(entry.id, entry);
        }
        Ok(())
    }

    /// The data of an entry comes next in a file that is read from its beginning.
    fn comes(&mut self, id: i64) {
        if self.order.pop_front() != Some(id) {
            self.in_another_order();
        }
    }

    /// The data of large objects comes next, in a tar file before the list of them.
    fn large_object_comes(&mut self) {
        let next = self.order.front().and_then(|id| self.missing.get(id));
        if next.is_none_or(|entry| entry.kind != "BLOBS") {
            self.in_another_order();
        }
    }

    fn in_another_order(&mut self) {
        let reason = "its data is in another order than its table of contents";
        let obstacle = &mut self.gather.contents.only_by_pg_restore;
        obstacle.get_or_insert_with(|| reason.to_owned());
    }

    /// Adds the statements that create an object.
    fn definition(&mut self, entry: &Entry) {
        let place = Place::Entry(entry.id);
        let mut lexer = Lexer::new(entry.definition.as_bytes());
        lexer.set_standard_strings(self.standard_strings);
        // Memory does not fail.
        let end = data::statements(&mut lexer, &mut self.gather, place);
        if let Ok(End::InStatement { open, .. }) = end {
            let actual = format!("its definition ends within {open}");
            self.problem(damaged("a complete definition", actual).about(entry.name()));
        }
    }

    fn problem(&mut self, fault: Fault) {
        self.gather.found.problems.push(fault);
    }

    fn warning(&mut self, fault: Fault) {
        self.gather.found.warnings.push(fault);
    }

    /// Warns about bytes that pg_restore ignores.
    fn ignored(&mut self, object: &str, expected: &str, bytes: u64) {
        if bytes > 0 {
            let actual = format!("{} more bytes, which pg_restore ignores", show_count(bytes));
            self.warning(Fault::new(FaultKind::Ignored, expected, actual).about(object));
        }
    }

    /// Reads the data of an entry; returns its fault.
    fn data(&mut self, entry: &Entry, coding: Coding, reader: impl BufRead) -> Option<Fault> {
        let place = Place::Entry(entry.id);
        let inside = match (entry.kind.as_str(), entry.copy.is_empty()) {
            ("TABLE DATA", false) => Inside::Rows,
            ("TABLE DATA", true) => Inside::Statements,
            _ => Inside::Bytes,
        };
        if inside == Inside::Rows {
            let copy = CopyStatement::read(entry.copy.as_bytes()).unwrap_or(CopyStatement {
                is_text: false,
                ..CopyStatement::NONE
            });
            self.gather.begin_rows(table(entry), copy, place);
        }
        let Data {
            bytes,
            ignored,
            damage,
        } = data::read(coding, inside, reader, &mut self.gather, place);
        self.gather.end_rows();
        self.bytes += bytes;
        self.ignored(&entry.name(), "nothing after its compressed data", ignored);
        let damage = damage?;
        let rows = match inside {
            Inside::Rows => self.after_rows(entry),
            Inside::Statements | Inside::Bytes => String::new(),
        };
        let actual = damage.actual + &rows;
        Some(damaged(damage.expected, actual).about(entry.name()))
    }

    /// The number of rows before a fault, as the end of its message.
    fn after_rows(&self, entry: &Entry) -> String {
        let rows = &self.gather.contents.rows;
        table(entry)
            .and_then(|table| rows.get(&(String::new(), table)))
            .map_or_else(String::new, |rows| {
                format!(" after {} rows", show_count(rows.count))
            })
    }

    /// Reads the data of a large object; returns its fault.
    fn large_object(
        &mut self,
        entry: &Entry,
        coding: Coding,
        name: &str,
        reader: impl BufRead,
    ) -> Option<Fault> {
        self.large_objects += 1;
        let oid = name.trim_matches(|c: char| !c.is_ascii_digit());
        self.gather.begin_large_object(oid);
        let fault = self.data(entry, coding, reader);
        self.gather.end_large_object();
        Some(fault?.about(format!("large object {name}")))
    }

    /// Returns what was read.
    fn finish(mut self, ended: Result<(), Stop>) -> Result<Archive, ArchiveError> {
        match ended {
            Ok(()) => self.check_complete(),
            Err(Stop::Io(error)) => return Err(ArchiveError::Io(error)),
            Err(Stop::Unsupported(version)) => return Err(ArchiveError::Unsupported(version)),
            Err(Stop::Damaged(fault)) => self.gather.found.problems.push(*fault),
        }
        let contents = &mut self.gather.contents;
        contents.large_objects = contents.large_objects.max(self.large_objects);
        let (contents, mut problems) = self.gather.finish();
        if let Some(more @ 1..) = problems.problems.len().checked_sub(LISTED) {
            problems.problems.truncate(LISTED);
            let actual = format!("{} more problems", show_count(more as u64));
            problems
                .problems
                .push(Fault::new(FaultKind::More, "a complete archive", actual));
        }
        Ok(Archive {
            kind: self.kind,
            layout: self.layout,
            made: self.made,
            contents,
            problems,
            uncompressed_bytes: self.bytes,
            data_entries: self.data_entries,
        })
    }

    /// Checks an archive that was read to its end.
    fn check_complete(&mut self) {
        let missing = std::mem::take(&mut self.missing);
        let mut names = missing.values().map(Entry::name);
        if let Some(first) = names.next() {
            let actual = match names.count() {
                0 => "the archive ends without it".to_owned(),
                more => format!("the archive ends without it and that of {more} more"),
            };
            self.problem(damaged("its data", actual).about(first));
            return;
        }
        let named = self.gather.contents.large_objects;
        if self.large_object_entries > 0 && named > 0 && named != self.large_objects {
            let expected = format!(
                "data of {}, as its table of contents says",
                show_count(named)
            );
            let actual = format!("data of {}", show_count(self.large_objects));
            self.problem(damaged(expected, actual).about("large objects"));
        }
    }
}

/// The table that the data of an entry is restored into.
fn table(entry: &Entry) -> Option<QualifiedName> {
    // With `--load-via-partition-root` it is not the table that the entry is named after.
    if !entry.copy.is_empty() {
        return Words::of(entry.copy.as_bytes()).name_after("copy");
    }
    match entry.definition.strip_prefix("-- load via partition root ") {
        Some(root) => QualifiedName::parse(root).ok(),
        None => Some(QualifiedName {
            schema: entry.namespace.clone(),
            name: entry.tag.clone(),
        }),
    }
}
