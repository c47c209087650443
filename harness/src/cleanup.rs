//! Ownership of everything that a run starts: its id, its folder, its lock, and the reaper that
//! removes what a killed run left.
//!
//! A run holds a lock on `<id>.lock` until it ends; the kernel releases it however the run ends. Whatever
//! has the id of a run without a lock is left over.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::digest::hex;
use crate::input::Environment;
use crate::{process, shared_memory};

/// The folder of a local server in the folder of the run.
pub const SERVER: &str = "server";
/// The file in it with the System V segments of the server.
pub const SEGMENTS: &str = "segments";

/// Label with the id of the run.
pub const LABEL_RUN: &str = "redrill.run";
/// Label with the machine of the run.
pub const LABEL_HOST: &str = "redrill.host";
/// Label with the work folder that contains the lock of the run.
pub const LABEL_WORK: &str = "redrill.work";

/// The folder of all runs of a user on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    root: PathBuf,
    cache: Option<PathBuf>,
}

/// The folder for what later runs use again: `$XDG_CACHE_HOME/redrill`, otherwise `~/.cache/redrill`; `None` where the
/// environment names neither.
#[must_use]
pub fn cache_folder(environment: &Environment) -> Option<PathBuf> {
    let folder = |name| {
        let path = Path::new(environment.get(name)?);
        path.is_absolute().then(|| path.to_owned())
    };
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    base.map(|base| base.join("redrill"))
}

/// A running run. Dropping it removes its folder and releases its lock.
#[derive(Debug)]
pub struct Run {
    /// Eight hexadecimal digits.
    pub id: String,
    /// The folder for everything that the run writes to the disk.
    pub folder: PathBuf,
    work: Work,
    /// `None` once another process owns the run.
    lock: Option<File>,
}

/// The result of removing dead runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Ids of dead runs whose folders and processes were removed.
    pub runs: Vec<String>,
    /// Containers that were removed.
    pub containers: Vec<String>,
    /// Volumes that were removed.
    pub volumes: Vec<String>,
    /// Why no container was looked for; `None` if the engine answered.
    pub no_engine: Option<String>,
    /// What could not be removed, with the reason.
    pub failed: Vec<String>,
}

impl Work {
    /// Creates `<base>/redrill-<uid>`, the folder of the runs of this user.
    ///
    /// # Errors
    /// When it cannot be created, or other users may write to it.
    pub fn below(base: &Path) -> io::Result<Self> {
        let uid = nix::unistd::geteuid().as_raw();
        let root = base.join(format!("redrill-{uid}"));
        // 0711: a server that runs as another user may pass, and cannot list it.
        match std::fs::DirBuilder::new().mode(0o711).create(&root) {
            Ok(()) => std::fs::set_permissions(&root, Permissions::from_mode(0o711))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let metadata = std::fs::symlink_metadata(&root)?;
        if !metadata.is_dir() || metadata.uid() != uid || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other(format!(
                "{} belongs to another user, or other users may write to it",
                root.display()
            )));
        }
        spread(&root);
        Ok(Self {
            root: root.canonicalize()?,
            cache: None,
        })
    }

    /// The folder of runs at `root`, which [`Work::below`] made.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root, cache: None }
    }

    /// Lets runs keep in `cache` what later runs use again; see [`cache_folder`].
    #[must_use]
    pub fn caching_in(self, cache: Option<PathBuf>) -> Self {
        Self { cache, ..self }
    }

    /// The folder for what later runs use again; it may not exist yet.
    #[must_use]
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// Its path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Begins a run, with a new id, a lock and a folder.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn begin(&self) -> io::Result<Run> {
        loop {
            let mut bytes = [0_u8; 4];
            getrandom::fill(&mut bytes).map_err(io::Error::other)?;
            let id = hex(&bytes);
            let Ok(lock) = File::create_new(self.lock_path(&id)) else {
                continue;
            };
            // A sweep between these two lines may have taken the lock, removed the file and released the
            // lock: a lock on a removed file protects nothing.
            if lock.try_lock().is_err() || !is_at(&lock, &self.lock_path(&id)) {
                continue;
            }
            // It contains the socket, and a connection by the socket is that of a superuser.
            let folder = self.root.join(&id);
            std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
            return Ok(Run {
                id,
                folder,
                work: self.clone(),
                lock: Some(lock),
            });
        }
    }

    /// Whether the run `id` still runs; true if unknown.
    #[must_use]
    pub fn is_alive(&self, id: &str) -> bool {
        match File::open(self.lock_path(id)) {
            Ok(file) => !matches!(file.try_lock(), Ok(())),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn lock_path(&self, id: &str) -> PathBuf {
        self.root.join(format!("{id}.lock"))
    }

    /// Removes the processes and folders of dead runs.
    #[must_use]
    pub fn sweep(&self) -> Swept {
        let mut swept = Swept::default();
        let Ok(entries) = std::fs::read_dir(&self.root) else {
            return swept;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(id) = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".lock"))
            else {
                continue;
            };
            let Ok(lock) = File::open(&path) else {
                continue;
            };
            if lock.try_lock().is_err() {
                continue;
            }
            match self.remove(id) {
                Ok(()) => swept.runs.push(id.to_owned()),
                Err(error) => swept.failed.push(format!("run {id}: {error}")),
            }
        }
        swept
    }

    /// Removes everything that the run `id` left on this machine, the lock file last.
    fn remove(&self, id: &str) -> io::Result<()> {
        let folder = self.root.join(id);
        process::kill_marked(id);
        process::kill_working_in(&folder);
        process::kill_orphans(id);
        shared_memory::remove(&folder.join(SERVER).join(SEGMENTS));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::remove_file(self.lock_path(id))
    }
}

