//! The server's own wording: which part of a message is fixed text, and which a value or a name.

use std::sync::LazyLock;

/// A message with its variable parts cut out: the fixed texts before, between and after them.
type Wording = Vec<&'static str>;

/// Stands for a variable part in the list, and in what is shown.
pub(super) const HIDDEN: &str = "…";

/// Every known wording, the one with the most fixed text first.
static WORDINGS: LazyLock<Vec<Wording>> = LazyLock::new(|| {
    let mut all: Vec<Wording> = include_str!("messages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(HIDDEN).collect())
        .collect();
    all.sort_by_key(|wording| {
        std::cmp::Reverse(wording.iter().map(|text| text.len()).sum::<usize>())
    });
    all
});

/// A message divided by its wording: fixed texts and variable parts by turns, `fixed` first and last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Divided<'a> {
    pub(super) fixed: &'static [&'static str],
    /// One less than `fixed`.
    pub(super) variable: Vec<&'a str>,
}

/// Divides a message; `None` where it is in no known wording.
pub(super) fn divide(message: &str) -> Option<Divided<'_>> {
    WORDINGS.iter().find_map(|fixed| {
        Some(Divided {
            fixed,
            variable: variable_parts(fixed, message)?,
        })
    })
}

/// The variable parts of a message in this wording. Which text between two fixed ones is cut where is
/// of no consequence: a part that is not exactly a name is hidden.
fn variable_parts<'a>(fixed: &[&str], message: &'a str) -> Option<Vec<&'a str>> {
    let (first, others) = fixed.split_first()?;
    let mut rest = message.strip_prefix(first)?;
    let Some((last, between)) = others.split_last() else {
        return rest.is_empty().then(Vec::new);
    };
    let mut parts = Vec::with_capacity(others.len());
    for text in between {
        let (part, behind) = rest.split_once(text)?;
        parts.push(part);
        rest = behind;
    }
    parts.push(rest.strip_suffix(last)?);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("relation \"a\" does not exist", &["a"])]
    #[case("division by zero", &[])]
    #[case("column \"a\" of relation \"b\" does not exist", &["a", "b"])]
    #[case("invalid input syntax for type json: \"x\ny \" z\"", &["json", "x\ny \" z"])]
    #[case("COPY failed for table \"t\": ERROR:  x", &["t", "ERROR:  x"])]
    fn a_message_is_divided(#[case] message: &str, #[case] variable: &[&str]) {
        assert_eq!(divide(message).unwrap().variable, variable);
    }

    #[rstest]
    #[case("Relation »a« existiert nicht")]
    #[case("card 4111 is taken")]
    #[case("division by zero and more")]
    #[case("")]
    fn another_wording_is_not(#[case] message: &str) {
        assert_eq!(divide(message), None);
    }

    #[test]
    fn every_wording_has_enough_fixed_text_to_say_something() {
        for fixed in WORDINGS.iter() {
            let letters = fixed.concat().chars().filter(|c| c.is_alphabetic()).count();
            assert!(letters >= 8, "{fixed:?}");
        }
    }
}
