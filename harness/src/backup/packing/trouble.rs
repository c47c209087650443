//! Why a file cannot be read to its end, distinguished by cause. It is passed inside an `io::Error`
//! through all layers.

use std::io;

use crate::outcome::Finding;

/// Why a file cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// This machine, or a format that this version does not read. It says nothing about the backup.
    #[error("{reason}")]
    Place {
        /// A lowercase fragment.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The settings of decryption. It says nothing about the backup.
    #[error("{reason}")]
    Keys {
        /// A lowercase fragment.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The file itself: truncated, changed, or in an unreadable format.
    #[error("{}", .0.actual)]
    Backup(Finding),
}

impl Trouble {
    /// An error of this machine.
    pub(super) fn place(reason: impl Into<String>) -> Self {
        Self::Place {
            reason: reason.into(),
            hint: None,
        }
    }

    /// An error of the settings of decryption.
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

    /// The error of a reader of this module. An error of any other reader is one of the machine.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        Self::inside(error)
            .cloned()
            .unwrap_or_else(|| Self::place(format!("cannot read: {error}")))
    }

    /// The trouble inside an error, if a layer below has set one.
    pub(super) fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        Self::other(trouble)
    }
}

/// The finding of a read error whose cause is the backup.
#[must_use]
pub fn damage(error: &io::Error) -> Option<Finding> {
    match Trouble::inside(error)? {
        Trouble::Backup(finding) => Some(finding.clone()),
        Trouble::Place { .. } | Trouble::Keys { .. } => None,
    }
}
