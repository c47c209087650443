//! `redrill run`: drills scenarios, writes their reports, prints a summary of each and the total.
//!
//! - `one`: one drill and its files; `notify`: the webhook; `repeat`: the command line that repeats it

mod notify;
mod one;
mod repeat;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};

use self::one::{Drills, Recorded};
use super::abort::{Abort, Ended};
use super::print::{err, out};
use super::scenarios::{load_all, set_provider};
use super::start::{watch_signals, work_folder};
use crate::backup::settings::OtherBackup;
use crate::backup::source::pick::new_seed;
use crate::cli::{Run, Terminal};
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

/// Runs the command.
pub async fn run(
    arguments: Run,
    environment: Environment,
    terminal: Terminal,
    command: Vec<String>,
) -> Ended {
    let scenarios = scenarios(&arguments, &environment, terminal)?;
    let work = work_folder(&arguments.work.work_dir, &environment)?;
    let progress = Progress::new(match (arguments.quiet, arguments.verbose) {
        (true, _) => Lines::None,
        (false, false) => Lines::Short,
        (false, true) => Lines::All,
    });
    let interrupted = watch_signals()?;
    let swept = server::sweep(&work).await;
    if !swept.runs.is_empty() || !swept.containers.is_empty() {
        progress.listener("")(Event::Note(format!(
            "removed what a killed run left: {} folders, {} containers",
            swept.runs.len(),
            swept.containers.len()
        )));
    }
    report::check_writable(&arguments.reports).map_err(|error| {
        CouldNotRun::with_hint(
            format!("the reports cannot be written: {error}"),
            "name another folder with `--reports`",
        )
    })?;
    let drills = Drills {
        context: Context {
            work,
            environment,
            redactor: Redactor::default(),
            listener: progress.listener(""),
            interrupted,
            keep: arguments.keep,
            repeat: String::new(),
            rehearse: arguments.rehearse,
        },
        look: Look {
            width: terminal.width,
            colour: terminal.colour,
            verbose: arguments.verbose,
        },
        prefixed: scenarios.len() > 1 && arguments.jobs.get() > 1,
        arguments: &arguments,
        command: &command,
        progress: &progress,
    };
    let recorded = all(&scenarios, &drills).await;
    Ok(total(&scenarios, &recorded, &drills))
}

/// Reads the scenarios of the command line and applies its options.
fn scenarios(
    arguments: &Run,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Vec<Scenario>, Abort> {
    let paths = &arguments.scenarios.scenarios;
    // A path of the command line is not relative to the scenario.
    let absolute = |path: &Option<PathBuf>| {
        let path = path.as_ref().map(std::path::absolute).transpose();
        path.map_err(|error| Abort::invalid(error.to_string()))
    };
    let (backup, globals) = (absolute(&arguments.backup)?, absolute(&arguments.globals)?);
    let other = backup.as_ref().map(|path| OtherBackup {
        path,
        globals: globals.as_deref(),
    });
    let seed = arguments.seed.map_or_else(new_seed, Ok).map_err(|error| {
        CouldNotRun::with_hint(
            format!("the system gives no random numbers: {error}"),
            "name a seed with `--seed`",
        )
    })?;
    let mut scenarios = load_all(paths, other, seed, environment, terminal)?;
    let by_seed = |scenario: &Scenario| scenario.backup.choosing().seed().is_some();
    if arguments.seed.is_some() && !scenarios.iter().any(by_seed) {
        let why = "`--seed` decides nothing: no scenario selects its backup at random\nhint: add `pick = \"random\"` to `[backup]`, or remove `--seed`";
        return Err(Abort::invalid(why.to_owned()));
    }
    for scenario in &mut scenarios {
        set_provider(&mut scenario.server, arguments.server);
        if let Some(hint) = scenario.restore.older_form().filter(|_| !arguments.quiet) {
            err(&format!("hint: {}: {hint}", scenario.facts.file.display()));
        }
    }
    if arguments.rehearse {
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
        if arguments.rehearsal_only {
            scenarios.retain(has);
        }
    }
    if arguments.only.is_empty() {
        return Ok(scenarios);
    }
    let wanted = arguments.only.iter().map(|text| Only::parse(text));
    let wanted: Result<Vec<Only>, _> = wanted.collect();
    let wanted = wanted.map_err(|error| Abort::invalid(format!("`--only`: {error}")))?;
    let kept = match arguments.rehearsal_only {
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
        let recorded = drills.drill(scenario).await;
        let fail_fast = drills.arguments.fail_fast && recorded.ending().code() != exit_code::PROVEN;
        if fail_fast || recorded.result.interrupted {
            stop.store(true, Ordering::Relaxed);
        }
        (at, Some(recorded))
    });
    let jobs = drills.arguments.jobs.get();
    let mut ended: Vec<_> = begun.buffer_unordered(jobs).collect().await;
    ended.sort_unstable_by_key(|(at, _)| *at);
    ended.into_iter().map(|(_, recorded)| recorded).collect()
}

/// Prints the total of several scenarios and writes the merged report; returns how the command ends.
fn total(scenarios: &[Scenario], recorded: &[Option<Recorded>], drills: &Drills<'_>) -> Ending {
    let mut ending = worst(recorded.iter().flatten().map(Recorded::ending));
    if scenarios.len() < 2 {
        return ending;
    }
    let drilled: Vec<_> = recorded.iter().flatten().collect();
    let why_not = match drilled.iter().any(|one| one.result.interrupted) {
        true => "interrupted by a signal",
        false => "`--fail-fast`: an earlier scenario is not PROVEN",
    };
    let both = || scenarios.iter().zip(recorded);
    let not_drilled: Vec<(String, &str)> = both()
        .filter(|(_, recorded)| recorded.is_none())
        .map(|(scenario, _)| (scenario.facts.title(), why_not))
        .collect();
    let judged: Vec<_> = drilled
        .iter()
        .map(|one| (&one.result, one.verdict))
        .collect();
    let reports = &drills.arguments.reports;
    let merged = report::write_merged(reports, &judged, &not_drilled);
    if merged.is_err() {
        ending = ending.unless(Ending::CouldNotRun);
    }
    let lines: Vec<total::One> = both()
        .map(|(scenario, recorded)| total::One {
            name: scenario.facts.title(),
            state: recorded
                .as_ref()
                .map_or(total::State::NotDrilled, Recorded::state),
        })
        .collect();
    let text = total::render(&lines, why_not, ending, drills.look);
    // Standard output has only JSON then.
    let print = if drills.arguments.json { err } else { out };
    print(&text);
    match merged {
        Ok(path) => print(&format!("merged     {}", path.display())),
        Err(error) => err(&format!("the merged JUnit report was not written: {error}")),
    }
    ending
}
