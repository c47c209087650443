//! Tenants by schema: every role against every other's schema.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::Tenant;
use crate::check::absent;
use crate::check::columns::Columns as _;
use crate::check::privilege::{add_unclear, conclude, could_not_try};
use crate::check::role::{ceiling, membership};
use crate::check::{Entry, Observation, Restored};
use crate::database::{Attempt, Session, TextRow};
use crate::outcome::{CouldNotRun, Finding, summarize};
use crate::rights::{Actor, Facts, ObjectClass, ObjectFacts, Roles, identifier_pattern};
use crate::sql::{Glob, QualifiedName, quote_ident};
use crate::units::show_counted;

/// A schema and the role that is its tenant's.
struct Own<'a> {
    schema: String,
    actor: Actor<'a>,
}

/// A table of some tenant.
struct TenantTable {
    schema: String,
    name: QualifiedName,
    /// A column that can be written.
    column: Option<String>,
}

const SCHEMAS: &str = "
SELECT nspname FROM pg_catalog.pg_namespace
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1";

const TABLES: &str = "
SELECT n.nspname, c.relname,
       (SELECT a.attname FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum LIMIT 1)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' ORDER BY 1, 2";

/// Which schemas a view reads tables of, views below it included, unless it reads with its caller's
/// rights. A materialised view keeps rows of its own.
const VIEWS: &str = "
WITH RECURSIVE reads(view, relation) AS (
  SELECT w.ev_class, d.refobjid
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
                               AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                               AND d.refobjid <> w.ev_class
), deep(view, relation) AS (
  SELECT view, relation FROM reads
  UNION
  SELECT deep.view, reads.relation FROM deep JOIN reads ON reads.view = deep.relation
)
SELECT DISTINCT deep.view, n.nspname
  FROM deep
  JOIN pg_catalog.pg_class v ON v.oid = deep.view AND v.relkind IN ('v', 'm')
  JOIN pg_catalog.pg_class t ON t.oid = deep.relation AND t.relkind IN ('r', 'p', 'f', 'm')
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
 WHERE NOT EXISTS (SELECT FROM pg_catalog.unnest(v.reloptions) o(option)
                    WHERE o.option IN ('security_invoker=true', 'security_invoker=on',
                                       'security_invoker=yes', 'security_invoker=1'))";

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
    let actors: Vec<Actor<'_>> = owns.iter().map(|own| own.actor.clone()).collect();
    let facts = Facts::read(&mut session, &roles, &actors, &[]).await?;
    let views = views(&mut session).await?;
    let tables = tables(&mut session, &names).await?;
    let mut entries = Vec::new();
    let mut unclear_all = Vec::new();
    for own in &owns {
        let began = Instant::now();
        let mut found = Vec::new();
        let mut unclear = Vec::new();
        found.extend(rights(&roles, &facts, own, &owns, &names));
        found.extend(peeks(check, &facts, own, &names, &views));
        let statements = tries(
            check,
            restored,
            &mut session,
            own,
            &tables,
            &names,
            &mut found,
            &mut unclear,
        )
        .await?;
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
    Ok(Observation::new(expected, actual, findings).with_entries(entries))
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

/// Rights of one tenant's role on everything of the others.
fn rights(
    roles: &Roles,
    facts: &Facts,
    own: &Own<'_>,
    owns: &[Own<'_>],
    names: &[String],
) -> Vec<Finding> {
    let mut actor = own.actor.clone();
    let (role, object) = (&actor.role.name, format!("role {}", actor.role.name));
    if actor.role.superuser {
        return vec![
            Finding::about(object, "a role that rules hold for", "it is superuser")
                .hint(format!("ALTER ROLE {} NOSUPERUSER", quote_ident(role))),
        ];
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
    for other in names.iter().filter(|name| **name != own.schema) {
        let objects = of_schema(facts, other);
        let found = ceiling::compare(&objects, &actor, &[], &flagged);
        findings.extend(found.into_iter().map(without_offer));
    }
    findings.dedup();
    findings
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

async fn views(session: &mut Session) -> Result<BTreeMap<String, BTreeSet<String>>, CouldNotRun> {
    let mut views: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in session.rows(VIEWS).await? {
        if let [Some(view), Some(schema)] = row.as_slice() {
            views
                .entry(view.clone())
                .or_default()
                .insert(schema.clone());
        }
    }
    Ok(views)
}

/// Views by which a tenant reads another's schema.
fn peeks(
    check: &Tenant,
    facts: &Facts,
    own: &Own<'_>,
    names: &[String],
    views: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Finding> {
    let shared: Vec<(Glob, Glob)> = check
        .shared_views
        .iter()
        .filter_map(|view| {
            let name = QualifiedName::parse(view).ok()?;
            Some((Glob::new(&name.schema), Glob::new(&name.name)))
        })
        .collect();
    let mut findings = Vec::new();
    for object in &facts.objects {
        let Some(read) = views
            .get(&object.id)
            .filter(|_| object.class == ObjectClass::Table && !object.outside)
        else {
            continue;
        };
        let others: Vec<&str> = names
            .iter()
            .filter(|name| **name != own.schema && **name != object.schema && read.contains(*name))
            .map(String::as_str)
            .collect();
        let allowed = shared
            .iter()
            .any(|(schema, name)| schema.matches(&object.schema) && name.matches(&object.name));
        let rights = own.actor.rights_on(object);
        let Some(select) = rights.iter().find(|held| held.privilege == "SELECT") else {
            continue;
        };
        if others.is_empty() || allowed {
            continue;
        }
        findings.push(
            Finding::about(
                object.show(),
                format!("no view of {} into another's schema", own.actor.role.name),
                format!(
                    "it reads {} with the rights of its owner, and SELECT is {}",
                    others.join(", "),
                    select.path.describe()
                ),
            )
            .hint("where it shows each tenant only its own, name it in `shared-views`"),
        );
    }
    findings
}

async fn tables(session: &mut Session, names: &[String]) -> Result<Vec<TenantTable>, CouldNotRun> {
    let rows = session.rows(TABLES).await?;
    let table = |row: &TextRow| {
        let name = row.name(0).filter(|name| names.contains(&name.schema))?;
        Some(TenantTable {
            schema: name.schema.clone(),
            name,
            column: row.text(2),
        })
    };
    Ok(rows.iter().filter_map(table).collect())
}

/// Tries as the tenant's role; gives how many statements were refused.
#[expect(
    clippy::too_many_arguments,
    reason = "what one tenant is tried with, used once"
)]
async fn tries(
    check: &Tenant,
    restored: &Restored<'_>,
    session: &mut Session,
    own: &Own<'_>,
    tables: &[TenantTable],
    names: &[String],
    findings: &mut Vec<Finding>,
    unclear: &mut Vec<CouldNotRun>,
) -> Result<usize, CouldNotRun> {
    let role = &own.actor.role.name;
    let mut acting = match restored.session_as(role, &[]).await {
        Ok(acting) => acting,
        Err(error) if error.denied() => {
            findings.push(Finding::about(
                format!("role {role}"),
                "it may connect",
                "it is refused (42501)",
            ));
            return Ok(0);
        }
        Err(error) => return Err(error.into()),
    };
    // Whoever can read nothing at all is kept from everything, and that shows nothing.
    let (mut with_rows, mut readable) = (0, 0);
    for table in tables.iter().filter(|table| table.schema == own.schema) {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
        if session.rows(&sql).await?.is_empty() {
            continue;
        }
        with_rows += 1;
        match acting.rows(&sql).await {
            Ok(rows) => readable += usize::from(!rows.is_empty()),
            Err(error) if error.denied() => {}
            Err(error) => unclear.push(could_not_try(
                &format!("SELECT of {} as {role}", table.name),
                &error,
            )),
        }
    }
    if with_rows == 0 {
        unclear.push(
            CouldNotRun::new(format!("no table of schema {} has a row", own.schema))
                .hint("check whether the restore lost its rows"),
        );
    } else if readable == 0 {
        findings.push(
            Finding::about(
                format!("schema {}", own.schema),
                format!("{role} reads rows of its own"),
                "it can read none",
            )
            .hint("look for USAGE on the schema and SELECT on its tables"),
        );
    }
    let mut refused = 0;
    for other in names.iter().filter(|name| **name != own.schema) {
        let mut open: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut statements: Vec<(&str, String, String)> = Vec::new();
        for table in tables.iter().filter(|table| table.schema == *other) {
            let name = table.name.to_string();
            statements.push((
                "SELECT",
                name.clone(),
                format!("SELECT FROM {name} LIMIT 1"),
            ));
            statements.push((
                "DELETE",
                name.clone(),
                format!("DELETE FROM {name} WHERE false"),
            ));
            if let Some(column) = table.column.as_deref().map(quote_ident) {
                statements.push((
                    "UPDATE",
                    name.clone(),
                    format!("UPDATE {name} SET {column} = DEFAULT WHERE false"),
                ));
                statements.push((
                    "INSERT",
                    name.clone(),
                    format!("INSERT INTO {name} ({column}) SELECT NULL WHERE false"),
                ));
            }
        }
        for (at, sql) in check.refused.iter().enumerate() {
            let sql = sql
                .replace("{schema}", &own.schema)
                .replace("{other}", other);
            statements.push((
                "a statement of `refused`",
                format!("statement {}", at + 1),
                sql,
            ));
        }
        for (what, on, sql) in statements {
            match acting.attempt(&sql).await? {
                Attempt::Allowed(_) => open.entry(what).or_default().push(on),
                Attempt::Refused(error) if error.denied() => refused += 1,
                Attempt::Refused(error) => unclear.push(
                    could_not_try(&format!("{what} of {on} as {role}"), &error)
                        .hint("only a refusal because a right is missing (42501) shows something"),
                ),
            }
        }
        for (what, on) in open {
            findings.push(Finding::about(
                on.join(", "),
                format!("{what} is refused for {role}"),
                "it went through (rolled back)",
            ));
        }
    }
    acting.close().await;
    Ok(refused)
}
