//! `pick`: drills of older backups and of each tier of retention, with a choice that every report shows and a seed repeats.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use super::builder::{Ended, Redrill, none, redrill};
use super::dumps::{ROWS, dumps};

/// Days before today of the backups of the store.
const AGES: [i64; 7] = [0, 1, 2, 12, 19, 100, 131];

/// The name of the backup of so many days ago.
fn name(age: i64) -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let date = now.date().checked_sub(age.days()).unwrap();
    format!("users-{date}.dump")
}

/// A scenario over a store, in which the backup of `broken` days ago is truncated.
fn store(backup: &str, broken: Option<i64>) -> Redrill {
    let good = dumps(17).read("users.dump");
    let scenario = format!(
        "schema = 1\nname = \"drilled\"\n[backup]\nnewest = \"b/users-*.dump\"\nmax-age = \"3d\"\n{backup}\n\
         [restore]\nrole = [{{ name = \"shop_app\" }}]\n[[check.row-count]]\ntable = \"auth.users\"\nexact = 1500\n"
    );
    let run = redrill().scenario(&scenario);
    AGES.into_iter().fold(run, |run, age| {
        let length = good.len() / if broken == Some(age) { 2 } else { 1 };
        run.file(&format!("b/{}", name(age)), &good[..length])
    })
}

/// The name of the backup that was drilled.
fn drilled(drill: &Value) -> String {
    let origin = drill["backup"]["origin"].as_str().unwrap();
    origin.rsplit('/').next().unwrap().to_owned()
}

/// The reports in which a text is not.
fn without(ended: &Ended, text: &str) -> Vec<String> {
    let drill = ended.drill().to_string();
    let reports = [
        ("terminal", &ended.stdout),
        ("drill.json", &drill),
        ("drill.md", &ended.pages[0]),
        ("junit.xml", &ended.pages[1]),
    ];
    let one_line = |report: &str| report.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing = reports
        .into_iter()
        .filter(|(_, report)| !one_line(report).contains(text));
    missing
        .map(|(name, report)| format!("no `{text}` in {name}: {report}"))
        .collect()
}

#[test]
fn the_oldest_is_drilled_and_the_age_is_that_of_the_newest() {
    let ended = store("pick = \"oldest\"", None).run();
    ended.is_proven_with(ROWS[0]).unwrap();
    assert_eq!(drilled(ended.drill()), name(131));
    let picked = &ended.drill()["backup"]["picked"];
    assert_eq!(picked["pick"], "oldest");
    assert_eq!(picked["seed"], Value::Null);
    let mut wrong = without(&ended, "the oldest of 7 of `users-*.dump`");
    if !ended.stdout.contains("of the newest backup, at most 3 d") {
        wrong.push(ended.stdout.clone());
    }
    // The newest is damaged, and it is not what is drilled; then the oldest is.
    wrong.extend(store("pick = \"oldest\"", Some(0)).run().is_proven().err());
    let broken = store("pick = \"oldest\"", Some(131)).run();
    wrong.extend(broken.fails_in("backup", &["ends"]).err());
    none(wrong);
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn one_at_random_is_in_every_report_and_its_seed_repeats_it() {
    let random = || store("pick = \"random\"", None);
    let first = random().run();
    first.is_proven_with(ROWS[0]).unwrap();
    let seed = first.drill()["backup"]["picked"]["seed"].to_string();
    let again = random().with("--seed").with(&seed).run();
    let mut wrong = without(&first, &format!("at random with seed {seed}"));
    if drilled(first.drill()) != drilled(again.drill()) {
        wrong.push(format!("{} is not repeated", drilled(first.drill())));
    }
    wrong.extend(without(&again, &format!("--seed {seed}")));
    // Another seed is another choice, of several.
    let others = (1..=6).map(|seed| {
        let ended = random().with("--seed").with(&seed.to_string()).run();
        drilled(ended.drill())
    });
    if others.collect::<BTreeSet<_>>().len() < 2 {
        wrong.push("six seeds choose the same".to_owned());
    }
    none(wrong);
}

#[test]
fn each_tier_is_drilled_by_itself() {
    let tiers = "pick = \"each-tier\"\nretention = { daily = 3, weekly = 4, monthly = 5 }";
    let all = |broken: Option<i64>| -> (i32, Vec<(String, String, String)>) {
        // None of the folders of reports has this name.
        let run = store(tiers, broken).drilled("none").with("--json");
        let ended = run.with("--seed").with("3").run();
        let drills = ended.stdout.lines().map(|line| {
            let drill: Value = serde_json::from_str(line).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&drill["scenario"]["name"]),
                drilled(&drill),
                text(&drill["verdict"]),
            )
        });
        (ended.code, drills.collect())
    };
    let (code, good) = all(None);
    let names: Vec<&str> = good.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names,
        ["drilled-daily", "drilled-weekly", "drilled-monthly"]
    );
    let ages = |all: &[i64]| all.iter().map(|age| name(*age)).collect::<Vec<_>>();
    assert!(ages(&[0, 1, 2]).contains(&good[0].1), "{good:?}");
    assert!(ages(&[12, 19]).contains(&good[1].1), "{good:?}");
    assert!(ages(&[100, 131]).contains(&good[2].1), "{good:?}");
    // Tiers that are not complete are objectives that were missed.
    assert!(
        good.iter()
            .all(|(_, _, verdict)| verdict == "OBJECTIVE MISSED"),
        "{good:?}"
    );
    assert_ne!(code, 0);
    // The same choice, of which one is damaged.
    let damaged = AGES.into_iter().find(|age| name(*age) == good[2].1);
    let (_, broken) = all(damaged);
    let verdicts: Vec<&str> = broken
        .iter()
        .map(|(.., verdict)| verdict.as_str())
        .collect();
    assert_eq!(
        verdicts,
        ["OBJECTIVE MISSED", "OBJECTIVE MISSED", "NOT PROVEN"]
    );
}

#[test]
fn a_seed_that_decides_nothing_is_refused() {
    let ended = store("pick = \"oldest\"", None)
        .with("--seed")
        .with("1")
        .run();
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(
        ended.stderr.contains("`--seed` decides nothing"),
        "{}",
        ended.stderr
    );
}
