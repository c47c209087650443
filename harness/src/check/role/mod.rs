//! `role`: roles have exactly the rights that they should have: no less and no more.
//!
//! - `floor` and `ceiling` are what it lacks and what is beyond, by [`rights`]
//! - `attribute` and `membership` are what it is and whom it belongs to
//! - `attempt` tries as the role itself

mod attempt;
mod attribute;
pub mod ceiling;
mod floor;
pub mod membership;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess};

pub use self::attribute::Attributes;
pub use self::membership::Membership;
use crate::check::privilege::{conclude, one_statement, show_findings};
use crate::check::{Check, Complaint, Entry, Observation, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{self, Actor, Facts, Named, Right, RoleFacts, Roles, role_pattern};
use crate::sql::Glob;

/// Roles have exactly the rights that they should have: no less (the floor), no more (the ceiling).
///
/// ## What it proves
/// - Each role is there, and has none of SUPERUSER, BYPASSRLS, CREATEROLE, CREATEDB and REPLICATION
///   unless `attributes` says so. What `attributes` names is exactly so.
/// - With `member-of`: it is a direct member of exactly these roles, with these options; with `members`:
///   these and no others may be it, directly or by way of others (superusers aside). By no way does it
///   reach a superuser or a role that came with the server (`pg_read_all_data`, …), unless `member-of` or
///   `reaches` names it.
/// - With `floor`: it has these rights, at once, without SET ROLE. An entry whose name or pattern matches
///   nothing is a finding.
/// - With `floor` or `ceiling`: it has no other right. The ceiling always includes the floor, and without
///   `ceiling` it is the floor; `ceiling = "any"` switches it off. Rights are judged as the server does:
///   granted to the role, to PUBLIC (also by PostgreSQL's defaults: EXECUTE on functions, USAGE on types,
///   TEMPORARY and CONNECT on the database, USAGE on the schema public), inherited through chains of
///   roles, by owning or by membership in the owner, by predefined roles, on columns, with grant option,
///   and by default privileges. What can only be had after SET ROLE, or after granting itself a role by
///   ADMIN OPTION, counts for the ceiling and not for the floor.
/// - With `settings` and `database-settings`: exactly these settings are kept for the role (for all
///   databases or this one), and for the database.
/// - With `may` and `refused`: these statements go through or are refused for lack of a right, tried as
///   the role in a transaction that is rolled back. With `attempts = true`: so does reading every table
///   whose SELECT the floor names, and everything on tables that it has no right to is refused.
///
/// A right is written as GRANT writes it, shorter: `"select, insert on app.*"` (whatever has rows: tables,
/// each partition, views, materialised and foreign tables; the name decides, as in ON ALL TABLES),
/// `"update (status, note) on app.orders"`, `"usage on schema app"`, `"connect, temporary on database"`,
/// `"usage, select on sequences app.*"`, `"execute on functions app.*, app.f(integer, text)"`,
/// `"usage on types app.*"`, `"usage on language l"`, `"usage on foreign server s"`,
/// `"usage on foreign data wrapper w"`, `"select on large object 123"`, `"select on large objects"`,
/// `"create on tablespace t"`, `"set on parameter p"`, `"select on default tables in app by role r"`,
/// `"all on …"`, `"… with grant option"`, `"… on app.* except app.audit_*"`, `"owner of app.x"`,
/// `"owner of schema app"`, `"owner of publication p"`. An owner of a table owns its sequences.
/// What PUBLIC has on every new function (EXECUTE) and type (USAGE) counts as a default privilege only
/// where an entry speaks of them: `"nothing on default functions by role r"`.
///
/// What belongs to the server (`pg_catalog`, `information_schema`) or to an extension counts where its
/// rights or its owner are not what the server or the extension made them; in the floor it must be named
/// without a pattern.
///
/// ## What it does not prove
/// What row security shows (`rls`), and what SECURITY DEFINER functions and views of other owners do for
/// their callers. That a role which `roles` does not name has no rights. Rights in other databases of the
/// server. Before PostgreSQL 16 CREATEROLE can hand out any role: do not allow it. Rights that code does
/// not ask for: Cypher's SET and DELETE in Apache AGE 1.5.0 need only SELECT on a label's table.
///
/// ## Example
/// ```toml
/// [[check.role]]
/// role = "app"
/// attributes = { login = true, connection-limit = 20, valid-until = "never", password = true }
/// member-of = ["app_reader", { role = "tenant_*", inherit = false }]
/// floor = [
///     "connect on database",
///     "usage on schema app, public",
///     "select, insert, update on app.* except app.audit*",
///     "select, insert on app.audit",
///     "usage on sequences app.*",
///     "execute on function app.total(integer)",
///     "select on default tables in app by role app_owner",
/// ]
/// ceiling = ["temporary on database", "usage on types app.*", "select on tenant_*.*"]
/// settings = { search_path = "app, public", statement_timeout = "5s" }
/// refused = ["DELETE FROM app.audit"]
///
/// [[check.role]]
/// roles = ["reporting", "auditor_*"]
/// floor = ["select on app.*"]
/// ceiling = "any"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Role {
    /// One role.
    pub role: Option<String>,
    /// Several roles; `*` and `?` match.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What the role is. What is named is exactly so.
    pub attributes: Option<Attributes>,
    /// The roles that it is a direct member of, exactly: names (`*` and `?` match), or tables with
    /// `role`, `admin`, `inherit` and `set`.
    pub member_of: Option<Vec<Membership>>,
    /// Superusers and predefined roles that it may reach by way of other roles.
    #[serde(default)]
    pub reaches: Vec<String>,
    /// The roles that may be it, exactly, directly or by way of others.
    pub members: Option<Vec<Membership>>,
    /// Rights that it must have.
    pub floor: Option<Vec<Right>>,
    /// Rights that it may have beside the floor, or `"any"`. Default: none.
    pub ceiling: Option<Ceiling>,
    /// Settings kept for the role, exactly.
    pub settings: Option<BTreeMap<String, String>>,
    /// Settings kept for the database, exactly.
    pub database_settings: Option<BTreeMap<String, String>>,
    /// Statements that must go through as the role.
    #[serde(default)]
    pub may: Vec<String>,
    /// Statements that must be refused.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Whether rights on tables are tried too. Default: false.
    #[serde(default)]
    pub attempts: bool,
}

