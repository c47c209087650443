//! Functions: their bodies by digest, and those that run with their owner's rights.

use super::block::{Block, Value};
use super::relation::text;
use super::section::{Section, named, some};
use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session};
use crate::sql::QualifiedName;

/// Up to so many functions are named with a digest; of more, only those that guard something.
const DIGESTS: usize = 150;

/// A function of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// As the check names it: `app.total(integer)`.
    name: String,
    sha256: String,
    definer: bool,
    owner: String,
    /// Whether a trigger or a policy calls it.
    guards: bool,
}

/// A body in SQL's own syntax is kept as a tree, and `prosrc` is empty; version 13 has none.
const FUNCTIONS: &str = "
SELECT n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes),
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({body}, 'UTF8')), 'hex'),
       p.prosecdef, pg_catalog.pg_get_userbyid(p.proowner),
       EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = p.oid
                  AND d.classid IN ('pg_catalog.pg_trigger'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
                                    'pg_catalog.pg_event_trigger'::pg_catalog.regclass))
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.prokind IN ('f', 'p', 'w')
   AND l.lanname NOT IN ('c', 'internal')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 1, 2, 3";

/// Reads them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session, major: u64) -> Result<Vec<Function>, DatabaseError> {
    let body = if major >= 14 {
        "coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)"
    } else {
        "p.prosrc"
    };
    let rows = session.rows(&FUNCTIONS.replace("{body}", body)).await?;
    let all = rows.iter().map(|row| {
        let name = QualifiedName {
            schema: text(row, 0),
            name: text(row, 1),
        };
        Function {
            name: format!("{name}({})", text(row, 2)),
            sha256: text(row, 3),
            definer: is_true(row.get(4)),
            owner: text(row, 5),
            guards: is_true(row.get(6)),
        }
    });
    Ok(all.collect())
}

/// Makes checks of them.
#[must_use]
pub fn section(all: &[Function]) -> Section {
    let mut section = Section::new("functions");
    if all.is_empty() {
        return section;
    }
    let few = all.len() <= DIGESTS;
    let held: Vec<&Function> = all
        .iter()
        .filter(|one| few || one.guards || one.definer)
        .collect();
    if !held.is_empty() {
        let name = if few {
            "every function has the body that it had"
        } else {
            "every function that guards something has the body that it had"
        };
        section.blocks.push(Block {
            table: Some((
                "digests",
                held.iter()
                    .map(|one| (one.name.clone(), Value::from(one.sha256.as_str())))
                    .collect(),
            )),
            ..Block::new("function", name)
        });
    }
    let definers: Vec<&Function> = all.iter().filter(|one| one.definer).collect();
    let mut owners: Vec<&str> = definers.iter().map(|one| one.owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    for owner in owners {
        let names: Vec<String> = definers
            .iter()
            .filter(|one| one.owner == owner)
            .map(|one| one.name.clone())
            .collect();
        let plain = Block::new("function", format!("functions with the rights of {owner}"))
            .with("functions", names)
            .with("security", "definer")
            .with("owner", owner);
        section
            .blocks
            .push(plain.clone().with("safe", true).or(plain));
    }
    let invokers: Vec<String> = all
        .iter()
        .filter(|one| !one.definer && few)
        .map(|one| one.name.clone())
        .collect();
    if !invokers.is_empty() {
        section.blocks.push(
            Block::new(
                "function",
                "functions with the rights of whoever calls them",
            )
            .with("functions", invokers)
            .with("security", "invoker"),
        );
    }
    let mut told = some(all.len(), "function");
    if !definers.is_empty() {
        let names: Vec<&str> = definers.iter().map(|one| one.name.as_str()).collect();
        told.push_str(&format!(", SECURITY DEFINER: {}", named(&names, 4)));
    }
    section.found(told);
    section
}
