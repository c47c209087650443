//! A new partition is life, where it has the shape of its siblings.

use std::collections::BTreeMap;

use super::Weight;
use super::weigh::{Judged, rights};
use crate::catalog::rights::GRANT;
use crate::catalog::{Catalog, ObjectId, PartKind, Properties};

/// What a table looks like, without its own name: part -> properties.
type Shape = BTreeMap<String, Properties>;

/// Properties in which partitions differ by nature.
const OWN: &[&str] = &[
    "partition of",
    "partition bound",
    "columns",
    "comment",
    "tablespace",
];

/// Judges an added table that is a partition of one that was there before; `None` for any other object.
pub fn judge(old: &Catalog, new: &Catalog, object: &ObjectId) -> Option<Judged> {
    // How many levels below a table that was there, and which one.
    let (levels, root) = (1..)
        .map_while(|levels| Some((levels, ancestor(new, object, levels)?)))
        .find(|(_, table)| old.objects.contains_key(table))?;
    let siblings = new.objects.keys().filter(|table| {
        *table != object
            && table.part.is_none()
            && old.objects.contains_key(*table)
            && ancestor(new, table, levels).as_ref() == Some(&root)
    });
    let mut shapes: BTreeMap<Shape, usize> = BTreeMap::new();
    for sibling in siblings {
        *shapes.entry(shape(new, sibling)).or_default() += 1;
    }
    let Some((usual, _)) = shapes.iter().max_by_key(|(_, times)| **times) else {
        return Some((
            Weight::Broken,
            Some("a partition without any sibling that was there before".to_owned()),
        ));
    };
    let differences = differ(usual, &shape(new, object));
    Some(match differences.iter().map(|(weight, _)| *weight).min() {
        None => (
            Weight::Note,
            Some("a new partition, of the same shape as its siblings".to_owned()),
        ),
        Some(weight) => {
            let told: Vec<&str> = differences.iter().map(|(_, text)| text.as_str()).collect();
            let why = format!("unlike its siblings it has {}", told.join("; "));
            (weight, Some(why))
        }
    })
}

/// The table so many levels above.
fn ancestor(catalog: &Catalog, object: &ObjectId, levels: usize) -> Option<ObjectId> {
    (0..levels).try_fold(object.clone(), |table, _| catalog.partition_parent(&table))
}

fn shape(catalog: &Catalog, object: &ObjectId) -> Shape {
    let name = object.qualified_name().map(|name| name.to_string());
    let name = name.unwrap_or_default();
    let strip = |properties: &Properties, own_name: &str| -> Properties {
        let kept = properties
            .iter()
            .filter(|(property, _)| !OWN.contains(&property.as_str()));
        kept.map(|(property, value)| {
            let value = value.replace(&name, "it");
            let value = match own_name {
                "" => value,
                own => value.replace(own, "own name"),
            };
            (property.clone(), value)
        })
        .collect()
    };
    let mut shape = Shape::new();
    if let Some(properties) = catalog.objects.get(object) {
        shape.insert(String::new(), strip(properties, ""));
    }
    for (_, part, properties) in catalog.children(object) {
        // Indexes and constraints are named after their table.
        let (part, properties) = match part.kind {
            PartKind::Index | PartKind::Constraint | PartKind::Statistics => {
                let mut properties = strip(properties, &part.printed_name());
                let definition = properties.remove("definition").unwrap_or_default();
                (format!("{} {definition}", part.kind.word()), properties)
            }
            _ => (part.to_string(), strip(properties, "")),
        };
        shape.insert(part, properties);
    }
    shape
}

/// What the second shape has otherwise than the first, with its weight.
fn differ(usual: &Shape, this: &Shape) -> Vec<(Weight, String)> {
    let mut list = Vec::new();
    for (part, properties) in this {
        match usual.get(part) {
            None => {
                let policy = properties.get("mode").map(String::as_str) == Some("permissive");
                let weight = if policy {
                    Weight::Widened
                } else {
                    Weight::Broken
                };
                list.push((weight, part.clone()));
            }
            Some(usual) => differ_in(part, usual, properties, &mut list),
        }
    }
    for part in usual.keys().filter(|part| !this.contains_key(*part)) {
        list.push((Weight::Broken, format!("no {part}")));
    }
    list
}

fn differ_in(part: &str, usual: &Properties, this: &Properties, list: &mut Vec<(Weight, String)>) {
    let of = match part {
        "" => String::new(),
        part => format!(" of {part}"),
    };
    for (property, value) in this {
        let before = usual.get(property);
        if before == Some(value) {
            continue;
        }
        let wider = property.starts_with(GRANT) && {
            let had = rights(before.map(String::as_str));
            let has = rights(Some(value));
            !has.iter()
                .all(|(right, grantable)| had.get(right).is_some_and(|had| had >= grantable))
        };
        let weight = match wider || property == "owner" {
            true => Weight::Widened,
            false => Weight::Broken,
        };
        list.push((weight, format!("{property}{of} = {value}")));
    }
    for property in usual
        .keys()
        .filter(|property| !this.contains_key(*property))
    {
        let weight = match property.starts_with("row security") {
            true => Weight::Widened,
            false => Weight::Broken,
        };
        list.push((weight, format!("no {property}{of}")));
    }
}
