//! Constraints as the catalog knows them.

use std::fmt;

use super::Deferrable;
use crate::check::columns::Columns as _;
use crate::check::privilege::Relation;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident};

/// A foreign key to a partitioned table has more rows, one for each partition over there.
const CONSTRAINTS: &str = "
SELECT k.oid, k.conrelid, k.conname, k.contype, k.convalidated, k.condeferrable, k.condeferred,
       COALESCE(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true',
       pg_catalog.pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid IN ({oids}) AND k.contype IN ('p', 'f', 'u', 'c', 'x', 'n')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up
                    WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid)
 ORDER BY k.conname";

/// Triggers that carry out a key and do not fire in an ordinary session, on either of its tables.
const SWITCHED_OFF: &str = "
SELECT k.conname, kn.nspname, kc.relname, tn.nspname, tc.relname, t.tgenabled, pg_catalog.count(*)
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint AND k.contype <> 't'
  JOIN pg_catalog.pg_class kc ON kc.oid = k.conrelid
  JOIN pg_catalog.pg_namespace kn ON kn.oid = kc.relnamespace
  JOIN pg_catalog.pg_class tc ON tc.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
 WHERE (t.tgrelid IN ({oids}) OR k.conrelid IN ({oids})) AND t.tgenabled IN ('D', 'R')
 GROUP BY 1, 2, 3, 4, 5, 6
 ORDER BY 1, 2, 3, 4, 5";

/// A constraint as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundConstraint {
    pub table: QualifiedName,
    /// Whether it is of the table itself, and not of something below it.
    pub of_root: bool,
    pub name: String,
    pub sort: char,
    pub validated: bool,
    pub deferrable: Deferrable,
    pub enforced: bool,
    pub definition: String,
}

impl fmt::Display for FoundConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "constraint {} on {}",
            quote_ident(&self.name),
            self.table
        )
    }
}

/// The oids of tables, for `IN`.
pub fn oids(relations: &[Relation]) -> String {
    let oids: Vec<&str> = relations.iter().map(|r| r.oid.as_str()).collect();
    oids.join(", ")
}

/// Reads the constraints of a table and of everything below it.
pub async fn find(
    session: &mut Session,
    relations: &[Relation],
) -> Result<Vec<FoundConstraint>, CouldNotRun> {
    let rows = session
        .rows(&CONSTRAINTS.replace("{oids}", &oids(relations)))
        .await?;
    let read = |row: &Vec<Option<String>>| {
        let relation = row.text(1)?;
        let relation = relations.iter().find(|known| known.oid == relation)?;
        Some(FoundConstraint {
            table: relation.name.clone(),
            of_root: relation.level == 0,
            name: row.text(2)?,
            sort: row.number(3)?,
            validated: row.is_true(4),
            deferrable: match (row.is_true(5), row.is_true(6)) {
                (false, _) => Deferrable::No,
                (true, false) => Deferrable::InitiallyImmediate,
                (true, true) => Deferrable::InitiallyDeferred,
            },
            enforced: row.is_true(7),
            definition: row.text(8)?,
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Finds keys that the server does not carry out, because their triggers are off; `is_asked` says by
/// its name whether a constraint is checked.
pub async fn switched_off(
    session: &mut Session,
    relations: &[Relation],
    is_asked: impl Fn(&str) -> bool,
) -> Result<Vec<Finding>, CouldNotRun> {
    let rows = session
        .rows(&SWITCHED_OFF.replace("{oids}", &oids(relations)))
        .await?;
    let finding = |row: &Vec<Option<String>>| {
        let name = row.text(0).filter(|name| is_asked(name))?;
        let (table, on) = (row.name(1)?, row.name(3)?);
        let how = if row.text(5)? == "R" {
            "fire only when session_replication_role = replica"
        } else {
            "are disabled"
        };
        let count = row.text(6)?;
        let finding = Finding::about(
            format!("constraint {} on {table}", quote_ident(&name)),
            "its triggers fire",
            format!("{count} of its triggers on {on} {how}: rows that break it are let in"),
        );
        Some(finding.hint(format!(
            "ALTER TABLE {on} ENABLE TRIGGER ALL; a restore with --disable-triggers did not come to its end"
        )))
    };
    Ok(rows.iter().filter_map(finding).collect())
}

/// Says that the server does not hold rows to a constraint, or has not held all.
pub fn unusable(found: &FoundConstraint) -> Option<Finding> {
    let (actual, mend) = match (found.enforced, found.validated) {
        (true, true) => return None,
        (false, _) => ("it is NOT ENFORCED", "ALTER CONSTRAINT … ENFORCED"),
        (true, false) => (
            "it is NOT VALID: rows that were there before it may break it",
            "VALIDATE CONSTRAINT",
        ),
    };
    Some(
        Finding::about(found.to_string(), "validated and enforced", actual).hint(format!(
            "ALTER TABLE {} {mend}; if it is so at the source, name it in `not-valid`",
            found.table
        )),
    )
}
