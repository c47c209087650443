//! What happened, as it happens: the drill tells, `progress.rs` shows.

use std::time::Duration;

use crate::outcome::{Outcome, Stage};
use crate::verdict::Verdict;

/// Something that happened in a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A drill began.
    Begun {
        /// Name of the scenario.
        scenario: String,
    },
    /// A stage began.
    Stage(Stage),
    /// So much of the backup has been looked at.
    Inspected {
        /// Bytes, after decompression.
        bytes: u64,
    },
    /// So much of the backup has been fetched from where it lies.
    Fetched {
        /// Bytes.
        bytes: u64,
        /// Bytes in all, where they are known.
        total: Option<u64>,
    },
    /// So much of the backup has been taken by the restore.
    Restored {
        /// Bytes, after decompression.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// So much of the backup was found in the database again, or looked for there.
    Proven {
        /// Bytes of rows in the backup.
        bytes: u64,
        /// Bytes of all rows.
        total: u64,
    },
    /// So much of a recovered table has been written.
    Written {
        /// Bytes.
        bytes: u64,
    },
    /// A stage ended.
    StageEnded {
        /// Which.
        stage: Stage,
        /// How.
        outcome: Outcome,
        /// One line.
        summary: String,
        /// Wall time.
        duration: Duration,
    },
    /// A check began.
    Check {
        /// Its id.
        id: String,
    },
    /// A check ended.
    CheckEnded {
        /// Its id.
        id: String,
        /// How.
        outcome: Outcome,
        /// Wall time.
        duration: Duration,
    },
    /// A drill ended.
    Ended {
        /// Name of the scenario.
        scenario: String,
        /// Its verdict.
        verdict: Verdict,
    },
    /// Something that a person should know and that changes nothing.
    Note(String),
}

/// Takes events. Called from several threads.
pub type Listener = std::sync::Arc<dyn Fn(Event) + Send + Sync>;
