//! Two sets of rows side by side, when they are not the same: in which columns, and in how many rows at
//! least. Memory is flat, and nothing of a value is kept but digests.

use crate::digest::RowsDigest;

/// Parts that rows are sorted into by their digest.
const BUCKETS: usize = 4096;

/// A set of rows, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    /// All rows.
    pub all: RowsDigest,
    /// Each column by itself.
    pub columns: Vec<RowsDigest>,
    buckets: Vec<RowsDigest>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            all: RowsDigest::default(),
            columns: Vec::new(),
            buckets: vec![RowsDigest::default(); BUCKETS],
        }
    }
}

impl Fields {
    /// Adds a line of COPY text without its end.
    pub(super) fn add(&mut self, row: &[u8]) {
        let mut one = RowsDigest::default();
        one.add(row);
        self.all.merge(&one);
        self.buckets[one.part(BUCKETS)].merge(&one);
        for (at, field) in row.split(|byte| *byte == b'\t').enumerate() {
            if at == self.columns.len() {
                self.columns.push(RowsDigest::default());
            }
            self.columns[at].add(field);
        }
    }

    /// Places of the columns whose values are others, whatever rows they stand in.
    pub(super) fn unlike(&self, other: &Self) -> Vec<usize> {
        let most = self.columns.len().max(other.columns.len());
        (0..most)
            .filter(|at| self.columns.get(*at) != other.columns.get(*at))
            .collect()
    }

    /// Rows that differ, at least. One that changed is missing in one part and too much in another.
    pub(super) fn at_least(&self, other: &Self) -> u64 {
        let pairs = self.buckets.iter().zip(&other.buckets);
        let parts = pairs.filter(|(left, right)| left != right).count() as u64;
        parts.div_ceil(2).max(u64::from(self.all != other.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[String]) -> Fields {
        let mut fields = Fields::default();
        for row in rows {
            fields.add(row.as_bytes());
        }
        fields
    }

    #[test]
    fn the_columns_that_differ_are_told_and_how_many_rows() {
        let rows: Vec<String> = (0..100)
            .map(|at| format!("{at}\tname {at}\t{}", at % 2))
            .collect();
        let mut turned = rows.clone();
        turned.reverse();
        assert_eq!(
            (of(&rows).all, of(&rows).unlike(&of(&turned))),
            (of(&turned).all, vec![])
        );
        assert_eq!(of(&rows).at_least(&of(&turned)), 0);
        let mut changed = rows.clone();
        for row in &mut changed[10..20] {
            *row = row.replace("name", "NAME");
        }
        assert_eq!(of(&rows).unlike(&of(&changed)), [1]);
        let least = of(&rows).at_least(&of(&changed));
        assert!((8..=10).contains(&least), "{least}");
    }

    #[test]
    fn values_that_changed_places_differ_in_no_column_and_two_rows() {
        let rows = ["1\ta".to_owned(), "2\tb".to_owned()];
        let swapped = ["1\tb".to_owned(), "2\ta".to_owned()];
        assert_eq!(of(&rows).unlike(&of(&swapped)), Vec::<usize>::new());
        assert_ne!(of(&rows).all, of(&swapped).all);
        assert_eq!(of(&rows).at_least(&of(&swapped)), 2);
    }
}
