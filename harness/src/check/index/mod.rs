//! `index`: indexes are there, valid, as they were defined, and used.

mod catalog;
mod compare;
mod definition;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use self::catalog::{all_of, everything, find, partitions};
use self::compare::{absent, against_baseline, invalid};
use self::plan::UsedBy;
use crate::check::known::KnownState;
use crate::check::target::Targets;
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding, summarize};
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// Indexes are there, valid, as they were defined, and used by the queries they were made for.
///
/// One of three ways to say which: `index` or `indexes` on each of the tables named by `table` or
/// `tables`; every index of these tables with `all-valid`; every index of a `baseline`. An index is
/// named without a schema: it is always in that of its table.
///
/// ## What it proves
/// - each index is there, and the server marks it valid, ready and live; a partitioned one on
///   every partition too
/// - `method`, `unique`, `columns`, `operator-classes`, `options`, `definition`: it is the index that
///   was meant. An operator class of another distance leaves a vector index unused without a word.
/// - `used-by`: the plan of a query, made as the role that runs it, uses the index. The plan is only
///   asked for (EXPLAIN); nothing is executed.
/// - `baseline`: no index of the baseline is missing or was changed; further ones do no harm. An
///   invalid index at the source is never in a dump, so only a baseline shows that it is gone.
///
/// Definitions are compared as `pg_get_indexdef` writes them, white space aside. A name without a
/// schema in the expected definition stands for one in any schema.
///
/// The plan is made with `enable_seqscan = off`, because on a table of a few thousand rows reading
/// all of it is rightly cheaper. So `used-by` proves that the index can serve the query. `settings`
/// may say `enable_seqscan = "on"` where the tables are large enough and have been analysed.
///
/// ## What it does not prove
/// That the index holds every row and finds the right neighbours: an ivfflat index that was built
/// before the data came is valid and useless, and so may be a btree under another collation.
///
/// ## Example
/// ```toml
/// [[check.index]]
/// name = "every org has its vector index"
/// tables = ["org_*.engrams"]
/// index = "engrams_embedding_hnsw_idx"
/// method = "hnsw"
/// operator-classes = { embedding = "vector_cosine_ops" }
/// options = { m = 16, ef_construction = 100 }
///
/// [[check.index]]
/// table = "org_acme.engrams"
/// index = "engrams_embedding_hnsw_idx"
///
/// [check.index.used-by]
/// role = "plur_org_acme"
/// query = "SELECT e.id FROM org_acme.engrams e ORDER BY e.embedding OPERATOR(public.<=>) (SELECT q.embedding FROM org_acme.engrams q LIMIT 1) LIMIT 10"
///
/// [[check.index]]
/// tables = ["plur.*"]
/// all-valid = true
///
/// [[check.index]]
/// baseline = "plur.baseline.json"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Index {
    /// The table it is on.
    pub table: Option<String>,
    /// Several tables, each with the index; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// One index, without schema.
    pub index: Option<String>,
    /// Several indexes, without schema: each is there and valid.
    #[serde(default)]
    pub indexes: Vec<String>,
    /// Every index of the tables, and of their partitions, is valid.
    pub all_valid: Option<bool>,
    /// The access method, as in `btree`, `gin`, `hnsw`.
    pub method: Option<String>,
    /// Whether it is unique.
    pub unique: Option<bool>,
    /// The key columns or expressions in order, as in `["org", "lower(email)"]`.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The operator class of a key column, as in `{ embedding = "vector_cosine_ops" }`.
    #[serde(default)]
    pub operator_classes: BTreeMap<String, String>,
    /// Storage options, as in `{ lists = 20 }`.
    #[serde(default)]
    pub options: BTreeMap<String, OptionValue>,
    /// The whole definition, as `pg_get_indexdef` writes it.
    pub definition: Option<String>,
    /// A query whose plan must use the index.
    pub used_by: Option<UsedBy>,
    /// A baseline file, relative to the scenario, whose `indexes` must all be there.
    pub baseline: Option<PathBuf>,
}

