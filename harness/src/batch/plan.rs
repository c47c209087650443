//! Which shard drills what.
//!
//! The log grows while the shards run, so they cannot each compute the same plan from it. The first shard computes one and creates
//! it; whoever comes later finds it and follows it, after it has compared its own scenarios with it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shard::Sharding;
use super::{VERSION, folder};
use crate::ledger::newest_first;
use crate::ledger::statement::Kind;
use crate::outcome::{CouldNotRun, ScenarioFacts};
use crate::state::State;

/// How many entries before the end of the log are asked for durations.
const FAR: usize = 20_000;

/// How many drills of a scenario its expected duration is the median of.
const DRILLS: usize = 5;

/// What a drill is expected to take where the log has none at all.
const UNKNOWN: Duration = Duration::from_secs(60);

/// `plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the objects of a batch.
    pub version: u32,
    /// Name of the batch.
    pub batch: String,
    /// Number of shards.
    pub shards: u32,
    /// Version of the redrill that made it.
    pub redrill: String,
    /// When it was made.
    pub made: Timestamp,
    /// The seed of what `pick` leaves to chance.
    pub seed: u32,
    /// Number of entries in the log before it.
    pub entries: u64,
    /// All drills, in the order of the command line.
    pub drills: Vec<Drill>,
}

/// A drill of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// Name of the scenario.
    pub scenario: String,
    /// SHA-256 of its file, in hex.
    pub sha256: String,
    /// The selected checks; empty for all.
    pub only: Vec<String>,
    /// What it is expected to take, in seconds.
    pub expected_s: f64,
    /// Number of its shard, from 1.
    pub shard: u32,
}

impl Drill {
    /// Its title, as in reports.
    #[must_use]
    pub fn title(&self) -> String {
        ScenarioFacts {
            name: self.scenario.clone(),
            only: self.only.clone(),
            ..ScenarioFacts::default()
        }
        .title()
    }
}

impl Plan {
    /// Reads the plan of a batch, or makes it of these drills and creates it.
    ///
    /// # Errors
    /// The state cannot be read or written, or has a plan that this redrill cannot read.
    pub(super) async fn of(
        state: &State,
        sharding: &Sharding,
        seed: u32,
        scenarios: &[&ScenarioFacts],
    ) -> Result<Self, CouldNotRun> {
        let name = plan_name(&sharding.batch);
        if let Some(plan) = Self::read(state, &sharding.batch).await? {
            return Ok(plan);
        }
        let (known, entries) = durations(state).await?;
        let expected = expected(&known, scenarios);
        let shards = partition(&expected, sharding.count);
        let drills = scenarios.iter().zip(expected).zip(shards);
        let plan = Self {
            version: VERSION,
            batch: sharding.batch.clone(),
            shards: sharding.count,
            redrill: env!("CARGO_PKG_VERSION").to_owned(),
            made: Timestamp::now(),
            seed,
            entries,
            drills: drills
                .map(|((facts, expected), shard)| Drill {
                    scenario: facts.name.clone(),
                    sha256: facts.sha256.clone(),
                    only: facts.only.clone(),
                    expected_s: expected.as_secs_f64(),
                    shard,
                })
                .collect(),
        };
        let text = serde_json::to_vec_pretty(&plan);
        let text = text.map_err(|error| CouldNotRun::new(error.to_string()))?;
        // Of several shards that begin at the same time one creates it.
        state.store().create(&name, text).await?;
        Self::read(state, &sharding.batch).await?.ok_or_else(|| {
            CouldNotRun::with_hint(
                format!(
                    "{} said that `{name}` was written, and does not have it",
                    state.place()
                ),
                "look at the server of the storage: what it confirms must be there",
            )
        })
    }

    /// Reads the plan of a batch; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or another version of redrill made it.
    pub(super) async fn read(state: &State, batch: &str) -> Result<Option<Self>, CouldNotRun> {
        let name = plan_name(batch);
        let Some(text) = state.store().read(&name).await? else {
            return Ok(None);
        };
        let broken = |why: String| {
            CouldNotRun::with_hint(
                format!("{}: `{name}` {why}", state.place()),
                "begin a new batch: give it another name with `--batch`",
            )
        };
        // The rest of another version may have another form.
        #[derive(Deserialize)]
        struct Versions {
            version: u32,
            redrill: String,
        }
        let versions: Versions = serde_json::from_slice(&text)
            .map_err(|_| broken("is not the plan of a batch".to_owned()))?;
        if versions.version != VERSION {
            return Err(broken(format!("is of redrill {}", versions.redrill)));
        }
        let plan: Self = serde_json::from_slice(&text)
            .map_err(|error| broken(format!("is not the plan of a batch: {error}")))?;
        let in_range = |drill: &Drill| (1..=plan.shards).contains(&drill.shard);
        match plan.batch == batch && plan.drills.iter().all(in_range) {
            true => Ok(Some(plan)),
            false => Err(broken("contradicts itself".to_owned())),
        }
    }

