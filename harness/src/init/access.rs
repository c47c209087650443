//! Which roles may do what with a table or a schema: judged by `rights/` with the facts of the catalog.

use crate::catalog::rights::{facts, roles};
use crate::catalog::{Catalog, ObjectId};
use crate::rights::{AccessPath, Actor, Facts, ObjectClass, ObjectFacts, Roles};
use crate::sql::QualifiedName;

/// The roles of a cluster and what rights in one database follow from.
pub struct Access<'a> {
    catalog: &'a Catalog,
    roles: Roles,
    facts: Facts,
}

impl<'a> Access<'a> {
    /// Takes the facts of a catalog.
    #[must_use]
    pub fn of(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            roles: roles(catalog),
            facts: facts(catalog),
        }
    }

    /// The roles by name, without superusers and predefined roles.
    pub fn actors(&self) -> impl Iterator<Item = Actor<'_>> {
        let roles = self.roles.all.values();
        roles
            .filter(|role| !role.superuser && !role.is_predefined())
            .map(|role| Actor::new(&self.roles, role))
    }

    /// The owner and the access list of a table.
    #[must_use]
    pub fn table(&self, name: &QualifiedName) -> Option<&ObjectFacts> {
        self.facts
            .find(ObjectClass::Table, &name.schema, &name.name)
    }

    /// The owner and the access list of a schema.
    #[must_use]
    pub fn schema(&self, name: &str) -> Option<&ObjectFacts> {
        self.facts.find(ObjectClass::Schema, "", name)
    }

    /// The owners and the access lists of the tables of a schema.
    pub fn tables_in(&self, schema: &str) -> impl Iterator<Item = &ObjectFacts> {
        let all = self.facts.objects.iter();
        all.filter(move |one| one.class == ObjectClass::Table && one.schema == schema)
    }

    /// Whether a role may use a schema.
    #[must_use]
    pub fn uses_schema(&self, actor: &Actor<'_>, name: &str) -> bool {
        let schema = self.schema(name);
        schema.is_some_and(|schema| actor.has(schema, "USAGE", None, false))
    }

    /// Whether a role has LOGIN.
    #[must_use]
    pub fn may_log_in(&self, role: &str) -> bool {
        self.catalog.get(&ObjectId::role(role), "login").is_some()
    }

    /// Whether the server lets roles with CREATEROLE grant themselves other roles.
    #[must_use]
    pub const fn creators_take_roles(&self) -> bool {
        self.facts.major < 16
    }
}

/// Whether a role has the rights of another without SET ROLE.
#[must_use]
pub fn acts_as(actor: &Actor<'_>, role: &str) -> bool {
    actor.paths.get(role).is_some_and(AccessPath::is_at_once)
}
