//! The source: the database that is backed up. redrill only reads it, in one snapshot.
//!
//! A [`Source`] is no [`ThrowawayServer`](crate::server::ThrowawayServer), and nothing that writes takes one.

use std::str::FromStr as _;

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::database::{DatabaseError, Session};
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::redact::{Redactor, Secret};
use crate::sql::quote_literal;
use crate::sqlstate::Names;

/// Settings of every session: nothing is written, locks are not awaited for long, and rows that a policy hides
/// are an error.
const SETTINGS: &str = "SET default_transaction_read_only = on; SET lock_timeout = 10000; SET statement_timeout = 0; \
    SET idle_in_transaction_session_timeout = 0; SET client_min_messages = warning; SET synchronize_seqscans = off";

/// The address of a source, from `--from`.
#[derive(Debug, Clone)]
pub struct Address {
    options: PgConnectOptions,
    /// The address without its password, as a client such as pg_dump takes it.
    url: String,
    password: Option<Secret>,
}

impl Address {
    /// Whether a text is the address of a database, and not the path of a file.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Parses `postgres://user:password@host:port/database?sslmode=require`. Missing parts come from the
    /// environment and the files of libpq: `PGPASSWORD`, `~/.pgpass` and others.
    ///
    /// # Errors
    /// A lowercase fragment without the password.
    pub fn parse(text: &str, redactor: &Redactor) -> Result<Self, String> {
        let wrong = || {
            "not the address of a database: expected `postgres://user@host:5432/database`"
                .to_owned()
        };
        // libpq accepts an address without a host if `host` names the folder of a socket.
        let text = &text.replacen("@/", "@localhost/", 1);
        let mut url = reqwest::Url::parse(text).map_err(|_| wrong())?;
        let password = url
            .password()
            .map(|text| Secret::new(percent_decode_str(text).decode_utf8_lossy()));
        if let Some(password) = &password {
            redactor.learn(password);
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| wrong())?;
        // Only hosts without a name of a user have no place for a password.
        let _ = url.set_password(None);
        Ok(Self {
            options: options
                .application_name("redrill")
                .statement_cache_capacity(0)
                .disable_statement_logging(),
            url: url.to_string(),
            password,
        })
    }

    /// The address without its password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.url
    }

    /// Names of the user and the database, which an error may show.
    fn names(&self) -> Names {
        let names = Names::default();
        names.learn_name(self.options.get_username());
        names.learn_name(self.options.get_database().unwrap_or_default());
        names
    }

    /// Environment variables that a libpq client needs in addition to [`Address::shown`].
    #[must_use]
    pub fn environment(&self, environment: &Environment) -> Vec<(String, String)> {
        let handed_on = environment.iter().filter(|(name, _)| {
            name.starts_with("PG") || ["HOME", "PATH"].contains(&name.as_str())
        });
        let mut all: Vec<(String, String)> = handed_on
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(password) = &self.password {
            all.retain(|(name, _)| name != "PGPASSWORD");
            all.push(("PGPASSWORD".to_owned(), password.expose().to_owned()));
        }
        all
    }
}

/// What to do about a refused connection.
fn remedy(error: &DatabaseError) -> &'static str {
    match error.sqlstate.as_deref() {
        Some("3D000") => "correct the name of the database, the last part of the address",
        Some("28000" | "28P01") => {
            "correct the user in the address; its password comes from PGPASSWORD or ~/.pgpass, and pg_hba.conf of the server must let it in from here"
        }
        Some("42501") => {
            "the role must be able to connect and to read all tables: `GRANT pg_read_all_data TO` it"
        }
        Some("53300") => "the server has no free connection: try again, or as a superuser",
        _ => {
            "check host and port of the address, `sslmode` and `sslrootcert` in it, and whether the server runs"
        }
    }
}

/// A source with an open snapshot.
#[derive(Debug)]
pub struct Source {
    address: Address,
    session: Session,
    /// The exported snapshot for other sessions; `None` if the server does not export it.
    snapshot: Option<String>,
    /// Name of the database.
    pub database: String,
    /// Version of the server, as in `17.6`.
    pub version: String,
}

