//! Token by token, as in psql: everything that is not detected as a whole.

use std::io::BufRead;

use super::Lexer;
use super::insert::dull_length;
use super::mode::{Continued, Mode, Step, without_line_end};
use super::pending::Pending;
use crate::sql::token::{dollar_tag, find_tag, is_word};

impl<R: BufRead> Lexer<R> {
    /// Reads one token of the current line.
    pub(super) fn step(&mut self) -> Step {
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
                match find_tag(rest, tag) {
                    // The tag may be cut.
                    None if self.cut => self.take((rest.len() + 1).saturating_sub(length).max(1)),
                    None => self.take(rest.len()),
                    Some(at) => {
                        self.take(at + length);
                        self.mode = Mode::Plain;
                    }
                }
            }
            Mode::Block { depth, .. } => match rest {
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
            Mode::Plain => {
                if !self.statement.in_row() || !self.dull() {
                    return self.plain(byte);
                }
            }
        }
        Step::More
    }

    /// Takes the words, numbers and commas that come next within parentheses, where they say
    /// nothing; returns whether there are any.
    fn dull(&mut self) -> bool {
        let rest = &self.input[self.at..];
        let length = dull_length(rest);
        let run = &rest[..length];
        for byte in run {
            if self.continued == Continued::No {
                break;
            }
            self.continued.then(*byte);
        }
        // A word at its end may change how the quote after it is read.
        let word = run.iter().rposition(|byte| !is_word(*byte));
        if let Some(at) = word {
            self.statement.end_word();
            self.statement.word(&run[at + 1..]);
        } else {
            self.statement.word(run);
        }
        self.take(length);
        length > 0
    }

    /// Reads one token outside quotes and comments.
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
                self.mode = Mode::Block {
                    depth: 1,
                    line: self.line,
                };
                self.take(2);
            }
            (b'\\', _) => {
                let (line, alone) = (self.line, !self.statement.begun);
                self.rest_of_line();
                self.statement = Pending::default();
                return Step::Meta { line, alone };
            }
            (b'&', Some(b'\'')) if unicode => {
                // U&'…' has no backslash before a quote.
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
            let room = self
                .kept
                .saturating_sub(self.buffer.len())
                .min(end - self.at);
            let text = self.letters.text(&self.input);
            self.buffer
                .extend_from_slice(&text[self.at..self.at + room]);
        }
        self.at = end;
    }

    /// Moves the rest of the line, without its end, to the buffer.
    fn rest_of_line(&mut self) {
        let text = &self.letters.text(&self.input)[self.at..];
        self.buffer.clear();
        self.buffer.extend_from_slice(without_line_end(text));
        self.at = self.input.len();
        if self.cut {
            // It is longer than what is kept; nothing in it matters.
            self.mode = Mode::LineComment;
        }
    }
}
