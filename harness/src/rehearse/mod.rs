//! Rehearses a release: runs its migrations on copies of the restored cluster, and says what they do to it.
//!
//! copy → run → locks, work, blocking, changes → checks → second run → down; then two runners and crashes, each on a copy of its own
//!
//! - `settings`: what the scenario says; `copies`: servers on copies of the cluster; `tool`: one run of the release's own tool
//! - `observe`: stands between the tool and the server: its statements, and the locks that they take
//! - `probe`: sessions of the application meanwhile; `changes`: the cluster before and after
//! - `rules`: what is judged; `locks`, `work`, `advice`: by what was observed; `review`: what the scenario accepts
//! - `again`: further runs; `crash`: where one is cut off; `steps`: the record

mod advice;
mod again;
pub mod changes;
mod copies;
mod crash;
mod locks;
pub mod observe;
mod probe;
mod review;
pub mod rules;
pub mod settings;
mod steps;
mod tool;
mod work;

use std::time::Instant;

use self::changes::{ChangeClass, ReadRows, State};
use self::copies::{Copied, Copies};
use self::probe::{ProbeKind, Probes, Waited};
use self::review::Review;
use self::rules::{BLOCKED, INDEX_UNDER_LOCK, REWRITE, Violation};
use self::settings::Rehearse;
use self::steps::{Ended, Steps};
use self::tool::{Meter, Ran};
use crate::catalog::PartKind;
use crate::context::Context;
use crate::outcome::{
    CheckAfter, CheckResult, CouldNotRun, Finding, MigrationFacts, Outcome, RehearsalResult, Step,
    TableFacts,
};
use crate::pipeline::RestoredBackup;
use crate::run::judge;
use crate::scenario::Scenario;
use crate::server::Servers;
use crate::sql::QualifiedName;
use crate::units::{show_bytes, show_counted, show_duration};
use crate::verdict::{RehearsalVerdict, rehearsal_verdict};

/// The longest statements that reports show.
const LONGEST: usize = 10;

/// A rehearsal and the verdict on it.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// The source of its reports.
    pub result: RehearsalResult,
    /// The verdict.
    pub verdict: RehearsalVerdict,
}

/// The record of a rehearsal, from before the drill ends until its verdict is known.
pub struct Rehearsal<'a> {
    steps: Steps<'a>,
}

impl<'a> Rehearsal<'a> {
    /// Begins the record; `None` where the scenario rehearses nothing.
    #[must_use]
    pub fn begin(scenario: &'a Scenario, context: &'a Context) -> Option<Self> {
        let settings = scenario.rehearse.as_ref().filter(|_| context.rehearse)?;
        let steps = Steps::begin(scenario, settings, context);
        Some(Self { steps })
    }

    /// Rehearses on a restored backup, whose checks ended like `before`. `servers` keeps the copies for the teardown.
    pub async fn run(
        &mut self,
        restored: &RestoredBackup<'_>,
        before: &[CheckResult],
        servers: &mut Servers,
    ) {
        // The record has why a step did not pass.
        let _ = run(&mut self.steps, restored, before, servers).await;
    }

    /// Records that a signal ended it.
    pub fn interrupt(&mut self) {
        self.steps.interrupt();
    }

    /// Completes the result, with what is known of the drill by then.
    #[must_use]
    pub fn finish(
        self,
        drill: &crate::outcome::DrillResult,
        of_drill: crate::verdict::Verdict,
    ) -> Rehearsed {
        let result = self.steps.finish(drill, of_drill);
        Rehearsed {
            verdict: rehearsal_verdict(&result),
            result,
        }
    }
}

/// Why the steps ended: the record has it.
struct Stopped;

