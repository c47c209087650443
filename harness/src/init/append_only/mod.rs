//! Append-only tables: their rows are added and never changed, as triggers, rights, names and columns show.
//!
//! Evidence, the strongest first:
//!
//! - triggers or rules that stop every UPDATE and DELETE
//! - rights: roles other than the owner may INSERT, none of them may UPDATE, DELETE or TRUNCATE, and some other table
//!   can be updated
//! - a name (`audit`, `log`, `event`, `history`, `ledger`, `journal`, `trail`, `migrations`)
//!
//! Rights alone and a name alone are not enough: the table must have a column with the time at which a row was added,
//! and none with the time at which it was changed or deleted. A role that may UPDATE or DELETE, or a name of a table
//! whose rows are removed, excludes a table unless a trigger or rule protects it.

mod evidence;

use std::collections::BTreeSet;

use super::access::Access;
use super::block::{Block, Keys, keys, quote};
use super::relation::Relations;
use super::section::{Section, listed};
use super::ways::{IndirectWays, reviewed};
use crate::rights::{WriteEvent, write_targets};
use crate::sql::QualifiedName;
use evidence::Evidence;

/// A table whose rows are added and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendOnlyTable {
    /// The table, with its partitions.
    pub table: QualifiedName,
    /// Its columns in order, without generated ones.
    columns: Vec<String>,
    /// The reason in words.
    why: String,
    /// Roles that may read or add rows and not change them, without superusers and members of the owner.
    roles: Vec<String>,
    /// Those of them that may add rows.
    insert_by: Vec<String>,
    /// SECURITY DEFINER functions by which the roles may change rows.
    functions: BTreeSet<String>,
    /// Triggers that stop changes.
    triggers: Vec<GuardTrigger>,
    /// Whether triggers or rules stop UPDATE and DELETE by any role.
    pub guarded: bool,
}

/// A trigger that stops changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GuardTrigger {
    name: String,
    for_each_row: bool,
    events: Vec<&'static str>,
    always: bool,
}

impl GuardTrigger {
    fn keys(&self) -> Keys {
        let level = if self.for_each_row {
            "row"
        } else {
            "statement"
        };
        let mut keys = keys([
            ("name", self.name.as_str().into()),
            ("on", level.into()),
            ("events", self.events.clone().into()),
        ]);
        if self.always {
            keys.push(("enabled".to_owned(), "always".into()));
        }
        keys
    }
}

