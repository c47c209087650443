//! What leads to some relations: the checks try it, on real rows, where a role may begin there.
//!
//! It finds what `rights/write` finds in a session and more, since it does not ask for rights.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::{At, Definitions, Function, RelationKind};
use crate::rights::{Body, WriteEvent};

/// Relations from which something leads to others.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    definitions: &'a Definitions,
    /// Functions that are no ways.
    trusted: &'a BTreeSet<At>,
    pub found: BTreeMap<At, Target>,
    /// Functions that may write one of them.
    writing: BTreeSet<At>,
}

/// Which commands on a relation lead to one that a check names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// INSERT does; UPDATE, DELETE and TRUNCATE always do.
    pub inserts: bool,
}

impl<'a> Ways<'a> {
    /// Finds what leads to `targets`, and they themselves.
    pub fn new(
        definitions: &'a Definitions,
        targets: BTreeMap<At, Target>,
        trusted: &'a BTreeSet<At>,
    ) -> Self {
        let mut ways = Self {
            definitions,
            trusted,
            found: targets,
            writing: BTreeSet::new(),
        };
        // Each round can only add.
        loop {
            let before = (ways.found.clone(), ways.writing.len());
            ways.add_relations();
            ways.add_functions();
            ways.add_reactions();
            if before == (ways.found.clone(), ways.writing.len()) {
                return ways;
            }
        }
    }

    /// Adds views, parents and children, and what foreign keys refer to.
    fn add_relations(&mut self) {
        let definitions = self.definitions;
        let relations = definitions.relations.iter().enumerate();
        for (view, relation) in relations.filter(|(_, one)| one.kind != RelationKind::Table) {
            let texts = relation
                .on_load
                .iter()
                .map(|text| &definitions.texts[*text].text);
            let reads: Vec<At> = texts
                .flat_map(|text| definitions.relations_in(text))
                .collect();
            if reads
                .iter()
                .any(|at| *at != view && self.found.contains_key(at))
            {
                self.add(view, Target { inserts: true });
            }
        }
        for (at, target) in self.found.clone() {
            let relation = &definitions.relations[at];
            for other in &relation.tree {
                self.add(*other, target);
            }
            for key in relation.keys.iter().map(|key| &definitions.keys[*key]) {
                if key.acts {
                    self.add(key.parent, Target::default());
                }
            }
        }
    }

    /// Adds functions that are not certain to leave the relations alone.
    fn add_functions(&mut self) {
        let functions = self.definitions.functions.iter().enumerate();
        let found = functions.filter(|(at, one)| !self.trusted.contains(at) && self.may_write(one));
        let found: Vec<At> = found.map(|(at, _)| at).collect();
        self.writing.extend(found);
    }

    fn may_write(&self, function: &Function) -> bool {
        let body = function.body.as_ref();
        body.is_none_or(|body| body.opaque || self.body_writes(body))
    }

    /// Whether a body runs a command that leads to the relations, or calls a function that may.
    fn body_writes(&self, body: &Body) -> bool {
        let definitions = self.definitions;
        let mut called = body
            .calls
            .iter()
            .flat_map(|name| definitions.functions_called(name));
        let writes = |(event, at): (WriteEvent, At)| {
            let leads = self.found.get(&at);
            let fires = || {
                let mut triggers = definitions
                    .reactions
                    .iter()
                    .filter(|one| one.relation == at);
                triggers.any(|one| one.functions.iter().any(|at| self.writing.contains(at)))
            };
            leads.is_some_and(|target| event != WriteEvent::Insert || target.inserts) || fires()
        };
        let written = body.writes.iter().flat_map(|(event, name)| {
            let all = definitions.relations_called(name);
            all.map(move |at| (*event, at))
        });
        called.any(|at| self.writing.contains(&at)) || written.into_iter().any(writes)
    }

    /// Adds relations with a rule, or with a trigger whose function has the rights of another.
    fn add_reactions(&mut self) {
        for reaction in &self.definitions.reactions {
            let by_rule = reaction.body.as_ref();
            let by_rule = by_rule.is_some_and(|body| body.opaque || self.body_writes(body));
            let by_trigger = reaction
                .functions
                .iter()
                .any(|at| self.definitions.functions[*at].definer && self.writing.contains(at));
            if by_rule || by_trigger {
                self.add(reaction.relation, Target { inserts: true });
            }
        }
    }

    fn add(&mut self, at: At, target: Target) {
        let known = self.found.entry(at).or_default();
        known.inserts |= target.inserts;
    }
}
