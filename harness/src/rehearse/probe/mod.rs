//! Probes: sessions of the application that read and write its tables while the migrations run, and measure how long they wait.
//!
//! A probe takes the lock that a reader or a writer takes, and the lock of one row, and is rolled back at once. It gives up after
//! a moment and tries again, so that a few sessions watch any number of tables; it waited from the first attempt that was given
//! up to the end of the first that was not. Each is tried once before the migrations begin: what fails then says nothing of them.
//!
//! - `make`: which probes there are; `watch`: one session that tries some of them in turn
//! - `standing`: what roles cannot do any more in a session that begins after the migrations

mod make;
mod standing;
mod watch;

use std::time::Duration;

use tokio::sync::watch as channel;
use tokio::task::JoinHandle;

use self::make::{probes, try_once};
pub use self::standing::{Refusal, Standing};
use self::watch::watch_all;
use super::observe::{LockMode, Observed};
use super::settings::Rehearse;
use crate::database::{DatabaseError, Endpoint, Session, Terms};
use crate::outcome::{CouldNotRun, NotTested};
use crate::sql::quote_ident;
use crate::units::listed;

/// Most sessions.
const SESSIONS: usize = 4;
/// After this an attempt gives up.
const ATTEMPT: Duration = Duration::from_millis(50);
/// The limit of a probe of the scenario's, apart from waiting for locks.
const OF_SCENARIO: Duration = Duration::from_secs(5);

/// What a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// It reads a table.
    Read,
    /// It writes a table.
    Write,
    /// It runs a query of the scenario.
    Query,
}

/// How long somebody was kept waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    /// The table, or the name of the query.
    pub object: String,
    /// What was tried.
    pub kind: ProbeKind,
    /// As whom.
    pub role: String,
    /// The longest time that an attempt had to wait, with its repetitions.
    pub longest: Duration,
    /// Number of attempts; 0 where none ended before the migrations did.
    pub attempts: u64,
    /// Why it could not be tried any more, such as a table that is gone.
    pub stopped: Option<DatabaseError>,
}

/// One probe.
#[derive(Debug, Clone)]
struct Probe {
    object: String,
    kind: ProbeKind,
    role: String,
    statement: String,
    /// A weaker one, where the role cannot run that.
    otherwise: Option<String>,
}

/// Running probes.
pub struct Probes {
    stop: channel::Sender<bool>,
    sessions: Vec<JoinHandle<Vec<Waited>>>,
    not_tested: Vec<NotTested>,
}

/// What probes found.
#[derive(Debug, Default)]
pub struct Probed {
    /// What each of them waited that was tried.
    pub waited: Vec<Waited>,
    /// Those that had no turn before the migrations ended.
    untried: Vec<Waited>,
    /// What could not be tried, or not to the end.
    pub not_tested: Vec<NotTested>,
}

impl Probes {
    /// Begins to probe the tables of a database, or with the queries of the scenario.
    ///
    /// # Errors
    /// When a role does not exist, or a query of the scenario fails before the migrations run.
    pub async fn start(
        endpoint: &Endpoint,
        database: &str,
        settings: &Rehearse,
    ) -> Result<Self, CouldNotRun> {
        let probes = probes(endpoint, database, settings).await?;
        let (probes, not_tested) = try_once(endpoint, database, probes).await?;
        let (stop, stopped) = channel::channel(false);
        let mut shares: Vec<Vec<Probe>> = Vec::new();
        shares.resize_with(SESSIONS.min(probes.len()), Vec::new);
        let count = shares.len();
        // A session has one role, so each probe goes to a session with others of its role where there is one.
        let size = probes.len().div_ceil(count.max(1));
        for (share, probes) in shares.iter_mut().zip(probes.chunks(size.max(1))) {
            share.extend_from_slice(probes);
        }
        let sessions = shares.into_iter().filter(|share| !share.is_empty());
        let sessions = sessions.map(|share| {
            let (endpoint, database) = (endpoint.clone(), database.to_owned());
            let stopped = stopped.clone();
            tokio::spawn(async move { watch_all(&endpoint, &database, share, stopped).await })
        });
        Ok(Self {
            sessions: sessions.collect(),
            stop,
            not_tested,
        })
    }

