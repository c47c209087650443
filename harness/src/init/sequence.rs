//! Sequences: all of a database at once.

use super::block::Block;
use super::section::{Section, some};
use crate::database::{DatabaseError, Session};

const COUNT: &str = "
SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_class g
                    WHERE g.relnamespace = n.oid AND g.relname = '_ag_label_vertex')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Counts them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session) -> Result<u64, DatabaseError> {
    session.count(COUNT).await
}

/// Makes a check of them.
#[must_use]
pub fn section(count: u64) -> Section {
    let mut section = Section::new("sequences");
    if count > 0 {
        let strict = |owned: bool| {
            Block::new(
                "sequence",
                "no sequence is behind its column or nearly used up",
            )
            .maybe("owned", owned.then_some(true))
        };
        section.blocks.push(
            strict(true)
                .with("room", "10%")
                .or(strict(true))
                .or(strict(false).with("room", "10%"))
                .or(strict(false)),
        );
        section.found(some(
            usize::try_from(count).unwrap_or(usize::MAX),
            "sequence",
        ));
    }
    section
}
