//! `redrill list`: scenarios and their checks, from the files alone.

use std::path::PathBuf;

use super::{NoScenarios, err, out, scenarios};
use crate::cli::Terminal;
use crate::exit_code;
use crate::input::Environment;

/// Runs the command; returns the exit code.
pub fn run(paths: &[PathBuf], environment: &Environment, terminal: Terminal) -> u8 {
    match scenarios(paths, environment) {
        Ok(scenarios) => {
            for scenario in scenarios {
                out(&format!(
                    "{}  ({})",
                    scenario.facts.name,
                    scenario.facts.file.display()
                ));
                for check in &scenario.checks {
                    let optional = if check.required {
                        ""
                    } else {
                        "  (not required)"
                    };
                    out(&format!("    {}{optional}", check.id));
                }
            }
            exit_code::PROVEN
        }
        Err(NoScenarios::None(message)) => {
            err(&message);
            exit_code::NOTHING_CHECKED
        }
        Err(NoScenarios::Invalid(diagnostics)) => {
            for diagnostic in diagnostics {
                err(&diagnostic.render(terminal.colour_errors));
            }
            exit_code::INVALID
        }
    }
}
