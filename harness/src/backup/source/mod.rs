//! Where a backup lies. One source, one file.

mod newest;
mod path;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::outcome::TimeSource;

/// Where the backup lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One file.
    Path(PathBuf),
    /// The newest file that matches a pattern, by the time in its name.
    Newest(PathBuf),
}

/// A backup that was found, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// How it was chosen: one sentence.
    pub chosen: String,
    /// The time that its name carries.
    pub named_time: Option<Timestamp>,
}

/// Why there is no backup to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SourceError {
    /// A lowercase fragment.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

/// Finds the backup. `folder` is what relative paths start from.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn find(source: &Source, folder: &Path) -> Result<Found, SourceError> {
    match source {
        Source::Path(file) => path::find(&folder.join(file)),
        Source::Newest(pattern) => newest::find(&folder.join(pattern)),
    }
}

/// When the backup was made: by its name, else by its header, else by its file.
#[must_use]
pub fn made(found: &Found, header: Option<Timestamp>) -> Option<(Timestamp, TimeSource)> {
    let modified = || {
        let time = std::fs::metadata(&found.path).ok()?.modified().ok()?;
        Timestamp::try_from(time).ok()
    };
    found
        .named_time
        .map(|time| (time, TimeSource::Name))
        .or_else(|| header.map(|time| (time, TimeSource::Header)))
        .or_else(|| modified().map(|time| (time, TimeSource::ModificationTime)))
}

pub use newest::time_in_name;
