//! The file as stored: read ahead on a separate thread, which also computes the digest, so that both
//! cost no time on a second core.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

use super::ahead::{self, Chunks, Fed, Feeder, READER_ENDED};
use super::error::LayerError;
use crate::digest::hex;
use crate::outcome::CouldNotRun;

/// A file that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// SHA-256 of the file as stored, in hex.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// The reading thread. Dropping it ends the thread soon.
pub(super) struct Reading {
    thread: Option<JoinHandle<Result<FileFacts, CouldNotRun>>>,
    stop: Arc<AtomicBool>,
}

/// Starts reading; `name` names the file in errors.
pub(super) fn read(
    name: String,
    reader: impl Read + Send + 'static,
) -> Result<(Chunks, Reading), CouldNotRun> {
    let (feeder, chunks) = ahead::pair();
    let stop = Arc::new(AtomicBool::new(false));
    let file = Digested {
        name,
        reader,
        digest: Sha256::new(),
        bytes: 0,
    };
    let thread = ahead::spawn("read", {
        let stop = Arc::clone(&stop);
        move || pump(file, feeder, &stop)
    })?;
    let reading = Reading {
        thread: Some(thread),
        stop,
    };
    Ok((chunks, reading))
}

/// Reads to the end, even without a receiver: the digest is of the whole file.
fn pump(
    mut file: Digested<impl Read>,
    mut feeder: Feeder,
    stop: &AtomicBool,
) -> Result<FileFacts, CouldNotRun> {
    while !stop.load(Ordering::Relaxed) {
        match feeder.feed(&mut file) {
            Fed::Sent | Fed::Refused => {}
            Fed::End => break,
            Fed::Failed(LayerError::CouldNotRun(error)) => return Err(error),
            // Damage is an error of a layer, and this is the file itself.
            Fed::Failed(LayerError::Damaged(finding)) => {
                return Err(CouldNotRun::new(finding.actual));
            }
        }
    }
    Ok(FileFacts {
        sha256: hex(&file.digest.finalize()),
        bytes: file.bytes,
    })
}

/// Computes the digest of the bytes that are read.
struct Digested<R> {
    name: String,
    reader: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(out) {
            Ok(read) => {
                self.digest.update(&out[..read]);
                self.bytes += read as u64;
                Ok(read)
            }
            Err(error)
                if error.kind() == io::ErrorKind::Interrupted
                    || LayerError::inside(&error).is_some() =>
            {
                Err(error)
            }
            Err(error) => Err(LayerError::from(CouldNotRun::new(format!(
                "cannot read {}: {error}",
                self.name
            )))
            .into()),
        }
    }
}

impl Reading {
    /// Waits until the file is read to its end. Its chunks must be dropped or read before.
    pub(super) fn end(mut self) -> Result<FileFacts, CouldNotRun> {
        let lost = || CouldNotRun::new(READER_ENDED);
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
