//! Throwaway servers. Only this folder creates a [`ThrowawayServer`], and everything that writes
//! takes `&ThrowawayServer`: no constructor takes the address of a server that redrill did not start.
//!
//! A provider first returns an empty [`Machine`]; starting it is a second step, because a physical
//! backup will place its data directory in between.

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
use crate::database::{DatabaseError, Endpoint, NoSession, Session, Terms};
use crate::outcome::{CouldNotRun, ServerFacts};

/// What a backup requires of a server.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Major version of the server that the backup was taken from.
    pub major: Option<u32>,
    /// Extensions that it requires.
    pub extensions: Vec<String>,
    /// Name of the bootstrap superuser.
    pub superuser: String,
    /// Bytes of the backup after decompression: decides whether the data fits in memory.
    pub bytes: u64,
    /// Archives that the programs of the server must be able to read: files, or folders.
    pub files: Vec<PathBuf>,
}

/// A program of the version of the server, run where the server is.
#[derive(Debug, Default)]
pub struct Client {
    /// `psql`, `pg_restore`.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its standard input.
    pub input: ClientInput,
}

/// Standard input of a client program.
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

/// A running client program. Dropping it ends it.
pub struct ClientProcess {
    /// Its standard input, when a pipe was requested.
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
    async fn wait(&mut self) -> Result<Option<i64>, CouldNotRun>;
}

/// Somewhere a server can run.
#[async_trait]
pub trait Machine: Send + Sync {
    /// Creates a new cluster and starts it; the server may not answer yet.
    async fn start(&mut self, superuser: &str) -> Result<Endpoint, CouldNotRun>;

    /// Why the server is not running any more, with the end of its log; `None` while it runs.
    async fn ended(&self) -> Option<String>;

    /// Removes access that only the start needed: afterwards nothing on the server can run a shell.
    async fn lock(&mut self) -> Result<(), CouldNotRun>;

    /// Starts a program of the version of the server.
    async fn client(&self, client: Client) -> Result<ClientProcess, CouldNotRun>;

    /// Removes everything immediately.
    async fn stop(&mut self) -> Result<(), CouldNotRun>;

    /// Provider, origin and isolation.
    fn describe(&self) -> ServerFacts;
}

/// Settings of a throwaway server. Not safe for any other.
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
    // A restored subscription must never connect to its publisher (D15).
    ("max_logical_replication_workers", "0"),
    ("jit", "off"),
    ("lc_messages", "C"),
    ("log_min_messages", "warning"),
    // The log may be shown, so it must not contain statements and their values.
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("unix_socket_permissions", "0777"),
];

/// The settings of a throwaway server; those of the scenario are last.
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

/// Default limit until a server answers.
const START_WITHIN: Duration = Duration::from_secs(60);

/// How often the provider is asked whether a server that does not answer yet has ended. An answer of the
/// engine takes processor time that the server needs to start.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// How long a refusal must last before it is believed: a socket has its permissions a moment after it
/// is made.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// A server that redrill started and will destroy.
pub struct ThrowawayServer {
    machine: Box<dyn Machine>,
    endpoint: Endpoint,
    facts: ServerFacts,
    version: u32,
}

