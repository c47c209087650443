//! The first run of the tool, with observer and probes.

use std::future::Future;
use std::slice;

use futures_util::future::try_join;

use super::Stopped;
use super::changes::{self, ChangeClass, ClusterChange, ReadRows, State};
use super::conduct::Aside;
use super::copies::{Copied, Copies};
use super::crash::DROP_FIRST;
use super::migrations::Histories;
use super::probe::{ProbeKind, Probed, Probes, Refusal, Standing, Waited};
use super::review::Review;
use super::server_log::{self, ServerLog};
use super::steps::{Ended, Steps};
use super::tool::{self, Meter, Ran};
use super::work::Work;
use super::{conduct, locks};
use crate::catalog::system::{Compared, SystemCatalogs};
use crate::outcome::{
    CheckResult, CouldNotRun, Finding, MigrationFacts, NotTested, Step, TableFacts, summarize,
};
use crate::units::{listed, show_bytes, show_counted, show_duration};

/// The longest statements that reports show.
const LONGEST: usize = 10;

/// The first run, and the cluster after it.
pub(super) struct FirstRun {
    pub(super) ran: Ran,
    pub(super) before: Before,
    pub(super) after: State,
    pub(super) waited: Vec<Waited>,
    /// What roles of the application cannot do any more.
    pub(super) refusals: Vec<Refusal>,
    /// The work on whole tables that the server's log names, or why it does not name all.
    pub(super) log: Result<Vec<Work>, CouldNotRun>,
    pub(super) tables: Vec<TableFacts>,
}

/// The cluster before the first run.
pub(super) struct Before {
    pub(super) state: State,
    pub(super) checks: Vec<CheckResult>,
}

