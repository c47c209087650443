//! `reports/examples`: records of real drills, which `make.sh` keeps, and everything that is made of them. A report that differs from
//! what the code makes of its record is found here; a new drill is not needed to write it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use redrill::input::Environment;
use redrill::ledger::latest::Latest;
use redrill::ledger::{checkpoint_of, oldest_first, record};
use redrill::outcome::DrillResult;
use redrill::redact::Redactor;
use redrill::report::html::overview::{Overview, reasons};
use redrill::report::json::Record;
use redrill::report::{incident, json};
use redrill::state::{At, State};
use redrill::verdict::{RehearsalVerdict, Verdict};
use serde_json::Value;

use super::golden;
use crate::support::json_schema::JsonSchema;
use crate::support::root;

const STATE: &str = "reports/examples/state";

/// The entries of the run of several scenarios.
const TOGETHER: [&str; 5] = ["0", "1", "2", "3", "4"];

/// The examples, by the name of their record.
const DRILLS: [(&str, Verdict); 5] = [
    ("proven", Verdict::Proven),
    ("not-proven", Verdict::NotProven),
    ("inconclusive", Verdict::Inconclusive),
    ("checks-passed", Verdict::ChecksPassed),
    ("waivers", Verdict::ProvenWithWaivers),
];
const REHEARSALS: [(&str, RehearsalVerdict); 2] = [
    ("rehearsal", RehearsalVerdict::Safe),
    ("unsafe", RehearsalVerdict::Unsafe),
];

/// The formats and the endings of their files.
const FORMATS: [(&str, &str); 5] = [
    ("markdown", "md"),
    ("html", "html"),
    ("junit", "xml"),
    ("terminal", "txt"),
    ("comment", "comment.md"),
];

