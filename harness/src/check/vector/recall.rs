//! Recall: how much of the exact answer an index finds.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Seen;
use super::contents::Column;
use crate::check::privilege::says_nothing;
use crate::check::{Complaint, CouldNotLook, Restored};
use crate::database::{DatabaseError, Session};
use crate::outcome::Finding;
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
    /// such are looked at.
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
    pub fn complaints(&self) -> Vec<Complaint> {
        let key = "recall";
        let mut complaints = Vec::new();
        if self.min.0 <= 0.0 {
            complaints.push(Complaint::about(
                key,
                "every index finds 0 %: this asserts nothing",
            ));
        }
        for (name, number) in [("k", self.k), ("queries", self.queries)] {
            if number.is_some_and(|number| number == 0 || number > MOST) {
                complaints.push(Complaint::about(key, format!("`{name}` is 1 to {MOST}")));
            }
        }
        if let Some(condition) = &self.condition
            && (condition.trim().is_empty() || condition.contains(';'))
        {
            complaints.push(Complaint::about(key, "`where` is one condition"));
        }
        complaints
    }

    fn k(&self) -> usize {
        self.k.unwrap_or(10) as usize
    }

    /// Says what is expected.
    pub fn expectation(&self) -> String {
        format!("recall@{} at least {} %", self.k(), self.min.0)
    }
}

/// Vector indexes of a table whose key is the column or an expression of it: their names, method, key,
/// condition, operator, type, and whether they are valid.
const INDEXES: &str = "
SELECT xn.nspname, x.relname, am.amname,
       pg_catalog.pg_get_indexdef(i.indexrelid, 1, false),
       pg_catalog.pg_get_expr(i.indpred, i.indrelid),
       onsp.nspname, o.oprname, tn.nspname, t.typname,
       i.indisvalid AND i.indisready AND i.indislive
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace xn ON xn.oid = x.relnamespace
  JOIN pg_catalog.pg_am am ON am.oid = x.relam AND am.amname IN ('hnsw', 'ivfflat')
  JOIN pg_catalog.pg_opclass c ON c.oid = i.indclass[0]
  JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amoppurpose = 'o'
   AND p.amoplefttype = c.opcintype
  JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
  JOIN pg_catalog.pg_namespace onsp ON onsp.oid = o.oprnamespace
  JOIN pg_catalog.pg_type t ON t.oid = o.oprright
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attname = {column}
 WHERE i.indrelid = {table}::pg_catalog.regclass
   AND (i.indkey[0] = a.attnum
        OR (i.indkey[0] = 0 AND EXISTS (
              SELECT FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
                 AND d.refobjsubid = a.attnum)))
 ORDER BY 2";

/// An index that can be searched.
struct Index {
    name: QualifiedName,
    method: String,
    /// The column or the expression, as SQL.
    key: String,
    /// The condition of a partial index.
    predicate: Option<String>,
    operator: String,
    /// The operator with its schema.
    qualified: String,
    /// The type of what is searched for.
    of_type: String,
    valid: bool,
}

