//! Writes into a baseline what a person accepts of what has changed since.

use super::Database;
use super::compare::{Area, Difference};
use crate::catalog::Catalog;
use crate::catalog::compare::{self as catalog, Scope, compare};

/// Makes one thing of the baseline what it is now.
pub fn accept(baseline: &mut Database, now: &Database, difference: &Difference) {
    let object = &difference.object;
    match (difference.area, difference.property.as_deref()) {
        (Area::Rights | Area::Definition, property) => {
            definition(&mut baseline.catalog, &now.catalog, object, property);
        }
        (Area::History, _) => {
            put(&mut baseline.history, &now.history, object);
        }
        (Area::Rows, _) if object == "large objects" => {
            baseline.large_objects = now.large_objects.clone();
        }
        (Area::Rows, _) => put(&mut baseline.rows, &now.rows, object),
        (Area::Sequences, _) => put(&mut baseline.sequences, &now.sequences, object),
    }
    // A table that is gone has no rows and no history to be held.
    if let Some(table) = object.strip_prefix("table ")
        && difference.property.is_none()
        && !now.catalog.objects.contains_key(object)
    {
        baseline.rows.remove(table);
        baseline.history.remove(table);
    }
}

/// Takes a change of the catalog, with what it stands for: the same on every partition, a table's sequences.
fn definition(baseline: &mut Catalog, now: &Catalog, object: &str, property: Option<&str>) {
    let changes = compare(baseline, now, &Scope::default()).into_iter();
    let mut changes =
        changes.filter(|change| change.object == object && change.property.as_deref() == property);
    if let Some(change) = changes.next() {
        catalog::accept(baseline, &change, now);
    }
}

fn put<T: Clone>(
    baseline: &mut std::collections::BTreeMap<String, T>,
    now: &std::collections::BTreeMap<String, T>,
    key: &str,
) {
    match now.get(key) {
        Some(value) => {
            baseline.insert(key.to_owned(), value.clone());
        }
        None => {
            baseline.remove(key);
        }
    }
}
