//! Namespaces of a network that are kept open, so that programs and sockets can be made in them.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, sendto,
    socket_with,
};
use serde::{Deserialize, Serialize};

use super::again::Order;
use super::{Entrance, unshare_from_system};

/// How long a connection inside one machine may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket to be made in a network.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum SocketWanted {
    /// One that listens.
    Listen(SocketAddr),
    /// One that is connected.
    Connect(SocketAddr),
}

impl SocketWanted {
    /// Makes it in the network of the calling thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(self) -> io::Result<OwnedFd> {
        match self {
            Self::Listen(address) => TcpListener::bind(address).map(OwnedFd::from),
            Self::Connect(address) => {
                TcpStream::connect_timeout(&address, PATIENCE).map(OwnedFd::from)
            }
        }
    }
}

/// A network namespace, which lives as long as this, with the user namespace that owns it where an ordinary user made it.
#[derive(Debug, Clone)]
pub struct Namespaces {
    user: Option<Arc<File>>,
    net: Arc<File>,
}

impl Namespaces {
    /// Those of a process that redrill started with this entrance.
    ///
    /// # Errors
    /// When the process is not there, or is another user's.
    pub fn of(process: i32, entrance: Entrance) -> io::Result<Self> {
        let open = |name: &str| File::open(format!("/proc/{process}/ns/{name}")).map(Arc::new);
        Ok(Self {
            user: match entrance {
                Entrance::Thread => None,
                Entrance::Program => Some(open("user")?),
            },
            net: open("net")?,
        })
    }

    /// Makes a network with nothing but a loopback interface, as root.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new_as_root() -> io::Result<Self> {
        let made = std::thread::spawn(|| {
            make()?;
            let net = File::open("/proc/thread-self/ns/net")?;
            Ok(Self {
                user: None,
                net: Arc::new(net),
            })
        });
        joined(made)
    }

    /// Does something on a thread in the network, as root.
    ///
    /// # Errors
    /// When the kernel refuses, or what it does fails.
    pub fn within<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let namespaces = self.clone();
        joined(std::thread::spawn(move || {
            namespaces.enter()?;
            act()
        }))
    }

    /// Moves the calling thread into the network, as root.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self) -> io::Result<()> {
        Ok(setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET)?)
    }

    /// Their paths for another process of this user; `None` where root enters them by a thread.
    #[must_use]
    pub fn paths(&self) -> Option<(PathBuf, PathBuf)> {
        let path = |file: &File| {
            PathBuf::from(format!(
                "/proc/{}/fd/{}",
                std::process::id(),
                file.as_raw_fd()
            ))
        };
        Some((path(self.user.as_ref()?), path(&self.net)))
    }

    /// The command that starts a program in the network, by way of this program; `None` where root enters it by a thread.
    ///
    /// # Errors
    /// When an argument cannot be passed on.
    pub fn command(&self, program: &Path, arguments: &[String]) -> io::Result<Option<Command>> {
        let Some((user, net)) = self.paths() else {
            return Ok(None);
        };
        let order = Order::Join {
            user,
            net,
            program: program.to_owned(),
            arguments: arguments.iter().map(Into::into).collect(),
        };
        order.command().map(Some)
    }
}

fn joined<T>(thread: std::thread::JoinHandle<io::Result<T>>) -> io::Result<T> {
    let ended = thread.join();
    ended.unwrap_or_else(|_| {
        Err(io::Error::other(
            "the thread that enters a network panicked",
        ))
    })
}

/// Moves the calling thread into a network with nothing but a loopback interface.
fn make() -> io::Result<()> {
    unshare_from_system(CloneFlags::CLONE_NEWNET)?;
    raise_loopback()
}

/// Makes a network, says so, and stays until the standard input ends.
pub(super) fn make_and_stay() -> io::Result<()> {
    make()?;
    let mut out = io::stdout();
    writeln!(out, "made")?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// Moves this process into a network that an ordinary user made.
pub(super) fn join(user: &Path, net: &Path) -> io::Result<()> {
    // Both are opened before the first is entered: their paths are those of the caller.
    let (user, net) = (File::open(user)?, File::open(net)?);
    setns(user.as_fd(), CloneFlags::CLONE_NEWUSER)?;
    setns(net.as_fd(), CloneFlags::CLONE_NEWNET)?;
    Ok(())
}

/// Sends a socket to whoever holds the other end of the standard input.
pub(super) fn send(socket: OwnedFd) -> io::Result<()> {
    let sockets = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&sockets));
    // A message with rights has a byte at least.
    sendmsg(
        io::stdin(),
        &[IoSlice::new(b"s")],
        &mut rights,
        SendFlags::empty(),
    )?;
    Ok(())
}

/// Receives the socket that a program which was started again made and sent, if it did already.
///
/// # Errors
/// When nothing was sent.
pub fn receive(from: &OwnedFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut rights, flags)?;
    let received = rights.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    received.ok_or_else(|| io::Error::other("no socket was sent"))
}

/// Sets the loopback interface of the calling thread's network up: in a new one it is down.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_loopback() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const NLM_F_ACK: u16 = 4;
    const IFF_UP: u32 = 1;
    /// The loopback interface is the first of every network.
    const LOOPBACK: i32 = 1;
    // `struct nlmsghdr` and `struct ifinfomsg` of rtnetlink(7).
    let mut request = Vec::with_capacity(32);
    request.extend(32_u32.to_ne_bytes());
    request.extend(RTM_NEWLINK.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    request.extend([0; 8]);
    request.extend([0; 4]);
    request.extend(LOOPBACK.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is protocol 0.
        None,
    )?;
    sendto(
        &kernel,
        &request,
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;
    let mut answer = [0_u8; 256];
    recv(&kernel, &mut answer, RecvFlags::empty())?;
    // `struct nlmsgerr`: after the header, a negative error number, or 0.
    let error: [u8; 4] = [answer[16], answer[17], answer[18], answer[19]];
    match i32::from_ne_bytes(error) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
