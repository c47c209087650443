//! The rows of tables, in the backup and restored.

use crate::outcome::{DrillResult, TableRows, Values};
use crate::units::show_count;

/// The rows of all tables, in the order of the reports.
#[derive(Debug)]
pub(in crate::report) struct Rows<'a> {
    /// Whether the restored database was counted.
    pub(in crate::report) compared: bool,
    /// Tables whose rows differ, or that are missing.
    pub(in crate::report) differ: Vec<&'a TableRows>,
    /// The largest of the others.
    pub(in crate::report) largest: Vec<&'a TableRows>,
    /// How many tables are equal and not among the largest.
    pub(in crate::report) rest: usize,
    /// How many tables there are in all.
    pub(in crate::report) tables: usize,
    /// Rows of all tables in the backup.
    pub(in crate::report) backup: u64,
    /// Rows of all tables in the restored database.
    pub(in crate::report) restored: u64,
}

/// Sorts the rows: all differences, the `top` largest of the others, and totals.
pub(in crate::report) fn rows(all: &[TableRows], top: usize) -> Rows<'_> {
    let compared = all.iter().any(|table| table.restored.is_some());
    let (mut largest, differ): (Vec<_>, Vec<_>) = all.iter().partition(|table| {
        let counted = table.restored == Some(table.backup);
        !compared || (counted && table.values != Values::Differ)
    });
    largest.sort_by(|a, b| {
        let name = |rows: &TableRows| (rows.database.clone(), rows.table.clone());
        b.backup.cmp(&a.backup).then_with(|| name(a).cmp(&name(b)))
    });
    let rest = largest.len().saturating_sub(top);
    largest.truncate(top);
    let sum = |count: fn(&TableRows) -> u64| all.iter().map(count).fold(0, u64::saturating_add);
    Rows {
        compared,
        differ,
        largest,
        rest,
        tables: all.len(),
        backup: sum(|table| table.backup),
        restored: sum(|table| table.restored.unwrap_or(0)),
    }
}

/// Tables whose rows have the values of the backup, every one.
pub(in crate::report) fn same(result: &DrillResult) -> usize {
    let rows = result.restore.iter().flat_map(|restore| &restore.rows);
    rows.filter(|table| table.values == Values::Same).count()
}

/// The word for a table that does not differ.
pub(in crate::report) const fn word(table: &TableRows) -> &'static str {
    match (&table.values, table.restored) {
        (Values::Same, _) => "equal",
        (_, Some(_)) => "same count",
        (_, None) => "",
    }
}

/// Shows the rows of one table in the restored database.
pub(in crate::report) fn restored_rows(table: &TableRows) -> String {
    table
        .restored
        .map_or_else(|| "missing or not counted".to_owned(), show_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, backup: u64, restored: Option<u64>) -> TableRows {
        TableRows {
            database: "app".to_owned(),
            table: name.to_owned(),
            backup,
            restored,
            values: Values::Same,
        }
    }

    #[test]
    fn every_difference_is_shown_and_the_rest_is_counted() {
        let all = [
            table("a.small", 1, Some(1)),
            table("a.large", 9, Some(9)),
            table("a.lost", 3, None),
            table("a.middle", 5, Some(5)),
            table("a.cut", 7, Some(6)),
        ];
        let rows = rows(&all, 2);
        let names = |list: &[&TableRows]| list.iter().map(|t| t.table.clone()).collect::<Vec<_>>();
        assert_eq!(names(&rows.differ), ["a.lost", "a.cut"]);
        assert_eq!(names(&rows.largest), ["a.large", "a.middle"]);
        assert_eq!(
            (rows.rest, rows.tables, rows.backup, rows.restored),
            (1, 5, 25, 21)
        );
    }

    #[test]
    fn nothing_differs_where_nothing_was_compared() {
        let all = [table("a.b", 1, None)];
        let rows = rows(&all, 10);
        assert!(!rows.compared && rows.differ.is_empty() && rows.largest.len() == 1);
    }
}
