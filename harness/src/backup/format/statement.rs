//! The first words of a statement, and what they name.

use crate::sql::QualifiedName;

/// The first words of a statement, folded to lower case where they are not quoted.
#[derive(Debug)]
pub struct Words<'a> {
    /// The text of those words.
    pub text: &'a str,
    tokens: Vec<&'a str>,
    words: Vec<&'static str>,
    /// Whether a COPY that is longer than these words ends as one whose rows follow.
    ends_with_stdin: bool,
}

/// Words that are told apart, sorted; anything else is the empty string.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "(", ")", ",", "=", "abort", "access", "add", "admin", "age", "aggregate", "all", "alter", "as",
    "atomic", "attach", "authorization", "begin", "by", "cascade", "client_encoding", "commit",
    "conflict", "constraint", "copy", "create", "database", "default",
    "default_table_access_method", "each", "enable", "end", "execute", "exists", "extension",
    "for", "foreign", "from", "function", "generated", "grant", "granted", "identity", "if", "in",
    "index", "inherit", "inherits", "insert", "into", "join", "level", "lo_close", "lo_create", "lo_open", "local", "lowrite",
    "mapping", "materialized", "method", "name", "not", "null", "of", "off", "on", "only",
    "option", "or", "owner", "partition", "pg_catalog.lo_close", "pg_catalog.lo_create",
    "pg_catalog.lo_open", "pg_catalog.lowrite", "pg_catalog.setval", "policy",
    "procedure", "program", "public", "recursive", "references", "refresh", "replace", "reset", "restrict", "revoke",
    "role", "rollback", "row", "row_security", "schema", "security", "select", "sequence",
    "server", "session", "set", "setval", "standard_conforming_strings", "start", "stdin", "superuser",
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
        // Of a wide table, or with names in another encoding, they end before the statement does.
        // With nothing between them the last words are no part of a comment or a quoted name.
        let ends_with_stdin = text.len() < whole.len() && whole.ends_with(b") FROM stdin;");
        let tokens: Vec<&str> = tokens(text).take(400).collect();
        let words = tokens.iter().map(|token| known(token)).collect();
        Self {
            text,
            tokens,
            words,
            ends_with_stdin,
        }
    }

    /// The words that are told apart.
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

    /// Whether rows follow it.
    pub fn copies_from_stdin(&self) -> bool {
        self.words.first() == Some(&"copy")
            && (self.contains(&["from", "stdin"]) || self.ends_with_stdin)
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

    /// Where the last of a word stands.
    pub fn last(&self, word: &str) -> Option<usize> {
        self.words.iter().rposition(|known| *known == word)
    }

    /// Where a word first stands, from a place on.
    pub fn next(&self, word: &str, from: usize) -> Option<usize> {
        let rest = self.words.get(from..)?;
        Some(from + rest.iter().position(|known| *known == word)?)
    }

    /// Whether a sequence of any unquoted words and signs occurs.
    pub fn says(&self, sequence: &[&str]) -> bool {
        self.tokens.windows(sequence.len()).any(|window| {
            let mut pairs = window.iter().zip(sequence);
            pairs.all(|(token, word)| token.eq_ignore_ascii_case(word))
        })
    }

    /// The words and signs, names with their quotes.
    pub fn tokens(&self) -> &[&'a str] {
        &self.tokens
    }

    /// The identifier at a place, unquoted or folded.
    pub fn identifier(&self, at: usize) -> Option<String> {
        self.tokens
            .get(at)
            .map(|token| match token.strip_prefix('"') {
                Some(quoted) => quoted
                    .strip_suffix('"')
                    .unwrap_or(quoted)
                    .replace("\"\"", "\""),
                None => token.to_ascii_lowercase(),
            })
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

    /// Whether a name, rather than a sign or a literal, stands at a place.
    fn is_name(&self, at: usize) -> bool {
        let first = self.tokens.get(at).and_then(|token| token.chars().next());
        first.is_some_and(|first| first == '"' || first == '_' || first.is_alphabetic())
    }

    /// The text between single quotes at a place.
    pub fn literal(&self, at: usize) -> Option<String> {
        let token = self.tokens.get(at)?;
        Some(token.trim_matches('\'').to_owned())
    }

    /// The name with its schema at a place.
    pub fn qualified(&self, at: usize) -> Option<QualifiedName> {
        let token = self.tokens.get(at).filter(|_| self.is_name(at))?;
        QualifiedName::parse(token).ok()
    }

    /// The name that follows the first `word`.
    pub fn name_after(&self, word: &str) -> Option<QualifiedName> {
        self.qualified(self.next(word, 0)? + 1)
    }
}

/// Whether the last words of a statement are FROM STDIN.
pub fn from_stdin(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii_end();
    let end = &text[text.len().saturating_sub(b" from stdin".len())..];
    end.eq_ignore_ascii_case(b" from stdin")
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

/// The table that an INSERT names, as it is written there, without looking further.
pub fn inserts_into(text: &[u8]) -> Option<&str> {
    let (verb, rest) = text.split_at_checked("INSERT INTO ".len())?;
    if !verb.eq_ignore_ascii_case(b"INSERT INTO ") {
        return None;
    }
    let mut quoted = false;
    let end = rest.iter().position(|byte| {
        quoted ^= *byte == b'"';
        !quoted
            && matches!(
                byte,
                b' ' | b'(' | b'\n' | b'\r' | b'\t' | b';' | b'/' | b'-'
            )
    })?;
    std::str::from_utf8(&rest[..end])
        .ok()
        .filter(|name| !name.is_empty())
}

/// Splits into words, names with their quotes and dots, literals, and single other characters.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end = if first == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |at| at + 2)
        } else if first == '"' || first.is_alphabetic() || first == '_' {
            let mut quoted = false;
            rest.char_indices()
                .find(|(_, c)| {
                    if *c == '"' {
                        quoted = !quoted;
                        return false;
                    }
                    !(quoted || c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '-'))
                })
                .map_or(rest.len(), |(at, _)| at)
        } else {
            first.len_utf8()
        };
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some(token)
    })
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
        assert_eq!(inserts_into(text.as_bytes()), table);
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
        assert_eq!(Words::of(copy.as_bytes()).copies_from_stdin(), rows);
    }

    #[test]
    fn rows_follow_a_copy_in_another_encoding() {
        let copy = b"COPY public.times (id, \"gr\xf6\xdfe\") FROM stdin;";
        assert!(Words::of(copy).copies_from_stdin());
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

    #[test]
    fn a_copy_into_many_columns_is_one() {
        let columns = vec!["a_column"; 1600].join(", ");
        let copies = |end: &str| {
            Words::of(format!("COPY public.wide ({columns}{end}").as_bytes()).copies_from_stdin()
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
