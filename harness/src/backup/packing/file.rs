//! The file as it lies: read ahead on a thread of its own, which also takes the digest, so that a
//! second core hides both.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use sha2::{Digest as _, Sha256};

use super::trouble::Trouble;
use crate::redact::hex;

/// Bytes that are handed on at once.
const CHUNK: usize = 256 * 1024;

/// How many of them may wait.
const AHEAD: usize = 4;

/// A file that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// SHA-256 of the file as it lies, in hex.
    pub sha256: String,
    /// Its bytes.
    pub bytes: u64,
}

/// The thread that reads. Dropping it lets the thread end soon.
pub(super) struct Reading {
    thread: Option<JoinHandle<Result<FileFacts, Trouble>>>,
    stop: Arc<AtomicBool>,
}

/// What the thread has read.
pub(super) struct Chunks {
    receiver: Receiver<Result<Vec<u8>, Trouble>>,
    chunk: Vec<u8>,
    used: usize,
}

/// Begins to read; `name` is what errors call the file.
pub(super) fn read(
    name: String,
    reader: impl Read + Send + 'static,
) -> Result<(Chunks, Reading), Trouble> {
    let (sender, receiver) = sync_channel(AHEAD);
    let stop = Arc::new(AtomicBool::new(false));
    let thread = Builder::new()
        .name("read".to_owned())
        .spawn({
            let stop = Arc::clone(&stop);
            move || pump(&name, reader, &sender, &stop)
        })
        .map_err(|error| Trouble::place(format!("cannot start a thread: {error}")))?;
    let chunks = Chunks {
        receiver,
        chunk: Vec::new(),
        used: 0,
    };
    let reading = Reading {
        thread: Some(thread),
        stop,
    };
    Ok((chunks, reading))
}

/// Reads to the end, also when nobody listens any more: the digest is of the whole file.
fn pump(
    name: &str,
    mut reader: impl Read,
    sender: &SyncSender<Result<Vec<u8>, Trouble>>,
    stop: &AtomicBool,
) -> Result<FileFacts, Trouble> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut chunk = vec![0; CHUNK];
        match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                chunk.truncate(read);
                digest.update(&chunk);
                bytes += read as u64;
                // Whoever stopped listening may still want the digest.
                let _ = sender.send(Ok(chunk));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let trouble = Trouble::inside(&error)
                    .cloned()
                    .unwrap_or_else(|| Trouble::place(format!("cannot read {name}: {error}")));
                let _ = sender.send(Err(trouble.clone()));
                return Err(trouble);
            }
        }
    }
    Ok(FileFacts {
        sha256: hex(&digest.finalize()),
        bytes,
    })
}

impl Reading {
    /// Waits until the file is read to its end. Its chunks must be dropped or read before.
    pub(super) fn end(mut self) -> Result<FileFacts, Trouble> {
        let lost = || Trouble::place("the thread that reads the file ended");
        self.thread
            .take()
            .ok_or_else(lost)?
            .join()
            .map_err(|_| lost())?
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.used == self.chunk.len() {
            match self.receiver.recv() {
                Ok(chunk) => (self.chunk, self.used) = (chunk?, 0),
                // The thread came to the end.
                Err(_) => return Ok(0),
            }
        }
        let read = (&self.chunk[self.used..]).read(out)?;
        self.used += read;
        Ok(read)
    }
}
