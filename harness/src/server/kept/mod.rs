//! Servers that `run --keep` leaves running when redrill ends.
//!
//! A kept server has the run of its drill, whose lock is handed to a keeper: this program, started again in the background. The
//! keeper starts the server on a copy of its snapshot, passes programs on to its socket, reads its log, and removes everything at
//! the deadline. The server itself is started by `timeout`, so that it ends even without the keeper. The snapshot is the state
//! that the drill left, whatever is done on the server since.
//!
//! - `keeper`: the program in the background, and how it is started
//! - `backup`: what is recorded of the backup

mod backup;
mod keeper;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::ThrowawayServer;
use super::settings::{self, Durability};
use super::snapshot::{Data, Snapshot};
use crate::atomic_file;
use crate::cleanup::{Run, Work};
use crate::outcome::{BackupFacts, CouldNotRun, NotTested};
use crate::process;
use crate::units::{Size, Span};
use crate::verdict::Verdict;
use backup::KeptBackup;
pub use keeper::become_keeper;

/// The file of a kept run with its [`KeptFacts`].
const FILE: &str = "kept.json";
/// The file that the keeper writes when the server has ended before its deadline.
const ENDED: &str = "ended";
/// What the marker of a keeper has after the id of its run.
const KEEPER: &str = "keeper";
/// Limit of the removal of a kept server.
const DROP_WITHIN: Duration = Duration::from_secs(60);

/// What is known of a kept server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptFacts {
    /// The name by which commands find it: that of the scenario, of its server where there are several, and a part of its run.
    pub name: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Its file, as an absolute path.
    pub file: PathBuf,
    /// The verdict of the drill, as reports print it; `None` until the drill has one.
    pub verdict: Option<String>,
    /// Whether the backup was restored without an error.
    pub restored: bool,
    /// The checks that `--only` selected: other rows may have been left out.
    pub only: Vec<String>,
    /// Databases, without templates; `postgres` only where there is no other.
    pub databases: Vec<String>,
    /// Roles, without those that every server has.
    pub roles: Vec<String>,
    /// `container` or `local`.
    pub provider: String,
    /// Image or folder of the programs.
    pub origin: String,
    /// `server_version`, as in 17.6.
    pub version: String,
    /// The bootstrap superuser.
    pub superuser: String,
    /// Bytes of the data.
    pub bytes: u64,
    /// Seconds since 1970 at which it is removed.
    pub until: u64,
    data: Data,
    server: Settings,
    backup: Option<KeptBackup>,
    /// What the drill did not test, and why.
    not_tested: Vec<(String, String)>,
    /// Whether the drill had several servers.
    of_several: bool,
}

/// The settings of a kept server, as its keeper reads them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Settings {
    memory: Option<u64>,
    shm: Option<u64>,
    pids: Option<u32>,
    trusted_backup: bool,
    start_within: Option<Duration>,
    durable: bool,
    settings: BTreeMap<String, String>,
}

/// A kept server that has not been removed.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What is known of it.
    pub facts: KeptFacts,
    /// The id of its run.
    pub run: String,
    /// Why its server is not running any more; `None` while it runs.
    pub ended: Option<String>,
    folder: PathBuf,
    work: Work,
}

/// The drill that a server is kept of.
#[derive(Debug, Clone, Copy)]
pub struct KeptDrill<'a> {
    /// Name of the scenario.
    pub scenario: &'a str,
    /// Its file.
    pub file: &'a std::path::Path,
    /// Name of the server in the scenario, where there are several.
    pub server: Option<&'a str>,
    /// Whether there are several.
    pub of_several: bool,
    /// How long it is kept.
    pub keep: Duration,
    /// The backup, if it was found.
    pub backup: Option<&'a BackupFacts>,
    /// Whether it was restored without an error.
    pub restored: bool,
    /// The checks that `--only` selects.
    pub only: &'a [String],
}

/// A server that could not be kept, with its run, to be removed; `None` where nothing of it is left.
pub struct NotKept {
    /// Why.
    pub error: CouldNotRun,
    /// What is to be removed.
    pub left: Option<(ThrowawayServer, Run)>,
}

