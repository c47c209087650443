//! One share of the drills, where several machines drill.

use super::one::Recorded;
use crate::batch::{NoPart, Part, Sharding};
use crate::command::abort::Abort;
use crate::command::print::err;
use crate::context::Context;
use crate::digest::sha256;
use crate::exit_code::Ending;
use crate::outcome::ScenarioFacts;
use crate::provenance;
use crate::scenario::Scenario;
use crate::state::State;

/// The seed of what `pick` leaves to chance: the same for all shards of a batch, another for each batch.
pub(super) fn seed_of(batch: &str) -> u32 {
    u32::from_str_radix(&sha256(batch)[..8], 16).unwrap_or_default()
}

/// Takes part in a batch.
pub(super) async fn begin<'a>(
    state: &'a State,
    sharding: &Sharding,
    seed: u32,
    scenarios: &[Scenario],
    context: &Context,
) -> Result<Part<'a>, Abort> {
    let provenance = match scenarios.first() {
        Some(scenario) => provenance::gather(scenario, context).await.0,
        None => Default::default(),
    };
    let facts: Vec<&ScenarioFacts> = scenarios.iter().map(|scenario| &scenario.facts).collect();
    let part = Part::begin(state, sharding, seed, &facts, &provenance).await;
    part.map_err(|error| match error {
        NoPart::CouldNotRun(error) => error.into(),
        NoPart::Refused(message) => Abort::invalid(message),
    })
}

/// Reports a drill to the batch. Without that it is not complete.
pub(super) async fn done(part: &Part<'_>, scenario: &Scenario, recorded: &mut Recorded) {
    let evidence = recorded.result.evidence.as_ref();
    let reported = part
        .done(&scenario.facts, evidence, recorded.complete)
        .await;
    if let Err(error) = reported {
        recorded.complete = false;
        let hint = error.hint.map(|hint| format!("\nhint: {hint}"));
        err(&format!(
            "`{}` was not reported to its batch: {}{}",
            scenario.facts.title(),
            error.reason,
            hint.unwrap_or_default()
        ));
    }
}

/// Reports the end of the shard; returns how the command ends.
pub(super) async fn end(part: &Part<'_>, ending: Ending, why_not: &str) -> Ending {
    // A shard may have nothing to drill.
    let ending = match ending {
        Ending::NothingFound => Ending::Done,
        ending => ending,
    };
    match part.end(ending.code(), why_not).await {
        Ok(()) => ending,
        Err(error) => {
            err(&format!(
                "the end of the shard was not reported: {}",
                error.reason
            ));
            ending.unless(Ending::CouldNotRun)
        }
    }
}
