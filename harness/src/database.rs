//! Sessions on a throwaway server: connect, time limits, read-only, real roles.
//!
//! Everything goes through the simple query protocol as text: one path for every type, and what a
//! user writes in a scenario runs as it would in psql.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgCopyIn, PgDatabaseError, PgSslMode};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Either, Row as _};

use crate::digest::RowsDigest;
use crate::outcome::CouldNotRun;
use crate::redact::Secret;
use crate::sql::{quote_ident, quote_literal};
use crate::sqlstate::{self, Names};

/// The address of a throwaway server.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Socket or port.
    pub address: Address,
    /// The bootstrap superuser, created by redrill.
    pub superuser: String,
    /// Its password, for TCP only.
    pub password: Secret,
    /// The system identifier of its cluster, once it is known: another server has another.
    pub cluster: Option<String>,
    /// Names that errors of its sessions may show.
    pub names: Names,
}

/// Folders of a unix socket, or a port on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Folders of `.s.PGSQL.5432`, both of redrill: see `server/socket.rs`.
    Socket {
        /// For sessions of this process only.
        sessions: PathBuf,
        /// For programs.
        programs: PathBuf,
    },
    /// A port on 127.0.0.1.
    Loopback(u16),
}

/// The name of a socket in its folder, as libpq makes it of port 5432.
pub const SOCKET: &str = ".s.PGSQL.5432";

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
            Address::Socket { sessions, .. } => options.socket(sessions).port(5432),
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
            Address::Socket { programs, .. } => (programs.display().to_string(), 5432),
            Address::Loopback(port) => ("127.0.0.1".to_owned(), *port),
        };
        let url = match &self.address {
            Address::Socket { .. } => format!(
                "postgres://{}@/{}?host={}",
                encode(user),
                encode(database),
                encode(&host)
            ),
            Address::Loopback(_) => {
                format!(
                    "postgres://{}@{host}:{port}/{}",
                    encode(user),
                    encode(database)
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

/// Characters that a part of a URL may not contain.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

fn encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

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

/// Whether a boolean column is true.
#[must_use]
pub fn is_true(value: Option<&Option<String>>) -> bool {
    value.and_then(Option::as_deref) == Some("t")
}

/// The result of statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Column names of the last result set with rows.
    pub columns: Vec<String>,
    /// All rows of all statements.
    pub rows: Vec<TextRow>,
    /// Number of rows that the statements affected.
    pub affected: u64,
}

/// The result of a statement in a transaction that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It succeeded, and affected so many rows.
    Allowed(u64),
    /// The server refused it.
    Refused(DatabaseError),
}

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

/// An open session, read-only except for attempts.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    names: Names,
}

impl Session {
    /// A session of a connection that [`source`](crate::source) opened.
    pub(crate) fn over(connection: PgConnection) -> Self {
        Self {
            connection,
            names: Names::default(),
        }
    }

    /// Connects; the error may be temporary.
    async fn connect(endpoint: &Endpoint, options: &PgConnectOptions) -> Result<Self, NoSession> {
        let names = endpoint.names.clone();
        match PgConnection::connect_with(options).await {
            Ok(connection) => Ok(Self { connection, names }),
            Err(error) => {
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
            // Libraries that the database preloads may print notices.
            ("client_min_messages", "warning".to_owned()),
        ]);
        let mut session = Self::connect(endpoint, &options).await?;
        if let Some(cluster) = &endpoint.cluster {
            let answers = session.cluster().await;
            let answers = answers.map_err(|error| NoSession {
                may_pass: error.lost,
                error,
            })?;
            if answers.as_ref() != Some(cluster) {
                return Err(NoSession {
                    may_pass: false,
                    error: DatabaseError {
                        lost: true,
                        ..DatabaseError::new(
                            "another server answers at the address of the throwaway server: its system identifier differs",
                        )
                    },
                });
            }
        }
        Ok(session)
    }

    /// The system identifier of the cluster, which `initdb` made.
    ///
    /// # Errors
    /// The server's error.
    pub async fn cluster(&mut self) -> Result<Option<String>, DatabaseError> {
        self.value("SELECT system_identifier FROM pg_catalog.pg_control_system()")
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
                let options = endpoint
                    .options(&endpoint.superuser, database)
                    .options(limits);
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

    /// Adds a name of the catalog that errors of this session may show, though no statement has it as an
    /// identifier.
    pub(crate) fn learn_name(&self, name: &str) {
        self.names.learn_name(name);
    }

    /// Runs one or more statements; returns all values as text.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn run(&mut self, sql: &str) -> Result<Answer, DatabaseError> {
        Ok(self.run_keeping(sql, usize::MAX).await?.0)
    }

