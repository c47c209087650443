//! What people write, read with the place of every mistake: TOML that reports all its mistakes at
//! once, secrets that never stand in a file, patterns for tables, carets.

pub mod decode;
pub mod diagnostic;
pub mod secret;
pub mod tables;

use std::collections::BTreeMap;

pub use diagnostic::{Diagnostics, Problem};

/// The environment, as `cli.rs` read it.
pub type Environment = BTreeMap<String, String>;