impl Source {
    /// Connects and takes a snapshot.
    ///
    /// # Errors
    /// When it does not answer or refuses the connection.
    pub async fn connect(address: Address) -> Result<Self, CouldNotRun> {
        let shown = address.shown().to_owned();
        let connected = Self::open(address).await;
        connected.map_err(|error| {
            CouldNotRun::with_hint(format!("cannot read {shown}: {error}"), remedy(&error))
        })
    }

    async fn open(address: Address) -> Result<Self, DatabaseError> {
        crate::tls::install();
        let mut session = open(&address).await?;
        session
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .await?;
        let value = async |session: &mut Session, sql: &str| {
            session.value(sql).await.map(Option::unwrap_or_default)
        };
        let database = value(&mut session, "SELECT pg_catalog.current_database()").await?;
        let version = value(
            &mut session,
            "SELECT pg_catalog.current_setting('server_version')",
        )
        .await?;
        let version = version.split(' ').next().unwrap_or_default().to_owned();
        // A server in recovery exports none, and neither does a pooler that gives each transaction another server.
        let recovering = value(&mut session, "SELECT pg_catalog.pg_is_in_recovery()").await? == "t";
        let snapshot = if recovering {
            None
        } else {
            session
                .value("SELECT pg_catalog.pg_export_snapshot()")
                .await?
        };
        Ok(Self {
            address,
            session,
            snapshot,
            database,
            version,
        })
    }

    /// The session that holds the snapshot.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Opens sessions with the same snapshot; fewer, even none, if the server refuses more.
    pub async fn more(&self, count: usize) -> Vec<Session> {
        let mut sessions = Vec::new();
        let Some(snapshot) = &self.snapshot else {
            return sessions;
        };
        let join = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}",
            quote_literal(snapshot)
        );
        for _ in 0..count {
            let Ok(mut session) = open(&self.address).await else {
                break;
            };
            if session.run(&join).await.is_err() {
                break;
            }
            sessions.push(session);
        }
        sessions
    }

    /// The exported snapshot, for `pg_dump --snapshot`.
    #[must_use]
    pub fn snapshot(&self) -> Option<&str> {
        self.snapshot.as_deref()
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Ends the transaction of the snapshot and the session.
    pub async fn close(self) {
        self.session.close().await;
    }
}

/// Opens one session.
async fn open(address: &Address) -> Result<Session, DatabaseError> {
    let opened = PgConnection::connect_with(&address.options).await;
    let connection = opened.map_err(|error| DatabaseError::of(&error, "", &address.names()))?;
    let mut session = Session::over(connection);
    session.run(SETTINGS).await?;
    session.run(crate::digest::CANONICAL).await?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "postgres://u:s3cret%40x@db:5433/app?sslmode=require",
        "postgres://u@db:5433/app?sslmode=require",
        Some("s3cret@x")
    )]
    #[case("postgresql://u@db/app", "postgresql://u@db/app", None)]
    #[case(
        "postgres://u@/app?host=/run/postgresql",
        "postgres://u@localhost/app?host=/run/postgresql",
        None
    )]
    fn the_password_is_not_shown(
        #[case] text: &str,
        #[case] shown: &str,
        #[case] password: Option<&str>,
    ) {
        let redactor = Redactor::default();
        let address = Address::parse(text, &redactor).unwrap();
        assert_eq!(address.shown(), shown);
        let environment = address.environment(&Environment::default());
        let given = environment.iter().find(|(name, _)| name == "PGPASSWORD");
        assert_eq!(given.map(|(_, value)| value.as_str()), password);
        if let Some(password) = password {
            assert!(!redactor.clean(password).contains(password));
            assert!(!format!("{:?}", address.password).contains(password));
        }
    }

    #[rstest]
    #[case("postgres://")]
    #[case("postgres://u:geheim@[::1/app")]
    #[case("orders.dump")]
    fn what_is_no_address_is_refused_without_its_password(#[case] text: &str) {
        let error = Address::parse(text, &Redactor::default());
        if let Err(error) = error {
            assert!(!error.contains("geheim"), "{error}");
        } else {
            assert_eq!(text, "postgres://");
        }
    }

    #[rstest]
    #[case("postgres://u@h/d", true)]
    #[case("postgresql:///d", true)]
    #[case("/var/backups/x.dump", false)]
    fn addresses_differ_from_files(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(Address::is_one(text), is_one);
    }
}
