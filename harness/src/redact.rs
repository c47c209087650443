//! Secrets never reach an output: a type that does not print, and a redactor for every edge.

use std::fmt;
use std::sync::{Arc, RwLock};

use crate::outcome::{CouldNotRun, Finding};

/// A value that must not be printed. `Debug` and `Display` show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Makes a random one: 32 hexadecimal digits from the system's generator.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(crate::digest::hex(&bytes)))
    }

    /// Whether it is long enough to be masked in text: [`SHORTEST_SECRET`] characters or more.
    #[must_use]
    pub fn can_be_masked(&self) -> bool {
        self.0.trim().chars().count() >= SHORTEST_SECRET
    }

    /// Gives the value to whoever must send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Replaces known secrets, passwords in URLs and password clauses in any text.
///
/// Clones share one list, so that a secret learned late is also removed from what is shown later.
#[derive(Clone, Default, Debug)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<Secret>>>,
}

/// Fewest characters of a secret: a shorter one would put `***` all over ordinary text.
pub const SHORTEST_SECRET: usize = 4;

impl Redactor {
    /// Learns a secret. One that [cannot be masked](Secret::can_be_masked) is left out: whoever reads
    /// secrets of a scenario refuses it first.
    pub fn learn(&self, secret: &Secret) {
        if !secret.can_be_masked() {
            return;
        }
        let mut secrets = match self.secrets.write() {
            Ok(secrets) => secrets,
            Err(poisoned) => poisoned.into_inner(),
        };
        if !secrets.contains(secret) {
            secrets.push(secret.clone());
            // The longest first, so that a secret that contains another is removed whole.
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        }
    }

    /// Gives `text` without secrets.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let secrets = match self.secrets.read() {
            Ok(secrets) => secrets,
            Err(poisoned) => poisoned.into_inner(),
        };
        let mut clean = text.to_owned();
        for secret in secrets.iter() {
            if clean.contains(secret.expose()) {
                clean = clean.replace(secret.expose(), "***");
            }
        }
        password_clauses(&url_passwords(&clean))
    }

    /// Gives an error without secrets.
    #[must_use]
    pub fn clean_error(&self, error: CouldNotRun) -> CouldNotRun {
        CouldNotRun {
            reason: self.clean(&error.reason),
            hint: error.hint.map(|hint| self.clean(&hint)),
        }
    }

    /// Gives a finding without secrets.
    #[must_use]
    pub fn clean_finding(&self, finding: Finding) -> Finding {
        let clean = |text: String| self.clean(&text);
        Finding {
            object: finding.object.map(clean),
            expected: clean(finding.expected),
            actual: clean(finding.actual),
            hint: finding.hint.map(clean),
        }
    }
}

/// `scheme://user:password@host` → `scheme://user:***@host`.
fn url_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>' | '?'))
            .unwrap_or(after.len());
        let authority = &after[..end];
        match authority.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((name, _)) => {
                    out.push_str(name);
                    out.push_str(":***@");
                    out.push_str(host);
                }
                None => out.push_str(authority),
            },
            None => out.push_str(authority),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// `PASSWORD 'x'`, `password=x`, `SCRAM-SHA-256$…`, `md5…` → the same with `***`.
fn password_clauses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let lower = rest.to_ascii_lowercase();
        let Some((at, word)) = ["password", "passwd", "scram-sha-256$"]
            .iter()
            .filter_map(|word| lower.find(word).map(|at| (at, *word)))
            .min()
        else {
            break;
        };
        let value_at = at + word.len();
        if word == "scram-sha-256$" {
            out.push_str(&rest[..at]);
            out.push_str("***");
            let end = rest[value_at..]
                .find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ';' | ','))
                .map_or(rest.len(), |end| value_at + end);
            rest = &rest[end..];
            continue;
        }
        let after = &rest[value_at..];
        let lead = after.len()
            - after
                .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '=' | ':'))
                .len();
        let value = &after[lead..];
        let (keep, skip) = if let Some(inner) = value.strip_prefix('\'') {
            (true, inner.find('\'').map_or(value.len(), |end| end + 2))
        } else if let Some(inner) = value.strip_prefix('"') {
            // `"password"` in quotes after the word is an identifier unless a separator precedes.
            let separated = after[..lead].contains(['=', ':']);
            (
                separated,
                inner.find('"').map_or(value.len(), |end| end + 2),
            )
        } else {
            let separated = after[..lead].contains(['=']);
            (
                separated,
                value
                    .find(|c: char| c.is_whitespace() || matches!(c, '&' | ';' | ',' | '\''))
                    .unwrap_or(value.len()),
            )
        };
        out.push_str(&rest[..value_at]);
        if keep && skip > 0 {
            out.push_str(&after[..lead]);
            out.push_str("***");
            rest = &after[lead + skip..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("postgres://app:hunter22@db/x", "postgres://app:***@db/x")]
    #[case("see http://example.test/a@b", "see http://example.test/a@b")]
    #[case("ALTER ROLE a PASSWORD 'abc';", "ALTER ROLE a PASSWORD ***;")]
    #[case("host=x password=abc user=y", "host=x password=*** user=y")]
    #[case("PASSWORD 'SCRAM-SHA-256$4096:ab$cd'", "PASSWORD ***")]
    #[case("a SCRAM-SHA-256$4096:ab$cd b", "a *** b")]
    #[case("the password is wrong", "the password is wrong")]
    fn passwords_go(#[case] text: &str, #[case] clean: &str) {
        assert_eq!(Redactor::default().clean(text), clean);
    }

    #[test]
    fn a_known_secret_goes_and_one_that_is_too_short_is_left_out() {
        let redactor = Redactor::default();
        for short in ["", "  ", "b", "a b", "äöü"] {
            assert!(!Secret::new(short).can_be_masked(), "{short}");
            redactor.learn(&Secret::new(short));
        }
        redactor.learn(&Secret::new("tops3cret"));
        assert_eq!(redactor.clean("a tops3cret b"), "a *** b");
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("tops3cret");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }
}
