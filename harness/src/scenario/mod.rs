//! A TOML file → a validated [`Scenario`]. Works offline: no network, no database, no container
//! engine is asked, and the environment comes in as a value.
//!
//! - `file` is the shape of the file; providers, restore methods and checks own their parts of it
//! - `validate` is its meaning, `only` a selection of its checks, `schema` the JSON Schema for editors

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
    /// The folder that relative paths start from: the scenario file's own.
    pub folder: PathBuf,
    /// Where the backup lies.
    pub backup: Subject,
    /// The backup may be at most this old.
    pub max_age: Option<Duration>,
    /// Which provider.
    pub server: server::settings::Server,
    /// How to restore.
    pub restore: restore::settings::Restore,
    /// How much of the backup is proven to be in the database without any check.
    pub proof: Level,
    /// The restore may take at most this long.
    pub restore_within: Option<Duration>,
    /// What a drill that is not PROVEN means, and whom it is told.
    pub incident: Option<Incident>,
    /// What the scenario itself says it does not test.
    pub not_tested: Vec<NotTested>,
    /// What must be true.
    pub checks: Vec<ScenarioCheck>,
}

/// A check as a scenario asks for it.
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
    /// The database to look at, where the scenario names one.
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
/// All mistakes of the file at once, each with its line and caret.
pub fn load(path: &Path, environment: &Environment) -> Result<Scenario, Diagnostics> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Diagnostics::unreadable(path, &error))?;
    parse(path, &text, environment)
}

/// Validates the text of a scenario file that lies at `path`.
///
/// # Errors
/// All mistakes of the file at once, each with its line and caret.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Scenario, Diagnostics> {
    let mut problems = Vec::new();
    let scenario = validate::scenario(path, text, environment, &mut problems);
    match scenario {
        Some(scenario) if problems.is_empty() => Ok(scenario),
        Some(_) | None => Err(Diagnostics::new(path, text, problems)),
    }
}
