//! Servers that `run --keep` leaves running when redrill ends.
//!
//! A kept server has the run of its drill, whose lock is handed to a keeper: this program, started again in the background. The
//! keeper starts the server on a copy of its snapshot, passes programs on to its socket, reads its log, and removes everything at
//! the deadline. The server itself is started by `timeout`, so that it ends even without the keeper. The snapshot is the state
//! that the drill left, whatever is done on the server since.
//!
//! - `keeper`: the program in the background, and how it is started
//! - `find`: kept servers by name, and their removal
//! - `backup`, `settings`: what is recorded of the backup, and of how the server was started

mod backup;
mod find;
mod keeper;
mod settings;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::ThrowawayServer;
use super::snapshot::{Data, Snapshot};
use crate::atomic_file;
use crate::cleanup::{Run, Work};
use crate::outcome::{BackupFacts, CouldNotRun, NotTested};
use crate::verdict::Verdict;
use backup::KeptBackup;
pub use find::{DamagedRecord, NoKept};
pub use keeper::become_keeper;
use settings::Settings;

/// The file of a kept run with its [`KeptFacts`].
const FILE: &str = "kept.json";
/// The file that the keeper writes when the server has ended before its deadline.
const ENDED: &str = "ended";
/// What the marker of a keeper has after the id of its run.
const KEEPER: &str = "keeper";

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
    /// Its major version.
    pub major: u32,
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
                provider: self.facts.provider.to_string(),
                origin: self.facts.origin.clone(),
                version: self.facts.version.clone(),
                major: self.version / 10_000,
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
            self.facts.major,
            self.facts.bytes,
        )
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
}

/// The end of the name of a kept server, by which its run is found without its record.
fn name_end(run: &str) -> String {
    format!("-{}", &run[..run.len().min(4)])
}

fn seconds_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
