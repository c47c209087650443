//! Tries the checks on the backup that they were made of. One that does not hold gives way to a weaker
//! one; the last is left out, in plain sight: it may be a fault of the backup.

use std::sync::Arc;

use super::block::{Block, State};
use super::{Looked, Wish, write};
use crate::context::Context;
use crate::event::{Event, Listener};
use crate::outcome::{CheckResult, CouldNotRun, Outcome};
use crate::pipeline::{Pipeline, RestoredBackup};
use crate::run::judge;
use crate::scenario;
use crate::stage::Stopped;

/// Letters of a reason.
const REASON: usize = 240;

/// What is tried, and on what.
pub struct Trial<'a> {
    /// What is wanted.
    pub wish: &'a Wish,
    /// The head of the scenario.
    pub head: &'a write::Head,
    /// The backup that the checks are tried on.
    pub restored: &'a RestoredBackup<'a>,
}

/// Tries all checks until each holds or is left out.
///
/// # Errors
/// When what was written is no scenario, which is a mistake of redrill's own.
pub async fn verify(trial: &Trial<'_>, looked: &mut [Looked]) -> Result<(), Stopped> {
    let Pipeline { context, run, .. } = trial.restored.pipeline;
    let quiet = quietly(context);
    let mut open: Vec<bool> = active(looked).iter().map(|_| true).collect();
    while open.contains(&true) {
        let text = write::scenario(trial.head, looked);
        let mut scenario =
            scenario::parse(&trial.wish.file, &text, &context.environment).map_err(|mistakes| {
                CouldNotRun::new(format!(
                    "what was written is no scenario, which is a mistake of redrill's own: {}",
                    mistakes.render(false)
                ))
            })?;
        // The baseline lies there until the scenario stands.
        scenario.folder.clone_from(&run.folder);
        // Checks come in the order of the file, and so do the blocks that are no comments.
        let mut tried = open.iter();
        scenario
            .checks
            .retain(|_| tried.next().copied().unwrap_or(false));
        let results = judge(trial.restored, &scenario, &quiet).await;
        let mut ids = scenario.checks.iter().map(|check| &check.id);
        let mut still = Vec::new();
        for (block, tried) in active(looked).into_iter().zip(&open) {
            if !tried {
                still.push(false);
                continue;
            }
            let id = ids.next();
            let of = results.iter().filter(|result| Some(&result.id) == id);
            let Some(reason) = of.filter_map(reason).next() else {
                still.push(false);
                continue;
            };
            let reason = context.redactor.clean(&reason);
            give_way(block, reason);
            // What is a comment from now on is no active block any more.
            if !matches!(block.state, State::LeftOut(_)) {
                still.push(true);
            }
        }
        open = still;
    }
    Ok(())
}

/// The checks that are no comments, in the order of the file.
fn active(looked: &mut [Looked]) -> Vec<&mut Block> {
    let sections = looked.iter_mut().flat_map(|one| &mut one.sections);
    sections
        .flat_map(|section| &mut section.blocks)
        .filter(|block| !matches!(block.state, State::LeftOut(_)))
        .collect()
}

/// Puts the next weaker check in the place of one that does not hold, or leaves it out.
fn give_way(block: &mut Block, reason: String) {
    let first = match &block.state {
        State::Weaker(first) => first.clone(),
        State::Stands | State::LeftOut(_) => reason.clone(),
    };
    if block.otherwise.is_empty() {
        block.state = State::LeftOut(reason);
        return;
    }
    let mut weaker = block.otherwise.remove(0);
    weaker.otherwise.append(&mut block.otherwise);
    if weaker.comments.is_empty() {
        weaker.comments.append(&mut block.comments);
    }
    weaker.guess = weaker.guess.take().or(block.guess.take());
    weaker.state = State::Weaker(first);
    *block = weaker;
}

/// Why a check does not hold.
fn reason(result: &CheckResult) -> Option<String> {
    let mut text = match (&result.outcome, result.findings.first()) {
        (Outcome::Pass, _) => return None,
        (Outcome::Error(error), _) => format!("it could not run: {}", error.reason),
        (Outcome::Skipped { reason }, _) => reason.clone(),
        (Outcome::Fail, Some(finding)) => {
            let object = finding.object.as_ref();
            let object = object
                .map(|object| format!("{object}: "))
                .unwrap_or_default();
            format!(
                "{object}expected {}, found {}",
                finding.expected, finding.actual
            )
        }
        (Outcome::Fail, None) => result.actual.clone(),
    };
    let more = result.findings.len().saturating_sub(1);
    if text.chars().count() > REASON {
        text = text.chars().take(REASON).collect();
        text.push('…');
    }
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    Some(text.replace('\n', " "))
}

/// The same context, whose listener hears of checks and not of a drill.
fn quietly(context: &Context) -> Context {
    let listener = Arc::clone(&context.listener);
    let only_checks: Listener = Arc::new(move |event| {
        if let Event::Check { .. } = event {
            listener(event);
        }
    });
    Context {
        work: context.work.clone(),
        environment: context.environment.clone(),
        redactor: context.redactor.clone(),
        listener: only_checks,
        interrupted: context.interrupted.clone(),
        repeat: String::new(),
    }
}
