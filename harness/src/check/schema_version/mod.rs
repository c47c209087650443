//! `schema-version`: what is applied is what the repository's migration files say.

mod compare;
pub(crate) mod consecutive;
mod digests;
pub(crate) mod files;
mod histories;
pub mod history;
mod journal;
mod plan;
pub mod recognise;
mod revisions;
mod schemas;
pub(crate) mod tool;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::files::{Checksum, MigrationFile, Naming, Selection, Version, read};
use self::history::{Applied, locked, missing};
use self::schemas::Schemas;
use self::tool::{Facts, Files, PLAIN, Tool};
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::outcome::CouldNotRun;
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// The restored database is at the schema version that it must be at: its own list of applied
/// migrations is compared with the repository's migration files.
///
/// `tool` names the migration tool, and with it the table, its columns, how its files are named, what marks a failure, its
/// lock and the checksum that it keeps. `redrill init` recognises most of them. Without `tool` it works with every
/// tool that keeps one row per applied migration, and, with `keeps = "newest"`,
/// with those that keep one row in all. Versions made of digits are compared as
/// numbers: `010` is `10`. Column names are written exactly as the catalog spells them.
///
/// With `head`, files after it are not expected yet, and nothing after it may be applied. Without
/// it every file must be applied, but for those in `allow-pending`.
///
/// ## What it proves
/// - every migration file has its row, with none left out in the middle, and every row has its file
/// - with `consecutive`: no row is lost between the first and the newest
/// - with `head`: that version is the newest one applied, so the backup is no older and no newer
/// - with `checksum-column`: each was applied from the very bytes that the repository holds now.
///   Files checked out with other line ends (`core.autocrlf`) have other bytes. A row without a
///   checksum is let pass where no older row has one: the tool did not keep them yet.
/// - with `dirty-column`, `success-column`, `lock`: no migration was half done when the backup was taken
///
/// - with `tool = "drizzle"`: also that no entry of the journal was skipped. Drizzle runs what is newer than the newest
///   `created_at`, so a migration that was merged later with an older time never runs, without an error.
/// - with `per`: all of this for each history in the table, such as those of plugins; each folder in
///   `files` is the history of its name, and a history without its folder or rows is listed
/// - with `schemas`: every registered schema is there and has a table, and no schema of a plugin is unknown
///
/// An empty table and a missing one fail.
///
/// ## What it does not prove
/// That the objects which the migrations made are there: a history can be complete and a table lost.
///
/// Checksums are compared for Drizzle, Flyway, Prisma, Sqitch and sqlx. Rails, Ecto, golang-migrate, goose, Django, Diesel, Knex,
/// TypeORM and Alembic keep none; those of refinery and Liquibase are not compared.
/// For Sqitch, changes are compared by their ids, so a change whose line in the plan is not what it was when it was deployed is
/// another one; its tags, dependencies and events are not compared.
/// For Django, rows of apps without a file in `files` are not compared: they are those of installed packages.
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
/// tool = "rails"
/// files = "../db/migrate"
/// squashed-before = "20240101000000"
///
/// [[check.schema-version]]
/// name = "Drizzle's journal"
/// tool = "drizzle"
/// files = "../packages/db/src/migrations"
/// head = "0007_add_documents"
///
/// [[check.schema-version]]
/// name = "each plugin has its migrations and its schema"
/// table = "public.plugin_migrations"
/// per = "plugin_key"
/// column = "migration_key"
/// files = "../plugins"
/// pattern = '^migrations/([^/]+\.sql)$'
/// success-column = "applied_at"
///
/// [check.schema-version.schemas]
/// table = "public.plugin_database_namespaces"
/// key = "plugin_key"
/// schema = "namespace_name"
/// named = "plugin_*"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SchemaVersion {
    /// The migration tool. Only `table`, `files`, `head`, `allow-pending`, `allow-unknown` and
    /// `squashed-before` are given in addition.
    pub tool: Option<Tool>,
    /// The table of applied migrations. Default: that of the tool, or `public.schema_migrations`.
    pub table: Option<String>,
    /// A column that separates histories in the table, such as that of the plugin. `files` has a folder
    /// for each, of the same name; `pattern` is matched with paths below it.
    pub per: Option<String>,
    /// The table that registers a schema for each history, with `per`.
    pub schemas: Option<Schemas>,
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
    /// Whether the versions begin with consecutive numbers, from 0 or 1 on, as `0001_users` does: a row that is lost in the middle
    /// is then known without `files`.
    #[serde(default)]
    pub consecutive: bool,
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
            self.marks_failure(),
            self.schemas.is_some(),
            self.consecutive,
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
        let newest = [("consecutive", self.consecutive && self.keeps_newest())];
        errors.each(
            newest,
            "needs a row for each migration",
            "leave it out for a table that keeps the newest version only",
        );
        self.validate_tool(errors);
        self.validate_per(errors);
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

