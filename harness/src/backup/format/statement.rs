//! The first words of a statement, and what they name.

use crate::database::QualifiedName;

/// The first words of a statement, folded to lower case where they are not quoted.
#[derive(Debug)]
pub struct Words<'a> {
    /// The text of those words.
    pub text: &'a str,
    folded: Vec<String>,
    words: Vec<&'static str>,
}

/// Words that are told apart; anything else is the empty string.
const KNOWN: &[&str] = &[
    "copy",
    "insert",
    "into",
    "create",
    "role",
    "user",
    "mapping",
    "alter",
    "superuser",
    "database",
    "extension",
    "if",
    "not",
    "exists",
    "grant",
    "granted",
    "by",
    "revoke",
    "owner",
    "to",
    "select",
    "set",
    "row_security",
    "client_encoding",
    "standard_conforming_strings",
    "=",
    "on",
    "off",
    "conflict",
    "from",
    "stdin",
    "program",
    "lo_create",
    "pg_catalog.lo_create",
];

impl<'a> Words<'a> {
    /// Splits the beginning of a statement.
    pub fn of(text: &'a [u8]) -> Self {
        let head = &text[..text.len().min(4096)];
        let text = match std::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
        };
        let folded: Vec<String> = tokens(text)
            .take(400)
            .map(str::to_ascii_lowercase)
            .collect();
        let words = folded
            .iter()
            .map(|word| {
                KNOWN
                    .iter()
                    .find(|known| *known == word)
                    .copied()
                    .unwrap_or("")
            })
            .collect();
        Self {
            text,
            folded,
            words,
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
        self.words.first() == Some(&"copy") && self.contains(&["from", "stdin"])
    }

    /// What it sets `standard_conforming_strings` to.
    pub fn standard_strings(&self) -> Option<bool> {
        match self.words.as_slice() {
            ["set", "standard_conforming_strings", "=", value, ..] => Some(*value != "off"),
            _ => None,
        }
    }

    /// The identifier at a place, unquoted or folded.
    pub fn identifier(&self, at: usize) -> Option<String> {
        tokens(self.text)
            .nth(at)
            .map(|token| match token.strip_prefix('"') {
                Some(quoted) => quoted.trim_end_matches('"').replace("\"\"", "\""),
                None => token.to_ascii_lowercase(),
            })
    }

    /// The text between single quotes at a place.
    pub fn literal(&self, at: usize) -> Option<String> {
        self.folded.get(at).map(|_| ())?;
        tokens(self.text)
            .nth(at)
            .map(|token| token.trim_matches('\'').to_owned())
    }

    /// The name that follows the first `word`.
    pub fn name_after(&self, word: &str) -> Option<QualifiedName> {
        let at = self.words.iter().position(|known| *known == word)?;
        QualifiedName::parse(tokens(self.text).nth(at + 1)?).ok()
    }
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
