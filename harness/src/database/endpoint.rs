//! The address of a throwaway server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::redact::Secret;
use crate::sqlstate::Names;

/// The address of a throwaway server.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Socket or port.
    pub address: Address,
    /// The bootstrap superuser, created by redrill.
    pub superuser: String,
    /// Its password, for TCP only.
    pub password: Secret,
    /// What is known of it.
    pub known: KnownServer,
    /// How programs connect, where the server requires TLS.
    pub tls: Option<ProgramsTls>,
    /// Names that errors of its sessions may show.
    pub names: Names,
}

/// What is known of the server at an address. Copies of an address share it.
#[derive(Debug, Clone, Default)]
pub struct KnownServer {
    /// Its major version, as in 17; `None` before the first session of a server that began empty.
    pub major: Option<u32>,
    identity: Arc<Mutex<Option<String>>>,
}

impl KnownServer {
    /// That of a server of this major version, before its first session.
    #[must_use]
    pub fn of_major(major: Option<u32>) -> Self {
        Self {
            major,
            identity: Arc::default(),
        }
    }

    /// The setting without which event triggers ON login run in each session. Servers before 17 do not know them.
    fn without_login_triggers(&self) -> Option<(&'static str, &'static str)> {
        let knows = self.major.is_some_and(|major| major >= 17);
        knows.then_some(("event_triggers", "off"))
    }

    /// Its [`Session::identity`](super::Session::identity), since another server has another; `None` before the first session.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        self.identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes the identity of the server that answers there now: one that is started again has another.
    pub(crate) fn set_identity(&self, identity: Option<String>) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

/// How programs in their own network connect by TLS.
#[derive(Debug, Clone)]
pub struct ProgramsTls {
    /// The name of the server there, which its certificate has.
    pub host: &'static str,
    /// Its port there.
    pub port: u16,
    /// The certificate of the authority.
    pub ca: PathBuf,
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

/// A client that verifies the certificate and its name.
const VERIFIED: &str = "verify-full";

/// The name of a socket in its folder, as libpq makes it of port 5432.
pub const SOCKET: &str = ".s.PGSQL.5432";

impl Endpoint {
    /// Options for `user`, without anything taken from the environment.
    pub(super) fn options(&self, user: &str, database: &str) -> PgConnectOptions {
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

    /// Options for the bootstrap superuser, whose session runs no code of the database as it opens.
    pub(super) fn superuser_options(&self, database: &str) -> PgConnectOptions {
        let options = self.options(&self.superuser, database);
        options.options(self.known.without_login_triggers())
    }

    /// A connection string of libpq for a database, without code of the database as the session opens. A bare name could be
    /// parsed as one.
    #[must_use]
    pub fn connection_string(&self, database: &str) -> String {
        let name = database.replace('\\', "\\\\").replace('\'', "\\'");
        let settings = self.known.without_login_triggers();
        let settings = settings.map(|(name, value)| format!(" options='-c {name}={value}'"));
        format!("dbname='{name}'{}", settings.unwrap_or_default())
    }

    /// The `PG…` variables of a libpq client for `user`, and `DATABASE_URL`: it begins with `postgresql://`, because SQLAlchemy
    /// refuses `postgres://`, and all others take both.
    #[must_use]
    pub fn environment(&self, user: &str, database: &str) -> Vec<(String, String)> {
        let (host, port) = match (&self.tls, &self.address) {
            (Some(tls), _) => (tls.host.to_owned(), tls.port),
            (None, Address::Socket { programs, .. }) => (programs.display().to_string(), 5432),
            (None, Address::Loopback(port)) => ("127.0.0.1".to_owned(), *port),
        };
        let mut tls = Vec::new();
        let url = match (&self.tls, &self.address) {
            (Some(settings), _) => {
                let ca = settings.ca.display().to_string();
                let url = format!(
                    "postgresql://{}@{host}:{port}/{}?sslmode={VERIFIED}&sslrootcert={}",
                    encode(user),
                    encode(database),
                    encode(&ca)
                );
                tls = vec![("PGSSLMODE", VERIFIED.to_owned()), ("PGSSLROOTCERT", ca)];
                url
            }
            // Without a host a URL cannot have a user, say the parsers of some tools, and with one they would not use the socket.
            (None, Address::Socket { .. }) => format!(
                "postgresql:///{}?host={}&user={}",
                encode(database),
                encode(&host),
                encode(user)
            ),
            (None, Address::Loopback(_)) => {
                format!(
                    "postgresql://{}@{host}:{port}/{}",
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
        .chain(tls)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn endpoint(address: Address) -> Endpoint {
        Endpoint {
            address,
            superuser: "boss".to_owned(),
            password: Secret::new(String::new()),
            known: KnownServer::default(),
            tls: None,
            names: Names::default(),
        }
    }

    /// The parser of sqlx takes no user without a host; SQLAlchemy takes no `postgres://`, which a test with Alembic shows.
    #[rstest]
    #[case::socket(
        Address::Socket { sessions: "/s".into(), programs: "/a b/p".into() },
        "postgresql:///shop?host=/a%20b/p&user=app"
    )]
    #[case::loopback(Address::Loopback(5499), "postgresql://app@127.0.0.1:5499/shop")]
    fn the_address_suits_all_tools(#[case] address: Address, #[case] expected: &str) {
        let variables = endpoint(address.clone()).environment("app", "shop");
        let named = |name: &str| {
            let found = variables.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let url = named("DATABASE_URL");
        assert_eq!(url, expected);
        let options: PgConnectOptions = url.parse().unwrap();
        assert_eq!(options.get_username(), named("PGUSER"));
        assert_eq!(options.get_database(), Some(named("PGDATABASE")));
        match address {
            Address::Socket { programs, .. } => {
                assert_eq!(options.get_socket(), Some(&programs));
                assert_eq!(named("PGHOST"), programs.to_str().unwrap());
            }
            Address::Loopback(port) => assert_eq!(options.get_port(), port),
        }
    }
}
