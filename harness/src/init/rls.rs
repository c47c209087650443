//! Row security: which tables have it, their policies, and what a tenant's session sees where the
//! policies tell whose a row is.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::block::{Block, Keys, Value, keys};
use super::relation::{Relations, text};
use super::section::{Section, named, some};
use crate::catalog::{Catalog, ObjectId, ObjectKind, ObjectPart, PartKind, Properties};
use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session, TextRow};
use crate::sql::{
    QualifiedName, quote_ident, quote_literal, read_identifier, tokens, without_parentheses,
};

/// So many tenants are tried pairwise; of more, those with the most rows.
const TENANTS: usize = 6;

/// So many roles are tried.
const ROLES: usize = 3;

/// A table with row security.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secured {
    table: QualifiedName,
    forced: bool,
    policies: Vec<Policy>,
    /// Whether a view looks at it.
    viewed: bool,
    rows: u64,
    /// Roles that may read it and are under its policies: those that log in, where there are any.
    roles: Vec<String>,
    /// What tells whose a row is.
    tenant: Option<Tenancy>,
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

/// A column that says whose a row is, and the setting that says whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tenancy {
    column: String,
    setting: String,
    /// Tenants with rows, the one with the most first.
    tenants: Vec<String>,
    /// How many there are.
    count: usize,
}

/// Tables that a view reads.
const VIEWED: &str = "
SELECT DISTINCT d.refobjid
  FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
  JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass";

/// Roles under the policies: an owner is where they are forced. Those that log in come first.
const ROLES_UNDER: &str = "
SELECT r.rolname, r.rolcanlogin
  FROM pg_catalog.pg_roles r, pg_catalog.pg_class c
 WHERE c.oid = {oid} AND NOT r.rolsuper AND NOT r.rolbypassrls AND r.rolname !~ '^pg_'
   AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'))
   AND pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')
   AND pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
   AND EXISTS (SELECT FROM pg_catalog.pg_policy p, pg_catalog.unnest(p.polroles) o
                WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('*', 'r')
                  AND (o = 0 OR pg_catalog.pg_has_role(r.oid, o, 'USAGE')))
 ORDER BY NOT r.rolcanlogin, pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT') DESC, 1";

/// `tenant = current_setting('app.tenant'…)`, with casts, NULLIF and a sub-select around it.
static SETTING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\(?("[^"]+"|[a-z_][a-z0-9_$]*)\)?(?:::[a-z ]+)? = [^=]{0,80}?current_setting\('([^']+)'"#).ok()
});

/// `tenant = app.tenant()`.
static FUNCTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\(?("[^"]+"|[a-z_][a-z0-9_$]*)\)? = (?:\( ?SELECT )?([a-z_"][\w$".]*\(\))"#).ok()
});

/// What a function asks for.
static ASKS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"current_setting\('([^']+)'").ok());

/// Finds them.
///
/// # Errors
/// When one cannot be read.
pub async fn find(
    session: &mut Session,
    catalog: &Catalog,
    relations: &Relations,
) -> Result<Vec<Secured>, DatabaseError> {
    let viewed = session.rows(VIEWED).await?;
    let viewed: BTreeSet<String> = viewed.iter().map(|row| text(row, 0)).collect();
    let mut found = Vec::new();
    for (table, properties) in catalog.of_kind(ObjectKind::Table) {
        let relation = table
            .qualified_name()
            .and_then(|name| relations.named(&name));
        let Some(relation) = relation.filter(|one| !one.foreign) else {
            continue;
        };
        if !properties.contains_key("row security") {
            continue;
        }
        let policies: Vec<Policy> = catalog.children(table).filter_map(Policy::of).collect();
        let roles = session
            .rows(&ROLES_UNDER.replace("{oid}", &relation.oid))
            .await?;
        let tenant = match relation.rows {
            Some(rows) if rows > 0 => tenancy(session, catalog, &relation.name, &policies).await?,
            _ => None,
        };
        found.push(Secured {
            table: relation.name.clone(),
            forced: properties.contains_key("row security forced"),
            policies,
            viewed: viewed.contains(&relation.oid),
            rows: relation.rows.unwrap_or_default(),
            roles: logins(&roles),
            tenant,
        });
    }
    found.sort_by(|one, other| one.table.cmp(&other.table));
    Ok(found)
}

/// Of roles and whether each may log in: those that may, or all where none may.
fn logins(roles: &[TextRow]) -> Vec<String> {
    let any = roles.iter().any(|row| is_true(row.get(1)));
    let of = roles.iter().filter(|row| !any || is_true(row.get(1)));
    of.map(|row| text(row, 0)).collect()
}

