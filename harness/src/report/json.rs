//! The JSON report: complete, for machines. This file owns its shape and the shape's version.
//!
//! Within a version keys are only added; readers ignore keys that they do not know. Units stand in
//! the key: `_s` is seconds, `_bytes` is bytes. Times are RFC 3339 in UTC.

mod convert;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::outcome::{self, DrillResult};
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

/// Makes the JSON Schema of the report.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Report>()
        .into()
}

/// Writes what a look at a backup found, with a line end at its end.
///
/// # Errors
/// None in practice: every value of the shape can be written.
pub fn render_inspection(inspection: &outcome::Inspection) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&Inspection::of(inspection))?;
    text.push('\n');
    Ok(text)
}

/// Makes the JSON Schema of what a look at a backup found.
#[must_use]
pub fn inspection_schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Inspection>()
        .into()
}

/// What a look at a backup found, without any server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "redrill inspection")]
struct Inspection {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA))]
    schema: u32,
    /// Whether nothing is wrong with it as a file. Whether it restores, only a drill shows.
    whole: bool,
    /// Version of redrill.
    redrill: String,
    /// When it was looked at.
    #[schemars(extend("format" = "date-time"))]
    started: String,
    /// Wall time.
    duration_s: f64,
    /// What makes it no whole, harmless backup; empty for a good one.
    problems: Vec<Finding>,
    /// What is odd about it and does not matter.
    warnings: Vec<Finding>,
    /// How old it may be and what must lie beside it, where a scenario says so.
    objectives: Vec<Objective>,
    /// What it is and holds.
    backup: Backup,
    /// Every table with an entry for rows, the one with the most bytes first.
    tables: Vec<TableHeld>,
}

/// Rows of one table in a backup.
#[derive(Debug, Serialize, JsonSchema)]
struct TableHeld {
    /// Database; empty where the backup names none.
    database: String,
    /// `schema.table`.
    table: String,
    /// How many rows; null where the backup does not say.
    rows: Option<u64>,
    /// Bytes of their text.
    text_bytes: u64,
}

/// Everything that one drill of one scenario found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "redrill drill report")]
struct Report {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA))]
    schema: u32,
    /// What the drill shows.
    verdict: VerdictWord,
    /// What the verdict means, one sentence.
    meaning: String,
    /// The exit code that the verdict stands for.
    exit_code: u8,
    /// How grave that is, as the scenario says; null when it says nothing, or for PROVEN.
    severity: Option<String>,
    /// Whether a signal ended the drill.
    interrupted: bool,
    /// Id of the run; also the label of everything that it started.
    run: String,
    /// Version of redrill.
    redrill: String,
    /// When the drill began.
    #[schemars(extend("format" = "date-time"))]
    started: String,
    /// Wall time of the whole drill.
    duration_s: f64,
    /// Which scenario was drilled.
    scenario: Scenario,
    /// Which backup was restored; null when none was found.
    backup: Option<Backup>,
    /// Where it was restored; null when no server ran.
    server: Option<Server>,
    /// How the restore went; null when it was not tried.
    restore: Option<Restore>,
    /// What was proven without any check; null when it was not tried.
    proof: Option<Proof>,
    /// Time objectives that the scenario sets.
    objectives: Vec<Objective>,
    /// The stages, in order, those that were skipped too.
    stages: Vec<Stage>,
    /// How many checks ended how.
    check_counts: CheckCounts,
    /// The checks, in the order of the scenario, those that were skipped too.
    checks: Vec<Check>,
    /// What this drill does not show, and why.
    not_tested: Vec<NotTested>,
    /// The command line that repeats this drill.
    repeat: String,
}

/// What a drill shows.
#[derive(Debug, Serialize, JsonSchema)]
enum VerdictWord {
    /// Every stage and every required check passed, objectives met. Exit code 0.
    #[serde(rename = "PROVEN")]
    Proven,
    /// The restore failed or a required check failed. Exit code 10.
    #[serde(rename = "NOT PROVEN")]
    NotProven,
    /// The data is good, but too slow or too old. Exit code 11.
    #[serde(rename = "OBJECTIVE MISSED")]
    ObjectiveMissed,
    /// Something could not be looked at; says nothing about the backup. Exit code 3.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// No check ran. Exit code 4.
    #[serde(rename = "NOTHING CHECKED")]
    NothingChecked,
    /// A signal ended the drill. Exit code 130.
    #[serde(rename = "INTERRUPTED")]
    Interrupted,
}

/// How a stage or a check ended.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OutcomeWord {
    /// It was looked at and it is as it must be.
    Pass,
    /// It was looked at and it is not as it must be.
    Fail,
    /// It could not be looked at: this says nothing about the backup.
    Error,
    /// It was not tried; `skipped_because` says why.
    Skipped,
}

