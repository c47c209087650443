//! Rehearses a release: runs its migrations on copies of the restored cluster, and says what they do to it.
//!
//! - `observe`: stands between the migration tool and the server: its statements, and the locks that they take
//! - `changes`: what differs between the cluster before and after

pub mod changes;
mod locks;
pub mod observe;
mod probe;
pub mod rules;
pub mod settings;
mod work;
