//! The history of an append-only table: rows that were in it must still be in it, unchanged.
//!
//! All but the newest rows are sealed: one digest of all rows up to a value of a growing column, the watermark. The newest
//! are recorded one by one, since a transaction that was running when the history was taken may insert rows between them.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::tables::StoredTable;
use crate::database::{DatabaseError, Session};
use crate::digest::{RowsDigest, sha256};
use crate::outcome::Finding;
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::{show_count, show_counted};

/// Limits for the number of newest rows, which is a hundredth of all rows.
const NEWEST: (u64, u64) = (50, 1000);

/// Bytes of the digest of a newest row that are kept.
const KEPT: usize = 16;

/// The history of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The growing column; `None` where every row is recorded by itself.
    pub watermark: Option<String>,
    /// The columns that were digested, in order: all columns of the table.
    pub columns: Vec<String>,
    /// The sealed rows; `None` where all rows are among the newest.
    pub sealed: Option<Sealed>,
    /// The newest rows, each as the first 16 bytes of its SHA-256 in hexadecimal.
    pub newest: Vec<String>,
}

/// All rows up to a value of the watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The highest value of the watermark among them, as the server prints it.
    pub up_to: String,
    /// Their digest.
    pub rows: RowsDigest,
}

/// The column of a table that grows with its rows: a number that the server increments, or else the time of the row.
/// Columns that may be NULL or have no default are not used.
const WATERMARK: &str = "
SELECT a.attname
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_catalog.pg_index k ON k.indrelid = a.attrelid AND k.indisprimary AND k.indnkeyatts = 1 AND k.indkey[0] = a.attnum
 CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression) e
 CROSS JOIN LATERAL (SELECT CASE
        WHEN a.atttypid IN ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype, 'int8'::pg_catalog.regtype)
             AND (a.attidentity <> '' OR e.expression LIKE 'nextval(%') THEN 1
        WHEN a.atttypid IN ('timestamptz'::pg_catalog.regtype, 'timestamp'::pg_catalog.regtype)
             AND e.expression ~* '(now|current_timestamp|clock_timestamp|statement_timestamp|transaction_timestamp|localtimestamp)' THEN 2
        WHEN a.atttypid IN ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype, 'int8'::pg_catalog.regtype)
             AND k.indrelid IS NOT NULL THEN 3
        WHEN a.atttypid IN ('timestamptz'::pg_catalog.regtype, 'timestamp'::pg_catalog.regtype)
             AND a.attname ~ '^(at|time|ts|timestamp|(created|inserted|occurred|recorded|logged|happened|applied|executed|event)(_?(at|on|time|date|ts))?)$' THEN 4
       END AS rank) r
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND r.rank IS NOT NULL
 ORDER BY r.rank, a.attnum
 LIMIT 1";

