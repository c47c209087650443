//! What an entry says: an in-toto statement with the predicate `test-result`, and in it, under `redrill`, what history and gate read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::outcome::{
    BackupFacts, CheckResult, DrillResult, Measure, Outcome, Provenance, RehearsalResult,
    ScenarioFacts, WaiverFacts, WaiverState,
};
use crate::scenario::Scenario;
use crate::verdict::{RehearsalVerdict, Verdict};

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// A statement. Keys that a newer redrill adds are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// The record, and the backup where one was found.
    subject: Vec<Resource>,
    predicate_type: String,
    predicate: Predicate,
}

/// Something with a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Resource {
    name: String,
    digest: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    /// `PASSED`, `WARNED` or `FAILED`.
    result: String,
    configuration: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    passed_tests: Vec<String>,
    warned_tests: Vec<String>,
    failed_tests: Vec<String>,
    redrill: Entry,
}

/// The place of an entry in its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The log: its origin.
    pub log: String,
    /// The number of the entry, from 0.
    pub index: u64,
    /// When it was written, by the clock of the machine that wrote it.
    pub recorded: Timestamp,
}

/// One drill or one rehearsal, as short as history and gate need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is in the log.
    #[serde(flatten)]
    pub position: Position,
    /// SHA-256 of the record, in hex.
    pub record: String,
    /// The drill.
    #[serde(flatten)]
    pub drill: Summary,
}

/// What was drilled, by whom, and with which result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// `drill` or `rehearsal`.
    pub kind: Kind,
    /// Id of the run.
    pub run: String,
    /// Version of redrill.
    pub version: String,
    /// Name of the scenario.
    pub scenario: String,
    /// SHA-256 of its file, in hex.
    pub scenario_sha256: String,
    /// The selected checks; empty for all.
    pub only: Vec<String>,
    /// The verdict, as in the reports.
    pub verdict: String,
    /// When it began.
    pub began: Timestamp,
    /// Wall time in seconds.
    pub duration_s: f64,
    /// Who ran it.
    pub actor: String,
    /// Where.
    pub host: Option<String>,
    /// Address of the job of a CI system.
    pub job_url: Option<String>,
    /// The commit of the job, otherwise that of the scenario's folder.
    pub commit: Option<String>,
    /// The backup, where one was found.
    pub backup: Option<BackupSummary>,
    /// Version of the server.
    pub server: Option<String>,
    /// Time of fetching the backup and of the restore, in seconds.
    pub restore_s: Option<f64>,
    /// The longest time that the scenario allows for the restore, in seconds.
    #[serde(default)]
    pub restore_within_s: Option<f64>,
    /// The longest age that it allows for the backup, in seconds.
    #[serde(default)]
    pub max_age_s: Option<f64>,
    /// Kinds of which a required check passed and none failed, could not run or was skipped.
    pub covers: BTreeSet<String>,
    /// Ids of the checks that passed.
    pub passed: Vec<String>,
    /// Ids of the checks, and words of the stages, that failed or could not run.
    pub failed: Vec<String>,
    /// Ids of the checks whose findings are all waived.
    #[serde(default)]
    pub waived: Vec<String>,
    /// The waivers that the verdict rests on.
    #[serde(default)]
    pub waivers: Vec<WaiverSummary>,
    /// SHA-256 of the record for `record` of a `baseline` check, in hex: what this drill leaves for the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Number of things that were not tested.
    pub not_tested: usize,
    /// The longest time until the next drill in seconds, where the scenario sets one.
    #[serde(default)]
    pub every_s: Option<f64>,
    /// Whether the drill is evidence for a control, by its name: the checks for it passed, and the drill is PROVEN.
    #[serde(default)]
    pub controls: BTreeMap<String, bool>,
}

/// Whether an entry is about a drill or a rehearsal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `drill.json`.
    #[default]
    Drill,
    /// `rehearsal.json`.
    Rehearsal,
}

/// A backup, as far as history shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Location.
    pub origin: String,
    /// SHA-256 in hex.
    pub sha256: String,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// Size of the file.
    pub size_bytes: u64,
    /// Number of rows of all tables.
    pub rows: u64,
    /// Version of the server that it was taken from.
    pub source_version: Option<String>,
}

/// A waiver that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverSummary {
    /// The ids of its checks, in which `*` matches any text.
    pub check: String,
    /// The objects, in the same way.
    pub object: String,
    /// Why the findings are accepted.
    pub reason: String,
    /// Who accepts them.
    pub owner: String,
    /// The last day, in UTC.
    pub until: Date,
    /// Number of findings.
    pub findings: u64,
}

