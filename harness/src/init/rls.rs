//! Row-level security: the policies of tables, and what a session of one tenant reads and writes, where a policy shows
//! which column holds the tenant.
//!
//! By its own SQL: the tenants of a table, and which tables a view reads; the catalog has a view as one text.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::access::{Access, acts_as};
use super::block::{Block, Keys, Value, keys};
use super::relation::{Relation, Relations, name, text};
use super::section::{Section, grouped, listed};
use super::ways::{IndirectWays, REVIEW};
use crate::catalog::{Catalog, ObjectId, PartKind, Properties};
use crate::database::{DatabaseError, Session};
use crate::sql::{
    QualifiedName, quote_ident, quote_literal, read_identifier, tokens, without_parentheses,
};
use crate::units::show_counted;

/// Maximum number of tenants that are compared in pairs: those with the most rows.
const TENANTS: usize = 6;

/// Maximum number of roles whose sessions are checked.
const ROLES: usize = 3;

/// A table with row-level security.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecuredTable {
    table: QualifiedName,
    forced: bool,
    policies: Vec<Policy>,
    /// Whether a view reads it.
    viewed: bool,
    rows: u64,
    /// Roles that may read it and that its policies apply to: those with LOGIN, or all if none has it.
    roles: Vec<String>,
    /// Which column holds the tenant.
    tenant: Option<TenantColumn>,
    /// Views, and SECURITY DEFINER functions, by which the roles may read it as an owner to whom its policies do not apply.
    views: BTreeSet<String>,
    functions: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Policy {
    name: String,
    command: String,
    permissive: bool,
    roles: Vec<String>,
    using: Option<String>,
    with_check: Option<String>,
}

/// A column that holds the tenant of a row, and the setting that holds the tenant of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TenantColumn {
    column: String,
    setting: String,
    /// Whether a session without the setting is no error: `current_setting(…, true)`.
    optional: bool,
    /// Tenants with rows, the one with the most first.
    tenants: Vec<String>,
    /// How many there are.
    count: usize,
}

const VIEWED: &str = "
SELECT DISTINCT n.nspname, t.relname
  FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
                             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
  JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace";

/// `tenant = current_setting('app.tenant'…)`, with casts, NULLIF and a sub-select around it.
static SETTING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\(?("[^"]+"|[a-z_][a-z0-9_$]*)\)?(?:::[a-z ]+)? = [^=]{0,80}?current_setting\('([^']+)'(?:::text)?(, true)?"#).ok()
});

/// `tenant = app.tenant()`.
static FUNCTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\(?("[^"]+"|[a-z_][a-z0-9_$]*)\)? = (?:\( ?SELECT )?([a-z_"][\w$".]*\(\))"#).ok()
});

/// The setting that a function reads.
static READS_SETTING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"current_setting\('([^']+)'(?:::text)?(, true)?").ok());

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
            roles: readers(access, table, forced, &policies),
            policies,
            tenant,
            views: BTreeSet::new(),
            functions: BTreeSet::new(),
        });
    }
    Ok(found)
}

/// Adds the views and functions by which roles may read past the policies, for review.
pub fn add_ways(all: &mut [SecuredTable], ways: &IndirectWays) {
    for one in all {
        for role in &one.roles {
            let (views, functions) = ways.past_policies(role, &one.table, one.forced);
            one.views.extend(views);
            one.functions.extend(functions);
        }
    }
}

/// Adds the functions by which roles may read past the policies of these tables, and a weaker check that allows the views.
fn reviewed(block: Block, tables: &[&SecuredTable]) -> Block {
    let all = |of: fn(&SecuredTable) -> &BTreeSet<String>| {
        let all: BTreeSet<&String> = tables.iter().flat_map(|one| of(one)).collect();
        all.into_iter().cloned().collect::<Vec<String>>()
    };
    let (views, functions) = (all(|one| &one.views), all(|one| &one.functions));
    let block = match functions.as_slice() {
        [] => block,
        functions => block.comment(REVIEW).list("trusted-functions", functions),
    };
    if views.is_empty() {
        return block;
    }
    let with_views = |block: &Block| Block {
        otherwise: Vec::new(),
        ..block.clone().list("shared-views", &views)
    };
    let shared = with_views(&block).comment(
        "Review the views of `shared-views`: what they show of the rows that the policies hide was not tested.",
    );
    let weaker: Vec<Block> = block.otherwise.iter().map(with_views).collect();
    Block {
        otherwise: std::iter::once(shared).chain(weaker).collect(),
        ..block
    }
}

