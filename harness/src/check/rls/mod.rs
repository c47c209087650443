//! `rls`: row security shows each role exactly the rows that it should see.
//!
//! - `catalog` is what the catalog says of a table, `bypass` what leads past its policies
//! - `policy` is which policies a table has
//! - `behaviour` is what a role sees and may write, tried as that role, with `visible`, `write` and `closed`

mod behaviour;
mod bypass;
mod catalog;
mod closed;
mod policy;
mod visible;
mod write;

use std::collections::BTreeSet;
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::behaviour::{Behaviour, Sees, Writes};
pub use self::policy::{PolicyCommand, WantedPolicy};
use crate::check::indirect::{self, Allowed, PastPolicies, Under};
use crate::check::privilege::conclude;
use crate::check::reads::{Reads, RowsRead};
use crate::check::target::Targets;
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding, summarize};
use crate::rights::Right;
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// Row security shows each role exactly the rows that it should see: by the catalog and by queries as the role.
///
/// ## What it proves
/// - Row security is on (and FORCEd, with `forced`) for each table; `enabled = false` says that it
///   must be off.
/// - No partition or inheritance child, to which the policies of its parent do not apply, can be
///   reached past them: none has grants to anyone but its owner, unless it has row security itself.
/// - With `policies`: the table has exactly these, with these attributes. Expressions are compared as
///   the server reads them, so casts and parentheses do not matter; the order of conditions does. Where
///   an `all` or `update` policy has no WITH CHECK, its USING is taken, as the server does.
/// - With `views = "fenced"`: no view straight on the table, readable by others, reads with the rights
///   of an owner to whom the policies do not apply.
/// - With `behaviour`: what a role sees and may write, in a session that is this role, with these
///   settings. The role itself must be under the policies: a superuser, a role with BYPASSRLS, or an
///   owner without FORCE is a finding, since whatever it sees shows nothing.
///   `sees-where` means that the role sees as many rows as there are for which the condition holds, and
///   that it holds for each of them; it must hold for at least one row, and not for all.
///   An UPDATE or DELETE of `refuses` counts as refused when it reaches no row, as policies do; it is
///   tried as superuser too, and there it must reach one. What is written is rolled back; sequences move on.
///   `writes = "none"` means that the role writes no row of any of the tables: DELETE and UPDATE of all rows reach none or lack the
///   right, and an INSERT of some rows that the table has is refused. An UPDATE that reaches rows and is refused by WITH CHECK says
///   nothing of other values: then the check could not run. Only a right or a policy counts: what a constraint stopped got past the
///   policies, and what a trigger stopped is tried again without triggers.
///
///   Nor does it read past the policies with the rights of another: each view that it may read, and that reads the table as an
///   owner to whom they do not apply, is read with and without the rows that the role does not see, and must show the same
///   (`shared-views` lists views that need not). Where it may call a SECURITY DEFINER function of such an owner that may
///   read the table (its body names it, or is not read: another language than SQL and PL/pgSQL, dynamic SQL), the check could
///   not run: `trusted-functions` lists functions that were reviewed.
///
///   Nor does it write rows that the policies hide: a command on a view of such an owner, on a table to which a foreign key with
///   CASCADE, SET NULL or SET DEFAULT refers (the server follows it past all policies), or on one with a rule or a
///   SECURITY DEFINER trigger that changes or removes rows of the table is tried on such rows. What code does is not seen
///   in one attempt: the check could not run unless `trusted-functions` lists it. `indirect` lists what is meant.
///
/// A table without rows shows nothing, and is an error: give `skip-empty = true` where `tables` names
/// many and some are empty by nature.
///
/// ## What it does not prove
/// That the policies are right for roles and settings that no behaviour names. That triggers which insert into the table
/// insert what the policies allow. What a materialised view shows. TRUNCATE, which no policy limits (`role`).
///
/// ## Example
/// ```toml
/// [[check.rls]]
/// table = "app.orders"
/// forced = true
/// views = "fenced"
/// policies = [
///     { name = "fence", using = "tenant = current_setting('app.tenant', true)" },
///     { name = "no_drafts", command = "select", permissive = false, roles = ["web"], using = "NOT draft" },
/// ]
///
/// [[check.rls.behaviour]]
/// role = "web"
/// settings = { "app.tenant" = "acme" }
/// sees-where = "tenant = 'acme' AND NOT draft"
/// refuses = "INSERT INTO app.orders (tenant) VALUES ('other')"
/// allows = "INSERT INTO app.orders (tenant) VALUES ('acme')"
///
/// [[check.rls.behaviour]]
/// role = "web"
/// sees = "none"
/// writes = "none"
///
/// [[check.rls.behaviour]]
/// role = "reporting"
/// denied = true
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rls {
    /// One table.
    pub table: Option<String>,
    /// Several tables; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Whether row security must be on. Default: true.
    pub enabled: Option<bool>,
    /// Whether it must hold for the owner too.
    pub forced: Option<bool>,
    /// The policies of each table; an empty list says that there must be none.
    pub policies: Option<Vec<WantedPolicy>>,
    /// What to do about policies that `policies` does not name. Default: `refuse`.
    #[serde(default)]
    pub other_policies: OtherPolicies,
    /// `fenced`: views over the table must not lead past its policies.
    pub views: Option<Views>,
    /// Views that may show the roles of `behaviour` what the policies hide from them, and write it; `*` and `?` match.
    #[serde(default)]
    pub shared_views: Vec<String>,
    /// SECURITY DEFINER functions, as `schema.name(types)`, that a review found to show these roles nothing that the policies
    /// hide from them, and to write none of it. They are not tested, and the reports say so.
    #[serde(default)]
    pub trusted_functions: Vec<String>,
    /// Commands that other objects may run on rows that the policies hide, as in `delete on app.sessions`: a foreign key with
    /// CASCADE that is meant.
    #[serde(default)]
    pub indirect: Vec<Right>,
    /// What roles see and may write.
    #[serde(default)]
    pub behaviour: Vec<Behaviour>,
    /// Whether tables without rows are left out of `behaviour`, as long as one has some.
    #[serde(default)]
    pub skip_empty: bool,
}

