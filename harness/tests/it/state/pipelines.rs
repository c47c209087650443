//! The pipelines of several machines, and those of the drill: each shell step of them is run as its runner runs it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;
use serde_norway::Value as Yaml;

use super::{Site, any_server};
use crate::backup::source::servers::Server;
use crate::support::root;

fn documents(name: &str) -> Vec<Yaml> {
    let text = fs::read_to_string(root().join("ci/pipelines").join(name)).unwrap();
    let documents = serde_norway::Deserializer::from_str(&text);
    documents
        .map(|one| <Yaml as serde::Deserialize>::deserialize(one).unwrap())
        .collect()
}

fn pipeline(name: &str) -> Yaml {
    documents(name).remove(0)
}

/// A site with its scenarios in `scenarios/`; the last one fails where `bad`.
fn site(count: usize, bad: bool) -> Site {
    let site = Site::new();
    any_server(&site);
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    fs::create_dir(site.path("scenarios")).unwrap();
    for number in 1..=count {
        let mut text = text
            .replace(
                "name = \"orgs\"\n\n[backup]",
                &format!("name = \"d{number}\"\n\n[backup]"),
            )
            .replace("orgs-2026", "../orgs-2026");
        if bad && number == count {
            text = text.replace("exact = 3", "exact = 4");
        }
        fs::write(site.path(&format!("scenarios/d{number}.toml")), text).unwrap();
    }
    fs::create_dir(site.path("bin")).unwrap();
    symlink(env!("CARGO_BIN_EXE_redrill"), site.path("bin/redrill")).unwrap();
    site
}

pub(super) fn program(site: &Site, name: &str, script: &str) {
    let path = site.path(&format!("bin/{name}"));
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Puts values in place of `${{ … }}`; each expression must have one.
fn substitute(text: &str, values: &BTreeMap<&str, String>) -> String {
    let mut parts = text.split("${{");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}").unwrap();
        let value = values.get(expression.trim());
        out += value.unwrap_or_else(|| panic!("no value for {expression}"));
        out += rest;
    }
    out
}

pub(super) type Variables = Vec<(String, String)>;

