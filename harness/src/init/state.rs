//! The state of the database: everything else is as it was.

use std::path::Path;

use super::Description;
use super::block::{Block, State};
use super::section::{Section, listed};

/// The check that compares a database with its baseline.
#[must_use]
pub fn section(description: &Description, file: &Path) -> Section {
    let mut section = Section::new(
        "baseline",
        "Everything else is as it was: every definition and right, the number of rows of every table, and the earlier rows \
         of append-only tables. After an intended change, `redrill accept` shows the differences and writes them into the \
         baseline.",
    );
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let mut block =
        Block::new("baseline", "nothing else has changed").with("file", name.unwrap_or_default());
    if !description.may_shrink.is_empty() {
        let tables = description.may_shrink.iter().map(ToString::to_string);
        block = block
            .guess(
                "rows of the tables in `may-shrink` are removed regularly, as their names suggest, or with such rows by ON \
                 DELETE CASCADE.",
            )
            .with("may-shrink", tables.collect::<Vec<String>>());
    }
    if !description.old_partitions.is_empty() {
        block = block
            .comment(
                "Guessed: old partitions of the tables in `may-be-dropped` are dropped regularly. Those that are there have all their \
                 rows.",
            )
            .with("may-be-dropped", description.old_partitions.clone());
    }
    if !description.append_only.is_empty() {
        block = block.comment(format!(
            "Rows of append-only tables are compared as well: {}. If old rows of one are removed, add it to `may-shrink`.",
            listed(&description.append_only, 8)
        ));
    }
    section.blocks.push(block);
    section
}

/// Why the check of the baseline was left out.
#[must_use]
pub fn why_left_out(descriptions: &[Description]) -> Option<String> {
    let sections = descriptions.iter().flat_map(|one| &one.sections);
    let blocks = sections.flat_map(|section| &section.blocks);
    let mut baselines = blocks.filter(|block| block.kind == "baseline");
    baselines.find_map(|block| match &block.state {
        State::LeftOut(reason) => Some(reason.clone()),
        State::Kept | State::Weaker(_) | State::Undescribed(_) => None,
    })
}