impl Run {
    /// The folder for what later runs use again; it may not exist yet.
    #[must_use]
    pub fn cache(&self) -> Option<&Path> {
        self.work.cache()
    }

    /// The folder of all runs.
    #[must_use]
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Takes over a run from another process, which passed its `lock` on.
    ///
    /// # Errors
    /// When it is not the lock of that run.
    pub fn adopt(work: &Work, id: &str, lock: File) -> io::Result<Self> {
        if lock.try_lock().is_err() || !is_at(&lock, &work.lock_path(id)) {
            return Err(io::Error::other(format!("no lock of run {id} was passed")));
        }
        Ok(Self {
            id: id.to_owned(),
            folder: work.root.join(id),
            work: work.clone(),
            lock: Some(lock),
        })
    }

    /// Gives the run up for another process to adopt: returns its lock. Its processes end, and files that are not in `kept`, names
    /// in its folder, are removed.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn hand_over(mut self, kept: impl Fn(&str) -> bool) -> io::Result<File> {
        process::kill_marked(&self.id);
        process::kill_orphans(&self.id);
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&kept) {
                continue;
            }
            match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path())?,
                false => std::fs::remove_file(entry.path())?,
            }
        }
        let lock = self.lock.take();
        lock.ok_or_else(|| io::Error::other("the run was handed over before"))
    }

    /// Gives a group access to the folder of the run, for a server that runs as another user.
    ///
    /// # Errors
    /// When the group of the folder cannot be changed.
    pub fn let_pass(&self, group: u32) -> io::Result<()> {
        chown(&self.folder, None, Some(group))?;
        std::fs::set_permissions(&self.folder, Permissions::from_mode(0o710))
    }

    /// Labels of containers of this run.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, String); 3] {
        [
            (LABEL_RUN, self.id.clone()),
            (LABEL_HOST, host()),
            (LABEL_WORK, self.work.root.display().to_string()),
        ]
    }

    /// Removes everything that the run left on this machine.
    ///
    /// # Errors
    /// When a folder cannot be removed.
    pub fn end(self) -> io::Result<()> {
        self.work.remove(&self.id)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Nothing is left after `end`; otherwise a drop cannot report an error.
        if self.lock.is_some() && self.folder.exists() {
            let _ = self.work.remove(&self.id);
        }
    }
}

/// Lets ext4 put each folder in `root` elsewhere on the disk. Next to each other, the thousand files of a new server
/// take ten times as long after those of another were removed, because ext4 does not use their inodes again for
/// some seconds and searches past them.
fn spread(root: &Path) {
    // Other file systems have no such attribute.
    let _ = File::open(root).and_then(|folder| {
        let flags = ioctl_getflags(&folder)?;
        Ok(ioctl_setflags(&folder, flags | IFlags::TOPDIR)?)
    });
}

/// Whether an open file still has the name `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Name of this machine, or of the container that redrill runs in; `None` where the system gives none.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Identifies this machine, or the container that redrill runs in. One engine may serve several; containers
/// of one image have the same host name and machine id, but different process namespaces.
#[must_use]
pub fn host() -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let name = host_name().unwrap_or_default();
    let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let processes: String = processes
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    format!("{name}.{}.{processes}", machine.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_run_is_left_alone_and_a_dead_one_is_removed() {
        let base = tempfile::tempdir().unwrap();
        let work = Work::below(base.path()).unwrap();
        let alive = work.begin().unwrap();
        let dead = work.begin().unwrap();
        let dead_folder = dead.folder.clone();
        let dead_id = dead.id.clone();
        // As after SIGKILL: the lock is free, the folder is there.
        std::fs::write(dead_folder.join("left"), "x").unwrap();
        let lock = dead.lock.as_ref().unwrap().try_clone().unwrap();
        std::mem::forget(dead);
        lock.unlock().unwrap();

        assert!(work.is_alive(&alive.id));
        assert!(!work.is_alive(&dead_id));
        assert_eq!(work.sweep().runs, [dead_id]);
        assert!(!dead_folder.exists());
        assert!(alive.folder.exists());

        let folder = alive.folder.clone();
        alive.end().unwrap();
        assert!(!folder.exists());
        assert_eq!(std::fs::read_dir(work.root()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let uid = nix::unistd::geteuid().as_raw();
        let root = base.path().join(format!("redrill-{uid}"));
        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, Permissions::from_mode(0o777)).unwrap();
        assert!(Work::below(base.path()).is_err());
    }
}
