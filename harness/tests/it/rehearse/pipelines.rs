//! The pipelines to copy: each shell step of them is run as the runner runs it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;
use serde_norway::Value as Yaml;

use super::kept::{kept, release};
use crate::drill::kept::{keep, text};
use crate::report::xml;
use crate::server::drill::{Drill, usable};

/// Where the table of locks and blocking begins.
const TABLE: &str =
    "| table | lock | blocking for at most | readers waited | writers waited | by |";

/// Whether a markdown text has the table, however wide its columns are.
fn has_table(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").contains(TABLE)
}

fn pipeline(name: &str) -> Yaml {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/pipelines");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    serde_norway::from_str(&text).unwrap()
}

/// A shell step: its name, its script, and whether it runs after a failure.
struct Step {
    name: String,
    script: String,
    always: bool,
}

/// The steps of the GitHub workflow with `run`.
fn of_github() -> Vec<Step> {
    let file = pipeline("github-rehearsal.yml");
    let steps = file["jobs"]["rehearse"]["steps"]
        .as_sequence()
        .unwrap()
        .iter();
    let steps = steps.filter_map(|step| {
        Some(Step {
            script: step["run"].as_str()?.to_owned(),
            name: step["name"].as_str().unwrap().to_owned(),
            always: step["if"]
                .as_str()
                .is_some_and(|when| when.starts_with("always()")),
        })
    });
    steps.collect()
}

/// The scripts of the GitLab job.
fn of_gitlab() -> Vec<Step> {
    let file = pipeline("gitlab-rehearsal.yml");
    let lines = |key: &str| {
        let lines = file["rehearsal"][key].as_sequence().unwrap().iter();
        let lines: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
        lines.join("\n")
    };
    let step = |name: &str, always| Step {
        name: name.to_owned(),
        script: lines(name),
        always,
    };
    vec![step("script", false), step("after_script", true)]
}

/// Runs the steps in the folder of a drill, whose scenario and name they are given, as a runner does; gives the output of each
/// that ran, and the exit code of the job.
fn run(drill: &Drill, steps: &[Step], path: &str) -> (Vec<(String, Output)>, i32) {
    let folder = drill.folder();
    let (mut ran, mut code) = (Vec::new(), 0);
    for step in steps {
        if code != 0 && !step.always {
            continue;
        }
        let output = Command::new("bash")
            .args([
                "--noprofile",
                "--norc",
                "-eo",
                "pipefail",
                "-c",
                &step.script,
            ])
            .current_dir(folder)
            .env("PATH", path)
            .env("SCENARIO", "small.toml")
            .env("NAME", "small")
            .env("GITHUB_STEP_SUMMARY", folder.join("summary.md"))
            .env("PULL_REQUEST", "7")
            .env("COMMENT_TOKEN", "token")
            .env("CI_API_V4_URL", "http://127.0.0.1:9/api")
            .env("CI_PROJECT_ID", "1")
            .env("CI_MERGE_REQUEST_IID", "7")
            .env("REDRILL_WORK_DIR", folder)
            .env("XDG_CACHE_HOME", crate::support::caches())
            .output()
            .unwrap();
        if !step.always && code == 0 {
            code = output.status.code().unwrap();
        }
        ran.push((step.name.clone(), output));
    }
    (ran, code)
}

/// A `PATH` with redrill, and in place of the clients of GitHub and GitLab, which need their servers, programs that note what they
/// are called with.
fn path(drill: &Drill) -> String {
    let bin = drill.folder().join("bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_redrill"), bin.join("redrill")).unwrap();
    for name in ["gh", "curl"] {
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {name}.called\n");
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

fn called(drill: &Drill, program: &str) -> Vec<String> {
    let text = fs::read_to_string(drill.folder().join(format!("{program}.called")));
    text.unwrap().lines().map(str::to_owned).collect()
}

#[rstest]
#[case::safe("", 0, "SAFE")]
#[ignore = "slow: ci/slow.sh"]
#[case::unsafe_release(
    "psql --no-psqlrc --command='DROP TABLE IF EXISTS public.t'\n",
    12,
    "UNSAFE"
)]
#[tokio::test]
async fn a_pull_request_is_rehearsed_and_commented(
    #[case] tool: &str,
    #[case] code: i32,
    #[case] verdict: &str,
) {
    if !usable("local").await {
        return;
    }
    let drill = release(tool);
    let path = path(&drill);
    for (steps, program) in [(of_github(), "gh"), (of_gitlab(), "curl")] {
        let (ran, ended) = run(&drill, &steps, &path);
        let shown: Vec<String> = ran
            .iter()
            .map(|(name, output)| format!("{name}: {}", text(output)))
            .collect();
        assert_eq!(ended, code, "{shown:#?}");
        // Also after a failure.
        let always = steps.iter().filter(|step| step.always).count();
        assert!(always > 0 && ran.len() == steps.len(), "{shown:#?}");
        let reports = drill.folder().join("reports/out/small.rehearsal");
        let comment = fs::read_to_string(reports.join("comment.md")).unwrap();
        assert!(comment.starts_with(&format!("# {verdict}: rehearsal of small")));
        assert!(has_table(&comment), "{comment}");
        assert!(
            comment.contains("statements in") || comment.contains("statement in"),
            "{comment}"
        );
        let suites = xml::parse(&fs::read_to_string(reports.join("junit.xml")).unwrap());
        assert_eq!(suites.iter().any(xml::Suite::red), code != 0);
        let called = called(&drill, program);
        let file = "reports/out/small.rehearsal/comment.md";
        assert!(called.iter().any(|word| word.ends_with(file)), "{called:?}");
        match program {
            "gh" => {
                let summary = fs::read_to_string(drill.folder().join("summary.md")).unwrap();
                assert_eq!(summary, comment);
                assert_eq!(called[..3], ["pr", "comment", "7"]);
            }
            _ => assert!(has_table(&shown[1]), "{shown:#?}"),
        }
        fs::remove_dir_all(drill.folder().join("reports")).unwrap();
    }
    assert_eq!(drill.left(), [""; 0]);
}

#[rstest]
#[case::github(of_github())]
#[case::gitlab(of_gitlab())]
#[tokio::test]
async fn a_server_of_the_night_is_used(#[case] steps: Vec<Step>) {
    if !usable("local").await {
        return;
    }
    let drill = release("");
    let path = path(&drill);
    let name = kept(&drill, "local", 0);
    let (_, code) = run(&drill, &steps, &path);
    assert_eq!(code, 0);
    let report = drill
        .folder()
        .join("reports/out/small.rehearsal/rehearsal.json");
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["kept"]["name"], *name);
    // One that is not PROVEN is not used.
    drill.call(&["drop", &name]);
    let file = drill.folder().join("small.toml");
    let scenario = fs::read_to_string(&file).unwrap();
    fs::write(&file, scenario.replace("exact = 2", "exact = 3")).unwrap();
    assert_eq!(keep(&drill, "local", "20m").status.code(), Some(10));
    fs::write(&file, scenario).unwrap();
    let (_, code) = run(&drill, &steps, &path);
    assert_eq!(code, 0);
    drill.call(&["drop", &crate::drill::kept::name(&drill)]);
    assert_eq!(drill.left(), [""; 0]);
}
