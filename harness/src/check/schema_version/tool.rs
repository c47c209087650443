//! Migration tools: the table that each keeps, how its rows are read, and how its files are named.

use schemars::JsonSchema;
use serde::Deserialize;

use super::digests::Digests;
use super::files::Checksum;
use crate::sql::QualifiedName;

/// A tool that keeps a table of applied migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// Alembic: the last revision of each branch, by `revision` and `down_revision` in its files; or `head` without `files`.
    Alembic,
    /// Diesel: folders `DATE_NAME/up.sql`.
    Diesel,
    /// Django: `APP/migrations/NAME.py`, compared for the apps that have files. A version is `APP.NAME`.
    Django,
    /// Drizzle: `meta/_journal.json` and `TAG.sql`, with the SHA-256 of each file. A version is a tag.
    Drizzle,
    /// Ecto: `VERSION_NAME.exs`.
    Ecto,
    /// Flyway: `VVERSION__NAME.sql`, with the CRC-32 of its lines.
    Flyway,
    /// golang-migrate: `VERSION_NAME.up.sql`; one row, the newest version.
    GolangMigrate,
    /// goose: `VERSION_NAME.sql` or `.go`; the newest row of a version counts.
    Goose,
    /// Knex: the names of the files.
    Knex,
    /// Liquibase: what failed, and its lock. Its files are not read.
    Liquibase,
    /// Prisma: folders `NAME/migration.sql`, with the SHA-256 of each file.
    Prisma,
    /// Rails: `VERSION_NAME.rb`.
    Rails,
    /// refinery: `VVERSION__NAME.sql` or `.rs`. Its checksums are not compared: their algorithm is
    /// that of one version of the Rust library.
    Refinery,
    /// Sqitch: `sqitch.plan` and `deploy/`, with the id of each change and the SHA-1 of its script. A version is the name of a
    /// change, `NAME@TAG` where it was reworked.
    Sqitch,
    /// sqlx: `VERSION_NAME.sql`, with the SHA-384 of each file.
    Sqlx,
    /// TypeORM: `TIMESTAMP-NAME.ts` or `.js`.
    Typeorm,
}

/// What is known of a tool. Expressions are SQL about a row `m` of `from`.
#[derive(Debug)]
pub struct Facts {
    /// Its usual table.
    pub table: &'static str,
    /// Columns that the expressions name: without one of them, it is not the table of the tool.
    pub columns: &'static [&'static str],
    /// What is read, where `{table}` is the table.
    pub from: &'static str,
    /// The version.
    pub version: &'static str,
    /// The checksum that the tool keeps, where it is compared.
    pub checksum: Option<(&'static str, Digests)>,
    /// True, not 0, or filled where a migration did not end well.
    pub dirty: Option<&'static str>,
    /// False, 0 or NULL where a migration did not end well.
    pub success: Option<&'static str>,
    /// True for a row that is a starting point: files up to its version were never applied by the tool.
    pub baseline: Option<&'static str>,
    /// Whether it keeps one row, the newest version.
    pub newest_only: bool,
    /// Whether versions have an order, so that one of them is the newest.
    pub ordered: bool,
    /// A table in the same schema, and its column that is true or 1 while a migration runs.
    pub lock: Option<(&'static str, &'static str)>,
    /// How its files are named.
    pub files: Files,
    /// What follows for a migration that was left out in the middle.
    pub left_out: &'static str,
}

/// How a tool's files are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// A pattern of paths; its groups, joined by a dot and without `-`, are the version.
    Pattern(&'static str),
    /// Drizzle's `meta/_journal.json`.
    Journal,
    /// Sqitch's `sqitch.plan`.
    Plan,
    /// Python files of Alembic, which name each other.
    Revisions,
    /// They are not read.
    Unread,
}

const LEFT_OUT: &str = "a row of the table is lost, or a migration with an older number was merged later and never ran";

