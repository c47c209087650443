//! `schema-version`: what is applied is what the repository's migration files say.

mod compare;
pub(crate) mod files;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::compare::{Applied, list};
use self::files::{Checksum, MigrationFile, Naming, Version, read};
use crate::check::absent;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::show_counted;

/// The restored database is at the schema version that it must be at: its own list of applied
/// migrations is compared with the repository's migration files.
///
/// Works with every tool that keeps one row per applied migration, and, with `keeps = "newest"`,
/// with those that keep one row in all (golang-migrate). Versions made of digits are compared as
/// numbers: `010` is `10`. Column names are written exactly as the catalog spells them.
///
/// With `head`, files after it are not expected yet, and nothing after it may be applied. Without
/// it every file must be applied, but for those in `allow-pending`.
///
/// ## What it proves
/// - every migration file has its row, with none left out in the middle, and every row has its file
/// - with `head`: that version is the newest one applied, so the backup is no older and no newer
/// - with `checksum-column`: each was applied from the very bytes that the repository holds now.
///   Files checked out with other line ends (`core.autocrlf`) have other bytes. A row without a
///   checksum is let pass where no older row has one: the tool did not keep them yet.
/// - with `dirty-column`, `success-column`, `lock`: no migration was half done when the backup was taken
///
/// An empty table and a missing one fail.
///
/// ## What it does not prove
/// That the objects which the migrations made are there: a history can be complete and a table lost.
/// Tools that write several rows per version (goose) or name versions by a hash (Drizzle) are not
/// for this check.
///
/// ## Example
/// ```toml
/// [[check.schema-version]]
/// table = "public.schema_migrations"
/// files = "../app/migrations"
/// head = "10"
/// checksum-column = "checksum"
/// checksum = "sha256"
///
/// [[check.schema-version]]
/// name = "Rails migrations"
/// files = "../db/migrate"
/// naming = "rails"
/// squashed-before = "20240101000000"
///
/// [[check.schema-version]]
/// name = "Prisma migrations"
/// table = "public._prisma_migrations"
/// column = "migration_name"
/// files = "../prisma/migrations"
/// pattern = '^([^/]+)/migration\.sql$'
/// success-column = "finished_at"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SchemaVersion {
    /// The table of applied migrations. Default: `public.schema_migrations`.
    pub table: Option<String>,
    /// Its column that holds the version. Default: `version`.
    pub column: Option<String>,
    /// What the table keeps. Default: `all`.
    pub keeps: Option<KeptVersions>,
    /// The folder of the migration files, relative to the scenario.
    pub files: Option<PathBuf>,
    /// How the files are named. Default: `numbered`.
    pub naming: Option<Naming>,
    /// Instead of `naming`: a regular expression with one group, the version. It is matched with the
    /// file's path below `files`, with `/` between folders; files that do not match are left out.
    pub pattern: Option<String>,
    /// The version that must be the newest one applied.
    pub head: Option<String>,
    /// Versions that may have a file and no row.
    #[serde(default)]
    pub allow_pending: Vec<String>,
    /// Versions that may have a row and no file.
    #[serde(default)]
    pub allow_unknown: Vec<String>,
    /// Rows older than this version need no file: the repository has squashed them.
    pub squashed_before: Option<String>,
    /// The column that holds a digest of the file's bytes in hex (text or bytea).
    pub checksum_column: Option<String>,
    /// Which digest `checksum-column` holds.
    pub checksum: Option<Checksum>,
    /// A column that is true, not 0, or filled where a migration did not end well.
    pub dirty_column: Option<String>,
    /// A column that is false, 0 or NULL where a migration did not end well.
    pub success_column: Option<String>,
    /// Where the tool marks that a migration is running.
    pub lock: Option<Lock>,
}

/// What the table keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeptVersions {
    /// A row for each migration.
    All,
    /// One row, the newest version; what was left out before it cannot be seen.
    Newest,
}

/// Where the tool marks that a migration is running.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    /// The table, as in `public.databasechangeloglock`.
    pub table: String,
    /// The column that is true or 1 while a migration runs, as in `locked`.
    pub column: String,
}

