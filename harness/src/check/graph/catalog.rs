//! AGE's catalog and tables, by plain SQL: nothing here can crash a server.

use crate::check::absent;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::show_counted;

/// A graph as its catalog and tables show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// `extversion` of AGE.
    pub version: String,
    /// The graph's schema.
    pub schema: String,
    /// Whether the stored id is not the schema's OID, as after a logical restore.
    pub stale: bool,
    /// All labels, AGE's own two as well.
    pub labels: Vec<Label>,
}

/// Vertices or edges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LabelKind {
    /// `v` in `ag_label`.
    #[default]
    Vertex,
    /// `e` in `ag_label`.
    Edge,
}

impl LabelKind {
    /// The word for one.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Vertex => "vertex",
            Self::Edge => "edge",
        }
    }

    /// The word for several.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Vertex => "vertices",
            Self::Edge => "edges",
        }
    }
}

/// A label and what its own table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// What it labels.
    pub kind: LabelKind,
    /// Its table.
    pub table: QualifiedName,
    /// Whether row security is on.
    pub row_security: bool,
    /// Rows of the table itself.
    pub rows: u64,
    /// Ids that occur more than once.
    pub repeated: u64,
    /// Ids that carry another label's number.
    pub foreign: u64,
    /// The highest id that the sequence must be past.
    pub highest: u64,
    /// What the sequence gave out last.
    pub given: u64,
    /// Edges whose start or end is not there.
    pub dangling: u64,
}

impl Label {
    /// Makes a label that holds nothing.
    fn empty(name: String, kind: LabelKind, table: QualifiedName) -> Self {
        Self {
            name,
            kind,
            table,
            row_security: false,
            rows: 0,
            repeated: 0,
            foreign: 0,
            highest: 0,
            given: 0,
            dangling: 0,
        }
    }

    /// Makes a label for tests.
    #[cfg(test)]
    pub fn holding(name: &str, kind: LabelKind, rows: u64) -> Self {
        let table = QualifiedName {
            schema: "g".to_owned(),
            name: name.to_owned(),
        };
        Self {
            rows,
            ..Self::empty(name.to_owned(), kind, table)
        }
    }

    /// Tells whether it is one of AGE's own two.
    #[must_use]
    pub fn is_base(&self) -> bool {
        self.name.starts_with("_ag_label_")
    }
}

impl Graph {
    /// Adds up the rows of all labels of one kind.
    #[must_use]
    pub fn total(&self, kind: LabelKind) -> u64 {
        self.labels
            .iter()
            .filter(|label| label.kind == kind)
            .map(|label| label.rows)
            .sum()
    }

    /// Tells whether row security hides rows from anyone.
    #[must_use]
    pub fn row_security(&self) -> bool {
        self.labels.iter().any(|label| label.row_security)
    }
}

const EXTENSION: &str = "
SELECT e.extversion, coalesce(a.default_version, '')
  FROM pg_catalog.pg_extension e
  LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = e.extname
 WHERE e.extname = 'age'";

const GRAPH: &str = "
SELECT n.nspname, (g.graphid = g.namespace::pg_catalog.oid)::text
  FROM ag_catalog.ag_graph g
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = g.namespace::pg_catalog.oid
 WHERE g.name = {graph}";

/// Schemas that hold a graph's base table, and that no graph claims.
const UNREGISTERED_SCHEMAS: &str = "
SELECT n.nspname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = '_ag_label_vertex' AND c.relkind = 'r'
   AND NOT EXISTS (SELECT FROM ag_catalog.ag_graph g
                    WHERE g.namespace::pg_catalog.oid = c.relnamespace)
 ORDER BY 1";

/// What is missing in AGE's catalog for one graph: kind of fault, object.
const FAULTS: &str = "
WITH graph AS (
    SELECT g.graphid, g.namespace::pg_catalog.oid AS namespace
      FROM ag_catalog.ag_graph g WHERE g.name = {graph}
), label AS (
    SELECT l.name, l.relation::pg_catalog.oid AS relation, l.seq_name, graph.namespace
      FROM ag_catalog.ag_label l JOIN graph ON graph.graphid = l.graph
)
SELECT 'base', base.name
  FROM (VALUES ('_ag_label_vertex'), ('_ag_label_edge')) AS base (name)
 WHERE NOT EXISTS (SELECT FROM label WHERE label.name = base.name)
UNION ALL
SELECT 'table', label.name::text
  FROM label
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                    WHERE c.oid = label.relation AND c.relnamespace = label.namespace)
UNION ALL
SELECT 'sequence', label.name::text
  FROM label
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                    WHERE c.relkind = 'S' AND c.relnamespace = label.namespace
                      AND c.relname = label.seq_name)
