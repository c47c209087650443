//! The result of a rehearsal: what every report of it is made from.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use super::evidence::Evidence;
use super::facts::{BackupFacts, ScenarioFacts, ServerFacts};
use super::finding::{Finding, NotTested, Outcome};
use super::provenance::Provenance;
use super::result::CheckResult;

/// The steps of a rehearsal, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Copy the restored cluster.
    Copy,
    /// Run the migrations.
    Run,
    /// Judge the locks that they took.
    Locks,
    /// Judge what was written or built anew, or read as a whole, under a lock.
    Work,
    /// Judge how long readers and writers waited.
    Blocking,
    /// Judge what differs afterwards.
    Changes,
    /// Run the checks again.
    Checks,
    /// Run the migrations again.
    SecondRun,
    /// Undo them.
    Down,
    /// Run them twice at the same time.
    TwoRunners,
    /// Cut a run off, and run it again.
    Crashes,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 11] = [
        Self::Copy,
        Self::Run,
        Self::Locks,
        Self::Work,
        Self::Blocking,
        Self::Changes,
        Self::Checks,
        Self::SecondRun,
        Self::Down,
        Self::TwoRunners,
        Self::Crashes,
    ];

    /// The lower-case word that every report uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Run => "run",
            Self::Locks => "locks",
            Self::Work => "work",
            Self::Blocking => "blocking",
            Self::Changes => "changes",
            Self::Checks => "checks",
            Self::SecondRun => "second-run",
            Self::Down => "down",
            Self::TwoRunners => "two-runners",
            Self::Crashes => "crashes",
        }
    }

    /// What it shows when it passes.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Copy => "the restored cluster is copied",
            Self::Run => "the migrations run to their end",
            Self::Locks => "no lock keeps others waiting for longer than the limit",
            Self::Work => "no table is written anew, and no long work is done under a lock",
            Self::Blocking => "no reader or writer waited for longer than the limit",
            Self::Changes => "every right that became wider and every loss is accepted",
            Self::Checks => "no check fails that passed before",
            Self::SecondRun => "a second run changes nothing",
            Self::Down => "undoing them leads back to the definitions from before",
            Self::TwoRunners => "two runs at the same time end as one does",
            Self::Crashes => "a run that was cut off is completed by the next",
        }
    }
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// The step.
    pub step: Step,
    /// Its outcome.
    pub outcome: Outcome,
    /// One line: what was seen, or why it did not pass.
    pub summary: String,
    /// All faults; advice when the outcome is `Pass`.
    pub findings: Vec<Finding>,
    /// Wall time.
    pub duration: Duration,
}

/// A check on the migrated copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckAfter {
    /// Its result there.
    pub result: CheckResult,
    /// How it ended before the migrations; `None` where `[after]` adds it.
    pub before: Option<Outcome>,
}

/// What one run of the migrations did. Times are those of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationFacts {
    /// Wall time of the tool.
    pub duration: Duration,
    /// Number of its connections.
    pub connections: usize,
    /// Number of its statements.
    pub statements: usize,
    /// The migrations one by one, in order; empty where the tool keeps no history that is known.
    pub migrations: Vec<OneMigrationFacts>,
    /// The longest of them, the longest first.
    pub longest: Vec<StatementFacts>,
    /// Its transactions that held locks on tables which were there before, in order.
    pub tables: Vec<TableFacts>,
    /// Bytes of WAL that the server wrote meanwhile.
    pub wal_bytes: u64,
    /// Bytes of temporary files.
    pub temporary_bytes: u64,
    /// Size of the database before, in bytes.
    pub size_before: u64,
    /// Size of the database afterwards, in bytes.
    pub size_after: u64,
    /// What differs afterwards.
    pub changes: Vec<ChangeFacts>,
}

