//! Expressions and definitions as the server writes them: one normal form, and comparisons as text.
//!
//! A server writes an expression differently once it has read its own text again, in two ways:
//!
//! - `(ARRAY['a'::varchar])::text[]`, as of `status IN ('a')`, comes back as `ARRAY[('a'::varchar)::text]`
//! - `((a >= 1) AND (a <= 2)) AND b`, as of a BETWEEN, comes back without the inner parentheses
//!
//! Both mean the same, so the normal form is the second. It is made in one pass over the tokens.

use std::borrow::Cow;

use super::split_qualified;
use super::token::{Token, TokenKind, tokens};

/// Tokens of a type's name, and bytes of it, at most: as in `::app."My Type"(5, 2)`.
const TYPE: (usize, usize) = (24, 256);

/// Whether two texts are the same expression or definition, before and after a server parsed it.
#[must_use]
pub fn is_same_expression(old: &str, new: &str) -> bool {
    old == new || normal_form(old) == normal_form(new)
}

/// Whether two texts of servers of two major versions differ only in parentheses and in how far names are
/// qualified: since 16 a view over one table has its columns without it.
#[must_use]
pub fn is_same_of_two_majors(old: &str, new: &str) -> bool {
    let (old, new) = (normal_form(old), normal_form(new));
    bare_words(&old).eq(bare_words(&new))
}

/// The tokens but for parentheses, names without what qualifies them.
fn bare_words(text: &str) -> impl Iterator<Item = &str> {
    let words = tokens(text).filter(|token| !matches!(token.text, "(" | ")"));
    words.map(|token| match token.kind {
        TokenKind::Word => split_qualified(token.text).1,
        _ => token.text,
    })
}

/// Whether two definitions are the same except for white space, `ONLY`, and schemas that the
/// expected one leaves out: which names are qualified depends on the session that wrote it.
#[must_use]
pub fn is_same_definition(expected: &str, actual: &str) -> bool {
    // `ON ONLY` is how the server writes an index of a partitioned table, and `ON` how people do.
    let (expected, actual) = (words_but_only(expected), words_but_only(actual));
    expected.len() == actual.len()
        && expected.iter().zip(&actual).all(|(expected, actual)| {
            expected.text == actual.text || {
                let (schema, name) = split_qualified(actual.text);
                actual.kind == TokenKind::Word && schema.is_some() && name == expected.text
            }
        })
}

fn words_but_only(definition: &str) -> Vec<Token<'_>> {
    let definition = definition.trim().trim_end_matches(';');
    tokens(definition)
        .filter(|token| token.text != "ONLY")
        .collect()
}

/// An expression without outer parentheses.
#[must_use]
pub fn without_parentheses(expression: &str) -> &str {
    let tokens: Vec<Token<'_>> = tokens(expression).collect();
    let whole = brackets(&tokens)
        .is_some_and(|pairs| pairs.first().is_some_and(|end| end + 1 == tokens.len()));
    match tokens.as_slice() {
        [first, .., last] if whole && first.text == "(" => &expression[first.end()..last.start],
        _ => expression,
    }
}

/// What becomes of a token.
#[derive(Debug, Clone, Copy, Default)]
struct Edit<'a> {
    /// It is left out.
    dropped: bool,
    /// A parenthesis is put before it.
    opens: bool,
    /// What is put behind it to cast it, `)::` or `::`, and the type.
    cast: Option<(&'static str, &'a str)>,
}

