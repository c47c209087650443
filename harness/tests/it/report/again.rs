//! Every report can be made again from the record of a drill, byte for byte.

use std::time::Duration;

use proptest::prelude::*;
use redrill::outcome::{
    BackupFacts, CompanionFacts, CouldNotRun, DrillResult, Outcome, ProofFacts, RehearsalResult,
    Step, StepResult, Values,
};
use redrill::report::json::Record;
use redrill::report::{json, rehearsal_reports, reports};
use redrill::verdict::{RehearsalVerdict, rehearsal_verdict, verdict};
use rstest::rstest;

use super::{examples, strategies};

/// A result without what only its drill needs, and no report shows.
fn reported(mut result: DrillResult) -> DrillResult {
    if verdict(&result).passed() {
        result.severity = None;
    }
    for check in &mut result.checks {
        if let Outcome::Error(_) = check.outcome {
            check.actual.clear();
        }
    }
    result.backup = result.backup.map(reported_backup);
    for table in result
        .restore
        .iter_mut()
        .flat_map(|restore| &mut restore.rows)
    {
        if let Values::NotCompared(why) = &mut table.values {
            why.clear();
        }
    }
    result.proof = result.proof.map(|proof| ProofFacts {
        objects: 0,
        not_compared: Vec::new(),
        ..proof
    });
    result
}

fn reported_backup(backup: BackupFacts) -> BackupFacts {
    let parts = backup.consists_of.into_iter();
    let companions = backup.companions.into_iter();
    BackupFacts {
        tiers: Vec::new(),
        before: None,
        has_owners: false,
        has_privileges: false,
        makes: Vec::new(),
        manifest: None,
        consists_of: parts
            .map(|(name, part)| (name, reported_backup(part)))
            .collect(),
        companions: companions
            .map(|one| CompanionFacts {
                path: std::path::PathBuf::new(),
                ..one
            })
            .collect(),
        ..backup
    }
}

/// Compares a drill with what is read of its record, and all reports of both.
fn again(result: &DrillResult) {
    let verdict = verdict(result);
    let record = json::render(result, verdict).unwrap();
    let (mut read, read_verdict) = json::read(&record).unwrap();
    assert_eq!(read_verdict, verdict);
    assert_eq!(read.evidence, None);
    read.evidence.clone_from(&result.evidence);
    for report in reports() {
        let render = |result| (report.render)(result, verdict).unwrap();
        let (made, before) = (render(&read), render(result));
        for (made, before) in made.lines().zip(before.lines()) {
            assert_eq!(made, before, "{}", report.name);
        }
        assert!(made == before, "{}", report.name);
    }
    assert_eq!(read, reported(result.clone()));
    // One line is the same record.
    let line = json::render_line(result, verdict).unwrap();
    read.evidence = None;
    assert_eq!(json::read(&line).unwrap().0, read);
}

/// A rehearsal without what only its run needs, and no report shows.
fn reported_rehearsal(mut result: RehearsalResult) -> RehearsalResult {
    result.nothing_pending = rehearsal_verdict(&result) == RehearsalVerdict::NothingPending;
    result.backup = result.backup.map(reported_backup);
    for check in &mut result.checks {
        if let Outcome::Error(_) = check.result.outcome {
            check.result.actual.clear();
        }
        match &mut check.before {
            Some(Outcome::Error(error)) => *error = CouldNotRun::new(""),
            Some(Outcome::Skipped { reason }) => reason.clear(),
            _ => {}
        }
    }
    result
}

