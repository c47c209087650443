//! Compares two lists of objects, entry by entry.

use std::collections::BTreeMap;

use super::findings::{additional, missing, name, other_definition, other_owner};
use super::listing::lists_every_object;
use crate::backup::objects::Object;
use crate::backup::{Contents, Part};
use crate::outcome::{Finding, NotTested};
use crate::restore::{RestoreLog, ToleratedAt};
use crate::server::ThrowawayServer;
use crate::units::listed;
use pgdump::fault::Place;

/// Kinds that some versions of pg_dump write as a part of other objects.
const FOLDED: &[&str] = &["TABLE ATTACH", "INDEX ATTACH"];

/// What is not compared where another version wrote the dump.
pub const DEFINITIONS: &str = "definitions of objects";

/// Maximum number of names in the list of what was not compared.
const NAMED: usize = 5;

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct ObjectsProof {
    /// Number of objects of the backup that were compared.
    pub objects: u64,
    /// Objects that are missing, additional or different.
    pub findings: Vec<Finding>,
    /// What could not be compared, and why.
    pub not_compared: Vec<NotTested>,
}

impl ObjectsProof {
    /// Adds once what could not be compared.
    pub(super) fn not_compared(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let one = NotTested::new(what, why);
        if !self.not_compared.contains(&one) {
            self.not_compared.push(one);
        }
    }
}

/// How far two lists can be compared.
#[derive(Debug, Default)]
pub(super) struct Comparability<'a> {
    /// Whether the dump names each object; otherwise only objects that its statements create are compared, by name.
    pub entries: bool,
    /// Why definitions are printed differently; `None` where they can be compared.
    pub other_writer: Option<String>,
    /// Whether both are from servers of one major version.
    pub one_major: bool,
    /// Whether redrill created the database itself, in the encoding of the source and a locale of the server.
    pub own_database: bool,
    /// Errors that the scenario tolerates.
    pub tolerated: Vec<&'a ToleratedAt>,
}

impl<'a> Comparability<'a> {
    pub(super) fn of(part: &Part, server: &ThrowawayServer, log: &'a RestoreLog) -> Self {
        let major = server.version() / 10_000;
        let one_major = part.contents.major() == Some(major);
        let program = dump_major(&part.contents);
        let other_writer = (program != Some(major) || !one_major).then(|| match (program, part.contents.major()) {
            (Some(program), Some(source)) if program != source => format!(
                "dumped from PostgreSQL {source} by pg_dump {program}, restored on {major}: other versions write them differently"
            ),
            (Some(_), Some(source)) => format!(
                "dumped from PostgreSQL {source}, restored on {major}: other versions write them differently"
            ),
            _ => "the dump does not say which version wrote it".to_owned(),
        });
        Self {
            entries: lists_every_object(part),
            other_writer,
            one_major,
            own_database: part.contents.archive.is_some(),
            tolerated: log.tolerated_in(&part.name),
        }
    }
}

/// The reason why the scenario tolerates an error about an object, if there was one. `next` is the next object of the
/// dump.
pub(super) fn tolerated_because<'a>(
    tolerated: &[&'a ToleratedAt],
    object: &Object,
    next: Option<&Object>,
) -> Option<&'a str> {
    let is_about = |one: &&&ToleratedAt| match object.place {
        Place::Line(begins) => {
            let ends = next.map_or(u64::MAX, |next| next.place.line());
            (begins..ends).contains(&one.line)
        }
        Place::Entry(_) => {
            let entry = format!("{} {} {}", object.kind, object.name, object.owner);
            one.entry.split_whitespace().eq(entry.split_whitespace())
        }
    };
    let one = tolerated.iter().find(is_about)?;
    Some(one.reason.as_str())
}

