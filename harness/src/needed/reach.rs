//! What is read where some relations are read and written: from definition to definition, by the names in them.

use std::collections::BTreeSet;

use super::definitions::{At, Definitions};
use super::text::Text;
use crate::rights::WriteEvent;
use crate::sql::tokens;

/// What was reached.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    definitions: &'a Definitions,
    /// Relations whose rows are loaded.
    pub loaded: BTreeSet<At>,
    /// Those that are read and written, so that their policies, triggers and rules run.
    used: BTreeSet<At>,
    /// Those whose rows are changed or removed, so that the foreign keys that refer to them are looked up or followed.
    written: BTreeSet<At>,
    functions: BTreeSet<At>,
    texts: BTreeSet<At>,
    /// What may read tables that nothing names, and why.
    pub unknown: Option<String>,
    queue: Vec<Step>,
    /// What was reached since the last [`Reach::attempt`], to take it back.
    log: Vec<Step>,
}

/// Something to reach.
#[derive(Debug, Clone, Copy)]
enum Step {
    Load(At),
    Use(At),
    Write(At),
    Function(At),
    Text(At),
}

impl<'a> Reach<'a> {
    /// Begins with what may run anywhere.
    pub fn new(definitions: &'a Definitions) -> Self {
        let anywhere = definitions.anywhere.iter().copied();
        let mut reach = Self {
            definitions,
            loaded: BTreeSet::new(),
            used: BTreeSet::new(),
            written: BTreeSet::new(),
            functions: BTreeSet::new(),
            texts: BTreeSet::new(),
            unknown: definitions.unknown.clone(),
            queue: anywhere.map(Step::Text).collect(),
            log: Vec::new(),
        };
        reach.run();
        reach
    }

    /// Reaches a relation that is read and written.
    pub fn add(&mut self, relation: At) {
        self.queue.push(Step::Use(relation));
        self.run();
    }

    /// Reaches what a statement of the scenario names.
    pub fn statement(&mut self, sql: &str) {
        let definitions = self.definitions;
        let text = Text::of_statement(sql);
        let says =
            |words: &[&str]| tokens(sql).any(|one| words.iter().any(|word| one.is_word(word)));
        let removes = says(&["delete", "truncate", "merge"]);
        let changes = says(&["update"]);
        for at in definitions.relations_in(&text) {
            self.queue.push(Step::Use(at));
            if removes || changes && definitions.may_change_key(at, &text) {
                self.queue.push(Step::Write(at));
            }
        }
        self.names(&text, "a statement of the scenario");
        self.run();
    }

    /// Reaches a relation, unless that needs rows that are not loaded and that `may_load` refuses, or is not known.
    /// Returns whether it was reached.
    pub fn attempt(&mut self, relation: At, may_load: impl Fn(At) -> bool) -> bool {
        if self.unknown.is_some() {
            return false;
        }
        self.log.clear();
        self.queue.push(Step::Load(relation));
        self.run();
        let refused = |step: &Step| matches!(step, Step::Load(at) if !may_load(*at));
        if self.unknown.take().is_none() && !self.log.iter().any(refused) {
            return true;
        }
        for step in std::mem::take(&mut self.log) {
            match step {
                Step::Load(at) => self.loaded.remove(&at),
                Step::Use(at) => self.used.remove(&at),
                Step::Write(at) => self.written.remove(&at),
                Step::Function(at) => self.functions.remove(&at),
                Step::Text(at) => self.texts.remove(&at),
            };
        }
        false
    }

    fn run(&mut self) {
        let definitions = self.definitions;
        while let Some(step) = self.queue.pop() {
            let is_new = match step {
                Step::Load(at) => self.loaded.insert(at),
                Step::Use(at) => self.used.insert(at),
                Step::Write(at) => self.written.insert(at),
                Step::Function(at) => self.functions.insert(at),
                Step::Text(at) => self.texts.insert(at),
            };
            if !is_new {
                continue;
            }
            self.log.push(step);
            match step {
                Step::Load(at) => {
                    let relation = &definitions.relations[at];
                    self.queue
                        .extend(relation.on_load.iter().copied().map(Step::Text));
                    self.queue
                        .extend(relation.tree.iter().copied().map(Step::Load));
                    let keys = relation
                        .keys
                        .iter()
                        .map(|key| definitions.keys[*key].parent);
                    self.queue.extend(keys.map(Step::Load));
                }
                Step::Use(at) => {
                    let relation = &definitions.relations[at];
                    self.queue.push(Step::Load(at));
                    self.queue
                        .extend(relation.on_use.iter().copied().map(Step::Text));
                    self.queue
                        .extend(relation.tree.iter().copied().map(Step::Use));
                }
                Step::Write(at) => {
                    for key in &definitions.relations[at].referred_by {
                        let key = &definitions.keys[*key];
                        self.queue.push(Step::Use(key.child));
                        self.queue
                            .extend(key.acts.then_some(Step::Write(key.child)));
                    }
                }
                Step::Function(at) => {
                    let function = &definitions.functions[at];
                    self.queue.push(Step::Text(function.text));
                    let writes = function.body.iter().flat_map(|body| &body.writes);
                    let writes = writes.filter(|(event, _)| *event != WriteEvent::Insert);
                    let written = writes.flat_map(|(_, name)| definitions.relations_called(name));
                    self.queue.extend(written.map(Step::Write));
                }
                Step::Text(at) => {
                    let owned = &definitions.texts[at];
                    self.names(&owned.text, &owned.of);
                }
            }
        }
    }

    fn names(&mut self, text: &Text, of: &str) {
        if let Some(why) = text.unknown {
            self.unknown.get_or_insert_with(|| format!("{of}: {why}"));
        }
        let definitions = self.definitions;
        self.queue
            .extend(definitions.relations_in(text).map(Step::Use));
        self.queue
            .extend(definitions.functions_in(text).map(Step::Function));
        self.queue
            .extend(definitions.types_in(text).map(Step::Text));
    }
}
