//! Histories of plugins in one table, each with a schema of its own that another table registers.

use super::super::block::{Block, Value, keys};
use super::super::relation::{Relation, Relations};

/// How a system keeps the migrations and schemas of its plugins.
struct Plugins {
    /// The system.
    name: &'static str,
    /// The table of migrations and its columns of the plugin, the version, and the time at which it ended.
    migrations: (&'static str, [&'static str; 3]),
    /// The table of schemas and its columns of the plugin and the schema.
    schemas: (&'static str, [&'static str; 2]),
    /// Names of the schemas.
    named: &'static str,
    /// Parameters that compare the histories with files.
    files: &'static str,
}

const KNOWN: &[Plugins] = &[Plugins {
    name: "Paperclip",
    migrations: (
        "plugin_migrations",
        ["plugin_key", "migration_key", "applied_at"],
    ),
    schemas: (
        "plugin_database_namespaces",
        ["plugin_key", "namespace_name"],
    ),
    named: "plugin_*",
    files: "files = \"../plugins\" (a folder for each plugin, of the name of its key), pattern = '^migrations/([^/]+\\.sql)$'",
}];

/// Whether a relation is a table with rows, of this name and with these columns.
fn is(relation: &Relation<'_>, name: &str, columns: &[&str]) -> bool {
    let own = relation.columns();
    let has = |name: &&str| own.iter().any(|column| column.name == *name);
    relation.name.name == name && relation.rows > Some(0) && columns.iter().all(has)
}

/// The checks of plugins that have migrations and schemas.
pub(super) fn blocks(relations: &Relations<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for known in KNOWN {
        let (name, columns @ [key, version, success]) = known.migrations;
        let (registry, of_registry @ [registered, schema]) = known.schemas;
        for migrations in relations.tables().filter(|one| is(one, name, &columns)) {
            let mut tables = relations.tables();
            let schemas = tables.find(|one| {
                one.name.schema == migrations.name.schema && is(one, registry, &of_registry)
            });
            let Some(schemas) = schemas else { continue };
            let mut block = Block::new("schema-version", "each plugin has its migrations, its schema and its tables")
                .guess(format!(
                    "`{}` and `{}` are those of plugins of {}, as their names and columns show. To compare them with the migration \
                     files of the plugins as well, add {}.",
                    migrations.name, schemas.name, known.name, known.files
                ))
                .with("table", migrations.name.to_string())
                .with("per", key)
                .with("column", version)
                .with("success-column", success);
            let plain = block.clone();
            block.table = Some((
                "schemas",
                keys([
                    ("table", Value::from(schemas.name.to_string())),
                    ("key", registered.into()),
                    ("schema", schema.into()),
                    ("named", known.named.into()),
                ]),
            ));
            blocks.push(block.or(plain));
        }
    }
    blocks
}
