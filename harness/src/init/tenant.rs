//! Tenants that have a schema each: schemas with the same tables, and a role for each.

use super::block::{Block, Value};
use super::relation::{Relations, text};
use super::section::{Section, some};
use crate::database::{DatabaseError, Session};
use crate::sql::{quote_ident, quote_literal};

/// Schemas that are alike, and the role of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenants {
    schemas: Vec<String>,
    /// The role of each, in the same order; empty where they cannot be told.
    roles: Vec<String>,
    /// All schemas there are, so that a pattern takes no other.
    all: Vec<String>,
}

/// Roles that may use one schema and none of the others: neither superusers nor its owner.
const ROLES: &str = "
SELECT r.rolname FROM pg_catalog.pg_roles r, pg_catalog.pg_namespace n
 WHERE n.nspname = {schema} AND NOT r.rolsuper AND r.oid <> n.nspowner AND r.rolname !~ '^pg_'
   AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace o
                    WHERE o.nspname IN ({others}) AND pg_catalog.has_schema_privilege(r.oid, o.oid, 'USAGE'))
 ORDER BY pg_catalog.strpos(r.rolname, {schema}) = 0, NOT r.rolcanlogin, 1";

const SCHEMAS: &str = "SELECT n.nspname FROM pg_catalog.pg_namespace n ORDER BY 1";

/// Finds them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(
    session: &mut Session,
    relations: &Relations,
) -> Result<Vec<Tenants>, DatabaseError> {
    let mut shapes: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    let mut schemas: Vec<&str> = relations
        .tables()
        .map(|one| one.name.schema.as_str())
        .collect();
    schemas.dedup();
    for schema in schemas {
        let tables = relations.tables().filter(|one| one.name.schema == schema);
        let tables: Vec<&str> = tables.map(|one| one.name.name.as_str()).collect();
        match shapes.iter_mut().find(|(shape, _)| *shape == tables) {
            Some((_, alike)) => alike.push(schema),
            None => shapes.push((tables, vec![schema])),
        }
    }
    let all = session.rows(SCHEMAS).await?;
    let all: Vec<String> = all.iter().map(|row| text(row, 0)).collect();
    let mut found = Vec::new();
    for (_, alike) in shapes.into_iter().filter(|(_, alike)| alike.len() > 1) {
        let mut roles = Vec::new();
        for schema in &alike {
            let others = alike.iter().filter(|other| *other != schema);
            let others: Vec<String> = others.map(|other| quote_literal(other)).collect();
            let sql = ROLES
                .replace("{schema}", &quote_literal(schema))
                .replace("{others}", &others.join(", "));
            roles.extend(session.value(&sql).await?);
        }
        if roles.len() < alike.len() {
            roles.clear();
        }
        found.push(Tenants {
            schemas: alike.into_iter().map(str::to_owned).collect(),
            roles,
            all: all.clone(),
        });
    }
    Ok(found)
}

/// Makes checks of them.
#[must_use]
pub fn section(all: &[Tenants]) -> Section {
    let mut section = Section::new("tenants with a schema each");
    for tenants in all {
        let names = tenants.schemas.join(", ");
        if tenants.roles.is_empty() {
            section.note(format!(
                "The schemas {names} have the same tables, but no role of its own for each, so nobody's reach can be tried."
            ));
        } else {
            section.blocks.push(tenants.block());
        }
    }
    if !all.is_empty() {
        let count = all.iter().map(|tenants| tenants.schemas.len()).sum();
        section.found(format!("{} alike", some(count, "schema")));
    }
    section
}

impl Tenants {
    fn block(&self) -> Block {
        let block = Block::new("tenant", "no tenant's role reads or writes another's schema")
            .guess("schemas with the same tables are tenants, and the role of each is the only one that may use it alone")
            .with("schemas", self.pattern());
        match self.rule() {
            Some(rule) => block.with("role", rule),
            None => {
                let pairs = self.schemas.iter().zip(&self.roles);
                let pairs = pairs.map(|(schema, role)| (schema.clone(), role.as_str().into()));
                block.with("roles", Value::Inline(pairs.collect()))
            }
        }
    }

    /// One pattern where it names these schemas and no other.
    fn pattern(&self) -> Vec<String> {
        let first = self.schemas.first().map(String::as_str).unwrap_or_default();
        let starts = first
            .match_indices('_')
            .filter_map(|(at, _)| first.get(..=at));
        let fits = |start: &&str| {
            let matching = self.all.iter().filter(|name| name.starts_with(*start));
            matching.count() == self.schemas.len()
                && self.schemas.iter().all(|name| name.starts_with(*start))
                && quote_ident(&format!("{start}x")) == format!("{start}x")
        };
        match starts.rev().find(fits) {
            Some(start) => vec![format!("{start}*")],
            None => self.schemas.iter().map(|name| quote_ident(name)).collect(),
        }
    }

    /// `app_{schema}`, where all roles are called so.
    fn rule(&self) -> Option<String> {
        let (schema, role) = (self.schemas.first()?, self.roles.first()?);
        let rule = role.replacen(schema.as_str(), "{schema}", 1);
        let follows = self
            .schemas
            .iter()
            .zip(&self.roles)
            .all(|(schema, role)| rule.replace("{schema}", schema) == *role);
        (rule.contains("{schema}") && follows).then_some(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(schemas: &[&str], roles: &[&str], others: &[&str]) -> Tenants {
        let own = |list: &[&str]| {
            list.iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        Tenants {
            schemas: own(schemas),
            roles: own(roles),
            all: [own(schemas), own(others)].concat(),
        }
    }

    #[test]
    fn a_rule_and_a_pattern_are_found() {
        let found = tenants(
            &["org_a", "org_b"],
            &["app_org_a", "app_org_b"],
            &["public"],
        );
        assert_eq!(found.rule().as_deref(), Some("app_{schema}"));
        assert_eq!(found.pattern(), ["org_*"]);
        let found = tenants(&["org_a", "org_b"], &["alice", "bob"], &["org_old"]);
        assert_eq!(found.rule(), None);
        assert_eq!(found.pattern(), ["org_a", "org_b"]);
    }
}
