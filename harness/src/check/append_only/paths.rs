//! Indirect ways to change history: tried where a statement can try them, otherwise listed.

use std::collections::BTreeSet;

use super::AppendOnly;
use super::attempts::{Refusal, judge_refusal};
use super::statement::{Column, Row, columns, write_changes};
use crate::check::Restored;
use crate::check::function::{FunctionName, resolve};
use crate::check::privilege::{Relation, could_not_try, says_nothing};
use crate::database::{Attempt, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{
    Actor, CascadeFacts, Facts, RelationFacts, Roles, Step, WriteEntry, WriteEvent, WriteFacts,
    WritePath, WriteReach,
};
use crate::sql::quote_ident;

/// Rows of the tables that were changed or removed in this transaction, by statements of any role. What earlier
/// transactions of the session did may be in it, so only a difference says something.
const WRITTEN: &str = "
SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(o) + pg_catalog.pg_stat_get_xact_tuples_deleted(o))
  FROM pg_catalog.unnest(ARRAY[{oids}]::pg_catalog.oid[]) o";

/// How trying a path ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PathEnd {
    /// A row of the tables was or could be changed, in words.
    Changed(String),
    /// It was refused, or it writes another table.
    Stopped,
    /// It shows nothing, and why.
    Unclear(String),
}

/// Parses an entry of `trusted-functions`.
///
/// # Errors
/// A lowercase fragment.
pub fn parse_function(text: &str) -> Result<FunctionName, String> {
    let name = FunctionName::parse(text)?;
    match name.has_types() && !name.is_pattern() {
        true => Ok(name),
        false => Err(format!(
            "`{text}` does not name one function; write `schema.name(types)`"
        )),
    }
}

impl AppendOnly {
    /// Finds the functions of `trusted-functions`: their OIDs, and a finding for each that is not there.
    pub(super) async fn trusted(
        &self,
        session: &mut Session,
    ) -> Result<(BTreeSet<String>, Vec<Finding>), CouldNotRun> {
        let (mut oids, mut missing) = (BTreeSet::new(), Vec::new());
        for text in &self.trusted_functions {
            let name = parse_function(text).map_err(CouldNotRun::new)?;
            match resolve(session, &name).await? {
                Some(oid) => drop(oids.insert(oid)),
                None => missing.push(
                    Finding::about(text, "a function of `trusted-functions`", "there is none")
                        .hint("remove it from `trusted-functions`, or correct its argument types"),
                ),
            }
        }
        Ok((oids, missing))
    }

    /// Tries or lists the indirect ways of all roles.
    pub(super) async fn paths(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        (roles, facts): (&Roles, &Facts),
        (writes, trusted): (&WriteFacts, &BTreeSet<String>),
        relations: &[Relation],
    ) -> Result<(Vec<Finding>, Vec<CouldNotRun>), CouldNotRun> {
        let tables: Vec<&str> = relations.iter().map(|one| one.oid.as_str()).collect();
        let reach = WriteReach::new(writes, (roles, facts), &tables, trusted);
        let (mut findings, mut open) = (Vec::new(), Vec::new());
        let mut functions = BTreeSet::new();
        for role in &self.roles {
            let Some(actor) = roles.all.get(role).map(|role| Actor::new(roles, role)) else {
                continue;
            };
            let paths = reach.paths(&actor);
            if paths.is_empty() {
                continue;
            }
            let mut own = match restored.session_as(role, &self.settings()).await {
                Ok(own) => Some(own),
                // A role that may not connect can try nothing; the ways are there.
                Err(error) if error.denied() => None,
                Err(error) => return Err(error.into()),
            };
            for path in &paths {
                let end = match (&path.entry, &mut own) {
                    (WriteEntry::Function(function), _) => {
                        functions.insert(function.show());
                        PathEnd::Unclear("what it does with its arguments is not known".to_owned())
                    }
                    (_, None) => PathEnd::Unclear("the role may not connect".to_owned()),
                    (WriteEntry::Relation(relation, event), Some(own)) => {
                        let on = (*relation, *event);
                        let statements = statements(session, writes, path, on, &tables).await?;
                        try_path(own, role, path, *event, &statements, &tables).await?
                    }
                };
                match end {
                    PathEnd::Stopped => {}
                    PathEnd::Changed(what) => {
                        findings.push(finding(role, &self.table, path, &what))
                    }
                    PathEnd::Unclear(why) => open.push(format!("{} ({why})", describe(role, path))),
                }
            }
            if let Some(own) = own {
                own.close().await;
            }
        }
        let open = (!open.is_empty()).then(|| unclear(&self.table, &open, &functions));
        Ok((findings, open.into_iter().collect()))
    }
}

/// The role, what it may do, and what that leads through.
fn describe(role: &str, path: &WritePath<'_>) -> String {
    let may = match path.entry {
        WriteEntry::Function(function) => format!("EXECUTE on {}", function.show()),
        WriteEntry::Relation(relation, event) => format!("{} on {}", event.word(), relation.name),
    };
    format!("role {role} has {may}, {}", path.path.describe())
}

