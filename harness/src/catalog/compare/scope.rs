//! The scope of a comparison.

use std::collections::BTreeSet;

use super::severity::is_right;
use crate::catalog::{Catalog, ObjectId, ObjectKind, Properties, unreadable};
use crate::sql::quote_ident;

/// What is compared: what the second side, a restored backup, contains. A dump without roles has no attributes of roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Names of the roles whose attributes, memberships and settings are compared; `None`: of all.
    pub roles: Option<BTreeSet<String>>,
    /// What else the databases of a cluster share: tablespaces, rights on parameters.
    pub cluster: bool,
    /// Owners of objects.
    pub owners: bool,
    /// Grants, default privileges, effective rights.
    pub privileges: bool,
    /// Properties and settings of the database: only `pg_dump --create` writes them.
    pub database_settings: bool,
    /// Whether a changed comment is a failure and not a note.
    pub comments: bool,
}

impl Default for Scope {
    /// Everything; changed comments are notes.
    fn default() -> Self {
        Self {
            roles: None,
            cluster: true,
            owners: true,
            privileges: true,
            database_settings: true,
            comments: false,
        }
    }
}

impl Scope {
    /// Selects the part of a catalog that is compared, without what either side could not read.
    pub(super) fn select(&self, catalog: &Catalog, old: &Catalog, new: &Catalog) -> Catalog {
        let unread = |what: &str| old.unreadable.contains(what) || new.unreadable.contains(what);
        let objects = catalog.objects.iter();
        let objects = objects.filter(|(object, _)| self.has_object(object, &unread));
        Catalog {
            objects: objects
                .map(|(object, properties)| {
                    let kept = properties
                        .iter()
                        .filter(|(property, _)| self.has_property(object, property, &unread));
                    let kept: Properties = kept
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect();
                    (object.clone(), kept)
                })
                .collect(),
            unreadable: catalog.unreadable.clone(),
        }
    }

    fn has_object(&self, object: &ObjectId, unread: &impl Fn(&str) -> bool) -> bool {
        match object.kind {
            ObjectKind::Role => {
                let roles = self.roles.as_ref();
                roles.is_none_or(|roles| roles.contains(&object.name))
            }
            ObjectKind::Database => self.database_settings,
            ObjectKind::Tablespace | ObjectKind::Parameter => self.cluster,
            ObjectKind::DefaultPrivileges => self.privileges,
            ObjectKind::Subscription => !unread(unreadable::SUBSCRIPTIONS),
            ObjectKind::Graph => !unread(unreadable::GRAPHS),
            _ => true,
        }
    }

    fn has_property(
        &self,
        object: &ObjectId,
        property: &str,
        unread: &impl Fn(&str) -> bool,
    ) -> bool {
        !(property == "owner" && !self.owners
            || is_right(property) && !self.privileges
            || property == "password" && unread(unreadable::PASSWORDS)
            || object.kind == ObjectKind::UserMapping
                && property.starts_with("option")
                && unread(unreadable::USER_MAPPINGS))
    }
}

/// What the first catalog has and the comparison leaves out, and why: (what, why).
#[must_use]
pub fn not_compared(old: &Catalog, new: &Catalog, scope: &Scope) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut add = |what: &str, why: &str| list.push((what.to_owned(), why.to_owned()));
    if let Some(roles) = &scope.roles {
        let left_out: Vec<String> = old
            .objects
            .keys()
            .filter_map(ObjectId::as_role)
            .filter(|role| !roles.contains(*role))
            .map(quote_ident)
            .collect();
        if !left_out.is_empty() {
            let roles = left_out.join(", ");
            let what = format!("attributes, memberships and settings of {roles}");
            add(&what, "the backup does not contain these roles");
        }
    }
    for (compared, what) in [
        (scope.cluster, "tablespaces and rights on parameters"),
        (scope.owners, "owners"),
        (scope.privileges, "grants"),
        (
            scope.database_settings,
            "properties, rights and settings of the database",
        ),
    ] {
        if !compared {
            add(what, "the backup does not contain them");
        }
    }
    for what in old.unreadable.union(&new.unreadable) {
        let side = match old.unreadable.contains(what) {
            true => "earlier",
            false => "later",
        };
        let why = format!("the role that read the {side} state has no right to read them");
        add(what, &why);
    }
    list
}
