//! A downloaded file: written to disk as it arrives, with its digest, leaving space on the disk, and
//! removed unless it is complete.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::found::Place;

use crate::digest::hex;
use crate::disk;
use crate::event::{Event, Listener};
use crate::outcome::CouldNotRun;

/// The free space is checked again after this many bytes.
const ASK_AGAIN: u64 = 64 * 1024 * 1024;

/// Minimum time between two progress events.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// A file that is being fetched.
pub(in crate::backup) struct Download {
    file: File,
    partial: Partial,
    digest: Sha256,
    /// Bytes so far.
    pub bytes: u64,
    /// Total bytes, where known.
    total: Option<u64>,
    asked: u64,
    reported: Instant,
    listener: Listener,
}

/// A completely downloaded file.
#[derive(Debug)]
pub(in crate::backup) struct Received {
    pub path: PathBuf,
    pub sha256: String,
}

/// Path of the file; dropping it removes the file unless it was kept.
struct Partial(Option<PathBuf>);

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // The folder of the run is removed in any case.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Download {
    /// Creates a file in the folder of the run, named after `name` as far as possible.
    pub async fn begin(place: &Place<'_>, name: &str) -> Result<Self, CouldNotRun> {
        let path = place.spool.join(file_name(name));
        let made = async {
            tokio::fs::create_dir_all(place.spool).await?;
            File::create(&path).await
        };
        let file = made
            .await
            .map_err(|error| unwritable(place.spool, &error))?;
        let download = Self {
            file,
            partial: Partial(Some(path)),
            digest: Sha256::new(),
            bytes: 0,
            total: None,
            asked: 0,
            reported: Instant::now(),
            listener: place.listener.clone(),
        };
        Ok(download)
    }

    /// Sets the expected number of bytes, if known; they must fit on the disk.
    pub fn expect(&mut self, total: Option<u64>) -> Result<(), CouldNotRun> {
        self.total = total;
        self.check_room()
    }

    /// Writes what arrived.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), CouldNotRun> {
        self.file
            .write_all(chunk)
            .await
            .map_err(|error| unwritable(self.path(), &error))?;
        self.digest.update(chunk);
        self.bytes += chunk.len() as u64;
        if self.bytes - self.asked >= ASK_AGAIN {
            self.asked = self.bytes;
            self.file
                .flush()
                .await
                .map_err(|error| unwritable(self.path(), &error))?;
            self.check_room()?;
        }
        if self.reported.elapsed() >= REPORT_INTERVAL {
            self.reported = Instant::now();
            (self.listener)(Event::Fetched {
                bytes: self.bytes,
                total: self.total,
            });
        }
        Ok(())
    }

    /// Begins again, since the bytes so far are of a file that is no longer available.
    pub async fn restart(&mut self) -> Result<(), CouldNotRun> {
        use tokio::io::AsyncSeekExt as _;
        let done = async {
            self.file.flush().await?;
            self.file.set_len(0).await?;
            self.file.rewind().await
        };
        done.await
            .map_err(|error| unwritable(self.path(), &error))?;
        (self.digest, self.bytes, self.asked) = (Sha256::new(), 0, 0);
        Ok(())
    }

    /// Ends the complete file.
    pub async fn end(mut self) -> Result<Received, CouldNotRun> {
        let done = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        done.await
            .map_err(|error| unwritable(self.path(), &error))?;
        Ok(Received {
            path: self.partial.0.take().unwrap_or_default(),
            sha256: hex(&self.digest.finalize()),
        })
    }

    fn path(&self) -> &Path {
        self.partial.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Checks that the remaining bytes fit.
    fn check_room(&self) -> Result<(), CouldNotRun> {
        let needed = self.total.unwrap_or(0).saturating_sub(self.bytes);
        disk::fits(self.path(), needed).map_err(|reason| {
            let folder = self.path().parent().unwrap_or(Path::new("/"));
            no_room(folder, &reason)
        })
    }
}

/// The error that a fetched backup does not fit on the disk of a folder.
pub(in crate::backup) fn no_room(folder: &Path, reason: &str) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!(
            "the backup does not fit on the disk of {}: {reason}",
            folder.display()
        ),
        "free some space, or set a folder on another disk with `--work-dir`",
    )
}

/// A name for a file on this machine: the last part of a key, an address or what a person wrote.
pub(super) fn file_name(name: &str) -> String {
    let last = name
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(name);
    let clean: String = last
        .chars()
        .map(|c| if c.is_control() { '_' } else { c })
        .collect();
    let mut end = clean.len().min(200);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    match &clean[..end] {
        "" | "." | ".." => "backup".to_owned(),
        name => name.to_owned(),
    }
}

/// The error of writing to the disk.
fn unwritable(path: &Path, error: &io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("cannot write to {}: {error}", path.display()),
        "free some space, or set another folder with `--work-dir`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("nightly/plur.sql", "plur.sql")]
    #[case("..", "backup")]
    #[case("a/../", "backup")]
    #[case("", "backup")]
    #[case("a\nb", "a_b")]
    fn names_stay_in_the_folder(#[case] name: &str, #[case] file: &str) {
        assert_eq!(file_name(name), file);
        assert_eq!(file_name(&"ü".repeat(300)).len(), 200);
    }
}
