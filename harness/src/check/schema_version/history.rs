//! The table of applied migrations, as it is read.

use super::compare::list;
use super::files::Version;
use super::tool::Tool;
use super::{Lock, SchemaVersion};
use crate::check::absent;
use crate::check::columns::Columns as _;
use crate::database::{DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::show_count;

/// One row of the table of applied migrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// `None` where the column is NULL, as for Flyway's repeatable migrations.
    pub version: Option<Version>,
    /// In lower case.
    pub checksum: Option<String>,
    /// It did not end well.
    pub failed: bool,
    /// It is a starting point: files up to its version were never applied by the tool.
    pub baseline: bool,
    /// The value of the column that separates histories.
    pub history: Option<String>,
    /// For Drizzle: the time in the row, which may be later than that of the entry.
    pub recorded: Option<i64>,
}

/// Schemas that hold a table of this name.
const PLACES: &str = "
SELECT n.nspname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = {name} AND c.relkind IN ('r', 'p')
 ORDER BY 1";

const COLUMNS: &str = "
SELECT a.attname
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped";

impl SchemaVersion {
    /// The columns without which the table cannot be read.
    pub(super) fn columns(&self) -> Vec<&str> {
        if let Some(tool) = self.tool {
            return tool.facts().columns.to_vec();
        }
        let optional = [
            &self.checksum_column,
            &self.dirty_column,
            &self.success_column,
            &self.per,
        ];
        let optional = optional.into_iter().filter_map(|column| column.as_deref());
        [self.column_name()].into_iter().chain(optional).collect()
    }

    /// Reads the table of applied migrations.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn rows(
        &self,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<Vec<Applied>, CouldNotRun> {
        let rows = session.rows(&self.query(table)).await?;
        refuse_too_many(table, rows.len())?;
        Ok(rows
            .into_iter()
            .map(|row| Applied {
                version: row.text(0).as_deref().map(Version::read),
                checksum: row.text(1).map(|text| {
                    let text = text.trim().to_ascii_lowercase();
                    text.strip_prefix("\\x").map_or(text.clone(), str::to_owned)
                }),
                failed: is_set(row.text(2).as_deref()) || !is_set(row.text(3).as_deref()),
                baseline: is_set(row.text(4).as_deref()),
                history: row.text(5),
                recorded: None,
            })
            .collect())
    }

    /// The newest version in the table of a tool; `None` if no migration was applied.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn newest(
        tool: Tool,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<Option<String>, DatabaseError> {
        let check = Self {
            tool: Some(tool),
            ..Self::default()
        };
        let rows = session.rows(&check.query(table)).await?;
        let versions = rows.iter().filter_map(|row| row.text(0));
        Ok(versions.max_by_key(|version| Version::read(version)))
    }

    /// Version, checksum, dirty, success, starting point, history: texts, of each row.
    fn query(&self, table: &QualifiedName) -> String {
        let facts = self.tool.map(Tool::facts);
        let column = |name: &Option<String>| {
            let name = name.as_deref()?;
            Some(format!("m.{}", quote_ident(name)))
        };
        let of = |expression: Option<&str>| expression.map(str::to_owned);
        let (expressions, from) = match facts {
            Some(facts) => (
                [
                    of(Some(facts.version)),
                    of(facts.checksum.map(|(checksum, _)| checksum)),
                    of(facts.dirty),
                    of(facts.success.or(Some("true"))),
                    of(facts.baseline),
                    None,
                ],
                facts.from,
            ),
            None => (
                [
                    Some(format!("m.{}", quote_ident(self.column_name()))),
                    column(&self.checksum_column),
                    column(&self.dirty_column),
                    column(&self.success_column).or_else(|| of(Some("true"))),
                    None,
                    column(&self.per),
                ],
                "{table} m",
            ),
        };
        let list = expressions.map(|expression| {
            let expression = expression.as_deref().unwrap_or("NULL");
            format!("pg_catalog.left(({expression})::pg_catalog.text, {LONGEST})")
        });
        let from = from.replace("{table}", &table.to_string());
        format!("SELECT {} FROM {from} LIMIT {MOST} + 1", list.join(", "))
    }

