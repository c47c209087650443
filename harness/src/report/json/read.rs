//! The wire shape → `DrillResult`: the twin of `convert`.
//!
//! What only the drill itself needs is not in the record, and is empty here: the manifest and the tiers of a backup, the path of a
//! companion, why values were not compared, the severity of a drill that passed.

mod facts;

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};

use super::rehearsal::read_rehearsal;
use super::{
    Backup, Check, CheckConduct, CouldNotRun, DeliveryWord, Finding, Incident, NotTested,
    Objective, OutcomeWord, Proof, Report, Restore, SCHEMA, Scenario, Server, Since, Stage,
    VerdictWord, Waiver, WaiverWord,
};
use crate::outcome::{
    self, Delivery, DeliveryEnd, DrillResult, Outcome, RehearsalResult, WaiverState,
};
use crate::verdict::{RehearsalVerdict, Verdict, verdict};

/// A result, or what is wrong with the record.
pub(super) type Read<T> = Result<T, outcome::CouldNotRun>;

/// What tells one record from another, whatever else its shape may be.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    schema: u32,
    /// Whether it is the record of a rehearsal: only that has steps.
    #[serde(default, deserialize_with = "is_there")]
    pub(super) steps: bool,
    /// Whether it has what the first redrill that made reports again added.
    #[serde(default, deserialize_with = "is_there")]
    state: bool,
}

fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// The record of a drill, or of the rehearsal of a release, with its verdict.
#[derive(Debug)]
pub enum Record {
    /// A `drill.json`.
    Drill(Box<DrillResult>, Verdict),
    /// A `rehearsal.json`.
    Rehearsal(Box<RehearsalResult>, RehearsalVerdict),
}

impl Record {
    /// The state that it was to be recorded in, and its entry there, which the record itself does not contain. `None` where it was to
    /// be recorded nowhere, and for a rehearsal by an older redrill, whose reports do not show its entry.
    pub fn evidence(&mut self) -> Option<(&str, &mut Option<outcome::Evidence>)> {
        match self {
            Self::Drill(result, _) => Some((result.state.as_deref()?, &mut result.evidence)),
            Self::Rehearsal(result, _) => Some((result.state.as_deref()?, &mut result.evidence)),
        }
    }
}

/// Reads either record; that of a rehearsal has `steps`.
///
/// # Errors
/// As [`read`] and [`read_rehearsal`].
pub fn read_record(text: &str) -> Read<Record> {
    Ok(match head(text)?.steps {
        true => {
            let (result, verdict) = read_rehearsal(text)?;
            Record::Rehearsal(Box::new(result), verdict)
        }
        false => {
            let (result, verdict) = read(text)?;
            Record::Drill(Box::new(result), verdict)
        }
    })
}

/// Reads the record of a drill: the result and its verdict, of which every report can be made again. The result has no evidence:
/// the record does not contain its own entry. Keys that are not known are passed over.
///
/// # Errors
/// The text is no record of a drill; another redrill wrote it; or it contradicts itself.
pub fn read(text: &str) -> Read<(DrillResult, Verdict)> {
    let head = head(text)?;
    if head.steps {
        return Err(outcome::CouldNotRun::new(
            "it is the record of a rehearsal, and not of a drill",
        ));
    }
    if !head.state {
        return Err(outcome::CouldNotRun::new(
            "the record has no `state`: an older redrill wrote it, with less than what reports show",
        ));
    }
    let report: Report = parse(text)?;
    let stated = Verdict::from(report.verdict);
    let result = report.read()?;
    let found = verdict(&result);
    if found != stated {
        return Err(contradiction(&format!(
            "its verdict is {}, and what it found is {}",
            stated.word(),
            found.word()
        )));
    }
    Ok((result, found))
}

/// Reads what tells one record from another.
///
/// # Errors
/// The text is no record, or of a newer version.
pub(super) fn head(text: &str) -> Read<Head> {
    let head: Head = serde_json::from_str(text).map_err(|error| {
        outcome::CouldNotRun::with_hint(
            format!("it is not the record of a drill: {error}"),
            "the record is `drill.json`, of a rehearsal `rehearsal.json`",
        )
    })?;
    if head.schema > SCHEMA {
        return Err(outcome::CouldNotRun::with_hint(
            format!(
                "the record has version {}, and this redrill knows version {SCHEMA}",
                head.schema
            ),
            "use the redrill that wrote it, or a newer one",
        ));
    }
    Ok(head)
}

/// Reads the whole shape of a record.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Read<T> {
    serde_json::from_str(text).map_err(|error| {
        outcome::CouldNotRun::with_hint(
            format!("the record cannot be read: {error}"),
            "use the redrill that wrote it, or a newer one; `redrill verify` says whether it was changed",
        )
    })
}

