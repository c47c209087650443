//! The record of a running drill: results of stages and checks as they end, and what follows from
//! them. Secrets are removed from everything that is recorded.

mod limit;
mod objective;
mod untested;
mod waivers;

use std::future::Future;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::limit::{limited, shortened};
pub use self::objective::age;
use self::objective::objectives;
use self::untested::untested;
use self::waivers::Waivers;
use crate::check::{Entry, Observation};
use crate::cleanup::Run;
use crate::context::Context;
use crate::event::Event;
use crate::outcome::{
    BackupFacts, CheckConduct, CheckResult, CouldNotRun, DrillResult, Finding, InputFacts,
    NotTested, Outcome, ProofFacts, Provenance, Stage, StageResult,
};
use crate::runbook::RunbookTime;
use crate::scenario::{Scenario, ScenarioCheck};
use crate::stage::{
    Facts, Passed, Staged, Stopped, is_required, proof_off, title, title_of_recovery,
};
use crate::verdict::{Verdict, verdict};

/// The record of a running drill.
pub struct Record<'a> {
    scenario: &'a Scenario,
    context: &'a Context,
    result: DrillResult,
    waivers: Waivers,
    runbook: Option<Result<RunbookTime, CouldNotRun>>,
    began: Instant,
    current: Option<(Stage, Instant)>,
}

impl<'a> Record<'a> {
    /// Begins the record.
    #[must_use]
    pub fn begin(scenario: &'a Scenario, context: &'a Context) -> Self {
        let result = DrillResult {
            redrill: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.facts.clone(),
            severity: scenario
                .incident
                .as_ref()
                .map(|incident| incident.severity.clone()),
            started: Timestamp::now(),
            not_tested: scenario.not_tested.clone(),
            repeat: context.repeat.clone(),
            ..DrillResult::default()
        };
        Self {
            scenario,
            context,
            waivers: Waivers::of(scenario, result.started, &context.redactor),
            result,
            runbook: None,
            began: Instant::now(),
            current: None,
        }
    }

    /// Sets the id of the run.
    pub fn belongs_to(&mut self, run: &Run) {
        self.result.run.clone_from(&run.id);
    }

    /// Sets where the drill comes from, and what its checks are compared with.
    pub fn comes_from(&mut self, provenance: Provenance, inputs: Vec<InputFacts>) {
        self.result.provenance = provenance;
        self.result.scenario.inputs = inputs;
    }

    /// Sets the time of the runbook's own command, or why it is not known.
    pub fn runbook(&mut self, time: Result<RunbookTime, CouldNotRun>) {
        self.runbook = Some(time.map_err(|error| self.context.redactor.clean_error(error)));
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> String {
        self.result.run.clone()
    }

    /// Replaces the facts of the backup by those that are known once it was restored.
    pub fn learn_backup(&mut self, facts: BackupFacts) {
        self.result.backup = Some(facts);
    }

    /// Runs one stage and records its result; returns its value.
    ///
    /// # Errors
    /// When the stage does not pass.
    pub async fn stage<T>(
        &mut self,
        stage: Stage,
        work: impl Future<Output = Staged<T>>,
    ) -> Result<T, Stopped> {
        (self.context.listener)(Event::Stage(stage));
        let began = Instant::now();
        self.current = Some((stage, began));
        let (facts, judged) = work.await;
        self.current = None;
        self.learn(facts);
        match judged {
            Ok(Passed {
                value,
                summary,
                warnings,
            }) => {
                self.ended(stage, Outcome::Pass, &summary, warnings, began.elapsed());
                Ok(value)
            }
            Err(stopped) => {
                self.did_not_pass(stage, stopped.clone(), began.elapsed());
                Err(stopped)
            }
        }
    }

    /// Records a stage that could not start, or was stopped.
    pub fn stopped(&mut self, stage: Stage, stopped: Stopped) {
        let duration = self
            .current
            .take()
            .map_or(Duration::ZERO, |(_, began)| began.elapsed());
        self.did_not_pass(stage, stopped, duration);
    }

    fn did_not_pass(&mut self, stage: Stage, stopped: Stopped, duration: Duration) {
        match stopped {
            Stopped::Failed { summary, findings } => {
                self.ended(stage, Outcome::Fail, &summary, findings, duration);
            }
            Stopped::CouldNotRun { error, findings } => {
                let error = self.context.redactor.clean_error(error);
                let summary = error.reason.clone();
                self.ended(stage, Outcome::Error(error), &summary, findings, duration);
            }
        }
    }

    /// The results of the checks so far.
    #[must_use]
    pub fn checks(&self) -> &[CheckResult] {
        &self.result.checks
    }

    /// The backup, if it was found.
    #[must_use]
    pub fn backup(&self) -> Option<&BackupFacts> {
        self.result.backup.as_ref()
    }

    /// Whether the backup was restored without an error.
    #[must_use]
    pub fn is_restored(&self) -> bool {
        let mut stages = self.result.stages.iter();
        stages.any(|one| one.stage == Stage::Restore && one.outcome == Outcome::Pass)
    }

    /// Records that a signal interrupted the drill.
    pub fn interrupt(&mut self) {
        self.result.interrupted = true;
        if let Some((stage, _)) = self.current {
            self.stopped(stage, CouldNotRun::new("interrupted by a signal").into());
        }
    }

    /// Whether a signal ended the drill.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.result.interrupted
    }

