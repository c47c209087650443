//! `redrill run`: drills scenarios, writes their reports, prints a summary of each and the total.
//!
//! - `one`: one drill and its files; `record`: the state that keeps it; `notify`: the webhook; `repeat`: the command line that repeats it
//! - `shard`: one share of the drills, where several machines drill; `on`: a rehearsal on a kept server

mod notify;
mod on;
mod one;
mod record;
mod repeat;
mod shard;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};

use self::one::{Drills, Recorded};
use self::record::Recorder;
use self::shard::seed_of;
use super::abort::{Abort, Ended};
use super::metrics;
use super::print::{err, out};
use super::scenarios::{load_all, set_provider};
use super::start::{watch_signals, work_folder};
use crate::backup::settings::OtherBackup;
use crate::backup::source::pick::new_seed;
use crate::batch::Sharding;
use crate::cleanup::Work;
use crate::cli::{DrillOptions, Rehearse, Run, Terminal};
use crate::context::Context;
use crate::event::Event;
use crate::exit_code::{self, Ending, worst};
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::progress::{Lines, Progress};
use crate::redact::Redactor;
use crate::report::terminal::{Look, total};
use crate::scenario::Scenario;
use crate::scenario::only::{Only, keep, only};
use crate::{report, server};

/// What a command asks for: `redrill run`, or `redrill rehearse`, which has no options but those of both.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    options: &'a DrillOptions,
    run: Option<&'a Run>,
}

impl Asked<'_> {
    /// Whether only the rehearsal counts and is reported.
    fn rehearsal_only(&self) -> bool {
        self.run.is_none()
    }

    fn rehearses(&self) -> bool {
        self.run.is_none_or(|run| run.rehearse)
    }

    fn json(&self) -> bool {
        self.run.is_some_and(|run| run.json)
    }

    fn fail_fast(&self) -> bool {
        self.run.is_some_and(|run| run.fail_fast)
    }

    fn seed(&self) -> Option<u32> {
        self.run?.seed
    }

    fn annotate(&self) -> bool {
        self.run.is_some_and(|run| run.annotate)
    }

    fn metrics(&self) -> Option<&Path> {
        self.run?.metrics.as_deref()
    }

    fn shard(&self, environment: &Environment) -> Result<Option<Sharding>, Abort> {
        let Some(run) = self.run else {
            return Ok(None);
        };
        let Some(shard) = &run.shard else {
            return Ok(None);
        };
        if self.options.keeping.state.is_none() {
            return Err(Abort::invalid(
                "`--shard` without `--state`: the shards have nothing in common\nhint: name one state for all of them: `--state s3://bucket/prefix`, or a folder that all machines mount",
            ));
        }
        let sharding = Sharding::read(shard, run.batch.as_deref(), run.again, environment);
        sharding.map(Some).map_err(Abort::invalid)
    }

    fn jobs(&self) -> usize {
        self.run.map_or(1, |run| run.jobs.get())
    }
}

/// Runs `redrill run`.
pub async fn run(
    arguments: Run,
    environment: Environment,
    terminal: Terminal,
    command: Vec<String>,
) -> Ended {
    let asked = Asked {
        options: &arguments.options,
        run: Some(&arguments),
    };
    drill_all(asked, environment, terminal, command).await
}

/// Runs `redrill rehearse`.
pub async fn rehearse(
    arguments: Rehearse,
    environment: Environment,
    terminal: Terminal,
    command: Vec<String>,
) -> Ended {
    let asked = Asked {
        options: &arguments.options,
        run: None,
    };
    match &arguments.on {
        Some(name) => on::rehearse_on(name, asked, environment, terminal, &command).await,
        None => drill_all(asked, environment, terminal, command).await,
    }
}

