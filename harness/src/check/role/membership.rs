//! Whom a role belongs to, and who belongs to it.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, MapAccess};

use super::pattern::Glob;
use super::reach::{Oid, Options, Role, Roles, Way};
use crate::outcome::Finding;
use crate::sql::quote_ident;

/// A membership: the name of the other role, or a table with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The other role; `*` and `?` match.
    pub role: Glob,
    /// As the scenario writes it.
    pub text: String,
    /// WITH ADMIN. Default: false.
    pub admin: bool,
    /// WITH INHERIT. Default: true.
    pub inherit: bool,
    /// WITH SET. Default: true.
    pub set: bool,
}

/// The table form.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Options_ {
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
    fn new(given: Options_) -> Result<Self, String> {
        Ok(Self {
            role: Glob::role(&given.role)?,
            text: given.role,
            admin: given.admin.unwrap_or(false),
            inherit: given.inherit.unwrap_or(true),
            set: given.set.unwrap_or(true),
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
                let given = Options_ {
                    role: text.to_owned(),
                    admin: None,
                    inherit: None,
                    set: None,
                };
                Membership::new(given).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Membership, A::Error> {
                let given = Options_::deserialize(de::value::MapAccessDeserializer::new(map))?;
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

/// Says options as GRANT writes them.
fn show(admin: bool, inherit: bool, set: bool) -> String {
    let mut text = format!("INHERIT {inherit}, SET {set}");
    if admin {
        text.insert_str(0, "ADMIN true, ");
    }
    text.to_uppercase()
}

/// Compares direct memberships with exactly those wished.
#[must_use]
pub fn compare(roles: &Roles, role: &Role, wanted: &[Membership]) -> Vec<Finding> {
    let found: Vec<(&Role, Options)> = roles.direct(&role.oid).collect();
    let object = format!("role {}", role.name);
    let mut findings = Vec::new();
    for (other, options) in &found {
        let Some(wish) = wanted.iter().find(|wish| wish.role.matches(&other.name)) else {
            findings.push(
                Finding::about(
                    &object,
                    format!("no member of {}", other.name),
                    format!(
                        "it is one, with {}",
                        show(options.admin, options.inherit, options.set)
                    ),
                )
                .hint(format!(
                    "REVOKE {} FROM {}; where it is meant, add it to `member-of`",
                    quote_ident(&other.name),
                    quote_ident(&role.name)
                )),
            );
            continue;
        };
        if (wish.admin, wish.inherit, wish.set) != (options.admin, options.inherit, options.set) {
            findings.push(Finding::about(
                &object,
                format!("member of {} with {}", other.name, show(wish.admin, wish.inherit, wish.set)),
                format!("with {}", show(options.admin, options.inherit, options.set)),
            ).hint(format!(
                "GRANT {} TO {} WITH ADMIN {}, INHERIT {}, SET {}; a membership granted twice has the wider of both",
                quote_ident(&other.name), quote_ident(&role.name), wish.admin, wish.inherit, wish.set
            )));
        }
    }
    let others: Vec<&Role> = roles
        .all
        .values()
        .filter(|other| other.oid != role.oid)
        .collect();
    let ways = roles.reach(&role.oid);
    for wish in wanted {
        let matching: Vec<&&Role> = others
            .iter()
            .filter(|other| wish.role.matches(&other.name))
            .collect();
        if matching.is_empty() {
            findings.push(
                Finding::about(
                    &object,
                    format!("member of {}", wish.text),
                    "there is no such role",
                )
                .hint("look whether the backup holds the roles: pg_dump alone does not"),
            );
        }
        for other in matching {
            if !found.iter().any(|(one, _)| one.oid == other.oid) {
                let actual = match ways.get(&other.oid) {
                    Some(way) => format!("only by another way: {}", way.describe()),
                    None => "it is not".to_owned(),
                };
                findings.push(
                    Finding::about(&object, format!("member of {}", other.name), actual)
                        .hint(format!("GRANT {} TO {}; PostgreSQL before 16 does not understand memberships dumped by 16 and later", quote_ident(&other.name), quote_ident(&role.name))),
                );
            }
        }
    }
    findings
}

/// What lies above all grants: superusers and the server's own roles that a role reaches, and that
/// the scenario does not name.
#[derive(Debug, Clone, Default)]
pub struct Above {
    /// What to say.
    pub findings: Vec<Finding>,
    /// Names of those roles: what they give needs no second finding.
    pub flagged: Vec<String>,
    /// A superuser that it may become, as the scenario says: then nothing is beyond its rights.
    pub superuser: Option<String>,
}

/// Finds superusers and predefined roles that a role reaches by any way.
#[must_use]
pub fn above(roles: &Roles, role: &Role, ways: &BTreeMap<Oid, Way>, named: &[&Glob]) -> Above {
    let mut above = Above::default();
    for (oid, way) in ways {
        let Some(other) = roles.all.get(oid).filter(|other| other.oid != role.oid) else {
            continue;
        };
        let own = other.name == "pg_database_owner";
        // What one role of the server brings with it needs no second word.
        let within = way
            .names()
            .filter(|name| *name != other.name)
            .any(|name| roles.named(name).is_some_and(|role| role.predefined));
        if own || within || !(other.superuser || other.predefined) {
            continue;
        }
        if named.iter().any(|glob| glob.matches(&other.name)) {
            if other.superuser {
                above.superuser = Some(other.name.clone());
            }
            continue;
        }
        let what = if other.superuser {
            format!("superuser {}", other.name)
        } else {
            format!("predefined role {}", other.name)
        };
        above.flagged.push(other.name.clone());
        above.findings.push(
            Finding::about(
                format!("role {}", role.name),
                format!("no way to {what}"),
                way.describe(),
            )
            .hint(format!(
                "REVOKE {} FROM {}; where it is meant, add it to `member-of`, or to `reaches` where another role leads to it",
                quote_ident(way.first().unwrap_or(&other.name)),
                quote_ident(&role.name)
            )),
        );
    }
    above
}

/// Compares who may be the role with exactly those wished. Superusers need no membership.
#[must_use]
pub fn members(roles: &Roles, role: &Role, wanted: &[Membership]) -> Vec<Finding> {
    let found = roles.members(&role.oid);
    let object = format!("role {}", role.name);
    let mut findings = Vec::new();
    for (oid, way) in &found {
        let name = roles.name(oid);
        let options = roles.member_of.get(oid).and_then(|of| of.get(&role.oid));
        let Some(wish) = wanted.iter().find(|wish| wish.role.matches(name)) else {
            let by = match way.get(1) {
                Some(_) => format!(
                    "it is one by membership in {}",
                    way.get(1..).unwrap_or_default().join(" → ")
                ),
                None => "it is one".to_owned(),
            };
            findings.push(
                Finding::about(&object, format!("{name} is no member"), by)
                    .hint("REVOKE the membership; where it is meant, add it to `members`"),
            );
            continue;
        };
        if let Some(options) = options
            && (wish.admin, wish.inherit, wish.set) != (options.admin, options.inherit, options.set)
        {
            findings.push(Finding::about(
                &object,
                format!(
                    "{name} is a member with {}",
                    show(wish.admin, wish.inherit, wish.set)
                ),
                format!("with {}", show(options.admin, options.inherit, options.set)),
            ));
        }
    }
    for wish in wanted {
        if !found.keys().any(|oid| wish.role.matches(roles.name(oid))) {
            let mut all = roles.all.values();
            let above = all.any(|role| role.superuser && wish.role.matches(&role.name));
            findings.push(Finding::about(
                &object,
                format!("{} is a member", wish.text),
                match above {
                    true => "it is a superuser, who may be every role",
                    false => "it is not",
                },
            ));
        }
    }
    findings
}