    /// Why a shard with these scenarios cannot follow it; empty where it can.
    #[must_use]
    pub fn differences(
        &self,
        sharding: &Sharding,
        seed: u32,
        own: &[&ScenarioFacts],
    ) -> Vec<String> {
        let mut differences = Vec::new();
        let version = env!("CARGO_PKG_VERSION");
        if self.redrill != version {
            differences.push(format!(
                "this is redrill {version}, and the plan is of redrill {}",
                self.redrill
            ));
        }
        if self.shards != sharding.count {
            differences.push(format!(
                "this is one of {} shards, and the plan has {}",
                sharding.count, self.shards
            ));
        }
        if self.seed != seed {
            differences.push(format!(
                "`--seed` is {seed}, and that of the plan is {}",
                self.seed
            ));
        }
        let key = |name: &str, only: &[String]| (name.to_owned(), only.to_vec());
        let mut planned: BTreeMap<_, &Drill> = self
            .drills
            .iter()
            .map(|drill| (key(&drill.scenario, &drill.only), drill))
            .collect();
        for facts in own {
            match planned.remove(&key(&facts.name, &facts.only)) {
                None => differences.push(format!("`{}` is not in the plan", facts.title())),
                Some(drill) if drill.sha256 != facts.sha256 => differences.push(format!(
                    "the text of `{}` changed: its SHA-256 is {} here and {} in the plan",
                    facts.title(),
                    facts.sha256,
                    drill.sha256
                )),
                Some(_) => {}
            }
        }
        let missing = planned.into_values();
        differences
            .extend(missing.map(|drill| format!("`{}` of the plan is not here", drill.title())));
        differences
    }
}

fn plan_name(batch: &str) -> String {
    format!("{}/plan.json", folder(batch))
}

/// Durations of the newest drills by scenario and selected checks, and the number of all entries.
async fn durations(state: &State) -> Result<(Durations, u64), CouldNotRun> {
    let mut entries = std::pin::pin!(newest_first(state).await?.take(FAR));
    let (mut known, mut count) = (Durations::new(), 0);
    while let Some(entry) = entries.next().await {
        let Some(entry) = entry? else { continue };
        count = count.max(entry.position.index + 1);
        let drill = entry.drill;
        let duration = Duration::try_from_secs_f64(drill.duration_s);
        if let (Kind::Drill, Ok(duration)) = (drill.kind, duration) {
            let of_scenario = known.entry((drill.scenario, drill.only)).or_default();
            if of_scenario.len() < DRILLS {
                of_scenario.push(duration);
            }
        }
    }
    Ok((known, count))
}

/// Durations of drills, by the name of the scenario and the selected checks.
pub type Durations = HashMap<(String, Vec<String>), Vec<Duration>>;

/// What each drill is expected to take: the median of its own, otherwise of all that are known.
#[must_use]
pub fn expected(known: &Durations, scenarios: &[&ScenarioFacts]) -> Vec<Duration> {
    let own: Vec<Option<Duration>> = scenarios
        .iter()
        .map(|facts| {
            median(
                known
                    .get(&(facts.name.clone(), facts.only.clone()))?
                    .clone(),
            )
        })
        .collect();
    let typical = median(own.iter().flatten().copied().collect()).unwrap_or(UNKNOWN);
    own.into_iter().map(|own| own.unwrap_or(typical)).collect()
}

fn median(mut durations: Vec<Duration>) -> Option<Duration> {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied()
}

