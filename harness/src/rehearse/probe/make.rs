//! Which probes there are: those of the scenario, or a reader and a writer for each table.

use super::{Probe, ProbeKind, attempt, open};
use crate::database::{DatabaseError, Endpoint, Session, Terms, is_true};
use crate::outcome::{CouldNotRun, NotTested};
use crate::rehearse::settings::Rehearse;
use crate::sql::{quote_ident, quote_literal};

/// The tables of the application, with a row of each, and what a role may do with them.
pub(super) const TABLES: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
       c.relkind = 'r',
       pg_catalog.has_table_privilege({role}, c.oid, 'SELECT'),
       pg_catalog.has_table_privilege({role}, c.oid, 'UPDATE, DELETE, TRUNCATE'),
       pg_catalog.has_table_privilege({role}, c.oid, 'SELECT')
         AND pg_catalog.has_table_privilege({role}, c.oid, 'UPDATE')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND pg_catalog.has_schema_privilege({role}, n.oid, 'USAGE')
 ORDER BY 1";

/// Makes the probes: the queries of the scenario, or a reader and a writer for each table.
pub(super) async fn probes(
    endpoint: &Endpoint,
    database: &str,
    settings: &Rehearse,
) -> Result<Vec<Probe>, CouldNotRun> {
    let superuser = [endpoint.superuser.clone()];
    let roles = match settings.application.as_slice() {
        [] => &superuser[..],
        roles => roles,
    };
    if !settings.probe.is_empty() {
        return Ok(of_scenario(settings, &roles[0]));
    }
    let mut session = Session::superuser(endpoint, database, &Terms::default()).await?;
    let mut probes: Vec<Probe> = Vec::new();
    for role in roles {
        let tables = session
            .rows(&TABLES.replace("{role}", &quote_literal(role)))
            .await
            .map_err(|error| match error.sqlstate.as_deref() {
                Some("42704") => CouldNotRun::with_hint(
                    format!("the role {} does not exist", quote_ident(role)),
                    "name roles of the backup in `application` of `[rehearse]`",
                ),
                _ => error.into(),
            })?;
        for row in tables {
            let Some(table) = row.first().cloned().flatten() else {
                continue;
            };
            let holds = |column: usize| is_true(row.get(column));
            let mut add = |kind: ProbeKind, statement: String, otherwise: Option<String>| {
                // The first role that may is enough.
                let same = |one: &Probe| one.object == table && one.kind == kind;
                if !probes.iter().any(same) {
                    let (object, role) = (table.clone(), role.clone());
                    probes.push(Probe {
                        object,
                        kind,
                        role,
                        statement,
                        otherwise,
                    });
                }
            };
            if holds(2) {
                let statement = format!("LOCK TABLE ONLY {table} IN ACCESS SHARE MODE");
                add(ProbeKind::Read, statement, None);
            }
            if holds(3) {
                let lock = format!("LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE");
                let row = match holds(1) && holds(4) {
                    true => row_lock(&mut session, &table).await?,
                    false => None,
                };
                match row {
                    // A policy may need a setting that only the application knows.
                    Some(row) => add(ProbeKind::Write, format!("{lock}; {row}"), Some(lock)),
                    None => add(ProbeKind::Write, lock, None),
                }
            }
        }
    }
    session.close().await;
    Ok(probes)
}

/// Locks one row by its place, which costs the same however many old versions the table has.
async fn row_lock(session: &mut Session, table: &str) -> Result<Option<String>, DatabaseError> {
    let place = session
        .value(&format!("SELECT ctid FROM ONLY {table} LIMIT 1"))
        .await?;
    Ok(place.map(|place| {
        let place = quote_literal(&place);
        format!("SELECT 1 FROM ONLY {table} WHERE ctid = {place} FOR NO KEY UPDATE")
    }))
}

/// The probes of the scenario.
fn of_scenario(settings: &Rehearse, default: &str) -> Vec<Probe> {
    let probes = settings.probe.iter().map(|probe| Probe {
        object: probe.name.clone(),
        kind: ProbeKind::Query,
        role: probe.role.clone().unwrap_or_else(|| default.to_owned()),
        statement: probe.query.clone(),
        otherwise: None,
    });
    probes.collect()
}

/// Tries each probe once, before the migrations begin; gives those that work, sorted by their roles, and what the others leave open.
///
/// # Errors
/// When a session is refused, or a query of the scenario fails.
pub(super) async fn try_once(
    endpoint: &Endpoint,
    database: &str,
    mut probes: Vec<Probe>,
) -> Result<(Vec<Probe>, Vec<NotTested>), CouldNotRun> {
    probes.sort_by(|one, other| one.role.cmp(&other.role));
    let mut works = Vec::new();
    let mut not_tested = Vec::new();
    for of_role in probes.chunk_by(|one, other| one.role == other.role) {
        let mut session = open(endpoint, database, &of_role[0].role).await?;
        for probe in of_role {
            let mut probe = probe.clone();
            let mut tried = attempt(&mut session, &probe).await;
            if let (Err(_), Some(otherwise)) = (&tried, probe.otherwise.take()) {
                probe.statement = otherwise;
                tried = attempt(&mut session, &probe).await;
            }
            match tried {
                Ok(()) => works.push(probe),
                Err(error) if probe.kind == ProbeKind::Query => {
                    return Err(CouldNotRun::with_hint(
                        format!(
                            "the probe `{}` fails before the migrations: {error}",
                            probe.object
                        ),
                        "it must run on the restored database, as its role, without waiting",
                    ));
                }
                Err(error) => {
                    let role = quote_ident(&probe.role);
                    let why = format!("the probe as {role} fails before the migrations: {error}");
                    not_tested.push(NotTested::new(probe.kind.waits(&probe.object), why));
                }
            }
        }
        session.close().await;
    }
    Ok((works, not_tested))
}
