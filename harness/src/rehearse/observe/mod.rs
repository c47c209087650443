//! What a migration tool does, as the server sees it: its statements, the locks that they take and how long they are held.

use std::time::Duration;

/// What was observed of one run of a tool. Times are from the beginning of the observation.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Statements of all connections, in the order in which they began.
    pub statements: Vec<Statement>,
    /// Locks on relations that were there when the observation began.
    pub locks: Vec<HeldLock>,
    /// Number of connections.
    pub connections: usize,
    /// What could not be observed, one sentence each, such as statements of a prepared transaction.
    pub not_observed: Vec<String>,
}

/// One statement of the tool.
#[derive(Debug, Clone)]
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
}

/// A lock that a transaction of the tool held on a relation.
#[derive(Debug, Clone)]
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
    /// Index of the statement after which it was first seen.
    pub statement: usize,
    /// When it was asked for at the earliest: when its statement was sent.
    pub from: Duration,
    /// When it was released at the latest: when its transaction had ended.
    pub until: Duration,
    /// How long it was seen waiting for other transactions.
    pub waited: Duration,
}

/// Modes of locks on relations, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}
