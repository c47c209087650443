//! This program in the background, and in place of this process another one.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdout, Command};

use super::MARKER;
use super::search::children;
use crate::namespace;

/// This program, started again to outlive this process.
pub struct Background {
    child: Child,
    /// Its standard output.
    pub output: ChildStdout,
}

impl Background {
    /// Starts it with the environment of this process, an open file as its standard input, and a marker.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(arguments: Vec<String>, input: std::fs::File, marker: &str) -> io::Result<Self> {
        let mut owned = children();
        let mut child = Command::new(namespace::SELF)
            .args(arguments)
            .env(MARKER, marker)
            .current_dir("/")
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        owned.extend(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        );
        let output = child.stdout.take();
        let output = output.ok_or_else(|| io::Error::other("it has no standard output"))?;
        Ok(Self { child, output })
    }

    /// Asks it to end, and waits for that.
    pub async fn terminate(mut self) {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended already.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _ = self.child.wait().await;
    }
}

/// Closes the standard output of this process for its reader.
pub fn close_output() {
    // Without /dev/null it stays open until this process ends.
    let _ = std::fs::File::create("/dev/null").map(nix::unistd::dup2_stdout);
}

/// Becomes a program, with the environment of this process but for variables that begin with `PG`, and with `environment`.
///
/// # Errors
/// When it cannot be executed; otherwise it does not return.
pub fn replace(
    program: &Path,
    arguments: &[String],
    environment: &[(String, String)],
) -> io::Error {
    let mut command = std::process::Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    let environment = environment.iter().map(|(name, value)| (name, value));
    command.args(arguments).envs(environment).exec()
}
