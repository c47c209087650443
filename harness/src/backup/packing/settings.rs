//! The settings of decryption: `[backup.decrypt]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::age;
use super::keys::{Command, Keys, Way};
use super::trouble::Trouble;
use crate::input::secret::SecretText;
use crate::input::{Environment, Problem};
use crate::redact::{Redactor, Secret};
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
    /// [`Trouble::Keys`]: a variable is not set, a file cannot be read or contains no identity.
    pub fn keys(
        &self,
        folder: &Path,
        environment: &Environment,
        redactor: &Redactor,
        run: &str,
    ) -> Result<Keys, Trouble> {
        let resolve = |name: &str, text: &SecretText| {
            text.resolve(folder, environment, redactor).map_err(|error| {
                Trouble::keys(
                    format!("`{name}` of `[backup.decrypt]`: {error}"),
                    "it is read on the machine that runs the drill, relative to the scenario file",
                )
            })
        };
        if let Some(text) = &self.age_identity {
            let secret = resolve("age-identity", text)?;
            // A message would show one line of it, if any.
            for line in secret
                .expose()
                .lines()
                .filter(|line| !line.starts_with('#'))
            {
                redactor.learn(&Secret::new(line));
            }
            let identities = age::identities(secret.expose()).map_err(|why| {
                Trouble::keys(
                    format!("`age-identity` of `[backup.decrypt]` cannot be used: {why}"),
                    "set a file of `age-keygen`, or an ssh private key without a passphrase",
                )
            })?;
            return Ok(Keys(Some(Way::Age(Arc::new(identities)))));
        }
        let Some((program, arguments)) = self.command.as_deref().and_then(<[String]>::split_first)
        else {
            return Ok(Keys::default());
        };
        // The command starts in the folder, so both must not depend on where redrill was started.
        let folder = std::path::absolute(folder)
            .map_err(|error| Trouble::place(format!("{}: {error}", folder.display())))?;
        let program = if program.contains('/') {
            folder.join(program)
        } else {
            PathBuf::from(program)
        };
        let mut variables: BTreeMap<String, String> = INHERITED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), environment.get(*name)?.clone())))
            .collect();
        for (name, text) in &self.env {
            let value = resolve(&format!("env.{name}"), text)?;
            variables.insert(name.clone(), value.expose().to_owned());
        }
        Ok(Keys(Some(Way::Command(Arc::new(Command {
            program,
            arguments: arguments.to_vec(),
            environment: variables.into_iter().collect(),
            folder,
            timeout: self.timeout.map_or(TIMEOUT, |span| span.0),
            run: run.to_owned(),
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
        let trouble = decrypt
            .keys(Path::new("/"), &environment, &Redactor::default(), "test")
            .unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Keys { reason, .. } if reason.contains(expected)),
            "{trouble}"
        );
        assert!(!format!("{trouble:?}").contains("SECRET"), "{trouble:?}");
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
