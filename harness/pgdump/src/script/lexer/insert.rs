//! Whole INSERTs at the start of a buffer, found in one scan: dumps by `--inserts` hold little else.
//!
//! It detects only clear cases. Comments, backslashes outside quotes, an end that is not the end of a line, or a
//! statement that continues after the buffer are left to the steps of the lexer.

use crate::sql::token::{dollar_tag, find_tag, is_word, quoted_length, word_length};

const BEGINNING: &[u8] = b"INSERT INTO ";

/// AGE's own tables are few, and their INSERTs are read one by one.
const LOOKED_INTO: &[u8] = b"INSERT INTO ag_catalog.";

/// INSERTs that begin alike, with the last one's line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) count: u64,
    /// Bytes to the last semicolon.
    pub(super) end: usize,
    /// Bytes to the last line's end.
    pub(super) line_end: usize,
    /// Bytes without the line ends between them.
    pub(super) bytes: u64,
    /// Number of groups after VALUES; `None` if that is not the number of rows.
    pub(super) rows: Option<u64>,
    /// Whether any of them has ON CONFLICT.
    pub(super) on_conflict: bool,
}

/// One INSERT with its line's end.
struct Insert {
    end: usize,
    line_end: usize,
    groups: u64,
    on_conflict: bool,
}

/// What the last INSERT began with, up to the parenthesis of its first row. The next one most likely
/// begins alike, and need not be read again up to there.
#[derive(Debug, Default)]
pub(super) struct Head {
    text: Vec<u8>,
    on_conflict: bool,
}

/// Whether a byte has no meaning outside quotes.
const DULL: u8 = 0;
/// A letter: matters outside parentheses only.
const WORD: u8 = 1;
/// Always matters.
const SIGN: u8 = 2;

const KIND: [u8; 256] = {
    let mut kind = [DULL; 256];
    let mut byte = 0;
    while byte < 256 {
        kind[byte] = match byte as u8 {
            b'\'' | b'"' | b'$' | b'(' | b')' | b';' | b'-' | b'/' | b'\\' => SIGN,
            letter if is_word(letter) => WORD,
            _ => DULL,
        };
        byte += 1;
    }
    kind
};

/// Bytes at the start of `text` without meaning within parentheses: words, numbers, commas.
pub(super) fn dull_length(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| KIND[usize::from(*byte)] == SIGN)
        .unwrap_or(text.len())
}

impl Head {
    /// Finds the INSERTs that `text` begins with and that begin alike.
    pub(super) fn scan(&mut self, text: &[u8]) -> Option<Run> {
        if !text.starts_with(BEGINNING) || text.starts_with(LOOKED_INTO) {
            return None;
        }
        let first = self.one(text)?;
        let mut run = Run {
            count: 1,
            end: first.end,
            line_end: first.line_end,
            bytes: first.end as u64,
            rows: Some(first.groups).filter(|groups| *groups > 0),
            on_conflict: first.on_conflict,
        };
        while let Some(rows) = &mut run.rows
            && self.begins(&text[run.line_end..])
            && let Some(next) = self.one(&text[run.line_end..])
        {
            *rows += next.groups;
            run.count += 1;
            run.bytes += next.end as u64;
            run.on_conflict |= next.on_conflict;
            run.end = run.line_end + next.end;
            run.line_end += next.line_end;
        }
        Some(run)
    }

    /// Whether a text begins like the INSERT before.
    fn begins(&self, text: &[u8]) -> bool {
        !self.text.is_empty() && text.starts_with(&self.text)
    }

    /// Finds the end of the INSERT that `text` begins with.
    fn one(&mut self, text: &[u8]) -> Option<Insert> {
        let (mut at, mut depth, mut in_values, mut on_conflict);
        if self.begins(text) {
            (at, depth, in_values, on_conflict) = (self.text.len(), 1_u32, true, self.on_conflict);
        } else {
            self.text.clear();
            (at, depth, in_values, on_conflict) = (BEGINNING.len(), 0, false, false);
        }
        let (mut by_default, mut groups) = (false, 0);
        loop {
            let dull = if depth == 0 { DULL } else { WORD };
            at += text[at..]
                .iter()
                .position(|byte| KIND[usize::from(*byte)] > dull)?;
            match text[at] {
                b'\'' => at += quoted(&text[at..], escapes(&text[..at]))?,
                b'"' => at += 2 + memchr::memchr(b'"', &text[at + 1..])?,
                // A dollar sign inside an identifier belongs to it.
                b'$' if is_word(text[at - 1]) => at += word_length(&text[at..])?,
                b'$' => {
                    let tag = dollar_tag(&text[at..])?;
                    let body = at + tag.len();
                    at = body + find_tag(&text[body..], tag)? + tag.len();
                }
                b'(' => {
                    at += 1;
                    if depth == 0 && in_values && self.text.is_empty() {
                        self.text.extend_from_slice(&text[..at]);
                        self.on_conflict = on_conflict;
                    }
                    depth += 1;
                }
                b')' => {
                    depth = depth.saturating_sub(1);
                    groups += u64::from(depth == 0 && in_values);
                    at += 1;
                }
                b';' if depth == 0 => break,
                b'-' if text.get(at + 1)? == &b'-' => return None,
                b'/' if text.get(at + 1)? == &b'*' => return None,
                b'\\' => return None,
                byte if is_word(byte) => {
                    let length = word_length(&text[at..])?;
                    let word = &text[at..at + length];
                    let is = |known: &[u8]| word.eq_ignore_ascii_case(known);
                    if is(b"values") && by_default {
                        groups = 1;
                    } else if is(b"values") {
                        in_values = true;
                    } else if is(b"on") || is(b"returning") {
                        in_values = false;
                    } else if is(b"conflict") {
                        on_conflict = true;
                    }
                    by_default = is(b"default");
                    at += length;
                }
                _ => at += 1,
            }
        }
        let end = at + 1;
        let line_end = match text[end..] {
            [b'\n', ..] => end + 1,
            [b'\r', b'\n', ..] => end + 2,
            _ => return None,
        };
        Some(Insert {
            end,
            line_end,
            groups,
            on_conflict,
        })
    }
}

/// Whether the quote after `before` has escapes: `E'…'`.
fn escapes(before: &[u8]) -> bool {
    match before {
        [.., word, b'e' | b'E'] => !is_word(*word) && *word != b'$',
        _ => false,
    }
}

/// Bytes of the quoted text that `text` begins with; in doubt about what follows it, none.
fn quoted(text: &[u8], escapes: bool) -> Option<usize> {
    let length = quoted_length(text, escapes)?;
    let next = text.get(length)?;
    // It may continue on the next line.
    (!escapes || !next.is_ascii_whitespace()).then_some(length)
}