impl Summary {
    /// A drill.
    #[must_use]
    pub fn of(result: &DrillResult, verdict: Verdict) -> Self {
        let stages = result.stages.iter().filter(|stage| stage.outcome.is_bad());
        let stages = stages.map(|stage| stage.stage.word().to_owned());
        let ids = |wanted: fn(&Outcome) -> bool| {
            let checks = result
                .checks
                .iter()
                .filter(move |check| wanted(&check.outcome));
            checks.map(CheckResult::full_id)
        };
        let limit = |name: &str| {
            let objective = result.objectives.iter().find(|one| one.name == name)?;
            match objective.measure {
                Measure::Time { limit, .. } => Some(limit.as_secs_f64()),
                Measure::Kept { .. } => None,
            }
        };
        let about = (&result.provenance, &result.scenario, result.backup.as_ref());
        Self {
            restore_within_s: limit("restore-within"),
            max_age_s: limit("max-age"),
            kind: Kind::Drill,
            run: result.run.clone(),
            version: result.redrill.clone(),
            verdict: verdict.word().to_owned(),
            began: result.started,
            duration_s: result.duration.as_secs_f64(),
            server: result.server.as_ref().map(|server| server.version.clone()),
            restore_s: result.recovery_time().map(|time| time.as_secs_f64()),
            covers: covers(&result.checks),
            passed: ids(|outcome| *outcome == Outcome::Pass).collect(),
            failed: stages.chain(ids(Outcome::is_bad)).collect(),
            waived: ids(|outcome| *outcome == Outcome::Waived).collect(),
            waivers: result
                .waivers
                .iter()
                .filter_map(WaiverSummary::of)
                .collect(),
            not_tested: result.not_tested.len(),
            ..Self::about(about)
        }
    }

    /// A rehearsal. Its steps are what passed and failed.
    #[must_use]
    pub fn of_rehearsal(result: &RehearsalResult, verdict: RehearsalVerdict) -> Self {
        let steps = |wanted: fn(&Outcome) -> bool| {
            let steps = result
                .steps
                .iter()
                .filter(move |step| wanted(&step.outcome));
            steps.map(|step| step.step.word().to_owned()).collect()
        };
        let about = (&result.provenance, &result.scenario, result.backup.as_ref());
        Self {
            kind: Kind::Rehearsal,
            run: result.run.clone(),
            version: result.redrill.clone(),
            verdict: verdict.word().to_owned(),
            began: result.started,
            duration_s: result.duration.as_secs_f64(),
            server: result.server.as_ref().map(|server| server.version.clone()),
            passed: steps(|outcome| *outcome == Outcome::Pass),
            failed: steps(Outcome::is_bad),
            not_tested: result.not_tested.len(),
            ..Self::about(about)
        }
    }

    /// What drills and rehearsals have in common.
    fn about(
        (provenance, scenario, backup): (&Provenance, &ScenarioFacts, Option<&BackupFacts>),
    ) -> Self {
        let ci = provenance.ci.as_ref();
        Self {
            scenario: scenario.name.clone(),
            scenario_sha256: scenario.sha256.clone(),
            only: scenario.only.clone(),
            actor: provenance.actor.name.clone(),
            host: provenance.host.clone(),
            job_url: ci.and_then(|ci| ci.url.clone()),
            commit: ci
                .and_then(|ci| ci.commit.clone())
                .or_else(|| provenance.commit.clone()),
            backup: backup.map(|backup| BackupSummary {
                origin: backup.origin.clone(),
                sha256: backup.sha256.clone(),
                made: backup.made.map(|(at, _)| at),
                size_bytes: backup.bytes,
                rows: backup.rows,
                source_version: backup.source_version.clone(),
            }),
            ..Self::default()
        }
    }

    /// Adds what the scenario says of its cadence and of controls.
    #[must_use]
    pub fn with(mut self, scenario: &Scenario) -> Self {
        self.every_s = scenario.every.map(|every| every.as_secs_f64());
        // Only a drill of everything, that is proven, is evidence; for a check only where it passed.
        let proven = self.is_proven();
        let failed = |id: &str| {
            let of_check = |one: &String| {
                one == id
                    || one
                        .strip_prefix(id)
                        .is_some_and(|rest| rest.starts_with(" ["))
            };
            self.failed.iter().any(of_check) || !self.passed.iter().any(of_check)
        };
        let whole = scenario.controls.iter().map(|control| (control, proven));
        let checks = scenario.checks.iter().flat_map(|check| {
            let passed = proven && !failed(&check.id);
            check.controls.iter().map(move |control| (control, passed))
        });
        let mut controls = BTreeMap::new();
        for (control, passed) in whole.chain(checks) {
            *controls.entry(control.clone()).or_insert(true) &= passed;
        }
        self.controls = controls;
        self
    }

