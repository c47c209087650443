//! Runs the checks on the backup that they were written from. One that fails is replaced with a weaker one; the last is
//! left out as a comment that says why, since the backup may have a fault. Of a check of several objects only those that
//! fail are.

use std::path::Path;
use std::sync::Arc;

use super::Description;
use super::block::{Block, State};
use super::generate::InitRequest;
use super::location;
use super::write::{self, Head};
use crate::context::Context;
use crate::event::{Event, Listener};
use crate::input::Environment;
use crate::outcome::{CheckResult, CouldNotRun, Outcome};
use crate::pipeline::{Pipeline, RestoredBackup};
use crate::run::judge;
use crate::scenario::{self, Scenario};

/// Maximum length of a reason in characters.
const REASON: usize = 240;

/// What is run, and on what.
pub struct Verification<'a> {
    /// What is to be written.
    pub request: &'a InitRequest,
    /// The head of the scenario.
    pub head: &'a Head,
    /// The backup that the checks are run on.
    pub restored: &'a RestoredBackup<'a>,
}

/// Runs all checks until each passes or is left out.
///
/// # Errors
/// When the scenario is invalid, which is a bug in redrill.
pub async fn verify(
    checks: &Verification<'_>,
    descriptions: &mut [Description],
) -> Result<(), CouldNotRun> {
    let Pipeline { context, run, .. } = checks.restored.pipeline;
    let quiet = only_checks(context);
    loop {
        let (file, environment) = (&checks.request.file, &context.environment);
        let mut scenario = parse(file, checks.head, descriptions, environment)?;
        // The baseline is there until the scenario is written.
        scenario.folder.clone_from(&run.folder);
        // The checks of the scenario are the blocks that are not comments, in the same order.
        let settled: Vec<bool> = active(descriptions).map(|block| block.settled).collect();
        let mut known = settled.iter();
        scenario.checks.retain(|_| known.next() == Some(&false));
        if scenario.checks.is_empty() {
            return Ok(());
        }
        let results = judge(&checks.restored.for_checks(), &scenario, &quiet).await;
        let mut open = scenario.checks.iter();
        let sections = descriptions.iter_mut().flat_map(|one| &mut one.sections);
        for section in sections {
            for mut block in std::mem::take(&mut section.blocks) {
                let is_open = !block.is_comment() && !block.settled;
                let Some(check) = is_open.then(|| open.next()).flatten() else {
                    section.blocks.push(block);
                    continue;
                };
                let of_check = results.iter().filter(|result| result.id == check.id);
                let of_check: Vec<&CheckResult> = of_check.collect();
                let Some(why) = of_check.iter().find_map(|result| reason(result)) else {
                    block.settled = true;
                    section.blocks.push(block);
                    continue;
                };
                let objects = failed_objects(&of_check);
                if let Some((others, failed)) = objects.iter().find_map(|all| block.split(all)) {
                    section.blocks.push(others);
                    block = failed;
                }
                weaken(&mut block, context.redactor.clean(&why));
                section.blocks.push(block);
            }
        }
    }
}

/// The objects that failed, by the entries of a check and by its findings, where each has one: those of some checks are not
/// the objects that it lists, such as tenants.
fn failed_objects(results: &[&CheckResult]) -> [Vec<String>; 2] {
    let failed = || results.iter().filter(|one| one.outcome != Outcome::Pass);
    let entries: Option<Vec<String>> = failed().map(|one| one.object.clone()).collect();
    let findings = failed().map(|one| match one.findings.as_slice() {
        [] => None,
        findings => findings.iter().map(|one| one.object.clone()).collect(),
    });
    let findings: Option<Vec<Vec<String>>> = findings.collect();
    [entries, findings.map(|all| all.concat())].map(|objects| {
        let mut objects = objects.unwrap_or_default();
        objects.sort();
        objects.dedup();
        objects
    })
}

/// Parses the scenario. A check that the parser refuses is left out with a comment, so that one mistake of ours does not
/// cost all the others.
///
/// # Errors
/// When the scenario is invalid without it as well, which is a bug in redrill.
pub fn parse(
    file: &Path,
    head: &Head,
    descriptions: &mut [Description],
    environment: &Environment,
) -> Result<Scenario, CouldNotRun> {
    let mut environment = environment.clone();
    // The variable that the scenario reads when it is run.
    let variable = environment.entry(location::VARIABLE.to_owned());
    variable.or_insert_with(|| "backup".to_owned());
    let parse = |text: &str| scenario::parse(file, text, &environment);
    if let Ok(scenario) = parse(&write::scenario(head, descriptions)) {
        return Ok(scenario);
    }
    let before = format!("{}\n", head.write(Vec::new()));
    for block in active(descriptions) {
        if let Err(mistakes) = parse(&format!("{before}{}", block.render())) {
            let mistakes = mistakes
                .problems
                .iter()
                .map(|problem| problem.message.as_str());
            block.state = State::Undescribed(mistakes.collect::<Vec<_>>().join("; "));
        }
    }
    parse(&write::scenario(head, descriptions)).map_err(|mistakes| {
        CouldNotRun::new(format!(
            "the generated scenario is invalid; this is a bug in redrill: {}",
            mistakes.render(false)
        ))
    })
}

/// The checks that are not comments, in the order of the file.
fn active(descriptions: &mut [Description]) -> impl Iterator<Item = &mut Block> {
    let sections = descriptions.iter_mut().flat_map(|one| &mut one.sections);
    sections
        .flat_map(|section| &mut section.blocks)
        .filter(|block| !block.is_comment())
}

/// Replaces a check that failed with the next weaker one, or leaves it out.
fn weaken(block: &mut Block, reason: String) {
    let first = match &block.state {
        State::Weaker(first) => first.clone(),
        _ => reason.clone(),
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

/// Why a check failed; `None` if it passed.
fn reason(result: &CheckResult) -> Option<String> {
    let mut text = match (&result.outcome, result.findings.first()) {
        // Nothing is waived in what `init` writes.
        (Outcome::Pass | Outcome::Waived, _) => return None,
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

/// The same context with a listener of checks only.
fn only_checks(context: &Context) -> Context {
    let all = Arc::clone(&context.listener);
    let listener: Listener = Arc::new(move |event| {
        if let Event::Check { .. } = event {
            all(event);
        }
    });
    Context {
        work: context.work.clone(),
        environment: context.environment.clone(),
        redactor: context.redactor.clone(),
        listener,
        interrupted: context.interrupted.clone(),
        keep: None,
        repeat: String::new(),
        rehearse: false,
        last_record: Ok(None),
    }
}
