//! `redrill list`: scenarios and their checks, read from the files.

use std::path::PathBuf;

use super::abort::Ended;
use super::print::out;
use super::scenarios::load_all;
use crate::cli::Terminal;
use crate::exit_code::Ending;
use crate::input::Environment;

/// Runs the command.
pub fn run(paths: &[PathBuf], environment: &Environment, terminal: Terminal) -> Ended {
    for scenario in load_all(paths, None, 0, environment, terminal)? {
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
