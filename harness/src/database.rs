//! Sessions on a throwaway server: connect, time limits, read-only, real roles.
//!
//! Everything goes through the simple query protocol as text: one path for every type, and what a
//! user writes in a scenario runs as it would in psql.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgCopyIn, PgDatabaseError, PgSslMode};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Either, Row as _};

use crate::outcome::CouldNotRun;
use crate::redact::Secret;
use crate::sql::{quote_ident, quote_literal};
use crate::sqlstate;

/// Where a throwaway server answers.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// How it is reached.
    pub address: Address,
    /// The bootstrap superuser that redrill made.
    pub superuser: String,
    /// Its password; only needed over TCP.
    pub password: Secret,
}

/// A unix socket's folder, or a port on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The folder that holds `.s.PGSQL.5432`.
    Socket(PathBuf),
    /// A port on 127.0.0.1.
    Loopback(u16),
}

impl Endpoint {
    /// Options for `user`, without anything taken from the environment.
    fn options(&self, user: &str, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .username(user)
            .database(database)
            .application_name("redrill")
            .ssl_mode(PgSslMode::Disable)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        match &self.address {
            Address::Socket(folder) => options.socket(folder).port(5432),
            Address::Loopback(port) => options
                .host("127.0.0.1")
                .port(*port)
                .password(self.password.expose()),
        }
    }

    /// The `PG…` variables of a libpq client for `user`, and `DATABASE_URL`.
    #[must_use]
    pub fn environment(&self, user: &str, database: &str) -> Vec<(String, String)> {
        let (host, port) = match &self.address {
            Address::Socket(folder) => (folder.display().to_string(), 5432),
            Address::Loopback(port) => ("127.0.0.1".to_owned(), *port),
        };
        let url = match &self.address {
            Address::Socket(_) => format!(
                "postgres://{}@/{}?host={}",
                percent(user),
                percent(database),
                percent(&host)
            ),
            Address::Loopback(_) => {
                format!(
                    "postgres://{}@{host}:{port}/{}",
                    percent(user),
                    percent(database)
                )
            }
        };
        [
            ("DATABASE_URL", url),
            ("PGHOST", host),
            ("PGPORT", port.to_string()),
            ("PGUSER", user.to_owned()),
            ("PGDATABASE", database.to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// Percent-encodes what a URL's parts may not hold.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// Why a statement or a connection failed. Prints no row value: see [`crate::sqlstate::shown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseError {
    /// Five characters, where the server answered.
    pub sqlstate: Option<String>,
    /// The server's primary message with everything taken out that may be a value.
    pub message: String,
    /// Whether the connection is gone.
    pub lost: bool,
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
    /// Whether the server refused for lack of a right or because of a policy (`42501`).
    #[must_use]
    pub fn denied(&self) -> bool {
        self.sqlstate.as_deref() == Some("42501")
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            let state = database.code().map(|code| code.into_owned());
            let raised = database
                .try_downcast_ref::<PgDatabaseError>()
                .is_some_and(|pg| {
                    sqlstate::is_raised(pg.routine().unwrap_or(""), pg.file().unwrap_or(""))
                });
            let shown = sqlstate::shown(state.as_deref().unwrap_or(""), database.message(), raised);
            // An administrator's shutdown or a crash of another backend ends this session too.
            let lost = state
                .as_deref()
                .is_some_and(|state| state.starts_with("57P0"));
            return Self {
                sqlstate: state,
                message: shown,
                lost,
            };
        }
        let message = match &error {
            sqlx::Error::Io(io) => format!("connection lost: {io}"),
            sqlx::Error::Protocol(_) => "connection lost in the middle of an answer".to_owned(),
            other => format!("no answer from the server: {other}"),
        };
        Self {
            sqlstate: None,
            message,
            lost: true,
        }
    }
}

/// Why no session could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSession {
    /// What the server, or the way to it, answered.
    pub error: DatabaseError,
    /// Whether the same may work a moment later: a server that is starting up, or does not listen yet.
    pub may_pass: bool,
}

/// Tells a server that is not there yet from one that refuses.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(answer) => answer.code().is_some_and(|code| {
            // Connection exceptions, shutdown and start-up, too many connections.
            code.starts_with("08") || code.starts_with("57P0") || code == "53300"
        }),
        sqlx::Error::Io(io) => io.kind() != std::io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

/// A row as text, `None` for NULL.
pub type TextRow = Vec<Option<String>>;

