//! `command`: a program of the user checks the restored database; its exit code is the verdict.

mod compare;
pub(crate) mod run;
mod tap;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::compare::compile;
use self::run::copy_database;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored, program};
use crate::input::secret::SecretText;
use crate::outcome::CouldNotRun;

/// A program of your own checks the restored database; its exit code is the verdict.
///
/// `command` is a program and its arguments, not a line for a shell. It is started in the scenario file's folder
/// with the restored database in its environment (`DATABASE_URL`, `PGHOST`, `PGPORT`, `PGUSER`,
/// `PGDATABASE`, `PGOPTIONS`), and otherwise only `PATH`, `HOME`, `LANG`, `TMPDIR` and what `env` says.
/// With `tls = "required"` in `[server]` it runs in a network with nothing but the server, which it reaches by TLS.
/// `{companion.NAME}` in an argument or in a plain value of `env` is the path of the `[[backup.companion]]` of that name,
/// such as a key with which a row must be decrypted.
/// It runs alone, within the `timeout` of the check; whatever it started and left behind is killed.
///
/// Its sessions are read-only: `default_transaction_read_only` is on, in `PGOPTIONS` and in `DATABASE_URL`. That is a
/// default of its sessions and no lock, so a program that switches it off changes what later checks
/// see. A program that writes gets `writes = true` and with it a copy of the database, which is
/// dropped afterwards; it takes as much room again. pgTAP writes, if only to its temporary tables.
///
/// Where the output is that of tests in the TAP format, as of pgTAP and `pg_prove`, failed tests are named, and fail the
/// check whatever the exit code is; so do fewer tests than were announced, and none at all. Of other output a finding
/// shows the number of lines, or its end with `show-output`.
///
/// ## What it proves
/// What the program proves. A program that is missing, is ended by a signal or takes too
/// long proves nothing, and makes the drill inconclusive.
///
/// ## What it does not prove
/// That it reads the database at all: let it fail without one.
///
/// ## Example
/// ```toml
/// [[check.command]]
/// name = "the team's own tests"
/// command = ["pg_prove", "--recurse", "tests/"]
/// role = "app_owner"
/// writes = true
///
/// [[check.command]]
/// name = "the books balance"
/// command = ["bin/balance", "--strict"]
/// role = "accounting"
/// env = { LEDGER_KEY = { env = "DRILL_LEDGER_KEY" } }
/// expect = { exit = 0, output = "balanced to the cent" }
/// timeout = "10m"
///
/// [[backup.companion]]
/// name = "master key"
/// path = "/etc/app/master.key"
///
/// [[check.command]]
/// name = "the master key decrypts a secret"
/// command = ["bin/decrypts", "{companion.master key}"]
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommandCheck {
    /// Program and arguments. A program with a `/` is relative to the scenario file, one without is looked for
    /// in `PATH`.
    pub command: Vec<String>,
    /// Where it starts, relative to the scenario file. Default: the scenario file's folder.
    pub working_directory: Option<PathBuf>,
    /// The role that it connects as. Default: the superuser.
    pub role: Option<String>,
    /// More variables, which also replace those that are given anyway.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Whether it may write, in a copy of the database that is dropped afterwards. Default: false.
    #[serde(default)]
    pub writes: bool,
    /// What it must do. Default: `{ exit = 0 }`.
    #[serde(default)]
    pub expect: ExpectedEnd,
    /// Whether a finding shows the end of its output as it is, but for secrets. It may hold values of
    /// rows. Default: false.
    #[serde(default)]
    pub show_output: bool,
}

/// What a program must do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectedEnd {
    /// Its exit code. Default: 0.
    pub exit: Option<u8>,
    /// A regular expression that its output matches, standard error included; `^` and `$` stand for the
    /// ends of a line.
    pub output: Option<String>,
}

impl Parameters for CommandCheck {
    const KIND: &'static str = "command";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.command.first().is_none_or(String::is_empty) {
            errors
                .at("command", "`command` names no program")
                .add_hint("write `command = [\"bin/check\", \"--all\"]`");
        }
        if let Some(role) = &self.role {
            errors.refuse_empty("role", role);
        }
        errors.require_variables("env", self.env.keys());
        if let Some(output) = &self.expect.output {
            if output.is_empty() {
                errors.within(
                    &["expect", "output"],
                    "every output matches ``: this asserts nothing",
                );
            } else if compile(output).is_err() {
                let message = format!("`{output}` is not a regular expression");
                errors.within(&["expect", "output"], message);
            }
        }
    }
}

#[async_trait]
impl Check for CommandCheck {
    fn inputs(&self) -> Vec<PathBuf> {
        program::inputs(&self.command, self.working_directory.as_deref())
    }

    fn describe(&self) -> String {
        let program = self.command.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or(program);
        format!("{name} as {}", self.role.as_deref().unwrap_or("superuser"))
    }

    fn reads_backup(&self) -> Option<&'static str> {
        let names_companion = self.unknown_companion(&[]).is_some();
        names_companion.then_some("what belongs to it")
    }

    fn alone(&self) -> bool {
        true
    }

    fn unknown_companion(&self, known: &[&str]) -> Option<String> {
        let plain = self.env.values().filter_map(|text| match text {
            SecretText::Plain(plain) => Some(plain),
            SecretText::Env(_) | SecretText::File(_) => None,
        });
        let mut texts = self.command.iter().chain(plain);
        texts.find_map(|text| run::unknown_companion(text, known))
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let began = Instant::now();
        let role = self.role.as_deref().into_iter();
        if let Some(finding) = program::find_missing_role(restored, role).await? {
            let actual = finding.actual.clone();
            return Ok(Observation::new(self.expectation(), actual, vec![finding]));
        }
        let copy = match self.writes {
            true => Some(copy_database(restored).await?),
            false => None,
        };
        let database = copy
            .as_ref()
            .map_or(restored.database, |copy| copy.name.as_str());
        let endpoint = restored.server.endpoint();
        let ended = self.run_program(restored, endpoint, database, began).await;
        if let Some(copy) = copy {
            // It goes with the server in any case.
            let _ = copy.remove(restored.server).await;
        }
        let ended = ended?;
        let (actual, findings) = self.compare(&ended);
        Ok(Observation::new(self.expectation(), actual, findings))
    }
}

impl CommandCheck {
    fn exit(&self) -> i32 {
        i32::from(self.expect.exit.unwrap_or(0))
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        match &self.expect.output {
            Some(output) => format!("exit code {}, output that matches `{output}`", self.exit()),
            None => format!("exit code {}", self.exit()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(toml: &str) -> CommandCheck {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("command = ['x']", 0)]
    #[case(
        "command = ['x', 'y']\nrole = 'a'\nwrites = true\nexpect = { exit = 3, output = '^a' }",
        0
    )]
    #[case("command = []", 1)]
    #[case("command = ['']", 1)]
    #[case("command = ['x']\nrole = ''", 1)]
    #[case("command = ['x']\nenv = { 'a=b' = 'c' }", 1)]
    #[case("command = ['x']\nexpect = { output = '(' }", 1)]
    #[case("command = ['x']\nexpect = { output = '' }", 1)]
    fn parameters(#[case] toml: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(toml).validate(errors)).len(),
            expected
        );
    }
}
