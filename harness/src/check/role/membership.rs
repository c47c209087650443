//! Whom a role belongs to, and who belongs to it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, MapAccess};

use crate::outcome::Finding;
use crate::rights::{Actor, DATABASE_OWNER, MembershipOptions, RoleFacts, Roles, role_pattern};
use crate::sql::{Glob, quote_ident};

/// A membership: the name of the other role, or a table with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The other role; `*` and `?` match.
    pub role: Glob,
    /// As the scenario writes it.
    pub text: String,
    /// WITH ADMIN, by default false; WITH INHERIT and WITH SET, by default true.
    pub options: MembershipOptions,
}

/// The table form.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MembershipTable {
    /// The other role; `*` and `?` match.
    role: String,
    /// Whether it may be granted on. Default: false.
    admin: Option<bool>,
    /// Whether its rights are there without SET ROLE. Default: true.
    inherit: Option<bool>,
    /// Whether SET ROLE is allowed. Default: true.
    set: Option<bool>,
}

impl Membership {
    fn new(given: MembershipTable) -> Result<Self, String> {
        Ok(Self {
            role: role_pattern(&given.role)?,
            text: given.role,
            options: MembershipOptions {
                admin: given.admin.unwrap_or(false),
                inherit: given.inherit.unwrap_or(true),
                set: given.set.unwrap_or(true),
            },
        })
    }
}

