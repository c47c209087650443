//! Entries of `floor` and `ceiling`: the rights of a role, in as few lines as a person would write.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cover::cover;
use crate::catalog::{Catalog, ObjectId};
use crate::rights::{
    AccessPath, Actor, DATABASE_OWNER, Facts, HeldRight, OWNER, ObjectClass, ObjectFacts,
};
use crate::sql::{QualifiedName, quote_ident};

/// Maximum number of columns of the names of one entry.
const WIDTH: usize = 96;

/// Objects by class, the rights on them as an entry writes them, and what else tells their entries apart.
type Groups<'a> = BTreeMap<(ObjectClass, String, String), Vec<&'a ObjectFacts>>;

/// What a role may do with a database that the restore creates, by Postgres's default.
const OF_NEW_DATABASE: &str = "connect, temporary on database";

/// Writes all rights of a role: the floor has those without SET ROLE, the ceiling those that require it. Where it is not
/// known whether a backup will create the database, what follows from its owner and its rights is only in the ceiling:
/// allowed, and not required.
pub(super) fn write(
    catalog: &Catalog,
    facts: &Facts,
    actor: &Actor<'_>,
    unknown_backup: bool,
) -> (Vec<String>, Vec<String>) {
    if actor.role.superuser {
        return (Vec::new(), Vec::new());
    }
    let (mut now, mut later) = (Groups::new(), Groups::new());
    for object in &facts.objects {
        let maker = actor.paths.get(object.owner.as_str());
        let makes = object.class.is_default() && maker.is_some_and(AccessPath::is_at_once);
        if makes || (object.of_column && actor.owning(object).is_some()) {
            continue;
        }
        let held = actor.rights_on(object);
        // The maker of default rights, or the word of an object that can only be owned.
        let detail = match object.class {
            ObjectClass::Other => object.only_owned.clone(),
            class if class.is_default() => object.name.clone(),
            _ => String::new(),
        };
        let of_database = object.class == ObjectClass::Database || object.owner == DATABASE_OWNER;
        for at_once in [true, false] {
            let groups = match at_once && !(unknown_backup && of_database) {
                true => &mut now,
                false => &mut later,
            };
            for grantable in [false, true] {
                for entry in privileges(&held, at_once, grantable) {
                    let key = (object.class, entry, detail.clone());
                    groups.entry(key).or_default().push(object);
                }
            }
        }
    }
    let mut ceiling = entries(facts, &later);
    if unknown_backup && !ceiling.iter().any(|entry| entry == OF_NEW_DATABASE) {
        ceiling.push(OF_NEW_DATABASE.to_owned());
    }
    let makers: BTreeSet<(&str, ObjectClass)> = now
        .keys()
        .chain(later.keys())
        .filter(|(class, ..)| {
            matches!(
                class,
                ObjectClass::DefaultFunction | ObjectClass::DefaultType
            )
        })
        .map(|(class, _, maker)| (maker.as_str(), *class))
        .collect();
    // An entry about the functions or types of a maker includes what PUBLIC may do with them.
    for (maker, class) in makers {
        let (objects, right) = match class {
            ObjectClass::DefaultFunction => ("functions", "execute"),
            _ => ("types", "usage"),
        };
        let id = format!("default privileges of {} on {objects}", quote_ident(maker));
        let id = id.parse::<ObjectId>();
        let is_revoked = id.is_ok_and(|id| catalog.get(&id, "revoked from PUBLIC").is_some());
        let right = if is_revoked { "nothing" } else { right };
        ceiling.push(format!(
            "{right} on {} by role {}",
            class.word(),
            role_name(maker)
        ));
    }
    (entries(facts, &now), ceiling)
}

/// A role as an entry names it.
fn role_name(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        quote_ident(name)
    }
}

