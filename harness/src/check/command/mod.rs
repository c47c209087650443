//! `command`: a program of the user's looks at the restored database; its exit code is the verdict.

mod tap;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use self::tap::Tap;
use crate::check::{Check, Complaint, Observation, Parameters, Restored, program};
use crate::database::{Address, Terms};
use crate::input::secret::SecretText;
use crate::outcome::{CouldNotRun, Finding};
use crate::process::{self, Program};
use crate::server::clone::DatabaseCopy;
use crate::sql::{quote_ident, quote_literal};
use crate::units::{show_count, show_duration};

/// A program of your own checks the restored database; its exit code is the verdict.
///
/// `command` is a program and its arguments, not a line for a shell. It is started in the scenario file's folder
/// with the restored database in its environment (`DATABASE_URL`, `PGHOST`, `PGPORT`, `PGUSER`,
/// `PGDATABASE`, `PGOPTIONS`), and otherwise only `PATH`, `HOME`, `LANG`, `TMPDIR` and what `env` says.
/// It runs alone, within the `timeout` of the check; whatever it started and left behind is killed.
///
/// Its sessions are read-only: `default_transaction_read_only` is on, in `PGOPTIONS` and in `DATABASE_URL`. That is a
/// default of its sessions and no lock, so a program that switches it off changes what later checks
/// see. A program that writes gets `writes = true` and with it a copy of the database, which is
/// dropped afterwards; it takes as much room again. pgTAP writes, if only to its temporary tables.
///
/// Where the output is that of tests in the TAP format, as of pgTAP and `pg_prove`, failed tests are named, and fail the
/// check whatever the exit code is; so do fewer tests than were announced, and none at all. Of other output a finding
/// tells the number of lines, or its end with `show-output`.
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

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.command.first().is_none_or(String::is_empty) {
            complaints.push(
                Complaint::about("command", "`command` names no program")
                    .hint("write `command = [\"bin/check\", \"--all\"]`"),
            );
        }
        if self.role.as_deref() == Some("") {
            complaints.push(Complaint::about("role", "`role` is empty"));
        }
        for name in self.env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                complaints.push(Complaint::about("env", format!("`{name}` is no variable")));
            }
        }
        match self.expect.output.as_deref() {
            Some("") => complaints.push(Complaint::about(
                "expect",
                "every output holds the empty text: this asserts nothing",
            )),
            Some(output) if lines(output).is_err() => complaints.push(Complaint::about(
                "expect",
                format!("`{output}` is no regular expression"),
            )),
            Some(_) | None => {}
        }
        complaints
    }
}

/// Makes a pattern for lines.
fn lines(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).multi_line(true).build()
}

/// Whether a role may log in.
const LOGIN: &str = "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {role}";

/// What of its time limit is left for killing the program and dropping the copy.
const TIDYING: Duration = Duration::from_secs(5);

/// How long the pipes of a killed program may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// Bytes of output beyond which its beginning may be missing.
const WHOLE: usize = 60 * 1024;

/// Failed tests that are named one by one.
const NAMED: usize = 20;

/// How a program ended.
struct ProgramEnd {
    status: ExitStatus,
    /// Both streams, free of secrets.
    output: String,
    whole: bool,
    duration: Duration,
}

#[async_trait]
impl Check for CommandCheck {
    fn describe(&self) -> String {
        let program = self.command.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or(program);
        format!("{name} as {}", self.role.as_deref().unwrap_or("superuser"))
    }

    fn alone(&self) -> bool {
        true
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let began = Instant::now();
        if let Some(finding) = self.missing_role(restored).await? {
            let actual = finding.actual.clone();
            return Ok(Observation::new(self.expectation(), actual, vec![finding]));
        }
        let copy = match self.writes {
            true => Some(copy(restored).await?),
            false => None,
        };
        let database = copy
            .as_ref()
            .map_or(restored.database, |copy| copy.name.as_str());
        let ended = self.run_program(restored, database, began).await;
        if let Some(copy) = copy {
            // It goes with the server in any case.
            let _ = copy.remove(restored.server).await;
        }
        let ended = ended?;
        let (actual, findings) = self.compare(&ended);
        Ok(Observation::new(self.expectation(), actual, findings))
    }
}

