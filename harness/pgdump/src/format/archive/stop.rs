//! Why the reading of an archive stops early.

use std::io;

use crate::fault::{Fault, FaultKind};
use crate::layout::Version;

/// Why reading stops before the end.
#[derive(Debug)]
pub(super) enum Stop {
    Io(io::Error),
    Unsupported(Version),
    /// The rest of the archive cannot be located.
    Damaged(Box<Fault>),
}

impl Stop {
    pub(super) fn damaged(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self::Damaged(Box::new(damaged(expected, actual)))
    }
}

/// A fault of an archive that is cut off or damaged.
pub(super) fn damaged(expected: impl Into<String>, actual: impl Into<String>) -> Fault {
    Fault::new(FaultKind::ArchiveDamaged, expected, actual)
}
