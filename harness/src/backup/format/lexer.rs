//! Plain SQL as psql splits it: statements, COPY rows, meta-commands, comments, with their places.
//!
//! The rules are psql's own (its manual page, and "Lexical Structure" in the server's manual):
//! quotes, escapes, dollar quotes, nested comments, parentheses, SQL-standard function bodies. One
//! pass, flat memory: of a long statement or row only its beginning is kept.

use std::io::{self, BufRead};

/// How much of a statement or a row is kept.
const KEPT: usize = 256 * 1024;

/// One piece of a plain file. Lines count from 1, bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A statement with its semicolon; the beginning of it where it is long.
    Statement(Statement<'a>),
    /// A row of COPY data.
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
    /// Groups in parentheses behind the word VALUES: rows of an INSERT.
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
    /// Lines begun so far.
    line: u64,
    /// Bytes read so far.
    offset: u64,
    mode: Mode,
    rows: Option<u64>,
    buffer: Vec<u8>,
    input: Vec<u8>,
    at: usize,
    statement: Pending,
    standard_strings: bool,
}

/// A statement that is not finished.
#[derive(Debug, Default)]
struct Pending {
    begun: bool,
    line: u64,
    begins: u64,
    parens: u32,
    bodies: u32,
    /// First letters of the first words: told apart as psql does it, to know a function's body.
    words: Vec<u8>,
    in_values: bool,
    groups: u64,
    on_conflict: bool,
    word: Vec<u8>,
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
            line: 0,
            offset: 0,
            mode: Mode::Plain,
            rows: None,
            buffer: Vec::new(),
            input: Vec::new(),
            at: 0,
            statement: Pending::default(),
            standard_strings: true,
        }
    }

    /// Bytes of the uncompressed file that were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives the reader back.
    pub fn into_inner(self) -> R {
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
        if self.rows.is_some() {
            // The rest of the COPY statement's own line is not data.
            self.at = self.input.len();
            return self.row();
        }
        loop {
            if self.at >= self.input.len() && !self.fill()? {
                return Ok(None);
            }
            match self.step() {
                Step::More => {}
                Step::Statement => {
                    let pending = &self.statement;
                    return Ok(Some(Piece::Statement(Statement {
                        line: pending.line,
                        last_line: self.line,
                        begins: pending.begins,
                        text: &self.buffer,
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

    /// Reads the next line, or the next part of a very long one.
    fn fill(&mut self) -> io::Result<bool> {
        let continues = self.input.last().is_some_and(|byte| *byte != b'\n');
        self.input.clear();
        self.at = 0;
        while self.input.len() < KEPT {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let room = available.len().min(KEPT - self.input.len());
            let (taken, ended) = match memchr::memchr(b'\n', &available[..room]) {
                Some(at) => (at + 1, true),
                None => (room, false),
            };
            self.input.extend_from_slice(&available[..taken]);
            self.reader.consume(taken);
            self.offset += taken as u64;
            if ended {
                break;
            }
        }
        if !continues && !self.input.is_empty() {
            self.line += 1;
            if self.line == 1 && self.input.starts_with(b"\xef\xbb\xbf") {
                // psql skips a byte order mark.
                self.at = 3;
            }
        }
        Ok(!self.input.is_empty())
    }

    /// Reads one row of COPY data.
    fn row(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.buffer.clear();
        let before = self.offset;
        let mut any = false;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                break;
            }
            any = true;
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
        self.input.clear();
        self.at = 0;
        if !any {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        if self.buffer == b"\\." {
            self.rows = None;
            return Ok(Some(Piece::EndOfRows));
        }
        let bytes = self.offset - before;
        Ok(Some(Piece::Row {
            text: &self.buffer,
            bytes,
        }))
    }

    /// Takes one token of the current line.
    fn step(&mut self) -> Step {
        let byte = self.input[self.at];
        match &mut self.mode {
            Mode::LineComment => {
                let end = self.input.len();
                self.take(end - self.at);
                if self.input.last() == Some(&b'\n') {
                    self.mode = Mode::Plain;
                }
                Step::More
            }
            Mode::Single { escapes } => {
                let escapes = *escapes;
                let rest = &self.input[self.at..];
                let stop = if escapes {
                    memchr::memchr2(b'\'', b'\\', rest)
                } else {
                    memchr::memchr(b'\'', rest)
                };
                match stop {
                    None => self.take(rest.len()),
                    Some(at) if rest[at] == b'\\' => self.take((at + 2).min(rest.len())),
                    Some(at) => {
                        self.take(at + 1);
                        self.mode = Mode::Plain;
                    }
                }
                Step::More
            }
            Mode::Double => {
                let rest = &self.input[self.at..];
                match memchr::memchr(b'"', rest) {
                    None => self.take(rest.len()),
                    Some(at) => {
                        self.take(at + 1);
                        self.mode = Mode::Plain;
                    }
                }
                Step::More
            }
            Mode::Dollar { tag } => {
                let tag = tag.clone();
                let rest = &self.input[self.at..];
                match memchr::memmem::find(rest, &tag) {
                    None => self.take(rest.len()),
                    Some(at) => {
                        self.take(at + tag.len());
                        self.mode = Mode::Plain;
                    }
                }
                Step::More
            }
            Mode::Block { depth } => {
                match (byte, self.input.get(self.at + 1)) {
                    (b'*', Some(b'/')) => {
                        *depth -= 1;
                        if *depth == 0 {
                            self.mode = Mode::Plain;
                        }
                        self.take(2);
                    }
                    (b'/', Some(b'*')) => {
                        *depth += 1;
                        self.take(2);
                    }
                    _ => self.take(1),
                }
                Step::More
            }
            Mode::Plain => self.plain(byte),
        }
    }

    /// Takes one token outside quotes and comments.
    fn plain(&mut self, byte: u8) -> Step {
        let next = self.input.get(self.at + 1).copied();
        // A dollar sign inside an identifier belongs to it; a prefix decides how a text is read.
        let in_word = !self.statement.word.is_empty();
        let prefix = match byte {
            b'\'' => self.statement.word.to_ascii_lowercase(),
            _ => Vec::new(),
        };
        if !is_word(byte) && (byte != b'$' || !in_word) {
            self.end_word();
        }
        match (byte, next) {
            (b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, _) => {
                self.take(1);
                Step::More
            }
            (b'-', Some(b'-')) => {
                if self.statement.begun {
                    self.mode = Mode::LineComment;
                    return Step::More;
                }
                let line = self.line;
                self.rest_of_line();
                if self.input.last() != Some(&b'\n') {
                    // A comment longer than the buffer goes on; nothing in it matters.
                    self.mode = Mode::LineComment;
                }
                Step::Comment { line }
            }
            (b'/', Some(b'*')) => {
                // Between statements it begins none.
                self.mode = Mode::Block { depth: 1 };
                self.take(2);
                Step::More
            }
            (b'\\', _) => {
                let (line, alone) = (self.line, !self.statement.begun);
                self.rest_of_line();
                self.statement = Pending::default();
                Step::Meta { line, alone }
            }
            (b'\'', _) => {
                self.begin();
                // E'…' reads escapes; so does '…' in a file that says so.
                let escapes = prefix == b"e" || (!self.standard_strings && prefix != b"u&");
                self.mode = Mode::Single { escapes };
                self.take(1);
                Step::More
            }
            (b'"', _) => {
                self.begin();
                self.mode = Mode::Double;
                self.take(1);
                Step::More
            }
            (b'$', _) if !in_word => {
                self.begin();
                let tag = dollar_tag(&self.input[self.at..]).map(<[u8]>::to_vec);
                match tag {
                    Some(tag) => {
                        let length = tag.len();
                        self.mode = Mode::Dollar { tag };
                        self.take(length);
                    }
                    None => self.take(1),
                }
                Step::More
            }
            (b'(', _) => {
                self.begin();
                self.statement.parens += 1;
                self.take(1);
                Step::More
            }
            (b')', _) => {
                let pending = &mut self.statement;
                pending.parens = pending.parens.saturating_sub(1);
                if pending.parens == 0 && pending.in_values {
                    pending.groups += 1;
                }
                self.take(1);
                Step::More
            }
            (b';', _) if self.statement.parens == 0 && self.statement.bodies == 0 => {
                self.begin();
                self.take(1);
                self.statement.begun = false;
                Step::Statement
            }
            _ if is_word(byte) => {
                self.begin();
                let rest = &self.input[self.at..];
                let length = rest
                    .iter()
                    .position(|byte| !is_word(*byte))
                    .unwrap_or(rest.len());
                let pending = &mut self.statement;
                let room = 64_usize.saturating_sub(pending.word.len()).min(length);
                pending.word.extend_from_slice(&rest[..room]);
                self.take(length);
                Step::More
            }
            _ => {
                self.begin();
                self.take(1);
                Step::More
            }
        }
    }

    /// Begins a statement at the current byte, unless one is begun.
    fn begin(&mut self) {
        if !self.statement.begun {
            self.buffer.clear();
            self.statement = Pending {
                begun: true,
                line: self.line,
                begins: self.offset - (self.input.len() - self.at) as u64,
                ..Pending::default()
            };
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
        let rest = &self.input[self.at..];
        let text = rest.strip_suffix(b"\n").unwrap_or(rest);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        self.buffer.clear();
        self.buffer.extend_from_slice(text);
        self.at = self.input.len();
    }

    /// Counts words the way psql does, to know the body of an SQL-standard function.
    fn end_word(&mut self) {
        let pending = &mut self.statement;
        if pending.word.is_empty() {
            return;
        }
        let word = pending.word.to_ascii_lowercase();
        pending.word.clear();
        if pending.words.len() < 4 {
            pending.words.push(match word.as_slice() {
                b"create" => b'c',
                b"function" => b'f',
                b"procedure" => b'p',
                b"or" => b'o',
                b"replace" => b'r',
                b"insert" => b'i',
                _ => b'-',
            });
        }
        let defines = matches!(
            pending.words.as_slice(),
            [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']
        );
        if defines && pending.parens == 0 {
            match word.as_slice() {
                b"begin" => pending.bodies += 1,
                b"case" if pending.bodies > 0 => pending.bodies += 1,
                b"end" => pending.bodies = pending.bodies.saturating_sub(1),
                _ => {}
            }
        }
        if pending.words.first() == Some(&b'i') && pending.parens == 0 {
            match word.as_slice() {
                b"values" => pending.in_values = true,
                b"on" | b"returning" => pending.in_values = false,
                b"conflict" => pending.on_conflict = true,
                _ => {}
            }
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'&' || byte >= 0x80
}

/// `$$` or `$tag$` at the start of `text`.
fn dollar_tag(text: &[u8]) -> Option<&[u8]> {
    let end = 1 + text.get(1..)?.iter().position(|byte| *byte == b'$')?;
    let tag = &text[1..end];
    let first_is_digit = tag.first().is_some_and(u8::is_ascii_digit);
    let good = !first_is_digit
        && tag
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
    good.then_some(&text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn pieces(text: &[u8]) -> (Vec<String>, End) {
        let mut lexer = Lexer::new(text);
        let mut pieces = Vec::new();
        loop {
            let (shown, copy) = match lexer.next_piece().unwrap() {
                None => break,
                Some(Piece::Statement(s)) => {
                    let text = String::from_utf8_lossy(s.text).into_owned();
                    let copy = text.starts_with("COPY");
                    (format!("{}:{text}", s.line), copy)
                }
                Some(Piece::Row { text, .. }) => {
                    (format!("row {}", String::from_utf8_lossy(text)), false)
                }
                Some(Piece::EndOfRows) => ("end".to_owned(), false),
                Some(Piece::Meta { line, text, alone }) => (
                    format!("{line}:meta {} {alone}", String::from_utf8_lossy(text)),
                    false,
                ),
                Some(Piece::Comment { line, text }) => {
                    (format!("{line}:{}", String::from_utf8_lossy(text)), false)
                }
            };
            pieces.push(shown);
            if copy {
                lexer.expect_rows();
            }
        }
        (pieces, lexer.end())
    }

    #[rstest]
    #[case("SELECT 1;\nSELECT 2;", &["1:SELECT 1;", "2:SELECT 2;"])]
    #[case("SELECT 'a;b';", &["1:SELECT 'a;b';"])]
    #[case("SELECT 'a\\';SELECT 2;", &["1:SELECT 'a\\';", "1:SELECT 2;"])]
    #[case("SELECT E'a\\';b';", &["1:SELECT E'a\\';b';"])]
    #[case("SELECT \"a;b\";", &["1:SELECT \"a;b\";"])]
    #[case("DO $x$ ; $$ ; $x$;", &["1:DO $x$ ; $$ ; $x$;"])]
    #[case("SELECT /* ; /* ; */ ; */ 1;", &["1:SELECT /* ; /* ; */ ; */ 1;"])]
    #[case("SELECT 1 -- ;\n;", &["1:SELECT 1 -- ;\n;"])]
    #[case("-- note\nSELECT a$1;", &["1:-- note", "2:SELECT a$1;"])]
    #[case("CREATE RULE r AS (a; b);", &["1:CREATE RULE r AS (a; b);"])]
    #[case("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN b END; END;\nSELECT 2;",
           &["1:CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN b END; END;", "2:SELECT 2;"])]
    #[case("\\connect plur\nSELECT 1;", &["1:meta \\connect plur true", "2:SELECT 1;"])]
    #[case("SELECT 1 \\g |sh\nSELECT 2;", &["1:meta \\g |sh false", "2:SELECT 2;"])]
    #[case("COPY t FROM stdin;\na;'\n\\\\.x\n\\.\nSELECT 1;",
           &["1:COPY t FROM stdin;", "row a;'", "row \\\\.x", "end", "5:SELECT 1;"])]
    #[case("COPY t FROM stdin;\r\na\r\n\\.\r\nSELECT 1;", &["1:COPY t FROM stdin;", "row a", "end", "4:SELECT 1;"])]
    fn a_file_is_split_as_psql_splits_it(#[case] text: &str, #[case] expected: &[&str]) {
        let (pieces, end) = pieces(text.as_bytes());
        assert_eq!(pieces, expected);
        assert_eq!(end, End::Clean);
    }

    #[rstest]
    #[case("COPY t FROM stdin;\na\n", End::InRows { line: 1 })]
    #[case("\nSELECT 'a", End::InStatement { line: 2, open: "a quoted text" })]
    #[case("DO $$ x", End::InStatement { line: 1, open: "a dollar-quoted text" })]
    #[case("CREATE TABLE t (a", End::InStatement { line: 1, open: "a statement" })]
    #[case("/* x", End::InStatement { line: 1, open: "a comment" })]
    #[case("SELECT 1;\n-- x", End::Clean)]
    fn the_end_is_told(#[case] text: &str, #[case] expected: End) {
        assert_eq!(pieces(text.as_bytes()).1, expected);
    }

    #[rstest]
    #[case("INSERT INTO t VALUES (1, f(2)), (3, ')');", 2)]
    #[case("INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE VALUES (1, 2);", 1)]
    #[case("INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING;", 1)]
    #[case("SELECT f(1);", 0)]
    fn rows_of_inserts_are_counted(#[case] text: &str, #[case] groups: u64) {
        let mut lexer = Lexer::new(text.as_bytes());
        let Ok(Some(Piece::Statement(statement))) = lexer.next_piece() else {
            panic!("{text}")
        };
        assert_eq!(statement.value_groups, groups);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_the_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut lexer = Lexer::new(bytes.as_slice());
            while let Some(piece) = lexer.next_piece().unwrap() {
                if matches!(piece, Piece::Statement(s) if s.text.starts_with(b"C")) {
                    lexer.expect_rows();
                }
            }
            prop_assert_eq!(lexer.offset(), bytes.len() as u64);
            lexer.end();
        }

        #[test]
        fn quoting_hides_everything(text in "[a-z;'\\\\$\\-/*(\n\"]{0,40}") {
            let doubled = text.replace('\'', "''");
            let sql = format!("SELECT '{doubled}';\nSELECT 2;");
            let (pieces, end) = pieces(sql.as_bytes());
            prop_assert_eq!(pieces.len(), 2, "{:?}", pieces);
            prop_assert_eq!(end, End::Clean);
        }
    }
}
