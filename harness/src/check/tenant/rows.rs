//! Tenants by row: every tenant's session against the rows of all others.

use std::time::Instant;

use super::Tenant;
use crate::check::indirect::{self, Allowed, PastPolicies, Under};
use crate::check::privilege::{Relation, add_unclear, conclude, could_not_try, says_nothing, tree};
use crate::check::target::Targets;
use crate::check::{Entry, Observation, Restored};
use crate::database::{Attempt, DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding, summarize};
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::show_counted;

/// Columns that an INSERT can give.
const COLUMNS: &str = "
SELECT a.attname FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = '' AND a.attidentity = '' ORDER BY a.attnum";

/// One table, as a superuser knows it.
struct SharedTable {
    name: QualifiedName,
    /// Itself and its partitions, by name; a view has none.
    parts: Vec<QualifiedName>,
    /// Columns that an INSERT can give.
    columns: Vec<String>,
    /// Its tenants; `None` where row security keeps even a superuser from knowing, as in some views.
    tenants: Option<Vec<String>>,
}

/// Looks at all tenants.
///
/// # Errors
/// When it could not run, or there was nothing to check.
pub async fn run(check: &Tenant, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
    let (Some(column), Some(role), Some(setting)) = (&check.column, &check.role, &check.setting)
    else {
        return Err(CouldNotRun::new(
            "`column`, `role` and `setting` are missing",
        ));
    };
    let mut session = restored.session().await?;
    let targets = Targets {
        table: None,
        tables: &check.tables,
    };
    let resolved = targets.resolve(&mut session).await?;
    let mut findings = resolved.missing;
    let mut tables = Vec::new();
    for name in resolved.tables {
        tables.push(read(&mut session, name, &quote_ident(column)).await?);
    }
    let allowed = Allowed {
        trusted_functions: &check.trusted_functions,
        shared_views: &check.shared_views,
        indirect: &check.indirect,
    };
    let (past, missing) = PastPolicies::read(&mut session, &[role], allowed).await?;
    findings.extend(missing);
    let mut tenants: Vec<String> = check.tenants.clone();
    if tenants.is_empty() {
        tenants = tables
            .iter()
            .flat_map(|table| table.tenants.clone().unwrap_or_default())
            .collect();
        tenants.sort();
        tenants.dedup();
    }
    let known = tables
        .iter()
        .any(|table| table.tenants.as_ref().is_some_and(|all| all.len() > 1));
    if !known && findings.is_empty() {
        return Err(CouldNotRun::new(
            "no table holds rows of two tenants: nothing can be hidden in it",
        )
        .hint("check whether the restore lost rows"));
    }
    let mut entries = Vec::new();
    let mut unclear_all = Vec::new();
    for (number, tenant) in tenants.iter().enumerate() {
        let began = Instant::now();
        let one = One {
            column: quote_ident(column),
            tenant,
            other: tenants.iter().find(|other| *other != tenant),
            role,
        };
        let (mut found, mut unclear) = (Vec::new(), Vec::new());
        match restored
            .session_as(role, &[(setting.clone(), tenant.clone())])
            .await
        {
            Ok(mut acting) => {
                let mut seen = 0;
                for table in &tables {
                    seen += one
                        .table(&mut acting, table, &mut found, &mut unclear)
                        .await?;
                }
                if seen == 0 && found.is_empty() {
                    unclear.push(
                        CouldNotRun::new("a tenant has no row in any table")
                            .hint("name tenants that have rows in `tenants`"),
                    );
                }
                acting.close().await;
            }
            Err(error) if error.sqlstate.is_some() && !says_nothing(&error) => {
                found.push(Finding::about(
                    format!("role {role}"),
                    "it opens a session",
                    error.to_string(),
                ))
            }
            Err(error) => return Err(error.into()),
        }
        let settings = [(setting.clone(), tenant.clone())];
        for table in &tables {
            let under = Under {
                role,
                settings: &settings,
                table: &table.name,
            };
            let (past, open) = past.find(restored, &mut session, under).await?;
            found.extend(past);
            unclear.extend(open);
        }
        if found.is_empty() {
            unclear_all.extend(unclear.iter().cloned());
        }
        let found = conclude(found, unclear).unwrap_or_default();
        entries.push(Entry {
            // Its name may be a value of a row: it is shown only where the scenario shows it.
            object: if check.tenants.is_empty() {
                format!("tenant {}", number + 1)
            } else {
                format!("tenant {tenant}")
            },
            expected: format!("{role} sees and changes rows of its own tenant only"),
            actual: if found.is_empty() {
                "as expected".to_owned()
            } else {
                summarize(&found, "finding")
            },
            findings: found,
            duration: began.elapsed(),
        });
    }
    session.close().await;
    unclear_all.dedup();
    let wrong = !findings.is_empty() || entries.iter().any(|entry| !entry.findings.is_empty());
    add_unclear(&mut findings, wrong, unclear_all)?;
    let expected = format!(
        "{}, each with its own rows only",
        show_counted(tenants.len(), "tenant")
    );
    let mut whole = Observation::new(
        expected,
        format!(
            "{} tried in {}",
            show_counted(entries.len(), "tenant"),
            show_counted(tables.len(), "table")
        ),
        findings,
    );
    whole.not_tested = indirect::not_tested(&check.trusted_functions);
    Ok(whole.with_entries(entries))
}

