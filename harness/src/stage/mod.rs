//! The stages. Each returns a value for the next one, facts for the reports, a one-line summary and
//! findings.
//!
//! - `backup`, `server`, `restore`: these stages; proof and teardown are short and here

mod backup;
mod restore;
mod server;

use std::time::Duration;

use crate::check::counts::Counts;
use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{
    BackupFacts, CouldNotRun, Finding, Outcome, ProofFacts, RestoreFacts, ServerFacts, Stage,
};
use crate::pipeline::Cluster;
use crate::process;
use crate::proof::physical::{self, Recovered};
use crate::proof::{self, settings::Level};
use crate::restore::RestoreLog;
use crate::restore::settings::Restore;
use crate::scenario::Scenario;
use crate::server::Servers;
use crate::upgrade::{UpgradeRehearsal, rehearse_upgrade};
pub use backup::{backup, judged};
pub use restore::restore;
pub use server::{server, unfit, wanted};

/// How long the teardown may take before it is reported as failed.
const TEARDOWN_WITHIN: Duration = Duration::from_secs(60);

/// The result of a stage that passed.
#[derive(Debug)]
pub struct Passed<T> {
    /// Input of the next stage.
    pub value: T,
    /// One line for reports.
    pub summary: String,
    /// Warnings, which do not affect the outcome.
    pub warnings: Vec<Finding>,
}

/// Why a stage did not pass.
#[derive(Debug, Clone)]
pub enum Stopped {
    /// The backup is at fault.
    Failed {
        /// One line for reports.
        summary: String,
        /// The faults.
        findings: Vec<Finding>,
    },
    /// It could not run.
    CouldNotRun {
        /// The reason and a hint.
        error: CouldNotRun,
        /// Each cause, where there are several.
        findings: Vec<Finding>,
    },
}

/// Facts for the reports, whether the stage passed or not.
#[derive(Debug, Default)]
pub struct Facts {
    /// The backup.
    pub backup: Option<BackupFacts>,
    /// The server.
    pub server: Option<ServerFacts>,
    /// The others, by name, where parts of the backup name several.
    pub other_servers: Vec<(String, ServerFacts)>,
    /// The restore.
    pub restore: Option<RestoreFacts>,
    /// The proof.
    pub proof: Option<ProofFacts>,
}

/// The result of a stage and its facts.
pub type Staged<T> = (Facts, Result<Passed<T>, Stopped>);

impl<T> Passed<T> {
    fn new(value: T, summary: impl Into<String>) -> Self {
        Self {
            value,
            summary: summary.into(),
            warnings: Vec::new(),
        }
    }
}

impl Stopped {
    /// The backup is at fault.
    #[must_use]
    pub fn failed(summary: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self::Failed {
            summary: summary.into(),
            findings,
        }
    }

    /// It could not run, for several causes.
    #[must_use]
    pub fn could_not_run(reason: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self::CouldNotRun {
            error: CouldNotRun::new(reason),
            findings,
        }
    }

    /// One line for reports.
    #[must_use]
    pub fn summary(&self) -> &str {
        match self {
            Self::Failed { summary, .. } => summary,
            Self::CouldNotRun { error, .. } => &error.reason,
        }
    }

    /// The outcome of the stage.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Failed { .. } => Outcome::Fail,
            Self::CouldNotRun { error, .. } => Outcome::Error(error.clone()),
        }
    }
}

impl From<CouldNotRun> for Stopped {
    fn from(error: CouldNotRun) -> Self {
        Self::CouldNotRun {
            error,
            findings: Vec::new(),
        }
    }
}

/// The reason for skipping a proof that the scenario or `--only` switches off.
#[must_use]
pub const fn proof_off(of_selected_checks: bool) -> &'static str {
    match of_selected_checks {
        false => {
            "the scenario sets `proof = \"off\"`, so the database is not compared with the backup"
        }
        true => {
            "`--only` restores the rows that the selected checks need, so the database is not compared with the backup"
        }
    }
}

/// The statement that a stage proves when it passes; that of the proof depends on its level.
#[must_use]
pub const fn title(stage: Stage, proof: Level) -> &'static str {
    match (stage, proof) {
        (Stage::Backup, _) => "the backup file is complete",
        (Stage::Server, _) => "the server fits the backup",
        (Stage::Restore, _) => "it restores without an error",
        (Stage::Proof, Level::Off) => "the database is compared with the backup",
        (Stage::Proof, Level::Objects) => "every object of the backup is in the database",
        (Stage::Proof, Level::Counts) => {
            "every object of the backup is in the database, and as many rows"
        }
        (Stage::Proof, Level::Full) => "every row of the backup is in the database",
        (Stage::Teardown, _) => "nothing is left running",
    }
}

