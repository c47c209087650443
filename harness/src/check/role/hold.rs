//! What one role has: every right on every object, with the way by which it has it.

use std::collections::BTreeMap;

use super::reach::{Oid, Role, Roles, Way};
use super::right::Kind;
use super::world::{Object, World};
use crate::sql::quote_ident;

/// Owning, as if it were one more right.
pub const OWNER: &str = "OWNER";

/// How a role comes to a right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// Everybody has it; `true` where nobody gave it and it is PostgreSQL's default.
    Public(bool),
    /// It is granted to this role, which the way leads to.
    Grant(Way, String),
    /// The object belongs to this role, which the way leads to.
    Owner(Way, String),
    /// A role of the server that has it on everything.
    Predefined(Way, String),
}

/// One right that a role has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// In capitals; [`OWNER`] for owning.
    pub privilege: String,
    /// The column, where it is on one.
    pub column: Option<String>,
    /// How it comes to it.
    pub path: Path,
    /// Whether it may be handed on.
    pub grantable: bool,
    /// Whether the server or an extension gave it.
    pub initial: bool,
    /// Who gave it; empty where nobody did.
    pub grantor: String,
}

impl Path {
    /// Whether the role has it without becoming another first.
    #[must_use]
    pub const fn at_once(&self) -> bool {
        match self {
            Self::Public(_) => true,
            Self::Grant(way, _) | Self::Owner(way, _) | Self::Predefined(way, _) => way.at_once,
        }
    }

    /// In words, as it stands behind a right.
    #[must_use]
    pub fn describe(&self) -> String {
        let with = |way: &Way, none: &str| {
            let text = way.describe();
            if text.is_empty() {
                none.to_owned()
            } else {
                text
            }
        };
        match self {
            Self::Public(true) => "granted to PUBLIC by PostgreSQL's default".to_owned(),
            Self::Public(false) => "granted to PUBLIC".to_owned(),
            Self::Grant(way, _) => with(way, "granted to it"),
            Self::Owner(way, _) => with(way, "it is the owner itself"),
            Self::Predefined(way, _) => with(way, "as the predefined role"),
        }
    }

    /// The grantee, as SQL writes it.
    #[must_use]
    pub fn grantee(&self) -> String {
        match self {
            Self::Public(_) => "PUBLIC".to_owned(),
            Self::Grant(_, role) | Self::Owner(_, role) | Self::Predefined(_, role) => {
                quote_ident(role)
            }
        }
    }

    /// The membership that opens the way, where there is one.
    #[must_use]
    pub fn membership(&self) -> Option<&str> {
        match self {
            Self::Public(_) => None,
            Self::Grant(way, _) | Self::Owner(way, _) | Self::Predefined(way, _) => way.first(),
        }
    }
}

/// What members of the server's own roles have: the role, the kind of object, the right.
const PREDEFINED: &[(&str, Kind, &str)] = &[
    ("pg_read_all_data", Kind::Table, "SELECT"),
    ("pg_read_all_data", Kind::Sequence, "SELECT"),
    ("pg_read_all_data", Kind::Schema, "USAGE"),
    ("pg_write_all_data", Kind::Table, "INSERT"),
    ("pg_write_all_data", Kind::Table, "UPDATE"),
    ("pg_write_all_data", Kind::Table, "DELETE"),
    ("pg_write_all_data", Kind::Sequence, "UPDATE"),
    ("pg_write_all_data", Kind::Schema, "USAGE"),
    ("pg_maintain", Kind::Table, "MAINTAIN"),
];

/// What one role has on each object, in the order of [`World::objects`].
#[derive(Debug, Clone, Default)]
pub struct Holds {
    /// The rights.
    pub of: Vec<Vec<Hold>>,
    /// Roles that it acts as or can become, with the ways.
    pub ways: BTreeMap<Oid, Way>,
    /// Whether it is superuser, and has everything.
    pub superuser: bool,
}

impl Holds {
    /// Gathers them, as the server judges.
    #[must_use]
    pub fn gather(world: &World, roles: &Roles, role: &Role, ways: BTreeMap<Oid, Way>) -> Self {
        let mut of: Vec<Vec<Hold>> = world
            .objects
            .iter()
            .map(|object| owning(object, &ways, roles))
            .collect();
        for grant in &world.grants {
            let (Some(object), Some(holds)) =
                (world.objects.get(grant.object), of.get_mut(grant.object))
            else {
                continue;
            };
            let path = if grant.grantee == "0" {
                Path::Public(grant.by_default)
            } else {
                let Some(way) = ways.get(&grant.grantee) else {
                    continue;
                };
                let name = roles.name(&grant.grantee).to_owned();
                if grant.grantee == object.owner {
                    Path::Owner(way.clone(), name)
                } else {
                    Path::Grant(way.clone(), name)
                }
            };
            holds.push(Hold {
                privilege: grant.privilege.clone(),
                column: grant.column.clone(),
                path,
                grantable: grant.grantable,
                initial: grant.initial,
                grantor: match grant.by_default {
                    true => String::new(),
                    false => roles.name(&grant.grantor).to_owned(),
                },
            });
        }
        for (name, kind, privilege) in PREDEFINED {
            let Some((way, role)) = roles
                .named(name)
                .filter(|role| role.predefined)
                .and_then(|role| Some((ways.get(&role.oid)?, role)))
            else {
                continue;
            };
            for (object, holds) in world.objects.iter().zip(&mut of) {
                if object.kind == *kind {
                    holds.push(Hold {
                        privilege: (*privilege).to_owned(),
                        column: None,
                        path: Path::Predefined(way.clone(), role.name.clone()),
                        grantable: false,
                        initial: object.outside,
                        grantor: String::new(),
                    });
                }
            }
        }
        Self {
            of,
            ways,
            superuser: role.superuser,
        }
    }

    /// The rights on one object.
    #[must_use]
    pub fn on(&self, object: usize) -> &[Hold] {
        self.of.get(object).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the role owns the object, by any way.
    #[must_use]
    pub fn owns(&self, object: usize) -> bool {
        self.on(object).iter().any(|hold| hold.privilege == OWNER)
    }

    /// Whether it has a right by itself, without becoming another role.
    #[must_use]
    pub fn has(
        &self,
        object: usize,
        privilege: &str,
        column: Option<&str>,
        grantable: bool,
    ) -> bool {
        if self.superuser && privilege != OWNER {
            return true;
        }
        let owns = self
            .on(object)
            .iter()
            .any(|hold| hold.privilege == OWNER && hold.path.at_once());
        self.on(object).iter().any(|hold| {
            hold.privilege == privilege
                && (hold.column.is_none() || (column.is_some() && hold.column.as_deref() == column))
                && (!grantable || hold.grantable || owns)
                && hold.path.at_once()
        })
    }
}

/// Owning, where the way leads to the owner.
fn owning(object: &Object, ways: &BTreeMap<Oid, Way>, roles: &Roles) -> Vec<Hold> {
    let owned = ways
        .get(&object.owner)
        .filter(|_| !object.kind.is_default() && object.kind != Kind::Parameter);
    owned
        .map(|way| Hold {
            privilege: OWNER.to_owned(),
            column: None,
            path: Path::Owner(way.clone(), roles.name(&object.owner).to_owned()),
            grantable: false,
            initial: object.outside && !object.moved,
            grantor: String::new(),
        })
        .into_iter()
        .collect()
}