/// What a role may have beside its floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ceiling {
    /// Anything: it is not looked at.
    Any,
    /// These rights.
    Rights(Vec<Right>),
}

impl<'de> Deserialize<'de> for Ceiling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Ceiling;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rights, or \"any\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ceiling, E> {
                match text {
                    "any" => Ok(Ceiling::Any),
                    other => Err(E::custom(format!(
                        "`{other}` is no ceiling; write a list of rights, or \"any\""
                    ))),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ceiling, A::Error> {
                let mut rights = Vec::new();
                while let Some(right) = list.next_element()? {
                    rights.push(right);
                }
                Ok(Ceiling::Rights(rights))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Ceiling {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ceiling".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Rights that a role may have beside its floor, or any.",
            "oneOf": [
                { "const": "any" },
                { "type": "array", "items": { "type": "string" } }
            ]
        })
    }
}

impl Parameters for Role {
    const KIND: &'static str = "role";
    const LOOKS_AT_DATA: bool = false;

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        match (&self.role, self.roles.as_slice()) {
            (None, []) => complaints.push(
                Complaint::whole("no role is named")
                    .hint("add `role = \"app\"`, or `roles = [\"app_*\"]`"),
            ),
            (Some(_), [_, ..]) => complaints.push(Complaint::about(
                "roles",
                "give `role` or `roles`, not both",
            )),
            _ => {}
        }
        for (key, name) in self
            .role
            .iter()
            .map(|name| ("role", name))
            .chain(self.roles.iter().map(|name| ("roles", name)))
        {
            match role_pattern(name) {
                Err(message) => complaints.push(Complaint::about(key, message)),
                Ok(glob) if key == "role" && glob.exact().is_none() => complaints.push(
                    Complaint::about("role", "`role` names one role")
                        .hint("a pattern belongs in `roles = [\"…\"]`"),
                ),
                Ok(_) => {}
            }
        }
        for name in &self.reaches {
            if let Err(message) = role_pattern(name) {
                complaints.push(Complaint::about("reaches", message));
            }
        }
        let asserts = [
            self.attributes.is_some(),
            self.member_of.is_some(),
            self.members.is_some(),
            self.floor.is_some(),
            matches!(self.ceiling, Some(Ceiling::Rights(_))),
            self.settings.is_some(),
            self.database_settings.is_some(),
            !self.may.is_empty() || !self.refused.is_empty(),
        ];
        if !asserts.contains(&true) {
            complaints.push(
                Complaint::whole("this check says nothing of what the role may do")
                    .hint("add `floor`, and what else it may have in `ceiling`"),
            );
        }
        for (key, sqls) in [("may", &self.may), ("refused", &self.refused)] {
            for sql in sqls {
                if let Err(message) = one_statement(sql) {
                    complaints.push(Complaint::about(key, message));
                }
            }
        }
        if self.attempts && !self.looks_at_rights() {
            complaints.push(
                Complaint::about(
                    "attempts",
                    "`attempts` tries what `floor` and `ceiling` say",
                )
                .hint("add `floor`; single statements go into `may` and `refused`"),
            );
        }
        complaints
    }
}