fn finding(role: &str, table: &str, path: &WritePath<'_>, what: &str) -> Finding {
    let hint = match path.entry {
        WriteEntry::Function(function) => format!("REVOKE EXECUTE ON FUNCTION {}", function.show()),
        WriteEntry::Relation(relation, event) => {
            let right = path.path.steps.iter().find(|step| {
                matches!(
                    step,
                    Step::Public(_) | Step::Grant(_) | Step::Owner(_) | Step::Predefined(_)
                )
            });
            let grantee = right.map(Step::grantee).unwrap_or_default();
            let revoke = format!(
                "REVOKE {} ON {} FROM {grantee}",
                event.word(),
                relation.name
            );
            match relation.is_view && !relation.invoker {
                true => format!(
                    "{revoke}, or ALTER VIEW {} SET (security_invoker = true)",
                    relation.name
                ),
                false if path.cascades.is_empty() => revoke,
                false => format!("{revoke}, or make the foreign key NO ACTION"),
            }
        }
    };
    Finding::about(
        format!("{table}, role {role}"),
        "no way to change history",
        format!("{}: {what}", describe(role, path)),
    )
    .hint(hint)
}

/// All ways that could neither be tried nor ruled out, in one.
fn unclear(table: &str, open: &[String], functions: &BTreeSet<String>) -> CouldNotRun {
    let error = CouldNotRun::new(format!(
        "these ways to change {table} could neither be tried nor ruled out: {}",
        open.join("; ")
    ));
    let names: Vec<String> = functions.iter().map(|name| format!("{name:?}")).collect();
    match names.is_empty() {
        true => error.hint("REVOKE the right that each begins with, or restore rows on which it can be tried"),
        false => error.hint(format!(
            "REVOKE EXECUTE on the functions; where a review shows that they change no row of it, add `trusted-functions = [{}]` to the check",
            names.join(", ")
        )),
    }
}

/// The statements by which a path begins, the narrowest first; none where there is no row to try on.
async fn statements(
    session: &mut Session,
    writes: &WriteFacts,
    path: &WritePath<'_>,
    (relation, event): (&RelationFacts, WriteEvent),
    tables: &[&str],
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
    } else if let Some(row) = referenced_row(session, writes, path, relation, tables).await? {
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

/// A row of the first table of a path to which a row of the append-only tables refers.
async fn referenced_row(
    session: &mut Session,
    writes: &WriteFacts,
    path: &WritePath<'_>,
    relation: &RelationFacts,
    tables: &[&str],
) -> Result<Option<Row>, CouldNotRun> {
    let key = |at: &usize| writes.cascades.get(*at);
    let chain: Vec<&CascadeFacts> = path.cascades.iter().filter_map(key).collect();
    // Each partition has a copy of the key; the rows may be in another than that of the path.
    let same = writes.cascades.iter().filter(|key| {
        chain.len() == 1 && key.parent == relation.oid && tables.contains(&key.child.as_str())
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
async fn try_path(
    own: &mut Session,
    role: &str,
    path: &WritePath<'_>,
    event: WriteEvent,
    statements: &[String],
    tables: &[&str],
) -> Result<PathEnd, CouldNotRun> {
    if statements.is_empty() {
        return Ok(PathEnd::Unclear(
            "no row of it refers to one there".to_owned(),
        ));
    }
    if own.value("SHOW track_counts").await?.as_deref() != Some("on") {
        return Ok(PathEnd::Unclear("track_counts is off".to_owned()));
    }
    let measure = WRITTEN.replace("{oids}", &tables.join(", "));
    let before = become_role(role, path);
    let went_through = || PathEnd::Changed(format!("{} went through (rolled back)", event.word()));
    let (mut stopped, mut refused, mut had_row, mut why) = (false, false, false, None);
    for sql in statements {
        let tried = own
            .attempt_measured(&format!("{before}{sql}"), &measure)
            .await?;
        match tried {
            (_, true) => return Ok(went_through()),
            (Attempt::Allowed(_), _) if event == WriteEvent::Truncate => {
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
                Refusal::ByConstraint | Refusal::Unclear => {
                    why.get_or_insert(could_not_try(event.word(), &error).reason);
                }
            },
        }
    }
    Ok(match why {
        // As with a right on the table itself, a trigger does not make it harmless.
        _ if refused && path.by_views => {
            PathEnd::Changed("it has the right, and only a trigger refused it".to_owned())
        }
        _ if path.by_code => PathEnd::Unclear("what its code does was not seen".to_owned()),
        Some(why) if !had_row => PathEnd::Unclear(why),
        _ if had_row || stopped => PathEnd::Stopped,
        _ => PathEnd::Unclear("there is no row to try on".to_owned()),
    })
}
