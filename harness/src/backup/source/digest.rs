//! The expected digest of a backup, from a file next to it.

use std::io::Read as _;
use std::path::Path;

use super::Found;
use crate::outcome::Finding;

/// Files with the digests of several files.
const SUMS: &[&str] = &[
    "SHA256SUMS",
    "SHA256SUMS.txt",
    "sha256sum.txt",
    "sha256sums.txt",
];

/// Suffixes of files with the digest of one file.
pub(super) const ENDINGS: &[&str] = &[".sha256", ".sha256sum"];

/// Maximum size of a file of digests, in bytes.
pub(super) const READ: u64 = 8 * 1024 * 1024;

/// Finds the digest file of a local file, unless the scenario gives the digest.
pub(super) fn read_digest_file(found: &mut Found) {
    let (Some(folder), Some(name)) = (found.path.parent(), found.path.file_name()) else {
        return;
    };
    if found.expected_sha256.is_some() || found.path.is_dir() {
        return;
    }
    let name = name.to_string_lossy().into_owned();
    for ending in ENDINGS {
        let side = format!("{name}{ending}");
        let Some(text) = read(&folder.join(&side)) else {
            continue;
        };
        stated(found, &name, side, text);
        return;
    }
    for side in SUMS {
        if let Some(Ok(text)) = read(&folder.join(side))
            && let Some(digest) = of_many(&text, &name)
        {
            found.expected_sha256 = Some((digest, (*side).to_owned()));
            return;
        }
    }
}

/// Sets the expected digest of the backup `name` from a digest file.
pub(super) fn stated(found: &mut Found, name: &str, side: String, text: Result<String, String>) {
    match text.and_then(|text| of_one(&text, name)) {
        Ok(digest) => found.expected_sha256 = Some((digest, side)),
        Err(why) => found.warnings.push(
            Finding::about(side, format!("the SHA-256 of {name}"), why)
                .hint("check the job that writes it; without a digest nothing proves that this is the file that was written"),
        ),
    }
}

/// Reads a small text file; `None` when there is none.
fn read(path: &Path) -> Option<Result<String, String>> {
    if !path.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(READ).read_to_end(&mut bytes));
    Some(match read {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    })
}

/// The digest in a digest file: alone, with the name of the backup, or with another name where the
/// backup was renamed afterwards.
fn of_one(text: &str, name: &str) -> Result<String, String> {
    if let Some(digest) = of_many(text, name) {
        return Ok(digest);
    }
    let digests: Vec<(String, Option<&str>)> = text.lines().filter_map(line).collect();
    match digests.as_slice() {
        [(digest, None)] => Ok(digest.clone()),
        [(_, Some(_))] => Err("the digest of a file with another name".to_owned()),
        [] => Err("no digest".to_owned()),
        [..] => Err("digests of other files only".to_owned()),
    }
}

/// The digest of `name` in a list.
fn of_many(text: &str, name: &str) -> Option<String> {
    text.lines().filter_map(line).find_map(|(digest, of)| {
        let of = of?;
        (of.rsplit('/').next() == Some(name)).then_some(digest)
    })
}

/// Parses a line: `hex`, `hex  name`, `hex *name`, `SHA256 (name) = hex`; returns hex and name.
fn line(line: &str) -> Option<(String, Option<&str>)> {
    let line = line.trim_end_matches('\r').trim_start_matches('\u{feff}');
    if let Some(rest) = line.strip_prefix("SHA256 (") {
        let (name, digest) = rest.rsplit_once(") = ")?;
        return Some((hex(digest.trim())?, Some(name)));
    }
    match line.split_once(char::is_whitespace) {
        None => Some((hex(line)?, None)),
        Some((digest, rest)) => {
            let name = rest.strip_prefix([' ', '*']).unwrap_or(rest).trim_end();
            Some((hex(digest)?, (!name.is_empty()).then_some(name)))
        }
    }
}

