//! What a state with many drills costs: adding one, verifying all, a gate, the history, and the memory of each.
//!
//! `cargo bench --bench state`; `-- --drills 1000` for another number, `-- --program PATH` for another redrill, such as that of a release. The log is made by the program's own code, signed, with records of the
//! size of a report of this repository. Next to each time is the aim with 10 000 drills.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a measurement prints, and stops by panicking"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::ClientBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use jiff::{SignedDuration, Timestamp};
use redrill::input::Environment;
use redrill::ledger::append;
use redrill::ledger::key::Signer;
use redrill::ledger::statement::{BackupSummary, Summary};
use redrill::redact::Redactor;
use redrill::state::{At, State};

/// The record that each drill has, but for the id of its run.
const RECORD: &str = include_str!("../../reports/examples/proven.json");
const RUN: &str = "20251121-061203-4f0c9a2e";
/// Entries that are timed one by one.
const TIMED: usize = 200;
const SCENARIOS: usize = 40;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let mut drills = 10_000;
    let mut program = env!("CARGO_BIN_EXE_redrill").to_owned();
    while let Some(argument) = arguments.next() {
        match (&*argument, arguments.next()) {
            ("--drills", Some(number)) => drills = number.parse().expect("a number of drills"),
            ("--program", Some(path)) => program = path,
            _ => panic!("usage: cargo bench --bench state -- [--drills N] [--program REDRILL]"),
        }
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let keygen = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path("key"))
        .status();
    assert!(keygen.expect("ssh-keygen").success());
    let signer = Signer::read(&path("key")).expect("a key");
    let place = path("state").display().to_string();
    let at = At {
        place: &place,
        environment: &Environment::new(),
        redactor: &Redactor::default(),
    };
    let state = State::create(&at).await.expect("a state");
    std::fs::write(
        path("scenario0.toml"),
        "schema = 1\nname = \"scenario0\"\n[backup]\npath = \"a.sql\"\n",
    )
    .expect("a file");

    let began = Timestamp::now() - SignedDuration::from_hours(i64::try_from(drills).expect("fits"));
    let mut times = Vec::new();
    for number in 0..drills {
        let run = format!("{number:08x}");
        let record = RECORD.replace(RUN, &run);
        let drilled = began + SignedDuration::from_hours(i64::try_from(number).expect("fits"));
        let summary = summary(&run, &format!("scenario{}", number % SCENARIOS), drilled);
        let start = Instant::now();
        append(&state, Some((&signer).into()), &record, summary)
            .await
            .expect("an entry");
        if number + TIMED >= drills {
            times.push(start.elapsed());
        }
    }
    times.sort_unstable();
    println!("{drills} drills, records of {} bytes", RECORD.len());
    println!("{:<28}{:>12}{:>12}{:>12}", "", "time", "aim", "memory");
    line("append, median", times[times.len() / 2], "50 ms", "");
    line("append, the slowest", times[times.len() - 1], "50 ms", "");
    let state = ["--state", &place];
    let signers = path("key.pub").display().to_string();
    let scenario = path("scenario0.toml").display().to_string();
    let page = path("drills.html").display().to_string();
    for (name, aim, words) in [
        ("verify", "2 s", vec!["verify", "--signers", &signers]),
        (
            "gate",
            "50 ms",
            vec!["gate", "--scenario", &scenario, "--max-age", "90d"],
        ),
        (
            "gate, never rehearsed",
            "50 ms",
            vec!["gate", "--scenario", &scenario, "--rehearsed"],
        ),
        ("history", "1 s", vec!["history", "--since", "1y"]),
        ("history --html", "5 s", vec!["history", "--html", &page]),
    ] {
        let (time, memory) = run(&program, &[words.as_slice(), &state].concat());
        line(name, time, aim, &format!("{} MiB", memory / 1024));
    }
    let bytes = std::fs::metadata(&page).expect("the page").len();
    println!("{:<28}{bytes:>6} bytes{:>12}", "its size", "5 MB");
    match open(Path::new(&page)).await {
        Some([interactive, complete, painted]) => {
            line("Chromium, it can be read", interactive, "2 s", "");
            line("Chromium, it is complete", complete, "2 s", "");
            line("Chromium, it is painted", painted, "2 s", "");
        }
        None => println!("no `chromedriver` to open it"),
    }
}

