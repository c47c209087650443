//! Facts of a drill and of an inspection, for reports.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::finding::{Finding, NotTested};
use super::physical::PhysicalFacts;
use super::recovery::{ClusterFacts, RecoveryFacts};

/// An objective of the scenario and what was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// Its key in the scenario: `restore-within`, `runbook-within`, `max-age`, `daily`, `weekly`, `monthly`.
    pub name: Cow<'static, str>,
    /// Requirement and measurement.
    pub measure: Measure,
    /// What it was measured on, where that matters: `on a tuned server`, `of users`.
    pub on: Option<Cow<'static, str>>,
}

/// Requirement and measurement of an objective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// A time.
    Time {
        /// The maximum.
        limit: Duration,
        /// The measured time; `None` when it could not be measured.
        actual: Option<Duration>,
    },
    /// Earlier backups.
    Kept {
        /// Number of periods that the scenario requires.
        wanted: u64,
        /// Number of periods with a backup.
        kept: u64,
        /// Periods without one, consecutive ones together.
        missing: Vec<String>,
    },
}

impl Objective {
    /// Makes a time objective.
    #[must_use]
    pub const fn time(name: &'static str, limit: Duration, actual: Option<Duration>) -> Self {
        Self {
            name: Cow::Borrowed(name),
            measure: Measure::Time { limit, actual },
            on: None,
        }
    }

    /// Says what it was measured on.
    #[must_use]
    pub fn measured_on(self, on: impl Into<Cow<'static, str>>) -> Self {
        Self {
            on: Some(on.into()),
            ..self
        }
    }

    /// Whether the objective was met; `None` when it was not measured.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        match &self.measure {
            Measure::Time { limit, actual } => actual.map(|actual| actual <= *limit),
            Measure::Kept { wanted, kept, .. } => Some(kept >= wanted),
        }
    }
}

/// The scenario of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScenarioFacts {
    /// Its `name`.
    pub name: String,
    /// Its `description`.
    pub description: Option<String>,
    /// The file, as it was given.
    pub file: PathBuf,
    /// SHA-256 of the file's bytes, in hex.
    pub sha256: String,
    /// The file itself, with `***` in place of what is written where a secret may be.
    pub text: String,
    /// Its settings in effect.
    pub settings: EffectiveSettings,
    /// Files and folders that checks are compared with, or that they start.
    pub inputs: Vec<InputFacts>,
    /// The kinds and ids of the selected checks; empty for all of them.
    pub only: Vec<String>,
}

impl ScenarioFacts {
    /// Its name, with the selected checks: `plur (only role)`.
    #[must_use]
    pub fn title(&self) -> String {
        if self.only.is_empty() {
            self.name.clone()
        } else {
            format!("{} (only {})", self.name, self.only.join(", "))
        }
    }
}

/// The settings of a scenario in effect, by the path of their key: `restore.timeout`, `check.row-count["orders"].min`. Texts are
/// without quotes, other values as TOML writes them, `***` stands for a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EffectiveSettings {
    /// Those that the file has, with the values of variables.
    pub written: BTreeMap<String, String>,
    /// Those that it does not have, with their defaults as `redrill explain` says them: a value, or how it is found.
    pub defaults: BTreeMap<String, String>,
}

/// A file or folder that a check is compared with, or that it starts, as it was when the drill began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputFacts {
    /// Its path in the scenario.
    pub path: String,
    /// Ids of the checks that name it.
    pub checks: Vec<String>,
    /// SHA-256 of the file, in hex; of a folder, the sum, modulo 2^256, of the SHA-256 of the lines `SHA-256  BYTES  NAME` of its
    /// files. `None` where it was not read.
    pub sha256: Option<String>,
}

/// How the time of a backup is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// It is in the name of the file.
    Name,
    /// It is in the header of the archive.
    Header,
    /// Only the modification time: weak, because a copy changes it.
    ModificationTime,
}

/// How one of several backups was selected, where the newest was not wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// `pick` in the scenario.
    pub pick: Cow<'static, str>,
    /// The tier of retention that it was selected from.
    pub tier: Option<Cow<'static, str>>,
    /// The seed that decided.
    pub seed: Option<u32>,
    /// The newest backup of the stream, and the time in its name.
    pub newest: (String, Timestamp),
}

