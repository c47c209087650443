//! Triggers and event triggers.

use super::block::{Block, Value, keys};
use super::relation::Relations;
use super::section::{Section, grouped, listed};
use crate::catalog::{ObjectKind, PartKind, Properties};
use crate::sql::{QualifiedName, Token, split_qualified, tokens};
use crate::units::show_counted;

/// A trigger of a table, as its definition in the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableTrigger {
    /// Its name, unquoted.
    pub name: String,
    /// The word of the check: `origin`, `always`, `replica` or `disabled`.
    pub enabled: &'static str,
    timing: &'static str,
    /// The words of the check, as in `insert`.
    pub events: Vec<&'static str>,
    /// Whether it fires for each row.
    pub for_each_row: bool,
    /// Its definition, if it fires only under a condition or for an UPDATE of some columns.
    pub conditional: Option<String>,
    /// The function that it calls.
    pub function: QualifiedName,
}

impl TableTrigger {
    /// Reads `CREATE [CONSTRAINT] TRIGGER name timing event [OF column, …] [OR event …] ON table … FOR EACH level
    /// [WHEN (…)] EXECUTE FUNCTION name(…)`.
    #[must_use]
    pub fn of(name: &str, properties: &Properties) -> Option<Self> {
        let definition = properties.get("definition")?;
        let all: Vec<Token<'_>> = tokens(definition).collect();
        let is = |at: usize, word: &str| all.get(at).is_some_and(|token| token.is_word(word));
        let find = |from: usize, one: &str, next: &str| {
            (from..all.len()).find(|at| is(*at, one) && is(at + 1, next))
        };
        let mut at = if is(1, "constraint") { 4 } else { 3 };
        let timing = match all.get(at)?.text {
            "BEFORE" => "before",
            "AFTER" => "after",
            _ => {
                at += 1;
                "instead-of"
            }
        };
        let mut events = Vec::new();
        let mut some_columns = false;
        loop {
            events.push(all.get(at + 1)?.text);
            at += 2;
            some_columns |= is(at, "of");
            // Neither word can be the name of a column without quotes.
            while at < all.len() && !is(at, "or") && !is(at, "on") {
                at += 1;
            }
            if !is(at, "or") {
                break;
            }
        }
        let level = find(at, "for", "each")? + 2;
        let execute = find(level, "execute", "function")?;
        let open = all.iter().skip(execute).find(|token| token.text == "(")?;
        let function = definition.get(all.get(execute + 2)?.start..open.start)?;
        let words = ["insert", "update", "delete", "truncate"].into_iter();
        Some(Self {
            name: name.to_owned(),
            enabled: enabled(properties),
            timing,
            events: words
                .filter(|word| events.iter().any(|event| event.eq_ignore_ascii_case(word)))
                .collect(),
            for_each_row: is(level, "row"),
            conditional: (some_columns || is(level + 1, "when")).then(|| definition.clone()),
            function: match split_qualified(function) {
                (Some(_), _) => QualifiedName::parse(function).ok()?,
                // The catalog is read with this schema as the search path.
                (None, name) => QualifiedName::parse(&format!("pg_catalog.{name}")).ok()?,
            },
        })
    }

    fn value(&self, on_partitions: bool) -> Value {
        let name = self.name.as_str();
        if let Some(definition) = &self.conditional {
            return Value::Inline(keys([
                ("name", name.into()),
                ("enabled", self.enabled.into()),
                ("definition", definition.as_str().into()),
            ]));
        }
        let level = if self.for_each_row {
            "row"
        } else {
            "statement"
        };
        let mut entries = keys([
            ("name", name.into()),
            ("enabled", self.enabled.into()),
            ("timing", self.timing.into()),
            ("events", self.events.clone().into()),
            ("level", level.into()),
            ("function", self.function.to_string().into()),
        ]);
        if on_partitions && !self.for_each_row {
            entries.push(("on-partitions".to_owned(), true.into()));
        }
        Value::Inline(entries)
    }
}

