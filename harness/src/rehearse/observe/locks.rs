//! Reads the locks of the tool's processes from the server, and the names of the relations that were there before.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};

use super::text::is_limit;
use super::{LockMode, VirtualTransaction};
use crate::database::{DatabaseError, Endpoint, Session, Terms, TextRow, is_true};
use crate::sql::quote_literal;

/// The database of sessions that only read locks: one in the tool's would keep it from being dropped.
const DATABASE: &str = "postgres";

/// A lock on a relation that a process holds or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) pid: i32,
    pub(super) oid: u32,
    pub(super) mode: LockMode,
    pub(super) transaction: VirtualTransaction,
    /// For how long it has been waiting, if it does.
    pub(super) waits: Option<Duration>,
}

/// The relations of a database when the tool first connected to it.
#[derive(Debug, Default)]
pub(super) struct Relations {
    pub(super) database: String,
    pub(super) by_oid: BTreeMap<u32, Relation>,
    /// Whether every role may run what a mark runs.
    pub(super) marks: bool,
}

/// A relation. Names are quoted where needed.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) name: String,
    /// Of an index, and of a table for long values.
    pub(super) table: Option<String>,
}

/// Relations of the databases that the tool connects to, each read once.
#[derive(Debug, Default)]
pub(super) struct Databases(Mutex<HashMap<String, Arc<OnceCell<Arc<Relations>>>>>);

impl Databases {
    /// Reads the relations of a database, unless they are known.
    ///
    /// # Errors
    /// When the database cannot be read; the next connection tries again.
    pub(super) async fn relations(
        &self,
        endpoint: &Endpoint,
        database: &str,
    ) -> Result<Arc<Relations>, DatabaseError> {
        let mut all = self.0.lock().await;
        let cell = Arc::clone(all.entry(database.to_owned()).or_default());
        drop(all);
        let relations = cell.get_or_try_init(async || read(endpoint, database).await.map(Arc::new));
        relations.await.cloned()
    }
}

/// OIDs below 16384 are those of the server's own objects.
const RELATIONS: &str = "
    SELECT c.oid,
           pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(c.relname)),
           CASE WHEN t.oid IS NOT NULL THEN
               pg_catalog.concat(pg_catalog.quote_ident(s.nspname), '.', pg_catalog.quote_ident(t.relname)) END
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
      LEFT JOIN pg_catalog.pg_class l
             ON n.nspname = 'pg_toast' AND l.reltoastrelid = COALESCE(i.indrelid, c.oid)
      LEFT JOIN pg_catalog.pg_class t ON t.oid = COALESCE(l.oid, i.indrelid)
      LEFT JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
     WHERE c.oid >= 16384 AND n.nspname <> 'information_schema'";

const MARKS: &str = "
    SELECT EXISTS (SELECT FROM pg_catalog.pg_language l,
                        pg_catalog.aclexplode(COALESCE(l.lanacl, pg_catalog.acldefault('l', l.lanowner))) a
                    WHERE l.lanname = 'plpgsql' AND a.grantee = 0)
       AND 2 = (SELECT pg_catalog.count(DISTINCT p.oid) FROM pg_catalog.pg_proc p,
                       pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
                 WHERE a.grantee = 0 AND p.oid = ANY (ARRAY[
                       'pg_catalog.pg_advisory_lock(bigint)'::pg_catalog.regprocedure,
                       'pg_catalog.pg_advisory_unlock(bigint)'::pg_catalog.regprocedure]))";

async fn read(endpoint: &Endpoint, database: &str) -> Result<Relations, DatabaseError> {
    let mut session = Session::superuser(endpoint, database, &Terms::default()).await?;
    let rows = session.rows(RELATIONS).await?;
    let marks = session.value(MARKS).await?;
    session.close().await;
    let by_oid = rows.into_iter().filter_map(|row| {
        let [oid, name, table] = <[Option<String>; 3]>::try_from(row).ok()?;
        let relation = Relation { name: name?, table };
        Some((oid?.parse().ok()?, relation))
    });
    Ok(Relations {
        database: database.to_owned(),
        by_oid: by_oid.collect(),
        marks: marks.as_deref() == Some("t"),
    })
}

