//! Triggers, and event triggers, as they are.

use super::block::{Block, Value};
use super::relation::{Relations, text};
use super::section::{Section, named, some};
use crate::catalog::{Catalog, ObjectKind};
use crate::database::{DatabaseError, Session};
use crate::sql::QualifiedName;

/// The triggers of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Tables with theirs.
    tables: Vec<(QualifiedName, bool, Vec<Trigger>)>,
    events: Vec<EventTrigger>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trigger {
    name: String,
    kind: u32,
    enabled: String,
    function: QualifiedName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct EventTrigger {
    name: String,
    event: String,
    enabled: String,
    function: String,
    owner: String,
}

const TRIGGERS: &str = "
SELECT t.tgrelid, t.tgname, t.tgtype, t.tgenabled, n.nspname, p.proname
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE NOT t.tgisinternal
 ORDER BY t.tgrelid, t.tgname";

/// Reads them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(
    session: &mut Session,
    catalog: &Catalog,
    relations: &Relations,
) -> Result<Triggers, DatabaseError> {
    let mut triggers = Triggers::default();
    for row in session.rows(TRIGGERS).await? {
        let Some(table) = relations
            .of(&text(&row, 0))
            .filter(|one| !one.foreign && !one.partition)
        else {
            continue;
        };
        let trigger = Trigger {
            name: text(&row, 1),
            kind: text(&row, 2).parse().unwrap_or_default(),
            enabled: text(&row, 3),
            function: super::relation::name(&row, 4),
        };
        match triggers.tables.last_mut() {
            Some((name, _, all)) if *name == table.name => all.push(trigger),
            _ => triggers
                .tables
                .push((table.name.clone(), table.kind == 'p', vec![trigger])),
        }
    }
    triggers.tables.sort_by(|one, other| one.0.cmp(&other.0));
    let events = catalog.of_kind(ObjectKind::EventTrigger);
    triggers.events = events
        .map(|(trigger, properties)| {
            let property = |name: &str| properties.get(name).cloned().unwrap_or_default();
            EventTrigger {
                name: trigger.name.clone(),
                event: property("event"),
                enabled: match property("enabled").as_str() {
                    "yes" => "origin".to_owned(),
                    "no" => "disabled".to_owned(),
                    other => other.to_owned(),
                },
                function: property("function").trim_end_matches("()").to_owned(),
                owner: property("owner"),
            }
        })
        .collect();
    Ok(triggers)
}

/// Makes checks of them.
#[must_use]
pub fn section(triggers: &Triggers) -> Section {
    let mut section = Section::new("triggers");
    let mut groups: Vec<(bool, &Vec<Trigger>, Vec<QualifiedName>)> = Vec::new();
    for (table, partitioned, all) in &triggers.tables {
        match groups
            .iter_mut()
            .find(|(known, of, _)| known == partitioned && *of == all)
        {
            Some((_, _, tables)) => tables.push(table.clone()),
            None => groups.push((*partitioned, all, vec![table.clone()])),
        }
    }
    for (partitioned, all, tables) in &groups {
        section.blocks.push(block(*partitioned, all, tables));
    }
    if !triggers.events.is_empty() {
        let values: Vec<Value> = triggers.events.iter().map(EventTrigger::value).collect();
        section.blocks.push(
            Block::new("trigger", "the event triggers are there")
                .with("event-triggers", Value::List(values)),
        );
    }
    let count: usize = triggers.tables.iter().map(|(_, _, all)| all.len()).sum();
    if count + triggers.events.len() > 0 {
        section.found(some(count + triggers.events.len(), "trigger"));
    }
    section
}

fn block(partitioned: bool, all: &[Trigger], tables: &[QualifiedName]) -> Block {
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let off = all.iter().any(|trigger| trigger.enabled == "D");
    let with = |on_partitions: bool| {
        let values: Vec<Value> = all
            .iter()
            .map(|trigger| trigger.value(on_partitions))
            .collect();
        Block::new("trigger", format!("triggers of {}", named(tables, 3)))
            .of_tables(&names)
            .maybe("all-enabled", (!off).then_some(true))
            .with("triggers", Value::List(values))
    };
    let statement = all.iter().any(|trigger| trigger.kind & 1 == 0);
    if partitioned && statement {
        with(true).or(with(false))
    } else {
        with(false)
    }
}

/// The word of the check for `tgenabled`.
fn state(enabled: &str) -> &'static str {
    match enabled {
        "A" => "always",
        "R" => "replica",
        "D" => "disabled",
        _ => "origin",
    }
}

impl Trigger {
    fn value(&self, on_partitions: bool) -> Value {
        let bits = [(2, "insert"), (4, "update"), (3, "delete"), (5, "truncate")];
        let events: Vec<&str> = bits
            .into_iter()
            .filter(|(bit, _)| self.kind & (1 << bit) != 0)
            .map(|(_, word)| word)
            .collect();
        let timing = match (self.kind & (1 << 1), self.kind & (1 << 6)) {
            (0, 0) => "after",
            (_, 0) => "before",
            _ => "instead-of",
        };
        let row = self.kind & 1 == 1;
        let mut entries: Vec<(String, Value)> = vec![
            ("name".to_owned(), self.name.as_str().into()),
            ("enabled".to_owned(), state(&self.enabled).into()),
            ("timing".to_owned(), timing.into()),
            ("events".to_owned(), events.into()),
            (
                "level".to_owned(),
                if row { "row" } else { "statement" }.into(),
            ),
            ("function".to_owned(), self.function.to_string().into()),
        ];
        if on_partitions && !row {
            entries.push(("on-partitions".to_owned(), true.into()));
        }
        Value::Inline(entries)
    }
}

impl EventTrigger {
    fn value(&self) -> Value {
        let entries = [
            ("name", self.name.clone()),
            ("event", self.event.clone()),
            ("enabled", self.enabled.clone()),
            ("function", self.function.clone()),
            ("owner", self.owner.clone()),
        ];
        Value::Inline(
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect(),
        )
    }
}
