//! `index`: indexes are there, valid, as they were defined, and used.

mod definition;
mod look;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use self::definition::{operator_class_is, option_is};
use self::look::{Found, all_of, everything, find, partitions};
use self::plan::UsedBy;
use crate::check::known::Known;
use crate::check::target::Targets;
use crate::check::{Check, Complaint, CouldNotLook, Entry, Observation, Parameters, Restored};
use crate::database::Session;
use crate::outcome::Finding;
use crate::sql::{QualifiedName, is_same_definition};

/// Indexes are there, valid, as they were defined, and used by the queries they were made for.
///
/// One of three ways to say which: `index` or `indexes` on each of the tables named by `table` or
/// `tables`; every index of these tables with `all-valid`; every index of a `baseline`. An index is
/// named without a schema: it is always in that of its table.
///
/// ## What it proves
/// - each index is there, and the server holds it for valid, ready and live; a partitioned one on
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

    fn complaints(&self) -> Vec<Complaint> {
        let properties = [
            ("method", self.method.is_some()),
            ("unique", self.unique.is_some()),
            ("columns", !self.columns.is_empty()),
            ("operator-classes", !self.operator_classes.is_empty()),
            ("options", !self.options.is_empty()),
            ("definition", self.definition.is_some()),
            ("used-by", self.used_by.is_some()),
        ];
        let mut complaints = Vec::new();
        for (key, given) in properties {
            if given && self.index.is_none() {
                complaints.push(
                    Complaint::about(key, format!("`{key}` is about one index"))
                        .hint("name it: `index = \"…\"`"),
                );
            }
        }
        let several = !self.tables.is_empty();
        for (key, given) in [
            ("definition", self.definition.is_some()),
            ("used-by", self.used_by.is_some()),
        ] {
            if given && several {
                complaints.push(
                    Complaint::about(key, format!("`{key}` is about one table"))
                        .hint("write `table = \"schema.name\"`, and a check for each"),
                );
            }
        }
        if let Some(table) = self.table.as_deref()
            && table.contains(['*', '?'])
        {
            complaints.push(
                Complaint::about("table", "a pattern stands in `tables`")
                    .hint(format!("write `tables = [\"{table}\"]`")),
            );
        }
        let named = self.index.is_some() || !self.indexes.is_empty();
        let all_valid = self.all_valid == Some(true);
        if self.index.is_some() && !self.indexes.is_empty() {
            complaints.push(Complaint::about(
                "indexes",
                "`index` and `indexes` do not go together; list all in `indexes`",
            ));
        }
        if self.baseline.is_some() {
            if named || all_valid || self.table.is_some() || several {
                complaints.push(
                    Complaint::about("baseline", "a baseline names its own indexes")
                        .hint("write the other statements as a check of their own"),
                );
            }
        } else {
            complaints.extend(self.targets().complaints());
            if !named && !all_valid {
                complaints.push(
                    Complaint::whole("this check asserts nothing")
                        .hint("add `index`, `indexes`, `all-valid = true` or `baseline`"),
                );
            }
        }
        if let Some(used_by) = &self.used_by {
            complaints.extend(used_by.complaints());
        }
        complaints
    }
}

