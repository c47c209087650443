//! What sessions of tenants read and write.

use super::tenant::{TENANTS, TenantColumn};
use super::{SecuredTable, names, reviewed};
use crate::init::block::{Block, Keys, NAMED, Value, keys};
use crate::init::section::{Section, grouped, listed};
use crate::sql::{quote_ident, quote_literal};

/// Maximum number of roles whose sessions are checked.
const ROLES: usize = 3;

/// Adds checks of what sessions of tenants read and write; tables with the same column and setting share them.
pub(super) fn sessions(all: &[SecuredTable], section: &mut Section) {
    let with_rows = all.iter().filter(|one| one.rows > 0);
    let tables = with_rows.filter_map(|one| {
        let tenant = one.tenant.as_ref()?;
        Some(((&tenant.column, &tenant.setting, &one.roles), (tenant, one)))
    });
    for ((_, _, roles), tables) in grouped(tables) {
        let (tenants, tables): (Vec<&TenantColumn>, Vec<&SecuredTable>) =
            tables.into_iter().unzip();
        let Some(tenant) = tenants.first() else {
            continue;
        };
        if roles.is_empty() {
            section.note(format!(
                "No role that the policies apply to may read {}, so what a tenant reads is not checked.",
                names(&tables).join(", ")
            ));
        }
        for role in roles.iter().take(ROLES) {
            section.blocks.extend(reads_own_rows(tenant, role, &tables));
            section.blocks.push(pairs(tenant, role, &tables));
        }
    }
}

/// A session of one tenant reads its rows and no other; one without a tenant reads none.
fn reads_own_rows(tenant: &TenantColumn, role: &str, tables: &[&SecuredTable]) -> Option<Block> {
    let has = |one: &&SecuredTable, name: &String| {
        one.tenant
            .as_ref()
            .is_some_and(|tenant| tenant.tenants.contains(name))
    };
    let candidates = tables.iter().filter_map(|one| one.tenant.as_ref());
    // The tenant with rows in most of the tables; of several the one with the most rows.
    let best = candidates
        .flat_map(|tenant| &tenant.tenants)
        .min_by_key(|name| tables.iter().filter(|one| !has(one, name)).count())?;
    let tables: Vec<&SecuredTable> = tables
        .iter()
        .copied()
        .filter(|one| has(one, best))
        .collect();
    let settings = Value::Inline(vec![(tenant.setting.clone(), best.as_str().into())]);
    let condition = format!(
        "{} = {}",
        quote_ident(&tenant.column),
        quote_literal(best).trim()
    );
    let sees = |condition: String| {
        keys([
            ("role", role.into()),
            ("settings", settings.clone()),
            ("sees-where", condition.into()),
        ])
    };
    // Restrictive policies hide more rows, if they are the same on all tables.
    let restrictions = tables
        .first()
        .map(|one| one.restrictions(role))
        .unwrap_or_default();
    let alike = tables
        .iter()
        .all(|one| one.restrictions(role) == restrictions);
    let restricted = (alike && !restrictions.is_empty())
        .then(|| format!("{condition} AND {}", restrictions.join(" AND ")));
    let own = sees(restricted.unwrap_or(condition));
    let none = keys([("role", role.into()), ("sees", "none".into())]);
    let block = |behaviours: Vec<Keys>| {
        let mut block = Block::new(
            "rls",
            format!(
                "{role} reads the rows of one {} and no other: {}",
                tenant.column,
                listed(&names(&tables), NAMED)
            ),
        )
        .of_tables(&names(&tables));
        block.tables = behaviours
            .into_iter()
            .map(|body| ("behaviour", body))
            .collect();
        block
    };
    let (setting, count) = (&tenant.setting, tenant.count);
    if !tenant.optional {
        return Some(block(vec![own]).guess(format!(
            "`{setting}` holds the tenant of a session; without it every query fails. The tenant here is one of {count}."
        )));
    }
    let strict = block(vec![own.clone(), none.clone()]).guess(format!(
        "`{setting}` holds the tenant of a session, and a session without it reads no rows. The tenant here is one of {count}."
    ));
    Some(reviewed(
        strict.or(block(vec![own])).or(block(vec![none])),
        &tables,
    ))
}

/// No session of a tenant reads or writes the rows of another, for pairs of tenants.
fn pairs(tenant: &TenantColumn, role: &str, tables: &[&SecuredTable]) -> Block {
    let few = tables.iter().all(|one| {
        one.tenant
            .as_ref()
            .is_none_or(|tenant| tenant.count <= TENANTS)
    });
    let block = Block::new(
        "tenant",
        format!(
            "as {role}, no {} reads or writes rows of another: {}",
            tenant.column,
            listed(&names(tables), NAMED)
        ),
    )
    .with("tables", names(tables))
    .with("column", tenant.column.as_str())
    .with("role", role)
    .with("setting", tenant.setting.as_str());
    let block = match few {
        true => block,
        false => block
            .comment("Checked for pairs of these tenants. Remove `tenants` to check all pairs, which takes longer.")
            .with("tenants", tenant.tenants.clone()),
    };
    reviewed(block, tables)
}
