//! Graphs of Apache AGE: their labels and the number of vertices or edges of each.
//!
//! By its own SQL: the number of rows of each label.

use std::cmp::Reverse;

use super::access::Access;
use super::block::{Block, Keys, Value, keys};
use super::rows::round;
use super::section::{Section, listed};
use crate::catalog::{Catalog, ObjectId};
use crate::database::{DatabaseError, Session};
use crate::rights::ObjectFacts;

/// A graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledGraph {
    name: String,
    /// Labels, whether each is of vertices, and the number of its rows.
    labels: Vec<(String, bool, u64)>,
    /// A role with LOGIN that may read it.
    role: Option<String>,
}

/// Reads a graph of the catalog, and counts the rows of each label.
///
/// # Errors
/// When a label cannot be read.
pub async fn read(
    session: &mut Session,
    catalog: &Catalog,
    access: &Access<'_>,
    id: &ObjectId,
) -> Result<LabelledGraph, DatabaseError> {
    let mut labels = Vec::new();
    for (_, part, properties) in catalog.children(id) {
        let table = properties.get("table");
        let Some(table) = table.filter(|_| !part.name.starts_with("_ag_label_")) else {
            continue;
        };
        let sql = format!("SELECT pg_catalog.count(*) FROM ONLY {table}");
        let is_of_vertices = properties.get("kind").is_some_and(|kind| kind == "vertex");
        labels.push((
            part.name.clone(),
            is_of_vertices,
            session.count(&sql).await?,
        ));
    }
    Ok(LabelledGraph {
        name: id.name.clone(),
        labels,
        role: reader(access, catalog.get(id, "schema").unwrap_or(&id.name)),
    })
}

/// The role with LOGIN that may read all tables of a schema; of several the one that may insert into most of them.
fn reader(access: &Access<'_>, schema: &str) -> Option<String> {
    let tables: Vec<&ObjectFacts> = access.tables_in(schema).collect();
    let readers = access.actors().filter(|actor| {
        let mut all = tables.iter();
        access.may_log_in(&actor.role.name)
            && access.uses_schema(actor, schema)
            && all.all(|table| actor.has(table, "SELECT", None, false))
    });
    let ranked = readers.map(|actor| {
        let all = tables.iter();
        let written = all.filter(|table| actor.has(table, "INSERT", None, false));
        (Reverse(written.count()), actor.role.name.clone())
    });
    ranked.min().map(|(_, name)| name)
}

/// Writes the checks.
#[must_use]
pub fn section(graphs: &[LabelledGraph]) -> Section {
    let mut section = Section::new(
        "graphs",
        "Each Apache AGE graph answers Cypher, with about nine tenths of the vertices and edges that each label had. \
         Change `role` to the role that the application queries the graph as.",
    );
    for graph in graphs {
        match graph.labels.iter().any(|(_, _, rows)| *rows > 0) {
            true => section.blocks.push(graph.block()),
            false => section.note(format!(
                "The graph {} has no vertices and no edges, so there is nothing to check in it.",
                graph.name
            )),
        }
    }
    if !graphs.is_empty() {
        let names: Vec<&str> = graphs.iter().map(|graph| graph.name.as_str()).collect();
        section.found(format!("graphs: {}", listed(&names, 6)));
    }
    section
}

impl LabelledGraph {
    fn block(&self) -> Block {
        let bounds = |vertices: bool| -> Keys {
            let labels = self.labels.iter();
            labels
                .filter(|(_, of_vertices, rows)| *of_vertices == vertices && *rows > 0)
                .map(|(label, _, rows)| {
                    let min = round(rows - rows / 10).into();
                    (label.clone(), Value::Inline(keys([("min", min)])))
                })
                .collect()
        };
        let graph = Block::new("graph", format!("the graph {} answers", self.name))
            .with("graph", self.name.as_str());
        let counts = |block: Block| {
            block
                .inline("vertices", bounds(true))
                .inline("edges", bounds(false))
        };
        let plain = counts(graph.clone());
        let Some(role) = &self.role else { return plain };
        let as_role = counts(graph.with("role", role.as_str()))
            .guess(format!("`{role}` is the role that queries it."));
        if self.labels.iter().any(|(_, _, rows)| *rows == 0) {
            return as_role.or(plain);
        }
        let strict = as_role.clone().with("only-these-labels", true);
        strict.or(as_role).or(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(labels: &[(&str, bool, u64)]) -> LabelledGraph {
        let labels = labels.iter();
        LabelledGraph {
            name: "g".to_owned(),
            labels: labels
                .map(|(name, vertices, rows)| ((*name).to_owned(), *vertices, *rows))
                .collect(),
            role: Some("app".to_owned()),
        }
    }

    #[test]
    fn an_empty_graph_is_a_note() {
        for empty in [graph(&[]), graph(&[("User", true, 0)])] {
            let section = section(&[empty]);
            assert!(section.blocks.is_empty());
            assert_eq!(section.notes.len(), 1);
        }
    }

    #[test]
    fn an_empty_label_is_left_out_and_others_are_allowed() {
        let section = section(&[graph(&[("User", true, 20), ("KNOWS", false, 0)])]);
        let text = section.blocks[0].render();
        assert!(
            text.contains("vertices = { User = { min = 18 } }"),
            "{text}"
        );
        assert!(!text.contains("edges") && !text.contains("only-these-labels"));
    }
}
