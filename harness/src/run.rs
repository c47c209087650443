//! One drill is one sentence:
//! scenario → backup → server → restore → contents → checks → verdict, and always teardown.

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::backup::{self, Backup, format::Format};
use crate::check::{Observation, Restored};
use crate::cleanup::{Run, Work};
use crate::event::{Event, Listener};
use crate::outcome::{
    CheckResult, DrillResult, Finding, NotTested, Objective, Outcome, Stage, StageResult,
    TimeSource,
};
use crate::redact::Redactor;
use crate::restore::{self, RestoreLog};
use crate::scenario::units::{show_bytes, show_count, show_duration};
use crate::scenario::{Environment, Scenario, ScenarioCheck};
use crate::server::{self, ThrowawayServer, Wanted};
use crate::verdict::{Verdict, verdict};

/// How long the teardown may take before it is reported as failed.
const TEARDOWN_WITHIN: Duration = Duration::from_secs(60);

/// What a drill needs beside its scenario.
pub struct Context {
    /// Where runs keep what they start.
    pub work: Work,
    /// The environment.
    pub environment: Environment,
    /// Takes secrets out of everything that is shown.
    pub redactor: Redactor,
    /// Who is told what happens.
    pub listener: Listener,
    /// Becomes true when a signal asks for the end.
    pub interrupted: watch::Receiver<bool>,
    /// The command line that repeats the drill.
    pub repeat: String,
}

/// Why a stage did not pass.
struct Stopped {
    outcome: Outcome,
    summary: String,
    findings: Vec<Finding>,
}

impl Stopped {
    /// It was looked at, and it is wrong.
    fn fail(summary: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self {
            outcome: Outcome::Fail,
            summary: summary.into(),
            findings,
        }
    }

    /// It could not be looked at.
    fn error(summary: impl Into<String>, hint: Option<String>) -> Self {
        let summary = summary.into();
        let finding = hint.map(|hint| Finding::new("a look at it", summary.clone()).hint(hint));
        Self {
            outcome: Outcome::Error,
            summary,
            findings: finding.into_iter().collect(),
        }
    }
}

/// What a stage gives: a value, one line for people, and warnings.
type Staged<T> = Result<(T, String, Vec<Finding>), Stopped>;

/// A drill that is under way.
struct Drill<'a> {
    scenario: &'a Scenario,
    context: &'a Context,
    result: DrillResult,
    server: Option<ThrowawayServer>,
    current: Option<(Stage, Instant)>,
}

/// Drills one scenario. Whatever happens, there is a result, and nothing is left running.
pub async fn drill(scenario: &Scenario, context: &Context) -> (DrillResult, Verdict) {
    let began = Instant::now();
    (context.listener)(Event::Begun {
        scenario: scenario.facts.name.clone(),
    });
    let mut drill = Drill::new(scenario, context);
    let run = match context.work.begin() {
        Ok(run) => {
            drill.result.run.clone_from(&run.id);
            let mut interrupted = context.interrupted.clone();
            tokio::select! {
                biased;
                _ = interrupted.wait_for(|interrupted| *interrupted) => drill.interrupt(),
                () = drill.stages(&run) => {}
            }
            Some(run)
        }
        Err(error) => {
            let folder = context.work.root().display();
            let stopped = Stopped::error(
                format!("cannot write to the work folder {folder}: {error}"),
                Some("name another one with `--work-dir`".to_owned()),
            );
            drill.record(
                Stage::Backup,
                Duration::ZERO,
                Err::<((), String, Vec<Finding>), _>(stopped),
            );
            None
        }
    };
    drill.teardown(run).await;
    drill.finish(began)
}

impl<'a> Drill<'a> {
    fn new(scenario: &'a Scenario, context: &'a Context) -> Self {
        let result = DrillResult {
            redrill: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.facts.clone(),
            started: Timestamp::now(),
            not_tested: scenario.not_tested.clone(),
            repeat: context.repeat.clone(),
            ..DrillResult::default()
        };
        Self {
            scenario,
            context,
            result,
            server: None,
            current: None,
        }
    }

