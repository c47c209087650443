//! Plain SQL as psql splits it: statements, COPY rows, meta-commands, comments, with their places.
//!
//! The rules are psql's own (its manual page, and "Lexical Structure" in the server's manual):
//! quotes, escapes, dollar quotes, nested comments, parentheses, SQL-standard function bodies. One
//! pass, flat memory: of a long statement or row only its beginning is kept.
//!
//! Nearly all of a dump is rows. They are told in blocks, and whole INSERTs and comments in one
//! piece, straight from the reader's buffer; `step` takes everything else token by token.
//!
//! - `insert`: a whole INSERT at the start of a buffer
//! - `pending`: the statement that is not finished

mod insert;
mod pending;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use pending::Pending;

/// How much of a statement or a row is kept.
const KEPT: usize = 256 * 1024;

/// Bytes that a token needs to be told: of a longer dollar quote's tag nobody has heard.
const TOKEN: usize = 256;

/// What the end of COPY rows begins with.
static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\\."));

/// One piece of a plain file. Lines count from 1, bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A statement with its semicolon; the beginning of it where it is long.
    Statement(Statement<'a>),
    /// Whole rows of COPY data.
    Rows {
        /// Their text, each with its line end `\n` or `\r\n`.
        lines: &'a [u8],
        /// How many.
        count: u64,
    },
    /// A row of COPY data that is long, or the file's last and without a line end.
    Row {
        /// Its text without the line end; the beginning of it where it is long.
        text: &'a [u8],
        /// Bytes of all of it, with the line end.
        bytes: u64,
    },
    /// The line `\.` that ends COPY data.
    EndOfRows,
    /// A backslash command: everything from the backslash to the end of the line.
    Meta {
        /// Its line.
        line: u64,
        /// Its text.
        text: &'a [u8],
        /// Whether it stands alone, rather than behind an unfinished statement.
        alone: bool,
    },
    /// A `--` comment between statements, with its dashes.
    Comment {
        /// Its line.
        line: u64,
        /// Its text.
        text: &'a [u8],
    },
}

/// A statement and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Line of its first word.
    pub line: u64,
    /// Line of its semicolon.
    pub last_line: u64,
    /// Byte of its first word.
    pub begins: u64,
    /// Its text, white space as it stands.
    pub text: &'a [u8],
    /// Bytes of all of it.
    pub bytes: u64,
    /// Groups in parentheses behind the word VALUES, or one for DEFAULT VALUES: rows of an INSERT.
    pub value_groups: u64,
    /// Whether it is an INSERT that says what to do ON CONFLICT.
    pub on_conflict: bool,
}

/// How a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Between two statements.
    Clean,
    /// Within COPY data that no `\.` ends.
    InRows {
        /// Line of the COPY statement.
        line: u64,
    },
    /// Within a statement, a quote or a comment.
    InStatement {
        /// Line where it begins.
        line: u64,
        /// What was open.
        open: &'static str,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    Plain,
    Single { escapes: bool },
    Double,
    Dollar { tag: Vec<u8> },
    Block { depth: u32 },
    LineComment,
}

/// Splits a plain file.
#[derive(Debug)]
pub struct Lexer<R> {
    reader: R,
    /// Bytes at the start of the reader's buffer that the last piece borrowed.
    lent: usize,
    /// Lines begun so far.
    line: u64,
    /// Bytes read so far.
    offset: u64,
    mode: Mode,
    rows: Option<u64>,
    buffer: Vec<u8>,
    input: Vec<u8>,
    at: usize,
    /// Whether more of the line that is in `input` may come.
    cut: bool,
    statement: Pending,
    standard_strings: bool,
    continued: Continued,
}

/// Whether a text may go on: `E'a'`, a line end, `'b'` are one text, and read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continued {
    No,
    Closed,
    LineEnd,
}

impl Continued {
    /// The next byte outside quotes; tells whether it opens such a text again.
    fn then(&mut self, byte: u8) -> bool {
        let opens = *self == Self::LineEnd && byte == b'\'';
        *self = match (*self, byte) {
            (Self::Closed | Self::LineEnd, b'\n' | b'\r') => Self::LineEnd,
            (before, b' ' | b'\t' | 0x0b | 0x0c) => before,
            _ => Self::No,
        };
        opens
    }
}

