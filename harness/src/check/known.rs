//! What a baseline file says of rows and indexes, for the checks that ask for one of them alone.
//!
//! A baseline as `redrill baseline` writes it, or a list by hand: JSON, one object: `{ "rows": { "app.orders": 1200 }, "indexes": { "app.orders_pkey": "CREATE …" } }`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::baseline;
use crate::catalog::PartKind;
use crate::outcome::CouldNotRun;
use crate::sql::QualifiedName;

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KnownState {
    /// Rows per table, by `schema.table`.
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
    /// Definition per index, by `schema.index`, as `pg_get_indexdef` writes it.
    #[serde(default)]
    pub indexes: BTreeMap<String, String>,
}

impl KnownState {
    /// Reads a baseline file.
    ///
    /// # Errors
    /// That it cannot be read, or where it is not what it should be.
    pub fn load(folder: &Path, path: &Path) -> Result<Self, CouldNotRun> {
        let path = folder.join(path);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CouldNotRun::new(format!(
                "cannot read the baseline {}: {error}",
                path.display()
            ))
        })?;
        if path.extension().is_some_and(|ending| ending == "toml") {
            return of_baseline(&text).map_err(|error| {
                CouldNotRun::new(format!(
                    "the baseline {} is not valid: {error}",
                    path.display()
                ))
                .hint("`redrill baseline` writes it")
            });
        }
        let known: Self = serde_json::from_str(&text).map_err(|error| {
            CouldNotRun::new(format!(
                "the baseline {} is not valid: {error}",
                path.display()
            ))
            .hint("its keys are `rows` (table to count) and `indexes` (index to definition)")
        })?;
        Ok(Self {
            rows: named_alike(known.rows),
            indexes: named_alike(known.indexes),
        })
    }
}

/// Writes names as [`QualifiedName`] prints them, whichever quotes they had.
fn named_alike<T>(all: BTreeMap<String, T>) -> BTreeMap<String, T> {
    all.into_iter()
        .map(|(name, value)| match QualifiedName::parse(&name) {
            Ok(name) => (name.to_string(), value),
            Err(_) => (name, value),
        })
        .collect()
}

/// Takes out of a baseline what its databases say together.
fn of_baseline(text: &str) -> Result<KnownState, String> {
    let baseline = baseline::file::parse(text)?;
    let mut known = KnownState::default();
    for database in baseline.databases.values() {
        let rows = database.rows.iter();
        known
            .rows
            .extend(rows.map(|(table, rows)| (table.to_string(), rows.count)));
        for (object, properties) in &database.catalog.objects {
            // An index is in the schema of its table.
            let index = object.part.as_ref();
            let index = index.filter(|part| part.kind == PartKind::Index);
            let index = index.and_then(|part| {
                Some(QualifiedName {
                    schema: object.schema.clone()?,
                    name: part.name.clone(),
                })
            });
            if let (Some(index), Some(definition)) = (index, properties.get("definition")) {
                known.indexes.insert(index.to_string(), definition.clone());
            }
        }
    }
    Ok(known)
}
