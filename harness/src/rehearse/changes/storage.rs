//! Files and sizes of tables and indexes: what was written anew, and how much more or less there is.

use std::collections::{BTreeMap, BTreeSet};

use super::name;
use super::{ChangeClass, ClusterChange, DatabaseState, State};
use crate::catalog::{ObjectId, ObjectKind};
use crate::database::{DatabaseError, Session};
use crate::sql::QualifiedName;
use crate::units::show_bytes;

/// A table, a materialized view or an index with storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRelation {
    /// Its name.
    pub name: QualifiedName,
    /// `r`, `m` or `i`, as in `pg_class`.
    pub kind: char,
    /// OID of the table of an index.
    pub table: Option<u32>,
    /// Number of its file, which changes when it is written anew.
    pub file: u32,
    /// Number of the file of its TOAST table.
    pub toast_file: Option<u32>,
    /// Size in bytes: of a table with TOAST and without indexes.
    pub bytes: u64,
}

const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind, i.indrelid, pg_catalog.pg_relation_filenode(c.oid),
       pg_catalog.pg_relation_filenode(nullif(c.reltoastrelid, 0)), pg_catalog.pg_table_size(c.oid)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
 WHERE c.relkind IN ('r', 'm', 'i') AND c.relpersistence <> 't' AND c.oid >= 16384
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Reads files and sizes, by OID.
pub(super) async fn read(
    session: &mut Session,
) -> Result<BTreeMap<u32, StoredRelation>, DatabaseError> {
    let mut all = BTreeMap::new();
    for row in session.rows(RELATIONS).await? {
        let Ok(
            [
                Some(oid),
                Some(schema),
                Some(name),
                Some(kind),
                table,
                Some(file),
                toast,
                Some(bytes),
            ],
        ) = <[_; 8]>::try_from(row)
        else {
            continue;
        };
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let Ok(oid) = oid.parse() else { continue };
        let relation = StoredRelation {
            name: QualifiedName { schema, name },
            kind: kind.chars().next().unwrap_or('r'),
            table: number(table),
            file: file.parse().unwrap_or_default(),
            toast_file: number(toast),
            bytes: bytes.parse().unwrap_or_default(),
        };
        all.insert(oid, relation);
    }
    Ok(all)
}

/// Lists tables that were written anew, and indexes that were built anew without their table. An index may be another one of
/// the same name.
pub(super) fn compare(before: &DatabaseState, after: &DatabaseState) -> Vec<ClusterChange> {
    let mut changes = Vec::new();
    let mut tables = BTreeSet::new();
    let both = |kinds: &'static [char]| {
        let all = before
            .relations
            .iter()
            .filter(|(_, old)| kinds.contains(&old.kind));
        all.filter_map(|(oid, old)| Some((*oid, old, after.relations.get(oid)?)))
    };
    for (oid, old, new) in both(&['r', 'm']) {
        let is_new =
            |old: Option<u32>, new: Option<u32>| old.is_some() && new.is_some() && old != new;
        if old.file == new.file && !is_new(old.toast_file, new.toast_file) {
            continue;
        }
        tables.insert(oid);
        let kind = match new.kind {
            'm' => ObjectKind::MaterializedView,
            _ => ObjectKind::Table,
        };
        let object = ObjectId::qualified(kind, &new.name);
        let text = format!("{object} was written anew: {}", sizes_of(old, new));
        changes.push(name::change(
            &object,
            ChangeClass::Rewritten,
            format!("rewrite {object}"),
            text,
        ));
    }
    let by_name = |state: &'_ DatabaseState| -> BTreeMap<QualifiedName, (Option<u32>, u32)> {
        let indexes = state
            .relations
            .values()
            .filter(|relation| relation.kind == 'i');
        indexes
            .map(|index| (index.name.clone(), (index.table, index.file)))
            .collect()
    };
    let old_names = by_name(before);
    for (oid, new) in after.relations.iter().filter(|(_, new)| new.kind == 'i') {
        let old = before.relations.get(oid).filter(|old| old.kind == 'i');
        let old = match old {
            Some(old) => Some((old.table, old.file)),
            None => old_names.get(&new.name).copied(),
        };
        let Some((table, file)) = old else { continue };
        if table != new.table
            || file == new.file
            || table.is_some_and(|table| tables.contains(&table))
        {
            continue;
        }
        let Some(table) = table.and_then(|table| after.relations.get(&table)) else {
            continue;
        };
        let object = ObjectId::qualified(ObjectKind::Table, &table.name);
        changes.push(name::change(
            &object,
            ChangeClass::IndexRebuilt,
            format!("rebuild index {}", new.name),
            format!(
                "index {} of {object} was built anew: {}",
                new.name,
                show_bytes(new.bytes)
            ),
        ));
    }
    changes
}

fn sizes_of(old: &StoredRelation, new: &StoredRelation) -> String {
    format!("{} → {}", show_bytes(old.bytes), show_bytes(new.bytes))
}

/// The size of a table, an index or a database before and after, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeChange {
    /// The database.
    pub database: String,
    /// The table, materialized view or index by its name after the change; `None` for the database as a whole.
    pub relation: Option<QualifiedName>,
    /// 0 for what was not there.
    pub before: u64,
    /// 0 for what is not there any more.
    pub after: u64,
}

/// Lists what has another size, the largest difference first.
#[must_use]
pub fn sizes(before: &State, after: &State) -> Vec<SizeChange> {
    let mut all = Vec::new();
    for (name, (old, new)) in super::pairs(before, after) {
        let mut add = |relation, before, after| {
            if before != after {
                let database = name.to_owned();
                all.push(SizeChange {
                    database,
                    relation,
                    before,
                    after,
                });
            }
        };
        add(None, old.bytes, new.bytes);
        let oids: BTreeSet<&u32> = old.relations.keys().chain(new.relations.keys()).collect();
        for oid in oids {
            let (old, new) = (old.relations.get(oid), new.relations.get(oid));
            let bytes = |one: Option<&StoredRelation>| one.map_or(0, |one| one.bytes);
            let name = new.or(old).map(|one| one.name.clone());
            add(name, bytes(old), bytes(new));
        }
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.before.abs_diff(one.after)));
    all
}
