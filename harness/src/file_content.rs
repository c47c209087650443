//! The bytes of a file, or of all files of a folder: their number, size and digest.

use std::io;
use std::path::Path;

use jiff::Timestamp;

use crate::digest::{RowsDigest, sha256_of};
use crate::outcome::CouldNotRun;

/// What is in a file or a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) is_folder: bool,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Of a file, its SHA-256; of a folder, the sum of those of the lines `SHA-256  BYTES  NAME` of its files, which needs
    /// no order and so no memory for their names.
    pub(crate) sha256: Option<String>,
    /// The last change of a file.
    pub(crate) changed: Option<Timestamp>,
}

impl Content {
    /// The size in bytes of a file or of all files of a folder; `None` where there are more than so many of them. Links are not
    /// followed, and no content is read. Blocks.
    pub(crate) fn within(path: &Path, most: u64) -> io::Result<Option<u64>> {
        if !path.is_dir() {
            return Ok(Some(std::fs::metadata(path)?.len()));
        }
        let (mut files, mut bytes) = (0, 0);
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                files += 1;
                if files > most {
                    return Ok(None);
                }
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    bytes += entry.metadata()?.len();
                }
            }
        }
        Ok(Some(bytes))
    }

    /// Reads a file or a folder; without `digested` only their sizes. Links are not followed. Blocks.
    pub(crate) fn of(path: &Path, digested: bool) -> Result<Self, CouldNotRun> {
        let unreadable = |path: &Path, error: &io::Error| {
            CouldNotRun::with_hint(
                format!("cannot read {}: {error}", path.display()),
                "run redrill as a user who may read it",
            )
        };
        let mut content = Self::default();
        if !path.is_dir() {
            let sum = content.add(path, digested);
            content.sha256 = sum.map_err(|error| unreadable(path, &error))?;
            return Ok(content);
        }
        content.is_folder = true;
        let mut sum = RowsDigest::default();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries =
                std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| unreadable(&folder, &error))?;
                let own = entry.path();
                let kind = entry
                    .file_type()
                    .map_err(|error| unreadable(&own, &error))?;
                if kind.is_dir() {
                    folders.push(own);
                } else if kind.is_file() {
                    let before = content.bytes;
                    let digest = content
                        .add(&own, digested)
                        .map_err(|error| unreadable(&own, &error))?;
                    let name = own.strip_prefix(path).unwrap_or(&own).to_string_lossy();
                    let bytes = content.bytes - before;
                    sum.add(format!("{}  {bytes}  {name}", digest.unwrap_or_default()).as_bytes());
                }
            }
        }
        content.sha256 = digested.then(|| sum.sum());
        Ok(content)
    }

    /// The digest of these files as if they were all that one folder has. Blocks.
    pub(crate) fn of_files<'a>(
        files: impl IntoIterator<Item = &'a std::path::PathBuf>,
    ) -> io::Result<String> {
        let mut sum = RowsDigest::default();
        for path in files {
            let mut one = Self::default();
            let digest = one.add(path, true)?.unwrap_or_default();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            sum.add(format!("{digest}  {}  {name}", one.bytes).as_bytes());
        }
        Ok(sum.sum())
    }

    /// Adds a file; returns its SHA-256 where it is read.
    fn add(&mut self, path: &Path, digested: bool) -> io::Result<Option<String>> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        self.files += 1;
        self.bytes += metadata.len();
        let changed = metadata.modified().ok();
        self.changed = self
            .changed
            .max(changed.and_then(|time| Timestamp::try_from(time).ok()));
        digested.then(|| sha256_of(file)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_digest_whatever_its_order() {
        let digest = |names: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in names {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let content = Content::of(folder.path(), true).unwrap();
            assert_eq!(content.files, names.len() as u64);
            content.sha256.unwrap()
        };
        let whole = digest(&[("a", "1"), ("b/c", "22"), ("d", "")]);
        assert_eq!(whole, digest(&[("d", ""), ("b/c", "22"), ("a", "1")]));
        assert_ne!(whole, digest(&[("a", "1"), ("b/c", "23"), ("d", "")]));
        assert_ne!(whole, digest(&[("a", "1"), ("b/e", "22"), ("d", "")]));
        assert_ne!(whole, digest(&[("a", "1"), ("b/c", "22")]));
    }

    #[test]
    fn links_are_not_followed_and_content_is_not_read_if_not_wanted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "123").unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        let content = Content::of(folder.path(), false).unwrap();
        assert_eq!((content.files, content.bytes), (1, 3));
        assert_eq!(content.sha256, None);
        assert!(content.changed.is_some());
    }
}
