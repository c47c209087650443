//! Writes a first scenario: describes a database, writes checks that compare a restored backup with the description,
//! and runs them on a restored backup if there is one.
//!
//! - one file for each feature; most read the catalog, and those with SQL of their own say what the catalog lacks
//! - `relation` and `access`: the tables, and who may do what with them, which the features share
//! - `ways`: the indirect ways to write tables, which the features list for review
//! - `shrinking`: the tables whose rows are removed regularly; `state`: the check of the baseline, of all that no feature has
//! - `block` is a check as text, `section` the checks of one feature, `cover` replaces names with patterns
//! - `generate` does all of it, `write` formats the scenario, `location` its `[backup]`, `verify` runs the checks and
//!   replaces those that fail with weaker ones or with a comment
//!
//! What is assumed is written as a guess. What one feature cannot read is left out and listed. Values of rows are not
//! read, except for keys of tenants that a check of row-level security must name, and versions of migrations.

pub mod access;
pub mod append_only;
pub mod block;
mod constraint;
pub mod cover;
mod database;
mod extension;
mod freshness;
mod function;
pub mod generate;
mod graph;
mod index;
pub mod location;
mod migration;
mod partition;
pub mod relation;
mod rls;
mod role;
mod rows;
pub mod section;
mod sequence;
mod shrinking;
mod state;
mod tenant;
mod trigger;
mod vector;
pub mod verify;
pub mod ways;
pub mod write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, ObjectKind};
use crate::database::{DatabaseError, Session};
use crate::sql::QualifiedName;
use access::Access;
use append_only::AppendOnlyTable;
use relation::Relations;
use section::Section;
use ways::IndirectWays;

/// A database as sections of a scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// Its name, if the backup contains several.
    pub database: Option<String>,
    /// The sections of the scenario.
    pub sections: Vec<Section>,
    /// What could not be read, and why.
    pub omitted: Vec<(String, String)>,
    /// Whether it has a table.
    pub has_tables: bool,
    /// Tables whose rows are added and never changed.
    pub append_only: Vec<QualifiedName>,
    /// Tables whose rows are removed regularly.
    pub may_shrink: Vec<QualifiedName>,
    /// Partitions that may be dropped once they are old, by names and patterns.
    pub old_partitions: Vec<String>,
}

/// What is known of a database before it is described.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// When the backup was made, if known.
    pub made: Option<Timestamp>,
    /// Roles that were created for the restore: their attributes are not those of the source.
    pub made_roles: Vec<String>,
    /// Whether the database was created for the restore: its locale and settings are not those of the source.
    pub made_database: bool,
    /// Whether nothing is known of the backups that the scenario is for.
    pub unknown_backup: bool,
    /// Whether its encoding is that of the text of a plain dump, and may not be that of the source.
    pub chosen_encoding: bool,
}

/// Runs the readers of single features: one that fails is left out and listed.
struct Readers<'a> {
    session: &'a mut Session,
    omitted: Vec<(String, String)>,
}

impl Readers<'_> {
    async fn read<T: Default>(
        &mut self,
        what: &str,
        reader: impl AsyncFnOnce(&mut Session) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let read = in_savepoint(self.session, reader).await?;
        Ok(read.unwrap_or_else(|error| {
            self.omitted.push((what.to_owned(), error.to_string()));
            T::default()
        }))
    }
}

/// Runs a reader in a savepoint, so that its error does not end the transaction.
///
/// # Errors
/// When the connection is lost; any other error is the inner one.
async fn in_savepoint<T>(
    session: &mut Session,
    reader: impl AsyncFnOnce(&mut Session) -> Result<T, DatabaseError>,
) -> Result<Result<T, DatabaseError>, DatabaseError> {
    session.run("SAVEPOINT redrill_init").await?;
    let read = reader(session).await;
    match &read {
        Err(error) if error.lost => return Err(error.clone()),
        Err(_) => session.run("ROLLBACK TO SAVEPOINT redrill_init").await?,
        Ok(_) => session.run("RELEASE SAVEPOINT redrill_init").await?,
    };
    Ok(read)
}