UNION ALL
SELECT 'unregistered', c.relname::text
  FROM pg_catalog.pg_class c
  JOIN graph ON graph.namespace = c.relnamespace
 WHERE c.relkind = 'r'
   AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                 JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                WHERE a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped
                  AND t.typname = 'graphid' AND n.nspname = 'ag_catalog')
   AND NOT EXISTS (SELECT FROM label WHERE label.relation = c.oid)
 ORDER BY 1, 2";

const LABELS: &str = "
SELECT l.name, l.kind::text, l.id::text, l.seq_name, n.nspname, c.relname, c.relrowsecurity::text
  FROM ag_catalog.ag_graph g
  JOIN ag_catalog.ag_label l ON l.graph = g.graphid
  JOIN pg_catalog.pg_class c ON c.oid = l.relation::pg_catalog.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE g.name = {graph}
 ORDER BY l.id";

/// An id is 16 bits of label and 48 bits of the label's own sequence; there is no cast to a number.
const ROWS: &str = "
SELECT count(*), count(*) - count(DISTINCT e.id),
       count(*) FILTER (WHERE (e.id >> 48) & 65535 <> {label}),
       coalesce(max(e.id & 281474976710655), 0)
  FROM (SELECT t.id::text::pg_catalog.int8 AS id FROM ONLY {table} t) e";

const GIVEN: &str = "
SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}";

const DANGLING: &str = "
SELECT count(DISTINCT e.id)
  FROM (SELECT t.id::text AS id FROM ONLY {table} t
         WHERE NOT EXISTS (SELECT FROM {vertices} v
                            WHERE v.id OPERATOR(ag_catalog.=) t.start_id)
        UNION ALL
        SELECT t.id::text AS id FROM ONLY {table} t
         WHERE NOT EXISTS (SELECT FROM {vertices} v
                            WHERE v.id OPERATOR(ag_catalog.=) t.end_id)) e";

/// Why a graph that is there may not be registered.
const FILTERED: &str = "a dump of some schemas only (`-n`, `-N`) leaves out AGE's catalog rows; \
    dump the whole database, and look for errors about ag_graph and ag_label in the restore";

/// Reads a graph. The inner error is what is wrong with AGE's catalog: then no Cypher may be run.
pub async fn read(
    session: &mut Session,
    graph: &str,
) -> Result<Result<Graph, Vec<Finding>>, CouldNotRun> {
    let extension = session.rows(EXTENSION).await?;
    let Some([Some(version), Some(library)]) = extension.first().map(Vec::as_slice) else {
        return Ok(Err(vec![
            Finding::about(
                "extension age",
                "an extension",
                "there is none in the restored database",
            )
            .hint(absent::why("CREATE EXTENSION")),
        ]));
    };
    let mut findings = Vec::new();
    if version != library {
        findings.push(
            Finding::about(
                "extension age",
                format!("the version of the server's library, {library}"),
                format!("version {version}"),
            )
            .hint("restore onto a server with that version, or `ALTER EXTENSION age UPDATE`"),
        );
    }
    let literal = quote_literal(graph);
    let fill = |sql: &str| sql.replace("{graph}", &literal);
    let registered = session.rows(&fill(GRAPH)).await?;
    let row = registered.first().map(Vec::as_slice);
    if row.is_none() {
        findings.push(Finding::about(
            format!("graph {graph}"),
            "a graph in ag_catalog.ag_graph",
            "AGE does not know it",
        ));
    }
    for row in session.rows(UNREGISTERED_SCHEMAS).await? {
        if let Some(schema) = row.into_iter().next().flatten() {
            findings.push(
                Finding::about(
                    format!("schema {schema}"),
                    "a registered graph",
                    "label tables of a graph that AGE does not know",
                )
                .hint(FILTERED),
            );
        }
    }
    let (schema, stale) = match row {
        Some([Some(schema), same]) => (schema.clone(), same.as_deref() != Some("true")),
        Some(_) => {
            let object = format!("graph {graph}");
            findings.push(Finding::about(object, "its schema", "the schema is gone"));
            return Ok(Err(findings));
        }
        None => return Ok(Err(findings)),
    };
    for row in session.rows(&fill(FAULTS)).await? {
        if let [Some(fault), Some(name)] = row.as_slice() {
            findings.push(catalog_fault(graph, &schema, fault, name));
        }
    }
    if !findings.is_empty() {
        return Ok(Err(findings));
    }
    let mut labels = Vec::new();
    for row in session.rows(&fill(LABELS)).await? {
        labels.push(label(session, &schema, &row).await?);
    }
    Ok(Ok(Graph {
        version: version.clone(),
        schema,
        stale,
        labels,
    }))
}

