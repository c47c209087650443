//! The settings of a physical backup: `[backup.base]`, `[backup.wal]` and `[recovery]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use basebackup::Lsn;
use jiff::Timestamp;
use jiff::civil::DateTime;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::value::Datetime;

use crate::backup::source::settings::S3Folder;
use crate::input::Problem;
use crate::input::secret::SecretText;
use crate::units::Span;

/// The folder of the base backup, in a command.
pub const FOLDER: &str = "{folder}";
/// The folder for tablespaces, in a command.
pub const TABLESPACES: &str = "{tablespaces}";
/// The name of a file of archived WAL, in a command.
pub const SEGMENT: &str = "{segment}";
/// The path that it is written to, in a command.
pub const FILE: &str = "{file}";
/// The folder of the scenario file, in a command: some tools take absolute paths only.
pub const SCENARIO: &str = "{scenario}";

/// A base backup, as `pg_basebackup` writes it: a data folder, or a folder of tar files. Exactly one of `path`, `newest` and
/// `command`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Base {
    /// The folder of one base backup, relative to the scenario file.
    pub path: Option<PathBuf>,
    /// A pattern for folders of base backups, such as `backups/base-*`. Selects the newest by the time in its name.
    pub newest: Option<String>,
    /// Folders of the backups that an incremental one is based on, relative to the scenario file, where they are not next to it.
    #[serde(default)]
    pub parents: Vec<PathBuf>,
    /// Program and arguments, without a shell, that write a base backup into `{folder}`, an empty folder: pgBackRest, Barman,
    /// WAL-G or another tool. Tablespaces go to folders in `{tablespaces}`. A program with a `/` is relative to the scenario
    /// file, one without is searched in `PATH`. It starts in the folder of the scenario file.
    pub command: Option<Vec<String>>,
    /// Additional variables of `command`. It inherits `PATH`, `HOME`, `USER`, `LANG` and `SSH_AUTH_SOCK`.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Limit for the whole command; `6h` where it is not set.
    pub timeout: Option<Span>,
    /// Files and folders that `command` may write, such as `["/var/lib/barman/main"]`, relative to the scenario file. It writes
    /// nowhere else on this machine but to `{folder}`, `{tablespaces}` and a temporary folder of its own, `TMPDIR`.
    #[serde(default)]
    pub writes: Vec<PathBuf>,
}

/// Archived WAL. Exactly one of `path`, `s3` and `command`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wal {
    /// The folder that `archive_command` writes to, with or without compression, relative to the scenario file. Folders in it are
    /// searched too.
    pub path: Option<PathBuf>,
    /// The bucket that `archive_command` writes to, with or without compression. Each file is fetched when it is needed.
    pub s3: Option<S3Folder>,
    /// Program and arguments, without a shell, that write one file of WAL, `{segment}`, to `{file}`, or to standard output
    /// where there is no `{file}`, as a `restore_command` does: a segment, or a history such as `00000002.history`. An exit code from 1 to 125
    /// says that it is not in the archive. `{folder}` is the folder of the base backup.
    pub command: Option<Vec<String>>,
    /// Additional variables of `command`. It inherits `PATH`, `HOME`, `USER`, `LANG` and `SSH_AUTH_SOCK`.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Limit for one file; `10m` where it is not set.
    pub timeout: Option<Span>,
    /// Files and folders that `command` may write, relative to the scenario file. It writes nowhere else on this machine but to the
    /// folder of `{file}` and a temporary folder of its own, `TMPDIR`.
    #[serde(default)]
    pub writes: Vec<PathBuf>,
}

/// A command that fetches files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchCommand {
    /// Program and arguments, with placeholders such as [`FOLDER`].
    pub words: Vec<String>,
    /// Additional variables.
    pub env: BTreeMap<String, SecretText>,
    /// Its limit, where the scenario sets one.
    pub timeout: Option<Duration>,
    /// What it may write in addition to its folders, relative to the folder of the scenario file.
    pub writes: Vec<PathBuf>,
    /// What sets it in the scenario.
    pub keys: FetchKeys,
}

/// What sets a command in a scenario, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchKeys {
    /// The section: `[backup.base]`.
    pub section: &'static str,
    /// The key of its limit.
    pub limit: &'static str,
    /// What to do where the program cannot be started.
    pub program: &'static str,
}

