//! Migration tools by the table that each keeps: its columns, and how its version is read.

use super::tool as check;

/// A tool that keeps a table of applied migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Its usual name.
    pub name: &'static str,
    /// Its table, in any schema.
    pub table: &'static str,
    /// Columns that identify the table, each with its type where the name of the table is a common one.
    columns: &'static [&'static str],
    /// Whether the table has no other column.
    no_others: bool,
    /// How its version is read.
    pub keeps: Keeps,
    /// Parameters of `schema-version` that compare the table with the files of the repository.
    pub files: &'static str,
}

/// How a tool keeps its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// One row for each version, or one row with the newest.
    Versions {
        /// The column of the version.
        column: &'static str,
        /// Whether it keeps one row.
        newest_only: bool,
        /// The column that is true where a migration did not end well.
        dirty: Option<&'static str>,
        /// The column that is false there.
        success: Option<&'static str>,
        /// The table of its lock, and the flag in it.
        lock: Option<(&'static str, &'static str)>,
    },
    /// As `schema-version` knows it from the tool.
    Known(check::Tool),
    /// In another way: a query with one row, the version.
    Query(&'static str),
}

impl Tool {
    /// Whether the table has one row, which is changed.
    #[must_use]
    pub const fn keeps_newest_only(&self) -> bool {
        match self.keeps {
            Keeps::Known(tool) => tool.facts().newest_only,
            Keeps::Versions { newest_only, .. } => newest_only,
            Keeps::Query(_) => false,
        }
    }

    /// Whether it is the migration runner of a single project.
    #[must_use]
    pub fn is_own(&self) -> bool {
        *self == OWN
    }

    /// Whether the table has what `schema-version` reads of the tool.
    fn has_columns(&self, has: &impl Fn(&&str) -> bool) -> bool {
        match self.keeps {
            Keeps::Known(tool) => tool.facts().columns.iter().all(has),
            Keeps::Versions { .. } | Keeps::Query(_) => true,
        }
    }

    /// The tool, whose table has its columns and no other.
    const fn no_others(self) -> Self {
        Self {
            no_others: true,
            ..self
        }
    }
}

const fn versions(column: &'static str) -> Keeps {
    Keeps::Versions {
        column,
        newest_only: false,
        dirty: None,
        success: None,
        lock: None,
    }
}

const fn ended(
    column: &'static str,
    dirty: Option<&'static str>,
    success: Option<&'static str>,
    newest_only: bool,
) -> Keeps {
    Keeps::Versions {
        column,
        newest_only,
        dirty,
        success,
        lock: None,
    }
}

const fn locked(column: &'static str, table: &'static str, flag: &'static str) -> Keeps {
    Keeps::Versions {
        column,
        newest_only: false,
        dirty: None,
        success: None,
        lock: Some((table, flag)),
    }
}

