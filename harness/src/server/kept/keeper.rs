//! The keeper: this program, started again in the background. Its standard input is the lock of the run.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{ENDED, FILE, KEEPER, Kept, seconds_now};
use crate::atomic_file;
use crate::cleanup::{Run, Work};
use crate::outcome::CouldNotRun;
use crate::process::{self, Background};
use crate::server::snapshot::Data;
use crate::server::{ThrowawayServer, Wanted};

/// The first argument of a keeper; the others are the id of the run, the folder of all runs and `PATH`.
const KEEP: &str = "--keep-redrill-server";
/// What a keeper writes when the server answers; anything else is why it does not.
const READY: &str = "ready";
/// How long after the deadline the server ends by itself, where the keeper does not end it.
const GRACE: Duration = Duration::from_secs(60);
/// How often the keeper compares the time, which may be set or pass while the machine sleeps.
const EVERY: Duration = Duration::from_millis(500);

/// Hands a run, with `data` in its folder, to a keeper and waits until its server answers.
pub(super) async fn start(
    run: Run,
    data: &Data,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<(), CouldNotRun> {
    let unable = |why: String| CouldNotRun::new(format!("the server cannot be kept: {why}"));
    let arguments = vec![
        KEEP.to_owned(),
        run.id.clone(),
        run.work().root().display().to_string(),
    ];
    let marker = format!("{}.{KEEPER}", run.id);
    // A rehearsal may have left another snapshot.
    let kept = |name: &str| name == FILE || Some(name) == data.folder_name();
    let lock = run.hand_over(kept);
    let lock = lock.map_err(|error| unable(error.to_string()))?;
    let mut keeper =
        Background::start(arguments, lock, &marker).map_err(|error| unable(error.to_string()))?;
    let mut answer = String::new();
    let read = keeper.output.read_to_string(&mut answer);
    tokio::select! {
        read = read => { read.map_err(|error| unable(error.to_string()))?; }
        _ = interrupted.wait_for(|interrupted| *interrupted) => {
            keeper.terminate().await;
            return Err(unable("interrupted by a signal".to_owned()));
        }
    }
    match answer.trim() {
        READY => Ok(()),
        "" => Err(unable("the process that keeps it ended".to_owned())),
        why => Err(unable(why.to_owned())),
    }
}

/// Where this program was started as a keeper, keeps the server until its deadline; `None` otherwise. Must be called before
/// anything else starts a thread.
#[must_use]
pub fn become_keeper() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != KEEP {
        return None;
    }
    let run = arguments.next()?.into_string().ok()?;
    let root = PathBuf::from(arguments.next()?);
    // Of a session of its own, so that it outlives the terminal. It cannot fail: a new process leads no group.
    let _ = nix::unistd::setsid();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .ok()?;
    let kept = runtime.block_on(keep(&run, &root));
    Some(match kept {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.reason);
            ExitCode::FAILURE
        }
    })
}

/// Answers to the program that started the keeper, which reads until the end.
fn say(text: &str) {
    // It may have been killed.
    let _ = writeln!(io::stdout(), "{}", text.replace('\n', " "));
    process::close_output();
}

async fn keep(id: &str, root: &Path) -> Result<(), CouldNotRun> {
    let unable = |error: io::Error| CouldNotRun::new(error.to_string());
    let mut terminated = signal(SignalKind::terminate()).map_err(unable)?;
    let lock = io::stdin().as_fd().try_clone_to_owned().map_err(unable)?;
    let work = Work::at(root.to_owned());
    let run = Run::adopt(&work, id, File::from(lock)).map_err(unable)?;
    let mut kept = Kept::read(&work, id.to_owned()).map_err(unable)?;
    let path = crate::cli::environment().remove("PATH");
    let path = path.unwrap_or_else(|| "/usr/bin:/bin".to_owned());
    let wanted = Wanted {
        copies: true,
        ends_after: Some(kept.left() + GRACE),
        ..Wanted::default()
    };
    let snapshot = kept.snapshot()?;
    let settings = kept.settings();
    let server = tokio::select! {
        started = snapshot.start(&settings, &wanted, &run, &path) => started.map(Some),
        _ = terminated.recv() => Ok(None),
    };
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            remove(None, run).await;
            return Err(error);
        }
    };
    if let Some(server) = &server {
        kept.facts.bytes = server.copied().bytes;
        kept.write().map_err(unable)?;
        say(READY);
        tokio::select! {
            () = until_deadline(&kept, server) => {}
            _ = terminated.recv() => {}
        }
    }
    remove(server, run).await;
    Ok(())
}

/// Waits for the deadline, and notes where the server ends before.
async fn until_deadline(kept: &Kept, server: &ThrowawayServer) {
    let mut noted = false;
    while seconds_now() < kept.facts.until {
        tokio::time::sleep(EVERY).await;
        if !noted && let Some(why) = server.ended().await {
            // A full disk: it is found out by the next session.
            let _ = atomic_file::write(&kept.folder.join(ENDED), &why, true);
            noted = true;
        }
    }
}

/// Removes everything of the run; what remains, the next run or `clean` removes.
async fn remove(server: Option<ThrowawayServer>, run: Run) {
    // First: whoever copies the snapshot knows by it that the copy is complete.
    let _ = std::fs::remove_file(run.folder.join(FILE));
    match server {
        Some(server) => drop(server.stop().await),
        None => drop(crate::server::forget(&run).await),
    }
    let _ = run.end();
}
