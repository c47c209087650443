//! Which of the waiting statements may begin: those that claim no table that an earlier one still claims.

use std::collections::{BTreeMap, BTreeSet};

use super::order::Claim;
use crate::sql::QualifiedName;

/// Statements that wait or run, by number in the order of the dump.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    next: usize,
    waiting: BTreeMap<usize, Waiting<T>>,
    /// Those that wait for nothing: by cost, the longest first, then in the order of the dump.
    ready: BTreeSet<(std::cmp::Reverse<u64>, usize)>,
    running: BTreeMap<usize, Vec<Claim>>,
    /// Who claims a table, in the order of the dump, and whether others may share it.
    claims: BTreeMap<QualifiedName, BTreeMap<usize, bool>>,
}

#[derive(Debug)]
struct Waiting<T> {
    statement: T,
    claims: Vec<Claim>,
    cost: u64,
    /// How many earlier claims it waits for.
    blocked_by: usize,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
            ready: BTreeSet::new(),
            running: BTreeMap::new(),
            claims: BTreeMap::new(),
        }
    }
}

impl<T> Schedule<T> {
    /// Adds the next statement of the dump. `cost` is relative to that of others.
    pub(super) fn add(&mut self, statement: T, claims: Vec<Claim>, cost: u64) {
        let number = self.next;
        self.next += 1;
        let mut blocked_by = 0;
        for claim in &claims {
            let held = self.claims.entry(claim.table.clone()).or_default();
            let mut shared = claim.shared;
            if let Some(before) = held.get(&number) {
                // It names a table twice.
                shared &= *before;
                blocked_by -= held
                    .range(..number)
                    .filter(|(_, other)| !(*before && **other))
                    .count();
            }
            blocked_by += held
                .range(..number)
                .filter(|(_, other)| !(shared && **other))
                .count();
            held.insert(number, shared);
        }
        if blocked_by == 0 {
            self.ready.insert((std::cmp::Reverse(cost), number));
        }
        let waiting = Waiting {
            statement,
            claims,
            cost,
            blocked_by,
        };
        self.waiting.insert(number, waiting);
    }

    /// Begins the longest of those that may begin; gives its number.
    pub(super) fn begin(&mut self) -> Option<(usize, T)> {
        let (_, number) = self.ready.pop_first()?;
        let one = self.waiting.remove(&number)?;
        self.running.insert(number, one.claims);
        Some((number, one.statement))
    }

    /// One that began has ended: others may begin.
    pub(super) fn end(&mut self, number: usize) {
        for claim in self.running.remove(&number).unwrap_or_default() {
            let Some(held) = self.claims.get_mut(&claim.table) else {
                continue;
            };
            let Some(shared) = held.remove(&number) else {
                continue;
            };
            for (later, other) in held.range(number..) {
                if shared && *other {
                    continue;
                }
                let Some(one) = self.waiting.get_mut(later) else {
                    continue;
                };
                one.blocked_by -= 1;
                if one.blocked_by == 0 {
                    self.ready.insert((std::cmp::Reverse(one.cost), *later));
                }
            }
            if held.is_empty() {
                self.claims.remove(&claim.table);
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits and none runs.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(table: u8, shared: bool) -> Claim {
        let name = format!("app.t{table}");
        Claim {
            table: QualifiedName::parse(&name).unwrap(),
            shared,
        }
    }

    fn conflict(one: &[(u8, bool)], other: &[(u8, bool)]) -> bool {
        one.iter().any(|(table, shared)| {
            let mut others = other.iter();
            others.any(|(of, also)| of == table && !(*shared && *also))
        })
    }

    #[test]
    fn the_longest_begins_first_and_sharing_ones_at_once() {
        let mut schedule = Schedule::default();
        schedule.add("short", vec![claim(1, true)], 1);
        schedule.add("long", vec![claim(1, true)], 9);
        schedule.add("key", vec![claim(1, false), claim(2, false)], 99);
        assert_eq!(schedule.begin(), Some((1, "long")));
        assert_eq!(schedule.begin(), Some((0, "short")));
        assert_eq!(schedule.begin(), None);
        schedule.end(1);
        assert_eq!(schedule.begin(), None);
        schedule.end(0);
        assert_eq!(schedule.begin(), Some((2, "key")));
        schedule.end(2);
        assert!(schedule.is_empty());
    }

    proptest! {
        /// Whatever ends first: each begins once, and after every earlier one that claims the same.
        #[test]
        fn nothing_passes_what_it_depends_on(
            all in prop::collection::vec(prop::collection::vec((0_u8..4, any::<bool>()), 1..3), 1..20),
            ends in prop::collection::vec(any::<prop::sample::Index>(), 40),
            sessions in 1_usize..4,
        ) {
            let mut schedule = Schedule::default();
            for (number, claims) in all.iter().enumerate() {
                let claims = claims.iter().map(|(table, shared)| claim(*table, *shared));
                schedule.add(number, claims.collect(), (number as u64 * 7) % 5);
            }
            let (mut running, mut done) = (Vec::new(), BTreeSet::new());
            let mut ends = ends.iter();
            while !schedule.is_empty() {
                while running.len() < sessions && let Some((number, statement)) = schedule.begin() {
                    prop_assert_eq!(number, statement);
                    for earlier in 0..number {
                        prop_assert!(!conflict(&all[earlier], &all[number]) || done.contains(&earlier));
                    }
                    running.push(number);
                }
                prop_assert!(!running.is_empty());
                let at = ends.next().map_or(0, |index| index.index(running.len()));
                let ended = running.swap_remove(at);
                schedule.end(ended);
                done.insert(ended);
            }
            prop_assert_eq!(done.len(), all.len());
        }
    }
}