impl ThrowawayServer {
    /// Finds a provider, starts a server, and verifies that the backup can be restored on it.
    ///
    /// # Errors
    /// No provider, no answer in time, or a required extension is not installed. None of them says
    /// anything about the backup.
    pub async fn start(
        server: &settings::Server,
        wanted: &Wanted,
        run: &Run,
        path: &str,
    ) -> Result<Self, CouldNotRun> {
        let began = Instant::now();
        let mut machine = provide(server, wanted, run, path).await?;
        let started = Self::bring_up(&mut machine, server, wanted).await;
        let (endpoint, version, version_text) = match started {
            Ok(started) => started,
            Err(error) => {
                // The first error is reported; the end of the run removes what stop leaves.
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
    ) -> Result<(Endpoint, u32, String), CouldNotRun> {
        let within = server.start_within.map_or(START_WITHIN, |span| span.0);
        let mut last = None;
        let begin = async {
            let endpoint = machine.start(&wanted.superuser).await?;
            let mut asked = Instant::now();
            let mut refused_since: Option<Instant> = None;
            let (version, text) = loop {
                let refused = match version(&endpoint).await {
                    Ok(version) => break version,
                    Err(refused) => refused,
                };
                if asked.elapsed() >= ASK_EVERY {
                    if let Some(why) = machine.ended().await {
                        return Err(CouldNotRun::new(format!("the server did not start: {why}")));
                    }
                    asked = Instant::now();
                }
                if refused.may_pass {
                    refused_since = None;
                } else if refused_since.get_or_insert_with(Instant::now).elapsed() >= REFUSED_FOR {
                    return Err(CouldNotRun::with_hint(
                        format!(
                            "the server refuses the session of redrill: {}",
                            refused.error
                        ),
                        "look at `settings` in `[server]`, and at the image or the programs that it runs",
                    ));
                }
                last = Some(refused.error);
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            machine.lock().await?;
            Ok((endpoint, version, text))
        };
        let started = tokio::time::timeout(within, begin).await;
        started.unwrap_or_else(|_| {
            let why = last.map(|error| format!(": {error}")).unwrap_or_default();
            Err(CouldNotRun::with_hint(
                format!("the server did not answer within {within:?}{why}"),
                "raise `start-within` in `[server]` if the machine is slow",
            ))
        })
    }

    /// Verifies that every extension that the backup requires is installed on the server.
    async fn preflight(&mut self, wanted: &Wanted) -> Result<(), CouldNotRun> {
        let available = self.available_extensions().await.map_err(|error| {
            CouldNotRun::new(format!("the server cannot list its extensions: {error}"))
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
        Err(CouldNotRun::new(format!(
            "the backup requires {} that {} ({}) does not have: {}",
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

    /// Name and default version of every extension that is installed on the server.
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
    /// When the database refuses the connection.
    pub async fn session(&self, database: &str) -> Result<Session, DatabaseError> {
        Session::superuser(&self.endpoint, database, &Terms::default()).await
    }

    /// Creates an empty database from `template0`, so that it contains nothing but the backup.
    ///
    /// # Errors
    /// When the server refuses, for example an unknown encoding.
    pub async fn create_database(&self, name: &str, encoding: &str) -> Result<(), DatabaseError> {
        let mut session = self.session("template1").await?;
        let create = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {}",
            crate::sql::quote_ident(name),
            crate::sql::quote_literal(encoding)
        );
        match session.write(&create).await {
            Ok(_) => {}
            // The locale of the server is for one encoding; C is for all.
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

    /// Creates a role without privileges, with LOGIN on request, so that it can own objects and be
    /// granted privileges.
    ///
    /// # Errors
    /// When the role exists.
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

    /// Starts a program of the version of the server where the server is.
    ///
    /// # Errors
    /// When the program is missing or does not start.
    pub async fn client(&self, client: Client) -> Result<ClientProcess, CouldNotRun> {
        self.machine.client(client).await
    }

    /// The address of the server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Facts for the reports.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// `server_version_num`: 170006 for 17.6.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Why the server is not running any more; `None` while it runs.
    pub async fn ended(&self) -> Option<String> {
        self.machine.ended().await
    }

    /// Destroys it.
    ///
    /// # Errors
    /// When something of it could not be removed.
    pub async fn stop(mut self) -> Result<(), CouldNotRun> {
        self.machine.stop().await
    }
}

/// Queries the version of a server: `server_version_num` and `server_version`.
async fn version(endpoint: &Endpoint) -> Result<(u32, String), NoSession> {
    let mut session = Session::open(endpoint, "template1", &Terms::default()).await?;
    let unable = |error: DatabaseError| NoSession {
        may_pass: error.lost,
        error,
    };
    let number = session.count("SHOW server_version_num").await;
    let number = number.map_err(unable)?;
    let text = session.value("SHOW server_version").await.map_err(unable)?;
    session.close().await;
    let number = u32::try_from(number).unwrap_or(0);
    Ok((number, text.unwrap_or_default()))
}

/// Selects the provider that the scenario sets, or the best available one.
async fn provide(
    server: &settings::Server,
    wanted: &Wanted,
    run: &Run,
    path: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    if let Some(settings) = &server.local {
        let chosen = "the scenario sets it";
        return local::provide(server, settings, wanted, run, path, chosen).await;
    }
    if let Some(settings) = &server.container {
        return container_provider(server, settings, wanted, run, "the scenario sets it").await;
    }
    let chosen = "a container engine answers and has an image";
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
            Err(CouldNotRun::new(format!(
                "no throwaway server can be started: {}; {}",
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
) -> Result<Box<dyn Machine>, CouldNotRun> {
    container::provide(server, settings, wanted, run, chosen).await
}

#[cfg(not(feature = "container"))]
async fn container_provider(
    _: &settings::Server,
    _: &settings::Container,
    _: &Wanted,
    _: &Run,
    _: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    Err(
        CouldNotRun::new("this redrill was built without the container provider")
            .hint("build it with `--features container`"),
    )
}

/// Removes what dead runs left: containers first, since the lock file identifies a dead run.
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

/// Removes the containers of a run whose server did not start.
#[cfg(feature = "container")]
pub async fn forget(run: &Run) -> Vec<String> {
    container::forget(&run.id).await
}

/// Without the container provider there is nothing to remove.
#[cfg(not(feature = "container"))]
pub async fn forget(_: &Run) -> Vec<String> {
    Vec::new()
}

/// The report of `redrill doctor` on one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// `container` or `local`.
    pub provider: &'static str,
    /// Whether a drill could use it.
    pub usable: bool,
    /// What was found, one line each.
    pub found: Vec<String>,
    /// The command that installs what is missing.
    pub hint: Option<String>,
}

/// Examines both providers without starting anything.
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
