//! Probes: sessions of the application that read and write its tables while the migrations run, and measure how long they wait.
//!
//! A probe takes the lock that a reader or a writer takes, and the lock of one row, and is rolled back at once. It gives up after
//! a moment and tries again, so that a few sessions watch any number of tables; it waited from the first attempt that was given
//! up to the end of the first that was not.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::settings::Rehearse;
use crate::database::{DatabaseError, Endpoint, Session, Terms, is_true};
use crate::outcome::CouldNotRun;
use crate::sql::{quote_ident, quote_literal};

/// Most sessions.
const SESSIONS: usize = 4;
/// After this an attempt gives up.
const ATTEMPT: Duration = Duration::from_millis(50);
/// The pause of a session between two attempts.
const PAUSE: Duration = Duration::from_millis(15);
/// The limit of a probe of the scenario's, apart from waiting for locks.
const OF_SCENARIO: Duration = Duration::from_secs(5);

/// The tables of the application, with a row of each, and what a role may do with them.
const TABLES: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
       c.relkind = 'r',
       pg_catalog.has_table_privilege({role}, c.oid, 'SELECT'),
       pg_catalog.has_table_privilege({role}, c.oid, 'UPDATE, DELETE, TRUNCATE'),
       pg_catalog.has_table_privilege({role}, c.oid, 'SELECT')
         AND pg_catalog.has_table_privilege({role}, c.oid, 'UPDATE')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND pg_catalog.has_schema_privilege({role}, n.oid, 'USAGE')
 ORDER BY 1";

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
    pub stopped: Option<String>,
}

/// One probe.
#[derive(Debug, Clone)]
struct Probe {
    object: String,
    kind: ProbeKind,
    role: String,
    statement: String,
}

/// Running probes.
pub struct Probes {
    stop: watch::Sender<bool>,
    sessions: Vec<JoinHandle<Vec<Waited>>>,
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
        let (stop, stopped) = watch::channel(false);
        let mut shares: Vec<Vec<Probe>> = Vec::new();
        shares.resize_with(SESSIONS.min(probes.len()), Vec::new);
        let count = shares.len();
        // A session has one role, so each probe goes to a session with others of its role where there is one.
        let mut by_role: Vec<Probe> = probes;
        by_role.sort_by(|one, other| one.role.cmp(&other.role));
        let size = by_role.len().div_ceil(count.max(1));
        for (share, probes) in shares.iter_mut().zip(by_role.chunks(size.max(1))) {
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
        })
    }

    /// Ends the probes; gives what each waited.
    pub async fn finish(self) -> Vec<Waited> {
        // Without a receiver all sessions have ended.
        let _ = self.stop.send(true);
        let mut all = Vec::new();
        for session in self.sessions {
            all.extend(session.await.unwrap_or_default());
        }
        all.sort_by(|one, other| (&one.object, one.kind).cmp(&(&other.object, other.kind)));
        all
    }
}

/// Makes the probes: the queries of the scenario, or a reader and a writer for each table.
async fn probes(
    endpoint: &Endpoint,
    database: &str,
    settings: &Rehearse,
) -> Result<Vec<Probe>, CouldNotRun> {
    let superuser = [endpoint.superuser.clone()];
    let roles = match settings.application.as_slice() {
        [] => &superuser[..],
        roles => roles,
    };
    if !settings.probe.is_empty() {
        return of_scenario(endpoint, database, settings, &roles[0]).await;
    }
    let mut session = Session::superuser(endpoint, database, &Terms::default()).await?;
    let mut probes: Vec<Probe> = Vec::new();
    for role in roles {
        let tables = session
            .rows(&TABLES.replace("{role}", &quote_literal(role)))
            .await
            .map_err(|error| match error.sqlstate.as_deref() {
                Some("42704") => CouldNotRun::with_hint(
                    format!("the role {} does not exist", quote_ident(role)),
                    "name roles of the backup in `application` of `[rehearse]`",
                ),
                _ => error.into(),
            })?;
        for row in tables {
            let Some(table) = row.first().cloned().flatten() else {
                continue;
            };
            let holds = |column: usize| is_true(row.get(column));
            let mut add = |kind: ProbeKind, statement: String| {
                // The first role that may is enough.
                let same = |one: &Probe| one.object == table && one.kind == kind;
                if !probes.iter().any(same) {
                    let (object, role) = (table.clone(), role.clone());
                    probes.push(Probe {
                        object,
                        kind,
                        role,
                        statement,
                    });
                }
            };
            if holds(2) {
                let statement = format!("LOCK TABLE ONLY {table} IN ACCESS SHARE MODE");
                add(ProbeKind::Read, statement);
            }
            if holds(3) {
                let lock = format!("LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE");
                let row_of = match holds(1) && holds(4) {
                    true => row_lock(&mut session, &table).await?,
                    false => String::new(),
                };
                add(ProbeKind::Write, lock + &row_of);
            }
        }
    }
    session.close().await;
    Ok(probes)
}

