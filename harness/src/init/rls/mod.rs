//! Row-level security: the policies of tables, and what a session of one tenant reads and writes, where a policy shows
//! which column holds the tenant.
//!
//! By its own SQL: the tenants of a table, and which tables a view reads; the catalog has a view as one text.

mod policy;
mod session;
mod tenant;

use std::collections::BTreeSet;

use self::policy::Policy;
use self::session::sessions;
use self::tenant::{TenantColumn, tenants};
use crate::catalog::PartKind;
use crate::database::{DatabaseError, Session};
use crate::init::access::{Access, acts_as};
use crate::init::block::{Block, NAMED, Value};
use crate::init::relation::{Relation, Relations, name};
use crate::init::section::{Section, grouped, listed};
use crate::init::ways::{IndirectWays, WaysPast, reviewed as with_functions};
use crate::rights::WriteEvent;
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// A table with row-level security.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecuredTable {
    table: QualifiedName,
    forced: bool,
    policies: Vec<Policy>,
    /// Whether a view reads it.
    viewed: bool,
    rows: u64,
    /// Roles that may read it and whose rows its policies restrict: those with LOGIN, or all if none has it.
    roles: Vec<String>,
    /// Which column holds the tenant.
    tenant: Option<TenantColumn>,
    /// The ways of the roles past its policies.
    past: WaysPast,
}

const VIEWED: &str = "
SELECT DISTINCT n.nspname, t.relname
  FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
                             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
  JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace";

/// Finds the tables with row-level security, and reads their tenants.
///
/// # Errors
/// When a table cannot be read.
pub async fn read(
    session: &mut Session,
    relations: &Relations<'_>,
    access: &Access<'_>,
) -> Result<Vec<SecuredTable>, DatabaseError> {
    let viewed = session.rows(VIEWED).await?;
    let viewed: Vec<QualifiedName> = viewed.iter().map(|row| name(row, 0)).collect();
    let mut found = Vec::new();
    let tables = relations.all.iter().filter(|one| one.is_table());
    for table in tables.filter(|one| one.property("row security").is_some()) {
        let policies = table.parts(PartKind::Policy);
        let policies: Vec<Policy> = policies
            .map(|(name, properties)| Policy::of(name, properties))
            .collect();
        let forced = table.property("row security forced").is_some();
        let tenant = match table.rows {
            Some(1..) => tenants(session, relations.catalog, &table.name, &policies).await?,
            _ => None,
        };
        found.push(SecuredTable {
            table: table.name.clone(),
            forced,
            viewed: viewed.contains(&table.name),
            rows: table.rows.unwrap_or_default(),
            roles: readers(access, table, forced, &policies, tenant.as_ref()),
            policies,
            tenant,
            past: WaysPast::default(),
        });
    }
    Ok(found)
}

/// Adds the ways of roles past the policies, for review.
pub fn add_ways(all: &mut [SecuredTable], ways: &IndirectWays) {
    for one in all {
        for role in &one.roles {
            let past = ways.past_policies(role, &one.table, one.forced);
            one.past.views.extend(past.views);
            one.past.functions.extend(past.functions);
            one.past.commands.extend(past.commands);
        }
    }
}

/// Adds the functions by which roles may read and write past the policies of these tables, and a weaker check that allows
/// the views and commands.
fn reviewed(block: Block, tables: &[&SecuredTable]) -> Block {
    let all = |of: fn(&WaysPast) -> &BTreeSet<String>| {
        let all: BTreeSet<&String> = tables.iter().flat_map(|one| of(&one.past)).collect();
        all.into_iter().cloned().collect::<Vec<String>>()
    };
    let (views, functions) = (all(|one| &one.views), all(|one| &one.functions));
    let written = tables.iter().filter(|one| !one.past.commands.is_empty());
    let indirect: Vec<String> = written
        .map(|one| {
            let commands = WriteEvent::list(one.past.commands.iter().copied());
            format!("{} on {}", commands.to_lowercase(), one.table)
        })
        .collect();
    let block = with_functions(block, &functions);
    if views.is_empty() && indirect.is_empty() {
        return block;
    }
    let allowing = |block: &Block| Block {
        otherwise: Vec::new(),
        ..block
            .clone()
            .list("shared-views", &views)
            .list("indirect", &indirect)
    };
    let shared = allowing(&block).comment(
        "Review `shared-views` and `indirect`: what the views and foreign keys show and write of the rows that the policies \
         hide was not tested.",
    );
    let weaker: Vec<Block> = block.otherwise.iter().map(allowing).collect();
    Block {
        otherwise: std::iter::once(shared).chain(weaker).collect(),
        ..block
    }
}