/// Reads the `t` or `f` of a boolean column.
#[must_use]
pub fn is_true(value: Option<&Option<String>>) -> bool {
    value.and_then(Option::as_deref) == Some("t")
}

/// What a statement gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Column names of the last result set with rows.
    pub columns: Vec<String>,
    /// All rows of all statements.
    pub rows: Vec<TextRow>,
    /// Rows that the statements touched, added up.
    pub affected: u64,
}

/// What became of something tried in a transaction that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It went through, and touched so many rows.
    Allowed(u64),
    /// The server refused it.
    Refused(DatabaseError),
}

/// How a session is opened.
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

/// One open session. Read-only unless an attempt is made in it.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
}

impl Session {
    /// Wraps a connection that [`source`](crate::source) has opened.
    pub(crate) const fn over(connection: PgConnection) -> Self {
        Self { connection }
    }

    /// Opens a read-only session as the bootstrap superuser, for looking at the catalogs.
    ///
    /// `search_path` is pinned: a hostile backup may have put its own `pg_class` in front.
    ///
    /// # Errors
    /// When the server does not let it in.
    pub async fn superuser(
        endpoint: &Endpoint,
        database: &str,
        terms: &Terms,
    ) -> Result<Self, DatabaseError> {
        let opened = Self::open(endpoint, database, terms).await;
        opened.map_err(|refused| refused.error)
    }

    /// The same, and tells whether trying again may help.
    ///
    /// # Errors
    /// When the server does not let it in.
    pub async fn open(
        endpoint: &Endpoint,
        database: &str,
        terms: &Terms,
    ) -> Result<Self, NoSession> {
        let options = endpoint.options(&endpoint.superuser, database).options([
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
            // Nothing that a database's settings preload is needed for looking at catalogs.
            ("client_min_messages", "warning".to_owned()),
        ]);
        match PgConnection::connect_with(&options).await {
            Ok(connection) => Ok(Self { connection }),
            Err(error) => Err(NoSession {
                may_pass: may_pass(&error),
                error: error.into(),
            }),
        }
    }

    /// Opens a session that IS `role`: a login of its own with its own settings, so that
    /// `ALTER ROLE … SET` and `session_preload_libraries` act as they do for the application.
    /// A role without LOGIN is taken on by `SET SESSION AUTHORIZATION`, which cannot be undone by
    /// anything that runs as that role.
    ///
    /// # Errors
    /// When the role does not exist or the server does not let it in.
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
        let mut session = match PgConnection::connect_with(&login).await {
            Ok(connection) => Self { connection },
            Err(error) => {
                let error = DatabaseError::from(error);
                // 28000: the role may not log in (or is not there: then the next step says so).
                // 28P01: over TCP it needs a password, which a backup does not tell.
                if !matches!(error.sqlstate.as_deref(), Some("28000" | "28P01")) {
                    return Err(error);
                }
                let options = endpoint
                    .options(&endpoint.superuser, database)
                    .options(limits);
                let connection = PgConnection::connect_with(&options).await?;
                let mut session = Self { connection };
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

    /// Runs one or more statements and gives everything as text.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn run(&mut self, sql: &str) -> Result<Answer, DatabaseError> {
        Ok(self.run_keeping(sql, usize::MAX).await?.0)
    }

    /// The same, but keeps no more than the first `keep` rows; also tells how many there were.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn run_keeping(
        &mut self,
        sql: &str,
        keep: usize,
    ) -> Result<(Answer, u64), DatabaseError> {
        let mut answer = Answer::default();
        let mut count = 0;
        let mut stream =
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(&mut self.connection);
        while let Some(item) = stream.try_next().await? {
            match item {
                Either::Left(done) => answer.affected += done.rows_affected(),
                Either::Right(row) => {
                    count += 1;
                    if answer.columns.len() != row.columns().len() {
                        answer.columns =
                            row.columns().iter().map(|c| c.name().to_owned()).collect();
                    }
                    if answer.rows.len() >= keep {
                        continue;
                    }
                    let mut values = Vec::with_capacity(row.columns().len());
                    for index in 0..row.columns().len() {
                        let value = row.try_get_raw(index)?;
                        values.push(value.as_str().ok().map(str::to_owned));
                    }
                    answer.rows.push(values);
                }
            }
        }
        Ok((answer, count))
    }