/// The rights on one object in the words of an entry, `select, insert on`; of an owner `owner of`.
fn privileges(rights: &[HeldRight<'_>], at_once: bool, grantable: bool) -> Vec<String> {
    let mut columns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let owns = |now: bool| {
        let mut all = rights.iter();
        all.any(|held| held.privilege == OWNER && !held.initial && (held.path.is_at_once() || !now))
    };
    if owns(at_once) {
        let first = at_once || !owns(true);
        return if first && !grantable {
            vec!["owner of".to_owned()]
        } else {
            Vec::new()
        };
    }
    // An owner has all rights, and so has a role after it became the owner.
    if !at_once && owns(true) {
        return Vec::new();
    }
    let now: BTreeSet<(&str, Option<&str>)> = rights
        .iter()
        .filter(|held| held.path.is_at_once())
        .map(|held| (held.privilege, held.column))
        .collect();
    for held in rights {
        let counted = held.initial
            || held.privilege == OWNER
            || held.grantable != grantable
            || held.path.is_at_once() != at_once
            || (!at_once && now.contains(&(held.privilege, held.column)));
        if counted {
            continue;
        }
        let of = columns.entry(held.privilege).or_default();
        of.extend(held.column);
    }
    // A right on all columns includes the single ones.
    let whole: BTreeSet<&str> = rights
        .iter()
        .filter(|held| held.column.is_none() && held.path.is_at_once() == at_once)
        .map(|held| held.privilege)
        .collect();
    const ORDER: &[&str] = &[
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CONNECT",
        "TEMPORARY",
        "USAGE",
        "CREATE",
    ];
    let mut words: Vec<(&str, BTreeSet<&str>)> = columns.into_iter().collect();
    words.sort_by_key(|(word, _)| {
        (
            ORDER.iter().position(|known| known == word).unwrap_or(99),
            *word,
        )
    });
    let words: Vec<String> = words
        .into_iter()
        .map(|(word, columns)| {
            let word_ = word.to_lowercase();
            if columns.is_empty() || whole.contains(word) {
                return word_;
            }
            let columns: Vec<String> = columns.into_iter().map(quote_ident).collect();
            format!("{word_} ({})", columns.join(", "))
        })
        .collect();
    if words.is_empty() {
        Vec::new()
    } else {
        let option = if grantable { " with grant option" } else { "" };
        vec![format!("{} on{option}", words.join(", "))]
    }
}

/// Writes the entries of `floor` or `ceiling`.
fn entries(facts: &Facts, groups: &Groups<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for ((class, rights, detail), objects) in groups {
        let (rights, option) = match rights.strip_suffix(" with grant option") {
            Some(rights) => (rights, " with grant option"),
            None => (rights.as_str(), ""),
        };
        let mut add = |text: String| all.push(format!("{rights} {text}{option}"));
        if class.is_default() {
            let maker = role_name(detail);
            let schemas: BTreeSet<&str> = objects.iter().map(|one| one.schema.as_str()).collect();
            if schemas.contains("") {
                add(format!("{} by role {maker}", class.word()));
            }
            let schemas: Vec<String> = schemas
                .into_iter()
                .filter(|one| !one.is_empty())
                .map(quote_ident)
                .collect();
            for names in lines(&schemas) {
                add(format!("{} in {names} by role {maker}", class.word()));
            }
            continue;
        }
        if *class == ObjectClass::Other {
            for object in objects {
                add(format!("{detail} {}", object.name));
            }
            continue;
        }
        if *class == ObjectClass::Database {
            add("database".to_owned());
            continue;
        }
        let (names, several) = names(facts, *class, objects);
        let word = match (class, several) {
            (ObjectClass::Table, _) => String::new(),
            (_, false) => format!("{} ", class.word()),
            (_, true) => format!("{} ", class.words()),
        };
        for names in lines(&names) {
            add(format!("{word}{names}"));
        }
    }
    all
}

/// The names of objects, as patterns if that is shorter; and whether there are several.
fn names(facts: &Facts, class: ObjectClass, objects: &[&ObjectFacts]) -> (Vec<String>, bool) {
    if !class.in_schema() {
        let names = objects.iter().map(|one| match class {
            ObjectClass::LargeObject | ObjectClass::Parameter => one.name.clone(),
            _ => quote_ident(&one.name),
        });
        let names: Vec<String> = names.collect();
        let several = names.len() > 1;
        return (names, several);
    }
    // Written by name: objects of the server and of extensions, and functions of the same name as another one without
    // these rights.
    let same_name = |one: &ObjectFacts, other: &ObjectFacts| {
        one.schema == other.schema && one.name == other.name
    };
    let universe: Vec<&ObjectFacts> = facts
        .objects
        .iter()
        .filter(|one| one.class == class)
        .collect();
    let meant = |one: &ObjectFacts| objects.iter().any(|other| other.id == one.id);
    let (exact, free): (Vec<&ObjectFacts>, Vec<&ObjectFacts>) = objects.iter().partition(|one| {
        one.outside
            || universe
                .iter()
                .any(|other| same_name(one, other) && other.id != one.id && !meant(other))
    });
    let wanted: BTreeSet<QualifiedName> = free.iter().map(|one| one.qualified()).collect();
    let wanted: Vec<QualifiedName> = wanted.into_iter().collect();
    let all: Vec<QualifiedName> = universe.iter().map(|one| one.qualified()).collect();
    let full = |object: &ObjectFacts| match class {
        ObjectClass::Function => format!("{}({})", object.qualified(), object.arguments),
        _ => object.qualified().to_string(),
    };
    let mut names = Vec::new();
    for name in cover(&wanted, &all) {
        let plain = free
            .iter()
            .filter(|one| one.qualified().to_string() == name);
        let plain: Vec<String> = plain.map(|one| full(one)).collect();
        if plain.is_empty() {
            names.push(name);
        } else {
            names.extend(plain);
        }
    }
    names.extend(exact.into_iter().map(full));
    let several = names.len() > 1 || names.iter().any(|name| name.contains('*'));
    (names, several)
}

/// Joins names to lines of at most `WIDTH` columns.
fn lines(names: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(last) if last.chars().count() + name.chars().count() + 2 <= WIDTH => {
                last.push_str(", ");
                last.push_str(name);
            }
            _ => lines.push(name.clone()),
        }
    }
    lines
}
