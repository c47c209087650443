//! Tries a way: the statements by which it begins, and whether one of them wrote the tables.

use super::describe;
use crate::check::privilege::{Refusal, could_not_try, judge_refusal, says_nothing};
use crate::check::row::{Column, Row, columns, write_changes};
use crate::database::{Attempt, Session};
use crate::outcome::CouldNotRun;
use crate::rights::{
    CascadeFacts, RelationFacts, Step, WriteEvent, WriteFacts, WritePath, WriteTarget,
};
use crate::sql::quote_ident;

/// How trying a way ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathEnd {
    /// A row of the tables was or could be written, in words.
    Changed(String),
    /// It was refused, or it writes another table.
    Stopped,
    /// It shows nothing, and why.
    Unclear(String),
}

/// Counts what this transaction did with the targets, by statements of any role. What earlier transactions of the session
/// did may be in it, so only a difference says something. TRUNCATE is not counted.
fn measure(targets: &[WriteTarget]) -> String {
    let counted = targets.iter().filter_map(|(oid, event)| {
        let what = match event {
            WriteEvent::Insert => "inserted",
            WriteEvent::Update => "updated",
            WriteEvent::Delete => "deleted",
            WriteEvent::Truncate => return None,
        };
        Some(format!("pg_catalog.pg_stat_get_xact_tuples_{what}({oid})"))
    });
    let counted: Vec<String> = counted.collect();
    match counted.is_empty() {
        true => "SELECT 0".to_owned(),
        false => format!("SELECT {}", counted.join(" + ")),
    }
}

/// The statements by which a path begins, the narrowest first; none where there is no row to try on.
pub(super) async fn statements(
    session: &mut Session,
    writes: &WriteFacts,
    path: &WritePath<'_>,
    (relation, event): (&RelationFacts, WriteEvent),
    targets: &[WriteTarget],
) -> Result<Vec<String>, CouldNotRun> {
    let name = &relation.name;
    let mut places = Vec::new();
    let mut all = Vec::new();
    let first = path
        .path
        .steps
        .iter()
        .any(|step| matches!(step, Step::View { .. }));
    if path.cascades.is_empty() || first {
        // One row of those that the role sees there.
        places.push(format!(
            "({0}.*)::pg_catalog.text = (SELECT (one.*)::pg_catalog.text FROM {name} one LIMIT 1)",
            quote_ident(&name.name)
        ));
    } else if let Some(row) = referenced_row(session, writes, path, relation, targets).await? {
        places.push(row.condition(true));
    } else {
        return Ok(all);
    }
    places.push("true".to_owned());
    match event {
        WriteEvent::Insert => all.push(format!("INSERT INTO {name} DEFAULT VALUES")),
        WriteEvent::Truncate => all.push(format!("TRUNCATE TABLE {name}")),
        WriteEvent::Delete => {
            all.extend(
                places
                    .iter()
                    .map(|place| format!("DELETE FROM {name} WHERE {place}")),
            );
            // Without a condition it needs no SELECT.
            all.push(format!("DELETE FROM {name}"));
        }
        WriteEvent::Update => {
            let mut columns: Vec<Column> = columns(session, &relation.oid).await?;
            let keys = path
                .cascades
                .first()
                .and_then(|at| writes.cascades.get(*at));
            if let Some(key) = keys.filter(|_| !first) {
                columns.retain(|column| key.key.contains(&column.name));
            }
            for place in &places {
                for column in &columns {
                    let own = quote_ident(&column.name);
                    if path.cascades.is_empty() {
                        all.push(format!("UPDATE {name} SET {own} = {own} WHERE {place}"));
                    } else {
                        all.extend(write_changes(name, column, place));
                    }
                }
            }
            all.extend(columns.iter().map(|column| {
                format!("UPDATE {name} SET {} = DEFAULT", quote_ident(&column.name))
            }));
        }
    }
    Ok(all)
}

