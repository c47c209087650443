//! What differs between a cluster before and after a run of migrations: objects, rights, rows, storage.
//!
//! - `read`: reads the state of a cluster; `rows` the rows of a table, `storage` files and sizes, `stored` definitions as the
//!   server keeps them, `view` what views show, `system` settings of the server
//! - `rename`: which objects have another name; the two states are of copies of one cluster, in which an OID stays
//! - `definition`: changes of the catalog, judged by [`crate::catalog::compare`]; `name` names them; `column_type` judges types;
//!   `row_change` and `storage` those of rows and files
//! - `accept`: changes that a scenario accepts by their names, and a list of those that it must accept

mod accept;
mod column_type;
mod definition;
mod name;
mod property;
mod read;
mod rename;
mod row_change;
mod rows;
mod storage;
mod stored;
mod system;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use crate::baseline::RowsState;
use crate::catalog::{Catalog, ObjectId};
use crate::sql::QualifiedName;

pub use accept::{REVIEWED, REVIEWED_FOR_OLD, accepted_by, documentation, unused};
pub use read::{ReadRows, read};
pub use rows::TableRows;
pub use storage::{SizeChange, StoredRelation, sizes};
pub use view::RoleRight;

/// The state of a cluster.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By name.
    pub databases: BTreeMap<String, DatabaseState>,
    /// What `ALTER SYSTEM` has set.
    pub settings: BTreeMap<String, String>,
}

/// The state of one database.
#[derive(Debug, Clone, Default)]
pub struct DatabaseState {
    /// Its definition, with the roles of the cluster.
    pub catalog: Catalog,
    /// Key of the row in the system catalogs, such as `pg_class 16385` → identity.
    pub identities: BTreeMap<String, ObjectId>,
    /// Key → digest of a definition as the server keeps it, in which names are OIDs and numbers of columns.
    pub stored: BTreeMap<String, String>,
    /// View → rights on it by which a role can do nothing that it cannot do without the view.
    pub known_by_views: BTreeMap<ObjectId, BTreeSet<RoleRight>>,
    /// The rows of each table; `None` where they were not read.
    pub rows: Option<BTreeMap<QualifiedName, TableRows>>,
    /// The large objects; `None` where rows were not read.
    pub large_objects: Option<RowsState>,
    /// OID → table, materialized view or index with storage.
    pub relations: BTreeMap<u32, StoredRelation>,
    /// The last value of each used sequence.
    pub sequences: BTreeMap<QualifiedName, i64>,
    /// Size of the database in bytes.
    pub bytes: u64,
}

/// One difference between two states of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterChange {
    /// The database; `None` for what belongs to the cluster, such as roles.
    pub database: Option<String>,
    /// The object after the change; of a removed one as it was before.
    pub object: ObjectId,
    /// Its class.
    pub class: ChangeClass,
    /// The name by which a scenario accepts it: `drop column app.account.legacy`.
    pub name: String,
    /// Whether a role may do more than before.
    pub widens: bool,
    /// Whether rows, an object or a protection of the data may be lost.
    pub loses: bool,
    /// One line for people, without values of rows.
    pub text: String,
}

/// The class of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeClass {
    /// An object is new.
    Added,
    /// An object is gone.
    Removed,
    /// An object has another definition.
    Changed,
    /// An object has another name or schema.
    Renamed,
    /// A right was granted.
    RightWider,
    /// A right was revoked.
    RightNarrower,
    /// An object has another owner.
    Owner,
    /// A policy was added, removed or changed.
    Policy,
    /// Row-level security of a table was switched on or off, or is forced or not.
    RowSecurity,
    /// A trigger was removed, changed, switched off or on.
    Trigger,
    /// A function has another definition, or runs with the rights of another role.
    Function,
    /// A role was created, changed or dropped.
    Role,
    /// A role was made a member of another one, or is not any more.
    Membership,
    /// A table has other rows.
    Rows {
        /// Rows before.
        before: u64,
        /// Rows after.
        after: u64,
        /// Whether rows that are in both differ, in columns that are in both.
        differ: bool,
    },
    /// A table has no rows any more.
    Emptied,
    /// A table was written anew.
    Rewritten,
    /// An index was built anew.
    IndexRebuilt,
    /// An index is not valid: no query uses it, and it may not be unique.
    IndexInvalid,
    /// A constraint was not checked for the rows that are there.
    NotValid,
    /// A sequence returns numbers a second time.
    SequenceBack,
}

impl ClusterChange {
    /// Whether a scenario must accept it by its name: it widens rights, loses something, or leaves an index that is not valid.
    #[must_use]
    pub fn needs_acceptance(&self) -> bool {
        self.widens || self.loses || self.class == ChangeClass::IndexInvalid
    }
}

