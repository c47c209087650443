//! A data folder that redrill writes from a base backup, before a server starts on it.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, fchown};
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, mkdirat};

use super::Local;
use super::copy::in_thread;
use crate::data_folder::DataFolder;
use crate::disk;
use crate::outcome::CouldNotRun;
use crate::server::machine::DataSource;

/// The file that asks a server in recovery to end it.
const PROMOTE: &str = "promote";

/// Writes a data folder by descriptors. It belongs to redrill until it is complete, and nothing but redrill writes to it.
struct Writer<'a> {
    root: File,
    owner: Option<(u32, u32)>,
    cancelled: &'a AtomicBool,
    /// The file that is being written, and how many of its bytes are missing.
    file: Option<(File, u64)>,
}

impl Writer<'_> {
    /// The folder above a path, and the last name of the path.
    fn above<'p>(&self, path: &'p str) -> io::Result<(File, &'p Path)> {
        let path = Path::new(path);
        let leads_elsewhere = || io::Error::other(format!("{} leads elsewhere", path.display()));
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let name = path.file_name().filter(|_| path.components().all(is_plain));
        let name = name.ok_or_else(leads_elsewhere)?;
        let mut folder = self.root.try_clone()?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        for part in path.parent().into_iter().flat_map(Path::components) {
            let part = Path::new(part.as_os_str());
            folder = openat(&folder, part, flags, Mode::empty())?.into();
        }
        Ok((folder, Path::new(name)))
    }

    fn give(&self, new: &File, mode: u32) -> io::Result<()> {
        // Whatever the umask is.
        new.set_permissions(Permissions::from_mode(mode))?;
        match self.owner {
            Some((user, group)) => fchown(new, Some(user), Some(group)),
            None => Ok(()),
        }
    }
}

impl DataFolder for Writer<'_> {
    fn folder(&mut self, path: &str) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        mkdirat(&above, name, Mode::S_IRWXU)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let new = File::from(openat(&above, name, flags, Mode::empty())?);
        self.give(&new, 0o700)
    }

    fn begin(&mut self, path: &str, bytes: u64) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = File::from(openat(&above, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        self.give(&file, 0o600)?;
        self.file = Some((file, bytes));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (file, left) = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let rest = left.checked_sub(bytes.len() as u64);
        *left = rest.ok_or_else(|| io::Error::other("a file is longer than its entry says"))?;
        file.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some((_, 1..)) => Err(io::Error::other("a file is shorter than its entry says")),
            Some(_) | None => Ok(()),
        }
    }
}

impl Local {
    /// Writes the data folder of a base backup to that of this server.
    pub(super) async fn write_base(
        &mut self,
        data: &Arc<dyn DataSource>,
    ) -> Result<(), CouldNotRun> {
        disk::fits(&self.data, data.bytes()).map_err(|why| {
            CouldNotRun::with_hint(
                format!("the data folder of the base backup does not fit on the disk: {why}"),
                "free some space, or set a folder on another disk with `--work-dir`",
            )
        })?;
        let (source, to, owner) = (Arc::clone(data), self.data.clone(), self.user);
        let written = in_thread(move |cancelled| {
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let root = open(&to, flags, Mode::empty()).map_err(|error| {
                CouldNotRun::new(format!("cannot open {}: {error}", to.display()))
            })?;
            let mut writer = Writer {
                root: root.into(),
                owner,
                cancelled,
                file: None,
            };
            source.write(&mut writer)
        });
        written.await??;
        self.give_data()?;
        self.is_copy = true;
        for (name, value) in data.settings() {
            self.arguments
                .extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        Ok(())
    }

    /// Asks the server to end its recovery. No code of the backup runs before that.
    pub(super) fn ask_to_promote(&self) -> io::Result<()> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let data = open(&self.data, flags, Mode::empty())?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(
            &data,
            PROMOTE,
            flags,
            Mode::S_IRUSR | Mode::S_IWUSR,
        )?);
        if let Some((user, group)) = self.user {
            fchown(&file, Some(user), Some(group))?;
        }
        let Some(server) = &self.server else {
            return Err(io::Error::other("the server was not started"));
        };
        let server = server
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let listens = self.held.as_ref().and_then(|held| held.peer());
        server.signal_below(listens, Signal::SIGUSR1);
        Ok(())
    }
}
