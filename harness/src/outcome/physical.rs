//! Facts of a base backup and its WAL, for reports.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::units::{show_bytes, show_counted};

/// A base backup, and the WAL up to the target of its recovery. The record of a kept server has it as it is here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysicalFacts {
    /// The cluster, as `pg_control` names it.
    pub system_identifier: String,
    /// Number of files, without WAL.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of tablespaces.
    pub tablespaces: u64,
    /// Whether data pages have checksums.
    pub checksums: bool,
    /// Whether a manifest lists the files.
    pub manifest: bool,
    /// The timeline that the recovery ends on.
    pub timeline: u32,
    /// The LSN at which it begins.
    pub start: String,
    /// The LSN at which the backup becomes consistent; `None` where the WAL ends before.
    pub consistent: Option<String>,
    /// The LSN up to which the WAL was read: its end, or the target.
    pub end: String,
    /// Number of segments of WAL.
    pub segments: u64,
    /// Their bytes.
    pub wal_bytes: u64,
    /// Number of transactions that were committed in this WAL.
    pub commits: u64,
    /// Times of the first and the last of them.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Names of restore points in this WAL.
    pub restore_points: Vec<String>,
    /// The target of the recovery.
    pub target: String,
    /// What was fetched; `None` where nothing was.
    pub fetch: Option<FetchFacts>,
    /// The backups that it consists of; `None` where it is a full backup.
    pub chain: Option<ChainFacts>,
}

/// The full backup and the incremental ones that are restored as one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainFacts {
    /// Each of them, the full one first.
    pub backups: Vec<ChainedBackupFacts>,
    /// Pages that none of them has, because the server never wrote them: zeros.
    pub absent_pages: u64,
}

/// One backup of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedBackupFacts {
    /// The name of its folder, or its path where the scenario lists it.
    pub name: String,
    /// The LSN at which it starts.
    pub start: String,
    /// The timeline of that LSN.
    pub timeline: u32,
    /// The time of its start, as its label has it: `2026-11-24 20:35:30 UTC`.
    pub time: String,
    /// Bytes as stored.
    pub bytes: u64,
}

/// What was fetched of a physical backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchFacts {
    /// Time of the command that wrote the base backup; `None` without one.
    pub base: Option<Duration>,
    /// Time of all requests for WAL; `None` where it is on this machine.
    pub wal: Option<Duration>,
    /// Number of files of WAL that were fetched.
    pub wal_files: u64,
    /// Program and arguments that gave them, without secrets, or `s3://bucket/prefix`.
    pub wal_origin: Option<String>,
    /// Whether commands fetched it, and the kernel kept them from writing elsewhere on this machine.
    pub confined: bool,
}

impl PhysicalFacts {
    /// `the end of the WAL, with transactions up to 2026-11-24T20:35:30Z`.
    #[must_use]
    pub fn recovered_to(&self) -> String {
        match self.times {
            Some((_, last)) => format!("{}, with transactions up to {last}", self.target),
            None => format!(
                "{}, without a transaction after the base backup",
                self.target
            ),
        }
    }

    /// `1 204 files of 46 MiB, 5 segments of WAL`.
    #[must_use]
    pub fn contents(&self) -> String {
        format!(
            "{} of {}, {} of WAL",
            show_counted(self.files, "file"),
            show_bytes(self.bytes),
            show_counted(self.segments, "segment")
        )
    }
}
