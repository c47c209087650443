//! `api`: the application itself starts on the restored database and answers as it must.

mod application;
mod expect;
mod parameters;
mod process;
mod ready;
mod request;
mod schema;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::application::Application;
use self::process::{ApiProcess, ProcessSettings};
use self::ready::Ready;
use self::request::Request;
use crate::check::{Check, Observation, Restored, program};
use crate::database::Session;
use crate::input::secret::SecretText;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_literal;
use crate::units::show_counted;

/// The application itself starts on the restored database, as its own role, and answers as it must.
///
/// `command` is started with the restored database in its environment (`DATABASE_URL`, `PGHOST`,
/// `PGPORT`, `PGUSER`, `PGDATABASE`) and a free port in `PORT`, on which it must listen at
/// 127.0.0.1. Of the environment it gets `PATH`, `HOME`, `LANG` and `TMPDIR`; everything else stands
/// in `env`. `{port}`, `{url}`, `{host}`, `{role}` and `{database}` in `command` and in plain values
/// of `env` are filled in. When the check ends, however it ends, the application and all that it
/// started are killed. With `tls = "required"` in `[server]` it runs in a network with nothing but the server, which it
/// reaches by TLS.
///
/// An application of several processes has a `[[check.api.process]]` for each in addition to the one of `command`, such
/// as a worker. All are started at once, each with a port, a role and an environment of its own, and each must be ready
/// within its own time and run until the last request is answered. A process is ready when a path answers (`path`),
/// it writes a line (`output`), it listens on its port (`listens`), or it writes a file (`file`). `{worker.port}`
/// is the port of the process `worker`, `{application.port}` that of `command`. A request is sent to
/// `command`, or to the `process` that it names.
///
/// ## What it proves
/// That the application comes up within the time it has, and that each request gets the status,
/// headers and content it must. Since a health page may be green without reading the database, one
/// request at least must expect something of the content: let it be a row that only the restored
/// database has.
///
/// That the application did not change the database's schema on its way, which would hide that
/// migrations are missing; `may-change-schema` allows it.
///
/// A latency (`within`) is measured after the application is ready. A `GET` that is too slow is
/// asked once more, because the first one may have met cold caches.
///
/// ## What it does not prove
/// That writing works. The application writes what it writes: put this check last.
///
/// ## Example
/// ```toml
/// [[check.api]]
/// command = ["bin/server", "--port", "{port}"]
/// role = "app"
/// env = { LOG_LEVEL = "warn", SESSION_KEY = { env = "DRILL_SESSION_KEY" } }
/// ready = { path = "/health", within = "30s" }
///
/// [[check.api.request]]
/// name = "a restored user is known"
/// path = "/api/v1/me"
/// headers = { authorization = { env = "DRILL_API_KEY" } }
/// expect.json = { "$.user.name" = "First User", "$.orders" = { min = 1 } }
/// expect.within = "500ms"
///
/// [[check.api.process]]
/// name = "worker"
/// command = ["bin/worker"]
/// env = { API_URL = "http://127.0.0.1:{application.port}" }
/// ready = { output = "^ready to take jobs", within = "30s" }
///
/// [[check.api.request]]
/// process = "worker"
/// path = "/jobs"
/// expect.json = { "$.failed" = 0 }
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Api {
    /// Program and arguments. A program with a `/` is relative to the scenario file, one without is
    /// looked for in `PATH`.
    pub command: Vec<String>,
    /// Where it starts, relative to the scenario file. Default: the scenario file's folder.
    pub working_directory: Option<PathBuf>,
    /// The role that it connects as.
    pub role: String,
    /// More variables, which also replace those that are given anyway.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// The variable that holds the port to listen on. Default: `PORT`.
    pub port_variable: Option<String>,
    /// The variable that holds the database's URL. Default: `DATABASE_URL`.
    pub url_variable: Option<String>,
    /// When it is ready. Default: `{ path = "/health", status = 200, within = "30s" }`.
    #[serde(default)]
    pub ready: Ready,
    /// Its other processes, such as a worker.
    #[serde(default)]
    pub process: Vec<ApiProcess>,
    /// What is asked, in this order.
    #[serde(default)]
    pub request: Vec<Request>,
    /// Whether it may change the schema, as an application does that migrates when it starts.
    /// Default: false.
    #[serde(default)]
    pub may_change_schema: bool,
    /// Whether a finding shows the end of its output as it is, but for secrets. It may contain values
    /// of rows. Default: false.
    #[serde(default)]
    pub show_output: bool,
}

#[async_trait]
impl Check for Api {
    fn inputs(&self) -> Vec<PathBuf> {
        let processes = self.processes();
        let inputs = processes
            .iter()
            .map(|one| program::inputs(one.command, one.working_directory));
        inputs.flatten().collect()
    }

    fn describe(&self) -> String {
        let program = self.command.first().map_or("", String::as_str);
        let mut name = program.rsplit('/').next().unwrap_or(program).to_owned();
        for process in &self.process {
            name.push_str(&format!(" with {}", process.name));
        }
        format!("{name} answers as {}", self.role)
    }

