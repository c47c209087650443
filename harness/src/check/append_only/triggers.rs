//! Which triggers every table of an audit trail must have.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::ParameterErrors;
use crate::check::privilege::Relation;
use crate::check::triggers::{Trigger, TriggerLevel};
use crate::outcome::Finding;
use crate::sql::QualifiedName;

/// A trigger that every table that holds rows must have.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedTrigger {
    /// Its name. Without one, any trigger that does the rest will do.
    pub name: Option<String>,
    /// Whether it fires for each row or once for each statement. TRUNCATE has only `statement`.
    pub on: TriggerLevel,
    /// What it must fire on.
    pub events: Vec<Event>,
    /// `always`: also in a session with `session_replication_role = replica`. `origin`: at least
    /// in every other session. Default: `origin`.
    #[serde(default)]
    pub enabled: Enabled,
    /// The function that it must call, as `schema.name`.
    pub function: Option<String>,
}

/// A statement that changes history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// UPDATE of any column.
    Update,
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Update, Self::Delete, Self::Truncate];

    /// The statement, in capitals, which is the name of the right too.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
        }
    }

    /// Its bit in `pg_trigger.tgtype`.
    const fn bit(self) -> u32 {
        match self {
            Self::Delete => 1 << 3,
            Self::Update => 1 << 4,
            Self::Truncate => 1 << 5,
        }
    }
}

/// In which sessions a trigger fires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Enabled {
    /// At least in every session that does not replay a replication stream.
    #[default]
    Origin,
    /// In every session.
    Always,
}

