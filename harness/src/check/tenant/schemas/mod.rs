//! Tenants by schema: every role against every other's schema.
//!
//! - `rights` compares what the role may do, `views` what it may read with the rights of a view's owner
//! - `attempts` tries statements as the role
//! - `ways` tries or lists what it may do with the rights of another

mod attempts;
mod rights;
mod views;
mod ways;

use std::time::Instant;

use self::attempts::TenantTable;
use self::ways::OtherRights;
use super::Tenant;
use crate::check::absent;
use crate::check::indirect::not_tested;
use crate::check::privilege::{add_unclear, conclude};
use crate::check::{Entry, Observation, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding, summarize};
use crate::rights::{Actor, Facts, Roles, identifier_pattern};
use crate::units::show_counted;

/// The tenants of a check.
struct Tenants<'a> {
    check: &'a Tenant,
    restored: &'a Restored<'a>,
    /// Their schemas.
    names: &'a [String],
    /// Their tables.
    tables: Vec<TenantTable>,
}

impl<'a> Tenants<'a> {
    /// The schemas of the other tenants.
    fn others(&self, own: &Own<'_>) -> impl Iterator<Item = &'a String> {
        let own = own.schema.clone();
        self.names.iter().filter(move |name| **name != own)
    }
}

/// A schema and the role that is its tenant's.
struct Own<'a> {
    schema: String,
    actor: Actor<'a>,
}

const SCHEMAS: &str = "
SELECT nspname FROM pg_catalog.pg_namespace
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1";

/// Checks every pair of tenants.
///
/// # Errors
/// When it could not run, or there was nothing to check.
pub async fn run(check: &Tenant, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
    let mut session = restored.session().await?;
    let roles = Roles::read(&mut session).await?;
    let (names, mut findings) = schemas(check, &mut session).await?;
    let mut owns: Vec<Own<'_>> = Vec::new();
    for schema in &names {
        let Some(name) = role_of(check, schema) else {
            findings.push(
                Finding::about(format!("schema {schema}"), "a role of its own", "`roles` does not name it")
                    .hint("a schema that `schemas` matches belongs to a tenant: add it to `roles`, or name schemas more narrowly"),
            );
            continue;
        };
        match roles.all.get(&name) {
            Some(role) => owns.push(Own {
                schema: schema.clone(),
                actor: Actor::new(&roles, role),
            }),
            None => findings.push(Finding {
                expected: format!("the role of schema {schema}"),
                ..absent::role(&name, &roles)
            }),
        }
    }
    if names.len() < 2 && findings.is_empty() {
        return Err(
            CouldNotRun::new("isolation needs at least two tenants, and there is one")
                .hint("check whether the restore lost the other schemas"),
        );
    }
    let tenants = Tenants {
        check,
        restored,
        tables: attempts::tables(&mut session, &names).await?,
        names: &names,
    };
    let actors: Vec<Actor<'_>> = owns.iter().map(|own| own.actor.clone()).collect();
    let facts = Facts::read(&mut session, &roles, &actors, &[]).await?;
    let views = views::read(&mut session).await?;
    let (others, missing) = OtherRights::read(&mut session, &tenants, (&roles, &owns)).await?;
    findings.extend(missing);
    let mut entries = Vec::new();
    let mut unclear_all = Vec::new();
    for own in &owns {
        let began = Instant::now();
        let (mut found, actor) = rights::compare(&tenants, (&roles, &facts), (own, &owns));
        found.extend(views::compare(&tenants, &facts, own, &views));
        let mut unclear = Vec::new();
        let all = (&mut found, &mut unclear);
        let statements = attempts::tries(&tenants, &mut session, own, all).await?;
        if let Some(actor) = actor {
            let ways = others.find(&tenants, &mut session, (&roles, own), &actor);
            let (written, open) = ways.await?;
            found.extend(written);
            unclear.extend(open);
        }
        if found.is_empty() {
            unclear_all.extend(unclear.iter().cloned());
        }
        let found = conclude(found, unclear).unwrap_or_default();
        entries.push(Entry {
            object: own.schema.clone(),
            expected: format!("{} has its own schema and no other", own.actor.role.name),
            actual: if found.is_empty() {
                format!(
                    "no right on {}, {} refused",
                    show_counted(names.len() - 1, "other schema"),
                    show_counted(statements, "statement")
                )
            } else {
                summarize(&found, "finding")
            },
            findings: found,
            duration: began.elapsed(),
        });
    }
    session.close().await;
    let wrong = !findings.is_empty() || entries.iter().any(|entry| !entry.findings.is_empty());
    add_unclear(&mut findings, wrong, unclear_all)?;
    let expected = format!(
        "{}, none with a right on another's schema",
        show_counted(names.len(), "tenant")
    );
    let actual = format!("{} tried pairwise", show_counted(entries.len(), "tenant"));
    let mut whole = Observation::new(expected, actual, findings);
    whole.not_tested = not_tested(&check.trusted_functions);
    Ok(whole.with_entries(entries))
}

/// The schemas that the check names, and a finding for each name that matches none.
async fn schemas(
    check: &Tenant,
    session: &mut Session,
) -> Result<(Vec<String>, Vec<Finding>), CouldNotRun> {
    let all: Vec<String> = session
        .rows(SCHEMAS)
        .await?
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect();
    let mut names: Vec<String> = Vec::new();
    let mut findings = Vec::new();
    for pattern in &check.schemas {
        let glob = identifier_pattern(pattern).map_err(CouldNotRun::new)?;
        let matching: Vec<&String> = all.iter().filter(|name| glob.matches(name)).collect();
        if matching.is_empty() {
            findings.push(
                Finding::about(
                    format!("schema {pattern}"),
                    "a tenant's schema",
                    "there is none in the restored database",
                )
                .hint("check whether the restore lost it, or correct the name in the scenario"),
            );
        }
        for name in matching {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    Ok((names, findings))
}

/// The name of the role of a schema.
fn role_of(check: &Tenant, schema: &str) -> Option<String> {
    check
        .roles
        .get(schema)
        .cloned()
        .or_else(|| Some(check.role.as_ref()?.replace("{schema}", schema)))
}
