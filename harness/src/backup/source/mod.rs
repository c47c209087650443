//! Where a backup lies. One source, one file.
//!
//! - `path`, `newest`: on this machine; `s3`, `http`, `command`: fetched into the run's folder
//! - `candidates`: which of many is taken, with proof; `name`: what a name says of itself
//! - `download`, `transfer`: how bytes come to this machine; `digest`: what says which digest is right

pub mod candidates;
mod command;
mod digest;
mod download;
mod http;
mod manifest;
pub mod name;
pub mod newest;
pub mod path;
mod pattern;
#[cfg(feature = "s3")]
mod s3;
mod transfer;

pub use manifest::ENDING as MANIFEST;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::settings;
use crate::event::Listener;
use crate::input::Environment;
use crate::outcome::{Finding, TimeSource};
use crate::redact::Redactor;

pub use candidates::{Candidate, Earlier, Verdict};
pub use name::{TimePattern, stream_of, time_in_name};
pub(crate) use pattern::Pattern;

/// Where the backup lies, and what decides which one is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where.
    pub location: Location,
    /// What else the scenario says.
    pub rules: Rules,
}

/// A place of backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// One file or folder.
    Path(PathBuf),
    /// The newest of those that match a pattern, by the time in its name.
    Newest(String),
    /// An object in S3-compatible storage.
    S3(settings::S3),
    /// What an address answers with.
    Http(settings::Http),
    /// What a command writes.
    Command(settings::Command),
}

/// What is the same for every place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// How the time stands in the names.
    pub time: Option<TimePattern>,
    /// What changed later than this ago is still being written.
    pub settled: Option<Duration>,
    /// The SHA-256 that the file must have, in lower-case hex.
    pub sha256: Option<String>,
}

impl Source {
    /// One file or folder, about which nothing else is said.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            location: Location::Path(path.into()),
            rules: Rules::default(),
        }
    }
}

impl Rules {
    /// Reads the time of a name, or of a path below a folder of backups.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match &self.time {
            Some(pattern) => pattern.time(name),
            None => time_in_name(name),
        }
    }

    /// Gives the stream of a name that has a time.
    #[must_use]
    pub fn stream(&self, name: &str) -> String {
        match &self.time {
            Some(pattern) => match name.rfind('/') {
                Some(at) => format!("{}{}", &name[..=at], pattern.stream()),
                None => pattern.stream(),
            },
            None => stream_of(name),
        }
    }
}

/// What finding a backup needs beside its source.
pub struct Place<'a> {
    /// What relative paths start from: the scenario file's folder.
    pub folder: &'a Path,
    /// Where fetched files go; made when it is needed, and removed with its run.
    pub spool: &'a Path,
    /// The run's id.
    pub run: &'a str,
    /// The environment.
    pub environment: &'a Environment,
    /// Takes secrets out of what is shown.
    pub redactor: &'a Redactor,
    /// Is told how far a transfer is.
    pub listener: &'a Listener,
}

/// A backup that was found, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file or folder, on this machine.
    pub path: PathBuf,
    /// What a person calls it: the path, `s3://bucket/key`, the address, the command. Free of secrets.
    pub origin: String,
    /// How it was chosen: one sentence.
    pub chosen: String,
    /// What there was to choose from, newest first, at most [`candidates::LISTED`]; empty where
    /// there was no choice.
    pub candidates: Vec<Candidate>,
    /// How many more there were.
    pub unlisted: usize,
    /// The time that its name carries.
    pub named_time: Option<Timestamp>,
    /// When it was last changed, by the word of whoever keeps it: the file system, the storage.
    pub modified: Option<Timestamp>,
    /// The older ones of its stream, newest first.
    pub earlier: Vec<Earlier>,
    /// The SHA-256 that it must have, in hex, and who says so.
    pub expected_sha256: Option<(String, String)>,
    /// The SHA-256 of the bytes as they arrived, where they were fetched.
    pub received_sha256: Option<String>,
    /// The manifest that lies beside it, its name and its text.
    pub manifest: Option<(String, String)>,
    /// What is odd and does not keep it from being drilled.
    pub warnings: Vec<Finding>,
}

impl Found {
    /// A file that was named, with all that follows from its name.
    fn named(path: PathBuf, origin: String, name: &str, rules: &Rules) -> Self {
        Self {
            path,
            origin,
            chosen: "it was named, so there was nothing to choose".to_owned(),
            candidates: Vec::new(),
            unlisted: 0,
            named_time: rules.time(name),
            modified: None,
            earlier: Vec::new(),
            expected_sha256: rules
                .sha256
                .clone()
                .map(|digest| (digest, "`sha256` of the scenario".to_owned())),
            received_sha256: None,
            manifest: None,
            warnings: Vec::new(),
        }
    }
}

/// Why there is no backup to look at. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SourceError {
    /// A lowercase fragment.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

impl SourceError {
    /// Makes one of a reason and what to do.
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}

/// Finds the backup, and fetches it when it lies elsewhere.
///
/// # Errors
/// When there is none, it cannot be read, or it cannot be told which one is meant.
pub async fn find(source: &Source, place: &Place<'_>) -> Result<Found, SourceError> {
    let rules = source.rules.clone();
    match &source.location {
        Location::Path(path) => {
            let path = place.folder.join(path);
            blocking(move || path::find(&path, &rules)).await
        }
        Location::Newest(pattern) => {
            let (folder, pattern) = (place.folder.to_owned(), pattern.clone());
            blocking(move || newest::find(&folder, &pattern, &rules)).await
        }
        #[cfg(feature = "s3")]
        Location::S3(settings) => s3::find(settings, &rules, place).await,
        #[cfg(not(feature = "s3"))]
        Location::S3(_) => Err(SourceError::new(
            "this redrill was built without S3",
            "build it with the feature `s3`",
        )),
        Location::Http(settings) => http::find(settings, &rules, place).await,
        Location::Command(settings) => command::find(settings, &rules, place).await,
    }
}

/// Runs what waits for a disk on a thread of its own.
async fn blocking(
    work: impl FnOnce() -> Result<Found, SourceError> + Send + 'static,
) -> Result<Found, SourceError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(SourceError::new(
                format!("the search for the backup ended: {error}"),
                "try again; if it stays, report it as a bug",
            ))
        })
}

/// When the backup was made: by its name, else by its header, else by whoever keeps it.
#[must_use]
pub fn made(found: &Found, header: Option<Timestamp>) -> Option<(Timestamp, TimeSource)> {
    found
        .named_time
        .map(|time| (time, TimeSource::Name))
        .or_else(|| header.map(|time| (time, TimeSource::Header)))
        .or_else(|| {
            found
                .modified
                .map(|time| (time, TimeSource::ModificationTime))
        })
}
