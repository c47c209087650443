//! `redrill merge`: what the shards of a batch reported, as one run.

use std::time::{Duration, Instant};

use super::abort::{Abort, Ended};
use super::metrics;
use super::print::{err, out};
use super::report::of_entry;
use super::run::merged_line;
use super::verify::{no_state, open_state};
use crate::batch::{self, Batch, Reported, ShardReport, batch_name, collect};
use crate::cli::{Merge, Terminal};
use crate::exit_code::{Ending, worst};
use crate::input::Environment;
use crate::outcome::{CouldNotRun, DrillResult};
use crate::report::terminal::{Look, total};
use crate::report::text::line;
use crate::report::{self, Merged};
use crate::state::State;
use crate::units::show_duration;
use crate::verdict::Verdict;

/// How long it waits before it asks again.
const PAUSE: Duration = Duration::from_secs(2);

/// How many names of other batches are shown.
const SHOWN: usize = 5;

/// Runs the command.
pub async fn run(arguments: Merge, environment: Environment, terminal: Terminal) -> Ended {
    let name = batch_name(arguments.batch.as_deref(), &environment).map_err(Abort::invalid)?;
    let (state, batch) = wait(&arguments, &environment, &name).await?;
    report::check_writable(&arguments.reports).map_err(|error| {
        CouldNotRun::with_hint(
            format!("the reports cannot be written: {error}"),
            "name another folder with `--reports`",
        )
    })?;
    let mut drills = Vec::new();
    for (planned, reported) in batch.plan.drills.iter().zip(batch.drills) {
        drills.push((planned.title(), read(&state, reported).await?));
    }
    let mut lines = Vec::new();
    let mut endings = Vec::new();
    if !batch.problems.is_empty() {
        endings.push(Ending::CouldNotRun);
    }
    for (title, drill) in &drills {
        let (shown, ending) = match drill {
            Ok(drill) => {
                let (result, verdict) = (&drill.result, drill.verdict);
                // Byte for byte the reports of the shard.
                let files = report::write_all(&arguments.reports, result, verdict, None);
                let folder = files
                    .as_ref()
                    .ok()
                    .and_then(|files| files.first()?.parent());
                match (folder, &files) {
                    (Some(folder), _) if drill.complete => (
                        total::State::Judged(verdict, folder.to_owned()),
                        Ending::Judged(verdict),
                    ),
                    (_, files) => {
                        if let Err(error) = files {
                            err(&format!(
                                "the reports of `{title}` were not written: {error}"
                            ));
                        }
                        let ending = Ending::Judged(verdict).unless(Ending::CouldNotRun);
                        (total::State::NotRecorded, ending)
                    }
                }
            }
            Err(why) => (total::State::NotDrilled(why.clone()), Ending::CouldNotRun),
        };
        lines.push(total::One {
            name: title.clone(),
            state: shown,
        });
        endings.push(ending);
    }
    let mut ending = worst(endings);
    let missing = drills.iter().filter_map(|(title, drill)| {
        let why = drill.as_ref().err()?;
        Some((title.clone(), why.as_str()))
    });
    let merged = Merged {
        drills: drills
            .iter()
            .filter_map(|(_, drill)| drill.as_ref().ok())
            .map(|drill| (&drill.result, drill.verdict))
            .collect(),
        not_drilled: Vec::new(),
        missing: missing.collect(),
        problems: &batch.problems,
        batch: Some(report::Batch {
            name: &name,
            place: &arguments.state,
            shards: batch.shards.iter().map(shard).collect(),
            notes: &batch.notes,
        }),
        lines: &lines,
        ending,
    };
    let files = report::write_merged(&arguments.reports, &merged);
    if files.is_err() {
        ending = ending.unless(Ending::CouldNotRun);
    }
    for problem in &batch.problems {
        err(&line(&format!("error: {problem}")));
    }
    for note in &batch.notes {
        err(&line(&format!("note: {note}")));
    }
    let look = Look {
        width: terminal.width,
        colour: terminal.colour,
        verbose: false,
    };
    out(&total::render(&lines, ending, look));
    match files {
        Ok(files) => out(&merged_line(&files)),
        Err(error) => err(&format!("the merged reports were not written: {error}")),
    }
    if arguments.annotate {
        let text = report::annotations::render_merged(&merged);
        if !text.is_empty() {
            out(&text);
        }
    }
    let drills = merged.drills.as_slice();
    Ok(metrics::write(arguments.metrics.as_deref(), drills, Some(&state), ending).await)
}

fn shard(shard: &ShardReport) -> report::Shard<'_> {
    report::Shard {
        number: shard.number,
        end: shard.end,
        by: shard.by.as_deref(),
        planned: shard.planned,
        reported: shard.reported,
    }
}

/// Opens the state and reads a batch of it; with `--wait`, once all of its shards have ended, or at the end of this time. The first
/// shard may have yet to make the state.
async fn wait(
    arguments: &Merge,
    environment: &Environment,
    name: &str,
) -> Result<(State, Batch), Abort> {
    let began = Instant::now();
    let longest = arguments.wait.map_or(Duration::ZERO, |span| span.0);
    let mut opened = None;
    let mut said = false;
    loop {
        if opened.is_none() {
            opened = open_state(&arguments.state, environment).await?;
        }
        let batch = match &opened {
            Some(state) => collect(state, name).await?,
            None => None,
        };
        let left = longest.saturating_sub(began.elapsed());
        let over = left.is_zero();
        match (opened, batch) {
            (Some(state), Some(batch)) if batch.open.is_empty() || over => {
                return Ok((state, batch));
            }
            (Some(state), None) if over => return Err(absent(&state, name).await?),
            (None, _) if over => return Err(no_state(&arguments.state)),
            (state, _) => opened = state,
        }
        if !said {
            said = true;
            err(&format!(
                "waiting for the shards of `{name}`, {} at most",
                show_duration(left)
            ));
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// The error that there is no such batch.
async fn absent(state: &State, name: &str) -> Result<Abort, CouldNotRun> {
    let mut others = batch::newest(state).await?;
    others.drain(..others.len().saturating_sub(SHOWN));
    let others = match others.as_slice() {
        [] => "it has none; no shard has begun, or all wrote to another state".to_owned(),
        others => format!("it has {}", others.join(", ")),
    };
    Ok(Abort {
        message: line(&format!(
            "{} has no batch `{name}`: {others}",
            state.place()
        )) + "\nhint: give `redrill merge` the `--state` and the `--batch` of `redrill run --shard`",
        ending: Ending::CouldNotRun,
    })
}

/// A drill of a batch, from its record.
struct Drilled {
    result: DrillResult,
    verdict: Verdict,
    complete: bool,
}

/// Reads the record of a drill; why there is none otherwise.
async fn read(state: &State, reported: Reported) -> Result<Result<Drilled, String>, CouldNotRun> {
    match reported {
        Reported::Missing(why) => Ok(Err(why)),
        Reported::Recorded { entry, complete } => Ok(match of_entry(state, &entry).await {
            Ok((result, verdict)) => Ok(Drilled {
                result,
                verdict,
                complete,
            }),
            Err(error) => Err(error.reason),
        }),
    }
}
