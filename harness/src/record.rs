//! The record of a running drill: results of stages and checks as they end, and what follows from
//! them. Secrets are removed from everything that is recorded.

use std::future::Future;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::check::{Entry, Observation};
use crate::cleanup::Run;
use crate::context::Context;
use crate::event::Event;
use crate::outcome::{
    CheckResult, CouldNotRun, DrillResult, Finding, NotTested, Objective, Outcome, ProofFacts,
    Stage, StageResult, TimeSource,
};
use crate::proof::settings::Level;
use crate::scenario::{Scenario, ScenarioCheck};
use crate::stage::{Facts, PROOF_OFF, Passed, Staged, Stopped, is_required, title};
use crate::units::show_counted;
use crate::verdict::{Verdict, verdict};

/// If the time of a backup is further in the future, its clock was wrong and its age is unknown.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The record of a running drill.
pub struct Record<'a> {
    scenario: &'a Scenario,
    context: &'a Context,
    result: DrillResult,
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
            result,
            began: Instant::now(),
            current: None,
        }
    }

    /// Sets the id of the run.
    pub fn belongs_to(&mut self, run: &Run) {
        self.result.run.clone_from(&run.id);
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> String {
        self.result.run.clone()
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

    /// Records that a signal interrupted the drill.
    pub fn interrupt(&mut self) {
        self.result.interrupted = true;
        if let Some((stage, _)) = self.current {
            self.stopped(stage, CouldNotRun::new("interrupted by a signal").into());
        }
    }

    /// Keeps the facts of a stage.
    fn learn(&mut self, facts: Facts) {
        let result = &mut self.result;
        result.backup = facts.backup.or(result.backup.take());
        result.server = facts.server.or(result.server.take());
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

    /// Records that the scenario switches the proof off.
    pub fn proof_is_off(&mut self) {
        self.result.proof = Some(ProofFacts {
            level: self.scenario.proof.word().to_owned(),
            ..ProofFacts::default()
        });
        let outcome = Outcome::Skipped {
            reason: PROOF_OFF.to_owned(),
        };
        self.ended(Stage::Proof, outcome, PROOF_OFF, Vec::new(), Duration::ZERO);
    }

    fn push(
        &mut self,
        stage: Stage,
        outcome: Outcome,
        summary: String,
        findings: Vec<Finding>,
        duration: Duration,
    ) {
        self.result.stages.push(StageResult {
            stage,
            title: title(stage, self.scenario.proof),
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
            .cloned();
        (self.context.listener)(Event::CheckEnded {
            id: check.id.clone(),
            outcome: outcome.unwrap_or(Outcome::Pass),
            duration,
        });
        self.result.checks.extend(results);
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
        &self,
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
        let not_run = not_run.into_iter().map(|(object, error)| CheckResult {
            object: Some(object),
            ..self.not_run(check, database, error)
        });
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
            |(object, expected, actual, findings, duration)| CheckResult {
                object,
                expected: self.context.redactor.clean(&expected),
                actual: self.context.redactor.clean(&actual),
                outcome: if findings.is_empty() {
                    Outcome::Pass
                } else {
                    Outcome::Fail
                },
                findings: self.clean(findings),
                duration,
                ..empty(check, database, Outcome::Pass)
            },
        );
        results.chain(not_run).collect()
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
        let place = |result: &CheckResult| {
            let mut checks = self.scenario.checks.iter();
            checks.position(|check| check.id == result.id)
        };
        self.result.checks.sort_by_cached_key(place);
        self.result.objectives = objectives(self.scenario, &self.result);
        self.result
            .not_tested
            .extend(untested(self.scenario, &self.result));
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
        kind: check.kind,
        name: check.name.clone(),
        line: check.line,
        required: check.required,
        database: database.to_owned(),
        outcome,
        expected: String::new(),
        actual: String::new(),
        findings: Vec::new(),
        duration: Duration::ZERO,
    }
}

/// Measures the objectives that the scenario sets.
fn objectives(scenario: &Scenario, result: &DrillResult) -> Vec<Objective> {
    let passed = result
        .stages
        .iter()
        .any(|stage| stage.stage == Stage::Restore && stage.outcome == Outcome::Pass);
    let restore = scenario.restore_within.map(|limit| {
        let restore = result.restore.as_ref().filter(|_| passed);
        let actual = restore.map(|restore| restore.duration);
        Objective::time("restore-within", limit, actual)
    });
    let made = result.backup.as_ref().and_then(|backup| backup.made);
    let age = scenario.max_age.map(|limit| {
        let actual = made.and_then(|(made, _)| age(made, result.started));
        Objective::time("max-age", limit, actual)
    });
    let tiers = result.backup.iter().flat_map(|backup| &backup.tiers);
    restore
        .into_iter()
        .chain(age)
        .chain(tiers.cloned())
        .collect()
}

/// Age of a backup; the time in a name with only a date may be up to a day in the future.
#[must_use]
pub fn age(made: Timestamp, now: Timestamp) -> Option<Duration> {
    match Duration::try_from(now.duration_since(made)) {
        Ok(age) => Some(age),
        Err(_) => {
            let ahead = Duration::try_from(made.duration_since(now)).ok()?;
            (ahead <= AHEAD).then_some(Duration::ZERO)
        }
    }
}

/// What no check and no stage tests.
fn untested(scenario: &Scenario, result: &DrillResult) -> Vec<NotTested> {
    let entry = |what: &str, why: &str| NotTested {
        what: what.to_owned(),
        why: why.to_owned(),
    };
    let mut untested = Vec::new();
    let made = &scenario.restore.create_roles;
    // Without a restore none was created.
    if !made.is_empty() && result.restore.is_some() {
        untested.push(entry(
            &format!("the roles {}", made.join(", ")),
            "they are not in the backup; `create-roles` created them without login and rights",
        ));
    }
    let made = &scenario.restore.login_roles;
    if !made.is_empty() {
        untested.push(entry(
            &format!("the roles {}", made.join(", ")),
            "they are not in the backup; `login-roles` created them with login and no other right",
        ));
    }
    if result.restore.is_some() {
        untested.extend(unproven(scenario, result));
        untested.push(entry(
            "objects that no check names",
            "a restore cannot show that the backup lacks an object",
        ));
    }
    let weak = |source| source == TimeSource::ModificationTime;
    if result
        .backup
        .as_ref()
        .and_then(|backup| backup.made)
        .is_some_and(|(_, source)| weak(source))
    {
        untested.push(entry(
            "the age of the backup as recorded in it",
            "neither its name nor its header has the time of the backup; the time of the file was used",
        ));
    }
    untested
}

/// What the proof did not compare.
fn unproven(scenario: &Scenario, result: &DrillResult) -> Vec<NotTested> {
    let (what, why) = match scenario.proof {
        Level::Off => ("the rows", "`proof = \"off\"`: only checks read them"),
        Level::Objects => ("the rows", "`proof = \"objects\"`: only checks read them"),
        Level::Counts => (
            "the values of rows",
            "`proof = \"counts\"`: rows are counted; only checks read values",
        ),
        Level::Full => {
            let proof = result.proof.iter();
            return proof.flat_map(|proof| proof.not_compared.clone()).collect();
        }
    };
    vec![NotTested {
        what: what.to_owned(),
        why: why.to_owned(),
    }]
}

/// Findings of one stage or check that are kept, and characters of each of their texts.
const MOST: usize = 1000;
const LONGEST: usize = 10_000;

/// The first findings, and the number of the others.
fn limited(mut findings: Vec<Finding>) -> Vec<Finding> {
    let more = findings.len().saturating_sub(MOST);
    if more > 0 {
        findings.truncate(MOST);
        findings.push(Finding::new(
            "no more findings",
            show_counted(more, "more finding"),
        ));
    }
    findings
}

/// A finding whose texts have a limited length: names come from the backup.
fn shortened(finding: Finding) -> Finding {
    let cut = |text: String| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            let more = text[end..].chars().count();
            format!(
                "{}… ({})",
                &text[..end],
                show_counted(more, "more character")
            )
        }
        None => text,
    };
    Finding {
        object: finding.object.map(cut),
        expected: cut(finding.expected),
        actual: cut(finding.actual),
        hint: finding.hint.map(cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_limited_and_say_what_was_cut() {
        let long = Finding::new("a", "é".repeat(LONGEST + 7));
        let shown = shortened(long).actual;
        assert!(shown.ends_with("é… (7 more characters)"));
        let many = limited(vec![Finding::new("a", "b"); MOST + 5]);
        assert_eq!(many.len(), MOST + 1);
        assert_eq!(many[MOST].actual, "5 more findings");
        assert_eq!(limited(vec![Finding::new("a", "b"); MOST]).len(), MOST);
    }
    use rstest::rstest;

    #[rstest]
    #[case("2026-05-25T00:00:00Z", Some(3600))]
    #[case("2026-05-25T05:00:00Z", Some(0))]
    #[case("2026-05-27T00:00:00Z", None)]
    fn an_age_is_measured_unless_the_clock_is_wrong(
        #[case] made: &str,
        #[case] seconds: Option<u64>,
    ) {
        let now: Timestamp = "2026-05-25T01:00:00Z".parse().unwrap();
        assert_eq!(
            age(made.parse().unwrap(), now),
            seconds.map(Duration::from_secs)
        );
    }
}
