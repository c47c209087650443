//! `redrill clean`: removes what killed runs left.

use super::abort::Ended;
use super::print::{err, out};
use super::start::work_folder;
use crate::cli::Clean;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::server;

/// Runs the command.
pub async fn run(arguments: &Clean, environment: &Environment) -> Ended {
    let work = work_folder(&arguments.work.work_dir, environment)?;
    let mut swept = server::sweep(&work).await;
    let (templates, failed) = server::remove_templates(&work, arguments.templates).await;
    swept.failed.extend(failed);
    for run in &swept.runs {
        out(&format!("removed run {run}"));
    }
    for container in &swept.containers {
        out(&format!(
            "removed container {}",
            container.get(..12).unwrap_or(container)
        ));
    }
    for volume in &swept.volumes {
        out(&format!("removed volume {volume}"));
    }
    for template in &templates {
        out(&format!("removed template {template}"));
    }
    for failure in &swept.failed {
        err(&format!("cannot remove {failure}"));
    }
    let removed = [&swept.runs, &swept.containers, &swept.volumes, &templates];
    if removed.iter().all(|removed| removed.is_empty()) && swept.failed.is_empty() {
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
