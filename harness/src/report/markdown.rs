//! The markdown report: for people today and for auditors months later.
//!
//! It reads on GitHub and as plain text. There is no way to make a link, an image, a mention, HTML or a table cell of a text that
//! comes from outside.

mod inline;

use std::fmt::Write as _;

use super::Merged;
use super::page::block::{Block, Page, is_right};
use super::page::inline::Inline;
use super::page::{self, drill, rehearsal};
use crate::outcome::{DrillResult, RehearsalResult};
use crate::verdict::{RehearsalVerdict, Verdict};

/// The widest column that is filled up with spaces, for those who read it as plain text.
const WIDEST: usize = 40;

/// Writes the report.
#[must_use]
pub fn render(result: &DrillResult, verdict: Verdict) -> String {
    print(&drill(result, verdict))
}

/// Writes the report of several drills; the complete reports of each are in its folder.
#[must_use]
pub fn render_merged(merged: &Merged<'_>) -> String {
    print(&page::merged::merged(merged))
}

/// Writes the report of a rehearsal.
#[must_use]
pub fn render_rehearsal(result: &RehearsalResult, verdict: RehearsalVerdict) -> String {
    print(&rehearsal::whole(result, verdict))
}

/// Writes the short form of it, for a comment on a pull request.
#[must_use]
pub fn render_comment(result: &RehearsalResult, verdict: RehearsalVerdict) -> String {
    print(&rehearsal::comment(result, verdict))
}

fn print(page: &Page) -> String {
    let mut text = String::new();
    for block in &page.blocks {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&of_block(block));
        text.push('\n');
    }
    text
}

fn of_block(block: &Block) -> String {
    match block {
        Block::Heading(level, text) => format!("{} {}", "#".repeat(*level), inline::print(text)),
        Block::Paragraph(text) => inline::print(text),
        Block::List(items) => {
            let lines = items
                .iter()
                .map(|item| format!("- {}", inline::print(item)));
            lines.collect::<Vec<_>>().join("\n")
        }
        Block::Facts(facts) => {
            let rows = facts
                .iter()
                .map(|(name, value)| vec![(*name).to_owned(), cell(value)]);
            table(&["fact", "value"], &rows.collect::<Vec<_>>())
        }
        Block::Table { header, rows } => {
            let rows = rows.iter().map(|row| row.iter().map(cell).collect());
            table(header, &rows.collect::<Vec<_>>())
        }
        Block::Code(language, code) => {
            let longest = code
                .split(|c| c != '`')
                .map(str::len)
                .max()
                .unwrap_or_default();
            let fence = "`".repeat(longest.max(2) + 1);
            format!("{fence}{language}\n{}\n{fence}", code.trim_end())
        }
    }
}

fn table(header: &[&'static str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain(header.get(column).map(|name| name.len()))
            .filter(|width| *width <= WIDEST)
            .max()
            .unwrap_or_default()
            .max(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let right: Vec<bool> = header.iter().map(|name| is_right(name)).collect();
    let mut text = String::new();
    let mut write = |cells: &[String]| {
        for ((cell, width), right) in cells.iter().zip(&widths).zip(&right) {
            // Writing to a string cannot fail.
            let _ = if *right {
                write!(text, "| {cell:>width$} ")
            } else {
                write!(text, "| {cell:<width$} ")
            };
        }
        text.push_str("|\n");
    };
    let names: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    write(&names);
    let rules: Vec<String> = widths
        .iter()
        .zip(&right)
        .map(|(width, right)| match right {
            true => "-".repeat(width - 1) + ":",
            false => "-".repeat(*width),
        })
        .collect();
    write(&rules);
    for row in rows {
        write(row);
    }
    text.trim_end().to_owned()
}

/// Escapes a table cell: a bar would end it, in a code span too. A backslash occurs only in code
/// spans, and before a bar it would escape ours.
fn cell(text: &Inline) -> String {
    inline::print(text)
        .replace("\\|", "\\ |")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::super::page::inline::code;
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a|b", "`a\\|b`")]
    #[case("a\\|b", "`a\\ \\|b`")]
    #[case("a\\", "`a\\`")]
    fn a_cell_ends_where_it_should(#[case] text: &str, #[case] markdown: &str) {
        assert_eq!(cell(&code(text)), markdown);
    }
}
