//! `schema-version`: what is applied is what the repository's migration files say.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::files::{Checksum, File, Naming, Version, read};
use crate::check::{Check, Complaint, CouldNotLook, Observation, Parameters, Restored};
use crate::database::{QualifiedName, Session, quote_ident, quote_literal};
use crate::outcome::Finding;

/// The restored database is at the schema version that it must be at: its own list of applied
/// migrations is held against the repository's migration files.
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
/// That the objects which the migrations made are there: a history can be whole and a table lost.
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
    pub keeps: Option<Keeps>,
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
pub enum Keeps {
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

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let names = [
            ("table", self.table.as_deref()),
            ("lock", self.lock.as_ref().map(|lock| lock.table.as_str())),
        ];
        for (key, name) in names {
            if let Some(Err(message)) = name.map(QualifiedName::parse) {
                complaints.push(Complaint::about(key, message).hint("write `schema.table`"));
            }
        }
        let asserted = [
            self.files.is_some(),
            self.head.is_some(),
            self.dirty_column.is_some(),
            self.success_column.is_some(),
            self.lock.is_some(),
        ];
        if !asserted.contains(&true) {
            complaints.push(
                Complaint::whole("this check asserts nothing")
                    .hint("add `files`, the folder of the migrations, or `head`, the version"),
            );
        }
        let needs_files = [
            ("naming", self.naming.is_some()),
            ("pattern", self.pattern.is_some()),
            ("allow-pending", !self.allow_pending.is_empty()),
            ("allow-unknown", !self.allow_unknown.is_empty()),
            ("squashed-before", self.squashed_before.is_some()),
            ("checksum", self.checksum.is_some()),
        ];
        for (key, given) in needs_files {
            if given && self.files.is_none() {
                complaints.push(Complaint::about(key, format!("`{key}` needs `files`")));
            }
        }
        if self.naming.is_some() && self.pattern.is_some() {
            complaints.push(Complaint::about(
                "pattern",
                "`pattern` takes the place of `naming`; keep one of them",
            ));
        }
        if let Some(pattern) = &self.pattern
            && let Err(message) = files::compile(pattern)
        {
            complaints
                .push(Complaint::about("pattern", message).hint("as in `^V([0-9.]+)__.*\\.sql$`"));
        }
        if self.checksum.is_some() != self.checksum_column.is_some() {
            complaints.push(Complaint::whole(
                "`checksum-column` and `checksum` go together: where the digest is, and which it is",
            ));
        }
        complaints
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

/// One row of the table of applied migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Applied {
    /// `None` where the column is NULL, as for Flyway's repeatable migrations.
    version: Option<Version>,
    /// In lower-case hex.
    checksum: Option<String>,
    /// It did not end well.
    failed: bool,
}

#[async_trait]
impl Check for SchemaVersion {
    fn describe(&self) -> String {
        format!("schema version in {}", self.table_name())
    }

