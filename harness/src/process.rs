//! The only place that spawns. Every child has its own process group, a marker in its environment,
//! a clean environment otherwise, and dies with whoever owns it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::namespace::Namespace;
use crate::sandbox::Sandbox;

/// The variable by which every process of a run is found again, also one that left its group.
pub const MARKER: &str = "REDRILL_RUN";

/// How much of a child's output is kept: its end.
const KEPT: usize = 64 * 1024;

/// What a child reads.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing.
    #[default]
    Nothing,
    /// A pipe that the owner writes to.
    Pipe,
    /// An open file, which stays seekable.
    File(std::fs::File),
}

/// A program to run.
#[derive(Debug, Default)]
pub struct Program {
    /// The executable: a path, or a name that is looked for in the `PATH` of `environment`.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// Where it starts; `/` when not given, so that it holds no folder of the user's.
    pub folder: Option<PathBuf>,
    /// User and group that it runs as, when redrill is root.
    pub user: Option<(u32, u32)>,
    /// What it sees of this machine, when not everything.
    pub namespace: Option<Namespace>,
    /// What keeps it in.
    pub sandbox: Option<Sandbox>,
    /// What it reads.
    pub input: Input,
    /// The run's id, for the marker.
    pub run: String,
}

/// A child that runs. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Option<Pid>,
    marker: String,
}

/// How a child ended, and the end of what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status.
    pub status: ExitStatus,
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

/// Why a child gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It did not start.
    #[error("cannot start `{program}`: {error}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// It took longer than it may, and was killed.
    #[error("`{program}` did not end within {limit:?} and was killed")]
    TooLong {
        /// The program.
        program: String,
        /// Its limit.
        limit: Duration,
    },
    /// Waiting for it failed.
    #[error("lost `{program}`: {error}")]
    Lost {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
}

/// Starts a program.
///
/// # Errors
/// When it cannot be started, or its sandbox cannot be made.
pub fn spawn(program: Program) -> Result<Running, ProcessError> {
    let name = program.path.display().to_string();
    let failed = |error| ProcessError::Start {
        program: name.clone(),
        error,
    };
    // Two children of one run are told apart, so that ending one does not end the other.
    let number = {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
    let marker = format!("{}.{}.{number}", program.run, std::process::id());
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .env_clear()
        .envs(program.environment)
        .env(MARKER, &marker)
        .current_dir(program.folder.as_deref().unwrap_or(Path::new("/")))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command.stdin(match program.input {
        Input::Nothing => Stdio::null(),
        Input::Pipe => Stdio::piped(),
        Input::File(file) => file.into(),
    });
    if let Some((user, group)) = program.user {
        command.uid(user).gid(group);
    }
    let child = match (program.namespace, program.sandbox) {
        (None, None) => command.spawn().map_err(failed)?,
        (namespace, sandbox) => {
            // Both bind the thread that asks for them and its children, so a thread is spent on it.
            let runtime = tokio::runtime::Handle::current();
            std::thread::spawn(move || {
                let _runtime = runtime.enter();
                namespace.map_or(Ok(()), |namespace| namespace.enter())?;
                sandbox.map_or(Ok(()), |sandbox| sandbox.enforce())?;
                command.spawn()
            })
            .join()
            .map_err(|_| io::Error::other("the thread that starts it panicked"))
            .and_then(|spawned| spawned)
            .map_err(failed)?
        }
    };
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .map(Pid::from_raw);
    Ok(Running {
        child,
        group,
        marker,
    })
}

/// Runs a program to its end.
///
/// # Errors
/// When it does not start or does not end within `limit`.
pub async fn run(program: Program, limit: Duration) -> Result<Output, ProcessError> {
    let name = program.path.display().to_string();
    let mut running = spawn(program)?;
    let stdout = running.stdout();
    let stderr = running.stderr();
    let work = async {
        let (stdout, stderr) = tokio::join!(keep_end(stdout), keep_end(stderr));
        let status = running.child.wait().await;
        (status, stdout, stderr)
    };
    let ended = tokio::time::timeout(limit, work).await;
    running.kill();
    match ended {
        Ok((Ok(status), stdout, stderr)) => Ok(Output {
            status,
            stdout,
            stderr,
        }),
        Ok((Err(error), _, _)) => Err(ProcessError::Lost {
            program: name,
            error,
        }),
        Err(_) => Err(ProcessError::TooLong {
            program: name,
            limit,
        }),
    }
}

/// Reads to the end and keeps the last `KEPT` bytes.
pub async fn keep_end(reader: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut reader) = reader else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 8192];
    while let Ok(read @ 1..) = reader.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    let start = kept.len().saturating_sub(KEPT);
    String::from_utf8_lossy(&kept[start..]).into_owned()
}