/// What to do about policies that the scenario does not name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OtherPolicies {
    /// Each is a finding.
    #[default]
    Refuse,
    /// They may be there.
    Allow,
}

/// What views over the table may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The policies hold for them too.
    Fenced,
}

impl Parameters for Rls {
    const KIND: &'static str = "rls";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        self.targets().validate(errors);
        let many = !self.tables.is_empty();
        if self.enabled == Some(false) && (self.forced.is_some() || !self.behaviour.is_empty()) {
            errors.at(
                "enabled",
                "without row security there is nothing to force and no behaviour to check",
            );
        }
        match &self.policies {
            Some(policies) => {
                for policy in policies {
                    policy.validate(errors);
                }
                let names: BTreeSet<&str> = policies.iter().map(|p| p.name.as_str()).collect();
                if names.len() < policies.len() {
                    errors.at("policies", "two policies have one name");
                }
                if policies.is_empty() && self.other_policies == OtherPolicies::Allow {
                    errors.at(
                        "policies",
                        "no policy is named and others are allowed: this asserts nothing",
                    );
                }
            }
            None if self.other_policies == OtherPolicies::Allow => {
                errors.at("other-policies", "`other-policies` needs `policies`");
            }
            None => {}
        }
        errors.require_names("shared-views", &self.shared_views, "schema.view");
        indirect::validate(&self.trusted_functions, errors);
        if self.behaviour.is_empty() {
            let of_roles = [
                ("shared-views", !self.shared_views.is_empty()),
                ("trusted-functions", !self.trusted_functions.is_empty()),
                ("indirect", !self.indirect.is_empty()),
            ];
            errors.each(
                of_roles,
                "needs `behaviour`",
                "no role is named without one",
            );
        }
        for behaviour in &self.behaviour {
            behaviour.validate(errors);
            if many && behaviour.is_of_one_table() {
                let message = "`sees-rows`, `through`, `refuses` and `allows` are about one table";
                errors
                    .at("behaviour", message)
                    .add_hint("name it with `table`, in a check of its own");
            }
        }
    }
}

#[async_trait]
impl Check for Rls {
    fn describe(&self) -> String {
        format!("row security of {}", self.targets().describe())
    }

    fn alone(&self) -> bool {
        true
    }

    fn reads(&self) -> Reads {
        let behaviour = || self.behaviour.iter();
        let written = behaviour().flat_map(|one| one.refuses.iter().chain(&one.allows));
        let conditions = behaviour().filter_map(|one| one.sees_where.as_ref());
        let conditions = conditions.map(|condition| format!("SELECT {condition}"));
        Reads::Some(
            RowsRead {
                statements: written.cloned().chain(conditions).collect(),
                trusted_functions: self.trusted_functions.clone(),
                ..RowsRead::default()
            }
            .with(self.table.iter().chain(&self.tables))
            .with(behaviour().filter_map(|one| one.through.as_ref())),
        )
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let resolved = self.targets().resolve(&mut session).await?;
        let roles: Vec<&str> = self.behaviour.iter().map(|one| one.role.as_str()).collect();
        let allowed = Allowed {
            trusted_functions: &self.trusted_functions,
            shared_views: &self.shared_views,
            indirect: &self.indirect,
        };
        let mut past = None;
        let mut missing = resolved.missing;
        if !roles.is_empty() {
            let (read, not_there) = PastPolicies::read(&mut session, &roles, allowed).await?;
            missing.extend(not_there);
            past = Some(read);
        }
        let mut unclear = Vec::new();
        let mut skipped = Vec::new();
        let mut entries = Vec::new();
        for table in &resolved.tables {
            let began = Instant::now();
            let mut findings = Vec::new();
            match self.catalog(&mut session, table).await {
                Ok(found) => findings.extend(found),
                Err(error) => unclear.push(error),
            }
            let past = past.as_ref();
            let tried = self.tried(restored, &mut session, (table, past), &mut unclear);
            let (seen, empty) = match tried.await? {
                Some(seen) => (seen, Vec::new()),
                None => (Vec::new(), vec![table.to_string()]),
            };
            findings.extend(seen);
            entries.push(Entry::new(
                table,
                self.expectation(),
                self.actual(&findings, 1, &empty),
                findings,
                began,
            ));
            skipped.extend(empty);
        }
        session.close().await;
        if !skipped.is_empty() && skipped.len() == resolved.tables.len() {
            unclear.push(CouldNotRun::new("every table is empty"));
        }
        let wrong: Vec<Finding> = entries
            .iter()
            .flat_map(|entry| entry.findings.clone())
            .collect();
        let all = conclude([missing.clone(), wrong].concat(), unclear.clone())?;
        let actual = self.actual(&all, resolved.tables.len(), &skipped);
        if !unclear.is_empty() {
            return Ok(Observation::new(self.expectation(), actual, all));
        }
        let mut whole = Observation::new(self.expectation(), actual, missing);
        whole.not_tested = indirect::not_tested(&self.trusted_functions);
        Ok(self.targets().in_entries(whole, entries))
    }
}