impl WantedTrigger {
    /// Finds wishes that no trigger can fulfil, or that wish for nothing.
    pub fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.events.is_empty() {
            errors
                .at("triggers", "a trigger without `events` protects nothing")
                .add_hint("write `events = [\"update\", \"delete\"]`");
        }
        if self.on == TriggerLevel::Row && self.events.contains(&Event::Truncate) {
            errors
                .at("triggers", "there is no TRUNCATE trigger for each row")
                .add_hint("write a second entry with `on = \"statement\"`");
        }
        errors.require_names("triggers", &self.function, "schema.name");
    }

    /// Compares the triggers of one table with the wish; one finding for each event that is open.
    ///
    /// A partitioned table only hands its row triggers down, so it needs none itself; but one that it
    /// has and that is off would be handed to the next partition like that.
    #[must_use]
    pub fn compare(&self, relation: &Relation, triggers: &[Trigger]) -> Vec<Finding> {
        let here: Vec<&Trigger> = triggers
            .iter()
            .filter(|trigger| trigger.is_on(relation))
            .filter(|trigger| self.name.as_ref().is_none_or(|name| *name == trigger.name))
            .collect();
        if !relation.is_storage() && here.iter().all(|trigger| trigger.level() != self.on) {
            return Vec::new();
        }
        self.events
            .iter()
            .filter_map(|event| {
                let mut wrongs: Vec<String> = Vec::new();
                for trigger in &here {
                    match self.wrong(trigger, *event) {
                        None => return None,
                        Some(wrong) => {
                            wrongs.push(format!("trigger {} {wrong}", trigger.name));
                        }
                    }
                }
                // A partitioned table may leave TRUNCATE or some event to its partitions.
                if !relation.is_storage() && here.iter().all(|t| t.kind & event.bit() == 0) {
                    return None;
                }
                let actual = if wrongs.is_empty() {
                    match &self.name {
                        Some(name) => format!("there is no trigger {name} on it"),
                        None => "there is no trigger on it".to_owned(),
                    }
                } else {
                    wrongs.join("; ")
                };
                Some(
                    Finding::about(
                        relation.name.to_string(),
                        format!("a trigger {}", self.describe(*event)),
                        actual,
                    )
                    .hint(self.mend(relation, &here)),
                )
            })
            .collect()
    }

    /// Says why `trigger` does not fulfil the wish for `event`; `None` when it does.
    fn wrong(&self, trigger: &Trigger, event: Event) -> Option<String> {
        if trigger.kind & event.bit() == 0 {
            return Some(format!("does not fire on {}", event.word()));
        }
        if trigger.level() != self.on {
            return Some(match self.on {
                TriggerLevel::Row => "fires once for each statement".to_owned(),
                TriggerLevel::Statement => "fires for each row".to_owned(),
            });
        }
        if event == Event::Update && trigger.some_columns {
            return Some("fires only on UPDATE of some columns".to_owned());
        }
        if let Some(function) = &self.function
            && QualifiedName::parse(function).is_ok_and(|name| name != trigger.function)
        {
            return Some(format!("calls {}", trigger.function));
        }
        match (trigger.enabled, self.enabled) {
            ('A', Enabled::Always | Enabled::Origin) | ('O', Enabled::Origin) => None,
            ('O', Enabled::Always) => {
                Some("sleeps when session_replication_role = replica".to_owned())
            }
            ('R', _) => Some("fires only when session_replication_role = replica".to_owned()),
            _ => Some("is disabled".to_owned()),
        }
    }

    /// Says in a few words what is wished for.
    fn describe(&self, event: Event) -> String {
        let name = self
            .name
            .as_ref()
            .map_or(String::new(), |name| format!("{name} "));
        let level = self.on.describe();
        let enabled = match self.enabled {
            Enabled::Origin => "enabled",
            Enabled::Always => "enabled ALWAYS",
        };
        let calls = self
            .function
            .as_ref()
            .map_or(String::new(), |function| format!(" that calls {function}"));
        format!("{name}on {} {level}, {enabled}{calls}", event.word())
    }

    /// Says what to do about it.
    fn mend(&self, relation: &Relation, here: &[&Trigger]) -> String {
        let always = match self.enabled {
            Enabled::Origin => "",
            Enabled::Always => "ALWAYS ",
        };
        match here.first() {
            Some(trigger) => format!(
                "ALTER TABLE {} ENABLE {always}TRIGGER {}, or create it again",
                relation.name,
                crate::sql::quote_ident(&trigger.name)
            ),
            None => format!(
                "create it on {}: TRUNCATE triggers are not handed down to partitions, and a detached partition loses those that were",
                relation.name
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    const ROW_CHANGE: u32 = 1 | 2 | 8 | 16;
    const TRUNCATE: u32 = 2 | 32;

    fn leaf(kind: char) -> Relation {
        Relation {
            oid: "1".to_owned(),
            name: QualifiedName::parse("app.audit_1").unwrap(),
            kind,
            owner: "owner".to_owned(),
            level: 1,
        }
    }

    fn trigger(kind: u32, enabled: char, some_columns: bool) -> Trigger {
        Trigger {
            some_columns,
            ..Trigger::for_tests("refuse", kind, enabled)
        }
    }

    fn wanted(on: TriggerLevel, events: &[Event], enabled: Enabled) -> WantedTrigger {
        WantedTrigger {
            name: Some("refuse".to_owned()),
            on,
            events: events.to_vec(),
            enabled,
            function: Some("app.refuse".to_owned()),
        }
    }

    #[rstest]
    #[case(ROW_CHANGE, 'A', false, 0, "")]
    #[case(ROW_CHANGE, 'O', false, 2, "sleeps")]
    #[case(ROW_CHANGE, 'D', false, 2, "disabled")]
    #[case(ROW_CHANGE, 'R', false, 2, "only when")]
    #[case(ROW_CHANGE, 'A', true, 1, "some columns")]
    #[case(ROW_CHANGE & !8, 'A', false, 1, "does not fire on DELETE")]
    #[case(ROW_CHANGE & !1, 'A', false, 2, "for each statement")]
    fn a_trigger_must_do_all_that_is_wished(
        #[case] kind: u32,
        #[case] enabled: char,
        #[case] some_columns: bool,
        #[case] open: usize,
        #[case] says: &str,
    ) {
        let wish = wanted(
            TriggerLevel::Row,
            &[Event::Update, Event::Delete],
            Enabled::Always,
        );
        let findings = wish.compare(&leaf('r'), &[trigger(kind, enabled, some_columns)]);
        assert_eq!(findings.len(), open, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.actual.contains(says)));
    }

    #[test]
    fn always_is_more_than_origin() {
        let wish = wanted(TriggerLevel::Row, &[Event::Update], Enabled::Origin);
        let triggers = [trigger(ROW_CHANGE, 'A', false)];
        assert!(wish.compare(&leaf('r'), &triggers).is_empty());
    }

    #[rstest]
    #[case('r', &[], 1)]
    #[case('p', &[], 0)]
    #[case('p', &[trigger(TRUNCATE, 'D', false)], 1)]
    fn only_a_table_that_holds_rows_must_have_it(
        #[case] kind: char,
        #[case] triggers: &[Trigger],
        #[case] open: usize,
    ) {
        let wish = wanted(TriggerLevel::Statement, &[Event::Truncate], Enabled::Origin);
        assert_eq!(wish.compare(&leaf(kind), triggers).len(), open);
    }

    #[test]
    fn another_function_is_found() {
        let wish = WantedTrigger {
            function: Some("app.other".to_owned()),
            ..wanted(TriggerLevel::Row, &[Event::Update], Enabled::Origin)
        };
        let findings = wish.compare(&leaf('r'), &[trigger(ROW_CHANGE, 'O', false)]);
        assert!(findings[0].actual.contains("calls app.refuse"));
    }

    #[test]
    fn two_triggers_may_share_the_work_when_none_is_named() {
        let wish = WantedTrigger {
            name: None,
            ..wanted(
                TriggerLevel::Row,
                &[Event::Update, Event::Delete],
                Enabled::Origin,
            )
        };
        let both = [
            trigger(1 | 2 | 8, 'O', false),
            trigger(1 | 2 | 16, 'O', false),
        ];
        assert!(wish.compare(&leaf('r'), &both).is_empty());
    }

    #[test]
    fn a_truncate_trigger_for_each_row_is_refused() {
        let wish = wanted(TriggerLevel::Row, &[Event::Truncate], Enabled::Origin);
        assert_eq!(errors_of(|errors| wish.validate(errors)).len(), 1);
    }
}
