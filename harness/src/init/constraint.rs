//! Constraints: how many there are, which are not validated, which tables have no primary key.
//!
//! By its own SQL: the names of constraints that are not validated or not enforced. Since version 18 NOT NULL can be
//! one of them, and the catalog has it without its name.

use super::block::{Block, Value};
use super::relation::{Relation, Relations, name, names, text};
use super::section::{Section, listed};
use crate::catalog::PartKind;
use crate::database::{DatabaseError, Session};
use crate::units::show_count;

/// Maximum number of rows of a database whose rows are all compared with the constraints.
const MOST_ROWS: u64 = 20_000_000;

/// How definitions of a kind begin, and the word of the check for it.
const KINDS: &[(&str, &str)] = &[
    ("CHECK", "check"),
    ("FOREIGN KEY", "foreign-key"),
    ("PRIMARY KEY", "primary-key"),
    ("UNIQUE", "unique"),
    ("EXCLUDE", "exclude"),
];

const NOT_VALID: &str = "
SELECT n.nspname, c.relname, k.conname
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT k.convalidated OR pg_catalog.to_jsonb(k) ->> 'conenforced' = 'false'";

/// Reads the names of constraints that are not validated or not enforced.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read_not_valid(
    session: &mut Session,
    relations: &Relations<'_>,
) -> Result<Vec<String>, DatabaseError> {
    let rows = session.rows(NOT_VALID).await?;
    let own = rows
        .iter()
        .filter(|row| relations.named(&name(row, 0)).is_some());
    let mut names: Vec<String> = own.map(|row| text(row, 2)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// The definitions of a table's constraints, without those that it inherits.
fn own_constraints<'a>(relations: &Relations<'a>, table: &Relation<'a>) -> Vec<&'a str> {
    let parents = table.inherits();
    let parents = parents.iter();
    let parents: Vec<&Relation<'_>> = parents
        .filter_map(|parent| relations.all.iter().find(|one| one.id == parent))
        .collect();
    let is_inherited = |name: &str| {
        let all = parents
            .iter()
            .flat_map(|parent| parent.parts(PartKind::Constraint));
        let mut same = all.filter(|(of, _)| *of == name);
        same.any(|(_, properties)| {
            let definition = properties.get("definition");
            definition.is_some_and(|definition| !definition.ends_with(" NO INHERIT"))
        })
    };
    let constraints = table.parts(PartKind::Constraint);
    constraints
        .filter_map(|(name, properties)| {
            let definition = properties.get("definition")?.as_str();
            (!definition.starts_with("CHECK") || !is_inherited(name)).then_some(definition)
        })
        .collect()
}

/// Numbers of constraints by the word of the check.
fn count(relations: &Relations<'_>) -> Vec<(&'static str, u64)> {
    let definitions: Vec<&str> = relations
        .tables()
        .flat_map(|table| own_constraints(relations, table))
        .collect();
    let counts = KINDS.iter().map(|(beginning, kind)| {
        let all = definitions.iter();
        let of_kind = all.filter(|definition| definition.starts_with(beginning));
        (*kind, of_kind.count() as u64)
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

/// Writes the checks.
#[must_use]
pub fn section(relations: &Relations<'_>, not_valid: &[String]) -> Section {
    let mut section = Section::new(
        "constraints",
        "No constraint was dropped or is no longer validated. After a migration, change the numbers in `count`.",
    );
    let tables: Vec<&Relation<'_>> = relations.tables().collect();
    let count = count(relations);
    if tables.is_empty() || count.is_empty() {
        return section;
    }
    let all = relations.cover(&tables);
    let numbers: Vec<(String, Value)> = count
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), (*count).into()))
        .collect();
    let compares_rows = relations.rows() <= MOST_ROWS;
    let title = if compares_rows {
        "no constraint is missing, all are validated and hold for every row"
    } else {
        "no constraint is missing, all are validated"
    };
    let strict = Block::new("constraint", title)
        .with("tables", all.clone())
        .objects("tables", &names(&tables))
        .with("all-valid", true)
        .list("not-valid", not_valid)
        .maybe("holds", compares_rows.then_some(true))
        .with("count", Value::Inline(numbers));
    let mut strict = strict
        .clone()
        .or(strict.clone().without(&["count"]))
        .or(strict.without(&["count", "holds"]));
    if !compares_rows {
        strict = strict.comment(format!(
            "`holds = true` would compare every row with the constraints as well. It is left out because {} rows take \
             long.",
            show_count(relations.rows())
        ));
    }
    section.blocks.push(strict);
    let (keyed, keyless): (Vec<&Relation<'_>>, Vec<&Relation<'_>>) =
        tables.iter().partition(|one| one.has_primary_key());
    if !keyed.is_empty() {
        let title = "no table lost its primary key";
        // The shorter of both: tables with a key, or all tables except those without.
        let patterns = relations.cover(&keyed);
        let block = if patterns.len() > all.len() + keyless.len() {
            Block::new("constraint", title)
                .with("tables", all)
                .with("except", relations.cover(&keyless))
        } else {
            Block::new("constraint", title).with("tables", patterns)
        };
        section.blocks.push(block.with("primary-key", true));
    }
    if !keyless.is_empty() {
        section.note(format!(
            "Tables without a primary key: {}.",
            listed(&names(&keyless), 12)
        ));
    }
    let all: Vec<String> = count
        .iter()
        .map(|(kind, count)| format!("{count} {}", kind.replace('-', " ")))
        .collect();
    section.found(format!("constraints: {}", all.join(", ")));
    section
}