async fn run(
    steps: &mut Steps<'_>,
    restored: &RestoredBackup<'_>,
    checks_before: &[CheckResult],
    servers: &mut Servers,
) -> Result<(), Stopped> {
    let settings = steps.settings;
    let copies = Copies::make(restored, settings, steps.context);
    let copies = steps.step(Step::Copy, copies).await?;
    let databases = &copies.cluster.databases;
    let ran = {
        let copy = copies.start(servers).await;
        let copy = steps.ready(copy)?;
        steps.result.server = Some(copy.server.facts().clone());
        let before = changes::read(copy.server, databases, ReadRows::All).await;
        let before = steps.ready(before)?;
        let first = first_run(steps, &copies, &copy, &before).await?;
        review(steps, &first, &before);
        if !first.ran.ended_well() {
            return Err(Stopped);
        }
        if steps.result.nothing_pending {
            return Err(Stopped);
        }
        checks(steps, &copies, &copy, checks_before).await;
        again::second_run(steps, &copies, &copy, &first.after).await;
        again::down(steps, &copies, &copy, &before).await;
        first
    };
    servers.remove_last().await;
    again::two_runners(steps, &copies, servers, &ran.after).await;
    crash::crashes(steps, &copies, servers, &ran).await;
    Ok(())
}

/// The first run, and the cluster after it.
struct FirstRun {
    ran: Ran,
    after: State,
    waited: Vec<Waited>,
    log: String,
    tables: Vec<TableFacts>,
}

/// Runs the tool, with observer and probes.
async fn first_run(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    before: &State,
) -> Result<FirstRun, Stopped> {
    let settings = steps.settings;
    let began = steps.begin_step(Step::Run);
    let work = async {
        let probes = Probes::start(copy.server.endpoint(), &copies.database, settings).await?;
        let meter = Meter::read(copy.server, &copies.database).await?;
        let ran = copies.run_tool(copy, &settings.command, None).await;
        let waited = probes.finish().await;
        let ran = ran?;
        let used = meter.since(copy.server, &copies.database).await?;
        let after = changes::read(copy.server, &copies.cluster.databases, ReadRows::All).await?;
        let log = copy.server.log().await;
        Ok::<_, CouldNotRun>((ran, waited, used, after, log))
    };
    let (ran, waited, used, after, log) = match work.await {
        Ok(all) => all,
        Err(error) => {
            steps.ended(Step::Run, began, Ended::Error(error));
            return Err(Stopped);
        }
    };
    let mut tables = locks::tables(&ran.observed);
    for table in &mut tables {
        let of = |kind: ProbeKind| {
            let mut all = waited.iter();
            let one = all.find(|one| one.object == table.table && one.kind == kind)?;
            Some(one.longest)
        };
        table.readers_waited = of(ProbeKind::Read);
        table.writers_waited = of(ProbeKind::Write);
    }
    let changes = changes::compare(before, &after);
    let size = |state: &State| state.databases.values().map(|one| one.bytes).sum();
    let review = Review::of(settings);
    steps.result.migration = Some(MigrationFacts {
        duration: ran.duration,
        connections: ran.observed.processes.len(),
        statements: ran.observed.statements.len(),
        longest: tool::longest(&ran.observed, LONGEST),
        tables: tables.clone(),
        wal_bytes: used.wal_bytes,
        temporary_bytes: used.temporary_bytes,
        size_before: size(before),
        size_after: size(&after),
        changes: changes.iter().map(|change| review.facts(change)).collect(),
    });
    steps.result.nothing_pending = ran.ended_well() && changes.is_empty();
    let statements = show_counted(ran.observed.statements.len(), "statement");
    let took = show_duration(ran.duration);
    let ended = match (ran.ended_well(), steps.result.nothing_pending) {
        (true, true) => Ended::Pass(
            format!("{statements} in {took}; nothing changed, so nothing was pending"),
            Vec::new(),
        ),
        (true, false) => Ended::Pass(
            format!(
                "{statements} in {took} on this machine, {} of WAL; {}",
                show_bytes(used.wal_bytes),
                show_counted(changes.len(), "change")
            ),
            Vec::new(),
        ),
        (false, _) => {
            let mut findings = vec![ran.finding(settings, None)];
            if !changes.is_empty() {
                findings.push(left_behind(&changes));
            }
            Ended::Fail(
                format!("{}, after {statements} in {took}", ran.end()),
                findings,
            )
        }
    };
    steps.not_tested(ran.observed.not_observed.iter().map(|what| {
        let why = "it could not be observed between the tool and the server";
        crate::outcome::NotTested::new(what.clone(), why)
    }));
    steps.ended(Step::Run, began, ended);
    Ok(FirstRun {
        ran,
        after,
        waited,
        log,
        tables,
    })
}

