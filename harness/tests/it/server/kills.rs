//! Whenever a run ends, and however: reports where they can be written, nothing left, nobody else's.

use rstest::rstest;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::drill::{Drill, PROVIDERS, report, usable};
use crate::support::wait_until_handled;

/// A restore that takes its time, so that every moment of a run can be met.
const SLOW: &str = "CREATE TABLE public.t (x integer);
COPY public.t (x) FROM stdin;
1
2
\\.
SELECT pg_catalog.pg_sleep(4);";
const CHECK: &str = "[[check.row-count]]\ntable = \"public.t\"\nexact = 2\n";
/// From before anything is started to the middle of the restore, in milliseconds after signals are handled; the first, after the begin.
const MOMENTS: [u64; 4] = [10, 100, 700, 2500];

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[tokio::test]
async fn a_signal_tears_down_and_still_reports() {
    let drill = Drill::new(SLOW, CHECK);
    for provider in PROVIDERS {
        if !usable(provider).await {
            continue;
        }
        for (moment, signal) in MOMENTS
            .into_iter()
            .zip([Signal::SIGTERM, Signal::SIGINT].into_iter().cycle())
        {
            let reports = drill.reports(&format!("{provider}-{moment}"));
            let child = drill.begin(provider, &reports);
            if moment != MOMENTS[0] {
                wait_until_handled(&child, signal);
            }
            std::thread::sleep(Duration::from_millis(moment));
            send(&child, signal);
            let asked = Instant::now();
            let output = child.wait_with_output().unwrap();
            let at = format!("{provider}, {signal} after {moment} ms");
            // Before the handler stands a signal simply ends the program, which has nothing yet.
            if output.status.signal().is_none() {
                assert_eq!(output.status.code(), Some(130), "{at}");
                assert_eq!(report(&reports)["exit_code"], 130, "{at}");
            } else {
                assert_eq!(moment, MOMENTS[0], "{at}");
            }
            assert!(asked.elapsed() < Duration::from_secs(20), "{at}");
            assert_eq!(drill.left(), [""; 0], "{at}");
        }
    }
}

#[tokio::test]
async fn what_a_killed_run_leaves_is_removed_and_a_living_one_goes_on() {
    let drill = Drill::new(SLOW, CHECK);
    for provider in PROVIDERS {
        if !usable(provider).await {
            continue;
        }
        let mut killed = drill.begin(provider, &drill.reports("killed"));
        let began = Instant::now();
        while drill.left().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(50));
        }
        let reports = drill.reports(&format!("{provider}-living"));
        let living = drill.begin(provider, &reports);
        std::thread::sleep(Duration::from_millis(2500));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(!drill.left().is_empty());
        let cleaned = drill.clean();
        assert_eq!(cleaned.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&cleaned.stdout).contains("removed run"));
        let output = living.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{provider}");
        assert_eq!(drill.left(), [""; 0], "{provider}");
    }
}

#[tokio::test]
async fn what_a_program_of_the_user_leaves_behind_ends_with_the_run() {
    // It leaves its group, its parent and its environment.
    let name = format!("987{}", std::process::id());
    let script = format!("(env -i setsid sleep {name} > /dev/null 2>&1 &); exit 0");
    let check =
        format!("{CHECK}[[check.command]]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n");
    let sql = SLOW.replace("SELECT pg_catalog.pg_sleep(4);", "");
    let drill = Drill::new(&sql, &check);
    for provider in PROVIDERS {
        if !usable(provider).await {
            continue;
        }
        let (output, report) = drill.run(provider);
        assert_eq!(output.status.code(), Some(0), "{provider}: {report:#}");
        let left = std::fs::read_dir("/proc").unwrap().flatten();
        let left = left.filter(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line == format!("sleep\0{name}\0").as_bytes()
        });
        assert_eq!(left.count(), 0, "{provider}");
    }
}

// Only the dump has such statements, so their process is seen in the restore and nowhere else. The second and the third run in
// another session than the one that reads the dump.
#[rstest]
#[case("DO 'BEGIN PERFORM pg_catalog.pg_sleep(60); END';", " DO")]
#[case(
    "CREATE FUNCTION public.nap(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS
     'BEGIN PERFORM pg_catalog.pg_sleep(60); RETURN 1; END';
     CREATE INDEX i ON public.t USING btree (public.nap(x));",
    " CREATE INDEX"
)]
#[case(
    "CREATE TABLE public.n (x integer, CONSTRAINT nap CHECK ((pg_catalog.pg_sleep(60) IS NOT NULL)));
     COPY public.n (x) FROM stdin;\n1\n\\.\n",
    " COPY"
)]
#[tokio::test]
async fn a_container_that_ends_in_the_middle_says_nothing_about_the_backup(
    #[case] sleeping: &str,
    #[case] title: &str,
) {
    if !usable("container").await {
        return;
    }
    let drill = Drill::new(
        &SLOW.replace("SELECT pg_catalog.pg_sleep(4);", sleeping),
        &format!("[restore]\njobs = 2\n{CHECK}"),
    );
    let reports = drill.reports("ended");
    let child = drill.begin("container", &reports);
    let label = format!("label=redrill.work={}", drill.work().display());
    let docker = |words: &[&str]| {
        let output = Command::new("docker").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let began = Instant::now();
    let restoring = loop {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(100));
        let id = docker(&["ps", "--quiet", "--filter", &label]);
        let processes = docker(&["top", &id]);
        // Before the restore, redrill itself copies out of another database.
        let mut in_database = processes.lines().filter(|line| line.contains(" restored "));
        let is_in_it = in_database.any(|line| line.ends_with(title));
        if !id.is_empty() && is_in_it {
            break id;
        }
    };
    docker(&["kill", &restoring]);
    let output = child.wait_with_output().unwrap();
    let report = report(&reports);
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    let reason = report["stages"][2]["could_not_run"]["reason"].as_str();
    let reason = reason.unwrap_or_default();
    assert!(
        reason.contains("stopped during the restore: exit code 137"),
        "{report:#}"
    );
    assert_eq!(drill.left(), [""; 0]);
}
