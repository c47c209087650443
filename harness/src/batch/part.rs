//! What a shard reports: that it began, each drill, that it ended; or why it took no part.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::folder;
use super::plan::Plan;
use super::shard::Sharding;
use crate::digest::hex;
use crate::exit_code::{INCONCLUSIVE, INTERRUPTED};
use crate::outcome::{CouldNotRun, Evidence, Provenance, ScenarioFacts};
use crate::state::{Created, State};

/// `shard-N.A.began.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// Number of the shard.
    pub shard: u32,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Whether the attempt before it had not ended.
    pub over_unfinished: bool,
    /// Who.
    pub by: By,
}

/// Who takes part, where, with which program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Version of redrill.
    pub redrill: String,
    /// Name of the machine.
    pub host: Option<String>,
    /// Address of the job of a CI system.
    pub job_url: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Tells two that are alike apart.
    pub id: String,
}

/// `drill-N.A.json`: a drill that a shard recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    /// Number of the drill in the plan, from 0.
    pub(super) drill: usize,
    /// The entry in the log, where it is recorded.
    pub(super) entry: Option<u64>,
    /// SHA-256 of the record, in hex.
    pub(super) record_sha256: Option<String>,
    /// Whether reports and record were all written.
    pub(super) complete: bool,
}

/// `shard-N.A.ended.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// Its exit code.
    pub(super) exit_code: u8,
    /// Why the drills that have no result were not begun.
    pub(super) why_not: String,
    /// When.
    pub(super) at: Timestamp,
}

/// `refused-ID.json`: a shard that took no part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its number.
    pub shard: u32,
    /// The attempt in whose place it would have been; `None` where its scenarios are not those of the plan.
    pub attempt: Option<u32>,
    /// Why.
    pub why: Vec<String>,
    /// Who.
    pub by: By,
}

/// The part of this shard in its batch.
pub struct Part<'a> {
    state: &'a State,
    sharding: Sharding,
    plan: Plan,
    attempt: u32,
}

/// Why a shard takes no part.
pub enum NoPart {
    /// The state cannot be read or written.
    CouldNotRun(CouldNotRun),
    /// It does not fit the batch; what to print.
    Refused(String),
}

impl From<CouldNotRun> for NoPart {
    fn from(error: CouldNotRun) -> Self {
        Self::CouldNotRun(error)
    }
}

impl<'a> Part<'a> {
    /// Takes part in a batch with all of its drills; `seed` is that of what `pick` leaves to chance.
    ///
    /// # Errors
    /// The state cannot be used, the drills are not those of the plan, or another one has the number.
    pub async fn begin(
        state: &'a State,
        sharding: &Sharding,
        seed: u32,
        scenarios: &[&ScenarioFacts],
        provenance: &Provenance,
    ) -> Result<Self, NoPart> {
        let by = By::new(provenance)?;
        let plan = Plan::of(state, sharding, seed, scenarios).await?;
        let refuse = async |attempt, why: Vec<String>, hint: &str| -> Result<NoPart, CouldNotRun> {
            let Sharding {
                batch,
                number,
                count,
                ..
            } = sharding;
            let text = format!(
                "shard {number}/{count} of the batch `{batch}` was not begun: {}\nhint: {hint}",
                why.join("; ")
            );
            let refused = Refused {
                shard: *number,
                attempt,
                why,
                by: by.clone(),
            };
            let name = format!("{}/refused-{}.json", folder(batch), by.id);
            create(state, &name, &refused).await?;
            Ok(NoPart::Refused(text))
        };
        let differences = plan.differences(sharding, seed, scenarios);
        if !differences.is_empty() {
            let hint = "give all shards the same commit, command line and version of redrill, and the batch a new name with `--batch`";
            return Err(refuse(None, differences, hint).await?);
        }
        let mut attempt = 1;
        let mut over_unfinished = false;
        loop {
            let began = Began {
                shard: sharding.number,
                attempt,
                over_unfinished,
                by: by.clone(),
            };
            let name = began_name(&sharding.batch, sharding.number, attempt);
            if create(state, &name, &began).await? {
                break;
            }
            let earlier: Option<Began> = read(state, &name).await?;
            let ended: Option<Ended> = read(
                state,
                &ended_name(&sharding.batch, sharding.number, attempt),
            )
            .await?;
            let who = earlier.map_or_else(String::new, |earlier| format!(" {}", earlier.by.show()));
            match ended {
                // Nothing was found out about a backup, so it may be tried again.
                Some(Ended {
                    exit_code: INCONCLUSIVE | INTERRUPTED,
                    ..
                }) => over_unfinished = false,
                Some(ended) => {
                    // No trace: the result is there, and a second one would change nothing.
                    return Err(NoPart::Refused(format!(
                        "shard {}/{} of the batch `{}` has reported already, with exit code {}:{who}\nhint: drills that came to a conclusion are not repeated; to drill again, begin a new batch with `--batch`",
                        sharding.number, sharding.count, sharding.batch, ended.exit_code
                    )));
                }
                None if sharding.again => over_unfinished = true,
                None => {
                    let why = vec![format!(
                        "another one has this number and has not ended:{who}"
                    )];
                    let hint = "if it died, repeat it with `--again`; otherwise give each shard a number of its own";
                    return Err(refuse(Some(attempt), why, hint).await?);
                }
            }
            attempt += 1;
        }
        Ok(Self {
            state,
            sharding: sharding.clone(),
            plan,
            attempt,
        })
    }

