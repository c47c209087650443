//! The record of a rehearsal: its steps as they end. Secrets are removed from everything that is recorded.

use std::future::Future;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Stopped;
use super::review::Judged;
use super::settings::Rehearse;
use crate::context::Context;
use crate::event::Event;
use crate::outcome::{
    BackupFacts, CouldNotRun, DrillResult, Finding, KeptServerFacts, NotTested, Outcome,
    Provenance, RehearsalResult, Step, StepResult,
};
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// The record of a running rehearsal.
pub(super) struct Steps<'a> {
    pub(super) settings: &'a Rehearse,
    pub(super) context: &'a Context,
    pub(super) result: RehearsalResult,
    began: Option<Instant>,
    current: Option<(Step, Instant)>,
}

/// What a rehearsal rests on.
pub(super) struct Basis {
    /// Id of the run.
    pub(super) run: String,
    /// The verdict of the drill that restored the backup, as a word.
    pub(super) drill: &'static str,
    /// Whether that drill passed.
    pub(super) passed: bool,
    pub(super) backup: Option<BackupFacts>,
    pub(super) kept: Option<KeptServerFacts>,
    /// Who ran it, where and with which program.
    pub(super) provenance: Provenance,
    /// What was not tested before.
    pub(super) not_tested: Vec<NotTested>,
    pub(super) interrupted: bool,
}

impl Basis {
    /// A drill of this process.
    pub(super) fn of_drill(drill: &DrillResult, verdict: Verdict) -> Self {
        Self {
            run: drill.run.clone(),
            drill: verdict.word(),
            passed: verdict.passed(),
            backup: drill.backup.clone(),
            kept: None,
            provenance: drill.provenance.clone(),
            not_tested: drill.not_tested.clone(),
            interrupted: drill.interrupted,
        }
    }
}

/// How a step ended.
pub(super) enum Ended {
    /// As it should: one line, and advice.
    Pass(String, Vec<Finding>),
    /// Not as it should: one line, and the faults.
    Fail(String, Vec<Finding>),
    /// It could not run.
    Error(CouldNotRun),
    /// It was not run.
    Skipped(String),
}

impl<'a> Steps<'a> {
    pub(super) fn begin(scenario: &Scenario, settings: &'a Rehearse, context: &'a Context) -> Self {
        Self {
            settings,
            context,
            result: RehearsalResult {
                redrill: env!("CARGO_PKG_VERSION").to_owned(),
                scenario: scenario.facts.clone(),
                started: Timestamp::now(),
                command: settings.command.clone(),
                role: settings.role.clone(),
                repeat: context.repeat.clone(),
                ..RehearsalResult::default()
            },
            began: None,
            current: None,
        }
    }

    /// A step begins.
    fn begun(&mut self, step: Step) {
        self.began.get_or_insert_with(Instant::now);
        if self.current.is_none() && self.result.steps.is_empty() {
            self.result.started = Timestamp::now();
        }
        self.current = Some((step, Instant::now()));
        (self.context.listener)(Event::Step(step));
    }

    /// When a step begins that is recorded by [`Steps::ended`].
    pub(super) fn begin_step(&mut self, step: Step) -> Instant {
        self.begun(step);
        Instant::now()
    }

