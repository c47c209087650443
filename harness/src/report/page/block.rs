//! The page: headings, paragraphs, lists and tables.

use super::LIST;
use super::inline::{self, Inline, fixed, words};
use crate::outcome::NotTested;
use crate::report::{text, view};

/// The columns of numbers.
const RIGHT: [&str; 6] = ["in the backup", "restored", "times", "time", "rows", "line"];

/// What is on a page.
#[derive(Debug, Clone)]
pub(in crate::report) enum Block {
    /// Its level from 1, and the text.
    Heading(usize, Inline),
    Paragraph(Inline),
    List(Vec<Inline>),
    /// Names and values.
    Facts(Vec<(&'static str, Inline)>),
    Table {
        header: Vec<&'static str>,
        rows: Vec<Vec<Inline>>,
    },
    /// Commands of a language; safe to print.
    Code(&'static str, String),
}

/// Whether a column has numbers, which end at the right.
pub(in crate::report) fn is_right(column: &str) -> bool {
    RIGHT.contains(&column)
}

/// The page that is being written.
#[derive(Debug)]
pub(in crate::report) struct Page {
    pub(in crate::report) blocks: Vec<Block>,
    /// The file that is complete.
    complete: &'static str,
}

impl Page {
    /// An empty page beside a file that is complete.
    pub(in crate::report) const fn beside(complete: &'static str) -> Self {
        Self {
            blocks: Vec::new(),
            complete,
        }
    }

    pub(in crate::report) fn heading(&mut self, level: usize, text: Inline) {
        self.blocks.push(Block::Heading(level, text));
    }

    pub(in crate::report) fn paragraph(&mut self, text: Inline) {
        self.blocks.push(Block::Paragraph(text));
    }

    pub(in crate::report) fn section(&mut self, heading: &'static str, text: &'static str) {
        self.heading(2, fixed(heading));
        self.paragraph(fixed(text));
    }

    pub(in crate::report) fn list(&mut self, mut items: Vec<Inline>) {
        if items.is_empty() {
            return;
        }
        let more = items.len().saturating_sub(LIST);
        items.truncate(LIST);
        self.blocks.push(Block::List(items));
        self.more(more);
    }

    pub(in crate::report) fn facts(&mut self, facts: Vec<(&'static str, Inline)>) {
        self.blocks.push(Block::Facts(facts));
    }

    pub(in crate::report) fn table(&mut self, header: &[&'static str], rows: Vec<Vec<Inline>>) {
        self.blocks.push(Block::Table {
            header: header.to_vec(),
            rows,
        });
    }

    /// Writes what was left out and why.
    pub(in crate::report) fn reasons(&mut self, all: &[NotTested]) {
        let rows = all
            .iter()
            .take(LIST)
            .map(|item| vec![words(&item.what), words(&item.why)]);
        self.table(&["what", "why"], rows.collect());
        self.more(all.len().saturating_sub(LIST));
    }

    /// Says how many entries of a list are not shown.
    pub(in crate::report) fn more(&mut self, count: usize) {
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

    pub(in crate::report) fn block(&mut self, language: &'static str, code: &str) {
        self.blocks.push(Block::Code(language, text::lines(code)));
    }
}
