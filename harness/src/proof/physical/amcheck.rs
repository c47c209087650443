//! Verifies tables, and indexes against their tables, by `amcheck`, whose extension is created in a transaction that is rolled back.

use super::{Recovered, Which, fault};
use crate::database::{DatabaseError, Session};
use crate::outcome::{ClusterFacts, CouldNotRun, Finding, NotTested};
use crate::proof::Proof;
use crate::server::ThrowawayServer;
use crate::sql::{quote_ident, quote_literal};
use crate::units::{listed, show_counted};

/// SQLSTATE of a lock that another transaction holds: after a recovery only prepared ones are there.
const LOCKED: &str = "55P03";
/// Faults of one table that are listed.
const LISTED: usize = 3;

/// Tables, with those that have what is stored outside of rows.
const TABLES: &str = "
SELECT c.oid, n.nspname, c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_am a ON a.oid = c.relam
 WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' AND a.amname = 'heap' AND ({which})
 ORDER BY 2, 3";

/// Indexes that the server uses, with their access method.
const INDEXES: &str = "
SELECT c.oid, n.nspname, c.relname, a.amname
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_am a ON a.oid = c.relam
 WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisvalid AND i.indisready
 ORDER BY 2, 3";

/// Event triggers that nothing switches off before version 17.
const TRIGGERS: &str =
    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_event_trigger WHERE evtenabled IN ('A', 'R')";

/// Makes the functions anew: those of an extension that the backup has may be other ones, which find nothing. That one is
/// renamed, because with it would be dropped what the backup says is part of it.
const CREATE: &str = "UPDATE pg_catalog.pg_extension SET extname = 'redrill_other' WHERE extname = 'amcheck'; CREATE SCHEMA redrill_amcheck; CREATE EXTENSION amcheck SCHEMA redrill_amcheck";

/// Verifies the tables and B-tree indexes of a database.
///
/// # Errors
/// The server ended, or `amcheck` cannot run: a proof in full says that indexes agree with their tables.
pub(super) async fn verify(
    session: &mut Session,
    database: &str,
    recovered: &Recovered<'_>,
    facts: &mut ClusterFacts,
    proof: &mut Proof,
) -> Result<(), CouldNotRun> {
    begin(session, database, recovered.server).await?;
    tables(session, database, Which::All, facts, proof).await?;
    indexes(session, database, recovered, facts, proof).await?;
    session.run("ROLLBACK").await?;
    Ok(())
}

/// Verifies some tables of a database.
///
/// # Errors
/// As those of [`verify`].
pub(super) async fn verify_tables(
    session: &mut Session,
    database: &str,
    server: &ThrowawayServer,
    which: Which<'_>,
    proof: &mut Proof,
) -> Result<(), CouldNotRun> {
    begin(session, database, server).await?;
    tables(
        session,
        database,
        which,
        &mut ClusterFacts::default(),
        proof,
    )
    .await?;
    session.run("ROLLBACK").await?;
    Ok(())
}

/// Begins a transaction that has the functions of amcheck.
async fn begin(
    session: &mut Session,
    database: &str,
    server: &ThrowawayServer,
) -> Result<(), CouldNotRun> {
    let not_run = |why: &str| {
        CouldNotRun::with_hint(
            format!("the tables of {database} cannot be verified by amcheck: {why}"),
            "`proof = \"counts\"` compares less, and reports say so",
        )
    };
    // Their code would run when the extension is created, and could answer in its place.
    let is_fired = server.version() < 170_000 && session.count(TRIGGERS).await? > 0;
    if is_fired {
        return Err(not_run(
            "the database has event triggers that run always, which a server before version 17 cannot switch off",
        ));
    }
    session
        .run("BEGIN READ WRITE; SET LOCAL session_replication_role = replica")
        .await?;
    if let Err(error) = session.run(CREATE).await {
        return Err(match error.lost {
            true => error.into(),
            false => not_run(&error.to_string()),
        });
    }
    Ok(())
}

