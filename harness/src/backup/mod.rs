//! Where a backup lies → a local, inspected [`Backup`], before any server.
//!
//! - `source/`: where it lies, one source a file
//! - `packing/`: what it is wrapped in, one compression or encryption a file
//! - the crate `pgdump`: what it is and what it holds, format by format
//! - `fault`: what that finds, as findings; `foreign`: what is no backup at all; `fit`: which servers can take it
//! - `bundle`: several dumps that are one backup
//! - `settings`: what a scenario says of it
//! - `inspect`: one streaming pass: digest, completeness, contents
//! - `examine`: all of it, and what it is held against: `previous`, `retention`, digests

pub mod bundle;
mod disk;
pub mod examine;
pub mod fault;
pub mod fit;
mod foreign;
pub mod inspect;
pub mod manifest;
pub mod packing;
pub mod previous;
pub mod retention;
pub mod settings;
pub mod source;
pub mod spool;

use std::path::PathBuf;

use jiff::Timestamp;

use packing::{Keys, Layer, OpenError, Unpacked};
pub use pgdump::contents::Contents;
use pgdump::format::Format;
pub use pgdump::{contents, format, gather, objects, script, values};
use source::candidates::{Candidate, Verdict};

use crate::outcome::{
    BackupFacts, Before, CandidateFacts, Finding, Objective, PartFacts, TableHeld, TimeSource,
};

/// A format in what it is wrapped in, the innermost first: `plain SQL, gzip`.
#[must_use]
pub fn describe(format: &impl std::fmt::Display, layers: &[Layer]) -> String {
    let mut text = format.to_string();
    for layer in layers.iter().rev() {
        text.push_str(&format!(", {layer}"));
    }
    text
}

/// A backup that was looked at from its first byte to its last.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The file or folder on this machine.
    pub path: PathBuf,
    /// Where it lies, as a person would say it.
    pub origin: String,
    /// How it was chosen.
    pub chosen: String,
    /// What there was to choose from, and how many more.
    pub candidates: (Vec<Candidate>, usize),
    /// What it is, in words: `plain SQL, gzip`, `bundle of 3 dumps, tar, gzip`.
    pub format: String,
    /// Bytes as it lies.
    pub bytes: u64,
    /// Bytes without what it is wrapped in, where it is wrapped.
    pub unpacked_bytes: Option<u64>,
    /// SHA-256 as it lies, in hex; of a folder see [`bundle::digest`].
    pub sha256: String,
    /// What that was found to agree with.
    pub digest: Option<String>,
    /// When it was made.
    pub made: Option<(Timestamp, TimeSource)>,
    /// Its dumps, in the order in which they are restored: what makes roles comes first. One, but
    /// for a bundle; none when the file is no backup.
    pub parts: Vec<Part>,
    /// Tiers of backups that lie beside it, as far as the scenario declares them.
    pub tiers: Vec<Objective>,
    /// What was compared with the backup before, one sentence.
    pub previous: Option<String>,
    /// Its size and that of the backup before.
    pub before: Option<Before>,
    /// The manifest that lies beside it, its name and its text.
    pub manifest: Option<(String, String)>,
    /// What makes it no whole backup; empty for a good one.
    pub problems: Vec<Finding>,
    /// What is odd about it and does not matter.
    pub warnings: Vec<Finding>,
}

/// One dump: the whole backup, or one of a bundle.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name in the bundle, or the backup's own.
    pub name: String,
    /// Where it lies on this machine: the backup itself, or a copy in the run's folder.
    pub path: PathBuf,
    /// What it is wrapped in there.
    pub layers: Vec<Layer>,
    /// What opens that.
    pub keys: Keys,
    /// What it is.
    pub format: Format,
    /// Bytes of `path`.
    pub bytes: u64,
    /// Bytes of SQL or of the archive.
    pub unpacked_bytes: u64,
    /// Bytes of definitions and rows, without any compression.
    pub text_bytes: u64,
    /// SHA-256 of `path`, in hex.
    pub sha256: String,
    /// The database that its name stands for, in a bundle.
    pub named_database: Option<String>,
    /// What it holds.
    pub contents: Contents,
}

