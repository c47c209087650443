//! How grave a change is.

use std::collections::BTreeMap;

use super::{Change, Sides, Weight, What};
use crate::catalog::rights::{GRANT, MEMBER, REVOKED, words};
use crate::catalog::{ObjectId, ObjectKind, PartKind, Properties};

/// Whether a property says what a role may do.
pub fn is_right(property: &str) -> bool {
    property.starts_with(GRANT) || property.starts_with(REVOKED)
}

/// Attributes of a role that let it do more.
const POWERS: &[&str] = &[
    "superuser",
    "bypassrls",
    "createrole",
    "createdb",
    "replication",
    "login",
];

/// A weight, and what it means.
pub type Judged = (Weight, Option<String>);

fn because(weight: Weight, why: impl Into<String>) -> Judged {
    (weight, Some(why.into()))
}

/// The rights of a `grant to …`, or options of a membership: word -> whether it may be handed on.
pub fn rights(text: Option<&str>) -> BTreeMap<&str, bool> {
    text.map(words).into_iter().flatten().collect()
}

/// What the second list has that the first has not.
fn gained(old: Option<&str>, new: Option<&str>) -> Vec<String> {
    let before = rights(old);
    let gained = rights(new).into_iter();
    gained
        .filter(|(right, grantable)| before.get(right).is_none_or(|had| grantable > had))
        .map(|(right, grantable)| match grantable {
            true => format!("{right}, and hand it on,"),
            false => right.to_owned(),
        })
        .collect()
}

/// Of what many together have; they come and go as rows do.
fn large_objects(name: &str, what: What) -> Judged {
    match what {
        What::Added if name.starts_with(GRANT) => {
            because(Weight::Widened, "of no large object this was so before")
        }
        What::Removed => because(Weight::Broken, "it is so of no large object any more"),
        What::Added | What::Changed => {
            because(Weight::Note, "large objects come and go as rows do")
        }
    }
}

/// Weighs an object that only one side has.
pub fn object(what: What, object: &ObjectId, properties: &Properties) -> Judged {
    let has = |beginning: &str| properties.keys().any(|name| name.starts_with(beginning));
    let mode = properties.get("mode").map(String::as_str);
    let only_rights = is_only_rights(object, properties);
    match what {
        _ if object.kind == ObjectKind::Tablespace => {
            because(Weight::Note, "where things lie is the server's affair")
        }
        What::Added if object.kind == ObjectKind::LargeObjects => {
            because(Weight::Note, "there was no large object before")
        }
        What::Added if mode == Some("permissive") => {
            because(Weight::Widened, "a permissive policy shows more rows")
        }
        What::Removed if mode == Some("restrictive") => {
            because(Weight::Widened, "a restrictive policy hid rows")
        }
        What::Added if only_rights && has(GRANT) => (Weight::Widened, None),
        What::Removed if only_rights && has(REVOKED) => {
            because(Weight::Widened, "what was revoked is granted again")
        }
        What::Added if object.kind == ObjectKind::Role => {
            let powers = POWERS.iter().filter(|power| **power != "login");
            let powers: Vec<&str> = powers
                .copied()
                .filter(|power| properties.contains_key(*power))
                .collect();
            match powers.is_empty() {
                true => (Weight::Broken, None),
                false => because(
                    Weight::Widened,
                    format!("one more role with {}", powers.join(", ")),
                ),
            }
        }
        _ => (Weight::Broken, None),
    }
}

/// Whether an object is there only because of what is granted or revoked.
fn is_only_rights(object: &ObjectId, properties: &Properties) -> bool {
    let kinds = [ObjectKind::DefaultPrivileges, ObjectKind::Parameter];
    kinds.contains(&object.kind) || properties.contains_key("part of")
}

/// What an added object lets everybody do, where that is not the default of its kind.
pub fn opens_to_public<'a>(
    object: &ObjectId,
    properties: &'a Properties,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let default = match object.kind {
        // Whoever calls it acts as its owner.
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => {
            (!properties.contains_key("security definer")).then_some("EXECUTE")
        }
        ObjectKind::Type | ObjectKind::Domain | ObjectKind::Language => Some("USAGE"),
        _ => None,
    };
    // These are weighed as a whole.
    let as_whole = is_only_rights(object, properties);
    properties
        .get_key_value("grant to PUBLIC")
        .filter(|(_, rights)| !as_whole && default != Some(rights.as_str()))
        .map(|(property, rights)| (property.as_str(), rights.as_str()))
        .into_iter()
}

