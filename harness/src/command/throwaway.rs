//! What commands share that need a throwaway server and are no drill: where it lives, signals, progress, and that
//! nothing is left running.

use std::path::{Path, PathBuf};

use super::{Ended, err, no_work_folder, watch_signals, work_folder};
use crate::backup::examine::Subject;
use crate::backup::source::Source;
use crate::cleanup::Run;
use crate::context::Context;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::outcome::ScenarioFacts;
use crate::proof::settings::Level;
use crate::redact::Redactor;
use crate::scenario::Scenario;
use crate::server::ThrowawayServer;
use crate::verdict::Verdict;
use crate::{progress, restore, server, stage};

/// Runs `work` with a place for a throwaway server, which is removed whatever happens. `show` says what became of
/// the work.
pub(super) async fn with_server<T>(
    work_dir: &Path,
    quiet: bool,
    environment: Environment,
    work: impl AsyncFnOnce(&Context, &Run, &mut Option<ThrowawayServer>) -> T,
    show: impl FnOnce(T, &Redactor) -> Ended,
) -> Ended {
    let place = work_folder(work_dir)?;
    let interrupted = watch_signals()?;
    // What a killed run left is the next one's to remove, whatever that was for.
    server::sweep(&place).await;
    let run = place
        .begin()
        .map_err(|error| no_work_folder(work_dir, &error))?;
    let context = Context {
        work: place,
        environment,
        redactor: Redactor::default(),
        listener: progress::listener(quiet),
        interrupted,
        repeat: String::new(),
    };
    let mut server = None;
    let mut interrupted = context.interrupted.clone();
    let ended = tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => None,
        ended = work(&context, &run, &mut server) => Some(ended),
    };
    let (_, torn_down) = stage::teardown(server, run).await;
    let ended = match ended {
        None => Ok(Ending::Judged(Verdict::Interrupted)),
        Some(ended) => show(ended, &context.redactor),
    };
    match torn_down {
        Ok(_) => ended,
        Err(stopped) => {
            err(&format!(
                "{}\nhint: `redrill clean` tries again",
                stopped.summary()
            ));
            ended.map(|ending| ending.unless(Ending::CouldNotRun))
        }
    }
}

/// A backup of which no scenario says anything.
pub(super) fn of_a_backup(path: &Path) -> Scenario {
    Scenario {
        facts: ScenarioFacts::default(),
        folder: PathBuf::new(),
        backup: Subject::of(Source::path(path)),
        max_age: None,
        server: server::settings::Server::default(),
        restore: restore::settings::Restore::default(),
        proof: Level::Full,
        restore_within: None,
        incident: None,
        not_tested: Vec::new(),
        checks: Vec::new(),
    }
}
