//! The settings of a physical backup: `[backup.base]`, `[backup.wal]` and `[recovery]`.

use std::ops::Range;
use std::path::PathBuf;

use basebackup::Lsn;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::value::Datetime;

use crate::input::Problem;

/// A base backup, as `pg_basebackup` writes it: a data folder, or a folder of tar files. Exactly one of `path` and `newest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Base {
    /// The folder of one base backup, relative to the scenario file.
    pub path: Option<PathBuf>,
    /// A pattern for folders of base backups, such as `backups/base-*`. Selects the newest by the time in its name.
    pub newest: Option<String>,
}

/// Archived WAL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wal {
    /// The folder that `archive_command` writes to, with or without compression, relative to the scenario file. Folders in it are
    /// searched too.
    pub path: PathBuf,
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

/// What a physical backup is recovered with, and how far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Physical {
    /// The folder of archived WAL.
    pub wal: Option<PathBuf>,
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
        if self
            .name
            .as_deref()
            .is_some_and(|name| name.is_empty() || name.len() > 63)
        {
            problems.push(
                Problem::at(place.clone(), "a restore point has a name of 1 to 63 bytes")
                    .hint("write the name that `pg_create_restore_point` was called with"),
            );
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
        physical.target = match self {
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
        };
    }
}
