//! The part of the output that says as whom checks ran and what they tried.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::convert::each;
use crate::outcome;

/// As whom a check ran and what it tried. Not there for a check that reached no database.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct CheckConduct {
    /// Id of the check.
    check: String,
    /// Each role, in the order of its first session or program.
    roles: Vec<RoleConduct>,
}

/// What a check did as one role.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct RoleConduct {
    /// Name of the role.
    role: String,
    /// Whether it is the superuser that redrill reads catalogs as.
    superuser: bool,
    /// Number of statements that its sessions sent; what a program sends is not known.
    statements: u64,
    /// Statements without their values, and programs; of the superuser only attempts and statements of the scenario.
    tried: Vec<Tried>,
    /// Number of further statements, each other than those.
    unlisted: u64,
}

/// A statement or program that a check tried.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Tried {
    /// The statement, with `…` in place of each number and text; or a program, by its words in the scenario.
    what: String,
    /// Whether it was rolled back, whatever its result.
    rolled_back: bool,
    /// Number of times.
    times: u64,
    /// How many of them the server refused.
    refused: u64,
}

impl CheckConduct {
    pub(super) fn of(conduct: &outcome::CheckConduct) -> Self {
        Self {
            check: conduct.check.clone(),
            roles: each(&conduct.roles, |role| RoleConduct {
                role: role.role.clone(),
                superuser: role.superuser,
                statements: role.statements,
                tried: each(&role.tried, |tried| Tried {
                    what: tried.what.clone(),
                    rolled_back: tried.rolled_back,
                    times: tried.times,
                    refused: tried.refused,
                }),
                unlisted: role.unlisted,
            }),
        }
    }

    pub(super) fn read(self) -> outcome::CheckConduct {
        let tried = |tried: Tried| outcome::Tried {
            what: tried.what,
            rolled_back: tried.rolled_back,
            times: tried.times,
            refused: tried.refused,
        };
        let role = |role: RoleConduct| outcome::RoleConduct {
            role: role.role,
            superuser: role.superuser,
            statements: role.statements,
            tried: role.tried.into_iter().map(tried).collect(),
            unlisted: role.unlisted,
        };
        outcome::CheckConduct {
            check: self.check,
            roles: self.roles.into_iter().map(role).collect(),
        }
    }
}
