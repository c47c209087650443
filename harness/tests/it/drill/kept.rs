//! `run --keep`: servers that stay after a drill, until their deadline.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;

use crate::server::drill::{Drill, usable};
use crate::server::native::nobody;

const SQL: &str = "CREATE ROLE app LOGIN;
CREATE TABLE public.t (x integer);
COPY public.t (x) FROM stdin;
1
2
\\.";
const CHECK: &str =
    "[restore]\ndatabase = \"shop\"\n[[check.row-count]]\ntable = \"public.t\"\nexact = 2\n";
pub const NOTHING: &str =
    "no server is kept; `redrill run --keep 2h` keeps that of a drill for two hours\n";

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// Runs the drill and keeps its server; returns the output.
pub fn keep(drill: &Drill, provider: &str, time: &str) -> Output {
    let file = drill.folder().join("small.toml");
    let reports = drill.reports(provider);
    let words = [
        "run",
        file.to_str().unwrap(),
        "--server",
        provider,
        "--keep",
        time,
    ];
    drill.call(&[&words[..], &["--reports", reports.to_str().unwrap()]].concat())
}

pub fn list(drill: &Drill) -> String {
    text(&drill.call(&["list", "--kept"]))
}

/// The name of the first kept server.
pub fn name(drill: &Drill) -> String {
    let listed = list(drill);
    listed.split_whitespace().next().unwrap().to_owned()
}

/// Runs a statement in psql on the first kept server.
pub fn psql(drill: &Drill, sql: &str) -> Output {
    drill.call(&["psql", &name(drill), "--", "-X", "-At", "-c", sql])
}

/// Processes whose environment has a marker of a keeper of this run.
pub fn keeper(run: &str) -> Pid {
    let marker = format!("REDRILL_RUN={run}.keeper");
    let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
    let keeper = processes.find(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable == marker.as_bytes())
    });
    let name = keeper.unwrap().file_name();
    Pid::from_raw(name.to_str().unwrap().parse().unwrap())
}

/// The ids of the runs in the work folder.
pub fn runs(drill: &Drill) -> Vec<String> {
    let entries = std::fs::read_dir(drill.work()).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| !name.contains('.')).collect()
}

/// Kills the kept server of a run, but not its keeper.
pub fn kill_server(drill: &Drill, provider: &str, run: &str) {
    if provider == "container" {
        let label = format!("label=redrill.run={run}");
        let ids = Command::new("docker")
            .args(["ps", "-q", "--filter", &label])
            .output();
        let id = String::from_utf8(ids.unwrap().stdout).unwrap();
        let killed = Command::new("docker").args(["kill", id.trim()]).output();
        assert!(killed.unwrap().status.success());
    } else {
        let data = drill.work().join(run).join("server");
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            if std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&data))
            {
                let pid = entry.file_name().to_str().unwrap().parse().unwrap();
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(90), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test]
async fn a_kept_server_is_listed_opened_and_dropped(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let drill = Drill::new(SQL, CHECK);
    let output = keep(&drill, provider, "10m");
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let name = name(&drill);
    for expected in [
        format!("kept       {name} until "),
        format!("`redrill psql {name}`, `redrill rehearse --on {name}`, `redrill drop {name}`"),
    ] {
        assert!(shown.contains(&expected), "{shown}");
    }
    let report = crate::server::drill::report(&drill.reports(provider));
    let summary = report["stages"][4]["summary"].as_str().unwrap();
    assert!(summary.starts_with(&format!(
        "kept: {name}; everything else that redrill started"
    )));

    let listed = list(&drill);
    for expected in [
        "  PROVEN  until ",
        "    databases  shop\n",
        provider,
        "small.toml",
    ] {
        assert!(listed.contains(expected), "{listed}");
    }
    // Neither `clean` nor the next run removes it. Templates are those of all tests.
    let cleaned = text(&drill.clean());
    for removed in ["run", "container", "volume"] {
        assert!(
            !cleaned.contains(&format!("removed {removed}")),
            "{cleaned}"
        );
    }
    assert!(!cleaned.contains("cannot remove"), "{cleaned}");
    assert_eq!(drill.run(provider).0.status.code(), Some(0));
    let facts = "SELECT pg_catalog.count(*), pg_catalog.current_database(), 'app'::pg_catalog.regrole FROM public.t";
    let output = psql(&drill, facts);
    assert_eq!(text(&output), "2|shop|app\n");
    assert_eq!(
        text(&psql(&drill, "INSERT INTO public.t VALUES (3)")),
        "INSERT 0 1\n"
    );
    // It is isolated as it was.
    let output = psql(&drill, "COPY (SELECT 1) TO PROGRAM 'true'");
    assert_ne!(output.status.code(), Some(0));

    let output = drill.call(&["drop", &name]);
    assert_eq!(
        (output.status.code(), text(&output)),
        (Some(0), format!("removed {name}\n"))
    );
    assert_eq!(drill.left(), [""; 0]);
    assert_eq!(list(&drill), NOTHING);
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test]
async fn one_whose_time_is_over_is_removed_by_itself(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let drill = Drill::new(SQL, CHECK);
    let output = keep(&drill, provider, "1s");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    wait_until("it is removed", || drill.left().is_empty());
}

