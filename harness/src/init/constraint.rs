//! Keys and other constraints: how many there are, which are not validated, which tables have no key.

use super::block::{Block, Value};
use super::cover::cover;
use super::relation::{Relation, Relations, text};
use super::section::{Section, named};
use crate::catalog::{Catalog, ObjectId, ObjectKind, PartKind};
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, tokens};
use crate::units::show_count;

/// Up to so many rows, every one is held to the constraints.
const READ: u64 = 20_000_000;

/// The constraints of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The word of the check for a sort, and how many there are.
    count: Vec<(&'static str, u64)>,
    /// Names of those that are not validated or not enforced.
    not_valid: Vec<String>,
}

/// How definitions of a sort begin, and the word of the check for it.
const SORTS: &[(&str, &str)] = &[
    ("CHECK", "check"),
    ("FOREIGN KEY", "foreign-key"),
    ("PRIMARY KEY", "primary-key"),
    ("UNIQUE", "unique"),
    ("EXCLUDE", "exclude"),
];

/// Version 18 can keep a constraint without enforcing it, and NOT NULL without having looked at the rows; of these the
/// catalog does not know the names.
const NOT_VALID: &str = "
SELECT DISTINCT k.conname FROM pg_catalog.pg_constraint k
 WHERE k.conrelid IN ({oids})
   AND (NOT k.convalidated OR pg_catalog.to_jsonb(k) ->> 'conenforced' = 'false') ORDER BY 1";

/// Finds them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn find(
    session: &mut Session,
    catalog: &Catalog,
    relations: &Relations,
) -> Result<Constraints, DatabaseError> {
    let mut constraints = Constraints::default();
    for (beginning, sort) in SORTS {
        let tables = relations.tables();
        let of_sort = tables.map(|table| {
            let table = ObjectId::qualified(ObjectKind::Table, &table.name);
            own_constraints(catalog, &table)
                .filter(|definition| definition.starts_with(beginning))
                .count()
        });
        let count: usize = of_sort.sum();
        if count > 0 {
            constraints.count.push((sort, count as u64));
        }
    }
    let own = relations.all.iter().filter(|one| !one.foreign);
    let mut oids: Vec<&str> = own.map(|one| one.oid.as_str()).collect();
    oids.push("0");
    let rows = session
        .rows(&NOT_VALID.replace("{oids}", &oids.join(", ")))
        .await?;
    constraints.not_valid = rows.iter().map(|row| text(row, 0)).collect();
    Ok(constraints)
}

/// The definitions of a table's constraints, without those that it has from a table that it inherits from.
fn own_constraints<'a>(catalog: &'a Catalog, table: &'a ObjectId) -> impl Iterator<Item = &'a str> {
    let parents = catalog.get(table, "inherits").unwrap_or_default();
    let parents: Vec<ObjectId> = tokens(parents)
        .filter(|token| token.text != ",")
        .filter_map(|token| format!("table {}", token.text).parse().ok())
        .collect();
    let constraints = catalog.children(table);
    constraints.filter_map(move |(_, part, properties)| {
        let definition = properties.get("definition")?.as_str();
        let is_constraint = part.kind == PartKind::Constraint;
        let is_inherited = definition.starts_with("CHECK")
            && parents.iter().any(|parent| {
                let above = catalog.get(&parent.with_part(part.clone()), "definition");
                above.is_some_and(|above| !above.ends_with(" NO INHERIT"))
            });
        (is_constraint && !is_inherited).then_some(definition)
    })
}

/// Makes checks of them.
#[must_use]
pub fn section(constraints: &Constraints, relations: &Relations) -> Section {
    let mut section = Section::new("constraints");
    let tables: Vec<&Relation> = relations.tables().collect();
    if tables.is_empty() || constraints.count.is_empty() {
        return section;
    }
    let names = |tables: &[&Relation]| -> Vec<QualifiedName> {
        tables.iter().map(|one| one.name.clone()).collect()
    };
    let all = cover(&names(&tables), &relations.nameable());
    let numbers: Vec<(String, Value)> = constraints
        .count
        .iter()
        .map(|(sort, count)| ((*sort).to_owned(), (*count).into()))
        .collect();
    let not_valid = &constraints.not_valid;
    let read = relations.rows() <= READ;
    let words = if read { ", and hold on every row" } else { "" };
    let strict = Block::new(
        "constraint",
        format!("as many constraints as there were are there, validated{words}"),
    )
    .with("tables", all.clone())
    .with("all-valid", true)
    .maybe(
        "not-valid",
        (!not_valid.is_empty()).then(|| not_valid.clone()),
    )
    .maybe("holds", read.then_some(true))
    .with("count", Value::Inline(numbers));
    let mut strict = strict
        .clone()
        .or(strict.clone().without(&["count"]))
        .or(strict.without(&["count", "holds"]));
    if !read {
        strict = strict.comment(format!(
            "`holds = true` would hold every row to them too; it was left out, since {} rows take a while.",
            show_count(relations.rows())
        ));
    }
    section.blocks.push(strict);
    let (keyed, keyless): (Vec<&Relation>, Vec<&Relation>) =
        tables.iter().partition(|one| one.has_key);
    if !keyed.is_empty() {
        // What has no key is left out by name where that is shorter than naming what has one.
        let patterns = cover(&names(&keyed), &relations.nameable());
        let block = if patterns.len() > all.len() + keyless.len() {
            Block::new("constraint", "every table that had a primary key has it")
                .with("tables", all)
                .with("except", cover(&names(&keyless), &relations.nameable()))
        } else {
            Block::new("constraint", "every table that had a primary key has it")
                .with("tables", patterns)
        };
        section.blocks.push(block.with("primary-key", true));
    }
    if !keyless.is_empty() {
        section.note(format!(
            "Without a primary key: {}.",
            named(&names(&keyless), 12)
        ));
    }
    let all: Vec<String> = constraints
        .count
        .iter()
        .map(|(sort, count)| format!("{count} {}", sort.replace('-', " ")))
        .collect();
    section.found(format!("constraints: {}", all.join(", ")));
    section
}
