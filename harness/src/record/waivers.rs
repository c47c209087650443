//! Applies the waivers of a scenario to the findings of its checks.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::outcome::{Finding, Outcome, WaiverFacts, WaiverState};
use crate::redact::Redactor;
use crate::scenario::{Scenario, Waiver};

/// The waivers of a drill, and what each has matched so far.
pub(super) struct Waivers {
    waivers: Vec<Waiver>,
    facts: Vec<WaiverFacts>,
    today: Date,
}

impl Waivers {
    /// Those about a check of this drill: with `--only` there may be fewer.
    pub(super) fn of(scenario: &Scenario, began: Timestamp, redactor: &Redactor) -> Self {
        let of_a_check = |waiver: &&Waiver| {
            let mut ids = scenario.checks.iter().map(|check| &check.id);
            ids.any(|id| waiver.check.matches(id))
        };
        let waivers: Vec<Waiver> = scenario.waivers.iter().filter(of_a_check).cloned().collect();
        let facts = waivers.iter().map(|waiver| WaiverFacts {
            check: redactor.clean(waiver.check.text()),
            object: redactor.clean(waiver.object.text()),
            reason: redactor.clean(&waiver.reason),
            owner: redactor.clean(&waiver.owner),
            until: waiver.until,
            line: waiver.line,
            findings: 0,
            state: WaiverState::NotJudged,
        });
        Self {
            facts: facts.collect(),
            waivers,
            today: began.to_zoned(TimeZone::UTC).date(),
        }
    }

    /// Marks the findings of a check that are waived, those that are not first; gives the outcome. `entry` is the object of an
    /// entry, which its findings may not repeat.
    pub(super) fn judge(
        &mut self,
        id: &str,
        entry: Option<&str>,
        findings: &mut [Finding],
    ) -> Outcome {
        for (waiver, facts) in self.waivers.iter().zip(&mut self.facts) {
            if waiver.check.matches(id) && facts.state == WaiverState::NotJudged {
                facts.state = WaiverState::NotNeeded;
            }
        }
        for finding in findings.iter_mut() {
            self.mark(id, entry, finding);
        }
        findings.sort_by_key(|finding| finding.waived.is_some());
        match findings.first() {
            None => Outcome::Pass,
            Some(first) if first.waived.is_some() => Outcome::Waived,
            Some(_) => Outcome::Fail,
        }
    }

    /// The first waiver that matches and has not ended decides; without one, that which has ended is named.
    fn mark(&mut self, id: &str, entry: Option<&str>, finding: &mut Finding) {
        let objects = [entry, finding.object.as_deref()];
        // What has no name is matched by `*` only.
        let names = |waiver: &Waiver| {
            waiver.object.text() == "*"
                || objects
                    .iter()
                    .flatten()
                    .any(|object| waiver.object.matches(object))
        };
        let all = self.waivers.iter().zip(&mut self.facts);
        let (valid, ended): (Vec<_>, Vec<_>) = all
            .filter(|(waiver, _)| waiver.check.matches(id) && names(waiver))
            .partition(|(waiver, _)| waiver.until >= self.today);
        if let Some((_, facts)) = valid.into_iter().next() {
            facts.findings += 1;
            facts.state = WaiverState::Used;
            finding.waived = Some(facts.terms());
        } else if let Some((_, facts)) = ended.into_iter().next() {
            facts.findings += 1;
            facts.state = WaiverState::Expired;
            let ended = format!(
                "the waiver of {} ended on {}: repair it, or give the waiver another day in line {}",
                facts.owner, facts.until, facts.line
            );
            finding.hint = Some(match finding.hint.take() {
                Some(hint) => format!("{hint}; {ended}"),
                None => ended,
            });
        }
    }

    /// What became of them.
    pub(super) fn facts(self) -> Vec<WaiverFacts> {
        self.facts
    }
}
