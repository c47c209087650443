//! Outcomes, findings, and the one value that a drill results in.
//!
//! Reports are pure functions of [`DrillResult`] and its [`Verdict`](crate::verdict::Verdict).
//! The shape of reports belongs to `report/json.rs`: what derives `Serialize` here is for records that no other program reads.

mod conduct;
mod delivery;
mod evidence;
mod facts;
mod finding;
mod physical;
mod provenance;
mod recovery;
mod rehearsal;
mod result;
mod waiver;

pub use conduct::{CheckConduct, RoleConduct, Tried};
pub use delivery::{Delivery, DeliveryEnd};
pub use evidence::{Evidence, Refusal, Since};
pub use facts::{
    BackupFacts, Before, CandidateFacts, CompanionFacts, EffectiveSettings, ExplainedChange,
    ExtensionFacts, InputFacts, Inspection, Measure, Objective, PartFacts, Phase, Picked,
    ProofFacts, RestoreFacts, RestoreStep, ScenarioFacts, ServerFacts, TableHeld, TableRows,
    TimeSource, Tolerated, UpgradeFacts, UpgradeStep, Values,
};
pub use finding::{CouldNotRun, Finding, NotTested, Outcome, summarize};
pub use physical::{ChainFacts, ChainedBackupFacts, FetchFacts, PhysicalFacts};
pub use provenance::{Actor, CiFacts, Provenance};
pub use recovery::{CanaryFacts, ClusterFacts, RecoveryFacts};
pub use rehearsal::{
    ChangeFacts, CheckAfter, KeptServerFacts, LockFacts, MigrationFacts, OneMigrationFacts,
    RehearsalResult, StatementFacts, Step, StepResult, TableFacts,
};
pub use result::{CheckResult, DrillResult, Stage, StageResult};
pub use waiver::{WaiverFacts, WaiverState};