/// What an index or a table is together with all below it.
const MEMBERS: &str = "
SELECT c.relname FROM pg_catalog.pg_class c
 WHERE c.oid = {relation}::pg_catalog.regclass
    OR c.oid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree({relation}::pg_catalog.regclass) p)
    OR c.oid IN (WITH RECURSIVE tree(oid) AS (
                   SELECT {relation}::pg_catalog.regclass::pg_catalog.oid
                    UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN tree ON h.inhparent = tree.oid)
                 SELECT oid FROM tree)";

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
    pub(super) async fn look(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        table: &QualifiedName,
        column: &Column,
        seen: &mut Seen,
    ) -> Result<(), CouldNotLook> {
        let all = indexes(session, table, column).await?;
        let indexes: Vec<&Index> = all
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
    fn no_index(&self, table: &QualifiedName, column: &Column, all: &[Index]) -> Finding {
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
        Finding::about(table.to_string(), expected, actual)
            .hint("searches read the whole table without it; look for its CREATE INDEX in the restore's errors")
    }

    /// Opens a session that searches as the application does, but for these settings.
    async fn open(
        &self,
        restored: &Restored<'_>,
        column: &Column,
        settings: &[(&str, &str)],
    ) -> Result<Session, CouldNotLook> {
        let mut session = match &self.role {
            None => restored.own_session().await?,
            Some(role) => restored.session_as(role, &[]).await.map_err(|error| {
                CouldNotLook::because(format!("cannot be {}: {error}", quote_ident(role)))
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
            .map_err(|error| CouldNotLook::because(format!("pgvector cannot be used: {error}")))?;
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
                CouldNotLook::because(format!("the setting {name} cannot be made: {error}"))
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
        index: &Index,
    ) -> Result<Measured, Unable> {
        let predicate = index.predicate.as_deref().unwrap_or("true");
        let sql = SAMPLE
            .replace("{key}", &index.key)
            .replace("{table}", &table.to_string())
            .replace("{predicate}", &format!("({predicate})"))
            .replace("{queries}", &self.queries.unwrap_or(20).to_string());
        let sample = session.rows(&sql).await.map_err(Unable::of)?;
        if sample.is_empty() {
            return Err(Unable::Unclear(CouldNotLook::because(format!(
                "{} holds no vector",
                index.name
            ))));
        }
        let members = names(session, &index.name).await?;
        let relations = names(session, table).await?;
        let mut measured = Measured::default();
        for query in sample.iter().filter_map(|row| row.first()?.as_deref()) {
            let sql = self.search(table, index, query);
            if measured.queries == 0 {
                let explain = format!("EXPLAIN (FORMAT JSON, COSTS OFF) {sql}");
                let plan = searcher.approximate.value(&explain).await;
                let plan = plan.map_err(Unable::of)?.unwrap_or_default();
                if let Err(other) = uses(&plan, &members, &relations) {
                    return Err(Unable::Unclear(
                        CouldNotLook::because(format!(
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
                CouldNotLook::because(format!("an exact search on {table} finds no row"))
                    .hint("see that the role and `where` leave any"),
            ));
        }
        Ok(measured)
    }

    /// Writes a search.
    fn search(&self, table: &QualifiedName, index: &Index, query: &str) -> String {
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
    fn compare(&self, object: &str, index: &Index, measured: &Measured) -> Option<Finding> {
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
    Unclear(CouldNotLook),
}

impl Unable {
    fn of(error: DatabaseError) -> Self {
        let syntax = error.sqlstate.as_deref() == Some("42601");
        if error.lost || syntax || says_nothing(&error) {
            Self::Unclear(CouldNotLook::because(format!("a search ended in {error}")))
        } else {
            Self::Failed(error)
        }
    }
}

/// A row and its distance.
type Neighbour = ((String, String), f64);

/// Reads the rows of a search; a distance that is none (NULL, NaN) is no neighbour.
fn neighbours(rows: &[Vec<Option<String>>]) -> Vec<Neighbour> {
    rows.iter()
        .filter_map(|row| match row.as_slice() {
            [Some(table), Some(place), Some(distance)] => {
                let distance: f64 = distance.parse().ok()?;
                (!distance.is_nan()).then(|| ((table.clone(), place.clone()), distance))
            }
            _ => None,
        })
        .collect()
}

/// What searches found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Measured {
    queries: u64,
    wanted: u64,
    found: u64,
    /// Searches that gave fewer rows than there are.
    short: u64,
}

impl Measured {
    /// Adds one search: the exact answer and what the index gave. Whatever is as near as the last of the
    /// exact answer is a true neighbour; a row that comes twice counts once.
    fn add(&mut self, exact: &[Neighbour], found: &[Neighbour]) {
        let Some((_, farthest)) = exact.last() else {
            return;
        };
        let limit = farthest + farthest.abs() * 1e-6 + 1e-12;
        let near: HashSet<&(String, String)> = found
            .iter()
            .filter(|(_, distance)| *distance <= limit)
            .map(|(place, _)| place)
            .collect();
        self.queries += 1;
        self.wanted += exact.len() as u64;
        self.found += near.len().min(exact.len()) as u64;
        self.short += u64::from(found.len() < exact.len());
    }

    #[expect(clippy::cast_precision_loss, reason = "a share is approximate")]
    fn share(&self) -> f64 {
        self.found as f64 / self.wanted.max(1) as f64
    }

    fn show(&self) -> String {
        // Never rounded up: 94.96 % is not 95 %.
        let share = (self.share() * 1000.0).floor() / 10.0;
        let mut text = format!("{share} % over {} searches", self.queries);
        if self.short > 0 {
            text.push_str(&format!(", {} of which gave too few rows", self.short));
        }
        text
    }
}

/// Reads the vector indexes of a column.
async fn indexes(
    session: &mut Session,
    table: &QualifiedName,
    column: &Column,
) -> Result<Vec<Index>, CouldNotLook> {
    let sql = INDEXES
        .replace("{table}", &table.literal())
        .replace("{column}", &quote_literal(&column.name));
    let rows = session.rows(&sql).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| <[Option<String>; 10]>::try_from(row).ok())
        .filter_map(|row| {
            let [
                schema,
                name,
                method,
                key,
                predicate,
                of,
                operator,
                type_of,
                type_name,
                valid,
            ] = row;
            let operator = operator?;
            Some(Index {
                name: QualifiedName {
                    schema: schema?,
                    name: name?,
                },
                method: method?,
                key: key?,
                predicate,
                qualified: format!("{}.{operator}", quote_ident(&of?)),
                operator,
                of_type: format!("{}.{}", quote_ident(&type_of?), quote_ident(&type_name?)),
                valid: valid.as_deref() == Some("t"),
            })
        })
        .collect())
}

/// Names of a relation and of all below it.
async fn names(session: &mut Session, relation: &QualifiedName) -> Result<Vec<String>, Unable> {
    let sql = MEMBERS.replace("{relation}", &relation.literal());
    let rows = session.rows(&sql).await.map_err(Unable::of)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next()?)
        .collect())
}

/// Tells whether every scan of these relations in a plan goes through one of these indexes; else which
/// steps there are.
fn uses(plan: &str, indexes: &[String], relations: &[String]) -> Result<(), String> {
    let plan: Value =
        serde_json::from_str(plan).map_err(|_| "the server's plan is not JSON".to_owned())?;
    let mut scans = Vec::new();
    collect(&plan, relations, &mut scans);
    let ours = |scan: &(String, Option<String>)| {
        scan.1.as_ref().is_some_and(|index| indexes.contains(index))
    };
    if !scans.is_empty() && scans.iter().all(ours) {
        return Ok(());
    }
    let steps: Vec<String> = scans
        .into_iter()
        .map(|(step, index)| match index {
            Some(index) => format!("{step} using {}", quote_ident(&index)),
            None => step,
        })
        .collect();
    Err(if steps.is_empty() {
        "no scan of it".to_owned()
    } else {
        steps.join(", ")
    })
}

/// Collects the scans of relations with the index that they use.
fn collect(value: &Value, relations: &[String], scans: &mut Vec<(String, Option<String>)>) {
    match value {
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(item, relations, scans)),
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
            if let (Some(step), Some(relation)) = (text("Node Type"), text("Relation Name"))
                && relations.contains(&relation)
            {
                scans.push((step, text("Index Name")));
            }
            for key in ["Plan", "Plans"] {
                if let Some(inner) = fields.get(key) {
                    collect(inner, relations, scans);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn rows(distances: &[(u32, f64)]) -> Vec<Neighbour> {
        distances
            .iter()
            .map(|(place, distance)| (("1".to_owned(), place.to_string()), *distance))
            .collect()
    }

    #[rstest]
    #[case(&[(1, 0.0), (2, 1.0)], (2, 0))]
    // Another row at the same distance is as good.
    #[case(&[(1, 0.0), (3, 1.0)], (2, 0))]
    #[case(&[(1, 0.0), (3, 1.1)], (1, 0))]
    #[case(&[(1, 0.0)], (1, 1))]
    #[case(&[], (0, 1))]
    // A damaged index may give a row twice.
    #[case(&[(1, 0.0), (1, 0.0)], (1, 0))]
    fn neighbours_are_counted(#[case] found: &[(u32, f64)], #[case] expected: (u64, u64)) {
        let mut measured = Measured::default();
        measured.add(&rows(&[(1, 0.0), (2, 1.0)]), &rows(found));
        assert_eq!((measured.found, measured.short), expected);
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        let measured = Measured {
            queries: 1,
            wanted: 10_000,
            found: 9_499,
            short: 0,
        };
        assert!(measured.show().starts_with("94.9 %"), "{}", measured.show());
    }

    #[test]
    fn inner_products_are_negative() {
        let mut measured = Measured::default();
        measured.add(
            &rows(&[(1, -9.0), (2, -8.0)]),
            &rows(&[(1, -9.0), (3, -7.9)]),
        );
        assert_eq!(measured.found, 1);
    }

    #[rstest]
    #[case(r#"[{"Plan":{"Node Type":"Limit","Plans":[{"Node Type":"Index Scan","Relation Name":"t","Index Name":"i"}]}}]"#, true)]
    #[case(r#"[{"Plan":{"Node Type":"Limit","Plans":[{"Node Type":"Index Scan","Relation Name":"t","Index Name":"j"}]}}]"#, false)]
    #[case(
        r#"[{"Plan":{"Node Type":"Sort","Plans":[{"Node Type":"Seq Scan","Relation Name":"t"}]}}]"#,
        false
    )]
    #[case(r#"[{"Plan":{"Node Type":"Result"}}]"#, false)]
    fn the_plan_must_use_the_index(#[case] plan: &str, #[case] good: bool) {
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(uses(plan, &names("i"), &names("t")).is_ok(), good);
    }
}