/// The shard of each drill, from 1: the longest drill first, each to the shard that has least to do so far. The longest shard
/// takes at most 4/3 of the shortest possible time (Graham 1969).
#[must_use]
pub fn partition(expected: &[Duration], shards: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..expected.len()).collect();
    // Stable: of equal ones the earlier first.
    order.sort_by_key(|drill| std::cmp::Reverse(expected[*drill]));
    let mut loads: std::collections::BinaryHeap<_> = (1..=shards.max(1))
        .map(|shard| std::cmp::Reverse((Duration::ZERO, shard)))
        .collect();
    let mut of_drill = vec![1; expected.len()];
    for drill in order {
        if let Some(std::cmp::Reverse((load, shard))) = loads.pop() {
            of_drill[drill] = shard;
            loads.push(std::cmp::Reverse((
                load.saturating_add(expected[drill]),
                shard,
            )));
        }
    }
    of_drill
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], 3, &[])]
    #[case(&[5, 5, 5], 3, &[1, 2, 3])]
    #[case(&[1, 9, 5, 5], 2, &[1, 1, 2, 2])]
    #[case(&[4, 0, 0], 2, &[1, 2, 2])]
    #[case(&[3, 2], 5, &[1, 2])]
    fn the_longest_are_given_away_first(
        #[case] seconds: &[u64],
        #[case] shards: u32,
        #[case] expected: &[u32],
    ) {
        let durations: Vec<_> = seconds.iter().copied().map(Duration::from_secs).collect();
        assert_eq!(partition(&durations, shards), expected);
    }

    fn facts(name: &str, only: &[&str]) -> ScenarioFacts {
        ScenarioFacts {
            name: name.to_owned(),
            sha256: format!("digest of {name}"),
            only: only.iter().map(|only| (*only).to_owned()).collect(),
            ..ScenarioFacts::default()
        }
    }

    #[test]
    fn durations_are_expected_as_recorded() {
        let seconds = |list: &[u64]| {
            list.iter()
                .copied()
                .map(Duration::from_secs)
                .collect::<Vec<_>>()
        };
        let known = Durations::from([
            (("a".to_owned(), vec![]), seconds(&[10, 90, 11])),
            (("b".to_owned(), vec![]), seconds(&[7])),
            (("a".to_owned(), vec!["role".to_owned()]), seconds(&[2])),
        ]);
        let (a, b, c, roles) = (
            facts("a", &[]),
            facts("b", &[]),
            facts("c", &[]),
            facts("a", &["role"]),
        );
        let found = expected(&known, &[&a, &b, &roles, &c]);
        assert_eq!(found, seconds(&[11, 7, 2, 7]));
        assert_eq!(expected(&Durations::new(), &[&a, &b]), [UNKNOWN, UNKNOWN]);
    }

    fn plan(drills: &[ScenarioFacts]) -> Plan {
        let drills = drills.iter().map(|facts| Drill {
            scenario: facts.name.clone(),
            sha256: facts.sha256.clone(),
            only: facts.only.clone(),
            expected_s: 1.0,
            shard: 1,
        });
        Plan {
            version: VERSION,
            batch: "b".to_owned(),
            shards: 2,
            redrill: env!("CARGO_PKG_VERSION").to_owned(),
            made: Timestamp::UNIX_EPOCH,
            seed: 7,
            entries: 0,
            drills: drills.collect(),
        }
    }

    #[test]
    fn a_shard_follows_a_plan_of_the_same_drills_only() {
        let sharding = Sharding {
            batch: "b".to_owned(),
            number: 1,
            count: 2,
            again: false,
        };
        let (a, b) = (facts("a", &[]), facts("b", &[]));
        let plan = plan(&[a.clone(), b.clone()]);
        assert!(plan.differences(&sharding, 7, &[&b, &a]).is_empty());
        let changed = ScenarioFacts {
            sha256: "other".to_owned(),
            ..b.clone()
        };
        let differences =
            |seed, own: &[&ScenarioFacts]| plan.differences(&sharding, seed, own).join("\n");
        assert_eq!(
            differences(7, &[&a, &changed]),
            "the text of `b` changed: its SHA-256 is other here and digest of b in the plan"
        );
        assert_eq!(differences(7, &[&a]), "`b` of the plan is not here");
        let c = facts("a", &["role"]);
        assert_eq!(
            differences(7, &[&a, &b, &c]),
            "`a (only role)` is not in the plan"
        );
        assert_eq!(
            differences(8, &[&a, &b]),
            "`--seed` is 8, and that of the plan is 7"
        );
        let of_three = Sharding {
            count: 3,
            ..sharding.clone()
        };
        assert!(plan.differences(&of_three, 7, &[&a, &b])[0].contains("one of 3 shards"));
        let older = Plan {
            redrill: "0.0.9".to_owned(),
            ..plan.clone()
        };
        assert!(older.differences(&sharding, 7, &[&a, &b])[0].contains("of redrill 0.0.9"));
    }

    proptest! {
        /// Each drill has one shard, no shard is more than one drill longer than another, and the bound of Graham holds.
        #[test]
        fn a_partition_is_balanced(
            milliseconds in prop::collection::vec(0_u64..100_000, 0..60), shards in 1_u32..12
        ) {
            let durations: Vec<_> = milliseconds.iter().copied().map(Duration::from_millis).collect();
            let of_drill = partition(&durations, shards);
            prop_assert_eq!(&of_drill, &partition(&durations, shards));
            prop_assert_eq!(of_drill.len(), durations.len());
            let load = |shard| -> Duration {
                durations.iter().zip(&of_drill).filter(|(_, of)| **of == shard).map(|(time, _)| *time).sum()
            };
            let loads: Vec<_> = (1..=shards).map(load).collect();
            prop_assert_eq!(loads.iter().sum::<Duration>(), durations.iter().sum::<Duration>());
            let longest = durations.iter().max().copied().unwrap_or_default();
            let (most, least) = (loads.iter().max().unwrap(), loads.iter().min().unwrap());
            prop_assert!(*most - *least <= longest);
            let ideal = (durations.iter().sum::<Duration>() / shards).max(longest);
            prop_assert!(*most <= ideal * 2);
        }
    }
}
