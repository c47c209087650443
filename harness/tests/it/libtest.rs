//! Checks as tests: what `cargo test` sees of a scenario, and what nextest sees, which makes every
//! test a process of its own. Each case starts this very binary again as a project's `tests/drills.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;
use tempfile::TempDir;

const DUMP: &str = "--
-- PostgreSQL database dump
--

-- Dumped from database version 17.4
-- Dumped by pg_dump version 17.4

CREATE TABLE public.orders (id bigint);
COPY public.orders (id) FROM stdin;
1
2
3
\\.

--
-- PostgreSQL database dump complete
--
";

const SCENARIO: &str = "schema = 1
name = \"shop\"
[backup]
path = \"shop.sql\"
[[check.row-count]]
name = \"orders\"
table = \"public.orders\"
min = 3
[[check.row-count]]
name = \"many orders\"
table = \"public.orders\"
min = 4
[[check.row-count]]
name = \"each\"
tables = [\"public.*\"]
exact = 3
[[check.row-count]]
name = \"wished for\"
required = false
reason = \"a wish\"
table = \"public.orders\"
min = 5
";

/// Not a test by itself: what the cases below start, with its command line in the environment.
#[test]
#[ignore = "started by the other tests of this file"]
fn as_the_tests_of_a_project() {
    let arguments = std::env::var("DRILLS_ARGUMENTS").unwrap();
    let arguments = std::iter::once("drills").chain(arguments.split('\n'));
    let arguments = libtest_mimic::Arguments::from_iter(arguments);
    let folder = std::env::var("DRILLS_FOLDER").unwrap();
    let conclusion =
        redrill::libtest::run(Path::new(&folder), &arguments, redrill::cli::environment());
    assert!(!conclusion.has_failed(), "a drill test failed");
}

/// A project with one scenario and its backup; nothing else uses its work folder.
struct Project {
    folder: TempDir,
}

impl Project {
    fn with(scenario: &str) -> Self {
        // Short, since sockets lie in it.
        let folder = tempfile::Builder::new()
            .prefix("rd")
            .tempdir_in("/tmp")
            .unwrap();
        fs::write(folder.path().join("shop.toml"), scenario).unwrap();
        fs::write(folder.path().join("shop.sql"), DUMP).unwrap();
        Self { folder }
    }

    /// Starts the tests as a process; `run` is what nextest calls its run.
    fn start(&self, run: Option<&str>, arguments: &[&str]) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "libtest::as_the_tests_of_a_project",
            ])
            .current_dir(self.folder.path())
            .env_remove("NEXTEST_RUN_ID")
            .env("DRILLS_ARGUMENTS", arguments.join("\n"))
            .env("DRILLS_FOLDER", self.folder.path())
            .env("REDRILL_WORK_DIR", self.folder.path())
            .env("REDRILL_REPORTS", self.folder.path().join("reports"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(run) = run {
            command.env("NEXTEST_RUN_ID", run);
        }
        command.spawn().unwrap()
    }

    /// Runs one test as nextest does.
    fn one(&self, run: &str, name: &str) -> Child {
        self.start(Some(run), &["--exact", name, "--nocapture"])
    }

    /// Id of the run that the reports are of.
    fn drilled(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.path().join("reports/shop/drill.json")).ok()?;
        let drill: serde_json::Value = serde_json::from_str(&text).unwrap();
        Some(drill["run"].as_str().unwrap().to_owned())
    }

    /// Whatever of a run is still in the work folder.
    fn left(&self) -> Vec<String> {
        let work = fs::read_dir(self.folder.path()).unwrap().flatten();
        let work = work.map(|entry| entry.path()).find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("redrill-")
        });
        let Some(work) = work else { return Vec::new() };
        let entries = fs::read_dir(work).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name != "nextest").collect()
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_listing_starts_nothing() {
    let project = Project::with(SCENARIO);
    fs::remove_file(project.folder.path().join("shop.sql")).unwrap();
    for more in [&[][..], &["--ignored"]] {
        let arguments = [&["--list", "--format", "terse"], more].concat();
        let output = project
            .start(Some("list"), &arguments)
            .wait_with_output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let shown = text(&output);
        let names: BTreeSet<&str> = shown
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .filter(|name| name.starts_with("shop::"))
            .collect();
        let all = [
            "shop::row-count/each",
            "shop::row-count/many-orders",
            "shop::row-count/orders",
            "shop::row-count/wished-for",
            "shop::stage/backup",
            "shop::stage/proof",
            "shop::stage/restore",
            "shop::stage/server",
            "shop::stage/teardown",
            "shop::verdict",
        ];
        let expected = if more.is_empty() { &all[..] } else { &[] };
        assert_eq!(names, expected.iter().copied().collect(), "{shown}");
    }
    assert_eq!(fs::read_dir(project.folder.path()).unwrap().count(), 1);
}

