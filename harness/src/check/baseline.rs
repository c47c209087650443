//! A baseline file: what a known-good database looked like, committed beside the scenario.
//!
//! JSON, one object: `{ "rows": { "app.orders": 1200 }, "indexes": { "app.orders_pkey": "CREATE …" } }`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::check::CouldNotLook;

/// The contents of a baseline file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Baseline {
    /// Rows per table, by `schema.table`.
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
    /// Definition per index, by `schema.index`, as `pg_get_indexdef` writes it.
    #[serde(default)]
    pub indexes: BTreeMap<String, String>,
}

impl Baseline {
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
        serde_json::from_str(&text).map_err(|error| {
            CouldNotLook::because(format!(
                "the baseline {} is not valid: {error}",
                path.display()
            ))
            .hint("its keys are `rows` (table to count) and `indexes` (index to definition)")
        })
    }
}