    /// Keeps the facts of a stage.
    fn learn(&mut self, facts: Facts) {
        let result = &mut self.result;
        result.backup = facts.backup.or(result.backup.take());
        result.server = facts.server.or(result.server.take());
        result.other_servers.extend(facts.other_servers);
        result.restore = facts.restore.or(result.restore.take());
        result.proof = facts.proof.or(result.proof.take());
    }

    fn ended(
        &mut self,
        stage: Stage,
        outcome: Outcome,
        summary: &str,
        findings: Vec<Finding>,
        duration: Duration,
    ) {
        let summary = self.context.redactor.clean(summary);
        (self.context.listener)(Event::StageEnded {
            stage,
            outcome: outcome.clone(),
            summary: summary.clone(),
            duration,
        });
        let findings = self.clean(findings);
        self.push(stage, outcome, summary, findings, duration);
    }

    /// Records that the scenario or `--only` switches the proof off.
    pub fn proof_is_off(&mut self) {
        self.result.proof = Some(ProofFacts {
            level: self.scenario.proof.word().to_owned(),
            ..ProofFacts::default()
        });
        let why = proof_off(!self.scenario.facts.only.is_empty());
        let outcome = Outcome::Skipped {
            reason: why.to_owned(),
        };
        self.ended(Stage::Proof, outcome, why, Vec::new(), Duration::ZERO);
    }

    fn push(
        &mut self,
        stage: Stage,
        outcome: Outcome,
        summary: String,
        findings: Vec<Finding>,
        duration: Duration,
    ) {
        let backup = self.result.backup.as_ref();
        let is_physical = backup.is_some_and(|backup| backup.physical.is_some());
        self.result.stages.push(StageResult {
            stage,
            title: match is_physical {
                true => title_of_recovery(stage, self.scenario.proof),
                false => title(stage, self.scenario.proof),
            }
            .into(),
            required: is_required(stage, self.scenario.proof),
            outcome,
            summary,
            findings,
            duration,
        });
    }

    /// Records the result of a check, or one for each of its objects.
    pub fn check(
        &mut self,
        check: &ScenarioCheck,
        database: &str,
        duration: Duration,
        looked: Result<Observation, CouldNotRun>,
    ) {
        let results = match looked {
            Ok(mut observation) => {
                self.not_tested(std::mem::take(&mut observation.not_tested));
                self.observed(check, database, duration, observation)
            }
            Err(error) => {
                let mut result = self.not_run(check, database, error);
                result.duration = duration;
                vec![result]
            }
        };
        let outcomes = || results.iter().map(|result| &result.outcome);
        let outcome = outcomes()
            .find(|outcome| **outcome == Outcome::Fail)
            .or_else(|| outcomes().find(|outcome| matches!(outcome, Outcome::Error(_))))
            .or_else(|| outcomes().find(|outcome| **outcome == Outcome::Waived))
            .cloned();
        (self.context.listener)(Event::CheckEnded {
            id: check.id.clone(),
            outcome: outcome.unwrap_or(Outcome::Pass),
            duration,
        });
        self.result.checks.extend(results);
    }

    /// Records as whom a check ran and what it tried.
    pub fn conduct(&mut self, mut conduct: CheckConduct) {
        let redactor = &self.context.redactor;
        for role in &mut conduct.roles {
            role.role = redactor.clean(&role.role);
            for tried in &mut role.tried {
                tried.what = redactor.clean(&tried.what);
            }
        }
        if !conduct.roles.is_empty() {
            self.result.conduct.push(conduct);
        }
    }

    /// Adds what a check did not test, unless another check has added it.
    fn not_tested(&mut self, more: Vec<NotTested>) {
        for entry in more {
            let entry = NotTested {
                what: self.context.redactor.clean(&entry.what),
                why: self.context.redactor.clean(&entry.why),
            };
            if !self.result.not_tested.contains(&entry) {
                self.result.not_tested.push(entry);
            }
        }
    }

