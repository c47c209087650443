//! Rehearsals of migrations on real servers.

mod changes;
mod observe;
