//! Copies of data folders.
//!
//! Each name is opened in its open folder and no symlink is followed, so that whoever owns a folder cannot lead a copy
//! out of it, in either direction.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};

const FOLDER: OFlag = OFlag::O_DIRECTORY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Copies what is in the folder `from` to the empty folder `to`, for user and group `owner`; returns the
/// [`listing`] of `from`, of the moment of the copy. Folders get the mode 0700 and files 0600.
///
/// # Errors
/// Errors of the system; something that is neither a folder nor a file with one name.
pub(super) fn copy(from: &Path, to: &Path, owner: Option<(u32, u32)>) -> io::Result<String> {
    let mut walk = Walk {
        owner,
        lines: Vec::new(),
    };
    walk.folder(&open_folder(from)?, Some(&open_folder(to)?), Path::new(""))?;
    Ok(walk.listing())
}

/// One line for each folder and file in `folder`: its path, and of a file its size in bytes and the time of its last
/// change. Whatever writes to a file changes its line.
///
/// # Errors
/// As those of [`copy`].
pub(super) fn listing(folder: &Path) -> io::Result<String> {
    let mut walk = Walk {
        owner: None,
        lines: Vec::new(),
    };
    walk.folder(&open_folder(folder)?, None, Path::new(""))?;
    Ok(walk.listing())
}

fn open_folder(path: &Path) -> io::Result<File> {
    Ok(open(path, FOLDER, Mode::empty())?.into())
}

struct Walk {
    owner: Option<(u32, u32)>,
    lines: Vec<String>,
}

impl Walk {
    fn folder(&mut self, from: &File, to: Option<&File>, path: &Path) -> io::Result<()> {
        // The descriptor, not the path, which may be another folder by now.
        for entry in std::fs::read_dir(format!("/proc/self/fd/{}", from.as_raw_fd()))? {
            let entry = entry?;
            let name = PathBuf::from(entry.file_name());
            let path = path.join(&name);
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.lines.push(format!("{}/", path.display()));
                let inner = File::from(openat(from, &name, FOLDER, Mode::empty())?);
                let copy = to.map(|to| self.new_folder(to, &name)).transpose()?;
                self.folder(&inner, copy.as_ref(), &path)?;
            } else if kind.is_file() {
                self.file(from, to, &name, &path)?;
            } else {
                return Err(unexpected(&path));
            }
        }
        Ok(())
    }

    fn new_folder(&self, above: &File, name: &Path) -> io::Result<File> {
        mkdirat(above, name, Mode::S_IRWXU)?;
        let new = File::from(openat(above, name, FOLDER, Mode::empty())?);
        self.give(&new, 0o700)?;
        Ok(new)
    }

    fn file(&mut self, from: &File, to: Option<&File>, name: &Path, path: &Path) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(from, name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        // A second name could be that of a file elsewhere.
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err(unexpected(path));
        }
        self.lines.push(format!(
            "{} {} {}.{:09}",
            path.display(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec()
        ));
        if let Some(to) = to {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            let mut copy = File::from(openat(to, name, flags, mode)?);
            self.give(&copy, 0o600)?;
            // By copy_file_range, which shares the blocks where the file system can.
            io::copy(&mut file, &mut copy)?;
        }
        Ok(())
    }

    fn give(&self, new: &File, mode: u32) -> io::Result<()> {
        // Whatever the umask is.
        new.set_permissions(Permissions::from_mode(mode))?;
        match self.owner {
            Some((user, group)) => fchown(new, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    fn listing(mut self) -> String {
        self.lines.sort();
        self.lines.join("\n")
    }
}

fn unexpected(path: &Path) -> io::Error {
    io::Error::other(format!(
        "{} is neither a folder nor a file with one name",
        path.display()
    ))
}