    /// Makes results of an observation. Findings that belong to no entry get a result of their own.
    fn observed(
        &mut self,
        check: &ScenarioCheck,
        database: &str,
        duration: Duration,
        observation: Observation,
    ) -> Vec<CheckResult> {
        let Observation {
            expected,
            actual,
            findings,
            entries,
            not_run,
            not_tested: _,
        } = observation;
        let whole = entries.is_empty() || !findings.is_empty();
        let whole = whole.then_some((None, expected, actual, findings, duration));
        let entries = entries.into_iter().map(|entry| {
            let Entry {
                object,
                expected,
                actual,
                findings,
                duration,
            } = entry;
            (Some(object), expected, actual, findings, duration)
        });
        let results = whole.into_iter().chain(entries).map(
            |(object, expected, actual, mut findings, duration)| {
                // Before their number is limited, so that none is cut that counts.
                let outcome = self
                    .waivers
                    .judge(&check.id, object.as_deref(), &mut findings);
                CheckResult {
                    object,
                    expected: self.context.redactor.clean(&expected),
                    actual: self.context.redactor.clean(&actual),
                    findings: self.clean(findings),
                    duration,
                    ..empty(check, database, outcome)
                }
            },
        );
        let mut results: Vec<CheckResult> = results.collect();
        results.extend(not_run.into_iter().map(|(object, error)| CheckResult {
            object: Some(object),
            ..self.not_run(check, database, error)
        }));
        results
    }

    /// A result for a check that could not run.
    fn not_run(&self, check: &ScenarioCheck, database: &str, error: CouldNotRun) -> CheckResult {
        let error = self.context.redactor.clean_error(error);
        empty(check, database, Outcome::Error(error))
    }

    /// Removes secrets from findings and limits their number and their texts.
    fn clean(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let redactor = &self.context.redactor;
        limited(findings)
            .into_iter()
            .map(|finding| redactor.clean_finding(finding))
            .map(shortened)
            .collect()
    }

    /// Records every stage and check that did not run, with the reason.
    pub fn skip_the_rest(&mut self) {
        let reason = self.reason();
        let outcome = || Outcome::Skipped {
            reason: reason.clone(),
        };
        for stage in Stage::ALL {
            let done = self
                .result
                .stages
                .iter()
                .any(|result| result.stage == stage);
            if !done && stage != Stage::Teardown {
                let summary = reason.clone();
                self.push(stage, outcome(), summary, Vec::new(), Duration::ZERO);
            }
        }
        for check in &self.scenario.checks {
            if !self.result.checks.iter().any(|done| done.id == check.id) {
                let database = check.database.clone().unwrap_or_default();
                self.result.checks.push(empty(check, &database, outcome()));
            }
        }
    }

    /// The reason why everything after the last stage did not run.
    fn reason(&self) -> String {
        if self.result.interrupted {
            return "the drill was interrupted".to_owned();
        }
        let stopped = self
            .result
            .stages
            .iter()
            .find(|stage| stage.required && stage.outcome != Outcome::Pass);
        stopped.map_or_else(
            || "an earlier stage did not end".to_owned(),
            |stage| format!("the {} stage did not pass", stage.stage.word()),
        )
    }

    /// Completes the result and computes the verdict.
    #[must_use]
    pub fn finish(mut self) -> (DrillResult, Verdict) {
        self.skip_the_rest();
        // Checks end in any order; reports keep the order of the scenario.
        let place = |id: &str| {
            let mut checks = self.scenario.checks.iter();
            checks.position(|check| check.id == id)
        };
        self.result.checks.sort_by_cached_key(|one| place(&one.id));
        self.result
            .conduct
            .sort_by_cached_key(|one| place(&one.check));
        self.result.waivers = self.waivers.facts();
        let runbook = self.runbook.as_ref();
        self.result.objectives = objectives(
            self.scenario,
            &self.result,
            runbook.and_then(|time| time.as_ref().ok()),
        );
        if let Some(Err(error)) = runbook {
            let hint = error.hint.iter().map(|hint| format!("; {hint}"));
            let why = format!("{}{}", error.reason, hint.collect::<String>());
            let what = "the objective `runbook-within`";
            self.result.not_tested.push(NotTested::new(what, why));
        }
        self.result
            .not_tested
            .extend(untested(self.scenario, &self.result));
        self.result.provenance = self
            .context
            .redactor
            .clean_provenance(self.result.provenance);
        let redactor = &self.context.redactor;
        self.result.scenario = redactor.clean_scenario(self.result.scenario);
        let servers = self.result.other_servers.iter_mut().map(|(_, one)| one);
        for server in self.result.server.iter_mut().chain(servers) {
            for (_, value) in &mut server.settings {
                *value = redactor.clean(value);
            }
        }
        self.result.duration = self.began.elapsed();
        let verdict = verdict(&self.result);
        (self.result, verdict)
    }
}

/// A result for a check that has none yet.
fn empty(check: &ScenarioCheck, database: &str, outcome: Outcome) -> CheckResult {
    CheckResult {
        id: check.id.clone(),
        object: None,
        kind: check.kind.into(),
        name: check.name.clone(),
        line: check.line,
        required: check.required,
        not_required_because: check.not_required_because.clone(),
        database: database.to_owned(),
        outcome,
        expected: String::new(),
        actual: String::new(),
        findings: Vec::new(),
        duration: Duration::ZERO,
    }
}
