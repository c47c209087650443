//! Writes into a baseline what a person accepts of what has changed since.

use super::Database;
use super::compare::{Area, Difference};
use crate::catalog::Catalog;

/// Makes one thing of the baseline what it is now.
pub fn accept(baseline: &mut Database, now: &Database, difference: &Difference) {
    let object = &difference.object;
    match (difference.area, difference.property.as_deref()) {
        (Area::Rights | Area::Definition, None) => {
            whole(&mut baseline.catalog, &now.catalog, object);
        }
        (Area::Rights | Area::Definition, Some(property)) => {
            one(&mut baseline.catalog, &now.catalog, object, property);
        }
        (Area::History, _) => {
            put(&mut baseline.history, &now.history, object);
        }
        (Area::Rows, _) if object == "large objects" => baseline.large_objects = now.large_objects,
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

/// Takes an object as it is now, with all that belongs to it.
fn whole(baseline: &mut Catalog, now: &Catalog, object: &str) {
    let below = format!("{object} ");
    let belongs = |name: &String| name == object || name.starts_with(&below);
    baseline.objects.retain(|name, _| !belongs(name));
    let new = now.objects.iter().filter(|(name, _)| belongs(name));
    baseline
        .objects
        .extend(new.map(|(name, properties)| (name.clone(), properties.clone())));
}

/// Takes one property as it is now.
fn one(baseline: &mut Catalog, now: &Catalog, object: &str, property: &str) {
    let value = now.get(object, property).map(str::to_owned);
    let Some(properties) = baseline.objects.get_mut(object) else {
        return whole(baseline, now, object);
    };
    match value {
        Some(value) => {
            properties.insert(property.to_owned(), value);
        }
        None => {
            properties.remove(property);
        }
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
