//! Compares every object that the backup defines with the database, and finds objects that the backup does not define.
//!
//! The pg_dump of the throwaway server dumps the restored database without rows, in the format of the backup, and the same
//! reader reads it: equal objects have equal text.
//!
//! - `listing`: the objects of a database, from pg_dump
//! - `compare`: two lists of objects, entry by entry
//! - `cluster`: roles, memberships and settings, which belong to no database
//! - `findings`: what can be wrong with an object, without quoted texts

mod cluster;
mod compare;
mod findings;
mod listing;

use std::collections::{BTreeMap, BTreeSet};

use super::tables::own_database;
use crate::backup::gather::entries::CLUSTER;
use crate::backup::objects::Object;
use crate::backup::{Backup, Part};
use crate::database::DatabaseError;
use crate::outcome::{CouldNotRun, Finding};
use crate::restore::settings::Restore;
use crate::restore::{RestoreLog, target};
use crate::server::ThrowawayServer;
use crate::units::show_counted;

use compare::{Comparability, is_of_database};
use listing::DumpOptions;

pub use compare::{DEFINITIONS, ObjectsProof};

/// Maximum number of findings; the rest is counted.
const LISTED: usize = 1000;

/// Compares the objects of all databases, and the roles.
///
/// # Errors
/// When a program or a query of the server fails: this says nothing about the backup.
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
        let how = Comparability::of(part, server, log);
        if objects.is_empty() && part.contents.connects.is_empty() {
            let what = match within {
                Some(database) => format!("objects of {database}"),
                None => "objects".to_owned(),
            };
            let why = "the dump defines none: it contains only rows, as written with `--data-only`";
            proof.not_compared(what, why);
            continue;
        }
        let options = DumpOptions::of(part, &objects);
        let mut found = listing::list(server, &database, &options).await?;
        // The empty schema of an extension that is not there, unless the backup has it of its own.
        found.list.retain(|object| {
            object.kind != "SCHEMA"
                || settings.stub_of_schema(&object.name).is_none()
                || objects
                    .iter()
                    .any(|own| own.kind == "SCHEMA" && own.name == object.name)
        });
        proof.add(compare::compare(&objects, &found.list, &how), within);
        if !options.comments {
            proof.not_compared(
                "comments",
                "the dump contains none, as with `--no-comments`",
            );
        }
        if part.contents.objects.of_large_objects {
            let what = "owners, privileges and comments of large objects";
            proof.not_compared(what, "pg_dump without rows does not dump large objects");
        }
    }
    proof.add(cluster::compare(server, backup, settings, log).await?, None);
    let others = other_databases(server, backup, settings)
        .await
        .map_err(|error| {
            CouldNotRun::new(format!("the server does not list its databases: {error}"))
        })?;
    proof.findings.extend(others);
    if let Some(more @ 1..) = proof.findings.len().checked_sub(LISTED) {
        proof.findings.truncate(LISTED);
        let actual = show_counted(more as u64, "more difference");
        proof
            .findings
            .push(Finding::new("the objects of the backup", actual));
    }
    Ok(proof)
}

/// Dumps the schema of a database and counts its objects.
///
/// # Errors
/// pg_dump fails, with its message.
pub async fn count_objects(server: &ThrowawayServer, database: &str) -> Result<u64, CouldNotRun> {
    let objects = listing::list(server, database, &DumpOptions::default()).await?;
    Ok(objects.list.len() as u64)
}

/// The objects of a dump by the database that they are restored into; also databases without any.
fn in_databases<'a>(part: &'a Part, settings: &Restore) -> BTreeMap<String, Vec<&'a Object>> {
    let own = own_database(part, settings);
    let mut databases: BTreeMap<String, Vec<&Object>> = BTreeMap::new();
    if part.contents.connects.is_empty() && !part.is_globals() {
        databases.entry(own.clone()).or_default();
    }
    for name in &part.contents.connects {
        databases.entry(name.clone()).or_default();
    }
    // pg_restore creates neither the database nor its settings.
    let without_database = part.is_archive() && !target::restores_database(part, settings);
    for object in &part.contents.objects.list {
        if CLUSTER.contains(&object.kind.as_str())
            || (without_database && is_of_database(object))
            || is_of_stub(object, settings)
        {
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

/// Whether an object is an extension that is not there, its comment, or a right on something of it.
fn is_of_stub(object: &Object, settings: &Restore) -> bool {
    let mut stubs = settings.stub.iter();
    match object.kind.as_str() {
        "EXTENSION" => stubs.any(|stub| stub.extension == object.name),
        "COMMENT" => stubs.any(|stub| object.name == format!("EXTENSION {}", stub.extension)),
        "ACL" => settings.stub_of_schema(&object.schema).is_some(),
        _ => false,
    }
}

/// Databases that the backup does not create.
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
                "it exists",
            )
            .hint("find out which statement of the backup creates it")
        })
        .collect())
}

impl ObjectsProof {
    /// Adds the result of a comparison; `within` is its database where there are several.
    fn add(&mut self, more: Self, within: Option<&str>) {
        self.objects += more.objects;
        for mut finding in more.findings {
            if let (Some(database), Some(object)) = (within, &finding.object) {
                finding.object = Some(format!("{database}: {object}"));
            }
            self.findings.push(finding);
        }
        for one in more.not_compared {
            self.not_compared(one.what, one.why);
        }
    }
}
