//! Changes that a scenario accepts by their names.

use super::ClusterChange;
use crate::sql::Glob;

/// A change that is accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The name of the change, or a pattern: `drop column app.account.legacy`, `drop table app.old_*`.
    pub change: Glob,
    /// The reason, for the reports.
    pub reason: String,
}

impl Acceptance {
    /// Takes a pattern: letters outside double quotes are folded to lower case, blanks to one space.
    #[must_use]
    pub fn new(change: &str, reason: &str) -> Self {
        let mut quoted = false;
        let mut text = String::with_capacity(change.len());
        for c in change.trim().chars() {
            quoted ^= c == '"';
            match c {
                c if quoted => text.push(c),
                c if c.is_whitespace() => {
                    if !text.ends_with(' ') {
                        text.push(' ');
                    }
                }
                c => text.push(c.to_ascii_lowercase()),
            }
        }
        Self {
            change: Glob::new(&text),
            reason: reason.to_owned(),
        }
    }
}

/// The first acceptance that matches a change.
#[must_use]
pub fn accepted_by<'a>(
    change: &ClusterChange,
    accepted: &'a [Acceptance],
) -> Option<&'a Acceptance> {
    let mut all = accepted.iter();
    all.find(|one| one.change.matches(&change.name))
}

/// The acceptances that match no change.
#[must_use]
pub fn unused<'a>(changes: &[ClusterChange], accepted: &'a [Acceptance]) -> Vec<&'a Acceptance> {
    let matches = |one: &Acceptance| {
        let mut changes = changes.iter();
        changes.any(|change| one.change.matches(&change.name))
    };
    accepted.iter().filter(|one| !matches(one)).collect()
}
