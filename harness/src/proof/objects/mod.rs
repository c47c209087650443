//! Every object that the backup defines is in the database as it is defined, and no other is.
//!
//! The throwaway server is dumped once more, without rows, by its own pg_dump and in the backup's own
//! format, and read by the same reader: what both say in the same words is the same.
//!
//! - `listing`: what is in a database, in pg_dump's words
//! - `judge`: two lists compared, entry by entry
//! - `cluster`: roles, memberships and settings, which belong to no database
//! - `difference`: which line of a definition differs, without what it quotes

mod cluster;
mod difference;
mod judge;
mod listing;

use std::collections::{BTreeMap, BTreeSet};

use crate::backup::format::Format;
use crate::backup::gather::entries::CLUSTER;
use crate::backup::objects::{Object, ObjectSource};
use crate::backup::{Backup, Part};
use crate::database::DatabaseError;
use crate::outcome::{CouldNotRun, Finding, NotTested};
use crate::restore::settings::Restore;
use crate::restore::{RestoreLog, target};
use crate::server::ThrowawayServer;
use crate::units::show_count;

use judge::{How, Judged};
use listing::Shape;

/// Findings that are told; the rest is counted.
const TOLD: usize = 1000;

/// What was compared, and what came of it.
#[derive(Debug, Default)]
pub struct ObjectsProof {
    /// Objects of the backup that were looked for.
    pub objects: u64,
    /// What is missing, more than there should be, or different.
    pub findings: Vec<Finding>,
    /// What could not be compared, and why.
    pub not_compared: Vec<NotTested>,
}

impl ObjectsProof {
    /// Adds a comparison; `within` names its database where there are several.
    fn add(&mut self, judged: Judged, within: Option<&str>) {
        self.objects += judged.compared;
        self.findings
            .extend(judged.findings.into_iter().map(|finding| Finding {
                object: match (within, finding.object) {
                    (Some(database), Some(object)) => Some(format!("{database}: {object}")),
                    (_, object) => object,
                },
                ..finding
            }));
        for one in judged.not_compared {
            self.not_compared(one);
        }
    }

    /// Says once what was not compared.
    fn not_compared(&mut self, one: NotTested) {
        if !self.not_compared.contains(&one) {
            self.not_compared.push(one);
        }
    }
}

/// What could not be compared, and why.
fn not_compared(what: impl Into<String>, why: impl Into<String>) -> NotTested {
    NotTested {
        what: what.into(),
        why: why.into(),
    }
}

/// Compares the objects of all databases, and the roles.
///
/// # Errors
/// When the server cannot be asked: this says nothing about the backup.
pub async fn compare(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
    log: &RestoreLog,
) -> Result<ObjectsProof, CouldNotRun> {
    let mut proof = ObjectsProof::default();
    let mut databases = Vec::new();
    for part in &backup.parts {
        databases.extend(
            in_databases(part, settings)
                .into_iter()
                .map(|(database, objects)| (part, database, objects)),
        );
    }
    let several = databases.len() > 1;
    for (part, database, objects) in databases {
        let within = several.then_some(database.as_str());
        let how = How::of(part, server, log);
        if objects.is_empty() && part.contents.connects.is_empty() {
            let what = match within {
                Some(database) => format!("objects of {database}"),
                None => "objects".to_owned(),
            };
            let why = "the dump defines none: it contains only rows, as written with `--data-only`";
            proof.not_compared(not_compared(what, why));
            continue;
        }
        let shape = Shape::like(part, &objects);
        let found = listing::of_database(server, &database, &shape).await?;
        proof.add(judge::judge(&objects, &found.list, &how), within);
        for one in shape.not_compared() {
            proof.not_compared(one);
        }
        if part.contents.objects.of_large_objects {
            let what = "owners, privileges and comments of large objects";
            proof.not_compared(not_compared(
                what,
                "pg_dump leaves large objects out where it leaves rows out",
            ));
        }
    }
    proof.add(cluster::compare(server, backup, settings, log).await?, None);
    let others = other_databases(server, backup, settings)
        .await
        .map_err(|error| {
            CouldNotRun::new(format!("the server does not list its databases: {error}"))
        })?;
    proof.findings.extend(others);
    if let Some(more @ 1..) = proof.findings.len().checked_sub(TOLD) {
        proof.findings.truncate(TOLD);
        let actual = format!("{} more differences", show_count(more as u64));
        proof
            .findings
            .push(Finding::new("the objects of the backup", actual));
    }
    Ok(proof)
}

/// The objects of a dump by the database that each goes into; also of one that it says nothing of.
fn in_databases<'a>(part: &'a Part, settings: &Restore) -> BTreeMap<String, Vec<&'a Object>> {
    let own = target::database_of(part, settings).unwrap_or_else(|| "postgres".to_owned());
    let mut databases: BTreeMap<String, Vec<&Object>> = BTreeMap::new();
    if part.contents.connects.is_empty() && !part.is_globals() {
        databases.entry(own.clone()).or_default();
    }
    for name in &part.contents.connects {
        databases.entry(name.clone()).or_default();
    }
    // pg_restore makes neither the database nor what is its own.
    let archive = matches!(part.format, Format::Archive(_));
    for object in &part.contents.objects.list {
        if CLUSTER.contains(&object.kind.as_str()) || (archive && is_of_database(object)) {
            continue;
        }
        let database = if object.database.is_empty() {
            &own
        } else {
            &object.database
        };
        databases.entry(database.clone()).or_default().push(object);
    }
    databases
}

/// Whether it is the database itself, or its settings, comment or privileges.
fn is_of_database(object: &Object) -> bool {
    object.kind.starts_with("DATABASE")
        || (object.schema.is_empty() && object.name.starts_with("DATABASE "))
}

/// Databases that the backup does not make.
async fn other_databases(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
) -> Result<Vec<Finding>, DatabaseError> {
    let mut known: BTreeSet<String> = target::databases(backup, settings).into_iter().collect();
    known.extend(["postgres", "template0", "template1"].map(str::to_owned));
    let mut session = server.session("postgres").await?;
    let rows = session
        .rows("SELECT datname FROM pg_catalog.pg_database ORDER BY 1")
        .await?;
    session.close().await;
    let names = rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten());
    Ok(names
        .filter(|name| !known.contains(name))
        .map(|name| {
            Finding::about(
                format!("DATABASE {name}"),
                "not on the server: it is not in the backup",
                "it is there",
            )
            .hint("find out which statement of the backup makes it")
        })
        .collect())
}

/// Whether the dump says what its objects are.
fn is_told(part: &Part) -> bool {
    part.contents.objects.listed_by == ObjectSource::ByEntries
}
