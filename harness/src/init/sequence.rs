//! Sequences: all of a database in one check.

use super::block::Block;
use super::relation::is_graph;
use super::section::Section;
use crate::catalog::{Catalog, ObjectKind};
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// Writes the check; sequences of graphs are Apache AGE's.
#[must_use]
pub fn section(catalog: &Catalog) -> Section {
    let sequences = catalog.of_kind(ObjectKind::Sequence);
    let all: Vec<QualifiedName> = sequences
        .filter(|(sequence, properties)| {
            let schema = sequence.schema.as_deref().unwrap_or_default();
            !is_graph(catalog, schema) && !properties.contains_key("part of")
        })
        .filter_map(|(sequence, _)| sequence.qualified_name())
        .collect();
    let mut section = Section::new(
        "sequences",
        "No sequence returns a number that its column has already, and each has a tenth of its numbers left. A sequence \
         that is behind makes the first INSERT after a restore fail.",
    );
    if !all.is_empty() {
        let strict = |owned: bool| {
            Block::new(
                "sequence",
                "no sequence is behind its column or nearly used up",
            )
            .maybe("owned", owned.then_some(true))
            .objects("sequences", &all)
        };
        section.blocks.push(
            strict(true)
                .with("room", "10%")
                .or(strict(true))
                .or(strict(false).with("room", "10%"))
                .or(strict(false)),
        );
        section.found(show_counted(all.len(), "sequence"));
    }
    section
}
