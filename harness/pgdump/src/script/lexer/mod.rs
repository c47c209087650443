//! Plain SQL as psql splits it: statements, COPY rows, meta-commands, comments, with their places.
//!
//! The rules are psql's own (its manual page, and "Lexical Structure" in the server's manual):
//! quotes, escapes, dollar quotes, nested comments, parentheses, SQL-standard function bodies. One
//! pass, flat memory: of a long statement or row only its beginning is kept. It is no tokenizer of text in
//! memory, which `sql::token` is: a stream may be cut at any byte, and psql has rules in addition to the server's. What
//! both have, the letters of a word and the ends of literals, is there.
//!
//! Nearly all of a dump is rows. They are returned in blocks of the reader's buffer.
//!
//! - `piece`: what is returned; `mode`: the state between two tokens
//! - `rows`: rows of COPY; `insert`: whole INSERTs at the start of a buffer
//! - `letters`: encodings in which a part of a letter may look like a sign
//! - `step`: everything else, token by token; `pending`: the statement that is not finished

mod insert;
mod letters;
mod mode;
mod pending;
mod piece;
mod rows;
mod step;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use crate::encoding::Encoding;
use crate::sql::token::LONGEST_TAG;
use insert::Head;
use letters::Letters;
use mode::{Continued, Mode, Step, without_line_end};
use pending::Pending;

pub use piece::{End, Inserts, Piece, Statement};

/// How much of a statement or a row is kept.
pub const KEPT: usize = 256 * 1024;

/// Splits a plain file.
#[derive(Debug)]
pub struct Lexer<R> {
    reader: R,
    /// Bytes at the start of the reader's buffer that the last piece borrows.
    lent: usize,
    /// Lines begun so far.
    line: u64,
    /// Bytes read so far.
    offset: u64,
    mode: Mode,
    rows: Option<u64>,
    /// Bytes of the row whose parts are being returned.
    row_bytes: u64,
    /// Whether the last part of a row was followed by one.
    carriage_return: bool,
    /// How much of a statement is kept.
    kept: usize,
    /// Whether INSERTs are returned one by one.
    singly: bool,
    buffer: Vec<u8>,
    input: Vec<u8>,
    letters: Letters,
    at: usize,
    /// Whether the line in `input` may be incomplete.
    cut: bool,
    statement: Pending,
    standard_strings: bool,
    continued: Continued,
    /// What the last INSERT began with.
    head: Head,
}

