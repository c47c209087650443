//! Recall: how much of the exact answer an index finds.
//!
//! - `index` finds the indexes, and reads whether a plan uses one
//! - `measured` compares what was found with the exact answer

mod index;
mod measured;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use self::index::{VectorIndex, indexes, names, uses};
use self::measured::{Measured, neighbours};
use super::TableResult;
use super::contents::VectorColumn;
use crate::check::absent;
use crate::check::privilege::says_nothing;
use crate::check::{ParameterErrors, Restored};
use crate::database::{DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::RoleFacts;
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::Percent;

/// How much of the exact answer a search through an index finds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recall {
    /// The least share of the true neighbours that a search finds, over all queries.
    pub min: Percent,
    /// How many neighbours are asked for. Default: 10.
    pub k: Option<u32>,
    /// How many vectors of the table are searched for. Default: 20.
    pub queries: Option<u32>,
    /// The index. Default: every HNSW and IVFFlat index of the column.
    pub index: Option<String>,
    /// The operator that the application searches by, as in `<=>`: there must be an index for it, and only
    /// such are searched.
    pub operator: Option<String>,
    /// The role that searches. Default: the superuser.
    pub role: Option<String>,
    /// Settings of its session, over its own.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// A condition that the application's search has too.
    #[serde(rename = "where")]
    pub condition: Option<String>,
}

/// The most neighbours and queries: more is a benchmark.
const MOST: u32 = 1000;

impl Recall {
    /// Finds what asserts nothing or cannot be asked.
    pub fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let key = "recall";
        if self.min.0 <= 0.0 {
            errors.at(key, "every index finds 0 %: this asserts nothing");
        }
        for (name, number) in [("k", self.k), ("queries", self.queries)] {
            if number.is_some_and(|number| number == 0 || number > MOST) {
                errors.at(key, format!("`{name}` is 1 to {MOST}"));
            }
        }
        errors.require_condition(key, self.condition.as_ref());
    }

    fn k(&self) -> usize {
        self.k.unwrap_or(10) as usize
    }

    /// Says what is expected.
    pub fn expectation(&self) -> String {
        format!("recall@{} at least {} %", self.k(), self.min.0)
    }
}

/// Vectors of the table to search for: the same each time, and from all over it.
const SAMPLE: &str = "
SELECT ({key})::pg_catalog.text
  FROM {table}
 WHERE (tableoid, ctid) IN (
       SELECT tableoid, ctid FROM {table}
        WHERE ({key}) IS NOT NULL AND {predicate}
        ORDER BY pg_catalog.md5(tableoid::pg_catalog.regclass::pg_catalog.text || ctid::pg_catalog.text)
        LIMIT {queries})
 ORDER BY 1";

/// The nearest neighbours.
const SEARCH: &str = "
SELECT tableoid, ctid, ({key}) OPERATOR({operator}) {query}
  FROM {table}
 WHERE {predicate} AND {condition}
 ORDER BY ({key}) OPERATOR({operator}) {query}
 LIMIT {k}";

/// Settings that make a search exact.
const EXACT: &[(&str, &str)] = &[
    ("enable_indexscan", "off"),
    ("enable_indexonlyscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_seqscan", "on"),
    ("jit", "off"),
];

/// Settings that make a search go through an index, where it can.
const APPROXIMATE: &[(&str, &str)] = &[("enable_seqscan", "off"), ("jit", "off")];

