//! Events of a drill as they happen; `progress.rs` shows them.

use std::time::Duration;

use crate::outcome::{Outcome, Stage, Step};
use crate::verdict::Verdict;

/// An event of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A drill began.
    Begun {
        /// Name of the scenario.
        scenario: String,
    },
    /// A stage began.
    Stage(Stage),
    /// Progress of the inspection.
    Inspected {
        /// Bytes, after decompression.
        bytes: u64,
    },
    /// Progress of the download.
    Fetched {
        /// Bytes.
        bytes: u64,
        /// Total bytes, where known.
        total: Option<u64>,
    },
    /// Progress of the restore.
    Restored {
        /// Bytes, after decompression.
        bytes: u64,
        /// Total bytes.
        total: u64,
    },
    /// Progress of the indexes and constraints that follow the rows.
    Built {
        /// How many are built.
        built: u64,
        /// How many are known so far.
        of: u64,
        /// Estimated work that is done.
        work: u64,
        /// Estimated work of all of them, in the same unit.
        total: u64,
    },
    /// Progress of the comparison with the database.
    Proven {
        /// Bytes of rows in the backup.
        bytes: u64,
        /// Bytes of all rows.
        total: u64,
    },
    /// Progress of writing a recovered table.
    Written {
        /// Bytes.
        bytes: u64,
    },
    /// A stage ended.
    StageEnded {
        /// The stage.
        stage: Stage,
        /// Its outcome.
        outcome: Outcome,
        /// One line.
        summary: String,
        /// Wall time.
        duration: Duration,
    },
    /// A step of a rehearsal began.
    Step(Step),
    /// A step of a rehearsal ended.
    StepEnded {
        /// The step.
        step: Step,
        /// Its outcome.
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
        /// Its outcome.
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
    /// A note for people, without effect on the result.
    Note(String),
}

/// Receives events, from several threads.
pub type Listener = std::sync::Arc<dyn Fn(Event) + Send + Sync>;