    fn alone(&self) -> bool {
        true
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let processes = self.processes();
        let roles = processes.iter().map(|process| process.role);
        if let Some(finding) = program::find_missing_role(restored, roles).await? {
            let actual = finding.actual.clone();
            return Ok(Observation::new(self.expectation(), actual, vec![finding]));
        }
        let mut session = restored.session().await?;
        let before = schema::fingerprint(&mut session).await?;
        let mut processes = application::start(&processes, restored).await?;
        let waiting = processes.iter_mut().map(Application::ready);
        let ready = futures_util::future::join_all(waiting).await;
        if ready.iter().any(Result::is_err) {
            let mut findings = Vec::new();
            for (process, ready) in processes.into_iter().zip(ready) {
                if let Err(finding) = ready {
                    findings.push(self.with_output(finding, vec![process], restored).await);
                }
            }
            let actual = match findings.len() {
                1 if self.process.is_empty() => "it did not get ready".to_owned(),
                unready => {
                    let all = show_counted(1 + self.process.len(), "process");
                    format!("{unready} of {all} did not get ready")
                }
            };
            return Ok(Observation::new(self.expectation(), actual, findings));
        }
        let mut findings = Vec::new();
        let mut answered = 0;
        let mut sessions = Sessions::of(&processes);
        for request in &self.request {
            let found = application::ask(&processes, request, restored).await?;
            answered += usize::from(found.is_empty());
            findings.extend(found);
            sessions.look(&mut session).await?;
        }
        findings.extend(processes.iter_mut().filter_map(Application::find_end));
        match findings.pop() {
            None => {
                for process in processes {
                    process.stop().await;
                }
            }
            Some(last) => findings.push(self.with_output(last, processes, restored).await),
        }
        if !self.may_change_schema {
            findings.extend(schema::find_change(&mut session, before).await?);
        }
        session.close().await;
        let times: Vec<String> = self
            .processes()
            .iter()
            .zip(ready.into_iter().flatten())
            .map(|(process, took)| process.named("ready after", took))
            .collect();
        let actual = format!(
            "{}; {answered} of {} answered as expected{}",
            times.join(", "),
            show_counted(self.request.len(), "request"),
            sessions.describe_missing()
        );
        Ok(Observation::new(self.expectation(), actual, findings))
    }
}

/// The number of open sessions of a role, without those of redrill.
const SESSIONS: &str = "
SELECT count(*) FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database() AND usename = {role}
   AND application_name <> 'redrill'";

/// The roles of the application, and whether a session of each was seen.
struct Sessions(BTreeMap<String, bool>);

impl Sessions {
    fn of(processes: &[Application]) -> Self {
        let roles = processes
            .iter()
            .map(|process| (process.role.clone(), false));
        Self(roles.collect())
    }

    /// Searches sessions of the roles of which none was seen yet.
    async fn look(&mut self, session: &mut Session) -> Result<(), CouldNotRun> {
        for (role, seen) in self.0.iter_mut().filter(|(_, seen)| !**seen) {
            let sql = SESSIONS.replace("{role}", &quote_literal(role));
            *seen = session.count(&sql).await? > 0;
        }
        Ok(())
    }

    /// Says of which roles no session was seen; empty where one of each was.
    fn describe_missing(&self) -> String {
        let missing: Vec<&str> = self
            .0
            .iter()
            .filter(|(_, seen)| !**seen)
            .map(|(role, _)| role.as_str())
            .collect();
        if missing.is_empty() {
            return String::new();
        }
        format!(
            "; no session of {} was seen in the restored database, so see that it was asked",
            missing.join(" and of ")
        )
    }
}

impl Api {
    /// All processes: that of `command` first.
    fn processes(&self) -> Vec<ProcessSettings<'_>> {
        let main = ProcessSettings {
            name: process::MAIN,
            command: &self.command,
            working_directory: self.working_directory.as_deref(),
            role: &self.role,
            env: vec![&self.env],
            port_variable: self.port_variable.as_deref(),
            url_variable: self.url_variable.as_deref(),
            ready: &self.ready,
        };
        let others = self.process.iter().map(|process| process.settings(self));
        std::iter::once(main).chain(others).collect()
    }

    /// What is expected, in one line.
    fn expectation(&self) -> String {
        let times: Vec<String> = self
            .processes()
            .iter()
            .map(|process| process.named("ready within", process.ready.within.0))
            .collect();
        format!(
            "{}, and {} answered as expected",
            times.join(", "),
            show_counted(self.request.len(), "request")
        )
    }

    /// Stops processes and adds the end of their output to a finding.
    async fn with_output(
        &self,
        finding: Finding,
        processes: Vec<Application>,
        restored: &Restored<'_>,
    ) -> Finding {
        let mut hint: Vec<String> = finding.hint.clone().into_iter().collect();
        for process in processes {
            let name = process.title();
            let output = restored.redactor.clean(&process.stop().await);
            hint.push(program::describe_output(&name, &output, self.show_output));
        }
        finding.hint(hint.join("\n"))
    }
}
