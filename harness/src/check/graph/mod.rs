//! `graph`: an Apache AGE graph is whole, and answers Cypher as the application gets it.

mod catalog;
mod cypher;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::catalog::{Label, LabelKind};
use self::cypher::Question;
use crate::check::count_bound::CountBound;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_ident;
use crate::units::show_counted;

/// An Apache AGE graph is complete, has what it must, and answers Cypher as the application gets it.
///
/// ## What it proves
/// First by SQL, as superuser: the graph is registered; each label has its table and its sequence;
/// no label table and no graph's schema is left out of AGE's catalog; no label's sequence is behind
/// its ids; no id occurs twice; no edge starts or ends at a vertex that is not there; each label
/// holds as many rows as it must.
///
/// Only when AGE's catalog is sound (a broken one crashes the server), by Cypher, in a fresh session
/// of `role` without a `LOAD`: each listed label by `MATCH (n:Label)`, `MATCH (n)`,
/// `MATCH ()-[e]->()`, each asked for whole vertices and edges, and the patterns. Cypher must find as
/// many as SQL.
///
/// Without `role`, Cypher runs as redrill's superuser with AGE loaded: that shows that the graph
/// answers, but not that the application may ask. `MATCH (n)` and edges without labelled ends are
/// asked as superuser also when `role` has no right to read the whole graph; a pattern never is.
/// Where row security is on, what `role` sees is compared with the patterns alone.
///
/// A graph whose stored id differs from its schema's OID, as any logical restore leaves it, is
/// reported, and fails exactly where this version of AGE does not answer because of it.
///
/// ## What it does not prove
/// That properties hold the right values, or that writing Cypher works.
///
/// ## Example
/// ```toml
/// [[check.graph]]
/// graph = "permissions"
/// role = "app"
/// vertices = { User = 120, Group = { min = 3 } }
/// edges = { MEMBER_OF = 300 }
/// patterns = [
///     { pattern = "(u:User)-[:MEMBER_OF]->(g:Group)", rows = 300 },
///     { pattern = "(u:User) WHERE u.email = 'first@example.com'", min = 1 },
/// ]
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Graph {
    /// The graph's name.
    pub graph: String,
    /// The application's role; without it, redrill's superuser.
    pub role: Option<String>,
    /// What the application sets in each session, as in `{ search_path = "ag_catalog, app" }`.
    /// Settings of the role and of the database act by themselves.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Vertices per label: a number, or `{ min = 1, max = 9 }`.
    #[serde(default)]
    pub vertices: BTreeMap<String, CountBound>,
    /// Edges per label: a number, or `{ min = 1, max = 9 }`.
    #[serde(default)]
    pub edges: BTreeMap<String, CountBound>,
    /// Patterns and how often each must match.
    #[serde(default)]
    pub patterns: Vec<GraphPattern>,
    /// Whether a label that is not listed is a fault. Default: false.
    #[serde(default)]
    pub only_these_labels: bool,
}

/// The pattern after `MATCH`, and how many rows that gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GraphPattern {
    /// As in `(u:User)-[:MEMBER_OF]->(g:Group) WHERE g.name = 'admin'`.
    pub pattern: String,
    /// Exactly this many rows.
    pub rows: Option<u64>,
    /// At least this many rows.
    pub min: Option<u64>,
    /// At most this many rows.
    pub max: Option<u64>,
}

impl GraphPattern {
    fn bound(&self) -> CountBound {
        CountBound {
            exact: self.rows,
            min: self.min,
            max: self.max,
        }
    }
}

impl Parameters for Graph {
    const KIND: &'static str = "graph";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        errors.refuse_empty("graph", &self.graph);
        let asserted = [
            !self.vertices.is_empty(),
            !self.edges.is_empty(),
            !self.patterns.is_empty(),
        ];
        errors.require_assertion(
            asserted,
            "add `vertices = { Label = 120 }`, `edges` or `patterns`",
        );
        if self.role.is_none() && !self.settings.is_empty() {
            errors
                .at("settings", "`settings` needs a `role`")
                .add_hint("add the application's role");
        }
        for (key, labels) in [("vertices", &self.vertices), ("edges", &self.edges)] {
            for (label, bound) in labels {
                if let Err(message) = check_label(label).and_then(|()| bound.check()) {
                    errors.at(key, format!("`{label}`: {message}"));
                }
            }
        }
        for pattern in &self.patterns {
            let text = pattern.pattern.trim();
            if text.is_empty() {
                errors.at("patterns", "a pattern is empty");
            } else if text.contains(cypher::QUOTE) {
                let message = format!("a pattern may not contain `{}`", cypher::QUOTE);
                errors.at("patterns", message);
            } else if let Err(message) = pattern.bound().check() {
                errors.at("patterns", format!("`{text}`: {message}"));
            }
        }
    }
}

