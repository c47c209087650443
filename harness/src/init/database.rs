//! The database itself: encoding, sort order and large objects.
//!
//! By its own SQL: the number of large objects, of which the catalog has only owners and rights.

use super::Origin;
use super::block::{Block, Value};
use super::rows::round;
use super::section::Section;
use crate::catalog::{Catalog, ObjectId};
use crate::database::{DatabaseError, Session};

/// Also the query of the check.
const LARGE_OBJECTS: &str = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata";

/// Counts the large objects.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn count_large_objects(session: &mut Session) -> Result<u64, DatabaseError> {
    session.count(LARGE_OBJECTS).await
}

/// Writes the checks.
#[must_use]
pub fn section(catalog: &Catalog, large_objects: u64, origin: &Origin) -> Section {
    let database = ObjectId::database();
    let property = |name: &str| catalog.get(&database, name).unwrap_or_default();
    let mut section = Section::new(
        "the database",
        match origin.chosen_encoding {
            true => "What a dump contains of the database itself.",
            false => "Text has the encoding and the sort order that it had.",
        },
    );
    let query = |columns: &str| {
        format!(
            "SELECT {columns} FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
        )
    };
    let encoding = "pg_catalog.pg_encoding_to_char(d.encoding)";
    let row: Vec<Value> = ["encoding", "collation", "ctype"]
        .map(|name| property(name).into())
        .into();
    let encoded = Block::new("sql", "the encoding is the same")
        .with("query", query(encoding))
        .with("scalar", property("encoding"));
    if origin.unknown_backup {
        section.note(
            "Only `pg_dump --create` and pg_dumpall write the encoding, sort order, privileges and settings of the database: \
             give a backup with `--backup` to compare what it has of them.",
        );
    } else if origin.made_database {
        section.note(
            match origin.chosen_encoding {
                true => {
                    "The dump does not create the database, so its name, encoding, sort order, privileges and settings are \
                     not in it and are not compared. `pg_dump --create` adds them."
                }
                false => {
                    "The dump does not create the database, so its name, sort order, privileges and settings are not in it \
                     and are not compared. `pg_dump --create` adds them."
                }
            },
        );
        if !origin.chosen_encoding {
            section.blocks.push(encoded);
        }
    } else {
        section.blocks.push(
            Block::new("sql", "encoding and sort order are the same")
                .with(
                    "query",
                    query(&format!("{encoding}, d.datcollate, d.datctype")),
                )
                .with("rows", Value::List(vec![Value::List(row)]))
                // The throwaway server may lack a locale, or call it by another name.
                .or(encoded),
        );
    }
    if large_objects > 0 {
        section.blocks.push(
            Block::new("sql", "the large objects are there")
                .comment("About nine tenths of the large objects that there were. Lower `min` if they are removed.")
                .with("query", LARGE_OBJECTS)
                .with("min", round(large_objects - large_objects / 10).max(1)),
        );
    }
    section
}
