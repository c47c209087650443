//! The severity of a change.

use std::collections::BTreeMap;

use super::{Change, ChangeKind, Severity, Sides};
use crate::catalog::rights::{GRANT, MEMBER, REVOKED, words};
use crate::catalog::{ObjectId, ObjectKind, PartKind, Properties};

/// Whether a property lists rights of a role.
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

const TABLESPACE: &str = "tablespaces belong to the server, not to the database";

/// Whether a change may take something from the protection of the data: a constraint, policy, trigger or rule that
/// is gone or differs, an index that was unique, a column that may now be NULL or that a client may now fill, another
/// definition of a view, other code of a function.
#[must_use]
pub fn weakens(change: &Change) -> bool {
    if change.kind == ChangeKind::Added && change.property.is_none() || strengthens(change) {
        return false;
    }
    let was = change.old.as_deref().unwrap_or_default();
    match change.object.part_kind() {
        Some(PartKind::Constraint | PartKind::Policy | PartKind::Trigger | PartKind::Rule) => {
            change.property.as_deref() != Some("comment")
        }
        Some(PartKind::Index) => was.contains("CREATE UNIQUE INDEX"),
        _ => match (change.object.kind, change.property.as_deref()) {
            (ObjectKind::EventTrigger, _) | (_, Some("not null" | "identity" | "generated")) => {
                true
            }
            (ObjectKind::View | ObjectKind::MaterializedView, Some(property)) => {
                property == "definition" || property.starts_with("option ")
            }
            (ObjectKind::Function | ObjectKind::Procedure, Some(property)) => {
                DECIDE.contains(&property) || property.starts_with("set ")
            }
            _ => false,
        },
    }
}

/// Whether a property only adds protection: a constraint that was validated or is enforced again, a trigger that fires again,
/// a column that may no longer be NULL or be filled by a client, a view that asks for the rights of its user.
fn strengthens(change: &Change) -> bool {
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    match (change.property.as_deref(), change.kind) {
        (Some("validated" | "enforced" | "enforcement" | "deferrable"), ChangeKind::Removed) => {
            change.object.part_kind() == Some(PartKind::Constraint)
        }
        (Some("enabled"), _) => {
            matches!(old, Some("no" | "replica")) && matches!(new, Some("yes" | "always"))
                || (old, new) == (Some("yes"), Some("always"))
        }
        (Some("not null"), _) => new == Some("yes"),
        (Some("identity"), _) => new == Some("always"),
        (Some("option security_invoker" | "option security_barrier"), _) => is_on(new),
        _ => false,
    }
}

/// Properties of a function that decide what it does and with whose rights: a policy or a view may depend on it.
const DECIDE: &[&str] = &[
    "body",
    "language",
    "security definer",
    "leakproof",
    "volatility",
];

/// A severity, and the reason where it needs one.
pub type Rating = (Severity, Option<String>);

const BROKEN: Rating = (Severity::Broken, None);

fn widened(reason: impl Into<String>) -> Rating {
    (Severity::Widened, Some(reason.into()))
}

fn note(reason: &str) -> Rating {
    (Severity::Note, Some(reason.to_owned()))
}

/// Parses the value of a `grant to …` or of a membership: word → whether it has the grant option.
pub fn parse_rights(text: Option<&str>) -> BTreeMap<&str, bool> {
    text.map(words).into_iter().flatten().collect()
}

/// Rights of the second list that the first does not have, with ` WITH GRANT OPTION` where that is new.
pub fn gained(old: Option<&str>, new: Option<&str>) -> Vec<String> {
    let before = parse_rights(old);
    let gained = parse_rights(new).into_iter();
    gained
        .filter(|(right, grantable)| before.get(right).is_none_or(|had| grantable > had))
        .map(|(right, grantable)| match grantable {
            true => format!("{right} WITH GRANT OPTION"),
            false => right.to_owned(),
        })
        .collect()
}

/// Rates a property of all large objects together.
fn rate_large_objects(name: &str, kind: ChangeKind) -> Rating {
    match kind {
        ChangeKind::Added if name.starts_with(GRANT) => {
            widened("no large object had such a grant before")
        }
        ChangeKind::Removed => (
            Severity::Broken,
            Some("no large object has this any more".to_owned()),
        ),
        ChangeKind::Added | ChangeKind::Changed => note("large objects are data, which may change"),
    }
}

