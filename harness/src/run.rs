//! The sequence of a drill:
//! scenario → backup → server → restore → proof → checks → rehearsal → verdict, and always teardown.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use crate::baseline::observed::{Observed, ObservedBaseline};
use crate::check::sessions::Sessions;
use crate::check::{Observation, Restored};
use crate::cleanup::Run;
use crate::context::Context;
use crate::database::Trail;
use crate::event::Event;
use crate::outcome::{CheckConduct, CheckResult, CouldNotRun, DrillResult, NotTested, Stage};
use crate::pipeline::{Pipeline, RestoredDatabases};
use crate::provenance;
use crate::record::Record;
use crate::rehearse::{Rehearsal, Rehearsed};
use crate::runbook::time_runbook;
use crate::scenario::{Scenario, ScenarioCheck};
use crate::server::kept::{Kept, KeptDrill};
use crate::server::{Servers, ThrowawayServer};
use crate::stage::{self, Stopped};
use crate::units::show_duration;
use crate::verdict::Verdict;

/// Limit of the recovery of the server after a check crashed one of its processes.
const RECOVERED_WITHIN: Duration = Duration::from_secs(20);

/// Number of checks that run at the same time, each in its own session.
const SIDE_BY_SIDE: usize = 4;

/// The result of a drill.
#[derive(Debug)]
pub struct Drilled {
    /// The source of every report.
    pub result: DrillResult,
    /// The verdict on it.
    pub verdict: Verdict,
    /// What the databases looked like, where a check compared all of it.
    pub observed: Option<ObservedBaseline>,
    /// The rehearsal of a release, where the scenario has one.
    pub rehearsed: Option<Rehearsed>,
    /// The servers that are kept, or why one is not.
    pub kept: Vec<Result<Kept, CouldNotRun>>,
}

/// Drills one scenario. There is always a result, and always a teardown.
pub async fn drill(scenario: &Scenario, context: &Context) -> Drilled {
    let name = || scenario.facts.name.clone();
    (context.listener)(Event::Begun { scenario: name() });
    let mut record = Record::begin(scenario, context);
    let provenance = provenance::gather(scenario, context);
    let mut rehearsal = Rehearsal::begin(scenario, context);
    let mut observed = None;
    let mut kept = Vec::new();
    match context.work.begin() {
        Ok(run) => {
            record.belongs_to(&run);
            // Outside the stages, so that the teardown finds it wherever they end.
            let mut servers = Servers::default();
            let mut others = Servers::default();
            let mut interrupted = context.interrupted.clone();
            tokio::select! {
                biased;
                _ = interrupted.wait_for(|interrupted| *interrupted) => {
                    record.interrupt();
                    rehearsal.iter_mut().for_each(Rehearsal::interrupt);
                }
                ended = Box::pin(stages(scenario, context, &run, (&mut record, rehearsal.as_mut()), (&mut servers, &mut others))) => {
                    // The record has the reason.
                    observed = ended.ok().flatten();
                }
            }
            record.skip_the_rest();
            let interrupted = record.is_interrupted();
            let (backup, restored) = (record.backup().cloned(), record.is_restored());
            let end = async {
                let (run, ended) = match context.keep.filter(|_| !interrupted) {
                    Some(keep) => {
                        let drill = KeptDrill {
                            scenario: &scenario.facts.name,
                            file: &scenario.facts.file,
                            server: None,
                            of_several: servers.len() > 1,
                            keep,
                            backup: backup.as_ref(),
                            restored,
                            only: &scenario.facts.only,
                        };
                        keep_servers(drill, context, run, &mut servers).await
                    }
                    None => (Some(run), Vec::new()),
                };
                kept = ended;
                servers.join(others);
                let mut torn_down = stage::teardown(servers, run).await;
                let names = kept.iter().flatten().map(|kept| kept.facts.name.as_str());
                let names: Vec<&str> = names.collect();
                if !names.is_empty()
                    && let Ok(passed) = &mut torn_down.1
                {
                    passed.summary = format!("kept: {}; {}", names.join(", "), passed.summary)
                        .replace("everything that", "everything else that");
                }
                torn_down
            };
            // The record has its failure too.
            let _ = record.stage(Stage::Teardown, end).await;
        }
        Err(error) => {
            let folder = context.work.root().display();
            record.stopped(
                Stage::Backup,
                CouldNotRun::with_hint(
                    format!("cannot write to the work folder {folder}: {error}"),
                    "name another one with `--work-dir`",
                )
                .into(),
            );
        }
    }
    let (provenance, inputs) = provenance.await;
    record.comes_from(provenance, inputs);
    let (result, verdict) = record.finish();
    let rehearsed = rehearsal.map(|rehearsal| rehearsal.finish(&result, verdict));
    for kept in kept.iter_mut().flatten() {
        // Without it the list shows no verdict.
        let _ = kept.note_verdict(verdict, &result.not_tested);
    }
    (context.listener)(Event::Ended {
        scenario: name(),
        verdict,
    });
    Drilled {
        result,
        verdict,
        observed,
        rehearsed,
        kept,
    }
}

