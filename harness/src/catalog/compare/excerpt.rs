//! Shows of two texts what differs.

/// Lines shown of a long text.
const LINES: usize = 12;
/// Characters shown of one side.
const CHARACTERS: usize = 600;

/// One text, cut where it is long.
pub fn one(text: &str) -> String {
    cut(text.lines().collect(), 0)
}

/// Both texts without the lines that begin and end both.
pub fn both(old: &str, new: &str) -> (String, String) {
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

/// The first lines; says at which line of the whole text they begin.
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
        assert_eq!(both(old, new), (expected.to_owned(), actual.to_owned()));
    }

    #[test]
    fn long_ones_are_cut() {
        let long = "x\n".repeat(40);
        assert_eq!(one(&long).lines().count(), LINES + 1);
        assert!(one(&long).ends_with("… and 28 more lines"));
        assert_eq!(one(&"x".repeat(900)).chars().count(), CHARACTERS + 1);
    }
}
