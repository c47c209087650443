//! The JSON report: complete, for machines. This file owns its shape and the shape's version.
//!
//! It is the record of a drill: [`read()`] gives the result again, and every report can be made of that. So it has whatever a
//! report shows, except the entry of the log, which is made of its digest. `convert` writes it, its twin `read` reads it.
//!
//! Within a version keys are only added; readers ignore keys that they do not know. Units are part
//! of the key: `_s` is seconds, `_bytes` is bytes. Times are RFC 3339 in UTC.

mod backup;
mod conduct;
mod convert;
mod inspection;
mod provenance;
mod read;
mod recovery;
mod rehearsal;
mod restore;
mod server;

pub use self::inspection::{inspection_schema, render_inspection};
pub use self::read::{Record, read, read_record};
pub use self::rehearsal::{read_rehearsal, rehearsal_schema, render_rehearsal};
use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

use self::backup::{
    Backup, Candidate, Chain, ChainedBackup, Companion, Dump, Fetch, Made, OneBackup, Physical,
    Picked, TimeSource,
};
use self::conduct::CheckConduct;
use self::provenance::Provenance;
use self::restore::{LeftOut, Phase, Restore, RestoreStep, TableRows, Tolerated, Values};
use self::server::{Extension, OtherServer, Server, Setting};
use crate::outcome::DrillResult;
use crate::verdict::Verdict;

/// Version of the shape.
pub const SCHEMA: u32 = 1;

/// Writes the report, with a line end at its end.
///
/// # Errors
/// None in practice: every value of the shape can be written.
pub fn render(result: &DrillResult, verdict: Verdict) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&Report::of(result, verdict))?;
    text.push('\n');
    Ok(text)
}

/// Writes the report of one drill without line ends.
///
/// # Errors
/// None in practice: every value of the shape can be written.
pub fn render_line(result: &DrillResult, verdict: Verdict) -> serde_json::Result<String> {
    serde_json::to_string(&Report::of(result, verdict))
}

/// Makes the JSON Schema of the report.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Report>()
        .into()
}

/// Everything that one drill of one scenario found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "redrill drill report")]
struct Report {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA))]
    schema: u32,
    /// The verdict.
    verdict: VerdictWord,
    /// What the verdict means, which stage did not run on purpose, and which rows `--only` left out.
    meaning: String,
    /// The exit code of the verdict.
    exit_code: u8,
    /// Severity from the scenario; null for PROVEN and CHECKS PASSED, or when the scenario sets none.
    severity: Option<String>,
    /// The message to the webhook of `[incident]`, which never affects the verdict; null where the scenario has none, or
    /// sends none of this verdict.
    incident: Option<Incident>,
    /// The messages to `[[notify]]` that receive this verdict, in the order of the scenario; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notifications: Vec<Incident>,
    /// Whether a signal interrupted the drill.
    interrupted: bool,
    /// Id of the run; also the label of everything that it starts.
    run: String,
    /// Version of redrill.
    redrill: String,
    /// Who ran it, where and with which program.
    provenance: Provenance,
    /// When the drill began.
    #[schemars(extend("format" = "date-time"))]
    started: String,
    /// Wall time of the whole drill.
    duration_s: f64,
    /// The state that it is to be recorded in: a folder, or `s3://bucket/prefix`, as it was given; null for none.
    state: Option<String>,
    /// What changed since the last drill of the scenario in the same log, with the same selection of checks; null where there is
    /// none.
    since_last: Option<Since>,
    /// The scenario.
    scenario: Scenario,
    /// The backup; null when none was found.
    backup: Option<Backup>,
    /// The throwaway server; null when none was started.
    server: Option<Server>,
    /// Further servers, where parts of the backup name several.
    other_servers: Vec<OtherServer>,
    /// The restore; null when it was not started.
    restore: Option<Restore>,
    /// The comparison of the database with the backup; null when it was not made.
    proof: Option<Proof>,
    /// Objectives that the scenario sets.
    objectives: Vec<Objective>,
    /// The stages, in order, including skipped ones.
    stages: Vec<Stage>,
    /// Number of checks by outcome.
    check_counts: CheckCounts,
    /// The checks, in the order of the scenario, including skipped ones.
    checks: Vec<Check>,
    /// As whom each check ran and what it tried, in the order of the scenario; without those that reached no database.
    #[serde(default)]
    conduct: Vec<CheckConduct>,
    /// Findings that the scenario accepts for a time, in the order of the scenario.
    waivers: Vec<Waiver>,
    /// What this drill does not test, and why.
    not_tested: Vec<NotTested>,
    /// The command line that repeats this drill.
    repeat: String,
}