/// Finds the column of a table that grows with its rows.
///
/// # Errors
/// When the table does not exist.
pub async fn find_watermark(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Option<String>, DatabaseError> {
    session
        .value(&WATERMARK.replace("{table}", &table.literal()))
        .await
}

/// Takes the history of a table that has `rows` rows; `None` where no column grows and there are too many rows to record
/// each.
///
/// # Errors
/// When it cannot be read.
pub async fn take(
    session: &mut Session,
    table: &StoredTable,
    rows: u64,
) -> Result<Option<History>, DatabaseError> {
    let name = &table.name;
    let watermark = find_watermark(session, name).await?;
    let newest = (rows / 100).clamp(NEWEST.0, NEWEST.1);
    let up_to = match &watermark {
        None if rows > NEWEST.1 => return Ok(None),
        None => None,
        Some(column) => highest_sealed(session, name, &quote_ident(column), newest).await?,
    };
    let mut history = History {
        watermark,
        columns: table.columns.clone(),
        sealed: None,
        newest: Vec::new(),
    };
    let mut newest = Vec::new();
    session
        .copy_out(&history.copy_newer(name, up_to.as_deref()), |row| {
            newest.push(short_digest(row));
        })
        .await?;
    // Rows have no order; the committed file has one.
    newest.sort();
    history.newest = newest;
    if let Some(up_to) = up_to {
        let rows = session
            .digest_rows(&history.copy_sealed(name, &up_to))
            .await?;
        history.sealed = Some(Sealed { up_to, rows });
    }
    Ok(Some(history))
}

/// The highest value of the watermark below the newest rows, as the server prints it; `None` where all rows are newest.
async fn highest_sealed(
    session: &mut Session,
    name: &QualifiedName,
    column: &str,
    newest: u64,
) -> Result<Option<String>, DatabaseError> {
    session
        .value(&format!(
            // Without `t.` it is the order of the text.
            "SELECT t.{column}::pg_catalog.text FROM ONLY {name} t ORDER BY t.{column} DESC OFFSET {newest} LIMIT 1"
        ))
        .await
}

/// The beginning of the SHA-256 of a row.
fn short_digest(row: &[u8]) -> String {
    sha256(row)[..2 * KEPT].to_owned()
}

impl History {
    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.sealed.as_ref().map_or(0, |sealed| sealed.rows.count) + self.newest.len() as u64
    }

    fn select(&self, table: &QualifiedName) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| quote_ident(name)).collect();
        format!("SELECT {} FROM ONLY {table}", columns.join(", "))
    }

    fn copy_sealed(&self, table: &QualifiedName, up_to: &str) -> String {
        let column = self.watermark.as_deref().unwrap_or_default();
        format!(
            "COPY ({} WHERE {} <= {}) TO STDOUT",
            self.select(table),
            quote_ident(column),
            quote_literal(up_to)
        )
    }

    fn copy_newer(&self, table: &QualifiedName, up_to: Option<&str>) -> String {
        let newer = self.watermark.as_ref().zip(up_to);
        let newer = newer.map_or(String::new(), |(column, value)| {
            format!(" WHERE {} > {}", quote_ident(column), quote_literal(value))
        });
        format!("COPY ({}{newer}) TO STDOUT", self.select(table))
    }

    /// Compares a table with this history of it; gives what differs.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn compare(
        &self,
        session: &mut Session,
        table: &StoredTable,
    ) -> Result<Option<Finding>, DatabaseError> {
        let name = &table.name;
        let columns = self.columns.iter().map(String::as_str);
        let dropped: Vec<&str> = columns
            .filter(|column| !table.columns.iter().any(|other| other == column))
            .collect();
        if !dropped.is_empty() {
            let actual = format!("dropped columns: {}", dropped.join(", "));
            return Ok(Some(self.finding(name, actual).hint(
                "if a migration dropped them, `redrill accept` takes the history again",
            )));
        }
        let mut now = RowsDigest::default();
        if let Some(sealed) = &self.sealed {
            now = session
                .digest_rows(&self.copy_sealed(name, &sealed.up_to))
                .await?;
        }
        let mut missing: HashMap<&str, u64> = HashMap::new();
        for row in &self.newest {
            *missing.entry(row).or_default() += 1;
        }
        let up_to = self.sealed.as_ref().map(|sealed| sealed.up_to.as_str());
        session
            .copy_out(&self.copy_newer(name, up_to), |row| {
                if let Some(count) = missing.get_mut(short_digest(row).as_str()) {
                    *count = count.saturating_sub(1);
                }
            })
            .await?;
        let differs = self.difference(&now, missing.values().sum());
        Ok(differs.map(|(actual, hint)| self.finding(name, actual).hint(hint)))
    }

    /// The finding for a table that does not exist.
    #[must_use]
    pub fn table_missing(&self, table: &QualifiedName) -> Finding {
        self.finding(table, "the table does not exist".to_owned())
            .hint("if old partitions are dropped by design, list them in `may-be-dropped`")
    }

    fn finding(&self, table: &QualifiedName, actual: String) -> Finding {
        let expected = format!(
            "the {} of the baseline, unchanged",
            show_counted(self.rows(), "row")
        );
        Finding::about(table.to_string(), expected, actual)
    }

    /// How the sealed rows differ, or else the newest; with a hint. `missing` counts the newest rows that are not there.
    fn difference(&self, now: &RowsDigest, missing: u64) -> Option<(String, &'static str)> {
        const CHANGED: &str = "rows of the past were changed or deleted: compare the table with an older backup before you trust this one";
        let sealed = self.sealed.as_ref().map(|sealed| sealed.rows);
        if let Some(was) = sealed.filter(|was| was != now) {
            let column = self.watermark.as_deref().unwrap_or_default();
            let up_to = format!("up to the watermark `{column}`");
            return Some(match now.count.cmp(&was.count) {
                Ordering::Less => {
                    let rows = show_counted(was.count - now.count, "row");
                    (format!("{rows} missing {up_to}"), CHANGED)
                }
                Ordering::Equal => (
                    format!("as many rows {up_to}, and at least one has other values"),
                    CHANGED,
                ),
                Ordering::Greater => (
                    format!(
                        "{} added {up_to}",
                        show_counted(now.count - was.count, "row")
                    ),
                    "rows were inserted with old values of this column, or are not inserted in its order; take the baseline when no long transaction is running",
                ),
            });
        }
        let newest = show_counted(self.newest.len() as u64, "newest row");
        (missing > 0).then(|| {
            let missing = show_count(missing);
            (
                format!("{missing} of the {newest} missing or changed"),
                CHANGED,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn digest(rows: &[&str]) -> RowsDigest {
        let mut digest = RowsDigest::default();
        for row in rows {
            digest.add(row.as_bytes());
        }
        digest
    }

    #[rstest]
    #[case(&["1", "2"], 0, None)]
    #[case(&["1"], 0, Some("1 row missing up to the watermark `id`"))]
    #[case(&["1", "x"], 0, Some("as many rows up to the watermark `id`, and at least one has other values"))]
    #[case(&["1", "2", "0"], 0, Some("1 row added up to the watermark `id`"))]
    #[case(&["1", "2"], 1, Some("1 of the 1 newest row missing or changed"))]
    fn a_changed_history_is_found(
        #[case] now: &[&str],
        #[case] missing: u64,
        #[case] expected: Option<&str>,
    ) {
        let history = History {
            watermark: Some("id".to_owned()),
            columns: vec!["id".to_owned()],
            sealed: Some(Sealed {
                up_to: "2".to_owned(),
                rows: digest(&["1", "2"]),
            }),
            newest: vec!["00".to_owned()],
        };
        let found = history.difference(&digest(now), missing);
        assert_eq!(found.as_ref().map(|(actual, _)| actual.as_str()), expected);
    }
}
