//! Drills as tests: for `cargo test` and `cargo nextest run`, here and in any other project.
//!
//! Every stage and every check of every scenario is a test of its own, and one more is the verdict:
//!
//! ```text
//! test plur::stage/restore                        ... ok
//! test plur::row-count/every-table-holds-its-rows ... ok
//! test plur::verdict                              ... ok
//! ```
//!
//! A project has its drills among its tests with these lines in its `Cargo.toml`
//!
//! ```toml
//! [dev-dependencies]
//! redrill = { git = "<the address of its repository>" }
//!
//! [[test]]
//! name = "drills"
//! harness = false
//! ```
//!
//! and these in its `tests/drills.rs`:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     redrill::libtest::main("scenarios")
//! }
//! ```
//!
//! - Listing reads the scenario files and starts nothing.
//! - A scenario is restored once, however many of its tests run: in one process under `cargo test`,
//!   and under nextest, where every test is a process, once per run. The first test drills, the
//!   others wait and read what it found. A retry reads it too; it does not restore again.
//! - What was not looked at is a failed test, never one that was ignored: nextest counts those as
//!   passed. Only a check with `required = false` and a proof that is `off` may be ignored.
//! - Reports lie in `target/redrill/<scenario>/`, or where `REDRILL_REPORTS` says. Their times are the
//!   true ones; those of nextest hold the waiting for the restore.
//! - `REDRILL_WORK_DIR` is the folder of sockets and data, as it is for `redrill run`.

mod seen;
mod shared;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};

use crate::cli;
use crate::input::Environment;
use crate::outcome::Stage;
use crate::scenario::{self, Scenario};
use seen::Seen;
use shared::Drills;

/// Runs the drills of a scenario file, or of every scenario file in a folder, as the command line of
/// a test asks for; gives the exit code for `main`. A relative path begins where the tests run: in
/// the folder of the package.
#[must_use]
pub fn main(scenarios: impl AsRef<Path>) -> ExitCode {
    // Not `Conclusion::exit`: it would end the process before the runtime is gone.
    run(
        scenarios.as_ref(),
        &Arguments::from_args(),
        cli::environment(),
    )
    .exit_code()
}

/// The same with arguments and environment as values.
pub fn run(scenarios: &Path, arguments: &Arguments, environment: Environment) -> Conclusion {
    let files = if scenarios.is_dir() {
        scenario::files(scenarios)
    } else {
        vec![scenarios.to_owned()]
    };
    let drills = Arc::new(Drills::of(environment));
    let mut trials = Vec::new();
    if files.is_empty() {
        let message = format!("no scenario (.toml) in {}", scenarios.display());
        trials.push(failing(scenarios, message));
    }
    for file in files {
        match scenario::load(&file, drills.environment()) {
            Ok(scenario) => trials.extend(tests(scenario, &drills)),
            Err(diagnostics) => trials.push(failing(&file, diagnostics.to_string())),
        }
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    drills.end();
    conclusion
}

/// Makes the tests of one scenario; the first that runs drills it.
fn tests(scenario: Scenario, drills: &Arc<Drills>) -> Vec<Trial> {
    let name = scenario.facts.name.clone();
    let stages = Stage::ALL.map(|stage| Part::Stage(stage.word()));
    let checks = scenario
        .checks
        .iter()
        .map(|check| Part::Check(check.id.clone()));
    let parts: Vec<Part> = stages
        .into_iter()
        .chain(checks)
        .chain([Part::Verdict])
        .collect();
    let drill = Arc::new(Drill {
        scenario,
        drills: Arc::clone(drills),
        seen: OnceLock::new(),
    });
    let tests = parts.into_iter().map(|part| {
        let drill = Arc::clone(&drill);
        let title = format!("{name}::{part}");
        Trial::ignorable_test(title, move || drill.tell(&part))
    });
    tests.collect()
}

/// A file that cannot be drilled is a test that fails.
fn failing(file: &Path, message: String) -> Trial {
    let name = file.file_stem().unwrap_or(file.as_os_str());
    Trial::test(format!("{}::scenario", name.display()), || {
        Err(Failed::from(message))
    })
}

/// What one test is about.
#[derive(Debug, Clone)]
enum Part {
    Stage(&'static str),
    Check(String),
    Verdict,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stage(word) => write!(f, "stage/{word}"),
            Self::Check(id) => f.write_str(id),
            Self::Verdict => f.write_str("verdict"),
        }
    }
}

/// A scenario that is drilled at most once in this process.
struct Drill {
    scenario: Scenario,
    drills: Arc<Drills>,
    seen: OnceLock<Result<(Seen, PathBuf), String>>,
}

impl Drill {
    /// Tells what was seen of one part.
    fn tell(&self, part: &Part) -> Result<Completion, Failed> {
        let seen = self.seen.get_or_init(|| self.drills.drill(&self.scenario));
        let (seen, reports) = seen.as_ref().map_err(Failed::from)?;
        let told = match part {
            Part::Stage(word) => seen.stage(word),
            Part::Check(id) => seen.check(id),
            Part::Verdict => seen.verdict(),
        };
        match told {
            Ok(None) => Ok(Completion::Completed),
            Ok(Some(aside)) => Ok(Completion::ignored_with(aside)),
            Err(why) => Err(Failed::from(format!(
                "{why}\nreports: {}",
                reports.display()
            ))),
        }
    }
}
