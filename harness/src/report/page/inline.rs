//! Inline text: the only way in which text from outside gets onto a page.

use std::ops::Add;
use std::time::Duration;

use super::LIST;
use crate::report::{text, view};
use crate::units::show_duration;

/// Text of a paragraph, a heading or a cell. Only the functions below make it.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Inline(pub(in crate::report) Vec<Piece>);

/// A part of a text, by where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::report) enum Piece {
    /// Markdown of our own: words, `**bold**` and code spans.
    Fixed(&'static str),
    /// A word of ours on how something ended.
    Word(&'static str),
    /// Text from outside, one line; a pair of backticks in it is taken for a code span.
    Words(String),
    /// A name or value from outside, one line.
    Code(String),
    /// A number with its unit, which is not broken.
    Span(String),
}

/// The words that ask for no attention.
pub(in crate::report) const CALM: [&str; 7] = [
    "pass",
    "skipped",
    "met",
    "equal",
    "same count",
    "PROVEN",
    "CHECKS PASSED",
];

/// Text of our own.
pub(in crate::report) fn fixed(markdown: &'static str) -> Inline {
    Inline(vec![Piece::Fixed(markdown)])
}

/// A word of ours on how something ended; nothing when there is none.
pub(in crate::report) fn strong(word: &'static str) -> Inline {
    Inline(match word {
        "" => Vec::new(),
        word => vec![Piece::Word(word)],
    })
}

/// A name or value from outside.
pub(in crate::report) fn code(text: &str) -> Inline {
    Inline(vec![Piece::Code(text::line(text))])
}

/// Text from outside.
pub(in crate::report) fn words(text: &str) -> Inline {
    Inline(vec![Piece::Words(text::line(text))])
}

/// A duration that is not broken between its number and its unit.
pub(in crate::report) fn span(duration: Duration) -> Inline {
    Inline(vec![Piece::Span(
        show_duration(duration).replace(' ', "\u{a0}"),
    )])
}

/// A value that may not be known.
pub(in crate::report) fn known(value: Option<&str>) -> Inline {
    value.map_or_else(|| fixed("not known"), words)
}

/// A list of names in one line.
pub(in crate::report) fn names(names: &[String]) -> Inline {
    let mut out = Inline::default();
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

impl Add for Inline {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl Add<&'static str> for Inline {
    type Output = Self;

    fn add(self, markdown: &'static str) -> Self {
        self + fixed(markdown)
    }
}
