//! A TOML file → a validated [`Scenario`]. Works offline: without network, database or container
//! engine, and the environment is passed as a value.
//!
//! - `file`: the keys of the file; providers, restore methods and checks own their parts of it
//! - `validate`: its validation; `only`: a selection of its checks; `schema`: the JSON Schema

pub mod file;
pub mod only;
pub mod schema;
mod validate;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backup::examine::Subject;
use crate::check::Check;
use crate::incident::Incident;
use crate::input::{Diagnostics, Environment};
use crate::outcome::{NotTested, ScenarioFacts};
use crate::proof::settings::Level;
use crate::{restore, server};

/// A validated scenario.
pub struct Scenario {
    /// Name, description, file and digest.
    pub facts: ScenarioFacts,
    /// Base of relative paths: the folder of the scenario file.
    pub folder: PathBuf,
    /// The source of the backup.
    pub backup: Subject,
    /// Maximum age of the backup.
    pub max_age: Option<Duration>,
    /// Settings of the server.
    pub server: server::settings::Server,
    /// Settings of the restore.
    pub restore: restore::settings::Restore,
    /// How much of the backup is compared with the database.
    pub proof: Level,
    /// Maximum time of the restore.
    pub restore_within: Option<Duration>,
    /// Severity and webhook for a drill that is not PROVEN.
    pub incident: Option<Incident>,
    /// What the scenario declares as not tested.
    pub not_tested: Vec<NotTested>,
    /// The checks.
    pub checks: Vec<ScenarioCheck>,
}

/// A check in a scenario.
pub struct ScenarioCheck {
    /// Stable within the scenario: `row-count/orders-is-not-hollow`.
    pub id: String,
    /// The kind.
    pub kind: &'static str,
    /// The name that reports show.
    pub name: String,
    /// Line of the scenario file, counted from 1.
    pub line: usize,
    /// Whether the verdict depends on it.
    pub required: bool,
    /// The database to check, where the scenario names one.
    pub database: Option<String>,
    /// Limit of the whole check.
    pub timeout: Duration,
    /// The check itself.
    pub check: Box<dyn Check>,
}

/// Lists the scenario files of a folder, in the order of their names.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

/// Reads and validates a scenario file.
///
/// # Errors
/// All errors of the file, each with its line and caret.
pub fn load(path: &Path, environment: &Environment) -> Result<Scenario, Diagnostics> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Diagnostics::unreadable(path, &error))?;
    parse(path, &text, environment)
}

/// Validates the text of a scenario file at `path`.
///
/// # Errors
/// All errors of the file, each with its line and caret.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Scenario, Diagnostics> {
    let mut problems = Vec::new();
    let scenario = validate::scenario(path, text, environment, &mut problems);
    match scenario {
        Some(scenario) if problems.is_empty() => Ok(scenario),
        Some(_) | None => Err(Diagnostics::new(path, text, problems)),
    }
}
