//! The migration tool, told by its table and that table's columns, and how far it has come.

use super::block::Block;
use super::relation::{Relations, text};
use super::section::{Section, named};
use crate::check::schema_version::files::Version;
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};

/// A tool that keeps a table of what it has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tool {
    /// What people call it.
    name: &'static str,
    /// Its table, in any schema.
    table: &'static str,
    /// Columns that the table has.
    columns: &'static [&'static str],
    /// How its state is read.
    keeps: Keeps,
    /// What points `schema-version` at its files.
    files: &'static str,
}

/// How a tool keeps what it has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// A row for each, or one row in all.
    Versions {
        column: &'static str,
        newest_only: bool,
        dirty: Option<&'static str>,
        success: Option<&'static str>,
        lock: Option<(&'static str, &'static str)>,
    },
    /// Something else: a query that gives one row, what it is at.
    Query(&'static str),
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

/// The more columns a tool is told by, the earlier it stands among those of one table's name.
const TOOLS: &[Tool] = &[
    tool(
        "golang-migrate",
        "schema_migrations",
        &["version", "dirty"],
        ended("version", Some("dirty"), None, true),
        "files = \"../migrations\", pattern = '^([0-9]+)_.*\\.up\\.sql$', keeps = \"newest\"",
    ),
    tool(
        "Supabase",
        "schema_migrations",
        &["version", "statements", "name"],
        versions("version"),
        "files = \"../supabase/migrations\"",
    ),
    tool(
        "Ecto",
        "schema_migrations",
        &["version", "inserted_at"],
        versions("version"),
        "files = \"../priv/repo/migrations\", pattern = '^([0-9]+)_.*\\.exs$'",
    ),
    tool(
        "Rails or dbmate",
        "schema_migrations",
        &["version"],
        versions("version"),
        "files = \"../db/migrate\", naming = \"rails\"; for dbmate files = \"../db/migrations\"",
    ),
    tool(
        "Prisma",
        "_prisma_migrations",
        &["migration_name", "finished_at", "rolled_back_at"],
        ended("migration_name", None, Some("finished_at"), false),
        "files = \"../prisma/migrations\", pattern = '^([^/]+)/migration\\.sql$'",
    ),
    tool(
        "Flyway",
        "flyway_schema_history",
        &["installed_rank", "version", "success"],
        ended("version", None, Some("success"), false),
        "files = \"../migrations\", pattern = '^V([0-9._]+)__.*\\.sql$'",
    ),
    tool(
        "Liquibase",
        "databasechangelog",
        &["id", "author", "filename", "orderexecuted", "exectype"],
        locked("orderexecuted", "databasechangeloglock", "locked"),
        "",
    ),
    tool(
        "sqlx",
        "_sqlx_migrations",
        &["version", "success", "checksum", "execution_time"],
        ended("version", None, Some("success"), false),
        "files = \"../migrations\", checksum-column = \"checksum\", checksum = \"sha384\"",
    ),
    tool(
        "Diesel",
        "__diesel_schema_migrations",
        &["version", "run_on"],
        versions("version"),
        "files = \"../migrations\", pattern = '^([0-9-]+)_[^/]*/up\\.sql$'",
    ),
    tool(
        "refinery",
        "refinery_schema_history",
        &["version", "applied_on", "checksum"],
        versions("version"),
        "files = \"../migrations\", pattern = '^V([0-9]+)__.*$'",
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
        ended("version_num", None, None, true),
        "",
    ),
    tool(
        "goose",
        "goose_db_version",
        &["id", "version_id", "is_applied"],
        Keeps::Query(
            "SELECT v.version_id FROM (SELECT DISTINCT ON (g.version_id) g.version_id, g.is_applied FROM {table} g ORDER BY g.version_id, g.id DESC) v WHERE v.is_applied ORDER BY 1 DESC LIMIT 1",
        ),
        "",
    ),
    tool(
        "Django",
        "django_migrations",
        &["id", "app", "name", "applied"],
        Keeps::Query("SELECT m.app || '.' || m.name FROM {table} m ORDER BY m.id DESC LIMIT 1"),
        "",
    ),
    tool(
        "Drizzle",
        "__drizzle_migrations",
        &["id", "hash", "created_at"],
        versions("created_at"),
        "",
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
        locked("name", "knex_migrations_lock", "is_locked"),
        "files = \"../migrations\", pattern = '^([^/]+)$'",
    ),
    tool(
        "TypeORM",
        "migrations",
        &["id", "timestamp", "name"],
        versions("timestamp"),
        "files = \"../src/migrations\", pattern = '^([0-9]+)-.*\\.ts$'",
    ),
    tool(
        "Laravel",
        "migrations",
        &["id", "migration", "batch"],
        versions("migration"),
        "files = \"../database/migrations\", pattern = '^([^/]+)\\.php$'",
    ),
    tool(
        "postgres-migrations",
        "migrations",
        &["id", "name", "hash", "executed_at"],
        versions("id"),
        "files = \"../migrations\"",
    ),
    tool(
        "graphile-migrate",
        "migrations",
        &["hash", "previous_hash", "filename", "date"],
        versions("filename"),
        "files = \"../migrations/committed\", pattern = '^([^/]+\\.sql)$'",
    ),
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
        "",
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

/// A runner that a project wrote for itself.
const OWN: Tool = tool(
    "a runner of its own",
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
        keeps,
        files,
    }
}

/// A history of migrations that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    tool: Tool,
    table: QualifiedName,
    /// What it is at: its newest version, or what the query gives.
    head: String,
    rows: u64,
    /// The table of its lock, where it is there.
    lock: Option<(QualifiedName, &'static str)>,
}

impl History {
    /// The table, where each version has a row of its own that stays as it is.
    #[must_use]
    pub fn grows(&self) -> Option<&QualifiedName> {
        let one_row = matches!(
            self.tool.keeps,
            Keeps::Versions {
                newest_only: true,
                ..
            }
        );
        (!one_row).then_some(&self.table)
    }
}

const COLUMNS: &str = "
SELECT a.attname FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped";

/// Finds the histories of a database.
///
/// # Errors
/// When one cannot be read.
pub async fn look(
    session: &mut Session,
    relations: &Relations,
) -> Result<Vec<History>, DatabaseError> {
    let mut found = Vec::new();
    for relation in relations.tables() {
        let named: Vec<&Tool> = TOOLS
            .iter()
            .filter(|tool| tool.table == relation.name.name)
            .collect();
        if named.is_empty() {
            continue;
        }
        let rows = session
            .rows(&COLUMNS.replace("{oid}", &relation.oid))
            .await?;
        let columns: Vec<String> = rows.iter().map(|row| text(row, 0)).collect();
        let Some(tool) = recognise(&named, &columns) else {
            continue;
        };
        let table = &relation.name;
        let Some(head) = head(session, tool, table).await? else {
            continue;
        };
        let lock = match tool.keeps {
            Keeps::Versions {
                lock: Some((name, flag)),
                ..
            } => relations
                .tables()
                .find(|other| other.name.schema == table.schema && other.name.name == name)
                .map(|other| (other.name.clone(), flag)),
            _ => None,
        };
        found.push(History {
            tool: *tool,
            rows: relation.rows.unwrap_or_default(),
            table: table.clone(),
            head,
            lock,
        });
    }
    Ok(found)
}

/// The tool whose columns the table has: of several the one with most of them.
fn recognise<'a>(tools: &[&'a Tool], columns: &[String]) -> Option<&'a Tool> {
    let has = |name: &str| columns.iter().any(|column| column == name);
    tools
        .iter()
        .filter(|tool| tool.columns.iter().all(|name| has(name)))
        .max_by_key(|tool| tool.columns.len())
        .map(|tool| match tool.columns {
            // A version and something else is what people write who have a runner of their own.
            ["version"] if columns.len() > 1 => &OWN,
            _ => tool,
        })
}

