//! Writes into a baseline what a person accepts of what has changed since.

use std::collections::BTreeMap;

use super::Database;
use super::compare::{Area, Difference};
use crate::catalog::compare::{self as catalog, Scope, compare};
use crate::catalog::{Catalog, ObjectId, ObjectKind};
use crate::sql::QualifiedName;

/// Makes one thing of the baseline what it is now.
pub fn accept(baseline: &mut Database, now: &Database, difference: &Difference) {
    let object = &difference.object;
    let name = object.qualified_name();
    match (difference.area, &name) {
        (Area::Rights | Area::Definition, _) => {
            let property = difference.property.as_deref();
            definition(&mut baseline.catalog, &now.catalog, object, property);
        }
        (Area::History, Some(table)) => put(&mut baseline.history, &now.history, table),
        (Area::Rows, Some(table)) => put(&mut baseline.rows, &now.rows, table),
        (Area::Sequences, Some(sequence)) => {
            put(&mut baseline.sequences, &now.sequences, sequence);
        }
        (Area::History | Area::Rows | Area::Sequences, None) => {
            baseline.large_objects = now.large_objects.clone();
        }
    }
    // A table that is gone has no rows and no history to compare with.
    let of_whole_table = matches!(difference.area, Area::Rights | Area::Definition)
        && difference.property.is_none()
        && object.kind == ObjectKind::Table
        && object.part.is_none();
    if let Some(table) = name.filter(|_| of_whole_table)
        && !now.catalog.objects.contains_key(object)
    {
        baseline.rows.remove(&table);
        baseline.history.remove(&table);
    }
}

/// Takes a change of the catalog, with what it stands for: the same on every partition, a table's sequences.
fn definition(baseline: &mut Catalog, now: &Catalog, object: &ObjectId, property: Option<&str>) {
    let changes = compare(baseline, now, &Scope::default()).into_iter();
    let mut changes =
        changes.filter(|change| change.object == *object && change.property.as_deref() == property);
    if let Some(change) = changes.next() {
        catalog::accept(baseline, &change, now);
    }
}

fn put<T: Clone>(
    baseline: &mut BTreeMap<QualifiedName, T>,
    now: &BTreeMap<QualifiedName, T>,
    key: &QualifiedName,
) {
    match now.get(key) {
        Some(value) => {
            baseline.insert(key.clone(), value.clone());
        }
        None => {
            baseline.remove(key);
        }
    }
}
