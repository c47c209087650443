//! What keeps a local child from the other servers of this machine, where redrill is root: its own
//! view of the file system without anybody's sockets, and for the server no network.
//!
//! A unix socket is neither file nor TCP to the kernel's sandbox, and a server of this machine may
//! well trust who comes through one.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Folders where servers put their sockets and shared memory; a child finds them empty.
const HIDDEN: &[&str] = &["/run", "/var/run", "/tmp", "/dev/shm"];

/// A private view: sockets hidden, `keep` in its place, memory that goes with the child.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Folders that stay where they are, also in a hidden folder.
    pub keep: Vec<PathBuf>,
    /// Whether it is without a network too; making one without anything in it takes a moment.
    pub offline: bool,
}

impl Namespace {
    /// Puts the calling thread and all its children in, for good.
    ///
    /// # Errors
    /// When the kernel does not let it.
    pub fn enter(&self) -> io::Result<()> {
        separate()?;
        if self.offline {
            unshare(CloneFlags::CLONE_NEWNET)?;
        }
        // Opened here, since a folder is only put back into the view that it was opened in.
        let keep = self
            .keep
            .iter()
            .map(|path| Ok((path, File::open(path)?)))
            .collect::<io::Result<Vec<_>>>()?;
        let nothing = None::<&str>;
        // Nothing that is mounted here shows outside.
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing)?;
        for hidden in HIDDEN.iter().map(Path::new) {
            // `/var/run` is mostly a link to `/run`.
            if hidden.is_dir() && !hidden.is_symlink() {
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
                mount(
                    Some("tmpfs"),
                    hidden,
                    Some("tmpfs"),
                    flags,
                    Some("mode=1777,size=64m"),
                )?;
            }
        }
        for (path, open) in keep {
            if HIDDEN.iter().any(|hidden| path.starts_with(hidden)) {
                make(path)?;
                // The open folder is still reached by its number, though its name is covered.
                let source = format!("/proc/thread-self/fd/{}", open.as_raw_fd());
                let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
                mount(Some(source.as_str()), path, nothing, bind, nothing)?;
            }
        }
        Ok(())
    }

    /// Tells whether the kernel lets this process do it, by trying on a thread of its own.
    #[must_use]
    pub fn is_possible() -> bool {
        std::thread::spawn(separate)
            .join()
            .is_ok_and(|separated| separated.is_ok())
    }
}

/// Takes the calling thread out of the machine's mounts and System V memory. Whoever may do this may
/// leave its network too.
fn separate() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC)?;
    Ok(())
}

/// Makes a folder and those above it so that everybody may pass, whatever the umask is.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make(above)?;
    }
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o755))
}
