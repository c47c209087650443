//! The first words of a statement, and what they name.

use std::borrow::Cow;

use crate::encoding::Encoding;
use crate::sql::token::name_length;
use crate::sql::{QualifiedName, Token, TokenKind, read_identifier, tokens};

/// The first words of a statement, folded to lower case where they are not quoted.
#[derive(Debug)]
pub struct Words<'a> {
    /// The text of those words.
    pub text: &'a str,
    tokens: Vec<Token<'a>>,
    words: Vec<&'static str>,
    copy: Option<CopyStatement<'a>>,
}

/// Known words, sorted; any other word is the empty string.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "(", ")", ",", "=", "abort", "access", "add", "admin", "age", "aggregate", "all", "alter", "as",
    "atomic", "attach", "authorization", "begin", "by", "cascade", "check", "client_encoding", "commit",
    "conflict", "constraint", "copy", "create", "database", "default",
    "default_table_access_method", "drop", "each", "enable", "end", "execute", "exists", "extension",
    "for", "foreign", "from", "function", "generated", "grant", "granted", "identity", "if", "in",
    "index", "inherit", "inherits", "insert", "into", "join", "level", "lo_close", "lo_create", "lo_open", "local", "lowrite",
    "mapping", "materialized", "method", "name", "names", "not", "null", "of", "off", "on", "only",
    "option", "or", "owner", "partition", "pg_catalog.lo_close", "pg_catalog.lo_create",
    "pg_catalog.lo_open", "pg_catalog.lo_unlink", "pg_catalog.lowrite", "pg_catalog.set_config", "pg_catalog.setval", "policy",
    "procedure", "program", "public", "recursive", "references", "refresh", "replace", "reset", "restrict", "revoke",
    "role", "rollback", "row", "row_security", "schema", "security", "select", "sequence",
    "server", "session", "set", "set_config", "setval", "standard_conforming_strings", "start", "stdin", "superuser",
    "table", "temp", "temporary", "to", "transaction", "trigger", "unique", "unlogged", "user",
    "using", "values", "view", "with",
];

