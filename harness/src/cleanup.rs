//! Ownership of everything that a run starts: its id, its folder, its lock, and the reaper that
//! removes what a killed run left.
//!
//! A run holds a lock on `<id>.lock` for as long as it lives; the kernel lets go of it however the
//! run ends. Whatever carries the id of a run whose lock is free is a leftover.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::digest::hex;
use crate::{process, shared_memory};

/// The folder of a local server in the run's folder.
pub const SERVER: &str = "server";
/// The folder of its data in that.
pub const DATA: &str = "data";

/// Label with the run's id.
pub const LABEL_RUN: &str = "redrill.run";
/// Label with the machine that the run is on.
pub const LABEL_HOST: &str = "redrill.host";
/// Label with the work folder that holds the run's lock.
pub const LABEL_WORK: &str = "redrill.work";

/// The folder of all runs of one user on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    root: PathBuf,
}

/// A run that lives. Dropping it removes its folder and lets go of its lock.
#[derive(Debug)]
pub struct Run {
    /// Eight hexadecimal digits.
    pub id: String,
    /// Everything that the run puts on this machine's disk lies here.
    pub folder: PathBuf,
    work: Work,
    _lock: File,
}

/// What a sweep removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Ids of dead runs whose folders and processes were removed.
    pub runs: Vec<String>,
    /// Containers that were removed.
    pub containers: Vec<String>,
    /// What could not be removed, and why.
    pub failed: Vec<String>,
}

impl Work {
    /// Takes `<base>/redrill-<uid>` as the folder of this user's runs, and makes it.
    ///
    /// # Errors
    /// When it cannot be made, or is not ours alone.
    pub fn below(base: &Path) -> io::Result<Self> {
        let uid = nix::unistd::geteuid().as_raw();
        let root = base.join(format!("redrill-{uid}"));
        // 0711: a server that runs as another user passes through, and lists nothing.
        match std::fs::DirBuilder::new().mode(0o711).create(&root) {
            Ok(()) => std::fs::set_permissions(&root, Permissions::from_mode(0o711))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let metadata = std::fs::symlink_metadata(&root)?;
        if !metadata.is_dir() || metadata.uid() != uid || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other(format!(
                "{} belongs to somebody else or is open to others",
                root.display()
            )));
        }
        Ok(Self {
            root: root.canonicalize()?,
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Begins a run: a new id, its lock, its folder.
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
            // A sweep that comes between the two lines takes the lock, and may have removed the file
            // and let go again: a lock on a file without a name protects nothing.
            if lock.try_lock().is_err() || !is_at(&lock, &self.lock_path(&id)) {
                continue;
            }
            // Whoever reaches the socket in it is superuser of the server: nobody else may.
            let folder = self.root.join(&id);
            std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
            return Ok(Run {
                id,
                folder,
                work: self.clone(),
                _lock: lock,
            });
        }
    }

    /// Tells whether the run `id` lives. What cannot be told counts as life.
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

    /// Removes all that run `id` left on this machine. The lock file goes last.
    fn remove(&self, id: &str) -> io::Result<()> {
        let folder = self.root.join(id);
        process::kill_marked(id);
        process::kill_working_in(&folder);
        shared_memory::remove(&folder.join(SERVER).join(DATA));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::remove_file(self.lock_path(id))
    }

    /// Labels for whatever a container engine makes for run `id`.
    #[must_use]
    pub fn labels(&self, id: &str) -> [(&'static str, String); 3] {
        [
            (LABEL_RUN, id.to_owned()),
            (LABEL_HOST, host()),
            (LABEL_WORK, self.root.display().to_string()),
        ]
    }
}

impl Run {
    /// Lets the processes of a group pass through the run's folder: a server that is another user's.
    ///
    /// # Errors
    /// When the folder cannot be given to the group.
    pub fn let_pass(&self, group: u32) -> io::Result<()> {
        chown(&self.folder, None, Some(group))?;
        std::fs::set_permissions(&self.folder, Permissions::from_mode(0o710))
    }

    /// Labels for whatever a container engine makes for this run.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, String); 3] {
        self.work.labels(&self.id)
    }

    /// Removes all that the run left on this machine; what cannot be removed is an error.
    ///
    /// # Errors
    /// When a folder cannot be removed.
    pub fn end(self) -> io::Result<()> {
        self.work.remove(&self.id)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // After `end` there is nothing left; otherwise this is the best that a drop can do.
        if self.folder.exists() {
            let _ = self.work.remove(&self.id);
        }
    }
}

/// Whether an open file is still the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Names this machine, or the container that redrill itself runs in: one engine may serve several,
/// and containers of one image share name and number, but see other processes.
#[must_use]
pub fn host() -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let processes: String = processes
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    format!("{}.{}.{processes}", name.trim(), machine.trim())
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
        let lock = dead._lock.try_clone().unwrap();
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
