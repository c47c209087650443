//! The objectives of a scenario, measured.

use std::time::Duration;

use jiff::Timestamp;

use crate::outcome::{CanaryFacts, DrillResult, Objective, Outcome, Stage};
use crate::runbook::RunbookTime;
use crate::scenario::Scenario;
use crate::units::show_duration;

/// If the time of a backup is further in the future, its clock was wrong and its age is unknown.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Measures the objectives that the scenario sets.
pub(super) fn objectives(
    scenario: &Scenario,
    result: &DrillResult,
    runbook: Option<&RunbookTime>,
) -> Vec<Objective> {
    let passed = result
        .stages
        .iter()
        .any(|stage| stage.stage == Stage::Restore && stage.outcome == Outcome::Pass);
    // A restore without some rows is no measure of one with all.
    let limit = scenario.restore_within;
    let limit = limit.filter(|_| scenario.facts.only.is_empty());
    let restore = limit.map(|limit| {
        let actual = result.recovery_time().filter(|_| passed);
        let fetched = result.backup.as_ref().and_then(|backup| backup.fetched_in);
        let fetched = fetched.map_or_else(String::new, |time| {
            format!(", of which {} to fetch the backup", show_duration(time))
        });
        let tuned = result.server.as_ref().is_some_and(|server| server.tuned);
        let server = match tuned {
            true => "on a tuned server",
            false => "on a server with the settings of production",
        };
        Objective::time("restore-within", limit, actual).measured_on(format!("{server}{fetched}"))
    });
    let limit = scenario.runbook_within;
    let limit = limit.filter(|_| scenario.facts.only.is_empty());
    let runbook = limit.map(|limit| {
        let objective = Objective::time("runbook-within", limit, runbook.map(|time| time.duration));
        match runbook {
            None => objective,
            Some(time) => objective.measured_on(format!(
                "by {} on a server with the settings of production",
                time.commands
            )),
        }
    });
    let age = scenario.max_age.map(|limit| {
        let backup = result.backup.as_ref();
        // An older backup is drilled on purpose; the job is late only where the newest is too old.
        let newest = backup.and_then(|backup| backup.picked.as_ref());
        let newest = newest.map(|picked| picked.newest.1);
        let made = || backup.and_then(|backup| backup.made).map(|(made, _)| made);
        let actual = newest
            .or_else(made)
            .and_then(|made| age(made, result.started));
        let objective = Objective::time("max-age", limit, actual);
        match newest {
            Some(_) => objective.measured_on("of the newest backup"),
            None => objective,
        }
    });
    let loss = scenario.pitr.as_ref().and_then(|pitr| {
        let cluster = result
            .proof
            .as_ref()
            .and_then(|proof| proof.cluster.as_ref());
        let canary = cluster.and_then(|cluster| cluster.canary.as_ref());
        let limit = pitr.max_data_loss?.0;
        Some(Objective::time(
            "max-data-loss",
            limit,
            canary.and_then(CanaryFacts::loss),
        ))
    });
    let tiers = result.backup.iter().flat_map(|backup| &backup.tiers);
    restore
        .into_iter()
        .chain(runbook)
        .chain(age)
        .chain(loss)
        .chain(tiers.cloned())
        .collect()
}

/// Age of a backup; the time in a name with only a date may be up to a day in the future.
#[must_use]
pub fn age(made: Timestamp, now: Timestamp) -> Option<Duration> {
    match Duration::try_from(now.duration_since(made)) {
        Ok(age) => Some(age),
        Err(_) => {
            let ahead = Duration::try_from(made.duration_since(now)).ok()?;
            (ahead <= AHEAD).then_some(Duration::ZERO)
        }
    }
}
#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::outcome::{BackupFacts, RestoreFacts, StageResult};
    use crate::scenario;
    use rstest::rstest;

    #[rstest]
    #[case::on_this_machine(None, true, "on a server with the settings of production")]
    #[case::fetched(
        Some(4),
        true,
        "on a server with the settings of production, of which 4.0 s to fetch the backup"
    )]
    #[case::fetched_too_slowly(
        Some(6),
        false,
        "on a server with the settings of production, of which 6.0 s to fetch the backup"
    )]
    fn a_restore_begins_when_the_backup_is_fetched(
        #[case] fetched: Option<u64>,
        #[case] met: bool,
        #[case] says: &str,
    ) {
        let text = "schema = 1\nname = \"x\"\n[backup]\npath = \"a\"\n[objective]\nrestore-within = \"20s\"\n";
        let scenario = scenario::parse(Path::new("x.toml"), text, &[].into()).unwrap();
        let result = DrillResult {
            stages: vec![StageResult {
                stage: Stage::Restore,
                title: "restore".into(),
                required: true,
                outcome: Outcome::Pass,
                summary: String::new(),
                findings: Vec::new(),
                duration: Duration::ZERO,
            }],
            backup: Some(BackupFacts {
                fetched_in: fetched.map(Duration::from_secs),
                ..BackupFacts::default()
            }),
            restore: Some(RestoreFacts {
                duration: Duration::from_secs(15),
                ..RestoreFacts::default()
            }),
            ..DrillResult::default()
        };
        let found = &objectives(&scenario, &result, None)[0];
        assert_eq!(found.met(), Some(met));
        assert_eq!(found.on.as_deref(), Some(says));
    }

    #[rstest]
    #[case("2026-05-25T00:00:00Z", Some(3600))]
    #[case("2026-05-25T05:00:00Z", Some(0))]
    #[case("2026-05-27T00:00:00Z", None)]
    fn an_age_is_measured_unless_the_clock_is_wrong(
        #[case] made: &str,
        #[case] seconds: Option<u64>,
    ) {
        let now: Timestamp = "2026-05-25T01:00:00Z".parse().unwrap();
        assert_eq!(
            age(made.parse().unwrap(), now),
            seconds.map(Duration::from_secs)
        );
    }
}
