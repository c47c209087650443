//! Several statements in one string: where each ends, marks behind them, and places in the string without marks.
//!
//! Such a string is one transaction, so it cannot be sent one by one. Behind a statement a mark makes the server say how
//! far it is, and wait: `DO` with an INFO, which is sent at once, and an advisory lock that redrill holds.

use std::io::Cursor;
use std::ops::Range;

use pgdump::encoding::Encoding;
use pgdump::script::lexer::{End, Lexer, Piece};

use super::text::{Described, Kind};

/// Where the statements of a string are, without empty ones; `None` where that is not certain.
pub(super) fn statements(
    text: &[u8],
    standard_strings: bool,
    encoding: Encoding,
) -> Option<Vec<Range<usize>>> {
    // The server ends a comment at a carriage return, and a dump has none alone.
    let ends_a_line = |at: usize| text.get(at + 1) == Some(&b'\n');
    if memchr::memchr_iter(b'\r', text).any(|at| !ends_a_line(at)) {
        return None;
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return None;
    }
    // The last one needs no semicolon.
    let ended = [text, b"\n;"].concat();
    let mut lexer = Lexer::new(Cursor::new(ended)).keeping(1).singly();
    lexer.set_standard_strings(standard_strings);
    lexer.set_encoding(encoding);
    let mut found = Vec::new();
    loop {
        // Memory has no errors.
        match lexer.next_piece().ok()? {
            None => break,
            Some(Piece::Comment { .. }) => {}
            Some(Piece::Statement(statement)) => {
                let begins = usize::try_from(statement.begins).ok()?;
                let bytes = usize::try_from(statement.bytes).ok()?;
                if bytes > 1 {
                    found.push(begins..(begins + bytes).min(text.len()));
                }
            }
            Some(_) => return None,
        }
    }
    (lexer.end() == End::Clean).then_some(found)
}

/// A string with marks.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) text: Vec<u8>,
    /// What was added, in order.
    pub(super) added: Vec<Added>,
    /// For each statement, whether a mark is behind it.
    pub(super) marks: Vec<bool>,
}

/// Text that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Added {
    /// The character of the new text, from 0, at which it begins.
    at: usize,
    /// Its characters.
    length: usize,
}

/// For each statement of a string, whether a mark belongs behind it; `wanted` says where one is needed in any case.
///
/// Rows that are written by the same statement again and again need one mark: until their transaction ends no lock is
/// released.
pub(super) fn marks(statements: &[Described], wanted: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut marks: Vec<bool> = (0..statements.len())
        .map(|at| {
            let (this, next) = (&statements[at], statements.get(at + 1));
            let again = this.kind == Kind::Rows && next.is_some_and(|next| next.text == this.text);
            (this.kind.takes_locks() && !again) || wanted(at)
        })
        .collect();
    // A mark is a query, before which the settings of a transaction must be made.
    for (at, statement) in statements.iter().enumerate() {
        if statement.kind == Kind::SetTransaction {
            let before = statements[..at].iter().rposition(|s| s.kind.ends());
            marks[before.map_or(0, |end| end + 1)..at].fill(false);
        }
    }
    marks
}

/// Puts marks into a string: `mark` gives the statement of the mark behind statement n. `None` where the characters of
/// the string cannot be counted.
pub(super) fn mark(
    text: &[u8],
    statements: &[Range<usize>],
    marks: Vec<bool>,
    mark: impl Fn(usize) -> String,
) -> Option<Marked> {
    let original = std::str::from_utf8(text).ok()?;
    let mut marked = String::with_capacity(text.len() * 2);
    let mut added = Vec::new();
    let (mut copied, mut characters) = (0, 0);
    for (n, range) in statements.iter().enumerate().filter(|(n, _)| marks[*n]) {
        let part = original.get(copied..range.end)?;
        marked.push_str(part);
        characters += part.chars().count();
        copied = range.end;
        let ended = text[..range.end].ends_with(b";");
        // It may end in a comment.
        let addition = format!("{}{};", if ended { " " } else { "\n;" }, mark(n));
        let length = addition.chars().count();
        added.push(Added {
            at: characters,
            length,
        });
        characters += length;
        marked.push_str(&addition);
    }
    marked.push_str(original.get(copied..)?);
    Some(Marked {
        text: marked.into_bytes(),
        added,
        marks,
    })
}

/// The character of the original string for one of the string with marks, both from 0; `None` for one of a mark.
pub(super) fn original_position(position: usize, added: &[Added]) -> Option<usize> {
    let mut before = 0;
    for addition in added.iter().take_while(|added| added.at <= position) {
        if position < addition.at + addition.length {
            return None;
        }
        before += addition.length;
    }
    Some(position - before)
}

#[cfg(test)]
mod tests {
    use super::super::text::describe;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn split(text: &str) -> Option<Vec<&str>> {
        let found = statements(text.as_bytes(), true, Encoding::default())?;
        Some(found.into_iter().map(|range| &text[range]).collect())
    }