/// A query for the locks of processes.
fn query(pids: &[i32]) -> String {
    let mut list = String::new();
    for pid in pids {
        let comma = if list.is_empty() { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = write!(list, "{comma}{pid}");
    }
    format!(
        "SELECT pid, relation, mode, virtualtransaction, CASE WHEN NOT granted THEN COALESCE( \
         (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - waitstart) * 1000000)::bigint, 0) END \
         FROM pg_catalog.pg_locks WHERE pid IN ({list}) AND locktype = 'relation' AND relation >= 16384::oid"
    )
}

fn lock(row: &TextRow) -> Option<Lock> {
    let [Some(pid), Some(oid), Some(mode), Some(transaction), waits] = row.as_slice() else {
        return None;
    };
    let mode = match mode.as_str() {
        "AccessShareLock" => LockMode::AccessShare,
        "RowShareLock" => LockMode::RowShare,
        "RowExclusiveLock" => LockMode::RowExclusive,
        "ShareUpdateExclusiveLock" => LockMode::ShareUpdateExclusive,
        "ShareLock" => LockMode::Share,
        "ShareRowExclusiveLock" => LockMode::ShareRowExclusive,
        "ExclusiveLock" => LockMode::Exclusive,
        "AccessExclusiveLock" => LockMode::AccessExclusive,
        // Of the isolation level SERIALIZABLE; nobody waits for it.
        _ => return None,
    };
    let waits = waits.as_ref().and_then(|waits| waits.parse().ok());
    Some(Lock {
        pid: pid.parse().ok()?,
        oid: oid.parse().ok()?,
        mode,
        transaction: VirtualTransaction::parse(transaction)?,
        waits: waits.map(Duration::from_micros),
    })
}

/// A session that reads locks; opened again where it is lost.
pub(super) struct Reader {
    endpoint: Endpoint,
    session: Mutex<Option<Session>>,
}

impl Reader {
    /// # Errors
    /// When the server refuses the session.
    pub(super) async fn open(endpoint: Endpoint) -> Result<Self, DatabaseError> {
        let session = Session::superuser(&endpoint, DATABASE, &Terms::default()).await?;
        Ok(Self {
            endpoint,
            session: Mutex::new(Some(session)),
        })
    }

    async fn rows(&self, sql: &str) -> Result<Vec<TextRow>, DatabaseError> {
        let mut place = self.session.lock().await;
        // Taken out, so that a call that is cancelled in the middle of an answer leaves no session behind.
        let mut session = match place.take() {
            Some(session) => session,
            None => Session::superuser(&self.endpoint, DATABASE, &Terms::default()).await?,
        };
        let rows = session.rows(sql).await;
        if !rows.as_ref().is_err_and(|error| error.lost) {
            *place = Some(session);
        }
        rows
    }

    /// Reads the locks of processes.
    ///
    /// # Errors
    /// The server's.
    pub(super) async fn locks(&self, pids: &[i32]) -> Result<Vec<Lock>, DatabaseError> {
        if pids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.rows(&query(pids)).await?;
        Ok(rows.iter().filter_map(lock).collect())
    }

    /// Whether a process waits for a lock of any kind. Where that cannot be read, it does not.
    pub(super) async fn waits(&self, pid: i32) -> bool {
        self.any(&format!(
            "SELECT FROM pg_catalog.pg_locks WHERE NOT granted AND pid = {pid}"
        ))
        .await
    }

    /// Whether a process that is none of these waits for a lock of any kind.
    pub(super) async fn others_wait(&self, pids: &[i32]) -> bool {
        let own = pids
            .iter()
            .map(i32::to_string)
            .collect::<Vec<_>>()
            .join(",");
        self.any(&format!(
            "SELECT FROM pg_catalog.pg_locks WHERE NOT granted AND pid <> ALL ('{{{own}}}'::pg_catalog.int4[])"
        ))
        .await
    }

    async fn any(&self, query: &str) -> bool {
        let rows = self.rows(&format!("SELECT EXISTS ({query})")).await;
        rows.is_ok_and(|rows| is_true(rows.first().and_then(|row| row.first())))
    }

    /// Whether a role has a `lock_timeout` in a database by its own settings or those of the database.
    ///
    /// # Errors
    /// The server's.
    pub(super) async fn has_lock_timeout(
        &self,
        role: &str,
        database: &str,
    ) -> Result<bool, DatabaseError> {
        // Settings of the role in the database come before those of the role, and those before the database's.
        let (role, database) = (quote_literal(role), quote_literal(database));
        let sql = format!(
            "SELECT c FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c \
              WHERE s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {role})) \
                AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = {database})) \
                AND c LIKE 'lock_timeout=%' ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1"
        );
        let rows = self.rows(&sql).await?;
        let setting = rows.first().and_then(|row| row.first()?.as_deref());
        Ok(setting.is_some_and(is_limit))
    }

    /// Ends processes of the tool, and waits until they are gone.
    ///
    /// # Errors
    /// The server's, or that some are not gone after a while.
    pub(super) async fn terminate(&self, pids: &[i32]) -> Result<(), DatabaseError> {
        for pid in pids {
            // Each waits for 10 seconds at most.
            let sql = format!("SELECT pg_catalog.pg_terminate_backend({pid}, 10000)");
            self.rows(&sql).await?;
        }
        Ok(())
    }
}

/// The session that marks wait for: it holds an advisory lock in the tool's database, until a mark may pass.
///
/// There are two keys, so that it holds that of the next mark before it releases that of the current one.
pub(super) struct Gate {
    session: Session,
    keys: [i64; 2],
    held: usize,
}

impl Gate {
    /// # Errors
    /// When the server refuses the session or the lock.
    pub(super) async fn open(endpoint: &Endpoint, database: &str) -> Result<Self, DatabaseError> {
        let random = getrandom::u64().map_err(|error| DatabaseError::new(error.to_string()))?;
        // Positive, and with room for the next one.
        let key = i64::try_from(random >> 2).unwrap_or_default();
        let mut session = Session::superuser(endpoint, database, &Terms::default()).await?;
        session
            .run(&format!("SELECT pg_catalog.pg_advisory_lock({key})"))
            .await?;
        Ok(Self {
            session,
            keys: [key, key + 1],
            held: 0,
        })
    }

    /// The key of the mark after `passed` other marks of the same string.
    pub(super) fn key(&self, passed: usize) -> i64 {
        self.keys[(self.held + passed) % 2]
    }

    /// Reads the locks of a process that waits at a mark, and lets it pass.
    ///
    /// # Errors
    /// The server's. Then the gate must be dropped, which lets the process pass too.
    pub(super) async fn pass(&mut self, pid: i32) -> Result<Vec<Lock>, DatabaseError> {
        let (current, next) = (self.keys[self.held], self.keys[1 - self.held]);
        let sql = format!(
            "{}; SELECT pg_catalog.pg_advisory_lock({next}); SELECT pg_catalog.pg_advisory_unlock({current})",
            query(&[pid])
        );
        let rows = self.session.rows(&sql).await?;
        self.held = 1 - self.held;
        Ok(rows.iter().filter_map(lock).collect())
    }

    /// Ends the session, so that the database may be dropped.
    pub(super) async fn close(self) {
        self.session.close().await;
    }
}