impl Report {
    fn read(self) -> Read<DrillResult> {
        Ok(DrillResult {
            run: self.run,
            redrill: self.redrill,
            provenance: self.provenance.read(),
            scenario: self.scenario.read(),
            severity: self.severity,
            incident: self.incident.map(Incident::read).transpose()?,
            notified: self
                .notifications
                .into_iter()
                .map(Incident::read)
                .collect::<Read<Vec<_>>>()?,
            since: self.since_last.map(Since::read).transpose()?,
            state: self.state,
            evidence: None,
            started: time("started", &self.started)?,
            duration: seconds("duration_s", self.duration_s)?,
            proof: self.proof.map(Proof::read).transpose()?,
            stages: each(self.stages, Stage::read)?,
            checks: each(self.checks, Check::read)?,
            conduct: all(self.conduct, CheckConduct::read),
            backup: self.backup.map(Backup::read).transpose()?,
            server: self.server.map(Server::read).transpose()?,
            other_servers: each(self.other_servers, |other| {
                Ok((other.name, other.server.read()?))
            })?,
            restore: self.restore.map(Restore::read).transpose()?,
            objectives: each(self.objectives, Objective::read)?,
            waivers: each(self.waivers, Waiver::read)?,
            not_tested: all(self.not_tested, NotTested::read),
            repeat: self.repeat,
            interrupted: self.interrupted,
        })
    }
}

impl From<VerdictWord> for Verdict {
    fn from(word: VerdictWord) -> Self {
        match word {
            VerdictWord::Proven => Self::Proven,
            VerdictWord::ProvenWithWaivers => Self::ProvenWithWaivers,
            VerdictWord::NotProven => Self::NotProven,
            VerdictWord::ObjectiveMissed => Self::ObjectiveMissed,
            VerdictWord::Inconclusive => Self::Inconclusive,
            VerdictWord::NothingChecked => Self::NothingChecked,
            VerdictWord::Interrupted => Self::Interrupted,
            VerdictWord::ChecksPassed => Self::ChecksPassed,
            VerdictWord::ChecksPassedWithWaivers => Self::ChecksPassedWithWaivers,
        }
    }
}

impl Incident {
    fn read(self) -> Read<Delivery> {
        Ok(Delivery {
            host: self.to,
            status: self.status,
            tries: self.tries,
            end: match self.delivery {
                DeliveryWord::NotKnown => DeliveryEnd::NotKnown,
                DeliveryWord::Sent => DeliveryEnd::Sent,
                DeliveryWord::NotSent => {
                    DeliveryEnd::Failed(said(self.why, "incident", "not_sent", "why")?)
                }
            },
        })
    }
}

impl Since {
    fn read(self) -> Read<outcome::Since> {
        Ok(outcome::Since {
            entry: self.entry,
            began: time("since_last.began", &self.began)?,
            changes: self.changes,
        })
    }
}

impl Scenario {
    pub(super) fn read(self) -> outcome::ScenarioFacts {
        outcome::ScenarioFacts {
            name: self.name,
            description: self.description,
            file: self.file.into(),
            sha256: self.sha256,
            text: self.text,
            settings: outcome::EffectiveSettings {
                written: self.settings.written,
                defaults: self.settings.defaults,
            },
            inputs: all(self.inputs, |input| outcome::InputFacts {
                path: input.path,
                checks: input.checks,
                sha256: input.sha256,
            }),
            only: self.only,
        }
    }
}

impl Objective {
    fn read(self) -> Read<outcome::Objective> {
        let measure = match (self.limit_s, self.wanted, self.kept) {
            (Some(limit), None, None) => outcome::Measure::Time {
                limit: seconds("limit_s", limit)?,
                actual: self
                    .actual_s
                    .map(|actual| seconds("actual_s", actual))
                    .transpose()?,
            },
            (None, Some(wanted), Some(kept)) => outcome::Measure::Kept {
                wanted,
                kept,
                missing: self.missing,
            },
            _ => {
                return Err(contradiction(&format!(
                    "the objective `{}` is neither a time nor a number of backups",
                    self.name
                )));
            }
        };
        Ok(outcome::Objective {
            name: self.name.into(),
            measure,
            on: self.on.map(Into::into),
        })
    }
}

/// The value that a record names by its word.
///
/// # Errors
/// A newer redrill wrote the record, and this one does not know the word.
pub(super) fn of_word<T: Copy, const N: usize>(
    noun: &str,
    all: [T; N],
    word: impl Fn(T) -> &'static str,
    named: &str,
) -> Read<T> {
    let found = all.into_iter().find(|one| word(*one) == named);
    found.ok_or_else(|| {
        let known = all.map(word).join(", ");
        outcome::CouldNotRun::with_hint(
            format!("the record has a {noun} `{named}`, and this redrill knows {known}"),
            "use the redrill that wrote it, or a newer one",
        )
    })
}

impl Stage {
    fn read(self) -> Read<outcome::StageResult> {
        let stage = of_word(
            "stage",
            outcome::Stage::ALL,
            outcome::Stage::word,
            &self.name,
        )?;
        Ok(outcome::StageResult {
            stage,
            title: self.title.into(),
            required: self.required,
            outcome: ended(
                &self.name,
                self.outcome,
                self.skipped_because,
                self.could_not_run,
            )?,
            summary: self.summary,
            findings: all(self.findings, Finding::read),
            duration: seconds("stages.duration_s", self.duration_s)?,
        })
    }
}

