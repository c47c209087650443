//! The history of a table that only grows: what was there once must stay there, unchanged.
//!
//! All but the newest rows are sealed: one digest of every row up to a value of a column that grows. The
//! newest are known one by one, since a transaction that was under way when the history was taken may still
//! put rows between them.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::take::Table;
use crate::database::{DatabaseError, Session};
use crate::digest::hex;
use crate::digest::{self, RowsDigest};
use crate::outcome::Finding;
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::show_count;

/// How many of the newest rows are known one by one, at least and at most; between them it is a hundredth. More
/// are put in at once where there are more.
const NEWEST: (u64, u64) = (50, 1000);

/// Bytes of a row's digest that are kept where rows are known one by one.
const KEPT: usize = 16;

/// The history of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The column that grows; none where every row is known one by one.
    pub watermark: Option<String>,
    /// The columns whose values are held, in their order: all that the table had.
    pub columns: Vec<String>,
    /// The rows that are sealed, and up to which value of the watermark; `None` where all are among the newest.
    pub sealed: Option<Sealed>,
    /// The newest rows, each the beginning of its SHA-256 in hexadecimal.
    pub newest: Vec<String>,
}

/// The rows up to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The highest value of the watermark among them, as the server writes it.
    pub up_to: String,
    /// Their digest.
    pub rows: RowsDigest,
}

