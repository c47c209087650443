//! Throwaway servers. Only this folder creates a [`ThrowawayServer`], and everything that writes
//! takes `&ThrowawayServer`: no constructor takes the address of a server that redrill did not start.
//!
//! A provider first returns an empty [`Machine`]; starting it is a second step, because a physical
//! backup will place its data directory in between.

pub mod clone;
#[cfg(feature = "container")]
mod container;
#[cfg(not(feature = "container"))]
#[path = "no_container.rs"]
mod container;
pub mod extension;
mod local;
mod machine;
pub mod settings;
mod socket;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::try_join;

use crate::cleanup::{Run, Swept, Work};
use crate::database::{Address, DatabaseError, Endpoint, NoSession, Session, Terms};
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::redact::Secret;
use crate::sql::{quote_ident, quote_literal};
use crate::sqlstate::Names;
pub use machine::{Client, ClientEnd, ClientInput, ClientProcess, Machine, Wanted};

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
        let started = match Self::bring_up(machine.as_mut(), server, wanted).await {
            Ok(started) => {
                preflight(machine.describe(), &started, wanted).map(|facts| (started, facts))
            }
            Err(error) => Err(error),
        };
        match started {
            Ok((started, mut facts)) => {
                facts.started_in = began.elapsed();
                Ok(Self {
                    machine,
                    endpoint: started.endpoint,
                    facts,
                    version: started.identity.version,
                })
            }
            Err(error) => {
                // The first error is reported; the end of the run removes what stop leaves.
                let _ = machine.stop().await;
                Err(error)
            }
        }
    }

    /// Starts the machine and waits for the first answer.
    async fn bring_up(
        machine: &mut dyn Machine,
        server: &settings::Server,
        wanted: &Wanted,
    ) -> Result<Started, CouldNotRun> {
        let within = server.start_within.map_or(START_WITHIN, |span| span.0);
        let mut waiting = Waiting::default();
        let begin = async {
            let password = Secret::random()?;
            machine.start(&wanted.superuser, &password).await?;
            let address = loop {
                match machine.address().await {
                    Ok(address) => break address,
                    Err(error) => {
                        let error = NoSession {
                            may_pass: error.kind() != io::ErrorKind::InvalidData,
                            error: DatabaseError::new(error.to_string()),
                        };
                        waiting.again(machine, error).await?;
                    }
                }
            };
            // Whoever listens on a socket is the server. A port may be open before it.
            let listens = matches!(address, Address::Socket { .. });
            let endpoint = Endpoint {
                address,
                superuser: wanted.superuser.clone(),
                password,
                identity: None,
                names: Names::default(),
            };
            let machine = &*machine;
            let answer = Started::ask(endpoint, machine, &mut waiting);
            if listens {
                let (started, ()) = try_join(answer, machine.lock()).await?;
                Ok(started)
            } else {
                let started = answer.await?;
                machine.lock().await?;
                Ok(started)
            }
        };
        let started = tokio::time::timeout(within, begin).await;
        started.unwrap_or_else(|_| {
            let why = waiting
                .last
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            Err(CouldNotRun::with_hint(
                format!("the server did not answer within {within:?}{why}"),
                "raise `start-within` in `[server]` if the machine is slow",
            ))
        })
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
            quote_ident(name),
            quote_literal(encoding)
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
        let role = quote_ident(name);
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
            loop {
                if let Ok((session, _)) = first_session(&self.endpoint).await {
                    session.close().await;
                    return true;
                }
                if self.machine.ended().await.is_some() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
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

    /// The same, for a server whose sessions broke off: it may end a moment later, or recover.
    pub async fn ended_within(&self, within: Duration) -> Option<String> {
        let began = Instant::now();
        loop {
            match self.ended().await {
                None if began.elapsed() < within => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                ended => return ended,
            }
        }
    }

    /// Destroys it.
    ///
    /// # Errors
    /// When something of it could not be removed.
    pub async fn stop(mut self) -> Result<(), CouldNotRun> {
        self.machine.stop().await
    }
}

/// The attempts until a server answers.
#[derive(Default)]
struct Waiting {
    /// Why the last one failed.
    last: Option<DatabaseError>,
    asked: Option<Instant>,
    refused_since: Option<Instant>,
}

impl Waiting {
    /// Waits a moment after an attempt that failed.
    ///
    /// # Errors
    /// Another attempt would fail too: the server has ended, or refuses the session.
    async fn again(
        &mut self,
        machine: &dyn Machine,
        refused: NoSession,
    ) -> Result<(), CouldNotRun> {
        let now = Instant::now();
        if *self.asked.get_or_insert(now) + ASK_EVERY <= now {
            if let Some(why) = machine.ended().await {
                return Err(CouldNotRun::new(format!("the server did not start: {why}")));
            }
            self.asked = Some(Instant::now());
        }
        if refused.may_pass {
            self.refused_since = None;
        } else if self.refused_since.get_or_insert(now).elapsed() >= REFUSED_FOR {
            return Err(CouldNotRun::with_hint(
                format!(
                    "the server refuses the session of redrill: {}",
                    refused.error
                ),
                "check `settings` in `[server]`, and the image or the programs that it runs",
            ));
        }
        self.last = Some(refused.error);
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(())
    }
}

/// A server that answered.
struct Started {
    endpoint: Endpoint,
    identity: Identity,
    /// Name and default version of every extension that is installed.
    extensions: Vec<(String, String)>,
}

impl Started {
    /// Asks the server at `endpoint` what it is, as soon as it answers.
    async fn ask(
        endpoint: Endpoint,
        machine: &dyn Machine,
        waiting: &mut Waiting,
    ) -> Result<Self, CouldNotRun> {
        let (mut session, identity) = loop {
            match first_session(&endpoint).await {
                Ok(answer) => break answer,
                Err(refused) => waiting.again(machine, refused).await?,
            }
        };
        let extensions = available_extensions(&mut session).await.map_err(|error| {
            CouldNotRun::new(format!("the server cannot list its extensions: {error}"))
        })?;
        session.close().await;
        Ok(Self {
            endpoint: Endpoint {
                identity: Some(identity.unique.clone()),
                ..endpoint
            },
            identity,
            extensions,
        })
    }
}

/// Verifies that every extension that the backup requires is installed on the server; adds them and the version
/// to the facts.
fn preflight(
    mut facts: ServerFacts,
    started: &Started,
    wanted: &Wanted,
) -> Result<ServerFacts, CouldNotRun> {
    facts.version.clone_from(&started.identity.shown);
    let mut missing = Vec::new();
    for name in &wanted.extensions {
        match started.extensions.iter().find(|(has, _)| has == name) {
            Some(found) => facts.extensions.push(found.clone()),
            None => missing.push(name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(facts);
    }
    let major = started.identity.version / 10_000;
    Err(CouldNotRun::new(format!(
        "the backup requires {} that {} ({}) does not have: {}",
        if missing.len() == 1 {
            "an extension"
        } else {
            "extensions"
        },
        facts.origin,
        facts.version,
        missing.join(", ")
    ))
    .hint(extension::remedy(facts.provider, major, &missing)))
}

/// Name and default version of every extension that is installed on the server.
async fn available_extensions(
    session: &mut Session,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let rows = session
        .rows("SELECT name, default_version FROM pg_catalog.pg_available_extensions ORDER BY 1")
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(name), version]) => Some((name, version.unwrap_or_default())),
            _ => None,
        })
        .collect())
}

