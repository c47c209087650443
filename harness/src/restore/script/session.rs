//! A session that works beside the one that reads the dump, on a thread of its own.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::restore::wire::{Connection, ServerError};

/// Rows that may be in memory at once, in bytes.
const IN_MEMORY: usize = 16 * 1024 * 1024;

/// What a session is to do.
pub(super) enum Job {
    /// A setting, before whatever follows.
    Setting(Arc<[u8]>),
    /// One statement.
    Statement { number: usize, text: Vec<u8> },
    /// The rows of a COPY, or some of them.
    Load { number: usize, load: Load },
    /// Whether a [`Way::Held`] load counts.
    Decided { number: usize, commit: bool },
}

/// The rows of a COPY.
pub(super) struct Load {
    pub copy: Arc<[u8]>,
    pub way: Way,
    pub rows: Arc<Mutex<Receiver<Chunk>>>,
    pub budget: Arc<Budget>,
}

/// How rows are loaded.
pub(super) enum Way {
    /// As they are.
    Plain,
    /// In a transaction that first empties the table.
    Emptied { truncate: Vec<u8>, copy: Vec<u8> },
    /// In a transaction that ends when all sessions that load the table are done.
    Held,
}

/// Rows.
pub(super) struct Chunk {
    pub rows: Vec<u8>,
    /// Rows of this COPY before them.
    pub before: u64,
    pub count: u64,
    /// Whether the last row goes on in the next chunk, which the same session must take.
    pub goes_on: bool,
}

/// How a job ended.
pub(super) struct Ended {
    pub session: usize,
    pub number: usize,
    pub errors: Vec<ServerError>,
    pub took: Duration,
}

/// What a session reports.
pub(super) enum Report {
    Ended(Ended),
    /// The connection is lost.
    Lost(io::Error),
}

/// Memory for rows on their way.
#[derive(Default)]
pub(super) struct Budget {
    used: Mutex<usize>,
    given_back: Condvar,
    closed: AtomicBool,
}

impl Budget {
    /// Waits until so many bytes are free. The first ones always are.
    ///
    /// # Errors
    /// A session is lost.
    pub(super) fn take(&self, bytes: usize) -> io::Result<()> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && *used + bytes > IN_MEMORY && !self.closed.load(Relaxed) {
            let waited = self.given_back.wait(used);
            used = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *used += bytes;
        match self.closed.load(Relaxed) {
            true => Err(lost()),
            false => Ok(()),
        }
    }

    fn give_back(&self, bytes: usize) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(bytes);
        drop(used);
        self.given_back.notify_all();
    }

    /// A session is gone, and nobody gives back what it held.
    fn close(&self) {
        // Under the lock, so that whoever is about to wait sees it.
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Relaxed);
        drop(used);
        self.given_back.notify_all();
    }
}

/// A session that ended before its time.
pub(super) fn lost() -> io::Error {
    io::Error::other("a session that loads rows ended")
}

/// Works until there are no more jobs.
pub(super) fn work(
    session: usize,
    mut connection: Connection,
    jobs: &Receiver<Job>,
    reports: &Sender<Report>,
) {
    while let Ok(job) = jobs.recv() {
        let began = Instant::now();
        let (number, done) = match job {
            Job::Setting(text) => match connection.statement(&text) {
                // The session that reads the dump reports what is wrong with it.
                Ok(_) => continue,
                Err(error) => (0, Err(error)),
            },
            Job::Statement { number, text } => (
                number,
                connection.statement(&text).map(|reply| reply.errors),
            ),
            Job::Load { number, load } => {
                let budget = load.budget.clone();
                let loaded = load.run(&mut connection);
                if loaded.is_err() {
                    budget.close();
                }
                (number, loaded)
            }
            Job::Decided { number, commit } => {
                let text: &[u8] = if commit { b"COMMIT" } else { b"ROLLBACK" };
                (number, connection.statement(text).map(|reply| reply.errors))
            }
        };
        let report = match done {
            Ok(errors) => Report::Ended(Ended {
                session,
                number,
                errors,
                took: began.elapsed(),
            }),
            Err(error) => Report::Lost(error),
        };
        let lost = matches!(report, Report::Lost(_));
        if reports.send(report).is_err() || lost {
            return;
        }
    }
}

impl Load {
    /// Sends the rows; gives the first error, whose row counts from the first row of the COPY.
    fn run(self, session: &mut Connection) -> io::Result<Vec<ServerError>> {
        let mut copy: &[u8] = &self.copy;
        let mut ends = None;
        match &self.way {
            Way::Plain => {}
            Way::Held => {
                session.statement(b"BEGIN")?;
            }
            Way::Emptied {
                truncate,
                copy: frozen,
            } => {
                session.statement(b"BEGIN")?;
                if session.statement(truncate)?.errors.is_empty() {
                    copy = frozen;
                    ends = Some(b"COMMIT".as_slice());
                } else {
                    session.statement(b"ROLLBACK")?;
                }
            }
        }
        let mut errors = session.statement(copy)?.errors;
        // Rows of this session, and rows of the COPY, before each chunk.
        let mut sent: Vec<(u64, u64)> = Vec::new();
        let mut rows = 0;
        let mut send = |chunk: Chunk| {
            let written = session.rows(&chunk.rows);
            self.budget.give_back(chunk.rows.len());
            let goes_on = |(own, all): &(u64, u64)| chunk.before - all == rows - own;
            if !sent.last().is_some_and(goes_on) {
                sent.push((rows, chunk.before));
            }
            rows += chunk.count;
            written
        };
        'rows: loop {
            let waiting = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(mut chunk) = waiting.recv() else { break };
            while chunk.goes_on {
                send(chunk)?;
                let Ok(next) = waiting.recv() else {
                    break 'rows;
                };
                chunk = next;
            }
            drop(waiting);
            send(chunk)?;
        }
        errors.extend(session.end_of_rows()?.errors);
        for error in &mut errors {
            let own = error.row.saturating_sub(1);
            let at = sent.partition_point(|(begins, _)| *begins <= own);
            if let (1.., Some((begins, before))) = (error.row, sent.get(at.saturating_sub(1))) {
                error.row += before - begins;
            }
        }
        if let Some(commit) = ends {
            errors.extend(session.statement(commit)?.errors);
        }
        Ok(errors)
    }
}