/// Which column of a table grows with its rows: a number that the server counts up, or else the time of the
/// row. Columns that may be NULL or that nobody fills in by itself say nothing of when a row came.
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
/// When the table is not there.
pub async fn watermark(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Option<String>, DatabaseError> {
    session
        .value(&WATERMARK.replace("{table}", &table.literal()))
        .await
}

/// Takes the history of a table with so many rows; `None` where no column of it grows, and it has too many rows to
/// know each.
///
/// # Errors
/// When it cannot be read.
pub async fn take(
    session: &mut Session,
    table: &Table,
    rows: u64,
) -> Result<Option<History>, DatabaseError> {
    let name = &table.name;
    let watermark = watermark(session, name).await?;
    let newest = (rows / 100).clamp(NEWEST.0, NEWEST.1);
    let up_to = match &watermark {
        None if rows > NEWEST.1 => return Ok(None),
        None => None,
        Some(column) => highest(session, name, &quote_ident(column), newest).await?,
    };
    let mut history = History {
        watermark,
        columns: table.columns.clone(),
        sealed: None,
        newest: Vec::new(),
    };
    let mut newest = Vec::new();
    session
        .copy_out(&history.above(name, up_to.as_deref()), |row| {
            newest.push(short(row));
        })
        .await?;
    // Their order says nothing, and a file that is compared has one order.
    newest.sort();
    history.newest = newest;
    if let Some(up_to) = up_to {
        let rows = digest::of_copy(session, &history.below(name, &up_to)).await?;
        history.sealed = Some(Sealed { up_to, rows });
    }
    Ok(Some(history))
}

/// The highest value of the watermark below the newest rows, as the server writes it; `None` where there are no more.
async fn highest(
    session: &mut Session,
    name: &QualifiedName,
    column: &str,
    newest: u64,
) -> Result<Option<String>, DatabaseError> {
    session
        .value(&format!(
            "SELECT {column}::pg_catalog.text FROM ONLY {name} ORDER BY {column} DESC OFFSET {newest} LIMIT 1"
        ))
        .await
}

/// The beginning of a row's SHA-256.
fn short(row: &[u8]) -> String {
    hex(&Sha256::digest(row.strip_suffix(b"\n").unwrap_or(row))[..KEPT])
}

impl History {
    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.sealed.as_ref().map_or(0, |sealed| sealed.rows.count) + self.newest.len() as u64
    }

    /// What is said when the table is not there at all.
    #[must_use]
    pub fn gone(&self, table: &QualifiedName) -> Finding {
        Finding::about(
            table.to_string(),
            format!(
                "the {} rows that were there, unchanged",
                show_count(self.rows())
            ),
            "the table is not there",
        )
        .hint("if old partitions end by design, name them in `may-shrink`")
    }

    fn select(&self, table: &QualifiedName) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| quote_ident(name)).collect();
        format!("SELECT {} FROM ONLY {table}", columns.join(", "))
    }

    fn below(&self, table: &QualifiedName, up_to: &str) -> String {
        let column = self.watermark.as_deref().unwrap_or_default();
        format!(
            "COPY ({} WHERE {} <= {}) TO STDOUT",
            self.select(table),
            quote_ident(column),
            quote_literal(up_to)
        )
    }

    fn above(&self, table: &QualifiedName, up_to: Option<&str>) -> String {
        let newer = self.watermark.as_ref().zip(up_to);
        let newer = newer.map_or(String::new(), |(column, value)| {
            format!(" WHERE {} > {}", quote_ident(column), quote_literal(value))
        });
        format!("COPY ({}{newer}) TO STDOUT", self.select(table))
    }

    /// Holds a table against this history of it; gives what is wrong.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn hold(
        &self,
        session: &mut Session,
        table: &Table,
    ) -> Result<Option<Finding>, DatabaseError> {
        let name = &table.name;
        let expected = format!(
            "the {} rows that were there, unchanged",
            show_count(self.rows())
        );
        let wrong = |actual: String, hint: &str| {
            Some(Finding::about(name.to_string(), expected.clone(), actual).hint(hint))
        };
        let gone: Vec<&str> = self
            .columns
            .iter()
            .filter(|column| !table.columns.contains(column))
            .map(String::as_str)
            .collect();
        if !gone.is_empty() {
            return Ok(wrong(
                format!(
                    "the values of {} are gone with their column",
                    gone.join(", ")
                ),
                "a migration took the column away: `redrill accept` takes the history anew",
            ));
        }
        let mut now = RowsDigest::default();
        if let Some(sealed) = &self.sealed {
            now = digest::of_copy(session, &self.below(name, &sealed.up_to)).await?;
        }
        let mut missing: HashMap<&str, u64> = HashMap::new();
        for row in &self.newest {
            *missing.entry(row).or_default() += 1;
        }
        let up_to = self.sealed.as_ref().map(|sealed| sealed.up_to.as_str());
        let mut newer = 0_u64;
        session
            .copy_out(&self.above(name, up_to), |row| {
                newer += 1;
                if let Some(count) = missing.get_mut(short(row).as_str()) {
                    *count = count.saturating_sub(1);
                }
            })
            .await?;
        let lost: u64 = missing.values().sum();
        Ok(self
            .judge(&now, lost, newer)
            .and_then(|(actual, hint)| wrong(actual, hint)))
    }

    /// Says what is wrong with the sealed rows that there are now and the newest that are missing.
    fn judge(&self, now: &RowsDigest, lost: u64, newer: u64) -> Option<(String, &'static str)> {
        const FORGED: &str = "somebody edited or removed history: compare the table with an older backup before this one is trusted";
        let sealed = self.sealed.as_ref().map(|sealed| sealed.rows);
        if let Some(was) = sealed.filter(|was| was != now) {
            let column = self.watermark.as_deref().unwrap_or_default();
            let up_to = format!("up to the watermark `{column}`");
            return Some(match now.count.cmp(&was.count) {
                std::cmp::Ordering::Less => (
                    format!(
                        "{} rows {up_to} are gone",
                        show_count(was.count - now.count)
                    ),
                    FORGED,
                ),
                std::cmp::Ordering::Equal => (
                    format!("as many rows {up_to}, and at least one has other values"),
                    FORGED,
                ),
                std::cmp::Ordering::Greater => (
                    format!(
                        "{} rows were put in {up_to}",
                        show_count(now.count - was.count)
                    ),
                    "somebody wrote into the past, or rows do not come in the order of this column; take the baseline when no long transaction is under way",
                ),
            });
        }
        (lost > 0).then(|| {
            let known = self.newest.len() as u64;
            if newer < known {
                (
                    format!(
                        "of the {} newest rows {} are gone or changed",
                        show_count(known),
                        show_count(lost)
                    ),
                    FORGED,
                )
            } else {
                (
                    format!(
                        "{} of the {} newest rows are not as they were",
                        show_count(lost),
                        show_count(known)
                    ),
                    FORGED,
                )
            }
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
    #[case(&["1", "2"], 0, 3, None)]
    #[case(&["1"], 0, 3, Some("1 rows up to the watermark `id` are gone"))]
    #[case(&["1", "x"], 0, 3, Some("as many rows up to the watermark `id`, and at least one has other values"))]
    #[case(&["1", "2", "0"], 0, 3, Some("1 rows were put in up to the watermark `id`"))]
    #[case(&["1", "2"], 1, 0, Some("of the 1 newest rows 1 are gone or changed"))]
    #[case(&["1", "2"], 1, 1, Some("1 of the 1 newest rows are not as they were"))]
    fn history_is_judged(
        #[case] now: &[&str],
        #[case] lost: u64,
        #[case] newer: u64,
        #[case] wrong: Option<&str>,
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
        let judged = history.judge(&digest(now), lost, newer);
        assert_eq!(judged.as_ref().map(|(actual, _)| actual.as_str()), wrong);
    }
}