const DATABASES: &str = "
SELECT datname FROM pg_catalog.pg_database
 WHERE NOT datistemplate AND datallowconn ORDER BY datname = 'postgres', datname";
const ROLES: &str = "SELECT rolname FROM pg_catalog.pg_roles WHERE oid >= 16384 ORDER BY 1";

impl ThrowawayServer {
    /// Keeps the server when this program ends: it is shut down, and a keeper starts it again. `interrupted` becomes true when
    /// a signal asks for the end.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub async fn keep(
        self,
        run: Run,
        drill: KeptDrill<'_>,
        mut interrupted: tokio::sync::watch::Receiver<bool>,
    ) -> Result<Kept, NotKept> {
        let prepared = async {
            let (databases, roles) = self.contents().await?;
            let now = seconds_now();
            let until = now.saturating_add(drill.keep.as_secs().max(1));
            let file = std::path::absolute(drill.file).unwrap_or_else(|_| drill.file.to_owned());
            let snapshot = self.give_up(&run).await?;
            let of_server = drill
                .server
                .map_or_else(String::new, |name| format!("-{name}"));
            Ok(KeptFacts {
                name: format!("{}{of_server}{}", drill.scenario, name_end(&run.id)),
                scenario: drill.scenario.to_owned(),
                file,
                verdict: None,
                restored: drill.restored,
                only: drill.only.to_owned(),
                backup: drill.backup.map(KeptBackup::of),
                not_tested: Vec::new(),
                of_several: drill.of_several,
                databases,
                roles,
                provider: self.facts.provider.to_owned(),
                origin: self.facts.origin.clone(),
                version: self.facts.version.clone(),
                superuser: self.endpoint.superuser.clone(),
                bytes: 0,
                until,
                data: snapshot,
                server: Settings::of(&self.started_with.server),
            })
        };
        let facts = match prepared.await {
            Ok(facts) => facts,
            Err(error) => {
                let left = Some((self, run));
                return Err(NotKept { error, left });
            }
        };
        let kept = Kept {
            run: run.id.clone(),
            folder: run.folder.clone(),
            work: run.work().clone(),
            ended: None,
            facts,
        };
        if let Err(error) = kept.write() {
            let error = CouldNotRun::new(format!("cannot write {FILE}: {error}"));
            let left = Some((self, run));
            return Err(NotKept { error, left });
        }
        // What is left of it has no server any more, only a folder that the keeper owns now.
        drop(self);
        let work = kept.work.clone();
        let started = keeper::start(run, &kept.facts.data, &mut interrupted).await;
        match started {
            // Its time may be over by now.
            Ok(()) => Ok(kept.again().unwrap_or(kept)),
            Err(error) => {
                super::sweep(&work).await;
                Err(NotKept { error, left: None })
            }
        }
    }

    /// Databases and roles.
    async fn contents(&self) -> Result<(Vec<String>, Vec<String>), CouldNotRun> {
        let asked = async {
            let mut session = self.session("template1").await?;
            let databases = session.rows(DATABASES).await?;
            let roles = session.rows(ROLES).await?;
            session.close().await;
            Ok((databases, roles))
        };
        let (databases, roles) = asked
            .await
            .map_err(|error: crate::database::DatabaseError| {
                CouldNotRun::new(format!("the server does not answer: {error}"))
            })?;
        let first = |rows: Vec<Vec<Option<String>>>| -> Vec<String> {
            rows.into_iter().flatten().flatten().collect()
        };
        let mut databases = first(databases);
        if databases.len() > 1 {
            databases.retain(|name| name != "postgres");
        }
        Ok((databases, first(roles)))
    }
}

impl Kept {
    /// Kept servers that are there, by name, and the damaged records of others.
    #[must_use]
    pub fn all(work: &Work) -> (Vec<Self>, Vec<DamagedRecord>) {
        let entries = std::fs::read_dir(work.root()).into_iter().flatten();
        let folders = entries.flatten().map(|entry| entry.path());
        let (mut all, mut damaged) = (Vec::new(), Vec::new());
        for folder in folders {
            let run = folder.file_name().and_then(|name| name.to_str());
            let Some(run) = run.filter(|run| work.is_alive(run) && folder.join(FILE).exists())
            else {
                continue;
            };
            match Self::read(work, run.to_owned()) {
                Ok(kept) => all.push(kept),
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => damaged.push(DamagedRecord {
                    run: run.to_owned(),
                    file: folder.join(FILE),
                    why: error.to_string(),
                }),
            }
        }
        all.sort_by(|one, other| one.facts.name.cmp(&other.facts.name));
        (all, damaged)
    }