/// Finds what tells whose a row is, and the tenants.
async fn tenancy(
    session: &mut Session,
    catalog: &Catalog,
    table: &QualifiedName,
    policies: &[Policy],
) -> Result<Option<Tenancy>, DatabaseError> {
    let reads = policies
        .iter()
        .filter(|policy| policy.permissive && matches!(policy.command.as_str(), "all" | "select"));
    for using in reads.filter_map(|policy| policy.using.as_ref()) {
        let Some((column, setting)) = fence(catalog, using) else {
            continue;
        };
        let ident = quote_ident(&column);
        let sql = format!(
            "SELECT t.{ident}::pg_catalog.text, pg_catalog.count(*) FROM {table} t WHERE t.{ident} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        );
        let rows = session.rows(&sql).await?;
        if rows.len() > 1 {
            return Ok(Some(Tenancy {
                column,
                setting,
                tenants: rows.iter().take(TENANTS).map(|row| text(row, 0)).collect(),
                count: rows.len(),
            }));
        }
    }
    Ok(None)
}

/// Reads the column and the setting out of a policy's expression.
fn fence(catalog: &Catalog, using: &str) -> Option<(String, String)> {
    let parts = |pattern: &LazyLock<Option<Regex>>, text: &str| {
        let found = pattern.as_ref()?.captures(text)?;
        let column = found.get(1)?.as_str().trim_matches('"').to_owned();
        Some((column, found.get(2)?.as_str().to_owned()))
    };
    if let Some(found) = parts(&SETTING, using) {
        return Some(found);
    }
    let (column, function) = parts(&FUNCTION, using)?;
    let function: ObjectId = format!("function {function}").parse().ok()?;
    let body = catalog.get(&function, "body")?;
    let setting = ASKS.as_ref()?.captures(body)?.get(1)?;
    Some((column, setting.as_str().to_owned()))
}

/// Makes checks of them.
#[must_use]
pub fn section(all: &[Secured]) -> Section {
    let mut section = Section::new("row security");
    let mut groups: Vec<(&Secured, Vec<&Secured>)> = Vec::new();
    for one in all {
        let same = |(first, _): &&mut (&Secured, Vec<&Secured>)| {
            (first.forced, first.viewed, &first.policies) == (one.forced, one.viewed, &one.policies)
        };
        match groups.iter_mut().find(same) {
            Some((_, tables)) => tables.push(one),
            None => groups.push((one, vec![one])),
        }
    }
    for (first, tables) in &groups {
        section.blocks.push(first.catalog(tables));
    }
    behaviour(all, &mut section);
    if !all.is_empty() {
        let told = all.iter().filter(|one| one.tenant.is_some()).count();
        section.found(format!(
            "row security on {}{}",
            some(all.len(), "table"),
            if told > 0 {
                format!(", tenants told on {told}")
            } else {
                String::new()
            }
        ));
    }
    section
}

/// What sessions of tenants see: tables that are fenced alike share their checks.
fn behaviour(all: &[Secured], section: &mut Section) {
    let mut groups: Vec<(&Tenancy, &[String], Vec<&Secured>)> = Vec::new();
    for one in all.iter().filter(|one| one.rows > 0) {
        let Some(tenant) = &one.tenant else { continue };
        let same = |(known, roles, _): &&mut (&Tenancy, &[String], Vec<&Secured>)| {
            (&known.column, &known.setting, *roles)
                == (&tenant.column, &tenant.setting, one.roles.as_slice())
        };
        match groups.iter_mut().find(same) {
            Some((_, _, tables)) => tables.push(one),
            None => groups.push((tenant, &one.roles, vec![one])),
        }
    }
    for (tenant, roles, tables) in groups {
        if roles.is_empty() {
            section.note(format!(
                "No role but owners and superusers reads {}, so nobody's view of {} can be tried.",
                names(&tables).join(", "),
                if tables.len() == 1 { "it" } else { "them" }
            ));
        }
        for role in roles.iter().take(ROLES) {
            section.blocks.extend(seen(tenant, role, &tables));
            section.blocks.push(fenced(tenant, role, &tables));
        }
    }
}

fn names(tables: &[&Secured]) -> Vec<String> {
    tables.iter().map(|one| one.table.to_string()).collect()
}

/// A session of one tenant sees its rows and no other; one of none sees nothing.
fn seen(tenant: &Tenancy, role: &str, tables: &[&Secured]) -> Option<Block> {
    // The tenant that most of the tables know.
    let knows = |one: &&Secured, name: &String| {
        one.tenant
            .as_ref()
            .is_some_and(|tenant| tenant.tenants.contains(name))
    };
    let candidates = tables.iter().filter_map(|one| one.tenant.as_ref());
    // Of several such, the one with the most rows.
    let best = candidates
        .flat_map(|tenant| &tenant.tenants)
        .min_by_key(|name| tables.iter().filter(|one| !knows(one, name)).count())?;
    let tables: Vec<&Secured> = tables
        .iter()
        .copied()
        .filter(|one| knows(one, best))
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
    // Restrictive policies take away more, where they are the same on all tables.
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
            format!("{role} sees the rows of one {} and no other", tenant.column),
        )
        .of_tables(&names(&tables));
        block.tables = behaviours
            .into_iter()
            .map(|body| ("behaviour", body))
            .collect();
        block
    };
    let strict = block(vec![own.clone(), none.clone()]).guess(format!(
        "a session is of a tenant by `{}`, and of nobody without it; the tenant named here is one of {}",
        tenant.setting, tenant.count
    ));
    Some(strict.or(block(vec![own])).or(block(vec![none])))
}

