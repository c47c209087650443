//! The expected digest of a backup, from a file next to it.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::found::Found;
use crate::backup::files::{base_name, read_at_most};
use crate::digest::{hex, parse_sum};
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
    Some(match read_at_most(path, READ) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    })
}

/// The digest in a digest file: alone, with the name of the backup, or with another name where the
/// backup was renamed afterwards.
fn of_one(text: &str, name: &str) -> Result<String, String> {
    if let Some(digest) = of_many(text, name) {
        return Ok(digest);
    }
    let digests: Vec<(String, Option<&str>)> = text.lines().filter_map(parse_sum).collect();
    match digests.as_slice() {
        [(digest, None)] => Ok(digest.clone()),
        [(_, Some(_))] => Err("the digest of a file with another name".to_owned()),
        [] => Err("no digest".to_owned()),
        [..] => Err("digests of other files only".to_owned()),
    }
}

/// The digest of `name` in a list.
fn of_many(text: &str, name: &str) -> Option<String> {
    text.lines().filter_map(parse_sum).find_map(|(digest, of)| {
        let of = of?;
        (base_name(of) == name).then_some(digest)
    })
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
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    (bytes.len() == 32).then(|| hex(&bytes))
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
