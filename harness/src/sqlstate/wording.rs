//! The server's own wording: which part of a message is fixed text, and which a value or a name.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A message with its variable parts cut out: the fixed texts before, between and after them.
type Wording = Vec<&'static str>;

/// Stands for a variable part in the list, and in what is shown.
pub(super) const HIDDEN: &str = "…";

/// Every known wording by the first byte of its messages, which is `None` where they begin with a variable part; in each list the
/// one with the most fixed text first.
static WORDINGS: LazyLock<HashMap<Option<u8>, Vec<Wording>>> = LazyLock::new(|| {
    let mut all: HashMap<_, Vec<Wording>> = HashMap::new();
    let lines = include_str!("messages.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let wording: Wording = line.split(HIDDEN).collect();
        let first = wording.first().and_then(|text| text.bytes().next());
        all.entry(first).or_default().push(wording);
    }
    for wordings in all.values_mut() {
        wordings.sort_by_cached_key(|wording| Reverse(fixed_bytes(wording)));
    }
    all
});

fn fixed_bytes(wording: &[&str]) -> usize {
    wording.iter().map(|text| text.len()).sum()
}

/// A message divided by its wording: fixed texts and variable parts by turns, `fixed` first and last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Divided<'a> {
    pub(super) fixed: &'static [&'static str],
    /// One less than `fixed`.
    pub(super) variable: Vec<&'a str>,
}

/// Divides a message by the wording with the most fixed text; `None` where it is in no known wording.
pub(super) fn divide(message: &str) -> Option<Divided<'_>> {
    let of = |first: Option<u8>| {
        let mut wordings = WORDINGS.get(&first)?.iter();
        wordings.find_map(|fixed| {
            Some(Divided {
                fixed,
                variable: variable_parts(fixed, message)?,
            })
        })
    };
    let divided = message.bytes().next().and_then(|first| of(Some(first)));
    let either = of(None).into_iter().chain(divided);
    either.max_by_key(|divided| fixed_bytes(divided.fixed))
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
        for fixed in WORDINGS.values().flatten() {
            let letters = fixed.concat().chars().filter(|c| c.is_alphabetic()).count();
            assert!(letters >= 8, "{fixed:?}");
        }
    }
}