/// A SHA-256 in lower-case hex, if it is one.
pub(super) fn hex(text: &str) -> Option<String> {
    let good = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_ascii_lowercase())
}

/// The SHA-256 of `Repr-Digest: sha-256=:…:`, `Digest: SHA-256=…` or bare base64, in hex.
pub(super) fn from_header(value: &str) -> Option<String> {
    let encoded = value
        .split(',')
        .find_map(|part| {
            let (name, digest) = part.trim().split_once('=')?;
            name.eq_ignore_ascii_case("sha-256").then_some(digest)
        })
        .unwrap_or(value)
        .trim_matches(':');
    let digits = encoded.strip_suffix('=')?;
    let mut bits = 0_u32;
    let mut held = 0;
    let mut bytes = Vec::with_capacity(32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    (bytes.len() == 32).then(|| crate::digest::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::source::{Rules, path};
    use rstest::rstest;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[rstest]
    #[case::alone("a.sql.sha256", "HEX\n", true)]
    #[case::upper("a.sql.sha256", "UPPER\n", true)]
    #[case::named("a.sql.sha256", "HEX  a.sql\n", true)]
    #[case::windows("a.sql.sha256sum", "HEX *a.sql\r\n", true)]
    #[case::in_a_folder("a.sql.sha256", "HEX  /var/backups/a.sql\n", true)]
    #[case::bsd("a.sql.sha256", "SHA256 (a.sql) = HEX\n", true)]
    #[case::list(
        "SHA256SUMS",
        "0000000000000000000000000000000000000000000000000000000000000000  b.sql\nHEX  a.sql\n",
        true
    )]
    #[case::list_of_others("sha256sum.txt", "HEX  b.sql\n", false)]
    #[case::bare_list("SHA256SUMS", "HEX\n", false)]
    fn formats(#[case] side: &str, #[case] text: &str, #[case] says: bool) {
        let found = with(
            side,
            &text
                .replace("HEX", HEX)
                .replace("UPPER", &HEX.to_uppercase()),
        );
        let expected = says.then(|| (HEX.to_owned(), side.to_owned()));
        assert_eq!(found.expected_sha256, expected);
        assert_eq!(found.warnings, []);
    }

    #[rstest]
    #[case::empty("", "no digest")]
    #[case::short("9f86d081\n", "no digest")]
    #[case::of_another("HEX  b.sql\n", "another name")]
    fn f46_a_side_file_without_the_digest_is_a_warning(#[case] text: &str, #[case] why: &str) {
        let found = with("a.sql.sha256", &text.replace("HEX", HEX));
        assert_eq!(found.expected_sha256, None);
        assert!(
            found.warnings[0].actual.contains(why),
            "{:?}",
            found.warnings
        );
    }

    #[test]
    fn the_scenario_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.sql"), "x").unwrap();
        std::fs::write(folder.path().join("a.sql.sha256"), HEX).unwrap();
        let rules = Rules {
            sha256: Some("00".repeat(32)),
            ..Rules::default()
        };
        let found = path::find(&folder.path().join("a.sql"), &rules).unwrap();
        assert_eq!(found.expected_sha256.unwrap().0, "00".repeat(32));
    }

    #[rstest]
    #[case("sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:", Some(HEX))]
    #[case(
        "md5=xx, SHA-256=n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
        Some(HEX)
    )]
    #[case("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", Some(HEX))]
    #[case("n4bQgYhMfWWaL=", None)]
    #[case("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=-3", None)]
    fn headers(#[case] value: &str, #[case] digest: Option<&str>) {
        assert_eq!(from_header(value).as_deref(), digest);
    }

    fn with(side: &str, text: &str) -> Found {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.sql"), "x").unwrap();
        std::fs::write(folder.path().join(side), text).unwrap();
        path::find(&folder.path().join("a.sql"), &Rules::default()).unwrap()
    }
}