impl Parameters for SchemaVersion {
    const KIND: &'static str = "schema-version";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        errors.require_names("table", &self.table, "schema.table");
        errors.require_names(
            "lock",
            self.lock.iter().map(|lock| &lock.table),
            "schema.table",
        );
        let asserted = [
            self.files.is_some(),
            self.head.is_some(),
            self.dirty_column.is_some(),
            self.success_column.is_some(),
            self.lock.is_some(),
        ];
        errors.require_assertion(
            asserted,
            "add `files`, the folder of the migrations, or `head`, the version",
        );
        if self.files.is_none() {
            let of_files = [
                ("naming", self.naming.is_some()),
                ("pattern", self.pattern.is_some()),
                ("allow-pending", !self.allow_pending.is_empty()),
                ("allow-unknown", !self.allow_unknown.is_empty()),
                ("squashed-before", self.squashed_before.is_some()),
                ("checksum", self.checksum.is_some()),
            ];
            errors.each(
                of_files,
                "needs `files`",
                "add `files`, the folder of the migrations",
            );
        }
        if self.naming.is_some() && self.pattern.is_some() {
            errors.at("pattern", "`pattern` replaces `naming`; keep one of them");
        }
        if let Some(Err(message)) = self.pattern.as_deref().map(files::compile) {
            errors
                .at("pattern", message)
                .add_hint("as in `^V([0-9.]+)__.*\\.sql$`");
        }
        if self.checksum.is_some() != self.checksum_column.is_some() {
            errors
                .whole("`checksum-column` and `checksum` go together")
                .add_hint("give the column of the digest, and the algorithm");
        }
    }
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

#[async_trait]
impl Check for SchemaVersion {
    fn describe(&self) -> String {
        format!("schema version in {}", self.table_name())
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let files = match &self.files {
            Some(folder) => {
                let folder = restored.folder.join(folder);
                let naming = self.naming.unwrap_or(Naming::Numbered);
                Some(read(
                    &folder,
                    naming,
                    self.pattern.as_deref(),
                    self.checksum,
                )?)
            }
            None => None,
        };
        let table = QualifiedName::parse(self.table_name()).map_err(CouldNotRun::new)?;
        let mut session = restored.session().await?;
        let columns = [
            Some(self.column_name()),
            self.checksum_column.as_deref(),
            self.dirty_column.as_deref(),
            self.success_column.as_deref(),
        ];
        let mut findings = missing(&mut session, &table, &columns).await?;
        let mut rows = Vec::new();
        if findings.is_empty() {
            rows = self.rows(&mut session, &table, &columns).await?;
            findings = self.compare(&table.to_string(), files.as_ref(), &rows);
        }
        if let Some(lock) = &self.lock {
            findings.extend(locked(&mut session, lock).await?);
        }
        session.close().await;
        Ok(Observation::new(
            self.expectation(files.as_ref()),
            seen(&rows, files.as_ref()),
            findings,
        ))
    }
}

impl SchemaVersion {
    fn table_name(&self) -> &str {
        self.table.as_deref().unwrap_or("public.schema_migrations")
    }

    fn column_name(&self) -> &str {
        self.column.as_deref().unwrap_or("version")
    }

    fn keeps_newest(&self) -> bool {
        self.keeps == Some(KeptVersions::Newest)
    }

    /// Says what is expected, in one line.
    fn expectation(&self, files: Option<&BTreeMap<Version, MigrationFile>>) -> String {
        let mut parts = Vec::new();
        if let Some(head) = &self.head {
            parts.push(format!("version {head} is the newest applied"));
        }
        if let Some(files) = files {
            parts.push(format!(
                "as the {} say",
                show_counted(files.len(), "migration file")
            ));
        }
        if self.checksum.is_some() {
            parts.push("applied from the same bytes".to_owned());
        }
        if self.dirty_column.is_some() || self.success_column.is_some() || self.lock.is_some() {
            parts.push("no migration half done".to_owned());
        }
        parts.join(", ")
    }