    #[rstest]
    #[case("SELECT 1", Some(vec!["SELECT 1"]))]
    #[case("SELECT 1;", Some(vec!["SELECT 1;"]))]
    #[case(";; SELECT 1 ;\n; /* x */ ;", Some(vec!["SELECT 1 ;"]))]
    #[case("", Some(vec![]))]
    #[case("-- x", Some(vec![]))]
    #[case("SELECT 1; SELECT 2 -- ;", Some(vec!["SELECT 1;", "SELECT 2 -- ;"]))]
    #[case("SELECT ';'; SELECT $a$;$a$; SELECT \";\"", Some(vec!["SELECT ';';", "SELECT $a$;$a$;", "SELECT \";\""]))]
    #[case("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
           Some(vec!["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;", "SELECT 3"]))]
    #[case("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
           Some(vec!["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);", "SELECT 3"]))]
    #[case("INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n",
           Some(vec!["INSERT INTO t VALUES (1);", "INSERT INTO t VALUES (2);"]))]
    #[case("SELECT 1;\r\nSELECT 2;\r\n", Some(vec!["SELECT 1;", "SELECT 2;"]))]
    #[case("COPY t FROM STDIN; SELECT 1", Some(vec!["COPY t FROM STDIN;", "SELECT 1"]))]
    // The server ends a comment there.
    #[case("-- x\rSELECT 1; SELECT 2", None)]
    #[case("SELECT 'open; SELECT 2", None)]
    #[case("SELECT (1; SELECT 2", None)]
    #[case("/* open", None)]
    #[case("\\x; SELECT 2", None)]
    fn a_string_is_split_as_the_server_splits_it(
        #[case] text: &str,
        #[case] expected: Option<Vec<&str>>,
    ) {
        assert_eq!(split(text), expected);
    }

    #[test]
    fn backslashes_follow_the_setting() {
        let text = br"SELECT 'a\'; SELECT 2; --'";
        let count = |standard| statements(text, standard, Encoding::default()).map(|s| s.len());
        assert_eq!((count(true), count(false)), (Some(2), Some(1)));
    }

    fn marks_of(text: &str) -> Vec<bool> {
        let found = statements(text.as_bytes(), true, Encoding::default()).unwrap();
        let described: Vec<Described> = found
            .into_iter()
            .map(|range| describe(&text.as_bytes()[range], true))
            .collect();
        marks(&described, |_| false)
    }

    #[rstest]
    #[case("BEGIN; ALTER TABLE a ADD b int; COMMIT", &[false, true, false])]
    #[case("SET x = 1; CREATE TABLE a (); SELECT 1", &[false, true, true])]
    #[case("INSERT INTO a VALUES (1); INSERT INTO a VALUES (2); SELECT 1", &[false, true, true])]
    #[case("BEGIN; LOCK a; SET TRANSACTION READ WRITE; LOCK b; COMMIT; LOCK c; SET TRANSACTION READ WRITE; LOCK d",
           &[false, false, false, true, false, false, false, true])]
    fn marks_are_behind_statements_that_take_locks(#[case] text: &str, #[case] expected: &[bool]) {
        assert_eq!(marks_of(text), expected);
    }

    #[test]
    fn places_are_those_of_the_original() {
        let text = "SELECT 'é'; SELECT b -- c";
        let found = statements(text.as_bytes(), true, Encoding::default()).unwrap();
        let marked = mark(text.as_bytes(), &found, vec![true, true], |n| {
            format!("DO é{n}")
        })
        .unwrap();
        let new = String::from_utf8(marked.text).unwrap();
        assert_eq!(new, "SELECT 'é'; DO é0; SELECT b -- c\n;DO é1;");
        let originals: Vec<char> = text.chars().collect();
        let mut back = Vec::new();
        for (position, letter) in new.chars().enumerate() {
            if let Some(at) = original_position(position, &marked.added) {
                assert_eq!(originals[at], letter);
                back.push(letter);
            }
        }
        assert_eq!(back, originals);
    }

    proptest! {
        #[test]
        fn marks_change_nothing_else(text in "[aé1;'\"$(\\-/* \n\\\\]{0,40}") {
            if let Some(found) = statements(text.as_bytes(), true, Encoding::default()) {
                for pair in found.windows(2) {
                    prop_assert!(pair[0].end <= pair[1].start);
                }
                let all = vec![true; found.len()];
                let marked = mark(text.as_bytes(), &found, all, |n| format!("DO {n}")).unwrap();
                let new = String::from_utf8(marked.text).unwrap();
                let back: String = new.chars().enumerate()
                    .filter(|(at, _)| original_position(*at, &marked.added).is_some())
                    .map(|(_, letter)| letter).collect();
                prop_assert_eq!(back, text);
            }
        }
    }
}
