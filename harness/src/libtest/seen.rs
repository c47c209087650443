//! What the tests of a drill need of its `drill.json`: it may have been written by another process.

use serde::Deserialize;

/// What a drill found.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Seen {
    verdict: String,
    meaning: String,
    exit_code: u8,
    stages: Vec<Stage>,
    checks: Vec<Check>,
}

#[derive(Debug, Clone, Deserialize)]
struct Stage {
    name: String,
    outcome: String,
    required: bool,
    skipped_because: Option<String>,
    could_not_run: Option<CouldNotRun>,
    summary: String,
    findings: Vec<Finding>,
}

#[derive(Debug, Clone, Deserialize)]
struct Check {
    id: String,
    object: Option<String>,
    line: usize,
    required: bool,
    database: String,
    outcome: String,
    skipped_because: Option<String>,
    could_not_run: Option<CouldNotRun>,
    expected: String,
    actual: String,
    findings: Vec<Finding>,
}

#[derive(Debug, Clone, Deserialize)]
struct CouldNotRun {
    reason: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Finding {
    object: Option<String>,
    expected: String,
    actual: String,
    hint: Option<String>,
}

/// What a test says: nothing when it passed, why when it may be ignored.
///
/// # Errors
/// Why it failed.
pub(super) type PartResult = Result<Option<String>, String>;

impl Seen {
    /// Reads `drill.json`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("drill.json cannot be read: {error}"))
    }

    /// Tells of one stage.
    pub(super) fn stage(&self, name: &str) -> PartResult {
        let stage = self.stages.iter().find(|stage| stage.name == name);
        let Some(stage) = stage else {
            return Err(format!("the drill did not come to the stage `{name}`"));
        };
        if stage.outcome == "pass" {
            return Ok(None);
        }
        if let Some(reason) = &stage.skipped_because {
            return match stage.required {
                true => Err(format!("not tried: {reason}")),
                false => Ok(Some(format!("not required: {reason}"))),
            };
        }
        let what = match &stage.could_not_run {
            Some(error) => error.text(),
            None => stage.summary.clone(),
        };
        Err(with(what, &stage.findings))
    }

    /// Tells of one check: of all objects that it looked at.
    pub(super) fn check(&self, id: &str) -> PartResult {
        let all: Vec<&Check> = self.checks.iter().filter(|check| check.id == id).collect();
        if all.is_empty() {
            return Err("the drill did not come to this check".to_owned());
        }
        let bad: Vec<&Check> = all
            .into_iter()
            .filter(|check| check.outcome != "pass")
            .collect();
        if bad.is_empty() {
            return Ok(None);
        }
        let why: Vec<String> = bad.iter().map(|check| check.why()).collect();
        let why = why.join("\n");
        if bad.iter().all(|check| !check.required) {
            let first = why.lines().next().unwrap_or_default();
            Ok(Some(format!("not required: {first}")))
        } else {
            Err(why)
        }
    }

    /// Tells what the whole drill shows, objectives included.
    pub(super) fn verdict(&self) -> PartResult {
        if self.verdict == "PROVEN" {
            return Ok(None);
        }
        Err(format!(
            "{} (exit code {}). {}",
            self.verdict, self.exit_code, self.meaning
        ))
    }
}

impl Check {
    fn why(&self) -> String {
        let about = self.object.as_ref().map(|object| format!("{object}: "));
        let about = about.unwrap_or_default();
        if let Some(reason) = &self.skipped_because {
            return format!("{about}not tried: {reason}");
        }
        let what = match &self.could_not_run {
            Some(error) => format!("{about}{}", error.text()),
            None => format!("{about}expected {}, found {}", self.expected, self.actual),
        };
        let place = format!(
            "line {} of the scenario, database {}",
            self.line, self.database
        );
        format!("{}\n{place}", with(what, &self.findings))
    }
}

impl CouldNotRun {
    fn text(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
        format!("could not run: {}{}", self.reason, hint.unwrap_or_default())
    }
}

/// Adds findings, a line each.
fn with(what: String, findings: &[Finding]) -> String {
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
