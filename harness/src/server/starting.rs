//! A server that is starting: when it answers, and whether it has what the backup needs.

use std::time::{Duration, Instant};

use super::extension;
use super::extension_files::{self, Folders};
use super::machine::{Machine, Wanted};
use super::settings;
use crate::database::{DatabaseError, Endpoint, NoSession, Session, Terms};
use crate::outcome::{CouldNotRun, ExtensionFacts, ServerFacts};

/// How often the provider is asked whether a server that does not answer yet has ended. An answer of the
/// engine takes processor time that the server needs to start.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// How long a refusal must last before it is believed: a socket has its permissions a moment after it
/// is made.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// The attempts until a server answers.
#[derive(Default)]
pub(super) struct Waiting {
    /// Why the last one failed.
    pub last: Option<DatabaseError>,
    asked: Option<Instant>,
    refused_since: Option<Instant>,
}

impl Waiting {
    /// Waits a moment after an attempt that failed.
    ///
    /// # Errors
    /// Another attempt would fail too: the server has ended, or refuses the session.
    pub async fn again(
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
pub(super) struct Started {
    pub endpoint: Endpoint,
    pub identity: Identity,
    /// Name and default version of every extension that is installed.
    extensions: Vec<(String, String)>,
    /// The settings of its command line.
    settings: Vec<(String, String)>,
    /// Where the machine that it runs on has its extensions; `None` where it does not say so.
    pub folders: Option<Folders>,
}

impl Started {
    /// Asks the server at `endpoint` what it is, as soon as it answers.
    pub async fn ask(
        mut endpoint: Endpoint,
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
        let settings = settings_it_runs_with(&mut session).await.map_err(|error| {
            CouldNotRun::new(format!("the server cannot list its settings: {error}"))
        })?;
        let folders = folders(&mut session).await.map_err(|error| {
            CouldNotRun::new(format!("the server cannot list its folders: {error}"))
        })?;
        session.close().await;
        endpoint.known.major = Some(identity.version / 10_000);
        endpoint.known.set_identity(Some(identity.unique.clone()));
        Ok(Self {
            endpoint,
            identity,
            extensions,
            settings,
            folders,
        })
    }
}

/// Verifies that an image or installation that the scenario names is of the major version that it sets.
pub(super) fn is_of_major(
    server: &settings::Server,
    started: &Started,
    facts: &ServerFacts,
) -> Result<(), CouldNotRun> {
    let found = started.identity.version / 10_000;
    match server.major {
        Some(major) if major != found => Err(CouldNotRun::with_hint(
            format!(
                "`major = {major}` in `[server]`, and {} is PostgreSQL {}",
                facts.origin, started.identity.shown
            ),
            "`image` or `bin` names a server of another version: leave it out, or name one of this version",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Verifies that every extension that the backup requires is installed on the server; adds them and the version
/// to the facts.
pub(super) fn preflight(
    mut facts: ServerFacts,
    started: &Started,
    wanted: &Wanted,
) -> Result<ServerFacts, CouldNotRun> {
    facts.version.clone_from(&started.identity.shown);
    facts.settings.clone_from(&started.settings);
    let mut missing = Vec::new();
    for name in &wanted.extensions {
        match started.extensions.iter().find(|(has, _)| has == name) {
            Some((name, version)) => {
                // Those of a container are in the id of its image.
                let folders = started
                    .folders
                    .as_ref()
                    .filter(|_| facts.provider == "local");
                facts.extensions.push(ExtensionFacts {
                    name: name.clone(),
                    version: version.clone(),
                    sha256: folders.and_then(|folders| extension_files::digest(folders, name)),
                });
            }
            None if wanted.stubs.contains(name) => {}
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
    .hint(format!(
        "{}; one that a restore does not need, such as the scheduler of a provider: `[[restore.stub]]` with `extension = \"{}\"`, the `schema` that it makes for itself, and the `reason`",
        extension::remedy(&facts.provider, major, &missing),
        missing[0]
    )))
}

/// Name and default version of every extension that is installed on the server.
async fn available_extensions(
    session: &mut Session,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let sql = "SELECT name, default_version FROM pg_catalog.pg_available_extensions ORDER BY 1";
    pairs(session, sql).await
}

/// Where a server has its extensions.
async fn folders(session: &mut Session) -> Result<Option<Folders>, DatabaseError> {
    let sql = "SELECT name, setting FROM pg_catalog.pg_config() WHERE name IN ('PKGLIBDIR', 'SHAREDIR') ORDER BY 1";
    let folders = pairs(session, sql).await?;
    Ok(match folders.as_slice() {
        [(_, libraries), (_, shared)] => Some(Folders {
            shared: shared.into(),
            libraries: libraries.into(),
        }),
        _ => None,
    })
}

/// Name and value of each setting that is on the command line of the server, without paths of this run. Those of a session have
/// another source, so they are not among them.
async fn settings_it_runs_with(
    session: &mut Session,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let sql = "SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings \
        WHERE source = 'command line' AND name !~ '_(director(y|ies)|file)$' ORDER BY 1";
    pairs(session, sql).await
}

/// The rows of a query with two columns.
async fn pairs(session: &mut Session, sql: &str) -> Result<Vec<(String, String)>, DatabaseError> {
    let rows = session.rows(sql).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(name), version]) => Some((name, version.unwrap_or_default())),
            _ => None,
        })
        .collect())
}

/// What a server says of itself.
pub(super) struct Identity {
    /// `server_version_num`: 170006 for 17.6.
    pub version: u32,
    /// `server_version`.
    shown: String,
    /// See [`Session::identity`].
    pub unique: String,
}

/// Opens a session and asks the server what it is.
pub(super) async fn first_session(endpoint: &Endpoint) -> Result<(Session, Identity), NoSession> {
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
