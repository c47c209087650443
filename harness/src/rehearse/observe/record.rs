//! What is recorded while a tool runs: its statements in order, and the locks of each connection from the first time
//! that they are seen until their transaction ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::locks::{Lock, Relations};
use super::text::Described;
use super::{HeldLock, LockMode, Observed, Statement, VirtualTransaction};

/// Statements that are recorded one by one.
const MOST: usize = 100_000;

/// The record of one run of a tool.
pub(super) struct Record {
    began: Instant,
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
    /// Index of its last statement, which a lock is of that is seen now.
    last: Option<usize>,
    /// Statements that the server works on: of a string, those up to the next mark, whose replies come at once.
    running: VecDeque<usize>,
    /// Those of them that have ended, and whether they may have taken time.
    ended: Vec<(usize, bool)>,
    /// Changes with every statement and every end of a transaction.
    generation: u64,
    /// Locks that it holds or waits for: their indexes.
    open: BTreeMap<(u32, LockMode, VirtualTransaction), usize>,
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
            inner: Mutex::new(Inner {
                observed: Observed {
                    began: SystemTime::now(),
                    ..Observed::default()
                },
                ..Inner::default()
            }),
        }
    }

    /// Time since the observation began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection of a role to a database with these relations; returns its number.
    pub(super) fn connect(&self, role: String, relations: Arc<Relations>) -> usize {
        let mut inner = self.inner();
        inner.observed.roles.push(role);
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

    /// Notes that the tool may have changed what the server logs of its sessions.
    pub(super) fn note_log_level(&self) {
        self.inner().observed.log_level = true;
    }

    /// Notes that a connection went on after the tool had ended.
    pub(super) fn note_left_open(&self) {
        self.inner().observed.left_open = true;
    }

    /// The number that the next statement gets.
    pub(super) fn next_statement(&self) -> usize {
        self.inner().observed.statements.len()
    }

    /// Begins a statement that was sent at `began`; returns its number.
    pub(super) fn begin(
        &self,
        connection: usize,
        statement: &Described,
        began: Duration,
        in_transaction: bool,
        lock_timeout: bool,
    ) -> usize {
        let mut inner = self.inner();
        inner.observed.log_level |= statement.log_level;
        let statements = &mut inner.observed.statements;
        let is_full = statements.len() >= MOST;
        if !is_full {
            statements.push(Statement {
                connection,
                text: statement.text.clone(),
                began,
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
        if !is_full {
            state.running.push_back(number);
        }
        state.generation += 1;
        drop(inner);
        if is_full {
            self.note(&format!("statements after the first {MOST}, one by one"));
        }
        number
    }

    /// Ends the first statement of a connection that runs, with the rows that it wrote or its error; returns its number.
    ///
    /// Of several whose replies come at once, those on relations share the time. After an error the others do not run.
    pub(super) fn end(
        &self,
        connection: usize,
        at: Duration,
        takes_locks: bool,
        result: Result<u64, String>,
    ) -> Option<usize> {
        let mut guard = self.inner();
        let Inner {
            observed,
            connections,
        } = &mut *guard;
        let state = &mut connections[connection];
        let number = state.running.pop_front()?;
        state.generation += 1;
        state.ended.push((number, takes_locks));
        let statement = &mut observed.statements[number];
        let mut skipped = VecDeque::new();
        match result {
            Ok(rows) => statement.rows = rows,
            Err(error) => {
                statement.error = Some(error);
                skipped = std::mem::take(&mut state.running);
            }
        }
        if state.running.is_empty() {
            share(
                &mut observed.statements,
                &std::mem::take(&mut state.ended),
                at,
            );
        }
        if !skipped.is_empty() {
            guard.forget(&skipped, number);
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
        while self.end(connection, now, true, Ok(0)).is_some() {}
        self.release(connection, now);
        self.inner().connections[connection].pid = None;
    }

    /// Connections with a statement that runs.
    pub(super) fn running(&self) -> Vec<Running> {
        let inner = self.inner();
        let running = inner.connections.iter().enumerate();
        let running = running.filter(|(_, c)| !c.running.is_empty());
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
        std::mem::take(&mut self.inner().observed)
    }
}

/// Divides the time of statements whose replies came at once.
fn share(statements: &mut [Statement], ended: &[(usize, bool)], at: Duration) {
    let any = ended.iter().any(|(_, takes_locks)| *takes_locks);
    let last = ended.last().map(|(number, _)| *number);
    let shares = |(number, takes_locks): &(usize, bool)| match any {
        true => *takes_locks,
        false => Some(*number) == last,
    };
    let count = ended.iter().filter(|one| shares(one)).count();
    let Some((first, _)) = ended.first() else {
        return;
    };
    let mut began = statements[*first].began;
    let each = at.saturating_sub(began) / u32::try_from(count).unwrap_or(u32::MAX).max(1);
    for one in ended {
        let statement = &mut statements[one.0];
        statement.began = began;
        if shares(one) {
            statement.took = each;
            began += each;
        }
    }
}

impl Inner {
    /// Removes statements that were not executed; their locks are those of `instead`, which failed.
    fn forget(&mut self, skipped: &VecDeque<usize>, instead: usize) {
        let new = |number: &mut usize| {
            let kept = if skipped.contains(number) {
                instead
            } else {
                *number
            };
            *number = kept - skipped.iter().filter(|skipped| **skipped < kept).count();
        };
        for lock in &mut self.observed.locks {
            new(&mut lock.statement);
        }
        for connection in &mut self.connections {
            connection.last.iter_mut().for_each(new);
            connection.running.iter_mut().for_each(new);
            connection
                .ended
                .iter_mut()
                .for_each(|(number, _)| new(number));
        }
        let mut number = 0;
        self.observed.statements.retain(|_| {
            number += 1;
            !skipped.contains(&(number - 1))
        });
    }

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
            let key = (lock.oid, lock.mode, lock.transaction);
            let index = gone.remove(&key).or_else(|| state.open.get(&key).copied());
            let index = index.unwrap_or_else(|| {
                observed.locks.push(HeldLock {
                    database: relations.database.clone(),
                    oid: lock.oid,
                    relation: relation.name.clone(),
                    table: relation.table.clone(),
                    mode: lock.mode,
                    transaction: lock.transaction,
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
