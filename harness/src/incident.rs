//! Sends the result of a drill to an incident tool, after the reports are written, which are then written again with
//! what became of it. Affects neither the verdict nor the exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use crate::http;
use crate::input::decode::{Table, decode};
use crate::input::secret::SecretText;
use crate::input::table::{check_http_url, key_span, refuse_plain_secrets, table_at, text_at};
use crate::input::{Environment, Problem};
use crate::outcome::{Delivery, DeliveryEnd};
use crate::redact::{Redactor, Secret};
use crate::units::{Span, show_duration};
use crate::verdict::Verdict;

/// Default number of attempts.
const TRIES: u8 = 3;
/// Maximum number of attempts.
const MOST_TRIES: u8 = 10;
/// Default limit of one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Limit of the single attempt after a signal, since somebody waits for the end.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(5);
/// The first pause between two attempts; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest pause between two attempts, even if the server asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Severity of a drill that is not PROVEN, and where its result is sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Incident {
    /// Severity of a drill that is not PROVEN, in the terms of your incident tool, such as `P1`. Every
    /// report of such a drill shows it.
    pub severity: String,
    /// The webhook that receives results.
    pub webhook: Option<Webhook>,
}

/// A webhook that receives results: a POST with a JSON body (`redrill schema incident`), after the
/// reports are written. Whether it arrives is in every report, and affects neither the verdict nor the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// The address; a secret one comes from `{ env = … }` or `{ file = … }`.
    pub url: SecretText,
    /// A token, sent as `Authorization: Bearer …`.
    pub token: Option<SecretText>,
    /// Additional headers.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
    /// Verdicts that are sent. Default: all but `proven` and `checks-passed`, also `-with-waivers`.
    pub on: Option<Vec<Verdict>>,
    /// Whether every result is sent, including PROVEN and CHECKS PASSED. Default: false.
    #[serde(default)]
    pub always: bool,
    /// Number of attempts, 1 to 10. Default: 3.
    pub tries: Option<u8>,
    /// Limit of one attempt. Default: `10s`.
    pub timeout: Option<Span>,
    /// A file of certificates (PEM) to trust in addition to those of the system.
    pub ca: Option<PathBuf>,
    /// What is sent. Default: `message`.
    #[serde(default)]
    pub format: Format,
    /// With `format = "ping"`: the address that is called when a drill begins. Default: none is.
    pub start: Option<SecretText>,
    /// With `format = "ping"`: the address that is called when a drill did not pass. Default: none is, so that the switch alarms
    /// when its time is over.
    pub failed: Option<SecretText>,
}

/// What a webhook receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A POST with the JSON of `redrill schema incident`.
    #[default]
    Message,
    /// A POST with JSON that the incoming webhooks of Slack, Mattermost and Rocket.Chat accept: a text.
    Slack,
    /// A GET without a body, as dead man's switches want: to `url` when a drill passed, to `failed` when it did not, to `start` when
    /// it begins.
    Ping,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A drill begins.
    Began,
    /// A drill ended with this verdict; the text is the body.
    Ended(Verdict, &'a str),
}

impl Webhook {
    /// The address for this news; `None` where it is not sent.
    fn address(&self, news: News<'_>) -> Option<&SecretText> {
        match (self.format, news) {
            (Format::Ping, News::Began) => self.start.as_ref(),
            (_, News::Began) => None,
            (Format::Ping, News::Ended(verdict, _)) if !verdict.passed() => self.failed.as_ref(),
            (_, News::Ended(..)) => Some(&self.url),
        }
    }

    /// Whether a result is sent.
    #[must_use]
    pub fn is_for(&self, verdict: Verdict) -> bool {
        match &self.on {
            _ if self.format == Format::Ping => verdict.passed() || self.failed.is_some(),
            _ if self.always => true,
            Some(on) => on.contains(&verdict),
            None => !verdict.passed(),
        }
    }
}

