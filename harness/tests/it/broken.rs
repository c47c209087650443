//! The table of `fixtures/broken/table`: each fault is put into a clone of the restored database, or
//! into a dump of it, all checks of the scenario look, and what they say is held against the table.
//!
//! A part of it is looked at in every run; `ci/broken.sh` runs all of it and prints the score.

mod production;
mod score;
mod selected;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use redrill::baseline::observed::Observed;
use redrill::check::counts::Counts;
use redrill::check::sessions::Sessions;
use redrill::check::{Observation, Restored};
use redrill::input::Environment;
use redrill::outcome::Finding;
use redrill::redact::Redactor;
use redrill::run;
use redrill::scenario::{self, Scenario, ScenarioCheck};

use self::production::Production;
use self::score::{Score, names};
use crate::drill::GOOD;
use crate::drill::broken::table::{Broken, Change, HARMLESS, Harmless, SECTIONS, Severity};
use crate::drill::builder::{Ended, redrill};
use crate::support::{Plur, environment, on_restored_plur, plur_api, plur_backup, root};

/// How many drills of changed dumps run beside the looks at clones.
const DRILLS: usize = 2;

/// How long the server may take to come back after a check brought one of its processes down.
const RECOVERED_WITHIN: Duration = Duration::from_secs(20);

/// Names the faults to look at, by how their ids begin, for whoever works on one: `A02 S harmless`.
const ONLY: &str = "REDRILL_BROKEN";

/// One row of the table.
#[derive(Clone, Copy)]
enum Row {
    Broken(&'static str, &'static Broken),
    Harmless(&'static Harmless),
}

impl Row {
    fn id(self) -> &'static str {
        match self {
            Self::Broken(_, broken) => broken.id,
            Self::Harmless(_) => "harmless",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Broken(_, broken) => broken.what,
            Self::Harmless(harmless) => harmless.what,
        }
    }

    fn change(self) -> Change {
        match self {
            Self::Broken(_, broken) => broken.change,
            Self::Harmless(harmless) => harmless.change,
        }
    }
}

