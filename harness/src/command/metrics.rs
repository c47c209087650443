//! `--metrics`: the Prometheus text file of the drills of a command.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::StreamExt as _;

use super::print::err;
use crate::atomic_file;
use crate::exit_code::Ending;
use crate::ledger::newest_first;
use crate::outcome::{CouldNotRun, DrillResult};
use crate::report::metrics::{Measured, render};
use crate::state::State;
use crate::verdict::Verdict;

/// Writes the file, where one is wanted; returns how the command ends.
pub(super) async fn write(
    path: Option<&Path>,
    drills: &[(&DrillResult, Verdict)],
    state: Option<&State>,
    ending: Ending,
) -> Ending {
    let Some(path) = path else {
        return ending;
    };
    let written = async {
        let measured = measure(drills, state).await?;
        let written = atomic_file::write(path, &render(&measured), true);
        written.map_err(|error| CouldNotRun::new(error.to_string()))
    };
    match written.await {
        Ok(()) => ending,
        Err(error) => {
            err(&format!(
                "the metrics were not written: {}\nhint: name another file with `--metrics`",
                error.reason
            ));
            ending.unless(Ending::CouldNotRun)
        }
    }
}

/// Finds when each scenario was last PROVEN.
async fn measure<'a>(
    drills: &[(&'a DrillResult, Verdict)],
    state: Option<&State>,
) -> Result<Vec<Measured<'a>>, CouldNotRun> {
    let mut measured: Vec<Measured<'_>> = drills
        .iter()
        .map(|(result, verdict)| Measured {
            result,
            verdict: *verdict,
            last_proven: verdict.proves().then_some(result.started),
        })
        .collect();
    let Some(state) = state else {
        return Ok(measured);
    };
    let mut wanted: BTreeMap<String, &mut Measured<'_>> = measured
        .iter_mut()
        .filter(|one| one.last_proven.is_none())
        .map(|one| (one.result.scenario.name.clone(), one))
        .collect();
    let mut entries = std::pin::pin!(newest_first(state).await?);
    while !wanted.is_empty() {
        let Some(entry) = entries.next().await else {
            break;
        };
        if let Some(entry) = entry?.filter(|entry| entry.drill.is_proven())
            && let Some(one) = wanted.remove(&entry.drill.scenario)
        {
            one.last_proven = Some(entry.drill.began);
        }
    }
    Ok(measured)
}