    /// Whether it is a drill that proves its backup; findings of checks may be waived.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.kind == Kind::Drill && Verdict::of_word(&self.verdict).is_some_and(Verdict::proves)
    }

    /// `PASSED` for what proves something, `WARNED` where it does so in part, otherwise `FAILED`.
    fn result(&self) -> &'static str {
        if self.verdict == RehearsalVerdict::Safe.word() {
            return "PASSED";
        }
        match Verdict::of_word(&self.verdict) {
            Some(Verdict::Proven) => "PASSED",
            Some(
                Verdict::ProvenWithWaivers
                | Verdict::ChecksPassed
                | Verdict::ChecksPassedWithWaivers
                | Verdict::ObjectiveMissed,
            ) => "WARNED",
            Some(
                Verdict::NotProven
                | Verdict::Inconclusive
                | Verdict::NothingChecked
                | Verdict::Interrupted,
            )
            | None => "FAILED",
        }
    }
}

impl WaiverSummary {
    /// Nothing for a waiver that was not used.
    fn of(waiver: &WaiverFacts) -> Option<Self> {
        (waiver.state == WaiverState::Used).then(|| Self {
            check: waiver.check.clone(),
            object: waiver.object.clone(),
            reason: waiver.reason.clone(),
            owner: waiver.owner.clone(),
            until: waiver.until,
            findings: waiver.findings,
        })
    }
}

/// Kinds of which a required check passed and none did anything else.
fn covers(checks: &[CheckResult]) -> BTreeSet<String> {
    let required = || checks.iter().filter(|check| check.required);
    let kinds = |passed: bool| {
        let checks = required().filter(move |check| (check.outcome == Outcome::Pass) == passed);
        checks
            .map(|check| check.kind.to_string())
            .collect::<BTreeSet<_>>()
    };
    &kinds(true) - &kinds(false)
}

impl Statement {
    /// The statement of an entry.
    #[must_use]
    pub fn of(entry: Entry) -> Self {
        let resource = |name: &str, sha256: &str| Resource {
            name: name.to_owned(),
            digest: BTreeMap::from([("sha256".to_owned(), sha256.to_owned())]),
        };
        let drill = &entry.drill;
        let file = match drill.kind {
            Kind::Drill => "drill.json",
            Kind::Rehearsal => "rehearsal.json",
        };
        let backup = drill
            .backup
            .iter()
            .filter(|backup| !backup.sha256.is_empty());
        let backup = backup.map(|backup| resource(&backup.origin, &backup.sha256));
        Self {
            kind: STATEMENT.to_owned(),
            subject: std::iter::once(resource(file, &entry.record))
                .chain(backup)
                .collect(),
            predicate_type: PREDICATE.to_owned(),
            predicate: Predicate {
                result: drill.result().to_owned(),
                configuration: vec![resource(&drill.scenario, &drill.scenario_sha256)],
                url: drill.job_url.clone(),
                passed_tests: drill.passed.clone(),
                warned_tests: drill.waived.clone(),
                failed_tests: drill.failed.clone(),
                redrill: entry,
            },
        }
    }

    /// Writes it: JSON without line ends.
    ///
    /// # Errors
    /// None in practice: every statement can be written.
    pub fn write(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Reads the entry of a statement; `None` where it has another form, or contradicts itself.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Entry> {
        let statement: Self = serde_json::from_slice(bytes).ok()?;
        let entry = statement.predicate.redrill.clone();
        (Self::of(entry.clone()) == statement).then_some(entry)
    }

    /// Reads the entry of a statement and nothing else of it, as fast as possible; `None` where there is none.
    #[must_use]
    pub fn entry(bytes: &[u8]) -> Option<Entry> {
        #[derive(Deserialize)]
        struct Statement {
            predicate: Predicate,
        }
        #[derive(Deserialize)]
        struct Predicate {
            redrill: Entry,
        }
        let statement: Statement = serde_json::from_slice(bytes).ok()?;
        Some(statement.predicate.redrill)
    }
}
