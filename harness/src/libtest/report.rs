//! The parts of `drill.json` that tests report; another process may have written it.

use serde::Deserialize;

use crate::exit_code;
use crate::report::json::{Check, CouldNotRun, Finding, OutcomeWord, Stage};

/// The result of a drill.
#[derive(Debug, Deserialize)]
pub(super) struct DrillReport {
    verdict: String,
    meaning: String,
    exit_code: u8,
    stages: Vec<Stage>,
    checks: Vec<Check>,
}

/// `None` when it passed, the reason when it is ignored; an error is the reason of a failure.
pub(super) type PartResult = Result<Option<String>, String>;

impl DrillReport {
    /// Parses `drill.json`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("drill.json cannot be read: {error}"))
    }

    /// The result of a stage.
    pub(super) fn stage(&self, name: &str) -> PartResult {
        let stage = self.stages.iter().find(|stage| stage.name == name);
        let Some(stage) = stage else {
            return Err(format!("the drill has no result of the stage `{name}`"));
        };
        if stage.outcome == OutcomeWord::Pass {
            return Ok(None);
        }
        if let Some(reason) = &stage.skipped_because {
            return match stage.required {
                true => Err(format!("not run: {reason}")),
                false => Ok(Some(format!("not required: {reason}"))),
            };
        }
        let what = match &stage.could_not_run {
            Some(error) => text_of(error),
            None => stage.summary.clone(),
        };
        Err(with_findings(what, &stage.findings))
    }

    /// The result of a check, over all of its objects.
    pub(super) fn check(&self, id: &str) -> PartResult {
        let all: Vec<&Check> = self.checks.iter().filter(|check| check.id == id).collect();
        if all.is_empty() {
            return Err("the drill has no result of this check".to_owned());
        }
        let bad: Vec<&Check> = all
            .into_iter()
            .filter(|check| check.outcome != OutcomeWord::Pass)
            .collect();
        if bad.is_empty() {
            return Ok(None);
        }
        let why: Vec<String> = bad.iter().map(|check| reason_of(check)).collect();
        let why = why.join("\n");
        let is_waived = |check: &&Check| check.outcome == OutcomeWord::Waived;
        let first = why.lines().next().unwrap_or_default();
        if bad.iter().all(|check| !check.required) {
            Ok(Some(format!("not required: {first}")))
        } else if bad.iter().all(|check| !check.required || is_waived(check)) {
            Ok(Some(format!("waived: {first}")))
        } else {
            Err(why)
        }
    }

    /// The verdict, including objectives.
    pub(super) fn verdict(&self) -> PartResult {
        if self.verdict == "PROVEN" {
            return Ok(None);
        }
        let text = format!(
            "{} (exit code {}). {}",
            self.verdict, self.exit_code, self.meaning
        );
        match self.exit_code {
            exit_code::WITH_WAIVERS => Ok(Some(text)),
            _ => Err(text),
        }
    }
}

/// Why a check did not pass, for one of its objects.
fn reason_of(check: &Check) -> String {
    let about = check.object.as_ref().map(|object| format!("{object}: "));
    let about = about.unwrap_or_default();
    if let Some(reason) = &check.skipped_because {
        return format!("{about}not run: {reason}");
    }
    let what = match &check.could_not_run {
        Some(error) => format!("{about}{}", text_of(error)),
        None => format!("{about}expected {}, found {}", check.expected, check.actual),
    };
    let place = format!(
        "line {} of the scenario, database {}",
        check.line, check.database
    );
    format!("{}\n{place}", with_findings(what, &check.findings))
}

fn text_of(error: &CouldNotRun) -> String {
    let hint = error.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
    format!(
        "could not run: {}{}",
        error.reason,
        hint.unwrap_or_default()
    )
}

/// Adds findings, one line each.
fn with_findings(what: String, findings: &[Finding]) -> String {
    let mut text = what;
    for finding in findings {
        let object = finding.object.as_ref().map(|object| format!("{object}: "));
        text.push_str(&format!(
            "\n- {}expected {}, found {}",
            object.unwrap_or_default(),
            finding.expected,
            finding.actual
        ));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("\n  hint: {hint}"));
        }
    }
    text
}
