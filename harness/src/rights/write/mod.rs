//! Indirect write paths: how a role writes a table by way of other objects, which act with other rights than its own.
//!
//! - `facts` is what they follow from, read in a session
//! - `body` is what the text of a function or rule may write
//! - `known` is the rights that they depend on
//! - `reach` finds what leads to a table, `held` which of it a role has
//! - `reads` finds what reads a table with the rights of another, `past` what writes rows that its policies hide
//! - `bound` finds the commands that the upper bound of a role does not allow

mod body;
mod bound;
mod facts;
mod held;
mod known;
mod past;
mod reach;
mod reads;

pub(crate) use body::Body;
pub use bound::{Bound, find_bounds};
pub use facts::{CascadeFacts, FunctionFacts, RelationFacts, WriteFacts};
pub use known::KnownRights;
pub use past::past_policies;
pub use reach::WriteReach;
pub use reads::ReadReach;

use std::collections::BTreeSet;

use super::{AccessPath, Step};
use crate::sql::QualifiedName;

/// A command that writes a relation, as triggers, rules and rights know it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum WriteEvent {
    /// INSERT.
    Insert,
    /// UPDATE of any column.
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

    /// Its bit in `pg_trigger.tgtype`.
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            Self::Insert => 1 << 2,
            Self::Delete => 1 << 3,
            Self::Update => 1 << 4,
            Self::Truncate => 1 << 5,
        }
    }

    /// Those of a mask such as `pg_trigger.tgtype`.
    pub fn of_bits(mask: u32) -> impl Iterator<Item = Self> {
        let all = Self::ALL.into_iter();
        all.filter(move |event| mask & event.bit() != 0)
    }

    /// `INSERT, UPDATE`.
    #[must_use]
    pub fn list(events: impl IntoIterator<Item = Self>) -> String {
        let words: Vec<&str> = events.into_iter().map(Self::word).collect();
        words.join(", ")
    }
}

/// A command on the relation with this OID.
pub type WriteTarget = (String, WriteEvent);

/// These commands on each of these tables.
#[must_use]
pub fn write_targets(tables: &BTreeSet<&str>, events: &[WriteEvent]) -> Vec<WriteTarget> {
    let tables = tables.iter();
    tables
        .flat_map(|oid| events.iter().map(|event| ((*oid).to_owned(), *event)))
        .collect()
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
    /// The command that it leads to; `None` where code may run any.
    pub target: Option<WriteTarget>,
    /// The foreign keys on the path, by their place in [`WriteFacts::cascades`].
    pub cascades: Vec<usize>,
    /// Whether it leads through code, which may or may not write the tables.
    pub by_code: bool,
    /// Whether it leads only through views that read one relation, and so is the right to write a row of the tables.
    pub by_views: bool,
}

impl WritePath<'_> {
    /// The SECURITY DEFINER functions that it leads through, with their argument types.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        let steps = self.path.steps.iter();
        steps.filter_map(|step| match step {
            Step::Function { function, .. } | Step::Trigger { function, .. } => {
                Some(function.as_str())
            }
            _ => None,
        })
    }
}

/// Whether a name in a body may be this one.
fn is_named(name: &QualifiedName, of: &QualifiedName) -> bool {
    name.name == of.name && (name.schema.is_empty() || name.schema == of.schema)
}
