//! The stages. Each returns a value for the next one, facts for the reports, a one-line summary and
//! findings.

use std::time::Duration;

use futures_util::future::join_all;

use crate::backup::compose::examine_all;
use crate::backup::examine::Purpose;
use crate::backup::files::blocking;
use crate::backup::source::Place;
use crate::backup::spool::Spool;
use crate::backup::{Backup, companion, fit};
use crate::check::counts::Counts;
use crate::cleanup::Run;
use crate::context::Context;
use crate::needed::RowsLeftOut;
use crate::outcome::{
    BackupFacts, CouldNotRun, Finding, Outcome, ProofFacts, RestoreFacts, ServerFacts, Stage,
};
use crate::pipeline::Cluster;
use crate::process;
use crate::proof::{self, settings::Level};
use crate::restore::settings::Restore;
use crate::restore::{self, RestoreLog};
use crate::scenario::Scenario;
use crate::server::{Servers, ThrowawayServer, Wanted};
use crate::units::{show_bytes, show_counted, show_duration};

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

/// Whether the verdict depends on a stage.
#[must_use]
pub fn is_required(stage: Stage, proof: Level) -> bool {
    stage != Stage::Proof || proof != Level::Off
}

/// Finds and inspects the backup. Its facts are reported even if it is damaged.
/// `creates_roles` is whether the caller creates the roles that the backup lacks.
pub async fn backup(
    scenario: &Scenario,
    creates_roles: bool,
    run: &Run,
    context: &Context,
) -> Staged<Backup> {
    let spool = run.folder.join("backup");
    let place = Place {
        folder: &scenario.folder,
        spool: &spool,
        run: &run.id,
        environment: &context.environment,
        redactor: &context.redactor,
        listener: &context.listener,
    };
    let purpose = match scenario.proof {
        Level::Full => Purpose::Proof,
        Level::Off | Level::Objects | Level::Counts => Purpose::Restore,
    };
    match judged(scenario, &place, purpose).await {
        Err(error) => unable(error.into()),
        Ok(mut backup) => {
            backup.missing_roles.take_if(|_| creates_roles);
            let facts = Facts {
                backup: Some(backup.facts()),
                ..Facts::default()
            };
            (facts, judge_backup(backup))
        }
    }
}

/// Finds and inspects the backup of a scenario, and compares it with the settings of its restore: what `inspect` and a
/// drill report is the same.
///
/// # Errors
/// When there is none, or it cannot be inspected.
pub async fn judged(
    scenario: &Scenario,
    place: &Place<'_>,
    purpose: Purpose,
) -> Result<Backup, CouldNotRun> {
    let mut backup = examine_all(&scenario.backup, place, purpose).await?;
    companion::add(&scenario.companions, place, &mut backup).await?;
    restore::method::check(&backup, &scenario.restore)?;
    if purpose != Purpose::Look {
        let spool = Spool::in_folder(place.spool.to_owned());
        let settings = scenario.restore.clone();
        backup = blocking(move || {
            let parts = backup.parts.iter_mut().enumerate();
            let mut read_by_programs =
                parts.filter(|(_, part)| restore::method::reads_file(part, &settings));
            read_by_programs.try_for_each(|(number, part)| part.unpack(&spool, number))?;
            Ok(backup)
        })
        .await?;
    }
    let misplaced = restore::target::problems(&backup, &scenario.restore);
    backup.problems.extend(misplaced);
    let missing = backup
        .by_server()
        .iter()
        .find_map(|(_, group)| restore::roles::missing(group, &scenario.restore));
    backup.missing_roles = missing;
    Ok(backup)
}

