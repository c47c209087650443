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
//! A project runs its drills as tests with these lines in its `Cargo.toml`
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
//! - A scenario is restored once for all of its tests: in one process under `cargo test`; once per run
//!   under nextest, where every test is a process. The first test runs the drill, the others wait and
//!   read its result. A retry reads it too and does not restore again.
//! - A part that was not run is a failed test, not an ignored one, which nextest counts as passed. Only a
//!   check with `required = false`, one whose findings are waived, the verdict with waivers, and a proof that is `off` may be
//!   ignored.
//! - Reports are in `target/redrill/<scenario>/`, or in the folder of `REDRILL_REPORTS`. Times are in the
//!   reports; those of nextest include the time of waiting for the restore.
//! - `REDRILL_WORK_DIR` is the folder of sockets and data, as it is for `redrill run`.

mod report;
mod shared;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};

use crate::backup::source::pick::new_seed;
use crate::cli;
use crate::input::Environment;
use crate::namespace;
use crate::outcome::Stage;
use crate::process;
use crate::scenario::{self, Scenario};
use report::DrillReport;
use shared::Drills;

/// Runs the drills of a scenario file, or of every scenario file in a folder, with the command line of a
/// test; returns the exit code for `main`. A relative path is relative to the folder of the package.
#[must_use]
pub fn main(scenarios: impl AsRef<Path>) -> ExitCode {
    namespace::become_child();
    process::adopt_orphans();
    // Not `Conclusion::exit`, which would end the process before the runtime has ended.
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
        // Under nextest the process that runs the drill decides; the others read its result.
        let seed = new_seed().unwrap_or_default();
        match scenario::load_drills(&file, drills.environment(), None, seed) {
            Ok(all) => trials.extend(all.into_iter().flat_map(|one| tests(one, &drills))),
            Err(diagnostics) => trials.push(failing(&file, diagnostics.to_string())),
        }
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    drills.end();
    conclusion
}

/// The tests of a scenario; the first one runs the drill.
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
        report: OnceLock::new(),
    });
    let tests = parts.into_iter().map(|part| {
        let drill = Arc::clone(&drill);
        let title = format!("{name}::{part}");
        Trial::ignorable_test(title, move || drill.result_of(&part))
    });
    tests.collect()
}

/// A failing test for a file that is not a valid scenario.
fn failing(file: &Path, message: String) -> Trial {
    let name = file.file_stem().unwrap_or(file.as_os_str());
    Trial::test(format!("{}::scenario", name.display()), || {
        Err(Failed::from(message))
    })
}

/// The part of a drill that a test reports.
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

/// A scenario whose drill runs at most once in this process.
struct Drill {
    scenario: Scenario,
    drills: Arc<Drills>,
    report: OnceLock<Result<(DrillReport, PathBuf), String>>,
}

impl Drill {
    /// The result of a part.
    fn result_of(&self, part: &Part) -> Result<Completion, Failed> {
        let report = self
            .report
            .get_or_init(|| self.drills.drill(&self.scenario));
        let (report, folder) = report.as_ref().map_err(Failed::from)?;
        let result = match part {
            Part::Stage(word) => report.stage(word),
            Part::Check(id) => report.check(id),
            Part::Verdict => report.verdict(),
        };
        match result {
            Ok(None) => Ok(Completion::Completed),
            Ok(Some(reason)) => Ok(Completion::ignored_with(reason)),
            Err(why) => Err(Failed::from(format!(
                "{why}\nreports: {}",
                folder.display()
            ))),
        }
    }
}