/// The backup of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupFacts {
    /// Its location: a path, `s3://bucket/key`, an address, a command. Free of secrets.
    pub origin: String,
    /// Why it was selected, one sentence.
    pub chosen: String,
    /// How it was selected, where the newest was not wanted.
    pub picked: Option<Picked>,
    /// The candidates, newest first; empty where there was only one.
    pub candidates: Vec<CandidateFacts>,
    /// Number of further candidates.
    pub unlisted: u64,
    /// `plain SQL, gzip`, `custom archive 1.16, gzip`, `bundle of 3 dumps, tar, zstd`.
    pub format: String,
    /// How long it took to fetch it, WAL included; `None` for what is on this machine.
    pub fetched_in: Option<Duration>,
    /// Size of the file in bytes; of a folder, of all its files.
    pub bytes: u64,
    /// Size after decompression in bytes, where it is compressed as a whole.
    pub uncompressed_bytes: Option<u64>,
    /// SHA-256 of the file, in hex; of a folder, of the sorted lines `SHA-256  BYTES  NAME` of its files.
    pub sha256: String,
    /// Where the same digest is stated: a digest file, the scenario.
    pub digest: Option<String>,
    /// When it was taken, and how that is known.
    pub made: Option<(Timestamp, TimeSource)>,
    /// Version of the server it was taken from: `17.6 (Debian …)`.
    pub source_version: Option<String>,
    /// Version of the program that wrote it.
    pub dump_version: Option<String>,
    /// Databases that it is restored into.
    pub databases: Vec<String>,
    /// Extensions that it requires.
    pub extensions: Vec<String>,
    /// Schemas that it creates, or whose tables it contains.
    pub schemas: Vec<String>,
    /// AGE graphs.
    pub graphs: Vec<String>,
    /// Roles that it creates.
    pub roles: Vec<String>,
    /// Roles that it requires and does not create.
    pub roles_needed: Vec<String>,
    /// Row security policies.
    pub policies: u64,
    /// The servers that it can be restored on, one sentence.
    pub servers: String,
    /// Tables with rows.
    pub tables: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Large objects.
    pub large_objects: u64,
    /// What it does not contain.
    pub not_held: Vec<NotTested>,
    /// Tiers of earlier backups that the scenario requires.
    pub tiers: Vec<Objective>,
    /// The comparison with the previous backup, one sentence; `None` without one.
    pub previous: Option<String>,
    /// Its size and that of the previous backup; `None` without one.
    pub before: Option<Before>,
    /// The dumps of a bundle, in the order of their restore; empty for a single dump.
    pub parts: Vec<PartFacts>,
    /// Whether it contains owners of objects.
    pub has_owners: bool,
    /// Whether it contains privileges.
    pub has_privileges: bool,
    /// Databases that it creates itself, with their properties and settings.
    pub makes: Vec<String>,
    /// Name and text of the manifest next to it.
    pub manifest: Option<(String, String)>,
    /// The backups that it consists of, by name; empty for one.
    pub consists_of: Vec<(String, BackupFacts)>,
    /// What belongs to it and is not in it.
    pub companions: Vec<CompanionFacts>,
    /// What is known of a base backup and its WAL; `None` for dumps.
    pub physical: Option<PhysicalFacts>,
}

impl BackupFacts {
    /// The moment that the restored rows are of: of a base backup, that of the last transaction that its recovery replays.
    #[must_use]
    pub fn state_time(&self) -> Option<Timestamp> {
        let made = self.made.map(|(made, _)| made);
        let replayed = self.physical.as_ref().and_then(|base| base.times);
        replayed.map(|(_, last)| last).max(made)
    }
}

/// What belongs to a backup and is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompanionFacts {
    /// Its name in the scenario.
    pub name: String,
    /// Its path on this machine.
    pub path: PathBuf,
    /// The path.
    pub origin: String,
    /// Why it was selected, one sentence.
    pub chosen: String,
    /// Number of files.
    pub files: u64,
    /// Size of all files in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex; of a folder, the sum, modulo 2^256, of the SHA-256 of the lines `SHA-256  BYTES  NAME` of
    /// its files. `None` where it was not read.
    pub sha256: Option<String>,
    /// Where the same digest is stated.
    pub digest: Option<String>,
    /// When it was taken, and how that is known.
    pub made: Option<(Timestamp, TimeSource)>,
}