/// Reports what is missing in AGE's catalog.
fn catalog_fault(graph: &str, schema: &str, fault: &str, name: &str) -> Finding {
    let object = format!("{}.{}", quote_ident(schema), quote_ident(name));
    match fault {
        "unregistered" => Finding::about(
            object,
            format!("a label of graph {graph}"),
            "a label's table that ag_catalog.ag_label does not know",
        )
        .hint(FILTERED),
        "base" => Finding::about(
            object,
            format!("a label of graph {graph}, which every graph has"),
            "ag_catalog.ag_label does not know it",
        )
        .hint(FILTERED),
        "sequence" => Finding::about(object, "a label with its sequence", "no sequence"),
        _ => Finding::about(object, "a label with its table", "no table in its schema"),
    }
}

/// Reads what one label's table holds.
async fn label(
    session: &mut Session,
    schema: &str,
    row: &[Option<String>],
) -> Result<Label, CouldNotRun> {
    let [name, kind, id, sequence, table_schema, table, row_security] = row else {
        return Err(CouldNotRun::new("AGE's catalog cannot be read"));
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let qualified = |schema: String, name: String| QualifiedName { schema, name };
    let table = qualified(text(table_schema), text(table));
    let kind = if kind.as_deref() == Some("e") {
        LabelKind::Edge
    } else {
        LabelKind::Vertex
    };
    let sql = ROWS
        .replace("{label}", id.as_deref().unwrap_or("0"))
        .replace("{table}", &table.to_string());
    let counted = session.rows(&sql).await?;
    let numbers: Vec<u64> = counted
        .first()
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_deref()?.parse().ok())
        .collect();
    let [rows, repeated, foreign, highest] = numbers[..] else {
        return Err(CouldNotRun::new(format!("{table} cannot be counted")));
    };
    let sequence = qualified(schema.to_owned(), text(sequence));
    let given = session
        .value(&GIVEN.replace("{sequence}", &sequence.to_string()))
        .await?;
    let dangling = match kind {
        LabelKind::Vertex => 0,
        LabelKind::Edge => {
            let vertices = qualified(schema.to_owned(), "_ag_label_vertex".to_owned());
            let sql = DANGLING
                .replace("{vertices}", &vertices.to_string())
                .replace("{table}", &table.to_string());
            session.count(&sql).await?
        }
    };
    Ok(Label {
        row_security: row_security.as_deref() == Some("true"),
        rows,
        repeated,
        foreign,
        highest,
        given: given.and_then(|value| value.parse().ok()).unwrap_or(0),
        dangling,
        ..Label::empty(text(name), kind, table)
    })
}

/// Finds what is wrong with the rows of a graph whose catalog is sound.
pub fn data_faults(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for label in &graph.labels {
        let table = label.table.to_string();
        let noun = label.kind.noun();
        if label.repeated > 0 {
            findings.push(Finding::about(
                &table,
                "each id once",
                format!(
                    "{} with an id that is taken",
                    show_counted(label.repeated, noun)
                ),
            ));
        }
        if label.foreign > 0 {
            findings.push(Finding::about(
                &table,
                "ids of this label",
                format!(
                    "{} with another label's id",
                    show_counted(label.foreign, noun)
                ),
            ));
        }
        if label.rows > 0 && label.given < label.highest {
            findings.push(
                Finding::about(
                    &table,
                    format!("a sequence that gave out {} at least", label.highest),
                    format!("it is at {}", label.given),
                )
                .hint("the next ids are taken already; look for the sequence's `setval` in the restore"),
            );
        }
        if label.dangling > 0 {
            findings.push(
                Finding::about(
                    &table,
                    "edges between vertices that are there",
                    format!(
                        "{} without a vertex at its start or end",
                        show_counted(label.dangling, "edge")
                    ),
                )
                .hint("rows of a vertex label are lost, or the dump is not of one moment"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn three() -> Label {
        Label {
            highest: 3,
            given: 3,
            ..Label::holding("User", LabelKind::Vertex, 3)
        }
    }

    #[rstest]
    #[case::good(three(), 0)]
    #[case::numbers_left_out(Label { given: 35, ..three() }, 0)]
    #[case::sequence_behind(Label { given: 2, ..three() }, 1)]
    #[case::repeated(Label { repeated: 1, ..three() }, 1)]
    #[case::of_another_label(Label { foreign: 1, ..three() }, 1)]
    #[case::dangling(Label { dangling: 1, ..three() }, 1)]
    #[case::empty(Label::holding("User", LabelKind::Vertex, 0), 0)]
    fn rows_of_a_graph_must_fit(#[case] label: Label, #[case] broken: usize) {
        let graph = Graph {
            labels: vec![label],
            ..Graph::default()
        };
        assert_eq!(data_faults(&graph).len(), broken);
    }
}