    /// Runs a query and gives its rows.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, DatabaseError> {
        Ok(self.run(sql).await?.rows)
    }

    /// Runs a query and gives the first column of its first row; `None` for NULL or no row.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn value(&mut self, sql: &str) -> Result<Option<String>, DatabaseError> {
        let rows = self.rows(sql).await?;
        Ok(rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next().flatten()))
    }

    /// Runs a query whose answer is one number.
    ///
    /// # Errors
    /// The server's error, or that the answer is not a number.
    pub async fn count(&mut self, sql: &str) -> Result<u64, DatabaseError> {
        let value = self.value(sql).await?;
        value
            .as_deref()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| DatabaseError {
                sqlstate: None,
                message: "the query did not give one whole number".to_owned(),
                lost: false,
            })
    }

    /// The major version of the server, as in 17.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn major_version(&mut self) -> Result<u64, DatabaseError> {
        let number = self
            .count("SELECT pg_catalog.current_setting('server_version_num')")
            .await?;
        Ok(number / 10_000)
    }

    /// Opens a session as the bootstrap superuser with the settings that the server, the database and
    /// the role have for it: as a restore's session is.
    ///
    /// # Errors
    /// When the server does not let it in.
    pub(crate) async fn plain(endpoint: &Endpoint, database: &str) -> Result<Self, DatabaseError> {
        let options = endpoint.options(&endpoint.superuser, database);
        let connection = PgConnection::connect_with(&options).await?;
        Ok(Self { connection })
    }

    /// Begins `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// The server's error, without values.
    pub(crate) async fn copy_in(&mut self, copy: &str) -> Result<CopyIn<'_>, DatabaseError> {
        Ok(CopyIn(self.connection.copy_in_raw(copy).await?))
    }

    /// Reads `COPY … TO STDOUT` to its end; `take` gets each row with its line end.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn copy_out(
        &mut self,
        copy: &str,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), DatabaseError> {
        let mut rows = self.connection.copy_out_raw(copy).await?;
        while let Some(row) = rows.try_next().await? {
            take(&row);
        }
        Ok(())
    }

    /// Runs a statement that writes and stays, such as CREATE DATABASE.
    ///
    /// Not public: only `server/` prepares a server, checks look and try.
    ///
    /// # Errors
    /// The server's error, without values.
    pub(crate) async fn write(&mut self, sql: &str) -> Result<Answer, DatabaseError> {
        self.run("SET default_transaction_read_only = off").await?;
        let answer = self.run(sql).await;
        self.run("SET default_transaction_read_only = on").await?;
        answer
    }

    /// Tries `sql` in a read-write transaction and always rolls back, so that nothing stays.
    /// Deferred constraint triggers are made to fire, since there is no commit that would.
    ///
    /// # Errors
    /// Only when the connection is lost; a refusal is an [`Attempt`].
    pub async fn attempt(&mut self, sql: &str) -> Result<Attempt, DatabaseError> {
        self.run("BEGIN READ WRITE").await?;
        let tried = self.run(sql).await;
        let tried = match tried {
            Ok(answer) => match self.run("SET CONSTRAINTS ALL IMMEDIATE").await {
                Ok(_) => Ok(answer),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = &tried
            && error.lost
        {
            return Err(error.clone());
        }
        self.run("ROLLBACK").await?;
        Ok(match tried {
            Ok(answer) => Attempt::Allowed(answer.affected),
            Err(error) => Attempt::Refused(error),
        })
    }

    /// Sets the limit of each statement anew.
    ///
    /// # Errors
    /// When the session is gone.
    pub(crate) async fn limit(&mut self, terms: &Terms) -> Result<(), DatabaseError> {
        let limit = terms.statement_timeout.as_millis();
        self.run(&format!("SET statement_timeout = {limit}"))
            .await
            .map(drop)
    }

    /// Makes the session as it was when it was opened: settings, role, temporary objects, locks.
    ///
    /// # Errors
    /// When it is gone, or in the middle of a transaction.
    pub(crate) async fn reset(&mut self) -> Result<(), DatabaseError> {
        self.run("DISCARD ALL").await.map(drop)
    }

    /// Ends the session politely; dropping it does the same less politely.
    pub async fn close(self) {
        // A server that is gone needs no goodbye.
        let _ = self.connection.close().await;
    }
}

/// Rows on their way into a table.
pub(crate) struct CopyIn<'a>(PgCopyIn<&'a mut PgConnection>);

impl CopyIn<'_> {
    /// Sends a part of the rows.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), DatabaseError> {
        self.0.send(bytes).await?;
        Ok(())
    }

    /// Ends the rows; gives how many the server took.
    pub(crate) async fn finish(self) -> Result<u64, DatabaseError> {
        Ok(self.0.finish().await?)
    }
}
