//! Sessions on a throwaway server: connect, time limits, read-only, real roles.
//!
//! Everything goes through the simple query protocol as text: one path for every type, and what a
//! user writes in a scenario runs as it would in psql.
//!
//! - `endpoint`: the address; `open`: sessions as superuser and as a role; `copy`: rows; `attempt`: writes that are rolled
//!   back; `trail`: what was done as whom; `error`: why something failed

mod attempt;
mod copy;
mod endpoint;
mod error;
mod open;
mod trail;

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Column as _, Connection as _, Either, Row as _};

pub use self::attempt::Attempt;
pub use self::copy::RowsOut;
pub use self::endpoint::{Address, Endpoint, KnownServer, ProgramsTls, SOCKET};
pub use self::error::{DatabaseError, NoSession};
pub use self::open::Terms;
pub use self::trail::Trail;
use self::trail::Witness;
use crate::sqlstate::Names;

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

/// An open session, read-only except for attempts.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    names: Names,
    /// Notes what it does, while a check uses it.
    witness: Option<Witness>,
}

impl Session {
    /// Notes from now on what the session does as `role`; of a superuser only the number of statements, and attempts.
    pub(crate) fn noted_in(&mut self, trail: &Trail, role: &str, superuser: bool) {
        self.witness = Some(trail.witness(role, superuser));
    }

    /// Lists all statements from now on, those of a superuser too: the scenario has them.
    pub(crate) fn list_statements(&mut self) {
        if let Some(witness) = &mut self.witness {
            witness.lists = true;
        }
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
        let answer = self.send(sql, keep).await;
        if let Some(witness) = &self.witness {
            witness.statement(sql, false, answer.is_err());
        }
        answer
    }

    /// The same, not noted: for what redrill itself needs around the statements of a check.
    async fn unnoted(&mut self, sql: &str) -> Result<Answer, DatabaseError> {
        Ok(self.send(sql, usize::MAX).await?.0)
    }

    async fn send(&mut self, sql: &str, keep: usize) -> Result<(Answer, u64), DatabaseError> {
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

    /// Changes the limit of each statement.
    ///
    /// # Errors
    /// When the session is lost.
    pub(crate) async fn limit(&mut self, terms: &Terms) -> Result<(), DatabaseError> {
        let limit = terms.statement_timeout.as_millis();
        self.unnoted(&format!("SET statement_timeout = {limit}"))
            .await
            .map(drop)
    }

    /// Resets settings, role, temporary objects and locks to those of a new session.
    ///
    /// # Errors
    /// When it is lost, or in a transaction.
    pub(crate) async fn reset(&mut self) -> Result<(), DatabaseError> {
        self.witness = None;
        self.unnoted("DISCARD ALL").await.map(drop)
    }

    /// Ends the session.
    pub async fn close(self) {
        // The server may have ended.
        let _ = self.connection.close().await;
    }
}
