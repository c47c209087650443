//! `path`: one file.

use std::path::Path;

use super::{Found, SourceError, time_in_name};

/// Takes the file, if it is one.
pub(super) fn find(path: &Path) -> Result<Found, SourceError> {
    let metadata = std::fs::metadata(path).map_err(|error| SourceError {
        reason: format!("cannot read the backup {}: {error}", path.display()),
        hint: "correct `path` in `[backup]`; it is relative to the scenario file".to_owned(),
    })?;
    if metadata.is_dir() {
        return Err(SourceError {
            reason: format!("{} is a folder", path.display()),
            hint:
                "name a file; for the newest file of a folder, use `newest = \"folder/*.sql.gz\"`"
                    .to_owned(),
        });
    }
    Ok(Found {
        path: path.to_owned(),
        chosen: "named by the scenario".to_owned(),
        named_time: path
            .file_name()
            .and_then(|name| time_in_name(&name.to_string_lossy())),
    })
}
