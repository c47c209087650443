//! AGE's graphs: the rows of its list of graphs.

use super::Gather;
use crate::script::statement::Words;
use crate::sql::{QualifiedName, TokenKind};

/// Whether a table is AGE's list of graphs.
fn is_graphs(table: &QualifiedName) -> bool {
    table.schema == "ag_catalog" && table.name == "ag_graph"
}

impl Gather {
    /// The column of the following rows that contains the name of a graph.
    pub(super) fn column_of_graphs(&self, words: &Words<'_>) -> Option<usize> {
        let (_, table) = self.current.as_ref()?;
        if !is_graphs(table) {
            return None;
        }
        words
            .identifiers(words.next("(", 0)? + 1)
            .iter()
            .position(|column| column == "name")
    }

    /// Graphs in the rows of an INSERT; without a list of columns the name is the second.
    pub(super) fn graphs_of_insert(&mut self, words: &Words<'_>) {
        if !words.qualified(2).as_ref().is_some_and(is_graphs) {
            return;
        }
        let Some(values) = words.next("values", 3) else {
            return;
        };
        let columns = words.identifiers(4);
        let column = columns.iter().position(|name| name == "name").unwrap_or(1);
        let (mut depth, mut at_column) = (0, 0);
        for (at, word) in words.start().iter().enumerate().skip(values) {
            match *word {
                "(" => {
                    depth += 1;
                    at_column = 0;
                }
                ")" => depth -= 1,
                "," if depth == 1 => at_column += 1,
                _ if at_column == column && words.tokens()[at].kind == TokenKind::Literal => {
                    self.contents.graphs.extend(words.literal(at));
                }
                _ => {}
            }
        }
    }
}
