//! Runs the program: its environment, its time limit, its output.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::CommandCheck;
use crate::check::{Restored, program};
use crate::database::{Address, Endpoint, Terms};
use crate::input::secret::SecretText;
use crate::outcome::CouldNotRun;
use crate::process;
use crate::server::clone::DatabaseCopy;
use crate::units::show_duration;

/// What of its time limit is left for killing the program and dropping the copy.
const TIDYING: Duration = Duration::from_secs(5);

/// How long the pipes of a killed program may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// Bytes of output beyond which its beginning may be missing.
const WHOLE: usize = 60 * 1024;

/// How a program ended.
pub(crate) struct ProgramEnd {
    pub(crate) status: ExitStatus,
    /// Both streams, free of secrets.
    pub(crate) output: String,
    pub(super) whole: bool,
    pub(crate) duration: Duration,
}

pub(super) async fn copy_database(restored: &Restored<'_>) -> Result<DatabaseCopy, CouldNotRun> {
    let terms = Terms {
        statement_timeout: restored.timeout,
    };
    // PostgreSQL copies only a database without sessions.
    restored.sessions.end().await;
    DatabaseCopy::of(restored.server, restored.database, &terms)
        .await
        .map_err(|error| {
            let unable = CouldNotRun::new(format!("the database cannot be copied: {error}"));
            if error.sqlstate.as_deref() == Some("55006") {
                unable.hint("another session is connected to it, such as a background worker")
            } else {
                unable
            }
        })
}

/// Begins the place of a companion in a text.
const COMPANION: &str = "{companion.";

/// Puts the paths of companions into a text.
fn fill_companions(restored: &Restored<'_>, text: &str) -> Result<String, CouldNotRun> {
    let companions = &restored.backup.companions;
    let mut places = Vec::new();
    for companion in companions {
        let path = std::path::absolute(&companion.path).map_err(|error| {
            CouldNotRun::new(format!("companion `{}`: {error}", companion.name))
        })?;
        let place = format!("{COMPANION}{}}}", companion.name);
        places.push((place, path.display().to_string()));
    }
    let known: Vec<&str> = companions.iter().map(|one| one.name.as_str()).collect();
    // Refused with the scenario, unless the command line names another backup.
    match unknown_companion(text, &known) {
        Some(name) => Err(CouldNotRun::new(format!(
            "the backup has no companion `{name}`"
        ))),
        None => Ok(program::fill(text, &places)),
    }
}

/// The name in the first placeholder of a companion that is none of these.
pub(super) fn unknown_companion(text: &str, known: &[&str]) -> Option<String> {
    let mut names = text
        .match_indices(COMPANION)
        .map(|(at, _)| &text[at + COMPANION.len()..]);
    let is_known = |rest: &str| {
        let mut ends = known.iter().filter_map(|name| rest.strip_prefix(name));
        ends.any(|rest| rest.starts_with('}'))
    };
    let unknown = names.find(|rest| !is_known(rest))?;
    Some(unknown.split('}').next().unwrap_or_default().to_owned())
}

impl CommandCheck {
    /// Makes the program's whole environment.
    fn environment(
        &self,
        restored: &Restored<'_>,
        endpoint: &Endpoint,
        database: &str,
    ) -> Result<Vec<(String, String)>, CouldNotRun> {
        let user = self.role.as_deref().unwrap_or(&endpoint.superuser);
        let mut variables: BTreeMap<String, String> = program::inherited(restored).collect();
        variables.extend(endpoint.environment(user, database));
        if self.role.is_none() && matches!(endpoint.address, Address::Loopback(_)) {
            restored.redactor.learn(&endpoint.password);
            variables.insert(
                "PGPASSWORD".to_owned(),
                endpoint.password.expose().to_owned(),
            );
        }
        if !self.writes {
            let read_only = "-c default_transaction_read_only=on";
            variables.insert("PGOPTIONS".to_owned(), read_only.to_owned());
            if let Some(url) = variables.get_mut("DATABASE_URL") {
                // Drivers that are not libpq know nothing of PGOPTIONS.
                let joint = if url.contains('?') { '&' } else { '?' };
                url.push(joint);
                url.push_str("options=-c%20default_transaction_read_only%3Don");
            }
        }
        for (name, text) in &self.env {
            let value = text
                .resolve(restored.folder, restored.environment, restored.redactor)
                .map_err(|error| CouldNotRun::new(format!("env `{name}`: {error}")))?;
            let value = match text {
                SecretText::Plain(plain) => fill_companions(restored, plain)?,
                SecretText::Env(_) | SecretText::File(_) => value.expose().to_owned(),
            };
            variables.insert(name.clone(), value);
        }
        Ok(variables.into_iter().collect())
    }

    /// Runs the program to its end; kills what it leaves behind. It connects to `endpoint`, that of the server or one that leads
    /// to it.
    pub(crate) async fn run_program(
        &self,
        restored: &Restored<'_>,
        endpoint: &Endpoint,
        database: &str,
        began: Instant,
    ) -> Result<ProgramEnd, CouldNotRun> {
        let word = self.command.first().map_or("", String::as_str);
        let command = self
            .command
            .iter()
            .map(|word| fill_companions(restored, word));
        let command = command.collect::<Result<Vec<_>, _>>()?;
        let role = self.role.as_ref().unwrap_or(&endpoint.superuser);
        restored.note_program(role, &self.command);
        let mut running = program::start(
            restored,
            command.into_iter(),
            self.environment(restored, endpoint, database)?,
            self.working_directory.as_deref(),
        )
        .await?;
        let started = Instant::now();
        let streams = [
            tokio::spawn(process::keep_end(running.stdout())),
            tokio::spawn(process::keep_end(running.stderr())),
        ];
        let tidying = TIDYING.min(restored.timeout / 10);
        let limit = restored.timeout.saturating_sub(began.elapsed() + tidying);
        let status = tokio::time::timeout(limit, running.wait()).await;
        let duration = started.elapsed();
        // Its end is the end of all that it started: a pipe that is held open by a child would never close.
        running.kill();
        let mut output = String::new();
        let mut whole = true;
        for stream in streams {
            if let Ok(Ok(text)) = tokio::time::timeout(CLOSING, stream).await {
                whole &= text.len() < WHOLE;
                output.push_str(&text);
            }
        }
        let output = restored.redactor.clean(&output);
        let unable = |why: String| {
            let unable = CouldNotRun::new(format!("{word}: {why}"));
            unable.hint(self.describe_output(&output))
        };
        let status = match status {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(unable(format!("it was lost: {error}"))),
            Err(_) => {
                let limit = show_duration(limit);
                return Err(unable(format!(
                    "it did not end within {limit} and was killed"
                )));
            }
        };
        if status.code().is_none() {
            return Err(unable("a signal ended it".to_owned()));
        }
        Ok(ProgramEnd {
            status,
            output,
            whole,
            duration,
        })
    }
}
