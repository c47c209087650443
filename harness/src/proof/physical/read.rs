//! Reads every table and large object of a database to its end, with what is stored outside of its rows.

use super::{Which, fault, open};
use crate::database::{DatabaseError, Session};
use crate::outcome::{ClusterFacts, CouldNotRun, Finding, NotTested};
use crate::proof::settings::Level;
use crate::proof::{Proof, large_objects};
use crate::server::ThrowawayServer;
use crate::sql::quote_ident;
use crate::units::{listed, show_counted};

/// Everything that has rows of its own. Temporary tables of sessions that ended are none.
const RELATIONS: &str = "
SELECT n.nspname, c.relname, c.relkind, c.relispopulated, c.relname = 'pg_largeobject' AND n.oid = 11,
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.place)
          FROM pg_catalog.pg_index i
         CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE k.place <= i.indnkeyatts AND i.indexrelid = (
               SELECT o.indexrelid FROM pg_catalog.pg_index o
                 JOIN pg_catalog.pg_class x ON x.oid = o.indexrelid
                 JOIN pg_catalog.pg_am m ON m.oid = x.relam
                WHERE o.indrelid = c.oid AND o.indisvalid AND o.indisready AND o.indexprs IS NULL
                  AND o.indpred IS NULL AND m.amname = 'btree'
                ORDER BY o.indisprimary DESC, o.indisunique DESC, o.indexrelid LIMIT 1))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'S', 'f') AND c.relpersistence <> 't' AND ({which})
 ORDER BY 1, 2";

/// Reads tables; at the level `counts` their rows are only counted.
///
/// # Errors
/// The server ended, or lacks a library.
pub(super) async fn tables(
    session: &mut Session,
    server: &ThrowawayServer,
    (database, which, level): (&str, Which<'_>, Level),
    facts: &mut ClusterFacts,
    proof: &mut Proof,
) -> Result<(), CouldNotRun> {
    let relations = session.rows(&which.within(RELATIONS)).await?;
    let mut foreign = Vec::new();
    for row in relations {
        let [
            Some(schema),
            Some(name),
            Some(kind),
            Some(populated),
            Some(large),
            key,
        ] = row.as_slice()
        else {
            continue;
        };
        let table = format!("{}.{}", quote_ident(schema), quote_ident(name));
        let object = format!("{database}: {table}");
        session.learn_name(&table);
        if kind == "f" {
            foreign.push(object);
            continue;
        }
        if kind == "m" && populated == "f" {
            continue;
        }
        let read = if kind == "S" {
            let last = format!("SELECT last_value FROM {table}");
            session.value(&last).await.map(|_| 0)
        } else if level == Level::Counts {
            let count = format!("SELECT pg_catalog.count(*) FROM ONLY {table}");
            session.count(&count).await
        } else {
            let mut rows = 0;
            let copy = format!("COPY (SELECT * FROM ONLY {table}) TO STDOUT");
            session.copy_out(&copy, |_| rows += 1).await.map(|()| rows)
        };
        match read {
            Ok(rows) => {
                facts.tables += u64::from(kind != "S");
                facts.rows += rows;
                if let Some(key) = key
                    && level == Level::Full
                    && kind != "S"
                {
                    let counted = by_index(session, &table, key).await;
                    proof.findings.extend(compare(&object, key, rows, counted)?);
                }
                if large == "t" && level == Level::Full {
                    match large_objects::digest(session).await {
                        Ok(digest) => facts.large_objects += digest.count,
                        Err(error) => {
                            let expected = "large objects that can be read to the end";
                            proof.findings.push(fault(&object, expected, error)?);
                            *session = open(server, database).await?;
                        }
                    }
                }
            }
            Err(error) => {
                proof.tables += 1;
                let expected = "rows that can be read to the end";
                proof.findings.push(fault(&object, expected, error)?);
                // An error in the middle of COPY leaves the rest of the answer in the session.
                *session = open(server, database).await?;
            }
        }
    }
    if !foreign.is_empty() {
        proof.facts.not_compared.push(NotTested::new(
            format!("the rows of {}", listed(&foreign, 8)),
            "foreign tables are on another server, which a drill does not reach",
        ));
    }
    Ok(())
}

/// Plans that read each row by the index, and so find rows that an index has and the table has not: a table that lost its last pages
/// is otherwise one with fewer rows.
const BY_INDEX: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; \
    SET enable_sort = off; SET max_parallel_workers_per_gather = 0";
const BY_ANY: &str = "RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_indexonlyscan; \
    RESET enable_sort; RESET max_parallel_workers_per_gather";

/// Counts the rows of a table by the index with these columns; `None` where the server would not use one.
async fn by_index(
    session: &mut Session,
    table: &str,
    key: &str,
) -> Result<Option<u64>, DatabaseError> {
    let count = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT 1 FROM ONLY {table} ORDER BY {key}) AS by_index"
    );
    session.run(BY_INDEX).await?;
    let plan = session
        .rows(&format!("EXPLAIN (COSTS OFF) {count}"))
        .await?;
    let mut plan = plan.iter().flatten().flatten();
    let counted = match plan.any(|line| line.contains("Index Scan")) {
        true => session.count(&count).await.map(Some),
        false => Ok(None),
    };
    session.run(BY_ANY).await?;
    counted
}

/// What is wrong with a table of which an index has other rows.
fn compare(
    object: &str,
    key: &str,
    rows: u64,
    counted: Result<Option<u64>, DatabaseError>,
) -> Result<Option<Finding>, CouldNotRun> {
    let expected = format!("{}, as its index on {key} has", show_counted(rows, "row"));
    match counted {
        Ok(None) => Ok(None),
        Ok(Some(counted)) if counted == rows => Ok(None),
        Ok(Some(counted)) => {
            let found = format!("{} by the index", show_counted(counted, "row"));
            let hint = "pages of the table or of the index are lost: use another backup";
            Ok(Some(Finding::about(object, expected, found).hint(hint)))
        }
        Err(error) => Ok(Some(fault(object, &expected, error)?)),
    }
}
