//! What a baseline file says of rows and indexes, for the checks that ask for one of them alone.
//!
//! A baseline as `redrill baseline` writes it, or a list by hand: JSON, one object: `{ "rows": { "app.orders": 1200 }, "indexes": { "app.orders_pkey": "CREATE …" } }`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::baseline;
use crate::check::CouldNotLook;
use crate::sql::{QualifiedName, quote_ident};

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Known {
    /// Rows per table, by `schema.table`.
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
    /// Definition per index, by `schema.index`, as `pg_get_indexdef` writes it.
    #[serde(default)]
    pub indexes: BTreeMap<String, String>,
}

impl Known {
    /// Reads a baseline file.
    ///
    /// # Errors
    /// That it cannot be read, or where it is not what it should be.
    pub fn load(folder: &Path, path: &Path) -> Result<Self, CouldNotLook> {
        let path = folder.join(path);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CouldNotLook::because(format!(
                "cannot read the baseline {}: {error}",
                path.display()
            ))
        })?;
        if path.extension().is_some_and(|ending| ending == "toml") {
            return of_baseline(&text).map_err(|error| {
                CouldNotLook::because(format!(
                    "the baseline {} is not valid: {error}",
                    path.display()
                ))
                .hint("`redrill baseline` writes it")
            });
        }
        serde_json::from_str(&text).map_err(|error| {
            CouldNotLook::because(format!(
                "the baseline {} is not valid: {error}",
                path.display()
            ))
            .hint("its keys are `rows` (table to count) and `indexes` (index to definition)")
        })
    }
}

/// Takes out of a baseline what its databases say together.
fn of_baseline(text: &str) -> Result<Known, String> {
    let baseline = baseline::file::parse(text)?;
    let mut known = Known::default();
    for database in baseline.databases.values() {
        let rows = database.rows.iter();
        known
            .rows
            .extend(rows.map(|(table, rows)| (table.clone(), rows.count)));
        for (object, properties) in &database.catalog.objects {
            // `table app.orders index orders_pkey`: an index lives in the schema of its table.
            let Some((relation, index)) = object.split_once(" index ") else {
                continue;
            };
            let table = relation.rsplit(' ').next().unwrap_or_default();
            let schema = QualifiedName::parse(table).map(|name| quote_ident(&name.schema));
            if let (Ok(schema), Some(definition)) = (schema, properties.get("definition")) {
                known
                    .indexes
                    .insert(format!("{schema}.{index}"), definition.clone());
            }
        }
    }
    Ok(known)
}