/// One migration of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneMigrationFacts {
    /// Its version in the history; `None` where that is not known.
    pub name: Option<String>,
    /// Whether the tool wrote it into its history.
    pub recorded: bool,
    /// Number of its statements.
    pub statements: usize,
    /// How long the server took for them.
    pub duration: Duration,
    /// Of the locks on tables that were there before: the one that keeps others waiting for longest.
    pub lock: Option<LockFacts>,
}

/// A lock on a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFacts {
    /// The schema and name of the table, from before.
    pub table: String,
    /// `ACCESS EXCLUSIVE`.
    pub mode: Cow<'static, str>,
    /// For how long it was held.
    pub held: Duration,
}

/// A statement of the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementFacts {
    /// Without values.
    pub text: String,
    /// How long the server took.
    pub duration: Duration,
    /// SQLSTATE of its error.
    pub error: Option<String>,
}

/// What the migrations did to a table that was there before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// Its schema and name, from before.
    pub table: String,
    /// The lock that others wait for longest, otherwise the strongest: `ACCESS EXCLUSIVE`.
    pub lock: Cow<'static, str>,
    /// Whether that lock keeps readers waiting, too, not just writers.
    pub blocks_readers: bool,
    /// For how long locks were held that keep writers or readers waiting; `None` where there was no such lock.
    pub held: Option<Duration>,
    /// The statement that took it, without values.
    pub statement: String,
    /// How long a reader was kept waiting; `None` where none was tried.
    pub readers_waited: Option<Duration>,
    /// How long a writer was kept waiting; `None` where none was tried.
    pub writers_waited: Option<Duration>,
}

/// A difference between before and afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFacts {
    /// How a scenario names it: `drop column app.account.legacy`.
    pub name: String,
    /// One line for people.
    pub text: String,
    /// Whether a review must accept it.
    pub needs_review: bool,
    /// The reason for which the scenario accepts it.
    pub accepted: Option<String>,
}

/// The kept server that a rehearsal runs on copies of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptServerFacts {
    /// Its name.
    pub name: String,
    /// Name of the scenario that it was restored by.
    pub scenario: String,
    /// Id of the run of its drill.
    pub run: String,
    /// When it is removed.
    pub until: Timestamp,
    /// Why nothing that runs on it is SAFE, a sentence each, in addition to the verdict of its drill.
    pub doubts: Vec<String>,
}

/// Everything that a rehearsal found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RehearsalResult {
    /// Id of the run.
    pub run: String,
    /// Version of redrill.
    pub redrill: String,
    /// Who ran it, where and with which program.
    pub provenance: Provenance,
    /// The scenario.
    pub scenario: ScenarioFacts,
    /// When it began.
    pub started: Timestamp,
    /// Wall time, without the drill.
    pub duration: Duration,
    /// The state that it is to be recorded in, as it was given; `None` for none.
    pub state: Option<String>,
    /// Its entry in the log of this state, once it has one.
    pub evidence: Option<Evidence>,
    /// The verdict of the drill that restored the backup, as a word.
    pub drill: Cow<'static, str>,
    /// Whether that drill passed.
    pub drill_passed: bool,
    /// The kept server that was copied; `None` where the backup was restored for this rehearsal.
    pub kept: Option<KeptServerFacts>,
    /// The backup, if it was found.
    pub backup: Option<BackupFacts>,
    /// The server of the copies, if it was started.
    pub server: Option<ServerFacts>,
    /// The command of the release, and the role that it ran as.
    pub command: Vec<String>,
    /// The role that it ran as.
    pub role: String,
    /// One entry per step, in order, including skipped ones.
    pub steps: Vec<StepResult>,
    /// The checks on the migrated copy.
    pub checks: Vec<CheckAfter>,
    /// What the migrations did, where they ran.
    pub migration: Option<MigrationFacts>,
    /// Whether the run ended well and changed nothing, so that nothing was rehearsed.
    pub nothing_pending: bool,
    /// What was not tested and why.
    pub not_tested: Vec<NotTested>,
    /// The command line that repeats it.
    pub repeat: String,
    /// Whether a signal ended it.
    pub interrupted: bool,
}
