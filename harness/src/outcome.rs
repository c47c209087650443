//! What everyone shares: outcomes, findings, and the one value that a drill results in.
//!
//! Reports are pure functions of [`DrillResult`] and its [`Verdict`](crate::verdict::Verdict).
//! Nothing here derives `Serialize`: the wire shape belongs to `report/json.rs`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

/// How a stage or a check ended. Matched without a wildcard everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was looked at and it is as it must be.
    Pass,
    /// It was looked at and it is not as it must be.
    Fail,
    /// It could not run: this says nothing about the backup.
    Error(CouldNotRun),
    /// It was not tried, and this is why.
    Skipped {
        /// A full sentence fragment, such as "the restore failed".
        reason: String,
    },
}

impl Outcome {
    /// The lower-case word that every report uses.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error(_) => "error",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// Why something could not run: a stage, a check, a command. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CouldNotRun {
    /// A lowercase fragment, free of row values.
    pub reason: String,
    /// What a person can do, where there is something.
    pub hint: Option<String>,
}

impl CouldNotRun {
    /// Makes an error without a hint.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    /// Makes an error with what to do about it.
    pub fn with_hint(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(reason).hint(hint)
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One thing that is not as expected.
///
/// Texts are already free of row values and secrets: what is in a finding may be printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// The object it is about, as SQL would name it: `app.orders`, `role plur_app`.
    pub object: Option<String>,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub actual: String,
    /// What a person can do next.
    pub hint: Option<String>,
}

impl Finding {
    /// Makes a finding about `object`.
    pub fn about(
        object: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self {
            object: Some(object.into()),
            expected: expected.into(),
            actual: actual.into(),
            hint: None,
        }
    }

