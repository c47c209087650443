//! `redrill completions` and `redrill man`: what shells and `man` read, made from the command line itself.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::abort::{Abort, Ended};
use super::print::exact;
use crate::cli::Cli;
use crate::exit_code::Ending;
use crate::input::diagnostic::nearest;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Ended {
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), "redrill", &mut text);
    exact(&String::from_utf8_lossy(&text));
    Ok(Ending::Done)
}

/// Prints the manual page of redrill, or of one command.
pub fn man(of: Option<&str>) -> Ended {
    // The names of subcommands have that of redrill before them.
    let mut tree = Cli::command();
    tree.build();
    let command = match of {
        None => tree,
        Some(name) => find(&tree, name)?,
    };
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|error| Abort::internal(error.to_string()))?;
    exact(&String::from_utf8_lossy(&page));
    Ok(Ending::Done)
}

fn find(tree: &clap::Command, name: &str) -> Result<clap::Command, Abort> {
    if let Some(command) = tree.find_subcommand(name) {
        let title = format!("redrill-{name}");
        return Ok(command.clone().display_name(title));
    }
    let names = tree.get_subcommands().map(clap::Command::get_name);
    let meant = nearest(name, names).map(|meant| format!("did you mean `{meant}`? "));
    Err(Abort::invalid(format!(
        "there is no command `{}`\nhint: {}`redrill --help` lists them",
        name.escape_debug(),
        meant.unwrap_or_default()
    )))
}