/// Which scenario was drilled.
#[derive(Debug, Serialize, JsonSchema)]
struct Scenario {
    /// Its name.
    name: String,
    /// Its description.
    description: Option<String>,
    /// Its file, as it was given.
    file: String,
    /// SHA-256 of the file, in hexadecimal.
    sha256: String,
    /// The kinds and ids of checks that were asked for; empty for all of them.
    only: Vec<String>,
}

/// Which backup was restored, and what it says of itself.
#[derive(Debug, Serialize, JsonSchema)]
struct Backup {
    /// Where it lies: a path, `s3://bucket/key`, an address, a command.
    origin: String,
    /// How it was chosen.
    chosen: String,
    /// What there was to choose from, newest first; empty where there was no choice.
    candidates: Vec<Candidate>,
    /// How many more there were.
    unlisted: u64,
    /// What kind of backup it is.
    format: String,
    /// Size of the file.
    size_bytes: u64,
    /// Size after decompression, where it is compressed as a whole.
    uncompressed_bytes: Option<u64>,
    /// SHA-256 of the file, in hexadecimal; of a folder, of the sorted lines `SHA-256  BYTES  NAME` of its files.
    sha256: String,
    /// What that was found to agree with; null when nothing says what it must be.
    sha256_agrees_with: Option<String>,
    /// When it was made; null when that is not known.
    made: Option<Made>,
    /// Age when the drill began; null when its time is not known.
    age_s: Option<f64>,
    /// Version of the server it was taken from.
    source_version: Option<String>,
    /// Version of the program that wrote it.
    dump_version: Option<String>,
    /// Databases it restores into.
    databases: Vec<String>,
    /// Extensions it names.
    extensions: Vec<String>,
    /// Schemas it makes or puts tables into.
    schemas: Vec<String>,
    /// AGE graphs.
    graphs: Vec<String>,
    /// Roles it creates.
    roles: Vec<String>,
    /// Roles it names and does not create.
    roles_needed: Vec<String>,
    /// Row security policies.
    policies: u64,
    /// Which servers can take it.
    servers: String,
    /// What was compared with the backup before; null where there is none.
    previous: Option<String>,
    /// The dumps of a bundle, in the order of their restore; empty for a single dump.
    dumps: Vec<Dump>,
    /// Tables with rows.
    tables: u64,
    /// Rows of all tables.
    rows: u64,
    /// Large objects.
    large_objects: u64,
    /// What a backup of this kind does not hold.
    not_held: Vec<NotTested>,
}

/// Something that lies where backups lie.
#[derive(Debug, Serialize, JsonSchema)]
struct Candidate {
    /// Its name.
    name: String,
    /// Its size.
    size_bytes: u64,
    /// The time in its name.
    #[schemars(extend("format" = "date-time"))]
    time: Option<String>,
    /// Why it was not taken; null for the one that was.
    not_taken: Option<String>,
}

/// One dump of a bundle.
#[derive(Debug, Serialize, JsonSchema)]
struct Dump {
    /// Its name in the bundle.
    name: String,
    /// What kind of dump it is.
    format: String,
    /// Its size in the bundle.
    size_bytes: u64,
    /// SHA-256 of it as it lies in the bundle.
    sha256: String,
    /// Tables with rows.
    tables: u64,
    /// Rows of all tables.
    rows: u64,
}

/// When a backup was made.
#[derive(Debug, Serialize, JsonSchema)]
struct Made {
    /// The time.
    #[schemars(extend("format" = "date-time"))]
    at: String,
    /// How it is known.
    known_by: TimeSource,
}

/// How the time of a backup is known.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TimeSource {
    /// The file's name carries it.
    Name,
    /// The archive's header carries it.
    Header,
    /// Only the file system tells: weak, because a copy changes it.
    ModificationTime,
}

/// Where the backup was restored.
#[derive(Debug, Serialize, JsonSchema)]
struct Server {
    /// `container` or `local`.
    provider: String,
    /// Image name and id, or folder of the programs.
    origin: String,
    /// Version of the server.
    version: String,
    /// The extensions that the backup names, as this server has them.
    extensions: Vec<Extension>,
    /// What keeps the backup's code away from the machine.
    isolation: Vec<String>,
    /// Where that is weaker than it could be.
    weaknesses: Vec<String>,
    /// Why this provider was taken.
    chosen: String,
    /// Time from nothing to the first answer.
    started_in_s: f64,
}

/// An extension of the server.
#[derive(Debug, Serialize, JsonSchema)]
struct Extension {
    /// Its name.
    name: String,
    /// Its version.
    version: String,
}

