//! `[backup.http]`: a file at an HTTP address.

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use percent_encoding::percent_decode_str;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    LAST_MODIFIED, RANGE,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

use super::digest;
use super::found::{Found, Place, Rules};
use super::settings::Http;
use super::transfer::{self, CONNECT, Failure, Identity, Opened, Remote, STALL};
use crate::digest::parse_sha256;
use crate::http;
use crate::input::secret::SecretText;
use crate::outcome::CouldNotRun;
use crate::redact::Secret;

/// Maximum number of redirects.
const REDIRECTS: usize = 5;

/// A file at an address.
struct Address {
    client: Client,
    url: Url,
    /// The address as it may be shown.
    shown: String,
    host: String,
    login: Option<(Secret, Secret)>,
    bearer: Option<Secret>,
    /// Whether its digest is known, so that no other file can be mistaken for it.
    known: bool,
}

/// Downloads the file at the address.
pub(super) async fn find(
    settings: &Http,
    rules: &Rules,
    place: &Place<'_>,
) -> Result<Found, CouldNotRun> {
    let address = Address::of(settings, rules, place)?;
    let name = last_segment(&address.url);
    let (received, identity) = transfer::fetch(&address, place, &name)
        .await
        .map_err(|error| CouldNotRun {
            reason: format!("{}: {}", address.shown, error.reason),
            ..error
        })?;
    let mut found = Found::named(received.path, address.shown, &name, rules);
    found.modified = identity.modified;
    found.received_sha256 = Some(received.sha256);
    if found.expected_sha256.is_none() {
        let digest = identity.sha256;
        found.expected_sha256 =
            digest.map(|digest| (digest, "the response of the server".to_owned()));
    }
    Ok(found)
}

impl Address {
    fn of(settings: &Http, rules: &Rules, place: &Place<'_>) -> Result<Self, CouldNotRun> {
        crate::tls::install();
        let wrong = |reason: String| CouldNotRun::with_hint(reason, "correct `[backup.http]`");
        let resolve = |text: &SecretText| {
            text.resolve(place.folder, place.environment, place.redactor)
                .map_err(&wrong)
        };
        let maybe = |text: &Option<SecretText>| text.as_ref().map(resolve).transpose();
        let text = resolve(&settings.url)?;
        let url = http::parse_url(text.expose())
            .ok_or_else(|| wrong("`url` is not an HTTP address".to_owned()))?;
        // Messages that repeat the address repeat these.
        for part in [url.password(), url.query()].into_iter().flatten() {
            place.redactor.learn(&Secret::new(part));
        }
        let mut headers = HeaderMap::new();
        // The bytes as stored, so that ranges and digests are those of the file.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in &settings.headers {
            let value = resolve(value)?;
            let name = http::header_name(name).map_err(&wrong)?;
            let value = http::secret_header(&name, value.expose()).map_err(&wrong)?;
            headers.insert(name, value);
        }
        let own = !settings.headers.is_empty();
        let mut client = Client::builder()
            .default_headers(headers)
            .redirect(Policy::custom(move |attempt| redirect(attempt, own)))
            .referer(false)
            .connect_timeout(CONNECT)
            .read_timeout(STALL);
        if let Some(ca) = &settings.ca {
            let certificates =
                http::read_certificates(place.folder, ca, reqwest::Certificate::from_pem_bundle)?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client
            .build()
            .map_err(|error| wrong(format!("no HTTP client: {}", http::cause(&error))))?;
        let login = match (maybe(&settings.user)?, maybe(&settings.password)?) {
            (Some(user), Some(password)) => Some((user, password)),
            _ => None,
        };
        Ok(Self {
            client,
            shown: shown(&url),
            host: url.host_str().unwrap_or_default().to_owned(),
            url,
            login,
            bearer: maybe(&settings.bearer)?,
            known: rules.sha256.is_some(),
        })
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let mut request = self.client.request(method, self.url.clone());
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user.expose(), Some(password.expose()));
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token.expose());
        }
        request
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        if error.is_redirect() {
            return Failure::Final(CouldNotRun::with_hint(
                format!("a redirect was not followed: {}", http::cause(error)),
                "set `url` to the address that it leads to",
            ));
        }
        transfer::unreachable(&self.host, error)
    }
}

/// Follows a few redirects, never from https to http, and never with headers to another host.
fn redirect(attempt: Attempt<'_>, own_headers: bool) -> reqwest::redirect::Action {
    let Some(before) = attempt.previous().last() else {
        return attempt.follow();
    };
    let why = if attempt.previous().len() > REDIRECTS {
        "there are more than five"
    } else if before.scheme() == "https" && attempt.url().scheme() != "https" {
        "it leads from https to http"
    } else if own_headers && before.origin() != attempt.url().origin() {
        "it leads to another host, which must not get the `headers`"
    } else {
        return attempt.follow();
    };
    attempt.error(why)
}

