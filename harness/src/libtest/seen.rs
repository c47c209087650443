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
    skipped_because: Option<String>,
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
    expected: String,
    actual: String,
    findings: Vec<Finding>,
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
pub(super) type Told = Result<Option<String>, String>;

impl Seen {
    /// Reads `drill.json`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("drill.json cannot be read: {error}"))
    }

    /// Tells of one stage.
    pub(super) fn stage(&self, name: &str) -> Told {
        let stage = self.stages.iter().find(|stage| stage.name == name);
        let Some(stage) = stage else {
            return Err(format!("the drill did not come to the stage `{name}`"));
        };
        match (stage.outcome.as_str(), &stage.skipped_because) {
            ("pass", _) => Ok(None),
            (_, Some(reason)) => Err(format!("not tried: {reason}")),
            ("error", None) => Err(with(
                format!("could not run: {}", stage.summary),
                &stage.findings,
            )),
            (_, None) => Err(with(stage.summary.clone(), &stage.findings)),
        }
    }

    /// Tells of one check: of all objects that it looked at.
    pub(super) fn check(&self, id: &str) -> Told {
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
    pub(super) fn verdict(&self) -> Told {
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
        let what = match (self.outcome.as_str(), &self.skipped_because) {
            (_, Some(reason)) => return format!("{about}not tried: {reason}"),
            ("error", None) => format!("{about}could not run: {}", self.actual),
            (_, None) => format!("{about}expected {}, found {}", self.expected, self.actual),
        };
        let place = format!(
            "line {} of the scenario, database {}",
            self.line, self.database
        );
        format!("{}\n{place}", with(what, &self.findings))
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
