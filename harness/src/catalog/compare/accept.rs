//! Accepts a change: copies it into the first catalog.

use std::iter::once;

use super::Change;
use crate::catalog::{Catalog, ObjectId};

/// Copies the state of `new` that a change is about into `catalog`, with the changes that it implies.
///
/// When all changes of a comparison are accepted, the next comparison is empty.
pub fn accept(catalog: &mut Catalog, change: &Change, new: &Catalog) {
    let itself = (change.object.clone(), change.property.clone());
    for (object, property) in once(&itself).chain(&change.implied) {
        match property {
            None => copy_object(catalog, object, new),
            Some(property) => match new.get(object, property) {
                Some(value) => {
                    let properties = catalog.objects.entry(object.clone()).or_default();
                    properties.insert(property.clone(), value.to_owned());
                }
                None => {
                    if let Some(properties) = catalog.objects.get_mut(object) {
                        properties.remove(property);
                    }
                }
            },
        }
        // The position of an added column is not a change of its own.
        let table = new.parent(object).unwrap_or(object);
        if let (Some(columns), Some(properties)) =
            (new.get(table, "columns"), catalog.objects.get_mut(table))
        {
            properties.insert("columns".to_owned(), columns.to_owned());
        }
    }
}

/// Copies an object with all its parts, or removes it.
fn copy_object(catalog: &mut Catalog, object: &ObjectId, new: &Catalog) {
    catalog
        .objects
        .retain(|id, _| id != object && !id.is_part_of(object));
    let itself = new.objects.get_key_value(object);
    let parts = new
        .children(object)
        .map(|(id, _, properties)| (id, properties));
    for (id, properties) in itself.into_iter().chain(parts) {
        catalog.objects.insert(id.clone(), properties.clone());
    }
}
