//! The manifest next to a backup: the baseline of the database in the snapshot of the dump.

use std::io;
use std::path::{Path, PathBuf};

use super::found::Found;
use crate::backup::files::read_at_most;
use crate::outcome::Finding;

/// The suffix that its name adds to the name of the backup.
pub const ENDING: &str = ".baseline.toml";

/// Maximum size of a manifest, in bytes.
pub(super) const READ: u64 = 256 * 1024 * 1024;

/// Finds the manifest of a local file or folder.
pub(super) fn read_manifest(found: &mut Found) {
    let (Some(folder), Some(name)) = (found.path.parent(), found.path.file_name()) else {
        return;
    };
    let mut name = format!("{}{ENDING}", name.to_string_lossy());
    let mut path = folder.join(&name);
    if !path.is_file() {
        // That of a folder of dumps may be in the folder.
        let Some(within) = only_one(&found.path) else {
            return;
        };
        name = within
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        path = within;
    }
    let read = read_at_most(&path, READ)
        .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
        .map_err(|error| format!("it cannot be read: {error}"));
    stated(found, name, read);
}

/// The manifest in a folder, if there is exactly one.
fn only_one(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut manifests = entries
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(ENDING));
    let first = manifests.next()?;
    manifests.next().is_none().then_some(first)
}

/// Adds the manifest, or the error of reading it.
pub(super) fn stated(found: &mut Found, name: String, text: Result<String, String>) {
    match text {
        Ok(text) => found.manifest = Some((name, text)),
        Err(why) => found
            .warnings
            .push(Finding::about(name, "the manifest of the backup", why)),
    }
}

#[cfg(test)]
mod tests {
    use crate::backup::source::Rules;
    use crate::backup::source::path::find;
    use rstest::rstest;

    #[rstest]
    #[case(&["a.sql", "a.sql.baseline.toml"], "a.sql", Some("a.sql.baseline.toml"))]
    #[case(&["a.sql", "b.sql.baseline.toml"], "a.sql", None)]
    #[case(&["night/a.dump", "night/a.dump.baseline.toml"], "night", Some("a.dump.baseline.toml"))]
    #[case(&["night/a.dump", "night.baseline.toml"], "night", Some("night.baseline.toml"))]
    #[case(&["night/a.dump.baseline.toml", "night/b.dump.baseline.toml"], "night", None)]
    fn a_manifest_lies_beside_or_among(
        #[case] files: &[&str],
        #[case] backup: &str,
        #[case] manifest: Option<&str>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        let found = find(&folder.path().join(backup), &Rules::default()).unwrap();
        let name = found.manifest.as_ref().map(|(name, _)| name.as_str());
        assert_eq!(name, manifest);
    }
}
