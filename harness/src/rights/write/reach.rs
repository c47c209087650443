//! What leads to a change of some tables, and by which steps a role has it.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Body;
use super::facts::{FunctionFacts, WriteFacts};
use super::{WriteEntry, WriteEvent, WritePath, is_named, right};
use crate::rights::{Actor, Facts, ObjectClass, ObjectFacts, Roles, Step};
use crate::sql::QualifiedName;

/// How a command on a relation leads to the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Lead {
    steps: Vec<Step>,
    /// Relations on which whoever runs the command must have the right too: those below views with `security_invoker`.
    needs: Vec<String>,
    /// Commands on other relations that it causes, and with them what reacts to them.
    through: Vec<(String, WriteEvent)>,
    cascades: Vec<usize>,
    by_code: bool,
    by_views: bool,
}

/// What leads to a change or removal of rows of some tables.
#[derive(Debug)]
pub struct WriteReach<'a> {
    facts: &'a WriteFacts,
    rights: &'a Facts,
    roles: &'a Roles,
    owners: BTreeMap<&'a str, Actor<'a>>,
    leads: BTreeMap<(String, WriteEvent), Lead>,
    /// Functions that may write one of the tables.
    functions: BTreeSet<String>,
}

impl<'a> WriteReach<'a> {
    /// Finds what leads to the tables with these OIDs. `rights` must be read for [`WriteFacts::owners`] too. Functions whose
    /// OID is in `trusted` are taken to write none of them.
    #[must_use]
    pub fn new(
        facts: &'a WriteFacts,
        (roles, rights): (&'a Roles, &'a Facts),
        tables: &[&str],
        trusted: &BTreeSet<String>,
    ) -> Self {
        let owners = facts.owners().into_iter();
        let owners =
            owners.filter_map(|name| Some((name, Actor::new(roles, roles.all.get(name)?))));
        let mut reach = Self {
            facts,
            rights,
            roles,
            owners: owners.collect(),
            leads: BTreeMap::new(),
            functions: BTreeSet::new(),
        };
        for table in tables {
            for event in [WriteEvent::Update, WriteEvent::Delete, WriteEvent::Truncate] {
                let key = ((*table).to_owned(), event);
                let lead = Lead {
                    by_views: true,
                    ..Lead::default()
                };
                reach.leads.insert(key, lead);
            }
        }
        // Each round can only add; what a function may write depends on the relations, and they on functions.
        loop {
            let before = (reach.leads.len(), reach.functions.len());
            reach.add_relations();
            reach.add_functions(trusted);
            reach.add_reactions();
            if before == (reach.leads.len(), reach.functions.len()) {
                return reach;
            }
        }
    }

    /// Adds views, parents and referenced tables.
    fn add_relations(&mut self) {
        let mut queue: Vec<(String, WriteEvent)> = self.leads.keys().cloned().collect();
        while let Some((oid, event)) = queue.pop() {
            let Some(mut lead) = self.leads.get(&(oid.clone(), event)).cloned() else {
                continue;
            };
            lead.through.push((oid.clone(), event));
            let mut found = Vec::new();
            for (view, _) in self.facts.reads.iter().filter(|(_, read)| *read == oid) {
                found.extend(self.by_view(view, &oid, event, &lead));
            }
            for (_, parent) in self
                .facts
                .children
                .iter()
                .filter(|(child, _)| *child == oid)
            {
                let child = self.name(&oid).cloned().map(Step::Child);
                found.extend(child.map(|step| (parent.clone(), event, lead.after(step))));
            }
            for (at, key) in self
                .facts
                .cascades
                .iter()
                .enumerate()
                .filter(|(_, key)| key.child == oid)
            {
                for (on, action) in [
                    (WriteEvent::Delete, key.actions.0),
                    (WriteEvent::Update, key.actions.1),
                ] {
                    let (does, action) = match action {
                        'c' => (on, "CASCADE"),
                        'n' => (WriteEvent::Update, "SET NULL"),
                        'd' => (WriteEvent::Update, "SET DEFAULT"),
                        _ => continue,
                    };
                    let Some(child) = self.facts.relations.get(&oid).filter(|_| does == event)
                    else {
                        continue;
                    };
                    let mut lead = lead.after(Step::Cascade {
                        constraint: key.name.clone(),
                        child: child.name.clone(),
                        action: format!("ON {} {action}", on.word()),
                    });
                    lead.needs.clear();
                    lead.by_views = false;
                    lead.cascades.insert(0, at);
                    found.push((key.parent.clone(), on, lead));
                }
            }
            for (relation, event, lead) in found {
                let key = (relation, event);
                if !self.leads.contains_key(&key) {
                    self.leads.insert(key.clone(), lead);
                    queue.insert(0, key);
                }
            }
        }
    }

