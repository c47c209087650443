//! Which line of a definition differs. What is quoted in it, bodies of functions too, is not shown: it may
//! hold anything.

use super::judge::name;
use crate::backup::objects::Object;
use crate::outcome::Finding;

/// Letters of a line that are shown.
const SHOWN: usize = 160;

/// Tells that two objects of one name are defined differently.
pub(super) fn finding(expected: &Object, found: &Object) -> Finding {
    let texts = (&expected.definition.text, &found.definition.text);
    let (expected_text, actual) = match texts {
        (Some(expected), Some(found)) => lines(expected, found),
        _ => (
            "the definition of the backup".to_owned(),
            "another definition".to_owned(),
        ),
    };
    Finding::about(name(expected), expected_text, actual).hint(match expected.kind.as_str() {
        "ACL" | "DEFAULT ACL" => "look for default privileges that were there before the object, for errors of GRANT, and for what the backup's own code grants",
        _ => "look for something of the same name that was there before, and for what the backup's own code changes",
    })
}

/// What the first line that differs should be and what it is.
fn lines(expected: &str, found: &str) -> (String, String) {
    let (shown_expected, shown_found) = (shown(expected), shown(found));
    let count = expected.lines().count().max(found.lines().count());
    let at = (0..count)
        .find(|at| expected.lines().nth(*at) != found.lines().nth(*at))
        .unwrap_or(0);
    let line = |text: &str| {
        text.lines().nth(at).map(|line| {
            let line = line.trim();
            let cut: String = line.chars().take(SHOWN).collect();
            let more = if cut.len() < line.len() { "…" } else { "" };
            format!("`{cut}{more}`")
        })
    };
    let number = at + 1;
    let end = || "the end".to_owned();
    let (a, b) = (line(&shown_expected), line(&shown_found));
    if a == b {
        return (
            "its definition in the backup".to_owned(),
            format!("its definition differs in line {number}, within a quoted text or a body"),
        );
    }
    (
        format!(
            "its definition in the backup, line {number}: {}",
            a.unwrap_or_else(end)
        ),
        format!("line {number}: {}", b.unwrap_or_else(end)),
    )
}

/// The text with `…` for everything that is quoted, but for names. Line ends stay.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut last = ' ';
    while let Some(at) = rest.find(['\'', '"', '$']) {
        let (before, quoted) = rest.split_at(at);
        out.push_str(before);
        last = before.chars().last().unwrap_or(last);
        let (length, hidden) = match quoted.as_bytes()[0] {
            b'"' => (closing(quoted, '"', false), false),
            b'\'' => (closing(quoted, '\'', matches!(last, 'E' | 'e')), true),
            _ => match dollar(quoted) {
                Some(length) if !last.is_alphanumeric() => (length, true),
                _ => (1, false),
            },
        };
        let (inside, behind) = quoted.split_at(length);
        if hidden {
            out.push('…');
            out.extend(inside.chars().filter(|c| *c == '\n'));
        } else {
            out.push_str(inside);
        }
        last = inside.chars().last().unwrap_or(last);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Bytes of a quoted text, with both quotes.
fn closing(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return at + c.len_utf8(),
            }
        }
    }
    text.len()
}

/// Bytes of a dollar-quoted text, with both tags.
fn dollar(text: &str) -> Option<usize> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[..end];
    let is_tag = tag[1..end - 1]
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_');
    let digit = tag[1..].starts_with(|c: char| c.is_ascii_digit());
    (is_tag && !digit).then(|| {
        text[end..]
            .find(tag)
            .map_or(text.len(), |at| end + at + end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("a int DEFAULT 5,", "a int DEFAULT 6,", "line 1: `a int DEFAULT 6,`")]
    #[case(
        "x\nCHECK (s = 'secret')",
        "x\nCHECK (s <> 'secret')",
        "line 2: `CHECK (s <> …)`"
    )]
    #[case(
        "CHECK (s = 'secret')",
        "CHECK (s = 'other')",
        "its definition differs in line 1, within a quoted text or a body"
    )]
    #[case(
        "AS $$\nsecret\n$$;",
        "AS $$\nother\n$$;",
        "its definition differs in line 2, within a quoted text or a body"
    )]
    #[case("AS $_$ a $$ b $_$ x", "AS $_$ a $$ b $_$ y", "line 1: `AS … y`")]
    #[case("\"it's\" a", "\"it's\" b", "line 1: `\"it's\" b`")]
    #[case("a = E'\\'secret' b", "a = E'\\'secret' c", "line 1: `a = E… c`")]
    #[case("a\nb", "a", "line 2: the end")]
    fn the_line_that_differs_is_shown_without_values(
        #[case] a: &str,
        #[case] b: &str,
        #[case] expected: &str,
    ) {
        let (_, actual) = lines(a, b);
        assert_eq!(actual, expected);
    }

    proptest! {
        #[test]
        fn any_text_can_be_shown(text in "[a'\"$ E\\\\\n é]{0,40}") {
            let shown = shown(&text);
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }
}