impl Part {
    /// Opens it again, to read what is inside all layers.
    ///
    /// # Errors
    /// When it cannot be opened any more.
    pub fn open(&self) -> Result<Unpacked, OpenError> {
        Unpacked::open(&self.path, &self.keys)
    }

    /// Whether it makes roles and holds no table: what `pg_dumpall --globals-only` writes.
    #[must_use]
    pub fn is_globals(&self) -> bool {
        !self.contents.roles.is_empty() && !self.contents.holds_data()
    }
}

impl Backup {
    /// What all parts hold together. Rows are kept by the database that they go to.
    #[must_use]
    pub fn contents(&self) -> Contents {
        match self.parts.as_slice() {
            [one] => one.contents.clone(),
            parts => parts.iter().fold(Contents::default(), |mut all, part| {
                all.merge(&part.contents, part.named_database.as_deref());
                all
            }),
        }
    }

    /// Every table with an entry for rows, the one with the most bytes first.
    #[must_use]
    pub fn tables(&self) -> Vec<TableHeld> {
        let mut tables: Vec<TableHeld> = self
            .contents()
            .rows
            .iter()
            .map(|((database, table), rows)| TableHeld {
                database: database.clone(),
                table: table.to_string(),
                rows: (!rows.unknown).then_some(rows.count),
                bytes: rows.bytes,
            })
            .collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
        tables
    }

    /// Which servers can take it, one sentence.
    fn servers(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for part in &self.parts {
            for servers in fit::servers(&part.contents, &part.format) {
                if !said.contains(&servers) {
                    said.push(servers);
                }
            }
        }
        match said.as_slice() {
            [] => "every supported server".to_owned(),
            some => some.join(", and "),
        }
    }

    /// The facts for reports.
    #[must_use]
    pub fn facts(&self) -> BackupFacts {
        let contents = self.contents();
        let parts = match self.parts.as_slice() {
            [_] => &[],
            parts => parts,
        };
        BackupFacts {
            origin: self.origin.clone(),
            chosen: self.chosen.clone(),
            candidates: self.candidates.0.iter().map(candidate).collect(),
            unlisted: self.candidates.1 as u64,
            format: self.format.clone(),
            bytes: self.bytes,
            uncompressed_bytes: self.unpacked_bytes,
            sha256: self.sha256.clone(),
            digest: self.digest.clone(),
            made: self.made,
            source_version: contents.source_version.clone(),
            dump_version: contents.dump_version.clone().or(contents.writer.clone()),
            databases: contents.databases(),
            extensions: contents.extensions.clone(),
            schemas: contents.schemas.iter().cloned().collect(),
            graphs: contents.graphs.iter().cloned().collect(),
            roles: contents.roles.clone(),
            roles_needed: contents
                .roles_needed()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            policies: contents.policies.len() as u64,
            servers: self.servers(),
            tables: contents.rows.len() as u64,
            rows: contents.rows.values().map(|rows| rows.count).sum(),
            large_objects: contents.large_objects,
            not_held: fault::not_held(&contents),
            tiers: self.tiers.clone(),
            previous: self.previous.clone(),
            before: self.before.clone(),
            has_owners: contents.has_owners,
            has_privileges: contents.has_privileges,
            makes: self
                .parts
                .iter()
                .filter(|part| !part.contents.connects.is_empty())
                .flat_map(|part| part.contents.creates.iter().cloned())
                .collect(),
            manifest: self.manifest.clone(),
            parts: parts
                .iter()
                .map(|part| PartFacts {
                    name: part.name.clone(),
                    format: describe(&part.format, &part.layers),
                    bytes: part.bytes,
                    sha256: part.sha256.clone(),
                    tables: part.contents.rows.len() as u64,
                    rows: part.contents.rows.values().map(|rows| rows.count).sum(),
                })
                .collect(),
        }
    }
}

/// A candidate for reports.
fn candidate(candidate: &Candidate) -> CandidateFacts {
    CandidateFacts {
        name: candidate.name.clone(),
        bytes: candidate.bytes,
        time: candidate.time,
        not_taken: match &candidate.verdict {
            Verdict::Taken => None,
            Verdict::NotTaken(why) => Some(why.clone()),
        },
    }
}