/// Gives the form of an expression, or of a definition with expressions, that stays as it is when a server
/// reads and writes it again. A text whose brackets do not match stays as it is.
#[must_use]
pub fn normal_form(text: &str) -> Cow<'_, str> {
    let casts = text.contains("ARRAY[") && text.contains("[]");
    if !casts && !text.contains(") AND ") && !text.contains(") OR ") {
        return text.into();
    }
    let tokens: Vec<Token<'_>> = tokens(text).collect();
    let Some(pairs) = brackets(&tokens) else {
        // A long text may not be kept to its end.
        return text.into();
    };
    let expression = Expression {
        text,
        tokens: &tokens,
        pairs: &pairs,
    };
    let mut edits = vec![Edit::default(); tokens.len()];
    for at in 0..tokens.len() {
        match tokens[at].text {
            "(" => expression.join(at, &mut edits),
            "[" if pairs[at] == at + 1 => expression.cast_elements(at, &mut edits),
            _ => {}
        }
    }
    expression.write(&edits).into()
}

/// The place of each bracket's partner; of any other token its own. `None` where brackets do not match.
fn brackets(tokens: &[Token<'_>]) -> Option<Vec<usize>> {
    let mut pairs: Vec<usize> = (0..tokens.len()).collect();
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" => open.push(at),
            ")" | "]" => {
                let partner: usize = open.pop()?;
                if (tokens[partner].text == "(") != (token.text == ")") {
                    return None;
                }
                (pairs[partner], pairs[at]) = (at, partner);
            }
            _ => {}
        }
    }
    open.is_empty().then_some(pairs)
}

struct Expression<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    pairs: &'a [usize],
}