/// How the restore went.
#[derive(Debug, Serialize, JsonSchema)]
struct Restore {
    /// The program, with its version.
    method: String,
    /// Time of the whole restore.
    duration_s: f64,
    /// Time per phase.
    phases: Vec<Phase>,
    /// Statements that failed and are not tolerated.
    errors: u64,
    /// Messages that were let pass.
    tolerated: Vec<Tolerated>,
    /// Rows per table, once the contents were compared.
    rows: Vec<TableRows>,
}

/// A phase of a restore.
#[derive(Debug, Serialize, JsonSchema)]
struct Phase {
    /// Its name.
    name: String,
    /// Wall time.
    duration_s: f64,
}

/// A message of the restore that was let pass.
#[derive(Debug, Serialize, JsonSchema)]
struct Tolerated {
    /// The message.
    message: String,
    /// How often it came.
    times: u64,
    /// Why it was let pass.
    reason: String,
}

/// Rows of one table.
#[derive(Debug, Serialize, JsonSchema)]
struct TableRows {
    /// Database.
    database: String,
    /// `schema.table`.
    table: String,
    /// Rows in the backup.
    backup: u64,
    /// Rows in the restored database; null when the table is not there or was not counted.
    restored: Option<u64>,
    /// What became of their values; null when they were not to be compared.
    values: Option<Values>,
}

/// What became of the values of a table's rows.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Values {
    /// They are those of the backup, every one.
    Same,
    /// They are not.
    Differ,
    /// They could not be compared; `not_tested` says why.
    NotCompared,
}

/// What was proven without any check.
#[derive(Debug, Serialize, JsonSchema)]
struct Proof {
    /// How much was to be proven: `off`, `objects`, `counts` or `full`.
    level: String,
    /// Tables whose rows have the values of the backup, every one.
    tables: usize,
    /// Sequences whose values were compared.
    sequences: u64,
    /// Materialized views that were found filled.
    materialized_views: u64,
    /// Large objects whose content was compared.
    large_objects: u64,
}

/// An objective of the scenario and what was measured: a time, or backups that are kept.
#[derive(Debug, Serialize, JsonSchema)]
struct Objective {
    /// The scenario's own key: `restore-within`, `max-age`, `daily`, `weekly` or `monthly`.
    name: String,
    /// At most this time; null when the objective is none of time.
    limit_s: Option<f64>,
    /// This was the time; null when it was not measured.
    actual_s: Option<f64>,
    /// So many days, weeks or months must have a backup; null for a time.
    wanted: Option<u64>,
    /// So many have one.
    kept: Option<u64>,
    /// Those without one.
    missing: Vec<String>,
    /// Whether it was met; null when it was not measured.
    met: Option<bool>,
}

/// What became of one stage.
#[derive(Debug, Serialize, JsonSchema)]
struct Stage {
    /// `backup`, `server`, `restore`, `contents` or `teardown`.
    name: String,
    /// What it shows when it passes.
    title: String,
    /// How it ended.
    outcome: OutcomeWord,
    /// Why it was skipped; null unless it was.
    skipped_because: Option<String>,
    /// One line: what was looked at, or why it failed.
    summary: String,
    /// What is wrong; warnings when the outcome is `pass`.
    findings: Vec<Finding>,
    /// Wall time.
    duration_s: f64,
}

/// How many checks ended how.
#[derive(Debug, Serialize, JsonSchema)]
struct CheckCounts {
    /// All checks of the scenario.
    total: usize,
    /// Those that passed.
    pass: usize,
    /// Those that failed, the ones that are not required too.
    fail: usize,
    /// Those that could not look, the ones that are not required too.
    error: usize,
    /// Those that were skipped.
    skipped: usize,
}

/// What became of one check.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// Stable within the scenario.
    id: String,
    /// The object that this entry is about, where the check names several by a list or a pattern;
    /// `id` and `object` together are unique in a drill.
    object: Option<String>,
    /// The kind of check.
    kind: String,
    /// Its name.
    name: String,
    /// Line of the scenario file, counted from 1.
    line: usize,
    /// Whether the verdict depends on it.
    required: bool,
    /// The database it looked at.
    database: String,
    /// How it ended.
    outcome: OutcomeWord,
    /// Why it was skipped; null unless it was.
    skipped_because: Option<String>,
    /// What was expected, in one line.
    expected: String,
    /// What was found, in one line.
    actual: String,
    /// What is wrong, in detail.
    findings: Vec<Finding>,
    /// Wall time.
    duration_s: f64,
}

/// One thing that is not as expected, or that could not be looked at.
#[derive(Debug, Serialize, JsonSchema)]
struct Finding {
    /// The object it is about, as SQL would name it.
    object: Option<String>,
    /// What should have been there.
    expected: String,
    /// What was there.
    actual: String,
    /// What a person can do next.
    hint: Option<String>,
}

/// Something that the drill does not show.
#[derive(Debug, Serialize, JsonSchema)]
struct NotTested {
    /// What.
    what: String,
    /// Why not.
    why: String,
}