/// The roles that may read a table and that its policies apply to: those with LOGIN, or all if none has it. First those
/// that may also insert.
fn readers(
    access: &Access<'_>,
    table: &Relation<'_>,
    forced: bool,
    policies: &[Policy],
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
        !actor.role.bypass_rls
            && (forced || !acts_as(actor, &object.owner))
            && actor.has(object, "SELECT", None, false)
            && access.uses_schema(actor, &table.name.schema)
            && policies.iter().any(applies)
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

/// Finds the column that holds the tenant of a row, and reads the tenants.
async fn tenants(
    session: &mut Session,
    catalog: &Catalog,
    table: &QualifiedName,
    policies: &[Policy],
) -> Result<Option<TenantColumn>, DatabaseError> {
    let reads = policies
        .iter()
        .filter(|policy| policy.permissive && policy.is_for_select());
    for using in reads.filter_map(|policy| policy.using.as_ref()) {
        let Some((column, setting, optional)) = column_and_setting(catalog, using) else {
            continue;
        };
        let ident = quote_ident(&column);
        let sql = format!(
            "SELECT t.{ident}::pg_catalog.text, pg_catalog.count(*) FROM {table} t WHERE t.{ident} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        );
        let rows = session.rows(&sql).await?;
        if rows.len() > 1 {
            return Ok(Some(TenantColumn {
                column,
                setting,
                optional,
                tenants: rows.iter().take(TENANTS).map(|row| text(row, 0)).collect(),
                count: rows.len(),
            }));
        }
    }
    Ok(None)
}

/// Reads the column and the setting out of the expression of a policy, and whether the setting may be missing.
fn column_and_setting(catalog: &Catalog, using: &str) -> Option<(String, String, bool)> {
    let parts = |pattern: &LazyLock<Option<Regex>>, text: &str| {
        let found = pattern.as_ref()?.captures(text)?;
        let column = found.get(1)?.as_str().trim_matches('"').to_owned();
        let optional = found.get(3).is_some();
        Some((column, found.get(2)?.as_str().to_owned(), optional))
    };
    if let Some(found) = parts(&SETTING, using) {
        return Some(found);
    }
    let (column, function, _) = parts(&FUNCTION, using)?;
    let function: ObjectId = format!("function {function}").parse().ok()?;
    let body = catalog.get(&function, "body")?;
    let reads = READS_SETTING.as_ref()?.captures(body)?;
    let setting = reads.get(1)?.as_str().to_owned();
    Some((column, setting, reads.get(2).is_some()))
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

/// Adds checks of what sessions of tenants read and write; tables with the same column and setting share them.
fn sessions(all: &[SecuredTable], section: &mut Section) {
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

fn names(tables: &[&SecuredTable]) -> Vec<String> {
    tables.iter().map(|one| one.table.to_string()).collect()
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
                "{role} reads the rows of one {} and no other",
                tenant.column
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
            "as {role}, no {} reads or writes rows of another",
            tenant.column
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

impl Policy {
    fn of(name: &str, properties: &Properties) -> Self {
        let property = |name: &str| properties.get(name).cloned();
        let roles = property("roles").unwrap_or_default();
        let roles = tokens(&roles).filter(|token| token.text != ",");
        Self {
            name: name.to_owned(),
            command: property("command").unwrap_or_default(),
            permissive: property("mode").as_deref() == Some("permissive"),
            // PUBLIC becomes the `public` of the check.
            roles: roles.map(|token| read_identifier(token.text)).collect(),
            using: property("using"),
            with_check: property("with check"),
        }
    }

    fn is_for_select(&self) -> bool {
        matches!(self.command.as_str(), "all" | "select")
    }

    fn value(&self) -> Value {
        let mut entries = keys([("name", self.name.as_str().into())]);
        let mut add = |key: &str, value: Value| entries.push((key.to_owned(), value));
        if self.command != "all" {
            add("command", self.command.as_str().into());
        }
        if !self.permissive {
            add("permissive", false.into());
        }
        if self.roles != ["public"] {
            add("roles", self.roles.clone().into());
        }
        if let Some(using) = &self.using {
            add("using", without_parentheses(using).into());
        }
        let implied = matches!(self.command.as_str(), "all" | "update");
        if let Some(check) = &self.with_check
            && !(implied && self.using.as_ref() == Some(check))
        {
            add("with-check", without_parentheses(check).into());
        }
        Value::Inline(entries)
    }
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
        let plain = Block::new("rls", format!("row-level security of {}", listed(&all, 3)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("(org = current_setting('plur.org'::text, true))", Some(("org", "plur.org", true)))]
    #[case("(tenant_id = (current_setting('app.tenant'::text))::uuid)", Some(("tenant_id", "app.tenant", false)))]
    #[case("(\"orgId\" = (NULLIF(current_setting('app.org'::text, true), ''::text))::integer)", Some(("orgId", "app.org", true)))]
    #[case("((org_id)::text = current_setting('app.org'::text))", Some(("org_id", "app.org", false)))]
    #[case("(org_id = ( SELECT (current_setting('app.org'::text))::uuid AS current_setting))", Some(("org_id", "app.org", false)))]
    #[case("(owner = CURRENT_USER)", None)]
    fn policies_show_the_column_of_the_tenant(
        #[case] using: &str,
        #[case] expected: Option<(&str, &str, bool)>,
    ) {
        let found = column_and_setting(&Catalog::default(), using);
        let found = found.as_ref();
        let found = found.map(|(column, setting, optional)| (&**column, &**setting, *optional));
        assert_eq!(found, expected);
    }
}
