//! One drill is one sentence:
//! scenario → backup → server → restore → contents → checks → verdict, and always teardown.

use std::time::{Duration, Instant};

use crate::check::{Observation, Restored};
use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{DrillResult, Finding, Stage};
use crate::record::Record;
use crate::restore::RestoreLog;
use crate::scenario::{Scenario, ScenarioCheck};
use crate::server::ThrowawayServer;
use crate::stage::{self, Stopped};
use crate::units::show_duration;
use crate::verdict::Verdict;

/// How long the server may take to come back after a check brought one of its processes down.
const RECOVERED_WITHIN: Duration = Duration::from_secs(20);

/// Drills one scenario. Whatever happens, there is a result, and nothing is left running.
pub async fn drill(scenario: &Scenario, context: &Context) -> (DrillResult, Verdict) {
    let mut record = Record::begin(scenario, context);
    let run = match context.work.begin() {
        Ok(run) => run,
        Err(error) => {
            let folder = context.work.root().display();
            record.stopped(
                Stage::Backup,
                Stopped::error(format!("cannot write to the work folder {folder}: {error}"))
                    .hint("name another one with `--work-dir`".to_owned()),
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
    let mut backup = record
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
            stage::restore(scenario, server, &mut backup, context),
        )
        .await?;
    record
        .stage(Stage::Contents, stage::contents(server, &backup, &log))
        .await?;
    checks(scenario, context, server, &log, record).await;
    Some(())
}

/// Runs all checks, one after the other.
async fn checks(
    scenario: &Scenario,
    context: &Context,
    server: &ThrowawayServer,
    log: &RestoreLog,
    record: &mut Record<'_>,
) {
    for check in &scenario.checks {
        let restored = Restored {
            server,
            run: &record.run(),
            database: check.database.as_deref().unwrap_or(&log.database),
            folder: &scenario.folder,
            environment: &context.environment,
            redactor: &context.redactor,
            timeout: check.timeout,
        };
        record.checking(check);
        let began = Instant::now();
        let looked = look(check, &restored).await;
        if looked.is_err() {
            server.recovered(RECOVERED_WITHIN).await;
        }
        record.check(check, restored.database, began.elapsed(), looked);
    }
}

/// Runs one check within its limit; what could not be looked at comes as a finding.
///
/// # Errors
/// The check could not look, or took too long.
pub async fn look(check: &ScenarioCheck, restored: &Restored<'_>) -> Result<Observation, Finding> {
    let expected = "a look at it";
    match tokio::time::timeout(check.timeout, check.check.look(restored)).await {
        Ok(Ok(observation)) => Ok(observation),
        Ok(Err(unable)) => {
            let finding = Finding::new(expected, unable.reason);
            Err(match unable.hint {
                Some(hint) => finding.hint(hint),
                None => finding,
            })
        }
        Err(_) => {
            let limit = show_duration(check.timeout);
            Err(
                Finding::new(expected, format!("it did not end within {limit}"))
                    .hint("raise the `timeout` of the check"),
            )
        }
    }
}
