//! Two lists of objects compared, entry by entry.

use std::collections::BTreeMap;

use super::{difference, is_of_database, is_told, not_compared};
use crate::backup::objects::Object;
use crate::backup::{Contents, Part};
use crate::outcome::{Finding, NotTested};
use crate::restore::{RestoreLog, ToleratedAt};
use crate::server::ThrowawayServer;
use crate::units::show_count;
use pgdump::fault::Place;

/// What belongs to its table or to the object that it is about: it has no owner of its own.
const OWNED_BY_ANOTHER: &[&str] = &[
    "ACL",
    "CAST",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DATABASE PROPERTIES",
    "DEFAULT",
    "DEFAULT ACL",
    "EXTENSION",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "POLICY",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "SUBSCRIPTION TABLE",
    "TABLE ATTACH",
    "TRANSFORM",
    "TRIGGER",
    "USER MAPPING",
];

/// Kinds that some versions write within others.
const FOLDED: &[&str] = &["TABLE ATTACH", "INDEX ATTACH"];

/// Names that are told of things that are not compared.
const NAMED: usize = 5;

/// How far two lists can be compared.
#[derive(Debug, Default)]
pub(super) struct How<'a> {
    /// Whether both name their objects entry by entry; else only what statements make is looked for.
    pub entries: bool,
    /// Why their definitions are written differently; `None` where they can be compared.
    pub other_writer: Option<String>,
    /// Whether both come from servers of one major version.
    pub one_major: bool,
    /// Errors that the scenario tolerates.
    pub tolerated: Vec<&'a ToleratedAt>,
}

impl<'a> How<'a> {
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
            entries: is_told(part),
            other_writer,
            one_major,
            tolerated: log
                .tolerated
                .iter()
                .filter(|one| one.part == part.name)
                .collect(),
        }
    }
}

/// Why the scenario says that an error about an object is harmless, if there was one. `next` is the object
/// that follows it in the dump.
pub(super) fn reason<'a>(
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
    tolerated
        .iter()
        .find(is_about)
        .map(|one| one.reason.as_str())
}

/// The major version of the pg_dump that wrote it.
fn dump_major(contents: &Contents) -> Option<u32> {
    let version = contents.dump_version.as_deref()?.strip_prefix("pg_dump ")?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// What came of a comparison.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub compared: u64,
    pub findings: Vec<Finding>,
    pub not_compared: Vec<NotTested>,
}

/// What an object is known by, where the dump names owners or does not.
fn key(object: &Object, owners: bool) -> (&str, &str, &str, &str) {
    // Default privileges are those of a role.
    let owner = match object.kind.as_str() {
        "DEFAULT ACL" if owners => object.owner.as_str(),
        _ => "",
    };
    (&object.kind, &object.schema, &object.name, owner)
}

/// What a person calls it.
pub(super) fn name(object: &Object) -> String {
    let Object {
        kind, schema, name, ..
    } = object;
    match schema.as_str() {
        "" => format!("{kind} {name}"),
        schema => format!("{kind} {schema}.{name}"),
    }
}

/// Compares what the backup defines with what is in the database.
pub(super) fn judge(expected: &[&Object], found: &[Object], how: &How<'_>) -> Judged {
    if !how.entries {
        return by_name(expected, found, how);
    }
    let owners = expected.iter().any(|object| !object.owner.is_empty());
    let mut judged = Judged::default();
    // Without `--create` a dump says nothing of the database itself, and an archive always does.
    let creates = expected
        .iter()
        .any(|object| object.kind.starts_with("DATABASE"));
    let found = found
        .iter()
        .filter(|object| creates || !is_of_database(object));
    let mut there: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
    for object in found {
        there.entry(key(object, owners)).or_default().push(object);
    }
    // Those that are the same first: two operators or casts may have one name.
    let mut left = Vec::new();
    let mut tolerated: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut tell = |at: usize, object: &Object, finding: Finding| match reason(
        &how.tolerated,
        object,
        expected.get(at + 1).copied(),
    ) {
        Some(reason) => tolerated.entry(reason).or_default().push(name(object)),
        None => judged.findings.push(finding),
    };
    for (at, object) in expected.iter().enumerate() {
        let same = there.get_mut(&key(object, owners)).and_then(|others| {
            let same = |other: &&Object| {
                how.other_writer.is_some()
                    || object.definition.is_unreadable()
                    || object.definition.is_same(&other.definition)
            };
            let at = others.iter().position(same)?;
            Some(others.swap_remove(at))
        });
        match same {
            Some(other) => owner(object, other)
                .into_iter()
                .for_each(|finding| tell(at, object, finding)),
            None => left.push((at, *object)),
        }
    }
    for (at, object) in left {
        match there.get_mut(&key(object, owners)).and_then(Vec::pop) {
            Some(_) if !owners && object.kind == "ACL" && revokes(object) => {}
            Some(other) => {
                tell(at, object, difference::finding(object, other));
                owner(object, other)
                    .into_iter()
                    .for_each(|finding| tell(at, object, finding));
            }
            None if may_be_missing(object, how) => {}
            None => tell(at, object, missing(object)),
        }
    }
    judged.compared = expected.len() as u64;
    for (reason, names) in tolerated {
        let why = format!("an error of its restore is tolerated: {reason}");
        judged.not_compared.push(not_compared(listed(&names), why));
    }
    let more = there.into_values().flatten();
    let mut more: Vec<&Object> = more
        .filter(|object| how.one_major || !FOLDED.contains(&object.kind.as_str()))
        .collect();
    more.sort_by_key(|object| match object.place {
        Place::Line(line) => line,
        Place::Entry(id) => id.unsigned_abs(),
    });
    judged.findings.extend(more.into_iter().map(extra));
    let unreadable = expected
        .iter()
        .filter(|object| object.definition.is_unreadable());
    let unreadable: Vec<String> = unreadable.map(|object| name(object)).collect();
    if !unreadable.is_empty() && how.other_writer.is_none() {
        judged.not_compared.push(not_compared(
            format!("definitions of {}", listed(&unreadable)),
            "they contain characters of an encoding other than UTF-8",
        ));
    }
    if let Some(why) = &how.other_writer {
        judged
            .not_compared
            .push(not_compared("definitions of objects", why.clone()));
    }
    if !owners && judged.compared > 0 {
        judged.not_compared.push(not_compared(
            "owners of objects",
            "the dump names none, as with `--no-owner`",
        ));
    }
    judged
}

