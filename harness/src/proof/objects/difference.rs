//! Which line of a definition differs. What is quoted in it, bodies of functions too, is not shown: it may
//! hold anything.

use super::judge::name;
use crate::backup::objects::Object;
use crate::outcome::Finding;
use crate::sql::TokenKind;
use crate::sql::token::tokens_and_comments;

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
        "ACL" | "DEFAULT ACL" => "check default privileges that existed before the object, errors of GRANT, and privileges that code of the backup grants",
        _ => "check for an object of the same name that existed before, and what code of the backup changes",
    })
}

/// What the first line that differs should be and what it is.
fn lines(expected: &str, found: &str) -> (String, String) {
    // A comma only joins a line to the next.
    let bare = |text: &'_ str| -> Vec<String> {
        let lines = text
            .lines()
            .map(|line| line.trim_end_matches(',').to_owned());
        lines.collect()
    };
    let (a, b) = (bare(expected), bare(found));
    let count = a.len().max(b.len());
    let at = (0..count).find(|at| a.get(*at) != b.get(*at)).unwrap_or(0);
    let line = |text: &str| {
        let shown = bare(&shown(text));
        let line = shown.get(at).map(|line| line.trim());
        line.map_or_else(
            || "the end".to_owned(),
            |line| {
                let cut: String = line.chars().take(SHOWN).collect();
                let more = if cut.len() < line.len() { "…" } else { "" };
                format!("`{cut}{more}`")
            },
        )
    };
    let number = at + 1;
    let (a, b) = (line(expected), line(found));
    if a == b {
        return (
            "its definition in the backup".to_owned(),
            format!("its definition differs in line {number}, within a quoted text or a body"),
        );
    }
    (
        format!("its definition in the backup, line {number}: {a}"),
        format!("line {number}: {b}"),
    )
}

/// The text with `…` for literals, bodies and comments. Line ends stay.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for token in tokens_and_comments(text) {
        out.push_str(&text[end..token.start]);
        match token.kind {
            TokenKind::Literal | TokenKind::Comment => {
                out.push_str(&token.text[..token.prefix()]);
                out.push('…');
                out.extend(token.text.chars().filter(|c| *c == '\n'));
            }
            _ => out.push_str(token.text),
        }
        end = token.end();
    }
    out.push_str(&text[end..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("a int DEFAULT 5,", "a int DEFAULT 6,", "line 1: `a int DEFAULT 6`")]
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