/// A row of the first table of a path to which a row of the tables refers.
async fn referenced_row(
    session: &mut Session,
    writes: &WriteFacts,
    path: &WritePath<'_>,
    relation: &RelationFacts,
    targets: &[WriteTarget],
) -> Result<Option<Row>, CouldNotRun> {
    let key = |at: &usize| writes.cascades.get(*at);
    let chain: Vec<&CascadeFacts> = path.cascades.iter().filter_map(key).collect();
    // Each partition has a copy of the key; the rows may be in another than that of the path.
    let same = writes.cascades.iter().filter(|key| {
        let is_target = targets.iter().any(|(oid, _)| *oid == key.child);
        chain.len() == 1 && key.parent == relation.oid && is_target
    });
    for chain in std::iter::once(chain.clone()).chain(same.map(|key| vec![key])) {
        let name = |oid: &str| writes.relations.get(oid).map(|one| one.name.to_string());
        let mut from = String::new();
        let mut closing = String::new();
        let mut outer: Option<&str> = None;
        for key in &chain {
            let (Some(parent), Some(child)) = (name(&key.parent), name(&key.child)) else {
                continue;
            };
            match outer {
                None => from.push_str(&format!("SELECT p.ctid, p.tableoid FROM {parent} p")),
                Some(_) => {
                    from.push_str(&format!(" AND EXISTS (SELECT FROM {parent} p"));
                    from.push_str(" WHERE p.ctid = c.ctid AND p.tableoid = c.tableoid");
                    closing.push(')');
                }
            }
            let glue = if outer.is_none() { " WHERE" } else { " AND" };
            from.push_str(&format!(
                "{glue} EXISTS (SELECT FROM {child} c WHERE {}",
                key.join
            ));
            closing.push(')');
            outer = Some(&key.child);
        }
        let rows = session.rows(&format!("{from}{closing} LIMIT 1")).await?;
        if let Some([Some(ctid), Some(holder)]) = rows.first().map(Vec::as_slice) {
            return Ok(Some(Row {
                ctid: ctid.clone(),
                holder: holder.clone(),
                columns: Vec::new(),
            }));
        }
    }
    Ok(None)
}

/// The commands by which a role becomes the one that has the right on a path.
fn become_role(role: &str, path: &WritePath<'_>) -> String {
    let mut now = role;
    let mut sql = String::new();
    for step in &path.path.steps {
        match step {
            Step::GrantItself(to) => {
                let (member, to) = (quote_ident(now), quote_ident(to));
                sql.push_str(&format!("GRANT {to} TO {member}; SET LOCAL ROLE {to}; "));
            }
            Step::SetRole(to) => sql.push_str(&format!("SET LOCAL ROLE {}; ", quote_ident(to))),
            _ => continue,
        }
        now = step.to_role().unwrap_or(now);
    }
    sql
}

/// Tries the statements of a path until one changes a row of the tables.
pub(super) async fn try_path(
    own: &mut Session,
    role: &str,
    path: &WritePath<'_>,
    event: WriteEvent,
    statements: &[String],
    targets: &[WriteTarget],
) -> Result<PathEnd, CouldNotRun> {
    if statements.is_empty() {
        return Ok(PathEnd::Unclear(
            "no row of it refers to one there".to_owned(),
        ));
    }
    if own.value("SHOW track_counts").await?.as_deref() != Some("on") {
        return Ok(PathEnd::Unclear("track_counts is off".to_owned()));
    }
    let measure = measure(targets);
    let before = become_role(role, path);
    let went_through = || PathEnd::Changed(format!("{} went through (rolled back)", event.word()));
    let (mut stopped, mut refused, mut had_row, mut why) = (false, false, false, None);
    for sql in statements {
        let tried = own
            .attempt_measured(&format!("{before}{sql}"), &measure)
            .await?;
        match tried {
            (_, true) => return Ok(went_through()),
            (Attempt::Allowed(_), _) if event == WriteEvent::Truncate && !path.by_code => {
                return Ok(went_through());
            }
            (Attempt::Allowed(rows), _) => had_row |= rows > 0,
            (Attempt::Refused(error), _) if says_nothing(&error) => {
                return Err(could_not_try(&describe(role, path), &error));
            }
            (Attempt::Refused(error), _) => match judge_refusal(&error) {
                Refusal::OnPurpose => {
                    stopped = true;
                    refused |= !error.mentions("permission denied");
                }
                // A constraint is checked after rights, and the row that is tried is one of defaults.
                Refusal::ByConstraint if event == WriteEvent::Insert && path.by_views => {
                    refused = true;
                }
                Refusal::ByConstraint | Refusal::Unclear => {
                    why.get_or_insert(could_not_try(event.word(), &error).reason);
                }
            },
        }
    }
    let refuser = match event {
        WriteEvent::Insert => "a trigger or constraint",
        _ => "a trigger",
    };
    Ok(match why {
        // As with a right on the table itself, a trigger does not make it harmless.
        _ if refused && path.by_views => {
            PathEnd::Changed(format!("it has the right, and only {refuser} refused it"))
        }
        _ if path.by_code => PathEnd::Unclear("what its code does was not seen".to_owned()),
        Some(why) if !had_row => PathEnd::Unclear(why),
        _ if had_row || stopped => PathEnd::Stopped,
        _ => PathEnd::Unclear("there is no row to try on".to_owned()),
    })
}
