//! Names of changes: a verb and an object as SQL names it, in lower case but for quoted names; and values as texts show them.

use super::{ChangeClass, ClusterChange};
use crate::catalog::{ObjectId, ObjectKind, PartKind};
use crate::sql::{QualifiedName, quote_ident};

/// Letters of a value that a text shows, at most.
const SHOWN: usize = 100;

/// A change that neither widens nor loses anything.
pub(super) fn change(
    object: &ObjectId,
    class: ChangeClass,
    name: String,
    text: String,
) -> ClusterChange {
    ClusterChange {
        database: None,
        object: object.clone(),
        class,
        name,
        widens: false,
        loses: false,
        text,
    }
}

/// Whether an object belongs to the cluster and not to a database.
pub(super) fn is_of_cluster(object: &ObjectId) -> bool {
    matches!(
        object.kind,
        ObjectKind::Role | ObjectKind::Tablespace | ObjectKind::Parameter
    )
}

/// `app.orders`: the object without its kind, where it is in a schema.
pub(super) fn bare(object: &ObjectId) -> String {
    match object.qualified_name() {
        Some(name) => name.to_string(),
        None => object.whole().to_string(),
    }
}

/// An object after a verb: `table app.orders`, `column app.orders.id`, `policy p on app.orders`, `index app.i`.
pub(super) fn phrase(object: &ObjectId) -> String {
    let Some(part) = &object.part else {
        return object.to_string();
    };
    let name = quote_ident(&part.name);
    let of = match object.kind {
        ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView => bare(object),
        _ => object.whole().to_string(),
    };
    match part.kind {
        PartKind::Column => format!("column {}", column(object)),
        // An index is in the schema of its table.
        PartKind::Index => {
            let schema = object.schema.clone().unwrap_or_default();
            let name = part.name.clone();
            format!("index {}", QualifiedName { schema, name })
        }
        PartKind::Statistics => format!("statistics {}", part.printed_name()),
        PartKind::PublishedTable => format!("table {} of {of}", part.printed_name()),
        PartKind::Settings => "settings of database".to_owned(),
        PartKind::SettingsOfRole => format!("settings of role {name} in database"),
        PartKind::InheritedConstraint => format!("constraint {name} on {of}"),
        kind => format!("{} {name} on {of}", kind.word()),
    }
}

/// `app.orders.id`: the column of a table, without a word before it.
pub(super) fn column(object: &ObjectId) -> String {
    match &object.part {
        Some(part) => format!("{}.{}", bare(object), quote_ident(&part.name)),
        None => bare(object),
    }
}

/// The verb for a new object: parts of tables are added where SQL adds them.
pub(super) fn create(object: &ObjectId) -> String {
    let verb = match object.part_kind() {
        Some(
            PartKind::Column
            | PartKind::Constraint
            | PartKind::InheritedConstraint
            | PartKind::Label
            | PartKind::PublishedTable,
        ) => "add",
        _ => "create",
    };
    format!("{verb} {}", phrase(object))
}

/// `grant select on table app.t to app_reader`, with `with grant option` at the end where the right has that in addition.
pub(super) fn grant(right: &str, object: &ObjectId, grantee: &str) -> String {
    let grantee = if grantee == "PUBLIC" {
        "public"
    } else {
        grantee
    };
    match right.strip_suffix(" WITH GRANT OPTION") {
        Some(right) => format!("grant {} to {grantee} with grant option", on(right, object)),
        None => format!("grant {} to {grantee}", on(right, object)),
    }
}

/// `revoke select on table app.t from app_reader`.
pub(super) fn revoke(right: &str, object: &ObjectId, grantee: &str) -> String {
    let grantee = if grantee == "PUBLIC" {
        "public"
    } else {
        grantee
    };
    match right.strip_suffix(" WITH GRANT OPTION") {
        Some(right) => format!(
            "revoke grant option for {} from {grantee}",
            on(right, object)
        ),
        None => format!("revoke {} from {grantee}", on(right, object)),
    }
}

/// `select on table app.t`, `select (note) on table app.t`.
fn on(right: &str, object: &ObjectId) -> String {
    let right = right.to_ascii_lowercase();
    let column = object
        .part
        .as_ref()
        .filter(|part| part.kind == PartKind::Column);
    match column {
        Some(part) => format!(
            "{right} ({}) on {}",
            quote_ident(&part.name),
            object.whole()
        ),
        None => format!("{right} on {}", phrase(object)),
    }
}

/// The first line of a value.
pub(super) fn shown(value: Option<&str>) -> String {
    let Some(value) = value else {
        return "none".to_owned();
    };
    let mut lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let cut: String = first.chars().take(SHOWN).collect();
    match cut.len() < first.len() || lines.next().is_some() {
        true => format!("{cut} …"),
        false => cut,
    }
}

/// Two values, each in one line and from where they begin to differ if that is not at their beginning.
pub(super) fn shown_both(old: Option<&str>, new: Option<&str>) -> String {
    let line = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
    let (Some(old), Some(new)) = (old.map(line), new.map(line)) else {
        return format!("{} → {}", shown(old), shown(new));
    };
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b);
    // Some letters before the difference say where it is.
    let skipped = match same.count() {
        same if same > SHOWN / 2 => same - SHOWN / 4,
        _ => 0,
    };
    let from = |value: &str| {
        let rest: String = value.chars().skip(skipped).collect();
        let before = if skipped > 0 { "… " } else { "" };
        format!("{before}{}", shown(Some(&rest)))
    };
    format!("{} → {}", from(&old), from(&new))
}
