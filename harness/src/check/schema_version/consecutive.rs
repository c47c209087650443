//! Versions that begin with consecutive numbers: one that is missing is known without files.

use std::collections::BTreeSet;

use super::compare::list;
use super::files::Version;
use crate::outcome::Finding;

/// The number that a version begins with, as in `0001` and `0001_users`; nothing for `1.2`.
fn number(version: &Version) -> Option<u64> {
    let text = version.to_string();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    // Numbers in parts are not counted one by one.
    if matches!(version, Version::Numbers(parts) if parts.len() > 1) || rest.starts_with('.') {
        return None;
    }
    digits.parse().ok()
}

/// Whether all versions begin with a number, from 0 or 1 on without a gap. Several may have one number.
#[must_use]
pub fn are_consecutive(versions: &[Version]) -> bool {
    let numbers: Option<BTreeSet<u64>> = versions.iter().map(number).collect();
    numbers.is_some_and(|numbers| numbers.len() > 1 && gaps(&numbers).is_empty())
}

/// Finds numbers that no version begins with, from 0 or 1 up to the greatest.
pub fn missing<'a>(
    table: &str,
    versions: impl IntoIterator<Item = &'a Version>,
) -> Option<Finding> {
    let numbers: BTreeSet<u64> = versions.into_iter().filter_map(number).collect();
    let gaps = match numbers.is_empty() {
        true => vec!["1".to_owned()],
        false => gaps(&numbers),
    };
    (!gaps.is_empty()).then(|| {
        let actual = format!("no version with the number {}", list(&gaps));
        Finding::about(table, "versions with consecutive numbers, from 0 or 1 on", actual).hint(
            "the row is lost, or the number was left out on purpose: then remove `consecutive`, and give `files`",
        )
    })
}

/// The numbers that are left out, as `2` and `4 to 6`.
fn gaps(numbers: &BTreeSet<u64>) -> Vec<String> {
    let mut next = numbers.first().map_or(0, |first| u64::from(*first > 0));
    let mut gaps = Vec::new();
    for number in numbers {
        match number.saturating_sub(next) {
            0 => {}
            1 => gaps.push(next.to_string()),
            _ => gaps.push(format!("{next} to {}", number - 1)),
        }
        next = number.saturating_add(1);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&["0001_a", "0002_b", "0003_c"], true, None)]
    #[case(&["0", "1", "2"], true, None)]
    #[case(&["1", "2", "2_again"], true, None)]
    #[case(&["0001_a", "0003_c"], false, Some("2"))]
    #[case(&["0002_b", "0003_c"], false, Some("1"))]
    #[case(&["1", "5", "9"], false, Some("2 to 4, 6 to 8"))]
    #[case(&["20260101", "20260102"], false, Some("1 to 20260100"))]
    #[case(&["18446744073709551615"], false, Some("1 to 18446744073709551614"))]
    #[case(&["1.1", "1.2"], false, Some("1"))]
    #[case(&["a", "b"], false, Some("1"))]
    #[case(&["1", "2", "seed"], false, None)]
    #[case(&["1"], false, None)]
    fn a_gap_is_known_without_files(
        #[case] versions: &[&str],
        #[case] consecutive: bool,
        #[case] gap: Option<&str>,
    ) {
        let versions: Vec<Version> = versions.iter().map(|text| Version::read(text)).collect();
        assert_eq!(are_consecutive(&versions), consecutive);
        let found = missing("app.v", &versions).map(|finding| finding.actual);
        let expected = gap.map(|gap| format!("no version with the number {gap}"));
        assert_eq!(found, expected);
    }
}
