//! Differences that a major version makes by itself: what each brought, and how it is recognised.

use crate::catalog::ObjectKind;
use crate::catalog::compare::Change;
use crate::catalog::rights::{GRANT, REVOKED, words};
use crate::sql::token::{Token, TokenKind, tokens};
use crate::sql::{is_same_expression, split_qualified};

/// A difference that follows from a version alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The major version that brought it.
    pub since: u32,
    /// A lowercase fragment, for reports.
    pub why: &'static str,
}

const COLUMN: Known = Known {
    since: 16,
    why: "it prints the columns of a view over one table without the name of the table",
};
const INDENT: Known = Known {
    since: 16,
    why: "it prints XMLSERIALIZE with NO INDENT, which is what it did before",
};
const PARENTHESES: Known = Known {
    since: 18,
    why: "it prints IS DOCUMENT without parentheses",
};
const MAINTAIN: Known = Known {
    since: 17,
    why: "all rights on a table include the new right MAINTAIN",
};
const NOT_MAINTAIN: Known = Known {
    since: 17,
    why: "the new right MAINTAIN is not among the rights on a table that are granted one by one",
};

/// All rights on a table before MAINTAIN.
const ALL_RIGHTS: [&str; 7] = [
    "DELETE",
    "INSERT",
    "REFERENCES",
    "SELECT",
    "TRIGGER",
    "TRUNCATE",
    "UPDATE",
];

/// What explains a change between two major versions; empty where something of it is not known.
pub(super) fn explain(change: &Change, majors: (u32, u32)) -> Vec<&'static Known> {
    let Some(property) = change.property.as_deref() else {
        return Vec::new();
    };
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    let found = match (old, new) {
        _ if property.starts_with(GRANT) || property.starts_with(REVOKED) => {
            rights(property, old, new).into_iter().collect()
        }
        (Some(old), Some(new)) if change.object.kind != ObjectKind::Role => {
            reprinted(old, new, majors).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    match found.iter().all(|known| is_between(known, majors)) {
        true => found,
        false => Vec::new(),
    }
}

fn is_between(known: &Known, (from, to): (u32, u32)) -> bool {
    (from + 1..=to).contains(&known.since)
}

/// Rights of a role on a table, or what was revoked from it.
fn rights(property: &str, old: Option<&str>, new: Option<&str>) -> Option<&'static Known> {
    let all = |text: Option<&str>| -> Vec<(String, bool)> {
        let words = text.map(words).into_iter().flatten();
        words
            .map(|(word, option)| (word.to_owned(), option))
            .collect()
    };
    let (old, new) = (all(old), all(new));
    let without = |list: &[(String, bool)]| -> Vec<(String, bool)> {
        let kept = list.iter().filter(|(word, _)| word != "MAINTAIN");
        kept.cloned().collect()
    };
    if old == new || without(&old) != without(&new) || old != without(&old) {
        return None;
    }
    if property.starts_with(REVOKED) {
        // An owner from whom nothing was revoked has all rights, and so the new one.
        return (!old.is_empty()).then_some(&NOT_MAINTAIN);
    }
    let has_all = ALL_RIGHTS
        .iter()
        .all(|right| old.iter().any(|(word, _)| word == right));
    // It comes with ALL, and so with the grant option of the others.
    let options = new.iter().map(|(_, option)| option);
    let is_granted_alike =
        options.clone().all(|option| *option) || !options.clone().any(|option| *option);
    (has_all && is_granted_alike).then_some(&MAINTAIN)
}

/// How a newer version prints the same text; `None` where it is another one. Empty where both are the same expression.
pub(super) fn reprinted(old: &str, new: &str, majors: (u32, u32)) -> Option<Vec<&'static Known>> {
    if is_same_expression(old, new) {
        return Some(Vec::new());
    }
    let (old, new): (Vec<Token<'_>>, Vec<Token<'_>>) =
        (tokens(old).collect(), tokens(new).collect());
    let (mut at, mut to) = (0, 0);
    let mut found: Vec<&'static Known> = Vec::new();
    let mut add = |known: &'static Known| {
        if !found.contains(&known) {
            found.push(known);
        }
    };
    while at < old.len() || to < new.len() {
        let (was, is) = (old.get(at), new.get(to));
        match (was, is) {
            (Some(was), Some(is)) if was.text == is.text => (at, to) = (at + 1, to + 1),
            (Some(was), Some(is))
                if is_column(&old, at) && split_qualified(was.text).1 == is.text =>
            {
                add(&COLUMN);
                (at, to) = (at + 1, to + 1);
            }
            (_, Some(is))
                if is.text == "NO" && new.get(to + 1).is_some_and(|next| next.text == "INDENT") =>
            {
                add(&INDENT);
                to += 2;
            }
            (Some(was), _) if matches!(was.text, "(" | ")") && is_around_document(&old, at) => {
                add(&PARENTHESES);
                at += 1;
            }
            _ => return None,
        }
    }
    found
        .iter()
        .all(|known| is_between(known, majors))
        .then_some(found)
}

