//! The list of the files of a bundle with their digests, written by the backup job: a sums file
//! (`SHA256SUMS`) or a JSON document with the name and the SHA-256 of each file.

use std::collections::BTreeMap;

use serde_json::Value;

use super::files::base_name;
use crate::digest::{parse_sha256, parse_sum};
use crate::outcome::Finding;

/// Maximum size of a list, in bytes.
pub const LONGEST: u64 = 16 << 20;

/// Whether a file of a bundle is a list of the others, according to its name.
#[must_use]
pub fn is_digest_list(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("manifest")
        || name.contains("sha256sum")
        || name.ends_with(".sha256")
        || name.ends_with(".json")
}

/// Parses a list; returns the digests by the name of the file.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => of_json(&value, &mut found),
        Err(_) => found.extend(text.lines().filter_map(of_line)),
    }
    found
}

/// Compares a list with the files of the bundle; `actual` has their names and digests.
#[must_use]
pub fn compare(
    list: &str,
    listed: &BTreeMap<String, String>,
    actual: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let hint = "the bundle was assembled incorrectly or changed afterwards: use another one";
    listed
        .iter()
        .filter_map(|(name, digest)| match actual.get(name) {
            None => Some(Finding::about(
                name,
                format!("a file that {list} names"),
                "it is not in the bundle",
            )),
            Some(found) if found != digest => Some(Finding::about(
                name,
                format!("SHA-256 {digest}, as {list} says"),
                found.clone(),
            )),
            Some(_) => None,
        })
        .map(|finding| finding.hint(hint))
        .collect()
}

/// Parses a line of a sums file; returns the name and the digest.
fn of_line(line: &str) -> Option<(String, String)> {
    let (digest, name) = parse_sum(line)?;
    Some((base_name(name?).to_owned(), digest))
}

/// Objects that contain a digest: `{"users.dump": "…"}`, `{"users.dump": {"sha256": "…"}}`,
/// `[{"file": "users.dump", "sha256": "…"}]`, however deep.
fn of_json(value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| of_json(value, found)),
        Value::Object(fields) => {
            let digest_of = |value: &Value| {
                let text = value.as_str()?;
                let text = text.strip_prefix("sha256:").unwrap_or(text);
                parse_sha256(text)
            };
            let own = fields.iter().find_map(|(key, value)| {
                let key = key.to_ascii_lowercase();
                (key.contains("sha256") || matches!(key.as_str(), "digest" | "checksum"))
                    .then(|| digest_of(value))?
            });
            let name = ["file", "name", "path", "filename", "member"]
                .iter()
                .find_map(|key| fields.get(*key)?.as_str());
            if let (Some(digest), Some(name)) = (own, name) {
                found.insert(base_name(name).to_owned(), digest);
            }
            for (key, value) in fields {
                let inner = value
                    .as_object()
                    .and_then(|inner| inner.get("sha256").and_then(digest_of));
                let looks_like_a_file = key.contains('.');
                if let Some(digest) = digest_of(value).or(inner)
                    && looks_like_a_file
                {
                    found.insert(base_name(key).to_owned(), digest);
                }
                of_json(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[rstest]
    #[case(format!("{A}  users.dump\n"))]
    #[case(format!("{A} *./users.dump\n"))]
    #[case(format!("SHA256 (users.dump) = {A}"))]
    #[case(format!(r#"{{"users.dump": "{A}"}}"#))]
    #[case(format!(r#"{{"version": 1, "files": {{"users.dump": {{"sha256": "{A}", "bytes": 5}}}}}}"#))]
    #[case(format!(r#"{{"files": [{{"path": "db/users.dump", "sha256": "sha256:{A}"}}]}}"#))]
    #[case(format!(r#"[{{"name": "users.dump", "checksum": "{}"}}]"#, A.to_uppercase()))]
    fn lists_are_read(#[case] text: String) {
        let found = parse(&text);
        assert_eq!(
            found.get("users.dump").map(String::as_str),
            Some(A),
            "{text}"
        );
        assert_eq!(found.len(), 1);
    }

    #[rstest]
    #[case("")]
    #[case("{}")]
    #[case("some text about users.dump\n")]
    #[case(r#"{"created": "2026-05-25", "databases": ["users"]}"#)]
    fn other_texts_state_nothing(#[case] text: &str) {
        assert!(parse(text).is_empty());
    }

    #[test]
    fn what_is_missing_or_changed_is_named() {
        let map = |pairs: &[(&str, &str)]| {
            let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
            pairs.iter().map(owned).collect::<BTreeMap<_, _>>()
        };
        let stated = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let there = map(&[("a", "1"), ("b", "9"), ("d", "4")]);
        let findings = compare("SHA256SUMS", &stated, &there);
        let objects: Vec<_> = findings
            .iter()
            .filter_map(|f| f.object.as_deref())
            .collect();
        assert_eq!(objects, ["b", "c"]);
        assert!(compare("SHA256SUMS", &map(&[("a", "1")]), &there).is_empty());
    }
}
