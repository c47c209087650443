//! Objects that have another name: in copies of one cluster an object keeps its OID, and a column its number.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{ChangeClass, ClusterChange, DatabaseState, name, stored};
use crate::catalog::{Catalog, ObjectId, ObjectKind, PartKind, Properties};
use crate::sql::{QualifiedName, quote_ident};

/// Identity before → identity after, of objects and parts that have another one.
#[derive(Debug, Default)]
pub(super) struct Renames {
    map: BTreeMap<ObjectId, ObjectId>,
    /// Identities of definitions that the server keeps as they were, as after the change.
    kept: Vec<(ObjectId, ObjectId)>,
}

impl Renames {
    /// Finds them by the keys of both states. An object whose new name belonged to another one that is gone is none: the two
    /// are compared by name.
    pub fn find(before: &DatabaseState, after: &DatabaseState) -> Self {
        let moved = |parts: bool| {
            let all = before.identities.iter().filter_map(move |(key, old)| {
                let new = after.identities.get(key)?;
                let same_kind = old.kind == new.kind && old.part_kind() == new.part_kind();
                (old != new && same_kind && old.part.is_some() == parts).then_some((old, new))
            });
            all.collect::<Vec<_>>()
        };
        let mut renames = Self::default();
        renames.add(moved(false), before);
        let wholes = renames.map.clone();
        let whole = |old: &ObjectId| wholes.get(&old.whole()).cloned().unwrap_or(old.whole());
        let mut parts = moved(true);
        parts.retain(|(old, new)| whole(old) == new.whole());
        renames.add(parts, before);
        let kept = before.stored.iter().filter_map(|(key, digest)| {
            let old = before.identities.get(key)?;
            let new = renames.map.get(old).unwrap_or(old);
            // The index of a constraint has its identity, and not its definition.
            let is_index =
                old.part_kind() == Some(PartKind::Constraint) && key.starts_with("pg_class ");
            let same = !is_index
                && after.stored.get(key) == Some(digest)
                && after.identities.get(key) == Some(new);
            same.then(|| (old.clone(), new.clone()))
        });
        renames.kept = kept.collect();
        renames
    }

    /// Adds those whose new identities are free, or become free by another one.
    fn add(&mut self, mut moved: Vec<(&ObjectId, &ObjectId)>, before: &DatabaseState) {
        loop {
            let leave: HashSet<&ObjectId> = moved.iter().map(|(old, _)| *old).collect();
            let is_free = |new: &ObjectId| {
                !before.catalog.objects.contains_key(new)
                    || leave.contains(new)
                    || self.map.contains_key(&new.whole())
            };
            let free: Vec<_> = moved
                .iter()
                .copied()
                .filter(|(_, new)| is_free(new))
                .collect();
            if free.len() == moved.len() {
                break;
            }
            moved = free;
        }
        let moved = moved.into_iter();
        self.map
            .extend(moved.map(|(old, new)| (old.clone(), new.clone())));
    }

    /// The identity after the change of an object that was there before.
    pub fn after<'a>(&'a self, object: &'a ObjectId) -> &'a ObjectId {
        self.map.get(object).unwrap_or(object)
    }

    /// The name of a table or sequence after the change.
    pub fn name_after(&self, kind: ObjectKind, name: &QualifiedName) -> QualifiedName {
        let object = ObjectId::qualified(kind, name);
        let after = self.after(&object).qualified_name();
        after.unwrap_or_else(|| name.clone())
    }

    /// The catalog of `before` with the names of `after`.
    pub fn translate(&self, before: &DatabaseState, after: &DatabaseState) -> Catalog {
        let mut catalog = before.catalog.clone();
        if self.map.is_empty() && self.kept.is_empty() {
            return catalog;
        }
        let mut objects: BTreeMap<ObjectId, Properties> = BTreeMap::new();
        let texts = self.texts();
        for (object, mut properties) in std::mem::take(&mut catalog.objects) {
            if let Some(columns) = properties.get_mut("columns") {
                *columns = self.rename_columns(&object, columns);
            }
            let new = match self.map.get(&object) {
                Some(new) => new.clone(),
                None => self.follow(&object),
            };
            if let Some(now) = after.catalog.objects.get(&new) {
                self.rename_in(&mut properties, now, &texts);
            }
            objects.insert(new, properties);
        }
        for (_, new) in &self.kept {
            if let (Some(properties), Some(now)) =
                (objects.get_mut(new), after.catalog.objects.get(new))
            {
                stored::copy_printed(properties, now);
            }
        }
        catalog.objects = objects;
        catalog
    }