fn example(file: &str) -> PathBuf {
    root().join("reports/examples").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(example(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What the real binary gives.
fn redrill(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_redrill"))
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    assert_eq!(stderr, "", "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Compares a file with what it must be, or writes it.
fn compare(file: &str, made: &str) -> Option<String> {
    golden::compare(&format!("examples/{file}"), made).err()
}

fn all() -> impl Iterator<Item = (&'static str, bool)> {
    let drills = DRILLS.map(|(name, _)| (name, false));
    drills
        .into_iter()
        .chain(REHEARSALS.map(|(name, _)| (name, true)))
}

fn drill(name: &str) -> (DrillResult, Verdict) {
    json::read(&read(&format!("{name}.json"))).unwrap()
}

#[test]
fn the_examples_are_what_their_names_say() {
    for (name, expected) in DRILLS {
        assert_eq!(drill(name).1, expected, "{name}");
    }
    for (name, expected) in REHEARSALS {
        let record = json::read_record(&read(&format!("{name}.json"))).unwrap();
        let Record::Rehearsal(_, verdict) = record else {
            panic!("{name} is no rehearsal");
        };
        assert_eq!(verdict, expected, "{name}");
    }
    let (not_proven, _) = drill("not-proven");
    let checks = not_proven.checks.iter();
    let findings = checks.map(|check| check.findings.len()).sum::<usize>();
    assert!(findings >= 3, "{findings} findings");
    assert!(drill("proven").0.since.is_some(), "nothing to compare with");
}

#[test]
fn every_report_is_what_its_record_gives() {
    let mut differences = Vec::new();
    for (name, is_rehearsal) in all() {
        let record = format!("reports/examples/{name}.json");
        for (format, ending) in FORMATS {
            if format == "comment" && !is_rehearsal {
                continue;
            }
            let made = redrill(&["report", "--state", STATE, "--format", format, &record]);
            differences.extend(compare(&format!("{name}.{ending}"), &made));
        }
    }
    let of_several = |format: &'static str| {
        let mut arguments = vec!["report", "--state", STATE, "--format", format];
        arguments.extend(TOGETHER);
        redrill(&arguments)
    };
    differences.extend(compare("drills.md", &of_several("markdown")));
    differences.extend(compare("drills.html", &of_several("html")));
    differences.extend(compare("drills.xml", &of_several("junit")));
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// The record is written again as it is. A later redrill may add keys, and changes none.
#[test]
fn a_record_is_made_again() {
    for (name, is_rehearsal) in all() {
        let file = format!("{name}.json");
        let record = format!("reports/examples/{file}");
        let made = redrill(&["report", "--state", STATE, "--format", "json", &record]);
        let made: Value = serde_json::from_str(&made).unwrap();
        let record: Value = serde_json::from_str(&read(&file)).unwrap();
        assert_eq!(lost(&record, &made, name), Vec::<String>::new());
        let schema = match is_rehearsal {
            true => json::rehearsal_schema(),
            false => json::schema(),
        };
        assert_eq!(JsonSchema::of(schema).errors(&made), "", "{name}");
    }
}

/// The places of one value that another does not have, or has otherwise.
fn lost(record: &Value, made: &Value, at: &str) -> Vec<String> {
    match (record, made) {
        (Value::Object(record), Value::Object(made)) => {
            let each = record.iter().flat_map(|(key, value)| {
                lost(
                    value,
                    made.get(key).unwrap_or(&Value::Null),
                    &format!("{at}.{key}"),
                )
            });
            each.collect()
        }
        (Value::Array(record), Value::Array(made)) if record.len() == made.len() => {
            let each = record.iter().zip(made).enumerate();
            each.flat_map(|(index, (record, made))| lost(record, made, &format!("{at}[{index}]")))
                .collect()
        }
        (record, made) if record == made => Vec::new(),
        (record, made) => vec![format!("{at}: {record}, made again {made}")],
    }
}

#[test]
fn the_log_of_the_examples_is_verified_with_every_report() {
    let mut files = ["drills.xml", "drills.md", "drills.html"]
        .map(str::to_owned)
        .to_vec();
    for (name, is_rehearsal) in all() {
        files.push(format!("{name}.json"));
        files.extend(["md", "html", "xml"].map(|ending| format!("{name}.{ending}")));
        files.extend(is_rehearsal.then(|| format!("{name}.comment.md")));
    }
    let files: Vec<String> = files
        .iter()
        .map(|file| format!("reports/examples/{file}"))
        .collect();
    let mut arguments = vec!["verify", "--state", STATE];
    arguments.extend(["--signers", "reports/examples/key.pub"]);
    arguments.extend(files.iter().map(String::as_str));
    let said = redrill(&arguments);
    assert!(
        said.starts_with("VERIFIED  reports/examples/state\n"),
        "{said}"
    );
    for file in files {
        assert!(
            said.contains(&format!("{file} is the re")),
            "{file}: {said}"
        );
    }
}

/// The time that a page over all drills says it was made at.
fn made(page: &str) -> Option<Timestamp> {
    let (_, rest) = page.split_once("<dt>Made</dt><dd>")?;
    rest.split_once('<')?.0.parse().ok()
}

#[tokio::test]
async fn the_page_over_all_drills_is_what_the_log_gives() {
    let place = root().join(STATE);
    let at = At {
        place: place.to_str().unwrap(),
        environment: &Environment::new(),
        redactor: &Redactor::default(),
    };
    let state = State::open(&at).await.unwrap().unwrap();
    let committed = read("overview.html");
    let mut overview = Overview::default();
    let mut latest = Latest::default();
    let mut entries = std::pin::pin!(oldest_first(&state).await.unwrap());
    while let Some(entry) = entries.next().await {
        let entry = entry.unwrap().unwrap();
        overview.add(&entry);
        latest.add(entry);
    }
    for newest in latest.newest().filter(|newest| !newest.drill.is_proven()) {
        let (result, _) = json::read(&record(&state, newest).await.unwrap()).unwrap();
        overview.explain(&newest.drill.scenario, reasons(&result));
    }
    STATE.clone_into(&mut overview.place);
    overview.checkpoint = checkpoint_of(&state).await.unwrap();
    let now = made(&committed).expect("the page says when it was made");
    if let Some(difference) = compare("overview.html", &overview.render(&latest, now)) {
        panic!("{difference}");
    }
}

/// The message that the incident tool got was rendered before it was known whether it arrives.
#[test]
fn the_message_for_an_incident_is_what_its_record_gives() {
    let (result, verdict) = drill("not-proven");
    let message: Value = serde_json::from_str(&read("not-proven.incident.json")).unwrap();
    let reports = message["reports"].as_array().unwrap().iter();
    let reports: Vec<PathBuf> = reports
        .map(|report| report.as_str().unwrap().into())
        .collect();
    let made = incident::render(&result, verdict, &reports).unwrap();
    if let Some(difference) = compare("not-proven.incident.json", &made) {
        panic!("{difference}");
    }
    assert_eq!(JsonSchema::of(incident::schema()).errors(&message), "");
}

/// An inspection is repeated: it needs no server. Only its times are other ones.
#[test]
fn the_inspection_is_repeated() {
    let run = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_redrill"))
            .args(["inspect", "reports/examples/truncated.sql"])
            .args(more)
            .current_dir(root())
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(10));
        String::from_utf8(output.stdout).unwrap()
    };
    let json = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        for key in ["started", "duration_s"] {
            value[key] = Value::Null;
        }
        // Git keeps no times of files.
        for key in ["made", "age_s"] {
            value["backup"][key] = Value::Null;
        }
        value
    };
    let committed: Value = serde_json::from_str(&read("inspection.json")).unwrap();
    let schema = JsonSchema::of(json::inspection_schema());
    assert_eq!(schema.errors(&committed), "");
    assert_eq!(json(&run(&["--json"])), json(&read("inspection.json")));
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| {
            !line.starts_with("taken") && !line.starts_with("inspected") && !line.ends_with(" ago")
        });
        lines.map(str::to_owned).collect()
    };
    assert_eq!(lines(&run(&[])), lines(&read("inspection.txt")));
}

/// Nothing of the machine that made them is in the examples.
#[test]
fn nothing_of_this_machine_is_in_the_examples() {
    let home = std::env::var("HOME").unwrap_or_default();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let place = root().canonicalize().unwrap();
    let words = [place.to_str().unwrap(), &home];
    let mut folders = vec![example("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&content);
            for word in words.into_iter().filter(|word| word.len() > 1) {
                assert!(!text.contains(word), "{word} in {}", path.display());
            }
            if Path::new(&path)
                .extension()
                .is_some_and(|end| end == "json")
                && let Ok(value) = serde_json::from_str::<Value>(&text)
                && let Some(provenance) = value.get("provenance")
            {
                assert_ne!(provenance["host"], host.trim(), "{}", path.display());
                assert_eq!(provenance["host"], "runner-1", "{}", path.display());
                assert_eq!(provenance["ci"], Value::Null, "{}", path.display());
            }
        }
    }
}
