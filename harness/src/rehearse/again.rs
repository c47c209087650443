//! Further runs: a second one, the way back, and two at the same time.

use std::collections::BTreeSet;

use super::changes::{self, ChangeClass, ClusterChange, EqualOptions, ReadRows, State};
use super::copies::{Copied, Copies};
use super::first::FirstRun;
use super::observe::{Control, Meeting, Met, Observed};
use super::review::described;
use super::settings::{Rehearse, history};
use super::steps::{Ended, Steps};
use super::tool::Ran;
use crate::outcome::{CouldNotRun, Finding, NotTested, Step};
use crate::server::Servers;
use crate::units::show_duration;

/// What to do about a second run that fails or changes something.
const REPEATABLE: &str = "a migration that has run must not run again: the tool must find it in its history, or it must be repeatable";
/// What to do about a way back that does not lead there.
const UNDO: &str = "undo everything that the migrations do, in the opposite order";
/// What to do about two runs at the same time.
const ONE_AT_A_TIME: &str = "take a lock for the whole run before reading the history, by pg_advisory_lock, or by repeating pg_try_advisory_lock where an index is built concurrently, which would wait for a session that waits for the lock; or never start two, and say so by `two-runners = false`";

/// Runs the tool again on the migrated copy: nothing may change. Gives what it does where nothing is pending.
pub(super) async fn second_run(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    after: &State,
) -> Option<Observed> {
    let began = steps.begin_step(Step::SecondRun);
    let settings = steps.settings;
    let mut observed = None;
    let ended = if settings.second_run {
        let work = async {
            let ran = copies.run_tool(copy, &settings.command, None).await?;
            let state = read(copies, copy, ReadRows::All).await?;
            let options = EqualOptions {
                ignore_rows: &history(settings),
                same_copy: true,
            };
            let mut findings = not_well(&ran, "a second run", REPEATABLE, settings);
            findings.extend(differing(
                &changes::equal(after, &state, &options),
                "a second run changes nothing",
                REPEATABLE,
            ));
            let line = format!(
                "it took {} and changed nothing",
                show_duration(ran.duration)
            );
            observed = Some(ran.observed);
            Ok((findings, line))
        };
        ended(work.await)
    } else {
        Ended::Skipped("`second-run = false` in `[rehearse]`".to_owned())
    };
    steps.ended(Step::SecondRun, began, ended);
    observed
}

/// Undoes the migrations: the definitions must be those from before, and no row of before may be lost.
pub(super) async fn down(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    before: &State,
) {
    let began = steps.begin_step(Step::Down);
    let settings = steps.settings;
    let ended = if settings.down.is_empty() {
        Ended::Skipped("`[rehearse]` has no `down`".to_owned())
    } else {
        let work = async {
            let ran = copies.run_tool(copy, &settings.down, None).await?;
            let state = read(copies, copy, ReadRows::All).await?;
            let options = EqualOptions {
                ignore_rows: &history(settings),
                same_copy: false,
            };
            let mut found = changes::equal(before, &state, &options);
            // Rows may differ where a migration changed them; they may not become fewer.
            found.retain(|change| match change.class {
                ChangeClass::Rows { before, after, .. } => after < before,
                _ => true,
            });
            let mut findings = not_well(&ran, "`down`", UNDO, settings);
            findings.extend(differing(
                &found,
                "the definitions and rows from before",
                UNDO,
            ));
            let line = format!("undone in {}", show_duration(ran.duration));
            Ok((findings, line))
        };
        ended(work.await)
    };
    steps.ended(Step::Down, began, ended);
}

