//! `trigger`: triggers, rules and event triggers are there, in their state, and as they were defined.
//!
//! - `wanted` compares a trigger with what is asked for
//! - `others` is event triggers and rules

mod others;
mod wanted;

use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::others::{WantedEventTrigger, WantedRule};
pub use self::wanted::{Timing, TriggerState, WantedTrigger};
use crate::check::privilege::{Relation, tree};
use crate::check::target::Targets;
use crate::check::triggers::{self, Trigger, set_state, state};
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_ident;
use crate::units::show_counted;

/// Triggers, rules and event triggers are there, enabled as they must be, and as they were defined.
///
/// Triggers and rules are those of each table of `table` or `tables`; event triggers are those of the
/// database. Whether a trigger's function still does its work is for `function` (its digest) and
/// `append-only` (by trying).
///
/// ## What it proves
/// - `triggers`: each is on the table, in exactly the state that is given (`enabled`), else firing in
///   ordinary sessions; with its timing, events, level, function and definition where they are given.
///   The definition is compared as `pg_get_triggerdef` writes it, white space aside; a name without a
///   schema in the expected one stands for one in any schema.
/// - A trigger for each row is on every partition too, in the same state: each copy has its own, and a
///   dump carries it. One for each statement, such as on TRUNCATE, is not handed down: with
///   `on-partitions` it must be there, and where it is it must be in the state that is given.
/// - `all-enabled`: no trigger of the tables and their partitions is off, those that `triggers` name
///   aside, and each copy on a partition is in its parent's state. A restore with
///   `--data-only --disable-triggers` makes every trigger plainly enabled, whatever it was.
/// - `rules`: each is on the table, in its state, as defined.
/// - `event-triggers`: each is there, in its state, for its event, with its function and owner. Only a
///   superuser can restore one.
///
/// ## What it does not prove
/// That the function does what it did. That no role may switch the trigger off: the owner may. The
/// triggers that carry out foreign keys are checked by `constraint`.
///
/// ## Example
/// ```toml
/// [[check.trigger]]
/// table = "app.orders"
/// all-enabled = true
///
/// [[check.trigger.triggers]]
/// name = "orders_audit"
/// enabled = "always"
/// timing = "after"
/// events = ["insert", "update", "delete"]
/// level = "row"
/// function = "app.write_audit"
///
/// [[check.trigger]]
/// tables = ["app.audit*"]
/// triggers = [{ name = "refuse_truncate", enabled = "always", on-partitions = true }]
/// rules = [{ name = "audit_no_delete" }]
///
/// [[check.trigger]]
/// event-triggers = [{ name = "refuse_drop", event = "sql_drop", enabled = "always", owner = "dba" }]
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TriggerCheck {
    /// One table.
    pub table: Option<String>,
    /// Several tables; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Triggers that each of the tables must have.
    #[serde(default)]
    pub triggers: Vec<WantedTrigger>,
    /// Whether no trigger of the tables may be off.
    #[serde(default)]
    pub all_enabled: bool,
    /// Rules that each of the tables must have.
    #[serde(default)]
    pub rules: Vec<WantedRule>,
    /// Event triggers that the database must have.
    #[serde(default)]
    pub event_triggers: Vec<WantedEventTrigger>,
}

impl Parameters for TriggerCheck {
    const KIND: &'static str = "trigger";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let of_tables = self.all_enabled || !self.triggers.is_empty() || !self.rules.is_empty();
        if of_tables || self.is_about_tables() {
            self.targets().validate(errors);
        }
        errors.refuse_pattern("table", "tables", self.table.as_ref());
        let of_database = !self.event_triggers.is_empty() && !self.is_about_tables();
        errors.require_assertion(
            [of_tables, of_database],
            "add `triggers`, `all-enabled = true`, `rules` or `event-triggers`",
        );
        let several = !self.tables.is_empty();
        for trigger in &self.triggers {
            trigger.validate(several, errors);
        }
        for rule in &self.rules {
            rule.validate(several, errors);
        }
        for trigger in &self.event_triggers {
            errors.require_names("event-triggers", &trigger.function, "schema.name");
        }
    }
}