/// Looks for what the statements of another writer make, by its name.
fn by_name(expected: &[&Object], found: &[Object], how: &How<'_>) -> Judged {
    let mut judged = Judged::default();
    let kind = |kind: &str| match kind {
        "FK CONSTRAINT" => "CONSTRAINT".to_owned(),
        "FOREIGN TABLE" => "TABLE".to_owned(),
        "PROCEDURE" | "AGGREGATE" => "FUNCTION".to_owned(),
        kind => kind.to_owned(),
    };
    // Without its schema a name means what `search_path` said.
    let mut there: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    for object in found {
        let name = match object.kind.as_str() {
            "FUNCTION" | "PROCEDURE" | "AGGREGATE" => {
                object.name.split('(').next().unwrap_or_default()
            }
            _ => &object.name,
        };
        there
            .entry((kind(&object.kind), name))
            .or_default()
            .push(&object.schema);
    }
    let mut tolerated: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (at, object) in expected.iter().enumerate() {
        judged.compared += 1;
        let schemas = there.get(&(kind(&object.kind), object.name.as_str()));
        let there = schemas.is_some_and(|schemas| {
            object.schema == "public" || schemas.contains(&object.schema.as_str())
        });
        let everywhere = matches!(name(object).as_str(), "EXTENSION plpgsql" | "SCHEMA public");
        if there || everywhere {
            continue;
        }
        match reason(&how.tolerated, object, expected.get(at + 1).copied()) {
            Some(reason) => tolerated.entry(reason).or_default().push(name(object)),
            None => judged.findings.push(missing(object)),
        }
    }
    for (reason, names) in tolerated {
        let why = format!("an error of its restore is tolerated: {reason}");
        judged.not_compared.push(not_compared(listed(&names), why));
    }
    judged.not_compared.push(not_compared(
        "owners and definitions of objects, and whether there are others",
        "the dump is not written by pg_dump, or its comments were removed: only the objects that its statements create were compared, by name",
    ));
    judged
}

/// The first names of a list.
fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut shown: Vec<String> = names.iter().take(NAMED).cloned().collect();
    if more > 0 {
        shown.push(format!("{} more", show_count(more as u64)));
    }
    shown.join(", ")
}

/// Whether what is restored need not have an entry of its own again.
fn may_be_missing(object: &Object, how: &How<'_>) -> bool {
    let public = match object.kind.as_str() {
        // Every database has it, and pg_dump names it only where it is not as it was.
        "SCHEMA" => object.name == "public",
        "ACL" | "COMMENT" => object.name == "SCHEMA public" && !how.one_major,
        _ => false,
    };
    public || (!how.one_major && FOLDED.contains(&object.kind.as_str()))
}

/// Whether it takes rights from the owner, who is another one without the dump's owners.
fn revokes(object: &Object) -> bool {
    object
        .definition
        .text
        .as_ref()
        .is_none_or(|text| text.contains("REVOKE "))
}

pub(super) fn missing(object: &Object) -> Finding {
    Finding::about(name(object), "as in the backup", "not in the database")
        .hint("see the errors of the restore, and check what code of the backup drops or replaces")
}

pub(super) fn extra(object: &Object) -> Finding {
    Finding::about(
        name(object),
        "not in the database: the backup does not define it",
        "it is there",
    )
    .hint(match object.kind.as_str() {
        "ACL" | "DEFAULT ACL" => "check default privileges that existed before the object, and privileges that code of the backup grants",
        _ => "find out what created it: a statement outside of the entries of the dump, an event trigger, an extension",
    })
}

