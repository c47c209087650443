//! What is searched for, and what was found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::name::{TimePattern, stream_of, time_in_name};
use super::settings;
use crate::event::Listener;
use crate::input::Environment;
use crate::outcome::{CandidateFacts, Finding, TimeSource};
use crate::redact::Redactor;

/// The source of the backup, and how one of several is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The location.
    pub location: Location,
    /// Settings for all locations.
    pub rules: Rules,
    /// The file of roles that belongs to the backup, a path or a pattern below the folder of the backup.
    pub globals: Option<String>,
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
            globals: None,
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

    /// The rules for the file of roles that `globals` names: its time has the format of that of the backup.
    #[must_use]
    pub(super) fn of_globals(&self, globals: &str) -> Self {
        Self {
            time: self.time.as_ref().and_then(|time| time.for_names(globals)),
            settled: self.settled,
            sha256: None,
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
    /// Candidates, newest first, at most [`LISTED`](super::candidates::LISTED); empty where there was only one.
    pub candidates: Vec<CandidateFacts>,
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
    /// The file of roles that belongs to it, with its name below the folder of the backup.
    pub globals: Option<(String, Box<Found>)>,
    /// Faults of the selection, such as a missing file of roles.
    pub problems: Vec<Finding>,
    /// Warnings, which do not prevent a drill.
    pub warnings: Vec<Finding>,
}

impl Found {
    /// A file that is named explicitly, with what its name contains.
    pub(super) fn named(path: PathBuf, origin: String, name: &str, rules: &Rules) -> Self {
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
            globals: None,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds the file of roles that belongs to it.
    pub(super) fn set_globals(&mut self, name: &str, globals: Self) {
        self.chosen.push_str(&format!("; its roles are in {name}"));
        self.globals = Some((name.to_owned(), Box::new(globals)));
    }
}

/// An older backup of the same stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its name relative to the folder that was listed.
    pub name: String,
    /// Its size; 0 for a folder.
    pub bytes: u64,
    /// The time in its name.
    pub time: Timestamp,
    /// Its path, if on this machine.
    pub path: Option<PathBuf>,
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