/// Weighs a property that is not the same on both sides.
pub fn property(change: &Change, sides: &Sides<'_>) -> Judged {
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    let name = change.property.as_deref().unwrap_or_default();
    let object = &change.object;
    let kind = object.kind;
    if kind == ObjectKind::LargeObjects {
        return large_objects(name, change.what);
    }
    if let Some(grantee) = name.strip_prefix(GRANT) {
        return grant(grantee, old, new, sides.other_major());
    }
    if let Some(grantee) = name.strip_prefix(REVOKED) {
        let back = gained(new, old);
        return match back.is_empty() {
            true => (Weight::Broken, None),
            false => because(
                Weight::Widened,
                format!("{grantee} has {} again, as by default", back.join(", ")),
            ),
        };
    }
    if name == "comment" && !sides.scope.comments {
        return because(Weight::Note, "a comment does nothing");
    }
    if kind == ObjectKind::Role {
        if name == "password" && old.is_none() && sides.new.get(object, "superuser").is_some() {
            return because(
                Weight::Note,
                "a throwaway server gives its own superuser a password",
            );
        }
        return role(name, change.what, old, new);
    }
    let other_version = sides.old.get(object, "version") != sides.new.get(object, "version");
    match (name, change.what) {
        ("clustered", _) => because(
            Weight::Note,
            "it only says by which index CLUSTER ordered the rows",
        ),
        _ if kind == ObjectKind::Server => because(Weight::Note, "the servers differ"),
        ("tablespace", _) => because(Weight::Note, "where it lies is the server's affair"),
        ("version", _) if kind == ObjectKind::Extension => because(
            Weight::Note,
            "a restore installs the version that the server has",
        ),
        ("comment" | "dumped tables", _) if kind == ObjectKind::Extension && other_version => {
            because(Weight::Note, "it is another version of the extension")
        }
        ("enabled", _) if kind == ObjectKind::Subscription && new == Some("no") => {
            because(Weight::Note, "a dump restores every subscription disabled")
        }
        ("collation" | "ctype", _) if kind == ObjectKind::Database && same_locale(old, new) => {
            because(Weight::Note, "two ways to write one locale")
        }
        ("version", _) if matches!(kind, ObjectKind::Collation | ObjectKind::Database) => because(
            Weight::Note,
            "the version is that of the operating system's library",
        ),
        ("owner", _) => because(
            Weight::Widened,
            "whoever owns it can change it, drop it, and grant it",
        ),
        ("row security" | "row security forced", What::Removed) => because(
            Weight::Widened,
            match name {
                "row security" => "its policies hold for nobody",
                _ => "its policies do not hold for its owner",
            },
        ),
        ("mode", _) if new == Some("permissive") => {
            because(Weight::Widened, "it took rows away and now adds some")
        }
        ("security definer", What::Added) => {
            because(Weight::Widened, "whoever calls it acts as its owner")
        }
        ("option security_invoker", _) if is_on(old) && !is_on(new) => because(
            Weight::Widened,
            "whoever reads it reads with its owner's rights, and past policies that hold for others",
        ),
        ("enforcement", What::Removed) => because(
            Weight::Note,
            "it is enforced again: a dump does not carry that it was not",
        ),
        _ if sides.other_major() && deparsed(object, name, new) => because(
            Weight::Note,
            "the servers are of two major versions, which write the same thing in different words: compare by eye",
        ),
        _ => (Weight::Broken, None),
    }
}

/// Whether an option of a relation is true; the server keeps it as it was written.
fn is_on(value: Option<&str>) -> bool {
    matches!(
        value.map(str::to_ascii_lowercase).as_deref(),
        Some("true" | "on" | "yes" | "1" | "")
    )
}

/// Whether both are one locale: `en_US.utf8`, `en_US.UTF-8`.
fn same_locale(old: Option<&str>, new: Option<&str>) -> bool {
    let plain = |text: Option<&str>| text.map(|text| text.to_ascii_lowercase().replace('-', ""));
    plain(old) == plain(new)
}

/// Whether a text is written anew by the server from what it understood, and is no protection.
pub fn deparsed(object: &ObjectId, property: &str, text: Option<&str>) -> bool {
    let view = matches!(object.kind, ObjectKind::View | ObjectKind::MaterializedView);
    match property {
        "definition" => match object.part_kind() {
            None => view,
            Some(part) => matches!(part, PartKind::Rule | PartKind::Index),
        },
        "default" | "generated" => true,
        "body" => {
            text.is_some_and(|text| text.starts_with("RETURN ") || text.starts_with("BEGIN ATOMIC"))
        }
        _ => false,
    }
}

fn grant(grantee: &str, old: Option<&str>, new: Option<&str>, other_major: bool) -> Judged {
    let more = gained(old, new);
    if more.is_empty() {
        return (Weight::Broken, None);
    }
    if other_major && more == ["MAINTAIN"] {
        return because(
            Weight::Note,
            "ALL has one right more, MAINTAIN, since PostgreSQL 17",
        );
    }
    because(
        Weight::Widened,
        format!("{grantee} can {} now", more.join(", ")),
    )
}

fn role(name: &str, what: What, old: Option<&str>, new: Option<&str>) -> Judged {
    if let Some(group) = name.strip_prefix(MEMBER) {
        let more = gained(old, new);
        return match (what, more.is_empty()) {
            (What::Added, _) => because(Weight::Widened, format!("it is a member of {group} now")),
            (_, false) => because(
                Weight::Widened,
                format!("its membership has {} now", more.join(", ")),
            ),
            _ => (Weight::Broken, None),
        };
    }
    match (name, what) {
        (power, What::Added) if POWERS.contains(&power) => {
            because(Weight::Widened, "it can do more than before")
        }
        ("noinherit", What::Removed) => because(
            Weight::Widened,
            "it has the rights of the roles it is a member of",
        ),
        _ => (Weight::Broken, None),
    }
}
