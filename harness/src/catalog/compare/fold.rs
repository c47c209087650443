//! Folds changes that follow from another one into it: the same change on partitions, sequences that follow their table,
//! and what attaching or detaching a partition implies.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, ChangeKind, Sides};
use crate::catalog::{ObjectId, ObjectPart, PartKind};
use crate::sql::split_qualified;
use crate::units::show_counted;

/// ChangeKind identifies a change.
type ChangeKey = (ObjectId, Option<String>, ChangeKind);

fn key(change: &Change) -> ChangeKey {
    (change.object.clone(), change.property.clone(), change.kind)
}

/// Removes changes that follow from others, and lists them there as implied.
pub fn fold(sides: &Sides<'_>, mut changes: Vec<Change>) -> Vec<Change> {
    fold_attachments(&mut changes);
    fold_sequences(sides, &mut changes);
    fold_partitions(sides, &changes)
}

/// Attaching or detaching a table implies its bound, the parents of its indexes, and which foreign keys are inherited.
fn fold_attachments(changes: &mut Vec<Change>) {
    let tables: Vec<ObjectId> = changes
        .iter()
        .filter(|change| {
            change.property.as_deref() == Some("partition of") && change.kind != ChangeKind::Changed
        })
        .filter(|change| change.object.part.is_none())
        .map(|change| change.object.clone())
        .collect();
    for table in tables {
        let copied: BTreeMap<ChangeKey, Option<String>> = changes
            .iter()
            .filter(|change| change.property.is_none())
            .map(|change| (key(change), change.old.clone().or(change.new.clone())))
            .collect();
        let other = |what| match what {
            ChangeKind::Added => ChangeKind::Removed,
            _ => ChangeKind::Added,
        };
        let follows = |change: &Change| {
            let part = change.object.part.as_ref();
            let Some(part) = part.filter(|_| change.object.is_part_of(&table)) else {
                return change.object == table
                    && change.property.as_deref() == Some("partition bound");
            };
            let twin = match part.kind {
                PartKind::InheritedConstraint => Some(PartKind::Constraint),
                PartKind::Constraint => Some(PartKind::InheritedConstraint),
                _ => None,
            };
            let twin = twin.and_then(|kind| {
                let twin = table.with_part(ObjectPart::new(kind, part.name.as_str()));
                copied.get(&(twin, change.property.clone(), other(change.kind)))
            });
            let same_definition =
                twin.is_some_and(|twin| *twin == change.old.clone().or(change.new.clone()));
            change.property.as_deref() == Some("partition of") || same_definition
        };
        let (following, rest): (Vec<_>, Vec<_>) =
            std::mem::take(changes).into_iter().partition(follows);
        *changes = rest;
        for change in &mut *changes {
            if change.object == table && change.property.as_deref() == Some("partition of") {
                change.add_reason(match change.kind {
                    ChangeKind::Added => "it is now a partition",
                    _ => "it is no longer a partition, and what its parent defines does not apply to it",
                });
                change
                    .implied
                    .extend(following.iter().flat_map(with_implied));
            }
        }
    }
}

/// A sequence that was added, removed or given another owner with the table that owns it.
fn fold_sequences(sides: &Sides<'_>, changes: &mut Vec<Change>) {
    let values = |change: &Change| match change.property {
        Some(_) => (change.old.clone(), change.new.clone()),
        None => (None, None),
    };
    let all: BTreeSet<(ChangeKey, _)> = changes
        .iter()
        .map(|change| (key(change), values(change)))
        .collect();
    let mut following: BTreeMap<ChangeKey, Vec<_>> = BTreeMap::new();
    changes.retain(|change| {
        let owned_by = [sides.new, sides.old]
            .into_iter()
            .find_map(|catalog| catalog.get(&change.object, "owned by"))
            .filter(|_| matches!(change.property.as_deref(), None | Some("owner")));
        let table = owned_by.and_then(|column| parse_table(split_qualified(column).0?));
        let Some(table) = table else {
            return true;
        };
        let of_table = (table, change.property.clone(), change.kind);
        let follows = all.contains(&(of_table.clone(), values(change)));
        if follows {
            let list = following.entry(of_table).or_default();
            list.extend(with_implied(change));
        }
        !follows
    });
    for change in changes {
        let more = following.remove(&key(change));
        change.implied.extend(more.unwrap_or_default());
    }
}

/// Object and property of a change, and of those that it implies.
fn with_implied(change: &Change) -> Vec<(ObjectId, Option<String>)> {
    let mut all = vec![(change.object.clone(), change.property.clone())];
    all.extend(change.implied.iter().cloned());
    all
}

/// Removes changes on partitions that are also on their parent, and adds their number to its reason.
fn fold_partitions(sides: &Sides<'_>, changes: &[Change]) -> Vec<Change> {
    let by_key: BTreeMap<ChangeKey, &Change> =
        changes.iter().map(|change| (key(change), change)).collect();
    let mut same: BTreeMap<ChangeKey, Vec<&Change>> = BTreeMap::new();
    let mut kept = Vec::new();
    for change in changes {
        let mut top = change;
        while let Some(above) = parent_object(sides, top)
            .and_then(|object| by_key.get(&(object, top.property.clone(), top.kind)))
            .filter(|above| is_same(above, top))
        {
            top = above;
        }
        match top == change {
            true => kept.push(change.clone()),
            false => same.entry(key(top)).or_default().push(change),
        }
    }
    for change in &mut kept {
        let Some(same) = same.get(&key(change)) else {
            continue;
        };
        let following = same.iter().flat_map(|change| with_implied(change));
        change.implied.extend(following);
        change.add_reason(&format!(
            "the same on {}",
            show_counted(same.len() as u64, "partition")
        ));
    }
    kept
}

/// Parses the name of a table from a property.
fn parse_table(name: &str) -> Option<ObjectId> {
    format!("table {name}").parse().ok()
}

/// The object of the parent table that corresponds to an object of a partition.
fn parent_object(sides: &Sides<'_>, change: &Change) -> Option<ObjectId> {
    let catalog = match change.new {
        Some(_) if sides.new.objects.contains_key(&change.object) => sides.new,
        _ => sides.old,
    };
    let parent = catalog.partition_parent(&change.object.whole())?;
    let Some(part) = &change.object.part else {
        return Some(parent);
    };
    let mut part = part.clone();
    // An index has its parent as a property, and is in the schema of its table.
    if let Some(of) = catalog.get(&change.object, "partition of") {
        part.name = parse_table(of)?.name;
    } else if part.kind == PartKind::InheritedConstraint
        && catalog.partition_parent(&parent).is_none()
    {
        part.kind = PartKind::Constraint;
    }
    Some(parent.with_part(part))
}

/// Whether two changes are the same except for the names of their tables.
fn is_same(above: &Change, below: &Change) -> bool {
    if above.severity != below.severity {
        return false;
    }
    if above.property.is_none() {
        return true;
    }
    let neutral = |change: &Change, text: &Option<String>| {
        let name = change.object.qualified_name().map(|name| name.to_string());
        let text = text.as_ref();
        text.map(|text| text.replace(&name.unwrap_or_default(), "it"))
    };
    neutral(above, &above.old) == neutral(below, &below.old)
        && neutral(above, &above.new) == neutral(below, &below.new)
}