    /// The sentence. A stage that does not pass ends it; the later ones are skipped.
    async fn stages(&mut self, run: &Run) {
        let Some(mut backup) = self.backup().await else {
            return;
        };
        let wanted = wanted(&backup);
        let starting = start(self.scenario, &wanted, run, self.context);
        let Some(server) = self.stage(Stage::Server, starting).await else {
            return;
        };
        self.result.server = Some(server.facts().clone());
        let server = self.server.insert(server);

        // The server stays where the teardown finds it, whenever this future is dropped.
        let (scenario, context) = (self.scenario, self.context);
        self.current = Some((Stage::Restore, Instant::now()));
        (context.listener)(Event::Stage(Stage::Restore));
        let began = Instant::now();
        let restored = restore::restore(
            server,
            &mut backup,
            &scenario.restore,
            &context.redactor,
            &context.listener,
        )
        .await;
        let (log, staged) = match restored {
            Ok(log) => (log.clone(), judge_restore(&log)),
            Err(error) => (
                RestoreLog::default(),
                Err(Stopped::error(error.reason, error.hint)),
            ),
        };
        self.result.backup = Some(backup.facts());
        self.result.restore = Some(log.facts.clone());
        if self
            .record(Stage::Restore, began.elapsed(), staged)
            .is_none()
        {
            return;
        }

        self.current = Some((Stage::Contents, Instant::now()));
        (context.listener)(Event::Stage(Stage::Contents));
        let began = Instant::now();
        let Some(server) = &self.server else { return };
        let (rows, staged) = compare(server, &backup, &log.database).await;
        if let Some(facts) = &mut self.result.restore {
            facts.rows = rows;
        }
        if self
            .record(Stage::Contents, began.elapsed(), staged)
            .is_none()
        {
            return;
        }
        self.checks(&log).await;
    }

    /// Finds the backup and judges the file. What it says of itself is reported also when it is broken.
    async fn backup(&mut self) -> Option<Backup> {
        (self.context.listener)(Event::Stage(Stage::Backup));
        let began = Instant::now();
        self.current = Some((Stage::Backup, began));
        let staged = find_and_inspect(self.scenario).await.and_then(|backup| {
            self.result.backup = Some(backup.facts());
            judge_backup(backup)
        });
        self.record(Stage::Backup, began.elapsed(), staged)
    }

    /// Runs one stage and records what became of it.
    async fn stage<T>(&mut self, stage: Stage, work: impl Future<Output = Staged<T>>) -> Option<T> {
        (self.context.listener)(Event::Stage(stage));
        let began = Instant::now();
        self.current = Some((stage, began));
        let staged = work.await;
        self.record(stage, began.elapsed(), staged)
    }

    /// Records a stage; gives its value when it passed.
    fn record<T>(&mut self, stage: Stage, duration: Duration, staged: Staged<T>) -> Option<T> {
        self.current = None;
        let (value, outcome, summary, findings) = match staged {
            Ok((value, summary, findings)) => (Some(value), Outcome::Pass, summary, findings),
            Err(stopped) => (None, stopped.outcome, stopped.summary, stopped.findings),
        };
        let summary = self.context.redactor.clean(&summary);
        (self.context.listener)(Event::StageEnded {
            stage,
            outcome: outcome.clone(),
            summary: summary.clone(),
            duration,
        });
        let findings = findings
            .into_iter()
            .map(|finding| self.clean(finding))
            .collect();
        self.result.stages.push(StageResult {
            stage,
            outcome,
            summary,
            findings,
            duration,
        });
        value
    }

    /// Runs all checks, one after the other.
    async fn checks(&mut self, log: &RestoreLog) {
        for check in &self.scenario.checks {
            let Some(server) = &self.server else { return };
            (self.context.listener)(Event::Check {
                id: check.id.clone(),
            });
            let began = Instant::now();
            let database = check.database.as_deref().unwrap_or(&log.database);
            let restored = Restored {
                server,
                run: &self.result.run,
                database,
                folder: &self.scenario.folder,
                environment: &self.context.environment,
                redactor: &self.context.redactor,
                timeout: check.timeout,
            };
            let looked = look(check, &restored).await;
            let mut result = not_run(check, database, Outcome::Pass);
            result.duration = began.elapsed();
            match looked {
                Ok(observation) => {
                    if !observation.findings.is_empty() {
                        result.outcome = Outcome::Fail;
                    }
                    result.expected = observation.expected;
                    result.actual = observation.actual;
                    result.findings = observation.findings;
                }
                Err(finding) => {
                    result.outcome = Outcome::Error;
                    result.actual.clone_from(&finding.actual);
                    result.findings = vec![finding];
                    // A check may have brought down a process of the server: the next one waits for it.
                    server.recovered(Duration::from_secs(20)).await;
                }
            }
            result.expected = self.context.redactor.clean(&result.expected);
            result.actual = self.context.redactor.clean(&result.actual);
            result.findings = result
                .findings
                .into_iter()
                .map(|finding| self.clean(finding))
                .collect();
            (self.context.listener)(Event::CheckEnded {
                id: check.id.clone(),
                outcome: result.outcome.clone(),
                duration: result.duration,
            });
            self.result.checks.push(result);
        }
    }

