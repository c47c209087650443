//! The settings of decryption: `[backup.decrypt]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::age;
use super::keys::{Command, Keys, Way};
use crate::input::program::ProgramSettings;
use crate::input::secret::SecretText;
use crate::input::{Environment, Problem};
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;
use crate::units::Span;

/// Environment variables that the command inherits: for its programs and its key ring.
const INHERITED: &[&str] = &["PATH", "HOME"];

/// Default limit until the next byte of a command.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How the backup is decrypted. Exactly one of `age-identity` and `command`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Decrypt {
    /// The age identity: `{ file = "backup.key" }`, relative to the scenario file, or
    /// `{ env = "NAME" }`. A file of `age-keygen` or an ssh private key, without a passphrase.
    pub age_identity: Option<SecretText>,
    /// A program and its arguments that reads the file from standard input and writes the content to
    /// standard output, such as `["gpg", "--batch", "--decrypt"]`. It starts in the folder of the
    /// scenario file, with `PATH`, `HOME` and `env` as its whole environment.
    pub command: Option<Vec<String>>,
    /// Variables for the command. A value is text, `{ env = "NAME" }` or `{ file = "path" }`.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Limit until the first and every next byte of the command. Default: 5 minutes. The decryption as a
    /// whole has no limit.
    pub timeout: Option<Span>,
}

impl Decrypt {
    /// Validates it without reading any file; `span` is the header of the section.
    pub fn check(&self, span: &Range<usize>, problems: &mut Vec<Problem>) {
        let mut note = |message: &str, hint: &str| {
            problems.push(Problem::at(span.clone(), message).hint(hint));
        };
        match (&self.age_identity, &self.command) {
            (None, None) => note(
                "`[backup.decrypt]` sets no way to decrypt",
                "add `age-identity = { file = \"backup.key\" }` or `command = [\"gpg\", \"--batch\", \"--decrypt\"]`",
            ),
            (Some(_), Some(_)) => note(
                "`[backup.decrypt]` has exactly one way to decrypt",
                "keep `age-identity` or `command`",
            ),
            (Some(SecretText::Plain(_)), None) => note(
                "`age-identity` is a secret, which is never written in a scenario",
                "write `{ file = \"backup.key\" }` or `{ env = \"NAME\" }`",
            ),
            (Some(SecretText::Env(_) | SecretText::File(_)), None) => {
                if self.timeout.is_some() || !self.env.is_empty() {
                    note(
                        "`timeout` and `env` are for a `command`",
                        "an age identity needs neither: remove them",
                    );
                }
            }
            (None, Some(words)) => {
                if words.first().is_none_or(|word| word.trim().is_empty()) {
                    note(
                        "`command` names no program",
                        "write `command = [\"gpg\", \"--batch\", \"--decrypt\"]`",
                    );
                }
            }
        }
        if self.timeout.is_some_and(|span| span.0.is_zero()) {
            note(
                "a `timeout` of zero ends every command",
                "write `timeout = \"5m\"`",
            );
        }
    }

    /// Reads the secrets. `folder` is that of the scenario file, `run` the id of the run.
    ///
    /// # Errors
    /// When a variable is not set, or a file cannot be read or contains no identity.
    pub fn keys(
        &self,
        folder: &Path,
        environment: &Environment,
        redactor: &Redactor,
        run: &str,
    ) -> Result<Keys, CouldNotRun> {
        if let Some(text) = &self.age_identity {
            let secret = text.resolve(folder, environment, redactor).map_err(|error| {
                CouldNotRun::with_hint(
                    format!("`age-identity` of `[backup.decrypt]`: {error}"),
                    "it is read on the machine that runs the drill, relative to the scenario file",
                )
            })?;
            // Also where the scenario itself contains it.
            redactor.learn(&secret);
            let identities = age::identities(secret.expose()).map_err(|why| {
                CouldNotRun::with_hint(
                    format!("`age-identity` of `[backup.decrypt]` cannot be used: {why}"),
                    "set a file of `age-keygen`, or an ssh private key without a passphrase",
                )
            })?;
            return Ok(Keys(Some(Way::Age(Arc::new(identities)))));
        }
        let Some(words) = &self.command else {
            return Ok(Keys::default());
        };
        let program = ProgramSettings {
            section: "[backup.decrypt]",
            words,
            inherited: INHERITED,
            variables: &self.env,
        };
        let program = program.resolve(folder, environment, redactor, run)?;
        Ok(Keys(Some(Way::Command(Arc::new(Command {
            program: program.path,
            arguments: program.arguments,
            environment: program.environment,
            folder: program.folder,
            timeout: self.timeout.map_or(TIMEOUT, |span| span.0),
            run: program.run,
            redactor: redactor.clone(),
        })))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", Some("sets no way"))]
    #[case(
        "age-identity = 'AGE-SECRET-KEY-1'",
        Some("never written in a scenario")
    )]
    #[case("age-identity = { file = 'k' }", None)]
    #[case(
        "age-identity = { env = 'K' }\ntimeout = '1m'",
        Some("are for a `command`")
    )]
    #[case(
        "age-identity = { file = 'k' }\ncommand = ['gpg']",
        Some("exactly one way")
    )]
    #[case("command = []", Some("names no program"))]
    #[case("command = [' ']", Some("names no program"))]
    #[case("command = ['gpg']\ntimeout = '0s'", Some("ends every command"))]
    #[case("command = ['gpg']\ntimeout = '1m'\nenv = { A = 'b' }", None)]
    fn mistakes_are_told_offline(#[case] text: &str, #[case] expected: Option<&str>) {
        let decrypt: Decrypt = toml::from_str(text).unwrap();
        let mut problems = Vec::new();
        decrypt.check(&(0..1), &mut problems);
        match expected {
            None => assert!(problems.is_empty(), "{problems:?}"),
            Some(part) => assert!(
                problems.len() == 1 && format!("{problems:?}").contains(part),
                "{problems:?}"
            ),
        }
    }

    #[rstest]
    #[case("age-identity = { env = 'NONE' }", "`NONE` is not set")]
    #[case("age-identity = { file = '/none' }", "cannot read the secret")]
    #[case("age-identity = { env = 'BAD' }", "not an age identity")]
    #[case("age-identity = { env = 'BAD_SSH' }", "not an ssh private key")]
    #[case("age-identity = { env = 'COMMENT' }", "contains no identity")]
    #[case("command = ['x']\nenv = { A = { env = 'NONE' } }", "env.A")]
    fn keys_that_cannot_be_used_are_named_and_not_shown(
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        let environment: Environment = [
            ("BAD", "AGE-SECRET-KEY-1SECRET"),
            ("BAD_SSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\n"),
            ("COMMENT", "# created"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let decrypt: Decrypt = toml::from_str(text).unwrap();
        let error = decrypt
            .keys(Path::new("/"), &environment, &Redactor::default(), "test")
            .unwrap_err();
        assert!(
            error.hint.is_some() && error.reason.contains(expected),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }

    #[test]
    fn keys_do_not_print_what_they_hold() {
        let decrypt: Decrypt =
            toml::from_str("command = ['./tool', '--pass=SECRET']\nenv = { A = 'SECRET' }")
                .unwrap();
        let keys = decrypt
            .keys(
                Path::new("/f"),
                &Environment::new(),
                &Redactor::default(),
                "test",
            )
            .unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(`tool`)");
    }
}
