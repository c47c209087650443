//! The floor: rights that the scenario requires and the role does not have.

use std::collections::BTreeMap;

use super::ceiling::show_objects;
use crate::outcome::Finding;
use crate::rights::{Actor, Facts, OWNER, ObjectFacts, Right};
use crate::sql::{Glob, quote_ident};

/// Finds the rights of the floor that are missing, and counts the objects that were compared.
#[must_use]
pub fn compare(facts: &Facts, actor: &Actor<'_>, floor: &[Right]) -> (Vec<Finding>, usize) {
    let role = &actor.role.name;
    let mut findings = Vec::new();
    let mut compared = 0;
    for right in floor {
        if right.class.is_default() {
            findings.extend(later(facts, actor, right));
            continue;
        }
        // What belongs to the server or to an extension must be named.
        let matching: Vec<&ObjectFacts> = facts
            .objects
            .iter()
            .filter(|object| right.covers(object))
            .filter(|object| !object.outside || right.names_exactly(object))
            .collect();
        compared += matching.len();
        for name in &right.names {
            let any = matching.iter().any(|object| name.matches(object));
            if !any && right.only_owned.is_none() {
                let class = right.class.words();
                findings.push(
                    Finding::about(
                        name.text.clone(),
                        format!("something that \"{right}\" of {role} is about"),
                        format!("none of the {class} matches"),
                    )
                    .hint("check whether the restore lost it, or correct the name in the scenario"),
                );
            }
        }
        if right.only_owned.is_some() && matching.is_empty() {
            findings.push(Finding::about(
                right
                    .names
                    .first()
                    .map(|name| name.text.clone())
                    .unwrap_or_default(),
                format!("{role} owns it"),
                format!(
                    "it owns no such {}",
                    right.only_owned.as_deref().unwrap_or_default()
                ),
            ));
        }
        // The same right may be missing on many objects.
        let mut groups: BTreeMap<(String, String), Vec<&ObjectFacts>> = BTreeMap::new();
        for object in matching {
            if let Some(missing) = find_missing(facts.major, actor, right, object) {
                groups.entry(missing).or_default().push(object);
            }
        }
        for ((missing, why), objects) in groups {
            let expected = if missing == OWNER {
                format!("{role} owns it")
            } else {
                format!("{missing} for {role}")
            };
            let finding = Finding::about(show_objects(&objects), expected, why);
            findings.push(match objects.first() {
                Some(object) if missing != OWNER => finding.hint(format!(
                    "GRANT {missing} ON {} TO {}, or a role that it inherits from",
                    object.sql(),
                    quote_ident(role)
                )),
                _ => finding.hint(format!(
                    "give it to {} with ALTER … OWNER TO; check whether the dump was made or restored with --no-owner",
                    quote_ident(role)
                )),
            });
        }
    }
    (findings, compared)
}

/// What is missing on one object, and what is there instead.
fn find_missing(
    major: u64,
    actor: &Actor<'_>,
    right: &Right,
    object: &ObjectFacts,
) -> Option<(String, String)> {
    if right.owner {
        let has = actor.has(object, OWNER, None, false);
        return (!has).then(|| (OWNER.to_owned(), format!("it belongs to {}", object.owner)));
    }
    let mut missing: Vec<String> = Vec::new();
    let mut instead: Vec<String> = Vec::new();
    for privilege in &right.privileges {
        let names: Vec<&str> = match privilege.name.as_str() {
            "ALL" => object.class.all(major).to_vec(),
            name => vec![name],
        };
        for name in names {
            let mut columns: Vec<&str> = Vec::new();
            if privilege.columns.is_empty() {
                if actor.has(object, name, None, right.grantable) {
                    continue;
                }
            } else {
                columns = privilege
                    .columns
                    .iter()
                    .map(Glob::text)
                    .filter(|column| !actor.has(object, name, Some(column), right.grantable))
                    .collect();
                if columns.is_empty() {
                    continue;
                }
            }
            missing.push(if columns.is_empty() {
                name.to_owned()
            } else {
                let columns: Vec<String> = columns.iter().map(|c| quote_ident(c)).collect();
                format!("{name} ({})", columns.join(", "))
            });
            let rights = actor.rights_on(object);
            for held in rights.iter().filter(|held| held.privilege == name) {
                let text = match held.column {
                    Some(column) if held.path.is_at_once() => {
                        format!("{name} only on column {}", quote_ident(column))
                    }
                    _ if held.path.is_at_once() => format!("{name} only without GRANT OPTION"),
                    _ => format!("{name} only {}", held.path.describe()),
                };
                if !instead.contains(&text) {
                    instead.push(text);
                }
            }
        }
    }
    if missing.is_empty() {
        return None;
    }
    let option = if right.grantable {
        " WITH GRANT OPTION"
    } else {
        ""
    };
    let why = if instead.is_empty() {
        format!("it has no {}", missing.join(", "))
    } else {
        instead.join(", ")
    };
    Some((format!("{}{option}", missing.join(", ")), why))
}

/// Rights on what is made later: each schema by itself, what holds in every schema included.
fn later(facts: &Facts, actor: &Actor<'_>, right: &Right) -> Vec<Finding> {
    let role = &actor.role.name;
    let mut schemas: Vec<String> = Vec::new();
    let mut findings = Vec::new();
    for name in &right.names {
        let before = schemas.len();
        schemas.extend(
            facts
                .schemas
                .iter()
                .filter(|s| name.name.matches(s))
                .cloned(),
        );
        if schemas.len() == before {
            findings.push(Finding::about(
                format!("schema {}", name.text),
                "a schema",
                "none matches",
            ));
        }
    }
    if right.names.is_empty() {
        schemas.push(String::new());
    }
    for schema in schemas {
        let made: Vec<&ObjectFacts> = facts
            .objects
            .iter()
            .filter(|object| {
                object.class == right.class
                    && (object.schema.is_empty() || object.schema == schema)
                    && right.by.as_ref().is_none_or(|by| by.matches(&object.name))
            })
            .collect();
        let names: Vec<&str> = right
            .privileges
            .iter()
            .flat_map(|privilege| match privilege.name.as_str() {
                "ALL" => right.class.all(facts.major).to_vec(),
                name => vec![name],
            })
            .filter(|name| {
                !made
                    .iter()
                    .any(|object| actor.has(object, name, None, right.grantable))
            })
            .collect();
        if !names.is_empty() {
            let place = if schema.is_empty() {
                String::new()
            } else {
                format!(" in {}", quote_ident(&schema))
            };
            let by = match &right.by {
                Some(by) => format!(" by role {}", by.text()),
                None => String::new(),
            };
            findings.push(
                Finding::about(
                    format!("{}{place}{by}", right.class.word()),
                    format!("{} for {role}", names.join(", ")),
                    "no default privileges give it",
                )
                .hint("ALTER DEFAULT PRIVILEGES gives it; without it, objects of the next migration do not get the right"),
            );
        }
    }
    findings
}
