//! What happened to the rows of tables, to large objects and to sequences.

use super::rename::Renames;
use super::rows::{RowSample, TableRows};
use super::{ChangeClass, ClusterChange, DatabaseState, name};
use crate::baseline::compare::went_back;
use crate::catalog::{Catalog, ObjectId, ObjectKind};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_counted;

/// Lists how the rows of the tables differ that are in both states.
pub(super) fn compare(
    before: &DatabaseState,
    after: &DatabaseState,
    renames: &Renames,
    one_copy: bool,
    ignore: &[QualifiedName],
) -> Vec<ClusterChange> {
    let mut changes = Vec::new();
    let (Some(old), Some(new)) = (&before.rows, &after.rows) else {
        return changes;
    };
    for (name, old) in old {
        let name = renames.name_after(ObjectKind::Table, name);
        let Some(new) = new.get(&name).filter(|_| !ignore.contains(&name)) else {
            continue;
        };
        let difference = RowsDifference::of(old, new, one_copy);
        changes.extend(difference.changes(&name, old.count, new.count));
    }
    if let (Some(old), Some(new)) = (&before.large_objects, &after.large_objects)
        && old != new
    {
        let object = ObjectId::large_objects();
        let fewer = new.count < old.count;
        let class = ChangeClass::Rows {
            before: old.count,
            after: new.count,
            differ: old.count == new.count,
        };
        let noun = "large object";
        let text = format!(
            "{} before, {} after",
            show_counted(old.count, noun),
            show_counted(new.count, noun)
        );
        let verb = if fewer { "delete" } else { "change" };
        changes.push(ClusterChange {
            loses: fewer,
            ..name::change(&object, class, format!("{verb} large objects"), text)
        });
    }
    changes
}

/// Lists the sequences that return numbers a second time.
pub(super) fn compare_sequences(
    before: &DatabaseState,
    after: &DatabaseState,
    renames: &Renames,
) -> Vec<ClusterChange> {
    let mut changes = Vec::new();
    for (name, old) in &before.sequences {
        let name = renames.name_after(ObjectKind::Sequence, name);
        let object = ObjectId::qualified(ObjectKind::Sequence, &name);
        let Some(definition) = after.catalog.objects.get(&object) else {
            continue;
        };
        let new = after.sequences.get(&name).copied();
        let used_up = |of: &Catalog, last: Option<i64>| {
            let down = of
                .get(&object, "increment")
                .is_some_and(|by| by.starts_with('-'));
            let end = of.get(&object, if down { "minimum" } else { "maximum" });
            end == last.map(|last| last.to_string()).as_deref()
        };
        let is_new = used_up(&after.catalog, new) && !used_up(&before.catalog, Some(*old));
        if is_new && !definition.contains_key("cycle") {
            changes.push(ClusterChange {
                loses: true,
                ..name::change(
                    &object,
                    ChangeClass::Changed,
                    format!("use up {object}"),
                    format!("{object}: the next number is refused"),
                )
            });
        }
        if went_back(*old, new, definition) && !definition.contains_key("cycle") {
            let new = new.map_or("never used".to_owned(), |value| value.to_string());
            changes.push(ClusterChange {
                loses: true,
                ..name::change(
                    &object,
                    ChangeClass::SequenceBack,
                    format!("move back {object}"),
                    format!("{object}: {old} → {new}: it returns numbers a second time"),
                )
            });
        }
    }
    changes
}

/// How the rows of a table differ, in numbers of rows.
#[derive(Debug, Default, PartialEq, Eq)]
struct RowsDifference {
    deleted: u64,
    inserted: u64,
    /// Rows that are in both and differ.
    updated: u64,
    /// Columns, by their names after the change, in which they differ; empty where that is not known.
    columns: Vec<String>,
    /// Whether the numbers are estimated from a sample.
    estimated: bool,
    /// Whether rows have no key, so that a changed row is one that is gone and one that is new.
    keyless: bool,
}