/// Reads what a tool is at; nothing where nothing was applied.
async fn head(
    session: &mut Session,
    tool: &Tool,
    table: &QualifiedName,
) -> Result<Option<String>, DatabaseError> {
    match tool.keeps {
        Keeps::Query(query) => {
            session
                .value(&query.replace("{table}", &table.to_string()))
                .await
        }
        Keeps::Versions { column, .. } => {
            let sql = format!(
                "SELECT m.{}::pg_catalog.text FROM {table} m",
                quote_ident(column)
            );
            let rows = session.rows(&sql).await?;
            let versions = rows.into_iter().filter_map(|row| row.into_iter().next()?);
            Ok(versions.max_by_key(|version| Version::read(version)))
        }
    }
}

/// Makes checks of what was found.
#[must_use]
pub fn section(histories: &[History]) -> Section {
    let mut section = Section::new("the schema's version");
    for history in histories {
        history.add(&mut section);
    }
    if !histories.is_empty() {
        let all: Vec<String> = histories
            .iter()
            .map(|history| format!("{} at {}", history.tool.name, history.head))
            .collect();
        section.found(format!("migrations: {}", named(&all, 4)));
    }
    section
}

impl History {
    fn add(&self, section: &mut Section) {
        let tool = &self.tool;
        let table = self.table.to_string();
        let mut note = format!(
            "`{}` and its columns are those of {}. After a deployment, move what it is at.",
            self.table, tool.name
        );
        if !tool.files.is_empty() {
            note.push_str(&format!(
                " Held to the repository's own files it shows more: {}.",
                tool.files
            ));
        }
        let name = format!("migrations are at {}", self.head);
        let block = match tool.keeps {
            Keeps::Query(query) => Block::new("sql", name)
                .with("query", query.replace("{table}", &table))
                .with("scalar", scalar(&self.head)),
            Keeps::Versions {
                column,
                newest_only,
                dirty,
                success,
                ..
            } => {
                let block = Block::new("schema-version", name)
                    .with("table", table.as_str())
                    .maybe("column", (column != "version").then_some(column))
                    .maybe("keeps", newest_only.then_some("newest"))
                    .with("head", self.head.as_str());
                let plain = block.clone();
                let lock = self.lock.as_ref().map(|(table, flag)| {
                    super::block::Value::Inline(vec![
                        ("table".to_owned(), table.to_string().into()),
                        ("column".to_owned(), (*flag).into()),
                    ])
                });
                let strict = block
                    .maybe("dirty-column", dirty)
                    .maybe("success-column", success)
                    .maybe("lock", lock);
                if strict == plain {
                    plain
                } else {
                    strict.or(plain)
                }
            }
        };
        section.blocks.push(block.guess(note));
        let newest_only = matches!(
            tool.keeps,
            Keeps::Versions {
                newest_only: true,
                ..
            }
        );
        if !newest_only && self.rows > 1 {
            section.blocks.push(
                Block::new(
                    "row-count",
                    format!("no migration is missing from {}", self.table),
                )
                .with("table", table)
                .with("min", self.rows),
            );
        }
    }
}