/// The value of a storage option: a number, true, false, or text.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transparent, extend("type" = ["string", "integer", "boolean"]))]
pub struct OptionValue(#[schemars(with = "serde_json::Value")] pub String);

impl<'de> Deserialize<'de> for OptionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = OptionValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, true, false or a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<OptionValue, E> {
                Ok(OptionValue(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<OptionValue, E> {
                Ok(OptionValue(number.to_string()))
            }
            fn visit_bool<E: de::Error>(self, yes: bool) -> Result<OptionValue, E> {
                Ok(OptionValue(if yes { "on" } else { "off" }.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Parameters for Index {
    const KIND: &'static str = "index";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let several = !self.tables.is_empty();
        let of_one_table = [
            ("definition", self.definition.is_some()),
            ("used-by", self.used_by.is_some()),
        ];
        if self.index.is_none() {
            let properties = [
                ("method", self.method.is_some()),
                ("unique", self.unique.is_some()),
                ("columns", !self.columns.is_empty()),
                ("operator-classes", !self.operator_classes.is_empty()),
                ("options", !self.options.is_empty()),
            ];
            let (words, hint) = ("is about one index", "name it: `index = \"…\"`");
            errors.each(properties, words, hint);
            errors.each(of_one_table, words, hint);
        }
        if several {
            errors.require_one_table(of_one_table);
        }
        errors.refuse_pattern("table", "tables", self.table.as_ref());
        if self.index.is_some() && !self.indexes.is_empty() {
            errors.at(
                "indexes",
                "`index` and `indexes` do not go together; list all in `indexes`",
            );
        }
        let asserted = [
            self.index.is_some() || !self.indexes.is_empty(),
            self.all_valid == Some(true),
        ];
        if self.baseline.is_none() {
            self.targets().validate(errors);
            errors.require_assertion(
                asserted,
                "add `index`, `indexes`, `all-valid = true` or `baseline`",
            );
        } else if asserted.contains(&true) || self.table.is_some() || several {
            errors
                .at("baseline", "a baseline names its own indexes")
                .add_hint("write a second check for the other indexes");
        }
        if let Some(used_by) = &self.used_by {
            used_by.validate(errors);
        }
    }
}

#[async_trait]
impl Check for Index {
    fn inputs(&self) -> Vec<PathBuf> {
        self.baseline.iter().cloned().collect()
    }

    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        match (&self.baseline, names.as_slice()) {
            (Some(baseline), _) => format!("indexes of {}", baseline.display()),
            (None, []) => format!("indexes of {}", self.targets().describe()),
            (None, [one]) => format!("index {one} of {}", self.targets().describe()),
            (None, many) => format!(
                "{} of {}",
                show_counted(many.len(), "index"),
                self.targets().describe()
            ),
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let observation = match &self.baseline {
            Some(path) => {
                let baseline = KnownState::load(restored.folder, path)?;
                let there = everything(&mut session).await?;
                let (checked, findings) = against_baseline(&baseline, &there)?;
                Observation::new(
                    self.expectation(),
                    describe_result(checked, &findings),
                    findings,
                )
            }
            None => self.tables(restored, &mut session).await?,
        };
        session.close().await;
        Ok(observation)
    }
}

/// Says what was found, in one line.
fn describe_result(checked: usize, findings: &[Finding]) -> String {
    let indexes = show_counted(checked, "index");
    match findings.len() {
        0 => format!("{indexes}, nothing wrong"),
        _ => format!("{indexes}; {}", summarize(findings, "finding")),
    }
}

impl Index {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let several = self.indexes.iter().map(String::as_str);
        self.index.as_deref().into_iter().chain(several)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        if let Some(path) = &self.baseline {
            return format!("every index of {}, unchanged and valid", path.display());
        }
        let mut parts = Vec::new();
        let names: Vec<&str> = self.names().collect();
        if !names.is_empty() {
            parts.push(format!("{} there and valid", names.join(", ")));
        }
        if self.all_valid == Some(true) {
            parts.push("every index valid".to_owned());
        }
        if let Some(method) = &self.method {
            parts.push(format!("made with {method}"));
        }
        if self.used_by.is_some() {
            parts.push("used by the query".to_owned());
        }
        format!("on {}: {}", self.targets().describe(), parts.join(", "))
    }

    /// Looks at the indexes of the named tables.
    async fn tables(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
    ) -> Result<Observation, CouldNotRun> {
        let resolved = self.targets().resolve(session).await?;
        let mut entries = Vec::new();
        let (mut checked, mut wrong) = (0, resolved.missing.clone());
        for table in &resolved.tables {
            let began = Instant::now();
            let (indexes, findings) = self.table(restored, session, table).await?;
            // A table without an index says nothing where only existing indexes are checked.
            if indexes == 0 && findings.is_empty() {
                continue;
            }
            checked += indexes;
            wrong.extend(findings.iter().cloned());
            entries.push(Entry::new(
                table,
                self.expectation(),
                describe_result(indexes, &findings),
                findings,
                began,
            ));
        }
        if checked == 0 && wrong.is_empty() {
            return Err(CouldNotRun::new(format!(
                "{} has no index, so none was checked",
                self.targets().describe()
            ))
            .hint("name the indexes that must be there in `indexes`"));
        }
        let whole = Observation::new(
            self.expectation(),
            describe_result(checked, &wrong),
            resolved.missing,
        );
        Ok(self.targets().in_entries(whole, entries))
    }

    /// Looks at the indexes of one table; gives how many there were.
    async fn table(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<(usize, Vec<Finding>), CouldNotRun> {
        let mut findings = Vec::new();
        let mut checked = 0;
        for name in self.names() {
            let Some(found) = find(session, table, name).await? else {
                findings.push(absent(table, name));
                continue;
            };
            checked += 1;
            findings.extend(invalid(&found));
            findings.extend(self.compare(&found));
            if found.partitioned {
                findings.extend(partitions(session, &found).await?);
            }
            if let Some(used_by) = &self.used_by {
                findings.extend(used_by.find_in_plan(restored, session, &found).await?);
            }
        }
        if self.all_valid == Some(true) {
            let all = all_of(session, table).await?;
            // Those named were counted and reported already.
            let rest = all.iter().filter(|found| {
                found.table != *table || !self.names().any(|name| found.index.name == name)
            });
            for found in rest {
                checked += 1;
                findings.extend(invalid(found));
            }
        }
        Ok((checked, findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    #[rstest]
    #[case("table = 'app.e'\nindex = 'e_idx'", 0)]
    #[case("tables = ['app.*']\nindexes = ['a', 'b']\nall-valid = true", 0)]
    #[case("tables = ['app.*']\nindex = 'e_idx'\nmethod = 'hnsw'", 0)]
    #[case("baseline = 'b.json'", 0)]
    #[case("", 2)]
    #[case("index = 'e_idx'", 1)]
    #[case("table = 'app.e'", 1)]
    #[case("table = 'app.e'\nall-valid = false", 1)]
    #[case("table = 'app.*'\nall-valid = true", 1)]
    #[case("table = 'app.e'\nall-valid = true\nmethod = 'hnsw'", 1)]
    #[case("table = 'app.e'\nindex = 'a'\nindexes = ['b']", 1)]
    #[case("tables = ['app.*']\nindex = 'a'\ndefinition = 'x'", 1)]
    #[case("table = 'app.e'\nbaseline = 'b.json'", 1)]
    #[case(
        "table = 'app.e'\nindex = 'a'\nused-by = { role = 'r', query = 'DELETE FROM t' }",
        1
    )]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        let made = errors_of(|errors| toml::from_str::<Index>(toml).unwrap().validate(errors));
        assert_eq!(made.len(), expected, "{made:#?}");
    }
}
