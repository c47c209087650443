//! Subcommands. One subcommand, one file.

pub mod accept;
pub mod baseline;
pub mod clean;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod inspect;
pub mod list;
pub mod recover;
pub mod run;
pub mod schema;
mod throwaway;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{self, Command};
use crate::exit_code;
use crate::input::{Diagnostics, Environment, Problem};
use crate::scenario::{self, Scenario, load};

/// Reads the command line, runs the command, gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let invocation = match cli::read() {
        Ok(invocation) => invocation,
        Err(code) => return ExitCode::from(code),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::from(exit_code::INTERNAL);
    };
    let cli::Invocation {
        command,
        environment,
        terminal,
        words,
    } = invocation;
    let code = runtime.block_on(async {
        match command {
            Command::Run(arguments) => run::run(arguments, environment, terminal, words).await,
            Command::Inspect(arguments) => inspect::run(arguments, environment, terminal).await,
            Command::Recover(arguments) => recover::run(arguments, environment, terminal).await,
            Command::Init(arguments) => init::run(arguments, environment, terminal).await,
            Command::Baseline(arguments) => baseline::run(arguments, environment).await,
            Command::Accept(arguments) => accept::run(&arguments, &environment, terminal),
            Command::List(scenarios) => list::run(&scenarios.scenarios, &environment, terminal),
            Command::Explain { kind } => explain::run(kind.as_deref()),
            Command::Schema { of } => schema::run(of),
            Command::Doctor(work) => doctor::run(&work.work_dir, &environment).await,
            Command::Clean(work) => clean::run(&work.work_dir).await,
        }
    });
    // A blocked thread of a reader must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Prints data on standard output.
pub(crate) fn out(text: &str) {
    // A reader that left, as `head` does, is no error of ours.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}

/// Prints a message for people on standard error.
pub(crate) fn err(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end_matches('\n'));
}

/// Why there are no scenarios to work on.
pub(crate) enum NoScenarios {
    /// None was found.
    None(String),
    /// These have mistakes.
    Invalid(Vec<Diagnostics>),
}

/// Finds and reads scenarios; the mistakes of all of them come at once.
pub(crate) fn scenarios(
    paths: &[PathBuf],
    environment: &Environment,
) -> Result<Vec<Scenario>, NoScenarios> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(scenario::files(path));
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let shown: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(NoScenarios::None(format!(
            "no scenario in {}\nhint: a scenario is a .toml file; `redrill --help` shows a first one",
            shown.join(", ")
        )));
    }
    let (mut scenarios, mut invalid): (Vec<Scenario>, _) = (Vec::new(), Vec::new());
    for file in &files {
        match load(file, environment) {
            Ok(scenario) => scenarios.push(scenario),
            Err(diagnostics) => invalid.push(diagnostics),
        }
    }
    for (at, scenario) in scenarios.iter().enumerate() {
        if let Some(other) = scenarios[..at]
            .iter()
            .find(|other| other.facts.name == scenario.facts.name)
        {
            invalid.push(same_name(
                &scenario.facts.file,
                &other.facts.file,
                &scenario.facts.name,
            ));
        }
    }
    if invalid.is_empty() {
        Ok(scenarios)
    } else {
        Err(NoScenarios::Invalid(invalid))
    }
}

/// Two scenarios of one name would overwrite each other's reports.
fn same_name(file: &Path, other: &Path, name: &str) -> Diagnostics {
    let problem = Problem::whole(format!(
        "the name `{name}` is also that of {}",
        other.display()
    ))
    .hint("reports are filed by name: give each scenario its own");
    Diagnostics::new(file, "", vec![problem])
}
