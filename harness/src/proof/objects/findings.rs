//! Findings about objects: missing, additional, of another owner, or defined differently. Quoted texts in definitions,
//! bodies of functions among them, are not shown, since they may contain anything.

use crate::backup::objects::Object;
use crate::outcome::Finding;
use crate::sql::TokenKind;
use crate::sql::token::tokens_and_comments;

/// Maximum number of characters of a line.
const SHOWN: usize = 160;

/// Kinds without an owner of their own: they belong to a table or to the object that they are about.
const OWNED_BY_ANOTHER: &[&str] = &[
    "ACL",
    "CAST",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DATABASE PROPERTIES",
    "DEFAULT",
    "DEFAULT ACL",
    "EXTENSION",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "POLICY",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "SUBSCRIPTION TABLE",
    "TABLE ATTACH",
    "TRANSFORM",
    "TRIGGER",
    "USER MAPPING",
];

/// The name of an object in findings.
pub(super) fn name(object: &Object) -> String {
    let Object {
        kind, schema, name, ..
    } = object;
    match schema.as_str() {
        "" => format!("{kind} {name}"),
        schema => format!("{kind} {schema}.{name}"),
    }
}

/// The object is not in the database.
pub(super) fn missing(object: &Object) -> Finding {
    Finding::about(name(object), "as in the backup", "not in the database")
        .hint("see the errors of the restore, and check what code of the backup drops or replaces")
}

/// The object is not in the backup.
pub(super) fn additional(object: &Object) -> Finding {
    Finding::about(
        name(object),
        "not in the database: the backup does not define it",
        "it exists",
    )
    .hint(match object.kind.as_str() {
        "ACL" | "DEFAULT ACL" => "check default privileges that existed before the object, and privileges that code of the backup grants",
        _ => "find out what created it: a statement outside of the entries of the dump, an event trigger, an extension",
    })
}

/// The object has another owner; `None` if not, or if one of both names none.
pub(super) fn other_owner(object: &Object, found: &Object) -> Option<Finding> {
    let named = !object.owner.is_empty() && !found.owner.is_empty();
    if !named || object.owner == found.owner || OWNED_BY_ANOTHER.contains(&object.kind.as_str()) {
        return None;
    }
    Some(
        Finding::about(
            name(object),
            format!("owned by {}, as in the backup", object.owner),
            format!("owned by {}", found.owner),
        )
        .hint("see the errors of the restore for its OWNER TO"),
    )
}

/// The object is defined differently.
pub(super) fn other_definition(expected: &Object, found: &Object) -> Finding {
    let texts = (&expected.definition.text, &found.definition.text);
    let (expected_text, actual) = match texts {
        (Some(expected), Some(found)) => first_difference(expected, found),
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

/// The first line that differs in both definitions.
fn first_difference(expected: &str, found: &str) -> (String, String) {
    // The comma at the end depends on the next line.
    let bare = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end_matches(','));
        lines.map(str::to_owned).collect()
    };
    let (a, b) = (bare(expected), bare(found));
    let count = a.len().max(b.len());
    let at = (0..count).find(|at| a.get(*at) != b.get(*at)).unwrap_or(0);
    let line = |text: &str| {
        let shown = bare(&mask_literals(text));
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

/// Replaces literals, bodies and comments by `…`; line ends are kept.
fn mask_literals(text: &str) -> String {
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
        let (_, actual) = first_difference(a, b);
        assert_eq!(actual, expected);
    }

    proptest! {
        #[test]
        fn any_text_can_be_shown(text in "[a'\"$ E\\\\\n é]{0,40}") {
            let shown = mask_literals(&text);
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }
}
