//! The message for an incident tool: short, for machines. This file owns its shape and the
//! version of the shape.
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
use crate::verdict::{Verdict, explain};

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

/// Writes the body for the incoming webhooks of Slack: a text in which nothing is a link, a mention or markup.
///
/// # Errors
/// None in practice.
pub fn render_slack(result: &DrillResult, verdict: Verdict) -> serde_json::Result<String> {
    /// More would not be read in a channel.
    const LINES: usize = 5;
    let severity = view::severity(result, verdict);
    let mut text = summary(result, verdict, severity);
    let failures = failures(result);
    for failure in failures.iter().take(LINES) {
        text += &format!("\n- {}", line(&failure.why));
    }
    if failures.len() > LINES {
        text += &format!("\n- and {} more", failures.len() - LINES);
    }
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    // The address of the job is ours, and may be a link.
    let job = result
        .provenance
        .ci
        .as_ref()
        .and_then(|ci| ci.url.as_deref());
    let job = job.map_or_else(String::new, |url| format!("\n{}", line(url)));
    serde_json::to_string(&serde_json::json!({
        "text": escaped + &job,
        "mrkdwn": false,
    }))
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
    /// The same for every drill of this scenario with the same `--only`, so that one incident is opened and closed.
    dedup_key: String,
    /// Whether somebody must act: true for every verdict but PROVEN and CHECKS PASSED, also WITH WAIVERS.
    open: bool,
    /// Severity from the scenario; null for PROVEN and CHECKS PASSED.
    severity: Option<String>,
    /// `PROVEN`, `PROVEN WITH WAIVERS`, `CHECKS PASSED`, `CHECKS PASSED WITH WAIVERS`, `NOT PROVEN`, `OBJECTIVE MISSED`, `INCONCLUSIVE`, `NOTHING CHECKED`, `INTERRUPTED`.
    verdict: String,
    /// What the verdict means, one sentence.
    meaning: String,
    /// Severity, scenario, verdict and the first reason, in one line.
    summary: String,
    /// The exit code of the verdict.
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
    /// The scenario.
    scenario: Scenario,
    /// The backup; null when none was found.
    backup: Option<Backup>,
    /// The first reasons why the verdict is not PROVEN.
    failures: Vec<Failure>,
    /// Number of further reasons.
    more_failures: usize,
    /// Paths of the reports; empty when they could not be written.
    reports: Vec<String>,
    /// The command line that repeats the drill.
    repeat: String,
}

/// The scenario of a drill.
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

/// The backup of a drill.
#[derive(Debug, Serialize, JsonSchema)]
struct Backup {
    /// Location.
    origin: String,
    /// Its SHA-256, in hexadecimal.
    sha256: String,
    /// When it was made; null when that is not known.
    #[schemars(extend("format" = "date-time"))]
    made: Option<String>,
}

/// A reason why the verdict is not PROVEN.
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
            // Selected checks that pass must not close the incident of a drill of all checks.
            dedup_key: format!("redrill:{}", scenario.title()),
            open: !verdict.passed(),
            summary: summary(result, verdict, severity.as_deref()),
            severity,
            verdict: verdict.word().to_owned(),
            meaning: explain(result, verdict),
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

/// Severity, scenario, verdict and the first reason, in one line.
fn summary(result: &DrillResult, verdict: Verdict, severity: Option<&str>) -> String {
    let severity = severity
        .map(|severity| format!("{severity}: "))
        .unwrap_or_default();
    let name = result.scenario.title();
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
        Outcome::Error(_) => Some("error"),
        Outcome::Pass | Outcome::Waived | Outcome::Skipped { .. } => None,
    };
    let stages = result.stages.iter().filter_map(|stage| {
        Some(Failure {
            of: "stage",
            name: stage.stage.word().to_owned(),
            outcome: word(&stage.outcome)?,
            why: line(view::stage_why(stage)),
        })
    });
    let required = view::by_severity(result)
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
            name: objective.name.to_string(),
            outcome,
            why: line(&view::objective_line(objective)),
        })
    });
    stages.chain(checks).chain(objectives).collect()
}