    /// Takes secrets out of a finding.
    fn clean(&self, finding: Finding) -> Finding {
        let clean = |text: String| self.context.redactor.clean(&text);
        Finding {
            object: finding.object.map(clean),
            expected: clean(finding.expected),
            actual: clean(finding.actual),
            hint: finding.hint.map(clean),
        }
    }

    /// Records that a signal came.
    fn interrupt(&mut self) {
        self.result.interrupted = true;
        if let Some((stage, began)) = self.current.take() {
            let stopped = Stopped::error("interrupted by a signal", None);
            self.record(
                stage,
                began.elapsed(),
                Err::<((), String, Vec<Finding>), _>(stopped),
            );
        }
    }

    /// Removes everything that the run started.
    async fn teardown(&mut self, run: Option<Run>) {
        let began = Instant::now();
        let reason = self.reason();
        for stage in Stage::ALL
            .into_iter()
            .filter(|stage| *stage != Stage::Teardown)
        {
            if !self.result.stages.iter().any(|done| done.stage == stage) {
                self.result.stages.push(StageResult {
                    stage,
                    outcome: Outcome::Skipped {
                        reason: reason.clone(),
                    },
                    summary: reason.clone(),
                    findings: Vec::new(),
                    duration: Duration::ZERO,
                });
            }
        }
        (self.context.listener)(Event::Stage(Stage::Teardown));
        let server = self.server.take();
        let work = async {
            let mut failed = Vec::new();
            let had_server = server.is_some();
            if let Some(server) = server
                && let Err(error) = server.stop().await
            {
                failed.push(error.reason);
            }
            if let Some(run) = run {
                if !had_server {
                    failed.extend(server::forget(&run).await);
                }
                if let Err(error) = run.end() {
                    failed.push(error.to_string());
                }
            }
            failed
        };
        let staged = match tokio::time::timeout(TEARDOWN_WITHIN, work).await {
            Ok(failed) if failed.is_empty() => Ok((
                (),
                "everything that was started is removed".to_owned(),
                Vec::new(),
            )),
            Ok(failed) => Err(Stopped::error(
                failed.join("; "),
                Some("`redrill clean` tries again".to_owned()),
            )),
            Err(_) => Err(Stopped::error(
                "the teardown did not end in time",
                Some("`redrill clean` tries again".to_owned()),
            )),
        };
        self.record(Stage::Teardown, began.elapsed(), staged);
    }

    /// Why what comes after the last stage was not tried.
    fn reason(&self) -> String {
        if self.result.interrupted {
            return "the drill was interrupted".to_owned();
        }
        self.result
            .stages
            .iter()
            .find(|stage| stage.outcome != Outcome::Pass)
            .map_or_else(
                || "an earlier stage did not end".to_owned(),
                |stage| format!("the {} stage did not pass", stage.stage.word()),
            )
    }

    /// Completes the result and computes the verdict.
    fn finish(mut self, began: Instant) -> (DrillResult, Verdict) {
        let reason = self.reason();
        for check in &self.scenario.checks {
            if !self.result.checks.iter().any(|done| done.id == check.id) {
                let database = check.database.clone().unwrap_or_default();
                let outcome = Outcome::Skipped {
                    reason: reason.clone(),
                };
                self.result.checks.push(not_run(check, &database, outcome));
            }
        }
        self.result.objectives = objectives(self.scenario, &self.result);
        self.result
            .not_tested
            .extend(untested(self.scenario, &self.result));
        self.result.duration = began.elapsed();
        let verdict = verdict(&self.result);
        (self.context.listener)(Event::Ended {
            scenario: self.scenario.facts.name.clone(),
            verdict,
        });
        (self.result, verdict)
    }
}

