//! One request over HTTP to the application, and what it must answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use schemars::JsonSchema;
use serde::Deserialize;

use super::expect::Expectation;
use crate::check::Restored;
use crate::input::secret::SecretText;
use crate::outcome::{CouldNotRun, Finding};
use crate::units::{Span, show_bytes, show_duration};

/// How long an answer may take where the scenario does not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of an answer is read.
const LARGEST: usize = 8 * 1024 * 1024;

/// What is asked, and what must be answered.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// The name that findings show; without it, method and path.
    pub name: Option<String>,
    /// The process that it is sent to, by its name. Default: that of `command`.
    pub process: Option<String>,
    /// Default: `GET`.
    #[serde(default)]
    pub method: Method,
    /// Path and query, as in `/api/v1/search?q=x`.
    pub path: String,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
    /// Body to send: `{ json = … }` or `{ text = … }`.
    pub body: Option<Body>,
    /// What must be answered. Default: status 200.
    #[serde(default)]
    pub expect: ExpectedAnswer,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    #[default]
    Get,
    /// Reads the headers alone.
    Head,
    /// Sends.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
    /// Asks what may be asked.
    Options,
}

impl Method {
    const fn http(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Head => reqwest::Method::HEAD,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
            Self::Options => reqwest::Method::OPTIONS,
        }
    }
}

/// A body to send.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Body {
    /// Sent as JSON. It is no place for a secret.
    pub json: Option<serde_json::Value>,
    /// Sent as it is; a JSON text that holds a secret comes from `{ env = … }` or `{ file = … }`.
    pub text: Option<SecretText>,
}

/// What must be answered.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectedAnswer {
    /// Default: 200. Redirects are not followed.
    pub status: Option<u16>,
    /// Headers and their whole values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is at a JSONPath (RFC 9535): a value, or `{ exists = true }`, `{ min = 1 }`,
    /// `{ max = 9 }`, `{ length = 5 }`, `{ min-length = 1 }`, `{ equals = … }`.
    #[serde(default)]
    pub json: BTreeMap<String, Expectation>,
    /// Text that the body contains.
    pub body_contains: Option<String>,
    /// The answer is complete within this time.
    pub within: Option<Span>,
}

impl ExpectedAnswer {
    /// Tells whether it expects anything of the body.
    #[must_use]
    pub fn looks_at_content(&self) -> bool {
        !self.json.is_empty() || self.body_contains.is_some()
    }
}

impl Request {
    /// Names the request in findings.
    pub fn label(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        // A query may hold what a user typed, and is long.
        let path = self.path.split('?').next().unwrap_or_default();
        let process = self.process.iter().map(|name| format!(" of {name}"));
        format!(
            "{} {path}{}",
            self.method.http(),
            process.collect::<String>()
        )
    }
}

/// What was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HttpAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    took: Duration,
}

/// Sends a request to the application alone: no proxy, no redirect.
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// Makes a client, which connects to the unix socket if there is one.
    pub fn new(socket: Option<&Path>) -> Result<Self, CouldNotRun> {
        crate::tls::install();
        let building = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .http1_only();
        let building = match socket {
            Some(socket) => building.unix_socket(socket),
            None => building,
        };
        building
            .build()
            .map(Self)
            .map_err(|error| CouldNotRun::new(format!("no HTTP client: {error}")))
    }

    /// Asks for a status alone; an error says in a few words why there is none.
    pub async fn status(&self, port: u16, path: &str, limit: Duration) -> Result<u16, String> {
        let sent = self
            .0
            .get(url(port, path))
            .timeout(limit)
            .send()
            .await
            .map_err(|error| why(&error))?;
        Ok(sent.status().as_u16())
    }

    /// Asks, and compares the answer with what it must be.
    pub async fn ask(
        &self,
        request: &Request,
        port: u16,
        restored: &Restored<'_>,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let answer = match self.send(request, port, restored).await? {
            Ok(answer) => answer,
            Err(why) => {
                return Ok(vec![Finding::about(request.label(), "an answer", why)]);
            }
        };
        let mut findings = compare(request, &answer);
        if let Some(within) = request.expect.within
            && answer.took > within.0
        {
            let mut times = show_duration(answer.took);
            let mut met = false;
            // The first one may have met cold caches; only a GET may be repeated without harm.
            if request.method == Method::Get
                && let Ok(again) = self.send(request, port, restored).await?
            {
                met = again.took <= within.0;
                times = format!("{times}, then {}", show_duration(again.took));
            }
            if !met {
                let limit = format!("an answer within {}", show_duration(within.0));
                findings.push(Finding::about(request.label(), limit, times));
            }
        }
        Ok(findings)
    }

    /// Sends a request and reads the answer; the inner error says why there is none.
    async fn send(
        &self,
        request: &Request,
        port: u16,
        restored: &Restored<'_>,
    ) -> Result<Result<HttpAnswer, String>, CouldNotRun> {
        let resolve = |text: &SecretText| {
            text.resolve(restored.folder, restored.environment, restored.redactor)
                .map_err(|error| CouldNotRun::new(format!("{}: {error}", request.label())))
        };
        let within = request.expect.within.map_or(PATIENCE, |within| within.0);
        let url = url(port, &request.path);
        let building = self.0.request(request.method.http(), url);
        let mut building = building.timeout(within.max(PATIENCE));
        if let Some(body) = &request.body {
            if let Some(json) = &body.json {
                building = building.json(json);
            }
            if let Some(text) = &body.text {
                building = building.body(resolve(text)?.expose().to_owned());
            }
        }
        for (name, value) in &request.headers {
            building = building.header(name, resolve(value)?.expose());
        }
        // The builder's error may quote a header, so it is not shown.
        let built = building.build().map_err(|_| {
            CouldNotRun::new(format!("{}: this cannot be sent", request.label()))
                .hint("look for characters that a path or a header may not hold")
        })?;
        let began = Instant::now();
        let mut response = match self.0.execute(built).await {
            Ok(response) => response,
            Err(error) => return Ok(Err(why(&error))),
        };
        let mut answer = HttpAnswer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.as_str().to_owned(), value)
                })
                .collect(),
            ..HttpAnswer::default()
        };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Ok(Err(format!("the answer broke off: {}", why(&error)))),
            }
            if answer.body.len() > LARGEST {
                let most = show_bytes(LARGEST as u64);
                return Ok(Err(format!("an answer of more than {most}")));
            }
        }
        answer.took = began.elapsed();
        Ok(Ok(answer))
    }
}