impl<'a> Words<'a> {
    /// Splits the beginning of a statement.
    pub fn of(text: &'a [u8]) -> Self {
        let head = &text[..text.len().min(4096)];
        let whole = text;
        let text = match std::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
        };
        let tokens: Vec<Token<'_>> = tokens(text).take(400).collect();
        let words: Vec<&str> = tokens.iter().map(|token| known(token.text)).collect();
        // Of a wide table, or with names in another encoding, the words end before the statement does.
        let copy = words.first().filter(|first| **first == "copy");
        let copy = copy.and_then(|_| CopyStatement::read(whole));
        Self {
            text,
            tokens,
            words,
            copy,
        }
    }

    /// The known words.
    pub fn start(&self) -> &[&'static str] {
        &self.words
    }

    /// Where a sequence of words begins.
    pub fn position(&self, sequence: &[&str]) -> Option<usize> {
        self.words
            .windows(sequence.len())
            .position(|window| window == sequence)
    }

    /// Whether a sequence of words occurs.
    pub fn contains(&self, sequence: &[&str]) -> bool {
        self.position(sequence).is_some()
    }

    /// Whether it is an INSERT.
    pub fn is_insert(&self) -> bool {
        self.words.starts_with(&["insert", "into"])
    }

    /// The COPY that it is, where rows follow it.
    pub fn copy(&self) -> Option<CopyStatement<'a>> {
        self.copy
    }

    /// What it sets `standard_conforming_strings` to.
    pub fn standard_strings(&self) -> Option<bool> {
        let at = match self.words.as_slice() {
            ["set", "standard_conforming_strings", "=" | "to", ..] => 3,
            [
                "set",
                "session" | "local",
                "standard_conforming_strings",
                "=" | "to",
                ..,
            ] => 4,
            ["reset", "standard_conforming_strings" | "all", ..] => return Some(true),
            _ => return None,
        };
        // As the server reads a Boolean: any beginning of such a word that is no other's.
        let value = self.literal(at)?.to_ascii_lowercase();
        let off = ["false", "no"].iter().any(|word| word.starts_with(&value))
            || matches!(value.as_str(), "of" | "off" | "0");
        Some(value.is_empty() || !off)
    }

    /// What it sets `client_encoding` to, as written; empty for the default of the database.
    pub fn client_encoding(&self) -> Option<String> {
        let value = match self.words.as_slice() {
            ["reset", "client_encoding" | "all", ..] => return Some(String::new()),
            ["set", "client_encoding", "=" | "to", ..] => self.literal(3),
            [
                "set",
                "session" | "local",
                "client_encoding",
                "=" | "to",
                ..,
            ] => self.literal(4),
            ["set", "names", ..] => self.literal(2),
            ["set", "session" | "local", "names", ..] => self.literal(3),
            [
                "select",
                "pg_catalog.set_config" | "set_config",
                "(",
                _,
                ",",
                ..,
            ] => {
                let name = self.literal(3)?;
                if !name.eq_ignore_ascii_case("client_encoding") {
                    return None;
                }
                return self.literal(5);
            }
            _ => return None,
        };
        let value = value.unwrap_or_default();
        let is_default = value == ";" || value.eq_ignore_ascii_case("default");
        Some(if is_default { String::new() } else { value })
    }

    /// The encoding of the database that a CREATE DATABASE makes, if it says so.
    pub fn database_encoding(&self) -> Option<Encoding> {
        let mut tokens = self
            .tokens
            .iter()
            .skip_while(|token| !token.is_word("encoding"));
        let value = tokens.find(|token| token.kind == TokenKind::Literal)?;
        Encoding::named(&value.content())
    }

    /// Index of the last occurrence of a word.
    pub fn last(&self, word: &str) -> Option<usize> {
        self.words.iter().rposition(|known| *known == word)
    }

    /// Index of the first occurrence of a word, from an index on.
    pub fn next(&self, word: &str, from: usize) -> Option<usize> {
        let rest = self.words.get(from..)?;
        Some(from + rest.iter().position(|known| *known == word)?)
    }

    /// Whether a sequence of any unquoted words and signs occurs.
    pub fn says(&self, sequence: &[&str]) -> bool {
        self.tokens.windows(sequence.len()).any(|window| {
            let mut pairs = window.iter().zip(sequence);
            pairs.all(|(token, word)| token.text.eq_ignore_ascii_case(word))
        })
    }

    /// The words and signs, names with their quotes.
    pub fn tokens(&self) -> &[Token<'a>] {
        &self.tokens
    }

    /// The identifier at a place, unquoted or folded.
    pub fn identifier(&self, at: usize) -> Option<String> {
        self.tokens.get(at).map(|token| read_identifier(token.text))
    }

    /// The identifiers between commas that begin at a place, until another word follows one.
    pub fn identifiers(&self, from: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = from;
        while let Some(name) = self.identifier(at).filter(|_| self.is_name(at)) {
            names.push(name);
            if self.words.get(at + 1) != Some(&",") {
                break;
            }
            at += 2;
        }
        names
    }

    /// Whether a name, rather than a sign or a literal, is at a place.
    fn is_name(&self, at: usize) -> bool {
        let token = self.tokens.get(at);
        token.is_some_and(|token| token.kind == TokenKind::Word)
    }

    /// The text between quotes at a place.
    pub fn literal(&self, at: usize) -> Option<String> {
        let token = self.tokens.get(at)?;
        Some(token.content().into_owned())
    }

    /// The name with its schema at a place.
    pub fn qualified(&self, at: usize) -> Option<QualifiedName> {
        let token = self.tokens.get(at).filter(|_| self.is_name(at))?;
        QualifiedName::parse(token.text).ok()
    }

    /// The name that follows the first `word`.
    pub fn name_after(&self, word: &str) -> Option<QualifiedName> {
        self.qualified(self.next(word, 0)? + 1)
    }
}

/// `COPY table (columns) FROM STDIN …`, the only COPY of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyStatement<'a> {
    /// The columns with their parentheses; empty where none are named, or in another encoding than UTF-8.
    pub columns: &'a str,
    /// Whether no options follow, so that the rows are in COPY's own text format.
    pub is_text: bool,
}

impl<'a> CopyStatement<'a> {
    /// For rows without one.
    pub const NONE: Self = Self {
        columns: "",
        is_text: true,
    };

    /// Reads a statement; `None` where it is any other, such as a COPY to or from a program.
    #[must_use]
    pub fn read(text: &'a [u8]) -> Option<Self> {
        match String::from_utf8_lossy(text) {
            Cow::Borrowed(text) if !text.contains('\u{fffd}') => Self::of(text),
            // Names in another encoding: pg_dump names what COPY takes without names. The table of
            // contents of an archive is read with a replacement for its letters.
            text => CopyStatement::of(&text).map(|copy| Self {
                columns: "",
                is_text: copy.is_text,
            }),
        }
    }

    fn of(text: &'a str) -> Option<Self> {
        let mut tokens = tokens(text);
        tokens.next().filter(|token| token.is_word("copy"))?;
        tokens
            .next()
            .filter(|token| token.kind == TokenKind::Word)?;
        let mut next = tokens.next()?;
        let mut columns = "";
        if next.text == "(" {
            let close = tokens.find(|token| token.text == ")")?;
            columns = &text[next.start..close.end()];
            next = tokens.next()?;
        }
        let from_stdin = next.is_word("from") && tokens.next()?.is_word("stdin");
        from_stdin.then(|| Self {
            columns,
            is_text: tokens.all(|token| token.text == ";"),
        })
    }
}