    /// Runs a step that gives something to the next ones, with a line about it.
    pub(super) async fn step<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<(T, String), CouldNotRun>>,
    ) -> Result<T, Stopped> {
        self.begun(step);
        let began = Instant::now();
        match work.await {
            Ok((value, summary)) => {
                self.ended(step, began, Ended::Pass(summary, Vec::new()));
                Ok(value)
            }
            Err(error) => {
                self.ended(step, began, Ended::Error(error));
                Err(Stopped)
            }
        }
    }

    /// What the first run needs; without it, that step could not run.
    pub(super) fn ready<T>(&mut self, value: Result<T, CouldNotRun>) -> Result<T, Stopped> {
        value.map_err(|error| {
            self.ended(Step::Run, Instant::now(), Ended::Error(error));
            Stopped
        })
    }

    /// Records how a step ended that began then.
    pub(super) fn ended(&mut self, step: Step, began: Instant, ended: Ended) {
        self.current = None;
        let redactor = &self.context.redactor;
        let (outcome, summary, findings) = match ended {
            Ended::Pass(summary, advice) => (Outcome::Pass, summary, advice),
            Ended::Fail(summary, findings) => (Outcome::Fail, summary, findings),
            Ended::Error(error) => {
                let error = redactor.clean_error(error);
                (Outcome::Error(error.clone()), error.reason, Vec::new())
            }
            Ended::Skipped(reason) => {
                let summary = reason.clone();
                (Outcome::Skipped { reason }, summary, Vec::new())
            }
        };
        let summary = redactor.clean(&summary);
        let findings = findings.into_iter();
        let findings = findings.map(|finding| redactor.clean_finding(finding));
        let result = StepResult {
            step,
            outcome,
            summary,
            findings: findings.collect(),
            duration: began.elapsed(),
        };
        (self.context.listener)(Event::StepEnded {
            step,
            outcome: result.outcome.clone(),
            summary: result.summary.clone(),
            duration: result.duration,
        });
        self.result.steps.push(result);
    }

    /// Records a step that judges what is already known.
    pub(super) fn judged(&mut self, step: Step, judged: Judged, summary: &str) {
        let Judged { faults, advice } = judged;
        let ended = match faults.is_empty() {
            true => Ended::Pass(summary.to_owned(), advice),
            false => {
                let summary = crate::outcome::summarize(&faults, "fault");
                Ended::Fail(summary, faults.into_iter().chain(advice).collect())
            }
        };
        self.ended(step, Instant::now(), ended);
    }

    /// Adds what was not tested.
    pub(super) fn not_tested(&mut self, more: impl IntoIterator<Item = NotTested>) {
        for entry in more {
            if !self.result.not_tested.contains(&entry) {
                self.result.not_tested.push(entry);
            }
        }
    }

    /// Records that a signal ended it.
    pub(super) fn interrupt(&mut self) {
        self.result.interrupted = true;
        if let Some((step, began)) = self.current.take() {
            let error = CouldNotRun::new("interrupted by a signal");
            self.ended(step, began, Ended::Error(error));
        }
    }

    /// Completes the result.
    pub(super) fn finish(mut self, basis: Basis) -> RehearsalResult {
        let reason = self.reason(basis.drill);
        for step in Step::ALL {
            if !self.result.steps.iter().any(|one| one.step == step) {
                self.result.steps.push(StepResult {
                    step,
                    outcome: Outcome::Skipped {
                        reason: reason.clone(),
                    },
                    summary: reason.clone(),
                    findings: Vec::new(),
                    duration: Duration::ZERO,
                });
            }
        }
        self.result.steps.sort_by_key(|one| one.step);
        let skipped = self
            .result
            .steps
            .iter()
            .filter_map(|one| match &one.outcome {
                Outcome::Skipped { reason } => Some(NotTested::new(
                    format!("whether {}", one.step.title()),
                    reason.clone(),
                )),
                _ => None,
            });
        let skipped: Vec<NotTested> = skipped.collect();
        self.not_tested(skipped);
        self.not_tested(basis.not_tested);
        let mut result = self.result;
        result.run = basis.run;
        result.drill = basis.drill.into();
        result.drill_passed = basis.passed;
        result.backup = basis.backup;
        result.kept = basis.kept;
        result.provenance = basis.provenance;
        result.scenario = self.context.redactor.clean_scenario(result.scenario);
        result.interrupted |= basis.interrupted;
        result.duration = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        result
    }

    /// Why the steps that have no result did not run.
    fn reason(&self, of_drill: &str) -> String {
        if self.result.interrupted {
            return "the rehearsal was interrupted".to_owned();
        }
        if self.result.nothing_pending {
            return "nothing was pending".to_owned();
        }
        let mut steps = self.result.steps.iter();
        match steps.find(|one| matches!(one.outcome, Outcome::Fail | Outcome::Error(_))) {
            Some(one) => format!("the step `{}` did not pass", one.step.word()),
            None => format!("the drill ended before it, with the verdict {of_drill}"),
        }
    }
}
