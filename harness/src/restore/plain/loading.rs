//! The rows of a table on their way to the sessions that load it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::sending::Place;
use super::session::{Budget, Chunk, lost};
use crate::outcome::RestoreStep;

/// How many bytes of rows are sent at once.
const CHUNK: usize = 256 * 1024;

/// A load that is being sent.
pub(super) struct Loading {
    rows: Sender<Chunk>,
    buffer: Vec<u8>,
    before: u64,
    count: u64,
    budget: Arc<Budget>,
    pub load: Joint,
}

/// What is known of a load.
pub(super) struct Joint {
    /// The place of one that all sessions take part in.
    pub place: Option<Place>,
    pub table: String,
    pub began: Instant,
}

impl Loading {
    /// Begins to send rows to whoever receives them.
    pub(super) fn new(rows: Sender<Chunk>, load: Joint, budget: Arc<Budget>) -> Self {
        Self {
            rows,
            buffer: Vec::with_capacity(CHUNK + CHUNK / 4),
            before: 0,
            count: 0,
            budget,
            load,
        }
    }

    /// Sends what is left; whoever receives the rows sees their end.
    pub(super) fn end(mut self) -> io::Result<Joint> {
        self.send(false)?;
        Ok(self.load)
    }

    /// Adds whole rows.
    pub(super) fn rows(&mut self, lines: &[u8], count: u64) -> io::Result<()> {
        self.buffer.extend_from_slice(lines);
        self.count += count;
        match self.buffer.len() >= CHUNK {
            true => self.send(false),
            false => Ok(()),
        }
    }

    /// Adds a part of a row that goes on.
    pub(super) fn part(&mut self, text: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(text);
        match self.buffer.len() >= CHUNK {
            true => self.send(true),
            false => Ok(()),
        }
    }

    fn send(&mut self, goes_on: bool) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let rows = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + CHUNK / 4));
        self.budget.take(rows.len())?;
        let chunk = Chunk {
            rows,
            before: self.before,
            count: self.count,
            goes_on,
        };
        self.before += std::mem::take(&mut self.count);
        self.rows.send(chunk).map_err(|_| lost())
    }
}

/// The step of loading a table.
pub(super) fn rows_of(table: &str, duration: Duration) -> RestoreStep {
    RestoreStep {
        what: format!("rows of {table}"),
        method: None,
        duration,
    }
}

/// The same COPY with FREEZE, which a COPY of text without options can have.
pub(super) fn frozen(copy: &[u8]) -> Option<Vec<u8>> {
    let end = copy.iter().rposition(|byte| *byte == b';')?;
    Some([&copy[..end], b" WITH (FREEZE);"].concat())
}
