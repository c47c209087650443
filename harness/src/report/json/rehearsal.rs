//! The output of a rehearsal: `rehearsal.json`. It is the record of a rehearsal: `read` gives the result again.

mod read;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

pub use self::read::read_rehearsal;
use super::convert::{could_not_run, each, reason};
use super::provenance::Provenance;
use super::{
    Backup, Check, CouldNotRun, Finding, NotTested, OutcomeWord, SCHEMA, Scenario, Server,
};
use crate::exit_code;
use crate::outcome::{self, RehearsalResult};
use crate::verdict::RehearsalVerdict;

/// Writes the report, with a line end at its end.
///
/// # Errors
/// None in practice: every value of the shape can be written.
pub fn render_rehearsal(
    result: &RehearsalResult,
    verdict: RehearsalVerdict,
) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&Rehearsal::of(result, verdict))?;
    text.push('\n');
    Ok(text)
}

/// Makes the JSON Schema of the report.
#[must_use]
pub fn rehearsal_schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Rehearsal>()
        .into()
}

/// Everything that one rehearsal of a release found. Times are those of the machine that it ran on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "redrill rehearsal report")]
struct Rehearsal {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA))]
    schema: u32,
    /// The verdict: SAFE, UNSAFE, INCONCLUSIVE, NOTHING PENDING or INTERRUPTED.
    verdict: String,
    /// What the verdict means.
    meaning: String,
    /// The exit code of the verdict.
    exit_code: u8,
    /// The verdict of the drill that restored the backup, which the rehearsal never changes.
    drill: String,
    /// The kept server that was copied; null where the backup was restored for this rehearsal.
    kept: Option<KeptServer>,
    /// Whether a signal interrupted it.
    interrupted: bool,
    /// Id of the run.
    run: String,
    /// Version of redrill.
    redrill: String,
    /// Who ran it, where and with which program.
    provenance: Provenance,
    /// When the rehearsal began.
    #[schemars(extend("format" = "date-time"))]
    started: String,
    /// Wall time, without the drill.
    duration_s: f64,
    /// The state that it is to be recorded in: a folder, or `s3://bucket/prefix`, as it was given; null for none.
    #[serde(default)]
    state: Option<String>,
    /// The scenario.
    scenario: Scenario,
    /// The backup; null when none was found.
    backup: Option<Backup>,
    /// The server of the copies; null when none was started.
    server: Option<Server>,
    /// The command of the release.
    command: Vec<String>,
    /// The role that it ran as.
    role: String,
    /// The steps, in order, including skipped ones.
    steps: Vec<Step>,
    /// What the migrations did; null when they did not run.
    migration: Option<Migration>,
    /// The checks on the migrated copy.
    checks: Vec<CheckAfter>,
    /// What was not tested, and why.
    not_tested: Vec<NotTested>,
    /// The command line that repeats it.
    repeat: String,
}

/// A server that `redrill run --keep` kept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct KeptServer {
    /// Its name.
    name: String,
    /// Name of the scenario that it was restored by.
    scenario: String,
    /// Id of the run of its drill.
    run: String,
    /// When it is removed.
    #[schemars(extend("format" = "date-time"))]
    until: String,
    /// Why nothing that runs on it is SAFE, in addition to the verdict of its drill.
    doubts: Vec<String>,
}

/// A step.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Step {
    /// Its name.
    name: String,
    /// What it shows when it passes.
    title: String,
    /// How it ended.
    outcome: OutcomeWord,
    /// Why it was not run; null unless skipped.
    skipped_because: Option<String>,
    /// Why it could not run; null unless an error.
    could_not_run: Option<CouldNotRun>,
    /// One line.
    summary: String,
    /// All faults; advice when it passed.
    findings: Vec<Finding>,
    /// Wall time.
    duration_s: f64,
}

/// What one run of the migrations did.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Migration {
    /// Wall time of the tool.
    duration_s: f64,
    /// Number of its connections.
    connections: usize,
    /// Number of its statements.
    statements: usize,
    /// The migrations one by one, in order; empty where the tool keeps no history that is known.
    migrations: Vec<OneMigration>,
    /// The longest of them, without values, the longest first.
    longest: Vec<Statement>,
    /// Tables that were there before and that were locked.
    tables: Vec<Table>,
    /// WAL that the server wrote meanwhile.
    wal_bytes: u64,
    /// Temporary files.
    temporary_bytes: u64,
    /// Size of the databases before.
    size_before_bytes: u64,
    /// Size of the databases afterwards.
    size_after_bytes: u64,
    /// What differs afterwards.
    changes: Vec<Change>,
}

/// One migration of the run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct OneMigration {
    /// Its version in the history; null where that is not known.
    name: Option<String>,
    /// Whether the tool wrote it into its history.
    recorded: bool,
    /// Number of its statements.
    statements: usize,
    /// How long the server took for them.
    duration_s: f64,
    /// Of the locks on tables that were there before: the one that keeps others waiting for longest; null for none.
    lock: Option<Lock>,
}