impl Base {
    /// The command that writes it, if there is one.
    #[must_use]
    pub fn fetch(self) -> Option<FetchCommand> {
        let keys = FetchKeys {
            section: "[backup.base]",
            limit: "timeout",
            program: "correct `command` in `[backup.base]`: program and arguments, without a shell",
        };
        FetchCommand::of(self.command, self.env, self.timeout, self.writes, keys)
    }
}

impl Wal {
    /// Where it is; `None` without a location.
    #[must_use]
    pub fn archived(self) -> Option<ArchivedWal> {
        if let Some(s3) = self.s3 {
            return Some(ArchivedWal::S3(s3));
        }
        let keys = FetchKeys {
            section: "[backup.wal]",
            limit: "timeout",
            program: "correct `command` in `[backup.wal]`: program and arguments, without a shell",
        };
        match self.path {
            Some(path) => Some(ArchivedWal::Folder(path)),
            None => FetchCommand::of(self.command, self.env, self.timeout, self.writes, keys)
                .map(ArchivedWal::Command),
        }
    }
}

impl FetchCommand {
    fn of(
        words: Option<Vec<String>>,
        env: BTreeMap<String, SecretText>,
        timeout: Option<Span>,
        writes: Vec<PathBuf>,
        keys: FetchKeys,
    ) -> Option<Self> {
        Some(Self {
            words: words?,
            env,
            timeout: timeout.map(|span| span.0),
            writes,
            keys,
        })
    }

    /// Program and arguments with values in place of the placeholders.
    #[must_use]
    pub fn with(&self, values: &[(&str, &str)]) -> Vec<String> {
        let words = self.words.iter();
        words.map(|word| replace_all(word, values)).collect()
    }
}

/// Replaces placeholders; what a value contains is not replaced again.
fn replace_all(word: &str, values: &[(&str, &str)]) -> String {
    let first = values
        .iter()
        .filter_map(|(name, value)| Some((word.find(name)?, name, value)))
        .min();
    match first {
        Some((at, name, value)) => {
            let rest = replace_all(&word[at + name.len()..], values);
            format!("{}{value}{rest}", &word[..at])
        }
        None => word.to_owned(),
    }
}

/// How far a physical backup is recovered: at most one of `target`, `time`, `lsn`, `transaction` and `name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recovery {
    /// `latest`, the end of the WAL, or `immediate`, as soon as the backup is consistent. Default: `latest`.
    pub target: Option<Named>,
    /// A time, such as `2026-11-24T20:35:30Z`, without quotes.
    pub time: Option<Moment>,
    /// A place in the WAL, such as `0/5000060`.
    pub lsn: Option<Place>,
    /// A transaction.
    pub transaction: Option<u32>,
    /// A restore point that `pg_create_restore_point` made.
    pub name: Option<String>,
    /// Whether the target itself is recovered too, for `time`, `lsn` and `transaction`. Default: true.
    pub inclusive: Option<bool>,
    /// The timeline, a number. Default: the newest that the backup leads to.
    pub timeline: Option<u32>,
}

/// A target that needs no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// The end of the WAL.
    Latest,
    /// As soon as the backup is consistent.
    Immediate,
}

/// A time with its offset, as TOML writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = Datetime::deserialize(deserializer).ok();
        let time = time.and_then(|time| time.to_string().parse().ok());
        time.map(Self).ok_or_else(|| {
            D::Error::custom(
                "this must be a time with its offset, without quotes: `2026-11-24T20:35:30Z`",
            )
        })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A place in the WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct Place(#[schemars(with = "String")] pub Lsn);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// Where a recovery ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target {
    /// At the end of the WAL.
    #[default]
    Latest,
    /// As soon as it is consistent.
    Immediate,
    /// At a time.
    Time(Timestamp),
    /// At a place in the WAL.
    Lsn(Lsn),
    /// At the end of a transaction.
    Transaction(u32),
    /// At a restore point.
    Name(String),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Latest => f.write_str("the end of the WAL"),
            Self::Immediate => f.write_str("the end of the base backup"),
            Self::Time(time) => write!(f, "the time {time}"),
            Self::Lsn(lsn) => write!(f, "the LSN {lsn}"),
            Self::Transaction(transaction) => write!(f, "the transaction {transaction}"),
            Self::Name(name) => write!(f, "the restore point `{}`", name.escape_default()),
        }
    }
}

