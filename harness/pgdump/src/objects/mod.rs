//! The objects that a dump defines, in pg_dump's own words: one for each entry of an archive's table of
//! contents, or for each `-- Name: …; Type: …` of a plain dump.
//!
//! The digest of every definition is kept, and its text as long as there is room: a schema is small beside
//! its rows, but a hundred thousand functions exist.

mod instant;

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::fault::Place;
use crate::sql::normal_form;

/// Bytes of all definitions whose text is kept; beyond, it is only known whether one differs.
const ROOM: usize = 32 * 1024 * 1024;

/// Entries that contain rows or change how the file is read.
const NO_OBJECTS: &[&str] = &[
    "BLOB",
    "BLOB COMMENTS",
    "BLOB DATA",
    "BLOB METADATA",
    "BLOBS",
    "ENCODING",
    "MATERIALIZED VIEW DATA",
    "SEARCHPATH",
    "SEQUENCE SET",
    "STATISTICS DATA",
    "STDSTRINGS",
    "TABLE DATA",
];

/// What a dump defines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// One for each entry, in the order of the dump.
    pub list: Vec<Object>,
    /// What the list is made from.
    pub listed_by: ObjectSource,
    /// Whether pg_dumpall wrote it.
    pub by_pg_dumpall: bool,
    /// Whether it holds privileges or comments of large objects, which are not listed.
    pub of_large_objects: bool,
    /// Bytes of text that is kept.
    kept: usize,
}

/// What the list of objects of a dump is made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ObjectSource {
    /// The statements alone: another writer, or a dump without its comments.
    #[default]
    ByStatements,
    /// The entries of pg_dump.
    ByEntries,
}

/// One object, or what belongs to one and has an entry of its own, such as an `ACL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its database; empty if the dump names none.
    pub database: String,
    /// What it is: `TABLE`, `FK CONSTRAINT`, `ACL`, `ROLE`, …
    pub kind: String,
    /// Its schema; empty for what is in none.
    pub schema: String,
    /// Its name; of what belongs to a table that table's name and its own, of a function its signature.
    pub name: String,
    /// Its owner; empty where the dump names none.
    pub owner: String,
    /// Its place.
    pub place: Place,
    /// What makes it.
    pub definition: Definition,
}

/// SQL that makes an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// SHA-256 of its normal form, the first half.
    digest: [u8; 16],
    /// Its text, while there was room.
    pub text: Option<Box<str>>,
}

impl Definition {
    /// Whether it has letters of another encoding than UTF-8, which are not compared here.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.text
            .as_ref()
            .is_some_and(|text| text.contains('\u{fffd}'))
    }

    /// Whether both make the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Objects {
    /// Adds an object with its definition as the dump has it, unless the entry is none.
    pub fn add(&mut self, object: Object, sql: &str) {
        if NO_OBJECTS.contains(&object.kind.as_str()) {
            return;
        }
        if object.name.starts_with("LARGE OBJECT") {
            self.of_large_objects = true;
            return;
        }
        let definition = self.definition(&object.kind, sql);
        self.list.push(Object {
            definition,
            ..object
        });
    }

    /// Keeps a definition, with its text while there is room.
    fn definition(&mut self, kind: &str, sql: &str) -> Definition {
        // A file may have been converted on a Windows machine.
        let text = sql.trim().replace("\r\n", "\n");
        let text = without_noise(&text);
        let text = normal_form(&text);
        let text = instant::in_utc(&text);
        let whole = Sha256::digest(normal(kind, &text).as_bytes());
        let mut digest = [0; 16];
        digest.copy_from_slice(&whole[..16]);
        self.kept = self.kept.saturating_add(text.len());
        Definition {
            digest,
            text: (self.kept <= ROOM).then(|| text.into_owned().into_boxed_str()),
        }
    }
}