/// Runs a statement that may fail without the end of the transaction.
async fn tried(
    session: &mut Session,
    statement: &str,
) -> Result<Result<Vec<String>, DatabaseError>, CouldNotRun> {
    session.run("SAVEPOINT one").await?;
    let answer = session.rows(statement).await;
    match answer {
        Ok(rows) => {
            session.run("RELEASE one").await?;
            Ok(Ok(rows.into_iter().flatten().flatten().collect()))
        }
        Err(error) if error.lost => Err(error.into()),
        Err(error) => {
            session.run("ROLLBACK TO one").await?;
            Ok(Err(error))
        }
    }
}

async fn tables(
    session: &mut Session,
    database: &str,
    which: Which<'_>,
    facts: &mut ClusterFacts,
    proof: &mut Proof,
) -> Result<(), CouldNotRun> {
    for row in session.rows(&which.within(TABLES)).await? {
        let [Some(oid), Some(of), Some(name)] = row.as_slice() else {
            continue;
        };
        let object = format!("{database}: {}.{}", quote_ident(of), quote_ident(name));
        let expected = "pages and rows that are well-formed";
        let oid = quote_literal(oid);
        let statement = format!(
            "SELECT 'block ' || blkno || coalesce(', item ' || offnum, '') || ': ' || msg FROM redrill_amcheck.verify_heapam(relation => {oid}::pg_catalog.oid::pg_catalog.regclass, on_error_stop => false, check_toast => true, skip => 'none') LIMIT 1000"
        );
        match tried(session, &statement).await? {
            Ok(faults) if faults.is_empty() => facts.verified_tables += 1,
            Ok(faults) => {
                proof.tables += 1;
                let shown = faults
                    .iter()
                    .take(LISTED)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("; ");
                let more = match faults.len().saturating_sub(LISTED) {
                    0 => String::new(),
                    more => format!("; {}", show_counted(more as u64, "more fault")),
                };
                proof.findings.push(
                    Finding::about(object, expected, format!("{shown}{more}"))
                        .hint("the data is damaged: use another backup"),
                );
            }
            Err(error) => {
                proof.tables += 1;
                proof.findings.push(fault(&object, expected, error)?);
            }
        }
    }
    Ok(())
}

async fn indexes(
    session: &mut Session,
    database: &str,
    recovered: &Recovered<'_>,
    facts: &mut ClusterFacts,
    proof: &mut Proof,
) -> Result<(), CouldNotRun> {
    let mut others: Vec<String> = Vec::new();
    for row in session.rows(INDEXES).await? {
        let [Some(oid), Some(of), Some(name), Some(method)] = row.as_slice() else {
            continue;
        };
        let index = format!("{}.{}", quote_ident(of), quote_ident(name));
        if method != "btree" {
            others.push(format!("{index} ({method})"));
            continue;
        }
        session.learn_name(&index);
        session.learn_name(name);
        let statement = format!(
            "SELECT redrill_amcheck.bt_index_parent_check(index => {}::pg_catalog.oid::pg_catalog.regclass, heapallindexed => true)",
            quote_literal(oid)
        );
        match tried(session, &statement).await? {
            Ok(_) => facts.verified_indexes += 1,
            Err(error) if error.sqlstate.as_deref() == Some(LOCKED) => {
                proof.facts.not_compared.push(NotTested::new(
                    format!("in {database}, the index {index}"),
                    "a prepared transaction holds a lock on its table",
                ));
            }
            Err(error) => {
                let object = format!("{database}: index {index}");
                let expected = "an index with every row of its table, in order";
                let found = fault(&object, expected, error)?;
                proof.findings.push(match recovered.collations.is_empty() {
                    true => found,
                    false => found.hint("this server has another version of a collation of the backup, so its order may differ: rebuild the index after a restore here (`REINDEX`), or drill on a server with the version of the source"),
                });
            }
        }
    }
    if !others.is_empty() {
        proof.facts.not_compared.push(NotTested::new(
            format!("in {database}, the indexes {}", listed(&others, 8)),
            "amcheck verifies B-tree indexes only",
        ));
    }
    Ok(())
}
