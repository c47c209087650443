//! Changes of properties of objects, with the names by which a scenario accepts them.

use super::column_type;
use super::definition::{
    class_of, granted, invalid_index, is_invalid_index, is_public, security_definer, with_reason,
    with_reasons,
};
use super::name::{self, column, phrase, shown_both};
use super::{ChangeClass, ClusterChange};
use crate::catalog::compare::{self as catalog, Change, ChangeKind, Severity, gained};
use crate::catalog::rights::{GRANT, MEMBER, REVOKED};
use crate::catalog::{Catalog, ObjectKind, PartKind};
use crate::sql::{quote_ident, read_identifier};

/// A property of an object that differs.
pub(super) fn of_property(change: &Change, property: &str, after: &Catalog) -> Vec<ClusterChange> {
    let object = &change.object;
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    let grantee = |prefix| property.strip_prefix(prefix);
    if let Some(grantee) = grantee(GRANT) {
        // What the new owner was granted is not listed any more: it has every right.
        let owner = after.get(object, "owner");
        if new.is_none() && owner.is_some_and(|owner| owner == read_identifier(grantee)) {
            return Vec::new();
        }
        let mut changes = granted(object, grantee, old, new);
        if let Some(now) = after.objects.get(object).filter(|_| grantee != "PUBLIC") {
            // It had the right before, or everybody has it now, which is a change of its own.
            for right in gained(old, new)
                .iter()
                .filter(|right| is_public(now, right))
            {
                let name = name::grant(right, object, grantee);
                let known = changes.iter_mut().filter(|change| change.name == name);
                known.for_each(|change| change.widens = false);
            }
        }
        return with_reasons(changes, change);
    }
    if let Some(grantee) = grantee(REVOKED) {
        return with_reasons(granted(object, grantee, new, old), change);
    }
    if object.kind == ObjectKind::Role {
        return of_role(change, property);
    }
    if property == "security definer" && change.kind == ChangeKind::Added {
        return with_reasons(vec![security_definer(object)], change);
    }
    if is_invalid_index(property, new) {
        return vec![invalid_index(object)];
    }
    let (name, class) = name_of_property(change, property);
    let mut text = format!("{object}: {property}: {}", shown_both(old, new));
    // The owner of a view or function decides what it may read.
    if property == "owner" && after.get(object, "security definer").is_some() {
        text.push_str(", with whose rights it runs");
    }
    if let Some(more) = lost_by(change, property, after) {
        return vec![ClusterChange {
            loses: true,
            ..name::change(object, class, name, format!("{text}; {more}"))
        }];
    }
    vec![ClusterChange {
        widens: change.severity == Severity::Widened,
        loses: catalog::weakens(change),
        ..name::change(object, class, name, with_reason(text, change))
    }]
}

/// What a rehearsal takes for a loss, and a comparison of two days does not.
fn lost_by(change: &Change, property: &str, after: &Catalog) -> Option<&'static str> {
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    match (property, change.object.part_kind()) {
        ("persistence", None) => {
            (new == Some("unlogged")).then_some("a crash empties it, and no replica has its rows")
        }
        ("type", Some(PartKind::Column)) => {
            let narrower = !column_type::holds_all(old?, new?);
            let is_time = |value: &str| value.starts_with("timestamp");
            narrower.then_some(match is_time(old?) && is_time(new?) {
                true => "its values now depend on the TimeZone of the session that changed them",
                false => "it may not hold every value of before",
            })
        }
        ("partition of", None) => {
            (new.is_none()).then_some("its rows are no longer those of the partitioned table")
        }
        ("default", Some(PartKind::Column)) => {
            let has = |property| after.get(&change.object, property).is_some();
            let needed = new.is_none() && has("not null") && !has("identity") && !has("generated");
            needed.then_some("a row without a value for it is refused")
        }
        ("labels", None) => {
            let kept: Vec<&str> = new?.lines().collect();
            let gone = old?.lines().any(|label| !kept.contains(&label));
            gone.then_some("a label is gone or has another name")
        }
        ("increment", None) => {
            let turns = old?.starts_with('-') != new?.starts_with('-');
            turns.then_some("it returns numbers a second time")
        }
        ("populated", None) => (new == Some("no")).then_some("no query can read it"),
        _ => None,
    }
}

