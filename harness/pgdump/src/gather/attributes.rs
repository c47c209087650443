//! Attributes of a role, as a server lists them: from the options of CREATE ROLE and of every ALTER ROLE.

use jiff::Timestamp;

use crate::sql::token::Token;

/// Attributes that are on or off, in the order of pg_dumpall, and whether a new role has them.
const FLAGS: [(&str, bool); 7] = [
    ("SUPERUSER", false),
    ("INHERIT", true),
    ("CREATEROLE", false),
    ("CREATEDB", false),
    ("LOGIN", false),
    ("REPLICATION", false),
    ("BYPASSRLS", false),
];

/// Applies the options of a statement to the attributes so far, which are empty for a new role. Passwords are left
/// out; VALID UNTIL is in seconds.
pub(super) fn apply(so_far: &str, options: &[Token<'_>]) -> String {
    let mut flags = FLAGS.map(|(_, initial)| initial);
    let (mut limit, mut until) = (String::new(), String::new());
    let before = so_far.split_whitespace().map(str::to_owned);
    let added = options.iter().map(|token| token.text.to_owned());
    let mut words = before.chain(added);
    while let Some(word) = words.next() {
        let word = word.to_uppercase();
        let named = |word: &str| FLAGS.iter().position(|(flag, _)| *flag == word);
        if let Some(at) = named(&word) {
            flags[at] = true;
        } else if let Some(at) = word.strip_prefix("NO").and_then(named) {
            flags[at] = false;
        } else if word == "LIMIT" {
            limit = words.next().unwrap_or_default();
            if limit == "-" {
                limit.push_str(&words.next().unwrap_or_default());
            }
        } else if word == "UNTIL" {
            until = in_seconds(words.next().unwrap_or_default().trim_matches('\''));
        } else if word == "PASSWORD" {
            // Its text may be any word.
            words.next();
        }
    }
    let shown = FLAGS.iter().zip(flags).map(|((flag, _), is)| match is {
        true => (*flag).to_owned(),
        false => format!("NO{flag}"),
    });
    let limit = (!limit.is_empty() && limit != "-1").then(|| format!("CONNECTION LIMIT {limit}"));
    let until = (!until.is_empty()).then(|| format!("VALID UNTIL {until}"));
    let all: Vec<String> = shown.chain(limit).chain(until).collect();
    all.join(" ")
}

/// A time of VALID UNTIL in seconds of the epoch; `infinity` as it is.
fn in_seconds(until: &str) -> String {
    match until.parse::<Timestamp>() {
        Ok(time) => time.as_second().to_string(),
        Err(_) => until.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::token::tokens;
    use rstest::rstest;

    #[rstest]
    #[case(&[""], "NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS")]
    #[case(
        &["LOGIN CONNECTION LIMIT 5"],
        "NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5"
    )]
    #[case(
        &["", "WITH SUPERUSER NOINHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS CONNECTION LIMIT -1"],
        "SUPERUSER NOINHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS"
    )]
    #[case(
        &["login password 'superuser' valid until '2030-01-01 00:00:00+00'", "NOLOGIN"],
        "NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS VALID UNTIL 1893456000"
    )]
    #[case(
        &["VALID UNTIL 'infinity'"],
        "NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS VALID UNTIL infinity"
    )]
    fn attributes_are_those_of_the_server(#[case] statements: &[&str], #[case] expected: &str) {
        let attributes = statements.iter().fold(String::new(), |so_far, options| {
            apply(&so_far, &tokens(options).collect::<Vec<_>>())
        });
        assert_eq!(attributes, expected);
    }
}
