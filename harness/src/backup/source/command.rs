//! `[backup.command]`: the standard output of a command.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::download::{Download, Received};
use super::found::{Found, Place, Rules};
use super::settings::Command;
use crate::input::program::ProgramSettings;
use crate::outcome::CouldNotRun;
use crate::process::{self, Program};
use crate::units::show_duration;

/// Default limit of a command.
const TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// Environment variables that it inherits: enough for programs that log in elsewhere.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LANG", "TMPDIR", "SSH_AUTH_SOCK"];

/// Runs the command and stores its output.
pub(super) async fn find(
    settings: &Command,
    rules: &Rules,
    place: &Place<'_>,
) -> Result<Found, CouldNotRun> {
    let program = ProgramSettings {
        section: "[backup.command]",
        words: &settings.run,
        inherited: INHERITED,
        variables: &settings.env,
    };
    let program = program.resolve(place.folder, place.environment, place.redactor, place.run)?;
    let shown = place.redactor.clean(&settings.run.join(" "));
    let name = settings.name.as_deref().unwrap_or("backup");
    let limit = settings.timeout.map_or(TIMEOUT, |span| span.0);
    // Dropping what runs in here kills the command with all that it started.
    let received = tokio::time::timeout(limit, receive(program, place, name))
        .await
        .unwrap_or_else(|_| {
            Err(CouldNotRun::with_hint(
                format!(
                    "it did not end within {} and was killed",
                    show_duration(limit)
                ),
                "raise `timeout` in `[backup.command]`, or find out why it takes so long",
            ))
        })
        .map_err(|error| CouldNotRun {
            reason: format!("the command `{shown}`: {}", error.reason),
            ..error
        })?;
    let mut found = Found::named(received.path, shown, name, rules);
    found.chosen = "the output of the command in the scenario".to_owned();
    found.received_sha256 = Some(received.sha256);
    Ok(found)
}

/// Runs it to its end.
async fn receive(program: Program, place: &Place<'_>, name: &str) -> Result<Received, CouldNotRun> {
    let mut download = Download::begin(place, name).await?;
    download.expect(None)?;
    let lost = |error: std::io::Error| {
        CouldNotRun::with_hint(
            format!("its exit code is unknown: {error}"),
            "run it by hand and see its output",
        )
    };
    let mut running = process::spawn(program).map_err(|error| {
        CouldNotRun::with_hint(
            error.to_string(),
            "correct `run` in `[backup.command]`: program and arguments, without a shell",
        )
    })?;
    let mut errors = tokio::spawn(process::keep_end(running.stderr()));
    if let Some(mut output) = running.stdout() {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = output.read(&mut buffer).await.map_err(lost)?;
            if read == 0 {
                break;
            }
            download.write(&buffer[..read]).await?;
        }
    }
    let status = running.wait().await.map_err(lost)?;
    // Processes that it left in the background would keep its pipes open.
    running.kill();
    let errors = process::last_lines(&mut errors, place.redactor).await;
    if !status.success() {
        let how = match status.code() {
            Some(code) => format!("it ended with exit code {code}"),
            None => "a signal ended it".to_owned(),
        };
        return Err(CouldNotRun::with_hint(
            format!("{how}{errors}"),
            "this says nothing about the backup: run the command by hand",
        ));
    }
    if download.bytes == 0 {
        return Err(CouldNotRun::with_hint(
            format!("it wrote nothing{errors}"),
            "it must write the backup to its standard output",
        ));
    }
    download.end().await
}
