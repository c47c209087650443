//! Indirect ways to read tables: views and functions with the rights of another.

use std::collections::BTreeSet;

use super::known::{KnownRights, right};
use super::{FunctionFacts, RelationFacts, WriteFacts};
use crate::rights::Actor;
use crate::sql::QualifiedName;

/// What reads one of some tables with the rights of a role for which `exempt` holds.
#[derive(Debug)]
pub struct ReadReach<'a> {
    known: &'a KnownRights<'a>,
    views: Vec<&'a RelationFacts>,
    functions: Vec<&'a FunctionFacts>,
}

impl<'a> ReadReach<'a> {
    /// Finds it for tables by OID. Functions whose OID is in `trusted` are left out, and so is what only reads with the
    /// rights of its caller.
    #[must_use]
    pub fn new(
        facts: &'a WriteFacts,
        known: &'a KnownRights<'a>,
        tables: &BTreeSet<&str>,
        exempt: impl Fn(&str) -> bool,
        trusted: &BTreeSet<String>,
    ) -> Self {
        let above = |from: &BTreeSet<&'a str>, is_meant: &dyn Fn(&RelationFacts) -> bool| {
            let views = from.iter().flat_map(|oid| facts.reads.firsts(oid));
            let views = views.filter_map(|view| facts.relations.get(view));
            let views = views.filter(|view| is_meant(view));
            views
                .map(|view| view.oid.as_str())
                .collect::<BTreeSet<&'a str>>()
        };
        let closure = |mut found: BTreeSet<&'a str>| loop {
            let next = above(&found, &|_| true);
            let before = found.len();
            found.extend(next);
            if found.len() == before {
                return found;
            }
        };
        let tree: BTreeSet<&'a str> = tables
            .iter()
            .filter_map(|oid| facts.relations.get(*oid))
            .map(|one| one.oid.as_str())
            .collect();
        let past = closure(above(&tree, &|view| !view.invoker && exempt(&view.owner)));
        // A function with the rights of an exempt role reads by any view.
        let all = closure(tree);
        let mut reading: BTreeSet<&str> = BTreeSet::new();
        loop {
            let before = reading.len();
            for one in facts
                .functions
                .values()
                .filter(|one| !trusted.contains(&one.oid))
            {
                let calls_one = |call: &QualifiedName| {
                    let mut called = facts.functions_with_name(call);
                    called.any(|oid| reading.contains(oid))
                };
                let reads = one.body.as_ref().is_none_or(|body| {
                    body.opaque
                        || body
                            .mentions
                            .iter()
                            .any(|word| facts.with_name(word).any(|oid| all.contains(oid)))
                        || body.calls.iter().any(calls_one)
                });
                if reads {
                    reading.insert(&one.oid);
                }
            }
            if reading.len() == before {
                break;
            }
        }
        let functions = facts.functions.values().filter(|one| {
            one.definer
                && !one.of_triggers
                && reading.contains(one.oid.as_str())
                && exempt(&one.owner)
        });
        let views = facts
            .relations
            .values()
            .filter(|one| past.contains(one.oid.as_str()));
        Self {
            known,
            views: views.collect(),
            functions: functions.collect(),
        }
    }

    /// The views among it that a role may read, and the functions that it may call.
    #[must_use]
    pub fn of_role(&self, actor: &Actor<'_>) -> (Vec<&'a RelationFacts>, Vec<&'a FunctionFacts>) {
        let views = self.views.iter().copied().filter(|view| {
            let object = self.known.table(&view.oid);
            object.is_some_and(|object| right(actor, object, "SELECT").is_some())
                && self.known.may_use(actor, &view.name.schema)
        });
        let functions = self.functions.iter().copied().filter(|one| {
            let object = self.known.function(&one.oid);
            object.is_some_and(|object| right(actor, object, "EXECUTE").is_some())
                && self.known.may_use(actor, &one.name.schema)
        });
        (views.collect(), functions.collect())
    }
}
