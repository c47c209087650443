//! Rehearses a release: runs its migrations on copies of the restored cluster, and says what they do to it.
//!
//! copy → run → locks, work, blocking, changes → checks → second run → down; then two runners and crashes, each on a copy of its own
//!
//! - `settings`: what the scenario says; `copies`: servers on copies of the cluster; `tool`: one run of the release's own tool
//! - `observe`: stands between the tool and the server: its statements, and the locks that they take
//! - `probe`: sessions of the application meanwhile; `changes`: the cluster before and after
//! - `first`: the first run; `judge`: by which `rules` it is judged (`locks`, `work`, `advice`), and what the scenario accepts (`review`)
//! - `checks`: those of the scenario again; `again`: further runs; `crash`: where one is cut off; `steps`: the record

mod advice;
mod again;
pub mod changes;
mod checks;
mod copies;
mod crash;
mod first;
mod judge;
mod locks;
pub mod observe;
mod probe;
mod review;
pub mod rules;
pub mod settings;
mod steps;
mod tool;
mod work;

use self::changes::ReadRows;
use self::copies::Copies;
use self::first::first_run;
use self::steps::Steps;
use crate::context::Context;
use crate::outcome::{CheckResult, DrillResult, RehearsalResult, Step};
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
        let result = self.steps.finish(drill, of_drill);
        Rehearsed {
            verdict: rehearsal_verdict(&result),
            result,
        }
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
    let settings = steps.settings;
    let copies = Copies::make(restored, settings, steps.context);
    let copies = steps.step(Step::Copy, copies).await?;
    let databases = &copies.cluster.databases;
    let ran = {
        let copy = copies.start(servers).await;
        let copy = steps.ready(copy)?;
        steps.result.server = Some(copy.server.facts().clone());
        let before = changes::read(copy.server, databases, ReadRows::All).await;
        let before = steps.ready(before)?;
        let first = first_run(steps, &copies, &copy, &before).await?;
        judge::judge(steps, &first, &before);
        if !first.ran.ended_well() {
            return Err(Stopped);
        }
        if steps.result.nothing_pending {
            return Err(Stopped);
        }
        checks::run(steps, &copies, &copy, checks_before).await;
        again::second_run(steps, &copies, &copy, &first.after).await;
        again::down(steps, &copies, &copy, &before).await;
        first
    };
    servers.remove_last().await;
    again::two_runners(steps, &copies, servers, &ran.after).await;
    crash::crashes(steps, &copies, servers, &ran).await;
    Ok(())
}