/// Runs the tool, with observer and probes. `before` is asked for once the tool has ended.
pub(super) async fn first_run(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    before: impl Future<Output = Result<Before, CouldNotRun>>,
) -> Result<FirstRun, Stopped> {
    let settings = steps.settings;
    let began = steps.begin_step(Step::Run);
    let work = async {
        let endpoint = copy.server.endpoint();
        let standing = Standing::read(endpoint, &copies.database, settings).await?;
        let probes = Probes::start(copy.server.endpoint(), &copies.database, settings).await?;
        let meter = Meter::read(copy.server, &copies.database).await?;
        let histories = Histories::read(copy.server, &copies.database, settings).await?;
        let system = SystemCatalogs::read(endpoint, &copies.database, Compared::All).await?;
        let log = ServerLog::begin(copy.server).await?;
        let ran = copies.run_tool(copy, &settings.command, None).await;
        let probed = probes.finish().await;
        let ran = ran?;
        let used = meter.since(copy.server, &copies.database).await?;
        let log = log.end().await;
        let log = match ran.observed.log_level {
            true => Err(server_log::hidden(
                "the tool changes `log_min_messages`".to_owned(),
            )),
            false => log,
        };
        let migrations = histories
            .migrations(copy.server, &copies.database, &ran.observed)
            .await?;
        let replaced = system.changed(endpoint, slice::from_ref(&copies.database));
        let aside = Aside {
            left_open: conduct::left_open(copy.server, &ran.observed).await?,
            replaced: replaced.await?,
        };
        let why = |error: CouldNotRun| match aside.left_open.as_slice() {
            [] => error,
            left => error.hint(format!("the tool left {}", left.join(", "))),
        };
        let after = changes::read(copy.server, &copies.cluster.databases, ReadRows::All);
        let (before, after) = try_join(before, after).await.map_err(why)?;
        let refusals = async {
            let now = Standing::read(endpoint, &copies.database, settings).await?;
            standing.lost(&now, endpoint, &copies.database).await
        };
        let refusals = refusals.await?;
        Ok::<_, CouldNotRun>((
            (ran, aside),
            (probed, refusals),
            used,
            before,
            after,
            log,
            migrations,
        ))
    };
    let ((ran, aside), (probed, refusals), used, before, after, log, migrations) = match work.await
    {
        Ok(all) => all,
        Err(error) => {
            steps.ended(Step::Run, began, Ended::Error(error));
            return Err(Stopped);
        }
    };
    steps.not_tested(probed.untried(&ran.observed));
    let Probed {
        waited, not_tested, ..
    } = probed;
    steps.not_tested(not_tested);
    let mut tables = locks::tables(&ran.observed);
    for table in &mut tables {
        let of = |kind: ProbeKind| {
            let mut all = waited.iter();
            let one = all.find(|one| one.object == table.table && one.kind == kind)?;
            Some(one.longest)
        };
        table.readers_waited = of(ProbeKind::Read);
        table.writers_waited = of(ProbeKind::Write);
    }
    let changes = changes::compare(&before.state, &after);
    let size = |state: &State| state.databases.values().map(|one| one.bytes).sum();
    let mut review = Review::of(settings);
    steps.result.migration = Some(MigrationFacts {
        duration: ran.duration,
        connections: ran.observed.processes.len(),
        statements: ran.observed.statements.len(),
        migrations,
        longest: tool::longest(&ran.observed, LONGEST),
        tables: tables.clone(),
        wal_bytes: used.wal_bytes,
        temporary_bytes: used.temporary_bytes,
        size_before: size(&before.state),
        size_after: size(&after),
        changes: changes.iter().map(|change| review.facts(change)).collect(),
    });
    let conduct = review.split(conduct::judge(&ran.observed, &aside, settings));
    steps.result.nothing_pending =
        ran.ended_well() && changes.is_empty() && conduct.faults.is_empty();
    let statements = show_counted(ran.observed.statements.len(), "statement");
    let took = show_duration(ran.duration);
    let ended = match (ran.ended_well(), steps.result.nothing_pending) {
        // It may have connected to another server.
        (true, true) if ran.observed.processes.is_empty() => Ended::Pass(
            format!(
                "it ended after {took} without a connection to the copy, so nothing was pending, or it does not use DATABASE_URL or the PG… variables"
            ),
            Vec::new(),
        ),
        (true, false) if !conduct.faults.is_empty() => {
            Ended::Fail(summarize(&conduct.faults, "fault"), conduct.faults)
        }
        (true, true) => Ended::Pass(
            format!("{statements} in {took}; nothing changed, so nothing was pending"),
            Vec::new(),
        ),
        (true, false) => Ended::Pass(
            format!(
                "{statements} in {took} on this machine, {} of WAL; {}",
                show_bytes(used.wal_bytes),
                show_counted(changes.len(), "change")
            ),
            Vec::new(),
        ),
        (false, _) => {
            let mut findings = vec![ran.finding(settings, None)];
            if !changes.is_empty() {
                findings.push(left_behind(&changes));
            }
            Ended::Fail(
                format!("{}, after {statements} in {took}", ran.end()),
                findings,
            )
        }
    };
    steps.not_tested(ran.observed.not_observed.iter().map(|what| {
        let why = "it could not be observed between the tool and the server";
        NotTested::new(what.clone(), why)
    }));
    if settings.probes_as_superuser() {
        steps.not_tested([NotTested::new(
            "whether the migrations take rights from the application, or keep it waiting where only its role would wait",
            "`application` in `[rehearse]` names no role, so probes ran as the superuser",
        )]);
    }
    steps.ended(Step::Run, began, ended);
    Ok(FirstRun {
        ran,
        before,
        after,
        waited,
        refusals,
        log,
        tables,
    })
}

/// What a failed run left in the database.
fn left_behind(changes: &[ClusterChange]) -> Finding {
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let names = listed(&names, 10);
    let invalid = |change: &ClusterChange| change.class == ChangeClass::IndexInvalid;
    let hint = match changes.iter().any(invalid) {
        true => DROP_FIRST,
        false => {
            "put what belongs together into one transaction; what cannot be in one must be repeatable, such as with IF NOT EXISTS"
        }
    };
    Finding::new(
        "a failed run leaves nothing behind",
        format!("it leaves {names}"),
    )
    .hint(hint)
}
