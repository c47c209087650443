//! The two ways in which a server writes an expression differently once it has read its own text again.
//!
//! - `(ARRAY['a'::varchar])::text[]`, as of `status IN ('a')`, comes back as `ARRAY[('a'::varchar)::text]`
//! - `((a >= 1) AND (a <= 2)) AND b`, as of a BETWEEN, comes back without the inner parentheses
//!
//! Both mean the same, so both are brought into the second form.

use std::borrow::Cow;

/// Groups within groups that are looked into; deeper ones are left as they stand.
const DEEPEST: usize = 200;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node<'a> {
    /// Words and signs.
    Text(&'a str),
    /// A literal, a body or a quoted name.
    Quoted(&'a str),
    /// What stands within parentheses or brackets.
    Group(char, Vec<Node<'a>>),
}

/// Gives the form that stays as it is when a server reads and writes it again.
pub(super) fn settled(text: &str) -> Cow<'_, str> {
    let casts = text.contains("ARRAY[") && text.contains("[]");
    if !casts && !text.contains(") AND ") && !text.contains(") OR ") {
        return text.into();
    }
    let mut rest = text;
    match parse(&mut rest, None, 0) {
        Some(nodes) if rest.is_empty() => {
            let mut out = String::with_capacity(text.len());
            write(&settle(nodes), &mut out);
            out.into()
        }
        // A long text is not whole.
        _ => text.into(),
    }
}

/// Reads until the group's end; `None` where something is not closed.
fn parse<'a>(rest: &mut &'a str, end: Option<char>, depth: usize) -> Option<Vec<Node<'a>>> {
    if depth > DEEPEST {
        return None;
    }
    let mut nodes = Vec::new();
    loop {
        let stop = rest
            .find(['(', ')', '[', ']', '\'', '"', '$'])
            .unwrap_or(rest.len());
        let (text, behind) = rest.split_at(stop);
        let last = text.chars().last().unwrap_or(' ');
        if !text.is_empty() {
            nodes.push(Node::Text(text));
        }
        *rest = behind;
        let Some(first) = behind.chars().next() else {
            return end.is_none().then_some(nodes);
        };
        match first {
            '(' | '[' => {
                *rest = &behind[1..];
                let close = if first == '(' { ')' } else { ']' };
                nodes.push(Node::Group(first, parse(rest, Some(close), depth + 1)?));
            }
            ')' | ']' => {
                *rest = &behind[1..];
                return (end == Some(first)).then_some(nodes);
            }
            _ => {
                let length = quoted(behind, last);
                let (inside, behind) = behind.split_at(length);
                nodes.push(Node::Quoted(inside));
                *rest = behind;
            }
        }
    }
}

/// Bytes of the quoted text that `text` begins with, quotes and all; of a dollar that opens none itself.
/// `last` is the letter before.
pub(crate) fn quoted(text: &str, last: char) -> usize {
    let dollar_quoted = || {
        let end = text[1..].find('$')? + 2;
        let tag = &text[..end];
        let letters = tag[1..end - 1]
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_');
        let digit = tag[1..].starts_with(|c: char| c.is_ascii_digit());
        let closing = || {
            text[end..]
                .find(tag)
                .map_or(text.len(), |at| end + at + end)
        };
        (letters && !digit && !last.is_alphanumeric()).then(closing)
    };
    let Some(quote @ ('\'' | '"')) = text.chars().next() else {
        return dollar_quoted().unwrap_or(1);
    };
    let escapes = quote == '\'' && matches!(last, 'E' | 'e');
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// Brings all groups into the form that stays.
fn settle(nodes: Vec<Node<'_>>) -> Vec<Node<'_>> {
    let mut settled: Vec<Node<'_>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        settled.push(match node {
            Node::Group(open, inner) => Node::Group(open, flat(open, settle(inner))),
            other => other,
        });
        // `[]` may be the end of a cast.
        if settled.last() == Some(&Node::Group('[', Vec::new())) {
            cast_of_array(&mut settled);
        }
    }
    settled
}

