//! Rehearses a release: runs its migrations on copies of the restored cluster, and says what they do to it.
//!
//! copy → run → locks, work, blocking, changes → checks → second run → down; then two runners and crashes, each on a copy of its own
//!
//! - `settings`: what the scenario says; `copies`: servers on copies of the cluster; `tool`: one run of the release's own tool
//! - `kept`: a rehearsal on a kept server, in place of a restored backup
//! - `observe`: stands between the tool and the server: its statements, and the locks that they take
//! - `probe`: sessions of the application meanwhile; `changes`: the cluster before and after
//! - `first`: the first run, and its `migrations` one by one; `judge`: by which `rules` it is judged (`conduct` of the tool, `locks`, `work` by the `server_log`, `advice`), and what the scenario accepts (`review`)
//! - `checks`: those of the scenario again; `again`: further runs; `crash`: where one is cut off; `steps`: the record

mod advice;
mod again;
mod backfill;
pub mod changes;
mod checks;
mod conduct;
mod copies;
mod crash;
mod first;
mod judge;
mod kept;
mod locks;
mod migrations;
pub mod observe;
mod probe;
mod review;
pub mod rules;
mod server_log;
pub mod settings;
mod steps;
mod tool;
mod work;

use std::future::{Future, ready};

use self::changes::ReadRows;
use self::copies::{Copied, Copies};
use self::first::{Before, FirstRun, first_run};
pub use self::kept::rehearse_on_kept;
use self::observe::Observed;
use self::steps::{Basis, Steps};
use crate::context::Context;
use crate::outcome::{CheckResult, CouldNotRun, DrillResult, NotTested, RehearsalResult, Step};
use crate::pipeline::RestoredBackup;
use crate::scenario::Scenario;
use crate::server::Servers;
use crate::verdict::{RehearsalVerdict, Verdict, rehearsal_verdict};

/// A rehearsal and the verdict on it.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// The source of its reports.
    pub result: RehearsalResult,
    /// The verdict.
    pub verdict: RehearsalVerdict,
}

impl Rehearsed {
    fn of(steps: Steps<'_>, basis: Basis) -> Self {
        let result = steps.finish(basis);
        Self {
            verdict: rehearsal_verdict(&result),
            result,
        }
    }
}

/// The record of a rehearsal, from before the drill ends until its verdict is known.
pub struct Rehearsal<'a> {
    steps: Steps<'a>,
}

impl<'a> Rehearsal<'a> {
    /// Begins the record; `None` where the scenario rehearses nothing.
    #[must_use]
    pub fn begin(scenario: &'a Scenario, context: &'a Context) -> Option<Self> {
        let settings = scenario.rehearse.as_ref().filter(|_| context.rehearse)?;
        let steps = Steps::begin(scenario, settings, context);
        Some(Self { steps })
    }

    /// Rehearses on a restored backup, whose checks ended like `before`. `servers` keeps the copies for the teardown.
    pub async fn run(
        &mut self,
        restored: &RestoredBackup<'_>,
        before: &[CheckResult],
        servers: &mut Servers,
    ) {
        // The record has why a step did not pass.
        let _ = run(&mut self.steps, restored, before, servers).await;
    }

    /// Records that a signal ended it.
    pub fn interrupt(&mut self) {
        self.steps.interrupt();
    }

    /// Completes the result, with what is known of the drill by then.
    #[must_use]
    pub fn finish(self, drill: &DrillResult, of_drill: Verdict) -> Rehearsed {
        Rehearsed::of(self.steps, Basis::of_drill(drill, of_drill))
    }
}

/// Why the steps ended: the record has it.
struct Stopped;

async fn run(
    steps: &mut Steps<'_>,
    restored: &RestoredBackup<'_>,
    checks_before: &[CheckResult],
    servers: &mut Servers,
) -> Result<(), Stopped> {
    let copies = Copies::make(restored, steps.settings, steps.context);
    let copies = steps.step(Step::Copy, copies).await?;
    let (first, second) = {
        let copy = copies.start(servers).await;
        let copy = steps.ready(copy)?;
        let before = changes::read(copy.server, &copies.cluster.databases, ReadRows::All).await;
        let before = Before {
            state: steps.ready(before)?,
            checks: checks_before.to_vec(),
        };
        on_first_copy(steps, &copies, &copy, ready(Ok(before))).await?
    };
    on_other_copies(steps, &copies, servers, &first, second.as_ref()).await;
    Ok(())
}

/// Runs the tool on the first copy, which is the only one that its migrations stay on: then what they left is judged. Gives that
/// run, and what a second one does.
async fn on_first_copy(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    before: impl Future<Output = Result<Before, CouldNotRun>>,
) -> Result<(FirstRun, Option<Observed>), Stopped> {
    steps.result.server = Some(copy.server.facts().clone());
    if copies.scenario().has_programs() {
        steps.not_tested([NotTested::new(
            "the migrations on exactly the rows of the backup",
            "copies are made after the checks of the drill, and have what programs of `api` and `command` checks wrote",
        )]);
    }
    let first = first_run(steps, copies, copy, before).await?;
    judge::judge(steps, &first, &first.before.state);
    if !first.ran.ended_well() || steps.result.nothing_pending {
        return Err(Stopped);
    }
    checks::run(steps, copies, copy, &first.before.checks).await;
    let second = again::second_run(steps, copies, copy, &first.after).await;
    again::down(steps, copies, copy, &first.before.state).await;
    Ok((first, second))
}

/// Runs the tool on copies of their own, after the first of `servers` is removed.
async fn on_other_copies(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    servers: &mut Servers,
    first: &FirstRun,
    second: Option<&Observed>,
) {
    servers.remove_last().await;
    again::two_runners(steps, copies, servers, first, second).await;
    crash::crashes(steps, copies, servers, first).await;
}