    /// Ends the probes; gives what they found.
    pub async fn finish(self) -> Probed {
        // Without a receiver all sessions have ended.
        let _ = self.stop.send(true);
        let Self { mut not_tested, .. } = self;
        let mut waited = Vec::new();
        for session in self.sessions {
            match session.await {
                Ok(found) => waited.extend(found),
                Err(error) => not_tested.push(NotTested::new(
                    "how long some probes wait",
                    error.to_string(),
                )),
            }
        }
        waited.sort_by(|one, other| (&one.object, one.kind).cmp(&(&other.object, other.kind)));
        not_tested.extend(waited.iter().filter_map(Waited::not_tested));
        let untried = waited.extract_if(.., |one| one.attempts == 0);
        let untried = untried.collect();
        Probed {
            waited,
            untried,
            not_tested,
        }
    }
}

impl Probed {
    /// The probes without a turn which the locks of the run may have kept waiting: the others had nothing to wait for.
    #[must_use]
    pub fn untried(&self, run: &Observed) -> Option<NotTested> {
        let all = !run.not_observed.is_empty();
        let untried = self.untried.iter().filter(|one| {
            let mut locks = run.locks.iter();
            all || locks.any(|lock| match one.kind {
                ProbeKind::Read => lock.of_table() == one.object && lock.mode.blocks_readers(),
                // Locked rows keep a writer waiting too.
                ProbeKind::Write => {
                    lock.of_table() == one.object && lock.mode > LockMode::AccessShare
                }
                ProbeKind::Query => true,
            })
        });
        let untried: Vec<String> = untried.map(|one| one.kind.waits(&one.object)).collect();
        let why = "the migrations ended before these probes had a turn";
        (!untried.is_empty()).then(|| NotTested::new(listed(&untried, 5), why))
    }
}

impl Waited {
    /// Whether the role was refused what it could do before.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.stopped
            .as_ref()
            .is_some_and(|error| error.sqlstate.as_deref() == Some("42501"))
    }

    /// What this probe leaves open that was tried.
    fn not_tested(&self) -> Option<NotTested> {
        let error = self.stopped.as_ref().filter(|_| !self.is_refused())?;
        let why = format!(
            "the probe as {} ended with: {error}",
            quote_ident(&self.role)
        );
        Some(NotTested::new(self.kind.waits(&self.object), why))
    }
}

impl ProbeKind {
    /// What a probe of an object measures.
    fn waits(self, object: &str) -> String {
        match self {
            Self::Read => format!("how long readers of {object} wait"),
            Self::Write => format!("how long writers of {object} wait"),
            Self::Query => format!("how long the query {object} waits"),
        }
    }
}

async fn open(endpoint: &Endpoint, database: &str, role: &str) -> Result<Session, DatabaseError> {
    let terms = Terms {
        statement_timeout: OF_SCENARIO,
    };
    let mut session = match role == endpoint.superuser {
        true => Session::superuser(endpoint, database, &terms).await?,
        false => Session::role(endpoint, database, role, &[], &terms).await?,
    };
    let limit = ATTEMPT.as_millis();
    session.run(&format!("SET lock_timeout = {limit}")).await?;
    Ok(session)
}

/// Tries it once, and undoes it.
async fn attempt(session: &mut Session, probe: &Probe) -> Result<(), DatabaseError> {
    let Probe { statement, .. } = probe;
    let tried = session.run(&format!("BEGIN READ WRITE; {statement}")).await;
    let undone = session.run("ROLLBACK").await;
    tried.and(undone).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::observe::HeldLock;
    use rstest::rstest;

    #[rstest]
    #[case::another_table("app.b", LockMode::AccessExclusive, "")]
    #[case::its_rows("app.a", LockMode::RowExclusive, "how long writers of app.a wait")]
    #[case::it_reads("app.a", LockMode::AccessShare, "")]
    #[case::all(
        "app.a",
        LockMode::AccessExclusive,
        "how long readers of app.a wait, how long writers of app.a wait"
    )]
    fn a_probe_without_a_turn_matters_where_it_may_have_waited(
        #[case] table: &str,
        #[case] mode: LockMode,
        #[case] expected: &str,
    ) {
        let untried = [ProbeKind::Read, ProbeKind::Write].map(|kind| Waited {
            object: "app.a".to_owned(),
            kind,
            role: "app".to_owned(),
            longest: Duration::ZERO,
            attempts: 0,
            stopped: None,
        });
        let probed = Probed {
            untried: untried.to_vec(),
            ..Probed::default()
        };
        let lock = HeldLock {
            relation: table.to_owned(),
            mode,
            ..HeldLock::default()
        };
        let mut run = Observed {
            locks: vec![lock],
            ..Observed::default()
        };
        let what = |found: Option<NotTested>| found.map_or_else(String::new, |one| one.what);
        assert_eq!(what(probed.untried(&run)), expected);
        run.not_observed.push("some locks".to_owned());
        assert!(what(probed.untried(&run)).contains("readers of app.a"));
    }
}
