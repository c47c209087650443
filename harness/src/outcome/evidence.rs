//! Where a drill is recorded, and the one before it; what a log of drills may refuse.

use jiff::Timestamp;

/// The entry of a drill or a rehearsal in the log of its [state](super::DrillResult::state). The record itself cannot contain it: the entry is made of its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Number of the entry, from 0.
    pub entry: u64,
    /// SHA-256 of the record, in hex.
    pub record_sha256: String,
    /// The checkpoint of the log with this entry: origin, size and root.
    pub checkpoint: String,
    /// Fingerprint of the key that signed both; `None` where nobody did.
    pub key: Option<String>,
}

/// What changed since the last drill of the same scenario in the same log, with the same selection of checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// Number of its entry, from 0.
    pub entry: u64,
    /// When it began.
    pub began: Timestamp,
    /// What changed, one line each; empty where nothing did that the log has.
    pub changes: Vec<String>,
}

/// Why a gate is closed, in the order in which they decide the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The log was changed.
    NotVerified,
    /// There is no drill.
    NotDrilled,
    /// The newest drill proves nothing.
    NotProven,
    /// It is too old, or its time is not plausible.
    TooOld,
    /// It did not check what is asked for.
    NotCovered,
    /// The release was not rehearsed, or is not safe.
    NotRehearsed,
}
