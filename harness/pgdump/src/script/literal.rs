//! Rows of INSERTs as lines of COPY text, as far as literals determine it without a server.
//!
//! pg_dump writes numbers bare and everything else as the server's own text between quotes, so that
//! the line is the one that COPY gives. What others write may need the server: casts, arrays, functions.

use crate::sql::token::{dollar_tag, find_tag, quoted_length, word_length};

/// How the values of a table's rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As COPY text, or as equivalent literals.
    #[default]
    Text,
    /// In a way that only the server can read: `ARRAY[…]`, casts, escapes, columns in several orders.
    Read,
    /// By functions and defaults, whose values are those of the moment of the restore.
    Computed,
    /// In rows with different lists of columns.
    Mixed,
    /// In a form that is not parsed, such as CSV, or statements with rows of queries.
    Other,
}

/// Words before a parenthesis that are not functions.
const CONSTRUCTORS: &[&[u8]] = &[b"array", b"row", b"cast"];

/// One row of an INSERT.
#[derive(Debug, Default)]
pub struct Row {
    /// The line, without its end.
    pub line: Vec<u8>,
    /// Values, those that are DEFAULT among them.
    pub width: usize,
    /// Columns that are DEFAULT.
    pub defaults: Vec<usize>,
    /// The form of its values; the line contains them only for [`Form::Text`].
    pub form: Form,
}

/// Reads a series of INSERTs with the same beginning and passes each row. Returns the list of
/// columns as it is written; `None` when they are not understood to their end.
pub fn rows<'a>(text: &'a [u8], table: &[u8], take: impl FnMut(&Row)) -> Option<&'a [u8]> {
    statements(text, table, take, |_| {})
}

/// The same, and passes the text after the name of the table in each statement, up to its semicolon.
pub fn statements<'a>(
    text: &'a [u8],
    table: &[u8],
    mut take: impl FnMut(&Row),
    mut rest: impl FnMut(&'a [u8]),
) -> Option<&'a [u8]> {
    let mut reading = Reading { text, at: 0 };
    let mut row = Row::default();
    let mut columns = None;
    while reading.blank() {
        let begin = reading.at;
        let named = reading.head(table)?;
        if *columns.get_or_insert(named) != named {
            return None;
        }
        loop {
            reading.row(&mut row)?;
            take(&row);
            reading.blank();
            match reading.next()? {
                b',' => {
                    reading.blank();
                }
                b';' => break,
                // ON CONFLICT, RETURNING.
                _ => {
                    reading.skip_rest()?;
                    break;
                }
            }
        }
        let name = memchr::memmem::find(&text[begin..], table)?;
        rest(&text[begin + name + table.len()..reading.at]);
    }
    columns
}

