//! Materialized views that the backup fills, and tables that it leaves empty.

use crate::backup::Contents;
use crate::database::{DatabaseError, Session};
use crate::outcome::Finding;
use crate::sql::{QualifiedName, quote_ident};

/// Materialized views that hold rows or may.
const FILLED: &str = "
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND c.relispopulated";

/// Tables that have storage of their own and are no extension's.
const TABLES: &str = "
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND d.objid = c.oid AND d.deptype = 'e')";

/// Looks whether the views that the backup fills in this database are filled; gives how many.
pub(super) async fn filled(
    session: &mut Session,
    contents: &Contents,
    named: &str,
    findings: &mut Vec<Finding>,
) -> Result<u64, DatabaseError> {
    let wanted = contents
        .refreshed
        .iter()
        .filter(|(database, _)| database == named);
    let wanted: Vec<&QualifiedName> = wanted.map(|(_, view)| view).collect();
    if wanted.is_empty() {
        return Ok(0);
    }
    let there = names(session, FILLED).await?;
    let not = wanted.iter().filter(|view| !there.contains(view));
    findings.extend(not.map(|view| {
        Finding::about(
            view.to_string(),
            "a materialized view with its rows",
            "it is not filled, or not there",
        )
        .hint("see the errors of the restore for its REFRESH")
    }));
    Ok(wanted.len() as u64)
}

/// Looks whether the tables that the backup defines without a place for their rows are empty.
pub(super) async fn empty(
    session: &mut Session,
    contents: &Contents,
    findings: &mut Vec<Finding>,
) -> Result<(), DatabaseError> {
    if contents.without_data.is_empty() {
        return Ok(());
    }
    let there = names(session, TABLES).await?;
    for table in contents
        .without_data
        .iter()
        .filter(|table| there.contains(table))
    {
        let only = format!(
            "{}.{}",
            quote_ident(&table.schema),
            quote_ident(&table.name)
        );
        let sql = format!("SELECT 1 FROM ONLY {only} LIMIT 1");
        if session.value(&sql).await?.is_some() {
            findings.push(
                Finding::about(
                    table.to_string(),
                    "no row: the backup leaves its rows out",
                    "rows that are not from the backup",
                )
                .hint("check triggers and functions of the dump that write to it"),
            );
        }
    }
    Ok(())
}

async fn names(session: &mut Session, sql: &str) -> Result<Vec<QualifiedName>, DatabaseError> {
    let rows = session.rows(sql).await?;
    let names = rows
        .into_iter()
        .filter_map(|row| match <[_; 2]>::try_from(row) {
            Ok([Some(schema), Some(name)]) => Some(QualifiedName { schema, name }),
            _ => None,
        });
    Ok(names.collect())
}
