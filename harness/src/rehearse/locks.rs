//! The locks of a run: which kept others waiting, for how long, and whether the tool was prepared to wait for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::observe::{HeldLock, LockMode, Observed};
use super::rules::{LOCK_TIMEOUT, LONG_LOCK, SEVERAL_LOCKS, Violation};
use crate::outcome::TableFacts;
use crate::units::show_duration;

impl LockMode {
    /// Whether it keeps writers of a table waiting.
    #[must_use]
    pub fn blocks_writers(self) -> bool {
        self >= Self::Share
    }

    /// Whether it keeps readers waiting too.
    #[must_use]
    pub fn blocks_readers(self) -> bool {
        self == Self::AccessExclusive
    }

    /// Its name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

impl HeldLock {
    /// The table whose users it keeps waiting: that of an index, or the relation itself.
    #[must_use]
    pub fn of_table(&self) -> &str {
        self.table.as_deref().unwrap_or(&self.relation)
    }
}

/// What the run did to each table that was there before, by name.
#[must_use]
pub fn tables(observed: &Observed) -> Vec<TableFacts> {
    let mut by_table: BTreeMap<&str, Vec<&HeldLock>> = BTreeMap::new();
    for lock in &observed.locks {
        by_table.entry(lock.of_table()).or_default().push(lock);
    }
    let facts = by_table.into_iter().filter_map(|(table, locks)| {
        // The lock that others wait for longest; where none keeps them waiting, the strongest.
        let worst = locks.iter().max_by_key(|lock| {
            let blocks = lock.mode.blocks_writers();
            let held = lock.until.saturating_sub(lock.from);
            (blocks, blocks.then_some(held), lock.mode)
        })?;
        let statement = observed.statements.get(worst.statement);
        let blocking = locks.iter().filter(|lock| lock.mode.blocks_writers());
        Some(TableFacts {
            table: table.to_owned(),
            lock: worst.mode.name().into(),
            blocks_readers: worst.mode.blocks_readers(),
            held: longest(blocking.map(|lock| (lock.from, lock.until))),
            statement: statement.map_or_else(String::new, |one| one.text.clone()),
            readers_waited: None,
            writers_waited: None,
        })
    });
    facts.collect()
}

/// The longest time without a gap that intervals cover.
fn longest(intervals: impl Iterator<Item = (Duration, Duration)>) -> Option<Duration> {
    let mut intervals: Vec<_> = intervals.collect();
    intervals.sort_unstable();
    let mut best = None;
    let mut current: Option<(Duration, Duration)> = None;
    for (from, until) in intervals {
        let (begun, end) = match current {
            Some((begun, end)) if from <= end => (begun, end.max(until)),
            _ => (from, until),
        };
        current = Some((begun, end));
        best = best.max(Some(end.saturating_sub(begun)));
    }
    best
}

/// Judges the locks of a run.
#[must_use]
pub fn judge(observed: &Observed, tables: &[TableFacts], limit: Duration) -> Vec<Violation> {
    let mut found = Vec::new();
    for table in tables {
        let Some(held) = table.held.filter(|held| *held > limit) else {
            continue;
        };
        let whom = match table.blocks_readers {
            true => "readers and writers",
            false => "writers",
        };
        found.push(Violation {
            rule: &LONG_LOCK,
            name: format!("lock table {}", table.table),
            object: table.table.clone(),
            actual: format!(
                "{} keeps {whom} waiting for up to {} (limit {}), by `{}`",
                table.lock,
                show_duration(held),
                show_duration(limit),
                table.statement
            ),
        });
    }
    found.extend(without_timeout(observed));
    found.extend(several(observed));
    found
}

/// Locks that keep others waiting, taken by sessions which wait for them forever.
fn without_timeout(observed: &Observed) -> Vec<Violation> {
    let mut tables = BTreeMap::new();
    for lock in &observed.locks {
        let blocks = lock.mode.blocks_writers();
        let statement = observed.statements.get(lock.statement);
        if blocks && statement.is_some_and(|statement| !statement.lock_timeout) {
            tables.entry(lock.of_table()).or_insert(lock);
        }
    }
    let violations = tables.into_iter().map(|(table, lock)| Violation {
        rule: &LOCK_TIMEOUT,
        name: format!("lock table {table} without a timeout"),
        object: table.to_owned(),
        actual: format!(
            "{} is taken without one, by `{}`",
            lock.mode.name(),
            statement_of(observed, lock)
        ),
    });
    violations.collect()
}

/// Transactions that lock several tables against readers.
fn several(observed: &Observed) -> Vec<Violation> {
    let mut transactions: BTreeMap<(usize, Duration), BTreeSet<&str>> = BTreeMap::new();
    for lock in &observed.locks {
        let Some(statement) = observed.statements.get(lock.statement) else {
            continue;
        };
        if lock.mode.blocks_readers() {
            let transaction = (statement.connection, lock.until);
            let tables = transactions.entry(transaction).or_default();
            tables.insert(lock.of_table());
        }
    }
    let all = transactions.into_values().filter(|tables| tables.len() > 1);
    let all: BTreeSet<Vec<&str>> = all.map(|tables| tables.into_iter().collect()).collect();
    let violations = all.into_iter().map(|tables| {
        let tables = tables.join(", ");
        Violation {
            rule: &SEVERAL_LOCKS,
            name: format!("lock tables {tables}"),
            object: tables,
            actual: "one transaction locks all of them against readers".to_owned(),
        }
    });
    violations.collect()
}

/// The text of the statement that took a lock.
fn statement_of<'a>(observed: &'a Observed, lock: &HeldLock) -> &'a str {
    let statement = observed.statements.get(lock.statement);
    statement.map_or("", |statement| &statement.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::observe::Statement;
    use rstest::rstest;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn observed(locks: &[(&str, LockMode, u64, u64)]) -> Observed {
        let statements = locks.iter().map(|(table, _, from, _)| Statement {
            text: format!("ALTER TABLE {table}"),
            began: seconds(*from),
            lock_timeout: true,
            ..Statement::default()
        });
        let held = locks.iter().enumerate().map(|(at, one)| HeldLock {
            relation: one.0.to_owned(),
            mode: one.1,
            statement: at,
            from: seconds(one.2),
            until: seconds(one.3),
            ..HeldLock::default()
        });
        Observed {
            statements: statements.collect(),
            locks: held.collect(),
            ..Observed::default()
        }
    }

    #[rstest]
    #[case::short(&[("app.a", LockMode::AccessExclusive, 0, 2)], &[])]
    #[case::long(&[("app.a", LockMode::AccessExclusive, 0, 3)], &["long-lock"])]
    #[case::of_writers(&[("app.a", LockMode::Share, 1, 4)], &["long-lock"])]
    #[case::that_blocks_nobody(&[("app.a", LockMode::ShareUpdateExclusive, 0, 900)], &[])]
    #[case::without_a_gap(
        &[("app.a", LockMode::AccessExclusive, 0, 2), ("app.a", LockMode::Share, 2, 4)],
        &["long-lock"]
    )]
    #[case::with_a_gap(
        &[("app.a", LockMode::AccessExclusive, 0, 2), ("app.a", LockMode::Share, 3, 4)],
        &[]
    )]
    #[case::of_two_tables_at_once(
        &[("app.a", LockMode::AccessExclusive, 0, 1), ("app.b", LockMode::AccessExclusive, 0, 1)],
        &["several-locks"]
    )]
    #[case::of_two_tables_one_after_the_other(
        &[("app.a", LockMode::AccessExclusive, 0, 1), ("app.b", LockMode::AccessExclusive, 1, 2)],
        &[]
    )]
    fn locks_are_judged(#[case] locks: &[(&str, LockMode, u64, u64)], #[case] rules: &[&str]) {
        let observed = observed(locks);
        let found = judge(&observed, &tables(&observed), seconds(2));
        let names: Vec<&str> = found.iter().map(|one| one.rule.name).collect();
        assert_eq!(names, rules);
    }

    #[test]
    fn a_lock_that_nobody_limits_is_advice() {
        let mut observed = observed(&[
            ("app.a", LockMode::AccessExclusive, 0, 1),
            ("app.b", LockMode::RowExclusive, 0, 1),
        ]);
        for statement in &mut observed.statements {
            statement.lock_timeout = false;
        }
        let found = judge(&observed, &tables(&observed), seconds(2));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rule, &LOCK_TIMEOUT);
        assert_eq!(found[0].name, "lock table app.a without a timeout");
    }
}
