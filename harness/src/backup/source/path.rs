//! `path`: one file or folder.

use std::fs::Metadata;
use std::path::Path;

use jiff::Timestamp;

use super::{Found, Rules, SourceError, digest};

/// Takes the file or folder.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn find(path: &Path, rules: &Rules) -> Result<Found, SourceError> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        SourceError::new(
            format!("cannot read the backup {}: {error}", path.display()),
            "correct `path` in `[backup]`; it is relative to the scenario file",
        )
    })?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(SourceError::new(
            format!("{} is neither a file nor a folder", path.display()),
            "for what a pipe or a device gives, use `[backup.command]`",
        ));
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut found = Found::named(path.to_owned(), path.display().to_string(), &name, rules);
    found.modified = modified(&metadata);
    digest::beside(&mut found);
    Ok(found)
}

/// When a file was last changed.
pub(super) fn modified(metadata: &Metadata) -> Option<Timestamp> {
    Timestamp::try_from(metadata.modified().ok()?).ok()
}