    /// Reads the table of applied migrations.
    async fn rows(
        &self,
        session: &mut Session,
        table: &QualifiedName,
        columns: &[Option<&str>; 4],
    ) -> Result<Vec<Applied>, CouldNotRun> {
        let list = columns.map(|column| match column {
            Some(column) => format!("m.{}::pg_catalog.text", quote_ident(column)),
            None => "NULL::pg_catalog.text".to_owned(),
        });
        let sql = format!("SELECT {} FROM {table} m", list.join(", "));
        let rows = session.rows(&sql).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| <[Option<String>; 4]>::try_from(row).ok())
            .map(|[version, checksum, dirty, success]| Applied {
                version: version.as_deref().map(Version::read),
                checksum: checksum.map(|text| {
                    let text = text.trim().to_ascii_lowercase();
                    text.strip_prefix("\\x").map_or(text.clone(), str::to_owned)
                }),
                failed: (self.dirty_column.is_some() && holds(dirty.as_deref()))
                    || (self.success_column.is_some() && !holds(success.as_deref())),
            })
            .collect())
    }
}

/// Says what is there, in one line.
fn seen(rows: &[Applied], files: Option<&BTreeMap<Version, MigrationFile>>) -> String {
    let newest = rows.iter().filter_map(|row| row.version.as_ref()).max();
    let newest = newest.map_or("no version applied".to_owned(), |version| {
        format!("version {version} is the newest applied")
    });
    match files {
        Some(files) => format!(
            "{newest}, {}, {}",
            show_counted(rows.len(), "row"),
            show_counted(files.len(), "file")
        ),
        None => format!("{newest}, {}", show_counted(rows.len(), "row")),
    }
}

/// Finds out whether the table or one of its columns is missing.
async fn missing(
    session: &mut Session,
    table: &QualifiedName,
    columns: &[Option<&str>],
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
    for column in columns.iter().flatten() {
        if !there.iter().flatten().flatten().any(|name| name == column) {
            findings.push(absent::column(session, table, column).await?);
        }
    }
    Ok(findings)
}

/// Finds out whether the backup was taken while a migration ran.
async fn locked(session: &mut Session, lock: &Lock) -> Result<Vec<Finding>, CouldNotRun> {
    let table = QualifiedName::parse(&lock.table).map_err(CouldNotRun::new)?;
    let findings = missing(session, &table, &[Some(lock.column.as_str())]).await?;
    if !findings.is_empty() {
        return Ok(findings);
    }
    let column = quote_ident(&lock.column);
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

/// Tells whether a flag is set: true, a number but 0, or any text.
fn holds(value: Option<&str>) -> bool {
    value.is_some_and(|text| !["", "0", "f", "false"].contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(toml: &str) -> SchemaVersion {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("files = 'm'", 0)]
    #[case("head = '10'", 0)]
    #[case("dirty-column = 'dirty'", 0)]
    #[case("lock = { table = 'public.lock', column = 'locked' }", 0)]
    #[case("", 1)]
    #[case("table = 'a.b.c'\nhead = '1'", 1)]
    #[case("head = '1'\nallow-pending = ['2']", 1)]
    #[case("files = 'm'\nnaming = 'rails'\npattern = '(.)'", 1)]
    #[case("files = 'm'\npattern = '('", 1)]
    #[case("files = 'm'\npattern = 'no group'", 1)]
    #[case("files = 'm'\nchecksum = 'md5'", 1)]
    #[case("files = 'm'\nchecksum-column = 'c'", 1)]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(toml).validate(errors)).len(),
            expected
        );
    }

    #[rstest]
    #[case(Some("true"), true)]
    #[case(Some("1"), true)]
    #[case(Some("2025-01-01"), true)]
    #[case(Some("false"), false)]
    #[case(Some("0"), false)]
    #[case(None, false)]
    fn flags(#[case] value: Option<&str>, #[case] expected: bool) {
        assert_eq!(holds(value), expected);
    }
}