/// Keeps the servers of a drill; returns its run, unless one of them has it now.
async fn keep_servers(
    drill: KeptDrill<'_>,
    context: &Context,
    run: Run,
    servers: &mut Servers,
) -> (Option<Run>, Vec<Result<Kept, CouldNotRun>>) {
    let keep_one = async |server: Option<String>, started: ThrowawayServer, run: Run| {
        let drill = KeptDrill {
            server: server.as_deref(),
            ..drill
        };
        started.keep(run, drill, context.interrupted.clone()).await
    };
    let (run, mut ended) = servers.keep(run, keep_one).await;
    if ended.is_empty() {
        ended.push(Err(CouldNotRun::new(
            "the drill ended before a server was started",
        )));
    }
    (run, ended)
}

/// Runs the stages until one does not pass, then the checks, then the rehearsal of a release.
async fn stages(
    scenario: &Scenario,
    context: &Context,
    run: &Run,
    (record, rehearsal): (&mut Record<'_>, Option<&mut Rehearsal<'_>>),
    (servers, others): (&mut Servers, &mut Servers),
) -> Result<Option<ObservedBaseline>, Stopped> {
    let pipeline = Pipeline {
        scenario,
        context,
        run,
        make_roles: false,
    };
    let backup = pipeline.inspect(record).await?;
    let mut restored = pipeline.restore(backup, servers, record).await?;
    match restored.prove(record, Some(&mut *others)).await {
        // A database that differs from the backup may have other faults that are worth knowing.
        Ok(()) | Err(Stopped::Failed { .. }) => {}
        Err(stopped @ Stopped::CouldNotRun { .. }) => return Err(stopped),
    }
    let observed = run_checks(&restored.for_checks(), scenario, context, record).await;
    if scenario.runbook_within.is_some() && scenario.facts.only.is_empty() {
        // Boxed, because the futures of a drill share one stack.
        record.runbook(Box::pin(time_runbook(&restored, others)).await);
    }
    if let Some(rehearsal) = rehearsal {
        rehearsal.run(&restored, record.checks(), others).await;
    }
    Ok(observed)
}

/// Runs the checks of another scenario on restored databases; returns their results in the order of the
/// scenario.
pub(crate) async fn judge(
    restored: &RestoredDatabases<'_>,
    scenario: &Scenario,
    context: &Context,
) -> Vec<CheckResult> {
    judge_all(restored, scenario, context).await.0
}

/// The same; also returns what they did not test.
pub(crate) async fn judge_all(
    restored: &RestoredDatabases<'_>,
    scenario: &Scenario,
    context: &Context,
) -> (Vec<CheckResult>, Vec<NotTested>) {
    let mut record = Record::begin(scenario, context);
    run_checks(restored, scenario, context, &mut record).await;
    let (result, _) = record.finish();
    (result.checks, result.not_tested)
}

/// What all checks of a drill have in common.
struct Checks<'a> {
    restored: &'a RestoredDatabases<'a>,
    scenario: &'a Scenario,
    context: &'a Context,
    sessions: Sessions,
    observed: Observed,
}

/// Runs the checks of a scenario; gives what they saw of whole databases.
async fn run_checks(
    restored: &RestoredDatabases<'_>,
    scenario: &Scenario,
    context: &Context,
    record: &mut Record<'_>,
) -> Option<ObservedBaseline> {
    let common = Checks {
        restored,
        scenario,
        context,
        sessions: Sessions::default(),
        observed: Observed::default(),
    };
    checks(&common, record).await;
    common.sessions.end().await;
    let first = restored.servers.first()?;
    let (facts, server) = (&restored.facts, first.server.facts());
    common.observed.baseline(facts, server)
}

