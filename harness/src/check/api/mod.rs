//! `api`: the application itself starts on the restored database and answers as it must.

mod application;
mod expect;
mod request;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use reqwest::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use self::application::Application;
use self::expect::Expectation;
use self::request::{HttpClient, Request};
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored, program};
use crate::database::Session;
use crate::input::secret::SecretText;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_literal;
use crate::units::{Span, show_counted, show_duration};

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

/// When the application is ready.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ready {
    /// The path that is asked until it answers.
    pub path: String,
    /// The status that it answers with then.
    pub status: u16,
    /// Limit for coming up.
    pub within: Span,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            path: "/health".to_owned(),
            status: 200,
            within: Span(std::time::Duration::from_secs(30)),
        }
    }
}

impl Parameters for Api {
    const KIND: &'static str = "api";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.command.first().is_none_or(String::is_empty) {
            errors
                .at("command", "`command` names no program")
                .add_hint("write `command = [\"bin/server\"]`");
        }
        errors.refuse_empty("role", &self.role);
        errors.require_variables("env", self.env.keys());
        errors.require_variables("port-variable", &self.port_variable);
        errors.require_variables("url-variable", &self.url_variable);
        if !self.ready.path.starts_with('/') {
            errors.at("ready", "a path begins with `/`");
        }
        errors.require("ready", check_status(self.ready.status));
        for request in &self.request {
            for message in find_errors(request) {
                errors.at("request", format!("{}: {message}", request.label()));
            }
        }
        if !self.request.iter().any(|r| r.expect.looks_at_content()) {
            let message = "no request expects anything of the content, so an application that \
                           does not read the database would pass";
            errors.whole(message).add_hint(
                "add a `[[check.api.request]]` with `expect.json` or `expect.body-contains`",
            );
        }
    }
}

/// Refuses a status that no server answers with.
fn check_status(status: u16) -> Result<(), String> {
    if (100..600).contains(&status) {
        return Ok(());
    }
    Err(format!("{status} is not an HTTP status"))
}

/// Finds what is wrong with the parameters of one request.
fn find_errors(request: &Request) -> Vec<String> {
    let mut messages = Vec::new();
    if !request.path.starts_with('/') {
        messages.push("a path begins with `/`".to_owned());
    }
    messages.extend(request.expect.status.and_then(|s| check_status(s).err()));
    let headers = request.headers.keys().chain(request.expect.headers.keys());
    for name in headers {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            messages.push(format!("`{name}` cannot be the name of a header"));
        }
    }
    if let Some(body) = &request.body
        && body.json.is_some() == body.text.is_some()
    {
        messages.push("a body is either `json` or `text`".to_owned());
    }
    if request.expect.body_contains.as_deref() == Some("") {
        messages.push("everything contains the empty text: this asserts nothing".to_owned());
    }
    for (path, expectation) in &request.expect.json {
        messages.extend(expectation.find_error(path));
    }
    messages
}

#[async_trait]
impl Check for Api {
    fn describe(&self) -> String {
        let program = self.command.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or(program);
        format!("{name} answers as {}", self.role)
    }

    fn alone(&self) -> bool {
        true
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let expected = format!(
            "ready within {}, and {} answered as expected",
            show_duration(self.ready.within.0),
            show_counted(self.request.len(), "request")
        );
        let mut session = restored.session().await?;
        let before = session.value(FINGERPRINT).await?;
        let mut application = Application::start(self, restored).await?;
        let client = HttpClient::new(application.socket())?;
        let ready = match application.ready(&client, &self.ready).await {
            Ok(ready) => ready,
            Err(finding) => {
                let finding = self.with_output(finding, application, restored).await;
                let actual = "it did not get ready";
                return Ok(Observation::new(expected, actual, vec![finding]));
            }
        };
        let mut findings = Vec::new();
        let mut answered = 0;
        let mut seen = false;
        let sessions = SESSIONS.replace("{role}", &quote_literal(&self.role));
        for request in &self.request {
            let found = client.ask(request, application.port, restored).await?;
            answered += usize::from(found.is_empty());
            findings.extend(found);
            seen |= session.count(&sessions).await? > 0;
        }
        if findings.is_empty() {
            application.stop().await;
        } else {
            let last = findings.len() - 1;
            let finding = std::mem::take(&mut findings[last]);
            findings[last] = self.with_output(finding, application, restored).await;
        }
        findings.extend(self.schema_change(&mut session, before).await?);
        session.close().await;
        let mut actual = format!(
            "ready after {}; {answered} of {} answered as expected",
            show_duration(ready),
            show_counted(self.request.len(), "request")
        );
        if !seen {
            actual.push_str(&format!(
                "; no session of {} was seen in the restored database, so see that it was asked",
                self.role
            ));
        }
        Ok(Observation::new(expected, actual, findings))
    }
}

/// Sessions of the application that are open.
const SESSIONS: &str = "
SELECT count(*) FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database() AND usename = {role}
   AND application_name <> 'redrill'";

