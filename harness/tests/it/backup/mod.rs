//! Backups: where they lie, and how they are read.

mod plain;
pub mod source;
