//! What a role may do beyond its upper bound by way of other objects.

use super::Role;
use super::compare::Scene;
use crate::check::indirect::{Indirect, Limit, Ways};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{Actor, Facts, KnownRights, Right, Roles, WriteEvent, find_bounds};

/// What the ways follow from. Its rights are those of the owners too, which the ceiling must not count.
pub(super) struct Limits {
    indirect: Indirect,
    rights: Facts,
}

impl Limits {
    /// Reads it; also gives a finding for each trusted function that is not there.
    pub(super) async fn read(
        session: &mut Session,
        check: &Role,
        roles: &Roles,
        actors: &[Actor<'_>],
    ) -> Result<(Self, Vec<Finding>), CouldNotRun> {
        let (indirect, missing) = Indirect::read(session, &check.trusted_functions).await?;
        let names = actors.iter().map(|actor| actor.role.name.as_str());
        let rights = indirect.rights(session, roles, names, &[]).await?;
        Ok((Self { indirect, rights }, missing))
    }
}

impl Role {
    /// Tries or lists the ways of one role beyond its upper bound.
    pub(super) async fn ways(
        &self,
        scene: &Scene<'_>,
        session: &mut Session,
        actor: &Actor<'_>,
        Limits { indirect, rights }: &Limits,
    ) -> Result<(Vec<Finding>, Option<CouldNotRun>), CouldNotRun> {
        let role = &actor.role.name;
        let known = KnownRights::new(&indirect.writes, scene.roles, rights);
        let mut entries: Vec<&Right> = scene.allowed.to_vec();
        entries.extend(&self.indirect);
        let mut ways = Ways::default();
        for bound in find_bounds(&indirect.writes, rights, actor, scene.allowed, &entries) {
            let table = bound.table.name.to_string();
            let expected = match WriteEvent::list(bound.allowed) {
                allowed if allowed.is_empty() => format!("{role} does not write it"),
                allowed => format!("nothing beyond {allowed} for {role}"),
            };
            let mut limit = Limit {
                object: table.clone(),
                expected,
                purpose: String::new(),
                indirect: Some(table.clone()),
                targets: &bound.targets,
            };
            limit.purpose = format!("{} {table}", limit.commands());
            ways.find(
                scene.restored,
                session,
                &[],
                (indirect, &known),
                (actor, &limit),
            )
            .await?;
        }
        Ok(ways.finish())
    }
}
