//! Data folders that are taken from a server that was shut down, and copies of them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;

use super::{DATA, Local, tree, wal};
use crate::cleanup::Run;
use crate::disk;
use crate::outcome::CouldNotRun;
use crate::process;
use crate::server::snapshot::{Data, SNAPSHOT};

/// Limit of a shutdown, which writes what is in the memory of the server.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(300);

/// A copy in a thread of its own, since it may take minutes. Dropping it ends the copy: nothing may go on writing to the folder
/// of a run that is being removed.
struct Copying {
    cancelled: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It panicked, or ends within one piece of a file.
            let _ = thread.join();
        }
    }
}

/// Runs `work` in a thread of its own; it ends early once the value that it is given is true.
pub(super) async fn in_thread<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, CouldNotRun> {
    let (sender, receiver) = oneshot::channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&cancelled);
    let thread = std::thread::spawn(move || {
        // Nobody waits for it any more: it was cancelled.
        let _ = sender.send(work(&until));
    });
    let copying = Copying {
        cancelled,
        thread: Some(thread),
    };
    let copied = receiver.await;
    drop(copying);
    copied.map_err(|_| CouldNotRun::new("the thread that copies data panicked"))
}

impl Local {
    /// Copies a data folder to that of this server; returns its bytes.
    pub(super) async fn copy_folder(&mut self, from: &Path) -> Result<u64, CouldNotRun> {
        let unable = |error: io::Error| not_copied(&error);
        let bytes = tree::size(from).map_err(unable)?;
        if !tree::shares_blocks(from, &self.data) {
            disk::fits(&self.data, bytes).map_err(no_room)?;
        }
        let (from, to, user) = (from.to_owned(), self.data.clone(), self.user);
        let copied = in_thread(move |until| tree::copy_until(&from, &to, user, until)).await?;
        copied.map_err(unable)?;
        self.give_data()?;
        self.is_copy = true;
        Ok(bytes)
    }

    /// Shuts the server down, and moves its data to a folder of its own in that of the run.
    pub(super) async fn give_up_data(&mut self, run: &Run) -> Result<Data, CouldNotRun> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // What is refused afterwards would end a server for nothing.
        let bytes = tree::size(&self.data).map_err(|error| not_copied(&error))?;
        if !tree::shares_blocks(&self.data, &run.folder) {
            disk::fits(&run.folder, bytes).map_err(no_room)?;
        }
        self.shut_down().await?;
        // Where it fails, copies take longer.
        let _ = wal::trim(&self.data);
        let moved = || -> io::Result<PathBuf> {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder = run.folder.join(format!("{SNAPSHOT}{number}"));
            DirBuilder::new().mode(0o700).create(&folder)?;
            let path = folder.join(DATA);
            std::fs::rename(&self.data, &path)?;
            std::fs::remove_dir_all(&self.folder)?;
            self.socket.remove()?;
            Ok(path)
        };
        let path = moved().map_err(|error| {
            CouldNotRun::new(format!("cannot keep {}: {error}", self.data.display()))
        })?;
        let bin = self.installation.bin.clone();
        Ok(Data::Folder { path, bin })
    }

    /// Shuts the server down as an administrator would, and ends what it left behind.
    async fn shut_down(&mut self) -> Result<(), CouldNotRun> {
        if let Some(why) = super::Machine::ended(self).await {
            return Err(CouldNotRun::new(format!(
                "the server has already ended: {why}"
            )));
        }
        let listens = self.held.as_ref().and_then(|held| held.peer());
        let server = self.server.as_mut();
        let server = server.ok_or_else(|| CouldNotRun::new("the server was not started"))?;
        let server = server.get_mut().unwrap_or_else(|error| error.into_inner());
        server.signal_below(listens, Signal::SIGINT);
        let ended = tokio::time::timeout(SHUTDOWN_WITHIN, server.wait()).await;
        server.kill();
        let status = match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(status.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it did not end within {SHUTDOWN_WITHIN:?}")),
        };
        self.held = None;
        self.server = None;
        process::kill_working_in(&self.folder);
        status.map_err(|why| CouldNotRun::new(format!("the server cannot be shut down: {why}")))
    }
}

fn not_copied(error: &io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("the data of the server cannot be copied: {error}"),
        "a copy contains only what is in the data folder: no links, tablespaces elsewhere, sockets or devices",
    )
}

fn no_room(why: String) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("a copy of the data of the server does not fit on the disk: {why}"),
        "free some space, or set a folder on another disk with `--work-dir`",
    )
}