impl<'a> Expression<'a> {
    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text == text)
    }

    /// The places within the bracket at `open` that are in no bracket within; of those the opening one.
    fn within(&self, open: usize) -> impl Iterator<Item = usize> {
        let end = self.pairs[open];
        let next = |at: &usize| Some(self.pairs[*at].max(*at) + 1);
        std::iter::successors(Some(open + 1), next).take_while(move |at| *at < end)
    }

    /// `((a AND b) AND c)` → `(a AND b AND c)`, for the outer parenthesis at `open`.
    fn join(&self, open: usize, edits: &mut [Edit<'_>]) {
        let inner = open + 1;
        if !self.is(inner, "(") {
            return;
        }
        let end = self.pairs[inner];
        let (word, other) = match self.tokens.get(end + 1).map(|token| token.text) {
            Some("AND") => ("AND", "OR"),
            Some("OR") => ("OR", "AND"),
            _ => return,
        };
        let query = ["SELECT", "WITH", "VALUES"];
        let query = query.iter().any(|word| self.is(inner + 1, word));
        let joins = |word: &str| self.within(inner).any(|at| self.is(at, word));
        if !query && joins(word) && !joins(other) {
            edits[inner].dropped = true;
            edits[end].dropped = true;
        }
    }

    /// `(ARRAY[a, b])::t[]` and `ARRAY[a, b]::t[]` → `ARRAY[(a)::t, (b)::t]` and `ARRAY[a::t, b::t]`, for the
    /// empty brackets at `end`.
    fn cast_elements(&self, end: usize, edits: &mut [Edit<'a>]) {
        let Some((colons, name)) = self.cast_before(end) else {
            return;
        };
        let Some(close) = colons.checked_sub(1) else {
            return;
        };
        let open = self.pairs[close];
        let is_array = |at: usize| self.is(at, "ARRAY") && self.is(at + 1, "[");
        let grouped = self.is(close, ")");
        let array = if grouped && is_array(open + 1) && self.pairs[open + 2] + 1 == close {
            open + 2
        } else if self.is(close, "]") && open > 0 && is_array(open - 1) {
            open
        } else {
            return;
        };
        let last = self.pairs[array];
        if last == array + 1 {
            return;
        }
        let commas = self.within(array).filter(|at| self.is(*at, ","));
        let mut first = array + 1;
        for comma in commas.chain([last]) {
            edits[first].opens = grouped;
            if let Some(edit) = comma.checked_sub(1).and_then(|at| edits.get_mut(at)) {
                edit.cast = Some((if grouped { ")::" } else { "::" }, name));
            }
            first = comma + 1;
        }
        for at in (colons..=end + 1).chain(grouped.then_some([open, close]).into_iter().flatten()) {
            edits[at].dropped = true;
        }
    }

    /// The place of the colons of a cast whose type ends before `end`, and the type.
    fn cast_before(&self, end: usize) -> Option<(usize, &'a str)> {
        let mut at = end.checked_sub(1)?;
        for _ in 0..TYPE.0 {
            let token = self.tokens[at];
            if token.text == ":" {
                let name = &self.text[token.end()..self.tokens[end].start];
                let colons = at.checked_sub(1).filter(|at| self.is(*at, ":"))?;
                return (!name.is_empty() && name.len() <= TYPE.1).then_some((colons, name));
            }
            at = match token.text {
                ")" => self.pairs[at].checked_sub(1)?,
                _ if token.kind == TokenKind::Word => at.checked_sub(1)?,
                _ => return None,
            };
        }
        None
    }

    /// The text with what became of its tokens.
    fn write(&self, edits: &[Edit<'_>]) -> String {
        let mut out = String::with_capacity(self.text.len());
        let (mut end, mut dropped) = (0, false);
        for (token, edit) in self.tokens.iter().zip(edits) {
            if !(dropped && edit.dropped) {
                out.push_str(&self.text[end..token.start]);
            }
            if edit.opens {
                out.push('(');
            }
            if !edit.dropped {
                out.push_str(token.text);
            }
            if let Some((cast, name)) = edit.cast {
                out.push_str(cast);
                out.push_str(name);
            }
            (end, dropped) = (token.end(), edit.dropped);
        }
        out.push_str(&self.text[end..]);
        out
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
        assert_eq!(normal_form(text), expected);
        assert_eq!(normal_form(expected), expected);
    }

    #[rstest]
    #[case("((a AND b OR c) AND d)", "((a AND b OR c) AND d)")]
    #[case("((a OR b AND c) OR d)", "((a OR b AND c) OR d)")]
    #[case("(((a) OR (b)) AND (c)) OR ((d))", "(((a) OR (b)) AND (c)) OR ((d))")]
    #[case(
        "((ARRAY[(ARRAY[x, y])::a[]])::b[])",
        "(ARRAY[(ARRAY[(x)::a, (y)::a])::b])"
    )]
    #[case("(ARRAY[])::text[]", "(ARRAY[])::text[]")]
    #[case("x[] y[] f(ARRAY[1])[]", "x[] y[] f(ARRAY[1])[]")]
    #[case(
        "(ARRAY['a' /* , ] */, 'b'])::t[]",
        "ARRAY[('a')::t /* , ] */, ('b')::t]"
    )]
    fn only_what_means_the_same_is_written_anew(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(normal_form(text), expected);
    }

    #[test]
    fn a_long_chain_is_joined_to_its_depth() {
        let depth = 20_000;
        let chain = format!("{}(a){}", "(".repeat(depth), " AND (a))".repeat(depth));
        let flat = format!("((a){})", " AND (a)".repeat(depth));
        assert_eq!(normal_form(&chain), flat);
    }

    #[test]
    fn a_long_type_is_not_written_once_for_each_element() {
        let text = format!("(ARRAY[{}1])::{}[]", "1, ".repeat(1000), "a".repeat(1000));
        assert_eq!(normal_form(&text), text);
    }

    #[rstest]
    #[case(
        "((s)::text = ANY ((ARRAY['a'::character varying, 'b,]'::character varying])::text[]))",
        "((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b,]'::character varying)::text]))",
        true
    )]
    #[case(
        "((s)::text = ANY ((ARRAY['a'::character varying])::text[]))",
        "((s)::text = ANY (ARRAY[('b'::character varying)::text]))",
        false
    )]
    #[case("(ARRAY['a'])", "(ARRAY['a'])", true)]
    #[case("(ARRAY['a'])", "ARRAY['a']", false)]
    #[case("(ARRAY['a'", "(ARRAY['a", false)]
    #[case("a", "b", false)]
    fn one_expression(#[case] old: &str, #[case] new: &str, #[case] expected: bool) {
        assert_eq!(is_same_expression(old, new), expected);
    }

    #[rstest]
    #[case(
        "SELECT orders.id FROM app.orders;",
        "SELECT id FROM app.orders;",
        true
    )]
    #[case(
        "SELECT id FROM app.orders WHERE (a > 1);",
        "SELECT id FROM app.orders WHERE a > 1;",
        true
    )]
    #[case(
        "SELECT id FROM app.orders WHERE (a > 1);",
        "SELECT id FROM app.orders WHERE a > 2;",
        false
    )]
    #[case("SELECT '(a.b)'", "SELECT '(b)'", false)]
    #[case("SELECT 'a.b'", "SELECT 'c.b'", false)]
    #[case("SELECT 1.5", "SELECT 2.5", false)]
    #[case(
        "SELECT id FROM o WHERE (s = ANY ((ARRAY['a'::varchar])::text[]))",
        "SELECT o.id FROM o WHERE (s = ANY (ARRAY[('a'::varchar)::text]))",
        true
    )]
    fn two_majors(#[case] old: &str, #[case] new: &str, #[case] expected: bool) {
        assert_eq!(is_same_of_two_majors(old, new), expected);
    }

    const HNSW: &str =
        "CREATE INDEX e_idx ON app.e USING hnsw (v public.vector_l2_ops) WITH (m='16')";

    #[rstest]
    #[case(HNSW, HNSW, true)]
    #[case(
        "CREATE INDEX e_idx\n  ON app.e USING hnsw\t( v public.vector_l2_ops ) WITH (m = '16');",
        HNSW,
        true
    )]
    #[case(
        "CREATE INDEX e_idx ON e USING hnsw (v vector_l2_ops) WITH (m='16')",
        HNSW,
        true
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v vector_cosine_ops) WITH (m='16')",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v other.vector_l2_ops) WITH (m='16')",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v public.vector_l2_ops) WITH (m='8')",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v public.vector_l2_ops)",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX i ON t USING btree (a)",
        "CREATE INDEX i ON ONLY app.t USING btree (a)",
        true
    )]
    #[case(
        "CREATE INDEX i ON t USING btree (a)",
        "CREATE UNIQUE INDEX i ON app.t USING btree (a)",
        false
    )]
    #[case("x ((a = 'B  C'))", "x ((a = 'B C'))", false)]
    #[case("x (\"My Column\")", "x (\"My  Column\")", false)]
    #[case("x (\"S\".\"T\")", "x (\"S\".\"T\")", true)]
    #[case("x (\"T\")", "x (\"S\".\"T\")", true)]
    #[case("x (app.t)", "x (t)", false)]
    #[case("x (5)", "x (1.5)", false)]
    fn definitions(#[case] expected: &str, #[case] actual: &str, #[case] same: bool) {
        assert_eq!(is_same_definition(expected, actual), same);
    }

    #[rstest]
    #[case("(a = 1)", "a = 1")]
    #[case("((a) = (b))", "(a) = (b)")]
    #[case("(a = 1) OR (b = 2)", "(a = 1) OR (b = 2)")]
    #[case("(a = '(')", "a = '('")]
    #[case("(a = ')') OR (b)", "(a = ')') OR (b)")]
    #[case("(a", "(a")]
    #[case("", "")]
    #[case("true", "true")]
    fn outer_brackets_go(#[case] expression: &str, #[case] inner: &str) {
        assert_eq!(without_parentheses(expression), inner);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_of_other_texts(text in "[a'\"$E\\\\ é,()\\[\\]]{0,40}( AND | OR |::t\\[\\]|ARRAY\\[)?[a'\")( ]{0,20}") {
            let letters = |text: &str| text.chars().filter(|c| matches!(c, 'a' | 'é')).count();
            prop_assert_eq!(letters(&normal_form(&text)), letters(&text));
        }
    }
}