/// Copies the database.
async fn copy(restored: &Restored<'_>) -> Result<DatabaseCopy, CouldNotRun> {
    let terms = Terms {
        statement_timeout: restored.timeout,
    };
    // Nobody may be in a database while it is copied.
    restored.sessions.end().await;
    DatabaseCopy::of(restored.server, restored.database, &terms).await.map_err(|error| {
        let unable = CouldNotRun::new(format!("the database cannot be copied: {error}"));
        if error.sqlstate.as_deref() == Some("55006") {
            unable.hint("something in the restored server holds a session to it, such as a background worker")
        } else {
            unable
        }
    })
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

    /// Finds that the role is not there; one that may not log in is nothing for a program.
    async fn missing_role(&self, restored: &Restored<'_>) -> Result<Option<Finding>, CouldNotRun> {
        let Some(role) = &self.role else {
            return Ok(None);
        };
        let mut session = restored.session().await?;
        let login = session
            .value(&LOGIN.replace("{role}", &quote_literal(role)))
            .await?;
        session.close().await;
        match login.as_deref() {
            Some("t") => Ok(None),
            Some(_) => Err(CouldNotRun::new(format!(
                "{} may not log in, so no program can connect as it",
                quote_ident(role)
            ))
            .hint("name the role that the program logs in as")),
            None => Ok(Some(
                Finding::about(
                    format!("role {}", quote_ident(role)),
                    "a role",
                    "there is none in the restored server",
                )
                .hint("look for its CREATE ROLE in the backup"),
            )),
        }
    }

    /// Makes the program's whole environment.
    fn environment(
        &self,
        restored: &Restored<'_>,
        database: &str,
    ) -> Result<Vec<(String, String)>, CouldNotRun> {
        let endpoint = restored.server.endpoint();
        let user = self.role.as_deref().unwrap_or(&endpoint.superuser);
        let mut variables: BTreeMap<String, String> = program::inherited(restored).collect();
        variables.extend(endpoint.environment(user, database));
        if self.role.is_none() && matches!(endpoint.address, Address::Loopback(_)) {
            restored.redactor.learn(&endpoint.password);
            variables.insert(
                "PGPASSWORD".to_owned(),
                endpoint.password.expose().to_owned(),
            );
        }
        if !self.writes {
            let read_only = "-c default_transaction_read_only=on";
            variables.insert("PGOPTIONS".to_owned(), read_only.to_owned());
            if let Some(url) = variables.get_mut("DATABASE_URL") {
                // Drivers that are not libpq know nothing of PGOPTIONS.
                let joint = if url.contains('?') { '&' } else { '?' };
                url.push(joint);
                url.push_str("options=-c%20default_transaction_read_only%3Don");
            }
        }
        for (name, text) in &self.env {
            let value = text
                .resolve(restored.folder, restored.environment, restored.redactor)
                .map_err(|error| CouldNotRun::new(format!("env `{name}`: {error}")))?;
            variables.insert(name.clone(), value.expose().to_owned());
        }
        Ok(variables.into_iter().collect())
    }

    /// Runs the program to its end; kills what it leaves behind.
    async fn run_program(
        &self,
        restored: &Restored<'_>,
        database: &str,
        began: Instant,
    ) -> Result<ProgramEnd, CouldNotRun> {
        let mut words = self.command.iter().cloned();
        let word = words.next().unwrap_or_default();
        let mut running = process::spawn(Program {
            path: program::path(restored, &word)?,
            arguments: words.collect(),
            environment: self.environment(restored, database)?,
            folder: Some(program::folder(
                restored,
                self.working_directory.as_deref(),
            )?),
            run: restored.run.to_owned(),
            ..Program::default()
        })
        .map_err(|error| {
            CouldNotRun::new(restored.redactor.clean(&error.to_string()))
                .hint("`command` is relative to the scenario file, or is found in PATH")
        })?;
        let started = Instant::now();
        let streams = [
            tokio::spawn(process::keep_end(running.stdout())),
            tokio::spawn(process::keep_end(running.stderr())),
        ];
        let tidying = TIDYING.min(restored.timeout / 10);
        let limit = restored.timeout.saturating_sub(began.elapsed() + tidying);
        let status = tokio::time::timeout(limit, running.wait()).await;
        let duration = started.elapsed();
        // Its end is the end of all that it started: a pipe that is held open by a child would never close.
        running.kill();
        let mut output = String::new();
        let mut whole = true;
        for stream in streams {
            if let Ok(Ok(text)) = tokio::time::timeout(CLOSING, stream).await {
                whole &= text.len() < WHOLE;
                output.push_str(&text);
            }
        }
        let output = restored.redactor.clean(&output);
        let unable = |why: String| {
            let unable = CouldNotRun::new(format!("{word}: {why}"));
            match self.said(&output) {
                Some(said) => unable.hint(said),
                None => unable,
            }
        };
        let status = match status {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(unable(format!("it was lost: {error}"))),
            Err(_) => {
                let limit = show_duration(limit);
                return Err(unable(format!(
                    "it did not end within {limit} and was killed"
                )));
            }
        };
        if status.code().is_none() {
            return Err(unable("a signal ended it".to_owned()));
        }
        Ok(ProgramEnd {
            status,
            output,
            whole,
            duration,
        })
    }

    /// What is told of its output.
    fn said(&self, output: &str) -> Option<String> {
        let lines = output.lines().count() as u64;
        match (lines, self.show_output) {
            (0, _) => Some("it wrote nothing".to_owned()),
            (_, true) => Some(format!(
                "its output ends with:\n{}",
                program::tail(output, true)
            )),
            (lines, false) => Some(format!(
                "it wrote {} lines; `show-output = true` shows the last of them",
                show_count(lines)
            )),
        }
    }

    /// Compares how it ended with what is expected; gives what was found and what is wrong.
    fn compare(&self, ended: &ProgramEnd) -> (String, Vec<Finding>) {
        let code = ended.status.code().unwrap_or(-1);
        let mut actual = format!("exit code {code} after {}", show_duration(ended.duration));
        let mut findings = Vec::new();
        let tap = Tap::read(&ended.output, ended.whole);
        if let Some(tap) = &tap {
            let (ran, failed) = (show_count(tap.ran), tap.failed.len());
            actual.push_str(&format!("; {ran} tests, {failed} failed"));
            findings.extend(tests(tap));
        }
        if code != self.exit() && (findings.is_empty() || self.exit() != 0) {
            findings.push(Finding::new(
                format!("exit code {}", self.exit()),
                format!("exit code {code}"),
            ));
        }
        if let Some(output) = &self.expect.output
            && !lines(output).is_ok_and(|pattern| pattern.is_match(&ended.output))
        {
            let lines = show_count(ended.output.lines().count() as u64);
            let expected = format!("output that matches `{output}`");
            findings.push(Finding::new(expected, format!("{lines} lines that do not")));
        }
        if let Some(last) = findings.last_mut()
            && let Some(said) = self.said(&ended.output)
        {
            last.hint = Some(said);
        }
        (actual, findings)
    }
}