struct Reading<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reading<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Skips white space; returns whether anything follows.
    fn blank(&mut self) -> bool {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.at < self.text.len()
    }

    /// The word that begins here, which may be empty.
    fn word(&mut self) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let length = word_length(rest).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn expect(&mut self, word: &[u8]) -> Option<()> {
        self.blank();
        self.word().eq_ignore_ascii_case(word).then_some(())
    }

    /// `INSERT INTO table (columns) OVERRIDING … VALUES`, and the list of columns.
    fn head(&mut self, table: &[u8]) -> Option<&'a [u8]> {
        self.expect(b"insert")?;
        self.expect(b"into")?;
        self.blank();
        if !self.text[self.at..].starts_with(table) {
            return None;
        }
        self.at += table.len();
        self.blank();
        let begin = self.at;
        if self.peek() == Some(b'(') {
            self.at += 1;
            loop {
                match self.next()? {
                    b'"' => {
                        self.at -= 1;
                        self.skip_quoted(false)?;
                    }
                    b')' => break,
                    _ => {}
                }
            }
        }
        let columns = &self.text[begin..self.at];
        self.blank();
        let mut word = self.word();
        if word.eq_ignore_ascii_case(b"overriding") {
            self.blank();
            self.word();
            self.expect(b"value")?;
            self.blank();
            word = self.word();
        }
        self.blank();
        word.eq_ignore_ascii_case(b"values").then_some(columns)
    }

    /// `(…)`.
    fn row(&mut self, row: &mut Row) -> Option<()> {
        row.line.clear();
        row.defaults.clear();
        row.form = Form::Text;
        if self.next()? != b'(' {
            return None;
        }
        let (mut place, mut first) = (0, true);
        loop {
            self.blank();
            let begin = row.line.len();
            if !first {
                row.line.push(b'\t');
            }
            let form = self.value(row)?;
            if form == Some(Form::Text) {
                first = false;
            } else {
                row.line.truncate(begin);
                match form {
                    None => row.defaults.push(place),
                    Some(form) => row.form = row.form.max(form),
                }
            }
            place += 1;
            match self.next()? {
                b',' => {}
                b')' => {
                    row.width = place;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// One value, up to the sign after it; no form for DEFAULT.
    fn value(&mut self, row: &mut Row) -> Option<Option<Form>> {
        let begin = self.at;
        let simple = self.literal(&mut row.line);
        self.blank();
        if simple != Literal::No && matches!(self.peek()?, b',' | b')') {
            return Some((simple == Literal::Value).then_some(Form::Text));
        }
        self.at = begin;
        self.expression().map(Some)
    }

    /// A literal that is equivalent to COPY text.
    fn literal(&mut self, line: &mut Vec<u8>) -> Literal {
        let Some(first) = self.peek() else {
            return Literal::No;
        };
        match first {
            b'\'' => self.quoted(line, false),
            b'0'..=b'9' | b'-' | b'+' | b'.' => {
                let rest = &self.text[self.at..];
                let number =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = rest.iter().take_while(|byte| number(byte)).count();
                line.extend_from_slice(&rest[..length]);
                self.at += length;
                Literal::Value
            }
            b'$' => self.dollar(line),
            _ => {
                let word = self.word();
                let quote = self.peek() == Some(b'\'');
                match word {
                    b"E" | b"e" if quote => self.quoted(line, true),
                    b"B" | b"b" if quote => self.quoted(line, false),
                    b"X" | b"x" if quote => self.bits(line),
                    _ if word.eq_ignore_ascii_case(b"null") => {
                        line.extend_from_slice(b"\\N");
                        Literal::Value
                    }
                    _ if word.eq_ignore_ascii_case(b"true") => {
                        line.push(b't');
                        Literal::Value
                    }
                    _ if word.eq_ignore_ascii_case(b"false") => {
                        line.push(b'f');
                        Literal::Value
                    }
                    _ if word.eq_ignore_ascii_case(b"default") => Literal::Default,
                    _ => Literal::No,
                }
            }
        }
    }

    /// `'…'`, with backslash escapes or without.
    fn quoted(&mut self, line: &mut Vec<u8>, escapes: bool) -> Literal {
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let stop = if escapes {
                memchr::memchr2(b'\'', b'\\', rest)
            } else {
                memchr::memchr(b'\'', rest)
            };
            let Some(stop) = stop else {
                return Literal::No;
            };
            copy_text(&rest[..stop], line);
            self.at += stop + 1;
            match (rest[stop], rest.get(stop + 1)) {
                (b'\'', Some(b'\'')) => line.push(b'\''),
                (b'\'', _) => return Literal::Value,
                (_, Some(b'\\' | b'n' | b't' | b'r' | b'b' | b'f')) => {
                    line.extend_from_slice(&rest[stop..stop + 2]);
                }
                (_, Some(b'\'')) => line.push(b'\''),
                _ => return Literal::No,
            }
            self.at += 1;
        }
    }

    /// `$tag$…$tag$`.
    fn dollar(&mut self, line: &mut Vec<u8>) -> Literal {
        let rest = &self.text[self.at..];
        let Some(tag) = dollar_tag(rest) else {
            return Literal::No;
        };
        let body = &rest[tag.len()..];
        let Some(length) = find_tag(body, tag) else {
            return Literal::No;
        };
        copy_text(&body[..length], line);
        self.at += 2 * tag.len() + length;
        Literal::Value
    }

    /// Skips what is between quotes.
    fn skip_quoted(&mut self, escapes: bool) -> Option<()> {
        self.at += quoted_length(&self.text[self.at..], escapes)?;
        Some(())
    }

    /// `X'…'`: bits as hexadecimal digits.
    fn bits(&mut self, line: &mut Vec<u8>) -> Literal {
        self.at += 1;
        while let Some(byte) = self.next() {
            match char::from(byte).to_digit(16) {
                Some(digit) => line.extend_from_slice(format!("{digit:04b}").as_bytes()),
                None if byte == b'\'' => return Literal::Value,
                None => break,
            }
        }
        Literal::No
    }

    /// Skips an expression; returns its form.
    fn expression(&mut self) -> Option<Form> {
        let (mut depth, mut form) = (0_u32, Form::Read);
        // Every value has a word, a quote or a number; single words, as `now()` without
        // parentheses does, are functions of the moment.
        loop {
            match self.peek()? {
                b',' | b')' if depth == 0 => return Some(form),
                b'(' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b')' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b'\'' | b'"' => self.skip_quoted(false)?,
                b'$' => {
                    if self.dollar(&mut Vec::new()) == Literal::No {
                        return None;
                    }
                }
                b':' => {
                    // The type of a cast is none: its words and parentheses say how to read.
                    self.at += 1;
                    self.type_name();
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                    let word = self.word();
                    if self.peek() == Some(b'\'') && word.eq_ignore_ascii_case(b"e") {
                        self.skip_quoted(true)?;
                        continue;
                    }
                    self.blank();
                    let known =
                        |list: &[&[u8]]| list.iter().any(|known| word.eq_ignore_ascii_case(known));
                    let read = match self.peek()? {
                        b'(' | b'[' => known(CONSTRUCTORS),
                        b'\'' => true,
                        _ => known(&[b"null", b"true", b"false", b"as"]) || depth > 0,
                    };
                    if !read {
                        form = Form::Computed;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips the name of a type, as in `::character varying(20)[]`.
    fn type_name(&mut self) {
        let mut depth = 0_u32;
        while let Some(byte) = self.peek() {
            match byte {
                b',' if depth == 0 => return,
                b')' if depth == 0 => return,
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'"' => {
                    let rest = &self.text[self.at..];
                    self.at += quoted_length(rest, false).unwrap_or(rest.len());
                    continue;
                }
                b':' | b'.' | b' ' | b'[' | b']' | b'_' => {}
                byte if byte.is_ascii_alphanumeric() => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    /// Skips the text after the rows.
    fn skip_rest(&mut self) -> Option<()> {
        loop {
            match self.peek()? {
                b'\'' | b'"' => self.skip_quoted(false)?,
                b';' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }
}

/// What a value is at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    Value,
    Default,
    No,
}

/// Writes text as COPY does.
fn copy_text(text: &[u8], line: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | 8..=13)) {
        line.extend_from_slice(&rest[..at]);
        line.push(b'\\');
        line.push(match rest[at] {
            8 => b'b',
            9 => b't',
            10 => b'n',
            11 => b'v',
            12 => b'f',
            13 => b'r',
            byte => byte,
        });
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> Option<(String, Vec<String>)> {
        let mut lines = Vec::new();
        let table = super::super::statement::inserts_into(text.as_bytes())?;
        let columns = rows(text.as_bytes(), table, |row| {
            let line = String::from_utf8_lossy(&row.line).into_owned();
            lines.push(match (row.form, row.defaults.as_slice()) {
                (Form::Text, []) => line,
                (form, defaults) => format!("{form:?} {defaults:?} {line}"),
            });
        })?;
        Some((String::from_utf8_lossy(columns).into_owned(), lines))
    }

    #[rstest]
    #[case("INSERT INTO t VALUES (1, -2.50, 'a');", "", &["1\t-2.50\ta"])]
    #[case("INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\r\n", "", &["1", "2"])]
    #[case("INSERT INTO t VALUES\n\t(1, 'x'),\n\t(2, NULL);\n", "", &["1\tx", "2\t\\N"])]
    #[case("INSERT INTO a.t (id, \"N)ame\") VALUES (1, 'it''s');", "(id, \"N)ame\")", &["1\tit's"])]
    #[case("INSERT INTO t VALUES (true, FALSE, B'101', X'0f');", "", &["t\tf\t101\t00001111"])]
    #[case("INSERT INTO t VALUES ('a\tb\nc\\d');", "", &["a\\tb\\nc\\\\d"])]
    #[case("INSERT INTO t VALUES (E'a\\tb\\'c\\\\');", "", &["a\\tb'c\\\\"])]
    #[case("INSERT INTO t VALUES ($s$it's$s$);", "", &["it's"])]
    #[case("INSERT INTO t VALUES ('\\.');", "", &["\\\\."])]
    #[case("INSERT INTO t VALUES (1, DEFAULT, 'x');", "", &["Text [1] 1\tx"])]
    #[case("INSERT INTO t VALUES (DEFAULT);", "", &["Text [0] "])]
    #[case("INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1) ON CONFLICT DO NOTHING;", "", &["1"])]
    #[case("INSERT INTO t VALUES ('{}'::jsonb, 1);", "", &["Read [] 1"])]
    #[case("INSERT INTO t VALUES ('x'::character varying(20)[], 1);", "", &["Read [] 1"])]
    #[case("INSERT INTO t VALUES (ARRAY['a)', 'b']);", "", &["Read [] "])]
    #[case("INSERT INTO t VALUES (CAST('1' AS integer));", "", &["Read [] "])]
    #[case("INSERT INTO t VALUES (timestamp '2026-01-01');", "", &["Read [] "])]
    #[case("INSERT INTO t VALUES (E'\\x41');", "", &["Read [] "])]
    #[case("INSERT INTO t VALUES (now(), 1);", "", &["Computed [] 1"])]
    #[case("INSERT INTO t VALUES (CURRENT_TIMESTAMP);", "", &["Computed [] "])]
    #[case("INSERT INTO t VALUES (ARRAY[now()]);", "", &["Computed [] "])]
    fn rows_of_inserts_become_copy_text(
        #[case] text: &str,
        #[case] columns: &str,
        #[case] lines: &[&str],
    ) {
        let (named, read) = read(text).unwrap();
        assert_eq!(
            (named.as_str(), read.as_slice()),
            (
                columns,
                lines
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .as_slice()
            )
        );
    }

    #[rstest]
    #[case("INSERT INTO t SELECT 1;")]
    #[case("INSERT INTO t DEFAULT VALUES;")]
    #[case("INSERT INTO t VALUES (1")]
    #[case("INSERT INTO t (a) VALUES (1);\nINSERT INTO t (b) VALUES (1);")]
    fn what_is_not_understood_is_told(#[case] text: &str) {
        assert_eq!(read(text), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in "[INSERT OVALUES(),;'\"$:\\[\\]\\\\a-z0-9\n]{0,60}") {
            let text = format!("INSERT INTO t VALUES ({bytes}");
            let _ = rows(text.as_bytes(), b"t", |_| {});
        }
    }
}
