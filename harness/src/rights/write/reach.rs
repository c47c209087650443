//! What leads to a write of some tables.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Body;
use super::facts::{FunctionFacts, ReactionFacts, WriteFacts};
use super::known::KnownRights;
use super::{WriteEvent, WriteTarget};
use crate::rights::{Actor, Step};
use crate::sql::QualifiedName;

/// How a command on a relation leads to the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lead {
    /// None for one of the targets itself.
    pub steps: Vec<Step>,
    /// Relations on which whoever runs the command must have the right too: those below views with `security_invoker`.
    pub needs: Vec<String>,
    /// The target that it leads to; `None` where code may write any.
    pub target: Option<WriteTarget>,
    pub cascades: Vec<usize>,
    pub by_code: bool,
    pub by_views: bool,
    /// Commands on other relations that it causes, and with them what reacts to them.
    through: Vec<WriteTarget>,
}

/// What leads to a write of some tables.
#[derive(Debug)]
pub struct WriteReach<'a> {
    pub(super) facts: &'a WriteFacts,
    pub(super) known: &'a KnownRights<'a>,
    pub(super) leads: BTreeMap<WriteTarget, Lead>,
    /// Functions that may write one of the tables.
    functions: BTreeSet<String>,
    /// Owners that may run a command that leads to the tables.
    able: BTreeSet<&'a str>,
}

impl<'a> WriteReach<'a> {
    /// Finds what leads to these commands on tables. Functions whose OID is in `trusted` are taken to run none of them.
    #[must_use]
    pub fn new(
        facts: &'a WriteFacts,
        known: &'a KnownRights<'a>,
        targets: &[WriteTarget],
        trusted: &BTreeSet<String>,
    ) -> Self {
        let leads = targets.iter().map(|target| {
            let lead = Lead {
                target: Some(target.clone()),
                by_views: true,
                ..Lead::default()
            };
            (target.clone(), lead)
        });
        let mut reach = Self {
            facts,
            known,
            leads: leads.collect(),
            functions: BTreeSet::new(),
            able: BTreeSet::new(),
        };
        // Each round can only add; what a function may write depends on the relations, and they on functions.
        loop {
            let before = (reach.leads.len(), reach.functions.len());
            reach.add_relations();
            reach.add_functions(trusted);
            let owners = facts.owners().into_iter();
            reach.able = owners.filter(|owner| reach.may_any(owner)).collect();
            reach.add_reactions();
            if before == (reach.leads.len(), reach.functions.len()) {
                return reach;
            }
        }
    }

    /// Adds views, parents and referenced tables.
    fn add_relations(&mut self) {
        let mut queue: Vec<WriteTarget> = self.leads.keys().cloned().collect();
        while let Some((oid, event)) = queue.pop() {
            let Some(mut lead) = self.leads.get(&(oid.clone(), event)).cloned() else {
                continue;
            };
            lead.through.push((oid.clone(), event));
            let mut found = Vec::new();
            for view in self.facts.reads.firsts(&oid) {
                found.extend(self.by_view(view, &oid, event, &lead));
            }
            for parent in self.facts.children.seconds(&oid) {
                let child = self.name(&oid).cloned().map(Step::Child);
                found.extend(child.map(|step| (parent.clone(), event, lead.after(step))));
            }
            for (at, key) in self.facts.cascades_of(&oid) {
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
                let owner = self.known.owner(&owner)?;
                if !self.known.may(owner, below, event) {
                    return None;
                }
            }
        }
        longer.by_views &= self.facts.reads.seconds(view).len() == 1;
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

    /// The functions that may write one of the tables.
    pub(super) fn written(&self) -> impl Iterator<Item = &'a FunctionFacts> {
        let facts = self.facts;
        self.functions
            .iter()
            .filter_map(|oid| facts.functions.get(oid))
    }

    fn body_calls(&self, body: &Body) -> bool {
        body.calls.iter().any(|call| {
            let mut called = self.facts.functions_with_name(call);
            called.any(|oid| self.functions.contains(oid))
        })
    }

    /// Whether a body runs a command that leads to the tables, or calls a function that may.
    fn body_writes(&self, body: &Body) -> bool {
        let fires = |trigger: &&ReactionFacts, event: WriteEvent| {
            let may_write = |oid| self.functions.contains(oid);
            trigger.function.as_ref().is_some_and(may_write) && trigger.events.contains(&event)
        };
        let writes = |(event, name): &(WriteEvent, QualifiedName)| {
            self.facts.with_name(name).any(|oid| {
                let mut triggers = self.facts.triggers.iter();
                self.leads.contains_key(&(oid.to_owned(), *event))
                    || triggers.any(|trigger| trigger.relation == oid && fires(&trigger, *event))
            })
        };
        self.body_calls(body) || body.writes.iter().any(writes)
    }

    /// Adds relations with a rule, or with a trigger whose function has the rights of another.
    fn add_reactions(&mut self) {
        let mut found = Vec::new();
        for rule in &self.facts.rules {
            let Some(relation) = self.facts.relations.get(&rule.relation) else {
                continue;
            };
            if self.body_writes(&rule.body) && self.able.contains(relation.owner.as_str()) {
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
            if let Some(function) = function.filter(|one| self.is_dangerous(one))
                && let Some(relation) = relation
            {
                let step = Step::Trigger {
                    trigger: trigger.name.clone(),
                    relation: relation.name.clone(),
                    function: function.show(),
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
    pub(super) fn is_dangerous(&self, function: &FunctionFacts) -> bool {
        function.definer
            && self.functions.contains(&function.oid)
            && self.able.contains(function.owner.as_str())
    }

    /// Whether a role may run a command that leads to the tables.
    fn may_any(&self, owner: &str) -> bool {
        let Some(actor) = self.known.owner(owner) else {
            return true;
        };
        self.leads.iter().any(|((oid, event), lead)| {
            self.known.may(actor, oid, *event) && self.may_all(actor, &lead.needs, *event)
        })
    }

    /// Whether a role may run a command on each of these relations.
    pub(super) fn may_all(
        &self,
        actor: &Actor<'_>,
        relations: &[String],
        event: WriteEvent,
    ) -> bool {
        let mut all = relations.iter();
        all.all(|oid| self.known.may(actor, oid, event))
    }

    fn name(&self, oid: &str) -> Option<&'a QualifiedName> {
        self.facts.relations.get(oid).map(|one| &one.name)
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
