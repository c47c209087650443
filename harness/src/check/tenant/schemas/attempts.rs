//! Statements that a tenant's role is tried with.

use std::collections::BTreeMap;

use super::{Own, Tenants};
use crate::check::columns::Columns as _;
use crate::check::privilege::could_not_try;
use crate::database::{Attempt, Session, TextRow};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident};

/// A table of some tenant.
pub(super) struct TenantTable {
    schema: String,
    name: QualifiedName,
    /// A column that can be written.
    column: Option<String>,
}

const TABLES: &str = "
SELECT n.nspname, c.relname,
       (SELECT a.attname FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum LIMIT 1)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' ORDER BY 1, 2";

/// Reads the tables of these schemas.
pub(super) async fn tables(
    session: &mut Session,
    names: &[String],
) -> Result<Vec<TenantTable>, CouldNotRun> {
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
pub(super) async fn tries(
    tenants: &Tenants<'_>,
    session: &mut Session,
    own: &Own<'_>,
    (findings, unclear): (&mut Vec<Finding>, &mut Vec<CouldNotRun>),
) -> Result<usize, CouldNotRun> {
    let Tenants {
        check,
        restored,
        tables,
        ..
    } = tenants;
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
    for other in tenants.others(own) {
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
