//! Extensions and their versions.

use super::block::Block;
use super::relation::text;
use super::section::{Section, named};
use crate::database::{DatabaseError, Session};

/// An installed extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its name.
    pub name: String,
    version: String,
    schema: String,
}

/// plpgsql is in every database.
const EXTENSIONS: &str = "
SELECT e.extname, e.extversion, n.nspname
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname <> 'plpgsql' ORDER BY 1";

/// Reads them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session) -> Result<Vec<Extension>, DatabaseError> {
    let rows = session.rows(EXTENSIONS).await?;
    let all = rows.iter().map(|row| Extension {
        name: text(row, 0),
        version: text(row, 1),
        schema: text(row, 2),
    });
    Ok(all.collect())
}

/// Makes checks of them.
#[must_use]
pub fn section(extensions: &[Extension]) -> Section {
    let mut section = Section::new("extensions");
    for extension in extensions {
        let name = &extension.name;
        let block = Block::new("extension", format!("{name} is installed and answers"))
            .with("extension", name.as_str())
            .with("min-version", extension.version.as_str())
            .with("schema", extension.schema.as_str());
        // The throwaway server may have an older one, or one that must be preloaded.
        let older = block.clone().without(&["min-version"]);
        let catalog = block.clone().with("library", false);
        let least = older.clone().with("library", false);
        section.blocks.push(block.or(older).or(catalog).or(least));
    }
    if !extensions.is_empty() {
        let all: Vec<String> = extensions
            .iter()
            .map(|one| format!("{} {}", one.name, one.version))
            .collect();
        section.found(format!("extensions: {}", named(&all, 8)));
    }
    section
}
