//! Inline markdown: the only way in which text from outside gets into the file.

use crate::report::page::inline::{CALM, Inline, Piece};

/// Prints inline text.
pub(super) fn print(text: &Inline) -> String {
    let mut out = String::new();
    for piece in &text.0 {
        let piece = match piece {
            Piece::Fixed(markdown) => (*markdown).to_owned(),
            Piece::Word(word) if CALM.contains(word) => (*word).to_owned(),
            Piece::Word(word) => format!("**{word}**"),
            Piece::Words(text) => words(text),
            Piece::Code(text) => code(text),
            Piece::Span(text) => text.clone(),
        };
        join(&mut out, &piece);
    }
    out
}

/// Two code spans without a space between them would become one.
fn join(out: &mut String, more: &str) {
    if out.ends_with('`') && more.starts_with('`') {
        out.push(' ');
    }
    out.push_str(more);
}

/// A code span: nothing in it means anything to markdown.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Text from outside. What could mean something to markdown or GitHub becomes a code span, so that
/// the text stays readable and whole; a pair of backticks in it is taken for one.
fn words(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return plain(text);
    }
    let mut out = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        let part = if at % 2 == 0 { plain(part) } else { code(part) };
        join(&mut out, &part);
    }
    out
}

/// Keeps plain words and puts runs of the others into code spans.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for (at, word) in text.split(' ').enumerate() {
        if is_plain(word, at == 0) {
            if !run.is_empty() {
                join(&mut out, &sentence_part(&run));
                out.push(' ');
                run.clear();
            }
            out.push_str(word);
            out.push(' ');
        } else {
            run.push_str(word);
            run.push(' ');
        }
    }
    if run.is_empty() {
        out.pop();
    } else {
        join(&mut out, &sentence_part(&run));
    }
    out
}

/// A code span, with the punctuation after it that ends a part of a sentence.
fn sentence_part(run: &str) -> String {
    let run = run.trim_end();
    let name = run.trim_end_matches([',', ';', '.', ':']);
    code(name) + &run[name.len()..]
}

/// Whether a word means nothing to markdown.
fn is_plain(word: &str, first: bool) -> bool {
    let special = |c: char| {
        matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '@' | '$' | '#'
        )
    };
    let link = || {
        let lower = word.to_ascii_lowercase();
        lower.contains("://")
            || lower.contains("www.")
            || lower.contains("mailto:")
            || lower.contains("gh-")
            || lower.contains("xmpp:")
    };
    let entity = || word.contains('&') && word.contains(';');
    let emoji = || {
        let names = word.split(':').skip(1);
        let mut names = names.filter(|name| name.starts_with(|c: char| !c.is_ascii_digit()));
        word.matches(':').count() > 1 && names.next().is_some()
    };
    let list = || {
        let number = word.trim_end_matches(['.', ')']);
        first
            && (word.chars().all(|c| matches!(c, '-' | '+' | '='))
                || (number.len() < word.len() && number.chars().all(|c| c.is_ascii_digit())))
            && !word.is_empty()
    };
    !word.contains(special) && !link() && !entity() && !emoji() && !list()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::inline;
    use rstest::rstest;

    #[rstest]
    #[case("at least 1 000 rows", "at least 1 000 rows")]
    #[case("role `plur_app` is there, twice", "role `plur_app` is there, twice")]
    #[case("app.orders_pkey is gone", "`app.orders_pkey` is gone")]
    #[case("![x](http://evil.test/a b)", "`![x](http://evil.test/a` b)")]
    #[case("in app.a_b, and app.c_d.", "in `app.a_b`, and `app.c_d`.")]
    #[case("...", "...")]
    #[case(
        "made 2025-11-21T08:33:00Z or :boom:",
        "made 2025-11-21T08:33:00Z or `:boom`:"
    )]
    #[case("see [a link](javascript:x) now", "see `[a link](javascript:x)` now")]
    #[case("<img src=x onerror=y> or", "`<img` src=x `onerror=y>` or")]
    #[case("ask @octocat, #12 or a@b.test", "ask `@octocat, #12` or `a@b.test`")]
    #[case(
        "www.evil.test $x$ &lt; **bold** ~~no~~",
        "`www.evil.test $x$ &lt; **bold** ~~no~~`"
    )]
    #[case("a lone ` here", "a lone `` ` `` here")]
    #[case("`a``b`", "`a` `b`")]
    #[case("- item", "`-` item")]
    #[case("1. item", "`1`. item")]
    #[case("ready - and 100 % at 08:33:00", "ready - and 100 % at 08:33:00")]
    #[case("# heading", "`#` heading")]
    #[case("line\n\n# heading\n| a |", "line  `#` heading `|` a `|`")]
    #[case("", "")]
    fn text_from_outside_means_nothing(#[case] text: &str, #[case] markdown: &str) {
        assert_eq!(print(&inline::words(text)), markdown);
    }

    #[rstest]
    #[case("app.orders", "`app.orders`")]
    #[case("a`b", "``a`b``")]
    #[case("`a``", "``` `a`` ```")]
    #[case("", "")]
    fn a_code_span_holds_anything(#[case] text: &str, #[case] markdown: &str) {
        assert_eq!(print(&inline::code(text)), markdown);
    }
}