/// The sizes of a backup and of the previous one, both inside their layers where that is known of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Name of the previous one.
    pub name: String,
    /// Bytes of this one.
    pub now: u64,
    /// Bytes of the previous one.
    pub before: u64,
}

/// The result of an inspection without a server: the value that its reports are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Version of redrill.
    pub redrill: String,
    /// When the inspection began.
    pub started: Timestamp,
    /// Wall time.
    pub duration: Duration,
    /// Facts about the backup.
    pub backup: BackupFacts,
    /// Every table with an entry for rows, the one with the most bytes first.
    pub tables: Vec<TableHeld>,
    /// Faults: it is incomplete, damaged or unsafe.
    pub problems: Vec<Finding>,
    /// Why it cannot be restored as it is, although it is complete; one of the warnings.
    pub not_restorable: Option<String>,
    /// Warnings, which do not make it incomplete.
    pub warnings: Vec<Finding>,
    /// Its age and the required earlier backups, where a scenario sets them.
    pub objectives: Vec<Objective>,
}

/// Rows of one table in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableHeld {
    /// Database; empty where the backup names none.
    pub database: String,
    /// `schema.table`, quoted where SQL needs it.
    pub table: String,
    /// Number of rows; `None` if unknown.
    pub rows: Option<u64>,
    /// Bytes of their text.
    pub bytes: u64,
}

/// A file or folder that was considered as the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateFacts {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The time in its name.
    pub time: Option<Timestamp>,
    /// Why it was not selected, a lowercase fragment; `None` for the selected one.
    pub not_taken: Option<String>,
}

/// One dump of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFacts {
    /// Its name in the bundle.
    pub name: String,
    /// Its format, in the form of [`BackupFacts::format`].
    pub format: String,
    /// Bytes as stored in the bundle.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hex.
    pub sha256: String,
    /// Tables with rows.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
}

/// The throwaway server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `container` or `local`.
    pub provider: Cow<'static, str>,
    /// Image name and id, or folder of the programs.
    pub origin: String,
    /// `server_version` of the server: `17.6 (Debian 17.6-0+deb13u1)`.
    pub version: String,
    /// What it runs: the id of the image, or the SHA-256 of the program `postgres`, in hex. `None` where it could not be read.
    pub digest: Option<String>,
    /// The settings that redrill and the scenario start it with, as the server shows them.
    pub settings: Vec<(String, String)>,
    /// Each extension that the backup names.
    pub extensions: Vec<ExtensionFacts>,
    /// How code in the backup is isolated from this machine, one statement each.
    pub isolation: Vec<String>,
    /// What is not isolated, one statement each.
    pub weaknesses: Vec<String>,
    /// The version of TLS by which programs connect, where the server was seen to refuse others.
    pub tls: Option<String>,
    /// Why this provider was selected.
    pub chosen: String,
    /// Time until the first answer.
    pub started_in: Duration,
    /// Whether its settings make a restore faster than in production.
    pub tuned: bool,
}

/// An extension of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionFacts {
    /// Its name.
    pub name: String,
    /// The version that `CREATE EXTENSION` creates.
    pub version: String,
    /// Of a local server: the sum, modulo 2^256, of the SHA-256 of the lines `SHA-256  BYTES  NAME` of its control files, scripts and
    /// libraries, in hex. `None` for a container, whose image has a digest, and where a file could not be read.
    pub sha256: Option<String>,
}

impl ServerFacts {
    /// Whether it has an extension that the backup names.
    #[must_use]
    pub fn has_extension(&self, name: &str) -> bool {
        self.extensions.iter().any(|has| has.name == name)
    }
}

/// A phase of a restore and its wall time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// `pre-data`, `data`, `post-data`, …
    pub name: String,
    /// Wall time.
    pub duration: Duration,
}

/// A step of a restore that took long, and its wall time. Steps may run at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreStep {
    /// `rows of app.orders`, `index app.orders_at`.
    pub what: String,
    /// The access method, where it builds an index.
    pub method: Option<String>,
    /// Wall time.
    pub duration: Duration,
}

