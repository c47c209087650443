//! Rehearsals of migrations on real servers.

mod again;
mod changes;
mod dangers;
mod input;
mod observe;
pub mod release;