/// Runs all checks: those that only read side by side, then those that must be alone one by one.
async fn checks(common: &Checks<'_>, record: &mut Record<'_>) {
    let all = common.scenario.checks.iter();
    let (mut alone, together): (Vec<_>, Vec<_>) = all.partition(|check| check.check.alone());
    let looks = together.into_iter().map(|check| one(common, check));
    let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
    let mut again = Vec::new();
    while let Some(seen) = looks.next().await {
        match seen.ended {
            // Another check may have been the reason: a lock, a crashed server.
            Err(_) => again.push(seen.check),
            Ok(_) => record_run(record, seen),
        }
    }
    alone.extend(again);
    for check in alone {
        // For example, a database is copied only while no session uses it.
        common.sessions.end().await;
        let seen = one(common, check).await;
        record_run(record, seen);
    }
}

/// Records how a check ended, and as whom it ran.
fn record_run(record: &mut Record<'_>, seen: CheckRun<'_>) {
    record.conduct(CheckConduct {
        check: seen.check.id.clone(),
        roles: seen.trail.roles(),
    });
    record.check(seen.check, seen.database, seen.duration, seen.ended);
}

/// One check and how it ended.
struct CheckRun<'a> {
    check: &'a ScenarioCheck,
    database: &'a str,
    duration: Duration,
    trail: Trail,
    ended: Result<Observation, CouldNotRun>,
}

/// Runs one check on the database that it is about.
async fn one<'a>(common: &Checks<'a>, check: &'a ScenarioCheck) -> CheckRun<'a> {
    let named = check
        .database
        .as_deref()
        .or(common.restored.database.as_deref());
    let Some(database) = named else {
        return CheckRun {
            check,
            database: "",
            duration: Duration::ZERO,
            trail: Trail::default(),
            ended: Err(which_database(&common.restored.databases)),
        };
    };
    let Some(restored) = common.restored.server_of(database) else {
        return CheckRun {
            check,
            database,
            duration: Duration::ZERO,
            trail: Trail::default(),
            ended: Err(on_no_server(database, &common.restored.databases)),
        };
    };
    let server = restored.server;
    let trail = Trail::default();
    let restored = Restored {
        server,
        run: &restored.run.id,
        database,
        servers: &common.restored.servers,
        backup: &common.restored.facts,
        counts: &common.restored.counts,
        sessions: &common.sessions,
        observed: &common.observed,
        trail: &trail,
        last_record: &common.context.last_record,
        folder: &common.scenario.folder,
        environment: &common.context.environment,
        redactor: &common.context.redactor,
        timeout: check.timeout,
    };
    (common.context.listener)(Event::Check {
        id: check.id.clone(),
    });
    let began = Instant::now();
    let ended = run_check(check, &restored).await;
    let ended = ended.map_err(|error| name_databases(error, &common.restored.databases));
    if ended.is_err() {
        server.recovered(RECOVERED_WITHIN).await;
    }
    CheckRun {
        check,
        database,
        duration: began.elapsed(),
        trail,
        ended,
    }
}

/// With several databases a check must name one.
fn which_database(databases: &[String]) -> CouldNotRun {
    let databases = databases.join(", ");
    CouldNotRun::with_hint(
        format!("the backup contains {databases}, and the check does not name one"),
        "add `database = \"…\"` to the check, or to `[restore]` for all checks that name none",
    )
}

/// With several servers, a database that nothing is restored into may be on each of them.
fn on_no_server(database: &str, databases: &[String]) -> CouldNotRun {
    let databases = databases.join(", ");
    CouldNotRun::with_hint(
        format!("nothing is restored into `{database}`, so it is not known which server is meant"),
        format!("the backup is restored into {databases}"),
    )
}

/// The server's error that there is no such database, with those that there are.
fn name_databases(error: CouldNotRun, databases: &[String]) -> CouldNotRun {
    if error.hint.is_some() || !error.reason.contains("(3D000)") {
        return error;
    }
    let databases = databases.join(", ");
    error.hint(format!(
        "nothing is restored into it: the backup is restored into {databases}"
    ))
}

/// Runs one check within its limit.
///
/// # Errors
/// The check could not run, or took too long.
pub async fn run_check(
    check: &ScenarioCheck,
    restored: &Restored<'_>,
) -> Result<Observation, CouldNotRun> {
    let within = tokio::time::timeout(check.timeout, check.check.run(restored)).await;
    within.unwrap_or_else(|_| {
        Err(CouldNotRun::with_hint(
            format!("it did not end within {}", show_duration(check.timeout)),
            "raise the `timeout` of the check",
        ))
    })
}