#[async_trait]
impl Check for SchemaVersion {
    fn inputs(&self) -> Vec<PathBuf> {
        self.files.iter().cloned().collect()
    }

    fn describe(&self) -> String {
        format!("schema version in {}", self.table_name())
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let folder = self.files.as_ref().map(|files| restored.folder.join(files));
        if self.per.is_some() {
            return self.run_per_history(restored, folder.as_deref()).await;
        }
        let files = folder.map(|folder| read(&folder, self.selection()));
        let files = files.transpose()?;
        let table = QualifiedName::parse(self.table_name()).map_err(CouldNotRun::new)?;
        let mut session = restored.session().await?;
        let mut findings = missing(&mut session, &table, &self.columns()).await?;
        let mut rows = Vec::new();
        if findings.is_empty() {
            rows = self.rows(&mut session, &table).await?;
            if let Some(files) = &files {
                rows = self.of_files(files, rows);
            }
            findings = self.compare(&table.to_string(), files.as_ref(), &rows)?;
        }
        if let Some((lock, column)) = self.lock(&table) {
            findings.extend(locked(&mut session, &lock, &column).await?);
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
        self.table.as_deref().unwrap_or(self.rules().table)
    }

    fn column_name(&self) -> &str {
        self.column.as_deref().unwrap_or("version")
    }

    /// What is known of the tool, or of tools in general.
    fn rules(&self) -> &'static Facts {
        self.tool.map_or(&PLAIN, Tool::facts)
    }

    fn keeps_newest(&self) -> bool {
        self.keeps == Some(KeptVersions::Newest) || self.rules().newest_only
    }

    /// Whether a row or a lock shows that a migration failed or was running.
    fn marks_failure(&self) -> bool {
        self.dirty_column.is_some()
            || self.success_column.is_some()
            || self.lock.is_some()
            || self.rules().marks_failure()
    }

    fn compares_checksums(&self) -> bool {
        self.checksum.is_some() || self.rules().checksum.is_some()
    }

