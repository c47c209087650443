//! What two catalogs can be compared in.

use std::collections::BTreeSet;

use super::weigh::is_right;
use crate::catalog::{Catalog, ObjectId, ObjectKind, Properties, unreadable};
use crate::sql::quote_ident;

/// What the second side can speak of. A dump without roles cannot say which attributes they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Names of the roles whose attributes, memberships and settings are compared; `None`: of all.
    pub roles: Option<BTreeSet<String>>,
    /// What else all databases of a cluster share: tablespaces, rights on parameters.
    pub cluster: bool,
    /// Who owns what.
    pub owners: bool,
    /// Grants, default privileges, effective rights.
    pub privileges: bool,
    /// The database's own properties and settings: only `pg_dump --create` has them.
    pub database_settings: bool,
    /// Whether another comment is a failure; it is a note otherwise.
    pub comments: bool,
}

impl Default for Scope {
    /// Everything is compared, and comments are harmless.
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
    /// The part of a catalog that is compared, given what either side could not read.
    pub(super) fn of(&self, catalog: &Catalog, old: &Catalog, new: &Catalog) -> Catalog {
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

/// What of the first catalog is not compared, and why: (what, why).
#[must_use]
pub fn not_compared(old: &Catalog, new: &Catalog, scope: &Scope) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut tell = |what: &str, why: &str| list.push((what.to_owned(), why.to_owned()));
    if let Some(roles) = &scope.roles {
        let left_out: Vec<String> = old
            .objects
            .keys()
            .filter_map(ObjectId::as_role)
            .filter(|role| !roles.contains(*role))
            .map(quote_ident)
            .collect();
        if !left_out.is_empty() {
            tell(
                &format!(
                    "attributes, memberships and settings of {}",
                    left_out.join(", ")
                ),
                "the other side does not hold these roles",
            );
        }
    }
    if !scope.cluster {
        tell(
            "tablespaces and rights on parameters",
            "the other side holds nothing of the cluster",
        );
    }
    if !scope.owners {
        tell("owners", "the other side does not hold them");
    }
    if !scope.privileges {
        tell("grants", "the other side does not hold them");
    }
    if !scope.database_settings {
        tell(
            "properties, rights and settings of the database",
            "the other side does not hold them",
        );
    }
    for what in old.unreadable.union(&new.unreadable) {
        let side = match old.unreadable.contains(what) {
            true => "first",
            false => "second",
        };
        tell(
            what,
            &format!("the role that read the {side} catalog may not read them"),
        );
    }
    list
}