    /// The identity of an object without a key of its own: settings and default privileges follow their database and schema.
    fn follow(&self, object: &ObjectId) -> ObjectId {
        let mut new = ObjectId {
            part: object.part.clone(),
            ..self.after(&object.whole()).clone()
        };
        if object.kind == ObjectKind::DefaultPrivileges {
            let schema = object.schema.as_ref();
            let schema = schema.map(|name| ObjectId::new(ObjectKind::Schema, name));
            new.schema = schema.map(|schema| self.after(&schema).name.clone());
        }
        new
    }

    /// Names as other objects have them in their properties, before → after: `app.orders`.
    fn texts(&self) -> HashMap<String, String> {
        let wholes = self.map.iter().filter(|(old, _)| old.part.is_none());
        let names = wholes.filter_map(|(old, new)| {
            let of = |id: &ObjectId| id.qualified_name().map(|name| name.to_string());
            Some((of(old)?, of(new)?))
        });
        let columns = self.map.iter().filter_map(|(old, new)| {
            let of = |id: &ObjectId| {
                let part = id
                    .part
                    .as_ref()
                    .filter(|part| part.kind == PartKind::Column)?;
                Some(format!(
                    "{}.{}",
                    id.qualified_name()?,
                    quote_ident(&part.name)
                ))
            };
            Some((of(old)?, of(new)?))
        });
        names.chain(columns).collect()
    }

    /// Takes a property as it is now where only a name in it is another.
    fn rename_in(
        &self,
        properties: &mut Properties,
        now: &Properties,
        texts: &HashMap<String, String>,
    ) {
        for (property, value) in properties.iter_mut() {
            let Some(now) = now.get(property).filter(|now| *now != value) else {
                continue;
            };
            if !NAMES.contains(&property.as_str()) {
                continue;
            }
            let renamed = texts.get(value).cloned().unwrap_or_else(|| {
                let replace =
                    |text: String, (old, new): (&String, &String)| text.replace(old.as_str(), new);
                texts.iter().fold(value.clone(), replace)
            });
            if renamed == *now {
                value.clone_from(now);
            }
        }
    }

    /// The list of the columns of a table with the names after the change.
    fn rename_columns(&self, table: &ObjectId, columns: &str) -> String {
        let renamed: HashMap<String, String> = self
            .map
            .iter()
            .filter(|(old, _)| old.is_part_of(table) && old.part_kind() == Some(PartKind::Column))
            .filter_map(|(old, new)| {
                let name = |id: &ObjectId| Some(quote_ident(&id.part.as_ref()?.name));
                Some((name(old)?, name(new)?))
            })
            .collect();
        let lines = columns
            .lines()
            .map(|line| renamed.get(line).map_or(line, String::as_str));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A change for each object that was renamed itself, and not by renaming its table or schema.
    pub fn changes(&self) -> Vec<ClusterChange> {
        let mut changes = Vec::new();
        for (old, new) in &self.map {
            let own = match (&old.part, &new.part) {
                (Some(old_part), Some(new_part)) => old_part.name != new_part.name,
                _ => old.name != new.name || !self.follows_schema(old, new),
            };
            if !own {
                continue;
            }
            let to = match &new.part {
                Some(part) => quote_ident(&part.name),
                None => match new.qualified_name() {
                    Some(name) => name.to_string(),
                    None => quote_ident(&new.name),
                },
            };
            let name = format!("rename {} to {to}", name::phrase(old));
            let text = format!("{old} is now {new}");
            changes.push(name::change(new, ChangeClass::Renamed, name, text));
        }
        changes
    }

    fn follows_schema(&self, old: &ObjectId, new: &ObjectId) -> bool {
        let schema = |id: &ObjectId| {
            id.schema
                .clone()
                .map(|name| ObjectId::new(ObjectKind::Schema, name))
        };
        match (schema(old), schema(new)) {
            (Some(old), Some(new)) => *self.after(&old) == new,
            _ => true,
        }
    }
}

/// Properties that are names of other objects or contain them.
const NAMES: &[&str] = &[
    "arguments",
    "attributes",
    "inherits",
    "of type",
    "owned by",
    "partition of",
    "returns",
    "type",
];
