//! What is wrong with an index.

use super::Index;
use super::catalog::FoundIndex;
use super::definition::{operator_class_is, option_is, table as table_of};
use crate::check::absent::why;
use crate::check::known::KnownState;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, is_same_definition};

impl Index {
    /// Compares an index with what is asked for.
    pub fn compare(&self, found: &FoundIndex) -> Vec<Finding> {
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
pub fn against_baseline(
    baseline: &KnownState,
    there: &[FoundIndex],
) -> Result<(usize, Vec<Finding>), CouldNotRun> {
    if baseline.indexes.is_empty() {
        return Err(CouldNotRun::new("the baseline names no index")
            .hint("take the baseline again; its `indexes` map names to definitions"));
    }
    let mut looked_at = 0;
    let mut findings = Vec::new();
    for (name, definition) in &baseline.indexes {
        let parsed = QualifiedName::parse(name).map_err(CouldNotRun::new)?;
        let Some(found) = there.iter().find(|found| found.index == parsed) else {
            let table = table_of(definition).unwrap_or("an unknown table".to_owned());
            findings.push(
                Finding::about(format!("{parsed} on {table}"), "an index", "there is none")
                    .hint(why("CREATE INDEX")),
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

/// Says that a table does not have an index.
pub fn absent(table: &QualifiedName, name: &str) -> Finding {
    let index = QualifiedName {
        schema: table.schema.clone(),
        name: name.to_owned(),
    };
    Finding::about(format!("{index} on {table}"), "an index", "there is none")
        .hint(why("CREATE INDEX"))
}

fn changed(found: &FoundIndex, definition: &str) -> Finding {
    Finding::about(found.to_string(), definition, found.definition.as_str())
}

/// Says why the server does not use an index, if it does not.
pub fn invalid(found: &FoundIndex) -> Option<Finding> {
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
    use super::super::catalog::Key;
    use super::*;
    use rstest::rstest;

    fn check(toml: &str) -> Index {
        toml::from_str(toml).unwrap()
    }

    fn found() -> FoundIndex {
        FoundIndex {
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
        let found = FoundIndex {
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
        let baseline = |entries: &[(&str, &str)]| KnownState {
            indexes: entries
                .iter()
                .map(|(name, definition)| ((*name).to_owned(), (*definition).to_owned()))
                .collect(),
            ..KnownState::default()
        };
        let compare = |baseline| against_baseline(&baseline, &[found()]);
        assert_eq!(
            compare(baseline(&[("app.e_idx", &definition)])).unwrap(),
            (1, vec![])
        );
        let (_, findings) = compare(baseline(&[("app.lost_idx", lost)])).unwrap();
        assert_eq!(findings[0].object.as_deref(), Some("app.lost_idx on app.e"));
        let (_, findings) = compare(baseline(&[("app.e_idx", lost)])).unwrap();
        assert_eq!(findings[0].expected, lost);
        assert!(compare(baseline(&[])).is_err());
    }
}
