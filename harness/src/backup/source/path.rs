//! `path`: one file or folder.

use crate::outcome::CouldNotRun;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::found::{Earlier, Found, Rules};
use super::{digest, manifest};
use crate::input::diagnostic::nearest;

/// Selects the file or folder.
///
/// # Errors
/// When it does not exist or cannot be read.
pub fn find(path: &Path, rules: &Rules) -> Result<Found, CouldNotRun> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        CouldNotRun::with_hint(
            format!("cannot read the backup {}: {error}", path.display()),
            neighbour(path).map_or_else(
                || "`--backup` is relative to the current folder, `path` in `[backup]` to that of the scenario".to_owned(),
                |near| format!("did you mean {}?", near.display()),
            ),
        )
    })?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(CouldNotRun::with_hint(
            format!("{} is neither a file nor a folder", path.display()),
            "to read a pipe or a device, use `[backup.command]`",
        ));
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut found = Found::named(path.to_owned(), path.display().to_string(), &name, rules);
    found.modified = modified(&metadata);
    found.earlier = earlier(path, &name, rules);
    digest::read_digest_file(&mut found);
    manifest::read_manifest(&mut found);
    Ok(found)
}

/// The file in the same folder whose name is most similar.
#[must_use]
pub fn neighbour(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let names = std::fs::read_dir(folder).ok()?.flatten();
    let names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near))
}

/// Older backups of its stream in the same folder; none if the folder cannot be listed.
fn earlier(path: &Path, name: &str, rules: &Rules) -> Vec<Earlier> {
    let (Some(time), Some(folder)) = (rules.time(name), path.parent()) else {
        return Vec::new();
    };
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let stream = rules.stream(name);
    let mut earlier: Vec<Earlier> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let older = rules.time(&name).filter(|of| *of < time)?;
            let metadata = entry.metadata().ok()?;
            let same = rules.stream(&name) == stream && metadata.is_file() == path.is_file();
            same.then(|| Earlier {
                bytes: if metadata.is_file() {
                    metadata.len()
                } else {
                    0
                },
                time: older,
                path: Some(entry.path()),
                name,
            })
        })
        .collect();
    earlier.sort_by(|one, other| (other.time, &other.name).cmp(&(one.time, &one.name)));
    earlier
}

/// When a file was last changed.
pub(super) fn modified(metadata: &Metadata) -> Option<Timestamp> {
    Timestamp::try_from(metadata.modified().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_ones_of_its_stream_are_found_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a-2026-05-25.sql",
            "a-2026-05-23.sql",
            "a-2026-05-24.sql",
            "a-2026-05-26.sql",
            "b-2026-05-22.sql",
            "a-old.sql",
        ] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = find(&folder.path().join("a-2026-05-25.sql"), &Rules::default()).unwrap();
        let names: Vec<_> = found.earlier.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a-2026-05-24.sql", "a-2026-05-23.sql"]);
        let found = find(&folder.path().join("a-old.sql"), &Rules::default()).unwrap();
        assert!(found.earlier.is_empty());
    }
}
