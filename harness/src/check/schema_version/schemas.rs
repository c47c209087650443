//! The table that registers a schema for each history, such as those of plugins.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::files::Version;
use super::history::missing;
use crate::check::columns::Columns as _;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{Glob, QualifiedName, quote_ident};

/// The table that registers a schema for each history.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schemas {
    /// The table, as in `public.plugin_database_namespaces`.
    pub table: String,
    /// Its column that holds what the column of `per` holds.
    pub key: String,
    /// Its column that holds the name of the schema.
    pub schema: String,
    /// A pattern of names: each schema that it matches must be registered.
    pub named: String,
}

/// Schemas of the application, and how many relations each has.
const SCHEMAS: &str = "
SELECT n.nspname, (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
                    WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p'))
  FROM pg_catalog.pg_namespace n
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

impl Schemas {
    /// Compares what is registered with the schemas of the database and with the histories, of which
    /// `histories` has the number of rows.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn findings(
        &self,
        session: &mut Session,
        histories: &BTreeMap<String, usize>,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let table = QualifiedName::parse(&self.table).map_err(CouldNotRun::new)?;
        let columns = [self.key.as_str(), self.schema.as_str()];
        let findings = missing(session, &table, &columns).await?;
        if !findings.is_empty() {
            return Ok(findings);
        }
        let sql = format!(
            "SELECT r.{}::pg_catalog.text, r.{}::pg_catalog.text FROM {table} r",
            quote_ident(&self.key),
            quote_ident(&self.schema)
        );
        let rows = session.rows(&sql).await?;
        let registered: Vec<(String, String)> = rows
            .iter()
            .map(|row| {
                (
                    row.text(0).unwrap_or_default(),
                    row.text(1).unwrap_or_default(),
                )
            })
            .collect();
        let rows = session.rows(SCHEMAS).await?;
        let there = rows.iter().filter_map(|row| {
            let tables: u64 = row.text(1)?.parse().ok()?;
            Some((row.text(0)?, tables))
        });
        Ok(self.compare(&table.to_string(), &registered, &there.collect(), histories))
    }

    /// `there` has the number of tables of each schema.
    fn compare(
        &self,
        table: &str,
        registered: &[(String, String)],
        there: &BTreeMap<String, u64>,
        histories: &BTreeMap<String, usize>,
    ) -> Vec<Finding> {
        let shown = |name: &str| Version::Text(name.to_owned()).to_string();
        let mut findings = Vec::new();
        for (key, schema) in registered {
            let object = format!("schema {}", shown(&quote_ident(schema)));
            let key_shown = shown(key);
            match there.get(schema) {
                None => findings.push(
                    Finding::about(object, format!("the schema of {key_shown}, as {table} says"), "there is none")
                        .hint("the backup leaves this schema out, as one that takes only some schemas does (`--schema`)"),
                ),
                Some(0) if histories.contains_key(key) => findings.push(
                    Finding::about(object, format!("tables of {key_shown}, whose migrations are applied"), "no table")
                        .hint("the schema is there and its tables are lost"),
                ),
                Some(_) => {}
            }
            if !histories.contains_key(key) {
                findings.push(
                    Finding::about(
                        table,
                        format!("applied migrations of {key_shown}"),
                        "no row",
                    )
                    .hint("the rows of its history are lost"),
                );
            }
        }
        let named = Glob::new(&self.named);
        let known: BTreeSet<&str> = registered
            .iter()
            .map(|(_, schema)| schema.as_str())
            .collect();
        for schema in there.keys().filter(|schema| named.matches(schema)) {
            if !known.contains(schema.as_str()) {
                findings.push(
                    Finding::about(
                        format!("schema {}", shown(&quote_ident(schema))),
                        format!("a row in {table} for each schema named `{}`", self.named),
                        "none has this schema",
                    )
                    .hint("its row is lost, or the schema is what is left of something that was removed"),
                );
            }
        }
        let keys: BTreeSet<&str> = registered.iter().map(|(key, _)| key.as_str()).collect();
        for key in histories.keys().filter(|key| !keys.contains(key.as_str())) {
            findings.push(
                Finding::about(
                    table,
                    format!("a row for {}, which has applied migrations", shown(key)),
                    "there is none",
                )
                .hint(
                    "its row is lost, or the history is what is left of something that was removed",
                ),
            );
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::whole(&[("a", "p_a"), ("b", "p_b")], &[("p_a", 2), ("p_b", 1), ("public", 9)], &["a", "b"], &[])]
    #[case::schema_lost(&[("a", "p_a")], &[("public", 9)], &["a"], &["schema p_a: there is none"])]
    #[case::tables_lost(&[("a", "p_a")], &[("p_a", 0)], &["a"], &["schema p_a: no table"])]
    #[case::unknown_schema(&[("a", "p_a")], &[("p_a", 1), ("p_x", 1)], &["a"], &["schema p_x: none has this schema"])]
    #[case::row_lost(&[], &[("p_a", 1)], &["a"], &["schema p_a: none has", "public.n: there is none (expected a row for a"])]
    #[case::history_lost(&[("a", "p_a")], &[("p_a", 1)], &[], &["public.n: no row (expected applied migrations of a"])]
    #[case::hostile(&[], &[("p_\n\"", 0)], &[], &["schema \"p_\u{fffd}\"\"\": none has"])]
    fn what_is_registered_is_what_is_there(
        #[case] registered: &[(&str, &str)],
        #[case] there: &[(&str, u64)],
        #[case] histories: &[&str],
        #[case] expected: &[&str],
    ) {
        let schemas = Schemas {
            table: "public.n".to_owned(),
            key: "k".to_owned(),
            schema: "s".to_owned(),
            named: "p_*".to_owned(),
        };
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        let registered: Vec<_> = registered.iter().map(owned).collect();
        let there = there
            .iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect();
        let histories = histories
            .iter()
            .map(|name| ((*name).to_owned(), 1))
            .collect();
        let findings = schemas.compare("public.n", &registered, &there, &histories);
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for (finding, text) in findings.iter().zip(expected) {
            assert!(finding.in_one_line().contains(text), "{finding:#?}");
        }
    }
}
