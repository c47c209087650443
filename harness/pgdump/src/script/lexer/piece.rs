//! The pieces of a plain file, and how it ended.

use crate::encoding::Encoding;

/// One piece of a plain file. Lines count from 1, bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A statement with its semicolon; the beginning of it where it is long.
    Statement(Statement<'a>),
    /// One or more INSERTs with the same beginning.
    Inserts(Inserts<'a>),
    /// Whole rows of COPY data.
    Rows {
        /// Their text, each with its line end `\n` or `\r\n`.
        lines: &'a [u8],
        /// How many.
        count: u64,
    },
    /// A part of a row of COPY data that is longer than what is kept. More of them follow, and then
    /// the row that ends them.
    Part(&'a [u8]),
    /// A row of COPY data that is not in one block, or the last of the file without a line end.
    Row {
        /// Its text without the line end; the rest after its parts, if there were any.
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
        /// Whether no unfinished statement precedes it.
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
    /// Its text with all white space.
    pub text: &'a [u8],
    /// The encoding of its text.
    pub encoding: Encoding,
    /// Bytes of all of it.
    pub bytes: u64,
    /// Rows of an INSERT: groups in parentheses after VALUES, or 1 for DEFAULT VALUES.
    pub value_groups: u64,
    /// Whether it is an INSERT with ON CONFLICT.
    pub on_conflict: bool,
}

/// INSERTs that are the same up to their first row, and so go into the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserts<'a> {
    /// How many.
    pub count: u64,
    /// Line of the first one.
    pub line: u64,
    /// Line of the last one's semicolon.
    pub last_line: u64,
    /// Byte of the first one.
    pub begins: u64,
    /// Their text with all white space; only the beginning if it is long.
    pub text: &'a [u8],
    /// The encoding of their text.
    pub encoding: Encoding,
    /// Total bytes, without white space between them.
    pub bytes: u64,
    /// Their number of rows, if known of all of them.
    pub rows: Option<u64>,
    /// Whether any of them has ON CONFLICT.
    pub on_conflict: bool,
}

impl<'a> From<&Statement<'a>> for Inserts<'a> {
    fn from(statement: &Statement<'a>) -> Self {
        Self {
            count: 1,
            line: statement.line,
            last_line: statement.last_line,
            begins: statement.begins,
            text: statement.text,
            encoding: statement.encoding,
            bytes: statement.bytes,
            rows: Some(statement.value_groups).filter(|groups| *groups > 0),
            on_conflict: statement.on_conflict,
        }
    }
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
