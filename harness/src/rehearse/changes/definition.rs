//! Changes of the catalog, with the names by which a scenario accepts them. [`crate::catalog::compare`] judges them. `property`
//! has those of properties.

use super::name::{self, create, phrase, shown};
use super::property::{of_property, of_role};
use super::{ChangeClass, ClusterChange, DatabaseState};
use crate::catalog::compare::{self as catalog, Change, ChangeKind, Scope, Severity, gained};
use crate::catalog::rights::{GRANT, REVOKED};
use crate::catalog::{Catalog, ObjectId, ObjectKind, PartKind, Properties};

/// Lists what differs between two catalogs.
pub(super) fn compare(before: &Catalog, state: &DatabaseState) -> Vec<ClusterChange> {
    let after = &state.catalog;
    let mut changes = Vec::new();
    for change in catalog::compare(before, after, &Scope::default()) {
        match &change.property {
            None => whole(&change, before, state, &mut changes),
            // As by default, of a function that has a change of its own where it runs with the rights of its owner.
            Some(property)
                if property == "grant to PUBLIC"
                    && change.new.as_deref() == Some("EXECUTE")
                    && !before.objects.contains_key(&change.object) => {}
            Some(property) => changes.extend(of_property(&change, property, after)),
        }
    }
    changes.extend(not_valid(before, after));
    changes
}

/// An object that was added or removed.
fn whole(
    change: &Change,
    before: &Catalog,
    state: &DatabaseState,
    changes: &mut Vec<ClusterChange>,
) {
    let after = &state.catalog;
    let object = &change.object;
    if object.kind == ObjectKind::LargeObjects {
        // They are rows.
        return;
    }
    let none = Properties::new();
    let catalog = if change.kind == ChangeKind::Removed {
        before
    } else {
        after
    };
    let properties = catalog.objects.get(object).unwrap_or(&none);
    let widens = change.severity == Severity::Widened;
    let only_rights = matches!(
        object.kind,
        ObjectKind::DefaultPrivileges | ObjectKind::Parameter
    );
    if change.kind == ChangeKind::Removed {
        let (name, class) = match only_rights {
            true => (format!("change {object}"), ChangeClass::Changed),
            false => (
                format!("drop {}", phrase(object)),
                class_of(object, ChangeClass::Removed),
            ),
        };
        changes.push(ClusterChange {
            widens,
            loses: catalog::weakens(change) || may_be_missed(object),
            ..name::change(
                object,
                class,
                name,
                with_reason(format!("{object} is gone"), change),
            )
        });
        if only_rights {
            changes.extend(rights(object, Some(properties), None));
        }
        return;
    }
    let rights_of = rights(object, None, Some(properties));
    if only_rights {
        changes.push(ClusterChange {
            widens: widens && rights_of.is_empty(),
            ..name::change(
                object,
                ChangeClass::Changed,
                format!("change {object}"),
                with_reason(format!("{object} are set"), change),
            )
        });
        changes.extend(rights_of);
        return;
    }
    let is_role = object.kind == ObjectKind::Role;
    let intercepts = before.objects.contains_key(&object.whole())
        && match object.part_kind() {
            Some(PartKind::Rule) => true,
            // One that runs afterwards changes nothing of what was written.
            Some(PartKind::Trigger) => !properties.values().any(|value| value.contains(" AFTER ")),
            _ => false,
        };
    let mut text = with_reason(format!("{object} is new"), change);
    if intercepts {
        text.push_str("; it may change or drop what the application writes");
    }
    if matches!(
        object.part_kind(),
        Some(PartKind::Settings | PartKind::SettingsOfRole)
    ) {
        for (name, value) in properties {
            text += &format!("; {name}: {}", shown(Some(value)));
        }
    }
    changes.push(ClusterChange {
        // What a new role may do is a change of its own.
        widens: widens && !is_role,
        loses: intercepts,
        ..name::change(
            object,
            class_of(object, ChangeClass::Added),
            create(object),
            text,
        )
    });
    if is_role {
        let powers = properties.iter().filter(|(name, _)| *name != "login");
        changes.extend(powers.flat_map(|(property, value)| {
            let added = part_of(change, property, None, Some(value));
            of_role(&added, property)
                .into_iter()
                .filter(|change| change.widens)
        }));
    }
    if properties.contains_key("security definer") {
        changes.push(security_definer(object));
    }
    if reads_as_owner(object, properties) {
        let harmless = harmless_rights(state, object, properties);
        let mut rights_of = rights_of;
        rights_of.retain(|right| !harmless.contains(&right.name));
        changes.extend(rights_of);
    }
}

