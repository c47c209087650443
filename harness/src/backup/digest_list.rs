//! The list of the files of a bundle with their digests, written by the backup job: a sums file
//! (`SHA256SUMS`) or a JSON document with the name and the SHA-256 of each file, and the databases that they hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

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

/// What a list says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The digests by the name of the file.
    pub digests: BTreeMap<String, String>,
    /// The database of a file, by its name.
    pub databases: BTreeMap<String, String>,
    /// Databases that it names without a file.
    pub others: BTreeSet<String>,
}

/// Parses a list.
#[must_use]
pub fn parse(text: &str) -> Listed {
    let mut found = Listed::default();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => of_json(&value, &mut found),
        Err(_) => found.digests.extend(text.lines().filter_map(of_line)),
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

/// Compares the databases that a list names with those of the dumps; `held` has them by the name of the file, and none for a
/// dump that does not say.
#[must_use]
pub fn compare_databases(
    list: &str,
    listed: &Listed,
    held: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Finding> {
    let hint =
        "the job dumped another database than it recorded: correct it, and use another backup";
    let shown = |names: &BTreeSet<String>| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let mut findings: Vec<Finding> = listed
        .databases
        .iter()
        .filter_map(|(file, database)| {
            let held = held.get(file).filter(|held| !held.is_empty())?;
            (!held.contains(database)).then(|| {
                let expected = format!("a dump of the database `{database}`, as {list} says");
                Finding::about(file, expected, format!("one of {}", shown(held))).hint(hint)
            })
        })
        .collect();
    // A dump that does not say what it is of may be the one that is named.
    if held.values().all(|held| !held.is_empty()) {
        let all: BTreeSet<String> = held.values().flatten().cloned().collect();
        let missing = listed
            .others
            .iter()
            .filter(|database| !all.contains(*database));
        findings.extend(missing.map(|database| {
            let expected = format!("a dump of the database `{database}`, which {list} names");
            let actual = match all.is_empty() {
                true => "there is no dump of a database".to_owned(),
                false => format!("the bundle has those of {}", shown(&all)),
            };
            Finding::new(expected, actual).hint(hint)
        }));
    }
    findings
}

/// Databases that every server has: a list of databases may name them although a job leaves them out.
const OF_EVERY_SERVER: &[&str] = &["postgres", "template0", "template1"];

/// Keys for the name of a file.
const FILE: &[&str] = &["file", "name", "path", "filename", "member"];

/// Keys for the name of a database.
const DATABASE: &[&str] = &["database", "dbname", "datname", "db"];

/// The first of some keys that is a text.
fn text_of<'a>(fields: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| fields.get(*key)?.as_str())
}

/// What is below the key `databases`: `["users"]`, `{"users": "users.dump"}`, `{"users": {"file": "users.dump"}}`,
/// `[{"name": "users", "file": "users.dump"}]`.
fn of_databases(value: &Value, found: &mut Listed) {
    let other = |found: &mut Listed, database: &str| {
        if !OF_EVERY_SERVER.contains(&database) {
            found.others.insert(database.to_owned());
        }
    };
    let file = |found: &mut Listed, database: &str, file: &str| {
        let file = base_name(file).to_owned();
        found.databases.insert(file, database.to_owned());
    };
    match value {
        Value::Array(values) => {
            for value in values {
                match value {
                    Value::String(database) => other(found, database),
                    Value::Object(fields) => {
                        let name = text_of(fields, DATABASE).or_else(|| text_of(fields, &["name"]));
                        let own = text_of(fields, &["file", "path", "filename", "member"]);
                        match (name, own) {
                            (Some(name), Some(own)) => file(found, name, own),
                            (Some(name), None) => other(found, name),
                            (None, _) => {}
                        }
                    }
                    _ => {}
                }
            }
        }
        Value::Object(entries) => {
            for (database, value) in entries {
                let own = match value {
                    Value::String(own) => Some(own.as_str()).filter(|own| own.contains('.')),
                    Value::Object(fields) => text_of(fields, FILE),
                    _ => None,
                };
                match own {
                    Some(own) => file(found, database, own),
                    None => other(found, database),
                }
            }
        }
        _ => {}
    }
}

/// Parses a line of a sums file; returns the name and the digest.
fn of_line(line: &str) -> Option<(String, String)> {
    let (digest, name) = parse_sum(line)?;
    Some((base_name(name?).to_owned(), digest))
}

/// Objects that contain a digest: `{"users.dump": "…"}`, `{"users.dump": {"sha256": "…"}}`,
/// `[{"file": "users.dump", "sha256": "…"}]`, however deep.
fn of_json(value: &Value, found: &mut Listed) {
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
            let name = text_of(fields, FILE).map(|name| base_name(name).to_owned());
            if let (Some(name), Some(database)) = (&name, text_of(fields, DATABASE)) {
                found.databases.insert(name.clone(), database.to_owned());
            }
            if let (Some(digest), Some(name)) = (own, name) {
                found.digests.insert(name, digest);
            }
            for (key, value) in fields {
                let inner = value
                    .as_object()
                    .and_then(|inner| inner.get("sha256").and_then(digest_of));
                let looks_like_a_file = key.contains('.');
                if let Some(digest) = digest_of(value).or(inner)
                    && looks_like_a_file
                {
                    found.digests.insert(base_name(key).to_owned(), digest);
                }
                if key.eq_ignore_ascii_case("databases") {
                    of_databases(value, found);
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
        let found = parse(&text).digests;
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
    #[case(r#"{"created": "2026-05-25", "databases": 3, "name": "nightly"}"#)]
    #[case(r#"{"databases": ["postgres", "template1"]}"#)]
    fn other_texts_state_nothing(#[case] text: &str) {
        assert_eq!(parse(text), Listed::default());
    }

    #[rstest]
    #[case::by_name(r#"{"databases": {"users": {"file": "a/x.dump", "bytes": 3}}}"#, "")]
    #[case::by_name_alone(r#"{"databases": {"users": "x.dump"}}"#, "")]
    #[case::a_list(r#"{"databases": [{"name": "users", "file": "x.dump"}]}"#, "")]
    #[case::of_files(r#"{"files": [{"path": "x.dump", "database": "users"}]}"#, "")]
    #[case::names(r#"{"databases": ["users", "postgres"]}"#, "users")]
    #[case::no_file(r#"{"databases": {"users": {"bytes": 3}}}"#, "users")]
    fn databases_are_read_and_compared(#[case] text: &str, #[case] other: &str) {
        let listed = parse(text);
        let others: Vec<&str> = listed.others.iter().map(String::as_str).collect();
        assert_eq!(others.join(","), other);
        let held = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            BTreeMap::from([("x.dump".to_owned(), names)])
        };
        let compare = |names: &[&str]| compare_databases("manifest.json", &listed, &held(names));
        assert_eq!(compare(&["users"]), []);
        assert_eq!(compare(&["orders", "users"]), []);
        // A plain dump of one database does not say what it is of.
        assert_eq!(compare(&[]), []);
        let found = format!("{:?}", compare(&["orders"]));
        for says in [
            "a dump of the database `users`",
            "manifest.json",
            "`orders`",
        ] {
            assert!(found.contains(says), "{found}");
        }
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
