//! Physical backups: a base backup of `pg_basebackup`, as a data folder or as tar files, and archived WAL.
//!
//! - `settings`: `[backup.base]`, `[backup.wal]`, `[recovery]`
//! - `files`: reads every file of a base backup, whatever form it has, and verifies it against the manifest
//! - `archive`: the WAL between its start and the target
//! - `inspect`: all of it, before any server
//! - `lay_out`: the data folder that a server recovers from

mod archive;
mod files;
mod inspect;
mod lay_out;
pub mod settings;

use std::path::PathBuf;

use basebackup::Lsn;
use basebackup::control::Control;
use basebackup::label::Label;
use jiff::Timestamp;

use files::Layout;
pub use inspect::inspect;
pub use lay_out::LaidOut;
use settings::Physical;

use super::packing::Keys;

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
    /// The same, as it was set.
    pub recovery: Physical,
    /// The WAL of its recovery.
    pub wal: Wal,
    /// The role to log in as; `None` where no superuser that may log in was found.
    pub superuser: Option<String>,
    /// What its own files of settings set, by name.
    pub configured: Vec<(String, String)>,
    /// Pages whose checksum was verified; `None` where they have none.
    pub verified_pages: Option<u64>,
    /// Where its files are.
    pub source: Files,
}

/// Where the files of a base backup are, to read them again.
#[derive(Debug, Clone)]
pub struct Files {
    layout: Layout,
    keys: Keys,
    /// OIDs of its tablespaces.
    tablespaces: Vec<u32>,
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
    /// Whether the target was found in it; otherwise it was read to its end.
    pub stops: bool,
    /// Transactions that were committed between the start and the target.
    pub commits: u64,
    /// The times of the first and the last of them.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Restore points on the way.
    pub restore_points: Vec<String>,
    /// Name and place of each segment and history that the recovery reads.
    pub files: Vec<(String, PathBuf)>,
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
