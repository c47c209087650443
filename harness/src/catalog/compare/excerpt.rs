//! Cuts long texts to the lines that differ.

/// Maximum number of lines.
const LINES: usize = 12;
/// Maximum number of characters.
const CHARACTERS: usize = 600;

/// The beginning of a text.
pub fn of_one(text: &str) -> String {
    cut(text.lines().collect(), 0)
}

/// Two texts without the lines that both begin or end with.
pub fn of_both(old: &str, new: &str) -> (String, String) {
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) =
        (old.lines().collect(), new.lines().collect());
    if old_lines.len() <= 1 && new_lines.len() <= 1 || old_lines == new_lines {
        return (cut(vec![old], 0), cut(vec![new], 0));
    }
    let before = old_lines
        .iter()
        .zip(&new_lines)
        .take_while(|(old, new)| old == new)
        .count();
    let (old_rest, new_rest) = (&old_lines[before..], &new_lines[before..]);
    let after = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let side = |rest: &[&str]| {
        let differing = rest[..rest.len() - after].to_vec();
        match differing.is_empty() {
            true => format!("nothing at line {}", before + 1),
            false => cut(differing, before),
        }
    };
    (side(old_rest), side(new_rest))
}

/// Two lists of values, one per line, without the values of both; `None` where only the order differs.
pub fn of_values(old: &str, new: &str) -> Option<(String, String)> {
    let without = |all: &str, others: &str| -> Vec<String> {
        let lines = all.lines();
        let rest = lines.filter(|line| !others.lines().any(|other| other == *line));
        rest.map(|line| format!("`{line}`")).collect()
    };
    let (gone, added) = (without(old, new), without(new, old));
    let list = |values: &[String]| cut(vec![&values.join(", ")], 0);
    let noun = if gone.len() == 1 { "value" } else { "values" };
    let is = if gone.len() == 1 { "is" } else { "are" };
    Some(match (gone.as_slice(), added.as_slice()) {
        ([], []) => return None,
        (gone, []) => (
            format!("the {noun} {}", list(gone)),
            format!("{} {is} missing", list(gone)),
        ),
        ([], added) => (
            "no other value".to_owned(),
            format!("{} in addition", list(added)),
        ),
        (gone, added) => (
            format!("the {noun} {}, and no other", list(gone)),
            format!("{} {is} missing, {} in addition", list(gone), list(added)),
        ),
    })
}

/// The first lines; `before` is the number of lines of the text before them.
fn cut(lines: Vec<&str>, before: usize) -> String {
    let shown = lines.len().min(LINES);
    let mut text = lines[..shown].join("\n");
    let long = text.chars().count() > CHARACTERS;
    if long {
        text = text.chars().take(CHARACTERS).collect();
    }
    if before > 0 {
        text = format!("line {}: {text}", before + 1);
    }
    match lines.len() - shown {
        0 if long => text.push('…'),
        0 => {}
        1 => text.push_str("\n… and 1 more line"),
        more => text.push_str(&format!("\n… and {more} more lines")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a", "b", "a", "b")]
    #[case("a\nb\nc", "a\nx\nc", "line 2: b", "line 2: x")]
    #[case("a\nb", "a\nb\nc", "nothing at line 3", "line 3: c")]
    #[case("a\nb\nb", "a\nb", "line 3: b", "nothing at line 3")]
    #[case("a\nb", "c", "a\nb", "c")]
    fn shown(#[case] old: &str, #[case] new: &str, #[case] expected: &str, #[case] actual: &str) {
        assert_eq!(of_both(old, new), (expected.to_owned(), actual.to_owned()));
    }

    #[rstest]
    #[case("idea\nrisk\naction", "idea\nrisk", Some(("the value `action`", "`action` is missing")))]
    #[case("a\nb\nc", "b", Some(("the values `a`, `c`", "`a`, `c` are missing")))]
    #[case("a", "a\nb", Some(("no other value", "`b` in addition")))]
    #[case("a\nb", "a\nc", Some(("the value `b`, and no other", "`b` is missing, `c` in addition")))]
    #[case("a\nb", "b\na", None)]
    fn values_are_named(
        #[case] old: &str,
        #[case] new: &str,
        #[case] expected: Option<(&str, &str)>,
    ) {
        let expected = expected.map(|(old, new)| (old.to_owned(), new.to_owned()));
        assert_eq!(of_values(old, new), expected);
    }

    #[test]
    fn long_ones_are_cut() {
        let long = "x\n".repeat(40);
        assert_eq!(of_one(&long).lines().count(), LINES + 1);
        assert!(of_one(&long).ends_with("… and 28 more lines"));
        assert_eq!(of_one(&"x".repeat(900)).chars().count(), CHARACTERS + 1);
    }
}
