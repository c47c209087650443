//! Physical backups: a base backup of `pg_basebackup`, as a data folder or as tar files, and archived WAL.
//!
//! - `settings`: `[backup.base]`, `[backup.wal]`, `[recovery]`; `validate`: what is wrong with the first two
//! - `tool`: `[backup.pgbackrest]`, `[backup.barman]`
//! - `files`: reads every file of a base backup, whatever form it has; `verifying`: compares it with the manifest
//! - `chain`: a full backup and incremental ones, read as the backup that they make
//! - `identity`: manifest and digest, and what must agree in the files of one backup
//! - `segments`: archived WAL in folders, in a bucket, or given by a command
//! - `bucket`: lists and fetches; `asked`: what a command was asked for, `fetch`: runs it
//! - `archive`: the WAL between its start and the target
//! - `inspect`: all of it, before any server
//! - `lay_out`: the data folder that a server recovers from

mod archive;
mod asked;
mod bucket;
mod chain;
mod fetch;
mod files;
mod identity;
mod inspect;
mod lay_out;
mod segments;
pub mod settings;
pub mod tool;
mod validate;
mod verifying;

use std::path::PathBuf;
use std::time::Duration;

use basebackup::Lsn;
use basebackup::control::Control;
use basebackup::label::Label;
use jiff::Timestamp;

pub use bucket::WalStorage;
pub use fetch::Fetcher;
use files::Layout;
pub use files::is_base_backup;
pub use inspect::{Further, inspect};
pub use lay_out::LaidOut;
pub use segments::Fetched;
use settings::Physical;
pub use validate::validate;

use super::packing::Keys;

use crate::outcome::{ChainFacts, FetchFacts, PhysicalFacts};

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
    /// How long the command ran that wrote it; `None` without one.
    pub fetched_in: Option<Duration>,
    /// Whether a command fetched something, and the kernel kept it from writing elsewhere on this machine.
    pub is_confined: bool,
    /// The backups that it consists of, where it is incremental.
    pub chain: Option<ChainFacts>,
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
    /// What a command or a bucket gave of it; `None` without one.
    pub fetched: Option<Fetched>,
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
            fetch: self.fetch_facts(),
            chain: self.chain.clone(),
        }
    }

    fn fetch_facts(&self) -> Option<FetchFacts> {
        let fetched = self.wal.fetched.as_ref();
        if self.fetched_in.is_none() && fetched.is_none() {
            return None;
        }
        Some(FetchFacts {
            base: self.fetched_in,
            wal: fetched.map(|wal| wal.duration),
            wal_files: fetched.map_or(0, |wal| wal.files),
            wal_origin: fetched.map(|wal| wal.origin.clone()),
            confined: self.is_confined,
        })
    }
}