/// The verdict of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum VerdictWord {
    /// Every stage and every required check passed, objectives met. Exit code 0.
    #[serde(rename = "PROVEN")]
    Proven,
    /// As PROVEN, but for findings that the scenario accepts for a time. Exit code 13.
    #[serde(rename = "PROVEN WITH WAIVERS")]
    ProvenWithWaivers,
    /// The restore, the comparison with the backup, or a required check failed. Exit code 10.
    #[serde(rename = "NOT PROVEN")]
    NotProven,
    /// Everything passed, but an objective was missed: too slow, too old or too few. Exit code 11.
    #[serde(rename = "OBJECTIVE MISSED")]
    ObjectiveMissed,
    /// A stage or a required check could not run; says nothing about the backup. Exit code 3.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// No required check ran. Exit code 4.
    #[serde(rename = "NOTHING CHECKED")]
    NothingChecked,
    /// A signal interrupted the drill. Exit code 130.
    #[serde(rename = "INTERRUPTED")]
    Interrupted,
    /// The checks that `--only` selected passed; the backup is not proven. Exit code 0.
    #[serde(rename = "CHECKS PASSED")]
    ChecksPassed,
    /// As CHECKS PASSED, but for findings that the scenario accepts for a time. Exit code 13.
    #[serde(rename = "CHECKS PASSED WITH WAIVERS")]
    ChecksPassedWithWaivers,
}

/// How a stage or a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutcomeWord {
    /// It ran and found what is expected.
    Pass,
    /// It ran and found something else.
    Fail,
    /// It ran and found something else, and the scenario accepts all of its findings for a time.
    Waived,
    /// It could not run, which says nothing about the backup.
    Error,
    /// It was not run; `skipped_because` says why.
    Skipped,
}

/// A message to the webhook of `[incident]`, or to one of `[[notify]]`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Incident {
    /// Whether it arrived.
    delivery: DeliveryWord,
    /// Scheme, host and port of the address; null where it could not be read. The rest may be a secret.
    to: Option<String>,
    /// HTTP status of the last answer; null when there was none.
    status: Option<u16>,
    /// Number of attempts.
    tries: u8,
    /// Why it did not arrive; null unless it was not sent.
    why: Option<String>,
}

/// Whether a message arrived.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryWord {
    /// It arrived.
    Sent,
    /// It did not arrive.
    NotSent,
    /// This report was written before the delivery ended.
    NotKnown,
}

/// What changed since the last drill.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Since {
    /// Number of its entry in the log.
    entry: u64,
    /// When it began.
    #[schemars(extend("format" = "date-time"))]
    began: String,
    /// What changed, one line each.
    changes: Vec<String>,
}

/// The scenario of a drill.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Scenario {
    /// Its name.
    name: String,
    /// Its description.
    description: Option<String>,
    /// Its file, as it was given.
    file: String,
    /// SHA-256 of the file, in hexadecimal.
    sha256: String,
    /// The file itself, with `***` in place of what is written where a secret may be, which gives it another digest.
    #[serde(default)]
    text: String,
    /// Its settings in effect, by the path of their key, with `***` in place of secrets. What the command line changes is in `repeat`.
    #[serde(default)]
    settings: Settings,
    /// Files and folders that checks are compared with, or that they start, as they were when the drill began.
    #[serde(default)]
    inputs: Vec<Input>,
    /// Kinds and ids of checks that `--only` selected; empty for all.
    only: Vec<String>,
}

/// The settings of a scenario: texts without quotes, other values as TOML writes them.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
struct Settings {
    /// Those that the file has, with the values of variables in place of their names.
    written: BTreeMap<String, String>,
    /// The defaults of those that it does not have, as `redrill explain` says them: a value, or how it is found. Without those that are
    /// empty, and those of tables that the file does not have, but for `server` and `restore`.
    defaults: BTreeMap<String, String>,
}

/// A file or folder that checks are compared with, or that they start.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Input {
    /// Its path in the scenario.
    path: String,
    /// Ids of the checks that name it.
    checks: Vec<String>,
    /// SHA-256 of the file; of a folder, the sum, modulo 2^256 and little-endian, of the SHA-256 of the lines `SHA-256  BYTES  NAME` of its files.
    /// Null where it was not read: it is not there, or larger than 256 MiB.
    sha256: Option<String>,
}

/// The comparison of the restored database with the backup.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Proof {
    /// How much was compared: `off`, `objects`, `counts` or `full`.
    level: String,
    /// Number of tables in which every row has the values of the backup.
    tables: usize,
    /// Number of sequences whose values were compared.
    sequences: u64,
    /// Number of materialized views that are populated.
    materialized_views: u64,
    /// Number of large objects whose content was compared.
    large_objects: u64,
    /// The rehearsal of a major upgrade; null where the scenario asks for none.
    upgrade: Option<Upgrade>,
    /// What was read of a recovered cluster; absent for dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<recovery::Cluster>,
}

/// The rehearsal of a major upgrade: the backup restored on its own major version and on a newer one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Upgrade {
    /// Major version of the server that the backup was taken from; null if it does not name it.
    from: Option<u32>,
    /// Major version that it was restored on.
    to: u32,
    /// The servers of its own major version; empty where none was available.
    servers: Vec<String>,
    /// Number of objects whose definitions were compared.
    objects: u64,
    /// Differences that are explained. Whatever is not is a finding of the stage `proof`.
    explained: Vec<ExplainedChange>,
    /// What the upgrade needs in addition to a restore.
    steps: Vec<UpgradeStep>,
}

