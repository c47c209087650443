//! Reads the command line, the environment and the properties of the terminal.

use std::io::IsTerminal as _;

use clap::Parser as _;

use super::{Cli, Command};
use crate::exit_code;
use crate::input::Environment;

/// Properties of the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Whether standard output takes colour.
    pub colour: bool,
    /// Whether standard error takes colour.
    pub colour_errors: bool,
    /// Width in columns.
    pub width: usize,
}

/// A command line and its environment.
#[derive(Debug)]
pub struct Invocation {
    /// The command.
    pub command: Command,
    /// The environment.
    pub environment: Environment,
    /// The terminal.
    pub terminal: Terminal,
    /// The arguments of the command line, beginning with the program.
    pub words: Vec<String>,
}

/// Reads the environment.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the command line and the environment.
///
/// # Errors
/// The exit code, after the help or the error was printed.
pub fn read() -> Result<Invocation, u8> {
    let cli = Cli::try_parse().map_err(|error| {
        // Printing fails only when the output is closed.
        let _ = error.print();
        if error.use_stderr() {
            exit_code::INVALID
        } else {
            exit_code::PROVEN
        }
    })?;
    let environment = environment();
    let plain = environment
        .get("NO_COLOR")
        .is_some_and(|value| !value.is_empty())
        || environment.get("TERM").is_some_and(|term| term == "dumb");
    let terminal = Terminal {
        colour: !plain && std::io::stdout().is_terminal(),
        colour_errors: !plain && std::io::stderr().is_terminal(),
        width: environment
            .get("COLUMNS")
            .and_then(|text| text.parse().ok())
            .unwrap_or(100),
    };
    let words = std::env::args().collect();
    Ok(Invocation {
        command: cli.command,
        environment,
        terminal,
        words,
    })
}