/// A message of the restore that the scenario tolerates, or that is harmless by nature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tolerated {
    /// The message, redacted.
    pub message: String,
    /// Number of times.
    pub times: u64,
    /// Why it is tolerated.
    pub reason: String,
    /// Whether the scenario tolerates it; otherwise every restore of such a dump has it.
    pub by_scenario: bool,
}

/// Rows of one table, in the backup and in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRows {
    /// Database.
    pub database: String,
    /// `schema.table`, quoted where SQL needs it.
    pub table: String,
    /// Rows in the backup.
    pub backup: u64,
    /// Rows in the database; `None` when the table is missing or was not counted.
    pub restored: Option<u64>,
    /// The comparison of their values.
    pub values: Values,
}

/// The comparison of the values of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Values {
    /// Not requested.
    #[default]
    NotAsked,
    /// All values are those of the backup.
    Same,
    /// At least one value differs.
    Differ,
    /// Not possible, for this reason.
    NotCompared(String),
}

/// The result of the proof.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProofFacts {
    /// How much was compared: `off`, `objects`, `counts` or `full`.
    pub level: String,
    /// Number of objects that were compared.
    pub objects: u64,
    /// Number of sequences whose values were compared.
    pub sequences: u64,
    /// Number of materialized views that are filled.
    pub views: u64,
    /// Number of large objects whose content was compared.
    pub large_objects: u64,
    /// What was not compared, and why.
    pub not_compared: Vec<NotTested>,
    /// The rehearsal of a major upgrade; `None` where the scenario asks for none.
    pub upgrade: Option<UpgradeFacts>,
    /// What was read of a recovered cluster; `None` for dumps.
    pub cluster: Option<ClusterFacts>,
}

/// The rehearsal of a major upgrade.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpgradeFacts {
    /// Major version of the server that the backup was taken from, the lowest of several parts; `None` if the backup does
    /// not name it.
    pub from: Option<u32>,
    /// Major version that it was restored on.
    pub to: u32,
    /// The servers of its own major version that it was restored on too: `PostgreSQL 15.20, container redrill/postgres:15`.
    pub servers: Vec<String>,
    /// Number of objects whose definitions were compared.
    pub objects: u64,
    /// Differences that are explained.
    pub explained: Vec<ExplainedChange>,
    /// What an upgrade needs in addition to a restore.
    pub steps: Vec<UpgradeStep>,
}

/// A difference of two major versions that is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedChange {
    /// The object and its property: `view app.orders_by_day: definition`.
    pub object: String,
    /// The explanation, a lowercase fragment.
    pub why: String,
    /// The major version that brought the difference; `None` where the scenario explains it.
    pub since: Option<u32>,
}

/// What an upgrade needs in addition to a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeStep {
    /// What it is about: `extension vector`, `collation "en-x-icu"`.
    pub about: String,
    /// What changes, one sentence without a full stop.
    pub change: String,
    /// What to do.
    pub action: String,
}

/// The result of the restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreFacts {
    /// What restored it.
    pub method: String,
    /// Time of the whole restore.
    pub duration: Duration,
    /// Processor time of the server meanwhile, if known.
    pub processor: Option<Duration>,
    /// Time of `ANALYZE` afterwards; `None` if it was not run, or failed.
    pub analyzed: Option<Duration>,
    /// Time per phase.
    pub phases: Vec<Phase>,
    /// The longest steps, the longest first, and every one that builds an index. Empty where another program restores.
    pub steps: Vec<RestoreStep>,
    /// Number of statements that failed and are not tolerated.
    pub errors: u64,
    /// Tolerated messages.
    pub tolerated: Vec<Tolerated>,
    /// Rows per table, once the contents were compared.
    pub rows: Vec<TableRows>,
    /// Tables whose rows were left out because no selected check needs them, the one with the most bytes first.
    pub left_out: Vec<TableHeld>,
    /// Why no rows were left out although only some checks were selected, a lowercase fragment.
    pub none_left_out_because: Option<String>,
    /// The recovery of a base backup; `None` for dumps.
    pub recovery: Option<RecoveryFacts>,
}
