//! The database itself: how it writes text, and what large objects it has.

use super::Known;
use super::block::{Block, Value};
use super::section::Section;
use crate::catalog::{Catalog, ObjectId};
use crate::database::{DatabaseError, Session};

/// Counts the large objects.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn count_large_objects(session: &mut Session) -> Result<u64, DatabaseError> {
    session
        .count("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata")
        .await
}

/// Makes checks of it.
#[must_use]
pub fn section(catalog: &Catalog, large_objects: u64, known: &Known) -> Section {
    let database = ObjectId::database();
    let property = |name: &str| catalog.get(&database, name).unwrap_or_default();
    let mut section = Section::new("the database itself");
    let query = "SELECT pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";
    let row: Vec<Value> = ["encoding", "collation", "ctype"]
        .map(|name| property(name).into())
        .into();
    let encoding = Block::new("sql", "text is encoded as it was")
        .with("query", "SELECT pg_catalog.pg_encoding_to_char(d.encoding) FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()")
        .with("scalar", property("encoding"));
    // The throwaway server may lack a locale, or call it by another name.
    if known.made_database {
        section.note(
            "The dump does not make the database itself: what it was called, how it sorts, who may connect and what is set for \
             it is not in it. `pg_dump --create` puts it there.",
        );
        section.blocks.push(encoding);
    } else {
        section.blocks.push(
            Block::new("sql", "text is encoded and sorted as it was")
                .with("query", query)
                .with("rows", Value::List(vec![Value::List(row)]))
                .or(encoding),
        );
    }
    if large_objects > 0 {
        section.blocks.push(
            Block::new("sql", "large objects are there")
                .with(
                    "query",
                    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata",
                )
                .with(
                    "min",
                    super::rows::round(large_objects - large_objects / 10).max(1),
                ),
        );
    }
    section
}
