//! Prints the blocks of a page as HTML.

use maud::{Markup, PreEscaped, html};

use super::Tone;
use crate::report::page::block::{Block, Page, is_right};
use crate::report::page::inline::{Inline, Piece};

/// Rows of a table from which on it can be filtered.
const FILTERED: usize = 12;

/// The parts of the file, each below a heading.
#[derive(Default)]
pub(super) struct Sections {
    /// Anchor and title of each.
    pub(super) titles: Vec<(String, Markup)>,
    pub(super) bodies: Vec<Markup>,
}

impl Sections {
    /// Adds a part.
    pub(super) fn add(&mut self, title: &'static str, body: Markup) {
        self.push(html! { (title) }, title, body);
    }

    /// Adds the parts of a page; returns its title and what is before the first part.
    pub(super) fn add_page(&mut self, page: &Page) -> (Option<Markup>, Markup) {
        let mut title = None;
        let mut parts: Vec<(Option<&Inline>, Vec<&Block>)> = vec![(None, Vec::new())];
        for block in &page.blocks {
            match block {
                Block::Heading(1, text) => title = Some(inline(text)),
                Block::Heading(2, text) => parts.push((Some(text), Vec::new())),
                other => parts
                    .last_mut()
                    .map(|part| part.1.push(other))
                    .unwrap_or(()),
            }
        }
        let mut lead = html! {};
        for (heading, blocks) in parts {
            let body = html! { @for block in blocks { (of_block(block)) } };
            match heading {
                None => lead = body,
                Some(heading) => self.push(inline(heading), &plain(heading), body),
            }
        }
        (title, lead)
    }

    fn push(&mut self, title: Markup, name: &str, body: Markup) {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let mut id = words.join("-");
        // Names from outside may be the same.
        if id.is_empty() || self.titles.iter().any(|(other, _)| *other == id) {
            id = format!("part-{}", self.titles.len());
        }
        self.bodies.push(html! {
            section id=(id) aria-labelledby={ "title-" (id) } {
                h2 id={ "title-" (id) } { (title) }
                (body)
            }
        });
        self.titles.push((id, title));
    }
}

/// All blocks of a page without parts.
pub(super) fn blocks(page: &Page) -> Markup {
    html! { @for block in &page.blocks { (of_block(block)) } }
}

fn of_block(block: &Block) -> Markup {
    match block {
        Block::Heading(level, text) => match level {
            0..=2 => html! { h2 { (inline(text)) } },
            _ => html! { h3 { (inline(text)) } },
        },
        Block::Paragraph(text) => html! { p { (inline(text)) } },
        Block::List(items) => html! { ul { @for item in items { li { (inline(item)) } } } },
        Block::Facts(facts) => html! {
            dl.facts {
                @for (name, value) in facts {
                    div { dt { (name) } dd { (inline(value)) } }
                }
            }
        },
        Block::Table { header, rows } => table(header, rows),
        Block::Code(_, code) => html! { pre tabindex="0" { code { (code.trim_end()) } } },
    }
}

fn table(header: &[&'static str], rows: &[Vec<Inline>]) -> Markup {
    html! {
        @if rows.len() >= FILTERED { (filter("Filter these rows", None)) }
        table {
            thead {
                tr {
                    @for name in header {
                        @match *name {
                            "" => { td {} }
                            name => { th scope="col" class=[class(name)] { (name) } }
                        }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @for (cell, name) in row.iter().zip(header) {
                            td data-name=(name) class=[class(name)] { (inline(cell)) }
                        }
                    }
                }
            }
        }
    }
}

/// A field that filters what follows it; the script shows it. `of` is a further choice, by the words of the field.
pub(super) fn filter(label: &str, of: Option<&[(&str, &str)]>) -> Markup {
    html! {
        form.filter hidden {
            label {
                span { (label) }
                input type="search" autocomplete="off" spellcheck="false";
            }
            @if let Some(of) = of {
                label {
                    span { "Show" }
                    select {
                        @for (value, name) in of { option value=(value) { (name) } }
                    }
                }
            }
            output aria-live="polite" {}
        }
    }
}

fn class(column: &str) -> Option<&'static str> {
    is_right(column).then_some("number")
}

/// Inline text.
pub(super) fn inline(text: &Inline) -> Markup {
    let mut out = String::new();
    let mut bold = false;
    for piece in &text.0 {
        let Piece::Fixed(markdown) = piece else {
            out.push_str(&strong(bold, of_piece(piece)).into_string());
            continue;
        };
        for (at, part) in markdown.split("**").enumerate() {
            // What is bold may end in a later piece.
            bold ^= at > 0;
            out.push_str(&strong(bold, with_code(part)).into_string());
        }
    }
    PreEscaped(out)
}

fn strong(bold: bool, text: Markup) -> Markup {
    match bold && !text.0.is_empty() {
        true => html! { strong { (text) } },
        false => text,
    }
}

/// The text without its form.
pub(super) fn plain(text: &Inline) -> String {
    let pieces = text.0.iter().map(|piece| match piece {
        Piece::Fixed(text) => text.replace("**", ""),
        Piece::Word(text) => (*text).to_owned(),
        Piece::Words(text) | Piece::Code(text) | Piece::Span(text) => text.clone(),
    });
    pieces.collect()
}

fn of_piece(piece: &Piece) -> Markup {
    match piece {
        Piece::Fixed(markdown) => with_code(markdown),
        Piece::Word(word) => badge(word),
        Piece::Words(text) => with_code(text),
        Piece::Code(text) if text.is_empty() => html! {},
        Piece::Code(text) => html! { code { (text) } },
        Piece::Span(text) => html! { span.span { (text) } },
    }
}

/// Text in which a pair of backticks encloses code.
fn with_code(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (at, part) in parts.into_iter().enumerate() {
            @if at % 2 == 0 { (part) } @else if part.is_empty() { "``" } @else { code { (part) } }
        }
    }
}

/// A word on how something ended.
pub(super) fn badge(word: &str) -> Markup {
    let tone = match word {
        "pass" | "met" | "equal" => Tone::Good,
        "FAIL" | "MISSED" | "DIFFERS" => Tone::Bad,
        "ERROR" | "waived" | "fail, not required" => Tone::Warn,
        word => Tone::of_word(word),
    };
    html! { span class={ "badge " (tone.class()) } { (word) } }
}

/// A bar from `from` to `to` of a whole of 1; its numbers are in the text next to it.
pub(super) fn bar(tone: &str, from: f64, to: f64) -> Markup {
    let place = |share: f64| (share.clamp(0.0, 1.0) * 1000.0).round();
    let (from, to) = (place(from), place(to));
    // What is there can be seen.
    let width = (to - from).max(3.0);
    let from = from.min(1000.0 - width);
    PreEscaped(format!(
        "<svg class=\"bar {tone}\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"all\" width=\"1000\" height=\"10\"/><rect x=\"{from}\" width=\"{width}\" height=\"10\"/></svg>"
    ))
}
