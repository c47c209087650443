//! Copies of data folders.
//!
//! Each name is opened in its open folder and no symlink is followed, so that whoever owns a folder cannot lead a copy
//! out of it, in either direction.

use std::fs::{File, FileType, Permissions};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use rustix::fs::ioctl_ficlone;

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
        ..Walk::default()
    };
    walk.folder(&open_folder(from)?, Some(&open_folder(to)?), Path::new(""))?;
    Ok(walk.listing())
}

/// The same, until `cancelled` is true.
///
/// # Errors
/// As those of [`copy`]; `Interrupted` where it was cancelled.
pub(super) fn copy_until(
    from: &Path,
    to: &Path,
    owner: Option<(u32, u32)>,
    cancelled: &AtomicBool,
) -> io::Result<()> {
    let mut walk = Walk {
        owner,
        cancelled: Some(cancelled),
        ..Walk::default()
    };
    walk.folder(&open_folder(from)?, Some(&open_folder(to)?), Path::new(""))
}

/// Bytes of the files in `folder`, which [`copy`] could copy.
///
/// # Errors
/// As those of [`copy`].
pub(super) fn size(folder: &Path) -> io::Result<u64> {
    let mut walk = Walk::default();
    walk.folder(&open_folder(folder)?, None, Path::new(""))?;
    Ok(walk.bytes)
}

/// Whether a copy of a file of the data folder `from` in the folder `to` of redrill takes no space, because the file system
/// shares its blocks.
pub(super) fn shares_blocks(from: &Path, to: &Path) -> bool {
    let (version, probe) = (Path::new("PG_VERSION"), Path::new("redrill-probe"));
    let shared = || -> io::Result<()> {
        let (from, to) = (open_folder(from)?, open_folder(to)?);
        let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let from = openat(&from, version, read, Mode::empty())?;
        let write = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let copy = openat(&to, probe, write, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let cloned = ioctl_ficlone(&copy, &from);
        nix::unistd::unlinkat(&to, probe, nix::unistd::UnlinkatFlags::NoRemoveDir)?;
        Ok(cloned?)
    };
    shared().is_ok()
}

/// One line for each folder and file in `folder`: its path, and of a file its size in bytes and the time of its last
/// change. Whatever writes to a file changes its line.
///
/// # Errors
/// As those of [`copy`].
pub(super) fn listing(folder: &Path) -> io::Result<String> {
    let mut walk = Walk::default();
    walk.folder(&open_folder(folder)?, None, Path::new(""))?;
    Ok(walk.listing())
}

fn open_folder(path: &Path) -> io::Result<File> {
    Ok(open(path, FOLDER, Mode::empty())?.into())
}

/// Bytes of a file that are copied before it is asked again whether the copy was cancelled.
const PIECE: u64 = 64 << 20;

#[derive(Default)]
struct Walk<'a> {
    owner: Option<(u32, u32)>,
    cancelled: Option<&'a AtomicBool>,
    lines: Vec<String>,
    bytes: u64,
}

impl Walk<'_> {
    fn folder(&mut self, from: &File, to: Option<&File>, path: &Path) -> io::Result<()> {
        // The descriptor, not the path, which may be another folder by now.
        for entry in std::fs::read_dir(format!("/proc/self/fd/{}", from.as_raw_fd()))? {
            let entry = entry?;
            let name = PathBuf::from(entry.file_name());
            let path = path.join(&name);
            match self.entry(from, to, &name, &path, entry.file_type()) {
                // A server that runs removes files while they are counted.
                Err(error) if to.is_none() && error.kind() == io::ErrorKind::NotFound => {}
                walked => walked?,
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: &File,
        to: Option<&File>,
        name: &Path,
        path: &Path,
        kind: io::Result<FileType>,
    ) -> io::Result<()> {
        let kind = kind?;
        if kind.is_dir() {
            let inner = File::from(openat(from, name, FOLDER, Mode::empty())?);
            self.lines.push(format!("{}/", path.display()));
            let copy = to.map(|to| self.new_folder(to, name)).transpose()?;
            self.folder(&inner, copy.as_ref(), path)
        } else if kind.is_file() {
            self.file(from, to, name, path)
        } else {
            Err(unexpected(path))
        }
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
        self.bytes += metadata.len();
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
            loop {
                if self.cancelled.is_some_and(|it| it.load(Ordering::Relaxed)) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                if io::copy(&mut file.by_ref().take(PIECE), &mut copy)? < PIECE {
                    break;
                }
            }
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
