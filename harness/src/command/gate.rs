//! `redrill gate`: whether a release may go, from the log alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::abort::{Abort, Ended};
use super::print::{err, out};
use super::verify::{brought, existing_state};
use crate::check::kinds;
use crate::cli;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::input::diagnostic::nearest;
use crate::ledger::gate::{Wanted, find, judge};
use crate::ledger::verify;
use crate::outcome::Refusal;
use crate::report::text::line;
use crate::scenario;
use crate::state::FOLDER;

/// Runs the command.
pub async fn run(
    arguments: cli::Gate,
    environment: &Environment,
    terminal: cli::Terminal,
) -> Ended {
    for kind in &arguments.covers {
        known_kind(kind)?;
    }
    let drills = scenario::load_drills(&arguments.scenario, environment, None, 0)
        .map_err(|problems| Abort::invalid(problems.render(terminal.colour_errors)))?;
    let wanted = Wanted {
        scenarios: drills
            .iter()
            .map(|drill| drill.facts.name.clone())
            .collect(),
        max_age: arguments.max_age.map(|span| span.0),
        covers: arguments.covers.clone(),
        rehearsed: arguments.rehearsed,
        commit: arguments.commit.clone(),
    };
    let beside = drills
        .first()
        .map(|drill| drill.folder.join(FOLDER).display().to_string());
    let place = arguments.state.clone().or(beside).unwrap_or_default();
    let state = Arc::new(existing_state(&place, environment).await?);
    let mut refusals: Vec<(Refusal, String)> = Vec::new();
    if arguments.verified {
        let kept = brought(
            arguments.signers.as_deref(),
            arguments.checkpoint.as_deref(),
            (arguments.verify_command.as_deref(), environment),
        )?;
        let verified = verify(&state, &kept, &BTreeSet::new()).await?;
        let problems = verified.problems.into_iter();
        refusals.extend(
            problems.map(|(place, why)| (Refusal::NotVerified, format!("the log: {place} {why}"))),
        );
    }
    for name in &wanted.scenarios {
        let found = find(&state, name, &wanted).await?;
        for entry in &found.without {
            err(&line(&format!(
                "note: {name}: entry {} is {} and decides nothing",
                entry.position.index, entry.drill.verdict
            )));
        }
        let mut closed = judge(&found, &wanted, Timestamp::now());
        if let Some(entry) = found.drill.as_ref().filter(|_| closed.is_empty()) {
            out(&line(&format!(
                "OPEN  {name}: entry {}, {}, began {}, by {}",
                entry.position.index, entry.drill.verdict, entry.drill.began, entry.drill.actor
            )));
        }
        closed
            .iter_mut()
            .for_each(|(_, why)| *why = format!("{name}: {why}"));
        refusals.extend(closed);
    }
    for (_, why) in &refusals {
        out(&line(&format!("CLOSED  {why}")));
    }
    let first = refusals.iter().map(|(refusal, _)| *refusal).min();
    Ok(first.map_or(Ending::Done, Ending::Closed))
}

fn known_kind(kind: &str) -> Result<(), Abort> {
    let names: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
    if names.contains(&kind) {
        return Ok(());
    }
    let meant =
        nearest(kind, names.iter().copied()).map(|meant| format!("did you mean `{meant}`? "));
    Err(Abort::invalid(format!(
        "`--covers {kind}` is no kind of check\nhint: {}`redrill explain` lists them",
        meant.unwrap_or_default()
    )))
}
