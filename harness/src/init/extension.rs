//! Extensions and their versions.

use super::block::Block;
use super::section::{Section, named};
use crate::catalog::{Catalog, ObjectKind};
use crate::sql::read_identifier;

/// Makes checks of them; plpgsql is in every database.
#[must_use]
pub fn section(catalog: &Catalog) -> Section {
    let mut section = Section::new("extensions");
    let mut found = Vec::new();
    for (id, properties) in catalog.of_kind(ObjectKind::Extension) {
        let name = id.name.as_str();
        if name == "plpgsql" {
            continue;
        }
        let property = |name: &str| properties.get(name).map_or("", String::as_str);
        let version = property("version");
        found.push(format!("{name} {version}"));
        let block = Block::new("extension", format!("{name} is installed and answers"))
            .with("extension", name)
            .with("min-version", version)
            .with("schema", read_identifier(property("schema")));
        // The throwaway server may have an older one, or one that must be preloaded.
        let older = block.clone().without(&["min-version"]);
        let catalog = block.clone().with("library", false);
        let least = older.clone().with("library", false);
        section.blocks.push(block.or(older).or(catalog).or(least));
    }
    if !found.is_empty() {
        section.found(format!("extensions: {}", named(&found, 8)));
    }
    section
}