/// What Chromium measures from the start of the navigation to a page: `domInteractive`, `loadEventEnd`, `first-contentful-paint`; the median of
/// five times each. Its own start is not in it.
async fn open(page: &Path) -> Option<[Duration; 3]> {
    let profile = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .env("TMPDIR", profile.path())
        .env("HOME", profile.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("a line");
        let port = line.split_once("successfully on port ")?.1;
        Some(port.trim_end_matches('.').to_owned())
    });
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ];
    let options = serde_json::json!({ "args": arguments });
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(
            [("goog:chromeOptions".to_owned(), options)]
                .into_iter()
                .collect(),
        )
        .connect(&format!("http://127.0.0.1:{}", port.expect("a port")))
        .await
        .expect("Chromium");
    let address = url::Url::from_file_path(page).expect("a path");
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..5 {
        client.goto(address.as_str()).await.expect("the page");
        let script = "const done = arguments[arguments.length - 1];
            requestAnimationFrame(() => setTimeout(() => {
                const [page] = performance.getEntriesByType('navigation');
                const [paint] = performance.getEntriesByName('first-contentful-paint');
                done([page.domInteractive, page.loadEventEnd, paint.startTime]);
            }, 0));";
        let found = client.execute_async(script, Vec::new()).await;
        let found = found.expect("times");
        for (at, times) in times.iter_mut().enumerate() {
            let milliseconds = found[at].as_f64().expect("a time");
            times.push(Duration::from_secs_f64(milliseconds / 1e3));
        }
    }
    client.close().await.expect("its end");
    driver.kill().expect("a child");
    driver.wait().expect("a child");
    Some(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    }))
}

fn line(name: &str, time: Duration, aim: &str, memory: &str) {
    println!(
        "{name:<28}{:>9.1} ms{aim:>12}{memory:>12}",
        time.as_secs_f64() * 1e3
    );
}

/// The shortest of three runs of redrill, with its memory in KiB at most.
fn run(program: &str, words: &[&str]) -> (Duration, u64) {
    let runs = (0..3).map(|_| {
        let start = Instant::now();
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redrill");
        let status = Path::new("/proc")
            .join(child.id().to_string())
            .join("status");
        let mut memory = 0;
        while child.try_wait().expect("a child").is_none() {
            memory = memory.max(peak(&status));
            std::thread::sleep(Duration::from_micros(500));
        }
        (start.elapsed(), memory)
    });
    let runs: Vec<(Duration, u64)> = runs.collect();
    let memory = runs
        .iter()
        .map(|(_, memory)| *memory)
        .max()
        .unwrap_or_default();
    (
        runs.iter().map(|(time, _)| *time).min().unwrap_or_default(),
        memory,
    )
}

/// `VmHWM` of a process in KiB; 0 where it has ended.
fn peak(status: &Path) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

fn summary(run: &str, scenario: &str, began: Timestamp) -> Summary {
    let checks = (0..30).map(|check| format!("row-count/table-{check}-is-not-hollow"));
    Summary {
        run: run.to_owned(),
        version: "0.1.0".to_owned(),
        scenario: scenario.to_owned(),
        scenario_sha256: "1c6f0a5e3bd7c24f98e1d05a7b62c3f4e9a80d17b5c6e2f3a4d5b6c7d8e9f001"
            .to_owned(),
        verdict: "PROVEN".to_owned(),
        began,
        duration_s: 96.4,
        actor: "deploy".to_owned(),
        host: Some("runner-7".to_owned()),
        backup: Some(BackupSummary {
            origin: format!("s3://backups/{scenario}/{run}.dump"),
            sha256: "9f2b5d1ac07e4e86b3c1f5d9a2807b6e4c3d2f1a0b9e8d7c6f5a4b3c2d1e0f99".to_owned(),
            made: Some(began),
            size_bytes: 29_400_000,
            rows: 186_402,
            source_version: Some("17.6".to_owned()),
        }),
        server: Some("17.6".to_owned()),
        restore_s: Some(71.9),
        restore_within_s: Some(1200.0),
        max_age_s: Some(93_600.0),
        covers: ["role", "rls", "row-count"].map(str::to_owned).into(),
        passed: checks.collect(),
        not_tested: 4,
        ..Summary::default()
    }
}
