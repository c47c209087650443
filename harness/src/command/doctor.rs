//! `redrill doctor`: whether a throwaway server can be started here.

use std::path::Path;

use super::{err, out};
use crate::cleanup::Work;
use crate::input::Environment;
use crate::{exit_code, server};

/// Runs the command; returns the exit code.
pub async fn run(work_dir: &Path, environment: &Environment) -> u8 {
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
        exit_code::PROVEN
    } else {
        err("no drill can run on this machine yet");
        exit_code::INCONCLUSIVE
    }
}