/// What the inner step produced, without borrowing from the lexer.
enum Step {
    More,
    Statement,
    Meta { line: u64, alone: bool },
    Comment { line: u64 },
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
            buffer: Vec::new(),
            input: Vec::new(),
            at: 0,
            cut: false,
            statement: Pending::default(),
            standard_strings: true,
            continued: Continued::No,
        }
    }

    /// Bytes of the uncompressed file that were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives the reader back.
    pub fn into_inner(mut self) -> R {
        self.give_back();
        self.reader
    }

    /// Says that a COPY statement was seen: what follows are rows until `\.`.
    /// Tells whether the rest of its line is blank; psql would run anything there after the rows.
    pub fn expect_rows(&mut self) -> bool {
        self.rows = Some(self.statement.line);
        self.input[self.at..].iter().all(u8::is_ascii_whitespace)
    }

    /// Says how backslashes in `'…'` are read from here on: the file sets it itself.
    pub fn set_standard_strings(&mut self, on: bool) {
        self.standard_strings = on;
    }

    /// Gives the next piece; `None` at the end of the file.
    ///
    /// # Errors
    /// What the reader gives: a damaged compression, a disk that fails.
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
                    Whole::Statement { end, statement } => {
                        let text = &self.reader.fill_buf()?[..end];
                        return Ok(Some(Piece::Statement(Statement { text, ..statement })));
                    }
                    Whole::Comment { end } => {
                        let line = self.line;
                        let text = &self.reader.fill_buf()?[..end];
                        return Ok(Some(Piece::Comment { line, text }));
                    }
                    Whole::None => {}
                }
            }
            if (left == 0 || (self.cut && left < TOKEN)) && !self.fill()? {
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

    /// Says how the file ended; to be asked after the last piece.
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
        End::InStatement {
            line: self.statement.line.max(1),
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

    /// Reads the next line, or the next part of a very long one. Tells whether there is anything to take.
    fn fill(&mut self) -> io::Result<bool> {
        let continues = self.cut;
        self.input.drain(..self.at);
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

    /// Looks for an INSERT or a comment that lies in the reader's buffer as a whole, with its line's end.
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
        let Some(insert) = insert::scan(available, self.standard_strings) else {
            return Ok(Whole::None);
        };
        let begins = self.offset;
        let line = self.line + 1;
        self.line = line + insert.line_ends;
        self.lend(insert.line_end);
        Ok(Whole::Statement {
            end: insert.end,
            statement: Statement {
                line,
                last_line: self.line,
                begins,
                text: &[],
                bytes: insert.end as u64,
                value_groups: insert.groups,
                on_conflict: insert.on_conflict,
            },
        })
    }

    /// Gives the whole rows that lie in the reader's buffer, or one that does not fit.
    fn rows(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.input.clear();
        self.at = 0;
        self.cut = false;
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

    /// Reads one row of COPY data that the reader's buffer does not hold as a whole.
    fn row(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.buffer.clear();
        let before = self.offset;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let (taken, ended) = match memchr::memchr(b'\n', available) {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            let room = KEPT.saturating_sub(self.buffer.len()).min(taken);
            self.buffer.extend_from_slice(&available[..room]);
            self.reader.consume(taken);
            self.offset += taken as u64;
            if ended {
                break;
            }
        }
        self.line += 1;
        let text = without_line_end(&self.buffer);
        if text == b"\\." {
            self.rows = None;
            return Ok(Some(Piece::EndOfRows));
        }
        let bytes = self.offset - before;
        Ok(Some(Piece::Row { text, bytes }))
    }

    /// Takes one token of the current line.
    fn step(&mut self) -> Step {
        let byte = self.input[self.at];
        let rest = &self.input[self.at..];
        match &mut self.mode {
            Mode::LineComment => {
                let length = rest.len();
                self.take(length);
                if !self.cut {
                    self.mode = Mode::Plain;
                }
            }
            Mode::Single { escapes } => {
                let stop = if *escapes {
                    memchr::memchr2(b'\'', b'\\', rest)
                } else {
                    memchr::memchr(b'\'', rest)
                };
                match stop {
                    None => self.take(rest.len()),
                    // What it escapes or doubles is not read yet.
                    Some(at) if self.cut && at + 1 == rest.len() => self.take(at),
                    Some(at) if rest[at] == b'\\' || rest.get(at + 1) == Some(&b'\'') => {
                        self.take(at + 2)
                    }
                    Some(at) => {
                        self.continued = if *escapes {
                            Continued::Closed
                        } else {
                            Continued::No
                        };
                        self.mode = Mode::Plain;
                        self.take(at + 1);
                    }
                }
            }
            Mode::Double => match memchr::memchr(b'"', rest) {
                None => self.take(rest.len()),
                Some(at) => {
                    self.take(at + 1);
                    self.mode = Mode::Plain;
                }
            },
            Mode::Dollar { tag } => {
                let length = tag.len();
                match memchr::memmem::find(rest, tag) {
                    // The tag may be cut.
                    None if self.cut => self.take((rest.len() + 1).saturating_sub(length).max(1)),
                    None => self.take(rest.len()),
                    Some(at) => {
                        self.take(at + length);
                        self.mode = Mode::Plain;
                    }
                }
            }
            Mode::Block { depth } => match rest {
                [b'*', b'/', ..] => {
                    *depth -= 1;
                    if *depth == 0 {
                        self.mode = Mode::Plain;
                    }
                    self.take(2);
                }
                [b'/', b'*', ..] => {
                    *depth += 1;
                    self.take(2);
                }
                _ => {
                    let next = memchr::memchr2(b'*', b'/', &rest[1..]);
                    self.take(next.map_or(rest.len(), |at| at + 1));
                }
            },
            Mode::Plain => return self.plain(byte),
        }
        Step::More
    }

    /// Takes one token outside quotes and comments.
    fn plain(&mut self, byte: u8) -> Step {
        let next = self.input.get(self.at + 1).copied();
        // A dollar sign inside an identifier belongs to it; a prefix decides how a text is read.
        let in_word = self.statement.in_word();
        let continued = self.continued.then(byte);
        let escapes = self.statement.word_is(b"e") || !self.standard_strings || continued;
        let unicode = self.statement.word_is(b"u");
        if !is_word(byte) && (byte != b'$' || !in_word) {
            self.statement.end_word();
        }
        match (byte, next) {
            (b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, _) => self.take(1),
            (b'-', Some(b'-')) => {
                if self.statement.begun {
                    self.mode = Mode::LineComment;
                    return Step::More;
                }
                let line = self.line;
                self.rest_of_line();
                return Step::Comment { line };
            }
            (b'/', Some(b'*')) => {
                // Between statements it begins none.
                self.mode = Mode::Block { depth: 1 };
                self.take(2);
            }
            (b'\\', _) => {
                let (line, alone) = (self.line, !self.statement.begun);
                self.rest_of_line();
                self.statement = Pending::default();
                return Step::Meta { line, alone };
            }
            (b'&', Some(b'\'')) if unicode => {
                // U&'…' knows no backslash before a quote.
                self.mode = Mode::Single { escapes: false };
                self.take(2);
            }
            (b'\'', _) => {
                self.begin();
                self.mode = Mode::Single { escapes };
                self.take(1);
            }
            (b'"', _) => {
                self.begin();
                self.mode = Mode::Double;
                self.take(1);
            }
            (b'$', _) if in_word => {
                self.statement.word(b"$");
                self.take(1);
            }
            (b'$', _) => {
                self.begin();
                match dollar_tag(&self.input[self.at..]).map(<[u8]>::to_vec) {
                    Some(tag) => {
                        let length = tag.len();
                        self.mode = Mode::Dollar { tag };
                        self.take(length);
                    }
                    None => self.take(1),
                }
            }
            (b'(', _) => {
                self.begin();
                self.statement.open();
                self.take(1);
            }
            (b')', _) => {
                self.begin();
                self.statement.close();
                self.take(1);
            }
            (b';', _) if self.statement.may_end() => {
                self.begin();
                self.take(1);
                self.statement.begun = false;
                return Step::Statement;
            }
            _ if is_word(byte) => {
                self.begin();
                let rest = &self.input[self.at..];
                let length = rest
                    .iter()
                    .position(|byte| !is_word(*byte))
                    .unwrap_or(rest.len());
                self.statement.word(&rest[..length]);
                self.take(length);
            }
            _ => {
                self.begin();
                self.take(1);
            }
        }
        Step::More
    }

    /// Begins a statement at the current byte, unless one is begun.
    fn begin(&mut self) {
        if !self.statement.begun {
            self.buffer.clear();
            let unread = (self.input.len() - self.at) as u64;
            self.statement = Pending::new(self.line, self.offset - unread);
        }
    }

    /// Moves `count` bytes of the line to the statement.
    fn take(&mut self, count: usize) {
        let end = (self.at + count).min(self.input.len());
        if self.statement.begun {
            let room = KEPT.saturating_sub(self.buffer.len()).min(end - self.at);
            self.buffer
                .extend_from_slice(&self.input[self.at..self.at + room]);
        }
        self.at = end;
    }

    /// Moves the rest of the line, without its end, to the buffer.
    fn rest_of_line(&mut self) {
        self.buffer.clear();
        self.buffer
            .extend_from_slice(without_line_end(&self.input[self.at..]));
        self.at = self.input.len();
        if self.cut {
            // It is longer than what is kept; nothing in it matters.
            self.mode = Mode::LineComment;
        }
    }
}

/// What lies in the reader's buffer as a whole.
enum Whole {
    None,
    Comment {
        end: usize,
    },
    Statement {
        end: usize,
        statement: Statement<'static>,
    },
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The line without `\n` or `\r\n`.
fn without_line_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

/// `$$` or `$tag$` at the start of `text`.
fn dollar_tag(text: &[u8]) -> Option<&[u8]> {
    let text = &text[..text.len().min(TOKEN)];
    let end = 1 + text.get(1..)?.iter().position(|byte| *byte == b'$')?;
    let tag = &text[1..end];
    let first_is_digit = tag.first().is_some_and(u8::is_ascii_digit);
    (!first_is_digit && tag.iter().all(|byte| is_word(*byte))).then_some(&text[..=end])
}