    /// Where the tool marks that a migration is running, if it does.
    pub(super) fn lock(&self, table: &QualifiedName) -> Option<(QualifiedName, String)> {
        let of_tool = self.tool.and_then(|tool| tool.facts().lock);
        match (of_tool, &self.lock) {
            (Some((name, column)), _) => {
                let lock = QualifiedName {
                    schema: table.schema.clone(),
                    name: name.to_owned(),
                };
                Some((lock, column.to_owned()))
            }
            (None, Some(Lock { table, column })) => {
                // Validated with the scenario.
                let lock = QualifiedName::parse(table).ok()?;
                Some((lock, column.clone()))
            }
            (None, None) => None,
        }
    }
}

/// Rows of a history, and characters of a text in it, that are read: no tool has as many, and a backup could fill the memory.
pub(crate) const MOST: usize = 100_000;
pub(crate) const LONGEST: usize = 1_000;

/// Refuses a history with more than [`MOST`] rows, of which one more was asked for.
///
/// # Errors
/// When there are more.
pub(crate) fn refuse_too_many(table: &QualifiedName, rows: usize) -> Result<(), CouldNotRun> {
    if rows <= MOST {
        return Ok(());
    }
    Err(CouldNotRun::with_hint(
        format!("{table} has more than {} rows", show_count(MOST as u64)),
        "no migration tool has as many: name the table of the history, and its column",
    ))
}

/// Finds out whether the table or one of its columns is missing.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn missing(
    session: &mut Session,
    table: &QualifiedName,
    columns: &[&str],
) -> Result<Vec<Finding>, CouldNotRun> {
    let places = session
        .rows(&PLACES.replace("{name}", &quote_literal(&table.name)))
        .await?;
    let places: Vec<String> = places.into_iter().flatten().flatten().collect();
    if !places.contains(&table.schema) {
        let finding = Finding::about(table.to_string(), "a table", "there is none");
        return Ok(vec![match places.as_slice() {
            [] => finding.hint(absent::table(session, table).await?),
            _ => finding.hint(format!(
                "a table of this name is in another schema: {}",
                list(&places)
            )),
        }]);
    }
    let there = session
        .rows(&COLUMNS.replace("{table}", &table.literal()))
        .await?;
    let mut findings = Vec::new();
    for column in columns {
        if !there.iter().flatten().flatten().any(|name| name == column) {
            findings.push(absent::column(session, table, column).await?);
        }
    }
    Ok(findings)
}

/// Finds out whether the backup was taken while a migration ran.
///
/// # Errors
/// When the table of the lock cannot be read.
pub async fn locked(
    session: &mut Session,
    table: &QualifiedName,
    column: &str,
) -> Result<Vec<Finding>, CouldNotRun> {
    let findings = missing(session, table, &[column]).await?;
    if !findings.is_empty() {
        return Ok(findings);
    }
    let column = quote_ident(column);
    let held = session
        .count(&format!(
            "SELECT pg_catalog.count(*) FROM {table} l WHERE l.{column}::pg_catalog.text IN ('true', '1')"
        ))
        .await?;
    if held == 0 {
        return Ok(Vec::new());
    }
    Ok(vec![
        Finding::about(
            table.to_string(),
            "no migration is running",
            "the lock is held",
        )
        .hint("the backup was taken in the middle of a migration; the next start would wait for the lock"),
    ])
}

/// Whether a flag is set: true, a number but 0, or any text.
fn is_set(value: Option<&str>) -> bool {
    value.is_some_and(|text| !["", "0", "f", "false"].contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some("true"), true)]
    #[case(Some("1"), true)]
    #[case(Some("2025-01-01"), true)]
    #[case(Some("false"), false)]
    #[case(Some("0"), false)]
    #[case(None, false)]
    fn flags(#[case] value: Option<&str>, #[case] expected: bool) {
        assert_eq!(is_set(value), expected);
    }
}
