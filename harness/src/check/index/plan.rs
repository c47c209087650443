//! Whether a query's plan uses an index.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::catalog::{FoundIndex, members};
use crate::check::{ParameterErrors, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident};

/// A query whose plan must use the index.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UsedBy {
    /// One SELECT. It is never executed.
    pub query: String,
    /// The role that runs it: row security and search path are that role's.
    pub role: String,
    /// Settings of the session, over those of the role.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl UsedBy {
    /// Complains about a query that is not one SELECT.
    pub fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let query = self.statement();
        let first = query.split_whitespace().next().unwrap_or_default();
        if !["select", "with"].contains(&first.to_ascii_lowercase().as_str()) {
            errors
                .at("used-by", "the query is not a SELECT")
                .add_hint("it may begin with SELECT or WITH");
        }
        // EXPLAIN would be about the first statement only, and the next one would be executed.
        if query.contains(';') {
            errors
                .at("used-by", "the query is more than one statement")
                .add_hint("leave one; a `;` inside a text can be written `chr(59)`");
        }
    }

    fn statement(&self) -> &str {
        self.query.trim().trim_end_matches(';').trim_end()
    }

    /// Asks for the plan, as the role in a session of its own, and looks for the index in it.
    pub async fn find_in_plan(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        found: &FoundIndex,
    ) -> Result<Option<Finding>, CouldNotRun> {
        let wanted = members(session, found).await?;
        let mut settings = BTreeMap::from([("enable_seqscan".to_owned(), "off".to_owned())]);
        settings.extend(self.settings.clone());
        let settings: Vec<(String, String)> = settings.into_iter().collect();
        let mut session = restored
            .session_as(&self.role, &settings)
            .await
            .map_err(|error| {
                CouldNotRun::new(format!(
                    "cannot be {} to ask for the plan: {error}",
                    quote_ident(&self.role)
                ))
            })?;
        let sql = format!(
            "EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) {}",
            self.statement()
        );
        let answer = session.value(&sql).await;
        session.close().await;
        let expected = format!("in the plan of the query, as {}", quote_ident(&self.role));
        let text = match answer {
            Ok(text) => text.unwrap_or_default(),
            // A lost connection or a query that no server reads says nothing about the backup.
            Err(error) if error.lost || error.sqlstate.as_deref() == Some("42601") => {
                return Err(error.into());
            }
            Err(error) => {
                let actual = format!("the query cannot be planned: {error}");
                return Ok(Some(Finding::about(found.to_string(), expected, actual)));
            }
        };
        let plan: Value = serde_json::from_str(&text)
            .map_err(|_| CouldNotRun::new("the server's plan is not JSON"))?;
        let mut steps = Vec::new();
        walk(&plan, None, &mut steps);
        if steps.is_empty() {
            return Err(CouldNotRun::new("the server's plan has no steps"));
        }
        if steps
            .iter()
            .any(|step| wanted.iter().any(|index| step.uses(index)))
        {
            return Ok(None);
        }
        let shown: Vec<String> = steps.iter().map(PlanStep::show).collect();
        Ok(Some(
            Finding::about(found.to_string(), expected, format!("the plan is {}", shown.join(", ")))
                .hint("the operator class must fit the query's operator, and ORDER BY … LIMIT must be what the index can do"),
        ))
    }
}

/// One step of a plan, without anything that may hold a value of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PlanStep {
    node: String,
    index: Option<String>,
    schema: Option<String>,
    relation: Option<String>,
}

impl PlanStep {
    fn uses(&self, index: &QualifiedName) -> bool {
        self.index.as_ref() == Some(&index.name)
            && self
                .schema
                .as_ref()
                .is_none_or(|schema| *schema == index.schema)
    }

    fn show(&self) -> String {
        let mut text = self.node.clone();
        if let Some(index) = &self.index {
            text.push_str(&format!(" using {}", quote_ident(index)));
        }
        if let Some(relation) = &self.relation {
            text.push_str(&format!(" on {}", quote_ident(relation)));
        }
        text
    }
}

/// Collects the steps, outermost first. A bitmap index scan names no schema, so it gets that of the
/// heap scan above it.
fn walk(value: &Value, above: Option<&str>, steps: &mut Vec<PlanStep>) {
    match value {
        Value::Array(items) => {
            for item in items {
                walk(item, above, steps);
            }
        }
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
            let schema = text("Schema").or_else(|| above.map(str::to_owned));
            if let Some(node) = text("Node Type") {
                steps.push(PlanStep {
                    node,
                    index: text("Index Name"),
                    schema: schema.clone(),
                    relation: text("Relation Name"),
                });
            }
            for key in ["Plan", "Plans"] {
                if let Some(inner) = fields.get(key) {
                    walk(inner, schema.as_deref(), steps);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn used_by(query: &str) -> UsedBy {
        UsedBy {
            query: query.to_owned(),
            role: "app".to_owned(),
            settings: BTreeMap::new(),
        }
    }

    #[rstest]
    #[case("SELECT 1", 0)]
    #[case("  with x as (select 1) select * from x;\n", 0)]
    #[case("DELETE FROM app.t", 1)]
    #[case("ANALYZE SELECT 1", 1)]
    #[case("SELECT 1; DELETE FROM app.t", 1)]
    #[case("", 1)]
    fn a_query_is_one_select(#[case] query: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| used_by(query).validate(errors)).len(),
            expected
        );
    }

    #[test]
    fn a_plan_shows_steps_and_no_values() {
        let plan = serde_json::json!([{ "Plan": {
            "Node Type": "Limit",
            "Plans": [
                { "Node Type": "Bitmap Heap Scan", "Schema": "app", "Relation Name": "t",
                  "Recheck Cond": "(email = 'alice@example.org')",
                  "Plans": [{ "Node Type": "Bitmap Index Scan", "Index Name": "t_idx",
                              "Index Cond": "(email = 'alice@example.org')" }] },
            ],
        } }]);
        let mut steps = Vec::new();
        walk(&plan, None, &mut steps);
        let shown: Vec<String> = steps.iter().map(PlanStep::show).collect();
        assert_eq!(
            shown,
            [
                "Limit",
                "Bitmap Heap Scan on t",
                "Bitmap Index Scan using t_idx"
            ]
        );
        let index = |schema: &str| QualifiedName {
            schema: schema.to_owned(),
            name: "t_idx".to_owned(),
        };
        assert!(steps.iter().any(|step| step.uses(&index("app"))));
        assert!(!steps.iter().any(|step| step.uses(&index("other"))));
    }
}
