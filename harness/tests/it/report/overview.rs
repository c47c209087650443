//! The page over all drills of a state.

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use redrill::ledger::latest::Latest;
use redrill::ledger::statement::{BackupSummary, Entry, Kind, Position, Summary, WaiverSummary};
use redrill::report::html::overview::{Overview, reasons};
use redrill::verdict::Verdict;

use super::{examples, hostile, strategies};
use proptest::prelude::*;

const DAY: i64 = 24;
const CHECKPOINT: &str =
    "redrill/39273270961871bd5574e004e2028baf 333 FBeG62LlwgrkJK8sdH22/WEq1FZomL9Ib+uNh8LqJmk=";

/// When the example is made.
pub fn now() -> Timestamp {
    "2026-11-24T09:00:00Z".parse().unwrap()
}

fn entry(index: u64, drill: Summary) -> Entry {
    Entry {
        position: Position {
            log: "redrill/39273270961871bd5574e004e2028baf".to_owned(),
            index,
            recorded: drill.began,
        },
        record: format!("{index:064x}"),
        drill,
    }
}

/// A drill of a scenario some days ago: its size and time grow with the days.
fn drill(scenario: &str, days: i64, megabytes: u64, seconds: f64) -> Summary {
    let began =
        now() - SignedDuration::from_hours(days * DAY) + SignedDuration::from_mins(days % 7);
    // Two days out of three are alike, which is enough for a line that moves.
    let swing = f64::from(u8::try_from(days * 37 % 11).unwrap()) / 11.0 - 0.5;
    #[allow(clippy::cast_precision_loss, reason = "an example")]
    let grown = 1.0 + (720 - days.min(720)) as f64 / 1800.0;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an example"
    )]
    let bytes = (megabytes as f64 * 1e6 * grown) as u64;
    Summary {
        run: format!("{}-{scenario}", began.strftime("%Y%m%d")),
        version: "0.1.0".to_owned(),
        scenario: scenario.to_owned(),
        verdict: Verdict::Proven.word().to_owned(),
        began,
        actor: "ann".to_owned(),
        host: Some("runner-7".to_owned()),
        backup: Some(BackupSummary {
            origin: format!("s3://backups/{scenario}.dump"),
            sha256: "9f2b5d1ac07e4e86b3c1f5d9a2807b6e4c3d2f1a0b9e8d7c6f5a4b3c2d1e0f99".to_owned(),
            made: Some(began - SignedDuration::from_mins(240 + days * 53 % 97)),
            size_bytes: bytes,
            rows: bytes / 158,
            source_version: Some("17.6".to_owned()),
        }),
        server: Some("17.6".to_owned()),
        restore_s: Some(seconds * grown * (1.0 + swing / 6.0)),
        restore_within_s: Some(1200.0),
        max_age_s: Some(26.0 * 3600.0),
        passed: vec!["row-count/users".to_owned(), "role/app".to_owned()],
        every_s: Some(90.0 * 86_400.0),
        controls: [
            ("SOC2:A1.3".to_owned(), true),
            ("ISO27001:A.8.13".to_owned(), true),
        ]
        .into(),
        ..Summary::default()
    }
}

fn fail(drill: &mut Summary, verdict: Verdict, failed: &[&str]) {
    verdict.word().clone_into(&mut drill.verdict);
    drill.failed = failed.iter().map(|&id| id.to_owned()).collect();
    drill
        .controls
        .values_mut()
        .for_each(|evidence| *evidence = false);
}

