//! `role`: roles have exactly the rights that they should have: no less and no more.
//!
//! - `compare` compares one role with everything that the check says of it
//! - `floor` and `ceiling` compare its rights, by [`rights`]
//! - `ways` tries or lists what it has beyond them by way of other objects
//! - `attribute` and `membership` compare its attributes, settings and roles
//! - `attempt` executes statements as the role itself

mod attempt;
mod attribute;
pub mod ceiling;
mod compare;
mod floor;
pub mod membership;
mod ways;

use std::collections::BTreeMap;
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::attribute::Attributes;
pub use self::ceiling::Ceiling;
use self::compare::Scene;
pub use self::membership::Membership;
use self::ways::Limits;
use crate::check::indirect;
use crate::check::privilege::add_unclear;
use crate::check::reads::{Reads, RowsRead};
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::outcome::CouldNotRun;
use crate::rights::{self, Actor, Facts, Named, Right, Roles, role_pattern};
use crate::units::show_counted;

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
/// - For tables that an entry names without a pattern (`app.audit`, or `app.* except app.audit`): nor can it INSERT, UPDATE,
///   DELETE or TRUNCATE beyond that with the rights of another: by an updatable view, by a foreign key with ON DELETE or ON
///   UPDATE CASCADE, SET NULL or SET DEFAULT, by a rule, by a trigger or function that is SECURITY DEFINER. Each such way is
///   tried where it can be. A function cannot be called to find out what it does: unless its owner has no right to write
///   the table, or its body (SQL, PL/pgSQL) does not write it and has no dynamic SQL, the check could not run.
///   `trusted-functions` lists functions that were reviewed, `indirect` what the role may do in this way. A right on some
///   columns counts as the right.
/// - With `settings` and `database-settings`: exactly these settings are kept for the role (for all
///   databases or this one), and for the database.
/// - With `may` and `refused`: these statements go through or are refused because a right is missing, tried as
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
/// What row security shows (`rls`), what SECURITY DEFINER functions and views of other owners let their callers read, and what
/// they write in tables that no entry names without a pattern. That a role which `roles` does not name has no rights. Rights in other databases of the
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
/// indirect = ["delete on app.audit"]
/// trusted-functions = ["app.record(text)"]
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
    /// Rights that it may have in addition to the floor, or `"any"`. Default: none.
    pub ceiling: Option<Ceiling>,
    /// Rights on tables that it may have by views, foreign keys, rules, triggers and functions only.
    #[serde(default)]
    pub indirect: Vec<Right>,
    /// SECURITY DEFINER functions, as `schema.name(types)`, that a review found to give it nothing beyond its rights. They are
    /// not tested, and the reports say so.
    #[serde(default)]
    pub trusted_functions: Vec<String>,
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

impl Parameters for Role {
    const KIND: &'static str = "role";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        match (&self.role, self.roles.as_slice()) {
            (None, []) => errors
                .whole("no role is named")
                .add_hint("add `role = \"app\"`, or `roles = [\"app_*\"]`"),
            (Some(_), [_, ..]) => {
                errors.at("roles", "give `role` or `roles`, not both");
            }
            _ => {}
        }
        errors.refuse_pattern("role", "roles", self.role.as_ref());
        let role = self.role.iter().map(|name| ("role", name));
        let roles = self.roles.iter().map(|name| ("roles", name));
        let reaches = self.reaches.iter().map(|name| ("reaches", name));
        for (key, name) in role.chain(roles).chain(reaches) {
            errors.require(key, role_pattern(name));
        }
        let asserted = [
            self.attributes.is_some(),
            self.member_of.is_some(),
            self.members.is_some(),
            self.floor.is_some(),
            matches!(self.ceiling, Some(Ceiling::Rights(_))),
            self.settings.is_some(),
            self.database_settings.is_some(),
            !self.may.is_empty() || !self.refused.is_empty(),
        ];
        errors.require_assertion(
            asserted,
            "add `floor`, and what else the role may have in `ceiling`",
        );
        errors.require_statements("may", &self.may);
        errors.require_statements("refused", &self.refused);
        indirect::validate(&self.trusted_functions, errors);
        let of_ceiling = [
            ("indirect", !self.indirect.is_empty()),
            ("trusted-functions", !self.trusted_functions.is_empty()),
        ];
        if !self.has_ceiling() {
            errors.each(
                of_ceiling,
                "needs `floor` or `ceiling`",
                "without an upper bound nothing is beyond it",
            );
        }
        if self.attempts && !self.compares_rights() {
            errors
                .at("attempts", "`attempts` needs `floor` or `ceiling`")
                .add_hint("add `floor`; single statements go into `may` and `refused`");
        }
    }
}