impl Running {
    /// Takes the pipe to its standard input.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Takes the pipe from its standard output.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Takes the pipe from its standard error.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Tells whether it has ended, without waiting.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to stop.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // It may be gone already.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Kills it, its group, and everything it started that left the group.
    pub fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // It may be gone already.
            let _ = killpg(group, Signal::SIGKILL);
            kill_marked(&self.marker);
        }
        let _ = self.child.start_kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills every process whose marker is `marker`, or begins with it and a dot.
pub fn kill_marked(marker: &str) {
    let exact = format!("{MARKER}={marker}");
    let prefix = format!("{exact}.");
    kill_where(|process| {
        std::fs::read(process.join("environ")).is_ok_and(|environment| {
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == exact.as_bytes() || entry.starts_with(prefix.as_bytes()))
        })
    });
}

/// Kills every process that works in `folder` or below it: a server stays in its data folder, but
/// overwrites its environment.
pub fn kill_working_in(folder: &Path) {
    kill_where(|process| {
        std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    });
}

/// Removes a System V segment by the system's own program: the standard library has no call for it.
pub fn remove_segment(id: u64) {
    // Where the program is missing, 56 bytes stay until the machine restarts.
    let _ = std::process::Command::new("ipcrm")
        .args(["-m", &id.to_string()])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// How often the processes are looked for again: what was forked meanwhile, what takes time to die.
const LOOKS: u32 = 100;

/// Kills the processes of `/proc` that a test finds, and returns when none is found any more.
fn kill_where(is_ours: impl Fn(&Path) -> bool) {
    let own = std::process::id().to_string();
    for look in 0..LOOKS {
        if look > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return;
        };
        let mut found = false;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if name.to_str() != Some(own.as_str()) && is_ours(&entry.path()) {
                found |= kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok();
            }
        }
        if !found {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            run: format!("test-{}", std::process::id()),
            ..Program::default()
        }
    }

    #[tokio::test]
    async fn output_and_status_come_back() {
        let output = run(
            shell("echo out; echo err >&2; exit 3"),
            Duration::from_secs(10),
        )
        .await
        .unwrap();
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert_eq!(output.status.code(), Some(3));
    }

    #[tokio::test]
    async fn nothing_is_inherited() {
        let output = run(
            shell("env | cut -d= -f1 | sort | tr '\\n' ' '"),
            Duration::from_secs(10),
        )
        .await
        .unwrap();
        for name in ["HOME", "USER", "CARGO_MANIFEST_DIR"] {
            assert!(
                !output.stdout.split(' ').any(|word| word == name),
                "{}",
                output.stdout
            );
        }
    }

    #[tokio::test]
    async fn a_child_that_takes_too_long_is_killed_with_all_it_started() {
        // The grandchild leaves the process group and closes nothing; only the marker finds it.
        let error = run(
            shell("setsid sleep 987 & sleep 986"),
            Duration::from_millis(300),
        )
        .await
        .unwrap_err();
        assert!(matches!(error, ProcessError::TooLong { .. }), "{error}");
        let left = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                line == b"sleep\x00987\x00" || line == b"sleep\x00986\x00"
            });
        // A killed process may still be a zombie without a command line; it does not count.
        assert_eq!(left.count(), 0);
    }
}