/// The names of rights on a new object that need no review: those by default privileges, but for rights by which a view shows more
/// than a role may read; those on views by which it does not; EXECUTE where PUBLIC has it, as by default.
fn harmless_rights(
    state: &DatabaseState,
    object: &ObjectId,
    properties: &Properties,
) -> Vec<String> {
    if matches!(object.kind, ObjectKind::View | ObjectKind::MaterializedView) {
        let known = state.known_by_views.get(object).into_iter().flatten();
        let known = known.map(|(role, right)| name::grant(right, object, role));
        let mut by_default = default_rights(&state.catalog, object, properties);
        by_default.retain(|name| {
            let right = name.split(' ').nth(1).unwrap_or_default();
            !["select", "insert", "update", "delete"].contains(&right)
        });
        return by_default.into_iter().chain(known).collect();
    }
    let mut harmless = default_rights(&state.catalog, object, properties);
    if is_public(properties, "EXECUTE") {
        let grantees = properties
            .keys()
            .filter_map(|name| name.strip_prefix(GRANT));
        harmless.extend(grantees.map(|role| name::grant("EXECUTE", object, role)));
    }
    harmless
}

/// Whether everybody has a right.
pub(super) fn is_public(properties: &Properties, right: &str) -> bool {
    let rights = properties.get("grant to PUBLIC").map(String::as_str);
    gained(rights, Some(right)).is_empty()
}

/// The names of the rights that an object has by the default privileges of its owner.
fn default_rights(catalog: &Catalog, object: &ObjectId, properties: &Properties) -> Vec<String> {
    let classes = match object.kind {
        ObjectKind::Function | ObjectKind::Procedure => "functions",
        _ => "tables",
    };
    let owner = properties
        .get("owner")
        .map(String::as_str)
        .unwrap_or_default();
    let of_owner = catalog
        .of_kind(ObjectKind::DefaultPrivileges)
        .filter(|(id, _)| {
            id.name == owner
                && id.signature.as_deref() == Some(classes)
                && (id.schema.is_none() || id.schema == object.schema)
        });
    let granted = of_owner.flat_map(|(_, defaults)| rights(object, None, Some(defaults)));
    granted.map(|right| right.name).collect()
}

/// Whether an object gives its user what its owner may do: a function with SECURITY DEFINER, or a view.
fn reads_as_owner(object: &ObjectId, properties: &Properties) -> bool {
    let is_invoker = properties
        .get("option security_invoker")
        .is_some_and(|value| matches!(value.as_str(), "true" | "on" | "yes" | "1"));
    match object.kind {
        _ if object.part.is_some() => false,
        ObjectKind::View => !is_invoker,
        ObjectKind::MaterializedView => true,
        _ => properties.contains_key("security definer"),
    }
}

/// Whether a client may miss an object that is gone, or rows are gone with it.
fn may_be_missed(object: &ObjectId) -> bool {
    match object.part_kind() {
        Some(part) => matches!(part, PartKind::Column | PartKind::PublishedTable),
        None => !matches!(
            object.kind,
            ObjectKind::Server
                | ObjectKind::Database
                | ObjectKind::DefaultPrivileges
                | ObjectKind::Parameter
                | ObjectKind::Collation
                | ObjectKind::Conversion
        ),
    }
}

/// The rights in the properties of an object, in the second ones more or fewer than in the first.
fn rights(
    object: &ObjectId,
    old: Option<&Properties>,
    new: Option<&Properties>,
) -> Vec<ClusterChange> {
    let none = Properties::new();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let of = names.into_iter().filter_map(|name| {
        let (old, new) = (old.get(name), new.get(name));
        let (old, new) = (old.map(String::as_str), new.map(String::as_str));
        if let Some(grantee) = name.strip_prefix(GRANT) {
            return Some(granted(object, grantee, old, new));
        }
        let grantee = name.strip_prefix(REVOKED)?;
        Some(granted(object, grantee, new, old))
    });
    of.flatten().collect()
}

