//! Transactions that change most rows of a large table.

use std::collections::{BTreeMap, BTreeSet};

use pgdump::sql::{Token, tokens};

use super::observe::{HeldLock, LockMode, Observed};
use super::rules::{BACKFILL, Violation};
use crate::sql::{QualifiedName, read_identifier, split_qualified};
use crate::units::show_counted;

/// From so many rows on a table is large.
const MANY_ROWS: u64 = 10_000;

/// Judges the rows that statements wrote; `rows` gives how many the table of a lock had before.
pub(super) fn judge(
    observed: &Observed,
    rows: impl Fn(&HeldLock) -> Option<u64>,
) -> Vec<Violation> {
    let mut large: Vec<(&HeldLock, u64)> = Vec::new();
    for lock in &observed.locks {
        let is_written = lock.table.is_none() && lock.mode >= LockMode::RowExclusive;
        let rows = rows(lock).filter(|rows| is_written && *rows >= MANY_ROWS);
        large.extend(rows.map(|rows| (lock, rows)));
    }
    // Rows and statements of each transaction on a table.
    let mut changed: BTreeMap<_, (u64, Vec<usize>)> = BTreeMap::new();
    let written = |one: &usize| !large.is_empty() && observed.statements[*one].rows > 0;
    for number in (0..observed.statements.len()).filter(written) {
        if let Some((lock, before)) = table_of(observed, number, &large) {
            let key = (lock.transaction, &lock.relation, before);
            let (rows, statements) = changed.entry(key).or_default();
            *rows += observed.statements[number].rows;
            statements.push(number);
        }
    }
    let mut named = BTreeSet::new();
    let faults = changed
        .into_iter()
        .filter(|((_, table, before), (rows, _))| {
            *rows >= MANY_ROWS && *rows >= before / 2 && named.insert(*table)
        });
    let faults = faults.map(|((_, table, _), (rows, statements))| {
        let others = match statements.len() - 1 {
            0 => String::new(),
            others => format!(
                ", with {} of its transaction,",
                show_counted(others, "other statement")
            ),
        };
        Violation {
            rule: &BACKFILL,
            name: format!("backfill {table}"),
            object: table.clone(),
            actual: format!(
                "`{}`{others} changes {} at once",
                observed.statements[statements[0]].text,
                show_counted(rows, "row")
            ),
        }
    });
    faults.collect()
}

