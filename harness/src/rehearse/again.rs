//! Further runs: a second one, the way back, and two at the same time.

use super::changes::{self, ChangeClass, ClusterChange, EqualOptions, ReadRows, State};
use super::copies::{Copied, Copies};
use super::review::described;
use super::settings::{Rehearse, history};
use super::steps::{Ended, Steps};
use super::tool::Ran;
use crate::outcome::{CouldNotRun, Finding, Step};
use crate::server::Servers;
use crate::units::show_duration;

/// What to do about a second run that fails or changes something.
const REPEATABLE: &str = "a migration that has run must not run again: the tool must find it in its history, or it must be repeatable";
/// What to do about a way back that does not lead there.
const UNDO: &str = "undo everything that the migrations do, in the opposite order";
/// What to do about two runs at the same time.
const ONE_AT_A_TIME: &str = "take a lock for the whole run before reading the history, by pg_advisory_lock, or by repeating pg_try_advisory_lock where an index is built concurrently, which would wait for a session that waits for the lock; or never start two, and say so by `two-runners = false`";

/// Runs the tool again on the migrated copy: nothing may change.
pub(super) async fn second_run(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    copy: &Copied<'_>,
    after: &State,
) {
    let began = steps.begin_step(Step::SecondRun);
    let settings = steps.settings;
    let ended = if settings.second_run {
        let work = async {
            let ran = copies.run_tool(copy, &settings.command, None).await?;
            let state = read(copies, copy).await?;
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
            Ok((findings, line))
        };
        ended(work.await)
    } else {
        Ended::Skipped("`second-run = false` in `[rehearse]`".to_owned())
    };
    steps.ended(Step::SecondRun, began, ended);
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
            let state = read(copies, copy).await?;
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

/// Runs the tool twice at the same time, on a copy of its own: both must end well, as one does.
pub(super) async fn two_runners(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    servers: &mut Servers,
    after: &State,
) {
    let began = steps.begin_step(Step::TwoRunners);
    let settings = steps.settings;
    let ended = if settings.two_runners {
        let work = async {
            let copy = copies.start(servers).await?;
            let run = || copies.run_tool(&copy, &settings.command, None);
            let (first, second) = tokio::join!(run(), run());
            let (first, second) = (first?, second?);
            let state = read(copies, &copy).await?;
            let mut findings = not_well(&first, "the first of two runs", ONE_AT_A_TIME, settings);
            findings.extend(not_well(
                &second,
                "the second of two runs",
                ONE_AT_A_TIME,
                settings,
            ));
            findings.extend(differing(
                &of_other_copy(after, &state, settings),
                "two runs at the same time leave what one leaves",
                ONE_AT_A_TIME,
            ));
            let longer = first.duration.max(second.duration);
            Ok((
                findings,
                format!("both ended within {}", show_duration(longer)),
            ))
        };
        let ended = ended(work.await);
        servers.remove_last().await;
        ended
    } else {
        Ended::Skipped("`two-runners = false` in `[rehearse]`".to_owned())
    };
    steps.ended(Step::TwoRunners, began, ended);
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
pub(super) async fn read(copies: &Copies<'_>, copy: &Copied<'_>) -> Result<State, CouldNotRun> {
    changes::read(copy.server, &copies.cluster.databases, ReadRows::All).await
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

/// Differences as findings.
pub(super) fn differing(changes: &[ClusterChange], expected: &str, hint: &str) -> Vec<Finding> {
    let findings = changes.iter().map(|change| {
        Finding::about(change.object.to_string(), expected, described(change)).hint(hint)
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
