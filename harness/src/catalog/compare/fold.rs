//! What follows from another change is not told beside it: one change of a tree of partitions, of a table with its
//! sequences, of a table that becomes a partition or is one no more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Sides, What};
use crate::catalog::{ObjectId, ObjectPart, PartKind};
use crate::sql::split_qualified;

/// Which change: object, property, and what became of it.
type Place = (ObjectId, Option<String>, What);

fn place(change: &Change) -> Place {
    (change.object.clone(), change.property.clone(), change.what)
}

/// Leaves what a person has to look at.
pub fn fold(sides: &Sides<'_>, mut changes: Vec<Change>) -> Vec<Change> {
    attached(&mut changes);
    sequences(sides, &mut changes);
    trees(sides, &changes)
}

/// A table that was attached or detached: the bound, the indexes' places in theirs, whose copy a foreign key is.
fn attached(changes: &mut Vec<Change>) {
    let tables: Vec<ObjectId> = changes
        .iter()
        .filter(|change| {
            change.property.as_deref() == Some("partition of") && change.what != What::Changed
        })
        .filter(|change| change.object.part.is_none())
        .map(|change| change.object.clone())
        .collect();
    for table in tables {
        let copied: BTreeMap<Place, Option<String>> = changes
            .iter()
            .filter(|change| change.property.is_none())
            .map(|change| (place(change), change.old.clone().or(change.new.clone())))
            .collect();
        let other = |what| match what {
            What::Added => What::Removed,
            _ => What::Added,
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
                copied.get(&(twin, change.property.clone(), other(change.what)))
            });
            let same = twin.is_some_and(|twin| *twin == change.old.clone().or(change.new.clone()));
            change.property.as_deref() == Some("partition of") || same
        };
        let (following, rest): (Vec<_>, Vec<_>) =
            std::mem::take(changes).into_iter().partition(follows);
        *changes = rest;
        for change in &mut *changes {
            if change.object == table && change.property.as_deref() == Some("partition of") {
                let why = match change.what {
                    What::Added => "it is a partition now",
                    _ => "it is no partition any more, and has lost what its parent gave it",
                };
                change.why = Some(why.to_owned());
                change.with.extend(following.iter().flat_map(stands_for));
            }
        }
    }
}

/// A sequence that came, went or changed hands with the table that owns it.
fn sequences(sides: &Sides<'_>, changes: &mut Vec<Change>) {
    let values = |change: &Change| match change.property {
        Some(_) => (change.old.clone(), change.new.clone()),
        None => (None, None),
    };
    let all: BTreeSet<(Place, _)> = changes
        .iter()
        .map(|change| (place(change), values(change)))
        .collect();
    let mut following: BTreeMap<Place, Vec<_>> = BTreeMap::new();
    changes.retain(|change| {
        let owned_by = [sides.new, sides.old]
            .into_iter()
            .find_map(|catalog| catalog.get(&change.object, "owned by"))
            .filter(|_| matches!(change.property.as_deref(), None | Some("owner")));
        let table = owned_by.and_then(|column| relation(split_qualified(column).0?));
        let Some(table) = table else {
            return true;
        };
        let of_table = (table, change.property.clone(), change.what);
        let follows = all.contains(&(of_table.clone(), values(change)));
        if follows {
            let list = following.entry(of_table).or_default();
            list.extend(stands_for(change));
        }
        !follows
    });
    for change in changes {
        let more = following.remove(&place(change));
        change.with.extend(more.unwrap_or_default());
    }
}

/// What a change is about, with what is told by it already.
fn stands_for(change: &Change) -> Vec<(ObjectId, Option<String>)> {
    let mut all = vec![(change.object.clone(), change.property.clone())];
    all.extend(change.with.iter().cloned());
    all
}

/// Takes out of the changes those on partitions that their parent has too, and tells there how many there were.
fn trees(sides: &Sides<'_>, changes: &[Change]) -> Vec<Change> {
    let places: BTreeMap<Place, &Change> = changes
        .iter()
        .map(|change| (place(change), change))
        .collect();
    let mut same: BTreeMap<Place, Vec<&Change>> = BTreeMap::new();
    let mut kept = Vec::new();
    for change in changes {
        let mut top = change;
        while let Some(above) = above(sides, top)
            .and_then(|object| places.get(&(object, top.property.clone(), top.what)))
            .filter(|above| is_same(above, top))
        {
            top = above;
        }
        match top == change {
            true => kept.push(change.clone()),
            false => same.entry(place(top)).or_default().push(change),
        }
    }
    for change in &mut kept {
        let Some(same) = same.get(&place(change)) else {
            continue;
        };
        let following = same.iter().flat_map(|change| stands_for(change));
        change.with.extend(following);
        let on = match same.len() {
            1 => "and the same on one partition".to_owned(),
            times => format!("and the same on {times} partitions"),
        };
        let why = change.why.take().map(|why| format!("{why}; "));
        change.why = Some(why.unwrap_or_default() + &on);
    }
    kept
}

/// A table whose name the catalog has as text.
fn relation(name: &str) -> Option<ObjectId> {
    format!("table {name}").parse().ok()
}

/// What corresponds on the parent table to an object of a partition.
fn above(sides: &Sides<'_>, change: &Change) -> Option<ObjectId> {
    let catalog = match change.new {
        Some(_) if sides.new.objects.contains_key(&change.object) => sides.new,
        _ => sides.old,
    };
    let parent = catalog.partition_parent(&change.object.whole())?;
    let Some(part) = &change.object.part else {
        return Some(parent);
    };
    let mut part = part.clone();
    // An index knows of which one it is a partition, and is in its table's schema.
    if let Some(of) = catalog.get(&change.object, "partition of") {
        part.name = relation(of)?.name;
    } else if part.kind == PartKind::InheritedConstraint
        && catalog.partition_parent(&parent).is_none()
    {
        part.kind = PartKind::Constraint;
    }
    Some(parent.with_part(part))
}

/// Whether the same became of both, but for the names of their tables.
fn is_same(above: &Change, below: &Change) -> bool {
    if above.weight != below.weight {
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
