//! Sequences: all of a database at once.

use super::block::Block;
use super::relation::Relations;
use super::section::{Section, some};
use crate::catalog::{Catalog, ObjectKind};

/// Makes a check of them; those of graphs are Apache AGE's.
#[must_use]
pub fn section(catalog: &Catalog, relations: &Relations) -> Section {
    let of_graph = |schema: Option<&String>| {
        let mut labels = relations.all.iter();
        labels.any(|one| Some(&one.name.schema) == schema && one.name.name == "_ag_label_vertex")
    };
    let sequences = catalog.of_kind(ObjectKind::Sequence);
    let count = sequences
        .filter(|(sequence, _)| !of_graph(sequence.schema.as_ref()))
        .count();
    let mut section = Section::new("sequences");
    if count > 0 {
        let strict = |owned: bool| {
            Block::new(
                "sequence",
                "no sequence is behind its column or nearly used up",
            )
            .maybe("owned", owned.then_some(true))
        };
        section.blocks.push(
            strict(true)
                .with("room", "10%")
                .or(strict(true))
                .or(strict(false).with("room", "10%"))
                .or(strict(false)),
        );
        section.found(some(count, "sequence"));
    }
    section
}