impl Recall {
    /// Looks at every index that is asked for.
    pub(super) async fn check(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        table: &QualifiedName,
        column: &VectorColumn,
        seen: &mut TableResult,
    ) -> Result<(), CouldNotRun> {
        let all = indexes(session, table, column).await?;
        let indexes: Vec<&VectorIndex> = all
            .iter()
            .filter(|index| {
                self.index
                    .as_ref()
                    .is_none_or(|name| index.name.name == *name)
            })
            .filter(|index| self.operator.as_ref().is_none_or(|o| index.operator == *o))
            .collect();
        if indexes.is_empty() {
            seen.findings.push(self.no_index(table, column, &all));
            return Ok(());
        }
        if let Some(role) = &self.role
            && RoleFacts::read(session, role).await?.is_none()
        {
            seen.findings.push(
                Finding::about(
                    format!("role {}", quote_ident(role)),
                    "a role that searches",
                    "there is none in the restored server",
                )
                .hint("look for its CREATE ROLE in the backup"),
            );
            return Ok(());
        }
        let mut searcher = Searcher {
            exact: self.open(restored, column, EXACT).await?,
            approximate: self.open(restored, column, APPROXIMATE).await?,
        };
        for index in indexes {
            let object = format!("{} on {table}", index.name);
            if !index.valid {
                seen.findings.push(
                    Finding::about(
                        object,
                        "a valid index",
                        "it is invalid, so it is never used",
                    )
                    .hint("REINDEX it"),
                );
                continue;
            }
            match self.measure(session, &mut searcher, table, index).await {
                Ok(measured) => {
                    seen.actual.push(format!(
                        "{} recall@{} {}",
                        quote_ident(&index.name.name),
                        self.k(),
                        measured.show()
                    ));
                    seen.findings
                        .extend(self.compare(&object, index, &measured));
                }
                Err(Unable::Failed(error)) => seen.findings.push(Finding::about(
                    object,
                    "a search that is answered",
                    format!("it ends in an error: {error}"),
                )),
                Err(Unable::Unclear(unable)) => seen.unclear.push(unable),
            }
        }
        searcher.exact.close().await;
        searcher.approximate.close().await;
        Ok(())
    }

