//! Judges what was observed of the first run: locks, work, blocking, changes.

use std::collections::BTreeSet;
use std::time::Instant;

use super::changes::{self, ChangeClass, ClusterChange, DatabaseState, State};
use super::first::FirstRun;
use super::observe::HeldLock;
use super::probe::{ProbeKind, Refusal, Waited};
use super::review::Review;
use super::rules::{BLOCKED, INDEX_UNDER_LOCK, REFUSED, REWRITE, Violation, WRITTEN_ANEW};
use super::settings::{Rehearse, history};
use super::steps::{Ended, Steps};
use super::{advice, backfill, locks, work};
use crate::catalog::PartKind;
use crate::check::schema_version::tool::is_replaced_history;
use crate::outcome::{NotTested, Step};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::{show_counted, show_duration};

/// Judges what was observed of the first run.
pub(super) fn judge(steps: &mut Steps<'_>, first: &FirstRun, before: &State) {
    let settings = steps.settings;
    let mut review = Review::of(settings);
    let observed = &first.ran.observed;
    // Nothing is known of what would have come after the failure.
    let covered = |summary: String| match first.ran.ended_well() {
        true => summary,
        false => format!("until the run failed: {summary}"),
    };
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
    steps.judged(Step::Locks, review.split(found), &covered(summary));

    let (work, unable) = match &first.log {
        Ok(work) => (work.as_slice(), work::unobserved(observed, work)),
        Err(error) => (&[][..], Some(error.clone())),
    };
    let keys = constraints(&first.after);
    let mut found = work::judge(observed, work, &settings.rewrites, &keys);
    let rows = |lock: &HeldLock| rows_of(before.databases.get(&lock.database)?, &lock.relation);
    found.extend(backfill::judge(observed, rows));
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
    // golang-migrate truncates the table of its one row.
    let history = history(settings);
    found.retain(|one| {
        let table = QualifiedName::parse(&one.object);
        !table.is_ok_and(|table| is_replaced_history(&table) || history.contains(&table))
    });
    // Nothing is read or written there, which says nothing about production.
    let (empty, found): (Vec<_>, Vec<_>) =
        (found.into_iter()).partition(|one| has_no_rows(before, &one.object));
    if !empty.is_empty() {
        let tables: BTreeSet<&str> = empty.iter().map(|one| one.object.as_str()).collect();
        let tables: Vec<&str> = tables.into_iter().collect();
        let what = format!(
            "what work on tables without rows costs: {}",
            tables.join(", ")
        );
        let why = "they have no rows in the backup";
        steps.not_tested([NotTested::new(what, why)]);
    }
    let summary = format!("{} of the server's log", show_counted(work.len(), "entry"));
    let summary = match found.is_empty() {
        true => "no table is written anew or read under a lock".to_owned(),
        false => summary,
    };
    let judged = review.split(found);
    match unable {
        // What was seen otherwise is a fault all the same.
        Some(error) if judged.faults.is_empty() => {
            steps.ended(Step::Work, Instant::now(), Ended::Error(error));
        }
        unable => {
            steps.not_tested(
                unable.map(|error| NotTested::new("all other work on whole tables", error.reason)),
            );
            steps.judged(Step::Work, judged, &covered(summary));
        }
    }

    if first.waited.is_empty() && first.refusals.is_empty() {
        let why = "no probe was tried while the migrations ran".to_owned();
        steps.ended(Step::Blocking, Instant::now(), Ended::Skipped(why));
    } else {
        let (mut found, summary) = blocked(&first.waited, settings);
        found.extend(first.refusals.iter().map(refused));
        steps.judged(Step::Blocking, review.split(found), &covered(summary));
    }

    let mut judged = review.split(advice::judge(&changes, &first.after));
    judged.faults.extend(review.unaccepted(&changes));
    judged.advice.extend(review.unused());
    let needs = changes.iter().filter(|one| review.needs(one)).count();
    let accepted = needs - judged.faults.len().min(needs);
    let summary = format!(
        "{}; {needs} that a review must accept, {accepted} accepted",
        show_counted(changes.len(), "change")
    );
    steps.judged(Step::Changes, judged, &covered(summary));
}

/// How many rows a table had.
fn rows_of(database: &DatabaseState, table: &str) -> Option<u64> {
    let name = QualifiedName::parse(table).ok()?;
    Some(database.rows.as_ref()?.get(&name)?.count)
}

/// Whether no table of this name had rows in any database, where there was one.
fn has_no_rows(before: &State, table: &str) -> bool {
    let databases = before.databases.values();
    let rows = databases.filter_map(|database| rows_of(database, table));
    rows.max() == Some(0)
}

/// The name of the table of a change, as locks name it.
fn table_of(change: &ClusterChange) -> String {
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
    changes: &[ClusterChange],
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
        actual: WRITTEN_ANEW.to_owned(),
    })
    .collect()
}

/// What a role cannot do any more.
fn refused(refusal: &Refusal) -> Violation {
    let Refusal { role, table, what } = refusal;
    let role = quote_ident(role);
    let (object, name) = match table.is_empty() {
        true => (role.clone(), format!("refuse {role} to {what}")),
        false => (table.clone(), format!("hide rows of {table} from {role}")),
    };
    Violation {
        rule: &REFUSED,
        name,
        object,
        actual: format!(
            "{role} cannot {what} any more, in a session that begins after the migrations"
        ),
    }
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
                quote_ident(&one.role),
                show_duration(one.longest),
                show_duration(limit)
            ),
        }
    });
    let refused = waited.iter().filter_map(|one| {
        let error = one.stopped.as_ref().filter(|_| one.is_refused())?;
        Some(Violation {
            rule: &REFUSED,
            name: format!("refuse {} to {}", one.object, quote_ident(&one.role)),
            object: one.object.clone(),
            actual: format!("{} was refused: {error}", quote_ident(&one.role)),
        })
    });
    let found = found.chain(refused);
    let longest = waited
        .iter()
        .map(|one| one.longest)
        .max()
        .unwrap_or_default();
    let attempts: u64 = waited.iter().map(|one| one.attempts).sum();
    let summary = format!(
        "{} of {}: the longest wait was {} (limit {})",
        show_counted(attempts, "attempt"),
        show_counted(waited.len(), "probe"),
        show_duration(longest),
        show_duration(limit)
    );
    (found.collect(), summary)
}
