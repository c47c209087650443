//! What a review accepts: `[[rehearse.allow]]` against rules that were violated and changes that must be accepted.

use std::cell::Cell;

use super::changes::{Acceptance, ClusterChange, accepted_by};
use super::rules::Violation;
use super::settings::Rehearse;
use crate::outcome::{ChangeFacts, Finding};

/// The entries of a scenario, and which of them were needed.
pub(super) struct Review {
    accepted: Vec<(Acceptance, Cell<bool>)>,
}

/// Findings of a step.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// The verdict depends on them.
    pub(super) faults: Vec<Finding>,
    /// It does not.
    pub(super) advice: Vec<Finding>,
}

impl Review {
    pub(super) fn of(settings: &Rehearse) -> Self {
        let accepted = settings.allow.iter();
        let accepted = accepted.map(|one| {
            let acceptance = Acceptance::new(&one.change, &one.reason);
            (acceptance, Cell::new(false))
        });
        Self {
            accepted: accepted.collect(),
        }
    }

    /// Leaves out what is accepted.
    pub(super) fn split(&mut self, found: Vec<Violation>) -> Judged {
        let mut judged = Judged::default();
        for violation in found {
            let accepted = self
                .accepted
                .iter()
                .find(|(one, _)| one.change.matches(&violation.name));
            if let Some((_, needed)) = accepted {
                needed.set(true);
            } else if violation.rule.advice {
                judged.advice.push(violation.finding());
            } else {
                judged.faults.push(violation.finding());
            }
        }
        judged
    }

    /// The changes that must be accepted and are not.
    pub(super) fn unaccepted(&mut self, changes: &[ClusterChange]) -> Vec<Finding> {
        let mut found = Vec::new();
        for change in changes {
            let accepted = self
                .accepted
                .iter()
                .find(|(one, _)| one.change.matches(&change.name));
            if let Some((_, needed)) = accepted {
                needed.set(true);
                continue;
            }
            if !change.needs_acceptance() {
                continue;
            }
            let what = match (change.widens, change.loses) {
                (true, _) => "no role may do more than before, unless a review accepts it",
                (false, true) => "nothing is lost, unless a review accepts it",
                (false, false) => "every index can be used",
            };
            let hint = format!(
                "if it is intended: `[[rehearse.allow]]` with `change = \"{}\"` and the reason",
                change.name.replace('"', "\\\"")
            );
            let actual = match change.text.is_empty() {
                true => change.name.clone(),
                false => format!("{}: {}", change.name, change.text),
            };
            found.push(Finding::about(change.object.to_string(), what, actual).hint(hint));
        }
        found
    }

    /// Entries that nothing needed.
    pub(super) fn unused(&self) -> Vec<Finding> {
        let unused = self.accepted.iter().filter(|(_, needed)| !needed.get());
        let unused = unused.map(|(one, _)| {
            let name = one.change.text();
            Finding::new(
                "every entry of `[[rehearse.allow]]` accepts something",
                format!("nothing is named `{name}`"),
            )
            .hint("remove it, or correct the name")
        });
        unused.collect()
    }

    /// What reports say of a change.
    pub(super) fn facts(&self, change: &ClusterChange) -> ChangeFacts {
        let accepted = self.accepted.iter().map(|(one, _)| one.clone());
        let accepted: Vec<Acceptance> = accepted.collect();
        ChangeFacts {
            name: change.name.clone(),
            text: change.text.clone(),
            needs_review: change.needs_acceptance(),
            accepted: accepted_by(change, &accepted).map(|one| one.reason.clone()),
        }
    }
}
