//! Names at known places of definitions, as pg_dump writes them.

use crate::sql::{QualifiedName, Token, TokenKind, tokens};

/// The name behind the first of these words, and behind ONLY.
pub(super) fn name_after(sql: &str, words: &[&str]) -> Option<QualifiedName> {
    let mut all = tokens(sql).skip_while(|token| !words.iter().any(|word| token.is_word(word)));
    all.next();
    let mut names = all.skip_while(|token| token.is_word("only"));
    let name = names.next().filter(|token| token.kind == TokenKind::Word)?;
    QualifiedName::parse(name.text).ok()
}

/// The name behind the last of these words.
pub(super) fn name_after_last(sql: &str, words: &[&str]) -> Option<QualifiedName> {
    let all: Vec<Token<'_>> = tokens(sql).collect();
    let at = all
        .iter()
        .rposition(|token| words.iter().any(|word| token.is_word(word)))?;
    let name = all
        .get(at + 1)
        .filter(|token| token.kind == TokenKind::Word)?;
    QualifiedName::parse(name.text).ok()
}

/// The names in the brackets behind a word.
pub(super) fn names_in_brackets(sql: &str, word: &str) -> Vec<QualifiedName> {
    let all: Vec<Token<'_>> = tokens(sql).collect();
    let at = all
        .windows(2)
        .rposition(|pair| pair[0].is_word(word) && pair[1].text == "(");
    let inside = at.map_or(&[][..], |at| &all[at + 2..]);
    let inside = inside.iter().take_while(|token| token.text != ")");
    let words = inside.filter(|token| token.kind == TokenKind::Word);
    words
        .filter_map(|token| QualifiedName::parse(token.text).ok())
        .collect()
}