/// Drills or rehearses each scenario.
async fn drill_all(
    asked: Asked<'_>,
    environment: Environment,
    terminal: Terminal,
    command: Vec<String>,
) -> Ended {
    let paths = asked.options.scenarios.paths();
    let sharding = asked.shard(&environment)?;
    // All shards of a batch must draw the same.
    let seed = asked
        .seed()
        .or_else(|| Some(seed_of(&sharding.as_ref()?.batch)));
    let mut scenarios = scenarios(&paths, asked, seed, &environment, terminal)?;
    let work = work_folder(&asked.options.work.work_dir, &environment)?;
    let progress = progress(asked.options);
    let (context, look) = begin(asked, environment, terminal, work, &progress).await?;
    let keeping = &asked.options.keeping;
    let recorder = Recorder::open(keeping, &context.environment, &context.redactor).await?;
    let trusted = recorder.trusted(keeping, &context.environment)?;
    let part = match (&sharding, recorder.named()) {
        (Some(sharding), Some(state)) => {
            let part = shard::begin(
                state,
                sharding,
                seed.unwrap_or_default(),
                &scenarios,
                &context,
            )
            .await?;
            scenarios.retain(|scenario| part.has(&scenario.facts));
            progress.listener("")(Event::Note(part.line()));
            Some(part)
        }
        _ => None,
    };
    let drills = Drills {
        context,
        part,
        recorder: &recorder,
        trusted,
        look,
        prefixed: scenarios.len() > 1 && asked.jobs() > 1,
        asked,
        command: &command,
        progress: &progress,
    };
    let recorded = all(&scenarios, &drills).await;
    let ending = total(&scenarios, &recorded, &drills);
    if asked.annotate() {
        for one in recorded.iter().flatten() {
            let text = report::annotations::render(&one.result, one.verdict);
            if !text.is_empty() {
                out(&text);
            }
        }
    }
    let ending = match asked.metrics() {
        Some(path) => {
            let judged = recorded.iter().flatten();
            let judged: Vec<_> = judged.map(|one| (&one.result, one.verdict)).collect();
            // Of the states beside the scenarios it is that of the first.
            let place = match scenarios.first() {
                Some(scenario) => recorder.place(scenario, &drills.context).await.ok(),
                None => None,
            };
            let state = place.as_ref().and_then(record::Place::open);
            metrics::write(Some(path), &judged, state, ending).await
        }
        None => ending,
    };
    Ok(match &drills.part {
        Some(part) => shard::end(part, ending, why_not(&recorded)).await,
        None => ending,
    })
}

fn progress(options: &DrillOptions) -> Progress {
    Progress::new(match (options.quiet, options.verbose) {
        (true, _) => Lines::None,
        (false, false) => Lines::Short,
        (false, true) => Lines::All,
    })
}

/// Removes what killed runs left, and makes what all drills share.
async fn begin(
    asked: Asked<'_>,
    environment: Environment,
    terminal: Terminal,
    work: Work,
    progress: &Progress,
) -> Result<(Context, Look), Abort> {
    let interrupted = watch_signals()?;
    let swept = server::sweep(&work).await;
    if !swept.runs.is_empty() || !swept.containers.is_empty() {
        progress.listener("")(Event::Note(format!(
            "removed what a killed run left: {} folders, {} containers",
            swept.runs.len(),
            swept.containers.len()
        )));
    }
    report::check_writable(&asked.options.reports).map_err(|error| {
        CouldNotRun::with_hint(
            format!("the reports cannot be written: {error}"),
            "name another folder with `--reports`",
        )
    })?;
    let context = Context {
        work,
        environment,
        redactor: Redactor::default(),
        listener: progress.listener(""),
        interrupted,
        keep: asked.run.and_then(|run| run.keep),
        repeat: String::new(),
        rehearse: asked.rehearses(),
        last_record: Ok(None),
    };
    let look = Look {
        width: terminal.width,
        colour: terminal.colour,
        verbose: asked.options.verbose,
    };
    Ok((context, look))
}

