//! Views by which a tenant reads another's schema.

use std::collections::{BTreeMap, BTreeSet};

use super::{Own, Tenants};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{Facts, ObjectClass};
use crate::sql::{Glob, QualifiedName};

/// The schemas that views read tables of, by the OID of the view.
pub(super) type ReadSchemas = BTreeMap<String, BTreeSet<String>>;

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

/// Reads them.
pub(super) async fn read(session: &mut Session) -> Result<ReadSchemas, CouldNotRun> {
    let mut views = ReadSchemas::new();
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

/// Finds those by which a tenant reads another's schema.
pub(super) fn compare(
    tenants: &Tenants<'_>,
    facts: &Facts,
    own: &Own<'_>,
    views: &ReadSchemas,
) -> Vec<Finding> {
    let shared: Vec<(Glob, Glob)> = tenants
        .check
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
        let others: Vec<&str> = tenants
            .others(own)
            .filter(|name| **name != object.schema && read.contains(*name))
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