    /// The kept server of a name.
    ///
    /// # Errors
    /// There is none, or its record is damaged.
    pub fn named(work: &Work, name: &str) -> Result<Self, NoKept> {
        let (all, damaged) = Self::all(work);
        if let Some(damaged) = damaged.iter().find(|one| one.is_of(name)) {
            return Err(NoKept::Unusable(damaged.error()));
        }
        let names: Vec<&str> = all.iter().map(|kept| kept.facts.name.as_str()).collect();
        let hint = match names.as_slice() {
            [] => "`redrill run --keep 2h` keeps the server of a drill for two hours".to_owned(),
            names => format!("kept servers: {}", names.join(", ")),
        };
        let found = all.iter().find(|kept| kept.facts.name == name).cloned();
        found.ok_or_else(|| {
            let why = format!("no kept server is named `{name}`");
            NoKept::Unknown(CouldNotRun::with_hint(why, hint))
        })
    }

    fn read(work: &Work, run: String) -> io::Result<Self> {
        let folder = work.root().join(&run);
        let facts: KeptFacts = serde_json::from_slice(&std::fs::read(folder.join(FILE))?)?;
        // Its programs are started, and its data is copied and removed.
        if !facts.data.is_of(&run, &folder) || !facts.name.ends_with(&name_end(&run)) {
            return Err(io::Error::other("it names what is not of its run"));
        }
        Ok(Self {
            facts,
            ended: std::fs::read_to_string(folder.join(ENDED)).ok(),
            run,
            folder,
            work: work.clone(),
        })
    }

