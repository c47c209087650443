//! Indirect write paths: how a role writes a table by way of other objects, which act with other rights than its own.
//!
//! - `facts` is what they follow from, read in a session
//! - `body` is what the text of a function or rule may write
//! - `reach` finds what leads to a table, and by which steps a role has it

mod body;
mod facts;
mod reach;

pub use facts::{CascadeFacts, FunctionFacts, RelationFacts, WriteFacts};
pub use reach::WriteReach;

use super::{AccessPath, Actor, OWNER, ObjectFacts};
use crate::sql::QualifiedName;

/// A command that writes a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteEvent {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
}

impl WriteEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Insert, Self::Update, Self::Delete, Self::Truncate];

    /// The command, and the right that it needs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
        }
    }

    /// Its bit in `pg_relation_is_updatable`; that of TRUNCATE in `pg_trigger.tgtype`.
    const fn bit(self) -> u32 {
        match self {
            Self::Update => 4,
            Self::Insert => 8,
            Self::Delete => 16,
            Self::Truncate => 32,
        }
    }
}

/// Where a write path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteEntry<'a> {
    /// A command on a relation.
    Relation(&'a RelationFacts, WriteEvent),
    /// The call of a function.
    Function(&'a FunctionFacts),
}

/// A way by which a role may change the tables indirectly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritePath<'a> {
    /// Where it begins.
    pub entry: WriteEntry<'a>,
    /// How the role has the right there, and what it leads through.
    pub path: AccessPath,
    /// The foreign keys on the path, by their place in [`WriteFacts::cascades`].
    pub cascades: Vec<usize>,
    /// Whether it leads through code, which may or may not write the tables.
    pub by_code: bool,
    /// Whether it leads only through views that read one relation, and so is the right to write a row of the tables.
    pub by_views: bool,
}

/// How a role has a right on an object, or owns it; without SET ROLE where that is possible.
fn right(actor: &Actor<'_>, object: &ObjectFacts, privilege: &str) -> Option<AccessPath> {
    let held = actor.rights_on(object).into_iter();
    let held = held.filter(|held| held.privilege == privilege || held.privilege == OWNER);
    held.map(|held| held.path)
        .min_by_key(|path| (!path.is_at_once(), path.steps.len()))
}

/// Whether a name in a body may be this one.
fn is_named(name: &QualifiedName, of: &QualifiedName) -> bool {
    name.name == of.name && (name.schema.is_empty() || name.schema == of.schema)
}