/// What a failed run left in the database.
fn left_behind(changes: &[changes::ClusterChange]) -> Finding {
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let names = crate::units::listed(&names, 10);
    Finding::new(
        "a failed run leaves nothing behind",
        format!("it leaves {names}"),
    )
    .hint("put what belongs together into one transaction; what cannot be in one must be repeatable, such as with IF NOT EXISTS")
}

/// Judges what was observed of the first run.
fn review(steps: &mut Steps<'_>, first: &FirstRun, before: &State) {
    let settings = steps.settings;
    let mut review = Review::of(settings);
    let observed = &first.ran.observed;
    let limit = settings.lock_limit();
    let found = locks::judge(observed, &first.tables, limit);
    let longest = first.tables.iter().filter_map(|table| table.held).max();
    let summary = longest.map_or_else(
        || "no lock kept others waiting".to_owned(),
        |longest| {
            format!(
                "the longest lock that keeps others waiting is held for {} at most (limit {})",
                show_duration(longest),
                show_duration(limit)
            )
        },
    );
    steps.judged(Step::Locks, review.split(found), &summary);

    let rows = |table: &str| rows_before(before, table);
    let work = work::parse(&first.log);
    let keys = constraints(&first.after);
    let mut found = work::judge(observed, &work, &settings.rewrites, &keys, rows);
    let changes = changes::compare(before, &first.after);
    let emptied = changes
        .iter()
        .filter(|change| change.class == ChangeClass::Emptied);
    let emptied: Vec<String> = emptied.map(table_of).collect();
    let rewritten = rewritten(&changes, &found, settings);
    // Their indexes are built anew with them: that is no fault of its own, and for an empty table no work.
    found.retain(|one| {
        let of_rewrite = rewritten.iter().any(|other| other.object == one.object);
        one.rule != &INDEX_UNDER_LOCK || !(of_rewrite || emptied.contains(&one.object))
    });
    found.extend(rewritten);
    let summary = format!("{} of the server's log", show_counted(work.len(), "entry"));
    let summary = match found.is_empty() {
        true => "no table is written anew or read under a lock".to_owned(),
        false => summary,
    };
    steps.judged(Step::Work, review.split(found), &summary);

    let (found, summary) = blocked(&first.waited, settings);
    steps.judged(Step::Blocking, review.split(found), &summary);

    let mut judged = review.split(advice::judge(before, &first.after));
    judged.faults.extend(review.unaccepted(&changes));
    judged.advice.extend(review.unused());
    let needs = changes.iter().filter(|one| one.needs_acceptance()).count();
    let accepted = needs - judged.faults.len().min(needs);
    let summary = format!(
        "{}; {needs} that a review must accept, {accepted} accepted",
        show_counted(changes.len(), "change")
    );
    steps.judged(Step::Changes, judged, &summary);
}

/// How many rows a table had before, in any database.
fn rows_before(before: &State, table: &str) -> Option<u64> {
    let name = QualifiedName::parse(table).ok()?;
    let mut databases = before.databases.values();
    databases.find_map(|database| Some(database.rows.as_ref()?.get(&name)?.count))
}

/// The name of the table of a change, as locks name it.
fn table_of(change: &changes::ClusterChange) -> String {
    let name = change.object.qualified_name();
    name.map_or_else(|| change.object.to_string(), |name| name.to_string())
}

/// The constraints of tables.
fn constraints(state: &State) -> Vec<(String, QualifiedName)> {
    let catalogs = state.databases.values().map(|database| &database.catalog);
    let objects = catalogs.flat_map(|catalog| catalog.objects.keys());
    let parts = objects.filter_map(|object| {
        let part = object.part.as_ref()?;
        let of_table = part.kind == PartKind::Constraint;
        Some((part.name.clone(), object.qualified_name()?)).filter(|_| of_table)
    });
    parts.collect()
}