/// What most tools have in common: a row for each version, and nothing else.
pub(super) const PLAIN: Facts = Facts {
    table: "public.schema_migrations",
    columns: &["version"],
    from: "{table} m",
    version: "m.version",
    checksum: None,
    dirty: None,
    success: None,
    baseline: None,
    newest_only: false,
    ordered: true,
    lock: None,
    files: Files::Unread,
    left_out: LEFT_OUT,
};

const ALEMBIC: Facts = Facts {
    table: "public.alembic_version",
    columns: &["version_num"],
    version: "m.version_num",
    newest_only: true,
    files: Files::Revisions,
    ..PLAIN
};

const DIESEL: Facts = Facts {
    table: "public.__diesel_schema_migrations",
    files: Files::Pattern(r"^([^/_.][^/_]*)(?:_[^/]*)?/up\.sql$"),
    ..PLAIN
};

const DJANGO: Facts = Facts {
    table: "public.django_migrations",
    columns: &["app", "name"],
    version: "m.app || '.' || m.name",
    ordered: false,
    files: Files::Pattern(r"(?:^|/)([A-Za-z0-9][A-Za-z0-9_]*)/migrations/([A-Za-z0-9]\w*)\.py$"),
    ..PLAIN
};

const DRIZZLE: Facts = Facts {
    table: "drizzle.__drizzle_migrations",
    columns: &["hash", "created_at"],
    version: "m.created_at",
    checksum: Some(("m.hash", Digests::Sha256OrUnixLines)),
    files: Files::Journal,
    left_out: "a row of the table is lost, or Drizzle skipped it: it compares only the newest `created_at`, so a migration \
               that is merged with an older `when` never runs, and no error is shown",
    ..PLAIN
};

const ECTO: Facts = Facts {
    files: Files::Pattern(r"(?:^|/)([0-9]+)_[^/]*\.exs$"),
    ..PLAIN
};

/// The row of a version with the highest rank counts: one that undid it, or deleted it from the
/// history, takes it away. Rows without a version are repeatable migrations, of which only a failure
/// is of interest.
const FLYWAY: Facts = Facts {
    table: "public.flyway_schema_history",
    columns: &["installed_rank", "version", "type", "checksum", "success"],
    from: "(SELECT DISTINCT ON (f.version, CASE WHEN f.version IS NULL THEN f.installed_rank END) f.version, f.type, f.checksum, f.success \
            FROM {table} f ORDER BY f.version, CASE WHEN f.version IS NULL THEN f.installed_rank END, f.installed_rank DESC) m \
            WHERE m.type <> 'DELETE' AND m.type NOT LIKE 'UNDO%' AND (m.version IS NOT NULL OR NOT m.success)",
    checksum: Some(("m.checksum", Digests::Crc32OfLines)),
    success: Some("m.success"),
    baseline: Some("m.type LIKE '%BASELINE'"),
    files: Files::Pattern(r"(?:^|/)V([0-9]+(?:[._][0-9]+)*)__[^/]*\.(?:sql|java|kt|groovy)$"),
    ..PLAIN
};

const GOLANG_MIGRATE: Facts = Facts {
    columns: &["version", "dirty"],
    dirty: Some("m.dirty"),
    newest_only: true,
    files: Files::Pattern(r"^([0-9]+)_[^/]*\.up\.[^/]*$"),
    ..PLAIN
};

/// Older versions of goose add a row when they undo a migration, newer ones delete it. Version 0 is
/// the row that goose makes the table with.
const GOOSE: Facts = Facts {
    table: "public.goose_db_version",
    columns: &["id", "version_id", "is_applied"],
    from: "(SELECT DISTINCT ON (g.version_id) g.version_id, g.is_applied FROM {table} g ORDER BY g.version_id, g.id DESC) m \
            WHERE m.is_applied AND m.version_id <> 0",
    version: "m.version_id",
    files: Files::Pattern(r"^([0-9]+)_[^/]*\.(?:sql|go)$"),
    left_out: "a row of the table is lost, or a migration with an older number was merged later: `goose up` refuses to go on \
               without `-allow-missing`",
    ..PLAIN
};