/// The table that a statement writes: one that its text names, or else one that it locked as a writer does, as through a view.
fn table_of<'a>(
    observed: &Observed,
    number: usize,
    large: &[(&'a HeldLock, u64)],
) -> Option<(&'a HeldLock, u64)> {
    let statement = &observed.statements[number];
    let end = statement.began + statement.took;
    let held = large.iter().copied().filter(|(lock, _)| {
        let of = observed.statements.get(lock.statement);
        of.is_some_and(|of| of.connection == statement.connection)
            && lock.from <= end
            && lock.until >= statement.began
    });
    let names = written_by(&statement.text);
    let is_named = |lock: &HeldLock| {
        QualifiedName::parse(&lock.relation).is_ok_and(|table| names.contains(&table.name))
    };
    let mut named = held.clone().filter(|(lock, _)| is_named(lock));
    named.next().or_else(|| {
        let mut own = held
            .filter(|(lock, _)| lock.statement == number && lock.mode == LockMode::RowExclusive);
        own.next()
    })
}

/// The names, without schema, of what a statement inserts into, updates, deletes from, merges or copies into.
fn written_by(text: &str) -> Vec<String> {
    let tokens: Vec<Token<'_>> = tokens(text).collect();
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is_word(word));
    let names = (0..tokens.len()).filter_map(|at| {
        let after = match () {
            () if is(at, "insert") || is(at, "merge") => at + 1 + usize::from(is(at + 1, "into")),
            () if is(at, "delete") && is(at + 1, "from") => at + 2,
            () if is(at, "update") || at == 0 && is(at, "copy") => at + 1,
            () => return None,
        };
        let name = tokens.get(after + usize::from(is(after, "only")))?;
        Some(read_identifier(split_qualified(name.text).1))
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::observe::Statement;
    use rstest::rstest;
    use std::time::Duration;

    #[rstest]
    #[case("UPDATE ONLY app.\"A.b\" SET x = …", &["A.b"])]
    #[case("INSERT INTO new SELECT * FROM old FOR UPDATE", &["new"])]
    #[case("WITH w AS (DELETE FROM a RETURNING *) INSERT INTO app.B SELECT * FROM w", &["a", "b"])]
    #[case("MERGE INTO t USING s ON true WHEN MATCHED THEN UPDATE SET x = …", &["t", "set"])]
    #[case("COPY t FROM STDIN", &["t"])]
    #[case("SELECT * FROM t", &[])]
    fn the_text_names_what_is_written(#[case] text: &str, #[case] names: &[&str]) {
        assert_eq!(written_by(text), names);
    }

    /// Statements of one transaction with their rows; the locks that it holds, each of a statement.
    fn found(
        statements: &[(&str, u64)],
        locks: &[(usize, LockMode, &str)],
        before: Option<u64>,
    ) -> Vec<String> {
        let statements = statements.iter().map(|(text, rows)| Statement {
            text: (*text).to_owned(),
            rows: *rows,
            ..Statement::default()
        });
        let locks = locks.iter().map(|(statement, mode, relation)| HeldLock {
            relation: (*relation).to_owned(),
            mode: *mode,
            statement: *statement,
            until: Duration::from_secs(1),
            ..HeldLock::default()
        });
        let observed = Observed {
            statements: statements.collect(),
            locks: locks.collect(),
            ..Observed::default()
        };
        let found = judge(&observed, |_| before).into_iter();
        found.map(|one| one.actual).collect()
    }

    const WRITER: LockMode = LockMode::RowExclusive;

    #[rstest]
    #[case(9_999, Some(9_999), false)]
    #[case(10_000, Some(19_000), true)]
    #[case(10_000, Some(90_000), false)]
    #[case(10_000, Some(50), false)]
    #[case(10_000, None, false)]
    fn a_backfill_changes_most_rows_of_a_large_table(
        #[case] changed: u64,
        #[case] before: Option<u64>,
        #[case] is_one: bool,
    ) {
        let found = found(
            &[("UPDATE orders SET a = …", changed)],
            &[(0, WRITER, "app.orders")],
            before,
        );
        assert_eq!(!found.is_empty(), is_one);
    }

    #[test]
    fn a_table_that_is_only_read_is_not_changed() {
        let moved = ("INSERT INTO app.new SELECT * FROM app.orders", 12_000);
        let altered = [("ALTER TABLE app.orders …", 0), moved];
        let locks = [
            (0, LockMode::AccessExclusive, "app.orders"),
            (1, LockMode::AccessShare, "app.orders"),
        ];
        assert_eq!(found(&altered, &locks, Some(12_000)), [""; 0]);
        let both = (
            "WITH o AS (UPDATE app.orders SET a = … RETURNING *) INSERT INTO app.new SELECT * FROM o",
            12_000,
        );
        assert_eq!(found(&[altered[0], both], &locks, Some(12_000)).len(), 1);
    }

    #[test]
    fn a_view_is_written_by_the_lock_of_its_table() {
        let view = [("UPDATE app.v SET a = …", 12_000)];
        assert_eq!(
            found(&view, &[(0, WRITER, "app.orders")], Some(12_000)).len(),
            1
        );
        assert_eq!(
            found(
                &view,
                &[(0, LockMode::AccessShare, "app.orders")],
                Some(12_000)
            ),
            [""; 0]
        );
    }

    #[test]
    fn slices_of_one_transaction_are_one_change() {
        let slice = ("UPDATE app.orders SET a = …", 4_000);
        let found = found(&[slice; 3], &[(0, WRITER, "app.orders")], Some(12_000));
        assert_eq!(
            found,
            [
                "`UPDATE app.orders SET a = …`, with 2 other statements of its transaction, changes 12 000 rows at once"
            ]
        );
    }
}
