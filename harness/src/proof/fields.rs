//! Compares two sets of rows: which columns differ, and at least how many rows. Memory is constant, and only digests of
//! values are kept.

use crate::digest::RowsDigest;

/// Buckets that rows are distributed over by their digest.
const BUCKETS: usize = 4096;

/// Digests of a set of rows.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    /// All rows.
    pub all: RowsDigest,
    /// The values of each column.
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
    /// Adds a row of COPY text, without the line end.
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

    /// Positions of the columns with other values, in whatever rows.
    pub(super) fn different_columns(&self, other: &Self) -> Vec<usize> {
        let most = self.columns.len().max(other.columns.len());
        (0..most)
            .filter(|at| self.columns.get(*at) != other.columns.get(*at))
            .collect()
    }

    /// The least number of rows that differ. A changed row is missing in one bucket and additional in another.
    pub(super) fn different_rows(&self, other: &Self) -> u64 {
        let pairs = self.buckets.iter().zip(&other.buckets);
        let buckets = pairs.filter(|(left, right)| left != right).count() as u64;
        buckets.div_ceil(2).max(u64::from(self.all != other.all))
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
    fn columns_that_differ_are_found_and_how_many_rows() {
        let rows: Vec<String> = (0..100)
            .map(|at| format!("{at}\tname {at}\t{}", at % 2))
            .collect();
        let mut reversed = rows.clone();
        reversed.reverse();
        assert_eq!(
            (of(&rows).all, of(&rows).different_columns(&of(&reversed))),
            (of(&reversed).all, vec![])
        );
        assert_eq!(of(&rows).different_rows(&of(&reversed)), 0);
        let mut changed = rows.clone();
        for row in &mut changed[10..20] {
            *row = row.replace("name", "NAME");
        }
        assert_eq!(of(&rows).different_columns(&of(&changed)), [1]);
        let least = of(&rows).different_rows(&of(&changed));
        assert!((8..=10).contains(&least), "{least}");
    }

    #[test]
    fn values_that_moved_between_rows_differ_in_no_column_and_two_rows() {
        let rows = ["1\ta".to_owned(), "2\tb".to_owned()];
        let swapped = ["1\tb".to_owned(), "2\ta".to_owned()];
        assert_eq!(
            of(&rows).different_columns(&of(&swapped)),
            Vec::<usize>::new()
        );
        assert_ne!(of(&rows).all, of(&swapped).all);
        assert_eq!(of(&rows).different_rows(&of(&swapped)), 2);
    }
}
