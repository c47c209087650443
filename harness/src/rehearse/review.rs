//! What a review accepts: `[[rehearse.allow]]` against rules that were violated and changes that must be accepted.

use super::changes::{ChangeClass, ClusterChange, accepted_by, unused};
use super::rules::Violation;
use super::settings::{Allow, Rehearse, history};
use crate::check::schema_version::tool::is_replaced_history;
use crate::outcome::{ChangeFacts, Finding};
use crate::sql::quote_ident;

/// The entries of a scenario, and the names that they were compared with.
pub(super) struct Review<'a> {
    settings: &'a Rehearse,
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
            settings,
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

    /// Whether a change must be accepted: it widens rights, loses something, or takes from the old application what it uses. Rows of
    /// the tool's own history are its own affair.
    pub(super) fn needs(&self, change: &ClusterChange) -> bool {
        let of_history = || {
            let table = change.object.qualified_name();
            table.is_some_and(|table| history(self.settings).contains(&table))
        };
        // Known tools that replace their only row.
        let of_newest_only = || {
            let table = change.object.qualified_name();
            table.is_some_and(|table| is_replaced_history(&table))
        };
        match change.class {
            ChangeClass::Rows { .. } | ChangeClass::Emptied if of_history() => false,
            ChangeClass::Rows { before, after, .. } if after >= before && of_newest_only() => false,
            ChangeClass::Renamed => self.settings.old_application,
            ChangeClass::RightNarrower => {
                let mut roles = self.settings.application.iter();
                roles.any(|role| {
                    change
                        .name
                        .ends_with(&format!(" from {}", quote_ident(role)))
                })
            }
            _ => change.needs_acceptance(),
        }
    }

    /// The changes that must be accepted and are not.
    pub(super) fn unaccepted(&mut self, changes: &[ClusterChange]) -> Vec<Finding> {
        let mut found = Vec::new();
        for change in changes {
            if self.accepts(&change.name) || !self.needs(change) {
                continue;
            }
            let what = match (change.widens, change.loses) {
                (true, _) => "no role may do more than before, unless a review accepts it",
                (false, true) => "nothing is lost, unless a review accepts it",
                (false, false) if change.class == ChangeClass::IndexInvalid => {
                    "every index can be used"
                }
                (false, false) => {
                    "the old application finds what it uses, unless a review accepts it"
                }
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
            needs_review: self.needs(change),
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
