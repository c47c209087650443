//! A trigger that must be there, and how the one that is there differs.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::ParameterErrors;
use crate::check::absent;
use crate::check::privilege::Relation;
use crate::check::triggers::{Trigger, TriggerLevel, set_state, state};
use crate::outcome::Finding;
use crate::rights::WriteEvent;
use crate::sql::{QualifiedName, is_same_definition, quote_ident};

/// A trigger that a table must have.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedTrigger {
    /// Its name.
    pub name: String,
    /// Exactly this state. Without it, it must fire in ordinary sessions (`origin` or `always`).
    pub enabled: Option<TriggerState>,
    /// When it fires.
    pub timing: Option<Timing>,
    /// What it fires on: these and no others.
    #[serde(default)]
    pub events: Vec<WriteEvent>,
    /// Whether it fires for each row or for each statement.
    pub level: Option<TriggerLevel>,
    /// The function that it calls, as `schema.name`.
    pub function: Option<String>,
    /// The whole definition on the table itself, as `pg_get_triggerdef` writes it.
    pub definition: Option<String>,
    /// Whether it must be on every partition too, where it is one for each statement. Default: false.
    #[serde(default)]
    pub on_partitions: bool,
}

/// In which sessions a trigger fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TriggerState {
    /// In every session that does not replay a replication stream (ENABLE).
    Origin,
    /// In every session (ENABLE ALWAYS).
    Always,
    /// Only where a replication stream is replayed (ENABLE REPLICA).
    Replica,
    /// In none (DISABLE).
    Disabled,
}

impl TriggerState {
    /// Its letter in the catalogs.
    pub const fn letter(self) -> char {
        match self {
            Self::Origin => 'O',
            Self::Always => 'A',
            Self::Replica => 'R',
            Self::Disabled => 'D',
        }
    }

    /// Compares a letter of the catalogs with what is asked for: what is expected, and which letter
    /// would be right.
    pub fn differs(wanted: Option<Self>, actual: char) -> Option<(&'static str, char)> {
        match wanted {
            Some(wanted) if wanted.letter() == actual => None,
            Some(wanted) => Some((state(wanted.letter()), wanted.letter())),
            None if matches!(actual, 'O' | 'A') => None,
            None => Some(("it fires in ordinary sessions", 'O')),
        }
    }
}

/// When a trigger fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// BEFORE.
    Before,
    /// AFTER.
    After,
    /// INSTEAD OF.
    InsteadOf,
}

impl Timing {
    const fn word(self) -> &'static str {
        match self {
            Self::Before => "BEFORE",
            Self::After => "AFTER",
            Self::InsteadOf => "INSTEAD OF",
        }
    }

    /// Reads it out of `tgtype`.
    const fn of(kind: u32) -> Self {
        match (kind & (1 << 1), kind & (1 << 6)) {
            (0, 0) => Self::After,
            (_, 0) => Self::Before,
            _ => Self::InsteadOf,
        }
    }
}

impl WantedTrigger {
    /// Finds wishes that no trigger can fulfil.
    pub fn validate(&self, several: bool, errors: &mut ParameterErrors<'_>) {
        if self.level == Some(TriggerLevel::Row) && self.events.contains(&WriteEvent::Truncate) {
            errors.at("triggers", "there is no TRUNCATE trigger for each row");
        }
        errors.require_names("triggers", &self.function, "schema.name");
        if self.definition.is_some() && several {
            errors
                .at("triggers", "a `definition` names one table")
                .add_hint("say `timing`, `events`, `level` and `function` instead, or one `table`");
        }
    }

    /// Compares the triggers of a table, and of everything below it, with the wish.
    pub fn compare(&self, relations: &[Relation], there: &[Trigger]) -> Vec<Finding> {
        let Some(root) = relations.first() else {
            return Vec::new();
        };
        let on = |relation: &Relation| {
            there
                .iter()
                .find(|trigger| trigger.is_on(relation) && trigger.name == self.name)
        };
        let name = quote_ident(&self.name);
        let missing = |relation: &Relation, why: &str| {
            Finding::about(
                format!("trigger {name} on {}", relation.name),
                "a trigger",
                format!("there is none{why}"),
            )
            .hint(absent::why("CREATE TRIGGER"))
        };
        let Some(top) = on(root) else {
            return vec![missing(root, "")];
        };
        let mut findings = self.differs(root, top, true);
        for relation in relations.iter().skip(1) {
            match on(relation) {
                Some(trigger) => findings.extend(self.differs(relation, trigger, false)),
                // Only partitions are handed triggers; what inherits otherwise has its own.
                None if root.kind == 'p' && top.level() == TriggerLevel::Row => {
                    findings.push(missing(relation, ", though its parent hands it down"));
                }
                None if root.kind == 'p' && self.on_partitions => {
                    findings.push(missing(
                        relation,
                        ": triggers for each statement are not handed down",
                    ));
                }
                None => {}
            }
        }
        findings
    }