#[async_trait]
impl Check for Index {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        match (&self.baseline, names.as_slice()) {
            (Some(baseline), _) => format!("indexes of {}", baseline.display()),
            (None, []) => format!("indexes of {}", self.targets().describe()),
            (None, [one]) => format!("index {one} of {}", self.targets().describe()),
            (None, many) => format!("{} indexes of {}", many.len(), self.targets().describe()),
        }
    }

    fn alone(&self) -> bool {
        false
    }

    async fn look(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotLook> {
        let mut session = restored.session().await?;
        let observation = match &self.baseline {
            Some(path) => {
                let baseline = Known::load(restored.folder, path)?;
                let there = everything(&mut session).await?;
                let (looked_at, findings) = against_baseline(&baseline, &there)?;
                Observation::new(
                    self.expectation(),
                    count(looked_at, findings.len()),
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
fn count(looked_at: usize, wrong: usize) -> String {
    let noun = if looked_at == 1 { "index" } else { "indexes" };
    match wrong {
        0 => format!("{looked_at} {noun}, all as they must be"),
        1 => format!("{looked_at} {noun} found, 1 thing wrong"),
        wrong => format!("{looked_at} {noun} found, {wrong} things wrong"),
    }
}

impl Index {
    fn targets(&self) -> Targets<'_> {
        Targets {
            table: self.table.as_deref(),
            tables: &self.tables,
        }
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
    ) -> Result<Observation, CouldNotLook> {
        let resolved = self.targets().resolve(session).await?;
        let mut entries = Vec::new();
        let (mut looked_at, mut wrong) = (0, resolved.missing.len());
        for table in &resolved.tables {
            let began = Instant::now();
            let (indexes, findings) = self.table(restored, session, table).await?;
            // A table without an index says nothing where only those that are there are looked at.
            if indexes == 0 && findings.is_empty() {
                continue;
            }
            looked_at += indexes;
            wrong += findings.len();
            entries.push(Entry {
                object: table.to_string(),
                expected: self.expectation(),
                actual: count(indexes, findings.len()),
                findings,
                duration: began.elapsed(),
            });
        }
        if looked_at == 0 && wrong == 0 {
            return Err(CouldNotLook::because(format!(
                "{} has no index, so none was looked at",
                self.targets().describe()
            ))
            .hint("name the indexes that must be there in `indexes`"));
        }
        let whole = Observation::new(
            self.expectation(),
            count(looked_at, wrong),
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
    ) -> Result<(usize, Vec<Finding>), CouldNotLook> {
        let mut findings = Vec::new();
        let mut looked_at = 0;
        for name in self.names() {
            let Some(found) = find(session, table, name).await? else {
                findings.push(absent(table, name));
                continue;
            };
            looked_at += 1;
            findings.extend(invalid(&found));
            findings.extend(self.compare(&found));
            if found.partitioned {
                findings.extend(partitions(session, &found).await?);
            }
            if let Some(used_by) = &self.used_by {
                findings.extend(used_by.look(restored, session, &found).await?);
            }
        }
        if self.all_valid == Some(true) {
            let all = all_of(session, table).await?;
            // Those named were counted and reported already.
            let rest = all.iter().filter(|found| {
                found.table != *table || !self.names().any(|name| found.index.name == name)
            });
            for found in rest {
                looked_at += 1;
                findings.extend(invalid(found));
            }
        }
        Ok((looked_at, findings))
    }

    /// Compares an index with what is asked for.
    fn compare(&self, found: &Found) -> Vec<Finding> {
        let object = found.to_string();
        let mut findings = Vec::new();
        if let Some(method) = &self.method
            && *method != found.method
        {
            let actual = format!("made with {}", found.method);
            findings.push(Finding::about(
                &object,
                format!("made with {method}"),
                actual,
            ));
        }
        if let Some(unique) = self.unique
            && unique != found.unique
        {
            let word = |unique| if unique { "unique" } else { "not unique" };
            findings.push(Finding::about(&object, word(unique), word(found.unique)));
        }
        let columns: Vec<&str> = found.keys.iter().map(|key| key.column.as_str()).collect();
        if !self.columns.is_empty() && self.columns != columns {
            findings.push(Finding::about(
                &object,
                format!("on ({})", self.columns.join(", ")),
                format!("on ({})", columns.join(", ")),
            ));
        }
        for (column, class) in &self.operator_classes {
            let key = found.keys.iter().find(|key| key.column == *column);
            let actual = match key {
                None => format!("no such column; it is on ({})", columns.join(", ")),
                Some(key) if operator_class_is(class, &key.class) => continue,
                Some(key) => format!("operator class {}", key.class),
            };
            findings.push(
                Finding::about(
                    &object,
                    format!("operator class {class} on {column}"),
                    actual,
                )
                .hint("queries with another operator do not use the index, without an error"),
            );
        }
        for (name, value) in &self.options {
            if let Some(actual) = option_is(name, &value.0, &found.method, &found.options) {
                findings.push(Finding::about(
                    &object,
                    format!("{name} = {}", value.0),
                    actual,
                ));
            }
        }
        if let Some(definition) = &self.definition
            && !is_same_definition(definition, &found.definition)
        {
            findings.push(changed(found, definition));
        }
        findings
    }
}

/// Compares all indexes of a database with a baseline's; gives how many of those there were.
fn against_baseline(
    baseline: &Known,
    there: &[Found],
) -> Result<(usize, Vec<Finding>), CouldNotLook> {
    if baseline.indexes.is_empty() {
        return Err(CouldNotLook::because("the baseline names no index")
            .hint("take the baseline again; its `indexes` map names to definitions"));
    }
    let mut looked_at = 0;
    let mut findings = Vec::new();
    for (name, definition) in &baseline.indexes {
        let parsed = QualifiedName::parse(name).map_err(CouldNotLook::because)?;
        let Some(found) = there.iter().find(|found| found.index == parsed) else {
            let table = definition::table(definition).unwrap_or("an unknown table".to_owned());
            findings.push(
                Finding::about(format!("{parsed} on {table}"), "an index", "there is none")
                    .hint(LOST),
            );
            continue;
        };
        looked_at += 1;
        findings.extend(invalid(found));
        if !is_same_definition(definition, &found.definition) {
            findings.push(changed(found, definition));
        }
    }
    Ok((looked_at, findings))
}

const LOST: &str = "look for its CREATE INDEX in the restore's errors; a dump that is cut off after the data, \
    or restored without its post-data section, has no index at all";

fn absent(table: &QualifiedName, name: &str) -> Finding {
    let index = QualifiedName {
        schema: table.schema.clone(),
        name: name.to_owned(),
    };
    Finding::about(format!("{index} on {table}"), "an index", "there is none").hint(LOST)
}

fn changed(found: &Found, definition: &str) -> Finding {
    Finding::about(found.to_string(), definition, found.definition.as_str())
}

/// Says what the server holds against an index, if anything.
fn invalid(found: &Found) -> Option<Finding> {
    let states = [
        (found.valid, "invalid"),
        (found.ready, "not ready for inserts"),
        (found.live, "being dropped"),
    ];
    let words: Vec<&str> = states
        .into_iter()
        .filter(|(good, _)| !good)
        .map(|(_, word)| word)
        .collect();
    if words.is_empty() {
        return None;
    }
    let hint = if found.partitioned {
        "an index of every partition must be attached to it: ALTER INDEX … ATTACH PARTITION"
    } else {
        "a CREATE INDEX CONCURRENTLY did not end; REINDEX it at the source"
    };
    Some(Finding::about(found.to_string(), "valid, ready and live", words.join(", ")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::look::Key;
    use super::*;
    use rstest::rstest;

    fn check(toml: &str) -> Index {
        toml::from_str(toml).unwrap()
    }

    fn found() -> Found {
        Found {
            index: QualifiedName::parse("app.e_idx").unwrap(),
            table: QualifiedName::parse("app.e").unwrap(),
            method: "hnsw".to_owned(),
            unique: false,
            valid: true,
            ready: true,
            live: true,
            partitioned: false,
            definition:
                "CREATE INDEX e_idx ON app.e USING hnsw (v public.vector_l2_ops) WITH (m='8')"
                    .to_owned(),
            options: vec!["m=8".to_owned()],
            keys: vec![Key {
                column: "v".to_owned(),
                class: "public.vector_l2_ops".to_owned(),
            }],
        }
    }

    #[rstest]
    #[case("method = 'hnsw'", 0)]
    #[case("method = 'ivfflat'", 1)]
    #[case("unique = false", 0)]
    #[case("unique = true", 1)]
    #[case("columns = ['v']", 0)]
    #[case("columns = ['v', 'w']", 1)]
    #[case("operator-classes = { v = 'vector_l2_ops' }", 0)]
    #[case("operator-classes = { v = 'vector_cosine_ops' }", 1)]
    #[case("operator-classes = { w = 'vector_l2_ops' }", 1)]
    #[case("options = { m = 8, ef_construction = 64 }", 0)]
    #[case("options = { m = '16' }", 1)]
    #[case(
        "definition = \"CREATE INDEX e_idx ON app.e USING hnsw (v vector_l2_ops) WITH (m = '8')\"",
        0
    )]
    #[case("definition = 'CREATE INDEX e_idx ON app.e USING btree (v)'", 1)]
    fn an_index_is_held_to_what_is_asked(#[case] toml: &str, #[case] broken: usize) {
        assert_eq!(check(toml).compare(&found()).len(), broken);
    }

    #[rstest]
    #[case(true, true, true, None)]
    #[case(false, true, true, Some("invalid"))]
    #[case(false, false, true, Some("invalid, not ready for inserts"))]
    #[case(true, true, false, Some("being dropped"))]
    fn states(
        #[case] valid: bool,
        #[case] ready: bool,
        #[case] live: bool,
        #[case] expected: Option<&str>,
    ) {
        let found = Found {
            valid,
            ready,
            live,
            ..found()
        };
        let actual = invalid(&found).map(|finding| finding.actual);
        assert_eq!(actual.as_deref(), expected);
    }

    #[test]
    fn a_baseline_finds_what_is_missing_and_what_was_changed() {
        let definition = found().definition;
        let lost = "CREATE INDEX lost_idx ON app.e USING btree (id)";
        let baseline = |entries: &[(&str, &str)]| Known {
            indexes: entries
                .iter()
                .map(|(name, definition)| ((*name).to_owned(), (*definition).to_owned()))
                .collect(),
            ..Known::default()
        };
        let look = |baseline| against_baseline(&baseline, &[found()]);
        assert_eq!(
            look(baseline(&[("app.e_idx", &definition)])).unwrap(),
            (1, vec![])
        );
        let (_, findings) = look(baseline(&[("app.lost_idx", lost)])).unwrap();
        assert_eq!(findings[0].object.as_deref(), Some("app.lost_idx on app.e"));
        let (_, findings) = look(baseline(&[("app.e_idx", lost)])).unwrap();
        assert_eq!(findings[0].expected, lost);
        assert!(look(baseline(&[])).is_err());
    }

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
    fn parameters_must_make_sense(#[case] toml: &str, #[case] complaints: usize) {
        let complaints_made = check(toml).complaints();
        assert_eq!(complaints_made.len(), complaints, "{complaints_made:#?}");
    }
}