    /// Makes a finding that names no single object.
    pub fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self {
            object: None,
            expected: expected.into(),
            actual: actual.into(),
            hint: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The stages of a drill, in the order of `run.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Find the backup and look at the file, before any server.
    Backup,
    /// Start the throwaway server and see that it can take the backup.
    Server,
    /// Restore, and read the log.
    Restore,
    /// Compare what is in the database with what is in the backup.
    Proof,
    /// Remove everything that was started.
    Teardown,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 5] = [
        Self::Backup,
        Self::Server,
        Self::Restore,
        Self::Proof,
        Self::Teardown,
    ];

    /// The lower-case word that every report uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Server => "server",
            Self::Restore => "restore",
            Self::Proof => "proof",
            Self::Teardown => "teardown",
        }
    }
}

/// What became of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageResult {
    /// Which stage.
    pub stage: Stage,
    /// What it shows when it passes; of the proof, as much as the scenario asks for.
    pub title: &'static str,
    /// Whether the verdict depends on it: not on a proof that the scenario switches off.
    pub required: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// One line: what was compared, or why it did not pass.
    pub summary: String,
    /// What is wrong, in detail; warnings when the outcome is `Pass`.
    pub findings: Vec<Finding>,
    /// Wall time.
    pub duration: Duration,
}

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Stable within a scenario: `row-count/orders-is-not-hollow`.
    pub id: String,
    /// Which of several objects this entry is about, where the check names them by a list or a
    /// pattern: `app.orders`. A check of one object has one entry, without.
    pub object: Option<String>,
    /// The kind: `row-count`.
    pub kind: &'static str,
    /// The name that the scenario gives, or the check's own description.
    pub name: String,
    /// Line of the scenario file, counted from 1.
    pub line: usize,
    /// Whether the verdict depends on it.
    pub required: bool,
    /// The database it looked at.
    pub database: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was expected, in one line.
    pub expected: String,
    /// What was found, in one line.
    pub actual: String,
    /// What is wrong, in detail.
    pub findings: Vec<Finding>,
    /// Wall time.
    pub duration: Duration,
}

/// An objective of the scenario and what was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// The scenario's own key: `restore-within`, `max-age`, `daily`, `weekly`, `monthly`.
    pub name: &'static str,
    /// What it asks for, and what was there.
    pub measure: Measure,
}

/// What an objective asks for, and what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// A time.
    Time {
        /// At most this.
        limit: Duration,
        /// This was it; `None` when it could not be measured.
        actual: Option<Duration>,
    },
    /// Backups that are kept.
    Kept {
        /// Periods that have one, as the scenario declares.
        wanted: u64,
        /// Periods that do have one.
        kept: u64,
        /// Periods without one, runs of them together.
        missing: Vec<String>,
    },
}

impl Objective {
    /// Makes a time objective.
    #[must_use]
    pub const fn time(name: &'static str, limit: Duration, actual: Option<Duration>) -> Self {
        Self {
            name,
            measure: Measure::Time { limit, actual },
        }
    }

    /// Tells whether the objective was met; `None` when it was not measured.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        match &self.measure {
            Measure::Time { limit, actual } => actual.map(|actual| actual <= *limit),
            Measure::Kept { wanted, kept, .. } => Some(kept >= wanted),
        }
    }
}

/// Something that this drill does not show, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTested {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// Which scenario was drilled.
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
    /// The kinds and ids of checks that were asked for; empty for all of them.
    pub only: Vec<String>,
}

impl ScenarioFacts {
    /// Its name, and that not all of its checks were asked for where that is so: `plur (only role)`.
    #[must_use]
    pub fn title(&self) -> String {
        if self.only.is_empty() {
            self.name.clone()
        } else {
            format!("{} (only {})", self.name, self.only.join(", "))
        }
    }
}

/// How the time of a backup is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The file's name carries it.
    Name,
    /// The archive's header carries it.
    Header,
    /// Only the file system tells: weak, because a copy changes it.
    ModificationTime,
}

/// Which backup was drilled, and what it says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupFacts {
    /// Where it lies: a path, `s3://bucket/key`, an address, a command. Free of secrets.
    pub origin: String,
    /// How it was chosen, one sentence.
    pub chosen: String,
    /// What there was to choose from, newest first; empty where there was no choice.
    pub candidates: Vec<CandidateFacts>,
    /// How many more there were.
    pub unlisted: u64,
    /// `plain SQL, gzip`, `custom archive 1.16, gzip`, `bundle of 3 dumps, tar, zstd`.
    pub format: String,
    /// Size of the file in bytes; of a folder, of all its files.
    pub bytes: u64,
    /// Size after decompression in bytes, where it is compressed as a whole.
    pub uncompressed_bytes: Option<u64>,
    /// SHA-256 of the file, in hex; of a folder, of the sorted lines `SHA-256  BYTES  NAME` of its files.
    pub sha256: String,
    /// What that agrees with: a side file, the scenario.
    pub digest: Option<String>,
    /// When it was made, and how that is known.
    pub made: Option<(Timestamp, TimeSource)>,
    /// Version of the server it was taken from: `17.6 (Debian …)`.
    pub source_version: Option<String>,
    /// Version of the program that wrote it.
    pub dump_version: Option<String>,
    /// Databases it restores into.
    pub databases: Vec<String>,
    /// Extensions it names.
    pub extensions: Vec<String>,
    /// Schemas it makes or puts tables into.
    pub schemas: Vec<String>,
    /// AGE graphs.
    pub graphs: Vec<String>,
    /// Roles it creates.
    pub roles: Vec<String>,
    /// Roles it names and does not create.
    pub roles_needed: Vec<String>,
    /// Row security policies.
    pub policies: u64,
    /// Which servers can take it, one sentence.
    pub servers: String,
    /// Tables with an entry for rows.
    pub tables: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Large objects.
    pub large_objects: u64,
    /// What a backup of this kind does not hold, found by looking at it.
    pub not_held: Vec<NotTested>,
    /// Tiers of backups that the scenario wants to be kept, once they were looked for.
    pub tiers: Vec<Objective>,
    /// What was compared with the backup before, one sentence; `None` where there is none.
    pub previous: Option<String>,
    /// Its size and that of the backup before; `None` where there is none.
    pub before: Option<Before>,
    /// The dumps of a bundle, in the order of their restore; empty for a single dump.
    pub parts: Vec<PartFacts>,
    /// Whether it says who owns what.
    pub has_owners: bool,
    /// Whether it says who may do what.
    pub has_privileges: bool,
    /// Databases that it makes itself, with their properties and settings.
    pub makes: Vec<String>,
    /// The manifest that lies beside it, its name and its text.
    pub manifest: Option<(String, String)>,
}

/// The size of a backup and of the one before it, both without what they are wrapped in where that is
/// known of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Name of the one before.
    pub name: String,
    /// Bytes of this one.
    pub now: u64,
    /// Bytes of the one before.
    pub before: u64,
}

/// What a look at a backup found, without any server: the one value that its reports are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Version of redrill.
    pub redrill: String,
    /// When it was looked at.
    pub started: Timestamp,
    /// Wall time.
    pub duration: Duration,
    /// What it is and holds.
    pub backup: BackupFacts,
    /// Every table with an entry for rows, the one with the most bytes first.
    pub tables: Vec<TableHeld>,
    /// What makes it no whole backup; empty for a good one.
    pub problems: Vec<Finding>,
    /// What is odd about it and does not matter.
    pub warnings: Vec<Finding>,
    /// How old it may be and what must lie beside it, where a scenario says so.
    pub objectives: Vec<Objective>,
}

/// Rows of one table in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableHeld {
    /// Database; empty where the backup names none.
    pub database: String,
    /// `schema.table`, quoted where SQL needs it.
    pub table: String,
    /// How many rows; `None` where the backup does not say.
    pub rows: Option<u64>,
    /// Bytes of their text.
    pub bytes: u64,
}

