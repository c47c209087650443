//! What a migration tool does, as the server sees it: its statements, the locks that they take and how long they are held.
//!
//! The tool connects to a socket of redrill, which passes messages on and reads the locks of the tool's process at each
//! statement, before they can be released. Sampling would miss those that are short.
//!
//! - `observer`: the socket, and the tasks; `connection`: the startup of one connection
//! - `requests`: from the tool to the server; `query`: its queries by the simple protocol; `replies`: the other direction;
//!   `follow`: what one learns from the other
//! - `split`: several statements in one string; `text`: what is shown of a statement; `message`: the protocol
//! - `locks`: reads the server; `record`: what is kept
//! - `meeting`: two runs that wait for each other at a statement; `brake`: keeps one in its middle

mod brake;
mod connection;
mod follow;
mod locks;
mod meeting;
mod message;
mod observer;
mod query;
mod record;
mod replies;
mod requests;
mod split;
mod text;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use meeting::{Meeting, Met};
pub use observer::Observer;

/// What a run is made to do.
#[derive(Debug, Clone)]
pub enum Control {
    /// It is cut off.
    Stop(StopAt),
    /// It waits for another one.
    Meet(Meeting),
}

/// A point of a run at which the tool is cut off, as if it were killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopAt {
    /// Index of the statement in [`Observed::statements`].
    pub statement: usize,
    /// On which side of it.
    pub when: When,
}

/// Where a run was cut off at its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOff {
    /// The statement was not sent.
    Before,
    /// The statement was under way.
    Within,
    /// The server had replied to the statement.
    After,
}

/// Where a run is stopped at a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// It is not sent.
    Before,
    /// Once it waits for a transaction that uses these tables, which redrill begins before; where it does not wait, after it.
    During(Vec<String>),
    /// The server has replied to it, and its transaction is committed if it ended with it. Not yet the tool's: it does not
    /// receive the reply.
    After,
}

/// What was observed of one run of a tool. Times are from the beginning of the observation.
#[derive(Debug, Clone)]
pub struct Observed {
    /// When the observation began.
    pub began: SystemTime,
    /// Statements of all connections, in the order in which they began.
    pub statements: Vec<Statement>,
    /// Locks on relations that were there when the observation began.
    pub locks: Vec<HeldLock>,
    /// Ids of the server's processes, by number of connection.
    pub processes: Vec<i32>,
    /// What could not be observed, one sentence each, such as statements of a prepared transaction.
    pub not_observed: Vec<String>,
    /// Whether the tool itself may have changed what the server logs of its sessions (`log_min_messages`).
    pub log_level: bool,
    /// As which roles the tool connected, by number of connection.
    pub roles: Vec<String>,
    /// Whether a connection did not end within some seconds after the tool had.
    pub left_open: bool,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            began: UNIX_EPOCH,
            statements: Vec::new(),
            locks: Vec::new(),
            processes: Vec::new(),
            not_observed: Vec::new(),
            log_level: false,
            roles: Vec::new(),
            left_open: false,
        }
    }
}

impl Observed {
    /// The statement that ran on the connection of another one at this time since 1970.
    #[must_use]
    pub fn running_at(&self, like: usize, at: Duration) -> Option<usize> {
        let began = self.began.duration_since(UNIX_EPOCH).ok()?;
        // The server's log has milliseconds, of which it leaves the rest out.
        let at = (at + Duration::from_millis(1)).checked_sub(began)?;
        let connection = self.statements.get(like)?.connection;
        let last = |of: &dyn Fn(&Statement) -> bool| {
            let mut all = self.statements.iter();
            all.rposition(|one| one.connection == connection && one.began <= at && of(one))
        };
        // One that writes rows may have begun within that millisecond, after the one that is meant.
        let still = at.saturating_sub(Duration::from_millis(1));
        last(&|one| one.defines() && one.began + one.took >= still).or_else(|| last(&|_| true))
    }
}

