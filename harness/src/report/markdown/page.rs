//! The page: headings, paragraphs, lists and tables that also read well as plain text.

use std::fmt::Write as _;

use super::LIST;
use super::inline::{self, Md, fixed, words};
use crate::outcome::NotTested;
use crate::report::{text, view};

/// The widest column that is filled up with spaces, for those who read it as plain text.
const WIDEST: usize = 40;

/// The columns of numbers.
const RIGHT: [&str; 6] = ["in the backup", "restored", "times", "time", "rows", "line"];

/// The page that is being written.
pub(super) struct Page {
    pub(super) text: String,
    /// The file that is complete.
    complete: &'static str,
}

impl Page {
    /// An empty page beside a file that is complete.
    pub(super) const fn beside(complete: &'static str) -> Self {
        Self {
            text: String::new(),
            complete,
        }
    }

    fn block_of(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    pub(super) fn heading(&mut self, level: usize, text: Md) {
        self.block_of(&format!("{} {}", "#".repeat(level), text.0));
    }

    pub(super) fn paragraph(&mut self, text: Md) {
        self.block_of(&text.0);
    }

    pub(super) fn section(&mut self, heading: &'static str, text: &'static str) {
        self.heading(2, fixed(heading));
        self.paragraph(fixed(text));
    }

    pub(super) fn list(&mut self, items: Vec<Md>) {
        if items.is_empty() {
            return;
        }
        let lines: Vec<String> = items
            .iter()
            .take(LIST)
            .map(|item| format!("- {}", item.0))
            .collect();
        self.block_of(&lines.join("\n"));
        self.more(items.len().saturating_sub(LIST));
    }

    pub(super) fn facts(&mut self, facts: Vec<(&'static str, Md)>) {
        let rows = facts
            .into_iter()
            .map(|(name, value)| vec![fixed(name), value])
            .collect();
        self.table(&["fact", "value"], rows);
    }

    pub(super) fn table(&mut self, header: &[&'static str], rows: Vec<Vec<Md>>) {
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| row.iter().map(cell).collect())
            .collect();
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
        let right: Vec<bool> = header.iter().map(|name| RIGHT.contains(name)).collect();
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
        for row in &rows {
            write(row);
        }
        self.block_of(text.trim_end());
    }

    /// Writes what was left out and why.
    pub(super) fn reasons(&mut self, all: &[NotTested]) {
        let rows = all
            .iter()
            .take(LIST)
            .map(|item| vec![words(&item.what), words(&item.why)]);
        self.table(&["what", "why"], rows.collect());
        self.more(all.len().saturating_sub(LIST));
    }

    /// Says how many entries of a list are not shown.
    pub(super) fn more(&mut self, count: usize) {
        if count > 0 {
            self.paragraph(
                fixed("… and ")
                    + words(&view::show(count))
                    + " more, see "
                    + inline::code(self.complete)
                    + ".",
            );
        }
    }

    pub(super) fn block(&mut self, language: &'static str, code: &str) {
        let code = text::lines(code);
        let longest = code
            .split(|c| c != '`')
            .map(str::len)
            .max()
            .unwrap_or_default();
        let fence = "`".repeat(longest.max(2) + 1);
        self.block_of(&format!("{fence}{language}\n{}\n{fence}", code.trim_end()));
    }
}

/// Escapes a table cell: a bar would end it, in a code span too. A backslash occurs only in code
/// spans, and before a bar it would escape ours.
fn cell(text: &Md) -> String {
    text.0.replace("\\|", "\\ |").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::super::inline::code;
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
