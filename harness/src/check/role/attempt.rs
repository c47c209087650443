//! Trying as the role itself, each time in a transaction that is rolled back.

use crate::check::Restored;
use crate::check::privilege::{could_not_try, says_nothing};
use crate::database::{Attempt, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{Actor, Facts, ObjectClass, ObjectFacts, Right};
use crate::sql::quote_ident;
use crate::units::show_counted;

/// What the attempts showed.
#[derive(Debug, Clone, Default)]
pub struct Tried {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be tried.
    pub unclear: Vec<CouldNotRun>,
    /// How many statements were tried.
    pub statements: usize,
}

/// A statement, and whether it must go through.
struct Try {
    object: String,
    sql: String,
    allowed: bool,
    /// The statement's word in findings: `SELECT`.
    what: String,
}

/// The first column that can be written.
const COLUMN: &str = "
SELECT a.attrelid, pg_catalog.min(a.attnum), (pg_catalog.array_agg(a.attname ORDER BY a.attnum))[1]
  FROM pg_catalog.pg_attribute a
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
   AND a.attrelid IN ({oids})
 GROUP BY 1";

/// What the relations are: a view may refuse to be written for other reasons than rights, a foreign
/// table asks a server that a drill has none of, and an unpopulated materialised view has no rows.
const RELATIONS: &str = "
SELECT oid, CASE WHEN relispopulated THEN relkind ELSE 'f' END
  FROM pg_catalog.pg_class WHERE oid IN ({oids})";

/// Tries the statements of the scenario, and with `every` the tables: what the floor names must be
/// readable, and what the role has no right to must be refused.
///
/// # Errors
/// When the server is gone.
pub async fn run(
    restored: &Restored<'_>,
    session: &mut Session,
    role: &str,
    given: (&[String], &[String], bool),
    known: Option<(&Facts, &Actor<'_>, &[Right])>,
) -> Result<Tried, CouldNotRun> {
    let (may, refused, every) = given;
    let mut tries: Vec<Try> = Vec::new();
    for (list, sqls, allowed) in [("may", may, true), ("refused", refused, false)] {
        for (at, sql) in sqls.iter().enumerate() {
            tries.push(Try {
                object: format!("statement {} of `{list}`", at + 1),
                sql: sql.clone(),
                allowed,
                what: sql
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_uppercase(),
            });
        }
    }
    if every && let Some((facts, actor, floor)) = known {
        tries.extend(on_tables(session, facts, actor, floor).await?);
    }
    let mut tried = Tried {
        statements: tries.len(),
        ..Tried::default()
    };
    let mut own = match restored.session_as(role, &[]).await {
        Ok(own) => own,
        Err(error) if error.denied() => {
            // Whoever may not even connect is refused everything.
            for one in tries.iter().filter(|one| one.allowed) {
                tried.findings.push(Finding::about(
                    &one.object,
                    format!("{} goes through", one.what),
                    "the role may not connect (42501)",
                ));
            }
            return Ok(tried);
        }
        Err(error) => return Err(error.into()),
    };
    for one in tries {
        match own.attempt(&one.sql).await? {
            Attempt::Allowed(_) if one.allowed => {}
            Attempt::Allowed(rows) => tried.findings.push(
                Finding::about(
                    &one.object,
                    format!("{} is refused for {role}", one.what),
                    format!(
                        "it went through for {} (rolled back)",
                        show_counted(rows, "row")
                    ),
                )
                .hint("the other findings name the right and its path"),
            ),
            Attempt::Refused(error) if error.denied() && one.allowed => tried.findings.push(
                Finding::about(
                    &one.object,
                    format!("{} goes through for {role}", one.what),
                    format!("it was refused: {} (42501)", error.message),
                )
                .hint("check which right the restore lost; USAGE on the schema is needed too"),
            ),
            Attempt::Refused(error) if !one.allowed && refuses(error.sqlstate.as_deref()) => {}
            Attempt::Refused(error) => {
                let hint = if says_nothing(&error) {
                    "it is about this moment and not about rights: try again"
                } else {
                    "only a refusal because a right is missing (42501) shows something; correct the statement"
                };
                let what = format!("{} ({})", one.what, one.object);
                tried.unclear.push(could_not_try(&what, &error).hint(hint));
            }
        }
    }
    own.close().await;
    Ok(tried)
}

/// Tells whether a statement was refused: a right is missing, a trigger raises, an object that cannot be written at all.
fn refuses(sqlstate: Option<&str>) -> bool {
    matches!(sqlstate, Some("42501" | "P0001" | "55000"))
}

/// Statements that touch no row, for every table.
async fn on_tables(
    session: &mut Session,
    facts: &Facts,
    actor: &Actor<'_>,
    floor: &[Right],
) -> Result<Vec<Try>, CouldNotRun> {
    // Nothing is refused to a superuser.
    let tables: Vec<&ObjectFacts> = facts
        .objects
        .iter()
        .filter(|object| object.class == ObjectClass::Table && !object.outside)
        .filter(|_| !actor.role.superuser)
        .collect();
    let oids: Vec<&str> = tables.iter().map(|object| object.id.as_str()).collect();
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let oids = oids.join(", ");
    let first = |rows: Vec<Vec<Option<String>>>, at: usize| -> Vec<(String, String)> {
        rows.into_iter()
            .filter_map(|row| Some((row.first()?.clone()?, row.get(at)?.clone()?)))
            .collect()
    };
    let columns = first(session.rows(&COLUMN.replace("{oids}", &oids)).await?, 2);
    let relations = first(session.rows(&RELATIONS.replace("{oids}", &oids)).await?, 1);
    let find = |list: &[(String, String)], oid: &str| {
        list.iter()
            .find(|(key, _)| key == oid)
            .map(|(_, value)| value.clone())
    };
    let mut tries = Vec::new();
    for object in tables {
        let name = object.show();
        let relation = find(&relations, &object.id).unwrap_or_default();
        if relation == "f" {
            continue;
        }
        let rights = actor.rights_on(object);
        let any = |privilege: &str| {
            let mut of_it = rights.iter().filter(|held| held.privilege == privilege);
            of_it.any(|held| held.path.is_at_once())
        };
        let mut add = |what: &str, sql: String, allowed: bool| {
            tries.push(Try {
                object: name.clone(),
                sql,
                allowed,
                what: what.to_owned(),
            });
        };
        let wanted = floor.iter().any(|right| {
            right.covers(object)
                && right
                    .privileges
                    .iter()
                    .any(|p| p.columns.is_empty() && (p.name == "SELECT" || p.name == "ALL"))
        });
        let read = format!("SELECT FROM {name} LIMIT 0");
        if wanted {
            add("SELECT", read, true);
        } else if !any("SELECT") {
            add("SELECT", read, false);
        }
        if !matches!(relation.as_str(), "r" | "p") || actor.owning(object).is_some() {
            continue;
        }
        if !any("DELETE") {
            add("DELETE", format!("DELETE FROM {name} WHERE false"), false);
        }
        let Some(column) = find(&columns, &object.id).map(|column| quote_ident(&column)) else {
            continue;
        };
        if !any("UPDATE") {
            add(
                "UPDATE",
                format!("UPDATE {name} SET {column} = DEFAULT WHERE false"),
                false,
            );
        }
        if !any("INSERT") {
            add(
                "INSERT",
                format!("INSERT INTO {name} ({column}) SELECT NULL WHERE false"),
                false,
            );
        }
    }
    Ok(tries)
}
