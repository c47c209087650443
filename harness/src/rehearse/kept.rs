//! A rehearsal on copies of a kept server, whose backup is not restored again.
//!
//! The kept server itself is not touched: its snapshot is the state that the drill left. The tool runs on a first copy at once. The
//! state before and the checks before are read on another copy, once the tool has ended, as a drill reads them.

use jiff::Timestamp;

use super::changes::{self, ReadRows};
use super::copies::{Copied, Copies};
use super::first::Before;
use super::steps::{Basis, Steps};
use super::{Rehearsed, Stopped, on_first_copy, on_other_copies};
use crate::context::Context;
use crate::event::Event;
use crate::outcome::{
    BackupFacts, CheckResult, CouldNotRun, KeptServerFacts, NotTested, Outcome, Step,
};
use crate::provenance;
use crate::run::judge_all;
use crate::scenario::{Scenario, ScenarioCheck};
use crate::server::Servers;
use crate::server::kept::Kept;
use crate::stage;
use crate::units::{listed, show_bytes, show_duration};

/// Checks that a doubt names.
const NAMED: usize = 5;

/// What is learned while the rehearsal runs.
#[derive(Default)]
struct Learned {
    /// Id of the run of the first copy.
    run: String,
    doubts: Vec<String>,
    not_tested: Vec<NotTested>,
}

/// Rehearses the release of a scenario on copies of a kept server, and removes them. `None` where the scenario rehearses nothing.
pub async fn rehearse_on_kept(
    kept: &Kept,
    scenario: &Scenario,
    context: &Context,
) -> Option<Rehearsed> {
    let settings = scenario.rehearse.as_ref()?;
    let name = || scenario.facts.name.clone();
    (context.listener)(Event::Begun { scenario: name() });
    let facts = kept.backup().unwrap_or_default();
    let (testable, not_tested) = without_backup(scenario, kept, &facts);
    let mut learned = Learned {
        run: kept.run.clone(),
        doubts: Vec::new(),
        not_tested,
    };
    if scenario.facts.name != kept.facts.scenario {
        learned.doubts.push(format!(
            "{} was restored by the scenario `{}`, and this one is `{}`",
            kept.facts.name, kept.facts.scenario, scenario.facts.name
        ));
    }
    let mut steps = Steps::begin(&testable, settings, context);
    // Outside the steps, so that they are removed wherever those end.
    let (mut servers, mut unchanged) = (Servers::default(), Servers::default());
    let mut interrupted = context.interrupted.clone();
    tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => steps.interrupt(),
        // The record has why a step did not pass.
        _ = run(&mut steps, kept, facts.clone(), &testable, (&mut servers, &mut unchanged), &mut learned) => {}
    }
    servers.join(unchanged);
    let (_, removed) = stage::teardown(servers, None).await;
    if let Err(stopped) = removed {
        let why = stopped.summary();
        learned
            .doubts
            .push(format!("the copies were not removed: {why}"));
    }
    let verdict = kept.verdict();
    let until = i64::try_from(kept.facts.until).ok();
    let until = until.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let redactor = &context.redactor;
    let basis = Basis {
        run: learned.run,
        drill: verdict.map_or("NO VERDICT", |verdict| verdict.word()),
        passed: verdict.is_some_and(|verdict| verdict.passed()),
        backup: kept.backup(),
        kept: Some(KeptServerFacts {
            name: kept.facts.name.clone(),
            scenario: kept.facts.scenario.clone(),
            run: kept.run.clone(),
            until: until.unwrap_or(Timestamp::MAX),
            doubts: learned
                .doubts
                .iter()
                .map(|one| redactor.clean(one))
                .collect(),
        }),
        provenance: redactor.clean_provenance(provenance::gather(scenario, context).await.0),
        not_tested: learned.not_tested,
        interrupted: false,
    };
    Some(Rehearsed::of(steps, basis))
}