impl Target {
    /// The time, or the restore point of this name.
    ///
    /// # Errors
    /// A time without its offset, or a name that no restore point can have.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self::Time(time));
        }
        if text.parse::<DateTime>().is_ok() {
            return Err(format!(
                "the time `{text}` has no offset\nhint: write it as `2026-11-24T20:35:30Z`, in UTC, or as `2026-11-24T21:35:30+01:00`"
            ));
        }
        match is_name_of_restore_point(text) {
            true => Ok(Self::Name(text.to_owned())),
            false => Err(format!("{NAME_OF_RESTORE_POINT}\nhint: {WRITE_NAME}")),
        }
    }
}

/// Whether `pg_create_restore_point` takes such a name.
fn is_name_of_restore_point(name: &str) -> bool {
    (1..64).contains(&name.len())
}

/// What is wrong with another name.
const NAME_OF_RESTORE_POINT: &str = "a restore point has a name of 1 to 63 bytes";
/// What to do about it.
const WRITE_NAME: &str = "write the name that `pg_create_restore_point` was called with";

/// Where archived WAL is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivedWal {
    /// In a folder, relative to that of the scenario file.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3Folder),
    /// A command gives each file.
    Command(FetchCommand),
}

/// What a physical backup is recovered with, and how far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Physical {
    /// Folders with parents of an incremental backup, relative to that of the scenario file; those next to it are searched too.
    pub parents: Vec<PathBuf>,
    /// The archived WAL.
    pub wal: Option<ArchivedWal>,
    /// Where the recovery ends.
    pub target: Target,
    /// Whether the target itself is recovered too.
    pub inclusive: bool,
    /// The timeline; `None` for the newest.
    pub timeline: Option<u32>,
}

impl Recovery {
    /// The target, with the settings of the backup. Errors are added to `problems`, at `place`.
    pub fn apply(
        &self,
        physical: &mut Physical,
        place: &Range<usize>,
        problems: &mut Vec<Problem>,
    ) {
        let given: Vec<&str> = [
            ("target", self.target.is_some()),
            ("time", self.time.is_some()),
            ("lsn", self.lsn.is_some()),
            ("transaction", self.transaction.is_some()),
            ("name", self.name.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_given)| is_given.then_some(key))
        .collect();
        if given.len() > 1 {
            let problem = Problem::at(
                place.clone(),
                format!(
                    "a recovery has one target, and this has {}",
                    given.join(", ")
                ),
            );
            problems.push(problem.hint(format!("keep one of them, such as `{}`", given[0])));
        }
        if let Some(name) = &self.name
            && !is_name_of_restore_point(name)
        {
            problems.push(Problem::at(place.clone(), NAME_OF_RESTORE_POINT).hint(WRITE_NAME));
        }
        if self.timeline == Some(0) {
            problems.push(
                Problem::at(place.clone(), "timelines begin with 1")
                    .hint("remove `timeline` for the newest that the backup leads to"),
            );
        }
        let takes_inclusive =
            self.time.is_some() || self.lsn.is_some() || self.transaction.is_some();
        if self.inclusive.is_some() && !takes_inclusive {
            problems.push(
                Problem::at(
                    place.clone(),
                    "`inclusive` has no effect without `time`, `lsn` or `transaction`",
                )
                .hint("remove it"),
            );
        }
        physical.inclusive = self.inclusive.unwrap_or(true);
        physical.timeline = self.timeline;
        physical.target = self.target();
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            Self {
                time: Some(time), ..
            } => Target::Time(time.0),
            Self { lsn: Some(lsn), .. } => Target::Lsn(lsn.0),
            Self {
                transaction: Some(transaction),
                ..
            } => Target::Transaction(*transaction),
            Self {
                name: Some(name), ..
            } => Target::Name(name.clone()),
            Self {
                target: Some(Named::Immediate),
                ..
            } => Target::Immediate,
            _ => Target::Latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::utc("2026-11-24T20:35:30Z", Ok("the time 2026-11-24T20:35:30Z"))]
    #[case::offset("2026-11-24 21:35:30+01", Ok("the time 2026-11-24T20:35:30Z"))]
    #[case::no_offset("2026-11-24 20:35", Err("no offset"))]
    #[case::day("2026-11-24", Err("no offset"))]
    #[case::name("before_release", Ok("the restore point `before_release`"))]
    #[case::no_name("", Err("1 to 63 bytes"))]
    fn a_command_line_names_a_time_or_a_restore_point(
        #[case] text: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        match (Target::parse(text), expected) {
            (Ok(target), Ok(expected)) => assert_eq!(target.to_string(), expected),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}