/// Where several tools have a table of the same name, its columns identify the tool.
const TOOLS: &[Tool] = &[
    tool(
        "golang-migrate",
        "schema_migrations",
        &["version bigint", "dirty boolean"],
        Keeps::Known(check::Tool::GolangMigrate),
        "files = \"../migrations\"",
    )
    .no_others(),
    tool(
        "Supabase",
        "schema_migrations",
        &["version text", "statements text[]", "name text"],
        versions("version"),
        "files = \"../supabase/migrations\"",
    ),
    tool(
        "Ecto",
        "schema_migrations",
        &["version bigint", "inserted_at"],
        Keeps::Known(check::Tool::Ecto),
        "files = \"../priv/repo/migrations\"",
    )
    .no_others(),
    tool(
        "Rails or dbmate",
        "schema_migrations",
        &["version character varying"],
        versions("version"),
        "files = \"../db/migrate\", naming = \"rails\"; for dbmate files = \"../db/migrations\"",
    )
    .no_others(),
    tool(
        "Prisma",
        "_prisma_migrations",
        &["migration_name", "finished_at", "rolled_back_at"],
        Keeps::Known(check::Tool::Prisma),
        "files = \"../prisma/migrations\"",
    ),
    tool(
        "Flyway",
        "flyway_schema_history",
        &["installed_rank", "version", "success"],
        Keeps::Known(check::Tool::Flyway),
        "files = \"../migrations\"",
    ),
    tool(
        "Liquibase",
        "databasechangelog",
        &["id", "author", "filename", "orderexecuted", "exectype"],
        Keeps::Known(check::Tool::Liquibase),
        "",
    ),
    tool(
        "sqlx",
        "_sqlx_migrations",
        &["version", "success", "checksum", "execution_time"],
        Keeps::Known(check::Tool::Sqlx),
        "files = \"../migrations\"",
    ),
    tool(
        "Diesel",
        "__diesel_schema_migrations",
        &["version", "run_on"],
        Keeps::Known(check::Tool::Diesel),
        "files = \"../migrations\"",
    ),
    tool(
        "refinery",
        "refinery_schema_history",
        &["version", "applied_on", "checksum"],
        Keeps::Known(check::Tool::Refinery),
        "files = \"../migrations\"",
    ),
    tool(
        "SeaORM",
        "seaql_migrations",
        &["version", "applied_at"],
        versions("version"),
        "files = \"../migration/src\", pattern = '^(m[0-9]+_[0-9]+_.*)\\.rs$'",
    ),
    tool(
        "Alembic",
        "alembic_version",
        &["version_num"],
        Keeps::Known(check::Tool::Alembic),
        "files = \"../alembic/versions\" instead of head",
    ),
    tool(
        "goose",
        "goose_db_version",
        &["id", "version_id", "is_applied"],
        Keeps::Known(check::Tool::Goose),
        "files = \"../migrations\"",
    ),
    tool(
        "Django",
        "django_migrations",
        &["id", "app", "name", "applied"],
        Keeps::Query("SELECT m.app || '.' || m.name FROM {table} m ORDER BY m.id DESC LIMIT 1"),
        "a check `schema-version` with tool = \"django\", files = \"..\"",
    ),
    tool(
        "Drizzle",
        "__drizzle_migrations",
        &["id", "hash", "created_at"],
        Keeps::Known(check::Tool::Drizzle),
        "files = \"../drizzle\" (the folder of `meta/_journal.json`) and the tag of the last entry as head",
    ),
    tool(
        "node-pg-migrate",
        "pgmigrations",
        &["id", "name", "run_on"],
        versions("name"),
        "files = \"../migrations\", pattern = '^([^/]+)\\.(?:js|ts|sql)$'",
    ),
    tool(
        "Knex",
        "knex_migrations",
        &["id", "name", "batch", "migration_time"],
        Keeps::Known(check::Tool::Knex),
        "files = \"../migrations\"",
    ),
    tool(
        "TypeORM",
        "migrations",
        &["id integer", "timestamp bigint", "name"],
        Keeps::Known(check::Tool::Typeorm),
        "files = \"../src/migrations\"",
    )
    .no_others(),
    tool(
        "Laravel",
        "migrations",
        &["id", "migration", "batch integer"],
        versions("migration"),
        "files = \"../database/migrations\", pattern = '^([^/]+)\\.php$'",
    )
    .no_others(),
    tool(
        "postgres-migrations",
        "migrations",
        &["id", "name", "hash", "executed_at"],
        versions("id"),
        "files = \"../migrations\"",
    )
    .no_others(),
    tool(
        "graphile-migrate",
        "migrations",
        &["hash", "previous_hash", "filename", "date"],
        versions("filename"),
        "files = \"../migrations/committed\", pattern = '^([^/]+\\.sql)$'",
    )
    .no_others(),
    tool(
        "Sequelize",
        "SequelizeMeta",
        &["name"],
        versions("name"),
        "files = \"../migrations\", pattern = '^([^/]+)$'",
    ),
    tool(
        "Kysely",
        "kysely_migration",
        &["name", "timestamp"],
        locked("name", "kysely_migration_lock", "is_locked"),
        "files = \"../migrations\", pattern = '^([^/]+)\\.ts$'",
    ),
    tool(
        "MikroORM",
        "mikro_orm_migrations",
        &["id", "name", "executed_at"],
        versions("name"),
        "files = \"../migrations\", pattern = '^([^/]+)\\.ts$'",
    ),
    tool(
        "yoyo",
        "_yoyo_migration",
        &["migration_hash", "migration_id", "applied_at_utc"],
        versions("migration_id"),
        "files = \"../migrations\", pattern = '^([^/]+)\\.(?:py|sql)$'",
    ),
    tool(
        "Entity Framework",
        "__EFMigrationsHistory",
        &["MigrationId", "ProductVersion"],
        versions("MigrationId"),
        "files = \"../Migrations\", pattern = '^([0-9]+_\\w+)\\.cs$'",
    ),
    tool(
        "Sqitch",
        "changes",
        &[
            "change_id",
            "script_hash",
            "change",
            "project",
            "committed_at",
        ],
        Keeps::Query(
            "SELECT c.project || ':' || c.change FROM {table} c ORDER BY c.committed_at DESC, c.change_id LIMIT 1",
        ),
        "a check `schema-version` with tool = \"sqitch\" and files = \"..\", the folder of `sqitch.plan`",
    ),
    tool(
        "Atlas",
        "atlas_schema_revisions",
        &["version", "applied", "total", "error", "hash"],
        ended("version", Some("error"), None, false),
        "files = \"../migrations\"",
    ),
    tool(
        "Phinx",
        "phinxlog",
        &["version", "migration_name", "end_time"],
        ended("version", None, Some("end_time"), false),
        "files = \"../db/migrations\", pattern = '^([0-9]+)_.*\\.php$'",
    ),
    tool(
        "Doctrine",
        "doctrine_migration_versions",
        &["version", "executed_at", "execution_time"],
        versions("version"),
        "",
    ),
];

