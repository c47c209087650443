//! Results of stages, of checks, and of the whole drill.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use super::conduct::CheckConduct;
use super::delivery::Delivery;
use super::evidence::{Evidence, Since};
use super::facts::{BackupFacts, Objective, ProofFacts, RestoreFacts, ScenarioFacts, ServerFacts};
use super::finding::{Finding, NotTested, Outcome};
use super::provenance::Provenance;
use super::waiver::WaiverFacts;

/// The stages of a drill, in the order of `run.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Find and inspect the backup, before any server.
    Backup,
    /// Start the throwaway server and verify that it is compatible with the backup.
    Server,
    /// Restore, and read the log.
    Restore,
    /// Compare the database with the backup.
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

/// The result of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageResult {
    /// The stage.
    pub stage: Stage,
    /// What it shows when it passes; of the proof, as much as was compared.
    pub title: Cow<'static, str>,
    /// Whether the verdict depends on it: not on a proof that the scenario switches off.
    pub required: bool,
    /// Its outcome.
    pub outcome: Outcome,
    /// One line: what was compared, or why it did not pass.
    pub summary: String,
    /// All faults; warnings when the outcome is `Pass`.
    pub findings: Vec<Finding>,
    /// Wall time.
    pub duration: Duration,
}

/// The result of a check, or its entry for one of several objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Stable within a scenario: `row-count/orders-is-not-hollow`.
    pub id: String,
    /// The object of this entry, where the check has several: `app.orders`.
    pub object: Option<String>,
    /// The kind: `row-count`.
    pub kind: Cow<'static, str>,
    /// The name in the scenario, otherwise a description.
    pub name: String,
    /// Line of the scenario file, counted from 1.
    pub line: usize,
    /// Whether the verdict depends on it.
    pub required: bool,
    /// Why it does not; `None` where it does.
    pub not_required_because: Option<String>,
    /// The database that it checked.
    pub database: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// The expected state, one line.
    pub expected: String,
    /// The actual state, one line.
    pub actual: String,
    /// All differences.
    pub findings: Vec<Finding>,
    /// Wall time.
    pub duration: Duration,
}

/// Everything that a drill found: the value that every report is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillResult {
    /// Id of the run; also the label of everything that it started.
    pub run: String,
    /// Version of redrill.
    pub redrill: String,
    /// Who ran it, where and with which program.
    pub provenance: Provenance,
    /// The scenario.
    pub scenario: ScenarioFacts,
    /// Severity when it is not PROVEN, as set in the scenario.
    pub severity: Option<String>,
    /// The message to the webhook; `None` where the scenario has none, or sends none of this verdict.
    pub incident: Option<Delivery>,
    /// The messages to `[[notify]]` that receive this verdict, in the order of the scenario.
    pub notified: Vec<Delivery>,
    /// What changed since the last one; `None` where the log has none.
    pub since: Option<Since>,
    /// The state that it is to be recorded in: a folder, or `s3://bucket/prefix`, as it was given; `None` for none.
    pub state: Option<String>,
    /// Where it is recorded, once it is; `None` where no log was asked for, or could be written.
    pub evidence: Option<Evidence>,
    /// When it began.
    pub started: Timestamp,
    /// Wall time of the whole drill.
    pub duration: Duration,
    /// The proof, if it was run.
    pub proof: Option<ProofFacts>,
    /// One entry per stage, in order, including skipped ones.
    pub stages: Vec<StageResult>,
    /// One entry per check, or per object of a check of several, in the order of the scenario, including
    /// skipped ones.
    pub checks: Vec<CheckResult>,
    /// As whom each check ran and what it tried, in the order of the scenario; without those that reached no database.
    pub conduct: Vec<CheckConduct>,
    /// The backup, if it was found.
    pub backup: Option<BackupFacts>,
    /// The server, if it was started.
    pub server: Option<ServerFacts>,
    /// The others, by name, where parts of the backup name several.
    pub other_servers: Vec<(String, ServerFacts)>,
    /// The restore, if it was run.
    pub restore: Option<RestoreFacts>,
    /// Objectives of the scenario.
    pub objectives: Vec<Objective>,
    /// Findings that the scenario accepts for a time, in the order of the scenario.
    pub waivers: Vec<WaiverFacts>,
    /// What was not tested and why.
    pub not_tested: Vec<NotTested>,
    /// The command that repeats this drill.
    pub repeat: String,
    /// Whether a signal ended it.
    pub interrupted: bool,
}

impl CheckResult {
    /// The id, with the object where the check has several: unique in a drill.
    #[must_use]
    pub fn full_id(&self) -> String {
        match &self.object {
            Some(object) => format!("{} [{object}]", self.id),
            None => self.id.clone(),
        }
    }

    /// The name, with the object where the check has several.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.object {
            Some(object) => format!("{} [{object}]", self.name),
            None => self.name.clone(),
        }
    }
}

impl DrillResult {
    /// Time from the beginning of fetching the backup to the end of the restore; `None` without a restore. The inspection in between is not
    /// in it.
    #[must_use]
    pub fn recovery_time(&self) -> Option<Duration> {
        let restore = self.restore.as_ref()?.duration;
        let fetched = self.backup.as_ref().and_then(|backup| backup.fetched_in);
        Some(restore + fetched.unwrap_or_default())
    }

    /// Counts the checks with the given outcome word.
    #[must_use]
    pub fn checks_with(&self, word: &str) -> usize {
        self.checks
            .iter()
            .filter(|check| check.outcome.word() == word)
            .count()
    }
}
