//! Why a statement or a connection failed.

use std::fmt;

use sqlx::postgres::PgDatabaseError;

use crate::outcome::CouldNotRun;
use crate::redact::Secret;
use crate::sqlstate::{self, Names};

/// Why a statement or a connection failed. Prints no row value: see [`crate::sqlstate::shown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseError {
    /// Five characters, if the server responded.
    pub sqlstate: Option<String>,
    /// The primary message of the server without anything that may be a value.
    pub message: String,
    /// Whether the connection is gone.
    pub lost: bool,
    /// The primary message itself, which is never shown; empty if code of the database raised it.
    pub(crate) raw: Secret,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sqlstate {
            Some(state) => write!(f, "{} ({state})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for DatabaseError {}

impl From<DatabaseError> for CouldNotRun {
    fn from(error: DatabaseError) -> Self {
        Self::new(error.to_string())
    }
}

impl DatabaseError {
    /// Creates an error that is not from the server.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            sqlstate: None,
            message: message.into(),
            lost: false,
            raw: Secret::new(""),
        }
    }

    /// Creates the error of a statement, or of a connection where `statement` is empty. Of the server's
    /// message it shows what [`sqlstate::shown`] does; identifiers of the statement are known names.
    pub(crate) fn of(error: &sqlx::Error, statement: &str, names: &Names) -> Self {
        let sqlx::Error::Database(database) = error else {
            let message = match error {
                sqlx::Error::Io(io) => format!("connection lost: {io}"),
                sqlx::Error::Protocol(_) => "connection lost in the middle of an answer".to_owned(),
                other => format!("no answer from the server: {other}"),
            };
            return Self {
                lost: true,
                ..Self::new(message)
            };
        };
        names.learn_statement(statement);
        let raised = database
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|pg| {
                sqlstate::is_raised(pg.routine().unwrap_or(""), pg.file().unwrap_or(""))
            });
        let state = database.code().unwrap_or_default();
        Self::answered(&state, database.message(), raised, names)
    }

    /// Creates an error of the server.
    pub(crate) fn answered(sqlstate: &str, message: &str, raised: bool, names: &Names) -> Self {
        Self {
            sqlstate: Some(sqlstate.to_owned()),
            message: sqlstate::shown(sqlstate, message, raised, names),
            // A shutdown or a crash of another backend also ends this session.
            lost: sqlstate.starts_with("57P0"),
            raw: Secret::new(if raised { "" } else { message }),
        }
    }

    /// Whether a message of the server's own contains a text, shown or not.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.raw.expose().contains(text)
    }

    /// Whether it is a query of a materialized view that has no rows yet (`55000`).
    #[must_use]
    pub fn is_not_populated(&self) -> bool {
        self.sqlstate.as_deref() == Some("55000") && self.mentions("has not been populated")
    }

    /// Whether a privilege is missing or a policy refused it (`42501`).
    #[must_use]
    pub fn denied(&self) -> bool {
        self.sqlstate.as_deref() == Some("42501")
    }
}

/// Why no session could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSession {
    /// The error of the server or of the connection.
    pub error: DatabaseError,
    /// Whether it may be temporary: the server is starting, or does not listen yet.
    pub may_pass: bool,
}

/// Whether the server may not have started yet, and has not refused.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(answer) => answer.code().is_some_and(|code| {
            // Connection exceptions, shutdown and start-up, too many connections.
            code.starts_with("08") || code.starts_with("57P0") || code == "53300"
        }),
        sqlx::Error::Io(io) => io.kind() != std::io::ErrorKind::PermissionDenied,
        _ => false,
    }
}
