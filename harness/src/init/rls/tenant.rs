//! Which column holds the tenant of a row, and which setting that of a session, as a policy shows them.

use std::sync::LazyLock;

use regex::Regex;

use super::policy::Policy;
use crate::catalog::{Catalog, ObjectId};
use crate::database::{DatabaseError, Session};
use crate::init::relation::text;
use crate::sql::{QualifiedName, quote_ident};

/// Maximum number of tenants that are compared in pairs: those with the most rows.
pub(super) const TENANTS: usize = 6;

/// A column that holds the tenant of a row, and the setting that holds the tenant of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TenantColumn {
    pub(super) column: String,
    pub(super) setting: String,
    /// Whether a session without the setting is no error: `current_setting(…, true)`.
    pub(super) optional: bool,
    /// The permissive policies for SELECT that compare the two.
    pub(super) policies: Vec<String>,
    /// Tenants with rows, the one with the most first.
    pub(super) tenants: Vec<String>,
    /// How many there are.
    pub(super) count: usize,
}

impl TenantColumn {
    /// Whether the permissive policies for SELECT that apply to a role show it the rows of its tenant: one compares the tenant,
    /// and none lets every row pass.
    pub(super) fn restricts(&self, applicable: &[&Policy]) -> bool {
        let compares = |policy: &&Policy| self.policies.contains(&policy.name);
        applicable.iter().any(compares) && !applicable.iter().any(|policy| policy.is_true())
    }
}

/// `tenant = current_setting('app.tenant'…)`, with casts, NULLIF and a sub-select around it.
static SETTING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\(?("[^"]+"|[a-z_][a-z0-9_$]*)\)?(?:::[a-z ]+)? = [^=]{0,80}?current_setting\('([^']+)'(?:::text)?(\s*,\s*(?i:true))?"#).ok()
});

/// `tenant = app.tenant()`.
static FUNCTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\(?("[^"]+"|[a-z_][a-z0-9_$]*)\)? = (?:\( ?SELECT )?([a-z_"][\w$".]*\(\))"#).ok()
});

/// The setting that a function reads.
static READS_SETTING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"current_setting\('([^']+)'(?:::text)?(\s*,\s*(?i:true))?").ok());

/// Finds the column that holds the tenant of a row, and reads the tenants.
pub(super) async fn tenants(
    session: &mut Session,
    catalog: &Catalog,
    table: &QualifiedName,
    policies: &[Policy],
) -> Result<Option<TenantColumn>, DatabaseError> {
    let reads = policies
        .iter()
        .filter(|policy| policy.permissive && policy.is_for_select());
    let shown = reads.filter_map(|policy| {
        let found = column_and_setting(catalog, policy.using.as_ref()?)?;
        Some((policy.name.clone(), found))
    });
    let shown: Vec<_> = shown.collect();
    for (_, (column, setting, optional)) in &shown {
        let ident = quote_ident(column);
        let sql = format!(
            "SELECT t.{ident}::pg_catalog.text, pg_catalog.count(*) FROM {table} t WHERE t.{ident} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        );
        let rows = session.rows(&sql).await?;
        if rows.len() > 1 {
            let alike = shown
                .iter()
                .filter(|(_, (of, by, _))| of == column && by == setting);
            return Ok(Some(TenantColumn {
                column: column.clone(),
                setting: setting.clone(),
                optional: *optional,
                policies: alike.map(|(name, _)| name.clone()).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::of_the_tenant(&[("own", "(org = x)")], true)]
    #[case::and_another(&[("own", "(org = x)"), ("shared", "(is_public)")], true)]
    #[case::and_all_rows(&[("own", "(org = x)"), ("all", "true")], false)]
    #[case::all_rows(&[("all", "(true)")], false)]
    #[case::only_another(&[("shared", "(is_public)")], false)]
    fn a_role_that_reads_every_row_has_no_tenant(
        #[case] policies: &[(&str, &str)],
        #[case] expected: bool,
    ) {
        let policies = policies.iter().map(|(name, using)| {
            let properties = [("using".to_owned(), (*using).to_owned())];
            Policy::of(name, &properties.into())
        });
        let policies: Vec<Policy> = policies.collect();
        let tenant = TenantColumn {
            column: "org".to_owned(),
            setting: "app.org".to_owned(),
            optional: true,
            policies: vec!["own".to_owned()],
            tenants: Vec::new(),
            count: 0,
        };
        let applicable: Vec<&Policy> = policies.iter().collect();
        assert_eq!(tenant.restricts(&applicable), expected);
    }

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