const KNEX: Facts = Facts {
    table: "public.knex_migrations",
    columns: &["name"],
    version: "m.name",
    lock: Some(("knex_migrations_lock", "is_locked")),
    files: Files::Pattern(r"^([^/]+\.(?:co|coffee|eg|iced|js|cjs|mjs|litcoffee|ls|ts|cts|mts))$"),
    ..PLAIN
};

const LIQUIBASE: Facts = Facts {
    table: "public.databasechangelog",
    columns: &["id", "author", "filename", "orderexecuted", "exectype"],
    version: "m.orderexecuted",
    dirty: Some("m.exectype = 'FAILED'"),
    lock: Some(("databasechangeloglock", "locked")),
    ..PLAIN
};

/// A migration that failed and was rolled back has a row of its own, which no longer counts.
const PRISMA: Facts = Facts {
    table: "public._prisma_migrations",
    columns: &[
        "migration_name",
        "checksum",
        "finished_at",
        "rolled_back_at",
    ],
    from: "{table} m WHERE m.rolled_back_at IS NULL",
    version: "m.migration_name",
    checksum: Some(("m.checksum", Digests::Prisma)),
    success: Some("m.finished_at"),
    files: Files::Pattern(r"^([^/]+)/migration\.sql$"),
    ..PLAIN
};

const RAILS: Facts = Facts {
    files: Files::Pattern(r"(?:^|/)([0-9]+)_[^/]*\.rb$"),
    ..PLAIN
};

const REFINERY: Facts = Facts {
    table: "public.refinery_schema_history",
    files: Files::Pattern(r"(?:^|/)[VU]([0-9]+)__\w+\.(?:sql|rs)$"),
    ..PLAIN
};

/// One registry may have several projects; the plan says of which one it is.
const SQITCH: Facts = Facts {
    table: "sqitch.changes",
    columns: &["change_id", "script_hash", "change", "project"],
    version: "m.project || ' ' || m.change_id || ' ' || m.change",
    checksum: Some(("m.script_hash", Digests::Sha1)),
    files: Files::Plan,
    left_out: "a row of the registry is lost: Sqitch deploys only what comes after the newest change",
    ..PLAIN
};

const SQLX: Facts = Facts {
    table: "public._sqlx_migrations",
    columns: &["version", "success", "checksum"],
    checksum: Some(("m.checksum", Digests::Exact(Checksum::Sha384))),
    success: Some("m.success"),
    files: Files::Pattern(r"^([0-9]+)_[^/]*\.sql$"),
    ..PLAIN
};

const TYPEORM: Facts = Facts {
    table: "public.migrations",
    columns: &["timestamp", "name"],
    version: "m.\"timestamp\"",
    files: Files::Pattern(r"(?:^|/)([0-9]+)-[^/.]*\.(?:ts|js|mts|mjs|cts|cjs)$"),
    ..PLAIN
};

impl Facts {
    /// Whether a row or a lock shows that a migration failed or was running.
    pub const fn marks_failure(&self) -> bool {
        self.dirty.is_some() || self.success.is_some() || self.lock.is_some()
    }
}

/// Whether a table of this name is the history of a tool that keeps the newest version only, so that each migration replaces its row.
pub(crate) fn is_replaced_history(table: &QualifiedName) -> bool {
    let tools = [Tool::Alembic, Tool::GolangMigrate];
    let named = |tool: Tool| tool.facts().table.split_once('.');
    tools
        .into_iter()
        .any(|tool| named(tool).is_some_and(|(_, name)| name == table.name))
}