fn name_of_property(change: &Change, property: &str) -> (String, ChangeClass) {
    let object = &change.object;
    let table = || name::bare(object);
    let added = change.kind == ChangeKind::Added;
    let part = object.part_kind();
    let is_on = |value: &Option<String>| matches!(value.as_deref(), Some("yes" | "always"));
    match (property, part) {
        ("persistence", None) => {
            let verb = if change.new.is_some() {
                "set unlogged"
            } else {
                "set logged"
            };
            (format!("{verb} {}", phrase(object)), ChangeClass::Changed)
        }
        ("comment", _) => (
            format!("comment on {}", phrase(object)),
            ChangeClass::Changed,
        ),
        ("owner", _) => (
            format!("change owner of {}", phrase(object)),
            ChangeClass::Owner,
        ),
        ("row security", None) => {
            let verb = if added { "enable" } else { "disable" };
            (
                format!("{verb} row level security on {}", table()),
                ChangeClass::RowSecurity,
            )
        }
        ("row security forced", None) => {
            let verb = if added { "force" } else { "no force" };
            (
                format!("{verb} row level security on {}", table()),
                ChangeClass::RowSecurity,
            )
        }
        ("enabled", _) if is_on(&change.old) != is_on(&change.new) => {
            let verb = if is_on(&change.new) {
                "enable"
            } else {
                "disable"
            };
            (
                format!("{verb} {}", phrase(object)),
                class_of(object, ChangeClass::Changed),
            )
        }
        ("security definer", _) => {
            let routine = object.to_string();
            (format!("security invoker {routine}"), ChangeClass::Function)
        }
        ("not null", Some(PartKind::Column)) => {
            let verb = if change.new.is_some() { "set" } else { "drop" };
            (
                format!("{verb} not null on {}", column(object)),
                ChangeClass::Changed,
            )
        }
        ("partition of", None) if change.new.is_none() => {
            let of = change.old.as_deref().unwrap_or_default();
            let name = format!("detach partition {} from {of}", table());
            (name, ChangeClass::Changed)
        }
        ("default", Some(PartKind::Column)) => (
            format!("change default of {}", column(object)),
            ChangeClass::Changed,
        ),
        ("type", Some(PartKind::Column)) => (
            format!("change type of {}", column(object)),
            ChangeClass::Changed,
        ),
        ("validated", Some(PartKind::Constraint)) if !added => {
            (format!("validate {}", phrase(object)), ChangeClass::Changed)
        }
        _ => (
            format!("change {}", phrase(object)),
            class_of(object, ChangeClass::Changed),
        ),
    }
}

/// A property of a role: an attribute, a membership or a setting.
pub(super) fn of_role(change: &Change, property: &str) -> Vec<ClusterChange> {
    let object = &change.object;
    let role = quote_ident(&object.name);
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    let one = |class, name, text, widens| ClusterChange {
        widens,
        ..name::change(object, class, name, with_reason(text, change))
    };
    if let Some(group) = property.strip_prefix(MEMBER) {
        let class = ChangeClass::Membership;
        let mut changes = Vec::new();
        if old.is_none() {
            let text = format!("{role} is now a member of {group}");
            changes.push(one(
                class,
                format!("grant role {group} to {role}"),
                text,
                true,
            ));
        }
        let options = gained(old, new).into_iter();
        // A new membership inherits and can be assumed, unless it says otherwise.
        for option in options.filter(|option| old.is_some() || option == "admin") {
            let name = format!("grant {option} option of role {group} to {role}");
            let text = format!("the membership of {role} in {group} now has {option}");
            changes.push(one(class, name, text, true));
        }
        if new.is_none() {
            let text = format!("{role} is no longer a member of {group}");
            changes.push(one(
                class,
                format!("revoke role {group} from {role}"),
                text,
                false,
            ));
        } else {
            for option in gained(new, old).into_iter().filter(|_| old.is_some()) {
                let name = format!("revoke {option} option of role {group} from {role}");
                let text = format!("the membership of {role} in {group} no longer has {option}");
                changes.push(one(class, name, text, false));
            }
        }
        return changes;
    }
    const ATTRIBUTES: &[&str] = &[
        "superuser",
        "bypassrls",
        "createrole",
        "createdb",
        "replication",
        "login",
    ];
    let is_attribute = ATTRIBUTES.contains(&property);
    let what = match (property, change.kind) {
        ("noinherit", ChangeKind::Removed) => "inherit".to_owned(),
        (_, ChangeKind::Removed) if is_attribute => format!("no{property}"),
        _ => property.to_owned(),
    };
    // A role that was created in the state after has its powers as changes of their own.
    let widens = change.severity == Severity::Widened || is_attribute && old.is_none();
    let text = match is_attribute || property == "noinherit" {
        true => format!("{role} is now {what}"),
        false => format!("{role}: {property}: {}", shown_both(old, new)),
    };
    let class = match property {
        "comment" => {
            return vec![one(
                ChangeClass::Changed,
                format!("comment on role {role}"),
                text,
                false,
            )];
        }
        _ => ChangeClass::Role,
    };
    vec![one(
        class,
        format!("alter role {role} {what}"),
        text,
        widens,
    )]
}