/// Runs the tool twice at the same time, on a copy of its own: both must end well, as one does. They wait for each other where
/// they come to the first pending migration.
pub(super) async fn two_runners(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    servers: &mut Servers,
    first: &FirstRun,
    nothing_pending: Option<&Observed>,
) {
    let began = steps.begin_step(Step::TwoRunners);
    let settings = steps.settings;
    let mut apart = None;
    let ended = if settings.two_runners {
        let work = async {
            let copy = copies.start(servers).await?;
            let at = first_pending(&first.ran.observed, nothing_pending);
            let [one, other] = Meeting::both(at.unwrap_or_default());
            let run = |side: &Meeting| {
                let control = Some(Control::Meet(side.clone()));
                copies.run_tool(&copy, &settings.command, control)
            };
            let (one_ran, other_ran) = tokio::join!(run(&one), run(&other));
            let (one_ran, other_ran) = (one_ran?, other_ran?);
            let state = read(copies, &copy, ReadRows::Counted).await?;
            let mut findings = Vec::new();
            for (ran, which) in [
                (&one_ran, "the first of two runs"),
                (&other_ran, "the second of two runs"),
            ] {
                findings.extend(not_well(ran, which, ONE_AT_A_TIME, settings));
            }
            findings.extend(differing(
                &of_other_copy(&first.after, &state, settings),
                "two runs at the same time leave what one leaves",
                ONE_AT_A_TIME,
            ));
            if one.met() == Met::Never {
                apart = Some(met(Met::Never, at));
            }
            let longer = show_duration(one_ran.duration.max(other_ran.duration));
            Ok((
                findings,
                format!("{}; both ended within {longer}", met(one.met(), at)),
            ))
        };
        let ended = ended(work.await);
        servers.remove_last().await;
        ended
    } else {
        Ended::Skipped("`two-runners = false` in `[rehearse]`".to_owned())
    };
    steps.not_tested(apart.map(|why| {
        let what =
            "whether two runs that come to the first pending migration at the same time end well";
        NotTested::new(what, why)
    }));
    steps.ended(Step::TwoRunners, began, ended);
}

/// The first statement of pending migrations: one that a run does not send when nothing is pending.
fn first_pending<'o>(first: &'o Observed, nothing_pending: Option<&Observed>) -> Option<&'o str> {
    let always: BTreeSet<&str> = nothing_pending
        .map(|run| run.statements.iter().map(|one| one.text.as_str()).collect())
        .unwrap_or_default();
    // Without such a run: what tools do to begin with is repeatable.
    let begins = |text: &str| match nothing_pending {
        Some(_) => always.contains(text),
        None => text.to_ascii_lowercase().contains("if not exists"),
    };
    let mut statements = first.statements.iter();
    let pending = statements.find(|one| one.may_change() && !begins(&one.text))?;
    Some(&pending.text)
}

/// How two runs met, in words.
fn met(met: Met, at: Option<&str>) -> String {
    let at = at.map_or_else(
        || "a statement that changes something".to_owned(),
        |at| format!("`{at}`"),
    );
    match met {
        Met::Never => format!("neither came to {at}"),
        Met::Both => format!("both came to {at} before either ran it"),
        Met::OtherWaits => format!("one waited for a lock while the other came to {at}"),
        Met::OtherEnded => format!("one ended before the other came to {at}"),
        Met::Late => format!(
            "one was kept at {at} for some seconds, and the other did not come there meanwhile"
        ),
    }
}

/// What differs between the migrated copy and another one: definitions, and numbers of rows. Values may be those of the clock or
/// of chance.
pub(super) fn of_other_copy(
    after: &State,
    state: &State,
    settings: &Rehearse,
) -> Vec<ClusterChange> {
    let options = EqualOptions {
        ignore_rows: &[],
        same_copy: false,
    };
    let tables = history(settings);
    let mut found = changes::equal(after, state, &options);
    found.retain(|change| match change.class {
        ChangeClass::Rows { before, after, .. } => {
            let table = change.object.qualified_name();
            before != after && !table.is_some_and(|table| tables.contains(&table))
        }
        _ => true,
    });
    found
}

/// Reads the state of a copy.
pub(super) async fn read(
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    rows: ReadRows,
) -> Result<State, CouldNotRun> {
    changes::read(copy.server, &copies.cluster.databases, rows).await
}

/// A run that did not end well.
pub(super) fn not_well(
    ran: &Ran,
    which: &str,
    hint: &'static str,
    settings: &Rehearse,
) -> Vec<Finding> {
    match ran.ended_well() {
        true => Vec::new(),
        false => vec![ran.finding(settings, Some(hint)).within(which)],
    }
}

/// Differences as findings: as changes that would lead from what was expected to what is there.
pub(super) fn differing(changes: &[ClusterChange], expected: &str, hint: &str) -> Vec<Finding> {
    let findings = changes.iter().map(|change| {
        let actual = format!("the difference is as after {}", described(change));
        Finding::about(change.object.to_string(), expected, actual).hint(hint)
    });
    findings.collect()
}

/// How a step ended by what it found.
pub(super) fn ended(work: Result<(Vec<Finding>, String), CouldNotRun>) -> Ended {
    match work {
        Ok((findings, line)) if findings.is_empty() => Ended::Pass(line, Vec::new()),
        Ok((findings, _)) => {
            let summary = crate::outcome::summarize(&findings, "fault");
            Ended::Fail(summary, findings)
        }
        Err(error) => Ended::Error(error),
    }
}