/// The migration runner of a single project.
const OWN: Tool = tool(
    "a migration runner of the project",
    "schema_migrations",
    &["version"],
    versions("version"),
    "files = \"../migrations\"",
);

const fn tool(
    name: &'static str,
    table: &'static str,
    columns: &'static [&'static str],
    keeps: Keeps,
    files: &'static str,
) -> Tool {
    Tool {
        name,
        table,
        columns,
        no_others: false,
        keeps,
        files,
    }
}

/// Whether a tool keeps its applied migrations in a table of this name.
#[must_use]
pub fn is_known_history(table: &str) -> bool {
    TOOLS.iter().any(|tool| tool.table == table)
}

/// The tool that keeps a table of this name with these columns, as names and types, and this number of rows if it is known;
/// of several the one with the most columns.
#[must_use]
pub fn recognise(
    table: &str,
    columns: &[(&str, &str)],
    rows: Option<u64>,
) -> Option<&'static Tool> {
    let has = |wanted: &&str| {
        let (name, of_type) = wanted.split_once(' ').unwrap_or((wanted, ""));
        let mut columns = columns.iter();
        // `character varying(255)` is one too.
        columns.any(|(column, own)| *column == name && own.starts_with(of_type))
    };
    let keeps = |tool: &&Tool| {
        tool.table == table
            && tool.columns.iter().all(has)
            && tool.has_columns(&has)
            && (!tool.no_others || tool.columns.len() == columns.len())
            // Alembic has a row for each branch.
            && (!tool.keeps_newest_only() || tool.table != OWN.table || rows <= Some(1))
    };
    let tools = [&OWN].into_iter().chain(TOOLS);
    tools.filter(keeps).max_by_key(|tool| tool.columns.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("schema_migrations", &["version bigint", "dirty boolean"], 1, Some("golang-migrate"))]
    #[case("schema_migrations", &["version bigint", "dirty boolean"], 31, Some(OWN.name))]
    #[case("schema_migrations", &["version text", "dirty boolean"], 1, Some(OWN.name))]
    #[case("schema_migrations", &["version bigint", "name text", "dirty boolean", "applied_at timestamp"], 31, Some(OWN.name))]
    #[case("schema_migrations", &["version character varying(255)"], 9, Some("Rails or dbmate"))]
    #[case("schema_migrations", &["version bigint"], 9, Some(OWN.name))]
    #[case("schema_migrations", &["version text", "checksum text"], 9, Some(OWN.name))]
    #[case("schema_migrations", &["version bigint", "inserted_at timestamp(0) without time zone"], 9, Some("Ecto"))]
    #[case("schema_migrations", &["version text", "inserted_at text", "by text"], 9, Some(OWN.name))]
    #[case("schema_migrations", &["version text", "statements text[]", "name text", "created_by text"], 9, Some("Supabase"))]
    #[case("schema_migrations", &["id integer", "file text"], 9, None)]
    #[case("migrations", &["id integer", "timestamp bigint", "name character varying"], 9, Some("TypeORM"))]
    #[case("migrations", &["id integer", "timestamp timestamp with time zone", "name text"], 9, None)]
    #[case("migrations", &["id integer", "migration character varying(255)", "batch integer"], 9, Some("Laravel"))]
    #[case("migrations", &["id integer", "migration text", "batch integer", "by text"], 9, None)]
    #[case("migrations", &["id integer", "name text", "hash text", "executed_at timestamp"], 9, Some("postgres-migrations"))]
    #[case("migrations", &["id integer", "name text"], 9, None)]
    #[case("SequelizeMeta", &["name text"], 9, Some("Sequelize"))]
    #[case("alembic_version", &["version_num character varying(32)"], 2, Some("Alembic"))]
    #[case("changes", &["id integer", "what text"], 9, None)]
    fn a_tool_is_recognised_by_table_columns_and_rows(
        #[case] table: &str,
        #[case] columns: &[&str],
        #[case] rows: u64,
        #[case] tool: Option<&str>,
    ) {
        let columns = columns.iter().filter_map(|column| column.split_once(' '));
        let columns: Vec<(&str, &str)> = columns.collect();
        let found = recognise(table, &columns, Some(rows));
        assert_eq!(found.map(|tool| tool.name), tool);
    }
}