/// Something that lies where backups lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateFacts {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The time in its name.
    pub time: Option<Timestamp>,
    /// Why it was not taken; `None` for the one that was.
    pub not_taken: Option<String>,
}

/// One dump of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFacts {
    /// Its name in the bundle.
    pub name: String,
    /// What it is, as [`BackupFacts::format`] says it of the whole.
    pub format: String,
    /// Bytes as it lies in the bundle.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hex.
    pub sha256: String,
    /// Tables with an entry for rows.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
}

/// Where it was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `container` or `local`.
    pub provider: &'static str,
    /// Image name and id, or folder of the programs.
    pub origin: String,
    /// `server_version` of the server: `17.6 (Debian 17.6-0+deb13u1)`.
    pub version: String,
    /// Name and version of each extension that the backup names.
    pub extensions: Vec<(String, String)>,
    /// What keeps the backup's code away from this machine, one statement each.
    pub isolation: Vec<String>,
    /// Where it is weaker than it could be, one statement each.
    pub weaknesses: Vec<String>,
    /// Why this provider was taken.
    pub chosen: String,
    /// Time from nothing to the first answer.
    pub started_in: Duration,
}

/// A phase of a restore and its wall time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// `pre-data`, `data`, `post-data`, …
    pub name: String,
    /// Wall time.
    pub duration: Duration,
}

/// A message of the restore that the scenario tolerates, or that is harmless by nature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tolerated {
    /// The message, redacted.
    pub message: String,
    /// How often it came.
    pub times: u64,
    /// The reason given.
    pub reason: String,
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
    /// Rows in the database; `None` when the table is not there or was not counted.
    pub restored: Option<u64>,
    /// What became of their values.
    pub values: Values,
}

/// What became of the values of a table's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Values {
    /// They were not to be compared.
    #[default]
    NotAsked,
    /// They are those of the backup, every one.
    Same,
    /// They are not.
    Differ,
    /// They could not be compared, for this reason.
    NotCompared(String),
}

/// What was proven without any check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProofFacts {
    /// How much was to be proven: `off`, `objects`, `counts` or `full`.
    pub level: String,
    /// Objects that were looked for.
    pub objects: u64,
    /// Sequences whose values were compared.
    pub sequences: u64,
    /// Materialized views that were found filled.
    pub views: u64,
    /// Large objects whose content was compared.
    pub large_objects: u64,
    /// What was not compared, and why.
    pub not_compared: Vec<NotTested>,
}

/// What the restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreFacts {
    /// `psql` or `pg_restore`, with its version.
    pub method: String,
    /// Time of the whole restore.
    pub duration: Duration,
    /// Time per phase.
    pub phases: Vec<Phase>,
    /// Statements that failed and are not tolerated.
    pub errors: u64,
    /// Messages that were let pass.
    pub tolerated: Vec<Tolerated>,
    /// Rows per table, once the contents were compared.
    pub rows: Vec<TableRows>,
}

/// Everything that a drill found: the one value from which every report is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillResult {
    /// The run's id; also the label of everything that it started.
    pub run: String,
    /// Version of redrill.
    pub redrill: String,
    /// Which scenario.
    pub scenario: ScenarioFacts,
    /// How grave it is when it is not PROVEN, as the scenario says.
    pub severity: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// Wall time of the whole drill.
    pub duration: Duration,
    /// What was proven, once it was tried.
    pub proof: Option<ProofFacts>,
    /// One entry per stage, in order, the ones that were skipped too.
    pub stages: Vec<StageResult>,
    /// One entry per check of the scenario, or per object of a check of several; in the scenario's
    /// order, the ones that were skipped too.
    pub checks: Vec<CheckResult>,
    /// Which backup, once it was found.
    pub backup: Option<BackupFacts>,
    /// Where, once the server ran.
    pub server: Option<ServerFacts>,
    /// How the restore went, once it was tried.
    pub restore: Option<RestoreFacts>,
    /// Objectives that the scenario sets.
    pub objectives: Vec<Objective>,
    /// What was not tested and why.
    pub not_tested: Vec<NotTested>,
    /// The command line that repeats this drill.
    pub repeat: String,
    /// Whether a signal ended it.
    pub interrupted: bool,
}

impl CheckResult {
    /// The name, and the object where the check has an entry for each of several.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.object {
            Some(object) => format!("{} [{object}]", self.name),
            None => self.name.clone(),
        }
    }
}

impl DrillResult {
    /// Counts the checks with the given outcome word.
    #[must_use]
    pub fn checks_with(&self, word: &str) -> usize {
        self.checks
            .iter()
            .filter(|check| check.outcome.word() == word)
            .count()
    }
}