fn url(port: u16, path: &str) -> String {
    format!("http://127.0.0.1:{port}{path}")
}

/// Says in a few words why there is no answer.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}

/// Compares an answer with what it must be. Values of the answer are never shown.
fn compare(request: &Request, answer: &HttpAnswer) -> Vec<Finding> {
    let label = request.label();
    let expect = &request.expect;
    let status = expect.status.unwrap_or(200);
    if answer.status != status {
        // What else is expected is expected of the right answer.
        return vec![Finding::about(
            label,
            format!("status {status}"),
            format!("status {}", answer.status),
        )];
    }
    let mut findings = Vec::new();
    for (name, value) in &expect.headers {
        let found: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        if !found.contains(&value.as_str()) {
            let actual = if found.is_empty() {
                "no such header"
            } else {
                "the header has another value"
            };
            findings.push(Finding::about(
                &label,
                format!("header {name}: {value}"),
                actual,
            ));
        }
    }
    if let Some(text) = &expect.body_contains
        && !String::from_utf8_lossy(&answer.body).contains(text)
    {
        let size = show_bytes(answer.body.len() as u64);
        let actual = format!("a body of {size} without it");
        findings.push(Finding::about(
            &label,
            format!("a body that contains `{text}`"),
            actual,
        ));
    }
    if !expect.json.is_empty() {
        match serde_json::from_slice(&answer.body) {
            Ok(body) => {
                for (path, expectation) in &expect.json {
                    findings.extend(
                        expectation
                            .compare(path, &body)
                            .map(|(expected, actual)| Finding::about(&label, expected, actual)),
                    );
                }
            }
            Err(_) => {
                let size = show_bytes(answer.body.len() as u64);
                let actual = format!("a body of {size} that is not JSON");
                findings.push(Finding::about(&label, "a body in JSON", actual));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn answer() -> HttpAnswer {
        HttpAnswer {
            status: 200,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: br#"{"user": {"name": "Alice"}, "count": 3}"#.to_vec(),
            took: Duration::from_millis(5),
        }
    }

    #[rstest]
    #[case("", 0)]
    #[case("expect.status = 201", 1)]
    #[case("expect.headers = { content-type = 'application/json' }", 0)]
    #[case("expect.headers = { content-type = 'text/html' }", 1)]
    #[case("expect.headers = { x-other = 'a' }", 1)]
    #[case("expect.body-contains = 'Alice'", 0)]
    #[case("expect.body-contains = 'Bob'", 1)]
    #[case("expect.json = { '$.user.name' = 'Alice', '$.count' = 3 }", 0)]
    #[case("expect.json = { '$.user.name' = 'Bob', '$.count' = 4 }", 2)]
    fn answers_are_compared(#[case] expect: &str, #[case] broken: usize) {
        let request: Request = toml::from_str(&format!("path = '/me?key=x'\n{expect}")).unwrap();
        let findings = compare(&request, &answer());
        assert_eq!(findings.len(), broken, "{findings:?}");
        for finding in findings {
            assert_eq!(finding.object.as_deref(), Some("GET /me"));
            assert!(!finding.actual.contains("Alice"), "{finding:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_no_crash() {
        let request: Request = toml::from_str("path = '/'\nexpect.json = { '$' = 1 }").unwrap();
        let answer = HttpAnswer {
            body: b"<html>".to_vec(),
            ..answer()
        };
        assert_eq!(compare(&request, &answer).len(), 1);
    }
}
