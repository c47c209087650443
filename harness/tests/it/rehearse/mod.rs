//! Rehearsals of migrations on real servers.

mod again;
mod changes;
mod conduct;
mod dangers;
mod input;
mod kept;
mod observe;
mod pipelines;
pub mod release;
mod systems;
mod tools;
