//! Opens sessions: read-only as the superuser, as a role, as a restore does.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::error::may_pass;
use super::{DatabaseError, Endpoint, NoSession, Session};
use crate::sql::{quote_ident, quote_literal};
use crate::sqlstate::Names;
use crate::units::show_duration;

/// How long the server may take to open a session. No `statement_timeout` ends an event trigger ON login.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Limit of each statement.
    pub statement_timeout: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            statement_timeout: Duration::from_secs(120),
        }
    }
}

impl Session {
    /// A session of a connection that [`source`](crate::source) opened.
    pub(crate) fn over(connection: PgConnection) -> Self {
        Self {
            connection,
            names: Names::default(),
            witness: None,
        }
    }

    /// Connects; the error may be temporary.
    async fn connect(endpoint: &Endpoint, options: &PgConnectOptions) -> Result<Self, NoSession> {
        let names = endpoint.names.clone();
        let opened = tokio::time::timeout(OPEN_WITHIN, PgConnection::connect_with(options)).await;
        match opened {
            Ok(Ok(connection)) => Ok(Self {
                connection,
                names,
                witness: None,
            }),
            Err(_) => Err(NoSession {
                may_pass: false,
                error: DatabaseError {
                    lost: true,
                    ..DatabaseError::new(format!(
                        "the server did not open a session within {}: an event trigger ON login may be waiting",
                        show_duration(OPEN_WITHIN)
                    ))
                },
            }),
            Ok(Err(error)) => {
                names.learn_name(options.get_username());
                names.learn_name(options.get_database().unwrap_or_default());
                Err(NoSession {
                    may_pass: may_pass(&error),
                    error: DatabaseError::of(&error, "", &names),
                })
            }
        }
    }

    /// Opens a read-only session as the bootstrap superuser, to read the catalogs.
    ///
    /// `search_path` is set, since a hostile backup may contain a `pg_class` of its own.
    ///
    /// # Errors
    /// When the server refuses the session.
    pub async fn superuser(
        endpoint: &Endpoint,
        database: &str,
        terms: &Terms,
    ) -> Result<Self, DatabaseError> {
        let opened = Self::open(endpoint, database, terms).await;
        opened.map_err(|refused| refused.error)
    }

    /// The same; the error contains whether it may be temporary.
    ///
    /// # Errors
    /// When the server refuses the session.
    pub async fn open(
        endpoint: &Endpoint,
        database: &str,
        terms: &Terms,
    ) -> Result<Self, NoSession> {
        let options = endpoint.superuser_options(database).options([
            ("search_path", "pg_catalog".to_owned()),
            ("default_transaction_read_only", "on".to_owned()),
            (
                "statement_timeout",
                terms.statement_timeout.as_millis().to_string(),
            ),
            ("lock_timeout", "10000".to_owned()),
            ("row_security", "off".to_owned()),
            ("bytea_output", "hex".to_owned()),
            ("DateStyle", "ISO, YMD".to_owned()),
            ("TimeZone", "UTC".to_owned()),
            // Libraries that the database preloads may print notices.
            ("client_min_messages", "warning".to_owned()),
        ]);
        let mut session = Self::connect(endpoint, &options).await?;
        if let Some(identity) = endpoint.known.identity() {
            let answers = session.identity().await;
            let answers = answers.map_err(|error| NoSession {
                may_pass: error.lost,
                error,
            })?;
            if answers != Some(identity) {
                return Err(NoSession {
                    may_pass: false,
                    error: DatabaseError {
                        lost: true,
                        ..DatabaseError::new(
                            "another server answers at the address of the throwaway server: its system identifier or the time of its start differs",
                        )
                    },
                });
            }
        }
        Ok(session)
    }

    /// What tells this server from others: the system identifier of its data folder, which copies of a template
    /// share, and the time of its start in microseconds, which remains when it recovers from a crash.
    ///
    /// # Errors
    /// The server's error.
    pub async fn identity(&mut self) -> Result<Option<String>, DatabaseError> {
        self.value(
            "SELECT pg_catalog.concat(system_identifier, ' ', pg_catalog.pg_postmaster_start_time()) \
             FROM pg_catalog.pg_control_system()",
        )
        .await
    }

    /// Opens a session of `role`: a login with its settings, so that `ALTER ROLE … SET` and
    /// `session_preload_libraries` have the same effect as for the application. A role without LOGIN is
    /// assumed by `SET SESSION AUTHORIZATION`, which nothing that runs as that role can undo.
    ///
    /// # Errors
    /// When the role does not exist or the server refuses the session.
    pub async fn role(
        endpoint: &Endpoint,
        database: &str,
        role: &str,
        settings: &[(String, String)],
        terms: &Terms,
    ) -> Result<Self, DatabaseError> {
        let limits = [
            ("default_transaction_read_only", "on".to_owned()),
            (
                "statement_timeout",
                terms.statement_timeout.as_millis().to_string(),
            ),
            ("lock_timeout", "10000".to_owned()),
            ("client_min_messages", "warning".to_owned()),
        ];
        let login = endpoint.options(role, database).options(limits.clone());
        let mut session = match Self::connect(endpoint, &login).await {
            Ok(session) => session,
            Err(NoSession { error, .. }) => {
                // 28000: the role may not log in (or does not exist: then the next step fails).
                // 28P01: over TCP it needs its password, which a backup does not contain.
                if !matches!(error.sqlstate.as_deref(), Some("28000" | "28P01")) {
                    return Err(error);
                }
                let options = endpoint.superuser_options(database).options(limits);
                let opened = Self::connect(endpoint, &options).await;
                let mut session = opened.map_err(|refused| refused.error)?;
                session
                    .run(&format!("SET SESSION AUTHORIZATION {}", quote_ident(role)))
                    .await?;
                session
            }
        };
        for (name, value) in settings {
            session
                .run(&format!(
                    "SELECT pg_catalog.set_config({}, {}, false)",
                    quote_literal(name),
                    quote_literal(value)
                ))
                .await?;
        }
        Ok(session)
    }

    /// Opens a session as the bootstrap superuser with the settings of server, database and role, as a
    /// restore does.
    ///
    /// # Errors
    /// When the server refuses the session.
    pub(crate) async fn plain(endpoint: &Endpoint, database: &str) -> Result<Self, DatabaseError> {
        let options = endpoint.superuser_options(database);
        let opened = Self::connect(endpoint, &options).await;
        opened.map_err(|refused| refused.error)
    }
}
