//! Commands that restore a backup without being a drill: folder, signals, progress, teardown.

use super::abort::Ended;
use super::print::err;
use super::start::{no_work_folder, watch_signals, work_folder};
use crate::cleanup::Run;
use crate::cli::RestoreOptions;
use crate::context::Context;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::redact::Redactor;
use crate::server::Servers;
use crate::verdict::Verdict;
use crate::{progress, server, stage};

/// Runs `work`, which may start a throwaway server; the server is removed in any case. `show` reports the
/// result.
pub(super) async fn with_server<T>(
    options: &RestoreOptions,
    environment: Environment,
    work: impl AsyncFnOnce(&Context, &Run, &mut Servers) -> T,
    show: impl FnOnce(T, &Redactor) -> Ended,
) -> Ended {
    let work_dir = &options.work.work_dir;
    let folder = work_folder(work_dir, &environment)?;
    let interrupted = watch_signals()?;
    // Removes what killed runs of any command left.
    server::sweep(&folder).await;
    let run = folder
        .begin()
        .map_err(|error| no_work_folder(work_dir, &error))?;
    let context = Context {
        work: folder,
        environment,
        redactor: Redactor::default(),
        listener: progress::listener(options.quiet),
        interrupted,
        keep: None,
        repeat: String::new(),
        rehearse: false,
        last_record: Ok(None),
    };
    let mut servers = Servers::default();
    let mut interrupted = context.interrupted.clone();
    let ended = tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => None,
        ended = work(&context, &run, &mut servers) => Some(ended),
    };
    let (_, torn_down) = stage::teardown(servers, run).await;
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
