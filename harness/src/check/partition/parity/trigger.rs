//! Whether a partition has the triggers of its parent.

use std::collections::BTreeSet;

use super::Pair;
use crate::check::triggers::{Trigger, TriggerLevel, set_state, state};
use crate::outcome::Finding;
use crate::sql::quote_ident;

/// Compares a partition's triggers with its parent's. Only row triggers are handed down; those for
/// each statement must be there where `all` says so, and in the same state where they are.
pub fn compare_triggers(pair: &Pair<'_>, triggers: &[Trigger], all: bool) -> Vec<Finding> {
    let (child, parent) = (&pair.child.relation, &pair.parent.relation);
    let here: Vec<&Trigger> = triggers.iter().filter(|t| t.is_on(child)).collect();
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for above in triggers.iter().filter(|t| t.is_on(parent)) {
        if !seen.insert(&above.oid) {
            continue;
        }
        let clone = here
            .iter()
            .find(|t| t.parent.as_deref() == Some(&above.oid))
            .or_else(|| here.iter().find(|t| t.name == above.name));
        let name = quote_ident(&above.name);
        let Some(clone) = clone else {
            if above.level() == TriggerLevel::Row || all || pair.detached {
                findings.push(
                    Finding::about(
                        child.name.to_string(),
                        format!("trigger {name}, as on its parent"),
                        "it is not here",
                    )
                    .hint(
                        "triggers for each statement, TRUNCATE ones among them, are not handed down, \
                         and DETACH drops those that were: create it on this table",
                    ),
                );
            }
            continue;
        };
        let mut wrongs = Vec::new();
        if clone.function != above.function {
            wrongs.push((
                format!("calls {}", above.function),
                format!("calls {}", clone.function),
            ));
        } else if clone.kind != above.kind || clone.some_columns != above.some_columns {
            wrongs.push(("the same events".to_owned(), clone.definition.clone()));
        }
        if clone.enabled != above.enabled {
            wrongs.push((
                state(above.enabled).to_owned(),
                state(clone.enabled).to_owned(),
            ));
        }
        findings.extend(wrongs.into_iter().map(|(expected, actual)| {
            Finding::about(
                format!("trigger {} on {}", quote_ident(&clone.name), child.name),
                format!("{expected}, as on its parent"),
                actual,
            )
            .hint(format!(
                "ALTER TABLE {} {} TRIGGER {}, or create it again",
                child.name,
                set_state(above.enabled),
                quote_ident(&clone.name)
            ))
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::node;
    use super::*;
    use rstest::rstest;

    fn on(oid: &str, mut trigger: Trigger) -> Trigger {
        trigger.relation = oid.to_owned();
        trigger.oid = format!("t{oid}{}", trigger.name);
        trigger
    }

    #[rstest]
    #[case::same('A', 1, 1, false, 0)]
    #[case::disabled('D', 1, 1, false, 1)]
    #[case::reset('O', 1, 1, false, 1)]
    #[case::other_events('A', 1, 9, false, 1)]
    #[case::statement_disabled('D', 0, 0, false, 1)]
    fn a_clone_is_as_its_parent(
        #[case] enabled: char,
        #[case] above: u32,
        #[case] below: u32,
        #[case] all: bool,
        #[case] broken: usize,
    ) {
        let (parent, child) = (node("1", "", ""), node("2", "1", "x"));
        let pair = Pair {
            child: &child,
            parent: &parent,
            detached: false,
        };
        let triggers = [
            on("1", Trigger::for_tests("refuse", above, 'A')),
            on("2", Trigger::for_tests("refuse", below, enabled)),
        ];
        assert_eq!(compare_triggers(&pair, &triggers, all).len(), broken);
    }

    #[rstest]
    #[case::row(1, false, false, 1)]
    #[case::statement(0, false, false, 0)]
    #[case::statement_asked_for(0, true, false, 1)]
    #[case::statement_detached(0, false, true, 1)]
    fn a_missing_trigger(
        #[case] kind: u32,
        #[case] all: bool,
        #[case] detached: bool,
        #[case] broken: usize,
    ) {
        let (parent, child) = (node("1", "", ""), node("2", "1", "x"));
        let pair = Pair {
            child: &child,
            parent: &parent,
            detached,
        };
        let triggers = [on("1", Trigger::for_tests("refuse", kind, 'A'))];
        assert_eq!(compare_triggers(&pair, &triggers, all).len(), broken);
    }
}
