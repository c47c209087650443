//! `redrill doctor`: whether a throwaway server can be started here.

use std::path::Path;

use super::abort::Ended;
use super::print::{err, out};
use crate::cleanup::Work;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::server;

/// Runs the command.
pub async fn run(work_dir: &Path, environment: &Environment) -> Ended {
    let path = environment
        .get("PATH")
        .map_or("/usr/bin:/bin", String::as_str);
    let providers = server::availability(path).await;
    let mut usable = false;
    for provider in &providers {
        out(&format!(
            "{}: {}",
            provider.provider,
            if provider.usable {
                "usable"
            } else {
                "not usable"
            }
        ));
        for line in &provider.found {
            out(&format!("    {line}"));
        }
        if let Some(hint) = &provider.hint {
            out(&format!("    hint: {hint}"));
        }
        usable |= provider.usable;
    }
    match Work::below(work_dir) {
        Ok(work) => out(&format!("work folder: {}", work.root().display())),
        Err(error) => {
            usable = false;
            out(&format!(
                "work folder: {}: {error}\n    hint: set another one with `--work-dir`",
                work_dir.display()
            ));
        }
    }
    if usable {
        Ok(Ending::Done)
    } else {
        err("no drill can run on this machine: see the hints above");
        Ok(Ending::CouldNotRun)
    }
}
