//! Proof of a recovered base backup: it has no second copy of its rows to compare them with, so everything is read to its end, and what
//! the server keeps twice is compared.
//!
//! - `read`: every table and large object; `amcheck`: tables, and indexes against their tables
//! - `catalogs`: references between system catalogs; `canary`: whether the rows before the target are there, and none after it

mod amcheck;
mod canary;
mod catalogs;
mod read;

pub mod settings;

use std::time::Duration;

use super::Proof;
use super::objects::count_objects;
use super::settings::Level;
use crate::backup::base::BaseBackup;
use crate::database::{DatabaseError, Session, Terms};
use crate::outcome::{ClusterFacts, CouldNotRun, Finding, NotTested, ProofFacts};
use crate::server::ThrowawayServer;
use crate::units::{show_count, show_counted};
use settings::Pitr;

/// Limit of each statement: a table, or an index with its table.
const STATEMENT_WITHIN: Duration = Duration::from_secs(6 * 3600);
/// Maximum number of findings; the rest is counted.
const LISTED: usize = 1000;

/// What is proven, and what it is compared with.
pub struct Recovered<'a> {
    /// The server.
    pub server: &'a ThrowawayServer,
    /// What it was recovered from.
    pub base: &'a BaseBackup,
    /// The databases that a scenario names by default.
    pub databases: &'a [String],
    /// The canary of the scenario.
    pub pitr: Option<&'a Pitr>,
    /// Whether a check compares the database with a baseline.
    pub has_baseline: bool,
    /// Collations of which the server has another version.
    pub collations: &'a [String],
}

/// Reads and verifies a recovered cluster.
///
/// # Errors
/// The server ended, or lacks a library: this says nothing about the backup.
pub async fn prove(recovered: &Recovered<'_>, level: Level) -> Result<Proof, CouldNotRun> {
    let mut proof = Proof {
        facts: ProofFacts {
            level: level.word().to_owned(),
            ..ProofFacts::default()
        },
        ..Proof::default()
    };
    let mut facts = ClusterFacts {
        pages: recovered.base.verified_pages,
        ..ClusterFacts::default()
    };
    for (database, is_open) in databases(recovered.server).await? {
        // A database that nobody may connect to has rows all the same; this server is thrown away.
        if !is_open {
            recovered.server.allow_connections(&database, true).await?;
        }
        prove_database(recovered, &database, level, &mut facts, &mut proof).await?;
        if !is_open {
            recovered.server.allow_connections(&database, false).await?;
        }
    }
    if let Some(pitr) = recovered.pitr {
        let seen = canary::read(recovered, pitr, &mut proof.findings).await?;
        facts.canary = Some(seen);
    }
    if let Some(more @ 1..) = proof.findings.len().checked_sub(LISTED) {
        proof.findings.truncate(LISTED);
        proof.findings.push(Finding::new(
            "a sound cluster",
            show_counted(more as u64, "more finding"),
        ));
    }
    not_compared(recovered, &mut proof);
    proof.facts.cluster = Some(facts);
    Ok(proof)
}

/// Reads some tables of a recovered database to their end and verifies them by amcheck, as the proof of the whole cluster does; their
/// indexes only have as many rows. `oids` are those of tables with storage, or of partitioned ones, which have no rows of their own.
///
/// # Errors
/// As those of [`prove`].
pub async fn verify_tables(
    server: &ThrowawayServer,
    database: &str,
    oids: &[String],
) -> Result<Vec<Finding>, CouldNotRun> {
    let (which, mut proof) = (Which::Some(oids), Proof::default());
    let mut session = open(server, database).await?;
    let of = (database, which, Level::Full);
    read::tables(
        &mut session,
        server,
        of,
        &mut ClusterFacts::default(),
        &mut proof,
    )
    .await?;
    amcheck::verify_tables(&mut session, database, server, which, &mut proof).await?;
    session.close().await;
    Ok(proof.findings)
}

/// Tables that are read.
#[derive(Debug, Clone, Copy)]
enum Which<'a> {
    /// All of them.
    All,
    /// Those with these OIDs, and what is stored outside of their rows.
    Some(&'a [String]),
}

impl Which<'_> {
    /// A query of relations `c`, of these tables.
    fn within(self, query: &str) -> String {
        let condition = match self {
            Self::All => "true".to_owned(),
            Self::Some(oids) => {
                let some = format!("ARRAY[{}]::pg_catalog.oid[]", oids.join(", "));
                format!(
                    "c.oid = ANY ({some}) OR c.oid IN (SELECT o.reltoastrelid FROM pg_catalog.pg_class o WHERE o.oid = ANY ({some}))"
                )
            }
        };
        query.replace("{which}", &condition)
    }
}

/// What of the cluster nothing compares.
fn not_compared(recovered: &Recovered<'_>, proof: &mut Proof) {
    let mut add = |what: &str, why: &str| {
        let entry = NotTested::new(what, why);
        if !proof.facts.not_compared.contains(&entry) {
            proof.facts.not_compared.push(entry);
        }
    };
    if !recovered.has_baseline {
        add(
            "the values of rows",
            "a base backup has no second copy of them: a check `baseline` compares them with an earlier state",
        );
    }
    if recovered.base.verified_pages.is_none() {
        add(
            "pages by their checksums",
            "the cluster has none: `pg_checksums --enable` adds them",
        );
    }
    if !recovered.base.has_manifest {
        add(
            "files by their checksums",
            "the base backup has no manifest",
        );
        add(
            "which transactions were committed",
            "pg_xact has no checksums of its own, and no manifest lists its files: a bit that was flipped there takes rows away or brings them back",
        );
    }
    add(
        "system views and what initdb made of them",
        "another initdb gives their definitions other OIDs; functions, operators and types of the server are compared",
    );
}

