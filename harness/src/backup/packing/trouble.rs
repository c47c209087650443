//! Why a file cannot be read to its end, told apart by whose fault it is. It travels inside an
//! `io::Error` through all layers.

use std::io;

use crate::outcome::Finding;

/// Why a file cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// This machine, or what this version can read. It says nothing about the backup.
    #[error("{reason}")]
    Place {
        /// A lowercase fragment.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// What the scenario says about decryption. It says nothing about the backup.
    #[error("{reason}")]
    Keys {
        /// A lowercase fragment.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The file itself: cut, changed, or packed in a way that nobody can read.
    #[error("{}", .0.actual)]
    Backup(Finding),
}

impl Trouble {
    /// This machine's fault.
    pub(super) fn place(reason: impl Into<String>) -> Self {
        Self::Place {
            reason: reason.into(),
            hint: None,
        }
    }

    /// The scenario's fault.
    pub(super) fn keys(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Keys {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }

    /// Adds what to do.
    pub(super) fn hint(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            Self::Place { hint, .. } | Self::Keys { hint, .. } => *hint = Some(text.into()),
            Self::Backup(finding) => finding.hint = Some(text.into()),
        }
        self
    }

    /// What a reader of this module failed with. An error of any other reader is the place's.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        Self::inside(error)
            .cloned()
            .unwrap_or_else(|| Self::place(format!("cannot read: {error}")))
    }

    /// The trouble that an error carries, if a layer below has already said what it is.
    pub(super) fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        Self::other(trouble)
    }
}

/// What an error from reading says about the backup, when it is the backup's fault.
#[must_use]
pub fn damage(error: &io::Error) -> Option<Finding> {
    match Trouble::inside(error)? {
        Trouble::Backup(finding) => Some(finding.clone()),
        Trouble::Place { .. } | Trouble::Keys { .. } => None,
    }
}
