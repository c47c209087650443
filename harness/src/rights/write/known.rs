//! The rights of owners and callers that write paths depend on, by OID.

use std::collections::{BTreeMap, BTreeSet};

use super::{WriteEvent, WriteFacts};
use crate::rights::{AccessPath, Actor, Facts, OWNER, ObjectClass, ObjectFacts, Roles};

/// Rights, with an index of what write paths ask for.
#[derive(Debug)]
pub struct KnownRights<'a> {
    roles: &'a Roles,
    rights: &'a Facts,
    owners: BTreeMap<&'a str, Actor<'a>>,
    tables: BTreeMap<&'a str, &'a ObjectFacts>,
    functions: BTreeMap<&'a str, &'a ObjectFacts>,
}

impl<'a> KnownRights<'a> {
    /// Takes rights, which must be read for [`WriteFacts::owners`] too.
    #[must_use]
    pub fn new(writes: &'a WriteFacts, roles: &'a Roles, rights: &'a Facts) -> Self {
        let of_class = |class| {
            let all = rights.objects.iter();
            let all = all.filter(move |object| object.class == class);
            all.map(|object| (object.id.as_str(), object)).collect()
        };
        let owners = writes.owners().into_iter();
        let owners =
            owners.filter_map(|name| Some((name, Actor::new(roles, roles.all.get(name)?))));
        Self {
            roles,
            rights,
            owners: owners.collect(),
            tables: of_class(ObjectClass::Table),
            functions: of_class(ObjectClass::Function),
        }
    }

    /// An owner of relations or functions.
    pub(super) fn owner(&self, name: &str) -> Option<&Actor<'a>> {
        self.owners.get(name)
    }

    /// Any role.
    pub(super) fn actor(&self, name: &str) -> Option<Actor<'a>> {
        let role = self.roles.all.get(name);
        role.map(|role| Actor::new(self.roles, role))
    }

    /// The access list of a relation.
    pub(super) fn table(&self, oid: &str) -> Option<&'a ObjectFacts> {
        self.tables.get(oid).copied()
    }

    /// The access list of a function.
    pub(super) fn function(&self, oid: &str) -> Option<&'a ObjectFacts> {
        self.functions.get(oid).copied()
    }

    /// Whether a role may run a command on a relation, or on some columns of it, also after SET ROLE.
    pub(super) fn may(&self, actor: &Actor<'_>, relation: &str, event: WriteEvent) -> bool {
        actor.paths.keys().any(|name| self.roles.is_superuser(name))
            || self
                .table(relation)
                .is_some_and(|object| right(actor, object, event.word()).is_some())
    }

    /// The owners that may read one of these tables.
    #[must_use]
    pub fn readers(&self, tables: &BTreeSet<&str>) -> BTreeSet<&'a str> {
        let reads = |actor: &Actor<'_>| {
            let mut paths = actor.paths.keys();
            let mut tables = tables.iter().filter_map(|oid| self.table(oid));
            paths.any(|name| self.roles.is_superuser(name))
                || tables.any(|object| right(actor, object, "SELECT").is_some())
        };
        let owners = self.owners.iter().filter(|(_, actor)| reads(actor));
        owners.map(|(name, _)| *name).collect()
    }

    /// Whether a role may name objects of a schema. Of one that is as the server or an extension made it nothing was read.
    pub(super) fn may_use(&self, actor: &Actor<'_>, schema: &str) -> bool {
        let schema = self.rights.find(ObjectClass::Schema, "", schema);
        schema.is_none_or(|object| right(actor, object, "USAGE").is_some())
    }
}

/// How a role has a right on an object, or owns it; without SET ROLE where that is possible.
pub(super) fn right(
    actor: &Actor<'_>,
    object: &ObjectFacts,
    privilege: &str,
) -> Option<AccessPath> {
    let held = actor.rights_on(object).into_iter();
    let held = held.filter(|held| held.privilege == privilege || held.privilege == OWNER);
    held.map(|held| held.path)
        .min_by_key(|path| (!path.is_at_once(), path.steps.len()))
}