/// The word of the check for the state of a trigger or event trigger.
fn enabled(properties: &Properties) -> &'static str {
    match properties.get("enabled").map(String::as_str) {
        Some("always") => "always",
        Some("replica") => "replica",
        Some("no") => "disabled",
        _ => "origin",
    }
}

/// The value of the check for an event trigger.
fn event_trigger(name: &str, properties: &Properties) -> Value {
    let property = |name: &str| properties.get(name).map_or("", String::as_str);
    Value::Inline(keys([
        ("name", name.into()),
        ("event", property("event").into()),
        ("enabled", enabled(properties).into()),
        (
            "function",
            property("function").trim_end_matches("()").into(),
        ),
        ("owner", property("owner").into()),
    ]))
}

/// Writes the checks; tables with the same triggers share one.
#[must_use]
pub fn section(relations: &Relations<'_>) -> Section {
    let mut section = Section::new(
        "triggers",
        "Each table has exactly these triggers, and they are enabled as they were. After a migration that adds or \
         changes a trigger, change them here.",
    );
    let tables = relations.tables().map(|table| {
        let triggers = table.parts(PartKind::Trigger);
        let triggers: Vec<TableTrigger> = triggers
            .filter_map(|(name, properties)| TableTrigger::of(name, properties))
            .collect();
        ((table.is_partitioned(), triggers), &table.name)
    });
    let mut count = 0;
    for ((partitioned, triggers), tables) in grouped(tables) {
        if !triggers.is_empty() {
            count += triggers.len() * tables.len();
            section.blocks.push(block(partitioned, &triggers, &tables));
        }
    }
    let events = relations.catalog.of_kind(ObjectKind::EventTrigger);
    let events: Vec<Value> = events
        .map(|(id, properties)| event_trigger(&id.name, properties))
        .collect();
    count += events.len();
    if !events.is_empty() {
        section.blocks.push(
            Block::new("trigger", "the event triggers are the same")
                .with("event-triggers", Value::List(events)),
        );
    }
    if count > 0 {
        section.found(show_counted(count, "trigger"));
    }
    section
}

fn block(partitioned: bool, triggers: &[TableTrigger], tables: &[&QualifiedName]) -> Block {
    let disabled = triggers.iter().any(|trigger| trigger.enabled == "disabled");
    let with = |on_partitions: bool| {
        let all = triggers.iter();
        let values: Vec<Value> = all.map(|trigger| trigger.value(on_partitions)).collect();
        Block::new("trigger", format!("triggers of {}", listed(tables, 3)))
            .of_tables(tables)
            .maybe("all-enabled", (!disabled).then_some(true))
            .with("triggers", Value::List(values))
    };
    if partitioned && triggers.iter().any(|trigger| !trigger.for_each_row) {
        with(true).or(with(false))
    } else {
        with(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "CREATE TRIGGER t BEFORE DELETE OR UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.refuse()",
        "before update,delete row app.refuse false"
    )]
    #[case(
        "CREATE TRIGGER \"on\" INSTEAD OF INSERT ON app.v FOR EACH ROW EXECUTE FUNCTION \"My App\".\"a.b\"('x')",
        "instead-of insert row \"My App\".\"a.b\" false"
    )]
    #[case(
        "CREATE TRIGGER before AFTER UPDATE OF delete, truncate OR TRUNCATE ON app.t FOR EACH STATEMENT EXECUTE FUNCTION app.f()",
        "after update,truncate statement app.f true"
    )]
    #[case(
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON app.t FROM app.u DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.execute > 1)) EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "after insert row pg_catalog.suppress_redundant_updates_trigger true"
    )]
    fn definitions_are_read(#[case] definition: &str, #[case] expected: &str) {
        let properties = [("definition".to_owned(), definition.to_owned())].into();
        let trigger = TableTrigger::of("t", &properties).unwrap();
        let level = if trigger.for_each_row {
            "row"
        } else {
            "statement"
        };
        assert_eq!(
            format!(
                "{} {} {level} {} {}",
                trigger.timing,
                trigger.events.join(","),
                trigger.function,
                trigger.conditional.is_some()
            ),
            expected
        );
    }
}