/// A difference of two major versions that is explained.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ExplainedChange {
    /// The object and its property.
    object: String,
    /// The explanation.
    why: String,
    /// The major version that brought the difference; null where the scenario explains it.
    since: Option<u32>,
}

/// What an upgrade needs in addition to a restore.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct UpgradeStep {
    /// The object, extension or collation.
    about: String,
    /// What changes.
    change: String,
    /// What to do.
    action: String,
}

/// An objective of the scenario and what was measured: a time, or backups that are kept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Objective {
    /// The key in the scenario: `restore-within`, `runbook-within`, `max-age`, `daily`, `weekly` or `monthly`.
    name: String,
    /// Limit; null for retention.
    limit_s: Option<f64>,
    /// Measured time; null for retention, or when it was not measured.
    actual_s: Option<f64>,
    /// Required number of days, weeks or months with a backup; null for a time.
    wanted: Option<u64>,
    /// Number of those that have one; null for a time.
    kept: Option<u64>,
    /// Periods without a backup.
    missing: Vec<String>,
    /// Whether it was met; null when it was not measured.
    met: Option<bool>,
    /// What it was measured on, where that matters: `on a tuned server`, `of the newest backup`.
    on: Option<String>,
}

/// The result of one stage.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Stage {
    /// `backup`, `server`, `restore`, `proof` or `teardown`.
    pub(crate) name: String,
    /// What the stage proves when it passes; of the proof, as much as the scenario asks for.
    pub(crate) title: String,
    /// Whether the verdict depends on it: not on a proof that the scenario switches off.
    pub(crate) required: bool,
    /// How it ended.
    pub(crate) outcome: OutcomeWord,
    /// Why it was skipped; null unless it was.
    pub(crate) skipped_because: Option<String>,
    /// Why it could not run; null unless the outcome is `error`.
    pub(crate) could_not_run: Option<CouldNotRun>,
    /// One line: what was found, or why it failed.
    pub(crate) summary: String,
    /// The differences; warnings when the outcome is `pass`.
    pub(crate) findings: Vec<Finding>,
    /// Wall time.
    pub(crate) duration_s: f64,
}

/// Findings of checks that somebody accepts for a time.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Waiver {
    /// The ids of the checks, in which `*` matches any text.
    check: String,
    /// The objects, in the same way.
    object: String,
    /// Why they are accepted.
    reason: String,
    /// Who accepts them.
    owner: String,
    /// The last day, in UTC.
    #[schemars(extend("format" = "date"))]
    until: String,
    /// Line of the scenario file, counted from 1.
    line: usize,
    /// Number of findings that it matches.
    findings: u64,
    /// What became of it.
    state: WaiverWord,
}

/// What became of a waiver.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum WaiverWord {
    /// Its findings do not count.
    Used,
    /// Its last day is over, so that its findings count.
    Expired,
    /// Its checks have no such finding.
    NotNeeded,
    /// None of its checks was judged.
    NotJudged,
}

/// Number of checks by outcome.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct CheckCounts {
    /// All.
    total: usize,
    /// Passed.
    pass: usize,
    /// Failed, including those that are not required.
    fail: usize,
    /// Failed, with findings that are all accepted for a time.
    waived: usize,
    /// Could not run, including those that are not required.
    error: usize,
    /// Skipped.
    skipped: usize,
}

/// The result of one check.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Check {
    /// Stable and, without an object, unique within the scenario.
    pub(crate) id: String,
    /// The object that this entry is about, where the check names several by a list or a pattern;
    /// `id` and `object` together are unique in a drill.
    pub(crate) object: Option<String>,
    /// The kind of check.
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
    /// Line of the scenario file, counted from 1.
    pub(crate) line: usize,
    /// Whether the verdict depends on it.
    pub(crate) required: bool,
    /// Why it does not; null where it does.
    pub(crate) not_required_because: Option<String>,
    /// The database that was checked.
    pub(crate) database: String,
    /// How it ended.
    pub(crate) outcome: OutcomeWord,
    /// Why it was skipped; null unless it was.
    pub(crate) skipped_because: Option<String>,
    /// Why it could not run; null unless the outcome is `error`.
    pub(crate) could_not_run: Option<CouldNotRun>,
    /// What was expected, in one line.
    pub(crate) expected: String,
    /// What was found, in one line; the reason when the outcome is `error`.
    pub(crate) actual: String,
    /// The differences in detail.
    pub(crate) findings: Vec<Finding>,
    /// Wall time.
    pub(crate) duration_s: f64,
}

/// Why a stage or a check could not run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CouldNotRun {
    /// A lowercase fragment.
    pub(crate) reason: String,
    /// What a person can do, where there is something.
    pub(crate) hint: Option<String>,
}

/// One thing that is not as expected.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Finding {
    /// The object, as SQL names it.
    pub(crate) object: Option<String>,
    /// Expected.
    pub(crate) expected: String,
    /// Found.
    pub(crate) actual: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Who accepts it, until when and why; null where nobody does.
    pub(crate) waived: Option<String>,
}

/// Something that the drill does not test, or that a backup does not contain.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct NotTested {
    /// The thing.
    what: String,
    /// The reason.
    why: String,
}
