//! Effective rights: who may do what with which object, and by which path.
//!
//! The one place that judges this, as the server does: rights of the role itself, of PUBLIC (also by PostgreSQL's
//! defaults), of roles that it inherits from, of those that it can SET ROLE to or grant to itself by ADMIN OPTION, by
//! owning, and by the server's predefined roles.
//!
//! - `facts` is what rights follow from; `session` reads them from a server, [`catalog`](crate::catalog) has those of
//!   its own
//! - `write` finds indirect write paths: by views, foreign keys, rules, triggers and functions with the rights of another
//! - `settings` reads the settings kept for a role
//! - `path` finds which roles a role acts as and can become
//! - `effective` answers what a role may do with an object
//! - `class`, `entry` and `name` are how a scenario writes rights and objects

mod class;
mod effective;
mod entry;
mod facts;
mod name;
mod path;
mod session;
mod settings;
mod write;

pub use class::ObjectClass;
pub use effective::{Actor, HeldRight, OWNER};
pub use entry::{Privilege, Right};
pub use facts::{
    DATABASE_OWNER, Facts, GrantFacts, MembershipOptions, ObjectFacts, RoleFacts, Roles,
};
pub use name::{ObjectPattern, identifier_pattern, role_pattern};
pub use path::{AccessPath, Step};
#[cfg(test)]
pub(crate) use session::Answers;
pub use session::{Named, resolve_functions};
pub use settings::read_settings;
pub(crate) use write::Body;
pub use write::{
    Bound, CascadeFacts, FunctionFacts, KnownRights, ReadReach, RelationFacts, WriteEntry,
    WriteEvent, WriteFacts, WritePath, WriteReach, WriteTarget, find_bounds, past_policies,
    write_targets,
};