/// The known word that a token is, without regard to case.
fn known(token: &str) -> &'static str {
    let mut folded = [0_u8; 32];
    let Some(folded) = folded.get_mut(..token.len()) else {
        return "";
    };
    folded.copy_from_slice(token.as_bytes());
    folded.make_ascii_lowercase();
    let Some(first) = folded.first() else {
        return "";
    };
    let among = &KNOWN[STARTS[usize::from(*first)]..STARTS[usize::from(*first) + 1]];
    among
        .iter()
        .find(|known| known.as_bytes() == folded)
        .unwrap_or(&"")
}

/// Where in [`KNOWN`] the words with each first byte begin.
const STARTS: [usize; 257] = {
    let (mut starts, mut byte, mut at) = ([0; 257], 0, 0);
    while byte < 257 {
        while at < KNOWN.len() && (KNOWN[at].as_bytes()[0] as usize) < byte {
            at += 1;
        }
        starts[byte] = at;
        byte += 1;
    }
    starts
};

/// The table of an INSERT as written, without parsing the rest.
pub fn inserts_into(text: &[u8]) -> Option<&[u8]> {
    let (verb, rest) = text.split_at_checked("INSERT INTO ".len())?;
    if !verb.eq_ignore_ascii_case(b"INSERT INTO ") {
        return None;
    }
    let end = name_length(rest);
    (0 < end && end < rest.len()).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn known_words_are_sorted() {
        assert!(KNOWN.is_sorted());
    }

    #[rstest]
    #[case("INSERT INTO a.b VALUES (1);", Some("a.b"))]
    #[case("insert into \"a b\".\"c(\" (d) VALUES (1);", Some("\"a b\".\"c(\""))]
    #[case("INSERT INTO t(a) VALUES (1);", Some("t"))]
    #[case("INSERT INTO ", None)]
    #[case("INSERT  INTO t VALUES (1);", None)]
    fn the_table_of_an_insert_is_found(#[case] text: &str, #[case] table: Option<&str>) {
        assert_eq!(inserts_into(text.as_bytes()), table.map(str::as_bytes));
    }

    #[rstest]
    #[case(3, "FROM stdin;", true)]
    #[case(600, "FROM stdin;", true)]
    #[case(600, "FROM PROGRAM 'id';", false)]
    fn rows_follow_a_copy_of_any_width(
        #[case] columns: usize,
        #[case] end: &str,
        #[case] rows: bool,
    ) {
        let names: Vec<String> = (0..columns)
            .map(|at| format!("a_rather_long_name_{at}"))
            .collect();
        let copy = format!("COPY public.wide ({}) {end}", names.join(", "));
        assert_eq!(Words::of(copy.as_bytes()).copy().is_some(), rows);
    }

    #[rstest]
    #[case("COPY t FROM stdin;", true)]
    #[case("copy \"a b\".t (a, \"b)\") from STDIN with (format csv);", true)]
    #[case("COPY t /* rows */ FROM -- here\nstdin;", true)]
    #[case("COPY t FROM PROGRAM 'id' -- from stdin\n;", false)]
    #[case("COPY t FROM PROGRAM 'id' /* from stdin */;", false)]
    #[case("COPY t (a) FROM 'file' WHERE a IN (SELECT a FROM stdin);", false)]
    #[case("COPY (SELECT * FROM stdin) TO PROGRAM 'id';", false)]
    #[case("COPY t TO stdout;", false)]
    fn rows_follow_no_other_copy(#[case] copy: &str, #[case] rows: bool) {
        assert_eq!(Words::of(copy.as_bytes()).copy().is_some(), rows);
    }

    #[rstest]
    #[case("COPY public.t (id, \"a)b\") FROM stdin;", "(id, \"a)b\")", true)]
    #[case("COPY t FROM stdin;", "", true)]
    #[case("COPY public.t  FROM stdin;", "", true)]
    #[case("COPY \"a from b\".t (x) FROM stdin;", "(x)", true)]
    #[case("copy t (x) from STDIN ;", "(x)", true)]
    #[case("COPY t (x) FROM stdin WITH (FORMAT csv);", "(x)", false)]
    #[case("COPY t (x) FROM stdin CSV;", "(x)", false)]
    fn columns_of_a_copy_are_read(
        #[case] text: &str,
        #[case] columns: &str,
        #[case] is_text: bool,
    ) {
        let copy = CopyStatement { columns, is_text };
        assert_eq!(CopyStatement::read(text.as_bytes()), Some(copy));
    }

    /// What is kept of a long statement may end like a whole one.
    #[test]
    fn rows_follow_no_copy_that_is_cut() {
        let copy = format!("COPY (SELECT '{} ) FROM stdin;", "a".repeat(5000));
        assert!(Words::of(copy.as_bytes()).copy().is_none());
    }

    #[test]
    fn rows_follow_a_copy_in_another_encoding() {
        let copy = b"COPY public.times (id, \"gr\xf6\xdfe\") FROM stdin;";
        assert!(Words::of(copy).copy().is_some());
    }

    #[rstest]
    #[case("SET standard_conforming_strings = on;", Some(true))]
    #[case("SET standard_conforming_strings = off;", Some(false))]
    #[case("SET standard_conforming_strings = 'off';", Some(false))]
    #[case("SET standard_conforming_strings = 'on';", Some(true))]
    #[case("set standard_conforming_strings to OFF;", Some(false))]
    #[case("SET SESSION standard_conforming_strings = false;", Some(false))]
    #[case("SET LOCAL standard_conforming_strings TO 'No';", Some(false))]
    #[case("SET standard_conforming_strings = 0;", Some(false))]
    #[case("SET standard_conforming_strings = 1;", Some(true))]
    #[case("SET standard_conforming_strings = DEFAULT;", Some(true))]
    #[case("RESET standard_conforming_strings;", Some(true))]
    #[case("RESET ALL;", Some(true))]
    #[case("SET client_encoding = 'off';", None)]
    fn how_backslashes_are_read_is_set(#[case] text: &str, #[case] on: Option<bool>) {
        assert_eq!(Words::of(text.as_bytes()).standard_strings(), on, "{text}");
    }

    #[rstest]
    #[case("SET client_encoding = 'LATIN1';", Some("LATIN1"))]
    #[case("set Client_Encoding to latin1;", Some("latin1"))]
    #[case("SET SESSION client_encoding TO 'WIN1252';", Some("WIN1252"))]
    #[case("SET LOCAL client_encoding = SJIS;", Some("SJIS"))]
    #[case("SET NAMES 'koi8r';", Some("koi8r"))]
    #[case("SET NAMES;", Some(""))]
    #[case("SET NAMES DEFAULT;", Some(""))]
    #[case("SET SESSION NAMES 'UTF8';", Some("UTF8"))]
    #[case("SET client_encoding TO DEFAULT;", Some(""))]
    #[case("RESET client_encoding;", Some(""))]
    #[case("RESET ALL;", Some(""))]
    #[case(
        "SELECT pg_catalog.set_config('client_encoding', 'LATIN1', false);",
        Some("LATIN1")
    )]
    #[case(
        "select set_config('Client_Encoding', E'LATIN1', true);",
        Some("LATIN1")
    )]
    #[case("SELECT pg_catalog.set_config('search_path', '', false);", None)]
    #[case("SET standard_conforming_strings = on;", None)]
    fn what_the_encoding_is_set_to(#[case] text: &str, #[case] value: Option<&str>) {
        assert_eq!(
            Words::of(text.as_bytes()).client_encoding().as_deref(),
            value,
            "{text}"
        );
    }

    #[rstest]
    #[case(
        "CREATE DATABASE a WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE = 'C';",
        Some("LATIN1")
    )]
    #[case("create database a encoding 'sql_ascii';", Some("SQL_ASCII"))]
    #[case("CREATE DATABASE a;", None)]
    fn the_encoding_of_a_database_is_read(#[case] text: &str, #[case] name: Option<&str>) {
        let encoding = Words::of(text.as_bytes()).database_encoding();
        assert_eq!(encoding.map(Encoding::name), name, "{text}");
    }

    #[test]
    fn a_copy_into_many_columns_is_one() {
        let columns = vec!["a_column"; 1600].join(", ");
        let copies = |end: &str| {
            Words::of(format!("COPY public.wide ({columns}{end}").as_bytes())
                .copy()
                .is_some()
        };
        assert!(copies(") FROM stdin;"));
        assert!(!copies(") FROM PROGRAM 'x) FROM stdin';"));
        assert!(!copies(") FROM PROGRAM 'x' -- ) FROM stdin\n;"));
    }

    #[rstest]
    #[case("GRANT SELECT ON TABLE t TO a, \"B c\", PUBLIC WITH GRANT OPTION;", &["a", "B c", "public"])]
    #[case("GRANT SELECT ON TABLE t TO 'a';", &[])]
    fn names_between_commas_are_listed(#[case] text: &str, #[case] names: &[&str]) {
        let words = Words::of(text.as_bytes());
        let at = words.last("to").unwrap();
        assert_eq!(words.identifiers(at + 1), names);
    }
}