/// Refuses a text that cannot be the label of an application.
fn check_label(label: &str) -> Result<(), String> {
    if label.starts_with("_ag_label_") {
        return Err("this is a table of AGE, not a label".to_owned());
    }
    if label.is_empty() || !label.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err("a label is made of letters, digits and `_`".to_owned());
    }
    Ok(())
}

#[async_trait]
impl Check for Graph {
    fn describe(&self) -> String {
        match &self.role {
            Some(role) => format!("graph {} answers Cypher as {role}", self.graph),
            None => format!("graph {} answers Cypher", self.graph),
        }
    }

    fn alone(&self) -> bool {
        true
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let read = catalog::read(&mut session, &self.graph).await?;
        let graph = match read {
            Ok(graph) => graph,
            Err(findings) => {
                let actual = "AGE's catalog is not sound, so no Cypher was run";
                return Ok(Observation::new(self.expectation(), actual, findings));
            }
        };
        let mut findings = catalog::data_faults(&graph);
        findings.extend(self.compare(&graph.labels));
        let asked = cypher::ask(self, &graph, restored, &mut session).await?;
        session.close().await;
        findings.extend(asked.findings);
        let (vertices, edges) = (graph.total(LabelKind::Vertex), graph.total(LabelKind::Edge));
        if vertices == 0 && findings.is_empty() {
            return Err(CouldNotRun::new(format!(
                "graph {} holds no vertex, so nothing was checked",
                self.graph
            )));
        }
        let mut actual = format!(
            "{} and {}; {} of {} in Cypher answered",
            show_counted(vertices, "vertex"),
            show_counted(edges, "edge"),
            asked.answered,
            asked.questions
        );
        if graph.stale {
            actual.push_str(&format!(
                "; the graph's stored id is not its schema's OID (AGE {})",
                graph.version
            ));
        }
        Ok(Observation::new(self.expectation(), actual, findings))
    }
}

