//! `[backup.command]`: the standard output of a command.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::download::{Download, Received};
use super::{Found, Place, Rules};
use crate::backup::settings::Command;
use crate::outcome::CouldNotRun;
use crate::process::{self, Program};
use crate::units::show_duration;

/// Default limit of a command.
const TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// Environment variables that it inherits: enough for programs that log in elsewhere.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LANG", "TMPDIR", "SSH_AUTH_SOCK"];

/// Lines of its errors that are shown.
const LINES: usize = 5;

/// Characters of a line that are shown.
const LINE: usize = 300;

/// How long to wait for its standard error after it ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the command and stores its output.
pub(super) async fn find(
    settings: &Command,
    rules: &Rules,
    place: &Place<'_>,
) -> Result<Found, CouldNotRun> {
    let program = program(settings, place)?;
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
    let errors = tokio::spawn(process::keep_end(running.stderr()));
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
    let errors = tokio::time::timeout(LAST_WORDS, errors).await;
    let errors = place
        .redactor
        .clean(&errors.ok().and_then(Result::ok).unwrap_or_default());
    if !status.success() {
        let how = match status.code() {
            Some(code) => format!("it ended with exit code {code}"),
            None => "a signal ended it".to_owned(),
        };
        return Err(CouldNotRun::with_hint(
            format!("{how}{}", last_lines(&errors)),
            "this says nothing about the backup: run the command by hand",
        ));
    }
    if download.bytes == 0 {
        return Err(CouldNotRun::with_hint(
            format!("it wrote nothing{}", last_lines(&errors)),
            "it must write the backup to its standard output",
        ));
    }
    download.end().await
}

/// The program with its whole environment.
fn program(settings: &Command, place: &Place<'_>) -> Result<Program, CouldNotRun> {
    let folder = std::path::absolute(place.folder).unwrap_or_else(|_| place.folder.to_owned());
    let mut words = settings.run.iter();
    let first = words.next().map_or("", String::as_str);
    let path = if first.contains('/') {
        folder.join(first)
    } else {
        PathBuf::from(first)
    };
    let mut environment: Vec<(String, String)> = INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), place.environment.get(*name)?.clone())))
        .collect();
    for (name, text) in &settings.env {
        let value = text
            .resolve(place.folder, place.environment, place.redactor)
            .map_err(|why| {
                CouldNotRun::with_hint(
                    format!("env `{name}`: {why}"),
                    "correct `env` in `[backup.command]`",
                )
            })?;
        environment.retain(|(known, _)| known != name);
        environment.push((name.clone(), value.expose().to_owned()));
    }
    Ok(Program {
        path,
        arguments: words.cloned().collect(),
        environment,
        folder: Some(folder),
        run: place.run.to_owned(),
        ..Program::default()
    })
}

/// The last lines of its errors, behind a colon; nothing where there are none.
fn last_lines(errors: &str) -> String {
    let lines: Vec<String> = errors
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        // Control characters would affect the terminal.
        .map(|line| {
            line.chars()
                .filter(|c| !c.is_control())
                .take(LINE)
                .collect()
        })
        .collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() {
        String::new()
    } else {
        format!(": {}", last.join(" / "))
    }
}
