//! Subcommands. One subcommand, one file.
//!
//! - `abort`: how they end; `print`: what they print
//! - `scenarios`: the scenarios of a command line; `start`, `throwaway`: what they require

mod abort;
mod accept;
mod baseline;
mod clean;
mod doctor;
mod explain;
mod gate;
mod history;
mod init;
mod inspect;
mod kept;
mod list;
mod merge;
mod metrics;
mod print;
mod recover;
mod report;
mod run;
mod scenarios;
mod schema;
mod shell;
mod start;
mod throwaway;
mod verify;

use std::process::ExitCode;

use crate::cli::{self, Command};
use crate::exit_code;

/// Reads the command line, runs the command, returns the exit code.
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
            Command::Rehearse(arguments) => {
                run::rehearse(arguments, environment, terminal, words).await
            }
            Command::Inspect(arguments) => inspect::run(arguments, environment, terminal).await,
            Command::Recover(arguments) => recover::run(arguments, environment, terminal).await,
            Command::Init(arguments) => init::run(arguments, environment, terminal).await,
            Command::Baseline(arguments) => baseline::run(arguments, environment, terminal).await,
            Command::Accept(arguments) => accept::run(&arguments, &environment, terminal),
            Command::List(arguments) => list::run(&arguments, &environment, terminal),
            Command::Psql(arguments) => kept::psql(&arguments, &environment),
            Command::Drop(arguments) => kept::drop(&arguments, &environment).await,
            Command::Explain { kind } => explain::run(kind.as_deref()),
            Command::Schema { of } => schema::run(of),
            Command::Verify(arguments) => verify::run(arguments, &environment).await,
            Command::History(arguments) => history::run(arguments, &environment).await,
            Command::Merge(arguments) => merge::run(arguments, environment, terminal).await,
            Command::Compare(arguments) => history::compare(arguments, &environment).await,
            Command::Report(arguments) => report::run(arguments, &environment).await,
            Command::Gate(arguments) => gate::run(arguments, &environment, terminal).await,
            Command::Doctor(arguments) => doctor::run(arguments, environment, terminal).await,
            Command::Completions { shell } => shell::completions(shell),
            Command::Man { of } => shell::man(of.as_deref()),
            Command::Clean(arguments) => clean::run(&arguments, &environment).await,
        }
    });
    // A blocked thread of a reader must not delay the end.
    runtime.shutdown_background();
    let ending = ended.unwrap_or_else(|abort| {
        print::err(&abort.message);
        abort.ending
    });
    ExitCode::from(ending.code())
}