/// An address without user, password and query.
fn shown(url: &Url) -> String {
    let query = if url.query().is_some() { "?***" } else { "" };
    format!("{}{}{query}", http::origin_of(url), url.path())
}

/// The last part of the path, decoded.
fn last_segment(url: &Url) -> String {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}

/// What identifies the file, to detect that another one replaced it.
fn identity(response: &Response) -> Identity {
    let header = |name: &HeaderName| response.headers().get(name)?.to_str().ok();
    let tag = header(&ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .map(str::to_owned);
    let stated = [
        "repr-digest",
        "digest",
        "x-amz-checksum-sha256",
        "x-checksum-sha256",
    ]
    .into_iter()
    .filter_map(|name| response.headers().get(name)?.to_str().ok());
    let whole = response.status() == StatusCode::OK;
    Identity {
        tag,
        size: range(response).map(|(_, size)| size).or_else(|| {
            let length = header(&reqwest::header::CONTENT_LENGTH).filter(|_| whole)?;
            length.parse().ok()
        }),
        modified: header(&LAST_MODIFIED).and_then(http::parse_date),
        sha256: stated
            .filter(|_| whole)
            .find_map(|value| parse_sha256(value).or_else(|| digest::from_header(value))),
    }
}

/// The beginning and the whole size in `Content-Range: bytes 10-99/100`.
fn range(response: &Response) -> Option<(u64, u64)> {
    let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = value.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, size.parse().ok()?))
}

/// The error of a status.
fn status(status: StatusCode) -> Failure {
    let error = |hint: &str| CouldNotRun::with_hint(format!("the server answered {status}"), hint);
    match status.as_u16() {
        401 | 403 => Failure::Final(error(
            "check `bearer`, or `user` and `password`; a signed address may have expired",
        )),
        404 | 410 => Failure::Final(error("correct `url`")),
        412 | 416 => transfer::replaced(),
        408 | 425 | 429 | 500..=599 => {
            Failure::Passing(error("try again later, and see the log of the server"))
        }
        _ => Failure::Final(error(
            "a download has status 200; see the log of the server",
        )),
    }
}

#[async_trait]
impl Remote for Address {
    async fn open(&self, from: u64, seen: Option<&Identity>) -> Result<Opened, Failure> {
        let mut request = self.request(Method::GET);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
            if let Some(tag) = seen.and_then(|seen| seen.tag.as_deref()) {
                request = request.header(IF_RANGE, tag);
            }
        }
        let response = request.send().await.map_err(|error| self.failure(&error))?;
        let begins = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => match range(&response) {
                Some((begins, _)) if begins == from && from > 0 => from,
                _ => return Err(status(response.status())),
            },
            other => return Err(status(other)),
        };
        let host = self.host.clone();
        Ok(Opened {
            from: begins,
            identity: identity(&response),
            body: response
                .bytes_stream()
                .map_err(move |error| transfer::unreachable(&host, &error))
                .boxed(),
        })
    }

    /// Not every server answers, and a signed address is only for `GET`.
    async fn query(&self) -> Result<Option<Identity>, Failure> {
        let asked = tokio::time::timeout(STALL, self.request(Method::HEAD).send()).await;
        Ok(match asked {
            Ok(Ok(response)) if response.status() == StatusCode::OK => Some(identity(&response)),
            _ => None,
        })
    }

    fn may_resume(&self, seen: &Identity) -> bool {
        seen.tag.is_some() || self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "https://u:p@h.test:8443/a/plur-2026-05-25.sql?X-Sig=abc#x",
        "https://h.test:8443/a/plur-2026-05-25.sql?***",
        "plur-2026-05-25.sql"
    )]
    #[case(
        "http://h.test/a%20b%3Ac%ff%zz",
        "http://h.test/a%20b%3Ac%ff%zz",
        "a b:c\u{fffd}%zz"
    )]
    #[case("http://h.test", "http://h.test/", "")]
    fn addresses_are_shown_without_secrets(
        #[case] url: &str,
        #[case] text: &str,
        #[case] name: &str,
    ) {
        let url = Url::parse(url).unwrap();
        assert_eq!(shown(&url), text);
        assert_eq!(last_segment(&url), name);
    }

    #[test]
    fn dates_of_http_are_read() {
        let time = http::parse_date("Mon, 25 May 2026 02:30:00 GMT").unwrap();
        assert_eq!(time.to_string(), "2026-05-25T02:30:00Z");
    }
}