#[async_trait]
impl Check for TriggerCheck {
    fn describe(&self) -> String {
        if self.is_about_tables() {
            format!("triggers of {}", self.targets().describe())
        } else {
            let names: Vec<&str> = self
                .event_triggers
                .iter()
                .map(|t| t.name.as_str())
                .collect();
            format!("event triggers {}", names.join(", "))
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let mut findings = others::event_triggers(&mut session, &self.event_triggers).await?;
        let mut entries = Vec::new();
        let mut seen = 0;
        if self.is_about_tables() {
            let resolved = self.targets().resolve(&mut session).await?;
            findings.extend(resolved.missing);
            for table in &resolved.tables {
                let began = Instant::now();
                let mut relations = tree(&mut session, table).await?;
                if relations.is_empty() {
                    // A view has triggers and rules too.
                    relations.extend(others::view(&mut session, table).await?);
                }
                let there = triggers::read(&mut session, &relations).await?;
                let mut wrong = Vec::new();
                for wanted in &self.triggers {
                    wrong.extend(wanted.compare(&relations, &there));
                }
                if self.all_enabled {
                    wrong.extend(self.asleep(&relations, &there));
                }
                wrong.extend(others::rules(&mut session, table, &self.rules).await?);
                seen += there.len();
                entries.push(Entry::new(
                    table,
                    self.expectation(),
                    format!(
                        "{} on {}",
                        show_counted(there.len(), "trigger"),
                        show_counted(relations.len(), "table")
                    ),
                    wrong,
                    began,
                ));
            }
        }
        session.close().await;
        let wrong = findings.len() + entries.iter().map(|e| e.findings.len()).sum::<usize>();
        if wrong == 0 && self.all_enabled && seen == 0 {
            return Err(CouldNotRun::new(format!(
                "{} has no trigger, so none was checked",
                self.targets().describe()
            ))
            .hint("name those that must be there in `triggers`"));
        }
        let actual = match (seen, self.event_triggers.len()) {
            (triggers, 0) => format!("{} checked", show_counted(triggers, "trigger")),
            (0, events) => format!("{} checked", show_counted(events, "event trigger")),
            (triggers, events) => {
                format!(
                    "{} and {} checked",
                    show_counted(triggers, "trigger"),
                    show_counted(events, "event trigger")
                )
            }
        };
        let whole = Observation::new(self.expectation(), actual, findings);
        Ok(self.targets().in_entries(whole, entries))
    }
}

impl TriggerCheck {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    fn is_about_tables(&self) -> bool {
        self.table.is_some() || !self.tables.is_empty()
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = Vec::new();
        let triggers = self.triggers.iter().map(|wanted| &wanted.name);
        let rules = self.rules.iter().map(|wanted| &wanted.name);
        let events = self.event_triggers.iter().map(|wanted| &wanted.name);
        let names: Vec<&str> = triggers
            .chain(rules)
            .chain(events)
            .map(String::as_str)
            .collect();
        if !names.is_empty() {
            parts.push(format!("{} there, in their state", names.join(", ")));
        }
        if self.all_enabled {
            parts.push("no trigger off".to_owned());
        }
        parts.join(", ")
    }

    /// Finds triggers that are off, and copies that are not in their parent's state.
    fn asleep(&self, relations: &[Relation], there: &[Trigger]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for trigger in there {
            // What the scenario names is compared with what it says.
            if self
                .triggers
                .iter()
                .any(|wanted| wanted.name == trigger.name)
            {
                continue;
            }
            let Some(relation) = relations.iter().find(|r| trigger.is_on(r)) else {
                continue;
            };
            let above = there
                .iter()
                .find(|other| Some(&other.oid) == trigger.parent.as_ref())
                .map(|other| other.enabled);
            let (expected, actual, mend) = match (trigger.enabled, above) {
                ('D' | 'R', None | Some('O' | 'A')) => {
                    let set = above.unwrap_or('O');
                    (
                        "it fires in ordinary sessions".to_owned(),
                        state(trigger.enabled),
                        set_state(set),
                    )
                }
                (own, Some(above)) if own != above => (
                    format!("{}, as on its parent", state(above)),
                    state(own),
                    set_state(above),
                ),
                _ => continue,
            };
            findings.push(
                Finding::about(
                    format!("trigger {} on {}", quote_ident(&trigger.name), relation.name),
                    expected,
                    actual,
                )
                .hint(format!(
                    "ALTER TABLE {} {mend} TRIGGER {}; if it is meant to be so, name it in `triggers` with its state",
                    relation.name,
                    quote_ident(&trigger.name)
                )),
            );
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(toml: &str) -> TriggerCheck {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("table = 'app.t'\nall-enabled = true", 0)]
    #[case("tables = ['app.*']\ntriggers = [{ name = 'a' }]", 0)]
    #[case("event-triggers = [{ name = 'a' }]", 0)]
    #[case("table = 'app.t'\nrules = [{ name = 'a', definition = 'x' }]", 0)]
    #[case("", 1)]
    #[case("all-enabled = true", 1)]
    #[case("table = 'app.t'", 1)]
    #[case("table = 'app.t'\nevent-triggers = [{ name = 'a' }]", 1)]
    #[case("table = 'app.*'\nall-enabled = true", 1)]
    #[case("tables = ['app.*']\ntriggers = [{ name = 'a', definition = 'x' }]", 1)]
    #[case("table = 'app.t'\ntriggers = [{ name = 'a', function = 'a.b.c' }]", 1)]
    #[case(
        "table = 'app.t'\ntriggers = [{ name = 'a', level = 'row', events = ['truncate'] }]",
        1
    )]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        let made = errors_of(|errors| check(toml).validate(errors));
        assert_eq!(made.len(), expected, "{made:#?}");
    }

    #[rstest]
    #[case('O', 'O', 0)]
    #[case('A', 'A', 0)]
    #[case('D', 'D', 1)]
    #[case('O', 'D', 1)]
    #[case('A', 'O', 1)]
    #[case('R', 'R', 1)]
    fn what_is_off_is_found(#[case] above: char, #[case] below: char, #[case] broken: usize) {
        let relation = |oid: &str| Relation {
            oid: oid.to_owned(),
            name: crate::sql::QualifiedName::parse("app.t").unwrap(),
            kind: 'r',
            owner: "owner".to_owned(),
            level: 0,
        };
        let parent = Trigger::for_tests("a", 1, above);
        let copy = Trigger {
            oid: "11".to_owned(),
            relation: "2".to_owned(),
            parent: Some(parent.oid.clone()),
            ..Trigger::for_tests("a", 1, below)
        };
        let check = check("table = 'app.t'\nall-enabled = true");
        let findings = check.asleep(&[relation("1"), relation("2")], &[parent, copy]);
        assert_eq!(findings.len(), broken, "{findings:?}");
    }
}