/// The roles that may read a table and whose rows its policies restrict, where there is a tenant to its rows: those with
/// LOGIN, or all if none has it. First those that may also insert.
fn readers(
    access: &Access<'_>,
    table: &Relation<'_>,
    forced: bool,
    policies: &[Policy],
    tenant: Option<&TenantColumn>,
) -> Vec<String> {
    let Some(object) = access.table(&table.name) else {
        return Vec::new();
    };
    let readers = access.actors().filter(|actor| {
        let applies = |policy: &Policy| {
            let mut roles = policy.roles.iter();
            policy.permissive
                && policy.is_for_select()
                && roles.any(|role| role == "public" || acts_as(actor, role))
        };
        let applicable: Vec<&Policy> = policies.iter().filter(|one| applies(one)).collect();
        !actor.role.bypass_rls
            && (forced || !acts_as(actor, &object.owner))
            && actor.has(object, "SELECT", None, false)
            && access.uses_schema(actor, &table.name.schema)
            && !applicable.is_empty()
            && tenant.is_none_or(|tenant| tenant.restricts(&applicable))
    });
    let ranked = readers.map(|actor| {
        let name = actor.role.name.clone();
        let inserts = actor.has(object, "INSERT", None, false);
        (!access.may_log_in(&name), !inserts, name)
    });
    let mut ranked: Vec<(bool, bool, String)> = ranked.collect();
    ranked.sort();
    let first = ranked.first().map(|(no_login, ..)| *no_login);
    let same = ranked
        .into_iter()
        .filter(|(no_login, ..)| Some(*no_login) == first);
    same.map(|(_, _, name)| name).collect()
}

/// Writes the checks; tables with the same policies share one.
#[must_use]
pub fn section(all: &[SecuredTable]) -> Section {
    let mut section = Section::new(
        "row-level security",
        "Row-level security is enabled with exactly these policies. Where a policy compares a column with a setting of \
         the session, a session of one tenant is opened as well: it reads and writes its own rows only.",
    );
    for (_, tables) in grouped(
        all.iter()
            .map(|one| ((one.forced, one.viewed, &one.policies), one)),
    ) {
        let first = tables.first().map(|first| first.policies_of(&tables));
        section.blocks.extend(first);
    }
    sessions(all, &mut section);
    if !all.is_empty() {
        let found = format!("row-level security on {}", show_counted(all.len(), "table"));
        section.found(
            match all.iter().filter(|one| one.tenant.is_some()).count() {
                0 => found,
                known => format!("{found}, with the column of the tenant on {known}"),
            },
        );
    }
    section
}

fn names(tables: &[&SecuredTable]) -> Vec<String> {
    tables.iter().map(|one| one.table.to_string()).collect()
}

impl SecuredTable {
    /// The expressions of restrictive policies that apply to what a role reads.
    fn restrictions(&self, role: &str) -> Vec<String> {
        let all = self.policies.iter();
        all.filter(|policy| !policy.permissive && policy.is_for_select())
            .filter(|policy| policy.roles.iter().any(|of| of == role || of == "public"))
            .filter_map(|policy| policy.using.clone())
            .collect()
    }

    fn policies_of(&self, tables: &[&Self]) -> Block {
        let all: Vec<QualifiedName> = tables.iter().map(|one| one.table.clone()).collect();
        let policies: Vec<Value> = self.policies.iter().map(Policy::value).collect();
        let plain = Block::new(
            "rls",
            format!("row-level security of {}", listed(&all, NAMED)),
        )
        .of_tables(&names(tables))
        .with("forced", self.forced)
        .with("policies", Value::List(policies));
        if self.viewed {
            plain.clone().with("views", "fenced").or(plain)
        } else {
            plain
        }
    }
}
