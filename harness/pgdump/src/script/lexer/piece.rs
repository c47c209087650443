//! What the lexer gives: the pieces of a plain file, and how it ended.

/// One piece of a plain file. Lines count from 1, bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A statement with its semicolon; the beginning of it where it is long.
    Statement(Statement<'a>),
    /// INSERTs that begin alike, one behind the other; at least one.
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
    /// A row of COPY data that does not lie in one block, or the file's last and without a line end.
    Row {
        /// Its text without the line end; what is behind its parts where there were any.
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
    /// Their text, white space as it stands; of a long one the beginning.
    pub text: &'a [u8],
    /// Bytes of all of them, without what stands between.
    pub bytes: u64,
    /// Their rows, where each of them says how many it has.
    pub rows: Option<u64>,
    /// Whether any of them says what to do ON CONFLICT.
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
