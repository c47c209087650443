//! The baseline: what a known-good database looked like, so that a drill can say what changed since.
//!
//! - `take` reads one from a database: its definition, the rows of every table, the history of tables that
//!   only grow, the values of sequences
//! - `history` is that of one table that only grows: what was there must stay as it was
//! - `observed` is what a drill saw, which becomes the record of the drill
//! - `file` is the text of it, to be committed; `compare` holds two against each other
//! - `accept` writes into one what a person accepts of the other

pub mod accept;
pub mod compare;
pub mod file;
pub mod history;
pub mod observed;
pub mod take;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::catalog::Catalog;
use crate::digest::RowsDigest;
use crate::sql::QualifiedName;
use compare::Difference;
use history::History;

/// What one or several databases looked like at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// When.
    pub taken: Timestamp,
    /// Of what, for people: a database and its server, or a backup.
    pub from: String,
    /// Version of the server that wrote the definitions, as in `17.6`.
    pub server: String,
    /// SHA-256 of the dump that was made of the same snapshot. With it the baseline is a manifest: it speaks
    /// of the very rows that are in the dump.
    pub dump: Option<String>,
    /// Of what a drill saw: SHA-256 of the baseline file that it was held against.
    pub against: Option<String>,
    /// The databases, by name.
    pub databases: BTreeMap<String, Database>,
}

/// What a database looked like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Its definition, with the roles of its server.
    pub catalog: Catalog,
    /// The rows of each table that has storage of its own.
    pub rows: BTreeMap<QualifiedName, Rows>,
    /// The last value of each sequence that was ever used.
    pub sequences: BTreeMap<QualifiedName, i64>,
    /// The history of tables that only grow. A partitioned table has one for each partition.
    pub history: BTreeMap<QualifiedName, History>,
    /// What the drill that saw this found to be wrong against its baseline; none in a baseline itself.
    pub differences: Vec<Difference>,
    /// The large objects; each is a row of its number and the digest of its content.
    pub large_objects: Rows,
    /// What could not be read, and why.
    pub not_read: Vec<String>,
}

/// The rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The sum of their digests, where it was taken.
    pub digest: Option<String>,
}

impl Rows {
    /// Rows with their digest.
    #[must_use]
    pub fn of(digest: &RowsDigest) -> Self {
        Self {
            count: digest.count,
            digest: Some(digest.sum()),
        }
    }
}

impl Baseline {
    /// Finds the database that a drill speaks of: the one of that name, or the only one.
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