/// Removes what servers of other minor versions add: the column option `pg_attver`.
fn without_noise(text: &str) -> Cow<'_, str> {
    if !text.contains("pg_attver") {
        return text.into();
    }
    let mut kept = String::with_capacity(text.len());
    for statement in text.split_inclusive(";\n") {
        if statement.contains("SET (pg_attver=") && !statement.contains(", ") {
            continue;
        }
        match statement.find("pg_attver=") {
            Some(at) if statement.contains(" SET (") => {
                let (before, behind) = statement.split_at(at);
                let end = behind.find([',', ')']).unwrap_or(behind.len());
                let behind = behind[end..].trim_start_matches(", ");
                if behind.starts_with(')') {
                    kept.push_str(before.trim_end_matches(", "));
                } else {
                    kept.push_str(before);
                }
                kept.push_str(behind);
            }
            _ => kept.push_str(statement),
        }
    }
    kept.trim_end().to_owned().into()
}

/// What is digested: the text, but for an order that means nothing.
fn normal<'a>(kind: &str, text: &'a str) -> Cow<'a, str> {
    // Grants come in the order of an array that a restore fills anew; columns that a child shares with its
    // parent move to the front.
    let unordered =
        matches!(kind, "ACL" | "DEFAULT ACL") || (kind == "TABLE" && text.contains("\nINHERITS ("));
    if !unordered {
        return text.into();
    }
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_end_matches(','))
        .filter(|line| !line.is_empty())
        .collect();
    lines.sort_unstable();
    lines.join("\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn same(kind: &str, a: &str, b: &str) -> bool {
        let mut objects = Objects::default();
        objects
            .definition(kind, a)
            .is_same(&objects.definition(kind, b))
    }

    #[rstest]
    #[case("ACL", "GRANT a;\nGRANT b;", "GRANT b;\nGRANT a;\n", true)]
    #[case("ACL", "GRANT a;", "GRANT a;\nGRANT b;", false)]
    #[case(
        "TABLE",
        "CREATE TABLE t (\n    a int,\n    b int\n)\nINHERITS (p);",
        "CREATE TABLE t (\n    b int,\n    a int\n)\nINHERITS (p);",
        true
    )]
    #[case(
        "TABLE",
        "CREATE TABLE t (\n    a int,\n    b int\n);",
        "CREATE TABLE t (\n    b int,\n    a int\n);",
        false
    )]
    #[case(
        "TABLE",
        "CREATE TABLE t ();\nALTER TABLE t ALTER COLUMN a SET (pg_attver='1');\nALTER TABLE t ALTER COLUMN b SET (pg_attver='2');",
        "CREATE TABLE t ();",
        true
    )]
    #[case(
        "TABLE",
        "ALTER TABLE t ALTER COLUMN a SET (n_distinct=5, pg_attver='1');",
        "ALTER TABLE t ALTER COLUMN a SET (n_distinct=5);",
        true
    )]
    #[case(
        "TABLE",
        "ALTER TABLE t ALTER COLUMN a SET (pg_attver='1', n_distinct=5);",
        "ALTER TABLE t ALTER COLUMN a SET (n_distinct=5);",
        true
    )]
    #[case("FUNCTION", "pg_attver=1", "pg_attver=2", false)]
    fn definitions_are_the_same_but_for_what_means_nothing(
        #[case] kind: &str,
        #[case] a: &str,
        #[case] b: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(same(kind, a, b), expected);
    }

    #[test]
    fn rows_and_settings_of_the_file_are_no_objects() {
        let mut objects = Objects::default();
        for (kind, name) in [
            ("TABLE DATA", "t"),
            ("ACL", "LARGE OBJECT 5"),
            ("TABLE", "t"),
        ] {
            let object = Object {
                database: String::new(),
                kind: kind.to_owned(),
                schema: "public".to_owned(),
                name: name.to_owned(),
                owner: String::new(),
                place: Place::Line(1),
                definition: Definition::default(),
            };
            objects.add(object, "x");
        }
        assert_eq!(objects.list.len(), 1);
        assert!(objects.of_large_objects);
    }
}
