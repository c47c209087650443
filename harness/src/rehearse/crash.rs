//! A run that is cut off, as if the tool had been killed, and the run after it.

use super::again::{differing, ended, not_well, of_other_copy, read};
use super::changes::{ChangeClass, State};
use super::copies::Copies;
use super::first::FirstRun;
use super::observe::{Observed, StopAt, When};
use super::settings::Rehearse;
use super::steps::{Ended, Steps};
use crate::outcome::{CouldNotRun, Finding, Step};
use crate::server::Servers;
use crate::units::show_counted;

/// What to do about a run that the next one cannot complete.
const COMPLETE: &str = "put what belongs together into one transaction; make repeatable what cannot be in one, such as with IF NOT EXISTS";

/// Cuts runs off in several places, each on a copy of its own, and completes them.
pub(super) async fn crashes(
    steps: &mut Steps<'_>,
    copies: &Copies<'_>,
    servers: &mut Servers,
    first: &FirstRun,
) {
    let began = steps.begin_step(Step::Crashes);
    let settings = steps.settings;
    let observed = &first.ran.observed;
    let places = places(observed, settings.crashes());
    let ended = if settings.crashes() == 0 {
        Ended::Skipped("`crashes = 0` in `[rehearse]`".to_owned())
    } else if places.is_empty() {
        Ended::Skipped("the tool sends no statement that changes anything".to_owned())
    } else {
        let mut findings = Vec::new();
        let mut unable = None;
        for place in &places {
            let one = crash(copies, servers, &first.after, *place, settings).await;
            servers.remove_last().await;
            let statement = &observed.statements[place.statement].text;
            let which = format!("cut off after `{statement}`");
            match one {
                Ok(found) => findings.extend(found.into_iter().map(|one| one.within(&which))),
                Err(error) => unable = unable.or(Some(error)),
            }
        }
        let line = format!(
            "cut off in {}, and completed each time",
            show_counted(places.len(), "place")
        );
        match unable {
            Some(error) if findings.is_empty() => Ended::Error(error),
            _ => ended(Ok((findings, line))),
        }
    };
    steps.ended(Step::Crashes, began, ended);
}

/// Cuts a run off in one place, and completes it.
async fn crash(
    copies: &Copies<'_>,
    servers: &mut Servers,
    after: &State,
    place: StopAt,
    settings: &Rehearse,
) -> Result<Vec<Finding>, CouldNotRun> {
    let copy = copies.start(servers).await?;
    let command = &settings.command;
    let cut = copies.run_tool(&copy, command, Some(place)).await?;
    if !cut.stopped {
        return Err(CouldNotRun::with_hint(
            "another run sends other statements, so that it could not be cut off in the same place",
            "set `crashes = 0` in `[rehearse]`, if the tool is not repeatable",
        ));
    }
    let again = copies.run_tool(&copy, command, None).await?;
    if !again.ended_well() {
        // What is missing then is a consequence.
        return Ok(not_well(&again, "the run after it", COMPLETE, settings));
    }
    let state = read(copies, &copy).await?;
    let (invalid, others): (Vec<_>, Vec<_>) = of_other_copy(after, &state, settings)
        .into_iter()
        .partition(|change| change.class == ChangeClass::IndexInvalid);
    let mut findings = Vec::new();
    let completes = "the next run completes it";
    findings.extend(differing(
        &invalid,
        completes,
        "drop the INVALID index before it is built again: `DROP INDEX CONCURRENTLY IF EXISTS …`",
    ));
    findings.extend(differing(&others, completes, COMPLETE));
    Ok(findings)
}

/// Where a run is cut off: after the transactions that change something, but the last, and within them, by turns.
fn places(observed: &Observed, most: usize) -> Vec<StopAt> {
    let statements = &observed.statements;
    let changes = |text: &str| {
        let word = text.split_whitespace().next().unwrap_or_default();
        ![
            "", "select", "show", "set", "begin", "start", "commit", "end", "rollback", "reset",
            "discard",
        ]
        .contains(&word.to_ascii_lowercase().as_str())
    };
    let writes: Vec<usize> = (0..statements.len())
        .filter(|at| changes(&statements[*at].text) && statements[*at].error.is_none())
        .collect();
    let ends = |at: usize| {
        let word = statements[at].text.to_ascii_lowercase();
        word.starts_with("commit") || word.starts_with("end")
    };
    let mut boundaries: Vec<usize> = (0..statements.len())
        .filter(|at| ends(*at) || (writes.contains(at) && !statements[*at].in_transaction))
        .collect();
    // After the last one there is nothing left to complete.
    boundaries.pop();
    let within: Vec<usize> = writes
        .into_iter()
        .filter(|at| statements[*at].in_transaction)
        .collect();
    let mut chosen: Vec<usize> = Vec::new();
    let mut boundaries = spread(&boundaries, most).into_iter();
    let mut within = spread(&within, most).into_iter();
    while chosen.len() < most {
        let next = [boundaries.next(), within.next()];
        if next == [None, None] {
            break;
        }
        let room = most - chosen.len();
        chosen.extend(next.into_iter().flatten().take(room));
    }
    chosen.sort_unstable();
    chosen.dedup();
    let places = chosen.into_iter().map(|statement| StopAt {
        statement,
        when: When::After,
    });
    places.collect()
}

/// At most so many of them, from the whole range.
fn spread(all: &[usize], most: usize) -> Vec<usize> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most).map(|at| all[at * all.len() / most]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::observe::Statement;
    use rstest::rstest;

    fn observed(statements: &[(&str, bool)]) -> Observed {
        let statements = statements.iter().map(|(text, in_transaction)| Statement {
            text: (*text).to_owned(),
            in_transaction: *in_transaction,
            ..Statement::default()
        });
        Observed {
            statements: statements.collect(),
            ..Observed::default()
        }
    }

    #[rstest]
    #[case::nothing(&[("SELECT …", false)], 3, &[])]
    #[case::one_statement(&[("CREATE TABLE a ()", false)], 3, &[])]
    #[case::two_statements(&[("CREATE TABLE a ()", false), ("CREATE TABLE b ()", false)], 3, &[0])]
    #[case::one_transaction(
        &[("BEGIN", true), ("CREATE TABLE a ()", true), ("INSERT INTO h …", true), ("COMMIT", true)],
        3,
        &[1, 2]
    )]
    #[case::two_transactions(
        &[
            ("BEGIN", true), ("CREATE TABLE a ()", true), ("COMMIT", true),
            ("BEGIN", true), ("CREATE TABLE b ()", true), ("COMMIT", true),
        ],
        2,
        &[1, 2]
    )]
    #[case::no_more_than_wanted(
        &[("CREATE TABLE a ()", false), ("CREATE TABLE b ()", false), ("CREATE TABLE c ()", false)],
        1,
        &[0]
    )]
    fn a_run_is_cut_off_between_and_within_transactions(
        #[case] statements: &[(&str, bool)],
        #[case] most: usize,
        #[case] expected: &[usize],
    ) {
        let places = places(&observed(statements), most);
        let at: Vec<usize> = places.iter().map(|place| place.statement).collect();
        assert_eq!(at, expected);
    }
}
