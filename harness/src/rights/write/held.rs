//! Which of the ways to a write a role has.

use std::collections::BTreeSet;

use super::known::right;
use super::reach::WriteReach;
use super::{WriteEntry, WritePath};
use crate::rights::{Actor, Step};

impl<'a> WriteReach<'a> {
    /// The ways of a role to the tables, without those that it has by a right on one of them. A superuser needs none.
    #[must_use]
    pub fn paths(&self, actor: &Actor<'_>) -> Vec<WritePath<'a>> {
        let mut found = Vec::new();
        if actor.role.superuser {
            return found;
        }
        for ((oid, event), lead) in self.leads.iter().filter(|(_, lead)| !lead.steps.is_empty()) {
            let (Some(relation), Some(object)) =
                (self.facts.relations.get(oid), self.known.table(oid))
            else {
                continue;
            };
            let Some(access) = right(actor, object, event.word()) else {
                continue;
            };
            if !self.may_all(actor, &lead.needs, *event)
                || !self.known.may_use(actor, &object.schema)
            {
                continue;
            }
            found.push(WritePath {
                entry: WriteEntry::Relation(relation, *event),
                path: lead
                    .steps
                    .iter()
                    .fold(access, |path, step| path.then(step.clone())),
                target: lead.target.clone(),
                cascades: lead.cascades.clone(),
                by_code: lead.by_code,
                by_views: lead.by_views,
            });
        }
        // Only a trigger calls a trigger function, and triggers are among the leads.
        let called = self.written().filter(|one| !one.of_triggers);
        for function in called.filter(|one| self.is_dangerous(one)) {
            let object = self.known.function(&function.oid);
            let Some(access) = object.and_then(|object| right(actor, object, "EXECUTE")) else {
                continue;
            };
            if self.known.may_use(actor, &function.name.schema) {
                found.push(WritePath {
                    entry: WriteEntry::Function(function),
                    path: access.then(Step::Function {
                        function: function.show(),
                        owner: function.owner.clone(),
                    }),
                    target: None,
                    cascades: Vec::new(),
                    by_code: true,
                    by_views: false,
                });
            }
        }
        // Whoever acts as a role with a right on a table itself needs no other way.
        let direct: BTreeSet<&str> = self.roles_with_right(actor);
        found.retain(|one| {
            !one.path
                .roles()
                .last()
                .is_some_and(|role| direct.contains(role))
        });
        found
    }

    /// The roles that an actor acts as and that have a right on one of the tables.
    fn roles_with_right<'r>(&self, actor: &Actor<'r>) -> BTreeSet<&'r str> {
        let tables = || self.leads.iter().filter(|(_, lead)| lead.steps.is_empty());
        let others = actor.paths.keys().copied();
        let others = others.filter(|role| *role != actor.role.name);
        others
            .filter(|role| {
                let other = self.known.actor(role);
                other.is_some_and(|other| {
                    tables().any(|((oid, event), _)| self.known.may(&other, oid, *event))
                })
            })
            .collect()
    }
}