#[test]
fn every_test_says_what_became_of_its_part() {
    let project = Project::with(SCENARIO);
    let output = project
        .start(None, &["--test-threads=3"])
        .wait_with_output()
        .unwrap();
    let shown = text(&output);
    for (name, word) in [
        ("shop::stage/restore", "ok"),
        ("shop::row-count/orders", "ok"),
        ("shop::row-count/each", "ok"),
        ("shop::row-count/many-orders", "FAILED"),
        ("shop::row-count/wished-for", "ignored"),
        ("shop::verdict", "FAILED"),
    ] {
        let line = shown
            .lines()
            .find(|line| line.contains(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no line of {name}\n{shown}"));
        assert!(line.contains(&format!("... {word}")), "{line}\n{shown}");
    }
    for said in [
        "expected at least 4 rows, found 3 rows",
        "line 9 of the scenario, database restored",
        "NOT PROVEN (exit code 10)",
        "reports/shop",
    ] {
        assert!(shown.contains(said), "no `{said}` in\n{shown}");
    }
    assert!(!output.status.success());
    assert_eq!(project.left(), [""; 0]);
}

/// The stages of a recovery and its checks are tests like those of a dump.
#[test]
fn every_test_of_a_recovered_backup_says_what_became_of_its_part() {
    let (base, wal) = crate::drill::physical::good();
    let scenario = format!(
        "schema = 1\nname = \"shop\"\n[server.local]\n[backup.base]\npath = {base:?}\n[backup.wal]\npath = {wal:?}\n\
         [[check.row-count]]\nname = \"orders\"\ntable = \"public.orders\"\nexact = 100\n\
         [[check.row-count]]\nname = \"many orders\"\ntable = \"public.orders\"\nmin = 101\n"
    );
    let project = Project::with(&scenario);
    let output = project.start(None, &[]).wait_with_output().unwrap();
    let shown = text(&output);
    for (name, word) in [
        ("shop::stage/restore", "ok"),
        ("shop::stage/proof", "ok"),
        ("shop::row-count/orders", "ok"),
        ("shop::row-count/many-orders", "FAILED"),
        ("shop::verdict", "FAILED"),
    ] {
        let line = shown
            .lines()
            .find(|line| line.contains(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no line of {name}\n{shown}"));
        assert!(line.contains(&format!("... {word}")), "{line}\n{shown}");
    }
    assert!(shown.contains("expected at least 101 rows"), "{shown}");
    assert_eq!(project.left(), [""; 0]);
}

#[test]
fn a_scenario_is_restored_once_for_all_processes_of_a_run() {
    let project = Project::with(SCENARIO);
    let tests = [
        ("shop::row-count/orders", true),
        ("shop::row-count/many-orders", false),
        ("shop::stage/restore", true),
        ("shop::verdict", false),
    ];
    let running = tests.map(|(name, _)| project.one("a", name));
    for (child, (name, good)) in running.into_iter().zip(tests) {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.success(), good, "{name}\n{}", text(&output));
    }
    let first = project.drilled().unwrap();
    // A retry, and a test that comes late.
    for name in ["shop::row-count/many-orders", "shop::row-count/each"] {
        project.one("a", name).wait().unwrap();
        assert_eq!(project.drilled().unwrap(), first, "{name} restored again");
    }
    // Another run sees the backup as it is then.
    fs::write(
        project.folder.path().join("shop.sql"),
        DUMP.replace("3\n\\.", "3\n4\n\\."),
    )
    .unwrap();
    let later = project
        .one("b", "shop::row-count/many-orders")
        .wait_with_output()
        .unwrap();
    assert!(later.status.success(), "{}", text(&later));
    assert_ne!(project.drilled().unwrap(), first);
    assert_eq!(project.left(), [""; 0]);
}

#[test]
fn what_was_not_tried_is_a_failed_test() {
    let project = Project::with(SCENARIO);
    let broken = DUMP.replace("CREATE TABLE public.orders (id bigint);\n", "");
    fs::write(project.folder.path().join("shop.sql"), broken).unwrap();
    for (name, said) in [
        ("shop::stage/restore", "error"),
        (
            "shop::stage/proof",
            "not run: the restore stage did not pass",
        ),
        (
            "shop::row-count/orders",
            "not run: the restore stage did not pass",
        ),
    ] {
        let output = project.one("a", name).wait_with_output().unwrap();
        assert!(!output.status.success(), "{name}\n{}", text(&output));
        assert!(text(&output).contains(said), "{}", text(&output));
    }
}

#[rstest]
#[case::a_mistake(
    "schema = 1\nname = \"shop\"\n[backup]\npath = \"shop.sql\"\n[[check.row-cuont]]\n",
    "row-count"
)]
#[case::no_checks(
    "schema = 1\nname = \"shop\"\nproof = \"off\"\n[backup]\npath = \"shop.sql\"\n",
    "no check"
)]
fn a_scenario_that_cannot_be_read_is_a_failed_test(#[case] scenario: &str, #[case] said: &str) {
    let project = Project::with(scenario);
    let output = project
        .start(None, &["--nocapture"])
        .wait_with_output()
        .unwrap();
    assert!(!output.status.success());
    assert!(text(&output).contains(said), "{}", text(&output));
}

#[test]
fn a_folder_without_scenarios_is_a_failed_test() {
    let project = Project::with(SCENARIO);
    fs::remove_file(project.folder.path().join("shop.toml")).unwrap();
    let output = project
        .start(None, &["--nocapture"])
        .wait_with_output()
        .unwrap();
    assert!(!output.status.success());
    assert!(text(&output).contains("no scenario"), "{}", text(&output));
}

#[test]
fn a_signal_to_all_leaves_nothing() {
    let project = Project::with(SCENARIO);
    let tests = [
        "shop::row-count/orders",
        "shop::stage/restore",
        "shop::verdict",
    ];
    let running = tests.map(|name| project.one("a", name));
    let begun = Instant::now();
    while project.left().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no drill begins");
        std::thread::sleep(Duration::from_millis(20));
    }
    for child in &running {
        kill(
            Pid::from_raw(i32::try_from(child.id()).unwrap()),
            // A shell starts what it runs in the background without SIGINT.
            Signal::SIGTERM,
        )
        .unwrap();
    }
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
    }
    assert_eq!(project.left(), [""; 0]);
    // It was not looked at, so the next test of the same run drills.
    let output = project
        .one("a", "shop::row-count/orders")
        .wait_with_output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