/// Finds what is wrong with tests.
fn tests(tap: &Tap) -> Vec<Finding> {
    let passes = "a test that passes";
    let mut findings: Vec<Finding> = tap
        .failed
        .iter()
        .take(NAMED)
        .map(|test| Finding::about(format!("test {test}"), passes, "it failed"))
        .collect();
    let more = tap.failed.len().saturating_sub(NAMED);
    if more > 0 {
        findings.push(Finding::new(passes, format!("{more} more tests failed")));
    }
    if tap.ran == 0 {
        findings.push(Finding::new("tests that run", "there is no test"));
    }
    if let Some(planned) = tap.planned
        && planned != tap.ran
        && tap.ran > 0
    {
        findings.push(Finding::new(
            format!("{} tests, as announced", show_count(planned)),
            format!("{} tests ran", show_count(tap.ran)),
        ));
    }
    findings
}

#[cfg(test)]
mod tests_of_command {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
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
    fn parameters(#[case] toml: &str, #[case] complaints: usize) {
        assert_eq!(check(toml).complaints().len(), complaints);
    }

    #[rstest]
    #[case("", 0, "", 0)]
    #[case("", 1, "", 1)]
    #[case("expect = { exit = 3 }", 3, "", 0)]
    #[case("expect = { exit = 3 }", 0, "", 1)]
    #[case("expect = { output = 'bal.nced' }", 0, "is balanced\n", 0)]
    #[case("expect = { output = 'balanced' }", 0, "is not\n", 1)]
    #[case("expect = { output = '^balanced$' }", 0, "first\nbalanced\nlast\n", 0)]
    #[case("", 0, "1..2\nok 1\nok 2\n", 0)]
    #[case("", 0, "1..2\nok 1\nnot ok 2\n", 1)]
    #[case("", 1, "1..2\nok 1\nnot ok 2\n", 1)]
    #[case("", 0, "1..2\nok 1\n", 1)]
    #[case("", 0, "1..0\n", 1)]
    #[case("", 1, "1..1\nok 1\n", 1)]
    fn an_end_is_compared(
        #[case] toml: &str,
        #[case] code: i32,
        #[case] output: &str,
        #[case] findings: usize,
    ) {
        let ended = ProgramEnd {
            status: ExitStatus::from_raw(code << 8),
            output: output.to_owned(),
            whole: true,
            duration: Duration::ZERO,
        };
        let check = check(&format!("command = ['x']\n{toml}"));
        assert_eq!(check.compare(&ended).1.len(), findings);
    }

    #[test]
    fn output_is_shown_only_where_that_is_asked_for() {
        let ended = ProgramEnd {
            status: ExitStatus::from_raw(256),
            output: "alice\n".to_owned(),
            whole: true,
            duration: Duration::ZERO,
        };
        let shown = |toml: &str| {
            format!(
                "{:?}",
                check(&format!("command = ['x']\n{toml}")).compare(&ended)
            )
        };
        assert!(!shown("").contains("alice"));
        assert!(shown("show-output = true").contains("alice"));
    }
}