impl<'de> Deserialize<'de> for Membership {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Membership;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a role, or { role = …, admin = …, inherit = …, set = … }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Membership, E> {
                let given = MembershipTable {
                    role: text.to_owned(),
                    admin: None,
                    inherit: None,
                    set: None,
                };
                Membership::new(given).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Membership, A::Error> {
                let given =
                    MembershipTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Membership::new(given).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Membership {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Membership".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A membership: the name of the other role, or a table with its options.",
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "role": { "type": "string", "description": "The other role; `*` and `?` match." },
                        "admin": { "type": "boolean", "description": "WITH ADMIN. Default: false." },
                        "inherit": { "type": "boolean", "description": "WITH INHERIT. Default: true." },
                        "set": { "type": "boolean", "description": "WITH SET. Default: true." }
                    },
                    "required": ["role"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

/// Writes options as GRANT does.
fn show(options: MembershipOptions) -> String {
    let admin = if options.admin { "ADMIN TRUE, " } else { "" };
    let text = format!("{admin}INHERIT {}, SET {}", options.inherit, options.set);
    text.to_uppercase()
}

/// Compares direct memberships with exactly those wanted.
#[must_use]
pub fn compare(roles: &Roles, actor: &Actor<'_>, wanted: &[Membership]) -> Vec<Finding> {
    let role = actor.role;
    let found: Vec<(&str, MembershipOptions)> = roles.granted_memberships(&role.name).collect();
    let object = format!("role {}", role.name);
    let mut findings = Vec::new();
    for (other, options) in &found {
        let (to, from) = (quote_ident(other), quote_ident(&role.name));
        let Some(wish) = wanted.iter().find(|wish| wish.role.matches(other)) else {
            findings.push(
                Finding::about(
                    &object,
                    format!("no member of {other}"),
                    format!("it is one, with {}", show(*options)),
                )
                .hint(format!(
                    "REVOKE {to} FROM {from}; where it is meant, add it to `member-of`"
                )),
            );
            continue;
        };
        if wish.options != *options {
            let MembershipOptions {
                admin,
                inherit,
                set,
            } = wish.options;
            findings.push(
                Finding::about(
                    &object,
                    format!("member of {other} with {}", show(wish.options)),
                    format!("with {}", show(*options)),
                )
                .hint(format!(
                    "GRANT {to} TO {from} WITH ADMIN {admin}, INHERIT {inherit}, SET {set}; a membership granted twice has the wider of both"
                )),
            );
        }
    }
    for wish in wanted {
        let names = roles.all.keys().filter(|name| **name != role.name);
        let matching: Vec<&String> = names.filter(|name| wish.role.matches(name)).collect();
        if matching.is_empty() {
            findings.push(
                Finding::about(
                    &object,
                    format!("member of {}", wish.text),
                    "there is no such role",
                )
                .hint("check whether the backup has the roles: pg_dump alone does not"),
            );
        }
        for other in matching {
            if !found.iter().any(|(one, _)| one == other) {
                let actual = match actor.paths.get(other.as_str()) {
                    Some(path) => format!("only by another way: {}", path.describe()),
                    None => "it is not".to_owned(),
                };
                findings.push(
                    Finding::about(&object, format!("member of {other}"), actual)
                        .hint(format!("GRANT {} TO {}; PostgreSQL before 16 does not understand memberships dumped by 16 and later", quote_ident(other), quote_ident(&role.name))),
                );
            }
        }
    }
    findings
}

/// Superusers and the server's own roles that a role reaches, and that
/// the scenario does not name.
#[derive(Debug, Clone, Default)]
pub struct ReachedPowers {
    /// What to say.
    pub findings: Vec<Finding>,
    /// Names of those roles: what they give needs no second finding.
    pub flagged: Vec<String>,
    /// A superuser that it may become, as the scenario says: then it has every right.
    pub superuser: Option<String>,
}

/// Finds superusers and predefined roles that a role reaches by any path.
#[must_use]
pub fn find_powers(roles: &Roles, actor: &Actor<'_>, named: &[&Glob]) -> ReachedPowers {
    let mut reached = ReachedPowers::default();
    for (name, path) in &actor.paths {
        let Some(other) = roles.all.get(*name).filter(|other| *other != actor.role) else {
            continue;
        };
        // What one role of the server brings with it needs no second finding.
        let within = path
            .roles()
            .filter(|name| *name != other.name)
            .any(|name| roles.all.get(name).is_some_and(RoleFacts::is_predefined));
        if other.name == DATABASE_OWNER || within || !(other.superuser || other.is_predefined()) {
            continue;
        }
        if named.iter().any(|glob| glob.matches(&other.name)) {
            if other.superuser {
                reached.superuser = Some(other.name.clone());
            }
            continue;
        }
        let what = if other.superuser {
            format!("superuser {}", other.name)
        } else {
            format!("predefined role {}", other.name)
        };
        reached.flagged.push(other.name.clone());
        reached.findings.push(
            Finding::about(
                format!("role {}", actor.role.name),
                format!("no way to {what}"),
                path.describe(),
            )
            .hint(format!(
                "REVOKE {} FROM {}; where it is meant, add it to `member-of`, or to `reaches` where another role leads to it",
                quote_ident(path.membership().unwrap_or(&other.name)),
                quote_ident(&actor.role.name)
            )),
        );
    }
    reached
}

/// Compares who may be the role with exactly those wanted. Superusers need no membership.
#[must_use]
pub fn members(roles: &Roles, role: &RoleFacts, wanted: &[Membership]) -> Vec<Finding> {
    let found = roles.members(&role.name);
    let object = format!("role {}", role.name);
    let mut findings = Vec::new();
    for (name, between) in &found {
        let mut direct = roles.memberships(name).filter(|(of, _)| *of == role.name);
        let Some(wish) = wanted.iter().find(|wish| wish.role.matches(name)) else {
            let by = match between.get(1..) {
                Some([]) | None => "it is one".to_owned(),
                Some(others) => format!("it is one by membership in {}", others.join(" → ")),
            };
            findings.push(
                Finding::about(&object, format!("{name} is no member"), by)
                    .hint("REVOKE the membership; where it is meant, add it to `members`"),
            );
            continue;
        };
        if let Some((_, options)) = direct.next()
            && wish.options != options
        {
            findings.push(Finding::about(
                &object,
                format!("{name} is a member with {}", show(wish.options)),
                format!("with {}", show(options)),
            ));
        }
    }
    for wish in wanted {
        if !found.keys().any(|name| wish.role.matches(name)) {
            let mut all = roles.all.values();
            let is_superuser = all.any(|role| role.superuser && wish.role.matches(&role.name));
            findings.push(Finding::about(
                &object,
                format!("{} is a member", wish.text),
                match is_superuser {
                    true => "it is a superuser, who may be every role",
                    false => "it is not",
                },
            ));
        }
    }
    findings
}
