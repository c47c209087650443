//! `redrill report`: makes a report of a drill again from its record.

use std::fs;
use std::path::Path;

use super::abort::{Abort, Ended};
use super::print::{err, exact};
use super::verify::{existing_state, open_state, unreadable};
use crate::atomic_file;
use crate::cli;
use crate::digest::sha256;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::ledger::statement::Entry;
use crate::ledger::{entry, entry_of, evidence, record};
use crate::outcome::{CouldNotRun, DrillResult};
use crate::report::text::line;
use crate::report::{json, reports};
use crate::state::State;
use crate::verdict::Verdict;

/// The version that makes reports here.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The reports that do not show the entry of a drill.
const WITHOUT_EVIDENCE: [&str; 2] = ["json", "terminal"];

/// Runs the command.
pub async fn run(arguments: cli::Report, environment: &Environment) -> Ended {
    let report = reports()
        .into_iter()
        .find(|report| report.name == arguments.format)
        .ok_or_else(|| Abort::internal(format!("no report `{}`", arguments.format)))?;
    let shows_evidence = !WITHOUT_EVIDENCE.contains(&report.name);
    let (result, verdict) = match arguments.record.parse() {
        Ok(index) => {
            let state = existing_state(&arguments.state, environment).await?;
            let entry = entry(&state, index).await?.ok_or_else(|| {
                Abort::nothing_found(format!(
                    "{} has no entry {index}\nhint: `redrill history` lists them; a file of this name is `./{index}`",
                    state.place()
                ))
            })?;
            of_entry(&state, &entry).await?
        }
        Err(_) => {
            let path = Path::new(&arguments.record);
            let state = match shows_evidence {
                true => open_state(&arguments.state, environment).await?,
                false => None,
            };
            of_file(path, state.as_ref()).await?
        }
    };
    if let (true, None, Some(state)) = (shows_evidence, &result.evidence, &result.state) {
        err(&line(&format!(
            "note: {} has no entry of this record, so the report is without the evidence that the drill's own has",
            arguments.state
        )));
        err(&line(&format!(
            "hint: name its state with `--state`: {state}"
        )));
    }
    if let Some(other) = other_version(&result) {
        err(&format!("note: {other}"));
    }
    let cannot = |error: std::io::Error| CouldNotRun::new(error.to_string());
    let text = (report.render)(&result, verdict).map_err(cannot)?;
    match &arguments.out {
        Some(path) => atomic_file::write(path, &text, true).map_err(cannot)?,
        None => exact(&text),
    }
    Ok(Ending::Done)
}

/// The drill of an entry, with its evidence.
///
/// # Errors
/// The log or the record cannot be read.
pub(super) async fn of_entry(
    state: &State,
    entry: &Entry,
) -> Result<(DrillResult, Verdict), CouldNotRun> {
    let text = record(state, entry).await?;
    let (mut result, verdict) = json::read(&text)
        .map_err(|error| about(&format!("entry {}", entry.position.index), error))?;
    result.evidence = evidence(state, entry).await?;
    Ok((result, verdict))
}

/// The drill of a file, with its evidence where the state has it.
async fn of_file(
    path: &Path,
    state: Option<&State>,
) -> Result<(DrillResult, Verdict), CouldNotRun> {
    let text = fs::read_to_string(path).map_err(|error| {
        unreadable(path, &error)
            .hint("name the `drill.json` of a drill, or the number of an entry of the log")
    })?;
    let (mut result, verdict) =
        json::read(&text).map_err(|error| about(&path.display().to_string(), error))?;
    if let Some(state) = state
        && let Some(entry) = entry_of(state, &sha256(&text)).await?
    {
        result.evidence = evidence(state, &entry).await?;
    }
    Ok((result, verdict))
}

fn about(what: &str, error: CouldNotRun) -> CouldNotRun {
    CouldNotRun {
        reason: line(&format!("{what}: {}", error.reason)),
        ..error
    }
}

/// What is to be said where another version of redrill wrote the reports of a drill.
pub(super) fn other_version(result: &DrillResult) -> Option<String> {
    (result.redrill != VERSION).then(|| {
        line(&format!(
            "redrill {} wrote the reports of this drill, and this is redrill {VERSION}, whose reports may have another form",
            result.redrill
        ))
    })
}