/// What a change led to.
#[derive(Debug, Default)]
struct Seen {
    /// What failed: ids of checks, or `stage:restore`.
    failed: BTreeSet<String>,
    /// What could not run.
    unable: BTreeSet<String>,
    /// What their findings say, or why the change could not be made.
    says: Vec<String>,
    /// Why the change could not be made.
    undone: Option<String>,
    took: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fault_of_each_section_is_caught_and_little_changes_do_not_alarm() {
    let first = |section: &'static crate::drill::broken::table::Section| {
        Row::Broken(section.name, &section.faults[0])
    };
    let faults = SECTIONS.iter().map(first);
    let harmless = HARMLESS.iter().take(3).map(Row::Harmless);
    look_at(faults.chain(harmless).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes: ci/broken.sh runs it"]
async fn every_fault_is_caught_and_nothing_harmless_alarms() {
    look_at(rows()).await;
}

#[test]
fn the_table_is_whole() {
    let scenario = scenario(&environment());
    let ids: BTreeSet<&str> = scenario
        .checks
        .iter()
        .map(|check| check.id.as_str())
        .collect();
    let known = |name: &str| name.starts_with("stage:") || ids.iter().any(|id| names(name, id));
    let faults = || SECTIONS.iter().flat_map(|section| section.faults);
    let mut seen = BTreeSet::new();
    for fault in faults() {
        assert!(
            seen.insert((fault.id, fault.what)),
            "{} {} twice",
            fault.id,
            fault.what
        );
        assert!(
            !fault.must_fail.is_empty(),
            "{} {}: nothing must fail",
            fault.id,
            fault.what
        );
        for name in fault.must_fail.iter().chain(fault.may_fail) {
            assert!(
                known(name),
                "{}: the scenario has no check `{name}`",
                fault.id
            );
        }
    }
    for section in SECTIONS {
        for fault in section.faults {
            assert!(
                section.name.starts_with(&fault.id[..1]),
                "{} in {}",
                fault.id,
                section.name
            );
        }
    }
    let worst = faults().filter(|fault| fault.severity == Severity::S1);
    assert!(
        worst.clone().count() >= 60,
        "{} faults of severity S1",
        worst.count()
    );
    assert!(HARMLESS.len() >= 15, "{} harmless changes", HARMLESS.len());
    // What the catalogue has of severity S1 in these sections; `table/mod.rs` says why some cannot be made.
    let every = "R01 R02 R03 R04 R06 R07 R11 R12 R16 S01 S02 S03 S04 S05 S06 S07 S08 S09 S12 A01 A02 A03 \
        A04 A05 A06 A07 A08 A09 A10 A11 A13 A14 P01 P02 P04 D01 D03 D05 D06 D08 D10 D12 D17 I02 I04 V01 G01 \
        G03 G04 G07 G08";
    for id in every.split_whitespace() {
        let there = faults().any(|fault| fault.id == id && fault.severity == Severity::S1);
        assert!(there, "{id} is not in the table");
    }
}

/// Every row, or those that are named.
fn rows() -> Vec<Row> {
    let only = std::env::var(ONLY).unwrap_or_default();
    let only: Vec<&str> = only.split_whitespace().collect();
    let faults = SECTIONS.iter().flat_map(|section| {
        let row = |fault| Row::Broken(section.name, fault);
        section.faults.iter().map(row)
    });
    let harmless = HARMLESS.iter().map(Row::Harmless);
    let wanted = |row: &Row| only.is_empty() || only.iter().any(|word| row.id().starts_with(word));
    let rows: Vec<Row> = faults.chain(harmless).filter(wanted).collect();
    assert!(!rows.is_empty(), "nothing begins with {only:?}");
    rows
}

/// Looks at rows, prints the score, and fails with whatever is not as the table says.
async fn look_at(rows: Vec<Row>) {
    let mut environment = environment();
    environment.insert("PLUR_API".to_owned(), plur_api().display().to_string());
    let environment = Arc::new(environment);
    let production = Arc::new(Production::default());
    let mut seen: BTreeMap<usize, Seen> = BTreeMap::new();
    let numbered: Vec<(usize, Row)> = rows.iter().copied().enumerate().collect();
    let (on_clones, in_dumps): (Vec<_>, Vec<_>) = numbered
        .into_iter()
        .partition(|(_, row)| matches!(row.change(), Change::Sql { .. }));
    let drills = stream::iter(in_dumps)
        .map(|(at, row)| {
            let (production, environment) = (production.clone(), environment.clone());
            async move {
                let drilled = move || drilled(row, &production, &environment);
                (at, tokio::task::spawn_blocking(drilled).await.unwrap())
            }
        })
        .buffer_unordered(DRILLS)
        .collect::<Vec<_>>();
    let clones = async {
        let mut seen = Vec::new();
        if !on_clones.is_empty() {
            on_restored_plur(None, async |plur| {
                let scenario = scenario(&environment);
                for (at, row) in &on_clones {
                    if let Change::Sql { change, undo } = row.change() {
                        let looked = on_clone(plur, &scenario, &environment, change, undo).await;
                        progress(*row, &looked);
                        seen.push((*at, looked));
                    }
                }
            })
            .await;
        }
        seen
    };
    let (drills, clones) = tokio::join!(drills, clones);
    seen.extend(drills);
    seen.extend(clones);
    let mut score = Score::default();
    for (at, row) in rows.iter().enumerate() {
        score.add(*row, &seen[&at]);
    }
    score.settle();
}

/// Tells whoever waits.
fn progress(row: Row, seen: &Seen) {
    let unable = seen.unable.iter().map(|id| format!("{id} (could not run)"));
    let failed: Vec<String> = seen.failed.iter().cloned().chain(unable).collect();
    let took = seen.took.as_secs_f32();
    eprintln!(
        "{:8} {} ({took:.1} s): {}",
        row.id(),
        row.what(),
        failed.join(", ")
    );
}

/// The text of the scenario.
fn scenario_text() -> String {
    let files = ["scenarios/plur.toml", "fixtures/broken/table/checks.toml"];
    files
        .map(|file| std::fs::read_to_string(root().join(file)).unwrap())
        .concat()
}

/// The scenario, as if it lay beside `scenarios/plur.toml`.
fn scenario(environment: &Environment) -> Scenario {
    let path = root().join("scenarios/plur.toml");
    match scenario::parse(&path, &scenario_text(), environment) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// Changes a clone and lets all checks look, as a drill does.
async fn on_clone(
    plur: &Plur,
    scenario: &Scenario,
    environment: &Environment,
    change: &str,
    undo: &str,
) -> Seen {
    let began = Instant::now();
    let database = plur.cloned().await;
    let mut seen = Seen::default();
    match plur
        .try_sql(&database, &change.replace("{database}", &database))
        .await
    {
        Err(error) => seen.undone = Some(error),
        Ok(()) => looks(plur, scenario, environment, &database, &mut seen).await,
    }
    if let Err(error) = plur.try_sql(&database, undo).await {
        seen.undone = Some(error);
    }
    plur.sql(
        "postgres",
        &format!("DROP DATABASE {database} WITH (FORCE)"),
    )
    .await;
    seen.took = began.elapsed();
    seen
}

/// All checks: those that only read side by side, then those that must be alone.
async fn looks(
    plur: &Plur,
    scenario: &Scenario,
    environment: &Environment,
    database: &str,
    seen: &mut Seen,
) {
    let (counts, sessions) = (Counts::default(), Sessions::default());
    let observed = Observed::default();
    let redactor = Redactor::default();
    let look = async |check: &ScenarioCheck| {
        let restored = Restored {
            last_record: &Ok(None),
            server: &plur.server,
            servers: &[],
            run: &plur.run.id,
            database,
            backup: &plur.backup,
            counts: &counts,
            sessions: &sessions,
            observed: &observed,
            trail: &redrill::database::Trail::default(),
            folder: &scenario.folder,
            environment,
            redactor: &redactor,
            timeout: check.timeout,
        };
        run::run_check(check, &restored).await
    };
    let (mut alone, together): (Vec<_>, Vec<_>) = scenario
        .checks
        .iter()
        .partition(|check| check.check.alone());
    let mut looks = stream::iter(together)
        .map(|check| {
            let looked = look(check);
            async move { (check, looked.await) }
        })
        .buffer_unordered(4);
    while let Some((check, looked)) = looks.next().await {
        match looked {
            Ok(observation) => seen.observed(check, &observation),
            // Its neighbour may have been the reason.
            Err(_) => alone.push(check),
        }
    }
    for check in alone {
        match look(check).await {
            Ok(observation) => seen.observed(check, &observation),
            Err(unable) => {
                plur.server.recovered(RECOVERED_WITHIN).await;
                seen.says.push(format!("{}: {unable}", check.id));
                seen.unable.insert(check.id.clone());
            }
        }
    }
    sessions.end().await;
}

impl Seen {
    fn observed(&mut self, check: &ScenarioCheck, observation: &Observation) {
        for finding in observation.all_findings() {
            self.failed.insert(check.id.clone());
            self.says.push(says(&check.id, finding));
        }
    }
}

fn says(of: &str, finding: &Finding) -> String {
    let object = finding.object.as_deref().unwrap_or("-");
    format!("{of}: {object}; {}; {}", finding.expected, finding.actual)
}

/// Drills a changed dump with the real binary.
fn drilled(row: Row, production: &Production, environment: &Environment) -> Seen {
    let began = Instant::now();
    let (on, bytes) = match row.change() {
        Change::Sql { .. } => unreachable!("it is for a clone"),
        Change::Text { on, text } => (on, Ok(text(&GOOD).into_bytes())),
        Change::Dump { prepare, script } => (None, production.dump(prepare, script)),
    };
    let mut seen = match bytes {
        Err(error) => Seen {
            undone: Some(error),
            ..Seen::default()
        },
        Ok(bytes) => drill(&bytes, on, environment),
    };
    seen.took = began.elapsed();
    progress(row, &seen);
    seen
}

/// Drills a dump on a server of this major version; without one, of the dump's.
fn drilled_with(
    bytes: &[u8],
    on: Option<u32>,
    environment: &Environment,
    arguments: &[&str],
) -> Ended {
    let root = root();
    let text = scenario_text()
        .replace("name = \"plur\"", "name = \"drilled\"")
        .replace("\"../fixtures/", &format!("\"{}/fixtures/", root.display()))
        .replace(
            "\"plur.baseline.json\"",
            &format!("\"{}/scenarios/plur.baseline.json\"", root.display()),
        );
    let mut lines: Vec<&str> = text.lines().collect();
    let newest = lines.iter_mut().find(|line| line.starts_with("newest = "));
    *newest.unwrap() = "path = \"named-by-the-command-line\"";
    let mut text = lines.join("\n");
    if let Some(major) = on {
        text += &format!("\n[server.container]\nimage = \"redrill/postgres:{major}\"\n");
    }
    let name = plur_backup().with_extension("");
    let name = name.file_name().unwrap().to_str().unwrap();
    let api = environment.get("PLUR_API").map_or("", String::as_str);
    let run = redrill()
        .environment("PLUR_API", api)
        .scenario(&text)
        .backup(bytes, name);
    arguments
        .iter()
        .fold(run, |run, argument| run.with(argument))
        .run()
}

/// The same, and what it saw.
fn drill(bytes: &[u8], on: Option<u32>, environment: &Environment) -> Seen {
    let ended = drilled_with(bytes, on, environment, &[]);
    let mut seen = Seen::default();
    if ended.drill.is_none() {
        seen.undone = Some(format!("{}\n{}", ended.stdout, ended.stderr));
        return seen;
    }
    let stages = |outcome| {
        ended
            .stages(outcome)
            .into_iter()
            .map(|name| format!("stage:{name}"))
    };
    let checks = |outcome| ended.checks(outcome).into_iter().map(str::to_owned);
    seen.failed.extend(stages("fail").chain(checks("fail")));
    seen.unable.extend(stages("error").chain(checks("error")));
    for name in seen.failed.iter().chain(&seen.unable) {
        let findings = ended.findings(name.strip_prefix("stage:").unwrap_or(name));
        seen.says
            .extend(findings.lines().map(|line| format!("{name}: {line}")));
    }
    seen
}