/// No tenant's session reads or writes another's rows, tried pairwise.
fn fenced(tenant: &Tenancy, role: &str, tables: &[&Secured]) -> Block {
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
    if few {
        return block;
    }
    block
        .comment("Tried with some of the tenants; without `tenants` all of them are, pair by pair.")
        .with("tenants", tenant.tenants.clone())
}

impl Policy {
    /// Reads a policy among the parts of a table.
    fn of((_, part, properties): (&ObjectId, &ObjectPart, &Properties)) -> Option<Self> {
        let property = |name: &str| properties.get(name).cloned();
        let roles = property("roles").unwrap_or_default();
        let roles = tokens(&roles).filter(|token| token.text != ",");
        (part.kind == PartKind::Policy).then(|| Self {
            name: part.name.clone(),
            command: property("command").unwrap_or_default(),
            permissive: property("mode").as_deref() == Some("permissive"),
            // PUBLIC is folded to the word of the check.
            roles: roles.map(|token| read_identifier(token.text)).collect(),
            using: property("using"),
            with_check: property("with check"),
        })
    }

    fn value(&self) -> Value {
        let mut entries: Vec<(String, Value)> =
            vec![("name".to_owned(), self.name.as_str().into())];
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

impl Secured {
    /// What restrictive policies for reading take away from a role.
    fn restrictions(&self, role: &str) -> Vec<String> {
        let all = self.policies.iter();
        all.filter(|policy| {
            !policy.permissive && matches!(policy.command.as_str(), "all" | "select")
        })
        .filter(|policy| policy.roles.iter().any(|of| of == role || of == "public"))
        .filter_map(|policy| policy.using.clone())
        .collect()
    }

    fn catalog(&self, tables: &[&Self]) -> Block {
        let all: Vec<QualifiedName> = tables.iter().map(|one| one.table.clone()).collect();
        let policies: Vec<Value> = self.policies.iter().map(Policy::value).collect();
        let plain = Block::new("rls", format!("row security of {}", named(&all, 3)))
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
    #[case("(org = current_setting('plur.org'::text, true))", Some(("org", "plur.org")))]
    #[case("(tenant_id = (current_setting('app.tenant'::text))::uuid)", Some(("tenant_id", "app.tenant")))]
    #[case("(\"orgId\" = (NULLIF(current_setting('app.org'::text, true), ''::text))::integer)", Some(("orgId", "app.org")))]
    #[case("((org_id)::text = current_setting('app.org'::text))", Some(("org_id", "app.org")))]
    #[case("(org_id = ( SELECT (current_setting('app.org'::text))::uuid AS current_setting))", Some(("org_id", "app.org")))]
    #[case("(owner = CURRENT_USER)", None)]
    fn policies_tell_whose_a_row_is(#[case] using: &str, #[case] expected: Option<(&str, &str)>) {
        let found = SETTING.as_ref().unwrap().captures(using).map(|found| {
            let part = |at: usize| found.get(at).unwrap().as_str().trim_matches('"').to_owned();
            (part(1), part(2))
        });
        let expected = expected.map(|(column, setting)| (column.to_owned(), setting.to_owned()));
        assert_eq!(found, expected);
    }
}
