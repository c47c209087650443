//! Files that appear complete or not at all: a temporary file in the same folder is synced and renamed.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// Mode of a file that everybody may read, as far as the umask permits: the job that collects reports may
/// run as another user.
pub const SHARED: u32 = 0o666;

/// Mode of a file that only its owner may read.
pub const PRIVATE: u32 = 0o600;

/// Creates the temporary file for `path`; dropping it removes it.
///
/// # Errors
/// An error that names `path`: its folder does not exist or cannot be written to.
pub fn create(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".redrill-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder_of(path))
        .map_err(|error| cannot_write(path, &error))
}

/// Writes the temporary file for `path`, to the disk.
///
/// # Errors
/// An error that names `path`.
pub fn stage(path: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = create(path, SHARED)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| cannot_write(path, &error))?;
    Ok(file)
}

/// Syncs a temporary file and renames it to `path`; without `replace` only if there is no such file.
///
/// # Errors
/// An error that names `path`.
pub fn rename(file: NamedTempFile, path: &Path, replace: bool) -> io::Result<()> {
    let rename = || {
        file.as_file().sync_all()?;
        if replace {
            file.persist(path)?;
        } else {
            file.persist_noclobber(path)?;
        }
        Ok(())
    };
    rename().map_err(|error: io::Error| cannot_write(path, &error))
}

/// Writes a file that everybody may read, and the folders above it.
///
/// # Errors
/// An error that names `path`.
pub fn write(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    std::fs::create_dir_all(folder_of(path)).map_err(|error| cannot_write(path, &error))?;
    rename(stage(path, text)?, path, replace)
}

/// The folder that a file is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    let text = format!("cannot write {}: {error}", path.display());
    io::Error::new(error.kind(), text)
}
