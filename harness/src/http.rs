//! What all HTTP clients share: addresses, headers, dates, certificates, errors without secrets.

use std::error::Error;
use std::path::Path;

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::outcome::CouldNotRun;

/// Parses an HTTP address with a host.
#[must_use]
pub fn parse_url(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Scheme, host and port of an address: path and query may be secret.
#[must_use]
pub fn origin_of(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}{port}", url.scheme())
}

/// Parses the name of a header.
///
/// # Errors
/// A lowercase fragment.
pub fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header name"))
}

/// The value of a header, which is never printed.
///
/// # Errors
/// A lowercase fragment without the value.
pub fn secret_header(name: &HeaderName, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        format!(
            "the value of the header `{name}` contains characters that are not allowed in a header"
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Parses a date of a header, such as that of `Last-Modified`.
#[must_use]
pub fn parse_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
}

/// The innermost cause of an error: outer ones repeat addresses, which may contain secrets.
#[must_use]
pub fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Reads the file of `ca`; `parse` parses its certificates.
///
/// # Errors
/// When it cannot be read or contains no certificate.
pub fn read_certificates<T, E: Error>(
    folder: &Path,
    ca: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, CouldNotRun> {
    let unreadable = |error: &dyn Error| {
        CouldNotRun::with_hint(
            format!(
                "cannot read the certificates in {}: {}",
                ca.display(),
                cause(error)
            ),
            "`ca` is a file of certificates in PEM, relative to the scenario file",
        )
    };
    let pem = std::fs::read(folder.join(ca)).map_err(|error| unreadable(&error))?;
    parse(&pem).map_err(|error| unreadable(&error))
}