/// Changes whenever a definition is added, changed or dropped. What a VACUUM, an ANALYZE, a TRUNCATE
/// or a refreshed materialised view writes into the catalogs does not count.
const FINGERPRINT: &str = "
WITH schema AS (
    SELECT n.oid, n.xmin FROM pg_catalog.pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), relation AS (
    SELECT c.oid, ROW(c.relname, c.relnamespace, c.relkind, c.relowner, c.relacl, c.reloptions,
                      c.relrowsecurity, c.relforcerowsecurity)::text AS what
      FROM pg_catalog.pg_class c JOIN schema ON schema.oid = c.relnamespace
), fact AS (
    SELECT 'n' AS kind, oid, 0 AS part, xmin::text AS what FROM schema
    UNION ALL SELECT 'c', oid, 0, what FROM relation
    UNION ALL SELECT 'a', a.attrelid, a.attnum, ROW(a.attname, a.atttypid, a.atttypmod,
              a.attnotnull, a.atthasdef, a.attisdropped, a.attacl)::text
      FROM pg_catalog.pg_attribute a JOIN relation ON relation.oid = a.attrelid
    UNION ALL SELECT 'd', d.adrelid, d.adnum, d.xmin::text
      FROM pg_catalog.pg_attrdef d JOIN relation ON relation.oid = d.adrelid
    UNION ALL SELECT 'o', k.oid, 0, k.xmin::text
      FROM pg_catalog.pg_constraint k JOIN schema ON schema.oid = k.connamespace
    UNION ALL SELECT 't', t.oid, 0, t.xmin::text
      FROM pg_catalog.pg_trigger t JOIN relation ON relation.oid = t.tgrelid
    UNION ALL SELECT 'p', p.oid, 0, p.xmin::text
      FROM pg_catalog.pg_policy p JOIN relation ON relation.oid = p.polrelid
    UNION ALL SELECT 'f', f.oid, 0, f.xmin::text
      FROM pg_catalog.pg_proc f JOIN schema ON schema.oid = f.pronamespace
    UNION ALL SELECT 'e', e.oid, 0, e.xmin::text FROM pg_catalog.pg_enum e
    UNION ALL SELECT 'x', x.oid, 0, x.xmin::text FROM pg_catalog.pg_extension x
)
SELECT pg_catalog.count(*)::text || '.' || coalesce(pg_catalog.sum(
           pg_catalog.hashtext(ROW(kind, oid, part, what)::text)::pg_catalog.int8), 0)::text
  FROM fact";

impl Api {
    /// Adds the end of the application's output to a finding, and stops the application.
    async fn with_output(
        &self,
        finding: Finding,
        application: Application,
        restored: &Restored<'_>,
    ) -> Finding {
        let output = application.stop().await;
        let output = restored.redactor.clean(&output);
        let said = program::describe_output("the application", &output, self.show_output);
        let hint = match &finding.hint {
            Some(hint) => format!("{hint}\n{said}"),
            None => said,
        };
        finding.hint(hint)
    }

    /// Finds that the schema is not what it was before the application started.
    async fn schema_change(
        &self,
        session: &mut Session,
        before: Option<String>,
    ) -> Result<Option<Finding>, CouldNotRun> {
        if self.may_change_schema || session.value(FINGERPRINT).await? == before {
            return Ok(None);
        }
        Ok(Some(
            Finding::new(
                "the application leaves the schema as it was restored",
                "definitions were added, changed or dropped while it ran",
            )
            .hint(
                "missing migrations would not be noticed: start it with migrations off, or allow \
                 it by `may-change-schema = true`",
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    const GOOD: &str = "command = ['bin/server']\nrole = 'app'\n\
        [[request]]\npath = '/me'\nexpect.json = { '$.name' = 'x' }\n";

    #[rstest]
    #[case(GOOD, 0)]
    #[case(&GOOD.replace("['bin/server']", "[]"), 1)]
    #[case(&GOOD.replace("'app'", "''"), 1)]
    #[case(&GOOD.replace("'/me'", "'me'"), 1)]
    #[case(&GOOD.replace("$.name", "$.name["), 1)]
    #[case(&GOOD.replace("= 'x'", "= {}"), 1)]
    #[case(&GOOD.replace("expect.json = { '$.name' = 'x' }", "expect.status = 200"), 1)]
    #[case("command = ['x']\nrole = 'app'", 1)]
    #[case(&format!("{GOOD}expect.status = 20\n"), 1)]
    #[case(&format!("{GOOD}expect.body-contains = ''\n"), 1)]
    #[case(&format!("{GOOD}headers = {{ 'a b' = 'c' }}\n"), 1)]
    #[case(&format!("{GOOD}body = {{ text = 'a', json = 1 }}\n"), 1)]
    #[case(&format!("ready = {{ path = 'health' }}\n{GOOD}"), 1)]
    #[case(&format!("env = {{ 'A=B' = 'c' }}\n{GOOD}"), 1)]
    fn parameters_that_make_no_sense_are_refused(#[case] text: &str, #[case] expected: usize) {
        let check: Api = toml::from_str(text).unwrap();
        assert_eq!(
            errors_of(|errors| check.validate(errors)).len(),
            expected,
            "{:?}",
            errors_of(|errors| check.validate(errors))
        );
    }

    #[rstest]
    #[case(&GOOD.replace("path", "pathh"))]
    #[case(&GOOD.replace("= 'x'", "= { minn = 1 }"))]
    #[case(&GOOD.replace("role = 'app'\n", ""))]
    #[case(&format!("{GOOD}method = 'get'\n"))]
    fn unknown_words_are_refused(#[case] text: &str) {
        assert!(toml::from_str::<Api>(text).is_err());
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let check: Api = toml::from_str(&format!("ready = {{ within = '5s' }}\n{GOOD}")).unwrap();
        assert_eq!(
            (check.ready.path.as_str(), check.ready.status),
            ("/health", 200)
        );
    }
}
