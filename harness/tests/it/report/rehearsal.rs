//! The page of a rehearsal says what its markdown says.

use std::time::Duration;

use proptest::prelude::*;
use redrill::outcome::{
    ChangeFacts, CheckAfter, CouldNotRun, Finding, KeptServerFacts, LockFacts, MigrationFacts,
    NotTested, OneMigrationFacts, Outcome, RehearsalResult, StatementFacts, Step, StepResult,
    TableFacts,
};
use redrill::report::{html, junit, markdown};
use redrill::verdict::{RehearsalVerdict, rehearsal_verdict};
use rstest::rstest;

use super::agree::{letters, visible};
use super::{examples, hostile, strategies, xml};

pub fn page(result: &RehearsalResult) -> String {
    html::render_rehearsal(result, rehearsal_verdict(result))
}

/// Locks that are held for too long, a right that became wider, and a step that could not run.
pub fn example() -> RehearsalResult {
    of_text(None)
}

/// A rehearsal that has everything; with `text` in place of each text that comes from outside.
pub fn of_text(text: Option<&str>) -> RehearsalResult {
    let or = |ours: &str| text.unwrap_or(ours).to_owned();
    let seconds = Duration::from_secs;
    let drill = examples::not_proven();
    let step = |step: Step, outcome, summary: &str, findings| StepResult {
        step,
        outcome,
        summary: or(summary),
        findings,
        duration: Duration::from_millis(1_250),
    };
    let finding = |object: &str, expected: &str, actual: &str| {
        Finding::about(or(object), or(expected), or(actual)).hint(or("build it concurrently"))
    };
    let steps = Step::ALL.map(|one| match one {
        Step::Locks => step(
            one,
            Outcome::Fail,
            "2 locks keep others waiting for longer than 5 s",
            vec![
                finding("app.orders", "at most 5 s", "ACCESS EXCLUSIVE for 41 s"),
                finding("app.invoices", "at most 5 s", "SHARE for 12 s"),
            ],
        ),
        Step::Changes => step(
            one,
            Outcome::Fail,
            "1 right became wider",
            vec![finding(
                "grant select app.invoices to reporting",
                "accepted by a review",
                "not accepted",
            )],
        ),
        Step::Down => step(
            one,
            Outcome::Error(CouldNotRun::with_hint(
                or("the tool has no command `down`"),
                or("name it with `down`"),
            )),
            "could not run",
            Vec::new(),
        ),
        Step::Crashes => step(
            one,
            Outcome::Skipped {
                reason: or("the first run failed"),
            },
            "skipped",
            Vec::new(),
        ),
        Step::SecondRun => step(
            one,
            Outcome::Pass,
            "nothing changed",
            vec![finding("app.orders", "no statement", "1 statement")],
        ),
        _ => step(one, Outcome::Pass, one.title(), Vec::new()),
    });
    let table = |name: &str, held| TableFacts {
        table: or(name),
        lock: "ACCESS EXCLUSIVE".into(),
        blocks_readers: true,
        held,
        statement: or("ALTER TABLE app.orders ALTER COLUMN total TYPE numeric(14, 2)"),
        readers_waited: held,
        writers_waited: None,
    };
    let migration = |name: &str, lock: Option<LockFacts>| OneMigrationFacts {
        name: Some(or(name)),
        recorded: true,
        statements: 3,
        duration: seconds(44),
        lock,
    };
    let change = |name: &str, what: &str, needs_review, accepted: Option<&str>| ChangeFacts {
        name: or(name),
        text: or(what),
        needs_review,
        accepted: accepted.map(or),
    };
    let checks = drill.checks.iter().map(|check| {
        let mut result = check.clone();
        result.name = or(&check.name);
        result.actual = or(&check.actual);
        CheckAfter {
            result,
            before: Some(Outcome::Pass),
        }
    });
    let mut result = RehearsalResult {
        run: or("20261124-031501-5b0f9a11"),
        redrill: "0.1.0".to_owned(),
        provenance: drill.provenance.clone(),
        scenario: drill.scenario.clone(),
        started: drill.started,
        duration: seconds(180),
        state: drill.state.as_ref().map(|state| or(state)),
        evidence: drill.evidence.clone(),
        drill: "PROVEN".into(),
        drill_passed: true,
        kept: Some(KeptServerFacts {
            name: or("plur-nightly-4"),
            scenario: or("plur-nightly"),
            run: or("20261124-010000-1f2e3d4c"),
            until: drill.started,
            doubts: vec![or("its backup is older than the release")],
        }),
        backup: drill.backup.clone(),
        server: examples::proven().server,
        command: vec![or("./migrate.sh"), or("up")],
        role: or("app_owner"),
        steps: steps.into(),
        checks: checks.collect(),
        migration: Some(MigrationFacts {
            duration: seconds(58),
            connections: 1,
            statements: 12,
            migrations: vec![
                migration(
                    "20261120_widen_total",
                    Some(LockFacts {
                        table: or("app.orders"),
                        mode: "ACCESS EXCLUSIVE".into(),
                        held: seconds(41),
                    }),
                ),
                migration("20261121_grant_reporting", None),
            ],
            longest: vec![StatementFacts {
                text: or("ALTER TABLE app.orders ALTER COLUMN total TYPE numeric(14, 2)"),
                duration: seconds(41),
                error: Some(or("57014")),
            }],
            tables: vec![
                table("app.orders", Some(seconds(41))),
                table("app.invoices", None),
            ],
            wal_bytes: 512_000_000,
            temporary_bytes: 0,
            size_before: 1_200_000_000,
            size_after: 1_710_000_000,
            changes: vec![
                change(
                    "alter column app.orders.total",
                    "numeric(10, 2) → numeric(14, 2)",
                    false,
                    None,
                ),
                change(
                    "grant select app.invoices to reporting",
                    "reporting may read app.invoices",
                    true,
                    None,
                ),
                change(
                    "drop column app.account.legacy",
                    "a column is gone",
                    true,
                    Some("nothing reads it since 2.3"),
                ),
            ],
        }),
        nothing_pending: false,
        not_tested: vec![NotTested::new(
            or("pg_cron"),
            or("no job of the backup runs"),
        )],
        repeat: or("redrill rehearse scenarios/plur-nightly.toml"),
        interrupted: false,
    };
    if let Some(text) = text {
        text.clone_into(&mut result.scenario.name);
        text.clone_into(&mut result.provenance.actor.name);
        if let Some(backup) = &mut result.backup {
            text.clone_into(&mut backup.origin);
        }
    }
    result
}