impl Check {
    pub(super) fn read(self) -> Read<outcome::CheckResult> {
        let outcome = ended(
            &self.id,
            self.outcome,
            self.skipped_because,
            self.could_not_run,
        )?;
        Ok(outcome::CheckResult {
            id: self.id,
            object: self.object,
            kind: self.kind.into(),
            name: self.name,
            line: self.line,
            required: self.required,
            not_required_because: self.not_required_because,
            database: self.database,
            expected: self.expected,
            // The record has the reason there.
            actual: match outcome {
                Outcome::Error(_) => String::new(),
                Outcome::Pass | Outcome::Fail | Outcome::Waived | Outcome::Skipped { .. } => {
                    self.actual
                }
            },
            outcome,
            findings: all(self.findings, Finding::read),
            duration: seconds("checks.duration_s", self.duration_s)?,
        })
    }
}

impl Finding {
    pub(super) fn read(self) -> outcome::Finding {
        outcome::Finding {
            object: self.object,
            expected: self.expected,
            actual: self.actual,
            hint: self.hint,
            waived: self.waived,
        }
    }
}

impl Waiver {
    fn read(self) -> Read<outcome::WaiverFacts> {
        let until = self.until.parse().map_err(|error: jiff::Error| {
            outcome::CouldNotRun::new(format!(
                "the record cannot be read: `waivers.until`: {error}"
            ))
        })?;
        Ok(outcome::WaiverFacts {
            check: self.check,
            object: self.object,
            reason: self.reason,
            owner: self.owner,
            until,
            line: self.line,
            findings: self.findings,
            state: match self.state {
                WaiverWord::Used => WaiverState::Used,
                WaiverWord::Expired => WaiverState::Expired,
                WaiverWord::NotNeeded => WaiverState::NotNeeded,
                WaiverWord::NotJudged => WaiverState::NotJudged,
            },
        })
    }
}

impl NotTested {
    pub(super) fn read(self) -> outcome::NotTested {
        outcome::NotTested {
            what: self.what,
            why: self.why,
        }
    }
}

/// How a stage or a check ended.
pub(super) fn ended(
    name: &str,
    word: OutcomeWord,
    skipped: Option<String>,
    error: Option<CouldNotRun>,
) -> Read<Outcome> {
    Ok(match word {
        OutcomeWord::Pass => Outcome::Pass,
        OutcomeWord::Fail => Outcome::Fail,
        OutcomeWord::Waived => Outcome::Waived,
        OutcomeWord::Error => {
            let error = said(error, name, "error", "could_not_run")?;
            Outcome::Error(outcome::CouldNotRun {
                reason: error.reason,
                hint: error.hint,
            })
        }
        OutcomeWord::Skipped => Outcome::Skipped {
            reason: said(skipped, name, "skipped", "skipped_because")?,
        },
    })
}

/// What a record must have next to a word.
fn said<T>(value: Option<T>, name: &str, word: &str, key: &str) -> Read<T> {
    value.ok_or_else(|| contradiction(&format!("`{name}` is `{word}` without `{key}`")))
}

pub(super) fn contradiction(what: &str) -> outcome::CouldNotRun {
    outcome::CouldNotRun::with_hint(
        format!("the record contradicts itself: {what}"),
        "`redrill verify` says whether it was changed",
    )
}

/// A time of a record.
pub(super) fn time(key: &str, text: &str) -> Read<Timestamp> {
    let unreadable =
        |error| outcome::CouldNotRun::new(format!("the record cannot be read: `{key}`: {error}"));
    text.parse().map_err(|error: jiff::Error| unreadable(error))
}

/// A duration of a record, to the nanosecond. What is longer than a duration can be is the longest one.
pub(super) fn seconds(key: &str, value: f64) -> Read<Duration> {
    if value < 0.0 {
        return Err(outcome::CouldNotRun::new(format!(
            "the record cannot be read: `{key}` is {value}, expected 0 or more"
        )));
    }
    Ok(Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX))
}

/// Converts entries that are always valid.
pub(super) fn all<T, U>(items: Vec<T>, convert: impl Fn(T) -> U) -> Vec<U> {
    items.into_iter().map(convert).collect()
}

/// Converts entries, or gives the first error.
pub(super) fn each<T, U>(items: Vec<T>, convert: impl Fn(T) -> Read<U>) -> Read<Vec<U>> {
    items.into_iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However long it is, a duration is written as it was read.
        #[test]
        fn a_duration_that_was_read_is_written_the_same(secs in any::<u64>(), bits in 0..64_u32, nanos in 0..1_000_000_000_u32) {
            let before = Duration::new(secs >> bits, nanos);
            let text = serde_json::to_string(&before.as_secs_f64()).unwrap();
            let read = seconds("a", serde_json::from_str(&text).unwrap()).unwrap();
            prop_assert_eq!(serde_json::to_string(&read.as_secs_f64()).unwrap(), text);
            if before.as_secs() < 1 << 22 {
                prop_assert_eq!(read, before);
            }
        }
    }
}