    /// Whether a drill belongs to this shard.
    #[must_use]
    pub fn has(&self, facts: &ScenarioFacts) -> bool {
        self.place(facts)
            .is_some_and(|at| self.plan.drills[at].shard == self.sharding.number)
    }

    /// One line about the plan.
    #[must_use]
    pub fn line(&self) -> String {
        let own = self
            .plan
            .drills
            .iter()
            .filter(|drill| drill.shard == self.sharding.number);
        let count = own.clone().count();
        let expected: f64 = own.map(|drill| drill.expected_s).sum();
        format!(
            "shard {}/{} of the batch `{}`: {count} of {} drills, expected to take {expected:.0} s",
            self.sharding.number,
            self.sharding.count,
            self.sharding.batch,
            self.plan.drills.len()
        )
    }

    fn place(&self, facts: &ScenarioFacts) -> Option<usize> {
        let same =
            |drill: &super::Drill| (&drill.scenario, &drill.only) == (&facts.name, &facts.only);
        self.plan.drills.iter().position(same)
    }

    /// Reports a drill.
    ///
    /// # Errors
    /// The state cannot be written.
    pub async fn done(
        &self,
        facts: &ScenarioFacts,
        evidence: Option<&Evidence>,
        complete: bool,
    ) -> Result<(), CouldNotRun> {
        let Some(drill) = self.place(facts) else {
            return Ok(());
        };
        let done = Done {
            drill,
            entry: evidence.map(|evidence| evidence.entry),
            record_sha256: evidence.map(|evidence| evidence.record_sha256.clone()),
            complete,
        };
        let name = done_name(&self.sharding.batch, drill, self.attempt);
        create(self.state, &name, &done).await.map(drop)
    }

    /// Reports the end of the shard.
    ///
    /// # Errors
    /// The state cannot be written.
    pub async fn end(&self, exit_code: u8, why_not: &str) -> Result<(), CouldNotRun> {
        let ended = Ended {
            exit_code,
            why_not: why_not.to_owned(),
            at: Timestamp::now(),
        };
        let name = ended_name(&self.sharding.batch, self.sharding.number, self.attempt);
        create(self.state, &name, &ended).await.map(drop)
    }
}

impl By {
    fn new(provenance: &Provenance) -> Result<Self, CouldNotRun> {
        let mut id = [0_u8; 8];
        getrandom::fill(&mut id).map_err(|error| CouldNotRun::new(error.to_string()))?;
        Ok(Self {
            redrill: env!("CARGO_PKG_VERSION").to_owned(),
            host: provenance.host.clone(),
            job_url: provenance.ci.as_ref().and_then(|ci| ci.url.clone()),
            at: Timestamp::now(),
            id: hex(&id),
        })
    }

    /// One line.
    #[must_use]
    pub fn show(&self) -> String {
        let host = self.host.as_deref().unwrap_or("an unknown host");
        let job = self.job_url.iter().map(|url| format!(" ({url})"));
        format!(
            "{host}{}, began {}",
            job.collect::<String>(),
            self.at.strftime("%Y-%m-%d %H:%M:%SZ")
        )
    }
}

pub(super) fn began_name(batch: &str, shard: u32, attempt: u32) -> String {
    format!("{}/shard-{shard:05}.{attempt}.began.json", folder(batch))
}

pub(super) fn ended_name(batch: &str, shard: u32, attempt: u32) -> String {
    format!("{}/shard-{shard:05}.{attempt}.ended.json", folder(batch))
}

pub(super) fn done_name(batch: &str, drill: usize, attempt: u32) -> String {
    format!("{}/drill-{drill:05}.{attempt}.json", folder(batch))
}

/// Creates an object and reads it back; whether it is this one.
async fn create<T: Serialize + DeserializeOwned + PartialEq>(
    state: &State,
    name: &str,
    value: &T,
) -> Result<bool, CouldNotRun> {
    let text = serde_json::to_vec_pretty(value);
    let text = text.map_err(|error| CouldNotRun::new(error.to_string()))?;
    let created = state.store().create(name, text).await?;
    let kept: Option<T> = read(state, name).await?;
    match kept {
        // Also where the answer to an earlier attempt was lost.
        Some(kept) if kept == *value => Ok(true),
        _ if created == Created::Exists => Ok(false),
        _ => Err(CouldNotRun::with_hint(
            format!(
                "{} said that `{name}` was written, and does not have it",
                state.place()
            ),
            "look at the server of the storage: what it confirms must be there",
        )),
    }
}

/// Reads an object; `None` where there is none, or none that can be read.
pub(super) async fn read<T: DeserializeOwned>(
    state: &State,
    name: &str,
) -> Result<Option<T>, CouldNotRun> {
    let text = state.store().read(name).await?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}