    /// Compares one trigger with the wish.
    fn differs(&self, relation: &Relation, trigger: &Trigger, whole: bool) -> Vec<Finding> {
        let object = format!("trigger {} on {}", quote_ident(&self.name), relation.name);
        let mut findings = Vec::new();
        if let Some((expected, set)) = TriggerState::differs(self.enabled, trigger.enabled) {
            findings.push(
                Finding::about(&object, expected, state(trigger.enabled)).hint(format!(
                    "ALTER TABLE {} {} TRIGGER {}",
                    relation.name,
                    set_state(set),
                    quote_ident(&self.name)
                )),
            );
        }
        if let Some(timing) = self.timing
            && timing != Timing::of(trigger.kind)
        {
            let actual = Timing::of(trigger.kind).word();
            findings.push(Finding::about(&object, timing.word(), actual));
        }
        let bits = |events: &[WriteEvent]| events.iter().fold(0, |bits, event| bits | event.bit());
        let fires = |kind| {
            format!(
                "it fires on {}",
                WriteEvent::list(WriteEvent::of_bits(kind))
            )
        };
        let has = trigger.kind & bits(&WriteEvent::ALL);
        if !self.events.is_empty() && bits(&self.events) != has {
            findings.push(Finding::about(
                &object,
                fires(bits(&self.events)),
                fires(has),
            ));
        } else if self.events.contains(&WriteEvent::Update)
            && trigger.some_columns
            && self.definition.is_none()
        {
            findings.push(Finding::about(
                &object,
                "it fires on UPDATE of any column",
                "it fires on UPDATE of some columns",
            ));
        }
        if let Some(level) = self.level
            && level != trigger.level()
        {
            let actual = trigger.level().describe();
            findings.push(Finding::about(&object, level.describe(), actual));
        }
        if let Some(function) = &self.function
            && QualifiedName::parse(function).is_ok_and(|name| name != trigger.function)
        {
            findings.push(Finding::about(
                &object,
                format!("it calls {function}"),
                format!("it calls {}", trigger.function),
            ));
        }
        if let Some(definition) = &self.definition
            && whole
            && !is_same_definition(definition, &trigger.definition)
        {
            findings.push(Finding::about(&object, definition, &trigger.definition));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const BEFORE_CHANGE: u32 = 1 | 2 | 8 | 16;

    fn relation(oid: &str, kind: char) -> Relation {
        Relation {
            oid: oid.to_owned(),
            name: QualifiedName::parse(&format!("app.t{oid}")).unwrap(),
            kind,
            owner: "owner".to_owned(),
            level: 0,
        }
    }

    #[rstest]
    #[case("", 'O', 0)]
    #[case("", 'A', 0)]
    #[case("", 'D', 1)]
    #[case("", 'R', 1)]
    #[case("enabled = 'origin'", 'A', 1)]
    #[case("enabled = 'always'", 'A', 0)]
    #[case("enabled = 'always'", 'O', 1)]
    #[case("enabled = 'disabled'", 'D', 0)]
    #[case("enabled = 'disabled'", 'O', 1)]
    #[case("timing = 'before'", 'O', 0)]
    #[case("timing = 'after'", 'O', 1)]
    #[case("events = ['update', 'delete']", 'O', 0)]
    #[case("events = ['update']", 'O', 1)]
    #[case("events = ['insert', 'update', 'delete']", 'O', 1)]
    #[case("level = 'row'", 'O', 0)]
    #[case("level = 'statement'", 'O', 1)]
    #[case("function = 'app.refuse'", 'O', 0)]
    #[case("function = 'app.other'", 'O', 1)]
    #[case(
        "definition = 'CREATE TRIGGER a BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse()'",
        'O',
        0
    )]
    #[case(
        "definition = 'CREATE TRIGGER a AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse()'",
        'O',
        1
    )]
    fn a_trigger_is_held_to_the_wish(
        #[case] toml: &str,
        #[case] enabled: char,
        #[case] broken: usize,
    ) {
        let wanted: WantedTrigger = toml::from_str(&format!("name = 'a'\n{toml}")).unwrap();
        let there = [Trigger::for_tests("a", BEFORE_CHANGE, enabled)];
        let findings = wanted.compare(&[relation("1", 'r')], &there);
        assert_eq!(findings.len(), broken, "{findings:?}");
    }

    #[rstest]
    #[case::row_is_handed_down('p', BEFORE_CHANGE, "", 1)]
    #[case::statement_is_not('p', 2 | 32, "", 0)]
    #[case::unless_asked_for('p', 2 | 32, "on-partitions = true", 1)]
    #[case::inheritance_hands_nothing_down('r', BEFORE_CHANGE, "", 0)]
    fn partitions_have_it_too(
        #[case] kind: char,
        #[case] bits: u32,
        #[case] toml: &str,
        #[case] broken: usize,
    ) {
        let wanted: WantedTrigger = toml::from_str(&format!("name = 'a'\n{toml}")).unwrap();
        let there = [Trigger::for_tests("a", bits, 'O')];
        let tree = [relation("1", kind), relation("2", 'r')];
        assert_eq!(wanted.compare(&tree, &there).len(), broken);
    }

    #[test]
    fn one_that_is_not_there_is_missing() {
        let wanted = WantedTrigger {
            name: "b".to_owned(),
            ..WantedTrigger::default()
        };
        let there = [Trigger::for_tests("a", BEFORE_CHANGE, 'O')];
        assert_eq!(wanted.compare(&[relation("1", 'r')], &there).len(), 1);
    }
}