/// Rates an object that only one side has.
pub fn rate_object(kind: ChangeKind, object: &ObjectId, properties: &Properties) -> Rating {
    let has = |prefix: &str| properties.keys().any(|name| name.starts_with(prefix));
    let mode = properties.get("mode").map(String::as_str);
    let only_rights = is_only_rights(object, properties);
    match kind {
        _ if object.kind == ObjectKind::Tablespace => note(TABLESPACE),
        ChangeKind::Added if object.kind == ObjectKind::LargeObjects => {
            note("there was no large object before")
        }
        ChangeKind::Added if mode == Some("permissive") => {
            widened("a permissive policy makes more rows visible")
        }
        ChangeKind::Removed if mode == Some("restrictive") => {
            widened("the restrictive policy hid rows")
        }
        ChangeKind::Added if only_rights && has(GRANT) => (Severity::Widened, None),
        ChangeKind::Removed if only_rights && has(REVOKED) => {
            widened("what was revoked is granted again")
        }
        ChangeKind::Added if object.kind == ObjectKind::Role => {
            let powers = POWERS.iter().copied();
            let powers: Vec<&str> = powers
                .filter(|power| *power != "login" && properties.contains_key(*power))
                .collect();
            match powers.is_empty() {
                true => BROKEN,
                false => widened(format!("a new role with {}", powers.join(", "))),
            }
        }
        _ => BROKEN,
    }
}

/// Whether an object is in the catalog only because of what is granted or revoked.
fn is_only_rights(object: &ObjectId, properties: &Properties) -> bool {
    let kinds = [ObjectKind::DefaultPrivileges, ObjectKind::Parameter];
    kinds.contains(&object.kind) || properties.contains_key("part of")
}

/// The grants to PUBLIC of an added object that are not the default of its kind: property and value.
pub fn grants_to_public<'a>(
    object: &ObjectId,
    properties: &'a Properties,
) -> Option<(&'a String, &'a String)> {
    let default = match object.kind {
        // A function with SECURITY DEFINER runs with the rights of its owner.
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => {
            (!properties.contains_key("security definer")).then_some("EXECUTE")
        }
        ObjectKind::Type | ObjectKind::Domain | ObjectKind::Language => Some("USAGE"),
        _ => None,
    };
    // `rate_object` rates these.
    let as_object = is_only_rights(object, properties);
    properties
        .get_key_value("grant to PUBLIC")
        .filter(|(_, rights)| !as_object && default != Some(rights.as_str()))
}

/// Rates a property that differs.
pub fn rate_property(change: &Change, sides: &Sides<'_>) -> Rating {
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    let name = change.property.as_deref().unwrap_or_default();
    let object = &change.object;
    let kind = object.kind;
    if kind == ObjectKind::LargeObjects {
        return rate_large_objects(name, change.kind);
    }
    if let Some(grantee) = name.strip_prefix(GRANT) {
        return rate_grant(grantee, old, new, sides.other_major());
    }
    if let Some(grantee) = name.strip_prefix(REVOKED) {
        let back = gained(new, old).join(", ");
        return match back.as_str() {
            "" => BROKEN,
            back => widened(format!("{grantee} has {back} again, as by default")),
        };
    }
    if name == "comment" && !sides.scope.comments {
        return note("comments have no effect");
    }
    if kind == ObjectKind::Role {
        if name == "password" && old.is_none() && sides.new.get(object, "superuser").is_some() {
            return note("the throwaway server sets a password for its superuser");
        }
        return rate_role(name, change.kind, old, new);
    }
    let other_version = sides.old.get(object, "version") != sides.new.get(object, "version");
    match (name, change.kind) {
        _ if is_tuning(object, name, old, new) => (
            Severity::Tuning,
            Some("it tunes the server and changes no data".to_owned()),
        ),
        ("clustered", _) => note("it only records the index that CLUSTER used last"),
        _ if kind == ObjectKind::Server => note("the servers differ"),
        ("tablespace", _) => note(TABLESPACE),
        ("version", _) if kind == ObjectKind::Extension => {
            note("a restore installs the version that the server has")
        }
        ("comment" | "dumped tables", _) if kind == ObjectKind::Extension && other_version => {
            note("it is another version of the extension")
        }
        ("enabled", _) if kind == ObjectKind::Subscription && new == Some("no") => {
            note("a dump restores every subscription disabled")
        }
        ("collation" | "ctype", _) if kind == ObjectKind::Database && is_same_locale(old, new) => {
            note("two spellings of one locale")
        }
        ("version", _) if matches!(kind, ObjectKind::Collation | ObjectKind::Database) => {
            note("the version is that of a library of the operating system")
        }
        ("owner", _) => widened("the owner can change it, drop it and grant rights on it"),
        ("row security", ChangeKind::Removed) => widened("its policies apply to no role"),
        ("row security forced", ChangeKind::Removed) => {
            widened("its policies do not apply to its owner")
        }
        ("mode", _) if new == Some("permissive") => {
            widened("the policy restricted rows and now adds rows")
        }
        ("security definer", ChangeKind::Added) => widened("it runs with the rights of its owner"),
        ("option security_invoker", _) if is_on(old) && !is_on(new) => widened(
            "it reads with the rights of its owner, and the policies for its owner apply instead of those for the user",
        ),
        ("enforcement", ChangeKind::Removed) => {
            note("it is enforced again: a dump does not record disabled triggers of constraints")
        }
        _ if sides.other_major() && is_deparsed(object, name, new) => note(
            "the servers have different major versions, which print the same definition differently: compare by hand",
        ),
        _ => BROKEN,
    }
}