    fn by_view(
        &self,
        view: &str,
        below: &str,
        event: WriteEvent,
        lead: &Lead,
    ) -> Option<(String, WriteEvent, Lead)> {
        let facts = self.facts.relations.get(view)?;
        if !facts.updatable.contains(&event) {
            return None;
        }
        let owner = (!facts.invoker).then(|| facts.owner.clone());
        let mut longer = lead.after(Step::View {
            view: facts.name.clone(),
            owner: owner.clone(),
        });
        match owner {
            // The server checks whoever runs the command, also where a view without it is above.
            None => longer.needs.push(below.to_owned()),
            Some(owner) => {
                let owner = self.owners.get(owner.as_str())?;
                if !self.may(owner, below, event) {
                    return None;
                }
            }
        }
        let read = self.facts.reads.iter().filter(|(of, _)| of == view);
        longer.by_views &= read.count() == 1;
        Some((view.to_owned(), event, longer))
    }

    /// Adds functions that are not certain to leave the tables alone.
    fn add_functions(&mut self, trusted: &BTreeSet<String>) {
        let all = self.facts.functions.values();
        let found: Vec<String> = all
            .filter(|one| !trusted.contains(&one.oid) && self.may_write(one))
            .map(|one| one.oid.clone())
            .collect();
        self.functions.extend(found);
    }

    fn may_write(&self, function: &FunctionFacts) -> bool {
        let Some(body) = &function.body else {
            return true;
        };
        // The server refuses writes in a function that is not VOLATILE, and not calls of one that is.
        match function.volatile {
            true => body.opaque || self.body_writes(body),
            false => {
                self.body_calls(body) || (body.opaque && self.written().any(|one| one.volatile))
            }
        }
    }