fn variables(yaml: &Yaml, values: &BTreeMap<&str, String>) -> Variables {
    let Some(map) = yaml.as_mapping() else {
        return Vec::new();
    };
    let pairs = map.iter().map(|(name, value)| {
        let value = substitute(value.as_str().unwrap(), values);
        (name.as_str().unwrap().to_owned(), value)
    });
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

/// Runs a script as GitHub and GitLab do.
pub(super) fn bash(site: &Site, script: &str, variables: &Variables) -> Output {
    let path = format!(
        "{}:{}",
        site.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
        .current_dir(site.folder.path())
        .env_clear()
        .env("HOME", site.folder.path())
        .env("PATH", path)
        .env("GITHUB_STEP_SUMMARY", site.path("summary.md"))
        .envs(variables.iter().cloned())
        .output()
        .unwrap()
}

pub(super) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The shell steps of a job of a GitHub workflow that are not in `without`: the output of each, and the exit code of the job.
pub(super) fn github(
    site: &Site,
    file: &str,
    job: &str,
    values: &BTreeMap<&str, String>,
    without: &[&str],
    more: &[(&str, &str)],
) -> (BTreeMap<String, String>, i32) {
    let workflow = pipeline(file);
    let (mut said, mut code) = (BTreeMap::new(), 0);
    for step in workflow["jobs"][job]["steps"].as_sequence().unwrap() {
        let Some(script) = step["run"].as_str() else {
            continue;
        };
        let name = step["name"]
            .as_str()
            .unwrap_or_else(|| panic!("{file}: a step without a name"));
        let always = step["if"]
            .as_str()
            .is_some_and(|when| when.starts_with("always()"));
        if without.contains(&name) || (code != 0 && !always) {
            continue;
        }
        let mut all = variables(&workflow["env"], values);
        all.extend(variables(&step["env"], values));
        all.extend(
            [("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "77")]
                .iter()
                .chain(more)
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned())),
        );
        let output = bash(site, &substitute(script, values), &all);
        said.insert(name.to_owned(), text(&output));
        if code == 0 {
            code = output.status.code().unwrap();
        }
    }
    (said, code)
}

pub(super) fn values(state: &str, more: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    let empty = [
        "vars.BACKUP_BUCKET",
        "secrets.BACKUP_ACCESS_KEY_ID",
        "secrets.BACKUP_SECRET_ACCESS_KEY",
        "vars.AWS_ENDPOINT_URL_S3",
        "secrets.STATE_ACCESS_KEY_ID",
        "secrets.STATE_SECRET_ACCESS_KEY",
        "vars.POSTGRES_IMAGE",
    ];
    let mut values: BTreeMap<&str, String> =
        empty.iter().map(|name| (*name, String::new())).collect();
    values.insert("vars.REDRILL_GIT", "https://git.test/redrill".to_owned());
    values.insert("vars.REDRILL_STATE || 'redrill-state'", state.to_owned());
    values.insert("vars.REDRILL_STATE", state.to_owned());
    values.extend(
        more.iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    values
}

#[rstest]
#[case::passed(false, 0)]
#[case::failed(true, 10)]
fn the_workflow_of_github_drills(#[case] bad: bool, #[case] code: i32) {
    let site = site(2, bad);
    let (said, ended) = github(
        &site,
        "github-actions.yml",
        "drill",
        &values("redrill-state", &[]),
        &["image"],
        &[],
    );
    assert_eq!(ended, code, "{said:#?}");
    assert!(said.contains_key("doctor"), "{said:#?}");
    let summary = fs::read_to_string(site.path("summary.md")).unwrap();
    assert!(summary.starts_with("# Restore drills"), "{summary}");
    // How all of them ended, then each.
    assert_eq!(summary.matches("\n# ").count() + 1, 3, "{summary}");
    let annotation = "::error file=scenarios/d2.toml,line=7,title=d2%3A NOT PROVEN::";
    assert_eq!(said["drill"].contains(annotation), bad, "{}", said["drill"]);
    // The state is where the cache looks for it.
    assert!(site.path("redrill-state/entries/0000000001.json").is_file());
}

#[test]
fn a_release_waits_for_its_roles() {
    let site = site(1, false);
    let text = fs::read_to_string(site.path("scenarios/d1.toml")).unwrap();
    fs::write(
        site.path("scenarios/d1.toml"),
        text + "\n[[check.role]]\nname = \"nobody\"\nrole = \"postgres\"\n",
    )
    .unwrap();
    let (said, code) = github(
        &site,
        "github-actions.yml",
        "roles",
        &values("redrill-state", &[]),
        &["image"],
        &[],
    );
    assert!(
        said.contains_key("the roles have exactly the rights that they should"),
        "{said:#?}"
    );
    // This one fails, and its summary says so.
    assert_ne!(code, 0, "{said:#?}");
    if code == 10 {
        assert!(
            fs::read_to_string(site.path("summary.md"))
                .unwrap()
                .contains("NOT PROVEN")
        );
    }
}

#[rstest]
#[case::all("", 0, "4 scenarios: 4 PROVEN (exit code 0)")]
#[ignore = "slow: ci/slow.sh"]
#[case::one_failed("bad", 10, "4 scenarios: 3 PROVEN, 1 NOT PROVEN (exit code 10)")]
#[ignore = "slow: ci/slow.sh"]
#[case::one_died("died", 3, "shard 3/4 never began")]
fn the_matrix_of_github_is_merged(#[case] what: &str, #[case] code: i32, #[case] expected: &str) {
    let site = site(4, what == "bad");
    for shard in ["1", "2", "3", "4"] {
        if what == "died" && shard == "3" {
            continue;
        }
        let own = values(
            "state",
            &[("matrix.shard", shard), ("strategy.job-total", "4")],
        );
        let (said, _) = github(&site, "github-matrix.yml", "drill", &own, &["image"], &[]);
        assert!(said["drill"].contains("PROVEN"), "{said:#?}");
    }
    let (said, ended) = github(
        &site,
        "github-matrix.yml",
        "merge",
        &values("state", &[]),
        &[],
        &[],
    );
    assert_eq!(ended, code, "{said:#?}");
    assert!(said["merge"].contains(expected), "{said:#?}");
    assert_eq!(said["merge"].contains("::error "), code != 0, "{said:#?}");
    let summary = fs::read_to_string(site.path("summary.md")).unwrap();
    assert!(summary.starts_with("# Restore drills"), "{summary}");
}

/// The steps that bring redrill and the image, where neither is there, and where the caches have them.
#[test]
fn what_is_not_there_is_brought() {
    let site = site(1, false);
    let image = format!("redrill-pipeline-test:{}", std::process::id());
    let docker = |script: &str| {
        let output = Command::new("bash")
            .args(["-ec", script])
            .env("IMAGE", &image)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
    };
    docker("tar --create --files-from /dev/null | docker import - \"$IMAGE\"");
    // No registry, and no other image is named anew.
    let real = Command::new("bash")
        .args(["-c", "command -v docker"])
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    program(
        &site,
        "docker",
        &format!(
            "echo \"$@\" >> docker.called\ncase $1 in pull | tag) ;; *) exec {} \"$@\" ;; esac",
            real.trim()
        ),
    );
    fs::remove_file(site.path("bin/redrill")).unwrap();
    program(&site, "cargo", "echo \"$@\" > cargo.called");
    let step = |name: &str| {
        let own = values("state", &[("vars.POSTGRES_IMAGE", &image)]);
        let workflow = pipeline("github-matrix.yml");
        let steps = workflow["jobs"]["drill"]["steps"].as_sequence().unwrap();
        let step = steps
            .iter()
            .find(|step| step["name"].as_str() == Some(name))
            .unwrap();
        let output = bash(
            &site,
            step["run"].as_str().unwrap(),
            &variables(&step["env"], &own),
        );
        assert!(output.status.success(), "{}", text(&output));
    };
    step("install");
    let called = fs::read_to_string(site.path("cargo.called")).unwrap();
    assert_eq!(
        called,
        "install --locked --git https://git.test/redrill redrill\n"
    );
    let calls = || {
        let text = fs::read_to_string(site.path("docker.called")).unwrap();
        fs::remove_file(site.path("docker.called")).unwrap();
        text
    };
    step("image");
    let tag = format!("tag {image} redrill/postgres:17\n");
    assert_eq!(
        calls(),
        format!("pull --quiet {image}\nsave {image}\n{tag}")
    );
    docker("docker image rm \"$IMAGE\"");
    step("image");
    assert_eq!(
        calls(),
        format!("load --input postgres-image.tar.gz\n{tag}")
    );
    docker("docker image rm \"$IMAGE\"");
}

/// The script of a job of GitLab, with the variables of its runner.
fn gitlab(site: &Site, file: &str, job: &str, more: &[(&str, &str)]) -> (String, i32) {
    let file = pipeline(file);
    let lines = file[job]["script"].as_sequence().unwrap().iter();
    let lines: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
    let mut all = variables(&file["variables"], &BTreeMap::new());
    let own = [("GITLAB_CI", "true"), ("CI_PIPELINE_ID", "9")];
    all.extend(
        own.iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let output = bash(site, &lines.join("\n"), &all);
    (text(&output), output.status.code().unwrap())
}

#[test]
fn the_jobs_of_gitlab_drill() {
    let drilled = site(2, true);
    let (said, code) = gitlab(&drilled, "gitlab-ci.yml", "restore-drill", &[]);
    assert_eq!(code, 10, "{said}");
    assert!(
        drilled
            .path("redrill-state/entries/0000000001.json")
            .is_file()
    );
    assert!(drilled.path("reports/out/d2/junit.xml").is_file());
    let (said, code) = gitlab(&site(1, false), "gitlab-ci.yml", "roles", &[]);
    // There is no check of these kinds.
    assert_eq!(code, 4, "{said}");
}

#[test]
fn parallel_jobs_of_gitlab_are_merged() {
    let site = site(3, true);
    for index in ["1", "2", "3", "4"] {
        let numbers = [
            ("CI_NODE_INDEX", index),
            ("CI_NODE_TOTAL", "4"),
            ("REDRILL_STATE", "state"),
        ];
        gitlab(&site, "gitlab-parallel.yml", "restore-drills", &numbers);
    }
    let (said, code) = gitlab(
        &site,
        "gitlab-parallel.yml",
        "merge-drills",
        &[("REDRILL_STATE", "state")],
    );
    assert_eq!(code, 10, "{said}");
    assert!(
        said.contains("3 scenarios: 2 PROVEN, 1 NOT PROVEN"),
        "{said}"
    );
    let file = pipeline("gitlab-parallel.yml");
    let junit = file["merge-drills"]["artifacts"]["reports"]["junit"]
        .as_str()
        .unwrap();
    assert!(site.path(junit).is_file());
}

/// What the schema of Kubernetes says of the manifests.
#[rstest]
#[case("kubernetes-cronjob.yaml")]
#[case("kubernetes-indexed-job.yaml")]
fn manifests_are_valid(#[case] name: &str) {
    let validate = std::env::var("REDRILL_KUBERNETES_VALIDATE");
    let validate = validate.expect("`. ci/setup.sh; need_kubernetes_validate` sets it");
    let path = root().join("ci/pipelines").join(name);
    let check = |path: &Path| {
        Command::new(&validate)
            .arg("--strict")
            .arg(path)
            .output()
            .unwrap()
    };
    let output = check(&path);
    assert!(output.status.success(), "{}", text(&output));
    // It finds a key that there is not.
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join(name);
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&broken, good.replace("restartPolicy:", "restartPolicie:")).unwrap();
    let output = check(&broken);
    assert!(!output.status.success(), "{}", text(&output));
}

/// The pods of the indexed job, as containers with its command, user, file systems and variables.
#[test]
fn the_pods_of_the_indexed_job_are_merged() {
    let site = site(3, false);
    // A container that may not create namespaces, as most may not.
    for drill in ["d1", "d2", "d3"] {
        let path = site.path(&format!("scenarios/{drill}.toml"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + "\n[server.local]\ntrusted-backup = true\n").unwrap();
    }
    let server = Server::seaweedfs(&site.path("s3"));
    let image = format!("redrill-job-test:{}", std::process::id());
    let context = site.path("context");
    fs::create_dir(&context).unwrap();
    fs::copy(
        root().join("ci/pipelines/Dockerfile"),
        context.join("Dockerfile"),
    )
    .unwrap();
    fs::copy(env!("CARGO_BIN_EXE_redrill"), context.join("redrill")).unwrap();
    let built = Command::new("docker")
        .args(["build", "--quiet", "--tag", &image])
        .arg(&context)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", text(&built));
    fs::remove_dir_all(&context).unwrap();
    let job = pipeline("kubernetes-indexed-job.yaml");
    let pod = &job["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let words: Vec<&str> = container["command"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let user = container["securityContext"]["runAsUser"].as_u64().unwrap();
    assert_eq!(
        container["securityContext"]["readOnlyRootFilesystem"].as_bool(),
        Some(true)
    );
    let run = |index: usize| {
        let mut command = Command::new("docker");
        command.args([
            "run",
            "--rm",
            "--network",
            "host",
            "--read-only",
            "--cap-drop",
            "ALL",
        ]);
        command.args([
            "--security-opt",
            "no-new-privileges",
            "--user",
            &format!("{user}:{user}"),
        ]);
        command.args(["--env", &format!("JOB_COMPLETION_INDEX={index}")]);
        for one in container["env"].as_sequence().unwrap() {
            let name = one["name"].as_str().unwrap();
            let value = one["value"].as_str().unwrap_or("6f1c2f1e-uid");
            command.args(["--env", &format!("{name}={value}")]);
        }
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", "test-key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test-s3cret".to_owned()),
            (
                "AWS_ENDPOINT_URL_S3",
                format!("http://127.0.0.1:{}", server.port),
            ),
        ] {
            command.args(["--env", &format!("{name}={value}")]);
        }
        for mount in container["volumeMounts"].as_sequence().unwrap() {
            let (name, path) = (
                mount["name"].as_str().unwrap(),
                mount["mountPath"].as_str().unwrap(),
            );
            let folder = match name {
                "scenarios" => site.path("scenarios"),
                "reports" => site.path("pod-reports"),
                _ => site.path(&format!("pod-{name}-{index}")),
            };
            fs::create_dir_all(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
            let ending = if mount["readOnly"].as_bool() == Some(true) {
                ":ro"
            } else {
                ""
            };
            command.args(["--volume", &format!("{}:{path}{ending}", folder.display())]);
        }
        // The backup, where the scenarios look for it.
        let backup = site.path("orgs-2026-11-20.sql");
        command.args([
            "--volume",
            &format!("{}:/orgs-2026-11-20.sql:ro", backup.display()),
        ]);
        command.arg(&image).args(&words).output().unwrap()
    };
    let shards = job["spec"]["completions"].as_u64().unwrap() as usize - 1;
    fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let merged = std::thread::scope(|scope| {
        // It waits for the others.
        let run = &run;
        let merged = scope.spawn(move || run(shards));
        for index in 0..shards {
            let output = run(index);
            assert!(output.status.success(), "{}", text(&output));
        }
        merged.join().unwrap()
    });
    let removed = Command::new("docker")
        .args(["image", "rm", &image])
        .output()
        .unwrap();
    assert!(removed.status.success(), "{}", text(&removed));
    let said = text(&merged);
    assert!(merged.status.success(), "{said}");
    assert!(
        said.contains("3 scenarios: 3 PROVEN (exit code 0)"),
        "{said}"
    );
    assert!(said.contains("waiting for the shards of"), "{said}");
    assert!(site.path("pod-reports/merged/drills.md").is_file());
}