    /// The same, but keeps at most the first `keep` rows; also returns the number of all rows.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn run_keeping(
        &mut self,
        sql: &str,
        keep: usize,
    ) -> Result<(Answer, u64), DatabaseError> {
        let names = self.names.clone();
        let rows = self.fetch(sql, keep).await;
        rows.map_err(|error| DatabaseError::of(&error, sql, &names))
    }

    async fn fetch(&mut self, sql: &str, keep: usize) -> Result<(Answer, u64), sqlx::Error> {
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

    /// Runs a query; returns its rows.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, DatabaseError> {
        Ok(self.run(sql).await?.rows)
    }

    /// Runs a query; returns the first column of its first row, `None` for NULL or no row.
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

    /// Runs a query; returns its only value, a number.
    ///
    /// # Errors
    /// The server's error, or that the value is not a number.
    pub async fn count(&mut self, sql: &str) -> Result<u64, DatabaseError> {
        let value = self.value(sql).await?;
        value
            .as_deref()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| DatabaseError::new("the query did not return an integer"))
    }

    /// The major version of the server, as in 17.
    ///
    /// # Errors
    /// When the server does not respond.
    pub async fn major_version(&mut self) -> Result<u64, DatabaseError> {
        let number = self
            .count("SELECT pg_catalog.current_setting('server_version_num')")
            .await?;
        Ok(number / 10_000)
    }

    /// Opens a session as the bootstrap superuser with the settings of server, database and role, as a
    /// restore does.
    ///
    /// # Errors
    /// When the server refuses the session.
    pub(crate) async fn plain(endpoint: &Endpoint, database: &str) -> Result<Self, DatabaseError> {
        let options = endpoint.options(&endpoint.superuser, database);
        let opened = Self::connect(endpoint, &options).await;
        opened.map_err(|refused| refused.error)
    }

    /// Begins `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// The server's error, without values.
    pub(crate) async fn copy_in(&mut self, copy: &str) -> Result<CopyIn<'_>, DatabaseError> {
        let wrong = |error| DatabaseError::of(&error, copy, &self.names);
        let copy = self.connection.copy_in_raw(copy).await.map_err(wrong)?;
        Ok(CopyIn(copy, &self.names))
    }

    /// Reads `COPY … TO STDOUT` to its end; `take` receives each row without its line end.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn copy_out(
        &mut self,
        copy: &str,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), DatabaseError> {
        let wrong = |error| DatabaseError::of(&error, copy, &self.names);
        let mut rows = self.connection.copy_out_raw(copy).await.map_err(wrong)?;
        while let Some(row) = rows.try_next().await.map_err(wrong)? {
            take(row.strip_suffix(b"\n").unwrap_or(&row));
        }
        Ok(())
    }

    /// Digests the rows of `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn digest_rows(&mut self, copy: &str) -> Result<RowsDigest, DatabaseError> {
        let mut digest = RowsDigest::default();
        self.copy_out(copy, |row| digest.add(row)).await?;
        Ok(digest)
    }

    /// Runs a statement that writes permanently, such as CREATE DATABASE.
    ///
    /// Not public: only `server/` prepares a server; checks read and attempt.
    ///
    /// # Errors
    /// The server's error, without values.
    pub(crate) async fn write(&mut self, sql: &str) -> Result<Answer, DatabaseError> {
        self.run("SET default_transaction_read_only = off").await?;
        let answer = self.run(sql).await;
        self.run("SET default_transaction_read_only = on").await?;
        answer
    }

    /// Runs `sql` in a read-write transaction that is always rolled back. Deferred constraint triggers are
    /// fired, since there is no commit.
    ///
    /// # Errors
    /// Only when the connection is lost; a refusal is an [`Attempt`].
    pub async fn attempt(&mut self, sql: &str) -> Result<Attempt, DatabaseError> {
        Ok(self.attempt_measured(sql, "SELECT 1").await?.0)
    }

    /// The same, and whether the value of the query `measure` was another one afterwards.
    ///
    /// # Errors
    /// When the connection is lost or `measure` is refused.
    pub async fn attempt_measured(
        &mut self,
        sql: &str,
        measure: &str,
    ) -> Result<(Attempt, bool), DatabaseError> {
        self.run("BEGIN READ WRITE").await?;
        let tried = self.measured(sql, measure).await;
        if let Err(error) = &tried
            && error.lost
        {
            return Err(error.clone());
        }
        self.run("ROLLBACK").await?;
        match tried? {
            (Ok(answer), changed) => Ok((Attempt::Allowed(answer.affected), changed)),
            (Err(error), changed) => Ok((Attempt::Refused(error), changed)),
        }
    }

    /// Runs what is attempted, between two measurements.
    async fn measured(
        &mut self,
        sql: &str,
        measure: &str,
    ) -> Result<(Result<Answer, DatabaseError>, bool), DatabaseError> {
        let before = self.value(measure).await?;
        let tried = match self.run(sql).await {
            Ok(answer) => {
                let checked = self.run("SET CONSTRAINTS ALL IMMEDIATE").await;
                checked.map(|_| answer)
            }
            Err(error) => Err(error),
        };
        match tried {
            Err(error) if error.lost => Err(error),
            Err(error) => Ok((Err(error), false)),
            Ok(answer) => Ok((Ok(answer), self.value(measure).await? != before)),
        }
    }

    /// Changes the limit of each statement.
    ///
    /// # Errors
    /// When the session is lost.
    pub(crate) async fn limit(&mut self, terms: &Terms) -> Result<(), DatabaseError> {
        let limit = terms.statement_timeout.as_millis();
        self.run(&format!("SET statement_timeout = {limit}"))
            .await
            .map(drop)
    }

    /// Resets settings, role, temporary objects and locks to those of a new session.
    ///
    /// # Errors
    /// When it is lost, or in a transaction.
    pub(crate) async fn reset(&mut self) -> Result<(), DatabaseError> {
        self.run("DISCARD ALL").await.map(drop)
    }

    /// Ends the session.
    pub async fn close(self) {
        // The server may have ended.
        let _ = self.connection.close().await;
    }
}

/// A running `COPY … FROM STDIN`.
pub(crate) struct CopyIn<'a>(PgCopyIn<&'a mut PgConnection>, &'a Names);

impl CopyIn<'_> {
    /// Sends a part of the rows.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), DatabaseError> {
        let sent = self.0.send(bytes).await;
        sent.map(drop)
            .map_err(|error| DatabaseError::of(&error, "", self.1))
    }

    /// Ends the rows; returns how many the server copied.
    pub(crate) async fn finish(self) -> Result<u64, DatabaseError> {
        let copied = self.0.finish().await;
        copied.map_err(|error| DatabaseError::of(&error, "", self.1))
    }
}
