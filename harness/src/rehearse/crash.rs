//! A run that is cut off, as if the tool had been killed, and the run after it.

use std::collections::BTreeSet;

use super::again::{differing, ended, not_well, of_other_copy, read};
use super::changes::{ChangeClass, ReadRows, State};
use super::copies::Copies;
use super::first::FirstRun;
use super::observe::{Control, CutOff, Observed, StopAt, When};
use super::settings::Rehearse;
use super::steps::{Ended, Steps};
use crate::outcome::{CouldNotRun, Finding, NotTested, Step};
use crate::server::Servers;
use crate::units::show_counted;

/// What to do about a run that the next one cannot complete.
const COMPLETE: &str = "put what belongs together into one transaction; make repeatable what cannot be in one, such as with IF NOT EXISTS";
/// What to do about an index that a run leaves unfinished.
pub(super) const DROP_FIRST: &str = "an INVALID index has the name already, so IF NOT EXISTS leaves it as it is: put `DROP INDEX CONCURRENTLY IF EXISTS …` before the statement that builds it";

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
        Ended::Skipped(
            "there is no middle to cut a run off in: no more than one statement changes anything, in a transaction of its own"
                .to_owned(),
        )
    } else {
        let mut findings = Vec::new();
        let mut unable = None;
        for place in &places {
            let one = crash(copies, servers, &first.after, place, settings).await;
            servers.remove_last().await;
            match one {
                Ok(Crash {
                    cut_off,
                    not_within,
                    findings: found,
                }) => {
                    let which = named(observed, place.statement, cut_off);
                    findings.extend(found.into_iter().map(|one| one.within(&which)));
                    let text = &observed.statements[place.statement].text;
                    steps.not_tested(not_within.map(|why| {
                        let what =
                            format!("whether a run that is cut off within `{text}` is completed");
                        NotTested::new(what, why)
                    }));
                }
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

/// A run that was cut off, and what the next one did not complete.
struct Crash {
    cut_off: CutOff,
    /// Why it was not cut off within its statement, where it should have been.
    not_within: Option<String>,
    findings: Vec<Finding>,
}

/// Cuts a run off in one place, and completes it.
async fn crash(
    copies: &Copies<'_>,
    servers: &mut Servers,
    after: &State,
    place: &StopAt,
    settings: &Rehearse,
) -> Result<Crash, CouldNotRun> {
    let copy = copies.start(servers).await?;
    let command = &settings.command;
    let stop = Some(Control::Stop(place.clone()));
    let cut = copies.run_tool(&copy, command, stop).await?;
    let Some(cut_off) = cut.cut_off else {
        return Err(CouldNotRun::with_hint(
            "another run sends other statements, so that it could not be cut off in the same place",
            "set `crashes = 0` in `[rehearse]`, if the tool is not repeatable",
        ));
    };
    let of = |findings| Crash {
        cut_off,
        not_within: not_within(place, cut_off, &cut.observed),
        findings,
    };
    let again = copies.run_tool(&copy, command, None).await?;
    if !again.ended_well() {
        // What is missing then is a consequence.
        return Ok(of(not_well(&again, "the run after it", COMPLETE, settings)));
    }
    let state = read(copies, &copy, ReadRows::Counted).await?;
    let (invalid, others): (Vec<_>, Vec<_>) = of_other_copy(after, &state, settings)
        .into_iter()
        .partition(|change| change.class == ChangeClass::IndexInvalid);
    let mut findings = Vec::new();
    let completes = "the next run completes it";
    findings.extend(differing(&invalid, completes, DROP_FIRST));
    findings.extend(differing(&others, completes, COMPLETE));
    Ok(of(findings))
}

/// Why a run that should have been cut off within a statement was not. One that locked no table of before, such as a
/// `DROP INDEX CONCURRENTLY IF EXISTS` that finds none, has no middle.
fn not_within(place: &StopAt, cut_off: CutOff, observed: &Observed) -> Option<String> {
    match &place.when {
        When::During(_) if cut_off == CutOff::Within => None,
        When::During(_) if !observed.not_observed.is_empty() => {
            Some(observed.not_observed.join("; "))
        }
        When::During(tables) if !tables.is_empty() => {
            Some("it ended without waiting for other transactions".to_owned())
        }
        _ => None,
    }
}

/// Where a run was cut off, in words.
fn named(observed: &Observed, statement: usize, cut_off: CutOff) -> String {
    let before = observed.statements[..statement].iter().rev();
    let statement = &observed.statements[statement];
    let mut before = before.filter(|one| one.connection == statement.connection);
    let last = before.find(|one| one.may_change());
    match (cut_off, last) {
        (CutOff::Before, _) => format!("cut off before `{}`", statement.text),
        (CutOff::Within, _) => format!("cut off within `{}`", statement.text),
        (CutOff::After, Some(last)) if statement.is_commit() => {
            format!("cut off after the commit of `{}`", last.text)
        }
        (CutOff::After, _) => format!("cut off after `{}`", statement.text),
    }
}

/// Where a run is cut off: after the transactions that change something, but the last; within statements that commit several
/// times; and within transactions, by turns.
fn places(observed: &Observed, most: usize) -> Vec<StopAt> {
    let statements = &observed.statements;
    let writes: Vec<usize> = (0..statements.len())
        .filter(|at| statements[*at].may_change() && statements[*at].error.is_none())
        .collect();
    let mut boundaries: Vec<usize> = (0..statements.len())
        .filter(|at| {
            statements[*at].is_commit() || (writes.contains(at) && !statements[*at].in_transaction)
        })
        .collect();
    // After the last one there is nothing left to complete.
    boundaries.pop();
    let of = |kind: &dyn Fn(usize) -> bool| -> Vec<usize> {
        writes.iter().copied().filter(|at| kind(*at)).collect()
    };
    let concurrent = of(&|at| statements[at].is_concurrent());
    let within = of(&|at| statements[at].in_transaction);
    let after = |statement: usize| StopAt {
        statement,
        when: When::After,
    };
    let during = |statement: usize| StopAt {
        statement,
        when: When::During(tables(observed, statement)),
    };
    let mut boundaries = spread(&boundaries, most).into_iter().map(after);
    let mut concurrent = spread(&concurrent, most).into_iter().map(during);
    let mut within = spread(&within, most).into_iter().map(after);
    let mut chosen: Vec<StopAt> = Vec::new();
    while chosen.len() < most {
        let next = [boundaries.next(), concurrent.next(), within.next()];
        if next.iter().all(Option::is_none) {
            break;
        }
        let room = most - chosen.len();
        chosen.extend(next.into_iter().flatten().take(room));
    }
    chosen.sort_by_key(|place| (place.statement, place.when == When::After));
    chosen
}

/// The tables that a statement locked, which were there before.
fn tables(observed: &Observed, statement: usize) -> Vec<String> {
    let locks = observed.locks.iter();
    let of = locks.filter(|lock| lock.statement == statement);
    let tables: BTreeSet<String> = of.map(|lock| lock.of_table().to_owned()).collect();
    tables.into_iter().collect()
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
    use crate::rehearse::observe::{HeldLock, Statement};
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
        assert!(places.iter().all(|place| place.when == When::After));
    }

    #[test]
    fn a_run_is_cut_off_within_a_statement_that_commits_several_times() {
        let mut observed = observed(&[
            ("CREATE INDEX CONCURRENTLY i ON app.t (a)", false),
            ("BEGIN", false),
            ("INSERT INTO h …", true),
            ("COMMIT", true),
        ]);
        for relation in ["app.t", "app.t"] {
            observed.locks.push(HeldLock {
                relation: relation.to_owned(),
                ..HeldLock::default()
            });
        }
        let places = places(&observed, 3);
        let named: Vec<String> = places
            .iter()
            .map(|place| {
                let cut_off = match place.when {
                    When::During(_) => CutOff::Within,
                    _ => CutOff::After,
                };
                named(&observed, place.statement, cut_off)
            })
            .collect();
        assert_eq!(
            named,
            [
                "cut off within `CREATE INDEX CONCURRENTLY i ON app.t (a)`",
                "cut off after `CREATE INDEX CONCURRENTLY i ON app.t (a)`",
                "cut off after `INSERT INTO h …`",
            ]
        );
        assert_eq!(places[0].when, When::During(vec!["app.t".to_owned()]));
    }

    #[rstest]
    #[case::it_was(&["app.t"], CutOff::Within, &[], None)]
    #[case::it_did_not_wait(&["app.t"], CutOff::After, &[], Some("it ended without waiting for other transactions"))]
    #[case::it_found_nothing(&[], CutOff::After, &[], None)]
    #[case::it_was_not_kept(&[], CutOff::After, &["no session"], Some("no session"))]
    fn a_statement_that_was_not_cut_off_within_has_a_reason(
        #[case] tables: &[&str],
        #[case] cut_off: CutOff,
        #[case] notes: &[&str],
        #[case] expected: Option<&str>,
    ) {
        let place = StopAt {
            statement: 0,
            when: When::During(tables.iter().map(ToString::to_string).collect()),
        };
        let observed = Observed {
            not_observed: notes.iter().map(ToString::to_string).collect(),
            ..Observed::default()
        };
        let why = not_within(&place, cut_off, &observed);
        assert_eq!(why.as_deref(), expected);
    }

    #[test]
    fn a_commit_is_named_by_what_it_commits() {
        let observed = observed(&[
            ("BEGIN", false),
            ("CREATE TABLE a ()", true),
            ("COMMIT", true),
            ("BEGIN", false),
            ("CREATE TABLE b ()", true),
            ("COMMIT", true),
        ]);
        let first = places(&observed, 1).remove(0);
        assert_eq!(
            named(&observed, first.statement, CutOff::After),
            "cut off after the commit of `CREATE TABLE a ()`"
        );
    }
}