/// A lock on a table.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Lock {
    /// The name of the table.
    table: String,
    /// Its mode.
    mode: String,
    /// For how long it was held.
    held_s: f64,
}

/// A statement of the tool.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Statement {
    /// Its text, without values.
    text: String,
    /// How long the server took.
    duration_s: f64,
    /// SQLSTATE of its error; null for none.
    error: Option<String>,
}

/// What the migrations did to a table that was there before.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Table {
    /// Its name.
    table: String,
    /// The lock that others wait for longest, otherwise the strongest.
    lock: String,
    /// Whether that keeps readers waiting too.
    blocks_readers: bool,
    /// For how long locks were held that keep others waiting; null for none.
    held_s: Option<f64>,
    /// The statement that took it, without values.
    statement: String,
    /// How long a reader was kept waiting; null where none was tried.
    readers_waited_s: Option<f64>,
    /// How long a writer was kept waiting; null where none was tried.
    writers_waited_s: Option<f64>,
}

/// A difference between before and afterwards.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Change {
    /// How a scenario names it.
    name: String,
    /// One line about it; empty where the name says everything.
    text: String,
    /// Whether a review must accept it.
    needs_review: bool,
    /// The reason for which the scenario accepts it; null where it does not.
    accepted: Option<String>,
}

/// A check on the migrated copy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct CheckAfter {
    /// How it ended before the migrations; null where `[after]` adds it.
    before: Option<OutcomeWord>,
    /// Its result.
    result: Check,
}

impl Rehearsal {
    fn of(result: &RehearsalResult, verdict: RehearsalVerdict) -> Self {
        Self {
            schema: SCHEMA,
            verdict: verdict.word().to_owned(),
            meaning: verdict.meaning().to_owned(),
            exit_code: exit_code::of_rehearsal(verdict),
            drill: result.drill.to_string(),
            kept: result.kept.as_ref().map(|kept| KeptServer {
                name: kept.name.clone(),
                scenario: kept.scenario.clone(),
                run: kept.run.clone(),
                until: kept.until.to_string(),
                doubts: kept.doubts.clone(),
            }),
            interrupted: result.interrupted,
            run: result.run.clone(),
            redrill: result.redrill.clone(),
            provenance: Provenance::of(&result.provenance),
            started: result.started.to_string(),
            duration_s: result.duration.as_secs_f64(),
            state: result.state.clone(),
            scenario: Scenario::of(&result.scenario),
            backup: result
                .backup
                .as_ref()
                .map(|backup| Backup::of(backup, result.started)),
            server: result.server.as_ref().map(Server::of),
            command: result.command.clone(),
            role: result.role.clone(),
            steps: each(&result.steps, Step::of),
            migration: result.migration.as_ref().map(Migration::of),
            checks: each(&result.checks, |check| CheckAfter {
                before: check.before.as_ref().map(OutcomeWord::from),
                result: Check::of(&check.result),
            }),
            not_tested: each(&result.not_tested, NotTested::of),
            repeat: result.repeat.clone(),
        }
    }
}

impl Step {
    fn of(step: &outcome::StepResult) -> Self {
        Self {
            name: step.step.word().to_owned(),
            title: step.step.title().to_owned(),
            outcome: OutcomeWord::from(&step.outcome),
            skipped_because: reason(&step.outcome),
            could_not_run: could_not_run(&step.outcome),
            summary: step.summary.clone(),
            findings: each(&step.findings, Finding::of),
            duration_s: step.duration.as_secs_f64(),
        }
    }
}

impl Migration {
    fn of(migration: &outcome::MigrationFacts) -> Self {
        let seconds = |span: Option<std::time::Duration>| span.map(|span| span.as_secs_f64());
        Self {
            duration_s: migration.duration.as_secs_f64(),
            connections: migration.connections,
            statements: migration.statements,
            migrations: each(&migration.migrations, |one| OneMigration {
                name: one.name.clone(),
                recorded: one.recorded,
                statements: one.statements,
                duration_s: one.duration.as_secs_f64(),
                lock: one.lock.as_ref().map(|lock| Lock {
                    table: lock.table.clone(),
                    mode: lock.mode.to_string(),
                    held_s: lock.held.as_secs_f64(),
                }),
            }),
            longest: each(&migration.longest, |one| Statement {
                text: one.text.clone(),
                duration_s: one.duration.as_secs_f64(),
                error: one.error.clone(),
            }),
            tables: each(&migration.tables, |one| Table {
                table: one.table.clone(),
                lock: one.lock.to_string(),
                blocks_readers: one.blocks_readers,
                held_s: seconds(one.held),
                statement: one.statement.clone(),
                readers_waited_s: seconds(one.readers_waited),
                writers_waited_s: seconds(one.writers_waited),
            }),
            wal_bytes: migration.wal_bytes,
            temporary_bytes: migration.temporary_bytes,
            size_before_bytes: migration.size_before,
            size_after_bytes: migration.size_after,
            changes: each(&migration.changes, |one| Change {
                name: one.name.clone(),
                text: one.text.clone(),
                needs_review: one.needs_review,
                accepted: one.accepted.clone(),
            }),
        }
    }
}
