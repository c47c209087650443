//! What is wrong with a dump, or odd about it, and where.

use std::fmt;

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
    #[must_use]
    pub const fn line(self) -> u64 {
        match self {
            Self::Line(line) => line,
            Self::Entry(_) => 0,
        }
    }
}

/// What a fault is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// A line or an entry.
    Place(Place),
    /// A table, a large object, a file or member of an archive: its name as a person would say it.
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

/// What sort of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A plain file is not all there.
    FileCut,
    /// An archive or a tar file is cut off or damaged.
    ArchiveDamaged,
    /// Nothing in the file makes anything.
    Empty,
    /// Something that no dump contains, which a restore would run.
    Foreign,
    /// How many more faults of the same sort there are.
    More,
    /// Policies hid rows from the role that dumped.
    RowsHidden,
    /// Its rows are in another encoding than it says.
    Encoding,
    /// Tables without anything that is restored behind their rows.
    OnlyTables,
    /// Nothing in the file says where it ends.
    NoEndMark,
    /// Bytes that pg_restore ignores.
    Ignored,
    /// Bytes behind the last block of a custom archive, which pg_restore ignores.
    BehindBlocks,
    /// Bytes behind the end of a tar file, which pg_restore ignores.
    BehindTar,
    /// Files or members that the table of contents does not name.
    Unnamed,
}

/// Something that is wrong with a dump, or odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What sort of fault it is.
    pub kind: FaultKind,
    /// What it is about; `None` for the whole dump.
    pub at: Option<Where>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Fault {
    /// Makes a fault of the whole dump.
    #[must_use]
    pub fn new(kind: FaultKind, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            kind,
            at: None,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Says at which place it is.
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

/// What reading a dump found wrong, beside its contents.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// What makes it no complete, safe backup.
    pub problems: Vec<Fault>,
    /// What is odd and does not matter for what it holds.
    pub warnings: Vec<Fault>,
}
