//! What a review accepts: `[[rehearse.allow]]` against rules that were violated and changes that must be accepted.

use super::changes::{ClusterChange, accepted_by, unused};
use super::rules::Violation;
use super::settings::{Allow, Rehearse};
use crate::outcome::{ChangeFacts, Finding};

/// The entries of a scenario, and the names that they were compared with.
pub(super) struct Review<'a> {
    allow: &'a [Allow],
    names: Vec<String>,
}

/// Findings of a step.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// The verdict depends on them.
    pub(super) faults: Vec<Finding>,
    /// It does not.
    pub(super) advice: Vec<Finding>,
}

impl<'a> Review<'a> {
    pub(super) const fn of(settings: &'a Rehearse) -> Self {
        Self {
            allow: settings.allow.as_slice(),
            names: Vec::new(),
        }
    }

    /// Whether an entry accepts what has this name.
    fn accepts(&mut self, name: &str) -> bool {
        self.names.push(name.to_owned());
        accepted_by(name, self.allow).is_some()
    }

    /// Leaves out what is accepted.
    pub(super) fn split(&mut self, found: Vec<Violation>) -> Judged {
        let mut judged = Judged::default();
        for violation in found {
            if self.accepts(&violation.name) {
                continue;
            }
            match violation.rule.advice {
                true => judged.advice.push(violation.finding()),
                false => judged.faults.push(violation.finding()),
            }
        }
        judged
    }

    /// The changes that must be accepted and are not.
    pub(super) fn unaccepted(&mut self, changes: &[ClusterChange]) -> Vec<Finding> {
        let mut found = Vec::new();
        for change in changes {
            if self.accepts(&change.name) || !change.needs_acceptance() {
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
            let actual = described(change);
            found.push(Finding::about(change.object.to_string(), what, actual).hint(hint));
        }
        found
    }

    /// Entries that accept nothing.
    pub(super) fn unused(&self) -> Vec<Finding> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let unused = unused(&names, self.allow).into_iter().map(|one| {
            Finding::new(
                "every entry of `[[rehearse.allow]]` accepts something",
                format!("nothing is named `{}`", one.change),
            )
            .hint("remove it, or correct the name")
        });
        unused.collect()
    }

    /// What reports say of a change.
    pub(super) fn facts(&self, change: &ClusterChange) -> ChangeFacts {
        ChangeFacts {
            name: change.name.clone(),
            text: change.text.clone(),
            needs_review: change.needs_acceptance(),
            accepted: accepted_by(&change.name, self.allow).map(|one| one.reason.clone()),
        }
    }
}

/// A change in one line.
pub(super) fn described(change: &ClusterChange) -> String {
    match change.text.is_empty() {
        true => change.name.clone(),
        false => format!("{}: {}", change.name, change.text),
    }
}
