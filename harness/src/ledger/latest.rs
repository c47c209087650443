//! The newest drills of each scenario: what is overdue, what is waived, what is evidence for a control.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::statement::{Entry, Kind, WaiverSummary};

/// The latest drills of each scenario, of those that tested everything.
#[derive(Debug, Default)]
pub struct Latest {
    /// The newest drill.
    newest: BTreeMap<String, Entry>,
    /// When the newest that is PROVEN began.
    proven: BTreeMap<String, Timestamp>,
}

/// A scenario that was not proven within its cadence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue<'a> {
    /// Its name.
    pub scenario: &'a str,
    /// The longest time between two drills that it asks for.
    pub every: Duration,
    /// How long ago it was PROVEN; `None` for never.
    pub proven: Option<Duration>,
}

impl Latest {
    /// Adds an entry, the oldest first.
    pub fn add(&mut self, entry: Entry) {
        if entry.drill.kind == Kind::Drill && entry.drill.only.is_empty() {
            let name = entry.drill.scenario.clone();
            if entry.drill.is_proven() {
                self.proven.insert(name.clone(), entry.drill.began);
            }
            self.newest.insert(name, entry);
        }
    }

    /// The newest drill of each scenario, by name.
    pub fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.newest.values()
    }

    /// The newest drill of a scenario.
    #[must_use]
    pub fn of(&self, scenario: &str) -> Option<&Entry> {
        self.newest.get(scenario)
    }

    /// When the newest PROVEN drill of a scenario began.
    #[must_use]
    pub fn proven(&self, scenario: &str) -> Option<Timestamp> {
        self.proven.get(scenario).copied()
    }

    /// The scenarios that were not proven within their cadence.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Vec<Overdue<'_>> {
        let overdue = self.newest.iter().filter_map(|(scenario, newest)| {
            let every = Duration::try_from_secs_f64(newest.drill.every_s?).ok()?;
            let proven = self.proven(scenario);
            let proven = proven.map(|proven| now.duration_since(proven).unsigned_abs());
            proven.is_none_or(|age| age > every).then_some(Overdue {
                scenario,
                every,
                proven,
            })
        });
        overdue.collect()
    }

    /// Each waiver that the newest drill of a scenario rests on.
    pub fn waivers(&self) -> impl Iterator<Item = (&str, &WaiverSummary)> {
        self.newest.iter().flat_map(|(name, newest)| {
            let waivers = newest.drill.waivers.iter();
            waivers.map(move |waiver| (name.as_str(), waiver))
        })
    }

    /// Each control and scenario: whether the newest drill is evidence for it.
    #[must_use]
    pub fn controls(&self) -> Vec<(&str, bool, &Entry)> {
        let controls = self.newest.values().flat_map(|newest| {
            let controls = newest.drill.controls.iter();
            controls.map(move |(control, evidence)| (control.as_str(), *evidence, newest))
        });
        let mut controls: Vec<_> = controls.collect();
        controls.sort_by_key(|(control, _, newest)| (*control, &newest.drill.scenario));
        controls
    }
}
