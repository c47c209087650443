//! What is recorded of the backup that a kept server was restored from: enough for reports, and for checks that do not read the
//! backup itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::outcome::{BackupFacts, PhysicalFacts, TimeSource};

/// The backup of a kept server. Fields are those of [`BackupFacts`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct KeptBackup {
    origin: String,
    chosen: String,
    format: String,
    bytes: u64,
    sha256: String,
    made: Option<(Timestamp, Source)>,
    source_version: Option<String>,
    dump_version: Option<String>,
    extensions: Vec<String>,
    roles: Vec<String>,
    roles_needed: Vec<String>,
    has_owners: bool,
    has_privileges: bool,
    makes: Vec<String>,
    servers: String,
    tables: u64,
    rows: u64,
    #[serde(default)]
    physical: Option<PhysicalFacts>,
}

/// How the time of the backup is known.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Source {
    Name,
    Header,
    ModificationTime,
}

impl KeptBackup {
    pub(super) fn of(facts: &BackupFacts) -> Self {
        let facts = facts.clone();
        let source = |source| match source {
            TimeSource::Name => Source::Name,
            TimeSource::Header => Source::Header,
            TimeSource::ModificationTime => Source::ModificationTime,
        };
        Self {
            origin: facts.origin,
            chosen: facts.chosen,
            format: facts.format,
            bytes: facts.bytes,
            sha256: facts.sha256,
            made: facts.made.map(|(at, known)| (at, source(known))),
            source_version: facts.source_version,
            dump_version: facts.dump_version,
            extensions: facts.extensions,
            roles: facts.roles,
            roles_needed: facts.roles_needed,
            has_owners: facts.has_owners,
            has_privileges: facts.has_privileges,
            makes: facts.makes,
            servers: facts.servers,
            tables: facts.tables,
            rows: facts.rows,
            physical: facts.physical,
        }
    }

    /// Gives the facts again, of a server with these databases and roles: one of several servers has a part of the backup.
    pub(super) fn facts(&self, databases: &[String], roles: &[String]) -> BackupFacts {
        let backup = self.clone();
        let source = |source| match source {
            Source::Name => TimeSource::Name,
            Source::Header => TimeSource::Header,
            Source::ModificationTime => TimeSource::ModificationTime,
        };
        let on_server = |mut names: Vec<String>| {
            names.retain(|name| roles.contains(name));
            names
        };
        BackupFacts {
            origin: backup.origin,
            chosen: backup.chosen,
            format: backup.format,
            bytes: backup.bytes,
            sha256: backup.sha256,
            made: backup.made.map(|(at, known)| (at, source(known))),
            source_version: backup.source_version,
            dump_version: backup.dump_version,
            databases: databases.to_owned(),
            extensions: backup.extensions,
            roles: on_server(backup.roles),
            roles_needed: backup.roles_needed,
            has_owners: backup.has_owners,
            has_privileges: backup.has_privileges,
            makes: backup.makes,
            servers: backup.servers,
            tables: backup.tables,
            rows: backup.rows,
            physical: backup.physical,
            ..BackupFacts::default()
        }
    }
}
