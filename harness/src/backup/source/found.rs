//! What is searched for, and what was found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::name::{TimePattern, stream_of, time_in_name};
use super::pick::Choosing;
use super::settings;
use crate::backup::base::settings::FetchCommand;
use crate::event::Listener;
use crate::input::Environment;
use crate::outcome::{CandidateFacts, Finding, Picked, TimeSource};
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
    /// The folder that a command writes a base backup to.
    Base(FetchCommand),
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
    /// Which one of several is selected.
    pub choosing: Choosing,
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
            ..Self::default()
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
    /// Newer backups of its stream, newest first; only where another one than the newest was wanted.
    pub newer: Vec<Earlier>,
    /// How it was selected, where the newest was not wanted.
    pub picked: Option<Picked>,
    /// The expected SHA-256, in hex, and its source.
    pub expected_sha256: Option<(String, String)>,
    /// The SHA-256 of the received bytes, where they were fetched.
    pub received_sha256: Option<String>,
    /// How long it took to fetch it; `None` for what is on this machine.
    pub fetched_in: Option<Duration>,
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
            newer: Vec::new(),
            picked: None,
            expected_sha256: rules
                .sha256
                .clone()
                .map(|digest| (digest, "`sha256` in the scenario".to_owned())),
            received_sha256: None,
            fetched_in: None,
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

/// Another backup of the same stream.
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

/// The time in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderTime {
    /// With its zone.
    Exact(Timestamp),
    /// Of an archive, which has no zone: read in that of this machine.
    Local(Timestamp),
}

impl HeaderTime {
    /// The one that was earlier.
    #[must_use]
    pub fn older(self, other: Self) -> Self {
        match self.time() <= other.time() {
            true => self,
            false => other,
        }
    }

    const fn time(self) -> Timestamp {
        match self {
            Self::Exact(time) | Self::Local(time) => time,
        }
    }
}

/// How far apart the times in name and header of one backup may be: zones, and a dump that takes a day.
const OLDER: SignedDuration = SignedDuration::from_hours(48);

/// How far apart two times are. One of midnight comes from a name with only a date, and is of any time of that day.
#[must_use]
pub fn apart(one: Timestamp, other: Timestamp) -> Duration {
    const DAY: i64 = 86_400;
    let is_day = |time: Timestamp| time.as_second().rem_euclid(DAY) == 0;
    let day = |time: Timestamp| time.as_second().div_euclid(DAY);
    match (is_day(one) || is_day(other)) && day(one) == day(other) {
        true => Duration::ZERO,
        false => Duration::try_from(one.duration_since(other).abs()).unwrap_or_default(),
    }
}

/// When the backup was taken: from its name, otherwise its header, otherwise its modification time. A header with a zone
/// is believed before the name, which may be in local time. Where both are of other days, one is that of another
/// backup, and the older one is believed.
#[must_use]
pub fn made(found: &Found, header: Option<HeaderTime>) -> Option<(Timestamp, TimeSource)> {
    let of_header = header.map(|header| (header.time(), TimeSource::Header));
    let of_name = found.named_time.map(|time| (time, TimeSource::Name));
    let modified = found.modified;
    let believed = match (header, found.named_time) {
        (Some(HeaderTime::Exact(time)), Some(named)) if is_another(named, time) => of_name,
        (Some(HeaderTime::Exact(_)), _) => of_header,
        (Some(HeaderTime::Local(time)), Some(named)) if is_another(time, named) => of_header,
        _ => of_name.or(of_header),
    };
    believed.or_else(|| modified.map(|time| (time, TimeSource::ModificationTime)))
}

/// Warns of a name that is days younger than what the header says, or days older than a header with its zone.
#[must_use]
pub fn renamed(found: &Found, header: Option<HeaderTime>) -> Option<Finding> {
    let (header, named) = (header?, found.named_time?);
    let time = header.time();
    let is_odd = match header {
        HeaderTime::Exact(_) => is_another(time, named) || is_another(named, time),
        // A job may name its files by the day that it plans them for.
        HeaderTime::Local(_) => is_another(time, named),
    };
    is_odd.then(|| {
        let name = found.path.file_name().unwrap_or_default();
        Finding::about(
            name.display().to_string(),
            format!("a backup of {named}, as its name says"),
            format!("one that began at {time}, as its header says"),
        )
        .hint("another backup under this name? Its age is that of the older time")
    })
}

fn is_another(older: Timestamp, newer: Timestamp) -> bool {
    newer.duration_since(older) > OLDER
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const NOON: &str = "2026-11-20T12:00:00Z";

    #[rstest]
    #[case("2026-11-20T12:00:00Z", "2026-11-20T12:10:00Z", 600)]
    #[case("2026-11-20T12:10:00Z", "2026-11-20T12:00:00Z", 600)]
    #[case("2026-11-20T00:00:00Z", "2026-11-20T12:00:00Z", 0)]
    #[case("2026-11-20T00:00:00Z", "2026-11-21T02:00:00Z", 26 * 3600)]
    fn a_date_is_a_whole_day(#[case] one: &str, #[case] other: &str, #[case] seconds: u64) {
        let apart = apart(one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(apart.as_secs(), seconds);
    }

    #[rstest]
    #[case::name(
        "s-2026-11-20.dump",
        None,
        "2026-11-20T00:00:00Z",
        TimeSource::Name,
        false
    )]
    #[case::header("s.dump", Some(false), NOON, TimeSource::Header, false)]
    #[case::name_first(
        "s-2026-11-22.dump",
        Some(false),
        "2026-11-22T00:00:00Z",
        TimeSource::Name,
        false
    )]
    #[case::earlier_name(
        "s-2026-10-01.dump",
        Some(false),
        "2026-10-01T00:00:00Z",
        TimeSource::Name,
        false
    )]
    #[case::an_old_one_renamed("s-2026-11-23.dump", Some(false), NOON, TimeSource::Header, true)]
    #[case::a_name_in_another_zone(
        "s-20261120-214306.sql",
        Some(true),
        NOON,
        TimeSource::Header,
        false
    )]
    #[case::an_old_one_made_young(
        "s-2026-10-01.sql",
        Some(true),
        "2026-10-01T00:00:00Z",
        TimeSource::Name,
        true
    )]
    #[case::an_old_one_with_its_zone(
        "s-2026-11-23.sql",
        Some(true),
        NOON,
        TimeSource::Header,
        true
    )]
    fn the_time_is_that_of_the_backup(
        #[case] name: &str,
        #[case] header_has_zone: Option<bool>,
        #[case] time: &str,
        #[case] source: TimeSource,
        #[case] warned: bool,
    ) {
        let found = Found::named(name.into(), name.to_owned(), name, &Rules::default());
        let noon = NOON.parse().unwrap();
        let header = header_has_zone.map(|zone| match zone {
            true => HeaderTime::Exact(noon),
            false => HeaderTime::Local(noon),
        });
        assert_eq!(made(&found, header), Some((time.parse().unwrap(), source)));
        assert_eq!(renamed(&found, header).is_some(), warned);
    }
}
