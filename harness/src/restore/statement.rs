//! The statements that errors of a restore belong to, shortened so that they contain no value.

use std::borrow::Cow;

use crate::sqlstate::Names;

/// How much of a statement its summary and the names of its objects may need.
const BEGINNING: usize = 64 * 1024;

/// [`summarise`] for a statement as the dump has it.
pub(super) fn summarise_bytes(text: &[u8], names: &Names) -> String {
    summarise(&beginning(text), names)
}

/// The part of a statement that its summary and the names of its objects may need.
pub(super) fn beginning(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&text[..text.len().min(BEGINNING)])
}

/// Words of a statement that its summary has.
const WORDS: usize = 20;

/// Words that statements of a dump begin with.
const COMMANDS: &[&str] = &[
    "ALTER", "ANALYZE", "BEGIN", "CALL", "CLUSTER", "COMMENT", "COMMIT", "COPY", "CREATE",
    "DELETE", "DO", "DROP", "GRANT", "IMPORT", "INSERT", "LOAD", "LOCK", "REFRESH", "REINDEX",
    "RESET", "REVOKE", "SECURITY", "SELECT", "SET", "START", "TRUNCATE", "UPDATE", "VACUUM",
    "WITH",
];

/// Shortens a statement to its first words: no literal, no list of columns, no body, and no word that is
/// not a known name. Text that does not begin like a statement may be rows whose COPY is missing, so
/// nothing of it is shown.
pub(super) fn summarise(text: &str, names: &Names) -> String {
    let end = text.find(['(', '\'', '$', ';', '=']).unwrap_or(text.len());
    let words: Vec<&str> = text[..end].split_whitespace().collect();
    let known = words
        .first()
        .is_some_and(|word| COMMANDS.contains(&word.to_ascii_uppercase().as_str()));
    if !known {
        return "the statement succeeds".to_owned();
    }
    let mut short = names.known_words(&words[..words.len().min(WORDS)].join(" "));
    if words[0].eq_ignore_ascii_case("SET") {
        short = names.known_words(&words[..words.len().min(2)].join(" "));
    }
    // What follows is one, quoted or not.
    if let Some(at) = short.to_ascii_uppercase().find(" PASSWORD ") {
        short.truncate(at + " PASSWORD".len());
    }
    format!("`{short}` succeeds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "ALTER ROLE a WITH LOGIN PASSWORD 'x';",
        "`ALTER ROLE a WITH LOGIN PASSWORD` succeeds"
    )]
    #[case(
        "ALTER TABLE ONLY app.o\n    ADD CONSTRAINT p PRIMARY KEY (id);",
        "`ALTER TABLE ONLY app.o ADD CONSTRAINT p PRIMARY KEY` succeeds"
    )]
    #[case("17\tAlice\tBern\n18\tBob\tThun;", "the statement succeeds")]
    #[case("SET app.key = abc;", "`SET app.key` succeeds")]
    #[case("SET app.key TO abc;", "`SET app.key` succeeds")]
    #[case("CREATE ROLE a PASSWORD abc;", "`CREATE ROLE a PASSWORD` succeeds")]
    #[case("INSERT INTO t VALUES ('secret');", "`INSERT INTO … VALUES` succeeds")]
    #[case("Insert\tplanted\t17;", "`Insert …` succeeds")]
    #[case("select planted;", "`select …` succeeds")]
    #[case("Set\tplanted;", "`Set …` succeeds")]
    fn statements_are_shortened_so_that_they_contain_no_value(
        #[case] text: &str,
        #[case] short: &str,
    ) {
        let names = Names::default();
        names.learn_definitions(text);
        assert_eq!(summarise(text, &names), short);
    }
}