/// `(a AND b) AND c` within a group → `a AND b AND c`.
fn flat(open: char, mut nodes: Vec<Node<'_>>) -> Vec<Node<'_>> {
    let word = match nodes.get(1) {
        Some(Node::Text(text)) if text.starts_with(" AND ") => " AND ",
        Some(Node::Text(text)) if text.starts_with(" OR ") => " OR ",
        _ => return nodes,
    };
    let joins = |inner: &[Node<'_>]| {
        let query = matches!(inner.first(), Some(Node::Text(text)) if ["SELECT", "WITH", "VALUES"].iter().any(|word| text.trim_start().starts_with(word)));
        let joined = |node: &Node<'_>| matches!(node, Node::Text(text) if text.contains(word));
        !query && inner.iter().any(joined)
    };
    if open == '('
        && let Some(Node::Group('(', inner)) = nodes.first()
        && joins(inner)
    {
        let inner = inner.clone();
        nodes.splice(0..1, inner);
    }
    nodes
}

/// `(ARRAY[a, b])::t[]` and `ARRAY[a, b]::t[]` at the end → `ARRAY[(a)::t, (b)::t]` and `ARRAY[a::t, b::t]`.
fn cast_of_array(nodes: &mut Vec<Node<'_>>) {
    let end = nodes.len() - 1;
    // The type: words, names and what stands in parentheses behind them.
    let begins = |node: &Node<'_>| matches!(node, Node::Text(text) if text.starts_with("::"));
    let Some(from) = nodes[..end].iter().rposition(begins) else {
        return;
    };
    let is_type = |node: &Node<'_>| match node {
        Node::Text(text) => text
            .trim_start_matches("::")
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ')),
        Node::Quoted(text) => text.starts_with('"'),
        Node::Group(open, inner) => *open == '(' && inner.len() == 1,
    };
    if from == 0 || !nodes[from..end].iter().all(is_type) {
        return;
    }
    let named: Vec<Node<'_>> = nodes[from..end].to_vec();
    let (at, elements, grouped) = match &nodes[from - 1] {
        Node::Group('(', inner) => match inner.as_slice() {
            [Node::Text("ARRAY"), Node::Group('[', elements)] => (from - 1, elements, true),
            _ => return,
        },
        Node::Group('[', elements)
            if from > 1
                && matches!(&nodes[from - 2], Node::Text(text) if text.ends_with("ARRAY")) =>
        {
            (from - 1, elements, false)
        }
        _ => return,
    };
    let mut cast = Vec::new();
    for (number, element) in split(elements).into_iter().enumerate() {
        if number > 0 {
            cast.push(Node::Text(", "));
        }
        match grouped {
            true => cast.push(Node::Group('(', element)),
            false => cast.extend(element),
        }
        cast.extend(named.iter().cloned());
    }
    nodes.truncate(at);
    if grouped {
        nodes.push(Node::Text("ARRAY"));
    }
    nodes.push(Node::Group('[', cast));
}

/// What stands between commas.
fn split<'a>(nodes: &[Node<'a>]) -> Vec<Vec<Node<'a>>> {
    let mut elements = vec![Vec::new()];
    for node in nodes {
        let Node::Text(text) = node else {
            elements
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|last| last.push(node.clone()));
            continue;
        };
        for (number, part) in text.split(", ").enumerate() {
            if number > 0 {
                elements.push(Vec::new());
            }
            if let Some(last) = elements.last_mut()
                && !part.is_empty()
            {
                last.push(Node::Text(part));
            }
        }
    }
    elements
}

fn write(nodes: &[Node<'_>], out: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) | Node::Quoted(text) => out.push_str(text),
            Node::Group(open, inner) => {
                out.push(*open);
                write(inner, out);
                out.push(if *open == '(' { ')' } else { ']' });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "((s)::text = ANY ((ARRAY['a'::character varying, 'b, c'::character varying])::text[]))",
        "((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b, c'::character varying)::text]))"
    )]
    #[case(
        "(s::text = ANY (ARRAY['a'::character varying, 'b'::character varying]::text[]))",
        "(s::text = ANY (ARRAY['a'::character varying::text, 'b'::character varying::text]))"
    )]
    #[case(
        "(c = ANY ((ARRAY[f(1, 2), 'x'::bpchar])::character varying(5)[]))",
        "(c = ANY (ARRAY[(f(1, 2))::character varying(5), ('x'::bpchar)::character varying(5)]))"
    )]
    #[case(
        "(c = ANY ((ARRAY['x'::text])::app.\"My Type\"[]))",
        "(c = ANY (ARRAY[('x'::text)::app.\"My Type\"]))"
    )]
    #[case(
        "CHECK ((((i >= 1) AND (i <= 5)) AND (j > 0)))",
        "CHECK (((i >= 1) AND (i <= 5) AND (j > 0)))"
    )]
    #[case("((((a) OR (b)) OR (c)) OR (d))", "((a) OR (b) OR (c) OR (d))")]
    #[case("(((a) OR (b)) AND (c))", "(((a) OR (b)) AND (c))")]
    #[case("((a) AND ((b) AND (c)))", "((a) AND ((b) AND (c)))")]
    #[case(
        "((SELECT 1 WHERE (a) AND (b)) AND (c))",
        "((SELECT 1 WHERE (a) AND (b)) AND (c))"
    )]
    #[case("AS $$ ((a) AND (b)) AND '", "AS $$ ((a) AND (b)) AND '")]
    #[case(
        "a[1] AND ('((x) AND (y)) AND z' = (b)) AND c",
        "a[1] AND ('((x) AND (y)) AND z' = (b)) AND c"
    )]
    fn what_a_server_writes_again_is_the_same(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(settled(text), expected);
        assert_eq!(settled(expected), expected);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_of_other_texts(text in "[a'\"$E\\\\ é,()\\[\\]]{0,40}( AND | OR |::t\\[\\]|ARRAY\\[)?[a'\")( ]{0,20}") {
            let letters = |text: &str| text.chars().filter(|c| matches!(c, 'a' | 'é')).count();
            prop_assert_eq!(letters(&settled(&text)), letters(&text));
        }
    }
}
