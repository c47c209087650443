//! What commands share that need a throwaway server and are no drill: where it lives, signals, progress, and that
//! nothing is left running.

use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::err;
use super::run::watch_signals;
use crate::backup::examine::Subject;
use crate::backup::source::Source;
use crate::cleanup::{Run, Work};
use crate::context::Context;
use crate::input::Environment;
use crate::outcome::ScenarioFacts;
use crate::proof::settings::Level;
use crate::redact::Redactor;
use crate::scenario::Scenario;
use crate::server::ThrowawayServer;
use crate::{exit_code, progress, restore, server, stage};

/// Runs `work` with a place for a throwaway server, which is removed whatever happens. `tell` says what became of
/// the work and gives the exit code.
pub(super) async fn with_server<T>(
    work_dir: &Path,
    quiet: bool,
    environment: Environment,
    work: impl AsyncFnOnce(&Context, &Run, &mut Option<ThrowawayServer>) -> T,
    tell: impl FnOnce(T, &Redactor) -> u8,
) -> u8 {
    let place = match Work::below(work_dir) {
        Ok(place) => place,
        Err(error) => return no_work(work_dir, &error),
    };
    let (sender, interrupted) = watch::channel(false);
    if let Err(error) = watch_signals(sender) {
        err(&format!("cannot listen to signals: {error}"));
        return exit_code::INTERNAL;
    }
    // What a killed run left is the next one's to remove, whatever that was for.
    server::sweep(&place).await;
    let run = match place.begin() {
        Ok(run) => run,
        Err(error) => return no_work(work_dir, &error),
    };
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
    let code = match ended {
        None => exit_code::INTERRUPTED,
        Some(ended) => tell(ended, &context.redactor),
    };
    match torn_down {
        Ok(_) => code,
        Err(stopped) => {
            err(&format!(
                "{}\nhint: `redrill clean` tries again",
                stopped.summary
            ));
            match code {
                exit_code::PROVEN => exit_code::INCONCLUSIVE,
                code => code,
            }
        }
    }
}

fn no_work(folder: &Path, error: &std::io::Error) -> u8 {
    err(&format!(
        "cannot use the work folder {}: {error}\nhint: set another one with `--work-dir`",
        folder.display()
    ));
    exit_code::INCONCLUSIVE
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
        proof: Level::Off,
        restore_within: None,
        incident: None,
        not_tested: Vec::new(),
        checks: Vec::new(),
    }
}
