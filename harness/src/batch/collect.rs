//! What became of the shards of a batch.

use std::collections::{BTreeMap, BTreeSet};

use super::part::{Began, Done, Ended, Refused, began_name, done_name, ended_name, read};
use super::plan::{Drill, Plan};
use super::{FOLDER, folder};
use crate::ledger::entry;
use crate::ledger::statement::{Entry, Kind};
use crate::outcome::CouldNotRun;
use crate::state::State;
use crate::verdict::Verdict;

/// A batch, as far as its shards reported it.
#[derive(Debug)]
pub struct Batch {
    /// Its plan.
    pub plan: Plan,
    /// One for each drill of the plan, in its order.
    pub drills: Vec<Reported>,
    /// Shards that did not take part as they should, one line for each problem.
    pub problems: Vec<String>,
    /// What is worth knowing and changes nothing.
    pub notes: Vec<String>,
    /// Numbers of the shards that have not ended.
    pub open: BTreeSet<u32>,
    /// What became of each shard, by their numbers.
    pub shards: Vec<ShardReport>,
}

/// What became of a shard.
#[derive(Debug)]
pub struct ShardReport {
    /// Its number, from 1.
    pub number: u32,
    /// How it ended, in words.
    pub end: &'static str,
    /// Who began the attempt that counts.
    pub by: Option<String>,
    /// Number of drills that it has in the plan.
    pub planned: usize,
    /// Number of those that are in the log.
    pub reported: usize,
}

/// What became of a drill.
#[derive(Debug)]
pub enum Reported {
    /// It is in the log; `complete` says whether its shard wrote all of its files.
    Recorded {
        /// Its entry.
        entry: Box<Entry>,
        /// Whether all of its files were written.
        complete: bool,
    },
    /// There is no result, for this reason.
    Missing(String),
}

/// Reads what the shards of a batch reported; `None` where there is no such batch.
///
/// # Errors
/// The state cannot be read.
pub async fn collect(state: &State, batch: &str) -> Result<Option<Batch>, CouldNotRun> {
    let Some(plan) = Plan::read(state, batch).await? else {
        return Ok(None);
    };
    let names = state.store().names(&folder(batch)).await?;
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut refusals: BTreeMap<u32, Vec<Refused>> = BTreeMap::new();
    for name in names.iter().filter(|name| name.starts_with("refused-")) {
        let refused: Option<Refused> = read(state, &format!("{}/{name}", folder(batch))).await?;
        if let Some(refused) = refused {
            refusals.entry(refused.shard).or_default().push(refused);
        }
    }
    let mut found = Batch {
        drills: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
        open: BTreeSet::new(),
        shards: Vec::new(),
        plan,
    };
    let mut shards = Vec::new();
    for number in 1..=found.plan.shards {
        let refused = refusals.remove(&number).unwrap_or_default();
        shards.push(found.shard(state, number, &names, &refused).await?);
    }
    for refused in refusals.into_values().flatten() {
        found.problems.push(refusal(&found.plan, &refused));
    }
    let mut entries = BTreeMap::new();
    for (at, drill) in found.plan.drills.clone().iter().enumerate() {
        let shard = &shards[drill.shard as usize - 1];
        let reported = found.drill(state, at, drill, shard, &names).await?;
        let of_shard = &mut found.shards[drill.shard as usize - 1];
        of_shard.planned += 1;
        of_shard.reported += usize::from(matches!(reported, Reported::Recorded { .. }));
        if let Reported::Recorded { entry, .. } = &reported
            && let Some(other) = entries.insert(entry.position.index, drill.title())
        {
            let index = entry.position.index;
            found.problems.push(format!(
                "entry {index} was reported for `{}` and for `{other}`",
                drill.title()
            ));
        }
        found.drills.push(reported);
    }
    Ok(Some(found))
}

/// The names of the batches of a state, in the order of their names.
///
/// # Errors
/// They cannot be listed.
pub async fn newest(state: &State) -> Result<Vec<String>, CouldNotRun> {
    state.store().names(FOLDER).await
}

/// How a shard ended: the attempt that counts, and why what it did not report is missing.
struct Shard {
    attempt: u32,
    why_missing: String,
}