/// A number where it is one, as the check compares it.
fn scalar(text: &str) -> super::block::Value {
    match text.parse::<i64>() {
        Ok(number) => number.into(),
        Err(_) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("schema_migrations", &["version", "dirty"], Some("golang-migrate"))]
    #[case("schema_migrations", &["version"], Some("Rails or dbmate"))]
    #[case("schema_migrations", &["version", "checksum"], Some("a runner of its own"))]
    #[case("schema_migrations", &["version", "inserted_at"], Some("Ecto"))]
    #[case("schema_migrations", &["version", "statements", "name"], Some("Supabase"))]
    #[case("schema_migrations", &["id", "file"], None)]
    #[case("migrations", &["id", "timestamp", "name"], Some("TypeORM"))]
    #[case("migrations", &["id", "migration", "batch"], Some("Laravel"))]
    #[case("migrations", &["id", "name", "hash", "executed_at"], Some("postgres-migrations"))]
    #[case("migrations", &["id", "name"], None)]
    #[case("SequelizeMeta", &["name"], Some("Sequelize"))]
    #[case("changes", &["id", "what"], None)]
    fn tools_are_told_by_name_and_columns(
        #[case] table: &str,
        #[case] columns: &[&str],
        #[case] tool: Option<&str>,
    ) {
        let named: Vec<&Tool> = TOOLS.iter().filter(|tool| tool.table == table).collect();
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(recognise(&named, &columns).map(|tool| tool.name), tool);
    }
}
