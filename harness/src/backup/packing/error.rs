//! Why a file cannot be read to its end: the machine and the settings, or the backup. It is passed inside
//! an `io::Error` through all layers.

use std::io;

use crate::outcome::{CouldNotRun, Finding};

/// Why a file cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// This machine, the settings of decryption, or a format that this version does not read. It says
    /// nothing about the backup.
    #[error("{0}")]
    CouldNotRun(#[from] CouldNotRun),
    /// The file is truncated, was changed, or is not a backup.
    #[error("{}", .0.actual)]
    Damaged(Finding),
}

impl LayerError {
    /// The error of a reader of this module. An error of any other reader is one of the machine.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        Self::inside(error)
            .cloned()
            .unwrap_or_else(|| CouldNotRun::new(format!("cannot read: {error}")).into())
    }

    /// The error that a layer below has set.
    #[must_use]
    pub fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        Self::other(error)
    }
}
