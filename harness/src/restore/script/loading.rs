//! The rows of a table on their way to the sessions that load it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::sending::Place;
use super::session::{Budget, Chunk, lost};
use crate::outcome::RestoreStep;
use crate::restore::longest;

/// Steps from which on only the longest are kept.
const STEPS: usize = 500;

/// How many bytes of rows are sent at once.
const CHUNK: usize = 256 * 1024;

/// A load that is being sent.
pub(super) struct Loading {
    rows: Sender<Chunk>,
    buffer: Vec<u8>,
    /// Whether the first row ended with a carriage return too; `None` before its end.
    crlf: Option<bool>,
    /// Whether one session takes all that is left.
    by_one: bool,
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
            // Most tables are small.
            buffer: Vec::new(),
            crlf: None,
            by_one: false,
            before: 0,
            count: 0,
            budget,
            load,
        }
    }

    /// Sends what is left; whoever receives the rows sees their end.
    pub(super) fn end(mut self) -> io::Result<Joint> {
        self.note_line_ends();
        self.send(self.by_one)?;
        Ok(self.load)
    }

    /// Adds whole rows.
    pub(super) fn rows(&mut self, lines: &[u8], count: u64) -> io::Result<()> {
        self.buffer.extend_from_slice(lines);
        self.count += count;
        if self.buffer.len() < CHUNK {
            return Ok(());
        }
        self.note_line_ends();
        if self.by_one {
            return self.send(true);
        }
        // The last row begins the next chunk, so that the session that takes it knows how rows end.
        let last = self.buffer.len() - 1;
        let Some(end) = memchr::memrchr(b'\n', &self.buffer[..last]) else {
            return self.send(false);
        };
        let kept = self.buffer.split_off(end + 1);
        self.count -= 1;
        self.send(false)?;
        self.buffer.reserve(CHUNK + CHUNK / 4);
        self.buffer.extend_from_slice(&kept);
        self.count = 1;
        Ok(())
    }

    /// The server expects that rows end as the first one does, and takes a line end after a backslash for a part of a
    /// value. From the first row on that is so, all are for one session: others would read them in another way.
    fn note_line_ends(&mut self) {
        let Some(first) = memchr::memchr(b'\n', &self.buffer) else {
            return;
        };
        let crlf = *self
            .crlf
            .get_or_insert_with(|| self.buffer[..first].ends_with(b"\r"));
        self.by_one = self.by_one || !are_alike(&self.buffer, crlf);
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
        let mut rows = std::mem::take(&mut self.buffer);
        rows.shrink_to_fit();
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

/// Adds a step, and forgets those that no report will have: a dump may have very many.
pub(super) fn keep(steps: &mut Vec<RestoreStep>, step: RestoreStep) {
    steps.push(step);
    if steps.len().is_multiple_of(STEPS) {
        longest(steps);
    }
}

/// Whether all rows end alike, and none goes on after a line end.
fn are_alike(rows: &[u8], crlf: bool) -> bool {
    let ends = || memchr::memchr_iter(b'\n', rows);
    let returns = memchr::memchr_iter(b'\r', rows);
    if crlf {
        let complete = ends().filter(|at| rows[..*at].ends_with(b"\r")).count();
        if complete != ends().count() || complete != returns.count() {
            return false;
        }
    } else if returns.count() > 0 {
        return false;
    }
    // Text of rows doubles its backslashes: an odd number of them escapes what follows.
    let end: &[u8] = if crlf { b"\\\r\n" } else { b"\\\n" };
    let mut escaped = memchr::memmem::find_iter(rows, end);
    !escaped.any(|at| {
        let backslashes = rows[..=at].iter().rev().take_while(|byte| **byte == b'\\');
        backslashes.count() % 2 == 1
    })
}

/// A line end of so many bytes; the last row of a file may have none.
pub(super) fn line_end(bytes: u64) -> &'static [u8] {
    match bytes {
        0 => b"",
        1 => b"\n",
        _ => b"\r\n",
    }
}

/// The same COPY with FREEZE, which a COPY of text without options can have.
pub(super) fn frozen(copy: &[u8]) -> Option<Vec<u8>> {
    let end = copy.iter().rposition(|byte| *byte == b';')?;
    Some([&copy[..end], b" WITH (FREEZE);"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::sync::mpsc::channel;

    #[rstest]
    #[case(b"a\tb\nc\n", false, true)]
    #[case(b"a\r\nb\r\n", true, true)]
    #[case(b"a\nb\r\n", false, false)]
    #[case(b"a\r\nb\n", true, false)]
    #[case(b"a\rb\n", false, false)]
    #[case(b"a\rb\r\n", true, false)]
    #[case(b"a\\\\\nb\n", false, true)]
    #[case(b"a\\\nb\n", false, false)]
    #[case(b"a\\\\\\\nb\n", false, false)]
    #[case(b"a\\\r\nb\r\n", true, false)]
    fn rows_that_end_alike(#[case] rows: &[u8], #[case] crlf: bool, #[case] expected: bool) {
        assert_eq!(are_alike(rows, crlf), expected);
    }

    /// The chunks of rows, which come line by line.
    fn chunks(rows: &[String]) -> Vec<Chunk> {
        let (sender, receiver) = channel();
        let load = Joint {
            place: None,
            table: String::new(),
            began: Instant::now(),
        };
        let mut loading = Loading::new(sender, load, Arc::default());
        for row in rows {
            loading.rows(row.as_bytes(), 1).unwrap();
        }
        loading.end().unwrap();
        receiver.into_iter().collect()
    }

    fn rows(with: &[(usize, &str)]) -> Vec<String> {
        let mut rows: Vec<String> = (0..4000)
            .map(|number| format!("{number}\t{}\n", "x".repeat(256)))
            .collect();
        for (at, row) in with {
            (*row).clone_into(&mut rows[*at]);
        }
        rows
    }

    #[test]
    fn chunks_are_all_of_the_rows_in_their_order() {
        let rows = rows(&[]);
        let chunks = chunks(&rows);
        assert!(chunks.len() > 3);
        let mut before = 0;
        let mut all = Vec::new();
        for chunk in chunks {
            assert_eq!((chunk.before, chunk.goes_on), (before, false));
            let lines = chunk.rows.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines as u64, chunk.count);
            before += chunk.count;
            all.extend(chunk.rows);
        }
        assert_eq!(all, rows.concat().into_bytes());
    }

    /// Wherever such a row is, also at the start of what would be a chunk: who takes it has a row before it.
    #[test]
    fn one_session_takes_all_from_a_row_that_ends_in_another_way() {
        for at in 980..1010 {
            for row in ["7\tx\r\n", "7\tx\\\n"] {
                let chunks = chunks(&rows(&[(at, row)]));
                let with = chunks.iter().position(|chunk| {
                    (chunk.before..chunk.before + chunk.count).contains(&(at as u64))
                });
                let with = with.unwrap();
                assert!(chunks[with].before < at as u64);
                let goes_on: Vec<bool> = chunks.iter().map(|chunk| chunk.goes_on).collect();
                assert!(goes_on[..with].iter().all(|goes_on| !goes_on));
                assert!(goes_on[with..].iter().all(|goes_on| *goes_on));
            }
        }
    }
}
