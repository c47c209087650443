//! Secrets never reach an output: a type that does not print, and a redactor for every edge.

use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use regex::Regex;

use crate::outcome::{Actor, CiFacts, CouldNotRun, Finding, Provenance, ScenarioFacts};

/// A value that must not be printed. `Debug` and `Display` show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret with this value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// A random secret: 32 hexadecimal digits from the generator of the system.
    ///
    /// # Errors
    /// When the generator of the system fails.
    pub fn random() -> Result<Self, CouldNotRun> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|error| CouldNotRun::new(error.to_string()))?;
        Ok(Self(pgdump::digest::hex(&bytes)))
    }

    /// Whether it is long enough to be masked in text: [`SHORTEST_SECRET`] characters or more.
    #[must_use]
    pub fn can_be_masked(&self) -> bool {
        self.0.trim().chars().count() >= SHORTEST_SECRET
    }

    /// The value, to be sent.
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
/// Clones share one list, so that a secret that is added later is removed from all later output.
#[derive(Clone, Default, Debug)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<Secret>>>,
}

/// Minimum length of a secret in characters: a shorter one would also replace ordinary text.
pub const SHORTEST_SECRET: usize = 4;

impl Redactor {
    /// Adds a secret, and each line of one of several lines: a program may print only some of them. What
    /// [cannot be masked](Secret::can_be_masked) is ignored: secrets of a scenario are refused when they
    /// are read.
    pub fn learn(&self, secret: &Secret) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        let lines = secret.expose().lines().map(|line| Secret::new(line.trim()));
        for part in std::iter::once(secret.clone()).chain(lines) {
            if part.can_be_masked() && !secrets.contains(&part) {
                secrets.push(part);
            }
        }
        // The longest first, so that a secret that contains another is removed whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    }

    /// Returns a text without secrets.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let mut clean = text.to_owned();
        for secret in secrets.iter() {
            if clean.contains(secret.expose()) {
                clean = clean.replace(secret.expose(), "***");
            }
        }
        PASSWORDS
            .replace_all(&clean, "${address}${single}${double}${bare}***${host}")
            .into_owned()
    }

    /// Returns an error without secrets.
    #[must_use]
    pub fn clean_error(&self, error: CouldNotRun) -> CouldNotRun {
        CouldNotRun {
            reason: self.clean(&error.reason),
            hint: error.hint.map(|hint| self.clean(&hint)),
        }
    }

    /// Returns where a drill comes from, without secrets: an address of a job may have a password.
    #[must_use]
    pub fn clean_provenance(&self, provenance: Provenance) -> Provenance {
        let clean = |text: String| self.clean(&text);
        Provenance {
            actor: Actor {
                name: clean(provenance.actor.name),
                ..provenance.actor
            },
            host: provenance.host.map(clean),
            ci: provenance.ci.map(|ci| CiFacts {
                job: ci.job.map(clean),
                url: ci.url.map(clean),
                ..ci
            }),
            ..provenance
        }
    }

    /// Returns what is said of a scenario, without secrets.
    #[must_use]
    pub fn clean_scenario(&self, scenario: ScenarioFacts) -> ScenarioFacts {
        let mut clean = scenario;
        clean.text = self.clean(&clean.text);
        for value in clean.settings.written.values_mut() {
            *value = self.clean(value);
        }
        for input in &mut clean.inputs {
            input.path = self.clean(&input.path);
        }
        clean
    }

    /// Returns a finding without secrets.
    #[must_use]
    pub fn clean_finding(&self, finding: Finding) -> Finding {
        let clean = |text: String| self.clean(&text);
        Finding {
            object: finding.object.map(clean),
            expected: clean(finding.expected),
            actual: clean(finding.actual),
            hint: finding.hint.map(clean),
            waived: finding.waived.map(clean),
        }
    }
}

/// Passwords in addresses and clauses, and password verifiers. The groups are what stays.
static PASSWORDS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?xi)
        (?<address> ://[^\s/"'<>?:]*: ) [^\s/"'<>?]* (?<host> @ )
      | scram-sha-256\$ [^\s'";,]*
      | (?<single> passw(?:or)?d [\s:=]* ) ' [^']* (?: ' | $ )
      # Without a separator, `"…"` after the word is an identifier.
      | (?<double> passw(?:or)?d \s* [:=] [\s:=]* ) " [^"]* (?: " | $ )
      | (?<bare> passw(?:or)?d [\s:]* = [\s:=]* ) [^\s&;,'":=] [^\s&;,']*"#;
    #[expect(clippy::expect_used, reason = "a constant; the tests compile it")]
    Regex::new(pattern).expect("the pattern of passwords is a regular expression")
});

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
    #[case("a column \"password\" \"x\"", "a column \"password\" \"x\"")]
    #[case("passwd: \"a b\", x", "passwd: ***, x")]
    #[case("PASSWORD 'not closed", "PASSWORD ***")]
    #[case(
        "postgres://a@b:c:d@db?password=e&x",
        "postgres://a@b:***@db?password=***&x"
    )]
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
    fn each_line_of_a_secret_goes() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new("first line\r\n  second\nab\n\nthird one\n"));
        let text = "x first line y second z third one ab first line\r\n  second";
        assert_eq!(redactor.clean(text), "x *** y *** z *** ab ***\r\n  ***");
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("tops3cret");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }
}