/// Options that change how rows are stored, vacuumed or planned for; those of TOAST tables begin with `toast.`.
const TUNING: &[&str] = &[
    "fillfactor",
    "log_autovacuum_min_duration",
    "n_distinct",
    "n_distinct_inherited",
    "parallel_workers",
    "toast_tuple_target",
    "vacuum_index_cleanup",
    "vacuum_max_eager_freeze_failure_rate",
    "vacuum_truncate",
];

fn is_tuning_option(option: &str) -> bool {
    let option = option.strip_prefix("toast.").unwrap_or(option);
    option.starts_with("autovacuum_") || TUNING.contains(&option)
}

/// Whether a property only says how the server stores, vacuums or plans.
fn is_tuning(object: &ObjectId, property: &str, old: Option<&str>, new: Option<&str>) -> bool {
    let table = matches!(
        object.kind,
        ObjectKind::Table | ObjectKind::MaterializedView
    );
    match (property, object.part_kind()) {
        _ if !table => false,
        ("storage" | "compression", Some(PartKind::Column)) => true,
        ("statistics target" | "statistics targets", Some(_)) => true,
        ("replica identity", None) => true,
        // Of an index the options are in its definition.
        ("definition", Some(PartKind::Index | PartKind::Constraint)) => old
            .zip(new)
            .is_some_and(|(old, new)| without_tuning(old) == without_tuning(new)),
        (option, None | Some(PartKind::Column)) => {
            option.strip_prefix("option ").is_some_and(is_tuning_option)
        }
        _ => false,
    }
}

/// A definition of an index without its fillfactor, which is in its last list of options.
fn without_tuning(definition: &str) -> String {
    let Some((before, options)) = definition.split_once(" WITH (") else {
        return definition.to_owned();
    };
    let Some((options, behind)) = options.split_once(')') else {
        return definition.to_owned();
    };
    let kept: Vec<&str> = options
        .split(", ")
        .filter(|option| !option.starts_with("fillfactor="))
        .collect();
    match kept.is_empty() {
        true => format!("{before}{behind}"),
        false => format!("{before} WITH ({}){behind}", kept.join(", ")),
    }
}

/// Whether an option of a relation is true; the server keeps the text of the user.
fn is_on(value: Option<&str>) -> bool {
    matches!(
        value.map(str::to_ascii_lowercase).as_deref(),
        Some("true" | "on" | "yes" | "1" | "")
    )
}

/// Whether two names are of one locale: `en_US.utf8`, `en_US.UTF-8`.
fn is_same_locale(old: Option<&str>, new: Option<&str>) -> bool {
    let plain = |text: Option<&str>| text.map(|text| text.to_ascii_lowercase().replace('-', ""));
    plain(old) == plain(new)
}

/// Whether the server prints a text from its parsed form, and it protects nothing.
pub fn is_deparsed(object: &ObjectId, property: &str, text: Option<&str>) -> bool {
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

fn rate_grant(grantee: &str, old: Option<&str>, new: Option<&str>, other_major: bool) -> Rating {
    match gained(old, new).join(", ").as_str() {
        "" => BROKEN,
        "MAINTAIN" if other_major => note("since PostgreSQL 17 ALL includes MAINTAIN"),
        more => widened(format!("{grantee} can now {more}")),
    }
}

fn rate_role(name: &str, kind: ChangeKind, old: Option<&str>, new: Option<&str>) -> Rating {
    if let Some(group) = name.strip_prefix(MEMBER) {
        return match (kind, gained(old, new).join(", ").as_str()) {
            (ChangeKind::Added, _) => widened(format!("it is now a member of {group}")),
            (_, "") => BROKEN,
            (_, more) => widened(format!("its membership now has {more}")),
        };
    }
    match (name, kind) {
        (power, ChangeKind::Added) if POWERS.contains(&power) => {
            widened("the role can do more than before")
        }
        ("noinherit", ChangeKind::Removed) => {
            widened("it inherits the rights of the roles it is a member of")
        }
        _ => BROKEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "CREATE INDEX i ON t USING btree (a) WITH (fillfactor='70')",
        "CREATE INDEX i ON t USING btree (a)"
    )]
    #[case(
        "CREATE INDEX i ON t USING btree (a) WITH (fillfactor='70', deduplicate_items='off') WHERE a > 0",
        "CREATE INDEX i ON t USING btree (a) WITH (deduplicate_items='off') WHERE a > 0"
    )]
    #[case("PRIMARY KEY (id) WITH (fillfactor='70')", "PRIMARY KEY (id)")]
    #[case(
        "CREATE INDEX i ON t USING hnsw (v) WITH (m='16')",
        "CREATE INDEX i ON t USING hnsw (v) WITH (m='16')"
    )]
    fn the_fillfactor_of_an_index_is_left_out(#[case] definition: &str, #[case] without: &str) {
        assert_eq!(without_tuning(definition), without);
    }
}
