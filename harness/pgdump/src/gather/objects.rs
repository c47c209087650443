//! Which objects the statements define, and which they name and the backup does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;

use super::roles::add;
use crate::contents::{Contents, Rows};
use crate::script::statement::Words;
use crate::sql::QualifiedName;

/// Methods that every server has.
const BUILT_IN_METHODS: &[&str] = &["heap", "btree", "hash", "gist", "spgist", "gin", "brin"];

/// A table in a database.
type Table = (String, QualifiedName);

/// What is only needed until the whole backup is known.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Tables with a place for rows, without or before any.
    data_entries: BTreeSet<Table>,
    /// Tables that never have rows of their own: partitioned and foreign ones.
    rowless: BTreeSet<Table>,
    /// Partitions, each with the table that it belongs to.
    partition_of: BTreeMap<Table, Table>,
    /// Tables that others need to be there.
    referenced: BTreeSet<Table>,
    /// Schemas that others need to be there.
    named_schemas: BTreeSet<String>,
    /// Schemas that extensions make or live in.
    of_extensions: BTreeSet<String>,
}

impl Objects {
    pub(super) fn data_entry(&mut self, database: String, table: QualifiedName) {
        self.data_entries.insert((database, table));
    }

    /// Number of names that are kept.
    pub(super) fn len(&self) -> usize {
        self.data_entries.len()
            + self.rowless.len()
            + self.partition_of.len()
            + self.referenced.len()
            + self.named_schemas.len()
            + self.of_extensions.len()
    }

    /// Notes what a statement defines.
    pub(super) fn statement(&mut self, contents: &mut Contents, database: &str, words: &Words<'_>) {
        let start = words.start();
        let counts = &mut contents.counts;
        match start {
            ["create", "database", ..] => add(&mut contents.creates, words.identifier(2)),
            ["create", "extension", ..] => self.extension(contents, words),
            ["create", "schema", ..] => {
                contents
                    .schemas
                    .extend(words.identifier(after_exists(start, 2)));
            }
            ["create", "policy", ..] => {
                let table = words.next("on", 3).and_then(|on| words.qualified(on + 1));
                contents.policies.extend(table.zip(words.identifier(2)));
            }
            ["create", "access", ..] => contents.access_methods.extend(words.identifier(3)),
            ["create", "function" | "procedure" | "aggregate", ..]
            | [
                "create",
                "or",
                "replace",
                "function" | "procedure" | "aggregate",
                ..,
            ] => {
                counts.functions += 1;
            }
            ["create", "sequence", ..] => counts.sequences += 1,
            ["create", "index", ..] | ["create", "unique", "index", ..] => {
                counts.indexes += 1;
                self.method(contents, words, "using");
            }
            ["create", "trigger", ..]
            | ["create", "constraint", "trigger", ..]
            | ["create", "or", "replace", "trigger", ..] => {
                counts.triggers += 1;
                let function = words.last("function").or(words.last("procedure"));
                if let Some(name) = function.and_then(|at| words.tokens().get(at + 1)) {
                    self.names_schema_of(name.text);
                }
            }
            ["create", ..] => {
                // Words of kinds precede the name: `CREATE UNLOGGED TABLE IF NOT EXISTS t`.
                let before = start.iter().skip(1).take_while(|word| {
                    matches!(
                        **word,
                        "or" | "replace"
                            | "unlogged"
                            | "foreign"
                            | "temp"
                            | "temporary"
                            | "recursive"
                            | "materialized"
                    )
                });
                let kind = Some(1 + before.count()).filter(|at| start.len() > *at);
                match kind.map(|at| (at, start[at])) {
                    Some((at, "table")) => self.table(contents, database, words, at),
                    Some((_, "view")) => {
                        counts.views += 1;
                        self.view(words);
                    }
                    _ => {}
                }
            }
            ["alter", "table", ..] | ["alter", "foreign", "table", ..] => {
                self.alter_table(contents, database, words);
            }
            ["set", "default_table_access_method", "=", ..] => self.method(contents, words, "="),
            ["select", "pg_catalog.lo_create" | "lo_create", ..] => contents.large_objects += 1,
            ["select", ..] => {
                let from = words
                    .next("from", 1)
                    .and_then(|from| words.tokens().get(from + 1));
                contents.has_statistics |= from.is_some_and(|name| restores_statistics(name.text));
            }
            _ => {}
        }
    }

    fn extension(&mut self, contents: &mut Contents, words: &Words<'_>) {
        let name = words.identifier(after_exists(words.start(), 2));
        if name.as_deref() == Some("age") {
            self.of_extensions.insert("ag_catalog".to_owned());
        }
        add(&mut contents.extensions, name);
        if let Some(at) = words.position(&["with", "schema"]) {
            self.of_extensions.extend(words.identifier(at + 2));
        }
    }

    /// Adds the access method after `word`, unless it is one of the server.
    fn method(&mut self, contents: &mut Contents, words: &Words<'_>, word: &str) {
        let method = words.next(word, 0).and_then(|at| words.identifier(at + 1));
        contents
            .access_methods
            .extend(method.filter(|name| !BUILT_IN_METHODS.contains(&name.as_str())));
    }

