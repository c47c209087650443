//! `redrill clean`: removes what killed runs left.

use std::path::Path;

use super::abort::Ended;
use super::print::{err, out};
use super::start::work_folder;
use crate::exit_code::Ending;
use crate::server;

/// Runs the command.
pub async fn run(work_dir: &Path) -> Ended {
    let work = work_folder(work_dir)?;
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
        out("nothing of earlier runs was found");
    }
    if let Some(why) = &swept.no_engine {
        out(&format!("no container was looked for: {why}"));
    }
    Ok(if swept.failed.is_empty() {
        Ending::Done
    } else {
        Ending::CouldNotRun
    })
}
