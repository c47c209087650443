//! Rehearsals on a kept server, whose backup is not restored again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Output};

use nix::sys::signal::{Signal, kill};
use redrill::report::json::rehearsal_schema;
use rstest::rstest;
use serde_json::Value;

use crate::drill::kept::{
    NOTHING, keep, keeper, kill_server, list, name, psql, runs, text, wait_until,
};
use crate::server::drill::{Drill, usable};
use crate::support::json_schema::JsonSchema;

const SQL: &str = "CREATE ROLE app LOGIN;
CREATE ROLE shop_owner LOGIN;
CREATE TABLE public.t (x integer PRIMARY KEY);
ALTER TABLE public.t OWNER TO shop_owner;
GRANT CREATE ON SCHEMA public TO shop_owner;
GRANT SELECT, INSERT ON public.t TO app;
COPY public.t (x) FROM stdin;
1
2
\\.";
const SCENARIO: &str = "[restore]
database = \"shop\"
[[check.row-count]]
table = \"public.t\"
exact = 2
[[check.size]]
whole = \"backup\"
min = \"1 B\"
[rehearse]
command = [\"./migrate.sh\"]
role = \"shop_owner\"
application = [\"app\"]
";
const MIGRATE: &str = "#!/bin/bash
set -eu
cd \"$(dirname \"$0\")\"
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --command='ALTER TABLE public.t ADD COLUMN IF NOT EXISTS note text'
";
/// The same, and stays until the test lets it end.
const WAITS: &str = "touch began\nuntil [ -e end ]; do sleep 0.1; done\n";

/// A drill whose release adds a column.
pub fn release(tool: &str) -> Drill {
    let drill = Drill::new(SQL, SCENARIO);
    let path = drill.folder().join("migrate.sh");
    fs::write(&path, format!("{MIGRATE}{tool}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    drill
}

/// Restores its backup on a server that is kept; gives its name.
pub fn kept(drill: &Drill, provider: &str, code: i32) -> String {
    let output = keep(drill, provider, "20m");
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    name(drill)
}

fn reports(drill: &Drill, folder: &str) -> PathBuf {
    drill.reports(folder)
}

fn words<'a>(name: &'a str, reports: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["rehearse", "--quiet", "--on", name, "--reports", reports];
    [&words[..], more].concat()
}

/// `redrill rehearse --on NAME`, with more arguments; gives its report, which agrees with its exit code.
fn rehearse(drill: &Drill, name: &str, more: &[&str]) -> Value {
    let reports = reports(drill, "rehearsed");
    let output = drill.call(&words(name, reports.to_str().unwrap(), more));
    report(&reports, "small", &output)
}

fn report(reports: &std::path::Path, scenario: &str, output: &Output) -> Value {
    let file = reports.join(format!("{scenario}.rehearsal/rehearsal.json"));
    let report = fs::read_to_string(file).unwrap_or_else(|_| panic!("{}", text(output)));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(JsonSchema::of(rehearsal_schema()).errors(&report), "");
    let code = output.status.code().unwrap();
    assert_eq!(report["exit_code"], code, "{}", text(output));
    assert!(text(output).contains(report["verdict"].as_str().unwrap()));
    report
}

/// What a rehearsal says, without times, sizes and ids.
fn facts(report: &Value) -> Value {
    let steps = report["steps"].as_array().unwrap().iter();
    let steps = steps.map(|step| (step["name"].clone(), step["outcome"].clone()));
    let checks = report["checks"].as_array().unwrap().iter();
    let checks = checks.map(|check| (check["before"].clone(), check["result"]["outcome"].clone()));
    serde_json::json!({
        "verdict": report["verdict"],
        "steps": steps.collect::<Vec<_>>(),
        "changes": report["migration"]["changes"],
        "statements": report["migration"]["statements"],
        "checks": checks.collect::<Vec<_>>(),
        "not_tested": report["not_tested"],
    })
}

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut steps = report["steps"].as_array().unwrap().iter();
    steps.find(|step| step["name"] == name).unwrap()
}

fn doubts(report: &Value) -> &Value {
    &report["kept"]["doubts"]
}

fn drop(drill: &Drill, name: &str) {
    let output = drill.call(&["drop", name]);
    assert_eq!(text(&output), format!("removed {name}\n"));
    assert_eq!(drill.left(), [""; 0]);
    assert_eq!(list(drill), NOTHING);
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case("container")]
#[case("local")]
#[tokio::test]
async fn the_same_again_and_the_kept_server_stays_as_it_is(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let drill = release("");
    let name = kept(&drill, provider, 0);
    // What somebody did there since is not in the copies.
    assert_eq!(
        text(&psql(&drill, "INSERT INTO public.t VALUES (3)")),
        "INSERT 0 1\n"
    );
    let before = runs(&drill);
    let first = rehearse(&drill, &name, &[]);
    assert_eq!(first["verdict"], "SAFE", "{first:#}");
    assert_eq!(first["drill"], "PROVEN");
    assert_eq!(first["kept"]["name"], *name);
    assert_eq!(first["kept"]["scenario"], "small");
    assert_eq!(*doubts(&first), serde_json::json!([]));
    let sha256 = first["backup"]["sha256"].as_str().unwrap();
    assert_eq!(sha256.len(), 64);
    let copied = step(&first, "copy")["summary"].as_str().unwrap();
    assert!(
        copied.contains(&format!("of data of {name}, copied in ")),
        "{copied}"
    );
    // The size of the backup is what it was, and nothing that a release changes: it is not tested, and not passed.
    let untested = first["not_tested"].as_array().unwrap();
    let why = "it reads the backup itself (its size), which `--on` does not restore again";
    let of_size = untested.iter().find(|one| one["why"] == why);
    assert_eq!(of_size.unwrap()["what"], "check `size of the backup`");
    assert_eq!(first["checks"].as_array().unwrap().len(), 1);

    let second = rehearse(&drill, &name, &["--only", "row-count"]);
    assert_eq!(second["verdict"], "SAFE", "{second:#}");
    let third = rehearse(&drill, &name, &[]);
    assert_eq!(facts(&first), facts(&third));
    assert_eq!(runs(&drill), before);
    let rows =
        "SELECT pg_catalog.count(*), pg_catalog.max(pg_catalog.to_json(t)::text) FROM public.t";
    assert_eq!(text(&psql(&drill, rows)), "3|{\"x\":3}\n");
    let report = crate::server::drill::report(&drill.reports(provider));
    assert_eq!(report["verdict"], "PROVEN");
    drop(&drill, &name);
}

fn begin(drill: &Drill, name: &str, folder: &str) -> (PathBuf, Child) {
    let reports = reports(drill, folder);
    let child = drill.start(&words(name, reports.to_str().unwrap(), &[]));
    (reports, child)
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case("container")]
#[case("local")]
#[tokio::test]
async fn two_at_the_same_time_do_not_disturb_each_other(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let drill = release("");
    let name = kept(&drill, provider, 0);
    let both = ["one", "other"].map(|folder| begin(&drill, &name, folder));
    let both = both.map(|(reports, child)| {
        let output = child.wait_with_output().unwrap();
        report(&reports, "small", &output)
    });
    assert_eq!(both[0]["verdict"], "SAFE", "{:#}", both[0]);
    assert_eq!(facts(&both[0]), facts(&both[1]));
    drop(&drill, &name);
}

#[tokio::test]
async fn a_release_that_is_unsafe_on_it_is_unsafe() {
    if !usable("local").await {
        return;
    }
    let drill = release("psql --no-psqlrc --command='DROP TABLE IF EXISTS public.t'\n");
    let name = kept(&drill, "local", 0);
    let report = rehearse(&drill, &name, &[]);
    assert_eq!(report["verdict"], "UNSAFE", "{report:#}");
    // The same on the next copy: nothing of the first is in it.
    let again = rehearse(&drill, &name, &[]);
    assert_eq!(again["verdict"], "UNSAFE");
    // How two runs at the same time end depends on which is first.
    for what in ["changes", "statements", "checks"] {
        assert_eq!(facts(&report)[what], facts(&again)[what], "{what}");
    }
    drop(&drill, &name);
}

/// The scenario of the drill, changed, in another file.
fn changed(drill: &Drill, file: &str, from: &str, to: &str) -> String {
    let text = fs::read_to_string(drill.folder().join("small.toml")).unwrap();
    assert!(text.contains(from));
    let path = drill.folder().join(file);
    fs::write(&path, text.replace(from, to)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn nothing_is_safe_on_a_server_of_another_scenario_or_with_failing_checks() {
    if !usable("local").await {
        return;
    }
    let drill = release("");
    let name = kept(&drill, "local", 0);
    let other = changed(&drill, "other.toml", "name = \"small\"", "name = \"other\"");
    let folder = reports(&drill, "rehearsed");
    let output = drill.call(&words(&name, folder.to_str().unwrap(), &[&other]));
    let of_other = report(&folder, "other", &output);
    assert_eq!(of_other["verdict"], "INCONCLUSIVE");
    let doubt = format!("{name} was restored by the scenario `small`, and this one is `other`");
    assert_eq!(*doubts(&of_other), serde_json::json!([doubt]));
    assert!(text(&output).contains("not safe   "), "{}", text(&output));

    // The scenario has another check since the drill.
    let stricter = changed(&drill, "stricter.toml", "exact = 2", "exact = 3");
    let report = rehearse(&drill, &name, &[&stricter]);
    assert_eq!(report["verdict"], "INCONCLUSIVE", "{report:#}");
    assert_eq!(report["drill"], "PROVEN");
    let doubt =
        "required checks of the scenario do not pass before the migrations: rows of public.t";
    assert_eq!(*doubts(&report), serde_json::json!([doubt]));
    assert_eq!(report["checks"][0]["before"], "fail");
    drop(&drill, &name);
}

#[tokio::test]
async fn nothing_is_safe_on_the_server_of_a_failed_drill() {
    if !usable("local").await {
        return;
    }
    let drill = release("");
    changed(&drill, "small.toml", "exact = 2", "exact = 3");
    let name = kept(&drill, "local", 10);
    let right = changed(&drill, "right.toml", "exact = 3", "exact = 2");
    let report = rehearse(&drill, &name, &[&right]);
    assert_eq!(report["verdict"], "INCONCLUSIVE", "{report:#}");
    assert_eq!(report["drill"], "NOT PROVEN");
    assert_eq!(step(&report, "two-runners")["outcome"], "pass");
    drop(&drill, &name);
}

#[rstest]
#[case::rows_left_out(SQL, &["--only", "row-count"], 0, "was restored with `--only row-count`")]
#[case::errors(&format!("{SQL}\nSELECT 1/0;"), &[], 10, "was not restored without an error: NOT PROVEN")]
#[tokio::test]
async fn what_was_not_restored_in_full_cannot_be_rehearsed_on(
    #[case] sql: &str,
    #[case] more: &[&str],
    #[case] code: i32,
    #[case] why: &str,
) {
    if !usable("local").await {
        return;
    }
    let drill = Drill::new(sql, SCENARIO);
    let file = drill.folder().join("small.toml").display().to_string();
    let reports = drill.reports("drill").display().to_string();
    let words = [
        "run",
        &file,
        "--server",
        "local",
        "--keep",
        "20m",
        "--reports",
        &reports,
    ];
    let output = drill.call(&[&words[..], more].concat());
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    let name = name(&drill);
    let report = rehearse(&drill, &name, &[]);
    assert_eq!(report["verdict"], "INCONCLUSIVE");
    let summary = step(&report, "copy")["summary"].as_str().unwrap();
    assert!(summary.contains(why), "{summary}");
    assert_eq!(step(&report, "run")["outcome"], "skipped");
    drop(&drill, &name);
}

#[rstest]
#[case::dropped("20m", "it was dropped")]
#[case::its_time_is_over("30s", "its time was over")]
#[tokio::test]
async fn one_that_goes_during_a_rehearsal_ends_it(#[case] time: &str, #[case] why: &str) {
    if !usable("local").await {
        return;
    }
    let drill = release(WAITS);
    let output = keep(&drill, "local", time);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let name = name(&drill);
    let (reports, child) = begin(&drill, &name, "rehearsed");
    let began = drill.folder().join("began");
    wait_until("the tool runs", || began.exists());
    if time == "20m" {
        assert_eq!(drill.call(&["drop", &name]).status.code(), Some(0));
    }
    wait_until("it is gone", || list(&drill) == NOTHING);
    fs::write(drill.folder().join("end"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    let report = report(&reports, "small", &output);
    assert_eq!(report["verdict"], "INCONCLUSIVE");
    let summary = step(&report, "run")["summary"].as_str().unwrap();
    let expected = format!("{name} was removed while the rehearsal ran: {why}");
    assert!(summary.starts_with(&expected), "{summary}");
    wait_until("nothing is left", || drill.left().is_empty());
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test]
async fn one_whose_server_died_has_its_snapshot(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let drill = release("");
    let name = kept(&drill, provider, 0);
    kill_server(&drill, provider, &runs(&drill).remove(0));
    wait_until("it is noted", || list(&drill).contains("    ended      "));
    let report = rehearse(&drill, &name, &[]);
    assert_eq!(report["verdict"], "SAFE", "{report:#}");
    drop(&drill, &name);
}

#[tokio::test]
async fn one_whose_keeper_died_is_not_there() {
    if !usable("local").await {
        return;
    }
    let drill = release("");
    let name = kept(&drill, "local", 0);
    kill(keeper(&runs(&drill).remove(0)), Signal::SIGKILL).unwrap();
    wait_until("its lock is free", || list(&drill) == NOTHING);
    let output = drill.call(&["rehearse", "--on", &name]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).starts_with(&format!("no kept server is named `{name}`\n")));
    drill.clean();
    assert_eq!(drill.left(), [""; 0]);
}

#[rstest]
#[case::cut_off("{", "EOF while parsing")]
#[case::elsewhere("snapshot-", "it names what is not of its run")]
#[tokio::test]
async fn a_damaged_record_is_reported(#[case] damage: &str, #[case] why: &str) {
    if !usable("local").await {
        return;
    }
    let drill = release("");
    let name = kept(&drill, "local", 0);
    let record = drill.work().join(&runs(&drill)[0]).join("kept.json");
    let whole = fs::read_to_string(&record).unwrap();
    let damaged = match damage {
        "{" => damage.to_owned(),
        folder => whole.replace(&format!("/{folder}"), &format!("/../{folder}")),
    };
    assert_ne!(damaged, whole);
    fs::write(&record, damaged).unwrap();
    let expected = format!(
        "the record of a kept server, {}, is damaged: {why}",
        record.display()
    );
    let output = drill.call(&["rehearse", "--on", &name]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(shown.contains("`redrill drop NAME` removes it"), "{shown}");
    assert!(list(&drill).starts_with(&expected), "{}", list(&drill));
    drop(&drill, &name);
}

#[tokio::test]
async fn mistakes_of_the_command_line_are_reported() {
    let drill = release("");
    let output = drill.call(&["rehearse", "--on", "orders"]);
    let expected = "no kept server is named `orders`\nhint: `redrill run --keep 2h` keeps the server of a drill for two hours\n";
    assert_eq!(
        (output.status.code(), text(&output)),
        (Some(4), expected.to_owned())
    );
    for option in [&["--server", "local"][..], &["--backup", "dump.sql"]] {
        let output = drill.call(&[&["rehearse", "--on", "orders"], option].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(
            text(&output).contains("cannot be used with"),
            "{}",
            text(&output)
        );
    }
    if !usable("local").await {
        return;
    }
    let name = kept(&drill, "local", 0);
    let output = drill.call(&["rehearse", "--on", "orders"]);
    assert!(text(&output).ends_with(&format!("hint: kept servers: {name}\n")));
    let none = changed(&drill, "none.toml", "[rehearse]", "[unused]");
    let whole = fs::read_to_string(&none).unwrap();
    fs::write(&none, &whole[..whole.find("[unused]").unwrap()]).unwrap();
    let output = drill.call(&["rehearse", "--on", &name, &none]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(
        text(&output).contains("no `[rehearse]`"),
        "{}",
        text(&output)
    );
    let other = changed(&drill, "other.toml", "name = \"small\"", "name = \"other\"");
    let third = changed(&drill, "third.toml", "name = \"small\"", "name = \"third\"");
    let output = drill.call(&["rehearse", "--on", &name, &other, &third]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).starts_with(
            "`--on` needs exactly one scenario, and these have `[rehearse]`: other, third\n"
        ),
        "{}",
        text(&output)
    );
    drop(&drill, &name);
}
