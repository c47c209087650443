//! Materialized views that the backup populates, and tables whose rows it excludes.

use crate::backup::Contents;
use crate::database::{DatabaseError, Session};
use crate::outcome::Finding;
use crate::sql::QualifiedName;

/// Populated materialized views.
const POPULATED: &str = "
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND c.relispopulated";

/// Tables with storage of their own, except those of extensions.
const TABLES: &str = "
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND d.objid = c.oid AND d.deptype = 'e')";

/// Checks that the views that the backup populates in this database are populated; gives their number.
pub(super) async fn check_populated(
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
    let populated = read_names(session, POPULATED).await?;
    let not = wanted.iter().filter(|view| !populated.contains(view));
    findings.extend(not.map(|view| {
        Finding::about(
            view.to_string(),
            "a populated materialized view",
            "it is not populated, or does not exist",
        )
        .hint("see the errors of the restore for its REFRESH")
    }));
    Ok(wanted.len() as u64)
}

/// Checks that tables that the backup defines without rows are empty.
pub(super) async fn check_empty(
    session: &mut Session,
    contents: &Contents,
    findings: &mut Vec<Finding>,
) -> Result<(), DatabaseError> {
    if contents.without_data.is_empty() {
        return Ok(());
    }
    let existing = read_names(session, TABLES).await?;
    let tables = contents.without_data.iter();
    for table in tables.filter(|table| existing.contains(table)) {
        let sql = format!("SELECT 1 FROM ONLY {table} LIMIT 1");
        if session.value(&sql).await?.is_some() {
            findings.push(
                Finding::about(
                    table.to_string(),
                    "no row: the backup excludes its rows",
                    "rows that are not from the backup",
                )
                .hint("check triggers and functions of the dump that write to it"),
            );
        }
    }
    Ok(())
}

async fn read_names(session: &mut Session, sql: &str) -> Result<Vec<QualifiedName>, DatabaseError> {
    let rows = session.rows(sql).await?;
    let names = rows
        .into_iter()
        .filter_map(|row| match <[_; 2]>::try_from(row) {
            Ok([Some(schema), Some(name)]) => Some(QualifiedName { schema, name }),
            _ => None,
        });
    Ok(names.collect())
}
