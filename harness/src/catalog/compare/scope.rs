//! What two catalogs can be compared in.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, DATABASE, DATABASE_SETTINGS, Properties, unreadable};

/// What the second side can speak of. A dump without roles cannot say which attributes they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Roles whose attributes, memberships and settings are compared; `None`: of all.
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

    fn has_object(&self, object: &str, unread: &impl Fn(&str) -> bool) -> bool {
        let of_database = object == DATABASE || object.starts_with(DATABASE_SETTINGS);
        if let Some(role) = object.strip_prefix("role ") {
            return self.roles.as_ref().is_none_or(|roles| roles.contains(role));
        }
        let of_cluster = object.starts_with("tablespace ") || object.starts_with("parameter ");
        !(of_database && !self.database_settings
            || of_cluster && !self.cluster
            || object.starts_with("default privileges ") && !self.privileges
            || object.starts_with("subscription ") && unread(unreadable::SUBSCRIPTIONS)
            || object.starts_with("graph ") && unread(unreadable::GRAPHS))
    }

    fn has_property(&self, object: &str, property: &str, unread: &impl Fn(&str) -> bool) -> bool {
        let right = property.starts_with("grant to ") || property.starts_with("revoked from ");
        !(property == "owner" && !self.owners
            || right && !self.privileges
            || property == "password" && unread(unreadable::PASSWORDS)
            || object.starts_with("user mapping ")
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
        let left_out: Vec<&str> = old
            .objects
            .keys()
            .filter_map(|object| object.strip_prefix("role "))
            .filter(|role| !roles.contains(*role))
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