    /// Reads what the keeper noted meanwhile.
    fn again(&self) -> io::Result<Self> {
        Self::read(&self.work, self.run.clone())
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&self.facts)?;
        atomic_file::write(&self.folder.join(FILE), &text, true)
    }

    /// Notes the verdict of the drill, and what it did not test.
    ///
    /// # Errors
    /// When the file of its facts cannot be written.
    pub fn note_verdict(&mut self, verdict: Verdict, not_tested: &[NotTested]) -> io::Result<()> {
        self.facts.verdict = Some(verdict.word().to_owned());
        let entries = not_tested.iter();
        let entries = entries.map(|one| (one.what.clone(), one.why.clone()));
        self.facts.not_tested = entries.collect();
        match self.is_there() {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// What its drill did not test.
    #[must_use]
    pub fn not_tested(&self) -> Vec<NotTested> {
        let entries = self.facts.not_tested.iter();
        entries
            .map(|(what, why)| NotTested::new(what.clone(), why.clone()))
            .collect()
    }

    /// Whether it has a part of the backup only, because its drill had several servers.
    #[must_use]
    pub fn is_one_of_several(&self) -> bool {
        self.facts.of_several
    }

    /// What is left until its deadline.
    #[must_use]
    pub fn left(&self) -> Duration {
        Duration::from_secs(self.facts.until.saturating_sub(seconds_now()))
    }

    /// Whether it is still there: whatever was copied of its snapshot before is complete.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.folder.join(FILE).exists() && !self.left().is_zero()
    }

    /// The verdict of the drill; `None` where it ended without one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let word = self.facts.verdict.as_deref()?;
        Verdict::ALL.into_iter().find(|one| one.word() == word)
    }

    /// What is known of the backup; `None` where none was found.
    #[must_use]
    pub fn backup(&self) -> Option<BackupFacts> {
        let backup = self.facts.backup.as_ref()?;
        Some(backup.facts(&self.facts.databases, &self.facts.roles))
    }

    /// The state that the drill left, to start further servers on copies of it. It is removed with the kept server.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn snapshot(&self) -> Result<Snapshot, CouldNotRun> {
        Snapshot::of(
            self.facts.data.clone(),
            &self.facts.superuser,
            self.facts.bytes,
        )
    }

    /// The settings of the server that it was kept with, for its provider and programs.
    #[must_use]
    pub fn settings(&self) -> settings::Server {
        let server = &self.facts.server;
        let container = settings::Container {
            memory: server.memory.map(Size),
            shm: server.shm.map(Size),
            pids: server.pids,
            ..settings::Container::default()
        };
        let local = settings::Local {
            trusted_backup: server.trusted_backup,
            ..settings::Local::default()
        };
        let is_local = matches!(self.facts.data, Data::Folder { .. });
        settings::Server {
            container: (!is_local).then_some(container),
            local: is_local.then_some(local),
            start_within: server.start_within.map(Span),
            durability: match server.durable {
                true => Durability::Production,
                false => Durability::Off,
            },
            settings: server.settings.clone(),
            ..settings::Server::default()
        }
    }

    /// The folder of the socket for programs.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(super::socket::PROGRAMS)
    }

    /// The psql of its version on this machine; `None` where that is in an image.
    #[must_use]
    pub fn psql(&self) -> Option<PathBuf> {
        match &self.facts.data {
            Data::Folder { bin, .. } => Some(bin.join("psql")),
            Data::Volume { .. } => None,
        }
    }

    /// Removes the kept server of a name and everything of its run, also where its record is damaged.
    ///
    /// # Errors
    /// There is none; or it is still there after a minute.
    pub async fn remove(work: &Work, name: &str) -> Result<(), NoKept> {
        let run = match Self::named(work, name) {
            Ok(kept) => kept.run,
            Err(error) => {
                let (_, mut damaged) = Self::all(work);
                let of_name = damaged.extract_if(.., |one| one.is_of(name)).next();
                of_name.ok_or(error)?.run
            }
        };
        process::signal_marked(&format!("{run}.{KEEPER}"), Signal::SIGTERM);
        let gone = async {
            while work.is_alive(&run) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(DROP_WITHIN, gone).await.is_err() {
            return Err(NoKept::Unusable(CouldNotRun::with_hint(
                format!("{name} was not removed within {DROP_WITHIN:?}"),
                "try again, and then `redrill clean`",
            )));
        }
        // What a keeper that was killed left.
        super::sweep(work).await;
        Ok(())
    }
}

/// Why a kept server is not found or not removed.
#[derive(Debug)]
pub enum NoKept {
    /// There is none of this name; the hint lists those that there are.
    Unknown(CouldNotRun),
    /// Its record is damaged, or it is still there.
    Unusable(CouldNotRun),
}

/// The record of a kept server that cannot be read.
#[derive(Debug, Clone)]
pub struct DamagedRecord {
    /// The id of its run.
    pub run: String,
    file: PathBuf,
    why: String,
}

impl DamagedRecord {
    /// Whether it may be that of a name.
    fn is_of(&self, name: &str) -> bool {
        name.ends_with(&name_end(&self.run))
    }

    /// What to do about it.
    #[must_use]
    pub fn error(&self) -> CouldNotRun {
        CouldNotRun::with_hint(
            format!(
                "the record of a kept server, {}, is damaged: {}",
                self.file.display(),
                self.why
            ),
            format!(
                "`redrill drop NAME` removes it, with a name that ends in `{}`; it is removed at its time too",
                name_end(&self.run)
            ),
        )
    }
}

/// The end of the name of a kept server, by which its run is found without its record.
fn name_end(run: &str) -> String {
    format!("-{}", &run[..run.len().min(4)])
}

impl Settings {
    fn of(server: &settings::Server) -> Self {
        let container = server.container.as_ref();
        let local = server.local.as_ref();
        Self {
            memory: container.and_then(|it| Some(it.memory?.0)),
            shm: container.and_then(|it| Some(it.shm?.0)),
            pids: container.and_then(|it| it.pids),
            trusted_backup: local.is_some_and(|it| it.trusted_backup),
            start_within: server.start_within.map(|span| span.0),
            durable: server.durability == Durability::Production,
            settings: server.settings.clone(),
        }
    }
}

fn seconds_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