/// A change for each right that a role has in the second list only, or in the first only.
pub(super) fn granted(
    object: &ObjectId,
    grantee: &str,
    old: Option<&str>,
    new: Option<&str>,
) -> Vec<ClusterChange> {
    let wider = gained(old, new).into_iter().map(|right| ClusterChange {
        widens: true,
        ..name::change(
            object,
            ChangeClass::RightWider,
            name::grant(&right, object, grantee),
            format!("{grantee} can now {right} on {object}"),
        )
    });
    let narrower = gained(new, old).into_iter().map(|right| {
        name::change(
            object,
            ChangeClass::RightNarrower,
            name::revoke(&right, object, grantee),
            format!("{grantee} can no longer {right} on {object}"),
        )
    });
    wider.chain(narrower).collect()
}

/// A property of an object that was added as a whole.
fn part_of(whole: &Change, property: &str, old: Option<&String>, new: Option<&String>) -> Change {
    Change {
        property: Some(property.to_owned()),
        old: old.cloned(),
        new: new.cloned(),
        severity: Severity::Note,
        reason: None,
        ..whole.clone()
    }
}

pub(super) fn security_definer(object: &ObjectId) -> ClusterChange {
    ClusterChange {
        widens: true,
        ..name::change(
            object,
            ChangeClass::Function,
            format!("security definer {object}"),
            format!("{object} runs with the rights of its owner"),
        )
    }
}

/// Constraints and indexes that are not valid now, and were valid or not there before.
fn not_valid(before: &Catalog, after: &Catalog) -> Vec<ClusterChange> {
    let mut changes = Vec::new();
    for (object, properties) in &after.objects {
        let now = |property: &str| {
            properties.get(property).is_some_and(|value| value == "no")
                && before.get(object, property).is_none()
        };
        if now("index valid") {
            changes.push(invalid_index(object));
        }
        let of_column = properties
            .get("not null")
            .is_some_and(|value| value != "yes")
            && before.get(object, "not null") != properties.get("not null").map(String::as_str);
        if now("validated") || of_column {
            changes.push(name::change(
                object,
                ChangeClass::NotValid,
                format!("leave {} not valid", phrase(object)),
                format!("{object} was not checked for the rows that are there"),
            ));
        }
    }
    changes
}

pub(super) fn is_invalid_index(property: &str, new: Option<&str>) -> bool {
    matches!(property, "index valid" | "index ready") && new == Some("no")
}

pub(super) fn invalid_index(object: &ObjectId) -> ClusterChange {
    name::change(
        object,
        ChangeClass::IndexInvalid,
        format!("leave {} invalid", phrase(object)),
        format!("{object} is not valid: no query uses it; drop it or build it again"),
    )
}

/// The class of an object that has one of its own.
pub(super) fn class_of(object: &ObjectId, other: ChangeClass) -> ChangeClass {
    match (object.kind, object.part_kind()) {
        (_, Some(PartKind::Policy)) => ChangeClass::Policy,
        (_, Some(PartKind::Trigger)) | (ObjectKind::EventTrigger, None)
            if other != ChangeClass::Added =>
        {
            ChangeClass::Trigger
        }
        (ObjectKind::Role, None) => ChangeClass::Role,
        (ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate, None)
            if other == ChangeClass::Changed =>
        {
            ChangeClass::Function
        }
        _ => other,
    }
}

pub(super) fn with_reason(text: String, change: &Change) -> String {
    match &change.reason {
        Some(reason) => format!("{text}; {reason}"),
        None => text,
    }
}

/// Adds the reason of a change to those of its rights that became wider.
pub(super) fn with_reasons(mut changes: Vec<ClusterChange>, change: &Change) -> Vec<ClusterChange> {
    // It begins with what the text says already, where it is about a right.
    let more = change
        .reason
        .as_deref()
        .and_then(|reason| reason.split_once("; "));
    for one in changes.iter_mut().filter(|one| one.widens) {
        if let Some((_, more)) = more {
            one.text = format!("{}; {more}", one.text);
        }
    }
    changes
}
