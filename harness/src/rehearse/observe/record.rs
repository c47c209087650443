//! What is recorded while a tool runs: its statements in order, and the locks of each connection from the first time
//! that they are seen until their transaction ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::locks::{Lock, Relations};
use super::text::Described;
use super::{HeldLock, LockMode, Observed, Statement};

/// Statements that are recorded one by one.
const MOST: usize = 100_000;

/// The record of one run of a tool.
pub(super) struct Record {
    began: Instant,
    time: SystemTime,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    observed: Observed,
    connections: Vec<Connection>,
}

/// The state of a connection.
#[derive(Default)]
struct Connection {
    pid: Option<i32>,
    relations: Arc<Relations>,
    /// Index of its last statement.
    last: Option<usize>,
    /// Whether the server works on it.
    runs: bool,
    /// Changes with every statement and every end of a transaction.
    generation: u64,
    /// Locks that it holds or waits for: their indexes.
    open: BTreeMap<(u32, LockMode), usize>,
}

/// A connection whose locks are sampled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) connection: usize,
    pub(super) pid: i32,
    generation: u64,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            time: SystemTime::now(),
            inner: Mutex::default(),
        }
    }

    /// Time since the observation began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection to a database with these relations; returns its number.
    pub(super) fn connect(&self, relations: Arc<Relations>) -> usize {
        let mut inner = self.inner();
        inner.observed.processes.push(0);
        inner.connections.push(Connection {
            relations,
            ..Connection::default()
        });
        inner.connections.len() - 1
    }

    /// Sets the process of the server for a connection.
    pub(super) fn set_pid(&self, connection: usize, pid: i32) {
        let mut inner = self.inner();
        inner.observed.processes[connection] = pid;
        inner.connections[connection].pid = Some(pid);
    }

    /// The processes of all connections.
    pub(super) fn pids(&self) -> Vec<i32> {
        let inner = self.inner();
        inner.connections.iter().filter_map(|c| c.pid).collect()
    }

    /// Notes what cannot be observed, once.
    pub(super) fn note(&self, text: &str) {
        let notes = &mut self.inner().observed.not_observed;
        if !notes.iter().any(|note| note == text) {
            notes.push(text.to_owned());
        }
    }

    /// The number that the next statement gets.
    pub(super) fn next_statement(&self) -> usize {
        self.inner().observed.statements.len()
    }

    /// Begins a statement; returns its number.
    pub(super) fn begin(
        &self,
        connection: usize,
        statement: &Described,
        in_transaction: bool,
        lock_timeout: bool,
    ) -> usize {
        let now = self.now();
        let mut inner = self.inner();
        let statements = &mut inner.observed.statements;
        let is_full = statements.len() >= MOST;
        if !is_full {
            statements.push(Statement {
                connection,
                text: statement.text.clone(),
                began: now,
                took: Duration::ZERO,
                error: None,
                in_transaction,
                rows: 0,
                lock_timeout,
            });
        }
        let number = statements.len() - 1;
        let state = &mut inner.connections[connection];
        state.last = Some(number);
        state.runs = true;
        state.generation += 1;
        drop(inner);
        if is_full {
            self.note(&format!("statements after the first {MOST}, one by one"));
        }
        number
    }

    /// Ends the last statement of a connection, if it runs, with the rows that it wrote or its error; returns its number.
    pub(super) fn end(
        &self,
        connection: usize,
        at: Duration,
        result: Result<u64, String>,
    ) -> Option<usize> {
        let mut inner = self.inner();
        let state = &mut inner.connections[connection];
        let number = state.last.filter(|_| state.runs)?;
        state.runs = false;
        state.generation += 1;
        let statement = &mut inner.observed.statements[number];
        statement.took = at.saturating_sub(statement.began);
        match result {
            Ok(rows) => statement.rows = rows,
            Err(error) => statement.error = Some(error),
        }
        Some(number)
    }

    /// Adds the time of a commit to the last statement of a connection, and its error.
    pub(super) fn committed(&self, connection: usize, took: Duration, error: Option<String>) {
        let mut inner = self.inner();
        if let Some(number) = inner.connections[connection].last {
            let statement = &mut inner.observed.statements[number];
            statement.took += took;
            statement.error = error.or(statement.error.take());
        }
    }

    /// Records the locks that a connection holds now: those that it did not hold before, and the ends of those that are
    /// gone.
    pub(super) fn hold(&self, connection: usize, locks: &[Lock], at: Duration) {
        self.inner().hold(connection, locks, at);
    }

    /// Ends all locks of a connection.
    pub(super) fn release(&self, connection: usize, at: Duration) {
        self.hold(connection, &[], at);
        self.inner().connections[connection].generation += 1;
    }

    /// Ends a connection.
    pub(super) fn disconnect(&self, connection: usize) {
        let now = self.now();
        self.end(connection, now, Ok(0));
        self.release(connection, now);
        self.inner().connections[connection].pid = None;
    }

    /// Connections with a statement that runs.
    pub(super) fn running(&self) -> Vec<Running> {
        let inner = self.inner();
        let running = inner.connections.iter().enumerate().filter(|(_, c)| c.runs);
        running
            .filter_map(|(connection, state)| {
                Some(Running {
                    connection,
                    pid: state.pid?,
                    generation: state.generation,
                })
            })
            .collect()
    }

    /// Records sampled locks, unless the connection went on meanwhile.
    pub(super) fn sample(&self, running: Running, locks: &[Lock], at: Duration) {
        let mut inner = self.inner();
        if inner.connections[running.connection].generation == running.generation {
            inner.hold(running.connection, locks, at);
        }
    }

    /// Takes what was observed.
    pub(super) fn take(&self) -> Observed {
        let mut observed = std::mem::take(&mut self.inner().observed);
        observed.began = Some(self.time);
        observed
    }
}

impl Inner {
    fn hold(&mut self, connection: usize, locks: &[Lock], at: Duration) {
        let Self {
            observed,
            connections,
        } = self;
        let state = &mut connections[connection];
        let relations = Arc::clone(&state.relations);
        let mut gone = std::mem::take(&mut state.open);
        for lock in locks {
            let (Some(relation), Some(statement)) = (relations.by_oid.get(&lock.oid), state.last)
            else {
                continue;
            };
            let key = (lock.oid, lock.mode);
            let index = gone.remove(&key).or_else(|| state.open.get(&key).copied());
            let index = index.unwrap_or_else(|| {
                observed.locks.push(HeldLock {
                    database: relations.database.clone(),
                    oid: lock.oid,
                    relation: relation.name.clone(),
                    table: relation.table.clone(),
                    mode: lock.mode,
                    statement,
                    from: observed.statements[statement].began,
                    until: at,
                    waited: Duration::ZERO,
                });
                observed.locks.len() - 1
            });
            let held = &mut observed.locks[index];
            held.until = at;
            held.waited = held.waited.max(lock.waits.unwrap_or_default());
            state.open.insert(key, index);
        }
        for index in gone.into_values() {
            observed.locks[index].until = at;
        }
    }
}