impl Graph {
    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let labels = self.vertices.iter().chain(&self.edges);
        let mut parts: Vec<String> = labels
            .map(|(label, bound)| format!("{label} {}", bound.show("row")))
            .collect();
        if !self.patterns.is_empty() {
            parts.push(show_counted(self.patterns.len(), "pattern"));
        }
        format!("{}: {}", self.describe(), parts.join(", "))
    }

    /// Compares the rows of each label, counted by SQL, with what is expected.
    fn compare(&self, labels: &[Label]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (kind, wanted) in [
            (LabelKind::Vertex, &self.vertices),
            (LabelKind::Edge, &self.edges),
        ] {
            for (name, bound) in wanted {
                match labels.iter().find(|l| l.kind == kind && l.name == *name) {
                    Some(label) if bound.allows(label.rows) => {}
                    Some(label) => findings.push(Finding::about(
                        label.table.to_string(),
                        bound.show(kind.noun()),
                        show_counted(label.rows, kind.noun()),
                    )),
                    None => findings.push(Finding::about(
                        format!("{}.{}", quote_ident(&self.graph), quote_ident(name)),
                        format!("a label of {}", kind.plural()),
                        "there is none in the restored graph",
                    )),
                }
            }
        }
        if self.only_these_labels {
            let unlisted = labels.iter().filter(|label| {
                let wanted = match label.kind {
                    LabelKind::Vertex => &self.vertices,
                    LabelKind::Edge => &self.edges,
                };
                !label.is_base() && !wanted.contains_key(&label.name)
            });
            findings.extend(unlisted.map(|label| {
                Finding::about(
                    label.table.to_string(),
                    "no labels but the listed ones",
                    format!(
                        "a label with {}",
                        show_counted(label.rows, label.kind.noun())
                    ),
                )
                .hint("list it, or leave out `only-these-labels`")
            }));
        }
        findings
    }

    /// The questions about what the check lists, with what SQL says about them.
    fn questions(&self, graph: &catalog::Graph) -> Vec<Question> {
        let listed = |label: &&Label| match label.kind {
            LabelKind::Vertex => self.vertices.contains_key(&label.name),
            LabelKind::Edge => self.edges.contains_key(&label.name),
        };
        let labelled = graph.labels.iter().filter(listed).map(|label| Question {
            pattern: match label.kind {
                LabelKind::Vertex => format!("(n:`{}`)", label.name),
                LabelKind::Edge => format!("()-[e:`{}`]->()", label.name),
            },
            returns: match label.kind {
                LabelKind::Vertex => "count(n)",
                LabelKind::Edge => "count(e)",
            },
            bound: CountBound::exactly(label.rows),
            by_sql: true,
            whole_graph: label.kind == LabelKind::Edge,
        });
        let whole = [
            ("(n)", "count(n)", graph.total(LabelKind::Vertex)),
            ("()-[e]->()", "count(e)", graph.total(LabelKind::Edge)),
        ]
        .map(|(pattern, returns, rows)| Question {
            pattern: pattern.to_owned(),
            returns,
            bound: CountBound::exactly(rows),
            by_sql: true,
            whole_graph: true,
        });
        let patterns = self.patterns.iter().map(|pattern| Question {
            pattern: pattern.pattern.trim().to_owned(),
            returns: "count(*)",
            bound: pattern.bound(),
            by_sql: false,
            whole_graph: false,
        });
        labelled.chain(whole).chain(patterns).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(text: &str) -> Graph {
        toml::from_str(text).unwrap()
    }

    #[rstest]
    #[case("graph = 'g'", 1)]
    #[case("graph = 'g'\nvertices = { User = 1 }", 0)]
    #[case("graph = ''\nvertices = { User = 1 }", 1)]
    #[case("graph = 'g'\nvertices = { User = { min = 0 } }", 1)]
    #[case("graph = 'g'\nvertices = { User = { min = 3, max = 2 } }", 1)]
    #[case("graph = 'g'\nedges = { 'a`b' = 1 }", 1)]
    #[case("graph = 'g'\nvertices = { _ag_label_vertex = 1 }", 1)]
    #[case("graph = 'g'\nvertices = { User = 1 }\nsettings = { a = 'b' }", 1)]
    #[case("graph = 'g'\npatterns = [{ pattern = '(n)' }]", 1)]
    #[case("graph = 'g'\npatterns = [{ pattern = '(n)', rows = 2 }]", 0)]
    #[case("graph = 'g'\npatterns = [{ pattern = ' ', rows = 2 }]", 1)]
    #[case(
        "graph = 'g'\npatterns = [{ pattern = '(n) $redrill$) x', rows = 2 }]",
        1
    )]
    fn parameters_that_make_no_sense_are_refused(#[case] text: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(text).validate(errors)).len(),
            expected
        );
    }

    #[rstest]
    #[case("graph = 'g'\nvertices = { User = -1 }")]
    #[case("graph = 'g'\nvertices = { User = { least = 1 } }")]
    #[case("graph = 'g'\nvertices = { User = '3' }")]
    fn a_bound_that_cannot_be_read_is_refused(#[case] text: &str) {
        assert!(toml::from_str::<Graph>(text).is_err());
    }

    #[rstest]
    #[case("vertices = { User = 3 }", 0)]
    #[case("vertices = { User = 4 }", 1)]
    #[case("vertices = { User = { min = 3 } }", 0)]
    #[case("vertices = { User = { max = 2 } }", 1)]
    #[case("vertices = { Gone = 3 }", 1)]
    #[case("vertices = { LIKES = 2 }", 1)]
    #[case("edges = { LIKES = 2 }", 0)]
    #[case("edges = { LIKES = 2 }\nonly-these-labels = true", 1)]
    #[case(
        "vertices = { User = 3 }\nedges = { LIKES = 2 }\nonly-these-labels = true",
        0
    )]
    fn labels_are_held_to_their_bounds(#[case] text: &str, #[case] broken: usize) {
        let labels = [
            Label::holding("_ag_label_vertex", LabelKind::Vertex, 0),
            Label::holding("User", LabelKind::Vertex, 3),
            Label::holding("LIKES", LabelKind::Edge, 2),
        ];
        let check = check(&format!("graph = 'g'\n{text}"));
        assert_eq!(check.compare(&labels).len(), broken);
    }

    #[test]
    fn every_listed_label_and_the_whole_graph_are_asked_for() {
        let graph = catalog::Graph {
            labels: vec![
                Label::holding("User", LabelKind::Vertex, 3),
                Label::holding("Other", LabelKind::Vertex, 4),
                Label::holding("LIKES", LabelKind::Edge, 2),
            ],
            ..catalog::Graph::default()
        };
        let check = check(
            "graph = 'g'\nvertices = { User = 3 }\nedges = { LIKES = 2 }\n\
             patterns = [{ pattern = '(a:User)-->(b)', min = 1 }]",
        );
        let patterns: Vec<String> = check
            .questions(&graph)
            .into_iter()
            .map(|question| format!("{} {}", question.pattern, question.bound.show("row")))
            .collect();
        assert_eq!(
            patterns,
            [
                "(n:`User`) exactly 3 rows",
                "()-[e:`LIKES`]->() exactly 2 rows",
                "(n) exactly 7 rows",
                "()-[e]->() exactly 2 rows",
                "(a:User)-->(b) at least 1 row",
            ]
        );
    }
}