/// How two states are compared that should be equal.
#[derive(Debug, Clone, Copy)]
pub struct EqualOptions<'a> {
    /// Tables whose rows may differ, such as the history of migrations.
    pub ignore_rows: &'a [QualifiedName],
    /// Whether both are states of the same copy, in which nothing may be written anew. Objects of two copies have other OIDs
    /// and files.
    pub same_copy: bool,
}

/// Lists what a run of migrations changed: both states are of one copy of a cluster, `before` perhaps of the cluster that it was
/// copied from.
#[must_use]
pub fn compare(before: &State, after: &State) -> Vec<ClusterChange> {
    differences(before, after, true, &[])
}

/// Lists what differs between two states that should be equal. Objects are compared by name: a renamed one is a difference.
#[must_use]
pub fn equal(left: &State, right: &State, options: &EqualOptions<'_>) -> Vec<ClusterChange> {
    let mut changes = differences(left, right, false, options.ignore_rows);
    if options.same_copy {
        for (name, (left, right)) in pairs(left, right) {
            let mut found = storage::compare(left, right);
            found.retain(|change| !changes.iter().any(|one| one.name == change.name));
            changes.extend(in_database(name, found));
        }
    }
    sort(&mut changes);
    changes
}

/// Databases of both states, by name.
fn pairs<'a>(
    left: &'a State,
    right: &'a State,
) -> impl Iterator<Item = (&'a str, (&'a DatabaseState, &'a DatabaseState))> {
    let all = left.databases.iter();
    all.filter_map(|(name, left)| Some((name.as_str(), (left, right.databases.get(name)?))))
}

fn differences(
    before: &State,
    after: &State,
    one_copy: bool,
    ignore_rows: &[QualifiedName],
) -> Vec<ClusterChange> {
    let mut changes = system::compare(before, after);
    let names: BTreeSet<&String> = before
        .databases
        .keys()
        .chain(after.databases.keys())
        .collect();
    for name in names {
        let (verb, class) = match (before.databases.get(name), after.databases.get(name)) {
            (Some(_), Some(_)) => continue,
            (Some(_), None) => ("drop", ChangeClass::Removed),
            (None, _) => ("create", ChangeClass::Added),
        };
        changes.push(ClusterChange {
            database: Some(name.clone()),
            loses: class == ChangeClass::Removed,
            ..name::change(
                &ObjectId::database(),
                class,
                format!("{verb} database {}", crate::sql::quote_ident(name)),
                String::new(),
            )
        });
    }
    for (name, (before, after)) in pairs(before, after) {
        let renames = match one_copy {
            true => rename::Renames::find(before, after),
            false => rename::Renames::default(),
        };
        let catalog = renames.translate(before, after);
        let mut found = renames.changes();
        found.extend(definition::compare(&catalog, after));
        found.extend(row_change::compare(
            before,
            after,
            &renames,
            one_copy,
            ignore_rows,
        ));
        found.extend(row_change::compare_sequences(before, after, &renames));
        if one_copy {
            // An emptied table has no rows to write anew.
            let empty = |change: &ClusterChange| {
                let mut all = found.iter();
                all.any(|one| one.class == ChangeClass::Emptied && one.object == change.object)
            };
            let mut stored = storage::compare(before, after);
            stored.retain(|change| !empty(change));
            found.extend(stored);
        }
        changes.extend(in_database(name, found));
    }
    // The catalog of every database has the roles of the cluster.
    let mut cluster = BTreeSet::new();
    changes.retain(|change| change.database.is_some() || cluster.insert(change.name.clone()));
    sort(&mut changes);
    changes
}

/// Sets the database of changes; those of one name become one.
fn in_database(database: &str, changes: Vec<ClusterChange>) -> Vec<ClusterChange> {
    let mut by_name: BTreeMap<String, ClusterChange> = BTreeMap::new();
    for mut change in changes {
        if !name::is_of_cluster(&change.object) {
            change.database = Some(database.to_owned());
        }
        match by_name.get_mut(&change.name) {
            None => {
                by_name.insert(change.name.clone(), change);
            }
            Some(first) => {
                first.widens |= change.widens;
                first.loses |= change.loses;
                if first.text != change.text && !change.text.is_empty() {
                    first.text = format!("{}; {}", first.text, change.text);
                }
            }
        }
    }
    by_name.into_values().collect()
}

/// What must be accepted comes first, then by name.
fn sort(changes: &mut [ClusterChange]) {
    changes.sort_by_cached_key(|change| {
        (
            !change.needs_acceptance(),
            change.name.clone(),
            change.database.clone(),
        )
    });
}