/// Two years of drills of six scenarios, the oldest first.
fn drills() -> Vec<Summary> {
    let mut all = Vec::new();
    for (scenario, megabytes, seconds, every) in [
        ("plur-nightly", 18, 71.0, 7),
        ("powernode", 412, 655.0, 7),
        ("prisme", 96, 180.0, 14),
        ("caracal", 57, 122.0, 14),
        ("paperclip", 9, 22.0, 28),
        ("orders-archive", 2_310, 980.0, 88),
    ] {
        let mut days = 700 - 100 * (i64::try_from(scenario.len()).unwrap() % 4);
        while days > 0 {
            all.push(drill(scenario, days, megabytes, seconds));
            days -= every;
        }
    }
    all.retain(|drill| {
        let gap = date(2026, 1, 4)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp();
        let end = gap + SignedDuration::from_hours(84 * DAY);
        let recent = now() - SignedDuration::from_hours(95 * DAY);
        let missed = match drill.scenario.as_str() {
            "caracal" => (gap..end).contains(&drill.began),
            "orders-archive" => drill.began > recent,
            _ => false,
        };
        !missed
    });
    all.sort_by(|a, b| (a.began, &a.scenario).cmp(&(b.began, &b.scenario)));
    let count = all.len();
    for (at, drill) in all.iter_mut().enumerate() {
        match at * 29 % 97 {
            3 => fail(drill, Verdict::Inconclusive, &["server"]),
            11 => fail(drill, Verdict::NotProven, &["role/app"]),
            17 => fail(drill, Verdict::ObjectiveMissed, &[]),
            _ => {}
        }
        let is_last = count - at <= 30;
        if drill.scenario == "plur-nightly" && is_last && at > count - 8 {
            fail(
                drill,
                Verdict::NotProven,
                &["proof", "row-count/engrams-are-complete", "role/plur_app"],
            );
            drill.restore_s = Some(1_511.0);
        }
        if drill.scenario == "prisme" && is_last {
            Verdict::ProvenWithWaivers
                .word()
                .clone_into(&mut drill.verdict);
            drill.waived = vec!["role/app".to_owned()];
            drill.waivers = vec![WaiverSummary {
                check: "role/app".to_owned(),
                object: "app.invoices".to_owned(),
                reason: "the old service writes invoices until release 2.4".to_owned(),
                owner: "Ann Example <ann@example.org>".to_owned(),
                until: date(2027, 1, 31),
                findings: 2,
            }];
        }
    }
    let mut rehearsal = drill("powernode", 2, 412, 655.0);
    rehearsal.kind = Kind::Rehearsal;
    "SAFE".clone_into(&mut rehearsal.verdict);
    all.push(rehearsal);
    all
}

/// The page of these drills; the newest that is not PROVEN is the example.
pub fn page(drills: Vec<Summary>) -> String {
    let mut overview = Overview::default();
    "s3://evidence/drills".clone_into(&mut overview.place);
    overview.checkpoint = Some(CHECKPOINT.to_owned());
    let mut latest = Latest::default();
    for (index, drill) in (0..).zip(drills) {
        let entry = entry(index, drill);
        overview.add(&entry);
        latest.add(entry);
    }
    let bad = latest.newest().filter(|newest| !newest.drill.is_proven());
    for newest in bad {
        overview.explain(&newest.drill.scenario, reasons(&examples::not_proven()));
    }
    overview.render(&latest, now())
}

/// The page that is committed.
pub fn example() -> String {
    page(drills())
}

/// A page in which every text is this one.
pub fn of_text(text: &str) -> String {
    let drills = (0..3).map(|days| {
        let mut one = drill(text, days, 5, 20.0);
        fail(&mut one, Verdict::NotProven, &[text, text, text]);
        one.actor = text.to_owned();
        one.controls = [(text.to_owned(), false)].into();
        one.waivers = vec![WaiverSummary {
            check: text.to_owned(),
            object: text.to_owned(),
            reason: text.to_owned(),
            owner: text.to_owned(),
            until: date(2027, 1, 31),
            findings: 1,
        }];
        one.only = if days == 1 {
            vec![text.to_owned()]
        } else {
            Vec::new()
        };
        one
    });
    page(drills.collect())
}

#[test]
fn it_says_what_is_overdue_failed_waived_and_evidence() {
    let page = example();
    for text in [
        "5 of 6 scenarios PROVEN",
        "> orders-archive</h3>",
        "PROVEN 147 days",
        "stage <code>proof</code> failed: 2 of 41 tables differ",
        "<b>Restored in</b> <span class=\"now bad\">25 min 11 s</span>",
        "no drill",
        "Ann Example &lt;ann@example.org&gt;",
        "NO EVIDENCE",
        "SAFE (rehearsal)",
    ] {
        assert!(page.contains(text), "no {text:?}");
    }
}

#[test]
fn a_state_without_faults_needs_no_attention() {
    let page = page(vec![
        drill("orders", 3, 5, 20.0),
        drill("orders", 1, 5, 20.0),
    ]);
    assert!(
        page.contains("1 of 1 scenario PROVEN") || page.contains("1 of 1 scenarios PROVEN"),
        "{page}"
    );
    assert!(
        page.contains("Nothing: the newest drill of each scenario is PROVEN"),
        "{page}"
    );
    assert!(page.contains("2 PROVEN</span>"), "{page}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_of_the_log_becomes_a_tag(text in strategies::nasty()) {
        hostile::check_html(&of_text(&text));
    }
}
