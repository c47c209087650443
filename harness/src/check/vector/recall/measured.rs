//! What searches through an index found of the exact answer.

use crate::units::show_counted;
use std::collections::HashSet;

/// A row and its distance.
pub type Neighbour = ((String, String), f64);

/// Reads the rows of a search; a distance that is none (NULL, NaN) is no neighbour.
pub fn neighbours(rows: &[Vec<Option<String>>]) -> Vec<Neighbour> {
    rows.iter()
        .filter_map(|row| match row.as_slice() {
            [Some(table), Some(place), Some(distance)] => {
                let distance: f64 = distance.parse().ok()?;
                (!distance.is_nan()).then(|| ((table.clone(), place.clone()), distance))
            }
            _ => None,
        })
        .collect()
}

/// What searches found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    pub queries: u64,
    pub wanted: u64,
    pub found: u64,
    /// Searches that gave fewer rows than there are.
    pub short: u64,
}

impl Measured {
    /// Adds one search: the exact answer and what the index gave. Whatever is as near as the last of the
    /// exact answer is a true neighbour; a row that comes twice counts once.
    pub fn add(&mut self, exact: &[Neighbour], found: &[Neighbour]) {
        let Some((_, farthest)) = exact.last() else {
            return;
        };
        let limit = farthest + farthest.abs() * 1e-6 + 1e-12;
        let near: HashSet<&(String, String)> = found
            .iter()
            .filter(|(_, distance)| *distance <= limit)
            .map(|(place, _)| place)
            .collect();
        self.queries += 1;
        self.wanted += exact.len() as u64;
        self.found += near.len().min(exact.len()) as u64;
        self.short += u64::from(found.len() < exact.len());
    }

    /// Gives the share that was found, 1 for all.
    #[expect(clippy::cast_precision_loss, reason = "a share is approximate")]
    pub fn share(&self) -> f64 {
        self.found as f64 / self.wanted.max(1) as f64
    }

    /// Says what was found, in one line.
    pub fn show(&self) -> String {
        // Never rounded up: 94.96 % is not 95 %.
        let share = (self.share() * 1000.0).floor() / 10.0;
        let mut text = format!("{share} % over {}", show_counted(self.queries, "search"));
        if self.short > 0 {
            text.push_str(&format!(", {} of which gave too few rows", self.short));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn rows(distances: &[(u32, f64)]) -> Vec<Neighbour> {
        distances
            .iter()
            .map(|(place, distance)| (("1".to_owned(), place.to_string()), *distance))
            .collect()
    }

    #[rstest]
    #[case(&[(1, 0.0), (2, 1.0)], (2, 0))]
    // Another row at the same distance is as good.
    #[case(&[(1, 0.0), (3, 1.0)], (2, 0))]
    #[case(&[(1, 0.0), (3, 1.1)], (1, 0))]
    #[case(&[(1, 0.0)], (1, 1))]
    #[case(&[], (0, 1))]
    // A damaged index may give a row twice.
    #[case(&[(1, 0.0), (1, 0.0)], (1, 0))]
    fn neighbours_are_counted(#[case] found: &[(u32, f64)], #[case] expected: (u64, u64)) {
        let mut measured = Measured::default();
        measured.add(&rows(&[(1, 0.0), (2, 1.0)]), &rows(found));
        assert_eq!((measured.found, measured.short), expected);
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        let measured = Measured {
            queries: 1,
            wanted: 10_000,
            found: 9_499,
            short: 0,
        };
        assert!(measured.show().starts_with("94.9 %"), "{}", measured.show());
    }

    #[test]
    fn inner_products_are_negative() {
        let mut measured = Measured::default();
        measured.add(
            &rows(&[(1, -9.0), (2, -8.0)]),
            &rows(&[(1, -9.0), (3, -7.9)]),
        );
        assert_eq!(measured.found, 1);
    }
}
