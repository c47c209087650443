//! Advice about new objects, by their definitions.

use std::collections::BTreeSet;

use super::changes::{ChangeClass, ClusterChange, State};
use super::rules::{JSON_COLUMN, KEY_WITHOUT_INDEX, NEW_ENUM, Violation};
use crate::catalog::{Catalog, ObjectId, ObjectKind, PartKind};

/// Judges what is new after a run: what `changes` say, so that a renamed object is not.
#[must_use]
pub fn judge(changes: &[ClusterChange], after: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, after) in &after.databases {
        let of_database = |change: &&ClusterChange| {
            let database = change.database.as_deref();
            change.class == ChangeClass::Added && database.is_none_or(|database| database == name)
        };
        let new = changes.iter().filter(of_database);
        let new: BTreeSet<&ObjectId> = new.map(|change| &change.object).collect();
        found.extend(of_new(&new, &after.catalog));
    }
    found
}

fn of_new(new: &BTreeSet<&ObjectId>, after: &Catalog) -> Vec<Violation> {
    let mut found = Vec::new();
    let is_new = |object: &ObjectId| new.contains(object) || new.contains(&object.whole());
    for (object, properties) in after.objects.iter().filter(|(object, _)| is_new(object)) {
        let property = |name: &str| properties.get(name).map(String::as_str);
        let (rule, actual) = match (object.part_kind(), object.kind) {
            (Some(PartKind::Column), _) if property("type") == Some("json") => {
                (&JSON_COLUMN, "its type is `json`".to_owned())
            }
            (Some(PartKind::Constraint), _) => match property("definition").and_then(columns) {
                Some(columns) if !has_index(after, object, &columns) => (
                    &KEY_WITHOUT_INDEX,
                    format!("no index begins with ({})", columns.join(", ")),
                ),
                _ => continue,
            },
            (None, ObjectKind::Type) if property("kind") == Some("enum") => {
                (&NEW_ENUM, "it is an enumerated type".to_owned())
            }
            _ => continue,
        };
        found.push(Violation {
            rule,
            name: format!("{} {object}", rule.name),
            object: object.to_string(),
            actual,
        });
    }
    found
}

/// The columns of a foreign key by its definition.
fn columns(definition: &str) -> Option<Vec<String>> {
    listed(definition.strip_prefix("FOREIGN KEY ")?)
}

/// The names of the first list in parentheses.
fn listed(text: &str) -> Option<Vec<String>> {
    let (_, rest) = text.split_once('(')?;
    let (list, _) = rest.split_once(')')?;
    Some(list.split(',').map(|name| name.trim().to_owned()).collect())
}

/// Whether an index of the table begins with these columns, in any order.
fn has_index(catalog: &Catalog, key: &ObjectId, columns: &[String]) -> bool {
    let wanted: BTreeSet<&String> = columns.iter().collect();
    let table = key.whole();
    let mut parts = catalog.children(&table);
    parts.any(|(_, part, properties)| {
        let definition = properties.get("definition").map(String::as_str);
        let list = definition.and_then(|definition| match part.kind {
            PartKind::Index => listed(definition.split_once(" USING ")?.1),
            PartKind::Constraint => {
                let unique = definition
                    .strip_prefix("PRIMARY KEY ")
                    .or_else(|| definition.strip_prefix("UNIQUE "))?;
                listed(unique)
            }
            _ => None,
        });
        let first = list.iter().flatten().take(columns.len());
        list.is_some() && first.collect::<BTreeSet<_>>() == wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Properties;
    use rstest::rstest;

    /// An object, and one of its properties.
    type Object = (&'static str, (&'static str, &'static str));

    fn catalog(objects: &[Object]) -> Catalog {
        let objects = objects.iter().map(|(object, (name, value))| {
            let properties = [((*name).to_owned(), (*value).to_owned())].into_iter();
            let object: ObjectId = object.parse().unwrap_or_else(|_| panic!("{object}"));
            (object, properties.collect::<Properties>())
        });
        Catalog {
            objects: objects.collect(),
            ..Catalog::default()
        }
    }

    const KEY: Object = (
        "table app.b constraint b_a_fkey",
        ("definition", "FOREIGN KEY (a, c) REFERENCES app.a(id, c)"),
    );

    #[rstest]
    #[case::json(&[("table app.b column note", ("type", "json"))], &["json-column"])]
    #[case::jsonb(&[("table app.b column note", ("type", "jsonb"))], &[])]
    #[case::enumeration(&[("type app.state", ("kind", "enum"))], &["new-enum"])]
    #[case::key(&[KEY], &["key-without-index"])]
    #[case::key_with_an_index(
        &[KEY, ("table app.b index i", ("definition", "CREATE INDEX i ON app.b USING btree (c, a, d)"))],
        &[]
    )]
    #[case::key_with_an_index_of_others(
        &[KEY, ("table app.b index i", ("definition", "CREATE INDEX i ON app.b USING btree (d, a, c)"))],
        &["key-without-index"]
    )]
    #[case::key_that_is_the_primary_key(
        &[KEY, ("table app.b constraint b_pkey", ("definition", "PRIMARY KEY (a, c)"))],
        &[]
    )]
    fn new_objects_are_judged(#[case] new: &[Object], #[case] rules: &[&str]) {
        let after = catalog(new);
        let all: BTreeSet<&ObjectId> = after.objects.keys().collect();
        let found = of_new(&all, &after);
        let names: Vec<&str> = found.iter().map(|one| one.rule.name).collect();
        assert_eq!(names, rules);
        let tables: Vec<ObjectId> = after.objects.keys().map(ObjectId::whole).collect();
        let found = of_new(&tables.iter().collect(), &after);
        assert_eq!(found.len(), rules.len(), "parts of a new table");
        assert!(of_new(&BTreeSet::new(), &after).is_empty());
    }
}