/// The same, of a base backup.
#[must_use]
pub const fn title_of_recovery(stage: Stage, proof: Level) -> &'static str {
    match (stage, proof) {
        (Stage::Restore, _) => "it recovers to its target",
        (Stage::Proof, Level::Objects) => "the catalogs of the recovered cluster agree",
        (Stage::Proof, Level::Counts) => {
            "the catalogs of the recovered cluster agree, and its rows can be counted"
        }
        (Stage::Proof, Level::Full) => {
            "every row of the recovered cluster can be read, and its indexes agree with its tables"
        }
        _ => title(stage, proof),
    }
}

/// Whether the verdict depends on a stage.
#[must_use]
pub fn is_required(stage: Stage, proof: Level) -> bool {
    stage != Stage::Proof || proof != Level::Off
}

/// Compares the database with the backup, and rehearses an upgrade that the scenario asks for; returns the numbers of rows.
pub async fn proof(
    scenario: &Scenario,
    clusters: &[Cluster<'_>],
    log: &RestoreLog,
    (settings, context): (&Restore, &Context),
    rehearsal: Option<UpgradeRehearsal<'_>>,
) -> Staged<Counts> {
    let level = scenario.proof;
    let proven = async {
        let mut whole: Option<proof::Proof> = None;
        for one in clusters {
            let (server, backup, listener) = (one.server, &one.backup, &context.listener);
            let proof = match &backup.physical {
                Some(base) => {
                    let recovered = Recovered {
                        server,
                        base,
                        databases: &one.databases,
                        pitr: scenario.pitr.as_ref(),
                        has_baseline: scenario.checks.iter().any(|check| check.kind == "baseline"),
                        collations: log
                            .facts
                            .recovery
                            .as_ref()
                            .map_or(&[][..], |recovery| recovery.collations.as_slice()),
                    };
                    physical::prove(&recovered, level).await
                }
                None => proof::prove(server, backup, settings, log, level, listener).await,
            };
            let proof = proof.map_err(|error| of_server(one.name, error))?;
            match &mut whole {
                None => whole = Some(proof),
                Some(whole) => whole.join(proof),
            }
        }
        let mut whole = whole.unwrap_or_default();
        if let Some(mut rehearsal) = rehearsal
            && let Some(upgrade) = rehearse_upgrade(&mut rehearsal, clusters).await?
        {
            whole.add_upgrade(upgrade);
        }
        Ok::<_, CouldNotRun>(whole)
    };
    match proven.await {
        Err(error) => unable(error.into()),
        Ok(proof) => {
            let summary = proof.summary(level);
            let judged = if proof.findings.is_empty() {
                Ok(Passed::new(Counts::of(&proof.rows), summary))
            } else {
                Err(Stopped::failed(summary, proof.findings))
            };
            let restore = RestoreFacts {
                rows: proof.rows,
                ..log.facts.clone()
            };
            (
                Facts {
                    restore: Some(restore),
                    proof: Some(proof.facts),
                    ..Facts::default()
                },
                judged,
            )
        }
    }
}

/// Removes everything that the run started; without a run, that is kept.
pub async fn teardown(servers: Servers, run: impl Into<Option<Run>>) -> Staged<()> {
    let work = servers.remove(run.into());
    let unable = |reason: String| CouldNotRun::with_hint(reason, "`redrill clean` tries again");
    let judged = match tokio::time::timeout(TEARDOWN_WITHIN, work).await {
        Ok(failed) if failed.is_empty() => Ok(Passed::new(
            (),
            if process::adopts_orphans() {
                "everything that redrill started is removed"
            } else {
                "everything that redrill started and could find again is removed"
            },
        )),
        Ok(failed) => Err(unable(failed.join("; ")).into()),
        Err(_) => Err(unable("the teardown did not end in time".to_owned()).into()),
    };
    (Facts::default(), judged)
}

/// A stage that could not run and has no facts.
fn unable<T>(stopped: Stopped) -> Staged<T> {
    (Facts::default(), Err(stopped))
}

/// Names the server that an error is about, where there are several.
fn of_server(name: Option<&str>, error: CouldNotRun) -> CouldNotRun {
    match name {
        None => error,
        Some(name) => CouldNotRun {
            reason: format!("server `{name}`: {}", error.reason),
            ..error
        },
    }
}
