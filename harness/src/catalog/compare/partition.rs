//! A new partition is expected drift if it is defined like the other partitions of its table.

use std::collections::BTreeMap;

use super::Severity;
use super::severity::{Rating, parse_rights};
use crate::catalog::rights::GRANT;
use crate::catalog::{Catalog, ObjectId, PartKind, Properties};

/// The definition of a table without its name: part → properties.
type TableShape = BTreeMap<String, Properties>;

/// Properties that differ between partitions of one table.
const OWN: &[&str] = &[
    "partition of",
    "partition bound",
    "columns",
    "comment",
    "tablespace",
];

/// Rates an added table that is a partition of an earlier one; `None` for any other object.
pub fn rate(old: &Catalog, new: &Catalog, object: &ObjectId) -> Option<Rating> {
    // The nearest ancestor that existed before, and how many levels it is above.
    let (levels, root) = (1..)
        .map_while(|levels| Some((levels, ancestor(new, object, levels)?)))
        .find(|(_, table)| old.objects.contains_key(table))?;
    let siblings = new.objects.keys().filter(|table| {
        *table != object
            && table.part.is_none()
            && old.objects.contains_key(*table)
            && ancestor(new, table, levels).as_ref() == Some(&root)
    });
    let mut shapes: BTreeMap<TableShape, usize> = BTreeMap::new();
    for sibling in siblings {
        *shapes.entry(shape(new, sibling)).or_default() += 1;
    }
    let Some((usual, _)) = shapes.iter().max_by_key(|(_, times)| **times) else {
        let reason = "a new partition of a table that had no partition at this level";
        return Some((Severity::Broken, Some(reason.to_owned())));
    };
    let differences = compare_shapes(usual, &shape(new, object));
    let severity = differences.iter().map(|(severity, _)| *severity).min();
    let reason = match severity {
        None => "a new partition, defined like the others".to_owned(),
        Some(_) => {
            let texts: Vec<&str> = differences.iter().map(|(_, text)| text.as_str()).collect();
            format!("unlike the other partitions it has {}", texts.join("; "))
        }
    };
    Some((severity.unwrap_or(Severity::Note), Some(reason)))
}

/// The table that is `levels` above.
fn ancestor(catalog: &Catalog, object: &ObjectId, levels: usize) -> Option<ObjectId> {
    (0..levels).try_fold(object.clone(), |table, _| catalog.partition_parent(&table))
}

fn shape(catalog: &Catalog, object: &ObjectId) -> TableShape {
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
    let mut shape = TableShape::new();
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

/// The differences of `this` from `usual`, with their severities.
fn compare_shapes(usual: &TableShape, this: &TableShape) -> Vec<(Severity, String)> {
    let mut list = Vec::new();
    for (part, properties) in this {
        match usual.get(part) {
            None => {
                let mode = properties.get("mode").map(String::as_str);
                list.push((widened_if(mode == Some("permissive")), part.clone()));
            }
            Some(usual) => compare_properties(part, usual, properties, &mut list),
        }
    }
    for part in usual.keys().filter(|part| !this.contains_key(*part)) {
        list.push((Severity::Broken, format!("no {part}")));
    }
    list
}

fn widened_if(widened: bool) -> Severity {
    match widened {
        true => Severity::Widened,
        false => Severity::Broken,
    }
}

fn compare_properties(
    part: &str,
    usual: &Properties,
    this: &Properties,
    list: &mut Vec<(Severity, String)>,
) {
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
            let had = parse_rights(before.map(String::as_str));
            let has = parse_rights(Some(value));
            !has.iter()
                .all(|(right, grantable)| had.get(right).is_some_and(|had| had >= grantable))
        };
        let severity = widened_if(wider || property == "owner");
        list.push((severity, format!("{property}{of} = {value}")));
    }
    for property in usual
        .keys()
        .filter(|property| !this.contains_key(*property))
    {
        let severity = widened_if(property.starts_with("row security"));
        list.push((severity, format!("no {property}{of}")));
    }
}
