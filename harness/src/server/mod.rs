//! Throwaway servers. Only this folder makes a [`ThrowawayServer`], and everything that writes
//! takes `&ThrowawayServer`: no constructor takes the address of a server that redrill did not start.
//!
//! A provider first gives an empty [`Machine`]; starting it is a second step, because a physical
//! backup will want to put its data directory in between.

pub mod clone;
#[cfg(feature = "container")]
mod container;
mod extension;
mod local;
pub mod settings;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::cleanup::{Run, Swept, Work};
use crate::database::{DatabaseError, Endpoint, Session, Terms};
use crate::outcome::ServerFacts;

/// What a backup wants of a server.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Major version of the server that the backup was taken from.
    pub major: Option<u32>,
    /// Extensions that it names.
    pub extensions: Vec<String>,
    /// Name of the bootstrap superuser.
    pub superuser: String,
    /// Bytes of the backup after decompression: decides whether the data fits in memory.
    pub bytes: u64,
    /// Archives that the server's own programs must be able to read: files, or folders.
    pub files: Vec<PathBuf>,
}

/// Why there is no server. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ServerError {
    /// A lowercase fragment.
    pub reason: String,
    /// The command that mends it, where there is one.
    pub hint: Option<String>,
}

impl ServerError {
    /// Makes an error.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A program of the server's own version, run where the server is.
#[derive(Debug, Default)]
pub struct Client {
    /// `psql`, `pg_restore`.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it reads on standard input.
    pub input: ClientInput,
}

/// What a client program reads.
#[derive(Debug, Default)]
pub enum ClientInput {
    /// Nothing.
    #[default]
    Nothing,
    /// A pipe that the caller writes to.
    Pipe,
    /// One of the archives that the server was started with ([`Wanted::files`]). A file is read in
    /// place, a folder where the machine can reach it.
    Archive(PathBuf),
}

/// A client program that runs. Dropping it ends it.
pub struct ClientProcess {
    /// Its standard input, when it was asked for.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Waits for its end.
    pub end: Box<dyn ClientEnd>,
}

/// The end of a client program.
#[async_trait]
pub trait ClientEnd: Send {
    /// Waits; the exit code, `None` when a signal ended it.
    async fn wait(&mut self) -> Result<Option<i64>, ServerError>;
}

/// Somewhere a server can run.
#[async_trait]
pub trait Machine: Send + Sync {
    /// Makes a new cluster and starts it; the server may not answer yet.
    async fn start(&mut self, superuser: &str) -> Result<Endpoint, ServerError>;

    /// Tells why the server is not running any more, with the end of its log; `None` while it runs.
    async fn ended(&self) -> Option<String>;

    /// Closes what only starting it needed: the server works, but nothing can reach a shell.
    async fn lock(&mut self) -> Result<(), ServerError>;

    /// Starts a program of the server's own version.
    async fn client(&self, client: Client) -> Result<ClientProcess, ServerError>;

    /// Removes everything, at once.
    async fn stop(&mut self) -> Result<(), ServerError>;

    /// Says what it is: provider, origin, isolation.
    fn describe(&self) -> ServerFacts;
}

/// Settings of a server that nobody will miss. Safe only because it is thrown away.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("archive_mode", "off"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
    ("shared_buffers", "256MB"),
    ("maintenance_work_mem", "256MB"),
    ("max_locks_per_transaction", "512"),
    ("max_connections", "60"),
    // A subscription that comes back must never reach its publisher (D15).
    ("max_logical_replication_workers", "0"),
    ("jit", "off"),
    ("lc_messages", "C"),
    ("log_min_messages", "warning"),
    // Statements and their values stay out of the log, which may be shown.
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("unix_socket_permissions", "0777"),
];

/// Gives the settings of a throwaway server, those of the scenario last.
fn arguments(server: &settings::Server) -> Vec<String> {
    let ours = SETTINGS
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let theirs = server
        .settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    ours.chain(theirs)
        .flat_map(|setting| ["-c".to_owned(), setting])
        .collect()
}

/// How long a server may take to answer.
const START_WITHIN: Duration = Duration::from_secs(60);

/// How often the provider is asked whether a server that does not answer yet has ended. An answer of the
/// engine takes processor time that the server needs to start.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// A server that redrill started and will destroy.
pub struct ThrowawayServer {
    machine: Box<dyn Machine>,
    endpoint: Endpoint,
    facts: ServerFacts,
    version: u32,
}

