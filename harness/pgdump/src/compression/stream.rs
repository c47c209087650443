//! A decompressor that detects the end of its stream, so that a truncated one is an error.

use std::io::{self, BufRead, Read};

/// Decompresses the available input.
pub trait Feed {
    /// Decompresses a part of `input` into `out`.
    ///
    /// # Errors
    /// When the stream is damaged, or of a kind that is not known.
    fn feed(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Fed>;
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Fed {
    /// Bytes taken.
    pub read: usize,
    /// Bytes given.
    pub written: usize,
    /// Whether the stream ended.
    pub ended: bool,
}

impl Fed {
    /// Of a decompressor that counts all bytes: so many before and now.
    pub(super) fn of(read: [u64; 2], written: [u64; 2], ended: bool) -> Self {
        // Both fit: they are at most the lengths of two slices.
        let [read, written] =
            [read, written].map(|[before, now]| usize::try_from(now - before).unwrap_or(0));
        Self {
            read,
            written,
            ended,
        }
    }
}

/// One stream, read to its own end.
#[derive(Debug)]
pub struct Stream<F, R> {
    feed: F,
    pub(super) input: R,
    ended: bool,
}

impl<F: Feed, R: BufRead> Stream<F, R> {
    pub(super) fn new(feed: F, input: R) -> Self {
        Self {
            feed,
            input,
            ended: false,
        }
    }
}

impl<F: Feed, R: BufRead> Read for Stream<F, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !out.is_empty() {
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let Fed {
                read,
                written,
                ended,
            } = self.feed.feed(input, out)?;
            self.input.consume(read);
            self.ended = ended;
            if written > 0 {
                return Ok(written);
            }
            if at_end && !ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}
