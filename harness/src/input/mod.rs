//! Reads files that people write: TOML with all errors reported at once, secrets that are never written
//! in a file, patterns for tables, diagnostics with carets.

pub mod decode;
pub mod diagnostic;
pub mod program;
pub mod secret;
pub mod table;
pub mod tables;

use std::collections::BTreeMap;

pub use diagnostic::{Diagnostics, Problem};

/// Environment variables, as read by `cli.rs`.
pub type Environment = BTreeMap<String, String>;