/// One statement of the tool.
#[derive(Debug, Clone, Default)]
pub struct Statement {
    /// Number of its connection, from 0.
    pub connection: usize,
    /// Its text without comments and without values of literals, at most some 200 characters.
    pub text: String,
    /// When it was sent to the server.
    pub began: Duration,
    /// How long the server took.
    pub took: Duration,
    /// SQLSTATE of its error.
    pub error: Option<String>,
    /// Whether it ran in a transaction block that the tool had begun.
    pub in_transaction: bool,
    /// Rows that it inserted, updated or deleted, as its reply says.
    pub rows: u64,
    /// Whether its session had set a `lock_timeout` other than 0, as far as its statements and the options of its connection
    /// show.
    pub lock_timeout: bool,
}

/// A lock that a transaction of the tool held on a relation.
#[derive(Debug, Clone, Default)]
pub struct HeldLock {
    /// Database of the relation.
    pub database: String,
    /// OID of the relation.
    pub oid: u32,
    /// Its schema and name, quoted where needed, when the observation began.
    pub relation: String,
    /// For an index, the table that it belongs to.
    pub table: Option<String>,
    /// The mode.
    pub mode: LockMode,
    /// The transaction that held it.
    pub transaction: VirtualTransaction,
    /// Index of the statement after which it was first seen.
    pub statement: usize,
    /// When it was asked for at the earliest: when its statement was sent.
    pub from: Duration,
    /// When it was released at the latest: when its transaction had ended.
    pub until: Duration,
    /// How long it was seen waiting for other transactions.
    pub waited: Duration,
}

/// The virtual transaction id of a transaction, as `pg_locks` and the server's log print it: the number of the server's process,
/// and that of the transaction in it. No two transactions of a server share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VirtualTransaction(u32, u32);

impl Statement {
    /// Whether it may change something that stays, by its first word.
    #[must_use]
    pub fn may_change(&self) -> bool {
        let word = self.text.split_whitespace().next().unwrap_or_default();
        ![
            "", "select", "show", "set", "begin", "start", "commit", "end", "rollback", "reset",
            "discard",
        ]
        .contains(&word.to_ascii_lowercase().as_str())
    }

    /// Whether it ends a transaction by committing it.
    #[must_use]
    pub fn is_commit(&self) -> bool {
        let word = self.text.to_ascii_lowercase();
        word.starts_with("commit") || word.starts_with("end")
    }

    /// Whether it changes definitions or works on whole tables, by its first word.
    fn defines(&self) -> bool {
        let word = self.text.split_whitespace().next().unwrap_or_default();
        let words = [
            "alter", "cluster", "create", "refresh", "reindex", "truncate", "vacuum",
        ];
        words.contains(&word.to_ascii_lowercase().as_str())
    }

    /// Whether it commits several times before it ends, such as `CREATE INDEX CONCURRENTLY`.
    #[must_use]
    pub fn is_concurrent(&self) -> bool {
        let mut words = self.text.split_whitespace();
        words.any(|word| {
            word.trim_matches(['(', ')', ','])
                .eq_ignore_ascii_case("concurrently")
        })
    }
}

impl VirtualTransaction {
    /// Reads `3/45`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (process, number) = text.split_once('/')?;
        Some(Self(process.parse().ok()?, number.parse().ok()?))
    }
}

/// Modes of locks on relations, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LockMode {
    /// Of readers.
    #[default]
    AccessShare,
    /// Of those who lock rows.
    RowShare,
    /// Of writers.
    RowExclusive,
    /// Of `VACUUM`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`: keeps neither readers nor writers waiting.
    ShareUpdateExclusive,
    /// Of `CREATE INDEX`: keeps writers waiting.
    Share,
    /// Of `ADD FOREIGN KEY`: keeps writers waiting.
    ShareRowExclusive,
    /// Keeps writers waiting, and those who lock rows.
    Exclusive,
    /// Of most kinds of `ALTER TABLE`: keeps readers waiting too.
    AccessExclusive,
}
