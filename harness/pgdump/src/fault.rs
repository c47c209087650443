//! Faults of a dump, and warnings, with their place.

use std::fmt;

/// A place in a dump.
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
    #[must_use]
    pub const fn line(self) -> u64 {
        match self {
            Self::Line(line) => line,
            Self::Entry(_) => 0,
        }
    }
}

/// The place or the object of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// A line or an entry.
    Place(Place),
    /// A table, a large object, a file or member of an archive, by its name.
    Object(String),
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Object(name) => f.write_str(name),
        }
    }
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A plain file is incomplete.
    FileCut,
    /// An archive or a tar file is cut off or damaged.
    ArchiveDamaged,
    /// The file creates nothing.
    Empty,
    /// Something that no dump contains, which a restore would run.
    Foreign,
    /// The number of further faults of the same kind.
    More,
    /// Policies hid rows from the role that dumped.
    RowsHidden,
    /// Its rows are not in the stated encoding.
    Encoding,
    /// Names in an encoding that is not decoded.
    UnreadNames,
    /// Tables without any object that is restored after their rows.
    OnlyTables,
    /// The file has no mark at its end.
    NoEndMark,
    /// Bytes that pg_restore ignores.
    Ignored,
    /// Bytes after the last block of a custom archive, which pg_restore ignores.
    BehindBlocks,
    /// Bytes after the end of a tar file, which pg_restore ignores.
    BehindTar,
    /// Files or members that the table of contents does not name.
    Unnamed,
}

/// A fault of a dump, or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind of a fault.
    pub kind: FaultKind,
    /// Its place or object; `None` for the whole dump.
    pub at: Option<Where>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Fault {
    /// A fault of the whole dump.
    #[must_use]
    pub fn new(kind: FaultKind, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            kind,
            at: None,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Sets its place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        let at = Some(Where::Place(place));
        Self { at, ..self }
    }

    /// Says which object it is about.
    #[must_use]
    pub fn about(self, object: impl Into<String>) -> Self {
        let at = Some(Where::Object(object.into()));
        Self { at, ..self }
    }
}

/// `app.t0: its data ends in the middle`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.found)
    }
}

/// Faults and warnings of a dump, and what was not read.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// What makes it no complete, safe backup.
    pub problems: Vec<Fault>,
    /// What is odd and does not matter for what it holds.
    pub warnings: Vec<Fault>,
    /// What cannot be read by this version, so that nothing is known of it.
    pub unread: Vec<Fault>,
}
