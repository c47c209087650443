//! Digests of rows and files.

use std::io::{self, Read};

pub use pgdump::digest::{RowsDigest, from_hex, hex};
use sha2::{Digest as _, Sha256};

/// Settings under which a server writes values the same way, whatever its configuration says. Those of
/// pg_dump, and UTC, which pg_dump leaves to the server.
pub const CANONICAL: &str = "SET search_path = ''; SET \"TimeZone\" = 'UTC'; SET \"DateStyle\" = 'ISO, YMD'; \
    SET \"IntervalStyle\" = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; \
    SET xmloption = 'content'; SET row_security = off";

/// The SHA-256 of some bytes, in hex.
#[must_use]
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of everything that a reader returns, in hex.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of(mut reader: impl Read) -> io::Result<String> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex(&sum.finalize())),
            read => sum.update(&buffer[..read]),
        }
    }
}

/// A SHA-256 in hex, in lower case; `None` for any other text.
#[must_use]
pub fn parse_sha256(text: &str) -> Option<String> {
    let valid = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| text.to_ascii_lowercase())
}

/// Parses a line of a list of digests: `hex`, `hex  name`, `hex *name`, `SHA256 (name) = hex`. Returns the
/// digest in lower case, and the name.
#[must_use]
pub fn parse_sum(line: &str) -> Option<(String, Option<&str>)> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if let Some(rest) = line.strip_prefix("SHA256 (") {
        let (name, digest) = rest.rsplit_once(") = ")?;
        return Some((parse_sha256(digest.trim())?, Some(name)));
    }
    match line.split_once(char::is_whitespace) {
        None => Some((parse_sha256(line)?, None)),
        Some((digest, rest)) => {
            let name = rest.strip_prefix([' ', '*']).unwrap_or(rest);
            Some((parse_sha256(digest)?, Some(name)))
        }
    }
}
