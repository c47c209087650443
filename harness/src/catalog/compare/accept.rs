//! Takes a change over into the first catalog.

use std::iter::once;

use super::Change;
use crate::catalog::{Catalog, ObjectId};

/// Makes `catalog` have what `new` has there where they differ by this change, with all that follows from it.
///
/// Once all changes of a comparison are accepted, there is nothing left to tell.
pub fn accept(catalog: &mut Catalog, change: &Change, new: &Catalog) {
    let itself = (change.object.clone(), change.property.clone());
    for (object, property) in once(&itself).chain(&change.with) {
        match property {
            None => take_whole(catalog, object, new),
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
        // Where an added column stands is not told by itself.
        let table = new.parent(object).unwrap_or(object);
        if let (Some(columns), Some(properties)) =
            (new.get(table, "columns"), catalog.objects.get_mut(table))
        {
            properties.insert("columns".to_owned(), columns.to_owned());
        }
    }
}

/// An object with all its parts, or that there is none.
fn take_whole(catalog: &mut Catalog, object: &ObjectId, new: &Catalog) {
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