    fn selection(&self) -> Selection<'_> {
        match (self.tool, &self.pattern) {
            (Some(tool), _) => Selection::Of(tool),
            (None, Some(pattern)) => Selection::Pattern(pattern, self.checksum),
            (None, None) => {
                Selection::Naming(self.naming.unwrap_or(Naming::Numbered), self.checksum)
            }
        }
    }

    /// Rows that are about these files.
    fn of_files(
        &self,
        files: &BTreeMap<Version, MigrationFile>,
        rows: Vec<Applied>,
    ) -> Vec<Applied> {
        let app = |version: &Version| {
            let text = version.to_string();
            text.split_once('.').map(|(app, _)| app.to_owned())
        };
        match self.tool {
            Some(Tool::Drizzle) => journal::matched(files, rows),
            Some(Tool::Sqitch) => plan::matched(files, rows),
            Some(Tool::Django) => {
                let apps: Vec<_> = files.keys().map(app).collect();
                let has_files =
                    |row: &Applied| row.version.as_ref().is_some_and(|v| apps.contains(&app(v)));
                rows.into_iter().filter(has_files).collect()
            }
            _ => rows,
        }
    }

    /// Reports what contradicts the tool.
    fn validate_tool(&self, errors: &mut ParameterErrors<'_>) {
        let Some(tool) = self.tool else { return };
        let of_tool = [
            ("column", self.column.is_some()),
            ("per", self.per.is_some()),
            ("keeps", self.keeps.is_some()),
            ("consecutive", self.consecutive),
            ("naming", self.naming.is_some()),
            ("pattern", self.pattern.is_some()),
            ("checksum", self.checksum.is_some()),
            ("checksum-column", self.checksum_column.is_some()),
            ("dirty-column", self.dirty_column.is_some()),
            ("success-column", self.success_column.is_some()),
            ("lock", self.lock.is_some()),
        ];
        errors.each(
            of_tool,
            "is known from `tool`",
            "leave it out; without `tool`, give all of them",
        );
        let facts = tool.facts();
        if self.files.is_some() && facts.files == Files::Unread {
            errors
                .at("files", "the files of this tool are not read")
                .add_hint("leave it out, and give `head`");
        }
        if self.head.is_some() && !facts.ordered {
            errors
                .at("head", "the versions of this tool have no order")
                .add_hint("leave it out, and give `files`");
        }
        if self.files.is_some() && self.head.is_some() && facts.files == Files::Revisions {
            errors
                .at(
                    "head",
                    "the files of this tool say which revisions are the last",
                )
                .add_hint("leave it out, or `files`");
        }
        let tag = self
            .head
            .as_deref()
            .is_some_and(|head| head.parse::<i64>().is_err());
        if tool == Tool::Drizzle && self.files.is_none() && tag {
            errors
                .at("head", "a tag needs `files`, which has the journal")
                .add_hint("add `files`, or give the newest `created_at`");
        }
        if tool == Tool::Sqitch && self.files.is_none() && self.head.is_some() {
            errors
                .at("head", "a change needs `files`, which has the plan")
                .add_hint("add `files`, the folder of `sqitch.plan`");
        }
    }

    /// Says what is expected, in one line.
    fn expectation(&self, files: Option<&BTreeMap<Version, MigrationFile>>) -> String {
        let mut parts = Vec::new();
        if let Some(head) = &self.head {
            parts.push(format!("version {head} is the newest applied"));
        }
        if self.consecutive {
            parts.push("numbers without a gap".to_owned());
        }
        if let Some(files) = files {
            parts.push(format!(
                "as the {} say",
                show_counted(files.len(), "migration file")
            ));
            if self.compares_checksums() {
                parts.push("applied from the same bytes".to_owned());
            }
        }
        if self.marks_failure() {
            parts.push("no migration half done".to_owned());
        }
        parts.join(", ")
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
    #[case("consecutive = true", 0)]
    #[case("consecutive = true\nkeeps = 'newest'", 1)]
    #[case("consecutive = true\ntool = 'sqlx'", 1)]
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
    #[case("tool = 'drizzle'\nfiles = 'm'\nhead = '0001_x'", 0)]
    #[case("tool = 'drizzle'\nhead = '1700000000000'", 0)]
    #[case("tool = 'golang-migrate'", 0)]
    #[case("tool = 'liquibase'", 0)]
    #[case("tool = 'drizzle'", 1)]
    #[case("tool = 'drizzle'\nhead = '0001_x'", 1)]
    #[case("tool = 'drizzle'\nfiles = 'm'\npattern = '(.)'", 1)]
    #[case("tool = 'sqitch'\nfiles = 'm'\nhead = 'users'", 0)]
    #[case("tool = 'sqitch'", 1)]
    #[case("tool = 'sqitch'\nhead = 'users'", 1)]
    #[case("tool = 'liquibase'\nfiles = 'm'", 1)]
    #[case("tool = 'django'\nfiles = 'm'\nhead = 'shop.0001'", 1)]
    #[case("tool = 'alembic'\nfiles = 'm'", 0)]
    #[case("tool = 'alembic'\nfiles = 'm'\nhead = 'a1'", 1)]
    #[case("per = 'p'\nfiles = 'm'\npattern = '(.)'", 0)]
    #[case("per = 'p'\nfiles = 'm'", 1)]
    #[case("per = 'p'\nhead = '1'", 1)]
    #[case(
        "schemas = { table = 'public.n', key = 'k', schema = 's', named = 'p_*' }\nhead = '1'",
        1
    )]
    #[case(
        "schemas = { table = 'a.b.c', key = 'k', schema = 's', named = 'p_*' }\nper = 'p'",
        1
    )]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(toml).validate(errors)).len(),
            expected
        );
    }
}