    /// Makes the finding that no index fits.
    fn no_index(
        &self,
        table: &QualifiedName,
        column: &VectorColumn,
        all: &[VectorIndex],
    ) -> Finding {
        let mut expected = match &self.index {
            Some(name) => format!("the index {}", quote_ident(name)),
            None => "an HNSW or IVFFlat index".to_owned(),
        };
        expected.push_str(&format!(" on {}", quote_ident(&column.name)));
        if let Some(operator) = &self.operator {
            expected.push_str(&format!(" for {operator}"));
        }
        let there: Vec<String> = all
            .iter()
            .map(|index| format!("{} for {}", quote_ident(&index.name.name), index.operator))
            .collect();
        let actual = if there.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there is only {}", there.join(", "))
        };
        Finding::about(table.to_string(), expected, actual).hint(format!(
            "searches read the whole table without it; {}",
            absent::why("CREATE INDEX")
        ))
    }

    /// Opens a session that searches as the application does, but for these settings.
    async fn open(
        &self,
        restored: &Restored<'_>,
        column: &VectorColumn,
        settings: &[(&str, &str)],
    ) -> Result<Session, CouldNotRun> {
        let mut session = match &self.role {
            None => restored.own_session().await?,
            Some(role) => restored.session_as(role, &[]).await.map_err(|error| {
                CouldNotRun::new(format!("cannot be {}: {error}", quote_ident(role)))
            })?,
        };
        // Only once the library is loaded does the server know its settings, and refuse unknown ones.
        let load = format!(
            "SELECT '[1]'::{}.vector IS NULL",
            quote_ident(&column.extension)
        );
        session
            .run(&load)
            .await
            .map_err(|error| CouldNotRun::new(format!("pgvector cannot be used: {error}")))?;
        let own = self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        // A role that is taken on may lack the right to anything else, so it comes last.
        let (roles, others): (Vec<_>, Vec<_>) = own.partition(|(name, _)| *name == "role");
        for (name, value) in others
            .into_iter()
            .chain(settings.iter().copied())
            .chain(roles)
        {
            let sql = format!(
                "SELECT pg_catalog.set_config({}, {}, false)",
                quote_literal(name),
                quote_literal(value)
            );
            session.run(&sql).await.map_err(|error| {
                CouldNotRun::new(format!("the setting {name} cannot be made: {error}"))
            })?;
        }
        Ok(session)
    }

    /// Searches through one index and without it.
    async fn measure(
        &self,
        session: &mut Session,
        searcher: &mut Searcher,
        table: &QualifiedName,
        index: &VectorIndex,
    ) -> Result<Measured, Unable> {
        let predicate = index.predicate.as_deref().unwrap_or("true");
        let sql = SAMPLE
            .replace("{key}", &index.key)
            .replace("{table}", &table.to_string())
            .replace("{predicate}", &format!("({predicate})"))
            .replace("{queries}", &self.queries.unwrap_or(20).to_string());
        let sample = session.rows(&sql).await.map_err(Unable::of)?;
        if sample.is_empty() {
            return Err(Unable::Unclear(CouldNotRun::new(format!(
                "{} holds no vector",
                index.name
            ))));
        }
        let members = names(session, &index.name).await.map_err(Unable::of)?;
        let relations = names(session, table).await.map_err(Unable::of)?;
        let mut measured = Measured::default();
        for query in sample.iter().filter_map(|row| row.first()?.as_deref()) {
            let sql = self.search(table, index, query);
            if measured.queries == 0 {
                let explain = format!("EXPLAIN (FORMAT JSON, COSTS OFF) {sql}");
                let plan = searcher.approximate.value(&explain).await;
                let plan = plan.map_err(Unable::of)?.unwrap_or_default();
                if let Err(other) = uses(&plan, &members, &relations) {
                    return Err(Unable::Unclear(
                        CouldNotRun::new(format!(
                            "a search on {table} is not planned through {}: {other}",
                            quote_ident(&index.name.name)
                        ))
                        .hint(
                            "another index for the same operator is preferred, or one for `where`; \
                               name that one, or see by a check of kind `index` which is used",
                        ),
                    ));
                }
            }
            let exact = searcher.exact.rows(&sql).await.map_err(Unable::of)?;
            let found = searcher.approximate.rows(&sql).await.map_err(Unable::of)?;
            measured.add(&neighbours(&exact), &neighbours(&found));
        }
        if measured.wanted == 0 {
            return Err(Unable::Unclear(
                CouldNotRun::new(format!("an exact search on {table} finds no row"))
                    .hint("see that the role and `where` leave any"),
            ));
        }
        Ok(measured)
    }

    /// Writes a search.
    fn search(&self, table: &QualifiedName, index: &VectorIndex, query: &str) -> String {
        let query = format!("{}::{}", quote_literal(query), index.of_type);
        let condition = self.condition.as_deref().unwrap_or("true");
        SEARCH
            .replace("{table}", &table.to_string())
            .replace("{operator}", &index.qualified)
            .replace("{k}", &self.k().to_string())
            .replace(
                "{predicate}",
                &format!("({})", index.predicate.as_deref().unwrap_or("true")),
            )
            .replace("{key}", &index.key)
            .replace("{condition}", &format!("({condition}\n)"))
            .replace("{query}", &query)
    }

    /// Compares with the floor.
    fn compare(&self, object: &str, index: &VectorIndex, measured: &Measured) -> Option<Finding> {
        // A share that was rounded up must not pass.
        if measured.share() * 100.0 >= self.min.0 - 1e-9 {
            return None;
        }
        let hint = if index.method == "ivfflat" {
            "REINDEX it once the rows are there: what was built over an empty table knows nothing of \
             them; or `ivfflat.probes` is lower than the application's"
        } else {
            "see that `hnsw.ef_search` is the application's and came back with its role; else REINDEX it"
        };
        let finding = Finding::about(object, self.expectation(), measured.show());
        Some(finding.hint(hint))
    }
}

/// Two sessions that answer the same search.
struct Searcher {
    exact: Session,
    approximate: Session,
}

/// Why an index was not measured.
enum Unable {
    /// The restored database does not answer.
    Failed(DatabaseError),
    /// It says nothing about the index.
    Unclear(CouldNotRun),
}

impl Unable {
    fn of(error: DatabaseError) -> Self {
        let syntax = error.sqlstate.as_deref() == Some("42601");
        if error.lost || syntax || says_nothing(&error) {
            Self::Unclear(CouldNotRun::new(format!("a search ended in {error}")))
        } else {
            Self::Failed(error)
        }
    }
}
