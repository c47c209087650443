//! One drill is one sentence:
//! scenario → backup → server → restore → proof → checks → verdict, and always teardown.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use crate::baseline::observed::Observed;
use crate::check::counts::Counts;
use crate::check::sessions::Sessions;
use crate::check::{Observation, Restored};
use crate::cleanup::Run;
use crate::context::Context;
use crate::event::Event;
use crate::outcome::{BackupFacts, CheckResult, CouldNotRun, DrillResult, Stage};
use crate::proof::settings::Level;
use crate::record::Record;
use crate::restore::RestoreLog;
use crate::scenario::{Scenario, ScenarioCheck};
use crate::server::ThrowawayServer;
use crate::stage;
use crate::units::show_duration;
use crate::verdict::Verdict;

/// How long the server may take to come back after a check brought one of its processes down.
const RECOVERED_WITHIN: Duration = Duration::from_secs(20);

/// How many checks look at the same time, each in a session of its own.
const SIDE_BY_SIDE: usize = 4;

/// Drills one scenario. Whatever happens, there is a result, and nothing is left running.
pub async fn drill(scenario: &Scenario, context: &Context) -> (DrillResult, Verdict) {
    let mut record = Record::begin(scenario, context);
    let run = match context.work.begin() {
        Ok(run) => run,
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
            return record.finish();
        }
    };
    record.belongs_to(&run);
    // The server stays where the teardown finds it, wherever the stages end.
    let mut server = None;
    let mut interrupted = context.interrupted.clone();
    tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => record.interrupt(),
        _ = stages(scenario, context, &run, &mut record, &mut server) => {}
    }
    record.skip_the_rest();
    record
        .stage(Stage::Teardown, stage::teardown(server, run))
        .await;
    record.finish()
}

/// The sentence. A stage that does not pass ends it.
async fn stages(
    scenario: &Scenario,
    context: &Context,
    run: &Run,
    record: &mut Record<'_>,
    server: &mut Option<ThrowawayServer>,
) -> Option<()> {
    let backup = record
        .stage(Stage::Backup, stage::backup(scenario, run, context))
        .await?;
    let started = record
        .stage(
            Stage::Server,
            stage::server(scenario, &backup, run, context),
        )
        .await?;
    let server = server.insert(started);
    let log = record
        .stage(
            Stage::Restore,
            stage::restore(scenario, server, &backup, context),
        )
        .await?;
    let counts = if scenario.proof == Level::Off {
        record.proof_is_off();
        Counts::default()
    } else {
        let proof = stage::proof(scenario, server, &backup, &log, context);
        match record.stage(Stage::Proof, proof).await {
            // What else is wrong with a database that is not as in the backup is worth knowing.
            None if record.failed(Stage::Proof) => Counts::default(),
            counts => counts?,
        }
    };
    let facts = backup.facts();
    let ground = Ground {
        scenario,
        context,
        server,
        backup: &facts,
        counts: &counts,
        sessions: Sessions::default(),
        observed: Observed::default(),
        run: &run.id,
        log: &log,
    };
    checks(&ground, record).await;
    record.saw(ground.observed.seen(&facts, server.facts()));
    Some(())
}

/// Runs the checks of a scenario on a server that holds its backup already; gives what became of each, in
/// the scenario's order.
pub(crate) async fn judge(
    scenario: &Scenario,
    context: &Context,
    restored: (&ThrowawayServer, &RestoreLog, &Counts),
    backup: &BackupFacts,
    run: &Run,
) -> Vec<CheckResult> {
    let (server, log, counts) = restored;
    let mut record = Record::begin(scenario, context);
    record.belongs_to(run);
    let ground = Ground {
        scenario,
        context,
        server,
        backup,
        counts,
        sessions: Sessions::default(),
        observed: Observed::default(),
        run: &run.id,
        log,
    };
    checks(&ground, &mut record).await;
    ground.sessions.end().await;
    record.finish().0.checks
}

/// What all checks of a drill stand on.
struct Ground<'a> {
    scenario: &'a Scenario,
    context: &'a Context,
    server: &'a ThrowawayServer,
    backup: &'a BackupFacts,
    counts: &'a Counts,
    sessions: Sessions,
    observed: Observed,
    run: &'a str,
    log: &'a RestoreLog,
}

/// Runs all checks: those that only read side by side, then those that must be alone one by one.
async fn checks(ground: &Ground<'_>, record: &mut Record<'_>) {
    let all = ground.scenario.checks.iter();
    let (mut alone, together): (Vec<_>, Vec<_>) = all.partition(|check| check.check.alone());
    let looks = together.into_iter().map(|check| one(ground, check));
    let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
    let mut again = Vec::new();
    while let Some(seen) = looks.next().await {
        match seen.looked {
            // Its neighbour may have been the reason: a lock, a server that went down.
            Err(_) => again.push(seen.check),
            Ok(_) => record.check(seen.check, seen.database, seen.duration, seen.looked),
        }
    }
    alone.extend(again);
    for check in alone {
        // Alone is alone: a copy of a database, for one, is only made when nobody is in it.
        ground.sessions.end().await;
        let seen = one(ground, check).await;
        record.check(check, seen.database, seen.duration, seen.looked);
    }
}

/// One check and what was seen.
struct Seen<'a> {
    check: &'a ScenarioCheck,
    database: &'a str,
    duration: Duration,
    looked: Result<Observation, CouldNotRun>,
}

/// Runs one check on the database that it is about.
async fn one<'a>(ground: &Ground<'a>, check: &'a ScenarioCheck) -> Seen<'a> {
    let named = check.database.as_deref().or(ground.log.database.as_deref());
    let Some(database) = named else {
        return Seen {
            check,
            database: "",
            duration: Duration::ZERO,
            looked: Err(which_database(ground.log)),
        };
    };
    let restored = Restored {
        server: ground.server,
        run: ground.run,
        database,
        backup: ground.backup,
        counts: ground.counts,
        sessions: &ground.sessions,
        observed: &ground.observed,
        folder: &ground.scenario.folder,
        environment: &ground.context.environment,
        redactor: &ground.context.redactor,
        timeout: check.timeout,
    };
    (ground.context.listener)(Event::Check {
        id: check.id.clone(),
    });
    let began = Instant::now();
    let looked = run_check(check, &restored).await;
    if looked.is_err() {
        ground.server.recovered(RECOVERED_WITHIN).await;
    }
    Seen {
        check,
        database,
        duration: began.elapsed(),
        looked,
    }
}

/// Where there are several databases, a check says which it is about.
fn which_database(log: &RestoreLog) -> CouldNotRun {
    let databases = log.databases.join(", ");
    CouldNotRun::with_hint(
        format!("the backup holds {databases}, and the check does not say which it is about"),
        "add `database = \"…\"` to the check, or to `[restore]` for all that name none",
    )
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
