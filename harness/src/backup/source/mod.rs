//! Sources of backups. One source, one file.
//!
//! - `path`, `newest`: on this machine; `s3`, `http`, `command`: fetched into the folder of the run
//! - `candidates`: selects one of several; `name`: time and stream in a name
//! - `download`, `transfer`: downloads; `digest`: the expected digest

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
use crate::outcome::{CouldNotRun, Finding, TimeSource};
use crate::redact::Redactor;

pub use candidates::{Candidate, Earlier, Verdict};
pub use name::{TimePattern, stream_of, time_in_name};
pub(crate) use pattern::Pattern;

/// The source of the backup, and how one of several is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The location.
    pub location: Location,
    /// Settings for all locations.
    pub rules: Rules,
}

/// A location of backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// One file or folder.
    Path(PathBuf),
    /// The newest of those that match a pattern, by the time in its name.
    Newest(String),
    /// An object in S3-compatible storage.
    S3(settings::S3),
    /// A file at an HTTP address.
    Http(settings::Http),
    /// The output of a command.
    Command(settings::Command),
}

/// Settings for all locations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Format of the time in names.
    pub time: Option<TimePattern>,
    /// A file that changed more recently is still being written.
    pub settled: Option<Duration>,
    /// The SHA-256 that the file must have, in lower-case hex.
    pub sha256: Option<String>,
}

impl Source {
    /// One file or folder, without further settings.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            location: Location::Path(path.into()),
            rules: Rules::default(),
        }
    }
}

impl Rules {
    /// Parses the time in a name, or in a path below a folder of backups.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match &self.time {
            Some(pattern) => pattern.time(name),
            None => time_in_name(name),
        }
    }

    /// Returns the stream of a name that has a time.
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

/// What finding a backup requires in addition to its source.
pub struct Place<'a> {
    /// Base of relative paths: the folder of the scenario file.
    pub folder: &'a Path,
    /// Folder for fetched files; created when needed, and removed with the run.
    pub spool: &'a Path,
    /// Id of the run.
    pub run: &'a str,
    /// The environment.
    pub environment: &'a Environment,
    /// Takes secrets out of what is shown.
    pub redactor: &'a Redactor,
    /// Receives the progress of a transfer.
    pub listener: &'a Listener,
}

/// A backup, and why it was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file or folder, on this machine.
    pub path: PathBuf,
    /// Its location for messages: the path, `s3://bucket/key`, the address, the command. Free of secrets.
    pub origin: String,
    /// Why it was selected: one sentence.
    pub chosen: String,
    /// Candidates, newest first, at most [`candidates::LISTED`]; empty where there was only one.
    pub candidates: Vec<Candidate>,
    /// Number of further candidates.
    pub unlisted: usize,
    /// The time in its name.
    pub named_time: Option<Timestamp>,
    /// Modification time according to the file system or the storage.
    pub modified: Option<Timestamp>,
    /// Older backups of its stream, newest first.
    pub earlier: Vec<Earlier>,
    /// The expected SHA-256, in hex, and its source.
    pub expected_sha256: Option<(String, String)>,
    /// The SHA-256 of the received bytes, where they were fetched.
    pub received_sha256: Option<String>,
    /// The manifest next to it, name and text.
    pub manifest: Option<(String, String)>,
    /// Warnings, which do not prevent a drill.
    pub warnings: Vec<Finding>,
}

impl Found {
    /// A file that is named explicitly, with what its name contains.
    fn named(path: PathBuf, origin: String, name: &str, rules: &Rules) -> Self {
        Self {
            path,
            origin,
            chosen: "named explicitly".to_owned(),
            candidates: Vec::new(),
            unlisted: 0,
            named_time: rules.time(name),
            modified: None,
            earlier: Vec::new(),
            expected_sha256: rules
                .sha256
                .clone()
                .map(|digest| (digest, "`sha256` in the scenario".to_owned())),
            received_sha256: None,
            manifest: None,
            warnings: Vec::new(),
        }
    }
}

/// Finds the backup, and fetches it when it is not on this machine.
///
/// # Errors
/// When there is none, it cannot be read, or the selection is ambiguous.
pub async fn find(source: &Source, place: &Place<'_>) -> Result<Found, CouldNotRun> {
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
        Location::S3(_) => Err(CouldNotRun::with_hint(
            "this redrill was built without S3",
            "build it with the feature `s3`",
        )),
        Location::Http(settings) => http::find(settings, &rules, place).await,
        Location::Command(settings) => command::find(settings, &rules, place).await,
    }
}

/// Runs blocking work on a separate thread.
async fn blocking(
    work: impl FnOnce() -> Result<Found, CouldNotRun> + Send + 'static,
) -> Result<Found, CouldNotRun> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(CouldNotRun::with_hint(
                format!("the search for the backup ended: {error}"),
                "try again; if it happens again, report it as a bug",
            ))
        })
}

/// When the backup was taken: from its name, otherwise its header, otherwise its modification time.
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
