//! `Backup` + `&ThrowawayServer` → [`RestoreLog`]. The log decides, never an exit code. One method,
//! one file.

pub mod contents;
mod log;
mod pg_restore;
mod psql;
pub mod settings;

use std::time::Duration;

use crate::backup::Backup;
use crate::backup::format::Format;
use crate::event::Listener;
use crate::outcome::{Finding, RestoreFacts};
use crate::redact::Redactor;
use crate::server::{ServerError, ThrowawayServer};
use settings::Restore;

/// Limit of a restore when the scenario gives none.
const WITHIN: Duration = Duration::from_secs(6 * 3600);

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct RestoreLog {
    /// For the reports.
    pub facts: RestoreFacts,
    /// The database that checks look at when they name none.
    pub database: String,
    /// Statements that failed.
    pub errors: Vec<Finding>,
    /// Why the restore cannot be judged: this machine or this server is at fault, not the backup.
    pub unable: Vec<Finding>,
}

/// Why there is no log to judge. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RestoreError {
    /// A lowercase fragment.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl RestoreError {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ServerError> for RestoreError {
    fn from(error: ServerError) -> Self {
        Self {
            reason: error.reason,
            hint: error.hint,
        }
    }
}

/// Restores the backup by the method that its format asks for. Rows that the backup turns out to
/// hold are noted in it.
///
/// # Errors
/// When it could not be tried to the end: no client program, out of time, the server is gone.
pub async fn restore(
    server: &ThrowawayServer,
    backup: &mut Backup,
    settings: &Restore,
    redactor: &Redactor,
    listener: &Listener,
) -> Result<RestoreLog, RestoreError> {
    let within = settings.timeout.map_or(WITHIN, |span| span.0);
    let method = async {
        make_roles(server, settings).await?;
        match backup.format.clone() {
            Format::Plain { .. } => {
                psql::restore(server, backup, settings, redactor, listener).await
            }
            Format::Archive { .. } => pg_restore::restore(server, backup, settings, redactor).await,
        }
    };
    match tokio::time::timeout(within, method).await {
        Ok(result) => result,
        Err(_) => Err(
            RestoreError::new(format!("the restore did not end within {within:?}"))
                .hint("raise `timeout` in `[restore]`, or look at what the server waits for"),
        ),
    }
}

/// Makes the roles that the scenario knows to be missing: without a login, a right or a membership.
async fn make_roles(server: &ThrowawayServer, settings: &Restore) -> Result<(), RestoreError> {
    for role in &settings.create_roles {
        server.create_role(role).await.map_err(|error| {
            RestoreError::new(format!("cannot make the role `{role}`: {error}"))
                .hint("leave out of `create-roles` what the backup or the server makes itself")
        })?;
    }
    Ok(())
}

/// Makes the database for a backup that connects to none itself.
async fn make_database(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
) -> Result<String, RestoreError> {
    let name = backup.contents.target(settings.database.as_deref());
    if name == "postgres" {
        return Ok(name);
    }
    let encoding = backup.contents.encoding.as_deref().unwrap_or("UTF8");
    server
        .create_database(&name, encoding)
        .await
        .map_err(|error| {
            RestoreError::new(format!("cannot make the database `{name}`: {error}"))
        })?;
    Ok(name)
}