/// Describes a database, in a session that is in a transaction of one snapshot.
///
/// # Errors
/// When the connection is lost.
pub async fn describe(
    session: &mut Session,
    catalog: &Catalog,
    origin: &Origin,
) -> Result<Description, DatabaseError> {
    let (relations, unread) = Relations::counted(session, catalog).await?;
    let (relations, access) = (&relations, &Access::of(catalog));
    let unread = unread.into_iter();
    let not_permitted = "the role may not read them".to_owned();
    let unreadable = catalog.unreadable.iter();
    let mut readers = Readers {
        session,
        omitted: unread
            .map(|(table, error)| (format!("rows of {table}"), error.to_string()))
            .chain(unreadable.map(|what| (what.clone(), not_permitted.clone())))
            .collect(),
    };
    let shrinking = shrinking::find(relations);
    let migrations = readers
        .read("migrations", async |s| migration::read(s, relations).await)
        .await?;
    let newest = readers
        .read("freshness", async |s| {
            freshness::read(s, relations, &shrinking).await
        })
        .await?;
    let not_valid = readers
        .read("constraints that are not validated", async |s| {
            constraint::read_not_valid(s, relations).await
        })
        .await?;
    let special = readers
        .read("indexes other than btree", async |s| {
            index::read_special(s, relations).await
        })
        .await?;
    let vectors = readers
        .read("embeddings", async |s| {
            vector::read(s, relations, &special).await
        })
        .await?;
    let large_objects = readers
        .read("large objects", async |s| {
            database::count_large_objects(s).await
        })
        .await?;
    let mut secured = readers
        .read("row-level security", async |s| {
            rls::read(s, relations, access).await
        })
        .await?;
    let ways = readers
        .read("indirect ways to write tables", async |s| {
            IndirectWays::read(s).await
        })
        .await?;
    rls::add_ways(&mut secured, &ways);
    let roles = readers
        .read("roles", async |s| {
            role::read(s, catalog, access, &ways, origin.unknown_backup).await
        })
        .await?;
    let mut graphs = Vec::new();
    for (id, _) in catalog.of_kind(ObjectKind::Graph) {
        let what = format!("graph {}", id.name);
        let graph = readers
            .read(&what, async |s| {
                graph::read(s, catalog, access, id).await.map(Some)
            })
            .await?;
        graphs.extend(graph);
    }
    let mut append_only = append_only::find(relations, access);
    append_only::add_functions(&mut append_only, &ways);
    let by_rights = append_only::by_rights_alone(relations, access, &append_only);
    let day = origin.made.map(|made| made.to_zoned(TimeZone::UTC).date());
    let partitioned = partition::find(relations);
    let (rolling, old_partitions) = partition::dropped(&partitioned, relations, day);
    Ok(Description {
        database: None,
        sections: vec![
            migration::section(&migrations, relations),
            extension::section(catalog),
            rows::section(relations, &shrinking, &rolling),
            freshness::section(&newest, origin.made),
            partition::section(&partitioned, day),
            sequence::section(catalog),
            constraint::section(relations, &not_valid),
            index::section(relations, &special),
            vector::section(&vectors),
            database::section(catalog, large_objects, origin),
            rls::section(&secured),
            role::section(&roles, origin),
            tenant::section(&tenant::find(relations, access, &ways)),
            append_only::section(&append_only, &by_rights),
            trigger::section(relations),
            function::section(catalog),
            graph::section(&graphs),
        ],
        omitted: readers.omitted,
        has_tables: !relations.all.is_empty(),
        append_only: with_migrations(&append_only, relations),
        may_shrink: shrinking.into_iter().collect(),
        old_partitions,
    })
}

/// Tables whose rows are added and never changed, including those of migration tools.
#[must_use]
pub fn growing(catalog: &Catalog) -> Vec<QualifiedName> {
    let relations = Relations::of(catalog);
    let found = append_only::find(&relations, &Access::of(catalog));
    with_migrations(&found, &relations)
}

fn with_migrations(found: &[AppendOnlyTable], relations: &Relations<'_>) -> Vec<QualifiedName> {
    let tables = found.iter().map(|one| one.table.clone());
    tables.chain(migration::append_only(relations)).collect()
}
