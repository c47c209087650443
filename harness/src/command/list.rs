//! `redrill list`: scenarios and their checks, read from the files; or kept servers.

use super::abort::Ended;
use super::kept;
use super::print::out;
use super::scenarios::load_all;
use crate::cli::{List, Terminal};
use crate::exit_code::Ending;
use crate::input::Environment;

/// Runs the command.
pub fn run(arguments: &List, environment: &Environment, terminal: Terminal) -> Ended {
    if arguments.kept {
        return kept::list(&arguments.work, environment);
    }
    let paths = arguments.scenarios.paths();
    for scenario in load_all(&paths, None, 0, environment, terminal)? {
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