impl Tool {
    /// As a scenario writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alembic => "alembic",
            Self::Diesel => "diesel",
            Self::Django => "django",
            Self::Drizzle => "drizzle",
            Self::Ecto => "ecto",
            Self::Flyway => "flyway",
            Self::GolangMigrate => "golang-migrate",
            Self::Goose => "goose",
            Self::Knex => "knex",
            Self::Liquibase => "liquibase",
            Self::Prisma => "prisma",
            Self::Rails => "rails",
            Self::Refinery => "refinery",
            Self::Sqitch => "sqitch",
            Self::Sqlx => "sqlx",
            Self::Typeorm => "typeorm",
        }
    }

    /// What is known of it.
    #[must_use]
    pub const fn facts(self) -> &'static Facts {
        match self {
            Self::Alembic => &ALEMBIC,
            Self::Diesel => &DIESEL,
            Self::Django => &DJANGO,
            Self::Drizzle => &DRIZZLE,
            Self::Ecto => &ECTO,
            Self::Flyway => &FLYWAY,
            Self::GolangMigrate => &GOLANG_MIGRATE,
            Self::Goose => &GOOSE,
            Self::Knex => &KNEX,
            Self::Liquibase => &LIQUIBASE,
            Self::Prisma => &PRISMA,
            Self::Rails => &RAILS,
            Self::Refinery => &REFINERY,
            Self::Sqitch => &SQITCH,
            Self::Sqlx => &SQLX,
            Self::Typeorm => &TYPEORM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;
    use rstest::rstest;

    #[rstest]
    #[case(
        Tool::Diesel,
        "2025-01-02-030405_users/up.sql",
        Some("2025-01-02-030405")
    )]
    #[case(Tool::Diesel, "2025-01-02-030405_users/down.sql", None)]
    #[case(
        Tool::Django,
        "shop/migrations/0001_initial.py",
        Some("shop.0001_initial")
    )]
    #[case(
        Tool::Django,
        "src/shop/migrations/0001_initial.py",
        Some("shop.0001_initial")
    )]
    #[case(Tool::Django, "shop/migrations/__init__.py", None)]
    #[case(Tool::Django, "shop/models.py", None)]
    #[case(Tool::Ecto, "20250101_a.exs", Some("20250101"))]
    #[case(Tool::Flyway, "sql/V1_2.3__a.sql", Some("1_2.3"))]
    #[case(Tool::Flyway, "R__views.sql", None)]
    #[case(Tool::Flyway, "U1__a.sql", None)]
    #[case(Tool::GolangMigrate, "000001_a.up.sql", Some("000001"))]
    #[case(Tool::GolangMigrate, "000001_a.down.sql", None)]
    #[case(Tool::Goose, "00001_a.sql", Some("00001"))]
    #[case(Tool::Goose, "20250101_a.go", Some("20250101"))]
    #[case(Tool::Knex, "20250101_a.js", Some("20250101_a.js"))]
    #[case(Tool::Knex, "README.md", None)]
    #[case(Tool::Prisma, "2025_init/migration.sql", Some("2025_init"))]
    #[case(Tool::Prisma, "migration_lock.toml", None)]
    #[case(Tool::Rails, "20250101_a.rb", Some("20250101"))]
    #[case(Tool::Rails, "archive/20250101_a.rb", Some("20250101"))]
    #[case(Tool::Refinery, "V1__a.rs", Some("1"))]
    #[case(Tool::Refinery, "mod.rs", None)]
    #[case(Tool::Sqlx, "1_a.up.sql", Some("1"))]
    #[case(Tool::Typeorm, "1700000000000-Users.ts", Some("1700000000000"))]
    #[case(Tool::Typeorm, "1700000000000-Users.d.ts", None)]
    fn a_path_gives_the_version_of_the_tool(
        #[case] tool: Tool,
        #[case] path: &str,
        #[case] version: Option<&str>,
    ) {
        let Files::Pattern(pattern) = tool.facts().files else {
            panic!("{tool:?} has no pattern");
        };
        let found = Regex::new(pattern).unwrap().captures(path).map(|found| {
            let groups: Vec<&str> = found.iter().skip(1).flatten().map(|m| m.as_str()).collect();
            groups.join(".")
        });
        assert_eq!(found.as_deref(), version);
    }
}
