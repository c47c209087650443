//! What the reports over several drills are made of.

use super::terminal::total::{One, State};
use crate::exit_code::Ending;
use crate::outcome::DrillResult;
use crate::verdict::Verdict;

/// Several drills, of one run or of the shards of a batch.
pub struct Merged<'a> {
    /// The drills that there are.
    pub drills: Vec<(&'a DrillResult, Verdict)>,
    /// Scenarios that were not begun on purpose, with the reason.
    pub not_drilled: Vec<(String, &'a str)>,
    /// Drills that should be there and are not, with the reason.
    pub missing: Vec<(String, &'a str)>,
    /// Shards that did not take part as they should.
    pub problems: &'a [String],
    /// The batch whose shards these are.
    pub batch: Option<Batch<'a>>,
    /// How each drill ended, in the order of the scenarios.
    pub lines: &'a [One],
    /// How all of it ended.
    pub ending: Ending,
}

/// A batch.
pub struct Batch<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where its state is, as it was given.
    pub place: &'a str,
    /// Its shards, by their number.
    pub shards: Vec<Shard<'a>>,
    /// What is worth knowing and changes nothing.
    pub notes: &'a [String],
}

/// A shard of a batch.
pub struct Shard<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// How it ended, in words.
    pub end: &'static str,
    /// Who began it.
    pub by: Option<&'a str>,
    /// Number of drills that it has in the plan.
    pub planned: usize,
    /// Number of those that are in the log.
    pub reported: usize,
}

impl<'a> Merged<'a> {
    /// The word over all of them. Where a drill proves nothing, or is not there, it is none that proves.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let lines = || self.lines.iter().map(|one| &one.state);
        let worst = match self.ending {
            Ending::Judged(verdict) => verdict,
            Ending::Done | Ending::NothingFound => Verdict::NothingChecked,
            _ => Verdict::Inconclusive,
        };
        let is = |wanted: fn(Verdict) -> bool| {
            lines().all(|state| matches!(state, State::Judged(verdict, _) if wanted(*verdict)))
        };
        match worst {
            Verdict::Proven | Verdict::ProvenWithWaivers if is(Verdict::proves) => worst,
            Verdict::Proven | Verdict::ChecksPassed if is(Verdict::passed) => Verdict::ChecksPassed,
            passed if passed.passed() && is(Verdict::passed) => Verdict::ChecksPassedWithWaivers,
            passed if passed.passed() => Verdict::Inconclusive,
            failed => failed,
        }
    }

    /// The result of a drill, where there is one.
    pub(super) fn of(&self, one: &One) -> Option<(&'a DrillResult, Verdict)> {
        let mut drills = self.drills.iter();
        drills
            .find(|(result, _)| result.scenario.title() == one.name)
            .copied()
    }
}