impl<R: BufRead> Lexer<R> {
    /// Begins at the start of a file.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            lent: 0,
            line: 0,
            offset: 0,
            mode: Mode::Plain,
            rows: None,
            row_bytes: 0,
            carriage_return: false,
            kept: KEPT,
            singly: false,
            buffer: Vec::new(),
            input: Vec::new(),
            letters: Letters::default(),
            at: 0,
            cut: false,
            statement: Pending::default(),
            standard_strings: true,
            continued: Continued::No,
            head: Head::default(),
        }
    }

    /// Sets the number of bytes that are kept of a statement.
    #[must_use]
    pub fn keeping(mut self, bytes: usize) -> Self {
        self.kept = bytes;
        self
    }

    /// Returns INSERTs one by one, as psql sends them.
    #[must_use]
    pub fn singly(mut self) -> Self {
        self.singly = true;
        self
    }

    /// Bytes of the uncompressed file that were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the reader.
    pub fn into_inner(mut self) -> R {
        self.give_back();
        self.reader
    }

    /// To be called after a COPY statement: what follows are rows until `\.`.
    /// Returns whether the rest of its line is blank; psql would run anything there after the rows.
    pub fn expect_rows(&mut self) -> bool {
        self.rows = Some(self.statement.line);
        self.input[self.at..].iter().all(u8::is_ascii_whitespace)
    }

    /// Sets how backslashes in `'…'` are read from here on: the file changes it.
    pub fn set_standard_strings(&mut self, on: bool) {
        self.standard_strings = on;
    }

    /// Sets the encoding of what follows, where it matters from the next line on as in psql.
    pub fn set_encoding(&mut self, encoding: Encoding) {
        self.letters.encoding = encoding;
    }

    /// Returns the next piece; `None` at the end of the file.
    ///
    /// # Errors
    /// Errors of the reader: a damaged compression, a disk that fails.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.give_back();
        if self.rows.is_some() {
            // The rest of the COPY statement's own line is not data.
            self.at = self.input.len();
            return self.rows();
        }
        loop {
            let left = self.input.len() - self.at;
            if left == 0 && !self.cut && !self.statement.begun && self.mode == Mode::Plain {
                match self.whole()? {
                    Whole::Inserts { end, inserts } => {
                        let text = &self.reader.fill_buf()?[..end];
                        return Ok(Some(Piece::Inserts(Inserts { text, ..inserts })));
                    }
                    Whole::Comment { end } => {
                        let line = self.line;
                        let text = &self.reader.fill_buf()?[..end];
                        return Ok(Some(Piece::Comment { line, text }));
                    }
                    Whole::None => {}
                }
            }
            if (left == 0 || (self.cut && left < LONGEST_TAG)) && !self.fill()? {
                return Ok(None);
            }
            match self.step() {
                Step::More => {}
                Step::Statement => {
                    let pending = &self.statement;
                    let unread = (self.input.len() - self.at) as u64;
                    return Ok(Some(Piece::Statement(Statement {
                        line: pending.line,
                        last_line: self.line,
                        begins: pending.begins,
                        text: &self.buffer,
                        encoding: self.letters.encoding,
                        bytes: self.offset - unread - pending.begins,
                        value_groups: pending.groups,
                        on_conflict: pending.on_conflict,
                    })));
                }
                Step::Meta { line, alone } => {
                    return Ok(Some(Piece::Meta {
                        line,
                        text: &self.buffer,
                        alone,
                    }));
                }
                Step::Comment { line } => {
                    return Ok(Some(Piece::Comment {
                        line,
                        text: &self.buffer,
                    }));
                }
            }
        }
    }

    /// How the file ended; valid after the last piece.
    pub fn end(&self) -> End {
        if let Some(line) = self.rows {
            return End::InRows { line };
        }
        let open = match &self.mode {
            Mode::Plain | Mode::LineComment if !self.statement.begun => return End::Clean,
            Mode::Plain | Mode::LineComment => "a statement",
            Mode::Single { .. } => "a quoted text",
            Mode::Double => "a quoted identifier",
            Mode::Dollar { .. } => "a dollar-quoted text",
            Mode::Block { .. } => "a comment",
        };
        let line = match &self.mode {
            Mode::Block { line, .. } if !self.statement.begun => *line,
            _ => self.statement.line,
        };
        End::InStatement {
            line: line.max(1),
            open,
        }
    }

    /// Lets go of what the last piece borrowed.
    fn give_back(&mut self) {
        self.reader.consume(std::mem::take(&mut self.lent));
    }

    /// Lends the next `length` bytes of the reader's buffer, until the next piece.
    fn lend(&mut self, length: usize) {
        self.lent = length;
        self.offset += length as u64;
    }

    /// Reads the next line, or the next part of a very long one. Returns whether there is any.
    fn fill(&mut self) -> io::Result<bool> {
        let continues = self.cut;
        self.input.drain(..self.at);
        self.letters.drain(self.at);
        let from = self.input.len();
        self.at = 0;
        self.cut = true;
        let most = self.input.len() + KEPT;
        while self.cut && self.input.len() < most {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                self.cut = false;
                break;
            }
            let room = available.len().min(most - self.input.len());
            let taken = match memchr::memchr(b'\n', &available[..room]) {
                Some(at) => {
                    self.cut = false;
                    at + 1
                }
                None => room,
            };
            self.input.extend_from_slice(&available[..taken]);
            self.reader.consume(taken);
            self.offset += taken as u64;
        }
        self.letters.added(&mut self.input, from);
        if !continues && !self.input.is_empty() {
            self.line += 1;
            if self.line == 1 && self.input.starts_with(b"\xef\xbb\xbf") {
                // psql skips a byte order mark.
                self.at = 3;
                return Ok(self.input.len() > 3 || self.fill()?);
            }
        }
        Ok(!self.input.is_empty())
    }

    /// Finds INSERTs or a comment that are completely in the reader's buffer, with their line end.
    fn whole(&mut self) -> io::Result<Whole> {
        let available = self.reader.fill_buf()?;
        if available.starts_with(b"--") {
            let Some(end) = memchr::memchr(b'\n', available) else {
                return Ok(Whole::None);
            };
            let text = without_line_end(&available[..=end]).len();
            self.line += 1;
            self.lend(end + 1);
            return Ok(Whole::Comment { end: text });
        }
        if !self.standard_strings || self.singly || self.letters.encoding.is_client_only() {
            return Ok(Whole::None);
        }
        let Some(run) = self.head.scan(available) else {
            return Ok(Whole::None);
        };
        let line = self.line + 1;
        self.line += memchr::memchr_iter(b'\n', &available[..run.line_end]).count() as u64;
        let inserts = Inserts {
            count: run.count,
            line,
            last_line: self.line,
            begins: self.offset,
            text: &[],
            encoding: self.letters.encoding,
            bytes: run.bytes,
            rows: run.rows,
            on_conflict: run.on_conflict,
        };
        self.lend(run.line_end);
        Ok(Whole::Inserts {
            end: run.end,
            inserts,
        })
    }
}

/// What is completely in the reader's buffer.
enum Whole {
    None,
    Comment {
        end: usize,
    },
    Inserts {
        end: usize,
        inserts: Inserts<'static>,
    },
}
