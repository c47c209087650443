//! Tenants that have a schema each: schemas with the same tables, and a role for each.

use std::collections::BTreeSet;

use super::access::Access;
use super::block::{Block, Value};
use super::relation::Relations;
use super::section::{Section, grouped};
use super::ways::{IndirectWays, reviewed};
use crate::catalog::ObjectKind;
use crate::sql::quote_ident;
use crate::units::show_counted;

/// Schemas with the same tables, and the role of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSchemas {
    schemas: Vec<String>,
    /// The role of each, in the same order; empty if one has none of its own.
    roles: Vec<String>,
    /// All schemas, so that a pattern matches no other.
    all: Vec<String>,
    /// Functions by which a role may read or write another's schema.
    functions: Vec<String>,
}

/// Finds schemas with the same tables.
#[must_use]
pub fn find(
    relations: &Relations<'_>,
    access: &Access<'_>,
    ways: &IndirectWays,
) -> Vec<TenantSchemas> {
    let tables = relations.tables();
    let by_schema = grouped(tables.map(|one| (one.name.schema.as_str(), one.name.name.as_str())));
    let shapes = grouped(
        by_schema
            .into_iter()
            .map(|(schema, tables)| (tables, schema)),
    );
    let own = relations.catalog.of_kind(ObjectKind::Schema);
    let of_tables = relations.nameable.iter().map(|name| &name.schema);
    let mut all: Vec<String> = own
        .map(|(id, _)| &id.name)
        .chain(of_tables)
        .cloned()
        .collect();
    all.sort();
    all.dedup();
    let shapes = shapes.into_iter().filter(|(_, alike)| alike.len() > 1);
    shapes
        .map(|(_, alike)| {
            let roles = alike
                .iter()
                .filter_map(|schema| role(access, schema, &alike));
            let mut roles: Vec<String> = roles.collect();
            if roles.len() < alike.len() {
                roles.clear();
            }
            let mut functions = BTreeSet::new();
            for (own, role) in alike.iter().zip(&roles) {
                let others = alike.iter().copied().filter(|other| other != own);
                functions.extend(ways.into_schemas(role, &others.collect()));
            }
            TenantSchemas {
                schemas: alike.into_iter().map(str::to_owned).collect(),
                roles,
                all: all.clone(),
                functions: functions.into_iter().collect(),
            }
        })
        .collect()
}

/// The role that may use a schema and none of the others: first one whose name contains that of the schema, then one
/// with LOGIN.
fn role(access: &Access<'_>, schema: &str, alike: &[&str]) -> Option<String> {
    let owner = access.schema(schema).map(|schema| schema.owner.as_str());
    let users = access.actors().filter(|actor| {
        let mut others = alike.iter().filter(|other| **other != schema);
        owner != Some(actor.role.name.as_str())
            && access.uses_schema(actor, schema)
            && !others.any(|other| access.uses_schema(actor, other))
    });
    let names = users.map(|actor| actor.role.name.clone());
    names.min_by_key(|name| {
        (
            !name.contains(schema),
            !access.may_log_in(name),
            name.clone(),
        )
    })
}

/// Writes the checks.
#[must_use]
pub fn section(all: &[TenantSchemas]) -> Section {
    let mut section = Section::new(
        "tenants with a schema each",
        "The role of a tenant reads and writes the tables of its own schema and of no other tenant's.",
    );
    for tenants in all {
        let names = tenants.schemas.join(", ");
        if tenants.roles.is_empty() {
            section.note(format!(
                "The schemas {names} have the same tables, but not each has a role of its own, so isolation cannot be checked."
            ));
        } else {
            section.blocks.push(tenants.block());
        }
    }
    if !all.is_empty() {
        let count: usize = all.iter().map(|tenants| tenants.schemas.len()).sum();
        section.found(format!(
            "{} with the same tables",
            show_counted(count, "schema")
        ));
    }
    section
}

impl TenantSchemas {
    fn block(&self) -> Block {
        let block = Block::new("tenant", "no tenant's role reads or writes another's schema")
            .guess("schemas with the same tables belong to tenants, and the role that may use only one of them is its tenant's.")
            .with("schemas", self.pattern());
        let block = match self.rule() {
            Some(rule) => block.with("role", rule),
            None => {
                let pairs = self.schemas.iter().zip(&self.roles);
                let pairs = pairs.map(|(schema, role)| (schema.clone(), role.as_str().into()));
                block.with("roles", Value::Inline(pairs.collect()))
            }
        };
        reviewed(block, &self.functions)
    }

    /// One pattern if it matches these schemas and no other, else all of them.
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

    /// A rule such as `app_{schema}`, if all roles follow it.
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

    fn tenants(schemas: &[&str], roles: &[&str], others: &[&str]) -> TenantSchemas {
        let own = |list: &[&str]| {
            list.iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        TenantSchemas {
            schemas: own(schemas),
            roles: own(roles),
            all: [own(schemas), own(others)].concat(),
            functions: Vec::new(),
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