/// Tables that were written anew, which the log does not name: by `VACUUM FULL` and `CLUSTER`.
fn rewritten(
    changes: &[changes::ClusterChange],
    found: &[Violation],
    settings: &Rehearse,
) -> Vec<Violation> {
    let rewritten = changes
        .iter()
        .filter(|change| change.class == ChangeClass::Rewritten);
    let new = rewritten.filter(|change| {
        let permitted = settings.rewrites.permit(&table_of(change));
        !permitted && !found.iter().any(|one| one.name == change.name)
    });
    new.map(|change| Violation {
        rule: &REWRITE,
        name: change.name.clone(),
        object: table_of(change),
        actual: "every row and every index of it was written anew".to_owned(),
    })
    .collect()
}

/// Judges how long the probes waited.
fn blocked(waited: &[Waited], settings: &Rehearse) -> (Vec<Violation>, String) {
    let limit = settings.lock_limit();
    let found = waited.iter().filter(|one| one.longest > limit);
    let found = found.map(|one| {
        let (who, name) = match one.kind {
            ProbeKind::Read => ("a reader", format!("block readers of {}", one.object)),
            ProbeKind::Write => ("a writer", format!("block writers of {}", one.object)),
            ProbeKind::Query => ("the query", format!("block {}", one.object)),
        };
        Violation {
            rule: &BLOCKED,
            name,
            object: one.object.clone(),
            actual: format!(
                "{who} as {} was kept waiting for {} (limit {})",
                crate::sql::quote_ident(&one.role),
                show_duration(one.longest),
                show_duration(limit)
            ),
        }
    });
    let longest = waited.iter().map(|one| one.longest).max();
    let attempts: u64 = waited.iter().map(|one| one.attempts).sum();
    let summary = match longest {
        Some(longest) => format!(
            "{} of {}: the longest wait was {} (limit {})",
            show_counted(attempts, "attempt"),
            show_counted(waited.len(), "probe"),
            show_duration(longest),
            show_duration(limit)
        ),
        None => "there is no table to probe".to_owned(),
    };
    (found.collect(), summary)
}

/// Runs the checks that hold after the release.
async fn checks(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    before: &[CheckResult],
) {
    let began = steps.begin_step(Step::Checks);
    let after = copies.scenario().after_release();
    let restored = copies.restored_on(copy);
    let results = judge(&restored, &after, steps.context).await;
    let mut findings = Vec::new();
    let mut unable = None;
    for result in results {
        let old = before
            .iter()
            .find(|one| one.id == result.id && one.object == result.object);
        let replaced = after_replaces(copies.scenario(), &result.id);
        let old = old.filter(|_| !replaced).map(|one| one.outcome.clone());
        let passed_before = old.as_ref().is_none_or(|one| *one == Outcome::Pass);
        match &result.outcome {
            Outcome::Fail if result.required && passed_before => {
                findings.extend(result.findings.iter().map(|one| Finding {
                    object: Some(match &one.object {
                        Some(object) => format!("{}: {object}", result.title()),
                        None => result.title(),
                    }),
                    ..one.clone()
                }));
            }
            Outcome::Error(error) if result.required && passed_before => {
                unable.get_or_insert_with(|| CouldNotRun {
                    reason: format!("{}: {}", result.title(), error.reason),
                    ..error.clone()
                });
            }
            _ => {}
        }
        steps.result.checks.push(CheckAfter {
            result,
            before: old,
        });
    }
    let of = |word: &str| {
        let all = steps.result.checks.iter();
        all.filter(|one| one.result.outcome.word() == word).count()
    };
    let summary = format!(
        "{} passed, {} failed, {} could not run",
        of("pass"),
        of("fail"),
        of("error")
    );
    let ended = match (findings.is_empty(), unable) {
        (false, _) => Ended::Fail(summary, findings),
        (true, Some(error)) => Ended::Error(error),
        (true, None) => Ended::Pass(summary, Vec::new()),
    };
    steps.ended(Step::Checks, began, ended);
}

/// Whether `[after]` replaces a check of the scenario, so that its result before says nothing of it.
fn after_replaces(scenario: &Scenario, id: &str) -> bool {
    scenario.after.checks.iter().any(|check| check.id == id)
}

impl Steps<'_> {
    /// When a step begins that is recorded by [`Steps::ended`].
    fn begin_step(&mut self, step: Step) -> Instant {
        self.begun(step);
        Instant::now()
    }
}
