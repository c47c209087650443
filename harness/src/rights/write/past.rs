//! Ways to write rows of a table that its policies hide.

use std::collections::BTreeSet;

use super::known::KnownRights;
use super::{WriteEntry, WriteEvent, WriteFacts, WritePath, WriteReach, write_targets};
use crate::rights::{Actor, Step};

/// The ways of a role to write rows of tables, by OID, past policies that do not apply to roles for which `exempt` holds:
/// by views, foreign keys, rules and triggers. Of code only what may change or remove rows counts, because triggers that
/// add a row to a log are everywhere. Functions that the role may call are left to [`ReadReach`](super::ReadReach).
#[must_use]
pub fn past_policies<'a>(
    facts: &'a WriteFacts,
    known: &'a KnownRights<'a>,
    (tables, exempt): (&BTreeSet<&str>, impl Fn(&str) -> bool),
    actor: &Actor<'_>,
    trusted: &BTreeSet<String>,
) -> Vec<WritePath<'a>> {
    let paths = |events: &[WriteEvent]| {
        WriteReach::new(facts, known, &write_targets(tables, events), trusted).paths(actor)
    };
    let mut found = paths(&[WriteEvent::Update, WriteEvent::Delete]);
    let inserts = paths(&[WriteEvent::Insert]).into_iter();
    found.extend(inserts.filter(|path| path.by_views));
    found.retain(|path| {
        let mut steps = path.path.steps.iter();
        matches!(path.entry, WriteEntry::Relation(..))
            && steps.any(|step| match step {
                // The server runs the action of a foreign key as the owner, whom no policy binds then.
                Step::Cascade { .. } => true,
                Step::View { owner, .. } => owner.as_deref().is_some_and(&exempt),
                Step::Rule { relation, .. } => {
                    let mut owners = facts
                        .with_name(relation)
                        .filter_map(|oid| facts.relations.get(oid));
                    owners.any(|one| exempt(&one.owner))
                }
                Step::Trigger { function, .. } => {
                    let mut functions = facts.functions.values();
                    functions.any(|one| one.show() == *function && exempt(&one.owner))
                }
                _ => false,
            })
    });
    found
}
