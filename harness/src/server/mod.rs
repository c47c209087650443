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
mod extension_files;
pub mod kept;
mod local;
mod machine;
mod recovery;
mod relay;
pub mod settings;
mod several;
mod snapshot;
mod socket;
mod starting;
mod tls;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::try_join;
use tokio::sync::RwLock;
use tokio::task::spawn_blocking;

use crate::cleanup::{Run, Swept, Work};
use crate::database::{Address, DatabaseError, Endpoint, KnownServer, NoSession, Session, Terms};
use crate::namespace::Entrance;
use crate::network::Network;
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::process::Lines;
use crate::redact::Secret;
use crate::sql::{quote_ident, quote_literal};
use crate::sqlstate::Names;
pub use machine::{Client, ClientEnd, ClientInput, ClientProcess, DataSource, Machine, Wanted};
pub use recovery::Replay;
pub(crate) use relay::Side;
pub use several::Servers;
use snapshot::{Beginning, Origin};
pub use snapshot::{Data, Snapshot};
use starting::{Started, Waiting, first_session, is_of_major, preflight};
use tls::Certificate;
pub use tls::{Reached, Tls};

/// The folder of the files of a server that requires TLS, in that of the run.
const TLS: &str = "tls";
/// The folder of the sockets by which redrill reaches programs in their network, in that of the run.
const REACHED: &str = "reached";

/// Default limit until a server answers.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(60);
/// Limit of a recovery, which that of the restore is always below.
const RECOVERED_WITHIN: Duration = Duration::from_secs(30 * 24 * 3600);

/// A server that redrill started and will destroy.
pub struct ThrowawayServer {
    machine: RwLock<Box<dyn Machine>>,
    endpoint: Endpoint,
    facts: ServerFacts,
    version: u32,
    tls: Option<Tls>,
    copied: Copied,
    started_with: StartedWith,
}

/// The data that a server began with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Copied {
    /// Its bytes; 0 for an empty cluster.
    pub bytes: u64,
    /// How long it took to copy them.
    pub took: Duration,
}

/// What a server was started with, to start it again.
struct StartedWith {
    server: settings::Server,
    wanted: Wanted,
    path: String,
}

/// A machine whose server answers.
struct Begun {
    machine: Box<dyn Machine>,
    started: Started,
    facts: ServerFacts,
    tls: Option<Tls>,
    copied: Copied,
}