    fn table(&mut self, contents: &mut Contents, database: &str, words: &Words<'_>, at: usize) {
        let start = words.start();
        let Some(table) = words.qualified(after_exists(start, at + 1)) else {
            return;
        };
        contents.schemas.insert(table.schema.clone());
        contents.counts.checks += u64::from(words.contains(&["check", "("]));
        let key = (database.to_owned(), table);
        let foreign = start[..at].contains(&"foreign");
        if foreign || words.contains(&["partition", "by"]) {
            self.rowless.insert(key.clone());
        }
        if let Some(of) = words.position(&["partition", "of"]) {
            self.partition(&key, words.qualified(of + 2));
        }
        if let Some(at) = words.position(&["inherits", "("]) {
            self.refer(database, words.qualified(at + 2));
        }
        self.references(database, words);
        contents.tables.insert(key);
    }

    fn partition(&mut self, part: &Table, of: Option<QualifiedName>) {
        if let Some(of) = of {
            let of = (part.0.clone(), of);
            self.referenced.insert(of.clone());
            self.partition_of.insert(part.clone(), of);
        }
    }

    fn alter_table(&mut self, contents: &mut Contents, database: &str, words: &Words<'_>) {
        let counts = &mut contents.counts;
        counts.constraints += u64::from(words.contains(&["add", "constraint"]));
        counts.checks += u64::from(words.contains(&["check", "("]));
        counts.sequences += u64::from(words.contains(&["sequence", "name"]));
        contents.row_security += u64::from(words.contains(&["enable", "row", "level", "security"]));
        self.references(database, words);
        if let Some(at) = words.position(&["attach", "partition"])
            && let Some(part) = words.qualified(at + 2)
        {
            let only = usize::from(words.start().get(2) == Some(&"only"));
            self.partition(&(database.to_owned(), part), words.qualified(2 + only));
        }
    }

    /// Foreign keys.
    fn references(&mut self, database: &str, words: &Words<'_>) {
        let mut from = 0;
        while let Some(at) = words.next("references", from) {
            self.refer(database, words.qualified(at + 1));
            from = at + 1;
        }
    }

    fn refer(&mut self, database: &str, table: Option<QualifiedName>) {
        self.referenced
            .extend(table.map(|table| (database.to_owned(), table)));
    }

    /// What a view reads from: pg_dump begins a line with each. Elsewhere FROM may mean other things.
    fn view(&mut self, words: &Words<'_>) {
        for line in words.text.lines() {
            let line = line.trim_start();
            let joined = ["LEFT ", "RIGHT ", "FULL ", "CROSS "]
                .iter()
                .find_map(|kind| line.strip_prefix(kind))
                .unwrap_or(line);
            let from = line.strip_prefix("FROM ").or(joined.strip_prefix("JOIN "));
            let name = from.map(|from| from.trim_start_matches('('));
            if let Some(name) = name.and_then(|name| name.split([' ', '(', ')', ',', ';']).next()) {
                self.names_schema_of(name);
            }
        }
    }

    fn names_schema_of(&mut self, name: &str) {
        if name.contains('.')
            && let Ok(name) = QualifiedName::parse(name)
        {
            self.named_schemas.insert(name.schema);
        }
    }

    /// Says what is there without rows, and what is named and not there.
    pub(super) fn finish(&self, contents: &mut Contents) {
        // With `--load-via-partition-root` the rows of a partition come with its root.
        let has_rows = |contents: &Contents, table: &Table| {
            let parent = |table: &&Table| self.partition_of.get(*table);
            let mut roots = successors(Some(table), parent).take(32);
            roots.any(|table| contents.rows.contains_key(table))
        };
        // A place for rows without any: COPY names the table all the same, INSERTs do not.
        for table in &self.data_entries {
            if !has_rows(contents, table) {
                contents.rows.insert(table.clone(), Rows::default());
            }
        }
        let empty = contents.tables.iter();
        contents.without_data = empty
            .filter(|table| !self.rowless.contains(*table) && !has_rows(contents, table))
            .map(|(_, table)| table.clone())
            .collect();
        let tables = contents.rows.keys().map(|(_, table)| table.schema.clone());
        let tables: Vec<String> = tables.collect();
        contents.schemas.extend(tables);
        if contents.tables.is_empty() {
            return;
        }
        let known = |schema: &str| {
            schema == "public"
                || schema == "information_schema"
                || schema.starts_with("pg_")
                || self.of_extensions.contains(schema)
        };
        for table in &self.referenced {
            if !contents.tables.contains(table) && !self.of_extensions.contains(&table.1.schema) {
                contents.left_out.insert(table.1.to_string());
            }
        }
        if contents.extensions.is_empty() {
            // Nothing but an extension makes such a method.
            let methods = contents.access_methods.iter();
            contents
                .left_out
                .extend(methods.map(|method| format!("access method {method}")));
        }
        for schema in &self.named_schemas {
            if !known(schema) && !contents.schemas.contains(schema) {
                contents.left_out.insert(format!("schema {schema}"));
            }
        }
    }
}

/// Index of the name, after an `IF NOT EXISTS` if there is one.
fn after_exists(words: &[&str], at: usize) -> usize {
    match words.get(at..at + 3) {
        Some(["if", "not", "exists"]) => at + 3,
        _ => at,
    }
}

/// Functions by which a dump `--with-statistics` puts them back.
fn restores_statistics(function: &str) -> bool {
    matches!(
        function,
        "pg_catalog.pg_restore_relation_stats" | "pg_catalog.pg_restore_attribute_stats"
    )
}