/// Locks one row by its place, which costs the same however many old versions the table has.
async fn row_lock(session: &mut Session, table: &str) -> Result<String, DatabaseError> {
    let place = session
        .value(&format!("SELECT ctid FROM ONLY {table} LIMIT 1"))
        .await?;
    Ok(place.map_or_else(String::new, |place| {
        let place = quote_literal(&place);
        format!("; SELECT 1 FROM ONLY {table} WHERE ctid = {place} FOR NO KEY UPDATE")
    }))
}

/// The probes of the scenario, each tried once.
async fn of_scenario(
    endpoint: &Endpoint,
    database: &str,
    settings: &Rehearse,
    default: &str,
) -> Result<Vec<Probe>, CouldNotRun> {
    let mut probes = Vec::new();
    for probe in &settings.probe {
        let role = probe.role.clone().unwrap_or_else(|| default.to_owned());
        let one = Probe {
            object: probe.name.clone(),
            kind: ProbeKind::Query,
            role,
            statement: probe.query.clone(),
        };
        let mut session = open(endpoint, database, &one.role).await?;
        attempt(&mut session, &one).await.map_err(|error| {
            CouldNotRun::with_hint(
                format!(
                    "the probe `{}` fails before the migrations: {error}",
                    one.object
                ),
                "it must run on the restored database, as its role, without waiting",
            )
        })?;
        session.close().await;
        probes.push(one);
    }
    Ok(probes)
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

/// What is known of one probe so far.
struct Watched {
    probe: Probe,
    waited: Waited,
    /// When the first attempt began that was given up.
    since: Option<Instant>,
}

/// Tries the probes of one session in turn until they are stopped.
async fn watch_all(
    endpoint: &Endpoint,
    database: &str,
    probes: Vec<Probe>,
    stopped: watch::Receiver<bool>,
) -> Vec<Waited> {
    let mut all: Vec<Watched> = probes.into_iter().map(Watched::new).collect();
    let mut session: Option<(String, Session)> = None;
    while !*stopped.borrow() && all.iter().any(|one| one.waited.stopped.is_none()) {
        for one in &mut all {
            if *stopped.borrow() {
                break;
            }
            if one.waited.stopped.is_some() {
                continue;
            }
            let own = match session.take() {
                Some((role, own)) if role == one.probe.role => Ok(own),
                _ => open(endpoint, database, &one.probe.role).await,
            };
            let began = Instant::now();
            match own {
                Ok(mut own) => {
                    let tried = attempt(&mut own, &one.probe).await;
                    let lost = tried.as_ref().is_err_and(|error| error.lost);
                    one.ended(began, tried.err());
                    if !lost {
                        session = Some((one.probe.role.clone(), own));
                    }
                }
                Err(error) => one.ended(began, Some(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    all.into_iter().map(Watched::finish).collect()
}

impl Watched {
    fn new(probe: Probe) -> Self {
        let waited = Waited {
            object: probe.object.clone(),
            kind: probe.kind,
            role: probe.role.clone(),
            longest: Duration::ZERO,
            attempts: 0,
            stopped: None,
        };
        Self {
            probe,
            waited,
            since: None,
        }
    }

    /// An attempt that began then has ended.
    fn ended(&mut self, began: Instant, error: Option<DatabaseError>) {
        self.waited.attempts += 1;
        let Some(error) = error else {
            let since = self.since.take().unwrap_or(began);
            self.waited.longest = self.waited.longest.max(since.elapsed());
            return;
        };
        match error.sqlstate.as_deref() {
            // The lock was not available; or the statement, which waits for nothing else, was cut off.
            Some("55P03" | "57014") => {
                self.since.get_or_insert(began);
            }
            // A deadlock: this session was the one to end, and its application would have seen an error.
            Some("40P01") => {}
            _ => self.waited.stopped = Some(error.to_string()),
        }
    }

    fn finish(mut self) -> Waited {
        if let Some(since) = self.since {
            self.waited.longest = self.waited.longest.max(since.elapsed());
        }
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched::new(Probe {
            object: "app.t".to_owned(),
            kind: ProbeKind::Read,
            role: "app".to_owned(),
            statement: String::new(),
        })
    }

    fn error(sqlstate: &str) -> Option<DatabaseError> {
        Some(DatabaseError {
            sqlstate: Some(sqlstate.to_owned()),
            ..DatabaseError::new("x")
        })
    }

    #[test]
    fn attempts_that_were_given_up_are_one_wait() {
        let ago = |ms| {
            Instant::now()
                .checked_sub(Duration::from_millis(ms))
                .unwrap()
        };
        let mut one = watched();
        one.ended(ago(900), error("55P03"));
        one.ended(ago(600), error("55P03"));
        one.ended(ago(300), None);
        assert!(one.waited.longest >= Duration::from_millis(900));
        one.ended(ago(1), None);
        assert!(one.since.is_none());
        let waited = one.finish();
        assert_eq!(waited.attempts, 4);
        assert_eq!(waited.stopped, None);
    }

    #[test]
    fn a_wait_that_did_not_end_counts_and_an_error_stops() {
        let mut one = watched();
        let began = Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
        one.ended(began, error("55P03"));
        assert!(one.finish().longest >= Duration::from_secs(3));
        let mut one = watched();
        one.ended(Instant::now(), error("42P01"));
        assert!(one.finish().stopped.is_some());
    }
}