/// The major version of the pg_dump that wrote a dump.
fn dump_major(contents: &Contents) -> Option<u32> {
    let version = contents.dump_version.as_deref()?.strip_prefix("pg_dump ")?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Whether it is the database itself, or its settings, comment or privileges.
pub(super) fn is_of_database(object: &Object) -> bool {
    object.kind.starts_with("DATABASE")
        || (object.schema.is_empty() && object.name.starts_with("DATABASE "))
}

/// The identity of an object. Default privileges belong to a role; other owners are compared.
fn key(object: &Object, owners: bool) -> (&str, &str, &str, &str) {
    let owner = match object.kind.as_str() {
        "DEFAULT ACL" if owners => object.owner.as_str(),
        _ => "",
    };
    (&object.kind, &object.schema, &object.name, owner)
}

/// Collects findings, except those about objects whose restore had a tolerated error.
struct Collector<'a> {
    expected: &'a [&'a Object],
    tolerated: &'a [&'a ToleratedAt],
    /// Reason → names of objects.
    by_reason: BTreeMap<&'a str, Vec<String>>,
    findings: Vec<Finding>,
}

impl<'a> Collector<'a> {
    fn new(expected: &'a [&'a Object], how: &'a Comparability<'_>) -> Self {
        Self {
            expected,
            tolerated: &how.tolerated,
            by_reason: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// Adds a finding about the object at this position.
    fn add(&mut self, at: usize, finding: Finding) {
        let (object, next) = (self.expected[at], self.expected.get(at + 1).copied());
        match tolerated_because(self.tolerated, object, next) {
            Some(reason) => self.by_reason.entry(reason).or_default().push(name(object)),
            None => self.findings.push(finding),
        }
    }

    fn finish(self) -> ObjectsProof {
        let mut proof = ObjectsProof {
            objects: self.expected.len() as u64,
            findings: self.findings,
            ..ObjectsProof::default()
        };
        for (reason, names) in self.by_reason {
            let why = format!("an error of its restore is tolerated: {reason}");
            proof.not_compared(listed(&names, NAMED), why);
        }
        proof
    }
}

/// Compares the objects of the backup with those of the database.
pub(super) fn compare(
    expected: &[&Object],
    found: &[Object],
    how: &Comparability<'_>,
) -> ObjectsProof {
    if !how.entries {
        return compare_names(expected, found, how);
    }
    let owners = expected.iter().any(|object| !object.owner.is_empty());
    // Without `--create` a dump does not contain the database itself, but an archive always does.
    let creates = expected
        .iter()
        .any(|object| object.kind.starts_with("DATABASE"));
    let found = found
        .iter()
        .filter(|object| creates || !is_of_database(object));
    let mut by_key: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
    for object in found {
        by_key.entry(key(object, owners)).or_default().push(object);
    }
    let mut collector = Collector::new(expected, how);
    // Equal objects first: two operators or casts may have one name.
    let mut different = Vec::new();
    for (at, object) in expected.iter().enumerate() {
        let same = by_key.get_mut(&key(object, owners)).and_then(|others| {
            let same = |other: &&Object| {
                how.other_writer.is_some()
                    || object.definition.is_unreadable()
                    || (how.own_database && object.kind == "DATABASE")
                    || is_public(object)
                    || object.definition.is_same(&other.definition)
            };
            let at = others.iter().position(same)?;
            Some(others.swap_remove(at))
        });
        match same {
            Some(other) => {
                if let Some(finding) = other_owner(object, other) {
                    collector.add(at, finding);
                }
            }
            None => different.push((at, *object)),
        }
    }
    for (at, object) in different {
        match by_key.get_mut(&key(object, owners)).and_then(Vec::pop) {
            Some(_) if !owners && object.kind == "ACL" && revokes(object) => {}
            Some(other) => {
                collector.add(at, other_definition(object, other));
                if let Some(finding) = other_owner(object, other) {
                    collector.add(at, finding);
                }
            }
            None if may_be_missing(object, how) => {}
            None => collector.add(at, missing(object)),
        }
    }
    let mut proof = collector.finish();
    let more = by_key.into_values().flatten();
    let mut more: Vec<&Object> = more
        .filter(|object| how.one_major || !FOLDED.contains(&object.kind.as_str()))
        .collect();
    more.sort_by_key(|object| match object.place {
        Place::Line(line) => line,
        Place::Entry(id) => id.unsigned_abs(),
    });
    proof.findings.extend(more.into_iter().map(additional));
    let unreadable = expected
        .iter()
        .filter(|object| object.definition.is_unreadable());
    let unreadable: Vec<String> = unreadable.map(|object| name(object)).collect();
    match &how.other_writer {
        Some(why) => proof.not_compared(DEFINITIONS, why),
        None if !unreadable.is_empty() => proof.not_compared(
            format!("definitions of {}", listed(&unreadable, NAMED)),
            "they contain characters of an encoding other than UTF-8",
        ),
        None => {}
    }
    if !owners && proof.objects > 0 {
        let why = "the dump names none, as with `--no-owner`";
        proof.not_compared("owners of objects", why);
    }
    proof
}

/// Searches for the objects that the statements of another program create, by name.
fn compare_names(expected: &[&Object], found: &[Object], how: &Comparability<'_>) -> ObjectsProof {
    let kind = |kind: &str| match kind {
        "FK CONSTRAINT" => "CONSTRAINT".to_owned(),
        "FOREIGN TABLE" => "TABLE".to_owned(),
        "PROCEDURE" | "AGGREGATE" => "FUNCTION".to_owned(),
        kind => kind.to_owned(),
    };
    // The schema of an unqualified name depends on `search_path`.
    let mut schemas: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    for object in found {
        let name = match object.kind.as_str() {
            "FUNCTION" | "PROCEDURE" | "AGGREGATE" => {
                object.name.split('(').next().unwrap_or_default()
            }
            _ => &object.name,
        };
        let schemas = schemas.entry((kind(&object.kind), name)).or_default();
        schemas.push(&object.schema);
    }
    let mut collector = Collector::new(expected, how);
    for (at, object) in expected.iter().enumerate() {
        let exists = schemas
            .get(&(kind(&object.kind), object.name.as_str()))
            .is_some_and(|schemas| {
                object.schema == "public" || schemas.contains(&object.schema.as_str())
            });
        let everywhere = matches!(name(object).as_str(), "EXTENSION plpgsql" | "SCHEMA public");
        if !exists && !everywhere {
            collector.add(at, missing(object));
        }
    }
    let mut proof = collector.finish();
    proof.not_compared(
        "owners and definitions of objects, and whether there are others",
        "the dump is not written by pg_dump, or its comments were removed: only the objects that its statements create were compared, by name",
    );
    proof
}

/// Whether it is the schema public, which pg_dump creates only where `--schema` names it.
fn is_public(object: &Object) -> bool {
    object.kind == "SCHEMA" && object.name == "public"
}

/// Whether an object of the backup may be absent from a dump of the restored database.
fn may_be_missing(object: &Object, how: &Comparability<'_>) -> bool {
    let public = match object.kind.as_str() {
        // Every database has it, and pg_dump names it only where it was changed.
        "SCHEMA" => is_public(object),
        "COMMENT" if object.name == "SCHEMA public" => {
            let text = object.definition.text.as_deref();
            !how.one_major
                || text.is_some_and(|text| text.ends_with(" IS 'standard public schema';"))
        }
        "ACL" => object.name == "SCHEMA public" && !how.one_major,
        _ => false,
    };
    public || (!how.one_major && FOLDED.contains(&object.kind.as_str()))
}

/// Whether it revokes rights from the owner, which is another role in a dump without owners.
fn revokes(object: &Object) -> bool {
    object
        .definition
        .text
        .as_ref()
        .is_none_or(|text| text.contains("REVOKE "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::objects::Objects;
    use rstest::rstest;

    /// `KIND SCHEMA NAME OWNER: definition` for each object; each has a line of its own.
    fn objects(text: &str) -> Vec<Object> {
        let mut objects = Objects::default();
        for (line, entry) in text
            .split("; ")
            .filter(|entry| !entry.is_empty())
            .enumerate()
        {
            let (head, sql) = entry.split_once(": ").unwrap();
            let words: Vec<&str> = head.split(' ').collect();
            let [kind, schema, name, owner] = words[..] else {
                panic!("{entry}")
            };
            let object = Object {
                database: String::new(),
                kind: kind.replace('_', " "),
                schema: schema.to_owned(),
                name: name.to_owned(),
                owner: owner.replace('-', ""),
                place: Place::Line(line as u64 + 1),
                definition: Default::default(),
            };
            objects.add(object, sql);
        }
        objects.list
    }

    fn how() -> Comparability<'static> {
        Comparability {
            entries: true,
            one_major: true,
            ..Comparability::default()
        }
    }

    fn findings(expected: &str, found: &str, how: &Comparability<'_>) -> Vec<String> {
        let (expected, found) = (objects(expected), objects(found));
        let expected: Vec<&Object> = expected.iter().collect();
        let proof = compare(&expected, &found, how);
        let line = |finding: &Finding| {
            format!(
                "{}: {}",
                finding.object.clone().unwrap_or_default(),
                finding.actual
            )
        };
        proof.findings.iter().map(line).collect()
    }

    #[rstest]
    #[case("TABLE a t me: x", "TABLE a t me: x", &[])]
    #[case("TABLE a t me: x", "", &["TABLE a.t: not in the database"])]
    #[case("", "TABLE a t me: x", &["TABLE a.t: it exists"])]
    #[case("TABLE a t me: x", "TABLE a t me: y", &["TABLE a.t: line 1: `y`"])]
    #[case("TABLE a t me: x", "TABLE a t you: x", &["TABLE a.t: owned by you"])]
    #[case("TABLE a t -: x", "TABLE a t you: x", &[])]
    #[case("TABLE a t me: x", "VIEW a t me: x", &["TABLE a.t: not in the database", "VIEW a.t: it exists"])]
    // An index has the owner of its table, where it is reported.
    #[case("INDEX a i me: x", "INDEX a i you: x", &[])]
    // Two of one name.
    #[case("OPERATOR a + me: x; OPERATOR a + me: y", "OPERATOR a + me: y; OPERATOR a + me: x", &[])]
    #[case("OPERATOR a + me: x; OPERATOR a + me: y", "OPERATOR a + me: y", &["OPERATOR a.+: not in the database"])]
    #[case("OPERATOR a + me: x; OPERATOR a + me: y", "OPERATOR a + me: y; OPERATOR a + me: z", &["OPERATOR a.+: line 1: `z`"])]
    // Default privileges belong to a role.
    #[case("DEFAULT_ACL a TABLES me: x", "DEFAULT_ACL a TABLES you: x", &["DEFAULT ACL a.TABLES: not in the database", "DEFAULT ACL a.TABLES: it exists"])]
    #[case("DEFAULT_ACL a TABLES -: x", "DEFAULT_ACL a TABLES you: x", &[])]
    // Without owners, rights revoked from the owner are those of another role.
    #[case("ACL a t -: REVOKE x", "ACL a t me: y", &[])]
    #[case("ACL a t -: GRANT x", "ACL a t me: y", &["ACL a.t: line 1: `y`"])]
    #[case("SCHEMA - public me: x", "", &[])]
    fn lists_are_compared(#[case] expected: &str, #[case] found: &str, #[case] actual: &[&str]) {
        let expected = expected.replace("SCHEMA -", "SCHEMA ");
        assert_eq!(findings(&expected, found, &how()), actual);
    }

    #[test]
    fn other_versions_are_compared_by_name() {
        let how = Comparability {
            other_writer: Some("another version".to_owned()),
            one_major: false,
            ..how()
        };
        let expected = "TABLE a t me: x; TABLE_ATTACH a p me: x";
        assert_eq!(
            findings(expected, "TABLE a t me: y", &how),
            Vec::<String>::new()
        );
        assert_eq!(
            findings(expected, "", &how),
            ["TABLE a.t: not in the database"]
        );
    }

    #[rstest]
    #[case(1, &["TABLE a.u: not in the database"])]
    #[case(2, &["TABLE a.t: not in the database"])]
    fn what_is_tolerated_is_no_finding(#[case] line: u64, #[case] actual: &[&str]) {
        let at = ToleratedAt {
            line,
            reason: "known".to_owned(),
            ..ToleratedAt::default()
        };
        let how = Comparability {
            tolerated: vec![&at],
            ..how()
        };
        assert_eq!(
            findings("TABLE a t me: x; TABLE a u me: x", "", &how),
            actual
        );
    }
}
