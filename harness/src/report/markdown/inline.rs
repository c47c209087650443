//! Inline markdown: the only way in which text from outside gets onto the page.

use std::ops::Add;
use std::time::Duration;

use super::LIST;
use crate::report::{text, view};
use crate::units::show_duration;

/// Inline markdown that is safe to print. Only the functions below make it.
#[derive(Debug, Clone, Default)]
pub(super) struct Md(pub(super) String);

/// Markdown of our own.
pub(super) fn fixed(markdown: &'static str) -> Md {
    Md(markdown.to_owned())
}

/// A word of ours in bold; nothing when there is none.
pub(super) fn strong(word: &'static str) -> Md {
    match word {
        "" => Md::default(),
        "pass" | "skipped" | "met" | "equal" | "same count" => fixed(word),
        word => fixed("**") + word + "**",
    }
}

/// A code span: nothing in it means anything to markdown.
pub(super) fn code(text: &str) -> Md {
    let text = text::line(text);
    if text.is_empty() {
        return Md::default();
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
    Md(format!("{fence}{pad}{text}{pad}{fence}"))
}

/// Text from outside. What could mean something to markdown or GitHub becomes a code span, so that
/// the text stays readable and whole; a pair of backticks in it is taken for one.
pub(super) fn words(text: &str) -> Md {
    let text = text::line(text);
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return plain(&text);
    }
    let mut out = Md::default();
    for (at, part) in parts.into_iter().enumerate() {
        out = out + if at % 2 == 0 { plain(part) } else { code(part) };
    }
    out
}

/// Keeps plain words and puts runs of the others into code spans.
fn plain(text: &str) -> Md {
    let mut out = Md::default();
    let mut run = String::new();
    for (at, word) in text.split(' ').enumerate() {
        if is_plain(word, at == 0) {
            if !run.is_empty() {
                out = out + sentence_part(&run) + " ";
                run.clear();
            }
            out = out + Md(word.to_owned()) + " ";
        } else {
            run.push_str(word);
            run.push(' ');
        }
    }
    if run.is_empty() {
        out.0.pop();
        out
    } else {
        out + sentence_part(&run)
    }
}

/// A code span, with the punctuation after it that ends a part of a sentence.
fn sentence_part(run: &str) -> Md {
    let run = run.trim_end();
    let name = run.trim_end_matches([',', ';', '.', ':']);
    code(name) + Md(run[name.len()..].to_owned())
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

/// A duration that is not broken between its number and its unit.
pub(super) fn span(duration: Duration) -> Md {
    Md(show_duration(duration).replace(' ', "\u{a0}"))
}

/// A value that may not be known.
pub(super) fn known(value: Option<&str>) -> Md {
    value.map_or_else(|| fixed("not known"), words)
}

/// A list of names in one line.
pub(super) fn names(names: &[String]) -> Md {
    let mut out = Md::default();
    for (at, name) in names.iter().take(LIST).enumerate() {
        if at > 0 {
            out = out + ", ";
        }
        out = out + code(name);
    }
    match names.len() {
        0 => fixed("none"),
        more if more > LIST => {
            out + " and " + words(&view::show(more - LIST)) + " more, see `drill.json`"
        }
        _ => out,
    }
}

impl Add for Md {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        // Two code spans without a space between them would become one.
        if self.0.ends_with('`') && other.0.starts_with('`') {
            self.0.push(' ');
        }
        self.0.push_str(&other.0);
        self
    }
}

impl Add<&'static str> for Md {
    type Output = Self;

    fn add(self, markdown: &'static str) -> Self {
        self + fixed(markdown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(words(text).0, markdown);
    }

    #[rstest]
    #[case("app.orders", "`app.orders`")]
    #[case("a`b", "``a`b``")]
    #[case("`a``", "``` `a`` ```")]
    #[case("", "")]
    fn a_code_span_holds_anything(#[case] text: &str, #[case] markdown: &str) {
        assert_eq!(code(text).0, markdown);
    }
}