/// The cells and lines of the markdown that are not in the text of the page.
fn missing(markdown: &str, page: &str) -> Vec<String> {
    let page = letters(&visible(page));
    markdown
        .lines()
        .flat_map(|line| line.split('|'))
        .map(letters)
        .filter(|part| !["fact", "value", "sh"].contains(&&**part) && !page.contains(part))
        .collect()
}

/// Page, markdown and JUnit of a rehearsal.
pub fn agree(markdown: &str, page: &str, junit: &str, verdict: &str) {
    assert!(
        page.contains(&format!("\n<title>{verdict}: rehearsal of")),
        "{page}"
    );
    let shown = page.split_once("<p class=\"verdict ").unwrap().1;
    let shown = shown.split_once("</p>").unwrap().0;
    assert!(shown.ends_with(&format!("</span> {verdict}")), "{shown}");
    assert!(
        markdown.starts_with(&format!("# {verdict}: rehearsal of")),
        "{markdown}"
    );
    assert_eq!(missing(markdown, page), Vec::<String>::new(), "{page}");
    let suites = xml::parse(junit);
    assert_eq!(
        suites.iter().any(xml::Suite::red),
        verdict != "SAFE",
        "{junit}"
    );
}

fn all(result: &RehearsalResult) {
    let verdict = rehearsal_verdict(result);
    agree(
        &markdown::render_rehearsal(result, verdict),
        &page(result),
        &junit::render_rehearsal(result, verdict).unwrap(),
        verdict.word(),
    );
}

#[rstest]
#[case::unsafe_(|_: &mut RehearsalResult| {}, RehearsalVerdict::Unsafe)]
#[case::safe(
    |result: &mut RehearsalResult| {
        result.kept = None;
        for step in &mut result.steps {
            step.outcome = Outcome::Pass;
            step.findings.clear();
        }
        for check in &mut result.checks {
            check.result.outcome = Outcome::Pass;
        }
    },
    RehearsalVerdict::Safe
)]
#[case::inconclusive(
    |result: &mut RehearsalResult| {
        result.steps.retain(|step| step.outcome != Outcome::Fail);
        result.migration = None;
        result.backup = None;
        result.server = None;
    },
    RehearsalVerdict::Inconclusive
)]
#[case::interrupted(|result: &mut RehearsalResult| result.interrupted = true, RehearsalVerdict::Interrupted)]
#[case::nothing(
    |result: &mut RehearsalResult| {
        result.steps.clear();
        result.nothing_pending = true;
        result.kept = None;
    },
    RehearsalVerdict::NothingPending
)]
fn all_reports_of_a_rehearsal_agree(
    #[case] change: fn(&mut RehearsalResult),
    #[case] expected: RehearsalVerdict,
) {
    let mut result = example();
    change(&mut result);
    assert_eq!(rehearsal_verdict(&result), expected);
    all(&result);
}

/// A fact that the page lacks is found.
#[test]
fn a_fact_that_is_missing_is_named() {
    let result = example();
    let page = page(&result).replace("nothing reads it since 2.3", "nothing");
    let markdown = markdown::render_rehearsal(&result, rehearsal_verdict(&result));
    assert_eq!(missing(&markdown, &page), ["acceptednothingreadsitsince23"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_text_of_a_rehearsal_becomes_a_tag(text in strategies::nasty()) {
        let result = of_text(Some(&text));
        hostile::check_html(&page(&result));
        all(&result);
    }
}
