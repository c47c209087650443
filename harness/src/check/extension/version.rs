//! Versions of extensions, compared.

use std::cmp::Ordering;

/// `0.8.0`, `1.8.0~rc0`, `2.17.0-dev`, `3.4.2debian`: numbers, and whether they are yet to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dotted {
    numbers: Vec<u64>,
    /// A release candidate, beta or development version of these numbers.
    unreleased: bool,
}

impl Dotted {
    /// Reads a version; `None` when it does not begin with a number, as `unpackaged`.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (head, tail) = text.split_at(end);
        let mut numbers = Vec::new();
        for part in head.trim_end_matches('.').split('.') {
            numbers.push(part.parse().ok()?);
        }
        // 1.8 is 1.8.0.
        while numbers.len() > 1 && numbers.last() == Some(&0) {
            numbers.pop();
        }
        let tail = tail.to_ascii_lowercase();
        let word = tail.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let early = ["rc", "alpha", "beta", "dev", "pre", "snapshot"];
        Some(Self {
            numbers,
            unreleased: tail.starts_with('~') || early.iter().any(|early| word.starts_with(early)),
        })
    }
}

impl Ord for Dotted {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then(other.unreleased.cmp(&self.unreleased))
    }
}

impl PartialOrd for Dotted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0.8.0", "0.8", Ordering::Equal)]
    #[case("0.10.0", "0.9.9", Ordering::Greater)]
    #[case("1.8.0~rc0", "1.8.0", Ordering::Less)]
    #[case("1.8.0~rc0", "1.7.9", Ordering::Greater)]
    #[case("2.17.0-dev", "2.17", Ordering::Less)]
    #[case("3.4.2debian", "3.4.2", Ordering::Equal)]
    #[case("1.3", "1.2", Ordering::Greater)]
    #[case("2", "10", Ordering::Less)]
    #[case("1.2.0", "1.2.1beta1", Ordering::Less)]
    fn versions_are_ordered(#[case] a: &str, #[case] b: &str, #[case] expected: Ordering) {
        let read = |text| Dotted::read(text).unwrap();
        assert_eq!(read(a).cmp(&read(b)), expected);
    }

    #[rstest]
    #[case("unpackaged")]
    #[case("")]
    #[case(".1")]
    #[case("1..2")]
    fn what_is_no_version_is_not_read(#[case] text: &str) {
        assert_eq!(Dotted::read(text), None);
    }
}