#[async_trait]
impl Check for Role {
    fn judges_only_attributes_of(&self) -> &[String] {
        let of_rights = self.floor.is_some() || matches!(self.ceiling, Some(Ceiling::Rights(_)));
        let tried = !self.may.is_empty() || !self.refused.is_empty() || self.attempts;
        let set = self.settings.is_some() || self.database_settings.is_some();
        match &self.role {
            _ if of_rights || tried || set => &[],
            Some(role) => std::slice::from_ref(role),
            None => &self.roles,
        }
    }

    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        match names.as_slice() {
            [one] => format!("rights of {one}"),
            many => format!("rights of {}", many.join(", ")),
        }
    }

    fn alone(&self) -> bool {
        self.tries() || self.names_tables()
    }

    fn reads(&self) -> Reads {
        let mut rows = RowsRead {
            ways_to_insert: true,
            statements: self.may.iter().chain(&self.refused).cloned().collect(),
            // With `attempts` it tries to read each one that is filled.
            materialized_views: self.attempts,
            trusted_functions: self.trusted_functions.clone(),
            ..RowsRead::default()
        };
        if self.names_tables() {
            let bounding = self.bounding().chain(&self.indirect);
            for table in bounding.flat_map(Right::tables) {
                rows.add(&table);
            }
        }
        Reads::Some(rows)
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let roles = Roles::read(&mut session).await?;
        let (found, mut findings) = self.find_roles(&roles);
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
        let facts = if self.compares_rights() {
            let named: Vec<Named> = allowed.iter().flat_map(|right| right.named()).collect();
            Some(Facts::read(&mut session, &roles, &actors, &named).await?)
        } else {
            None
        };
        let ways = match self.names_tables() {
            true => Some(Limits::read(&mut session, self, &roles, &actors).await?),
            false => None,
        };
        let (limits, missing) = ways.unzip();
        findings.extend(missing.into_iter().flatten());
        let scene = Scene {
            restored,
            roles: &roles,
            facts: facts.as_ref(),
            floor: &floor,
            allowed: &allowed,
            limits: limits.as_ref(),
        };
        let (mut entries, mut unclear) = (Vec::<Entry>::new(), Vec::new());
        for actor in actors {
            let began = Instant::now();
            let object = format!("role {}", actor.role.name);
            let compared = self.compare_role(&scene, &mut session, actor).await;
            let (found, actual) = match compared {
                Ok(compared) => compared,
                Err(error) => {
                    unclear.push(error);
                    continue;
                }
            };
            entries.push(Entry::new(
                &object,
                self.expectation(),
                actual,
                found,
                began,
            ));
        }
        session.close().await;
        let wrong = !findings.is_empty() || entries.iter().any(|entry| !entry.findings.is_empty());
        add_unclear(&mut findings, wrong, unclear)?;
        let actual = match entries.as_slice() {
            [one] => one.actual.clone(),
            [] => "no such role".to_owned(),
            many => show_counted(many.len(), "role"),
        };
        let mut whole = Observation::new(self.expectation(), actual, findings);
        whole.not_tested = indirect::not_tested(&self.trusted_functions);
        Ok(whole.with_entries_if(!self.roles.is_empty(), entries))
    }
}

impl Role {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.role.iter().chain(&self.roles).map(String::as_str)
    }

    fn compares_rights(&self) -> bool {
        self.floor.is_some() || self.ceiling.is_some()
    }

    /// Whether there is an upper bound.
    fn has_ceiling(&self) -> bool {
        self.compares_rights() && self.ceiling != Some(Ceiling::Any)
    }

    /// Whether statements are tried.
    fn tries(&self) -> bool {
        self.attempts || !self.may.is_empty() || !self.refused.is_empty()
    }

    /// Whether an upper bound names a table without a pattern.
    fn names_tables(&self) -> bool {
        self.has_ceiling() && self.bounding().any(Right::names_table)
    }

    /// The entries of the floor and the ceiling.
    fn bounding(&self) -> impl Iterator<Item = &Right> {
        let ceiling = match &self.ceiling {
            Some(Ceiling::Rights(rights)) => rights.as_slice(),
            _ => &[],
        };
        self.floor.iter().flatten().chain(ceiling)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = Vec::new();
        if let Some(floor) = &self.floor {
            parts.push(format!(
                "the rights of {}",
                show_counted(floor.len(), "entry")
            ));
        }
        parts.push(
            match (&self.ceiling, &self.floor) {
                (Some(Ceiling::Any), _) => "other rights not compared",
                (None, None) => "rights not compared",
                (Some(Ceiling::Rights(_)), _) | (None, Some(_)) => "no right outside the ceiling",
            }
            .to_owned(),
        );
        let more = [
            ("attributes", self.attributes.is_some()),
            ("memberships", self.member_of.is_some()),
            ("members", self.members.is_some()),
            ("settings", self.settings.is_some()),
            ("settings of the database", self.database_settings.is_some()),
            ("attempts", self.tries()),
        ];
        parts.extend(
            more.into_iter()
                .filter(|(_, is)| *is)
                .map(|(word, _)| word.to_owned()),
        );
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
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
    #[case(
        "role = 'app'\nfloor = []\nceiling = 'any'\ntrusted-functions = ['a.b()']",
        1
    )]
    #[case(
        "role = 'app'\nfloor = []\nindirect = ['delete on a.b']\ntrusted-functions = ['a.b()']",
        0
    )]
    #[case("role = 'app'\nfloor = []\ntrusted-functions = ['a.b']", 1)]
    fn what_asserts_nothing_is_refused(#[case] text: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(text).unwrap().validate(errors)).len(),
            expected
        );
    }

    #[rstest]
    #[case("role = 'app'\nceiling = 'none'", "not a ceiling")]
    #[case("role = 'app'\nfloor = ['slect on app.*']", "no right SLECT")]
    #[case("role = 'app'\nmember-of = [{ rol = 'x' }]", "unknown field")]
    #[case("role = 'app'\nmember-of = [1]", "the name of a role")]
    fn what_cannot_be_read_says_why(#[case] text: &str, #[case] why: &str) {
        let error = check(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