/// Reads `[incident]`; errors are added to `problems`.
pub fn read(value: Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Option<Incident> {
    let before = problems.len();
    if let DeValue::Table(table) = value.get_ref() {
        if let Some((severity, span)) = text_at(table, "severity")
            && (severity.trim().is_empty() || severity.chars().any(char::is_control))
        {
            problems.push(
                Problem::at(span, "a severity is one or two words")
                    .hint("use a term of your incident tool, such as `severity = \"P1\"`"),
            );
        }
        if let Some((webhook, _)) = table_at(table, "webhook") {
            validate_webhook(webhook, problems);
        }
    }
    let incident: Incident = decode(value, &[], problems)?;
    (problems.len() == before).then_some(incident)
}

/// Reads `[[notify]]`; errors are added to `problems`.
pub fn read_targets(value: Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Vec<Webhook> {
    if let DeValue::Array(targets) = value.get_ref() {
        for target in targets {
            if let DeValue::Table(webhook) = target.get_ref() {
                validate_webhook(webhook, problems);
            }
        }
    }
    decode(value, &[], problems).unwrap_or_default()
}

/// Validates the keys that belong to one format.
fn validate_format(webhook: &Table<'_>, problems: &mut Vec<Problem>) {
    let is_ping = text_at(webhook, "format").is_some_and(|(format, _)| format == "ping");
    let (wrong, why, hint) = match is_ping {
        true => (
            ["on", "always"],
            "a ping says by its address how the drill ended",
            "remove this key: `url` is called when a drill passed, `failed` when it did not",
        ),
        false => (
            ["start", "failed"],
            "only a ping has several addresses",
            "add `format = \"ping\"`, or remove this key",
        ),
    };
    for key in wrong {
        if let Some(span) = key_span(webhook, key) {
            problems.push(Problem::at(span, why).hint(hint));
        }
    }
}

/// Validates the values of `[incident.webhook]`, or of one `[[notify]]`.
fn validate_webhook(webhook: &Table<'_>, problems: &mut Vec<Problem>) {
    let elsewhere = "write `{ env = \"NAME\" }` or `{ file = \"path\" }`";
    validate_format(webhook, problems);
    for key in ["url", "start", "failed"] {
        let Some((url, span)) = text_at(webhook, key) else {
            continue;
        };
        let with_login =
            Url::parse(url).is_ok_and(|url| url.password().is_some() || !url.username().is_empty());
        if with_login {
            problems
                .push(Problem::at(span, "a secret is never written in a scenario").hint(elsewhere));
        } else {
            check_http_url(webhook, key, problems);
        }
    }
    refuse_plain_secrets(webhook, &["token"], problems);
    if let Some((headers, _)) = table_at(webhook, "headers") {
        for (name, value) in headers {
            let (span, name) = (name.span(), name.get_ref().to_ascii_lowercase());
            if HeaderName::try_from(name.as_str()).is_err() {
                problems.push(Problem::at(span, "this is not a header name"));
                continue;
            }
            let secret = ["auth", "cookie", "key", "secret", "token"]
                .iter()
                .any(|word| name.contains(word));
            if secret && value.get_ref().as_str().is_some() {
                problems.push(
                    Problem::at(value.span(), "a secret is never written in a scenario")
                        .hint(elsewhere),
                );
            }
            if name == "authorization" && webhook.contains_key("token") {
                problems.push(
                    Problem::at(span, "two ways of authentication")
                        .hint("keep `token` or this header"),
                );
            }
        }
    }
    if let (Some(on), true) = (key_span(webhook, "on"), webhook.contains_key("always")) {
        problems.push(
            Problem::at(on, "`always` already selects every result").hint("keep `on` or `always`"),
        );
    }
    if let Some(on) = webhook.get("on")
        && let DeValue::Array(words) = on.get_ref()
        && words.is_empty()
    {
        problems.push(
            Problem::at(on.span(), "no result is ever sent")
                .hint("remove `on` to send all but PROVEN, or remove the whole table"),
        );
    }
    if let Some(tries) = webhook.get("tries")
        && let DeValue::Integer(number) = tries.get_ref()
        && !number
            .as_str()
            .parse::<u8>()
            .is_ok_and(|tries| (1..=MOST_TRIES).contains(&tries))
    {
        problems.push(Problem::at(
            tries.span(),
            format!("the number of attempts is 1 to {MOST_TRIES}"),
        ));
    }
}

/// What a delivery requires in addition to the settings.
pub struct Sender<'a> {
    /// Base of relative paths.
    pub folder: &'a Path,
    /// The environment.
    pub environment: &'a Environment,
    /// Receives the secrets.
    pub redactor: &'a Redactor,
    /// Whether a signal has interrupted the run.
    pub interrupted: bool,
}

/// Why one attempt failed.
struct Failed {
    why: String,
    /// The status of the answer, where there is one.
    status: Option<u16>,
    /// Whether another attempt may succeed.
    passing: bool,
    /// The earliest time for it, if the server named one.
    later: Option<Duration>,
}

/// Sends news, unless they are not for this webhook. `id` is that of the run, so that a duplicate can be recognised.
pub async fn deliver(
    webhook: &Webhook,
    sender: &Sender<'_>,
    id: &str,
    news: News<'_>,
) -> Option<Delivery> {
    let address = webhook.address(news)?;
    Some(deliver_to(address, webhook, sender, id, news).await)
}

async fn deliver_to(
    address: &SecretText,
    webhook: &Webhook,
    sender: &Sender<'_>,
    id: &str,
    news: News<'_>,
) -> Delivery {
    let body = match (webhook.format, news) {
        (Format::Ping, _) | (_, News::Began) => None,
        (_, News::Ended(_, body)) => Some(body),
    };
    let (client, url) = match prepare(address, webhook, sender) {
        Ok(prepared) => prepared,
        Err(why) => return Delivery::failed(why),
    };
    let mut delivery = Delivery {
        host: Some(http::origin_of(&url)),
        ..Delivery::default()
    };
    let (tries, timeout) = match sender.interrupted {
        true => (1, AFTER_A_SIGNAL),
        false => (
            webhook.tries.unwrap_or(TRIES),
            webhook.timeout.map_or(TIMEOUT, |span| span.0),
        ),
    };
    let mut wait = FIRST_WAIT;
    loop {
        delivery.tries += 1;
        let late = Failed {
            why: format!("did not answer within {}", show_duration(timeout)),
            status: None,
            passing: true,
            later: None,
        };
        let tried = tokio::time::timeout(timeout, once(&client, &url, id, body)).await;
        let failed = match tried.unwrap_or(Err(late)) {
            Ok(status) => {
                delivery.status = Some(status);
                delivery.end = DeliveryEnd::Sent;
                return delivery;
            }
            Err(failed) => failed,
        };
        let why = failed.why;
        delivery.status = failed.status;
        let later = failed.later.unwrap_or_default();
        let last = match tries {
            1 => "one attempt",
            _ => "the last attempt",
        };
        let why = if !failed.passing {
            why
        } else if later > LONGEST_WAIT {
            let later = show_duration(later);
            format!("{why} and asks to wait for {later}, which is too long")
        } else if delivery.tries >= tries {
            format!("{why} ({last} of {tries})")
        } else {
            wait = wait.max(later);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            continue;
        };
        delivery.end = DeliveryEnd::Failed(why);
        return delivery;
    }
}

/// Creates a client with the secrets, and the address.
fn prepare(
    address: &SecretText,
    webhook: &Webhook,
    sender: &Sender<'_>,
) -> Result<(Client, Url), String> {
    crate::tls::install();
    let resolve =
        |text: &SecretText| text.resolve(sender.folder, sender.environment, sender.redactor);
    let resolved = resolve(address)?;
    let url = http::parse_url(resolved.expose())
        .ok_or("the address of the webhook is not an HTTP address")?;
    // Whatever repeats the address repeats these.
    for part in [url.password(), url.query(), Some(url.path())]
        .into_iter()
        .flatten()
    {
        if !matches!(address, SecretText::Plain(_)) {
            sender.redactor.learn(&Secret::new(part));
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut add = |name: HeaderName, text: &str| -> Result<(), String> {
        let value = http::secret_header(&name, text)?;
        headers.insert(name, value);
        Ok(())
    };
    if let Some(token) = &webhook.token {
        add(
            AUTHORIZATION,
            &format!("Bearer {}", resolve(token)?.expose()),
        )?;
    }
    for (name, value) in &webhook.headers {
        add(http::header_name(name)?, resolve(value)?.expose())?;
    }
    let mut client = Client::builder()
        .default_headers(headers)
        // The body and the token are for this address.
        .redirect(Policy::none())
        .referer(false)
        .user_agent(concat!("redrill/", env!("CARGO_PKG_VERSION")));
    if let Some(ca) = &webhook.ca {
        let parse = reqwest::Certificate::from_pem_bundle;
        let certificates =
            http::read_certificates(sender.folder, ca, parse).map_err(|error| error.reason)?;
        client = client.tls_certs_merge(certificates);
    }
    let client = client
        .build()
        .map_err(|error| format!("no HTTP client: {}", http::cause(&error)))?;
    Ok((client, url))
}

/// One attempt; gives the status of the answer.
async fn once(client: &Client, url: &Url, id: &str, body: Option<&str>) -> Result<u16, Failed> {
    let request = match body {
        Some(body) => client.post(url.clone()).body(body.to_owned()),
        None => client.get(url.clone()),
    };
    let request = request.header("Idempotency-Key", id);
    let response = request.send().await.map_err(|error| Failed {
        why: format!("cannot be reached: {}", http::cause(&error)),
        status: None,
        passing: true,
        later: None,
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(status.as_u16());
    }
    let mut why = format!("answered {status}");
    let later = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text, Timestamp::now()));
    let passing = matches!(status.as_u16(), 408 | 425 | 429 | 500..=599);
    if status.is_redirection() {
        why.push_str(": redirects are not followed, since the result is for this address only");
    } else if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        why.push_str(": check `token` and `headers`");
    }
    Err(Failed {
        why,
        status: Some(status.as_u16()),
        passing,
        later,
    })
}

/// `Retry-After: 5`, or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = http::parse_date(text)?;
    Duration::try_from(at.duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn webhook(rest: &str) -> Webhook {
        toml::from_str(&format!("url = 'https://hooks.test/abc'\n{rest}")).unwrap()
    }

    #[rstest]
    #[case("", &[])]
    #[case("always = true", &[Verdict::Proven])]
    #[case("on = ['proven']", &[Verdict::Proven])]
    fn proven_is_sent_only_where_asked_for(#[case] rest: &str, #[case] sent: &[Verdict]) {
        let webhook = webhook(rest);
        assert_eq!(webhook.is_for(Verdict::Proven), sent == [Verdict::Proven]);
    }

    #[test]
    fn all_but_proven_is_sent_unless_named() {
        for verdict in Verdict::ALL {
            assert_eq!(webhook("").is_for(verdict), !verdict.passed());
            assert!(webhook("always = true").is_for(verdict));
            let only = webhook("on = ['not-proven']");
            assert_eq!(only.is_for(verdict), verdict == Verdict::NotProven);
        }
    }

    #[rstest]
    #[case::passed("", Verdict::Proven, Some("https://hooks.test/abc"))]
    #[case::failed(
        "failed = 'https://hooks.test/f'",
        Verdict::NotProven,
        Some("https://hooks.test/f")
    )]
    #[case::no_address("", Verdict::NotProven, None)]
    fn a_ping_says_it_by_its_address(
        #[case] rest: &str,
        #[case] verdict: Verdict,
        #[case] address: Option<&str>,
    ) {
        let ping = webhook(&format!("format = 'ping'\n{rest}"));
        let found = ping
            .address(News::Ended(verdict, ""))
            .map(|text| format!("{text:?}"));
        assert_eq!(ping.is_for(verdict), address.is_some());
        assert_eq!(found, address.map(|url| format!("Plain({url:?})")));
        assert!(ping.address(News::Began).is_none());
    }

    #[rstest]
    #[case("5", Some(5))]
    #[case("Mon, 25 May 2026 02:30:07 GMT", Some(7))]
    #[case("Mon, 25 May 2026 02:29:00 GMT", None)]
    #[case("soon", None)]
    fn waits_are_read(#[case] text: &str, #[case] seconds: Option<u64>) {
        let now = "2026-05-25T02:30:00Z".parse().unwrap();
        assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs));
    }

    #[test]
    fn what_is_shown_of_an_address_is_no_secret() {
        let url = Url::parse("https://u:p@hooks.test:8443/services/T0/abc?key=x").unwrap();
        assert_eq!(http::origin_of(&url), "https://hooks.test:8443");
    }
}
