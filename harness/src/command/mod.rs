//! Subcommands. One subcommand, one file.

mod accept;
mod baseline;
mod clean;
mod doctor;
mod explain;
mod init;
mod inspect;
mod list;
mod recover;
mod run;
mod schema;
mod throwaway;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cleanup::Work;
use crate::cli::{self, Command, Terminal};
use crate::exit_code::{self, Ending};
use crate::input::{Diagnostics, Environment, Problem};
use crate::interrupt;
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;
use crate::report::terminal::recovery;
use crate::scenario::{self, Scenario, load};
use crate::stage::Stopped;
use crate::verdict::Verdict;

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
    let ended = runtime.block_on(async {
        match command {
            Command::Run(arguments) => run::run(arguments, environment, terminal, words).await,
            Command::Inspect(arguments) => inspect::run(arguments, environment, terminal).await,
            Command::Recover(arguments) => recover::run(arguments, environment, terminal).await,
            Command::Init(arguments) => init::run(arguments, environment, terminal).await,
            Command::Baseline(arguments) => baseline::run(arguments, environment, terminal).await,
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
    let ending = ended.unwrap_or_else(|abort| {
        err(&abort.message);
        abort.ending
    });
    ExitCode::from(ending.code())
}

/// How a command ended, or why it ended early.
pub type Ended = Result<Ending, Abort>;

/// Why a command ended early: what people read on standard error, and how that counts.
#[derive(Debug)]
pub struct Abort {
    message: String,
    ending: Ending,
}

impl Abort {
    /// The command line or a scenario has mistakes.
    fn invalid(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ending: Ending::Invalid,
        }
    }

    /// Nothing is there that it was asked to work on.
    fn nothing_found(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ending: Ending::NothingFound,
        }
    }
}

impl Abort {
    /// A stage did not pass, so nothing was written; under a word such as `NOT RECOVERED`.
    fn stopped(word: &str, stopped: &Stopped, redactor: &Redactor, terminal: Terminal) -> Self {
        let (hint, findings, ending) = match stopped {
            Stopped::Failed { findings, .. } => {
                (None, findings, Ending::Judged(Verdict::NotProven))
            }
            Stopped::CouldNotRun { error, findings } => {
                (error.hint.as_deref(), findings, Ending::CouldNotRun)
            }
        };
        let message = recovery::nothing_written(
            word,
            stopped.summary(),
            hint,
            findings,
            terminal.width,
            terminal.colour_errors,
        );
        Self {
            message: redactor.clean(&message),
            ending,
        }
    }
}

impl From<CouldNotRun> for Abort {
    fn from(error: CouldNotRun) -> Self {
        let hint = error.hint.map(|hint| format!("\nhint: {hint}"));
        Self {
            message: error.reason + &hint.unwrap_or_default(),
            ending: Ending::CouldNotRun,
        }
    }
}

/// Makes the folder where runs keep what they start.
fn work_folder(folder: &Path) -> Result<Work, CouldNotRun> {
    Work::below(folder).map_err(|error| no_work_folder(folder, &error))
}

fn no_work_folder(folder: &Path, error: &std::io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("cannot use the work folder {}: {error}", folder.display()),
        "set another one with `--work-dir`",
    )
}

/// Becomes true when a signal asks for the end.
fn watch_signals() -> Result<tokio::sync::watch::Receiver<bool>, Abort> {
    interrupt::watch().map_err(|error| Abort {
        message: format!("cannot listen to signals: {error}"),
        ending: Ending::Internal,
    })
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

/// Finds and reads scenarios; the mistakes of all of them come at once.
pub(crate) fn scenarios(
    paths: &[PathBuf],
    environment: &Environment,
    colour: bool,
) -> Result<Vec<Scenario>, Abort> {
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
        return Err(Abort::nothing_found(format!(
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
        let mistakes = invalid.iter().map(|one| one.render(colour));
        Err(Abort::invalid(mistakes.collect::<Vec<_>>().join("\n")))
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