    fn written(&self) -> impl Iterator<Item = &'a FunctionFacts> {
        let facts = self.facts;
        self.functions
            .iter()
            .filter_map(|oid| facts.functions.get(oid))
    }

    fn body_calls(&self, body: &Body) -> bool {
        body.calls
            .iter()
            .any(|call| self.written().any(|one| is_named(call, &one.name)))
    }

    /// Whether a body writes a relation that leads to the tables, or calls a function that may.
    fn body_writes(&self, body: &Body) -> bool {
        let leads = |name: &QualifiedName, inserts: bool| {
            let on = |(oid, event): &(String, WriteEvent)| {
                (*event == WriteEvent::Insert) == inserts
                    && self.name(oid).is_some_and(|of| is_named(name, of))
            };
            let fires = |trigger: &super::facts::ReactionFacts| {
                trigger
                    .function
                    .as_ref()
                    .is_some_and(|oid| self.functions.contains(oid))
                    && (trigger.events.contains(&WriteEvent::Insert) || !inserts)
                    && self
                        .name(&trigger.relation)
                        .is_some_and(|of| is_named(name, of))
            };
            self.leads.keys().any(on) || self.facts.triggers.iter().any(fires)
        };
        self.body_calls(body)
            || body.changes.iter().any(|name| leads(name, false))
            || body.inserts.iter().any(|name| leads(name, true))
    }

    /// Adds relations with a rule, or with a trigger whose function has the rights of another.
    fn add_reactions(&mut self) {
        let mut found = Vec::new();
        for rule in &self.facts.rules {
            let Some(relation) = self.facts.relations.get(&rule.relation) else {
                continue;
            };
            if self.body_writes(&rule.body) && self.owner_may_any(&relation.owner) {
                let step = Step::Rule {
                    rule: rule.name.clone(),
                    relation: relation.name.clone(),
                };
                found.push((rule, step));
            }
        }
        for trigger in &self.facts.triggers {
            let function = trigger
                .function
                .as_ref()
                .and_then(|oid| self.facts.functions.get(oid));
            let relation = self.facts.relations.get(&trigger.relation);
            if function.is_some_and(|one| self.is_dangerous(one))
                && let Some(relation) = relation
            {
                let step = Step::Trigger {
                    trigger: trigger.name.clone(),
                    relation: relation.name.clone(),
                };
                found.push((trigger, step));
            }
        }
        for (reaction, step) in found {
            for event in &reaction.events {
                let key = (reaction.relation.clone(), *event);
                let lead = self.leads.entry(key.clone()).or_insert_with(|| Lead {
                    steps: vec![step.clone()],
                    ..Lead::default()
                });
                // A right on one of the tables themselves is judged as such.
                if lead.steps.is_empty() {
                    continue;
                }
                // Another way on the same command does not hide what this code may do.
                lead.by_code = true;
                let above = self.leads.values_mut();
                for lead in above.filter(|lead| lead.through.contains(&key)) {
                    lead.by_code = true;
                }
            }
        }
    }

    /// Whether a function has rights of its own, may write the tables, and its owner may.
    fn is_dangerous(&self, function: &FunctionFacts) -> bool {
        function.definer
            && self.functions.contains(&function.oid)
            && self.owner_may_any(&function.owner)
    }

    /// Whether a role may run a command that leads to the tables.
    fn owner_may_any(&self, owner: &str) -> bool {
        let Some(actor) = self.owners.get(owner) else {
            return true;
        };
        self.leads.iter().any(|((oid, event), lead)| {
            self.may(actor, oid, *event) && self.may_all(actor, &lead.needs, *event)
        })
    }

    fn may_all(&self, actor: &Actor<'_>, relations: &[String], event: WriteEvent) -> bool {
        relations.iter().all(|oid| self.may(actor, oid, event))
    }

    fn may(&self, actor: &Actor<'_>, relation: &str, event: WriteEvent) -> bool {
        actor.paths.keys().any(|name| self.roles.is_superuser(name))
            || self
                .object(ObjectClass::Table, relation)
                .is_some_and(|object| right(actor, object, event.word()).is_some())
    }

    fn object(&self, class: ObjectClass, oid: &str) -> Option<&'a ObjectFacts> {
        let mut all = self.rights.objects.iter();
        all.find(|object| object.class == class && object.id == oid)
    }

    fn name(&self, oid: &str) -> Option<&'a QualifiedName> {
        self.facts.relations.get(oid).map(|one| &one.name)
    }

    /// The ways of a role to the tables, without those that it has by a right on one of them. A superuser needs none.
    #[must_use]
    pub fn paths(&self, actor: &Actor<'_>) -> Vec<WritePath<'a>> {
        let mut found = Vec::new();
        if actor.role.superuser {
            return found;
        }
        for ((oid, event), lead) in self.leads.iter().filter(|(_, lead)| !lead.steps.is_empty()) {
            let (Some(relation), Some(object)) = (
                self.facts.relations.get(oid),
                self.object(ObjectClass::Table, oid),
            ) else {
                continue;
            };
            let Some(access) = right(actor, object, event.word()) else {
                continue;
            };
            if !self.may_all(actor, &lead.needs, *event) || !self.may_use(actor, &object.schema) {
                continue;
            }
            found.push(WritePath {
                entry: WriteEntry::Relation(relation, *event),
                path: lead
                    .steps
                    .iter()
                    .fold(access, |path, step| path.then(step.clone())),
                cascades: lead.cascades.clone(),
                by_code: lead.by_code,
                by_views: lead.by_views,
            });
        }
        for function in self.written().filter(|one| self.is_dangerous(one)) {
            let object = self.object(ObjectClass::Function, &function.oid);
            let Some(access) = object.and_then(|object| right(actor, object, "EXECUTE")) else {
                continue;
            };
            if self.may_use(actor, &function.name.schema) {
                found.push(WritePath {
                    entry: WriteEntry::Function(function),
                    path: access.then(Step::Function {
                        function: function.show(),
                        owner: function.owner.clone(),
                    }),
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
        let all = actor.paths.keys().filter(|role| {
            let Some(other) = self
                .roles
                .all
                .get(**role)
                .filter(|_| **role != actor.role.name)
            else {
                return false;
            };
            let other = Actor::new(self.roles, other);
            tables().any(|((oid, event), _)| self.may(&other, oid, *event))
        });
        all.copied().collect()
    }

    /// Whether a role may name objects of a schema. Of one that is as the server or an extension made it nothing was read.
    fn may_use(&self, actor: &Actor<'_>, schema: &str) -> bool {
        let schema = self.rights.find(ObjectClass::Schema, "", schema);
        schema.is_none_or(|object| right(actor, object, "USAGE").is_some())
    }
}

impl Lead {
    /// The lead of an object from which one more step leads on.
    fn after(&self, step: Step) -> Self {
        let mut longer = self.clone();
        longer.steps.insert(0, step);
        longer
    }
}