async fn run(
    steps: &mut Steps<'_>,
    kept: &Kept,
    facts: BackupFacts,
    scenario: &Scenario,
    (servers, unchanged): (&mut Servers, &mut Servers),
    learned: &mut Learned,
) -> Result<(), Stopped> {
    let (settings, context) = (steps.settings, steps.context);
    let (copies, first, second) = {
        let first = async {
            can_be_rehearsed_on(kept)?;
            let copies = Copies::of_kept(kept, facts, scenario, settings, context)?;
            let copy = copies.start(&mut *servers).await?;
            let line = copied_line(kept, &copy);
            Ok(((copies, copy), line))
        };
        let (copies, copy) = steps.step(Step::Copy, first).await?;
        learned.run.clone_from(&copy.run.id);
        let before = before(&copies, scenario, context, unchanged, learned);
        let (first, second) = on_first_copy(steps, &copies, &copy, before).await?;
        (copies, first, second)
    };
    on_other_copies(steps, &copies, servers, &first, second.as_ref()).await;
    Ok(())
}

/// One line about the first copy.
fn copied_line(kept: &Kept, copy: &Copied<'_>) -> String {
    let copied = copy.server.copied();
    let in_all = copy.server.facts().started_in;
    format!(
        "{} of data of {}, copied in {}; the server of the copy answered after {}",
        show_bytes(copied.bytes),
        kept.facts.name,
        show_duration(copied.took),
        show_duration(in_all)
    )
}

/// Whether the rows and definitions of the backup are all on the kept server.
fn can_be_rehearsed_on(kept: &Kept) -> Result<(), CouldNotRun> {
    let name = &kept.facts.name;
    let again = "restore it with `redrill run --keep`, and rehearse on that";
    if !kept.facts.only.is_empty() {
        let only = kept.facts.only.join(",");
        let why = format!(
            "{name} was restored with `--only {only}`, without rows that other checks and migrations need"
        );
        return Err(CouldNotRun::with_hint(
            why,
            format!("{again}, without `--only`"),
        ));
    }
    if !kept.facts.restored {
        let verdict = kept.facts.verdict.as_deref().unwrap_or("no verdict");
        let why = format!("the backup of {name} was not restored without an error: {verdict}");
        return Err(CouldNotRun::with_hint(why, again));
    }
    Ok(())
}

/// Reads the state before and runs the checks on a copy of its own, with the settings of a drill.
async fn before(
    copies: &Copies<'_>,
    scenario: &Scenario,
    context: &Context,
    servers: &mut Servers,
    learned: &mut Learned,
) -> Result<Before, CouldNotRun> {
    let (state, checks) = {
        let copy = copies.start_as_drilled(servers).await?;
        let databases = &copies.cluster.databases;
        let state = changes::read(copy.server, databases, ReadRows::All).await?;
        let restored = copies.restored_on(&copy);
        let (checks, not_tested) = judge_all(&restored, scenario, context).await;
        learned.not_tested.extend(not_tested);
        (state, checks)
    };
    servers.remove_last().await;
    learned.doubts.extend(not_passed(&checks));
    Ok(Before { state, checks })
}

/// A drill with these checks would not pass.
fn not_passed(checks: &[CheckResult]) -> Option<String> {
    let required = checks.iter().filter(|one| one.required);
    let bad = required.filter(|one| one.outcome != Outcome::Pass);
    let bad: Vec<String> = bad.map(CheckResult::title).collect();
    let names: Vec<&str> = bad.iter().map(String::as_str).collect();
    (!bad.is_empty()).then(|| {
        format!(
            "required checks of the scenario do not pass before the migrations: {}",
            listed(&names, NAMED)
        )
    })
}

/// The scenario without the checks that a kept server cannot answer, which are listed as not tested.
fn without_backup(
    scenario: &Scenario,
    kept: &Kept,
    facts: &BackupFacts,
) -> (Scenario, Vec<NotTested>) {
    let mut testable = scenario.clone();
    let mut not_tested = kept.not_tested();
    let mut keep = |check: &ScenarioCheck| {
        let reason = check.check.reads_backup().map(|what| {
            format!("it reads the backup itself ({what}), which `--on` does not restore again")
        });
        let reason = reason.or_else(|| {
            let database = check.database.as_ref()?;
            let elsewhere = !facts.databases.contains(database) && kept.is_one_of_several();
            elsewhere.then(|| format!("{} has no database `{database}`", kept.facts.name))
        });
        let Some(reason) = reason else { return true };
        let what = format!("check `{}`", check.name);
        not_tested.push(NotTested::new(what, reason));
        false
    };
    testable.checks.retain(&mut keep);
    testable.after.checks.retain(&mut keep);
    (testable, not_tested)
}
