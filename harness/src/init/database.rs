//! The database itself: how it writes text, and what large objects it has.

use super::Known;
use super::block::{Block, Value};
use super::relation::text;
use super::section::Section;
use crate::database::{DatabaseError, Session};

/// What a database is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    encoding: String,
    collate: String,
    ctype: String,
    large_objects: u64,
}

const DATABASE: &str = "
SELECT pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata)
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// Reads it.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session) -> Result<Database, DatabaseError> {
    let rows = session.rows(DATABASE).await?;
    let row = rows.first().cloned().unwrap_or_default();
    Ok(Database {
        encoding: text(&row, 0),
        collate: text(&row, 1),
        ctype: text(&row, 2),
        large_objects: text(&row, 3).parse().unwrap_or_default(),
    })
}

/// Makes checks of it.
#[must_use]
pub fn section(database: &Database, known: &Known) -> Section {
    let mut section = Section::new("the database itself");
    let query = "SELECT pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";
    let row: Vec<Value> = [&database.encoding, &database.collate, &database.ctype]
        .into_iter()
        .map(|text| text.as_str().into())
        .collect();
    let encoding = Block::new("sql", "text is encoded as it was")
        .with("query", "SELECT pg_catalog.pg_encoding_to_char(d.encoding) FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()")
        .with("scalar", database.encoding.as_str());
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
    if database.large_objects > 0 {
        section.blocks.push(
            Block::new("sql", "large objects are there")
                .with(
                    "query",
                    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata",
                )
                .with(
                    "min",
                    super::rows::round(database.large_objects - database.large_objects / 10).max(1),
                ),
        );
    }
    section
}
