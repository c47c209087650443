//! `redrill clean`: removes what killed runs left.

use std::path::Path;

use super::{err, out};
use crate::cleanup::Work;
use crate::{exit_code, server};

/// Runs the command; returns the exit code.
pub async fn run(work_dir: &Path) -> u8 {
    let work = match Work::below(work_dir) {
        Ok(work) => work,
        Err(error) => {
            err(&format!(
                "cannot use the work folder {}: {error}",
                work_dir.display()
            ));
            return exit_code::INCONCLUSIVE;
        }
    };
    let swept = server::sweep(&work).await;
    for run in &swept.runs {
        out(&format!("removed run {run}"));
    }
    for container in &swept.containers {
        out(&format!(
            "removed container {}",
            container.get(..12).unwrap_or(container)
        ));
    }
    for failure in &swept.failed {
        err(&format!("cannot remove {failure}"));
    }
    if swept.runs.is_empty() && swept.containers.is_empty() && swept.failed.is_empty() {
        out("earlier runs left nothing behind");
    }
    if swept.failed.is_empty() {
        exit_code::PROVEN
    } else {
        exit_code::INCONCLUSIVE
    }
}