    async fn look(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotLook> {
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
        let table = QualifiedName::parse(self.table_name()).map_err(CouldNotLook::because)?;
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
        self.keeps == Some(Keeps::Newest)
    }

    /// Says what is expected, in one line.
    fn expectation(&self, files: Option<&BTreeMap<Version, File>>) -> String {
        let mut parts = Vec::new();
        if let Some(head) = &self.head {
            parts.push(format!("version {head} is the newest applied"));
        }
        if let Some(files) = files {
            parts.push(format!("as the {} migration files say", files.len()));
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
    ) -> Result<Vec<Applied>, CouldNotLook> {
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

    /// Compares what is applied with what must be.
    fn compare(
        &self,
        table: &str,
        files: Option<&BTreeMap<Version, File>>,
        rows: &[Applied],
    ) -> Vec<Finding> {
        let applied: BTreeSet<&Version> =
            rows.iter().filter_map(|row| row.version.as_ref()).collect();
        let Some(newest) = applied.last() else {
            return vec![
                Finding::about(table, "applied migrations", "the table is empty").hint(
                    "look whether the backup leaves this table's rows out (`--exclude-table-data`, `--schema-only`)",
                ),
            ];
        };
        let mut findings = Vec::new();
        let mut add = |expected: &str, actual: &str, names: Vec<String>, hint: &str| {
            if !names.is_empty() {
                let actual = format!("{actual}: {}", list(&names));
                findings.push(Finding::about(table, expected, actual).hint(hint));
            }
        };

        let known: Vec<&Version> = rows.iter().filter_map(|row| row.version.as_ref()).collect();
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<&&Version> = known.iter().filter(|v| !seen.insert(**v)).collect();
        add(
            "each version once",
            "there more than once",
            twice.into_iter().map(ToString::to_string).collect(),
            "the table lost its primary key, or it was restored twice into the same database",
        );
        if self.keeps_newest() && known.len() > 1 {
            let all = applied.iter().map(ToString::to_string).collect();
            let hint = "leave out `keeps = \"newest\"` where the tool keeps a row per migration";
            add("one row, the newest version", "several rows", all, hint);
        }
        let failed = rows.iter().filter(|row| row.failed);
        add(
            "every migration ended well",
            "half done or failed",
            failed
                .map(|row| {
                    row.version
                        .as_ref()
                        .map_or("one without a version".to_owned(), ToString::to_string)
                })
                .collect(),
            "the backup was taken while a migration ran, or after one failed: repair the source, not the backup",
        );

        let head = self.head.as_deref().map(Version::read);
        if let Some(head) = &head
            && *newest != head
        {
            let hint = if *newest < head {
                "the backup is older than this version, or the newest rows of the table are lost"
            } else {
                "the backup is newer than the scenario: update `head`, or look for the right backup"
            };
            let expected = format!("version {head} is the newest applied");
            let actual = format!("version {newest} is");
            findings.push(Finding::about(table, expected, actual).hint(hint));
        }
        if let Some(files) = files {
            findings.extend(self.against_files(table, files, rows, head.as_ref()));
        }
        findings
    }

    /// Compares what is applied with the files.
    fn against_files(
        &self,
        table: &str,
        files: &BTreeMap<Version, File>,
        rows: &[Applied],
        head: Option<&Version>,
    ) -> Vec<Finding> {
        let listed = |versions: &[String]| -> BTreeSet<Version> {
            versions.iter().map(|text| Version::read(text)).collect()
        };
        let allow_pending = listed(&self.allow_pending);
        let allow_unknown = listed(&self.allow_unknown);
        let squashed = self.squashed_before.as_deref().map(Version::read);
        let applied: BTreeSet<&Version> =
            rows.iter().filter_map(|row| row.version.as_ref()).collect();
        // An unknown version far ahead must not make a gap of everything that is merely pending.
        let last = applied
            .iter()
            .rev()
            .find(|v| files.contains_key(**v))
            .copied();

        let mut gaps = Vec::new();
        let mut pending = Vec::new();
        for (version, file) in files {
            let expected =
                head.is_none_or(|head| version <= head) && !allow_pending.contains(version);
            if applied.contains(version) || !expected {
                continue;
            }
            if last.is_none_or(|last| version > last) {
                pending.push(file.name.clone());
            } else if !self.keeps_newest() {
                gaps.push(file.name.clone());
            }
        }
        let unknown: Vec<String> = applied
            .iter()
            .filter(|version| !files.contains_key(**version))
            .filter(|version| !allow_unknown.contains(**version))
            .filter(|version| squashed.as_ref().is_none_or(|before| **version >= before))
            .map(ToString::to_string)
            .collect();
        let (changed, bare) = self.checksums(files, rows);

        let classes = [
            (
                gaps,
                "every migration up to the newest is applied",
                "left out in the middle",
                "a row of the table is lost, or a migration with an older number was merged later and never ran",
            ),
            (
                pending,
                "every migration is applied",
                "pending",
                "the backup is older than the files; name `head`, or put a version that may wait into `allow-pending`",
            ),
            (
                unknown,
                "every applied migration has its file",
                "applied without a file",
                "the database is ahead of these files, or they are another system's",
            ),
            (
                changed,
                "each migration was applied from the bytes of its file",
                "other bytes",
                "the file was changed after it was applied, or the checksum in the database was",
            ),
            (
                bare,
                "each applied migration has a checksum",
                "none",
                "older rows have one, so the tool wrote it and it is lost",
            ),
        ];
        classes
            .into_iter()
            .filter(|(names, ..)| !names.is_empty())
            .map(|(names, expected, actual, hint)| {
                let actual = format!("{actual}: {}", list(&names));
                Finding::about(table, expected, actual).hint(hint)
            })
            .collect()
    }

    /// Finds migrations whose checksum is not that of the file, and those that lost theirs.
    fn checksums(
        &self,
        files: &BTreeMap<Version, File>,
        rows: &[Applied],
    ) -> (Vec<String>, Vec<String>) {
        let (mut changed, mut bare) = (Vec::new(), Vec::new());
        if self.checksum.is_none() {
            return (changed, bare);
        }
        let first = rows
            .iter()
            .filter(|row| row.checksum.is_some())
            .filter_map(|row| row.version.as_ref())
            .min();
        for row in rows {
            let Some((version, file)) = row.version.as_ref().and_then(|v| files.get_key_value(v))
            else {
                continue;
            };
            match &row.checksum {
                Some(checksum) if Some(checksum) != file.digest.as_ref() => {
                    changed.push(file.name.clone());
                }
                None if first.is_none_or(|first| version > first) => bare.push(file.name.clone()),
                Some(_) | None => {}
            }
        }
        (changed, bare)
    }
}

/// Says what is there, in one line.
fn seen(rows: &[Applied], files: Option<&BTreeMap<Version, File>>) -> String {
    let newest = rows.iter().filter_map(|row| row.version.as_ref()).max();
    let newest = newest.map_or("no version applied".to_owned(), |version| {
        format!("version {version} is the newest applied")
    });
    match files {
        Some(files) => format!("{newest}, {} rows, {} files", rows.len(), files.len()),
        None => format!("{newest}, {} rows", rows.len()),
    }
}

/// Finds out whether the table or one of its columns is missing.
async fn missing(
    session: &mut Session,
    table: &QualifiedName,
    columns: &[Option<&str>],
) -> Result<Vec<Finding>, CouldNotLook> {
    let places = session
        .rows(&PLACES.replace("{name}", &quote_literal(&table.name)))
        .await?;
    let places: Vec<String> = places.into_iter().flatten().flatten().collect();
    if !places.contains(&table.schema) {
        let finding = Finding::about(table.to_string(), "a table", "there is none");
        return Ok(vec![match places.as_slice() {
            [] => finding.hint("look for its CREATE TABLE in the restore's errors"),
            _ => finding.hint(format!(
                "a table of this name is in another schema: {}",
                list(&places)
            )),
        }]);
    }
    let there = session
        .rows(&COLUMNS.replace("{table}", &table.literal()))
        .await?;
    Ok(columns
        .iter()
        .flatten()
        .filter(|column| !there.iter().flatten().flatten().any(|name| name == *column))
        .map(|column| {
            Finding::about(
                table.to_string(),
                format!("a column {}", quote_ident(column)),
                "there is none",
            )
            .hint("this may be another tool's table, or the scenario names the wrong column")
        })
        .collect())
}

/// Finds out whether the backup was taken while a migration ran.
async fn locked(session: &mut Session, lock: &Lock) -> Result<Vec<Finding>, CouldNotLook> {
    let table = QualifiedName::parse(&lock.table).map_err(CouldNotLook::because)?;
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

/// Lists the first few names.
fn list(names: &[String]) -> String {
    const MOST: usize = 12;
    let shown = names
        .iter()
        .take(MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn check(toml: &str) -> SchemaVersion {
        toml::from_str(toml).unwrap()
    }

    /// `1..=4`, each with its number for a digest.
    fn files() -> BTreeMap<Version, File> {
        ["001-a.sql", "002-b.sql", "003-c.sql", "004-d.sql"]
            .map(|name| {
                let file = File {
                    name: name.to_owned(),
                    digest: Some(name[..3].to_owned()),
                };
                (Version::read(&name[..3]), file)
            })
            .into()
    }

    fn applied(versions: &[&str]) -> Vec<Applied> {
        let row = |version: &&str| Applied {
            version: Some(Version::read(version)),
            checksum: Some(format!("{version:0>3}")),
            failed: false,
        };
        versions.iter().map(row).collect()
    }

    #[rstest]
    #[case::whole("", &["1", "2", "3", "4"], &[])]
    #[case::order_and_zeros_do_not_matter("", &["004", "02", "1", "3"], &[])]
    #[case::empty("", &[], &["empty"])]
    #[case::pending("", &["1", "2"], &["pending: 003-c.sql, 004-d.sql"])]
    #[case::gap("", &["1", "3", "4"], &["left out in the middle: 002-b.sql"])]
    #[case::unknown("", &["1", "2", "3", "4", "9"], &["without a file: 9"])]
    #[case::pending_and_unknown("", &["1", "2", "3", "9"], &["pending: 004-d.sql", "without a file: 9"])]
    #[case::twice("", &["1", "2", "3", "4", "4"], &["more than once: 4"])]
    #[case::may_wait("allow-pending = ['004']", &["1", "2", "3"], &[])]
    #[case::may_wait_but_need_not("allow-pending = ['4']", &["1", "2", "3", "4"], &[])]
    #[case::only_that_one_may_wait("allow-pending = ['4']", &["1", "2"], &["pending: 003-c.sql"])]
    #[case::may_be_unknown("allow-unknown = ['9']", &["1", "2", "3", "4", "9"], &[])]
    #[case::squashed("squashed-before = '1'", &["0", "1", "2", "3", "4"], &[])]
    #[case::head("head = '4'", &["1", "2", "3", "4"], &[])]
    #[case::files_after_the_head("head = '003'", &["1", "2", "3"], &[])]
    #[case::older_than_the_head("head = '4'", &["1", "2", "3"], &["version 3 is", "pending: 004-d.sql"])]
    #[case::newer_than_the_head("head = '3'", &["1", "2", "3", "4"], &["version 4 is"])]
    #[case::newest_only("keeps = 'newest'", &["4"], &[])]
    #[case::newest_only_behind("keeps = 'newest'", &["3"], &["pending: 004-d.sql"])]
    #[case::newest_only_twice("keeps = 'newest'", &["3", "4"], &["several rows: 3, 4"])]
    fn applied_is_held_against_the_files(
        #[case] toml: &str,
        #[case] versions: &[&str],
        #[case] expected: &[&str],
    ) {
        let findings = check(toml).compare("public.m", Some(&files()), &applied(versions));
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for (finding, text) in findings.iter().zip(expected) {
            assert!(finding.actual.contains(text), "{finding:#?}");
        }
    }

    #[rstest]
    #[case::same(&[Some("001"), Some("002"), Some("003"), Some("004")], &[])]
    #[case::other(&[Some("001"), Some("002"), Some("xyz"), Some("004")], &["other bytes: 003-c.sql"])]
    #[case::not_kept_at_first(&[None, None, Some("003"), Some("004")], &[])]
    #[case::lost(&[Some("001"), None, Some("003"), Some("004")], &["none: 002-b.sql"])]
    #[case::never_kept(&[None, None, None, None], &["none: 001-a.sql"])]
    fn checksums_are_held_against_the_files(
        #[case] checksums: &[Option<&str>],
        #[case] expected: &[&str],
    ) {
        let rows: Vec<Applied> = applied(&["1", "2", "3", "4"])
            .into_iter()
            .zip(checksums)
            .map(|(row, checksum)| Applied {
                checksum: checksum.map(str::to_owned),
                ..row
            })
            .collect();
        let check = check("checksum = 'md5'\nchecksum-column = 'c'");
        let findings = check.compare("public.m", Some(&files()), &rows);
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for (finding, text) in findings.iter().zip(expected) {
            assert!(finding.actual.contains(text), "{finding:#?}");
        }
    }

    #[test]
    fn a_failed_migration_is_named_even_without_a_version() {
        let mut rows = applied(&["1", "2", "3", "4"]);
        rows[3].failed = true;
        rows.push(Applied {
            version: None,
            checksum: None,
            failed: true,
        });
        let findings = check("").compare("public.m", Some(&files()), &rows);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].actual,
            "half done or failed: 4, one without a version"
        );
    }

    #[test]
    fn many_names_are_cut_short() {
        let names: Vec<String> = (1..=14).map(|n| n.to_string()).collect();
        assert_eq!(
            list(&names),
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more"
        );
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
    fn parameters_must_make_sense(#[case] toml: &str, #[case] complaints: usize) {
        assert_eq!(check(toml).complaints().len(), complaints);
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