impl Rls {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    /// Looks at one table as each role; `None` when it has no rows and may be left out.
    async fn tried(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        (table, past): (&QualifiedName, Option<&PastPolicies<'_>>),
        unclear: &mut Vec<CouldNotRun>,
    ) -> Result<Option<Vec<Finding>>, CouldNotRun> {
        let mut findings = Vec::new();
        if self.behaviour.is_empty() {
            return Ok(Some(findings));
        }
        let total = restored.count(session, table).await?;
        if total == 0 && self.skip_empty {
            return Ok(None);
        }
        if total == 0 {
            unclear.push(
                CouldNotRun::new(format!(
                    "{table} is empty, and nothing can be seen or hidden in it"
                ))
                .hint("check whether the restore lost its rows; with many `tables`, `skip-empty = true` leaves it out"),
            );
            return Ok(Some(findings));
        }
        for behaviour in &self.behaviour {
            if let Some(finding) = bypass::exempt(session, table, &behaviour.role).await? {
                findings.push(finding);
                continue;
            }
            match behaviour.check(restored, session, table, total).await {
                Ok(found) => findings.extend(found),
                Err(error) => unclear.push(error),
            }
            let settings: Vec<(String, String)> = behaviour.settings.clone().into_iter().collect();
            let under = Under {
                role: &behaviour.role,
                settings: &settings,
                table,
            };
            if let Some(past) = past {
                let (found, open) = past.find(restored, session, under).await?;
                findings.extend(found);
                unclear.extend(open);
            }
        }
        unclear.dedup();
        Ok(Some(findings))
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = vec![
            match (self.enabled.unwrap_or(true), self.forced) {
                (false, _) => "row security off",
                (true, Some(true)) => "row security on and forced",
                (true, Some(false)) => "row security on and not forced",
                (true, None) => "row security on",
            }
            .to_owned(),
        ];
        if let Some(policies) = &self.policies {
            parts.push(match self.other_policies {
                OtherPolicies::Refuse => {
                    format!("exactly {}", show_counted(policies.len(), "policy"))
                }
                OtherPolicies::Allow => {
                    format!("at least {}", show_counted(policies.len(), "policy"))
                }
            });
        }
        if !self.behaviour.is_empty() {
            parts.push(show_counted(self.behaviour.len(), "behaviour"));
        }
        parts.join(", ")
    }

    /// Says what was found, in one line.
    fn actual(&self, findings: &[Finding], tables: usize, skipped: &[String]) -> String {
        let mut text = if findings.is_empty() {
            format!("as expected in {}", show_counted(tables, "table"))
        } else {
            summarize(findings, "finding")
        };
        if !skipped.is_empty() {
            text.push_str(&format!(
                "; without rows, and so without behaviour: {}",
                skipped.join(", ")
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check() -> Rls {
        Rls {
            table: Some("app.t".to_owned()),
            ..Rls::default()
        }
    }

    fn app(sees_rows: Option<u64>) -> Behaviour {
        Behaviour {
            role: "app".to_owned(),
            sees_rows,
            sees: sees_rows.is_none().then_some(Sees::None),
            ..Behaviour::default()
        }
    }

    #[rstest]
    #[case(check(), 0)]
    #[case(Rls { table: None, ..check() }, 1)]
    #[case(Rls { enabled: Some(false), ..check() }, 0)]
    #[case(Rls { enabled: Some(false), forced: Some(true), ..check() }, 1)]
    #[case(Rls { policies: Some(Vec::new()), ..check() }, 0)]
    #[case(Rls { policies: Some(Vec::new()), other_policies: OtherPolicies::Allow, ..check() }, 1)]
    #[case(Rls { other_policies: OtherPolicies::Allow, ..check() }, 1)]
    #[case(Rls { table: None, tables: vec!["app.*".to_owned()], behaviour: vec![app(None)], ..check() }, 0)]
    #[case(Rls { table: None, tables: vec!["app.*".to_owned()], behaviour: vec![app(Some(1))], ..check() }, 1)]
    fn a_check_says_something(#[case] check: Rls, #[case] expected: usize) {
        assert_eq!(errors_of(|errors| check.validate(errors)).len(), expected);
    }
}
