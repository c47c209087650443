//! This program is started again to become another: one with several threads cannot enter a user namespace.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::network::{self, SocketWanted};
use crate::sandbox::Sandbox;

/// This program.
pub const SELF: &str = "/proc/self/exe";

/// The first argument of a program that shall enter namespaces and become another program.
const ENTER: &str = "--enter-redrill-namespaces";

/// What a program that is started again shall do.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Run a program in a sandbox, as the first process in its namespaces.
    Confine {
        /// The sandbox.
        sandbox: Sandbox,
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
    /// Make a network, say so by a line of output, and stay until the standard input ends.
    MakeNetwork,
    /// Become a program in the network of these two namespaces.
    Join {
        /// The user namespace that owns it.
        user: PathBuf,
        /// The network namespace.
        net: PathBuf,
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
    /// Make a socket in the network of these two namespaces, and send it to the socket that is the standard input.
    MakeSocket {
        /// The user namespace that owns it.
        user: PathBuf,
        /// The network namespace.
        net: PathBuf,
        /// What socket.
        wanted: SocketWanted,
    },
}

/// Whether `main` of this program calls [`become_child`].
static CAN_BE_STARTED_AGAIN: OnceLock<()> = OnceLock::new();

/// Tells whether `main` of this program calls [`become_child`].
pub(super) fn can_be_started_again() -> bool {
    CAN_BE_STARTED_AGAIN.get().is_some()
}

impl Order {
    /// The arguments of this program for the order.
    ///
    /// # Errors
    /// When an argument cannot be passed on.
    pub fn arguments(&self) -> io::Result<[String; 2]> {
        Ok([ENTER.to_owned(), serde_json::to_string(self)?])
    }

    /// The command that starts this program again.
    ///
    /// # Errors
    /// When an argument cannot be passed on.
    pub fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(SELF);
        command.args(self.arguments()?);
        Ok(command)
    }

    fn carry_out(self) -> io::Result<i32> {
        match self {
            Self::Confine {
                sandbox,
                program,
                arguments,
            } => {
                sandbox.enforce()?;
                let mut child = Command::new(program).args(arguments).spawn()?;
                let status = child.wait()?;
                Ok(status
                    .code()
                    .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
            }
            Self::MakeNetwork => network::make_and_stay().map(|()| 0),
            Self::Join {
                user,
                net,
                program,
                arguments,
            } => {
                network::join(&user, &net)?;
                Err(Command::new(program).args(arguments).exec())
            }
            Self::MakeSocket { user, net, wanted } => {
                network::join(&user, &net)?;
                network::send(wanted.make()?).map(|()| 0)
            }
        }
    }
}

/// Must be the first call of `main`: where this program was started again by itself, it does what it was started for,
/// and does not return.
pub fn become_child() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != ENTER) {
        // Set once; a second call of `main` changes nothing.
        let _ = CAN_BE_STARTED_AGAIN.set(());
        return;
    }
    let order = arguments.next().unwrap_or_default();
    let ended = serde_json::from_slice::<Order>(order.as_encoded_bytes())
        .map_err(io::Error::other)
        .and_then(Order::carry_out);
    let code = ended.unwrap_or_else(|error| {
        // Read by `find`, or by whoever reads the output of the child.
        let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{error}\n"));
        126
    });
    std::process::exit(code);
}
