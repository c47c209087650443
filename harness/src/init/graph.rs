//! Graphs of Apache AGE: their labels and how many of each there are.

use super::block::{Block, Value};
use super::relation::text;
use super::rows::round;
use super::section::{Section, named};
use crate::database::{DatabaseError, Session};
use crate::sql::QualifiedName;

/// A graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    name: String,
    /// Labels, whether each is of vertices, and how many there are.
    labels: Vec<(String, bool, u64)>,
    /// A role that may read it and log in.
    role: Option<String>,
}

const THERE: &str = "SELECT pg_catalog.to_regclass('ag_catalog.ag_graph') IS NOT NULL";

/// By schema, not by id: a graph's stored id goes astray in every logical restore.
const LABELS: &str = "
SELECT g.name, l.name, l.kind, n.nspname, c.relname
  FROM ag_catalog.ag_graph g
  JOIN pg_catalog.pg_namespace n ON n.oid = g.namespace::pg_catalog.oid
  LEFT JOIN ag_catalog.ag_label l ON l.graph = g.graphid AND l.name !~ '^_ag_label_'
  LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation::pg_catalog.oid
 ORDER BY 1, 3 DESC, 2";

/// Roles that may log in, are no superusers, and may read a graph: of several the one with the most rights.
const READERS: &str = "
SELECT r.rolname
  FROM pg_catalog.pg_roles r
  JOIN pg_catalog.pg_namespace n ON n.nspname = {schema}
 WHERE r.rolcanlogin AND NOT r.rolsuper
   AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                    WHERE c.relnamespace = n.oid AND c.relkind = 'r'
                      AND NOT pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT'))
 ORDER BY (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
            WHERE c.relnamespace = n.oid AND c.relkind = 'r'
              AND pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT')) DESC, 1
 LIMIT 1";

/// Reads them by SQL alone.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session) -> Result<Vec<Graph>, DatabaseError> {
    if session.value(THERE).await?.as_deref() != Some("t") {
        return Ok(Vec::new());
    }
    let mut graphs: Vec<Graph> = Vec::new();
    for row in session.rows(LABELS).await? {
        let name = text(&row, 0);
        if graphs.last().is_none_or(|last| last.name != name) {
            let schema = match row.get(3).cloned().flatten() {
                Some(schema) => schema,
                None => name.clone(),
            };
            let sql = READERS.replace("{schema}", &crate::sql::quote_literal(&schema));
            graphs.push(Graph {
                name: name.clone(),
                labels: Vec::new(),
                role: session.value(&sql).await?,
            });
        }
        let (Some(Some(label)), Some(Some(_))) = (row.get(1), row.get(4)) else {
            continue;
        };
        let table = QualifiedName {
            schema: text(&row, 3),
            name: text(&row, 4),
        };
        let rows = session
            .count(&format!("SELECT pg_catalog.count(*) FROM ONLY {table}"))
            .await?;
        if let Some(last) = graphs.last_mut() {
            last.labels
                .push((label.clone(), text(&row, 2) == "v", rows));
        }
    }
    Ok(graphs)
}

/// Makes checks of them.
#[must_use]
pub fn section(graphs: &[Graph]) -> Section {
    let mut section = Section::new("graphs");
    for graph in graphs {
        section.blocks.push(graph.block());
    }
    if !graphs.is_empty() {
        let names: Vec<&str> = graphs.iter().map(|graph| graph.name.as_str()).collect();
        section.found(format!("graphs: {}", named(&names, 6)));
    }
    section
}

impl Graph {
    fn block(&self) -> Block {
        let of = |vertices: bool| -> Option<Value> {
            let labels = self.labels.iter();
            let bounds: Vec<(String, Value)> = labels
                .filter(|(_, is, rows)| *is == vertices && *rows > 0)
                .map(|(label, _, rows)| {
                    let least = round(rows - rows / 10);
                    let bound = Value::Inline(vec![("min".to_owned(), least.into())]);
                    (label.clone(), bound)
                })
                .collect();
            (!bounds.is_empty()).then_some(Value::Inline(bounds))
        };
        let all = Block::new("graph", format!("the graph {} answers", self.name))
            .with("graph", self.name.as_str());
        let counts = |block: Block| block.maybe("vertices", of(true)).maybe("edges", of(false));
        let plain = counts(all.clone());
        let filled = self.labels.iter().all(|(_, _, rows)| *rows > 0);
        match &self.role {
            None => plain,
            Some(role) => {
                let as_role = counts(all.with("role", role.as_str()))
                    .guess(format!("`{role}` is who asks it"));
                let strict = as_role.clone().maybe(
                    "only-these-labels",
                    (filled && !self.labels.is_empty()).then_some(true),
                );
                strict.or(as_role).or(plain)
            }
        }
    }
}
