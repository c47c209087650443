//! The time that the restore of a runbook takes: the backup once more, on a server with the settings of production, by the command
//! that a person gives. A drill restores faster, since nothing on its server must survive a crash.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::needed::RowsLeftOut;
use crate::outcome::CouldNotRun;
use crate::pipeline::{Cluster, RestoredBackup};
use crate::restore::restore_needed;
use crate::restore::settings::{Method, Restore};
use crate::server::settings::{Durability, Server};
use crate::server::{Servers, ThrowawayServer};
use crate::stage::wanted;

/// How long the commands of a runbook took, and which they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookTime {
    /// Wall time, of all servers of the backup one after the other.
    pub duration: Duration,
    /// The commands, for reports: `psql`, `pg_restore -j 4`.
    pub commands: String,
}

/// Restores the backup again as a runbook does. `servers` keeps what is started for the teardown.
///
/// # Errors
/// When there is no server, or the restore does not end without an error, so that its time says nothing.
pub async fn time_runbook(
    restored: &RestoredBackup<'_>,
    servers: &mut Servers,
) -> Result<RunbookTime, CouldNotRun> {
    let settings = Restore {
        method: Method::Runbook,
        jobs: restored.settings.jobs.or(Some(1)),
        ..restored.settings.clone()
    };
    let mut duration = Duration::ZERO;
    for cluster in &restored.clusters {
        duration += restore_one(restored, cluster, &settings, servers).await?;
    }
    let pg_restore = match settings.jobs {
        None | Some(1) => "pg_restore".to_owned(),
        Some(jobs) => format!("pg_restore -j {jobs}"),
    };
    let parts = restored.backup.parts.iter();
    let commands: BTreeSet<&str> = parts
        .map(|part| match part.is_archive() {
            true => &*pg_restore,
            false => "psql",
        })
        .collect();
    Ok(RunbookTime {
        duration,
        commands: Vec::from_iter(commands).join(" and "),
    })
}

/// Restores what is on one server; returns the time of the restore alone.
async fn restore_one(
    restored: &RestoredBackup<'_>,
    cluster: &Cluster<'_>,
    settings: &Restore,
    servers: &mut Servers,
) -> Result<Duration, CouldNotRun> {
    let (scenario, context) = (restored.pipeline.scenario, restored.pipeline.context);
    let run = context
        .work
        .begin()
        .map_err(|error| CouldNotRun::new(format!("cannot write to the work folder: {error}")))?;
    let slot = servers.add_slot(cluster.name.map(str::to_owned), run);
    let owner = slot.run.as_ref().unwrap_or(cluster.run);
    let production = Server {
        durability: Durability::Production,
        ..scenario.server.clone()
    };
    let mut wanted = wanted(&cluster.backup, settings);
    // That of the drill is still there.
    wanted.neighbours = 1;
    let server = ThrowawayServer::start(&production, &wanted, owner, context.path()).await?;
    let server = &*slot.server.insert(server);
    let everything = RowsLeftOut::default();
    let log = restore_needed(
        server,
        &cluster.backup,
        (settings, &everything),
        &context.redactor,
        &context.listener,
    );
    let log = log.await?;
    if let Some(first) = log.unable.iter().chain(&log.errors).next() {
        return Err(CouldNotRun::with_hint(
            format!("it did not end without an error: {}", first.in_one_line()),
            "the drill restored the same backup without it: the runbook's own command fails where redrill's sessions do not",
        ));
    }
    Ok(log.facts.duration)
}