/// Compares a rehearsal with what is read of its record, and all reports of both.
fn rehearsal_again(result: &RehearsalResult) {
    let verdict = rehearsal_verdict(result);
    let record = json::render_rehearsal(result, verdict).unwrap();
    let Record::Rehearsal(mut read, read_verdict) = json::read_record(&record).unwrap() else {
        panic!("it is read as a drill: {record}");
    };
    assert_eq!(read_verdict, verdict);
    assert_eq!(read.evidence, None);
    read.evidence.clone_from(&result.evidence);
    for report in rehearsal_reports() {
        let render = |result| (report.render)(result, verdict).unwrap();
        assert_eq!(render(&read), render(result), "{}", report.name);
    }
    assert_eq!(*read, reported_rehearsal(result.clone()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_report_of_any_drill_is_made_again(result in strategies::drill()) {
        again(&result);
    }

    #[test]
    fn every_report_of_any_rehearsal_is_made_again(result in strategies::rehearsal()) {
        rehearsal_again(&result);
    }
}

/// What is wrong with a record of a rehearsal, by what is changed in it.
#[rstest]
#[case::of_a_drill(r#""steps":"#, r#""step":"#, "it is not the record of a rehearsal")]
#[case::verdict(
    r#""verdict": "INCONCLUSIVE""#,
    r#""verdict": "SAFE""#,
    "its verdict is SAFE, and what it found is INCONCLUSIVE"
)]
#[case::unknown_step(
    r#""name": "copy""#,
    r#""name": "clone""#,
    "has a step `clone`, and this redrill knows copy, run,"
)]
#[case::newer(
    r#""schema": 1"#,
    r#""schema": 2"#,
    "the record has version 2, and this redrill knows version 1"
)]
#[case::a_duration(r#""duration_s": "#, r#""duration_s": -1"#, "`duration_s` is -1")]
#[case::a_key(r#""role": "#, r#""rule": "#, "missing field `role`")]
fn what_is_wrong_with_a_record_of_a_rehearsal_is_said(
    #[case] before: &str,
    #[case] after: &str,
    #[case] expected: &str,
) {
    let result = RehearsalResult {
        steps: vec![StepResult {
            step: Step::Copy,
            outcome: Outcome::Pass,
            summary: String::new(),
            findings: Vec::new(),
            duration: Duration::ZERO,
        }],
        ..RehearsalResult::default()
    };
    let record = json::render_rehearsal(&result, rehearsal_verdict(&result)).unwrap();
    json::read_rehearsal(&record).unwrap();
    let changed = record.replacen(before, after, 1);
    assert_ne!(changed, record);
    let error = json::read_rehearsal(&changed).unwrap_err();
    assert!(error.reason.contains(expected), "{}", error.reason);
}

#[test]
fn every_report_of_the_examples_is_made_again() {
    for (_, result) in examples::all() {
        again(&result);
    }
}

/// A change of the record of the example that is not PROVEN, and the error.
#[rstest]
#[case::newer(
    r#""schema": 1"#,
    r#""schema": 2"#,
    "the record has version 2, and this redrill knows version 1"
)]
#[case::of_a_rehearsal(
    r#""schema": 1"#,
    r#""schema": 1, "steps": []"#,
    "it is the record of a rehearsal"
)]
#[case::older(
    r#""state": "#,
    r#""stat": "#,
    "the record has no `state`: an older redrill wrote it"
)]
#[case::verdict(
    r#""verdict": "NOT PROVEN""#,
    r#""verdict": "PROVEN""#,
    "its verdict is PROVEN, and what it found is NOT PROVEN"
)]
#[case::unknown_verdict(
    r#""verdict": "NOT PROVEN""#,
    r#""verdict": "FINE""#,
    "unknown variant `FINE`, expected one of `PROVEN`"
)]
#[case::unknown_stage(
    r#""name": "proof""#,
    r#""name": "prove""#,
    "has a stage `prove`, and this redrill knows backup, server,"
)]
#[case::unknown_outcome(
    r#""outcome": "fail""#,
    r#""outcome": "failed""#,
    "unknown variant `failed`, expected one of"
)]
#[case::no_reason(
    r#""outcome": "fail""#,
    r#""outcome": "skipped""#,
    "is `skipped` without `skipped_because`"
)]
#[case::a_time(r#""started": "2025"#, r#""started": "later"#, "`started`: ")]
#[case::a_duration(r#""duration_s": "#, r#""duration_s": -"#, "`duration_s` is -")]
#[case::a_number(r#""tables": "#, r#""tables": "many", "x": "#, "invalid type: string")]
#[case::a_key(
    r#""interrupted": "#,
    r#""interrupt": "#,
    "missing field `interrupted`"
)]
#[case::neither(
    r#""limit_s": "#,
    r#""limit": "#,
    "is neither a time nor a number of backups"
)]
#[case::no_record("{", "", "it is not the record of a drill: ")]
fn what_is_wrong_with_a_record_is_said(
    #[case] before: &str,
    #[case] after: &str,
    #[case] expected: &str,
) {
    let result = examples::not_proven();
    let record = json::render(&result, verdict(&result)).unwrap();
    let changed = record.replacen(before, after, 1);
    assert_ne!(changed, record);
    let error = json::read(&changed).unwrap_err();
    assert!(error.reason.contains(expected), "{}", error.reason);
    assert!(!error.reason.contains('\n'), "{}", error.reason);
}

#[test]
fn keys_that_are_not_known_are_passed_over() {
    let result = examples::proven();
    let record = json::render(&result, verdict(&result)).unwrap();
    let more = record.replace(r#""name": "#, r#""nick": [{}], "name": "#);
    assert_ne!(more, record);
    assert_eq!(json::read(&more).unwrap(), json::read(&record).unwrap());
}