/// Finds a provider and starts a server, with an empty cluster or a copy.
async fn begin(
    server: &settings::Server,
    wanted: &Wanted,
    run: &Run,
    path: &str,
    origin: Option<Origin<'_>>,
) -> Result<Begun, CouldNotRun> {
    let began = Instant::now();
    let certificate = match server.tls {
        Some(settings::Tls::Required) => {
            let folder = run.folder.join(TLS);
            Some(Certificate::write(folder, server.certificate.as_ref())?)
        }
        None => None,
    };
    let certificate = certificate.as_ref();
    let mut machine = provide(server, wanted, certificate, run, path).await?;
    let answers = async {
        let mut copied = Copied::default();
        if let Some(origin) = &origin {
            let began = Instant::now();
            copied.bytes = match origin.data {
                Beginning::Copy(data) => machine.copy_data(data).await?,
                Beginning::Base(data) => {
                    machine.lay_out(data).await?;
                    data.bytes()
                }
            };
            copied.took = began.elapsed();
        }
        let is_copy = origin.is_some();
        let mut started = bring_up(machine.as_mut(), server, wanted, origin).await?;
        if is_copy {
            // Code of the backup may answer there, and could name any folder.
            started.folders = None;
        }
        let facts = machine.describe();
        is_of_major(server, &started, &facts)?;
        let mut facts = preflight(facts, &started, wanted)?;
        let tls = match certificate {
            Some(certificate) => {
                let tls = open_tls(machine.as_ref(), certificate, wanted, run).await?;
                facts.tls = Some(tls.probe().await?);
                started.endpoint.tls = Some(tls.for_programs());
                Some(tls)
            }
            None => None,
        };
        Ok((started, facts, tls, copied))
    };
    match answers.await {
        Ok((started, mut facts, tls, copied)) => {
            facts.started_in = began.elapsed();
            facts.tuned = server.durability == settings::Durability::Off;
            Ok(Begun {
                machine,
                started,
                facts,
                tls,
                copied,
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
    origin: Option<Origin<'_>>,
) -> Result<Started, CouldNotRun> {
    let recovers = origin.is_some_and(|origin| matches!(origin.data, Beginning::Base(_)));
    let within = match recovers {
        // It takes as long as the WAL is long; the limit is that of the restore.
        true => RECOVERED_WITHIN,
        false => server.start_within.map_or(START_WITHIN, |span| span.0),
    };
    let mut waiting = Waiting::default();
    let begin = async {
        let (superuser, password) = match origin {
            Some(origin) => (origin.superuser, origin.password.clone()),
            None => (wanted.superuser.as_str(), Secret::random()?),
        };
        machine.start(superuser, &password).await?;
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
            superuser: superuser.to_owned(),
            password,
            known: KnownServer::of_major(origin.map(|origin| origin.major)),
            tls: None,
            names: Names::default(),
        };
        let machine = &*machine;
        let answer = Started::ask(endpoint, machine, &mut waiting);
        if listens {
            let answer = try_join(answer, machine.lock());
            let (started, ()) = match recovers {
                true => recovery::promoting(machine, answer).await?,
                false => answer.await?,
            };
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

impl Begun {
    fn into_server(self, server: &settings::Server, wanted: Wanted, path: &str) -> ThrowawayServer {
        ThrowawayServer {
            machine: RwLock::new(self.machine),
            endpoint: self.started.endpoint,
            facts: self.facts,
            version: self.started.identity.version,
            tls: self.tls,
            copied: self.copied,
            started_with: StartedWith {
                server: server.clone(),
                wanted,
                path: path.to_owned(),
            },
        }
    }
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
        let begun = begin(server, wanted, run, path, None).await?;
        Ok(begun.into_server(server, wanted.clone(), path))
    }

    /// Opens a read-only session as superuser.
    ///
    /// # Errors
    /// When the database refuses the connection.
    pub async fn session(&self, database: &str) -> Result<Session, DatabaseError> {
        Session::superuser(&self.endpoint, database, &Terms::default()).await
    }

    /// Lets sessions connect to a database, or not any more.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn allow_connections(
        &self,
        database: &str,
        allowed: bool,
    ) -> Result<(), DatabaseError> {
        let mut session = self.session("template1").await?;
        let name = quote_ident(database);
        let statement = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
        session
            .run(&format!("BEGIN READ WRITE; {statement}; COMMIT"))
            .await?;
        session.close().await;
        Ok(())
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

    /// Makes a role a member of another.
    ///
    /// # Errors
    /// When one of them is not there.
    pub async fn grant_role(&self, role: &str, member: &str) -> Result<(), DatabaseError> {
        let mut session = self.session("template1").await?;
        let (role, member) = (quote_ident(role), quote_ident(member));
        session.write(&format!("GRANT {role} TO {member}")).await?;
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
                if self.machine.read().await.ended().await.is_some() {
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
        self.machine.read().await.client(client).await
    }

    /// The address of the server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The way of programs to it by TLS, where it requires TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Facts for the reports.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// The data that it began with.
    #[must_use]
    pub fn copied(&self) -> Copied {
        self.copied
    }

    /// `server_version_num`: 170006 for 17.6.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Collects the statistics that the planner needs, in each database. A restore leaves none, and autovacuum is off.
    ///
    /// # Errors
    /// What a server says that cannot, for example where code of the backup in the expression of an index fails.
    pub async fn analyze(&self, databases: &[String]) -> Result<(), DatabaseError> {
        for database in databases {
            let mut session = self.session(database).await?;
            session.run("SET statement_timeout = 0").await?;
            // Not in one call with the setting: then it would be one transaction, with a lock on every table.
            session.write("ANALYZE").await?;
            session.close().await;
        }
        Ok(())
    }

    /// Processor time of the server and all its processes since it was started; `None` where nobody says it.
    pub async fn processor_time(&self) -> Option<Duration> {
        self.machine.read().await.processor_time().await
    }

    /// Passes on each line of its log so far. It may contain names and texts that code of the backup has chosen, and is never
    /// shown.
    pub async fn read_log(&self, mut take: impl FnMut(&str) + Send) {
        let machine = self.machine.read().await;
        let mut lines = Lines::of(machine.log().await);
        while let Some(line) = lines.next().await {
            take(&line);
        }
    }

    /// Why the server is not running any more; `None` while it runs.
    pub async fn ended(&self) -> Option<String> {
        self.machine.read().await.ended().await
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
    pub async fn stop(self) -> Result<(), CouldNotRun> {
        self.machine.into_inner().stop().await
    }
}

/// Makes the network of programs, and their way from there to the server.
async fn open_tls(
    machine: &dyn Machine,
    certificate: &Certificate,
    wanted: &Wanted,
    run: &Run,
) -> Result<Tls, CouldNotRun> {
    let unable = |why: String| {
        CouldNotRun::with_hint(
            format!("no network of its own for programs that connect by TLS: {why}"),
            "run redrill as root, or as a user who may create namespaces with `[server.local]`",
        )
    };
    let entrance = spawn_blocking(Entrance::find).await;
    let entrance = entrance.unwrap_or_else(|error| Err(error.to_string()));
    let entrance = entrance.map_err(unable)?;
    let server = machine.network(entrance).map_err(unable)?;
    let programs = Network::create(entrance, &run.id).await;
    let programs = programs.map_err(|error| unable(error.to_string()))?;
    let folder = run.folder.join(REACHED);
    let networks = (server, programs);
    Tls::open(certificate, networks, folder, &wanted.superuser).await
}

/// Selects the provider that the scenario sets, or the best available one.
async fn provide(
    server: &settings::Server,
    wanted: &Wanted,
    tls: Option<&Certificate>,
    run: &Run,
    path: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    if let Some(settings) = &server.local {
        let chosen = "the scenario sets it";
        return local::provide(server, settings, wanted, tls, run, path, chosen).await;
    }
    if let Some(settings) = &server.container {
        let chosen = "the scenario sets it";
        return container::provide(server, settings, wanted, tls, run, chosen).await;
    }
    let chosen = "a container engine answers and has an image";
    let settings = settings::Container::default();
    let container = match container::provide(server, &settings, wanted, tls, run, chosen).await {
        Ok(machine) => return Ok(machine),
        Err(error) => error,
    };
    let chosen = format!("no container: {container}");
    let settings = settings::Local::default();
    let local = local::provide(server, &settings, wanted, tls, run, path, &chosen).await;
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
        Ok(removed) => {
            swept.containers = removed.containers;
            swept.volumes = removed.volumes;
            swept.failed.extend(removed.failed);
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
