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

mod connection;
mod follow;
mod locks;
mod message;
mod observer;
mod query;
mod record;
mod replies;
mod requests;
mod split;
mod text;

use std::time::Duration;

pub use observer::Observer;

/// A point of a run at which the tool is cut off, as if it were killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopAt {
    /// Index of the statement in [`Observed::statements`].
    pub statement: usize,
    /// Before it is sent, or after its reply.
    pub when: When,
}

/// On which side of a statement a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It is not sent.
    Before,
    /// The server has replied to it, and its transaction is committed if it ended with it. Not yet the tool's: it does not
    /// receive the reply.
    After,
}

/// What was observed of one run of a tool. Times are from the beginning of the observation.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Statements of all connections, in the order in which they began.
    pub statements: Vec<Statement>,
    /// Locks on relations that were there when the observation began.
    pub locks: Vec<HeldLock>,
    /// Ids of the server's processes, by number of connection.
    pub processes: Vec<i32>,
    /// What could not be observed, one sentence each, such as statements of a prepared transaction.
    pub not_observed: Vec<String>,
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