/// Whether a token is a column with the name or alias of its table, and no function, type or table.
fn is_column(all: &[Token<'_>], at: usize) -> bool {
    let Some(table) = split_qualified(all[at].text).0 else {
        return false;
    };
    let is_table =
        |token: &Token<'_>| token.kind == TokenKind::Word && split_qualified(token.text).1 == table;
    let follows = at.checked_sub(1).map(|before| all[before].text);
    all[at].kind == TokenKind::Word
        && all.get(at + 1).is_none_or(|next| next.text != "(")
        && !matches!(follows, Some(":" | "COLLATE"))
        && all.iter().any(is_table)
}

/// Whether a parenthesis is one of `(x IS DOCUMENT)`.
fn is_around_document(all: &[Token<'_>], at: usize) -> bool {
    let text = |at: usize| all.get(at).map(|token| token.text);
    match all[at].text {
        ")" => at.checked_sub(1).and_then(text) == Some("DOCUMENT"),
        _ => {
            // To its own end.
            let mut open = 0_usize;
            let end = (at..all.len()).find(|&at| {
                match all[at].text {
                    "(" => open += 1,
                    ")" => open -= 1,
                    _ => {}
                }
                open == 0
            });
            end.is_some_and(|end| text(end - 1) == Some("DOCUMENT"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("SELECT t.a FROM app.t", "SELECT a FROM app.t", &[&COLUMN])]
    #[case("EXTRACT(year FROM t.a) FROM app.t", "EXTRACT(year FROM a) FROM app.t", &[&COLUMN])]
    #[case("SELECT x.a FROM app.t x", "SELECT a FROM app.t x", &[&COLUMN])]
    #[case("SELECT t.a FROM app.t", "SELECT a FROM t", &[])]
    #[case("SELECT a.f(x) FROM app.t", "SELECT f(x) FROM app.t", &[])]
    #[case("SELECT a.f(x) FROM app.t", "SELECT b.f(x) FROM app.t", &[])]
    #[case("SELECT t.a FROM app.t", "SELECT b FROM app.t", &[])]
    #[case("SELECT x::a.t FROM app.t", "SELECT x::t FROM app.t", &[])]
    #[case("XMLSERIALIZE(CONTENT t.x AS text) FROM t", "XMLSERIALIZE(CONTENT x AS text NO INDENT) FROM t", &[&COLUMN, &INDENT])]
    #[case("((x IS DOCUMENT) OR b)", "(x IS DOCUMENT OR b)", &[&PARENTHESES])]
    #[case("(a OR b) AND c", "a OR b AND c", &[])]
    #[case("SELECT a WHERE b", "SELECT a", &[])]
    #[case("SELECT a", "SELECT a WHERE b", &[])]
    fn what_a_version_prints_differently(
        #[case] old: &str,
        #[case] new: &str,
        #[case] expected: &[&'static Known],
    ) {
        let known = reprinted(old, new, (15, 18));
        assert_eq!(known.unwrap_or_default(), expected, "{old}");
        // Between 18 and 18 nothing changed.
        assert_eq!(reprinted(old, new, (18, 18)), None, "{old}");
    }

    #[rstest]
    #[case("grant to a", Some("SELECT"), Some("MAINTAIN, SELECT"), None)]
    #[case(
        "grant to a",
        Some("DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"),
        Some("DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"),
        Some(&MAINTAIN)
    )]
    #[case(
        "grant to a",
        Some("DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"),
        Some(
            "DELETE, INSERT, MAINTAIN (grantable), REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"
        ),
        None
    )]
    #[case("grant to a", None, Some("MAINTAIN"), None)]
    #[case("revoked from its owner", Some("TRUNCATE"), Some("MAINTAIN, TRUNCATE"), Some(&NOT_MAINTAIN))]
    #[case("revoked from its owner", Some("TRUNCATE"), Some("MAINTAIN"), None)]
    #[case("revoked from its owner", None, Some("MAINTAIN"), None)]
    fn maintain_is_explained_only_where_it_follows(
        #[case] property: &str,
        #[case] old: Option<&str>,
        #[case] new: Option<&str>,
        #[case] expected: Option<&'static Known>,
    ) {
        assert_eq!(rights(property, old, new), expected);
    }
}
