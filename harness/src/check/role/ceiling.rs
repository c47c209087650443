//! No more: rights beyond what the scenario allows.

use std::collections::{BTreeMap, BTreeSet};

use super::hold::{Hold, Holds, OWNER, Path};
use super::right::{Kind, Right};
use super::world::{Object, World};
use crate::outcome::Finding;
use crate::sql::quote_ident;

/// How many objects of one finding are named.
const NAMED: usize = 8;

impl Right {
    /// Tells whether the entry is about this object.
    #[must_use]
    pub fn covers(&self, object: &Object) -> bool {
        if self.kind != object.kind
            || self
                .only_owned
                .as_ref()
                .is_some_and(|word| *word != object.only_owned)
        {
            return false;
        }
        if self.kind.is_default() {
            // Without a schema it is about all; in a schema not about what holds everywhere.
            let place = self.names.is_empty()
                || self.names.iter().any(|name| {
                    name.name.text() == "*"
                        || (!object.schema.is_empty() && name.name.matches(&object.schema))
                });
            return place && self.by.as_ref().is_none_or(|by| by.matches(&object.name));
        }
        let named = |names: &[super::pattern::Name]| {
            names
                .iter()
                .any(|name| name.names(&object.schema, &object.name, &object.oid))
        };
        named(&self.names) && !named(&self.except)
    }

    /// Tells whether it allows this right on an object that it covers.
    fn allows(&self, hold: &Hold) -> bool {
        self.owner
            || (self.privileges.iter().any(|privilege| {
                (privilege.name == "ALL" || privilege.name == hold.privilege)
                    && (privilege.columns.is_empty()
                        || hold.column.as_ref().is_some_and(|column| {
                            privilege.columns.iter().any(|glob| glob.matches(column))
                        }))
            }))
    }
}

/// Rights by one path: each with its columns, and who granted them.
#[derive(Debug, Default)]
struct Found<'a> {
    rights: BTreeMap<String, BTreeSet<String>>,
    grantors: BTreeSet<&'a str>,
}

/// Rights of one role by one path, that many objects may have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Excess {
    kind: Kind,
    rights: String,
    path: Path,
    allowed: String,
}

/// Finds every right of a role that no entry of `allowed` covers. `flagged` are predefined roles
/// that a finding of their own is about.
#[must_use]
pub fn compare(
    world: &World,
    holds: &Holds,
    role: &str,
    allowed: &[&Right],
    flagged: &[String],
) -> Vec<Finding> {
    if holds.superuser {
        return Vec::new();
    }
    let tables: BTreeMap<&str, usize> = world
        .objects
        .iter()
        .enumerate()
        .filter(|(_, object)| object.kind == Kind::Table)
        .map(|(at, object)| (object.oid.as_str(), at))
        .collect();
    let mut groups: BTreeMap<Excess, (Vec<&Object>, BTreeSet<&str>)> = BTreeMap::new();
    for (at, object) in world.objects.iter().enumerate() {
        // Whoever makes objects owns them, whatever else is granted on them.
        if object.kind.is_default() && holds.ways.get(&object.owner).is_some_and(|way| way.at_once)
        {
            continue;
        }
        let table = object.table.as_deref().and_then(|oid| tables.get(oid));
        // Whoever owns a table owns its sequences.
        if table.is_some_and(|table| holds.owns(*table)) {
            continue;
        }
        let covering: Vec<&Right> = allowed
            .iter()
            .copied()
            .filter(|right| right.covers(object))
            .collect();
        for (excess, grantors) in beyond(object, holds.on(at), &covering, flagged) {
            let group = groups.entry(excess).or_default();
            group.0.push(object);
            group.1.extend(grantors);
        }
    }
    groups
        .into_iter()
        .map(|(excess, (objects, grantors))| finding(role, &excess, &objects, &grantors))
        .collect()
}

/// The rights on one object that are beyond, those of one path together.
fn beyond<'a>(
    object: &Object,
    holds: &'a [Hold],
    covering: &[&Right],
    flagged: &[String],
) -> Vec<(Excess, BTreeSet<&'a str>)> {
    let mut paths: BTreeMap<&Path, Found<'a>> = BTreeMap::new();
    for hold in holds {
        // The owner's own entries are part of owning.
        let of_owner = matches!(hold.path, Path::Owner(..)) && hold.privilege != OWNER;
        let by_flagged = matches!(&hold.path, Path::Predefined(_, name) if flagged.contains(name));
        if hold.initial || of_owner || by_flagged {
            continue;
        }
        let fits: Vec<&&Right> = covering.iter().filter(|right| right.allows(hold)).collect();
        let handed = hold.grantable && !fits.iter().any(|right| right.grantable || right.owner);
        if hold.privilege == OWNER {
            if covering.iter().any(|right| right.owner) {
                continue;
            }
        } else if !fits.is_empty() && !handed {
            continue;
        }
        let mut name = hold.privilege.clone();
        if handed {
            name.push_str(" WITH GRANT OPTION");
        }
        let found = paths.entry(&hold.path).or_default();
        let columns = found.rights.entry(name).or_default();
        columns.extend(hold.column.as_deref().map(quote_ident));
        if !hold.grantor.is_empty() {
            found.grantors.insert(&hold.grantor);
        }
    }
    paths
        .into_iter()
        .map(|(path, found)| {
            let excess = Excess {
                kind: object.kind,
                rights: show_rights(&found.rights),
                path: path.clone(),
                allowed: show_allowed(covering),
            };
            (excess, found.grantors)
        })
        .collect()
}

