//! Physical backups: a base backup of `pg_basebackup`, as a data folder or as tar files, and archived WAL.
//!
//! - `settings`: `[backup.base]`, `[backup.wal]`, `[recovery]`
//! - `files`: reads every file of a base backup, whatever form it has, and verifies it against the manifest
//! - `archive`: the WAL between its start and the target
//! - `inspect`: all of it, before any server

mod archive;
mod files;
mod inspect;
pub mod settings;

use basebackup::Lsn;
use basebackup::control::Control;
use basebackup::label::Label;
use jiff::Timestamp;

pub use inspect::inspect;

use crate::outcome::PhysicalFacts;

/// A physical backup that was read to its end, with the WAL that its recovery needs.
#[derive(Debug, Clone)]
pub struct BaseBackup {
    /// What `pg_control` says.
    pub control: Control,
    /// What `backup_label` says.
    pub label: Label,
    /// Major version of the server that it was taken from.
    pub major: u32,
    /// Files and bytes of the data folder, without WAL.
    pub files: (u64, u64),
    /// Number of tablespaces.
    pub tablespaces: u64,
    /// Whether a manifest lists its files.
    pub has_manifest: bool,
    /// The target of its recovery.
    pub target: String,
    /// The WAL of its recovery.
    pub wal: Wal,
}

/// The WAL that a recovery reads, and what is in it.
#[derive(Debug, Clone, Default)]
pub struct Wal {
    /// Number of segments.
    pub segments: u64,
    /// Bytes of the segments once they are decompressed.
    pub bytes: u64,
    /// The timeline that the recovery ends on.
    pub timeline: u32,
    /// Where the backup becomes consistent.
    pub consistent: Option<Lsn>,
    /// The byte after the last record that was read.
    pub end: Lsn,
    /// Transactions that were committed between the start and the target.
    pub commits: u64,
    /// The times of the first and the last of them.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Restore points on the way.
    pub restore_points: Vec<String>,
}

impl BaseBackup {
    /// The facts for reports.
    #[must_use]
    pub fn facts(&self) -> PhysicalFacts {
        let wal = &self.wal;
        PhysicalFacts {
            system_identifier: self.control.system_identifier.to_string(),
            files: self.files.0,
            bytes: self.files.1,
            tablespaces: self.tablespaces,
            checksums: self.control.checksums,
            manifest: self.has_manifest,
            timeline: wal.timeline,
            start: self.label.start.to_string(),
            consistent: wal.consistent.map(|lsn| lsn.to_string()),
            end: wal.end.to_string(),
            segments: wal.segments,
            wal_bytes: wal.bytes,
            commits: wal.commits,
            times: wal.times,
            restore_points: wal.restore_points.clone(),
            target: self.target.clone(),
        }
    }
}
