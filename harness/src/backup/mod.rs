//! Where a backup lies → a local, inspected [`Backup`], before any server.
//!
//! - `source/`: where it lies, one source a file
//! - `format/`: what it is, one format a file
//! - `settings`: what a scenario says of it
//! - `inspect`: one streaming pass: digest, completeness, contents

pub mod contents;
pub mod format;
pub mod gather;
pub mod inspect;
pub mod settings;
pub mod source;

use std::path::PathBuf;

use jiff::Timestamp;

pub use contents::Contents;

use crate::outcome::{BackupFacts, Finding, TimeSource};

/// A backup file that was looked at from its first byte to its last.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// How it was chosen.
    pub chosen: String,
    /// What it is.
    pub format: format::Format,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes after decompression.
    pub uncompressed_bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// When it was made.
    pub made: Option<(Timestamp, TimeSource)>,
    /// What it holds.
    pub contents: Contents,
    /// What makes it no whole backup; empty for a good one.
    pub problems: Vec<Finding>,
    /// What is odd about it and does not matter.
    pub warnings: Vec<Finding>,
}

impl Backup {
    /// The facts for reports.
    #[must_use]
    pub fn facts(&self) -> BackupFacts {
        let contents = &self.contents;
        BackupFacts {
            path: self.path.clone(),
            chosen: self.chosen.clone(),
            format: self.format.to_string(),
            bytes: self.bytes,
            uncompressed_bytes: self
                .format
                .is_compressed()
                .then_some(self.uncompressed_bytes),
            sha256: self.sha256.clone(),
            made: self.made,
            source_version: contents.source_version.clone(),
            dump_version: contents.dump_version.clone(),
            databases: contents.databases(),
            extensions: contents.extensions.clone(),
            roles: contents.roles.clone(),
            tables: contents.rows.len() as u64,
            rows: contents.rows.values().map(|rows| rows.count).sum(),
            large_objects: contents.large_objects,
            not_held: contents.not_held(),
        }
    }
}
