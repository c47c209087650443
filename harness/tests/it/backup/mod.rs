//! Backups: where they lie, and how they are read.

mod base;
mod plain;
pub mod source;
