//! A whole INSERT at the start of a buffer, found in one scan: dumps by `--inserts` hold little else.
//!
//! It says only what it is sure of. Comments, backslashes outside quotes, an end that is not the
//! line's end, or a statement that goes on behind the buffer are left to the lexer's own steps.

use super::{dollar_tag, is_word};

/// An INSERT with its line's end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Insert {
    /// Bytes to its semicolon.
    pub(super) end: usize,
    /// Bytes to its line's end.
    pub(super) line_end: usize,
    /// Line ends within it.
    pub(super) line_ends: u64,
    /// Rows in groups behind VALUES.
    pub(super) groups: u64,
    /// Whether it says what to do ON CONFLICT.
    pub(super) on_conflict: bool,
}

/// Says nothing outside quotes.
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

/// Finds the end of the INSERT that `text` begins with.
pub(super) fn scan(text: &[u8], standard_strings: bool) -> Option<Insert> {
    if !standard_strings || !text.starts_with(b"INSERT INTO ") {
        return None;
    }
    let (mut at, mut depth) = ("INSERT INTO ".len(), 0_u32);
    let (mut in_values, mut by_default) = (false, false);
    let (mut groups, mut on_conflict) = (0, false);
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
                at = body + memchr::memmem::find(&text[body..], tag)? + tag.len();
            }
            b'(' => {
                depth += 1;
                at += 1;
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
        line_ends: memchr::memchr_iter(b'\n', &text[..end]).count() as u64,
        groups,
        on_conflict,
    })
}

/// Bytes of the word, or the part of one, that `text` begins with.
fn word_length(text: &[u8]) -> Option<usize> {
    text.iter()
        .position(|byte| !is_word(*byte) && *byte != b'$')
}

/// Whether the quote behind `before` reads backslashes: `E'…'`.
fn escapes(before: &[u8]) -> bool {
    match before {
        [.., word, b'e' | b'E'] => !is_word(*word) && *word != b'$',
        _ => false,
    }
}

/// Bytes of the quoted text that `text` begins with; in doubt about what follows it, none.
fn quoted(text: &[u8], escapes: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        at += if escapes {
            memchr::memchr2(b'\'', b'\\', &text[at..])?
        } else {
            memchr::memchr(b'\'', &text[at..])?
        };
        match text.get(at..at + 2)? {
            [b'\'', b'\''] | [b'\\', _] => at += 2,
            // It may go on behind the line's end.
            [_, next] if escapes && next.is_ascii_whitespace() => return None,
            _ => return Some(at + 1),
        }
    }
}
