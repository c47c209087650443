//! A TOML file → a validated [`Scenario`]. Works offline: without network, database or container
//! engine, and the environment is passed as a value.
//!
//! - `file`: the keys of the file; providers, restore methods and checks own their parts of it
//! - `validate`, `checks`, `waiver`: its validation; `only`: a selection of its checks; `schema`: the JSON Schema; `shown`: its text for the record, `effective`: its settings

mod checks;
mod effective;
pub mod file;
pub mod only;
mod place;
mod restore_settings;
pub mod schema;
mod shown;
mod validate;
mod waiver;

pub use validate::{load, load_drills, load_for, parse};
pub use waiver::Waiver;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::backup::companion::Companion;
use crate::backup::settings::Composition;
use crate::baseline::file::is_baseline;
use crate::check::Check;
use crate::incident::{Incident, Webhook};
use crate::outcome::{NotTested, ScenarioFacts};
use crate::proof::physical::settings::Pitr;
use crate::proof::settings::Level;
use crate::rehearse::settings::Rehearse;
use crate::sql::Glob;
use crate::{restore, server};

/// A validated scenario.
#[derive(Clone)]
pub struct Scenario {
    /// Name, description, file and digest.
    pub facts: ScenarioFacts,
    /// Base of relative paths: the folder of the scenario file.
    pub folder: PathBuf,
    /// The source of the backup.
    pub backup: Composition,
    /// What belongs to the backup and is not in it.
    pub companions: Vec<Companion>,
    /// The canary of a base backup.
    pub pitr: Option<Pitr>,
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
    /// Maximum time of the runbook's own command on a server with the settings of production.
    pub runbook_within: Option<Duration>,
    /// How often it must be drilled.
    pub every: Option<Duration>,
    /// Controls of standards that a PROVEN drill is evidence for: `SOC2:A1.3`.
    pub controls: Vec<String>,
    /// Severity and webhook for a drill that is not PROVEN.
    pub incident: Option<Incident>,
    /// Further webhooks for results.
    pub notify: Vec<Webhook>,
    /// What the scenario declares as not tested.
    pub not_tested: Vec<NotTested>,
    /// The checks.
    pub checks: Vec<ScenarioCheck>,
    /// Findings that are accepted for a time.
    pub waivers: Vec<Waiver>,
    /// The rehearsal of a release, where the scenario has one.
    pub rehearse: Option<Rehearse>,
    /// What the release changes of the checks.
    pub after: After,
}

/// A check in a scenario.
#[derive(Clone)]
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
    /// Why it does not.
    pub not_required_because: Option<String>,
    /// The database to check, where the scenario names one.
    pub database: Option<String>,
    /// Limit of the whole check.
    pub timeout: Duration,
    /// Controls of standards that it is evidence for, where it passes in a PROVEN drill.
    pub controls: Vec<String>,
    /// The check itself.
    pub check: Arc<dyn Check>,
}

/// What a release changes of the checks of a scenario.
#[derive(Clone, Default)]
pub struct After {
    /// Checks that hold once it is there. One with the id of a check of the scenario replaces it.
    pub checks: Vec<ScenarioCheck>,
    /// Checks of the scenario that do not hold any more: their ids, in which `*` matches any text.
    pub without: Vec<String>,
}

impl Scenario {
    /// Whether a check starts programs of the application.
    #[must_use]
    pub fn has_programs(&self) -> bool {
        self.checks.iter().any(ScenarioCheck::starts_programs)
    }

    /// The scenario that holds once its release is there: its checks with what `[after]` changes. Without `old_application` the
    /// programs of the old release are listed as not tested.
    #[must_use]
    pub fn after_release(&self) -> Self {
        let mut after = self.clone();
        let without: Vec<Glob> = self.after.without.iter().map(|id| Glob::new(id)).collect();
        let replaced = |id: &str| self.after.checks.iter().any(|check| check.id == id);
        after.checks.retain(|check| {
            !replaced(&check.id) && !without.iter().any(|glob| glob.matches(&check.id))
        });
        let old_stops = self
            .rehearse
            .as_ref()
            .is_some_and(|one| !one.old_application);
        if old_stops {
            let programs = after.checks.extract_if(.., |check| check.starts_programs());
            after.not_tested.extend(programs.map(|check| NotTested {
                what: format!("check `{}` on the new schema", check.name),
                why: "`old-application = false` in `[rehearse]`".to_owned(),
            }));
        }
        after.checks.extend(self.after.checks.iter().cloned());
        after
    }
}

impl ScenarioCheck {
    /// Whether it starts programs of the application.
    fn starts_programs(&self) -> bool {
        matches!(self.kind, "api" | "command")
    }
}

/// Lists the scenario files of a folder, in the order of their names: every `.toml` but baselines,
/// which `init` writes next to their scenario.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
                // What cannot be read may be a scenario, and is an error then.
                && !std::fs::read_to_string(path).is_ok_and(|text| is_baseline(&text))
        })
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_scenarios_without_their_baselines() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("b.toml", "[backup]\npath = \"b.sql\"\n"),
            ("a.toml", "not even TOML"),
            ("b.baseline.toml", "# Written by redrill.\n\nbaseline = 1\n"),
            ("renamed.toml", "baseline=1\r\n[database.b]\n"),
            (
                "c.baseline.toml",
                "# A scenario in spite of its name.\n[backup]\n",
            ),
            ("notes.md", "baseline = 1\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let names: Vec<_> = files(folder.path())
            .iter()
            .map(|file| file.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.toml", "b.toml", "c.baseline.toml"]);
    }
}
