//! The unix socket of a throwaway server.
//!
//! The server owns the folder of its socket, and code of the backup can replace what is in it by a symlink to
//! another server. So redrill takes hold of the socket itself before any byte of the backup is read, looks
//! who listens there, and connects by what it holds and never again by that path. Programs get a socket in a
//! folder of redrill, whose connections are passed on.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::PathBuf;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use tokio::net::{UnixListener, UnixStream};

use super::relay::{Entry, Exit, Relay};
use crate::cleanup::Run;
use crate::database::{Address, SOCKET};
use crate::outcome::CouldNotRun;
use crate::process;

/// The folder of the run in which sessions of redrill find the socket.
const OWN: &str = "sessions";
/// The folder of the run in which programs find it.
pub(super) const PROGRAMS: &str = "programs";
/// The limit of `sun_path` on Linux, with its final NUL.
const LONGEST: usize = 107;

/// The folder in which a server makes its socket.
pub(super) struct SocketFolder {
    /// The path, for the settings of the server only.
    pub(super) path: PathBuf,
    /// The folder of the socket for programs.
    pub(super) programs: PathBuf,
    folder: OwnedFd,
    own: PathBuf,
}

/// The socket of a running server, and the listener that passes programs on to it.
pub(super) struct HeldSocket {
    /// How to connect.
    pub(super) address: Address,
    peer: Option<Pid>,
    _socket: OwnedFd,
    _relay: Relay,
}

impl SocketFolder {
    /// Creates the folder, for a server of user and group `owner`, and the two that redrill keeps.
    ///
    /// # Errors
    /// When it cannot be created, or its path is too long for a socket.
    pub(super) fn create(
        run: &Run,
        path: PathBuf,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> Result<Self, CouldNotRun> {
        let (own, programs) = (run.folder.join(OWN), run.folder.join(PROGRAMS));
        if let Some(long) = [&path, &own, &programs]
            .map(|folder| folder.join(SOCKET))
            .into_iter()
            .find(|socket| socket.as_os_str().len() > LONGEST)
        {
            return Err(CouldNotRun::with_hint(
                format!(
                    "the path of the socket is too long for the system: {}",
                    long.display()
                ),
                "set `--work-dir` to a shorter folder, such as /tmp",
            ));
        }
        let unable = |error: io::Error| {
            CouldNotRun::new(format!("cannot create {}: {error}", path.display()))
        };
        for (folder, mode) in [(&path, mode), (&own, 0o700), (&programs, 0o711)] {
            DirBuilder::new()
                .mode(0o700)
                .create(folder)
                // Whatever the umask is.
                .and_then(|()| std::fs::set_permissions(folder, Permissions::from_mode(mode)))
                .map_err(unable)?;
        }
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group)).map_err(unable)?;
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = nix::fcntl::open(&path, flags, Mode::empty());
        let folder = folder.map_err(|error| unable(error.into()))?;
        Ok(Self {
            path,
            programs,
            folder,
            own,
        })
    }

    /// Removes its folders, once no server uses them.
    ///
    /// # Errors
    /// When they cannot be removed. The folder of the server's own is gone with the server.
    pub(super) fn remove(&self) -> io::Result<()> {
        for folder in [&self.path, &self.own, &self.programs] {
            match std::fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes hold of the socket, once the process `server` or one that it started listens on it.
    ///
    /// # Errors
    /// Nobody listens yet, or another process does, or it is no socket (`InvalidData`).
    pub(super) async fn hold(&self, server: i32) -> io::Result<HeldSocket> {
        // One name without a slash, and no symlink is followed: it cannot lead out of the folder.
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let socket = openat(&self.folder, SOCKET, flags, Mode::empty())?;
        let held = PathBuf::from(format!("/proc/self/fd/{}", socket.as_raw_fd()));
        if !held.metadata()?.file_type().is_socket() {
            return Err(refused(
                "the server put something else in place of its socket",
            ));
        }
        // The kernel notes who began to listen.
        let peer = UnixStream::connect(&held).await?.peer_cred()?.pid();
        // 0: a process of another PID namespace, which is none that this process sees.
        let peer = peer.filter(|pid| *pid != 0).map(Pid::from_raw);
        if peer.is_some_and(|peer| !process::descends_from(peer, Pid::from_raw(server))) {
            return Err(refused(
                "another process than the server listens on its socket",
            ));
        }
        symlink(&held, self.own.join(SOCKET))?;
        let listener = self.programs.join(SOCKET);
        let bound = UnixListener::bind(&listener)?;
        // The folder of the run is closed to others.
        std::fs::set_permissions(&listener, Permissions::from_mode(0o777))?;
        Ok(HeldSocket {
            address: Address::Socket {
                sessions: self.own.clone(),
                programs: self.programs.clone(),
            },
            peer,
            _socket: socket,
            _relay: Relay::start(Entry::Socket(bound), Exit::Socket(held)),
        })
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl HeldSocket {
    /// Whether redrill sees the process that listens.
    #[cfg(feature = "container")]
    pub(super) fn peer_is_known(&self) -> bool {
        self.peer.is_some()
    }

    /// The process that listens, as this process sees it; `None` where it does not.
    pub(super) fn peer(&self) -> Option<Pid> {
        self.peer
    }

    /// What could not be verified, for reports.
    pub(super) fn weakness(&self) -> Option<String> {
        let text = "redrill does not see the process that listens on the socket: that it is the server follows from the folder, the system identifier and the time of its start";
        self.peer.is_none().then(|| text.to_owned())
    }
}
