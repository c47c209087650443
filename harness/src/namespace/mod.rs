//! Namespaces of a local child: a root with nothing but the folders that it needs, processes, network and
//! System V memory of its own.
//!
//! Landlock covers files and TCP, not unix sockets, and other servers of the machine may trust a connection
//! by a socket. A socket that has no path cannot be connected to. The child is the first process of its PID
//! namespace: when it ends, the kernel kills whatever it started.

mod again;
mod network;
mod root;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

pub use self::again::{Order, SELF, become_child};
pub use self::network::{Namespaces, SocketWanted, raise_loopback, receive};
use crate::sandbox::Sandbox;

/// How a child of this process comes into namespaces of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entrance {
    /// A thread enters them and starts the child: root may do so.
    Thread,
    /// This program is started again and enters them with a user namespace, which a program with several
    /// threads cannot do.
    Program,
}

impl Entrance {
    /// Finds out how this process can give a child namespaces of its own, by trying it.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn find() -> Result<Self, String> {
        if geteuid().is_root() {
            let tried = std::thread::spawn(|| enter(&[], &[])).join();
            return match tried {
                Ok(Ok(())) => Ok(Self::Thread),
                Ok(Err(error)) => Err(format!(
                    "this process is root without the right to create namespaces ({error})"
                )),
                Err(_) => Err("the thread that tried namespaces panicked".to_owned()),
            };
        }
        if !again::can_be_started_again() {
            return Err(
                "a program that uses redrill as a library cannot enter user namespaces".to_owned(),
            );
        }
        let order = Order::Confine {
            sandbox: Sandbox {
                read: ["/usr", "/lib", "/lib64", "/bin"].map(PathBuf::from).into(),
                execute: vec!["/usr".into()],
                entrance: Some(Self::Program),
                ..Sandbox::default()
            },
            program: "/usr/bin/true".into(),
            arguments: Vec::new(),
        };
        let tried = order.command().and_then(|mut command| {
            let command = command.env_clear().stdin(Stdio::null());
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .output()
        });
        match tried {
            Ok(output) if output.status.success() => Ok(Self::Program),
            Ok(output) => Err(format!(
                "this kernel does not let an ordinary user create namespaces ({})",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => Err(format!("this program cannot be started again ({error})")),
        }
    }
}

/// Moves the calling thread into namespaces of its own, with a root of only `read` and `write`; its next
/// child is the first process of a PID namespace. This cannot be undone.
///
/// # Errors
/// When the kernel refuses.
pub fn enter(read: &[PathBuf], write: &[PathBuf]) -> io::Result<()> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID;
    unshare_from_system(flags)?;
    root::change_root(read, write)
}

/// Moves the calling thread into new namespaces; those of an ordinary user begin with a user namespace, in which it is
/// the same user.
fn unshare_from_system(flags: CloneFlags) -> io::Result<()> {
    if geteuid().is_root() {
        return Ok(unshare(flags)?);
    }
    let (user, group) = (geteuid(), getegid());
    unshare(flags | CloneFlags::CLONE_NEWUSER)?;
    // The kernel demands this before an ordinary user may map a group.
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// The command that starts a program in a sandbox, by way of this program.
///
/// # Errors
/// When an argument cannot be passed on.
pub fn command(sandbox: Sandbox, program: &Path, arguments: &[String]) -> io::Result<Command> {
    let order = Order::Confine {
        sandbox,
        program: program.to_owned(),
        arguments: arguments.iter().map(Into::into).collect(),
    };
    order.command()
}