/// Reads and verifies one database.
async fn prove_database(
    recovered: &Recovered<'_>,
    database: &str,
    level: Level,
    facts: &mut ClusterFacts,
    proof: &mut Proof,
) -> Result<(), CouldNotRun> {
    let server = recovered.server;
    let mut session = open(server, database).await?;
    facts.databases += 1;
    facts.references += catalogs::verify(&mut session, database, &mut proof.findings).await?;
    match count_objects(server, database).await {
        Ok(objects) => proof.facts.objects += objects,
        Err(error) => proof.findings.push(
            Finding::about(
                format!("database {database}"),
                "a schema that pg_dump can dump",
                error.reason,
            )
            .hint("the catalogs of the recovered database contradict themselves"),
        ),
    }
    let of = (database, Which::All, level);
    match level {
        Level::Off | Level::Objects => {}
        Level::Counts => read::tables(&mut session, server, of, facts, proof).await?,
        Level::Full => {
            // Both read everything, and neither changes what the other sees.
            let (mut verified, mut of_amcheck) = (Proof::default(), ClusterFacts::default());
            let verify = async {
                let mut session = open(server, database).await?;
                let (facts, proof) = (&mut of_amcheck, &mut verified);
                amcheck::verify(&mut session, database, recovered, facts, proof).await?;
                session.close().await;
                Ok(())
            };
            tokio::try_join!(read::tables(&mut session, server, of, facts, proof), verify)?;
            facts.verified_tables += of_amcheck.verified_tables;
            facts.verified_indexes += of_amcheck.verified_indexes;
            proof.findings.extend(verified.findings);
            proof.tables += verified.tables;
            let not_compared = verified.facts.not_compared;
            proof.facts.not_compared.extend(not_compared);
        }
    }
    session.close().await;
    Ok(())
}

/// All databases but `template0`, and whether they can be connected to.
async fn databases(server: &ThrowawayServer) -> Result<Vec<(String, bool)>, CouldNotRun> {
    let mut session = open(server, "template1").await?;
    let rows = session
        .rows("SELECT datname, datallowconn FROM pg_catalog.pg_database WHERE datname <> 'template0' ORDER BY datname")
        .await?;
    session.close().await;
    let mut all = Vec::new();
    for row in rows {
        if let [Some(name), Some(is_open)] = row.as_slice() {
            all.push((name.clone(), is_open == "t"));
        }
    }
    Ok(all)
}

async fn open(server: &ThrowawayServer, database: &str) -> Result<Session, CouldNotRun> {
    let terms = Terms {
        statement_timeout: STATEMENT_WITHIN,
    };
    let session = Session::superuser(server.endpoint(), database, &terms).await;
    session.map_err(|error| {
        CouldNotRun::with_hint(
            format!("the recovered database {database} cannot be connected to: {error}"),
            "a locale or a library of the source may be missing on this server: name an image that has it",
        )
    })
}

/// What an error of the server says about the data of `object`.
///
/// # Errors
/// It says nothing about the data: the connection is lost, the machine has no room, a library is missing.
fn fault(object: &str, expected: &str, error: DatabaseError) -> Result<Finding, CouldNotRun> {
    let state = error.sqlstate.as_deref().unwrap_or_default();
    let of_machine = error.lost
        || ["53", "57", "55P03"]
            .iter()
            .any(|class| state.starts_with(class));
    if of_machine
        || error.mentions("could not access file")
        || error.mentions("could not load library")
    {
        return Err(CouldNotRun::with_hint(
            format!("{object}: {error}"),
            "look at the memory and the disk of this machine, whether the server has the libraries of all extensions, and for prepared transactions that hold locks",
        ));
    }
    let finding = Finding::about(object, expected, error.to_string());
    Ok(finding.hint("the data is damaged: by the disk of the source, or after the backup was taken; use another backup"))
}

/// One line for people about a proof without findings.
#[must_use]
pub fn summary(facts: &ClusterFacts, level: Level) -> String {
    let mut parts = vec![format!(
        "{} of system catalogs hold in {}",
        show_counted(facts.references, "reference"),
        show_counted(facts.databases, "database")
    )];
    if level == Level::Counts {
        parts.push(format!(
            "{} of {} counted",
            show_counted(facts.rows, "row"),
            show_counted(facts.tables, "table")
        ));
    }
    if level == Level::Full {
        parts.push(format!(
            "{} of {} and {} read to the end",
            show_counted(facts.rows, "row"),
            show_counted(facts.tables, "table"),
            show_counted(facts.large_objects, "large object")
        ));
        parts.push(format!(
            "{} and {} verified by amcheck",
            show_counted(facts.verified_tables, "table"),
            match facts.verified_indexes {
                1 => "1 index".to_owned(),
                more => format!("{} indexes", show_count(more)),
            }
        ));
    }
    if let Some(pages) = facts.pages {
        parts.push(format!(
            "{} by their checksums",
            show_counted(pages, "page")
        ));
    }
    if let Some(canary) = &facts.canary
        && let Some(newest) = canary.newest
    {
        parts.push(format!("the newest row of {} is of {newest}", canary.table));
    }
    parts.join("; ")
}
