//! Names and contents of small files, and work that blocks.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::outcome::CouldNotRun;

/// The last component of a path with `/`, such as the name of a member of a bundle or a key.
#[must_use]
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Reads a file, at most its first `most` bytes.
///
/// # Errors
/// When it cannot be read.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs blocking work on a separate thread.
///
/// # Errors
/// Those of the work, and that the thread ended early.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CouldNotRun> + Send + 'static,
) -> Result<T, CouldNotRun> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(CouldNotRun::with_hint(
                format!("a thread of redrill ended: {error}"),
                "try again; if it happens again, report it as a bug",
            ))
        })
}
