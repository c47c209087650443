//! Rights of a tenant's role on everything of the others.

use super::{Own, Tenants};
use crate::check::role::{ceiling, membership};
use crate::outcome::Finding;
use crate::rights::{Actor, Facts, ObjectClass, ObjectFacts, Roles};
use crate::sql::quote_ident;

/// Compares the rights of one tenant's role on everything of the others. Gives the role without memberships that are
/// findings of their own, or nothing for a superuser.
pub(super) fn compare<'a>(
    tenants: &Tenants<'_>,
    (roles, facts): (&Roles, &Facts),
    (own, owns): (&Own<'a>, &[Own<'_>]),
) -> (Vec<Finding>, Option<Actor<'a>>) {
    let mut actor = own.actor.clone();
    let (role, object) = (&actor.role.name, format!("role {}", actor.role.name));
    if actor.role.superuser {
        let finding = Finding::about(object, "a role that rules hold for", "it is superuser");
        let hint = format!("ALTER ROLE {} NOSUPERUSER", quote_ident(role));
        return (vec![finding.hint(hint)], None);
    }
    let powers = membership::find_powers(roles, &actor, &[]);
    let mut findings: Vec<Finding> = powers.findings.into_iter().map(without_offer).collect();
    let mut flagged = powers.flagged;
    let others = || owns.iter().map(|other| (other, &other.actor.role.name));
    for (_, other) in others().filter(|(_, other)| *other != role) {
        if let Some(path) = actor.paths.get(other.as_str()) {
            findings.push(
                Finding::about(&object, format!("no way to {other}"), path.describe()).hint(
                    format!(
                        "REVOKE {} FROM {}",
                        quote_ident(path.membership().unwrap_or_default()),
                        quote_ident(role)
                    ),
                ),
            );
            flagged.push(other.clone());
        }
    }
    let shared = others().filter(|(other, name)| other.schema != own.schema && *name == role);
    findings.extend(shared.map(|(other, _)| {
        Finding::about(
            &object,
            "a role for each tenant",
            format!("it is the role of {} too", other.schema),
        )
    }));
    actor.without(|name| flagged.iter().any(|one| one == name));
    for other in tenants.others(own) {
        let objects = of_schema(facts, other);
        let found = ceiling::compare(&objects, &actor, &[], &flagged);
        findings.extend(found.into_iter().map(without_offer));
    }
    findings.dedup();
    (findings, Some(actor))
}

/// There is no ceiling here that could allow it.
fn without_offer(mut finding: Finding) -> Finding {
    if let Some(hint) = &mut finding.hint
        && let Some(at) = hint.find("; where it is meant")
    {
        hint.truncate(at);
    }
    finding
}

/// What belongs to one schema, and what is by default in every schema.
fn of_schema(facts: &Facts, schema: &str) -> Vec<ObjectFacts> {
    let inside = |object: &&ObjectFacts| match object.class {
        ObjectClass::Schema => object.name == schema,
        class if class.is_default() => object.schema.is_empty() || object.schema == schema,
        _ => object.schema == schema,
    };
    let mut objects: Vec<ObjectFacts> = facts.objects.iter().filter(inside).cloned().collect();
    for object in &mut objects {
        // Functions and types are closed by their schema.
        if matches!(object.class, ObjectClass::Function | ObjectClass::Type) {
            object.grants.retain(|grant| !grant.by_default);
        }
    }
    objects
}
