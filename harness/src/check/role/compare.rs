//! Compares one role with everything that the check says of it.

use super::ways::Limits;
use super::{Ceiling, Role, attempt, attribute, ceiling, floor, membership};
use crate::check::Restored;
use crate::check::absent;
use crate::check::privilege::conclude;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding, summarize};
use crate::rights::{Actor, Facts, Right, RoleFacts, Roles, role_pattern};
use crate::sql::Glob;
use crate::units::show_counted;

/// What all roles of a check are compared with.
pub(super) struct Scene<'a> {
    pub(super) restored: &'a Restored<'a>,
    pub(super) roles: &'a Roles,
    pub(super) facts: Option<&'a Facts>,
    pub(super) floor: &'a [Right],
    pub(super) allowed: &'a [&'a Right],
    pub(super) limits: Option<&'a Limits>,
}

impl Role {
    /// Finds the roles that the check names; a name without a role is a finding.
    pub(super) fn find_roles<'a>(&self, roles: &'a Roles) -> (Vec<&'a RoleFacts>, Vec<Finding>) {
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
                findings.push(absent::role(name, roles));
            }
            for role in matching {
                if !found.contains(&role) {
                    found.push(role);
                }
            }
        }
        (found, findings)
    }

    /// Gives the findings about one role, and what was found in one line.
    pub(super) async fn compare_role(
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
        let powers = membership::find_powers(roles, &actor, &named);
        findings.extend(powers.findings);
        // What a superuser has, and what leads through it, is said by that one finding.
        actor.without(|name| roles.is_superuser(name));
        let mut unclear = Vec::new();
        let mut actual = Vec::new();
        if let Some(facts) = scene.facts {
            let (missing, compared) = floor::compare(facts, &actor, scene.floor);
            findings.extend(missing);
            if self.floor.is_some() {
                actual.push(format!("the floor on {}", show_counted(compared, "object")));
            }
            if self.ceiling == Some(Ceiling::Any) {
                // Any right is allowed.
            } else if role.superuser {
                actual.push("it is superuser, and has no ceiling".to_owned());
            } else if let Some(superuser) = &powers.superuser {
                actual.push(format!(
                    "it may become superuser {superuser}, and has no ceiling"
                ));
            } else {
                let objects = &facts.objects;
                let excess = ceiling::compare(objects, &actor, scene.allowed, &powers.flagged);
                findings.extend(excess);
                actual.push(format!(
                    "the ceiling on {}",
                    show_counted(objects.len(), "object")
                ));
                if let Some(limits) = scene.limits {
                    let (found, open) = self.ways(scene, session, &actor, limits).await?;
                    findings.extend(found);
                    unclear.extend(open);
                }
            }
        }
        if self.tries() {
            let given = (self.may.as_slice(), self.refused.as_slice(), self.attempts);
            let known = scene.facts.map(|facts| (facts, &actor, scene.floor));
            let tried = attempt::run(scene.restored, session, &role.name, given, known).await?;
            findings.extend(tried.findings);
            unclear.extend(tried.unclear);
            actual.push(format!(
                "{} tried",
                show_counted(tried.statements, "statement")
            ));
        }
        let findings = conclude(findings, unclear)?;
        let actual = match findings.is_empty() {
            true if actual.is_empty() => "as expected".to_owned(),
            true => format!("as expected: {}", actual.join(", ")),
            false => summarize(&findings, "finding"),
        };
        Ok((findings, actual))
    }
}