/// Finds the append-only tables.
#[must_use]
pub fn find(relations: &Relations<'_>, access: &Access<'_>) -> Vec<AppendOnlyTable> {
    let tables = relations.tables();
    let evidence: Vec<(&QualifiedName, Evidence<'_>)> = tables
        .map(|table| (&table.name, Evidence::of(relations.catalog, table, access)))
        .collect();
    let changed = evidence.iter().filter(|(_, of)| of.may_be_changed());
    let changed: Vec<&QualifiedName> = changed.map(|(table, _)| *table).collect();
    let all = evidence.iter();
    all.filter_map(|(table, of)| of.judge(table, changed.iter().any(|other| other != table)))
        .collect()
}

/// Other tables to which roles may add rows and whose rows no role but the owner may change.
#[must_use]
pub fn by_rights_alone(
    relations: &Relations<'_>,
    access: &Access<'_>,
    found: &[AppendOnlyTable],
) -> Vec<QualifiedName> {
    let tables = relations.tables().filter(|table| {
        let is_known = found.iter().any(|one| one.table == table.name);
        !is_known && Evidence::of(relations.catalog, table, access).is_by_rights()
    });
    tables.map(|table| table.name.clone()).collect()
}

/// Adds the functions by which roles may change rows, for review.
pub fn add_functions(all: &mut [AppendOnlyTable], ways: &IndirectWays) {
    let history = [WriteEvent::Update, WriteEvent::Delete, WriteEvent::Truncate];
    for one in all {
        let targets = write_targets(&ways.writes.tree_of(&one.table), &history);
        for role in &one.roles {
            one.functions.extend(ways.of_role(role, &targets).functions);
        }
    }
}

/// Writes the checks.
#[must_use]
pub fn section(all: &[AppendOnlyTable], by_rights_alone: &[QualifiedName]) -> Section {
    let mut section = Section::new(
        "append-only tables",
        "Rows of these tables are added and never changed: no role but the owner may UPDATE, DELETE or TRUNCATE, and \
         the triggers that stop it are enabled and do stop it. Remove a check if rows may change.",
    );
    let mut unprotected = Vec::new();
    for table in all {
        // A detached partition belongs to the check of its former parent.
        if all.iter().any(|of| table.was_part_of(of)) {
            continue;
        }
        let detached = || all.iter().filter(|other| other.was_part_of(table));
        let also: Vec<String> = detached().map(|other| other.table.to_string()).collect();
        let functions = detached().flat_map(|other| &other.functions);
        let functions: BTreeSet<&String> = functions.chain(&table.functions).collect();
        let functions: Vec<String> = functions.into_iter().cloned().collect();
        match table.block(&also, &functions) {
            Some(block) => section.blocks.push(block),
            None => unprotected.push(table.table.clone()),
        }
    }
    if !unprotected.is_empty() {
        section.note(format!(
            "Guessed: these tables are append-only, by their names and columns. Nothing in the database prevents changes, \
             so only the baseline detects them: {}.",
            listed(&unprotected, 12)
        ));
    }
    if let Some(first) = by_rights_alone.first() {
        section.note(format!(
            "Roles may INSERT into these tables, and none but the owner may UPDATE, DELETE or TRUNCATE: {}. Nothing else \
             suggests that they are append-only, so no check requires it. If one is, by these rights, add a check: \
             `redrill explain append-only`, with `table = {}` and the `roles` that may INSERT.",
            listed(by_rights_alone, 12),
            quote(&first.to_string())
        ));
    }
    if !all.is_empty() {
        let names: Vec<&QualifiedName> = all.iter().map(|one| &one.table).collect();
        section.found(format!("append-only: {}", listed(&names, 6)));
    }
    section
}

impl AppendOnlyTable {
    /// Whether it looks like a detached partition of another.
    fn was_part_of(&self, other: &Self) -> bool {
        let rest = self.table.name.strip_prefix(&other.table.name);
        self.table.schema == other.table.schema
            && rest.is_some_and(|rest| rest.starts_with('_'))
            && self.columns == other.columns
    }

    fn block(&self, also: &[String], functions: &[String]) -> Option<Block> {
        if self.roles.is_empty() && !self.guarded {
            return None;
        }
        let plain = Block::new(
            "append-only",
            format!("rows of {} are never changed", self.table),
        )
        .guess(format!("append-only, because {}.", self.why))
        .with("table", self.table.to_string())
        .list("also", also)
        .list("roles", &self.roles)
        .list("insert-by", &self.insert_by);
        let plain = reviewed(plain, functions);
        if !self.guarded {
            return Some(plain);
        }
        let with = |truncate: bool, owner: bool| {
            let all = self.triggers.iter();
            let guards = all.filter(|guard| truncate || !guard.events.contains(&"truncate"));
            Block {
                tables: guards.map(|guard| ("triggers", guard.keys())).collect(),
                ..plain
                    .clone()
                    .maybe("attempt-as-owner", owner.then_some(true))
            }
        };
        let weaker = [with(true, false), with(false, false)];
        // Rules alone can only be attempted.
        let weaker = weaker.into_iter().filter(|block| !block.tables.is_empty());
        let mut strict = weaker.fold(with(true, true), Block::or);
        if !self.roles.is_empty() {
            strict = strict.or(plain.clone());
            // Where a role may change rows in an indirect way, the triggers can still be checked.
            let mut without =
                with(true, true).without(&["roles", "insert-by", "trusted-functions"]);
            without.comments.clear();
            strict =
                strict.or(without.comment("Without roles: see below what one of them may do."));
        }
        Some(strict)
    }
}
