//! What the roles of the application could do before the migrations, and cannot do any more: log in, write, see rows.
//!
//! The sessions of probes begin before the migrations, so that they do not see what only changes for later ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::make::TABLES;
use crate::database::{DatabaseError, Endpoint, Session, Terms, is_true};
use crate::rehearse::settings::Rehearse;
use crate::sql::quote_literal;

/// The limit of a query that looks for one row; a table that needs longer is left out.
const ONE_ROW: Duration = Duration::from_secs(1);

/// Whether a role may log in to the database, and whether its transactions are read-only unless it says otherwise.
const LOGIN: &str = "
SELECT r.rolcanlogin AND pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT')
         AND r.rolconnlimit <> 0 AND d.datconnlimit <> 0 AND d.datallowconn
         AND COALESCE(r.rolvaliduntil > pg_catalog.now(), true),
       COALESCE((SELECT pg_catalog.split_part(setting, '=', 2)::pg_catalog.bool
                   FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS setting
                  WHERE s.setrole IN (0, r.oid) AND s.setdatabase IN (0, d.oid)
                    AND setting LIKE 'default\\_transaction\\_read\\_only=%'
                  ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1), false)
  FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
 WHERE r.rolname = {role} AND d.datname = pg_catalog.current_database()";

/// What each role of the application can do.
#[derive(Debug, Default)]
pub struct Standing {
    roles: BTreeMap<String, OfRole>,
}

#[derive(Debug, Default)]
struct OfRole {
    logs_in: bool,
    writes: bool,
    /// Whether it sees a row, by table; without tables whose rows it cannot ask for.
    sees: BTreeMap<String, bool>,
}

/// What a role cannot do any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The role.
    pub role: String,
    /// The table; empty where it is about all of them.
    pub table: String,
    /// What it cannot do any more: `log in`.
    pub what: &'static str,
}

impl Standing {
    /// Reads it of the roles that `application` names.
    ///
    /// # Errors
    /// The server's.
    pub async fn read(
        endpoint: &Endpoint,
        database: &str,
        settings: &Rehearse,
    ) -> Result<Self, DatabaseError> {
        let mut roles = BTreeMap::new();
        if settings.application.is_empty() {
            return Ok(Self { roles });
        }
        let mut superuser = Session::superuser(endpoint, database, &Terms::default()).await?;
        for role in &settings.application {
            let name = quote_literal(role);
            let rows = superuser.rows(&LOGIN.replace("{role}", &name)).await?;
            let Some(row) = rows.into_iter().next() else {
                continue;
            };
            let tables = superuser.rows(&TABLES.replace("{role}", &name)).await?;
            let tables = tables.into_iter().filter(|row| is_true(row.get(2)));
            let tables = tables.filter_map(|row| row.into_iter().next().flatten());
            let seen = seen(endpoint, database, role, tables.collect()).await;
            roles.insert(
                role.clone(),
                OfRole {
                    logs_in: is_true(row.first()),
                    writes: !is_true(row.get(1)),
                    sees: seen.unwrap_or_default(),
                },
            );
        }
        superuser.close().await;
        Ok(Self { roles })
    }

    /// What they cannot do any more, by what they can do `after`.
    ///
    /// # Errors
    /// The server's.
    pub async fn lost(
        &self,
        after: &Self,
        endpoint: &Endpoint,
        database: &str,
    ) -> Result<Vec<Refusal>, DatabaseError> {
        let mut found = Vec::new();
        let mut superuser = Session::superuser(endpoint, database, &Terms::default()).await?;
        for (role, before) in &self.roles {
            let refusal = |table: &str, what| Refusal {
                role: role.clone(),
                table: table.to_owned(),
                what,
            };
            // A role that is gone cannot log in.
            let gone = OfRole::default();
            let now = after.roles.get(role).unwrap_or(&gone);
            if before.logs_in && !now.logs_in {
                found.push(refusal("", "log in"));
            }
            if before.writes && !now.writes {
                found.push(refusal("", "write unless its transactions say READ WRITE"));
            }
            let mut hidden = Vec::new();
            for (table, sees) in &before.sees {
                if *sees && now.sees.get(table) == Some(&false) {
                    hidden.push(table);
                }
            }
            for table in hidden {
                // Otherwise it is empty, which is another fault.
                if one_row(&mut superuser, table).await == Ok(true) {
                    found.push(refusal(table, "see any row of it"));
                }
            }
        }
        superuser.close().await;
        Ok(found)
    }
}

/// Of which of the tables a role sees a row.
async fn seen(
    endpoint: &Endpoint,
    database: &str,
    role: &str,
    tables: Vec<String>,
) -> Result<BTreeMap<String, bool>, DatabaseError> {
    let terms = Terms {
        statement_timeout: ONE_ROW,
    };
    let mut session = Session::role(endpoint, database, role, &[], &terms).await?;
    let mut seen = BTreeMap::new();
    for table in tables {
        // A policy may need a setting that only the application knows.
        if let Ok(row) = one_row(&mut session, &table).await {
            seen.insert(table, row);
        }
    }
    session.close().await;
    Ok(seen)
}

async fn one_row(session: &mut Session, table: &str) -> Result<bool, DatabaseError> {
    let query = format!("SELECT EXISTS (SELECT FROM {table})");
    Ok(is_true(Some(&session.value(&query).await?)))
}
