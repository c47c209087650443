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
        let waivers: Vec<Waiver> = scenario
            .waivers
            .iter()
            .filter(of_a_check)
            .cloned()
            .collect();
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;
    use crate::input::Environment;
    use crate::scenario::parse;

    fn waivers(all: &[(&str, &str, &str)]) -> Waivers {
        let mut text = "schema = 1\nname = \"a\"\n[backup]\npath = \"x.sql\"\n\
            [[check.row-count]]\nname = \"orders\"\ntable = \"a.b\"\nmin = 1\n"
            .to_owned();
        for (check, object, until) in all {
            text += &format!(
                "[[waiver]]\ncheck = \"{check}\"\nobject = \"{object}\"\nreason = \"r\"\nowner = \"o\"\nuntil = {until}\n"
            );
        }
        let scenario = parse(Path::new("x.toml"), &text, &Environment::new());
        let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
        let began = "2026-11-24T23:59:59Z".parse().unwrap();
        Waivers::of(&scenario, began, &Redactor::default())
    }

    const OF: &str = "row-count/orders";

    #[rstest]
    #[case::all(&[(OF, "*", "2026-11-24")], None, &["a.b", ""], Outcome::Waived, &[WaiverState::Used])]
    #[case::by_pattern(&[("row-*", "a.*", "2026-11-24")], None, &["a.b"], Outcome::Waived, &[WaiverState::Used])]
    #[case::the_last_day_is_over(&[(OF, "*", "2026-11-23")], None, &["a.b"], Outcome::Fail, &[WaiverState::Expired])]
    #[case::another_has_not_ended(&[(OF, "*", "2026-11-23"), (OF, "a.b", "2026-12-01")], None, &["a.b"],
        Outcome::Waived, &[WaiverState::NotNeeded, WaiverState::Used])]
    #[case::one_is_not_waived(&[(OF, "a.b", "2027-01-01")], None, &["a.b", "a.c"], Outcome::Fail, &[WaiverState::Used])]
    #[case::without_an_object(&[(OF, "a.*", "2027-01-01")], None, &[""], Outcome::Fail, &[WaiverState::NotNeeded])]
    #[case::by_the_entry(&[(OF, "a.b", "2027-01-01")], Some("a.b"), &[""], Outcome::Waived, &[WaiverState::Used])]
    #[case::nothing_found(&[(OF, "*", "2027-01-01")], None, &[], Outcome::Pass, &[WaiverState::NotNeeded])]
    fn findings_are_waived(
        #[case] all: &[(&str, &str, &str)],
        #[case] entry: Option<&str>,
        #[case] objects: &[&str],
        #[case] outcome: Outcome,
        #[case] states: &[WaiverState],
    ) {
        let mut waivers = waivers(all);
        let mut findings: Vec<Finding> = objects
            .iter()
            .map(|object| match *object {
                "" => Finding::new("1", "2"),
                object => Finding::about(object, "1", "2"),
            })
            .collect();
        assert_eq!(waivers.judge(OF, entry, &mut findings), outcome);
        let facts = waivers.facts();
        let found: Vec<WaiverState> = facts.iter().map(|one| one.state).collect();
        assert_eq!(found, states);
        let waived = findings.iter().map(|finding| finding.waived.is_some());
        assert!(waived.is_sorted(), "{findings:?}");
        for (finding, one) in findings.iter().zip(&facts) {
            let named = finding
                .hint
                .as_ref()
                .is_some_and(|hint| hint.contains("ended on"));
            assert_eq!(named, one.state == WaiverState::Expired);
        }
    }

    #[test]
    fn other_checks_are_not_touched() {
        let mut waivers = waivers(&[(OF, "*", "2027-01-01")]);
        let mut findings = vec![Finding::about("a.b", "1", "2")];
        assert_eq!(waivers.judge("role/x", None, &mut findings), Outcome::Fail);
        assert_eq!(waivers.facts()[0].state, WaiverState::NotJudged);
    }
}
