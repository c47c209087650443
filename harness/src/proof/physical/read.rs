//! Reads every table and large object of a database to its end, with what is stored outside of its rows.

use super::fault;
use crate::database::Session;
use crate::outcome::{ClusterFacts, CouldNotRun, NotTested};
use crate::proof::settings::Level;
use crate::proof::{Proof, large_objects};
use crate::sql::quote_ident;
use crate::units::listed;

/// Everything that has rows of its own. Temporary tables of sessions that ended are none.
const RELATIONS: &str = "
SELECT n.nspname, c.relname, c.relkind, c.relispopulated, c.relname = 'pg_largeobject' AND n.oid = 11
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'S', 'f') AND c.relpersistence <> 't'
 ORDER BY 1, 2";

/// Reads all tables; at the level `counts` their rows are only counted.
///
/// # Errors
/// The server ended, or lacks a library.
pub(super) async fn tables(
    session: &mut Session,
    (database, level): (&str, Level),
    facts: &mut ClusterFacts,
    proof: &mut Proof,
) -> Result<(), CouldNotRun> {
    let relations = session.rows(RELATIONS).await?;
    let mut foreign = Vec::new();
    for row in relations {
        let [
            Some(schema),
            Some(name),
            Some(kind),
            Some(populated),
            Some(large),
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
                if large == "t" && level == Level::Full {
                    match large_objects::digest(session).await {
                        Ok(digest) => facts.large_objects += digest.count,
                        Err(error) => {
                            let expected = "large objects that can be read to the end";
                            proof.findings.push(fault(&object, expected, error)?);
                        }
                    }
                }
            }
            Err(error) => {
                proof.tables += 1;
                let expected = "rows that can be read to the end";
                proof.findings.push(fault(&object, expected, error)?);
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
