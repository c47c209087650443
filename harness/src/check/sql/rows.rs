//! Compares rows with those that are expected. A difference is reported by its place, never by its value.

use super::value::SqlRow;
use crate::database::{Answer, TextRow};
use crate::units::show_counted;

/// Compares rows; says what is wrong. `count` is how many came, of which `answer` may hold the first
/// only.
pub fn compare(wanted: &[SqlRow], answer: &Answer, count: u64, ordered: bool) -> Option<String> {
    let came = &answer.rows;
    let columns = came.first().map_or(0, Vec::len);
    if let Some(first) = wanted.first()
        && columns > 0
        && columns != first.0.len()
    {
        return Some(format!(
            "rows of {} instead of {}",
            show_counted(columns, "column"),
            first.0.len()
        ));
    }
    if came.len() as u64 != count {
        return Some(show_counted(count, "row"));
    }
    if ordered {
        in_order(wanted, answer, count)
    } else {
        in_any_order(wanted, answer, count)
    }
}

/// Compares row by row.
fn in_order(wanted: &[SqlRow], answer: &Answer, count: u64) -> Option<String> {
    let pairs = wanted.iter().zip(&answer.rows);
    let wrong: Vec<usize> = pairs
        .enumerate()
        .filter(|(_, (row, found))| !differing(row, found).is_empty())
        .map(|(at, _)| at)
        .collect();
    let mut parts = Vec::new();
    if count != wanted.len() as u64 {
        parts.push(show_counted(count, "row"));
    }
    if let Some(first) = wrong.first() {
        let at = differing(&wanted[*first], &answer.rows[*first]);
        parts.push(format!(
            "{} of {} not as expected, the first is row {}, {}",
            wrong.len(),
            show_counted(wanted.len(), "row"),
            first + 1,
            columns(&at, answer)
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Takes each expected row out of what came; what is left on either side is wrong.
fn in_any_order(wanted: &[SqlRow], answer: &Answer, count: u64) -> Option<String> {
    let mut left: Vec<&TextRow> = answer.rows.iter().collect();
    let mut missing = Vec::new();
    // Rows with one spelling only choose first: `1` may also be `1.0`, "1" may not.
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    let spellings = |at: &usize| {
        wanted[*at]
            .0
            .iter()
            .filter(|v| v.has_many_spellings())
            .count()
    };
    order.sort_by_key(spellings);
    for at in order {
        match left
            .iter()
            .position(|found| differing(&wanted[at], found).is_empty())
        {
            Some(place) => {
                left.swap_remove(place);
            }
            None => missing.push(at),
        }
    }
    missing.sort_unstable();
    if missing.is_empty() && left.is_empty() {
        return None;
    }
    let mut text = format!(
        "{}; {} of the {} expected missing, {} not expected",
        show_counted(count, "row"),
        missing.len(),
        wanted.len(),
        left.len()
    );
    if let Some(first) = missing.first() {
        text.push_str(&format!(
            "; the first that is missing is row {} of the scenario",
            first + 1
        ));
        // The one that differs least is likely the same row, changed.
        let nearest = left
            .iter()
            .map(|found| differing(&wanted[*first], found))
            .min_by_key(Vec::len)
            .filter(|at| at.len() < wanted[*first].0.len());
        if let Some(at) = nearest {
            text.push_str(&format!(
                ", one differs from it only in {}",
                columns(&at, answer)
            ));
        }
    }
    Some(text)
}

/// The columns in which a row differs.
fn differing(wanted: &SqlRow, found: &TextRow) -> Vec<usize> {
    let pairs = wanted.0.iter().zip(found).enumerate();
    pairs
        .filter(|(_, (value, text))| !value.is(text.as_deref()))
        .map(|(at, _)| at)
        .collect()
}

/// Names columns.
fn columns(at: &[usize], answer: &Answer) -> String {
    let names: Vec<&str> = at
        .iter()
        .filter_map(|at| answer.columns.get(*at).map(String::as_str))
        .collect();
    let word = if names.len() == 1 {
        "column"
    } else {
        "columns"
    };
    format!("{word} {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[derive(serde::Deserialize)]
    struct Holder {
        rows: Vec<SqlRow>,
    }

    fn compared(wanted: &str, came: &[[&str; 2]], ordered: bool) -> Option<String> {
        let wanted: Holder = toml::from_str(&format!("rows = {wanted}")).unwrap();
        let answer = Answer {
            columns: vec!["name".to_owned(), "status".to_owned()],
            rows: came
                .iter()
                .map(|row| row.iter().map(|v| Some((*v).to_owned())).collect())
                .collect(),
            affected: 0,
        };
        compare(&wanted.rows, &answer, came.len() as u64, ordered)
    }

    #[rstest]
    #[case(&[["a", "1"], ["b", "2"]], true, true)]
    #[case(&[["b", "2"], ["a", "1"]], true, false)]
    #[case(&[["a", "1"], ["b", "3"]], false, false)]
    #[case(&[["a", "1"]], false, false)]
    #[case(&[["a", "1"], ["b", "2"], ["b", "2"]], false, false)]
    fn rows_are_compared(#[case] came: &[[&str; 2]], #[case] any: bool, #[case] ordered: bool) {
        let wanted = "[['a', 1], ['b', 2]]";
        assert_eq!(compared(wanted, came, false).is_none(), any);
        assert_eq!(compared(wanted, came, true).is_none(), ordered);
    }

    #[test]
    fn each_row_counts_as_often_as_it_is_there() {
        let wanted = "[['a', 1], ['a', 1]]";
        assert!(compared(wanted, &[["a", "1"], ["b", "1"]], false).is_some());
        assert_eq!(compared(wanted, &[["a", "1"], ["a", "1.0"]], false), None);
        // `1` must not take the only row that "1.0" can have.
        assert_eq!(
            compared(
                "[['a', 1], ['a', '1.0']]",
                &[["a", "1.0"], ["a", "1"]],
                false
            ),
            None
        );
    }

    #[test]
    fn a_difference_is_told_by_its_place() {
        let wrong = compared(
            "[['alice', 'on'], ['bob', 'on']]",
            &[["alice", "on"], ["bob", "off"]],
            false,
        )
        .unwrap();
        assert!(
            wrong.contains("row 2") && wrong.contains("column status"),
            "{wrong}"
        );
        assert!(!wrong.contains("bob") && !wrong.contains("off"), "{wrong}");
        let wrong = compared(
            "[['alice', 'on'], ['bob', 'on']]",
            &[["alice", "on"], ["bob", "off"]],
            true,
        )
        .unwrap();
        assert!(wrong.contains("row 2, column status"), "{wrong}");
    }
}
