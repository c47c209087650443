//! The rights of a role on an object, each with the path by which the role has it.

use std::collections::{BTreeMap, BTreeSet};

use super::class::ObjectClass;
use super::facts::{Facts, ObjectFacts, RoleFacts, Roles};
use super::path::{AccessPath, Step};

/// Ownership, listed as a right.
pub const OWNER: &str = "OWNER";

/// One right that a role has on an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRight<'a> {
    /// In capitals; [`OWNER`] for ownership.
    pub privilege: &'a str,
    /// The column, where it is on one.
    pub column: Option<&'a str>,
    /// How the role has it; the last step is the grant or the ownership.
    pub path: AccessPath,
    /// Whether it has the grant option.
    pub grantable: bool,
    /// Whether it was granted by the server or by an extension itself.
    pub initial: bool,
    /// The grantor; empty where there is none.
    pub grantor: &'a str,
}

impl HeldRight<'_> {
    /// Whether it is a right of the owner in the access list, which ownership includes.
    #[must_use]
    pub fn is_of_owner(&self) -> bool {
        self.privilege != OWNER && matches!(self.path.steps.last(), Some(Step::Owner(_)))
    }
}

/// Rights of predefined roles: the role, the class of objects, the rights.
const PREDEFINED: &[(&str, ObjectClass, &[&str])] = &[
    ("pg_read_all_data", ObjectClass::Table, &["SELECT"]),
    ("pg_read_all_data", ObjectClass::Sequence, &["SELECT"]),
    ("pg_read_all_data", ObjectClass::Schema, &["USAGE"]),
    (
        "pg_write_all_data",
        ObjectClass::Table,
        &["INSERT", "UPDATE", "DELETE"],
    ),
    ("pg_write_all_data", ObjectClass::Sequence, &["UPDATE"]),
    ("pg_write_all_data", ObjectClass::Schema, &["USAGE"]),
    ("pg_maintain", ObjectClass::Table, &["MAINTAIN"]),
];

/// A role, and the roles whose rights it has or can get.
#[derive(Debug, Clone)]
pub struct Actor<'a> {
    /// The role.
    pub role: &'a RoleFacts,
    /// These roles, itself included, with the path to each.
    pub paths: BTreeMap<&'a str, AccessPath>,
    /// Those of them that it can become, itself included; from the others it only inherits.
    pub becomes: BTreeSet<&'a str>,
}

impl<'a> Actor<'a> {
    /// Finds the roles that a role acts as and can become.
    #[must_use]
    pub fn new(roles: &'a Roles, role: &'a RoleFacts) -> Self {
        let (paths, becomes) = roles.search(&role.name);
        Self {
            role,
            paths,
            becomes,
        }
    }

    /// Removes paths that lead to or through these roles, but not the path to the role itself.
    pub fn without(&mut self, left_out: impl Fn(&str) -> bool) {
        self.paths.retain(|_, path| !path.roles().any(&left_out));
    }

    /// Every right on an object, once for each grant; of a superuser too only what it is granted or owns.
    #[must_use]
    pub fn rights_on<'o>(&self, object: &'o ObjectFacts) -> Vec<HeldRight<'o>> {
        let held = |privilege, path| HeldRight {
            privilege,
            column: None,
            path,
            grantable: false,
            initial: object.outside,
            grantor: "",
        };
        let mut rights = Vec::new();
        rights.extend(self.owning(object).map(|path| HeldRight {
            initial: object.outside && !object.moved,
            ..held(OWNER, path)
        }));
        for grant in &object.grants {
            let path = match &grant.grantee {
                None => Some(AccessPath::default().then(Step::Public(grant.by_default))),
                Some(name) => self.paths.get(name.as_str()).map(|path| {
                    path.then(match *name == object.owner {
                        true => Step::Owner(name.clone()),
                        false => Step::Grant(name.clone()),
                    })
                }),
            };
            rights.extend(path.map(|path| HeldRight {
                privilege: &grant.privilege,
                column: grant.column.as_deref(),
                path,
                grantable: grant.grantable,
                initial: grant.initial,
                grantor: &grant.grantor,
            }));
        }
        for (role, class, privileges) in PREDEFINED {
            if let Some(path) = self.paths.get(role).filter(|_| *class == object.class) {
                let path = path.then(Step::Predefined((*role).to_owned()));
                rights.extend(privileges.iter().map(|name| held(name, path.clone())));
            }
        }
        rights
    }

    /// The path by which the role is the owner of an object or can become it.
    #[must_use]
    pub fn owning(&self, object: &ObjectFacts) -> Option<AccessPath> {
        let path = self.paths.get(object.owner.as_str())?;
        (!object.class.is_default() && object.class != ObjectClass::Parameter)
            .then(|| path.then(Step::Owner(object.owner.clone())))
    }

    /// Whether the role has a right without SET ROLE; a superuser has all except ownership.
    #[must_use]
    pub fn has(
        &self,
        object: &ObjectFacts,
        privilege: &str,
        column: Option<&str>,
        grantable: bool,
    ) -> bool {
        if self.role.superuser && privilege != OWNER {
            return true;
        }
        let mut rights = self.rights_on(object);
        rights.retain(|right| right.path.is_at_once());
        let owns = rights.iter().any(|right| right.privilege == OWNER);
        rights.iter().any(|right| {
            right.privilege == privilege
                && (right.column.is_none() || (column.is_some() && right.column == column))
                && (!grantable || right.grantable || owns)
        })
    }
}

impl Roles {
    /// Whether the policies of a table with this owner do not apply to a role.
    #[must_use]
    pub fn is_exempt(&self, name: &str, owner: &str, forced: bool) -> bool {
        let acts_as_owner = |role| {
            let actor = Actor::new(self, role);
            let path = actor.paths.get(owner);
            path.is_some_and(AccessPath::is_at_once)
        };
        let role = self.all.get(name);
        role.is_some_and(|role| {
            role.superuser || role.bypass_rls || (!forced && acts_as_owner(role))
        })
    }
}

impl Facts {
    /// Finds an object by its name; the schema is empty for a class without schemas.
    #[must_use]
    pub fn find(&self, class: ObjectClass, schema: &str, name: &str) -> Option<&ObjectFacts> {
        let mut all = self.objects.iter();
        all.find(|object| object.class == class && object.schema == schema && object.name == name)
    }
}