/// Reads the scenarios of the command line and applies its options.
fn scenarios(
    paths: &[PathBuf],
    asked: Asked<'_>,
    seed: Option<u32>,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Vec<Scenario>, Abort> {
    let options = asked.options;
    // A path of the command line is not relative to the scenario.
    let absolute = |path: &Option<PathBuf>| {
        let path = path.as_ref().map(std::path::absolute).transpose();
        path.map_err(|error| Abort::invalid(error.to_string()))
    };
    let (backup, globals) = (absolute(&options.backup)?, absolute(&options.globals)?);
    let other = backup.as_ref().map(|path| OtherBackup {
        path,
        globals: globals.as_deref(),
    });
    let seed = seed.map_or_else(new_seed, Ok).map_err(|error| {
        CouldNotRun::with_hint(
            format!("the system gives no random numbers: {error}"),
            "name a seed with `--seed`",
        )
    })?;
    let mut scenarios = load_all(paths, other, seed, environment, terminal)?;
    let by_seed = |scenario: &Scenario| scenario.backup.choosing().seed().is_some();
    if asked.seed().is_some() && !scenarios.iter().any(by_seed) {
        let why = "`--seed` decides nothing: no scenario selects its backup at random\nhint: add `pick = \"random\"` to `[backup]`, or remove `--seed`";
        return Err(Abort::invalid(why.to_owned()));
    }
    for scenario in &mut scenarios {
        set_provider(&mut scenario.server, options.server);
        if let Some(hint) = scenario.restore.older_form().filter(|_| !options.quiet) {
            err(&format!("hint: {}: {hint}", scenario.facts.file.display()));
        }
    }
    if asked.rehearses() {
        let has = |scenario: &Scenario| scenario.rehearse.is_some();
        if !scenarios.iter().any(has) {
            let files: Vec<String> = scenarios
                .iter()
                .map(|scenario| scenario.facts.file.display().to_string())
                .collect();
            return Err(Abort::nothing_found(format!(
                "{}: no `[rehearse]`\nhint: add it with the `command` of the release's migrations and the `role` that runs them; `redrill explain rehearse` shows how",
                files.join(", ")
            )));
        }
        if asked.rehearsal_only() {
            scenarios.retain(has);
        }
    }
    if options.only.is_empty() {
        return Ok(scenarios);
    }
    let wanted = options.only.iter().map(|text| Only::parse(text));
    let wanted: Result<Vec<Only>, _> = wanted.collect();
    let wanted = wanted.map_err(|error| Abort::invalid(format!("`--only`: {error}")))?;
    let kept = match asked.rehearsal_only() {
        // Migrations need all rows: only the checks are selected.
        true => keep(scenarios, &wanted),
        false => only(scenarios, &wanted),
    };
    kept.map_err(Abort::nothing_found)
}

/// Drills the scenarios, some at the same time; the results are in the order of the scenarios, `None` for one that
/// was not begun.
async fn all(scenarios: &[Scenario], drills: &Drills<'_>) -> Vec<Option<Recorded>> {
    let stop = &AtomicBool::new(false);
    let begun = stream::iter(scenarios.iter().enumerate()).map(|(at, scenario)| async move {
        if stop.load(Ordering::Relaxed) {
            return (at, None);
        }
        let mut recorded = drills.drill(scenario).await;
        if let Some(part) = &drills.part {
            shard::done(part, scenario, &mut recorded).await;
        }
        let passed = [exit_code::PROVEN, exit_code::WITH_WAIVERS];
        let fail_fast = drills.asked.fail_fast() && !passed.contains(&recorded.ending().code());
        if fail_fast || recorded.result.interrupted {
            stop.store(true, Ordering::Relaxed);
        }
        (at, Some(recorded))
    });
    let jobs = drills.asked.jobs();
    let mut ended: Vec<_> = begun.buffer_unordered(jobs).collect().await;
    ended.sort_unstable_by_key(|(at, _)| *at);
    ended.into_iter().map(|(_, recorded)| recorded).collect()
}

/// Why scenarios were not begun.
fn why_not(recorded: &[Option<Recorded>]) -> &'static str {
    let mut drilled = recorded.iter().flatten();
    match drilled.any(|one| one.result.interrupted) {
        true => "interrupted by a signal",
        false => "`--fail-fast`: an earlier scenario is not PROVEN",
    }
}

/// The line about the reports over several drills.
pub(super) fn merged_line(files: &[PathBuf]) -> String {
    let files: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    format!("merged     {}", files.join(", "))
}

/// Prints the total of several scenarios and writes the merged report; returns how the command ends.
fn total(scenarios: &[Scenario], recorded: &[Option<Recorded>], drills: &Drills<'_>) -> Ending {
    let mut ending = worst(recorded.iter().flatten().map(Recorded::ending));
    if scenarios.len() < 2 {
        return ending;
    }
    let drilled: Vec<_> = recorded.iter().flatten().collect();
    let why_not = why_not(recorded);
    if drilled.len() < scenarios.len() {
        ending = ending.unless(Ending::CouldNotRun);
    }
    let both = || scenarios.iter().zip(recorded);
    let not_drilled: Vec<(String, &str)> = both()
        .filter(|(_, recorded)| recorded.is_none())
        .map(|(scenario, _)| (scenario.facts.title(), why_not))
        .collect();
    let judged: Vec<_> = drilled
        .iter()
        .map(|one| (&one.result, one.verdict))
        .collect();
    let reports = &drills.asked.options.reports;
    let lines: Vec<total::One> = both()
        .map(|(scenario, recorded)| total::One {
            name: scenario.facts.title(),
            state: recorded.as_ref().map_or_else(
                || total::State::NotDrilled(why_not.to_owned()),
                Recorded::state,
            ),
        })
        .collect();
    let merged = report::write_merged(
        reports,
        &report::Merged {
            drills: judged,
            not_drilled,
            missing: Vec::new(),
            problems: &[],
            batch: None,
            lines: &lines,
            ending,
        },
    );
    if merged.is_err() {
        ending = ending.unless(Ending::CouldNotRun);
    }
    let text = total::render(&lines, ending, drills.look);
    // Standard output has only JSON then.
    let print = if drills.asked.json() { err } else { out };
    print(&text);
    match merged {
        Ok(files) => print(&merged_line(&files)),
        Err(error) => err(&format!("the merged reports were not written: {error}")),
    }
    ending
}
