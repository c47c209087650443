//! Extensions and their versions.

use super::block::Block;
use super::section::{Section, listed};
use crate::catalog::{Catalog, ObjectKind};
use crate::sql::read_identifier;

/// Writes the checks; plpgsql, which is in every database, is left out.
#[must_use]
pub fn section(catalog: &Catalog) -> Section {
    let mut section = Section::new(
        "extensions",
        "Each extension is installed in this version or a newer one, in its schema, and its library can be loaded. \
         Remove `min-version` if an older one is good enough.",
    );
    let mut found = Vec::new();
    for (id, properties) in catalog.of_kind(ObjectKind::Extension) {
        let name = id.name.as_str();
        if name == "plpgsql" {
            continue;
        }
        let property = |name: &str| properties.get(name).map_or("", String::as_str);
        let version = property("version");
        found.push(format!("{name} {version}"));
        let block = Block::new(
            "extension",
            format!("{name} is installed and can be loaded"),
        )
        .with("extension", name)
        .with("min-version", version)
        .with("schema", read_identifier(property("schema")));
        // The throwaway server may have an older one, or one that must be preloaded.
        let older = block.clone().without(&["min-version"]);
        let unloaded = block.clone().with("library", false);
        let older_unloaded = older.clone().with("library", false);
        let all = block.or(older).or(unloaded).or(older_unloaded);
        section.blocks.push(all);
    }
    if !found.is_empty() {
        section.found(format!("extensions: {}", listed(&found, 8)));
    }
    section
}