#[async_trait]
impl Check for Role {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        match names.as_slice() {
            [one] => format!("rights of {one}"),
            many => format!("rights of {}", many.join(", ")),
        }
    }

    fn alone(&self) -> bool {
        self.attempts || !self.may.is_empty() || !self.refused.is_empty()
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let roles = Roles::read(&mut session).await?;
        let (found, mut findings) = self.found(&roles);
        if let Some(wanted) = &self.database_settings {
            findings.extend(attribute::settings(&mut session, None, wanted).await?);
        }
        let mut floor = self.floor.clone().unwrap_or_default();
        rights::resolve_functions(&mut session, &mut floor).await?;
        let mut ceiling = match &self.ceiling {
            Some(Ceiling::Rights(rights)) => rights.clone(),
            Some(Ceiling::Any) | None => Vec::new(),
        };
        rights::resolve_functions(&mut session, &mut ceiling).await?;
        let allowed: Vec<&Right> = floor.iter().chain(&ceiling).collect();
        let actors: Vec<Actor<'_>> = found.iter().map(|role| Actor::new(&roles, role)).collect();
        let facts = if self.looks_at_rights() {
            let named: Vec<Named> = allowed.iter().flat_map(|right| right.named()).collect();
            Some(Facts::read(&mut session, &roles, &actors, &named).await?)
        } else {
            None
        };
        let scene = Scene {
            restored,
            roles: &roles,
            facts: facts.as_ref(),
            floor: &floor,
            allowed: &allowed,
        };
        let mut entries = Vec::new();
        for actor in actors {
            let began = Instant::now();
            let object = format!("role {}", actor.role.name);
            let (found, actual) = self.one(&scene, &mut session, actor).await?;
            entries.push(Entry {
                object,
                expected: self.expectation(),
                actual,
                findings: found,
                duration: began.elapsed(),
            });
        }
        session.close().await;
        let actual = match entries.as_slice() {
            [one] => one.actual.clone(),
            [] => "no such role".to_owned(),
            many => format!("{} roles", many.len()),
        };
        let mut whole = Observation::new(self.expectation(), actual, findings);
        if self.roles.is_empty() {
            whole
                .findings
                .extend(entries.into_iter().flat_map(|entry| entry.findings));
            return Ok(whole);
        }
        Ok(whole.with_entries(entries))
    }
}

/// What all roles of a check are held against.
struct Scene<'a> {
    restored: &'a Restored<'a>,
    roles: &'a Roles,
    facts: Option<&'a Facts>,
    floor: &'a [Right],
    allowed: &'a [&'a Right],
}

