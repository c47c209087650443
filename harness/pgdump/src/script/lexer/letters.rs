//! Letters of several bytes that may look like signs.
//!
//! In encodings that no database can have, psql reads a line with such bytes replaced: the second byte of a letter
//! may be a backslash. So does the lexer, and returns the text as it is.

use crate::encoding::Encoding;

/// Longest letter in bytes.
const LONGEST: usize = 4;

/// What a byte of a letter is replaced with, except for the first, as in psql.
const REPLACED: u8 = 0xff;

/// The text of the lexer's input as it is, where bytes of letters are replaced there.
#[derive(Debug, Default)]
pub(super) struct Letters {
    pub(super) encoding: Encoding,
    /// As long as the input; empty while nothing is replaced.
    text: Vec<u8>,
    /// The beginning of a letter that the last part of a long line ended within.
    begun: Vec<u8>,
}

impl Letters {
    /// The text of the input as it is.
    pub(super) fn text<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        if self.text.is_empty() {
            input
        } else {
            &self.text
        }
    }

    /// Removes bytes from the start of the input.
    pub(super) fn drain(&mut self, bytes: usize) {
        self.text.drain(..bytes.min(self.text.len()));
    }

    /// Handles what was added to the input from a place on: the next line, or a part of it.
    pub(super) fn added(&mut self, input: &mut [u8], from: usize) {
        let replaces = self.encoding.is_client_only();
        if !replaces && self.text.is_empty() {
            return;
        }
        if self.text.is_empty() {
            self.text.extend_from_slice(&input[..from]);
        }
        self.text.extend_from_slice(&input[from..]);
        if replaces {
            self.replace(&mut input[from..]);
        }
    }

    fn replace(&mut self, added: &mut [u8]) {
        let end = added.strip_suffix(b"\n").unwrap_or(added).len();
        let ended = end < added.len();
        let mut at = 0;
        if !self.begun.is_empty() {
            let before = self.begun.len();
            self.begun.extend(&added[..end.min(LONGEST)]);
            let length = self.encoding.letter_length(&self.begun);
            at = length.saturating_sub(before).min(end);
            added[..at].fill(REPLACED);
            self.begun.clear();
        }
        while at < end {
            let letter = &mut added[at..end];
            if letter[0] < 0x80 {
                at += 1;
                continue;
            }
            // Where a letter ends is known from its first two bytes.
            let length = self.encoding.letter_length(letter);
            if !ended && (length > letter.len() || letter.len() == 1) {
                self.begun.extend_from_slice(letter);
            }
            let length = length.min(letter.len());
            letter[1..length].fill(REPLACED);
            at += length;
        }
    }
}
