//! Copies that a run makes of a backup or parts of it: downloads, members of a bundle, decompressed
//! archives. They are in the folder of the run and are removed with it; free space is checked while they
//! are written.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::disk;

/// The free space is checked again after this many bytes.
const STEP: u64 = 64 << 20;

/// The folder for such copies; created with the first one.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// A copy that is being written.
#[derive(Debug)]
pub struct Copy {
    file: File,
    folder: PathBuf,
    /// Bytes that may be written before the free space is checked again.
    room: u64,
}

impl Spool {
    /// A folder that may not exist yet, in one that does.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Its path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder in this one.
    ///
    /// # Errors
    /// When `name` is not a file name, or this folder cannot be created.
    pub fn within(&self, name: &str) -> io::Result<Self> {
        create(&self.folder)?;
        Ok(Self {
            folder: self.folder.join(component(name)?),
        })
    }

    /// Creates an empty file. `name` may contain folders, which are created. It comes from untrusted
    /// files, so it cannot lead outside of this folder.
    ///
    /// # Errors
    /// When it cannot be created, or exists.
    pub fn file(&self, name: &str) -> io::Result<(PathBuf, Copy)> {
        let mut path = self.folder.clone();
        create(&path)?;
        let mut components = name
            .strip_prefix("./")
            .unwrap_or(name)
            .split('/')
            .peekable();
        while let Some(name) = components.next() {
            path.push(component(name)?);
            if components.peek().is_some() {
                create(&path)?;
            }
        }
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let copy = Copy {
            file,
            folder: self.folder.clone(),
            room: 0,
        };
        Ok((path, copy))
    }
}

impl Write for Copy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            disk::fits(&self.folder, STEP)
                .map_err(|why| io::Error::new(io::ErrorKind::StorageFull, why))?;
            self.room = STEP;
        }
        let most = usize::try_from(self.room).unwrap_or(usize::MAX);
        let written = self.file.write(&bytes[..bytes.len().min(most)])?;
        self.room -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn create(folder: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Refuses a component of a path that leads to another folder.
fn component(name: &str) -> io::Result<&str> {
    if name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\0']) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{}` is not the name of a file", name.escape_default()),
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path().join("spool"));
        let (path, mut copy) = spool.file("./part/a.dump").unwrap();
        copy.write_all(b"text").unwrap();
        assert_eq!(path, folder.path().join("spool/part/a.dump"));
        assert_eq!(std::fs::read(&path).unwrap(), b"text");
        for name in [
            "", ".", "..", "../x", "/x", "a//b", "a/../b", "a\0b", "part/",
        ] {
            assert!(spool.file(name).is_err(), "F50: {name:?}");
            assert!(
                !name.is_empty() && name.contains('/') || spool.within(name).is_err(),
                "F50: {name:?}"
            );
        }
        assert!(spool.file("part/a.dump").is_err(), "never twice");
    }
}