impl Role {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.role.iter().chain(&self.roles).map(String::as_str)
    }

    fn looks_at_rights(&self) -> bool {
        self.floor.is_some() || self.ceiling.is_some()
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = Vec::new();
        if let Some(floor) = &self.floor {
            parts.push(format!("the rights of {} entries", floor.len()));
        }
        parts.push(
            match (&self.ceiling, &self.floor) {
                (Some(Ceiling::Any), _) => "rights beyond them not looked at",
                (None, None) => "rights not looked at",
                (Some(Ceiling::Rights(_)), _) | (None, Some(_)) => "no right beyond the ceiling",
            }
            .to_owned(),
        );
        let more = [
            ("attributes", self.attributes.is_some()),
            ("memberships", self.member_of.is_some()),
            ("members", self.members.is_some()),
            ("settings", self.settings.is_some()),
            ("settings of the database", self.database_settings.is_some()),
            ("attempts", self.alone()),
        ];
        parts.extend(
            more.into_iter()
                .filter(|(_, is)| *is)
                .map(|(word, _)| word.to_owned()),
        );
        parts.join(", ")
    }

    /// The roles that the check names, and a finding for each name that is not there.
    fn found<'a>(&self, roles: &'a Roles) -> (Vec<&'a RoleFacts>, Vec<Finding>) {
        let mut found: Vec<&RoleFacts> = Vec::new();
        let mut findings = Vec::new();
        for name in self.names() {
            let Ok(glob) = role_pattern(name) else {
                continue;
            };
            let meant = |role: &&RoleFacts| {
                glob.matches(&role.name) && (glob.exact().is_some() || !role.is_predefined())
            };
            let matching: Vec<&RoleFacts> = roles.all.values().filter(meant).collect();
            if matching.is_empty() {
                findings.push(
                    Finding::about(format!("role {name}"), "a role", "there is none")
                        .hint("pg_dump holds no roles: check whether the backup has those of pg_dumpall --globals-only"),
                );
            }
            for role in matching {
                if !found.contains(&role) {
                    found.push(role);
                }
            }
        }
        (found, findings)
    }

    /// Looks at one role; gives the findings, and what was found in one line.
    async fn one(
        &self,
        scene: &Scene<'_>,
        session: &mut Session,
        mut actor: Actor<'_>,
    ) -> Result<(Vec<Finding>, String), CouldNotRun> {
        let (roles, role) = (scene.roles, actor.role);
        let attributes = self.attributes.clone().unwrap_or_default();
        let facts = attributes.read(session, &role.name).await?;
        let mut findings = attributes.compare(&role.name, &facts);
        if let Some(wanted) = &self.member_of {
            findings.extend(membership::compare(roles, &actor, wanted));
        }
        if let Some(wanted) = &self.members {
            findings.extend(membership::members(roles, role, wanted));
        }
        if let Some(wanted) = &self.settings {
            findings.extend(attribute::settings(session, Some(&role.name), wanted).await?);
        }
        let reaches: Vec<Glob> = self
            .reaches
            .iter()
            .filter_map(|name| role_pattern(name).ok())
            .collect();
        let named: Vec<&Glob> = self
            .member_of
            .iter()
            .flatten()
            .map(|member| &member.role)
            .chain(&reaches)
            .collect();
        let above = membership::above(roles, &actor, &named);
        findings.extend(above.findings);
        // What a superuser has, and what leads through it, is said by that one finding.
        actor.without(|name| roles.is_superuser(name));
        let mut unclear = Vec::new();
        let mut actual = Vec::new();
        if let Some(facts) = scene.facts {
            let (missing, compared) = floor::compare(facts, &actor, scene.floor);
            findings.extend(missing);
            if self.floor.is_some() {
                actual.push(format!("the floor on {compared} objects"));
            }
            if self.ceiling == Some(Ceiling::Any) {
            } else if role.superuser {
                actual.push("it is superuser, and has no ceiling".to_owned());
            } else if let Some(superuser) = &above.superuser {
                actual.push(format!(
                    "it may become superuser {superuser}, and has no ceiling"
                ));
            } else {
                let objects = &facts.objects;
                let beyond = ceiling::compare(objects, &actor, scene.allowed, &above.flagged);
                findings.extend(beyond);
                actual.push(format!("the ceiling on {} objects", objects.len()));
            }
        }
        if self.alone() {
            let given = (self.may.as_slice(), self.refused.as_slice(), self.attempts);
            let known = scene.facts.map(|facts| (facts, &actor, scene.floor));
            let tried = attempt::run(scene.restored, session, &role.name, given, known).await?;
            findings.extend(tried.findings);
            unclear.extend(tried.unclear);
            actual.push(format!("{} statements tried", tried.statements));
        }
        let findings = conclude(findings, unclear)?;
        let actual = match findings.is_empty() {
            true if actual.is_empty() => "as expected".to_owned(),
            true => format!("as expected: {}", actual.join(", ")),
            false => show_findings(&findings),
        };
        Ok((findings, actual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn check(text: &str) -> Result<Role, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[rstest]
    #[case("role = 'app'\nfloor = ['select on app.*']", 0)]
    #[case("role = 'app'\nfloor = []", 0)]
    #[case("role = 'app'\nceiling = []", 0)]
    #[case("roles = ['app_*']\nattributes = { login = true }", 0)]
    #[case("floor = []", 1)]
    #[case("role = 'app'", 1)]
    #[case("role = 'app'\nceiling = 'any'", 1)]
    #[case("role = 'app_*'\nfloor = []", 1)]
    #[case("role = 'app'\nroles = ['b']\nfloor = []", 1)]
    #[case("role = 'alice@example.com'\nfloor = []", 0)]
    #[case("role = ''\nfloor = []", 1)]
    #[case("role = 'app'\nmay = ['COMMIT']", 1)]
    #[case("role = 'app'\nmember-of = []\nattempts = true", 1)]
    fn what_asserts_nothing_is_refused(#[case] text: &str, #[case] complaints: usize) {
        assert_eq!(check(text).unwrap().complaints().len(), complaints);
    }

    #[rstest]
    #[case("role = 'app'\nceiling = 'none'", "no ceiling")]
    #[case("role = 'app'\nfloor = ['slect on app.*']", "no right SLECT")]
    #[case("role = 'app'\nmember-of = [{ rol = 'x' }]", "unknown field")]
    #[case("role = 'app'\nmember-of = [1]", "the name of a role")]
    fn what_cannot_be_read_says_why(#[case] text: &str, #[case] why: &str) {
        let error = check(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
