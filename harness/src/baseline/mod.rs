//! The baseline: the state of a known-good database, so that a drill can report what changed since.
//!
//! - `take` reads it from a database: definition, rows of every table, history of append-only tables, sequences
//! - `tables` lists the tables; `history` is that of one append-only table, whose rows must not change
//! - `compare` compares a database with it; `difference` is one difference, and `accept` accepts one
//! - `file` reads and writes it as a file to be committed
//! - `observed` collects the databases of a drill, for `redrill accept` and the next drill

pub mod accept;
pub mod compare;
pub mod difference;
pub mod file;
pub mod history;
pub mod observed;
pub mod tables;
pub mod take;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::catalog::Catalog;
use crate::digest::RowsDigest;
use crate::sql::QualifiedName;
use difference::Difference;
use history::History;

/// The state of one or several databases at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// When it was taken; of a backup when that was made.
    pub taken: Timestamp,
    /// The source for people: a database and its server, or a backup.
    pub from: String,
    /// Version of the server that printed the definitions: `17.6`.
    pub server: String,
    /// SHA-256 of the dump of the same snapshot. It makes the baseline a manifest: its rows are those of the dump.
    pub dump: Option<String>,
    /// Of a baseline that a drill observed: SHA-256 of the baseline file that it was compared with.
    pub against: Option<String>,
    /// The databases, by name.
    pub databases: BTreeMap<String, Database>,
}

/// The state of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Definitions, with the roles of the server.
    pub catalog: Catalog,
    /// The rows of each table with storage of its own.
    pub rows: BTreeMap<QualifiedName, RowsState>,
    /// The last value of each used sequence.
    pub sequences: BTreeMap<QualifiedName, i64>,
    /// The history of append-only tables; of a partitioned table one for each partition.
    pub history: BTreeMap<QualifiedName, History>,
    /// The failures of the comparison with a baseline; empty in a baseline itself.
    pub differences: Vec<Difference>,
    /// The large objects, each as a row of its OID and the digest of its content.
    pub large_objects: RowsState,
    /// What could not be read, and why.
    pub not_read: Vec<String>,
}

/// The number of rows of a table, and their digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowsState {
    /// The number of rows.
    pub count: u64,
    /// The sum of the digests of the rows; `None` where they were only counted.
    pub digest: Option<String>,
}

impl RowsState {
    /// Takes number and sum from a digest.
    #[must_use]
    pub fn of(digest: &RowsDigest) -> Self {
        Self {
            count: digest.count,
            digest: Some(digest.sum()),
        }
    }
}

impl Database {
    /// Takes out the rows of tables that a recovery empties because they are unlogged, named `schema.table` without quotes.
    pub fn leave_out<'a>(&mut self, unlogged: impl Iterator<Item = &'a str>) {
        for named in unlogged {
            let is_named =
                |table: &QualifiedName| named == format!("{}.{}", table.schema, table.name);
            self.rows.retain(|table, _| !is_named(table));
            self.history.retain(|table, _| !is_named(table));
            self.not_read.push(format!(
                "rows of {named}: it is unlogged, so a recovery empties it"
            ));
        }
    }
}

impl Baseline {
    /// Finds a database by its name; a single one also by another name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<(&str, &Database)> {
        let mut all = self.databases.iter();
        let found = match (self.databases.get_key_value(name), all.next(), all.next()) {
            (Some(named), ..) => named,
            (None, Some(only), None) => only,
            (None, ..) => return None,
        };
        Some((found.0, found.1))
    }
}