/// Reads what a superuser knows of a table.
async fn read(
    session: &mut Session,
    name: QualifiedName,
    column: &str,
) -> Result<SharedTable, CouldNotRun> {
    let tenants = match session.rows(&format!("SELECT DISTINCT {column}::pg_catalog.text FROM {name} WHERE {column} IS NOT NULL ORDER BY 1")).await {
        Ok(rows) => Some(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()),
        // A view whose owner is under policies cannot be read without them.
        Err(error) if error.denied() => None,
        Err(error) => return Err(error.into()),
    };
    let columns = session
        .rows(&COLUMNS.replace("{table}", &name.literal()))
        .await?;
    let relations: Vec<Relation> = tree(session, &name).await?;
    let mut parts: Vec<QualifiedName> = relations
        .into_iter()
        .map(|relation| relation.name)
        .collect();
    if parts.is_empty() {
        parts.push(name.clone());
    }
    Ok(SharedTable {
        name,
        parts,
        columns: columns
            .into_iter()
            .filter_map(|row| row.into_iter().next().flatten())
            .collect(),
        tenants,
    })
}

/// One tenant, in whose session is tried.
struct One<'a> {
    column: String,
    tenant: &'a str,
    other: Option<&'a String>,
    role: &'a str,
}

impl One<'_> {
    /// Tries one table; gives how many rows of its own the tenant sees.
    async fn table(
        &self,
        acting: &mut Session,
        table: &SharedTable,
        findings: &mut Vec<Finding>,
        unclear: &mut Vec<CouldNotRun>,
    ) -> Result<u64, CouldNotRun> {
        let own = format!(
            "{}::pg_catalog.text = {}",
            self.column,
            quote_literal(self.tenant)
        );
        let others = format!(
            "{}::pg_catalog.text IS DISTINCT FROM {}",
            self.column,
            quote_literal(self.tenant)
        );
        let count = |relation: &QualifiedName, condition: &str| {
            format!("SELECT pg_catalog.count(*) FROM {relation} WHERE {condition}")
        };
        let has_some = table
            .tenants
            .as_ref()
            .is_none_or(|all| all.iter().any(|one| one == self.tenant));
        let mut seen = 0;
        match acting.count(&count(&table.name, &own)).await {
            Ok(rows) => seen = rows,
            Err(error) if error.denied() => findings.push(Finding::about(
                table.name.to_string(),
                format!("{} reads rows of its own", self.role),
                "it is refused (42501)",
            )),
            Err(error) => unclear.push(could_not_try(&format!("SELECT of {}", table.name), &error)),
        }
        if has_some && seen == 0 && table.tenants.is_some() {
            findings.push(Finding::about(
                table.name.to_string(),
                "rows of its own tenant",
                "it sees none, though there are some",
            ));
        }
        for part in &table.parts {
            let name = part.to_string();
            match acting.count(&count(part, &others)).await {
                Ok(0) => {}
                Ok(rows) => findings.push(
                    Finding::about(&name, format!("no row of another tenant for {}", self.role), show_counted(rows, "row"))
                        .hint("look at the policies, at row security on each partition with grants, at the owner of a view, and whether the role bypasses row security"),
                ),
                Err(error) if error.denied() => {}
                Err(error) => unclear.push(could_not_try(&format!("SELECT of {name}"), &error)),
            }
            let column = &self.column;
            let attempts = [
                (
                    "UPDATE",
                    format!("UPDATE {name} SET {column} = {column} WHERE {others}"),
                ),
                ("DELETE", format!("DELETE FROM {name} WHERE {others}")),
            ];
            for (attempt, sql) in attempts {
                match acting.attempt(&sql).await? {
                    Attempt::Allowed(0) => {}
                    Attempt::Allowed(rows) => findings.push(Finding::about(
                        &name,
                        format!("{attempt} touches no row of another tenant"),
                        format!("{} (rolled back)", show_counted(rows, "row")),
                    )),
                    Attempt::Refused(error) => {
                        self.refusal(attempt, &name, &error, findings, unclear)
                    }
                }
            }
        }
        let Some(other) = self.other.filter(|_| seen > 0) else {
            return Ok(seen);
        };
        let (name, column, other) = (table.name.to_string(), &self.column, quote_literal(other));
        let names: Vec<String> = table.columns.iter().map(|one| quote_ident(one)).collect();
        let values: Vec<String> = names
            .iter()
            .map(|one| {
                if one == column {
                    format!("{other} AS {one}")
                } else {
                    one.clone()
                }
            })
            .collect();
        let attempts = [
            (
                "INSERT for another tenant",
                format!(
                    "INSERT INTO {name} ({}) SELECT {} FROM {name} WHERE {own} LIMIT 1",
                    names.join(", "),
                    values.join(", ")
                ),
            ),
            (
                "UPDATE that gives rows away",
                format!("UPDATE {name} SET {column} = {other} WHERE {own}"),
            ),
        ];
        for (attempt, sql) in attempts {
            match acting.attempt(&sql).await? {
                Attempt::Allowed(0) => {}
                Attempt::Allowed(rows) => findings.push(Finding::about(
                    &name,
                    format!("{attempt} is refused"),
                    format!(
                        "it went through for {} (rolled back)",
                        show_counted(rows, "row")
                    ),
                )),
                Attempt::Refused(error) => self.refusal(attempt, &name, &error, findings, unclear),
            }
        }
        Ok(seen)
    }

    /// Sorts out what a refusal means: policies are asked before constraints are.
    fn refusal(
        &self,
        attempt: &str,
        name: &str,
        error: &DatabaseError,
        findings: &mut Vec<Finding>,
        unclear: &mut Vec<CouldNotRun>,
    ) {
        match error.sqlstate.as_deref() {
            Some("42501" | "P0001" | "55000" | "0A000") => {}
            Some(state) if state.starts_with("23") && state != "23502" => {
                findings.push(Finding::about(
                    name,
                    format!("{attempt} is refused by a policy or because a right is missing"),
                    format!("only a constraint stopped it ({state})"),
                ))
            }
            _ => unclear.push(could_not_try(
                &format!("{attempt} of {name} as {}", self.role),
                error,
            )),
        }
    }
}
