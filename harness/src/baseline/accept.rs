//! Accepts a difference: copies the state of a database into its baseline.

use std::collections::BTreeMap;

use super::Database;
use super::difference::{Area, Difference};
use crate::catalog::compare::{self as catalog, Scope, compare};
use crate::catalog::{Catalog, ObjectId, ObjectKind};
use crate::sql::QualifiedName;

/// Copies what a difference is about from `now` into the baseline.
pub fn accept(baseline: &mut Database, now: &Database, difference: &Difference) {
    let object = &difference.object;
    let name = object.qualified_name();
    match (difference.area, &name) {
        (Area::Rights | Area::Definition, _) => {
            let property = difference.property.as_deref();
            accept_definition(&mut baseline.catalog, &now.catalog, object, property);
        }
        (Area::History, Some(table)) => copy_entry(&mut baseline.history, &now.history, table),
        (Area::Rows, Some(table)) => copy_entry(&mut baseline.rows, &now.rows, table),
        (Area::Sequences, Some(sequence)) => {
            copy_entry(&mut baseline.sequences, &now.sequences, sequence);
        }
        (Area::History | Area::Rows | Area::Sequences, None) => {
            baseline.large_objects = now.large_objects.clone();
        }
    }
    // A dropped table has neither rows nor a history.
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

/// Accepts a change of the catalog, with the changes that it implies.
fn accept_definition(
    baseline: &mut Catalog,
    now: &Catalog,
    object: &ObjectId,
    property: Option<&str>,
) {
    let changes = compare(baseline, now, &Scope::default()).into_iter();
    let mut changes =
        changes.filter(|change| change.object == *object && change.property.as_deref() == property);
    if let Some(change) = changes.next() {
        catalog::accept(baseline, &change, now);
    }
}

fn copy_entry<T: Clone>(
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
