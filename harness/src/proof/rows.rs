//! What is in the database against what is in the backup: every table, every row counted.

use std::collections::BTreeMap;

use crate::backup::Backup;
use crate::database::{DatabaseError, QualifiedName};
use crate::outcome::{Finding, TableRows};
use crate::restore::settings::Restore;
use crate::restore::target;
use crate::server::ThrowawayServer;
use crate::units::show_count;

/// Which tables are there, which of them belong to an extension, and which are partitioned.
const TABLES: &str = "
SELECT n.nspname, c.relname,
       EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  AND d.objid = c.oid AND d.deptype = 'e'),
       c.relkind = 'p'
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f')";

/// Counts the rows of every table of the backup in the database that it was restored into.
///
/// # Errors
/// When a database cannot be looked at: this says nothing about the backup.
pub async fn compare(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
) -> Result<(Vec<TableRows>, Vec<Finding>), DatabaseError> {
    let mut by_database: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for part in &backup.parts {
        let own = target::database_of(part, settings).unwrap_or_else(|| "postgres".to_owned());
        for ((named, table), rows) in &part.contents.rows {
            let name = if named.is_empty() { &own } else { named };
            by_database
                .entry(name.clone())
                .or_default()
                .push((table, rows));
        }
    }
    let (mut all, mut findings) = (Vec::new(), Vec::new());
    for (database, tables) in by_database {
        let mut session = server.session(&database).await?;
        let mut there = BTreeMap::new();
        for row in session.rows(TABLES).await? {
            if let [Some(schema), Some(name), Some(extension), Some(partitioned)] = row.as_slice() {
                let table = QualifiedName {
                    schema: schema.clone(),
                    name: name.clone(),
                };
                there.insert(table, (extension == "t", partitioned == "t"));
            }
        }
        for (table, rows) in tables {
            let found = there.get(table).copied();
            let restored = match found {
                // Rows that a dump loads through the root (`--load-via-partition-root`) lie below it;
                // the rows of other children are counted with the children.
                Some((_, true)) => Some(
                    session
                        .count(&format!("SELECT count(*) FROM {table}"))
                        .await?,
                ),
                Some((_, false)) => Some(
                    session
                        .count(&format!("SELECT count(*) FROM ONLY {table}"))
                        .await?,
                ),
                None => None,
            };
            let of_extension = found.is_some_and(|(of_extension, _)| of_extension);
            if rows.unknown && restored.is_some_and(|restored| restored >= rows.count) {
                // Such a dump says of some rows how many they are, and there are no fewer.
                all.push(TableRows {
                    database: database.clone(),
                    table: table.to_string(),
                    backup: rows.count,
                    restored,
                });
                continue;
            }
            findings.extend(judge(
                table,
                rows.count,
                restored,
                of_extension,
                rows.may_be_fewer,
            ));
            all.push(TableRows {
                database: database.clone(),
                table: table.to_string(),
                backup: rows.count,
                restored,
            });
        }
        session.close().await;
    }
    Ok((all, findings))
}

/// Compares the rows of one table.
fn judge(
    table: &QualifiedName,
    backup: u64,
    restored: Option<u64>,
    of_extension: bool,
    may_be_fewer: bool,
) -> Option<Finding> {
    let expected = format!("{} rows, as in the backup", show_count(backup));
    let Some(restored) = restored else {
        return Some(
            Finding::about(
                table.to_string(),
                expected,
                "the table is not in the database",
            )
            .hint("look for its CREATE TABLE among the restore's errors"),
        );
    };
    let good = match restored.cmp(&backup) {
        std::cmp::Ordering::Equal => true,
        // The extension's own script may put rows into its table before the dump adds others.
        std::cmp::Ordering::Greater => of_extension,
        std::cmp::Ordering::Less => may_be_fewer && restored > 0,
    };
    (!good).then(|| {
        Finding::about(table.to_string(), expected, format!("{} rows", show_count(restored)))
            .hint("look for its COPY among the restore's errors, and for triggers and rules that act on it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(5, Some(5), false, false, true)]
    #[case(5, Some(4), false, false, false)]
    #[case(5, Some(6), false, false, false)]
    #[case(5, Some(6), true, false, true)]
    #[case(5, Some(4), false, true, true)]
    #[case(5, Some(0), false, true, false)]
    #[case(5, None, false, true, false)]
    #[case(0, None, false, false, false)]
    fn rows_are_compared(
        #[case] backup: u64,
        #[case] restored: Option<u64>,
        #[case] of_extension: bool,
        #[case] may_be_fewer: bool,
        #[case] good: bool,
    ) {
        let table = QualifiedName::parse("app.orders").unwrap();
        assert_eq!(
            judge(&table, backup, restored, of_extension, may_be_fewer).is_none(),
            good
        );
    }
}
