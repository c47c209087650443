//! What is sent to where incidents are kept: short, for machines. This file owns its shape and the
//! shape's version.
//!
//! Within a version keys are only added; readers ignore keys that they do not know.

use std::path::PathBuf;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::text::line;
use super::view;
use crate::exit_code;
use crate::outcome::{DrillResult, Outcome};
use crate::verdict::Verdict;

/// Version of the shape.
pub const SCHEMA: u32 = 1;
/// The longest list of what failed; the reports have all of it.
const FAILURES: usize = 50;

/// Writes the body.
///
/// # Errors
/// None in practice: every value of the shape can be written.
pub fn render(
    result: &DrillResult,
    verdict: Verdict,
    reports: &[PathBuf],
) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&Message::of(result, verdict, reports))?;
    text.push('\n');
    Ok(text)
}

/// Makes the JSON Schema of the body.
#[must_use]
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Message>()
        .into()
}

/// The result of one drill, for an incident tool.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "redrill incident message")]
struct Message {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA))]
    schema: u32,
    /// The same for every drill of this scenario: what opens and closes one incident.
    dedup_key: String,
    /// Whether there is something to act on: everything but PROVEN.
    open: bool,
    /// How grave it is, as the scenario says; null for PROVEN.
    severity: Option<String>,
    /// `PROVEN`, `NOT PROVEN`, `OBJECTIVE MISSED`, `INCONCLUSIVE`, `NOTHING CHECKED`, `INTERRUPTED`.
    verdict: String,
    /// What the verdict means, one sentence.
    meaning: String,
    /// All of it in one line.
    summary: String,
    /// The exit code that the verdict stands for.
    exit_code: u8,
    /// Id of the run.
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
    /// Which backup; null when none was found.
    backup: Option<Backup>,
    /// What keeps the verdict from being PROVEN, the first of them.
    failures: Vec<Failure>,
    /// How many more there are.
    more_failures: usize,
    /// The reports, where they were written; empty when they could not be.
    reports: Vec<String>,
    /// The command line that repeats the drill.
    repeat: String,
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
}

/// Which backup was drilled.
#[derive(Debug, Serialize, JsonSchema)]
struct Backup {
    /// Where it lies.
    origin: String,
    /// Its SHA-256, in hexadecimal.
    sha256: String,
    /// When it was made; null when that is not known.
    #[schemars(extend("format" = "date-time"))]
    made: Option<String>,
}

/// Something that keeps the verdict from being PROVEN.
#[derive(Debug, Serialize, JsonSchema)]
struct Failure {
    /// `stage`, `check` or `objective`.
    of: &'static str,
    /// Its name, or the id of the check.
    name: String,
    /// `fail` or `error`; an objective that was missed is `fail`.
    outcome: &'static str,
    /// One line.
    why: String,
}

impl Message {
    fn of(result: &DrillResult, verdict: Verdict, reports: &[PathBuf]) -> Self {
        let mut failures = failures(result);
        let more_failures = failures.len().saturating_sub(FAILURES);
        failures.truncate(FAILURES);
        let severity = view::severity(result, verdict).map(str::to_owned);
        let scenario = &result.scenario;
        Self {
            schema: SCHEMA,
            dedup_key: format!("redrill:{}", scenario.name),
            open: verdict != Verdict::Proven,
            summary: summary(result, verdict, severity.as_deref()),
            severity,
            verdict: verdict.word().to_owned(),
            meaning: verdict.meaning().to_owned(),
            exit_code: exit_code::of(verdict),
            run: result.run.clone(),
            redrill: result.redrill.clone(),
            started: result.started.to_string(),
            duration_s: result.duration.as_secs_f64(),
            scenario: Scenario {
                name: scenario.name.clone(),
                description: scenario.description.clone(),
                file: scenario.file.display().to_string(),
                sha256: scenario.sha256.clone(),
            },
            backup: result.backup.as_ref().map(|backup| Backup {
                origin: backup.origin.clone(),
                sha256: backup.sha256.clone(),
                made: backup.made.map(|(made, _)| made.to_string()),
            }),
            failures,
            more_failures,
            reports: reports
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            repeat: result.repeat.clone(),
        }
    }
}

/// One line that says it all.
fn summary(result: &DrillResult, verdict: Verdict, severity: Option<&str>) -> String {
    let severity = severity
        .map(|severity| format!("{severity}: "))
        .unwrap_or_default();
    let name = &result.scenario.name;
    let head = format!("{severity}restore drill of {name}: {}", verdict.word());
    let decisive = view::decisive(result);
    line(&match decisive.as_slice() {
        [] => head,
        [one] => format!("{head}: {one}"),
        [first, more @ ..] => format!("{head}: {first} (and {} more)", more.len()),
    })
}

fn failures(result: &DrillResult) -> Vec<Failure> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Fail => Some("fail"),
        Outcome::Error => Some("error"),
        Outcome::Pass | Outcome::Skipped { .. } => None,
    };
    let stages = result.stages.iter().filter_map(|stage| {
        Some(Failure {
            of: "stage",
            name: stage.stage.word().to_owned(),
            outcome: word(&stage.outcome)?,
            why: line(view::stage_why(stage)),
        })
    });
    let required = view::by_gravity(result)
        .into_iter()
        .filter(|check| check.required);
    let checks = required.filter_map(|check| {
        Some(Failure {
            of: "check",
            name: match &check.object {
                Some(object) => format!("{} [{object}]", check.id),
                None => check.id.clone(),
            },
            outcome: word(&check.outcome)?,
            why: line(&format!("{}: {}", check.title(), view::why(check))),
        })
    });
    let objectives = result.objectives.iter().filter_map(|objective| {
        let outcome = match objective.met() {
            Some(true) => return None,
            Some(false) => "fail",
            None => "error",
        };
        Some(Failure {
            of: "objective",
            name: objective.name.to_owned(),
            outcome,
            why: line(&view::objective_line(objective)),
        })
    });
    stages.chain(checks).chain(objectives).collect()
}
