//! Rows of COPY data: nearly all of a dump, so they are returned in blocks.

use std::io::{self, BufRead};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::mode::without_line_end;
use super::{KEPT, Lexer, Piece};

/// What the end of COPY rows begins with.
static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\\."));

impl<R: BufRead> Lexer<R> {
    /// Returns the complete rows in the reader's buffer, or one that does not fit.
    pub(super) fn rows(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.letters.drain(self.input.len());
        self.input.clear();
        self.at = 0;
        self.cut = false;
        if self.row_bytes > 0 {
            return self.row();
        }
        let available = self.reader.fill_buf()?;
        if available.is_empty() {
            return Ok(None);
        }
        let Some(first) = memchr::memchr(b'\n', available) else {
            return self.row();
        };
        if without_line_end(&available[..=first]) == b"\\." {
            self.rows = None;
            self.line += 1;
            self.lend(first + 1);
            return Ok(Some(Piece::EndOfRows));
        }
        let last = memchr::memrchr(b'\n', available).unwrap_or(first);
        let block = &available[..=last];
        // Text of rows doubles its backslashes: this is the end, or a line that begins like it.
        let end = END
            .find_iter(block)
            .find(|at| matches!(&block[at + 3..], [b'\n', ..] | [b'\r', b'\n', ..]))
            .map_or(block.len(), |at| at + 1);
        let count = memchr::memchr_iter(b'\n', &block[..end]).count() as u64;
        self.line += count;
        self.lend(end);
        let lines = &self.reader.fill_buf()?[..end];
        Ok(Some(Piece::Rows { lines, count }))
    }

    /// Reads one row of COPY data that the reader's buffer does not hold as a whole; of a long row
    /// the next part.
    fn row(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.buffer.clear();
        if std::mem::take(&mut self.carriage_return) {
            self.buffer.push(b'\r');
        }
        let mut ended = false;
        while !ended {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let room = available.len().min(KEPT - self.buffer.len());
            if room == 0 {
                break;
            }
            let taken = match memchr::memchr(b'\n', &available[..room]) {
                Some(at) => {
                    ended = true;
                    at + 1
                }
                None => room,
            };
            self.buffer.extend_from_slice(&available[..taken]);
            self.reader.consume(taken);
            self.offset += taken as u64;
            self.row_bytes += taken as u64;
        }
        if !ended && self.buffer.len() == KEPT {
            // It may be the half of a line end.
            if self.buffer.ends_with(b"\r") {
                self.buffer.pop();
                self.carriage_return = true;
            }
            return Ok(Some(Piece::Part(&self.buffer)));
        }
        self.line += 1;
        let bytes = std::mem::take(&mut self.row_bytes);
        let text = without_line_end(&self.buffer);
        if text == b"\\." && bytes <= KEPT as u64 {
            self.rows = None;
            return Ok(Some(Piece::EndOfRows));
        }
        Ok(Some(Piece::Row { text, bytes }))
    }
}