impl RowsDifference {
    fn of(old: &TableRows, new: &TableRows, one_copy: bool) -> Self {
        if old.is_counted || new.is_counted {
            return Self {
                deleted: old.count.saturating_sub(new.count),
                inserted: new.count.saturating_sub(old.count),
                keyless: true,
                ..Self::default()
            };
        }
        // A table that was dropped and created again has other numbers of columns.
        let by_number = one_copy && old.columns.oid == new.columns.oid;
        let same = |old: &(String, i16), new: &(String, i16)| match by_number {
            true => old.1 == new.1,
            false => old.0 == new.0,
        };
        let pair = |at: usize| {
            let old = old.columns.columns.get(at)?;
            new.columns.columns.iter().position(|new| same(old, new))
        };
        let pairs: Vec<(usize, usize)> = (0..old.columns.columns.len())
            .filter_map(|at| Some((at, pair(at)?)))
            .collect();
        let key_of_new: Option<Vec<usize>> = old.columns.key.iter().map(|at| pair(*at)).collect();
        let same_key = key_of_new.is_some_and(|key| key == new.columns.key);
        let all =
            pairs.len() == old.columns.columns.len() && pairs.len() == new.columns.columns.len();
        let keyless = old.columns.key.is_empty();
        match (same_key, keyless) {
            (true, false) => Self::by_key(old, new, &pairs),
            (true, true) if all && pairs.iter().all(|(old, new)| old == new) => {
                Self::by_whole_rows(old, new)
            }
            _ => Self::by_columns(old, new, &pairs, same_key && keyless),
        }
    }

    fn by_key(old: &TableRows, new: &TableRows, pairs: &[(usize, usize)]) -> Self {
        let differing = |(at_old, at_new): &&(usize, usize)| old.sums[*at_old] != new.sums[*at_new];
        let mut found = Self::of_samples(&old.sample, &new.sample, pairs);
        if (old.keys, old.count) == (new.keys, new.count) {
            // Every key is in both, so the sums are exact.
            let columns: Vec<_> = pairs.iter().filter(differing).collect();
            found.deleted = 0;
            found.inserted = 0;
            found.updated = match columns.is_empty() {
                true => 0,
                false => found.updated.max(1),
            };
            found.columns = columns.iter().map(|(_, at)| new.column(*at)).collect();
            found.estimated &= found.updated > 0;
            return found;
        }
        found.columns = found.columns_of_sample(old, new, pairs);
        found.deleted = found.deleted.max(old.count.saturating_sub(new.count));
        found.inserted = (new.count + found.deleted).saturating_sub(old.count);
        found
    }

    /// Rows without a key, of the same columns: each is its own key.
    fn by_whole_rows(old: &TableRows, new: &TableRows) -> Self {
        if (old.keys, old.count) == (new.keys, new.count) {
            return Self::default();
        }
        let found = Self::of_samples(&old.sample, &new.sample, &[]);
        let deleted = old.count.saturating_sub(new.count);
        let inserted = new.count.saturating_sub(old.count);
        // Of as many rows with another digest one at least differs.
        let least = u64::from(old.count == new.count);
        Self {
            deleted,
            inserted,
            updated: found.deleted.saturating_sub(deleted).max(least),
            keyless: true,
            estimated: found.estimated,
            columns: Vec::new(),
        }
    }

    /// Rows whose keys cannot be compared: the number of rows, and the values of each column where rows have no key.
    fn by_columns(
        old: &TableRows,
        new: &TableRows,
        pairs: &[(usize, usize)],
        same_sums: bool,
    ) -> Self {
        let mut found = Self {
            deleted: old.count.saturating_sub(new.count),
            inserted: new.count.saturating_sub(old.count),
            keyless: true,
            ..Self::default()
        };
        if same_sums && old.count == new.count {
            let differing = pairs
                .iter()
                .filter(|(at_old, at_new)| old.sums[*at_old] != new.sums[*at_new]);
            found.columns = differing.map(|(_, at)| new.column(*at)).collect();
            found.updated = u64::from(!found.columns.is_empty());
        }
        found
    }

