//! The commands on a table that the upper bound of a role does not allow.

use super::known::right;
use super::{RelationFacts, WriteEvent, WriteFacts, WriteTarget};
use crate::rights::{Actor, Facts, ObjectClass, ObjectFacts, Right};

/// A table that entries name without a pattern, and what they do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The table.
    pub table: &'a RelationFacts,
    /// The commands on it that the entries allow.
    pub allowed: Vec<WriteEvent>,
    /// The commands on it and on its partitions and children that no entry allows and the role has no right to.
    pub targets: Vec<WriteTarget>,
}

/// Finds the bounds of a role: which commands no entry of `allowed` allows on the tables that an entry of `bounding` names
/// without a pattern. A right on columns counts as the right.
#[must_use]
pub fn find_bounds<'a>(
    writes: &'a WriteFacts,
    facts: &Facts,
    actor: &Actor<'_>,
    bounding: &[&Right],
    allowed: &[&Right],
) -> Vec<Bound<'a>> {
    let tables = || {
        let all = facts.objects.iter();
        all.filter(|object| object.class == ObjectClass::Table)
    };
    let allows = |object: &ObjectFacts, event: &WriteEvent| {
        let mut covering = allowed.iter().filter(|entry| entry.covers(object));
        covering.any(|entry| entry.allows_command(event.word()))
    };
    let named = tables().filter(|object| bounding.iter().any(|entry| entry.mentions(object)));
    let bounds = named.filter_map(|object| {
        let table = writes
            .relations
            .get(&object.id)
            .filter(|one| !one.is_view)?;
        let tree = writes.tree(&object.id);
        let tree = || tables().filter(|part| tree.contains(part.id.as_str()));
        // A right on a table is one on its partitions too; one beyond the bound is reported as such.
        let has = |part: &ObjectFacts, event: &WriteEvent| {
            allows(part, event) || right(actor, part, event.word()).is_some()
        };
        let closed = WriteEvent::ALL
            .into_iter()
            .filter(|event| !has(object, event));
        let closed = closed.flat_map(|event| {
            let parts = tree().filter(move |part| !has(part, &event));
            parts.map(move |part| (part.id.clone(), event))
        });
        let targets: Vec<WriteTarget> = closed.collect();
        let allowed = WriteEvent::ALL.into_iter();
        Some(Bound {
            table,
            allowed: allowed.filter(|event| allows(object, event)).collect(),
            targets,
        })
    });
    bounds.filter(|bound| !bound.targets.is_empty()).collect()
}
