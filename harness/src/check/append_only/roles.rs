//! What each role may and can: what the catalog says, put together with what was tried.

use super::AppendOnly;
use super::attempts::{self, AttemptEnd};
use super::rights::{self, HistoryRights};
use super::statement::{AttemptTarget, HistoryChange};
use super::triggers::Event;
use crate::check::Restored;
use crate::check::absent;
use crate::check::indirect::{Indirect, Limit, Ways};
use crate::check::privilege::{Relation, could_not_try, says_nothing};
use crate::database::{Attempt, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{Actor, Facts, KnownRights, ObjectClass, Roles, WriteEvent, WriteTarget};
use crate::sql::{QualifiedName, quote_ident};

impl AppendOnly {
    /// Checks one role that must not change history.
    pub(super) async fn role(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        role: &str,
        (roles, facts): (&Roles, &Facts),
        relations: &[Relation],
        targets: &[AttemptTarget],
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let Some(actor) = roles.all.get(role).map(|role| Actor::new(roles, role)) else {
            return Ok(vec![absent::role(role, roles)]);
        };
        let mut findings = rights::find_bypasses(roles, facts, &actor);
        if actor.role.superuser {
            return Ok(findings);
        }
        let statements: Vec<&str> = self.judged().map(Event::word).collect();
        let rights = rights::find(session, facts, &actor, relations, &statements).await?;
        let mut own = match restored.session_as(role, &self.settings()).await {
            Ok(own) => Some(own),
            // A role that may not connect can try nothing; the catalog still has its rights.
            Err(error) if error.denied() => None,
            Err(error) => return Err(error.into()),
        };
        for (relation, target) in relations.iter().zip(targets) {
            let mut went = Vec::new();
            if let Some(own) = &mut own
                && relation.kind != 'f'
            {
                let QualifiedName { schema, name } = &relation.name;
                let table = facts.find(ObjectClass::Table, schema, name);
                // Without SELECT there is no `ctid` to name a row by.
                let can_select = table.is_some_and(|table| actor.has(table, "SELECT", None, false));
                let changes = self.judged().map(HistoryChange::from);
                for change in changes.chain([HistoryChange::DisableTriggers]) {
                    match attempts::try_as_role(own, target, change, can_select).await? {
                        AttemptEnd::Changed(what) => went.push(what),
                        AttemptEnd::OnlyForeignKey
                        | AttemptEnd::Permitted
                        | AttemptEnd::Stopped => {}
                    }
                }
            }
            findings.extend(judge(role, relation, rights.get(&relation.oid), &went));
        }
        if let Some(mut own) = own {
            let sql = "SET session_replication_role = replica";
            if let Attempt::Allowed(_) = own.attempt(sql).await?
                && !findings
                    .iter()
                    .any(|f| f.actual.contains("session_replication_role"))
            {
                findings.push(
                    Finding::about(
                        format!("role {role}"),
                        "a role that cannot switch triggers off",
                        "it set session_replication_role (rolled back)",
                    )
                    .hint("find out what lets it, and ENABLE ALWAYS the triggers"),
                );
            }
            own.close().await;
        }
        Ok(findings)
    }

    /// Tries or lists the indirect ways of all roles to change history.
    pub(super) async fn ways(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        (roles, facts): (&Roles, &Facts),
        indirect: &Indirect,
        relations: &[Relation],
    ) -> Result<(Vec<Finding>, Option<CouldNotRun>), CouldNotRun> {
        let known = KnownRights::new(&indirect.writes, roles, facts);
        let events = self.judged().map(|event| match event {
            Event::Update => WriteEvent::Update,
            Event::Delete => WriteEvent::Delete,
            Event::Truncate => WriteEvent::Truncate,
        });
        let of_event = |event| {
            relations
                .iter()
                .map(move |table| (table.oid.clone(), event))
        };
        let targets: Vec<WriteTarget> = events.flat_map(of_event).collect();
        let mut ways = Ways::default();
        for role in &self.roles {
            let Some(actor) = roles.all.get(role).map(|role| Actor::new(roles, role)) else {
                continue;
            };
            let limit = Limit {
                object: format!("{}, role {role}", self.table),
                expected: "no way to change history".to_owned(),
                purpose: format!("change {}", self.table),
                indirect: None,
                targets: &targets,
            };
            let of = (&actor, &limit);
            ways.find(restored, session, &self.settings(), (indirect, &known), of)
                .await?;
        }
        Ok(ways.finish())
    }

    /// Checks that a role can add rows.
    pub(super) async fn inserts(
        &self,
        restored: &Restored<'_>,
        role: &str,
        (roles, facts): (&Roles, &Facts),
        table: &QualifiedName,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let Some(actor) = roles.all.get(role).map(|role| Actor::new(roles, role)) else {
            return Ok(vec![absent::role(role, roles)]);
        };
        let object = format!("{table}, role {role}");
        let facts = facts.find(ObjectClass::Table, &table.schema, &table.name);
        let rights = facts
            .map(|table| actor.rights_on(table))
            .unwrap_or_default();
        let inserts = rights
            .iter()
            .any(|held| held.privilege == "INSERT" && held.path.is_at_once());
        if !inserts && !actor.role.superuser {
            return Ok(vec![
                Finding::about(object, "the right to INSERT", "it has none")
                    .hint(format!("GRANT INSERT ON {table} TO {}", quote_ident(role))),
            ]);
        }
        let Some(insert) = &self.insert else {
            return Ok(Vec::new());
        };
        let mut own = restored.session_as(role, &self.settings()).await?;
        let tried = own.attempt(insert).await?;
        own.close().await;
        let actual = match tried {
            Attempt::Allowed(0) => "it went through and added no row".to_owned(),
            Attempt::Allowed(_) => return Ok(Vec::new()),
            Attempt::Refused(error) => {
                let by_code = error
                    .sqlstate
                    .as_deref()
                    .is_some_and(|s| s.starts_with("P0"));
                if says_nothing(&error) || !(error.denied() || by_code) {
                    return Err(could_not_try(&format!("the INSERT as {role}"), &error)
                        .hint("correct `insert`, so that it is valid on the restored data"));
                }
                format!("it was refused: {error}")
            }
        };
        Ok(vec![
            Finding::about(object, "the INSERT goes through", actual).hint(
                "check the rights on the table, its schema and its sequences, and its policies and triggers",
            ),
        ])
    }
}

/// Puts together what the catalog says of a role and a table, and what was tried.
fn judge(
    role: &str,
    relation: &Relation,
    rights: Option<&HistoryRights>,
    went: &[String],
) -> Option<Finding> {
    match rights {
        Some(rights) => {
            let tried = if went.is_empty() {
                String::new()
            } else {
                format!(" (tried: {} went through, rolled back)", went.join(", "))
            };
            Some(rights::finding(role, &relation.name, rights, &tried))
        }
        None if went.is_empty() => None,
        None => Some(
            Finding::about(
                format!("{}, role {role}", relation.name),
                "every attempt to change history is refused",
                format!("{} went through (rolled back)", went.join(", ")),
            )
            .hint("the catalog shows no right that allows this: look at rules and functions"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_found_even_where_the_catalog_shows_no_right() {
        let relation = Relation {
            oid: "1".to_owned(),
            name: QualifiedName::parse("app.audit_1").unwrap(),
            kind: 'r',
            owner: "owner".to_owned(),
            level: 1,
        };
        assert_eq!(judge("app", &relation, None, &[]), None);
        let went = ["DELETE of one row".to_owned()];
        let finding = judge("app", &relation, None, &went).unwrap();
        assert!(finding.actual.contains("DELETE of one row went through"));
    }
}
