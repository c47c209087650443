//! `redrill rehearse --on NAME`: a rehearsal on copies of a kept server.

use super::one::keep_rehearsal;
use super::record::Recorder;
use super::repeat::repeating_command;
use super::{Asked, begin, progress, scenarios};
use crate::cli::Terminal;
use crate::command::abort::{Abort, Ended};
use crate::command::kept;
use crate::command::print::{err, out};
use crate::command::start::work_folder;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::rehearse::rehearse_on_kept;

/// Rehearses the release of a scenario on copies of the kept server of a name.
pub(super) async fn rehearse_on(
    name: &str,
    asked: Asked<'_>,
    environment: Environment,
    terminal: Terminal,
    command: &[String],
) -> Ended {
    let work = work_folder(&asked.options.work.work_dir, &environment)?;
    let kept = kept::named(name, &work)?;
    let paths = match asked.options.scenarios.scenarios.as_slice() {
        [] => vec![kept.facts.file.clone()],
        paths => paths.to_owned(),
    };
    let mut scenarios = scenarios(&paths, asked, asked.seed(), &environment, terminal)?;
    // One file may be several drills, such as one for each tier.
    if scenarios
        .iter()
        .any(|one| one.facts.name == kept.facts.scenario)
    {
        scenarios.retain(|one| one.facts.name == kept.facts.scenario);
    }
    let [scenario] = scenarios.as_slice() else {
        let names: Vec<&str> = scenarios.iter().map(|one| &*one.facts.name).collect();
        return Err(Abort::invalid(format!(
            "`--on` needs exactly one scenario, and these have `[rehearse]`: {}\nhint: name the file of one",
            names.join(", ")
        )));
    };
    let progress = progress(asked.options);
    let (mut context, look) = begin(asked, environment, terminal, work, &progress).await?;
    let keeping = &asked.options.keeping;
    let recorder = Recorder::open(keeping, &context.environment, &context.redactor).await?;
    let trusted = recorder.trusted(keeping, &context.environment)?;
    context.repeat = repeating_command(command, scenario, asked, Some(name));
    context.last_record = match recorder.place(scenario, &context).await {
        Ok(place) => place.last_record(scenario, &trusted).await,
        Err(error) => Err(error),
    };
    let rehearsed = rehearse_on_kept(&kept, scenario, &context).await;
    let mut rehearsed = rehearsed.ok_or_else(|| {
        Abort::internal("the scenario rehearses nothing; this is a bug in redrill")
    })?;
    let mut missing = Vec::new();
    let shown = (asked, look);
    let text = keep_rehearsal(
        &mut rehearsed,
        &recorder,
        scenario,
        &context,
        shown,
        &mut missing,
    );
    let text = text.await;
    progress.pause(|| {
        out(&text);
        missing.iter().for_each(|error| err(error));
        out("");
    });
    let ending = Ending::Rehearsed(rehearsed.verdict);
    Ok(match missing.is_empty() {
        true => ending,
        false => ending.unless(Ending::CouldNotRun),
    })
}