/// `SELECT, UPDATE (note, status)`.
fn show_rights(rights: &BTreeMap<String, BTreeSet<String>>) -> String {
    let shown: Vec<String> = rights
        .iter()
        .map(|(name, columns)| {
            if columns.is_empty() {
                return name.clone();
            }
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            format!("{name} ({})", columns.join(", "))
        })
        .collect();
    shown.join(", ")
}

/// What the entries allow on an object, in words.
fn show_allowed(covering: &[&Right]) -> String {
    let mut rights: Vec<String> = Vec::new();
    for right in covering {
        for privilege in &right.privileges {
            let columns: Vec<&str> = privilege.columns.iter().map(|c| c.text()).collect();
            let shown = if columns.is_empty() {
                privilege.name.clone()
            } else {
                format!("{} ({})", privilege.name, columns.join(", "))
            };
            if !rights.contains(&shown) {
                rights.push(shown);
            }
        }
    }
    rights.join(", ")
}

/// Names objects, and says how many more there are.
#[must_use]
pub fn show_objects(objects: &[&Object]) -> String {
    let mut names: Vec<String> = objects.iter().take(NAMED).map(|o| o.show()).collect();
    if objects.len() > NAMED {
        let kind = objects.first().map_or(Kind::Table, |object| object.kind);
        let more = objects.len() - NAMED;
        let last = names.pop().unwrap_or_default();
        names.push(format!("{last} and {more} more {}", kind.words()));
    }
    names.join(", ")
}

fn finding(role: &str, excess: &Excess, objects: &[&Object], grantors: &BTreeSet<&str>) -> Finding {
    let expected = match (excess.rights.as_str(), excess.allowed.as_str()) {
        (OWNER, _) => format!("{role} does not own it"),
        (_, "") => format!("no right of {role}"),
        (_, allowed) => format!("nothing beyond {allowed} for {role}"),
    };
    let mut actual = if excess.rights == OWNER {
        format!("ownership, {}", excess.path.describe())
    } else {
        format!("{}, {}", excess.rights, excess.path.describe())
    };
    if !grantors.is_empty() {
        let names: Vec<&str> = grantors.iter().copied().collect();
        actual.push_str(&format!(" (granted by {})", names.join(", ")));
    }
    let mut hint = hint(role, excess, objects.first().copied());
    if objects.len() > 1 {
        hint.push_str("; and so for each of them");
    }
    Finding::about(show_objects(objects), expected, actual).hint(hint)
}

/// What takes the right away, and what allows it.
fn hint(role: &str, excess: &Excess, first: Option<&Object>) -> String {
    let Some(object) = first else {
        return String::new();
    };
    let rights = excess.rights.replace(" WITH GRANT OPTION", "");
    let mut ways = Vec::new();
    if let Some(through) = excess.path.membership() {
        ways.push(format!(
            "REVOKE {} FROM {}",
            quote_ident(through),
            quote_ident(role)
        ));
    }
    match (&excess.path, excess.rights.as_str()) {
        (Path::Owner(..), OWNER)
            if object.kind == Kind::Other || excess.path.membership().is_none() =>
        {
            ways.push(format!("ALTER {} OWNER TO another role", alter(object)));
        }
        (Path::Owner(..) | Path::Predefined(..), _) => {}
        _ if object.kind.is_default() => {
            let place = if object.schema.is_empty() {
                String::new()
            } else {
                format!(" IN SCHEMA {}", quote_ident(&object.schema))
            };
            ways.push(format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {}{place} REVOKE {rights} ON {} FROM {}",
                quote_ident(&object.name),
                object
                    .kind
                    .word()
                    .trim_start_matches("default ")
                    .to_uppercase(),
                excess.path.grantee()
            ));
        }
        _ => ways.push(format!(
            "REVOKE {rights} ON {} FROM {}",
            object.sql(),
            excess.path.grantee()
        )),
    }
    let entry = if excess.rights == OWNER {
        format!("owner of {}", object.show())
    } else if excess.rights.contains("GRANT OPTION") {
        format!(
            "{} on {} with grant option",
            rights.to_lowercase(),
            object.show()
        )
    } else {
        format!("{} on {}", rights.to_lowercase(), object.show())
    };
    format!(
        "{}; where it is meant, add \"{entry}\" to `ceiling`",
        ways.join(", or ")
    )
}

/// How ALTER names an object.
fn alter(object: &Object) -> String {
    match object.kind {
        Kind::Table => format!("TABLE {}", object.show()),
        Kind::Other => {
            let rest = object.show();
            let rest = rest.strip_prefix(&object.only_owned).unwrap_or_default();
            let word = object.only_owned.trim_end_matches(" object");
            format!("{}{rest}", word.to_uppercase())
        }
        _ => object.sql(),
    }
}