#[rstest]
#[case::check(SQL, &CHECK.replace("= 2", "= 3"), 10, "2")]
#[case::restore(&format!("{SQL}\nSELECT 1/0;"), CHECK, 10, "2")]
#[tokio::test]
async fn the_server_of_a_failed_drill_is_kept_too(
    #[case] sql: &str,
    #[case] check: &str,
    #[case] code: i32,
    #[case] rows: &str,
) {
    if !usable("local").await {
        return;
    }
    let drill = Drill::new(sql, check);
    let output = keep(&drill, "local", "10m");
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    assert!(
        list(&drill).contains("  NOT PROVEN  until "),
        "{}",
        list(&drill)
    );
    let output = psql(&drill, "SELECT pg_catalog.count(*) FROM public.t");
    assert_eq!(text(&output).trim(), rows);
    drill.call(&["drop", &name(&drill)]);
    assert_eq!(drill.left(), [""; 0]);
}

#[tokio::test]
async fn nothing_is_kept_where_no_server_was_started() {
    let drill = Drill::new(SQL, CHECK);
    std::fs::write(drill.folder().join("dump.sql"), "CREATE TABLE").unwrap();
    let output = keep(&drill, "local", "10m");
    let shown = text(&output);
    assert!(
        shown.contains("no server is kept: the drill ended before a server was started"),
        "{shown}"
    );
    assert_eq!(output.status.code(), Some(10), "{shown}");
    assert_eq!(drill.left(), [""; 0]);
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test]
async fn what_a_killed_keeper_leaves_is_removed(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let drill = Drill::new(SQL, CHECK);
    let output = keep(&drill, provider, "10m");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let run = runs(&drill).remove(0);
    kill(keeper(&run), Signal::SIGKILL).unwrap();
    wait_until("its lock is free", || list(&drill) == NOTHING);
    let cleaned = text(&drill.clean());
    assert!(
        cleaned.contains(&format!("removed run {run}\n")),
        "{cleaned}"
    );
    assert_eq!(drill.left(), [""; 0]);
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test]
async fn one_that_crashed_is_reported_with_its_reason(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let drill = Drill::new(SQL, CHECK);
    let output = keep(&drill, provider, "10m");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let run = runs(&drill).remove(0);
    let name = name(&drill);
    kill_server(&drill, provider, &run);
    wait_until("it is noted", || list(&drill).contains("    ended      "));
    let output = drill.call(&["psql", &name]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(
        shown.starts_with(&format!("the server of {name} has ended: ")),
        "{shown}"
    );
    assert!(
        shown.ends_with(&format!("hint: `redrill drop {name}` removes it\n")),
        "{shown}"
    );
    assert_eq!(drill.call(&["drop", &name]).status.code(), Some(0));
    assert_eq!(drill.left(), [""; 0]);
}

#[tokio::test]
async fn each_of_several_scenarios_is_kept_by_its_own_name() {
    if !usable("local").await {
        return;
    }
    let drill = Drill::new(SQL, CHECK);
    let folder = drill.folder();
    let scenario = std::fs::read_to_string(folder.join("small.toml")).unwrap();
    let other = scenario.replace("name = \"small\"", "name = \"other\"");
    std::fs::write(folder.join("other.toml"), other).unwrap();
    let files = ["small.toml", "other.toml"].map(|name| folder.join(name).display().to_string());
    let reports = drill.reports("both").display().to_string();
    let options = [
        "--server",
        "local",
        "--keep",
        "10m",
        "--jobs",
        "2",
        "--reports",
        &reports,
    ];
    let output = drill.call(&[&["run", &files[0], &files[1]], &options[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let listed = list(&drill);
    let names = listed.lines().filter(|line| !line.starts_with(' '));
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    assert!(
        names[0].starts_with("other-") && names[1].starts_with("small-"),
        "{names:?}"
    );
    let output = drill.call(&["psql", "orders"]);
    let expected = format!(
        "no kept server is named `orders`\nhint: kept servers: {}\n",
        names.join(", ")
    );
    assert_eq!((output.status.code(), text(&output)), (Some(4), expected));
    for name in names {
        assert_eq!(drill.call(&["drop", name]).status.code(), Some(0));
    }
    assert_eq!(drill.left(), [""; 0]);
}

#[tokio::test]
async fn an_ordinary_user_keeps_a_server() {
    if !usable("local").await {
        return;
    }
    let drill = Drill::new(SQL, CHECK).of_user(nobody());
    let output = keep(&drill, "local", "10m");
    let shown = text(&output);
    if shown.contains("trusted-backup") {
        // This kernel lets no ordinary user create namespaces.
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(
        text(&psql(&drill, "SELECT pg_catalog.count(*) FROM public.t")),
        "2\n"
    );
    assert_eq!(drill.call(&["drop", &name(&drill)]).status.code(), Some(0));
    assert_eq!(drill.left(), [""; 0]);
}

#[rstest]
#[case("0s", "it is kept for one second to 366 days")]
#[case("0", "`0` is not a duration")]
#[case("100w", "it is kept for one second to 366 days")]
fn a_time_that_keeps_nothing_is_refused(#[case] time: &str, #[case] why: &str) {
    let drill = Drill::new(SQL, CHECK);
    let output = keep(&drill, "local", time);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains(why), "{}", text(&output));
}

#[test]
fn names_are_of_kept_servers() {
    let drill = Drill::new(SQL, CHECK);
    assert_eq!(list(&drill), NOTHING);
    for command in ["psql", "drop"] {
        let output = drill.call(&[command, "orders"]);
        let expected = "no kept server is named `orders`\nhint: `redrill run --keep 2h` keeps the server of a drill for two hours\n";
        assert_eq!(
            (output.status.code(), text(&output)),
            (Some(4), expected.to_owned())
        );
    }
}