/// Starts the throwaway servers: one, unless parts of the backup name others. `servers` has them then.
pub async fn server(
    scenario: &Scenario,
    backup: &Backup,
    run: &Run,
    context: &Context,
    servers: &mut Servers,
) -> Staged<()> {
    let groups = backup.by_server();
    let neighbours = groups.len().saturating_sub(1) as u64;
    for (number, (name, _)) in groups.iter().enumerate() {
        let own = match number {
            0 => None,
            _ => match context.work.begin() {
                Ok(run) => Some(run),
                Err(error) => {
                    let reason = format!("cannot write to the work folder: {error}");
                    return unable(CouldNotRun::new(reason).into());
                }
            },
        };
        servers.add(name.clone(), own);
    }
    let starting = servers
        .slots_mut()
        .iter_mut()
        .zip(&groups)
        .map(|(slot, (_, group))| async {
            let wanted = Wanted {
                neighbours,
                ..wanted(group, &scenario.restore)
            };
            let owner = slot.run.as_ref().unwrap_or(run);
            let started =
                ThrowawayServer::start(&scenario.server, &wanted, owner, context.path()).await;
            let started = started.map_err(|error| of_server(slot.name.as_deref(), error))?;
            let facts = started.facts().clone();
            slot.server = Some(started);
            Ok::<_, CouldNotRun>((slot.name.clone(), facts))
        });
    let mut started = Vec::new();
    for server in join_all(starting).await {
        match server {
            Ok(server) => started.push(server),
            Err(error) => return unable(error.into()),
        }
    }
    let summaries = started.iter().map(|(name, facts)| {
        let place = if facts.provider == "container" {
            "in a container"
        } else {
            "as a local server"
        };
        let of = name
            .as_ref()
            .map_or_else(String::new, |name| format!("{name}: "));
        format!(
            "{of}PostgreSQL {} {place}, {}, up in {}",
            facts.version,
            facts.origin,
            show_duration(facts.started_in)
        )
    });
    let summary = summaries.collect::<Vec<_>>().join("; ");
    let mut all = started.into_iter();
    let facts = Facts {
        server: all.next().map(|(_, facts)| facts),
        other_servers: all
            .map(|(name, facts)| (name.unwrap_or_default(), facts))
            .collect(),
        ..Facts::default()
    };
    (facts, Ok(Passed::new((), summary)))
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

/// What of the backup the server refuses because of its version.
pub fn unfit(backup: &Backup, server: &ThrowawayServer) -> Vec<Finding> {
    let version = (server.version() / 10_000, server.version() % 10_000);
    let parts = backup.parts.iter();
    parts
        .flat_map(|part| fit::fits(&part.contents, &part.format, version))
        .collect()
}

/// Restores the backup and judges the log.
pub async fn restore(
    settings: &Restore,
    left_out: &RowsLeftOut,
    clusters: &[Cluster<'_>],
    context: &Context,
) -> Staged<RestoreLog> {
    let unfit: Vec<Finding> = clusters
        .iter()
        .flat_map(|one| unfit(&one.backup, one.server))
        .collect();
    if let Some(first) = unfit.first() {
        let summary = format!("the server lacks what the backup needs: {}", first.expected);
        return unable(Stopped::could_not_run(summary, unfit));
    }
    let redactor = &context.redactor;
    let rows = (&left_out.held, &left_out.none_because);
    let restored = async {
        let mut whole: Option<RestoreLog> = None;
        // One server after the other: each uses all processors.
        for one in clusters {
            let log = restore::restore_needed(
                one.server,
                &one.backup,
                (settings, left_out),
                redactor,
                &context.listener,
            );
            let log = log.await.map_err(|error| of_server(one.name, error))?;
            match &mut whole {
                None => whole = Some(log),
                Some(whole) => whole.join(log, settings),
            }
        }
        Ok::<_, CouldNotRun>(whole.unwrap_or_default())
    };
    match restored.await {
        Err(error) => {
            let facts = Facts {
                restore: Some(RestoreFacts {
                    left_out: rows.0.clone(),
                    none_left_out_because: rows.1.clone(),
                    ..RestoreFacts::default()
                }),
                ..Facts::default()
            };
            (facts, Err(error.into()))
        }
        Ok(mut log) => {
            log.facts.left_out.clone_from(rows.0);
            log.facts.none_left_out_because.clone_from(rows.1);
            let facts = Facts {
                restore: Some(log.facts.clone()),
                ..Facts::default()
            };
            (facts, judge_restore(log))
        }
    }
}

/// Compares the database with the backup; returns the numbers of rows.
pub async fn proof(
    level: Level,
    settings: &Restore,
    clusters: &[Cluster<'_>],
    log: &RestoreLog,
    context: &Context,
) -> Staged<Counts> {
    let proven = async {
        let mut whole: Option<proof::Proof> = None;
        for one in clusters {
            let (server, backup, listener) = (one.server, &one.backup, &context.listener);
            let proof = proof::prove(server, backup, settings, log, level, listener).await;
            let proof = proof.map_err(|error| of_server(one.name, error))?;
            match &mut whole {
                None => whole = Some(proof),
                Some(whole) => whole.join(proof),
            }
        }
        Ok::<_, CouldNotRun>(whole.unwrap_or_default())
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

/// Removes everything that the run started.
pub async fn teardown(servers: Servers, run: Run) -> Staged<()> {
    let work = servers.remove(run);
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

/// The requirements of the backup on a server.
#[must_use]
pub fn wanted(backup: &Backup, settings: &Restore) -> Wanted {
    let contents = backup.contents();
    let parts = backup.parts.iter();
    let archives = parts.filter(|part| restore::method::reads_file(part, settings));
    // An archive may be newer than the server that it was made of.
    let parts = backup.parts.iter();
    let oldest = parts.filter_map(|part| fit::oldest(&part.contents, &part.format));
    let oldest = oldest.max().unwrap_or_default();
    Wanted {
        major: contents.major().map(|major| major.max(oldest)),
        extensions: contents.extensions.clone(),
        superuser: contents.bootstrap_superuser(),
        bytes: backup.parts.iter().map(|part| part.text_bytes).sum(),
        files: archives.map(|part| part.file().to_owned()).collect(),
        neighbours: 0,
    }
}

/// Judges the backup by its inspection.
fn judge_backup(backup: Backup) -> Result<Passed<Backup>, Stopped> {
    let name = backup.name();
    if let Some(first) = backup.problems.first() {
        let place = first
            .object
            .as_ref()
            .map(|object| format!("{object}: "))
            .unwrap_or_default();
        let summary = format!(
            "{name} is incomplete, damaged or unsafe: {place}{}",
            first.actual
        );
        return Err(Stopped::failed(
            summary,
            [backup.problems, backup.warnings].concat(),
        ));
    }
    if let Some(missing) = backup.missing_roles {
        let summary = format!("{name} cannot be restored as it is: {}", missing.actual);
        let findings = [vec![missing], backup.warnings].concat();
        return Err(Stopped::failed(summary, findings));
    }
    let facts = backup.facts();
    let summary = format!(
        "{name}: {}, {}, {} with {}",
        backup.format,
        show_bytes(backup.bytes),
        show_counted(facts.tables, "table"),
        show_counted(facts.rows, "row")
    );
    let warnings = backup.warnings.clone();
    Ok(Passed {
        value: backup,
        summary,
        warnings,
    })
}

/// Judges the restore by its log.
fn judge_restore(log: RestoreLog) -> Result<Passed<RestoreLog>, Stopped> {
    let facts = &log.facts;
    if let Some(first) = log.unable.first() {
        let reason = format!(
            "the restore environment failed, so the backup cannot be judged: {}",
            first.actual
        );
        let findings = [log.unable, log.errors].concat();
        return Err(Stopped::could_not_run(reason, findings));
    }
    let took = show_duration(facts.duration);
    if !log.errors.is_empty() {
        let mut summary = format!("{} in {took}", show_counted(facts.errors, "error"));
        if let Some(first) = log.errors.first() {
            summary.push_str(&format!("; the first: {}", first.in_one_line()));
        }
        return Err(Stopped::failed(summary, log.errors));
    }
    let phases: Vec<String> = facts
        .phases
        .iter()
        .map(|phase| format!("{} {}", phase.name, show_duration(phase.duration)))
        .collect();
    let mut summary = format!("no error in {took}");
    if !phases.is_empty() {
        summary.push_str(&format!(" ({})", phases.join(", ")));
    }
    Ok(Passed::new(log, summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::inspect::{Inspection, inspect};
    use crate::backup::source::{Rules, path};
    use crate::backup::spool::Spool;

    fn inspected(text: &str) -> Backup {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sql");
        std::fs::write(&path, text).unwrap();
        let found = path::find(&path, &Rules::default());
        let spool = Spool::in_folder(folder.path().join("spool"));
        inspect(&found.unwrap(), &Inspection::quiet(spool)).unwrap()
    }

    #[test]
    fn a_file_with_a_problem_fails_the_first_stage() {
        let good = inspected("CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n");
        assert!(judge_backup(good).is_ok());
        let cut = inspected("CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n");
        let Err(stopped) = judge_backup(cut) else {
            panic!("a cut file must not pass")
        };
        let Stopped::Failed { summary, findings } = stopped else {
            panic!("a cut file is a fault of the backup")
        };
        assert!(summary.contains("the file ends after 1 of its rows (COPY in line 2)"));
        assert_eq!(findings[0].object.as_deref(), Some("public.t"));
    }

    #[test]
    fn the_log_decides() {
        let finding = || vec![Finding::new("a", "b")];
        assert!(judge_restore(RestoreLog::default()).is_ok());
        let log = RestoreLog {
            errors: finding(),
            ..RestoreLog::default()
        };
        assert_eq!(judge_restore(log).unwrap_err().outcome(), Outcome::Fail);
        let log = RestoreLog {
            errors: finding(),
            unable: finding(),
            ..RestoreLog::default()
        };
        let outcome = judge_restore(log).unwrap_err().outcome();
        assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
    }
}
