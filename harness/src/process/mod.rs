//! The only place that spawns. Every child has its own process group and an environment that contains only
//! a marker and what it is given; it is killed when its owner is dropped.

mod background;
mod lines;
mod search;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::namespace::{self, Entrance, Namespaces};
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;
use crate::sandbox::Sandbox;
pub use background::{Background, close_output, replace};
pub(crate) use lines::{Line, Lines};
pub use search::{
    adopt_orphans, adopts_orphans, descends_from, kill_marked, kill_orphans, kill_working_in,
    processor_time_of_all, signal_marked,
};
use search::{children, descendants};

/// The variable that marks every process of a run, to find those that left their group.
pub const MARKER: &str = "REDRILL_RUN";

/// Bytes at the end of the output of a child that are kept.
const KEPT: usize = 64 * 1024;

/// Standard input of a child.
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

/// What a child shares with this process.
#[derive(Debug, Default)]
pub enum Place {
    /// Everything.
    #[default]
    Here,
    /// What a sandbox leaves it.
    Sandbox(Sandbox),
    /// Everything but the network.
    Network(Namespaces),
}

impl Place {
    /// The command that starts a program there, and what a thread enters before it does.
    fn command(self, program: PathBuf, arguments: Vec<String>) -> io::Result<(Command, Self)> {
        let by_program = match &self {
            Self::Sandbox(sandbox) if sandbox.entrance == Some(Entrance::Program) => {
                Some(namespace::command(sandbox.clone(), &program, &arguments)?)
            }
            Self::Network(namespaces) => namespaces.command(&program, &arguments)?,
            Self::Here | Self::Sandbox(_) => None,
        };
        Ok(match by_program {
            Some(command) => (Command::from(command), Self::Here),
            None => {
                let mut command = Command::new(program);
                command.args(arguments);
                (command, self)
            }
        })
    }

    /// Moves the calling thread there, with its children; this cannot be undone.
    fn enter(&self) -> io::Result<()> {
        match self {
            Self::Here => Ok(()),
            Self::Sandbox(sandbox) => sandbox.enforce(),
            Self::Network(namespaces) => namespaces.enter(),
        }
    }
}

/// A program to run.
#[derive(Debug, Default)]
pub struct Program {
    /// A path, or a name that is searched in the `PATH` of `environment`.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// Where it starts. Default: `/`, so that it blocks no folder of the user.
    pub folder: Option<PathBuf>,
    /// User and group that it runs as, when redrill is root.
    pub user: Option<(u32, u32)>,
    /// What it shares with this process.
    pub place: Place,
    /// Its standard input.
    pub input: Input,
    /// Id of the run, for the marker.
    pub run: String,
}

/// A running child. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Option<Pid>,
    marker: String,
}

/// The exit status of a child, and the end of its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status.
    pub status: ExitStatus,
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

/// Why a child has no result.
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
    /// It exceeded its limit and was killed.
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

impl From<ProcessError> for CouldNotRun {
    fn from(error: ProcessError) -> Self {
        Self::new(error.to_string())
    }
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
    // The children of a run have different markers, so that killing one does not kill another.
    let number = {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
    let marker = format!("{}.{}.{number}", program.run, std::process::id());
    // A thread enters namespaces and Landlock with its children, so a separate one starts the child; what a
    // thread cannot enter, this program enters when it is started again.
    let made = program.place.command(program.path, program.arguments);
    let (mut command, place) = made.map_err(failed)?;
    command
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
    // Until it is noted as owned, it would be taken for what an ended child left behind.
    let mut owned = children();
    let child = match place {
        Place::Here => command.spawn().map_err(failed)?,
        place => {
            let runtime = tokio::runtime::Handle::current();
            std::thread::spawn(move || {
                let _runtime = runtime.enter();
                place.enter()?;
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
    owned.extend(group);
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

/// Lines of standard error that a message shows, and characters of each.
const SHOWN_LINES: usize = 5;
const SHOWN_CHARACTERS: usize = 300;

/// The last lines that a program wrote to standard error, after a colon and without secrets; empty where
/// there are none. `stderr` runs [`keep_end`].
pub async fn last_lines(stderr: &mut JoinHandle<String>, redactor: &Redactor) -> String {
    // The pipe closes with the processes; one that escaped must not block the caller.
    let Ok(Ok(text)) = tokio::time::timeout(Duration::from_secs(2), stderr).await else {
        return String::new();
    };
    let text = redactor.clean(&text);
    let lines: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        // Control characters would affect the terminal.
        .map(|line| {
            line.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(SHOWN_CHARACTERS)
                .collect()
        })
        .collect();
    match &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
        [] => String::new(),
        last => format!(": {}", last.join("; ")),
    }
}

/// Reads to the end and keeps the last `KEPT` bytes.
pub async fn keep_end(reader: Option<impl AsyncRead + Unpin>) -> String {
    watch_to_end(reader, |_| {}).await
}

/// Reads to the end as [`keep_end`] does, and passes every piece to `watch` as it comes.
pub async fn watch_to_end(
    reader: Option<impl AsyncRead + Unpin>,
    mut watch: impl FnMut(&[u8]),
) -> String {
    let Some(mut reader) = reader else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 8192];
    while let Ok(read @ 1..) = reader.read(&mut buffer).await {
        watch(&buffer[..read]);
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
    /// When the system does not report it.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Returns its exit status if it has ended, without waiting.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.id() {
            // It may have ended already.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Sends a signal to `below`, a process that it started, otherwise to itself.
    pub fn signal_below(&self, below: Option<Pid>, signal: Signal) {
        let own = self.id().map(Pid::from_raw);
        let below = below.filter(|below| own.is_some_and(|own| descends_from(*below, own)));
        if let Some(pid) = below.or(own) {
            // It may have ended already.
            let _ = kill(pid, signal);
        }
    }

    /// Its id, as seen by this process.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        self.child.id().and_then(|id| i32::try_from(id).ok())
    }

    /// Processor time of it and of everything that it started, whether that runs or has ended.
    #[must_use]
    pub fn processor_time(&self) -> Option<Duration> {
        processor_time_of_all(self.id()?)
    }

    /// Kills it, its group, and the processes that it started and that left the group.
    pub fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // Once it has ended, its processes are nobody's descendants any more.
            let descendants = descendants(group);
            // It may have ended already.
            let _ = killpg(group, Signal::SIGKILL);
            let _ = self.child.start_kill();
            for descendant in descendants {
                let _ = kill(descendant, Signal::SIGKILL);
            }
            kill_marked(&self.marker);
            children().remove(&group);
        }
        let _ = self.child.start_kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Removes a System V segment by the program of the system: neither the standard library nor nix can.
pub fn remove_segment(id: u64) {
    // Without the program, 56 bytes remain until the machine restarts.
    let _ = std::process::Command::new("ipcrm")
        .args(["-m", &id.to_string()])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
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
