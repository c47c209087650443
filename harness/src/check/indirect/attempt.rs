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
    let counted = [
        (WriteEvent::Insert, "inserted"),
        (WriteEvent::Update, "updated"),
        (WriteEvent::Delete, "deleted"),
    ];
    let counted = counted.into_iter().map(|(event, what)| {
        let oids = targets.iter().filter(|(_, on)| *on == event);
        let oids: Vec<&str> = oids.map(|(oid, _)| oid.as_str()).collect();
        format!(
            "(SELECT pg_catalog.count(*) + pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_{what}(t)) \
               FROM pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]) t)",
            oids.join(",")
        )
    });
    let counted: Vec<String> = counted.collect();
    format!("SELECT pg_catalog.concat_ws(' ', {})", counted.join(", "))
}

/// Whether the statements of a path must name the row that it begins with: one to which a row of the tables refers.
pub(super) fn begins_with_key(path: &WritePath<'_>) -> bool {
    let mut steps = path.path.steps.iter();
    !path.cascades.is_empty() && !steps.any(|step| matches!(step, Step::View { .. }))
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
    let first = match begins_with_key(path) {
        // One row of those that the role sees there.
        false => format!(
            "({0}.*)::pg_catalog.text = (SELECT (one.*)::pg_catalog.text FROM {name} one LIMIT 1)",
            quote_ident(&name.name)
        ),
        true => match referenced_row(session, writes, path, relation, targets).await? {
            Some(row) => row.condition(true),
            None => return Ok(Vec::new()),
        },
    };
    let columns = columns(session, &relation.oid).await?;
    Ok(commands(
        writes,
        path,
        (relation, event),
        columns,
        &[first, "true".to_owned()],
    ))
}

/// A command on rows at each of these places, and one without a condition, which needs no SELECT.
pub(super) fn commands(
    writes: &WriteFacts,
    path: &WritePath<'_>,
    (relation, event): (&RelationFacts, WriteEvent),
    mut columns: Vec<Column>,
    places: &[String],
) -> Vec<String> {
    let name = &relation.name;
    let mut all = Vec::new();
    match event {
        WriteEvent::Insert => all.push(format!("INSERT INTO {name} DEFAULT VALUES")),
        WriteEvent::Truncate => all.push(format!("TRUNCATE TABLE {name}")),
        WriteEvent::Delete => {
            let at = places.iter();
            all.extend(at.map(|place| format!("DELETE FROM {name} WHERE {place}")));
            all.push(format!("DELETE FROM {name}"));
        }
        WriteEvent::Update => {
            let keys = path
                .cascades
                .first()
                .and_then(|at| writes.cascades.get(*at));
            if let Some(key) = keys.filter(|_| begins_with_key(path)) {
                columns.retain(|column| key.key.contains(&column.name));
            }
            for place in places {
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
    all
}

/// A row of the first table of a path to which a row of the tables refers.
async fn referenced_row(
    session: &mut Session,
    writes: &WriteFacts,
    path: &WritePath<'_>,
    relation: &RelationFacts,
    targets: &[WriteTarget],
) -> Result<Option<Row>, CouldNotRun> {
    for query in referenced_rows(writes, path, relation, targets, "") {
        let rows = session.rows(&format!("{query} LIMIT 1")).await?;
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

/// Queries of `ctid` and `tableoid` of the rows of the first table of a path to which rows of the tables refer; `among` is a
/// condition on a row `c` of the tables.
pub(super) fn referenced_rows(
    writes: &WriteFacts,
    path: &WritePath<'_>,
    relation: &RelationFacts,
    targets: &[WriteTarget],
    among: &str,
) -> Vec<String> {
    let key = |at: &usize| writes.cascades.get(*at);
    let chain: Vec<&CascadeFacts> = path.cascades.iter().filter_map(key).collect();
    // Each partition has a copy of the key; the rows may be in another than that of the path.
    let same = writes.cascades.iter().filter(|key| {
        let is_target = targets.iter().any(|(oid, _)| *oid == key.child);
        chain.len() == 1 && key.parent == relation.oid && is_target
    });
    let chains = std::iter::once(chain.clone()).chain(same.map(|key| vec![key]));
    let query = |chain: Vec<&CascadeFacts>| {
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
        format!("{from}{among}{closing}")
    };
    chains.map(query).collect()
}

/// The commands by which a role becomes the one that has the right on a path.
pub(super) fn become_role(role: &str, path: &WritePath<'_>) -> String {
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

/// How the statements of a path are tried.
pub(super) struct Trial {
    /// What is done first, in the same transaction.
    pub prepare: String,
    /// What makes the session the role.
    pub become_role: String,
    /// A value that is another one once a row of the tables was written.
    pub measure: String,
    /// Whether the statements reach a row of the tables if the role may: none affected means that it is stopped.
    pub is_aimed: bool,
}

impl Trial {
    /// As the role of the session, on any row of these tables.
    pub(super) fn of_tables(role: &str, path: &WritePath<'_>, targets: &[WriteTarget]) -> Self {
        Self {
            prepare: String::new(),
            become_role: become_role(role, path),
            measure: measure(targets),
            is_aimed: false,
        }
    }
}

/// Tries the statements of a path until one changes a row of the tables.
pub(super) async fn try_path(
    session: &mut Session,
    path: &WritePath<'_>,
    (role, event): (&str, WriteEvent),
    statements: &[String],
    trial: &Trial,
) -> Result<PathEnd, CouldNotRun> {
    if statements.is_empty() {
        return Ok(PathEnd::Unclear(
            "no row of it refers to one there".to_owned(),
        ));
    }
    if session.value("SHOW track_counts").await?.as_deref() != Some("on") {
        return Ok(PathEnd::Unclear("track_counts is off".to_owned()));
    }
    let before = &trial.become_role;
    let went_through = || PathEnd::Changed(format!("{} went through (rolled back)", event.word()));
    let (mut stopped, mut refused, mut had_row, mut why) = (false, false, false, None);
    for sql in statements {
        let tried = session
            .attempt_measured(&trial.prepare, &format!("{before}{sql}"), &trial.measure)
            .await?;
        match tried {
            (_, true) => return Ok(went_through()),
            (Attempt::Allowed(_), _) if event == WriteEvent::Truncate && !path.by_code => {
                return Ok(went_through());
            }
            (Attempt::Allowed(rows), _) => had_row |= rows > 0 || trial.is_aimed,
            (Attempt::Refused(error), _) if says_nothing(&error) => {
                return Err(could_not_try(&describe(role, path), &error));
            }
            (Attempt::Refused(error), _) => match judge_refusal(&error) {
                Refusal::OnPurpose => {
                    stopped = true;
                    refused |= !error.mentions("permission denied");
                }
                // A constraint is checked after rights, and the row that is tried is one of defaults.
                Refusal::ByConstraint
                    if event == WriteEvent::Insert && path.by_views && !trial.is_aimed =>
                {
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
        _ if refused && path.by_views && !trial.is_aimed => {
            PathEnd::Changed(format!("it has the right, and only {refuser} refused it"))
        }
        _ if path.by_code => PathEnd::Unclear("what its code does was not seen".to_owned()),
        Some(why) if !had_row => PathEnd::Unclear(why),
        _ if had_row || stopped => PathEnd::Stopped,
        _ => PathEnd::Unclear("there is no row to try on".to_owned()),
    })
}
