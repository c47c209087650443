//! Runs a command that fetches a backup or a part of it.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::download::{Download, no_room};
use crate::disk;
use crate::outcome::CouldNotRun;
use crate::process::{self, Program};
use crate::redact::Redactor;
use crate::units::show_duration;

/// Environment variables that it inherits: enough for programs that log in elsewhere.
pub(in crate::backup) const INHERITED: &[&str] =
    &["PATH", "HOME", "USER", "LANG", "TMPDIR", "SSH_AUTH_SOCK"];

/// Time between two checks of the free space while a command writes files itself.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The settings of a command, for its run and for messages.
pub(in crate::backup) struct Terms<'a> {
    /// The section of the scenario: `[backup.command]`.
    pub section: &'static str,
    /// The key of program and arguments in that section.
    pub key: &'static str,
    /// Limit for the whole command.
    pub limit: Duration,
    /// Takes secrets out of what is shown.
    pub redactor: &'a Redactor,
    /// The folder that it writes files to, whose disk must not become full.
    pub writes_to: Option<&'a Path>,
}

/// How a command ended.
pub(in crate::backup) struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The last lines that it wrote to standard error, after a colon and without secrets; empty where there are none.
    pub errors: String,
}

impl Ended {
    /// `it ended with exit code 3: no such host`; `None` where it succeeded.
    pub fn failure(&self) -> Option<String> {
        if self.status.success() {
            return None;
        }
        let how = match self.status.code() {
            Some(code) => format!("it ended with exit code {code}"),
            None => "a signal ended it".to_owned(),
        };
        Some(format!("{how}{}", self.errors))
    }
}

/// Runs a command to its end; `output` gets its standard output, which is discarded without one. Dropping what this returns kills the
/// command with all that it started.
///
/// # Errors
/// When it cannot be started, exceeds its limit, or the disk becomes full. An exit code other than 0 is no error.
pub(in crate::backup) async fn run(
    program: Program,
    terms: &Terms<'_>,
    output: Option<&mut Download>,
) -> Result<Ended, CouldNotRun> {
    let ran = async {
        tokio::select! {
            ended = run_to_end(program, terms, output) => ended,
            error = watch_disk(terms.writes_to) => Err(error),
        }
    };
    tokio::time::timeout(terms.limit, ran)
        .await
        .unwrap_or_else(|_| {
            Err(CouldNotRun::with_hint(
                format!(
                    "it did not end within {} and was killed",
                    show_duration(terms.limit)
                ),
                format!(
                    "raise `timeout` in `{}`, or find out why it takes so long",
                    terms.section
                ),
            ))
        })
}

async fn run_to_end(
    program: Program,
    terms: &Terms<'_>,
    output: Option<&mut Download>,
) -> Result<Ended, CouldNotRun> {
    let lost = |error: std::io::Error| {
        CouldNotRun::with_hint(
            format!("its exit code is unknown: {error}"),
            "run it by hand and see its output",
        )
    };
    let mut running = process::spawn(program).map_err(|error| {
        CouldNotRun::with_hint(
            error.to_string(),
            format!(
                "correct `{}` in `{}`: program and arguments, without a shell",
                terms.key, terms.section
            ),
        )
    })?;
    let mut errors = tokio::spawn(process::keep_end(running.stderr()));
    match (running.stdout(), output) {
        (Some(mut stdout), Some(output)) => {
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let read = stdout.read(&mut buffer).await.map_err(lost)?;
                if read == 0 {
                    break;
                }
                output.write(&buffer[..read]).await?;
            }
        }
        // A full pipe would stop it.
        (stdout, _) => drop(tokio::spawn(process::keep_end(stdout))),
    }
    let status = running.wait().await.map_err(lost)?;
    // Processes that it left in the background would keep its pipes open.
    running.kill();
    let errors = process::last_lines(&mut errors, terms.redactor).await;
    Ok(Ended { status, errors })
}

/// Returns once the disk of a folder has no room left; never without a folder.
async fn watch_disk(folder: Option<&Path>) -> CouldNotRun {
    let Some(folder) = folder else {
        return std::future::pending().await;
    };
    loop {
        if let Err(reason) = disk::fits(folder, 0) {
            return no_room(folder, &reason);
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