impl ThrowawayServer {
    /// Finds a provider, starts a server, and sees that it can take the backup.
    ///
    /// # Errors
    /// No provider, no answer in time, or an extension that is not installed there: all of them
    /// say nothing about the backup.
    pub async fn start(
        server: &settings::Server,
        wanted: &Wanted,
        run: &Run,
        path: &str,
    ) -> Result<Self, ServerError> {
        let began = Instant::now();
        let mut machine = provide(server, wanted, run, path).await?;
        let started = Self::bring_up(&mut machine, server, wanted).await;
        let (endpoint, version, version_text) = match started {
            Ok(started) => started,
            Err(error) => {
                // The first error is the one to tell; the run's end removes what stop leaves.
                let _ = machine.stop().await;
                return Err(error);
            }
        };
        let mut facts = machine.describe();
        facts.version = version_text;
        facts.started_in = began.elapsed();
        let mut server = Self {
            machine,
            endpoint,
            facts,
            version,
        };
        if let Err(error) = server.preflight(wanted).await {
            let _ = server.machine.stop().await;
            return Err(error);
        }
        Ok(server)
    }

    /// Starts the machine and waits for the first answer.
    async fn bring_up(
        machine: &mut Box<dyn Machine>,
        server: &settings::Server,
        wanted: &Wanted,
    ) -> Result<(Endpoint, u32, String), ServerError> {
        let within = server.start_within.map_or(START_WITHIN, |span| span.0);
        let begin = async {
            let endpoint = machine.start(&wanted.superuser).await?;
            let mut asked = Instant::now();
            let (version, text) = loop {
                match version(&endpoint).await {
                    Ok(version) => break version,
                    Err(_) => {
                        if asked.elapsed() >= ASK_EVERY {
                            if let Some(why) = machine.ended().await {
                                return Err(ServerError::new(format!(
                                    "the server did not start: {why}"
                                )));
                            }
                            asked = Instant::now();
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            };
            machine.lock().await?;
            Ok((endpoint, version, text))
        };
        match tokio::time::timeout(within, begin).await {
            Ok(started) => started,
            Err(_) => Err(
                ServerError::new(format!("the server did not answer within {within:?}"))
                    .hint("raise `start-within` in `[server]` if the machine is slow"),
            ),
        }
    }

    /// Sees that every extension that the backup names is installed where the server runs.
    async fn preflight(&mut self, wanted: &Wanted) -> Result<(), ServerError> {
        let available = self.available_extensions().await.map_err(|error| {
            ServerError::new(format!("the server does not list its extensions: {error}"))
        })?;
        let mut missing = Vec::new();
        for name in &wanted.extensions {
            match available.iter().find(|(available, _)| available == name) {
                Some(found) => self.facts.extensions.push(found.clone()),
                None => missing.push(name.as_str()),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let major = self.version / 10_000;
        Err(ServerError::new(format!(
            "the backup names {} that {} ({}) does not have: {}",
            if missing.len() == 1 {
                "an extension"
            } else {
                "extensions"
            },
            self.facts.origin,
            self.facts.version,
            missing.join(", ")
        ))
        .hint(extension::remedy(self.facts.provider, major, &missing)))
    }

    /// Name and default version of every extension installed where the server runs.
    async fn available_extensions(&self) -> Result<Vec<(String, String)>, DatabaseError> {
        let mut session = self.session("template1").await?;
        let rows = session
            .rows("SELECT name, default_version FROM pg_catalog.pg_available_extensions ORDER BY 1")
            .await?;
        session.close().await;
        Ok(rows
            .into_iter()
            .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
                Ok([Some(name), version]) => Some((name, version.unwrap_or_default())),
                _ => None,
            })
            .collect())
    }

    /// Opens a read-only session as superuser.
    ///
    /// # Errors
    /// When the database does not let it in.
    pub async fn session(&self, database: &str) -> Result<Session, DatabaseError> {
        Session::superuser(&self.endpoint, database, &Terms::default()).await
    }

    /// Makes an empty database from `template0`, so that nothing but the backup is in it.
    ///
    /// # Errors
    /// When the server refuses, for example an encoding that it does not know.
    pub async fn create_database(&self, name: &str, encoding: &str) -> Result<(), DatabaseError> {
        let mut session = self.session("template1").await?;
        let create = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {}",
            crate::sql::quote_ident(name),
            crate::sql::quote_literal(encoding)
        );
        match session.write(&create).await {
            Ok(_) => {}
            // The server's own locale is for another encoding; that of C is for all.
            Err(error) if error.sqlstate.as_deref() == Some("22023") => {
                session
                    .write(&format!("{create} LC_COLLATE 'C' LC_CTYPE 'C'"))
                    .await?;
            }
            Err(error) => return Err(error),
        }
        session.close().await;
        Ok(())
    }

    /// Makes a role that may do nothing, but log in where that is asked for, so that objects can
    /// belong to it and rights be granted.
    ///
    /// # Errors
    /// When the role is there already.
    pub async fn create_role(&self, name: &str, login: bool) -> Result<(), DatabaseError> {
        let mut session = self.session("template1").await?;
        let role = crate::sql::quote_ident(name);
        let login = if login { "LOGIN" } else { "NOLOGIN" };
        session
            .write(&format!("CREATE ROLE {role} {login}"))
            .await?;
        session.close().await;
        Ok(())
    }

    /// Waits until the server answers again after a crash of one of its processes.
    pub async fn recovered(&self, within: Duration) -> bool {
        let answer = async {
            while version(&self.endpoint).await.is_err() {
                if self.machine.ended().await.is_some() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            true
        };
        tokio::time::timeout(within, answer).await.unwrap_or(false)
    }

    /// Starts a program of the server's own version where the server is.
    ///
    /// # Errors
    /// When the program is missing or does not start.
    pub async fn client(&self, client: Client) -> Result<ClientProcess, ServerError> {
        self.machine.client(client).await
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What it is.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// `server_version_num`: 170006 for 17.6.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Why the server is not running any more, if so.
    pub async fn ended(&self) -> Option<String> {
        self.machine.ended().await
    }

    /// Destroys it.
    ///
    /// # Errors
    /// When something of it could not be removed.
    pub async fn stop(mut self) -> Result<(), ServerError> {
        self.machine.stop().await
    }
}

/// Asks a server for its version: a number, and what it shows to people.
async fn version(endpoint: &Endpoint) -> Result<(u32, String), DatabaseError> {
    let mut session = Session::superuser(endpoint, "template1", &Terms::default()).await?;
    let number = session.count("SHOW server_version_num").await?;
    let text = session
        .value("SHOW server_version")
        .await?
        .unwrap_or_default();
    session.close().await;
    Ok((u32::try_from(number).unwrap_or(0), text))
}

/// Takes the provider that the scenario pins, or the best one there is.
async fn provide(
    server: &settings::Server,
    wanted: &Wanted,
    run: &Run,
    path: &str,
) -> Result<Box<dyn Machine>, ServerError> {
    if let Some(settings) = &server.local {
        let chosen = "the scenario asks for it";
        return local::provide(server, settings, wanted, run, path, chosen).await;
    }
    if let Some(settings) = &server.container {
        return container_provider(server, settings, wanted, run, "the scenario asks for it").await;
    }
    let chosen = "a container engine answers and an image is there";
    let container = match container_provider(
        server,
        &settings::Container::default(),
        wanted,
        run,
        chosen,
    )
    .await
    {
        Ok(machine) => return Ok(machine),
        Err(error) => error,
    };
    let chosen = format!("no container: {container}");
    match local::provide(
        server,
        &settings::Local::default(),
        wanted,
        run,
        path,
        &chosen,
    )
    .await
    {
        Ok(machine) => Ok(machine),
        Err(local) => {
            let hints: Vec<String> = [container.hint, local.hint].into_iter().flatten().collect();
            Err(ServerError::new(format!(
                "no place for a throwaway server: {}; {}",
                container.reason, local.reason
            ))
            .hint(hints.join("; or ")))
        }
    }
}

#[cfg(feature = "container")]
async fn container_provider(
    server: &settings::Server,
    settings: &settings::Container,
    wanted: &Wanted,
    run: &Run,
    chosen: &str,
) -> Result<Box<dyn Machine>, ServerError> {
    container::provide(server, settings, wanted, run, chosen).await
}

#[cfg(not(feature = "container"))]
async fn container_provider(
    _: &settings::Server,
    _: &settings::Container,
    _: &Wanted,
    _: &Run,
    _: &str,
) -> Result<Box<dyn Machine>, ServerError> {
    Err(
        ServerError::new("this redrill was built without the container provider")
            .hint("build it with `--features container`"),
    )
}

/// Removes what dead runs left: containers first, since the lock file is what tells a dead run.
pub async fn sweep(work: &Work) -> Swept {
    #[cfg(feature = "container")]
    let (containers, mut failed) = container::sweep(work).await;
    #[cfg(not(feature = "container"))]
    let (containers, mut failed) = (Vec::new(), Vec::new());
    let mut swept = work.sweep();
    swept.containers = containers;
    swept.failed.append(&mut failed);
    swept
}

/// Removes what a run left with a container engine when its server never came to be.
#[cfg(feature = "container")]
pub async fn forget(run: &Run) -> Vec<String> {
    container::forget(&run.id).await
}

/// Without the container provider there is nothing to remove.
#[cfg(not(feature = "container"))]
pub async fn forget(_: &Run) -> Vec<String> {
    Vec::new()
}

/// What `redrill doctor` says of one way to run a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// `container` or `local`.
    pub provider: &'static str,
    /// Whether a drill could use it.
    pub usable: bool,
    /// What was found, one line each.
    pub found: Vec<String>,
    /// The command that mends what is missing.
    pub hint: Option<String>,
}

/// Looks at both providers without starting anything.
pub async fn availability(path: &str) -> Vec<Availability> {
    #[cfg(feature = "container")]
    let container = container::availability().await;
    #[cfg(not(feature = "container"))]
    let container = Availability {
        provider: "container",
        usable: false,
        found: vec!["this redrill was built without it".to_owned()],
        hint: Some("build it with `--features container`".to_owned()),
    };
    vec![container, local::availability(path).await]
}
