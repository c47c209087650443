//! What a command requires before it starts anything.

use std::path::Path;

use tokio::sync::watch;

use super::abort::Abort;
use crate::cleanup::{Work, cache_folder};
use crate::input::Environment;
use crate::interrupt;
use crate::outcome::CouldNotRun;

/// Creates the folder for whatever a run starts.
pub(super) fn work_folder(folder: &Path, environment: &Environment) -> Result<Work, CouldNotRun> {
    let work = Work::below(folder).map_err(|error| no_work_folder(folder, &error))?;
    Ok(work.caching_in(cache_folder(environment)))
}

pub(super) fn no_work_folder(folder: &Path, error: &std::io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("cannot use the work folder {}: {error}", folder.display()),
        "set another one with `--work-dir`",
    )
}

/// Becomes true when a signal interrupts the command.
pub(super) fn watch_signals() -> Result<watch::Receiver<bool>, Abort> {
    interrupt::watch().map_err(|error| Abort::internal(format!("cannot handle signals: {error}")))
}
