//! `redrill list`: scenarios and their checks, from the files alone.

use std::path::PathBuf;

use super::{Ended, out, scenarios};
use crate::cli::Terminal;
use crate::exit_code::Ending;
use crate::input::Environment;

/// Runs the command.
pub fn run(paths: &[PathBuf], environment: &Environment, terminal: Terminal) -> Ended {
    for scenario in scenarios(paths, environment, terminal.colour_errors)? {
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
    Ok(Ending::Done)
}