/// What a server says of itself.
struct Identity {
    /// `server_version_num`: 170006 for 17.6.
    version: u32,
    /// `server_version`.
    shown: String,
    /// See [`Session::identity`].
    unique: String,
}

/// Opens a session and asks the server what it is.
async fn first_session(endpoint: &Endpoint) -> Result<(Session, Identity), NoSession> {
    let mut session = Session::open(endpoint, "template1", &Terms::default()).await?;
    let unable = |error: DatabaseError| NoSession {
        may_pass: error.lost,
        error,
    };
    let number = session.count("SHOW server_version_num").await;
    let number = number.map_err(unable)?;
    let shown = session.value("SHOW server_version").await.map_err(unable)?;
    let unique = session.identity().await.map_err(unable)?;
    let identity = Identity {
        version: u32::try_from(number).unwrap_or(0),
        shown: shown.unwrap_or_default(),
        unique: unique.unwrap_or_default(),
    };
    Ok((session, identity))
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
        return container::provide(server, settings, wanted, run, "the scenario sets it").await;
    }
    let chosen = "a container engine answers and has an image";
    let settings = settings::Container::default();
    let container = match container::provide(server, &settings, wanted, run, chosen).await {
        Ok(machine) => return Ok(machine),
        Err(error) => error,
    };
    let chosen = format!("no container: {container}");
    let settings = settings::Local::default();
    let local = local::provide(server, &settings, wanted, run, path, &chosen).await;
    local.map_err(|local| {
        let hints: Vec<String> = [container.hint, local.hint].into_iter().flatten().collect();
        CouldNotRun::with_hint(
            format!(
                "no throwaway server can be started: {}; {}",
                container.reason, local.reason
            ),
            hints.join("; or "),
        )
    })
}

/// Removes what dead runs left: containers first, since the lock file identifies a dead run.
pub async fn sweep(work: &Work) -> Swept {
    let containers = container::sweep(work).await;
    let mut swept = work.sweep();
    match containers {
        Ok((removed, failed)) => {
            swept.containers = removed;
            swept.failed.extend(failed);
        }
        Err(error) => swept.no_engine = Some(error.reason),
    }
    swept
}

/// Removes the templates that servers begin with: all, or those that are not used any more. Returns what it removed,
/// and what it could not.
pub async fn remove_templates(work: &Work, all: bool) -> (Vec<String>, Vec<String>) {
    let (mut removed, mut failed) = local::remove_templates(work.cache(), all);
    let volumes = container::remove_templates(all).await;
    removed.extend(volumes.0);
    failed.extend(volumes.1);
    (removed, failed)
}

/// The folder of the templates of local servers.
///
/// # Errors
/// Why there is none, so that `initdb` runs for each local server.
pub fn template_folder(work: &Work) -> Result<PathBuf, String> {
    local::template_folder(work.cache())
}

/// Removes the containers of a run whose server did not start.
pub async fn forget(run: &Run) -> Vec<String> {
    container::forget(&run.id).await
}

/// The container engine and the images that are tried, one line each; nothing is started.
pub async fn images() -> Vec<String> {
    container::found().await
}

/// The installed servers and what keeps the code of a backup in them, one line each; nothing is started.
pub async fn installations(path: &str) -> Vec<String> {
    local::found(path).await
}