impl Batch {
    /// The state of a shard; its problems are added.
    async fn shard(
        &mut self,
        state: &State,
        number: u32,
        names: &BTreeSet<&str>,
        refused: &[Refused],
    ) -> Result<Shard, CouldNotRun> {
        let batch = self.plan.batch.clone();
        let has = |name: &str| {
            name.rsplit('/')
                .next()
                .is_some_and(|name| names.contains(name))
        };
        let mut attempt = 0;
        while has(&began_name(&batch, number, attempt + 1)) {
            attempt += 1;
        }
        let title = format!("shard {number}/{}", self.plan.shards);
        // Those against an attempt that was repeated since are settled.
        let standing = refused
            .iter()
            .filter(|refused| refused.attempt.is_none_or(|against| against == attempt));
        let own = self
            .plan
            .drills
            .iter()
            .filter(|drill| drill.shard == number)
            .count();
        let mut reasons = Vec::new();
        for refused in standing {
            // A shard that was repeated with the right scenarios took part after all.
            if refused.attempt.is_none() && attempt > 0 {
                self.notes.push(refusal(&self.plan, refused));
                continue;
            }
            reasons.push(refusal(&self.plan, refused));
        }
        self.problems.extend(reasons.iter().cloned());
        let mut report = ShardReport {
            number,
            end: "ended",
            by: None,
            planned: 0,
            reported: 0,
        };
        if attempt == 0 {
            self.open.insert(number);
            report.end = match reasons.is_empty() {
                true => "never began",
                false => "took no part",
            };
            self.shards.push(report);
            let why = match reasons.first() {
                Some(reason) => reason.clone(),
                None => format!("{title} never began"),
            };
            if reasons.is_empty() && own == 0 {
                self.notes.push(format!("{why}; it had nothing to drill"));
            } else if reasons.is_empty() {
                self.problems
                    .push(format!("{why}: {own} drills are missing"));
            }
            return Ok(Shard {
                attempt,
                why_missing: why,
            });
        }
        let began: Option<Began> = read(state, &began_name(&batch, number, attempt)).await?;
        let ended: Option<Ended> = read(state, &ended_name(&batch, number, attempt)).await?;
        let who = began.as_ref().map_or_else(
            || "its object cannot be read".to_owned(),
            |began| began.by.show(),
        );
        if let Some(began) = &began {
            if began.by.redrill != self.plan.redrill {
                self.problems.push(format!(
                    "{title} is of redrill {}, and the plan of redrill {}",
                    began.by.redrill, self.plan.redrill
                ));
            }
            if attempt > 1 {
                let earlier = attempt - 1;
                let name = began_name(&batch, number, earlier);
                let before: Option<Began> = read(state, &name).await?;
                let before =
                    before.map_or_else(String::new, |before| format!(" ({})", before.by.show()));
                if began.over_unfinished && has(&ended_name(&batch, number, earlier)) {
                    self.problems.push(format!(
                        "two shards have number {number}: attempt {earlier}{before} ended after attempt {attempt} ({who}) began"
                    ));
                } else {
                    self.notes.push(format!(
                        "{title} was repeated: attempt {attempt} counts, {}{before}",
                        match began.over_unfinished {
                            true => "the one before died",
                            false => "the one before came to no conclusion",
                        }
                    ));
                }
            }
        }
        report.by = Some(who.clone());
        if ended.is_none() {
            report.end = "did not end";
        }
        self.shards.push(report);
        let why_missing = match &ended {
            Some(ended) => format!("{title} did not begin it: {}", ended.why_not),
            None => {
                self.open.insert(number);
                let why = format!("{title} began and did not end: {who}");
                self.problems.push(why.clone());
                why
            }
        };
        Ok(Shard {
            attempt,
            why_missing,
        })
    }

    /// What became of a drill.
    async fn drill(
        &mut self,
        state: &State,
        at: usize,
        drill: &Drill,
        shard: &Shard,
        names: &BTreeSet<&str>,
    ) -> Result<Reported, CouldNotRun> {
        let mut last = Reported::Missing(shard.why_missing.clone());
        for attempt in 1..=shard.attempt {
            let name = done_name(&self.plan.batch, at, attempt);
            // Of a repeated shard only its last attempt counts.
            last = Reported::Missing(shard.why_missing.clone());
            if !name
                .rsplit('/')
                .next()
                .is_some_and(|name| names.contains(name))
            {
                continue;
            }
            last = match self.recorded(state, at, drill, &name).await? {
                Ok(recorded) => recorded,
                Err(why) => Reported::Missing(why),
            };
            // But a failure is not repeated until it passes.
            if let Reported::Recorded { entry, .. } = &last
                && attempt < shard.attempt
                && has_failed(entry)
            {
                self.notes.push(format!(
                    "`{}`: the result of attempt {attempt} counts, {}",
                    drill.title(),
                    entry.drill.verdict
                ));
                break;
            }
        }
        Ok(last)
    }

    /// The entry of a drill, or why what was reported is not that.
    async fn recorded(
        &self,
        state: &State,
        at: usize,
        drill: &Drill,
        name: &str,
    ) -> Result<Result<Reported, String>, CouldNotRun> {
        let done: Option<Done> = read(state, name).await?;
        let Some((done, index)) = done.and_then(|done| Some((done.clone(), done.entry?))) else {
            return Ok(Err("it was drilled and not recorded".to_owned()));
        };
        let Some(entry) = entry(state, index).await? else {
            return Ok(Err(format!("its entry {index} is not in the log")));
        };
        let found = &entry.drill;
        let is_other = done.drill != at
            || found.kind != Kind::Drill
            || (&found.scenario, &found.only) != (&drill.scenario, &drill.only)
            || done.record_sha256.as_ref() != Some(&entry.record)
            || index < self.plan.entries;
        if is_other {
            return Ok(Err(format!(
                "entry {index} of the log is that of another drill"
            )));
        }
        if found.scenario_sha256 != drill.sha256 {
            return Ok(Err(format!(
                "its text changed: the SHA-256 of the scenario is {} in entry {index} and {} in the plan",
                found.scenario_sha256, drill.sha256
            )));
        }
        if found.version != self.plan.redrill {
            return Ok(Err(format!(
                "entry {index} is of redrill {}, and the plan of redrill {}",
                found.version, self.plan.redrill
            )));
        }
        Ok(Ok(Reported::Recorded {
            entry: Box::new(entry),
            complete: done.complete,
        }))
    }
}

/// Whether a drill came to a conclusion that is no pass.
fn has_failed(entry: &Entry) -> bool {
    matches!(
        Verdict::of_word(&entry.drill.verdict),
        Some(Verdict::NotProven | Verdict::ObjectiveMissed)
    )
}

/// One line about a shard that took no part.
fn refusal(plan: &Plan, refused: &Refused) -> String {
    let what = match refused.attempt {
        Some(_) => format!("two shards have number {}", refused.shard),
        None => format!("shard {}/{} took no part", refused.shard, plan.shards),
    };
    format!("{what}: {} ({})", refused.why.join("; "), refused.by.show())
}
