//! The ceiling: rights that the role has and the scenario does not allow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess};

use crate::outcome::Finding;
use crate::rights::{AccessPath, Actor, HeldRight, OWNER, ObjectClass, ObjectFacts, Right, Step};
use crate::sql::quote_ident;

/// Rights that a role may have in addition to its floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ceiling {
    /// Any right: the rights are not compared.
    Any,
    /// These rights.
    Rights(Vec<Right>),
}

impl<'de> Deserialize<'de> for Ceiling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Ceiling;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rights, or \"any\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ceiling, E> {
                match text {
                    "any" => Ok(Ceiling::Any),
                    other => Err(E::custom(format!(
                        "`{other}` is not a ceiling; write a list of rights, or \"any\""
                    ))),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ceiling, A::Error> {
                let mut rights = Vec::new();
                while let Some(right) = list.next_element()? {
                    rights.push(right);
                }
                Ok(Ceiling::Rights(rights))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Ceiling {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ceiling".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Rights that a role may have in addition to its floor, or any.",
            "oneOf": [
                { "const": "any" },
                { "type": "array", "items": { "type": "string" } }
            ]
        })
    }
}

/// How many objects of one finding are named.
const NAMED: usize = 8;

/// Rights by one path: each with its columns, and who granted them.
#[derive(Debug, Default)]
struct Found<'a> {
    rights: BTreeMap<String, BTreeSet<String>>,
    grantors: BTreeSet<&'a str>,
}

/// Rights of one role by one path, that many objects may have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Excess {
    class: ObjectClass,
    rights: String,
    path: AccessPath,
    allowed: String,
}

/// Finds every right of a role that no entry of `allowed` covers. `flagged` are predefined roles
/// that a finding of their own is about.
#[must_use]
pub fn compare<'a>(
    objects: impl IntoIterator<Item = &'a ObjectFacts>,
    actor: &Actor<'_>,
    allowed: &[&Right],
    flagged: &[String],
) -> Vec<Finding> {
    if actor.role.superuser {
        return Vec::new();
    }
    let mut groups: BTreeMap<Excess, (Vec<&ObjectFacts>, BTreeSet<&str>)> = BTreeMap::new();
    for object in objects {
        // Whoever makes objects owns them, whatever else is granted on them.
        let maker = actor.paths.get(object.owner.as_str());
        let makes = object.class.is_default() && maker.is_some_and(AccessPath::is_at_once);
        // Whoever owns a table owns its sequences.
        if makes || (object.of_column && actor.owning(object).is_some()) {
            continue;
        }
        let covering: Vec<&Right> = allowed
            .iter()
            .copied()
            .filter(|right| right.covers(object))
            .collect();
        for (excess, grantors) in beyond(object, &actor.rights_on(object), &covering, flagged) {
            let group = groups.entry(excess).or_default();
            group.0.push(object);
            group.1.extend(grantors);
        }
    }
    groups
        .into_iter()
        .map(|(excess, (objects, grantors))| {
            finding(&actor.role.name, &excess, &objects, &grantors)
        })
        .collect()
}

/// The rights on one object that are beyond, those of one path together.
fn beyond<'a>(
    object: &ObjectFacts,
    rights: &[HeldRight<'a>],
    covering: &[&Right],
    flagged: &[String],
) -> Vec<(Excess, BTreeSet<&'a str>)> {
    let mut paths: BTreeMap<&AccessPath, Found<'a>> = BTreeMap::new();
    for right in rights {
        let by_flagged = match right.path.steps.last() {
            Some(Step::Predefined(name)) => flagged.contains(name),
            _ => false,
        };
        if right.initial || right.is_of_owner() || by_flagged {
            continue;
        }
        let fits: Vec<&&Right> = covering.iter().filter(|one| one.allows(right)).collect();
        let handed = right.grantable && !fits.iter().any(|one| one.grantable || one.owner);
        if right.privilege == OWNER {
            if covering.iter().any(|one| one.owner) {
                continue;
            }
        } else if !fits.is_empty() && !handed {
            continue;
        }
        let mut name = right.privilege.to_owned();
        if handed {
            name.push_str(" WITH GRANT OPTION");
        }
        let found = paths.entry(&right.path).or_default();
        let columns = found.rights.entry(name).or_default();
        columns.extend(right.column.map(quote_ident));
        if !right.grantor.is_empty() {
            found.grantors.insert(right.grantor);
        }
    }
    paths
        .into_iter()
        .map(|(path, found)| {
            let excess = Excess {
                class: object.class,
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
pub fn show_objects(objects: &[&ObjectFacts]) -> String {
    let mut names: Vec<String> = objects.iter().take(NAMED).map(|o| o.show()).collect();
    if objects.len() > NAMED {
        let class = objects
            .first()
            .map_or(ObjectClass::Table, |object| object.class);
        let more = objects.len() - NAMED;
        let last = names.pop().unwrap_or_default();
        names.push(format!("{last} and {more} more {}", class.words()));
    }
    names.join(", ")
}

fn finding(
    role: &str,
    excess: &Excess,
    objects: &[&ObjectFacts],
    grantors: &BTreeSet<&str>,
) -> Finding {
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
fn hint(role: &str, excess: &Excess, first: Option<&ObjectFacts>) -> String {
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
    match (excess.path.steps.last(), excess.rights.as_str()) {
        (Some(Step::Owner(_)), OWNER)
            if object.class == ObjectClass::Other || excess.path.membership().is_none() =>
        {
            ways.push(format!("ALTER {} OWNER TO another role", alter(object)));
        }
        (Some(Step::Owner(_) | Step::Predefined(_)), _) => {}
        _ if object.class.is_default() => {
            let place = if object.schema.is_empty() {
                String::new()
            } else {
                format!(" IN SCHEMA {}", quote_ident(&object.schema))
            };
            ways.push(format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {}{place} REVOKE {rights} ON {} FROM {}",
                quote_ident(&object.name),
                object
                    .class
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
fn alter(object: &ObjectFacts) -> String {
    match object.class {
        ObjectClass::Table => format!("TABLE {}", object.show()),
        ObjectClass::Other => {
            let rest = object.show();
            let rest = rest.strip_prefix(&object.only_owned).unwrap_or_default();
            let word = object.only_owned.trim_end_matches(" object");
            format!("{}{rest}", word.to_uppercase())
        }
        _ => object.sql(),
    }
}