    /// Counts the rows of two samples, and estimates those of the tables.
    fn of_samples(old: &RowSample, new: &RowSample, pairs: &[(usize, usize)]) -> Self {
        let level = old.level.max(new.level);
        let (old_rows, new_rows) = (old.sorted(level), new.sorted(level));
        let (mut at_old, mut at_new) = (0, 0);
        let mut found = Self {
            estimated: level > 0,
            ..Self::default()
        };
        while at_old < old_rows.len() || at_new < new_rows.len() {
            let key = |rows: &[(u64, usize)], at: usize| rows.get(at).map(|(key, _)| *key);
            match (key(&old_rows, at_old), key(&new_rows, at_new)) {
                (Some(left), Some(right)) if left == right => {
                    let (left, right) = (old.row(old_rows[at_old].1), new.row(new_rows[at_new].1));
                    let differs = pairs
                        .iter()
                        .any(|(old, new)| left.get(*old) != right.get(*new));
                    found.updated += u64::from(differs);
                    at_old += 1;
                    at_new += 1;
                }
                (Some(left), right) if right.is_none_or(|right| left < right) => {
                    found.deleted += 1;
                    at_old += 1;
                }
                _ => {
                    found.inserted += 1;
                    at_new += 1;
                }
            }
        }
        for count in [&mut found.deleted, &mut found.inserted, &mut found.updated] {
            *count = count.checked_shl(level).unwrap_or(u64::MAX);
        }
        found
    }

    /// The columns in which rows of both samples differ.
    fn columns_of_sample(
        &self,
        old: &TableRows,
        new: &TableRows,
        pairs: &[(usize, usize)],
    ) -> Vec<String> {
        if self.updated == 0 {
            return Vec::new();
        }
        let differs = |pair: &&(usize, usize)| {
            let only = std::slice::from_ref(*pair);
            Self::of_samples(&old.sample, &new.sample, only).updated > 0
        };
        pairs
            .iter()
            .filter(differs)
            .map(|(_, at)| new.column(*at))
            .collect()
    }

    /// The changes that a table has of it.
    fn changes(&self, table: &QualifiedName, before: u64, after: u64) -> Vec<ClusterChange> {
        let object = ObjectId::qualified(ObjectKind::Table, table);
        let class = ChangeClass::Rows {
            before,
            after,
            differ: self.updated > 0,
        };
        let rows = |count: u64| match self.estimated {
            true => format!("some {}", show_counted(count, "row")),
            false => show_counted(count, "row"),
        };
        let counts = format!("{} before, {after} after", show_counted(before, "row"));
        let mut changes = Vec::new();
        let mut add = |loses, class, name: String, text: String| {
            changes.push(ClusterChange {
                loses,
                ..name::change(&object, class, name, text)
            });
        };
        if before > 0 && after == 0 {
            add(
                true,
                ChangeClass::Emptied,
                format!("empty {object}"),
                counts,
            );
            return changes;
        }
        if self.deleted > 0 {
            let text = format!("{table}: {} deleted: {counts}", rows(self.deleted));
            add(true, class, format!("delete rows of {table}"), text);
        }
        if self.inserted > 0 {
            let text = format!("{table}: {} inserted: {counts}", rows(self.inserted));
            add(false, class, format!("insert rows into {table}"), text);
        }
        if self.updated > 0 {
            let columns = match self.columns.as_slice() {
                [] => String::new(),
                columns => format!(" in {}", columns.join(", ")),
            };
            let text = match self.keyless {
                false => format!("{table}: {} changed{columns}", rows(self.updated)),
                true => format!(
                    "{table}: rows changed{columns}, or were deleted and others inserted: the table has no key that shows which"
                ),
            };
            add(false, class, format!("update rows of {table}"), text);
        }
        changes
    }
}

impl TableRows {
    /// The name of a column as SQL writes it.
    fn column(&self, at: usize) -> String {
        let column = self.columns.columns.get(at);
        column
            .map(|(name, _)| quote_ident(name))
            .unwrap_or_default()
    }
}

impl RowSample {
    /// Keys of the rows that are in a sample of this level, in order, each with the position of its row.
    fn sorted(&self, level: u32) -> Vec<(u64, usize)> {
        let rows = self.keys.iter().enumerate();
        let mut rows: Vec<(u64, usize)> = rows
            .filter(|(_, key)| key.trailing_zeros() >= level)
            .map(|(at, key)| (*key, at))
            .collect();
        rows.sort_unstable();
        rows
    }

    fn row(&self, at: usize) -> &[u32] {
        let width = self.cells.len() / self.keys.len().max(1);
        self.cells
            .get(at * width..(at + 1) * width)
            .unwrap_or_default()
    }
}