/// Finds the backup and looks at the file.
async fn find_and_inspect(scenario: &Scenario) -> Result<Backup, Stopped> {
    let found = backup::source::find(&scenario.source, &scenario.folder)
        .map_err(|error| Stopped::error(error.reason, Some(error.hint)))?;
    let inspected = tokio::task::spawn_blocking(move || backup::inspect::inspect(&found)).await;
    inspected
        .map_err(|error| Stopped::error(format!("the inspection ended: {error}"), None))?
        .map_err(|error| Stopped::error(error.reason, error.hint))
}

/// Judges the file by what the inspection found.
fn judge_backup(backup: Backup) -> Staged<Backup> {
    let name = backup
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if let Some(first) = backup.problems.first() {
        let place = first
            .object
            .as_ref()
            .map(|object| format!("{object}: "))
            .unwrap_or_default();
        let summary = format!(
            "{name} is no whole, harmless backup: {place}{}",
            first.actual
        );
        let findings = [backup.problems, backup.warnings].concat();
        return Err(Stopped::fail(summary, findings));
    }
    let facts = backup.facts();
    let summary = match &backup.format {
        Format::Plain { .. } => format!(
            "{name}: {}, {}, {} tables with {} rows",
            backup.format,
            show_bytes(backup.bytes),
            facts.tables,
            show_count(facts.rows)
        ),
        Format::Archive { .. } => {
            format!(
                "{name}: {}, {}, {} tables",
                backup.format,
                show_bytes(backup.bytes),
                facts.tables
            )
        }
    };
    let warnings = backup.warnings.clone();
    Ok((backup, summary, warnings))
}

/// What the backup wants of a server.
fn wanted(backup: &Backup) -> Wanted {
    let archive = matches!(backup.format, Format::Archive { .. });
    Wanted {
        major: backup.contents.major(),
        extensions: backup.contents.extensions.clone(),
        superuser: backup.contents.bootstrap_superuser(),
        // An archive compresses inside: some five times, as rows of text do.
        bytes: backup.uncompressed_bytes * if archive { 5 } else { 1 },
        file: archive.then(|| {
            backup
                .path
                .canonicalize()
                .unwrap_or_else(|_| PathBuf::from(&backup.path))
        }),
    }
}

/// Starts the throwaway server.
async fn start(
    scenario: &Scenario,
    wanted: &Wanted,
    run: &Run,
    context: &Context,
) -> Staged<ThrowawayServer> {
    let path = context
        .environment
        .get("PATH")
        .map_or("/usr/bin:/bin", String::as_str);
    let server = ThrowawayServer::start(&scenario.server, wanted, run, path)
        .await
        .map_err(|error| Stopped::error(error.reason, error.hint))?;
    let facts = server.facts();
    let summary = format!(
        "PostgreSQL {} in a {}, {}, up in {}",
        facts.version,
        match facts.provider {
            "container" => "container",
            _ => "local server",
        },
        facts.origin,
        show_duration(facts.started_in)
    );
    Ok((server, summary, Vec::new()))
}

/// Judges the restore by its log.
fn judge_restore(log: &RestoreLog) -> Staged<()> {
    let facts = &log.facts;
    if !log.unable.is_empty() {
        let mut findings = log.unable.clone();
        findings.extend(log.errors.iter().cloned());
        return Err(Stopped {
            outcome: Outcome::Error,
            summary: "the place of the restore is at fault, so the backup cannot be judged"
                .to_owned(),
            findings,
        });
    }
    if !log.errors.is_empty() {
        let noun = if facts.errors == 1 { "error" } else { "errors" };
        let summary = format!(
            "{} {noun} in {}",
            show_count(facts.errors),
            show_duration(facts.duration)
        );
        return Err(Stopped::fail(summary, log.errors.clone()));
    }
    let phases: Vec<String> = facts
        .phases
        .iter()
        .map(|phase| format!("{} {}", phase.name, show_duration(phase.duration)))
        .collect();
    let summary = format!(
        "no error in {} ({})",
        show_duration(facts.duration),
        phases.join(", ")
    );
    Ok(((), summary, Vec::new()))
}

