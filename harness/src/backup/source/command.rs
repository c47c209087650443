//! `[backup.command]`: the standard output of a command.

use std::time::Duration;

use super::confine;
use super::download::{Download, Received};
use super::found::{Found, Place, Rules};
use super::run::{FetchTerms, run, show_command};
use super::settings::Command;
use crate::backup::base::settings::FetchKeys;
use crate::outcome::CouldNotRun;

const KEYS: FetchKeys = FetchKeys {
    section: "[backup.command]",
    limit: "timeout",
    program: "correct `run` in `[backup.command]`: program and arguments, without a shell",
};

/// Default limit of a command.
pub(super) const TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// Runs the command and stores its output.
pub(super) async fn find(
    settings: &Command,
    rules: &Rules,
    place: &Place<'_>,
) -> Result<Found, CouldNotRun> {
    let name = settings.name.as_deref().unwrap_or("backup");
    let fetch = FetchTerms {
        keys: KEYS,
        words: &settings.run,
        env: &settings.env,
        limit: settings.timeout.map_or(TIMEOUT, |span| span.0),
        writes: &settings.writes,
        folders: &[],
    };
    let shown = show_command(&settings.run, &settings.env, place);
    let received = receive(&fetch, place, name).await;
    let received = received.map_err(|error| of_command(&shown, error))?;
    let mut found = Found::named(received.path, shown, name, rules);
    found.chosen = "the output of the command in the scenario".to_owned();
    found.received_sha256 = Some(received.sha256);
    found.warnings.extend(confine::warning(KEYS.section));
    Ok(found)
}

/// An error with the command that it is of.
pub(super) fn of_command(shown: &str, error: CouldNotRun) -> CouldNotRun {
    CouldNotRun {
        reason: format!("the command `{shown}`: {}", error.reason),
        ..error
    }
}

/// Runs it to its end.
async fn receive(
    fetch: &FetchTerms<'_>,
    place: &Place<'_>,
    name: &str,
) -> Result<Received, CouldNotRun> {
    let mut download = Download::begin(place, name).await?;
    download.expect(None)?;
    let ended = run(fetch, place, Some(&mut download)).await?;
    if let Some(failure) = ended.failure() {
        return Err(CouldNotRun::with_hint(
            failure,
            ended.hint("this says nothing about the backup: run the command by hand"),
        ));
    }
    if download.bytes == 0 {
        return Err(CouldNotRun::with_hint(
            format!("it wrote nothing{}", ended.errors),
            ended.hint("it must write the backup to its standard output"),
        ));
    }
    download.end().await
}