/// Compares the owners, where both name one.
fn owner(object: &Object, other: &Object) -> Option<Finding> {
    let named = !object.owner.is_empty() && !other.owner.is_empty();
    if !named || object.owner == other.owner || OWNED_BY_ANOTHER.contains(&object.kind.as_str()) {
        return None;
    }
    Some(
        Finding::about(
            name(object),
            format!("owned by {}, as in the backup", object.owner),
            format!("owned by {}", other.owner),
        )
        .hint("see the errors of the restore for its OWNER TO"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::objects::Objects;
    use rstest::rstest;

    /// `KIND SCHEMA NAME OWNER: definition` for each object; each stands in a line of its own.
    fn objects(text: &str) -> Vec<Object> {
        let mut objects = Objects::default();
        for (line, told) in text.split("; ").filter(|told| !told.is_empty()).enumerate() {
            let (head, sql) = told.split_once(": ").unwrap();
            let words: Vec<&str> = head.split(' ').collect();
            let [kind, schema, name, owner] = words[..] else {
                panic!("{told}")
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

    fn how() -> How<'static> {
        How {
            entries: true,
            one_major: true,
            ..How::default()
        }
    }

    fn told(expected: &str, found: &str, how: &How<'_>) -> Vec<String> {
        let (expected, found) = (objects(expected), objects(found));
        let expected: Vec<&Object> = expected.iter().collect();
        let judged = judge(&expected, &found, how);
        let line = |finding: &Finding| {
            format!(
                "{}: {}",
                finding.object.clone().unwrap_or_default(),
                finding.actual
            )
        };
        judged.findings.iter().map(line).collect()
    }

    #[rstest]
    #[case("TABLE a t me: x", "TABLE a t me: x", &[])]
    #[case("TABLE a t me: x", "", &["TABLE a.t: not in the database"])]
    #[case("", "TABLE a t me: x", &["TABLE a.t: it is there"])]
    #[case("TABLE a t me: x", "TABLE a t me: y", &["TABLE a.t: line 1: `y`"])]
    #[case("TABLE a t me: x", "TABLE a t you: x", &["TABLE a.t: owned by you"])]
    #[case("TABLE a t -: x", "TABLE a t you: x", &[])]
    #[case("TABLE a t me: x", "VIEW a t me: x", &["TABLE a.t: not in the database", "VIEW a.t: it is there"])]
    // The index has its table's owner, and the table tells.
    #[case("INDEX a i me: x", "INDEX a i you: x", &[])]
    // Two of one name.
    #[case("OPERATOR a + me: x; OPERATOR a + me: y", "OPERATOR a + me: y; OPERATOR a + me: x", &[])]
    #[case("OPERATOR a + me: x; OPERATOR a + me: y", "OPERATOR a + me: y", &["OPERATOR a.+: not in the database"])]
    #[case("OPERATOR a + me: x; OPERATOR a + me: y", "OPERATOR a + me: y; OPERATOR a + me: z", &["OPERATOR a.+: line 1: `z`"])]
    // Default privileges are those of a role.
    #[case("DEFAULT_ACL a TABLES me: x", "DEFAULT_ACL a TABLES you: x", &["DEFAULT ACL a.TABLES: not in the database", "DEFAULT ACL a.TABLES: it is there"])]
    #[case("DEFAULT_ACL a TABLES -: x", "DEFAULT_ACL a TABLES you: x", &[])]
    // Rights that the owner lost are another's without owners.
    #[case("ACL a t -: REVOKE x", "ACL a t me: y", &[])]
    #[case("ACL a t -: GRANT x", "ACL a t me: y", &["ACL a.t: line 1: `y`"])]
    #[case("SCHEMA - public me: x", "", &[])]
    fn lists_are_compared(#[case] expected: &str, #[case] found: &str, #[case] findings: &[&str]) {
        let expected = expected.replace("SCHEMA -", "SCHEMA ");
        assert_eq!(told(&expected, found, &how()), findings);
    }

    #[test]
    fn other_versions_are_compared_by_name() {
        let how = How {
            other_writer: Some("another version".to_owned()),
            one_major: false,
            ..how()
        };
        let expected = "TABLE a t me: x; TABLE_ATTACH a p me: x";
        assert_eq!(
            told(expected, "TABLE a t me: y", &how),
            Vec::<String>::new()
        );
        assert_eq!(told(expected, "", &how), ["TABLE a.t: not in the database"]);
    }

    #[rstest]
    #[case(1, &["TABLE a.u: not in the database"])]
    #[case(2, &["TABLE a.t: not in the database"])]
    fn what_is_tolerated_is_no_finding(#[case] line: u64, #[case] findings: &[&str]) {
        let at = ToleratedAt {
            line,
            reason: "known".to_owned(),
            ..ToleratedAt::default()
        };
        let how = How {
            tolerated: vec![&at],
            ..how()
        };
        assert_eq!(told("TABLE a t me: x; TABLE a u me: x", "", &how), findings);
    }
}