/// Compares the contents of the database with those of the backup.
async fn compare(
    server: &ThrowawayServer,
    backup: &Backup,
    database: &str,
) -> (Vec<crate::outcome::TableRows>, Staged<()>) {
    match restore::contents::compare(server, backup, database).await {
        Err(error) => (Vec::new(), Err(Stopped::error(error.to_string(), None))),
        Ok((rows, findings)) if findings.is_empty() => {
            let count: u64 = rows.iter().map(|table| table.backup).sum();
            let summary = format!(
                "{} rows of {} tables, counted one by one",
                show_count(count),
                rows.len()
            );
            (rows, Ok(((), summary, Vec::new())))
        }
        Ok((rows, findings)) => {
            let verb = if findings.len() == 1 { "does" } else { "do" };
            let summary = format!(
                "{} of {} tables {verb} not hold the rows of the backup",
                findings.len(),
                rows.len()
            );
            (rows, Err(Stopped::fail(summary, findings)))
        }
    }
}

/// Runs one check within its limit; what could not be looked at comes as a finding.
pub async fn look(check: &ScenarioCheck, restored: &Restored<'_>) -> Result<Observation, Finding> {
    let expected = "a look at it";
    match tokio::time::timeout(check.timeout, check.check.look(restored)).await {
        Ok(Ok(observation)) => Ok(observation),
        Ok(Err(unable)) => {
            let finding = Finding::new(expected, unable.reason);
            Err(match unable.hint {
                Some(hint) => finding.hint(hint),
                None => finding,
            })
        }
        Err(_) => Err(Finding::new(
            expected,
            format!("it did not end within {}", show_duration(check.timeout)),
        )
        .hint("raise the `timeout` of the check")),
    }
}

/// A result for a check that has none yet.
fn not_run(check: &ScenarioCheck, database: &str, outcome: Outcome) -> CheckResult {
    CheckResult {
        id: check.id.clone(),
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
    let restored = result
        .stages
        .iter()
        .any(|stage| stage.stage == Stage::Restore && stage.outcome == Outcome::Pass);
    let restore = scenario.restore_within.map(|limit| Objective {
        name: "restore-within",
        limit,
        actual: result
            .restore
            .as_ref()
            .filter(|_| restored)
            .map(|restore| restore.duration),
    });
    let age = scenario.max_age.map(|limit| Objective {
        name: "max-age",
        limit,
        actual: result.backup.as_ref().and_then(|backup| {
            let (made, _) = backup.made?;
            Some(Duration::try_from(result.started.duration_since(made)).unwrap_or(Duration::ZERO))
        }),
    });
    [restore, age].into_iter().flatten().collect()
}

/// What no check and no stage of this version looks at.
fn untested(scenario: &Scenario, result: &DrillResult) -> Vec<NotTested> {
    let mut untested = Vec::new();
    let mut add = |what: &str, why: &str| {
        untested.push(NotTested {
            what: what.to_owned(),
            why: why.to_owned(),
        })
    };
    let made = &scenario.restore.create_roles;
    if !made.is_empty() {
        add(
            &format!("the roles {}", made.join(", ")),
            "they are not in the backup and were made without login and rights, as `create-roles` says",
        );
    }
    if result.restore.is_some() {
        add(
            "the values of rows",
            "rows are counted, not compared one by one; only checks look at values",
        );
        add(
            "objects that no check names",
            "an object that the backup itself lacks leaves no trace in a restore",
        );
    }
    if result.backup.as_ref().is_some_and(|backup| {
        backup
            .made
            .is_some_and(|(_, source)| source == TimeSource::ModificationTime)
    }) {
        add(
            "the age of the backup by its own word",
            "neither its name nor its header says when it was made; the file's time was taken",
        );
    }
    untested
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(text: &str) -> Backup {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sql");
        std::fs::write(&path, text).unwrap();
        let found = backup::source::find(&crate::scenario::Source::Path(path), folder.path());
        backup::inspect::inspect(&found.unwrap()).unwrap()
    }

    #[test]
    fn a_file_with_a_problem_fails_the_first_stage() {
        let good = inspected("CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n");
        assert!(judge_backup(good).is_ok());
        let cut = inspected("CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n");
        let Err(stopped) = judge_backup(cut) else {
            panic!("a cut file must not pass")
        };
        assert_eq!(stopped.outcome, Outcome::Fail);
        assert_eq!(
            stopped.summary,
            "x.sql is no whole, harmless backup: public.t: the file ends after 1 of its rows (COPY in line 2)"
        );
        assert_eq!(stopped.findings.len(), 1);
    }
}
