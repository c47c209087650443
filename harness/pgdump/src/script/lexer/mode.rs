//! The state of the lexer between two tokens, and the results of a step.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Plain,
    Single {
        escapes: bool,
    },
    Double,
    Dollar {
        tag: Vec<u8>,
    },
    /// A comment, and the line that it begins in.
    Block {
        depth: u32,
        line: u64,
    },
    LineComment,
}

/// Whether a text may go on: `E'a'`, a line end, `'b'` are one text, and read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continued {
    No,
    Closed,
    LineEnd,
}

impl Continued {
    /// Handles the next byte outside quotes; returns whether it opens such a text again.
    pub(super) fn then(&mut self, byte: u8) -> bool {
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
pub(super) enum Step {
    More,
    Statement,
    Meta { line: u64, alone: bool },
    Comment { line: u64 },
}

/// The line without `\n` or `\r\n`.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}
