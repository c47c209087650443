//! Migrations: the tool, recognised by its table, and the version that was applied last.
//!
//! By its own SQL: the version.

mod plugins;

use super::block::{Block, Value, keys};
use super::relation::{Relation, Relations};
use super::section::{Section, listed};
use crate::check::schema_version::SchemaVersion;
use crate::check::schema_version::consecutive::are_consecutive;
use crate::check::schema_version::files::Version;
use crate::check::schema_version::recognise::{Keeps, Tool, recognise};
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};

/// The table of a migration tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationTable {
    tool: Tool,
    table: QualifiedName,
    /// The newest version, or what the tool's query returns.
    head: String,
    /// Whether the versions begin with consecutive numbers.
    consecutive: bool,
    rows: u64,
    /// The table of the tool's lock and its flag, if it exists.
    lock: Option<(QualifiedName, &'static str)>,
}

/// Finds the tool of a table.
fn tool(table: &Relation<'_>) -> Option<&'static Tool> {
    let columns = table.columns();
    let columns = columns
        .iter()
        .map(|column| (column.name, column.get("type")));
    let columns: Vec<(&str, &str)> = columns.collect();
    recognise(&table.name.name, &columns, table.rows)
}

/// Tables of migration tools that have a row for each version, which is never changed.
pub fn append_only(relations: &Relations<'_>) -> impl Iterator<Item = QualifiedName> {
    let tables = relations.tables().filter(|table| {
        let tool = tool(table);
        tool.is_some_and(|tool| !tool.keeps_newest_only())
    });
    tables.map(|table| table.name.clone())
}

/// Reads the version of each table of a migration tool; one without any version is left out.
///
/// # Errors
/// When a table cannot be read.
pub async fn read(
    session: &mut Session,
    relations: &Relations<'_>,
) -> Result<Vec<MigrationTable>, DatabaseError> {
    let mut found = Vec::new();
    for relation in relations.tables().filter(|one| one.rows.is_some()) {
        let Some(tool) = tool(relation) else { continue };
        let table = &relation.name;
        let Some((head, consecutive)) = head(session, tool, table).await? else {
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
        found.push(MigrationTable {
            tool: *tool,
            rows: relation.rows.unwrap_or_default(),
            table: table.clone(),
            head,
            consecutive,
            lock,
        });
    }
    Ok(found)
}

/// Reads the newest version, and whether all begin with consecutive numbers; `None` if no migration was applied.
async fn head(
    session: &mut Session,
    tool: &Tool,
    table: &QualifiedName,
) -> Result<Option<(String, bool)>, DatabaseError> {
    let head = match tool.keeps {
        Keeps::Query(query) => {
            let query = query.replace("{table}", &table.to_string());
            session.value(&query).await?
        }
        Keeps::Known(known) => SchemaVersion::newest(known, session, table).await?,
        Keeps::Versions {
            column,
            newest_only,
            ..
        } => {
            let sql = format!(
                "SELECT m.{}::pg_catalog.text FROM {table} m",
                quote_ident(column)
            );
            let rows = session.rows(&sql).await?;
            let texts = rows.into_iter().filter_map(|row| row.into_iter().next()?);
            let texts: Vec<String> = texts.collect();
            let versions: Vec<Version> = texts.iter().map(|text| Version::read(text)).collect();
            let consecutive = !newest_only && are_consecutive(&versions);
            let newest = texts.into_iter().max_by_key(|text| Version::read(text));
            return Ok(newest.map(|head| (head, consecutive)));
        }
    };
    Ok(head.map(|head| (head, false)))
}

/// Writes the checks.
#[must_use]
pub fn section(tables: &[MigrationTable], relations: &Relations<'_>) -> Section {
    let mut section = Section::new(
        "schema version",
        "The backup has the migrations that were applied when it was made. After each deployment, change the version to \
         the new one.",
    );
    for table in tables {
        table.add(&mut section);
    }
    section.blocks.extend(plugins::blocks(relations));
    if !tables.is_empty() {
        let all: Vec<String> = tables
            .iter()
            .map(|one| format!("{} at {}", one.tool.name, one.head))
            .collect();
        section.found(format!("migrations: {}", listed(&all, 4)));
    }
    section
}

impl MigrationTable {
    /// The parameters that compare the table with the files of the repository.
    fn files(&self) -> Option<String> {
        let files = self.tool.files;
        let is_named = matches!(Version::read(&self.head), Version::Text(_));
        (!files.is_empty()).then(|| match self.tool.is_own() && is_named {
            true => format!("{files} and {}", patterns(&self.head)),
            false => files.to_owned(),
        })
    }

    fn add(&self, section: &mut Section) {
        let tool = &self.tool;
        let table = self.table.to_string();
        let mut guess = format!(
            "`{table}` is the table of {}, as its name and columns show.",
            tool.name
        );
        if let Some(files) = self.files() {
            guess.push_str(&format!(
                " To compare it with the migration files of the repository as well, add {files}."
            ));
        }
        if self.consecutive {
            guess.push_str(" If a number is left out on purpose, remove `consecutive`.");
        }
        let name = format!("migrations are at {}", self.head);
        let block = match tool.keeps {
            Keeps::Query(query) => Block::new("sql", name)
                .with("query", query.replace("{table}", &table))
                .with("scalar", scalar(&self.head)),
            Keeps::Known(known) => {
                let facts = known.facts();
                let strict = Block::new("schema-version", name.clone())
                    .with("tool", known.name())
                    .maybe("table", (table != facts.table).then_some(table.as_str()))
                    .with("head", self.head.as_str());
                if facts.marks_failure() {
                    let column = facts.version.trim_start_matches("m.");
                    strict.or(Block::new("schema-version", name)
                        .with("table", table.as_str())
                        .maybe("column", (column != "version").then_some(column))
                        .maybe("keeps", facts.newest_only.then_some("newest"))
                        .with("head", self.head.as_str()))
                } else {
                    strict
                }
            }
            Keeps::Versions {
                column,
                newest_only,
                dirty,
                success,
                ..
            } => {
                let plain = Block::new("schema-version", name)
                    .with("table", table.as_str())
                    .maybe("column", (column != "version").then_some(column))
                    .maybe("keeps", newest_only.then_some("newest"))
                    .with("head", self.head.as_str())
                    .maybe("consecutive", self.consecutive.then_some(true));
                let lock = self.lock.as_ref().map(|(table, flag)| {
                    Value::Inline(keys([
                        ("table", table.to_string().into()),
                        ("column", (*flag).into()),
                    ]))
                });
                let strict = plain
                    .clone()
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
        section.blocks.push(block.guess(guess));
        if !tool.keeps_newest_only() && self.rows > 1 {
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

/// The pattern of files that are named after such versions, which are not numbers. Those that take a migration back are no
/// files of versions.
fn patterns(head: &str) -> String {
    const SQL: [&str; 2] = [".up.sql", ".sql"];
    let group = |before: &str, after: &str| {
        let [before, after] = [before, after].map(|text| text.replace('.', "\\."));
        format!("pattern = '^([^/]+{before}){after}$'")
    };
    match SQL.iter().find(|extension| head.ends_with(**extension)) {
        Some(extension) => group(extension, ""),
        None => {
            let each = SQL.map(|extension| {
                format!(
                    "{} for files such as `{head}{extension}`",
                    group("", extension)
                )
            });
            each.join(", or ")
        }
    }
}

/// A number if it is one, as the check compares it.
fn scalar(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) => number.into(),
        Err(_) => text.into(),
    }
}
