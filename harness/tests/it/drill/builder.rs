//! One way to run the binary: a folder of its own, a clean environment, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redrill::outcome::Evidence;
use redrill::report::{json, rehearsal_reports};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::wait_until_handled;

/// Where runs keep what they start; short, since sockets lie in it.
const WORK: &str = "/tmp";

/// A program with its arguments in a mount namespace of its own, where a folder is a disk of so many MiB; what is left in it is
/// printed.
const ON_A_DISK: &str = r#"
work=$0 size=$1
shift
mount -t tmpfs -o "size=${size}m" disk "$work" || exit 99
"$@"
code=$?
find "$work" -mindepth 2 -printf 'left on the disk: %p\n' >&2
exit $code"#;

/// The binary with its arguments, in a folder of its own.
pub struct Redrill {
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    drilled: String,
    work: String,
    disk: Option<u32>,
}

/// What a run of the binary gave.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// `drill.json` of the scenario, `drilled` unless another is named, when it was written.
    pub drill: Option<Value>,
    /// `drill.md` and `junit.xml`.
    pub pages: [String; 2],
    /// `junit.xml` of several scenarios, when it was written.
    pub merged: Option<String>,
    /// `rehearsal.json` of the same scenario, when it was written.
    pub rehearsal: Option<Value>,
    /// `rehearsal.md`, `junit.xml` and `comment.md` of its rehearsal.
    pub rehearsal_pages: [String; 4],
}

/// Begins a run.
pub fn redrill() -> Redrill {
    Redrill {
        folder: tempfile::tempdir().unwrap(),
        arguments: Vec::new(),
        environment: Vec::new(),
        drilled: "drilled".to_owned(),
        work: WORK.to_owned(),
        disk: None,
    }
}

impl Redrill {
    /// Writes a file into the folder in which the binary runs.
    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Sets another folder for what runs start.
    pub fn works_in(self, folder: &Path) -> Self {
        Self {
            work: folder.display().to_string(),
            ..self
        }
    }

    /// Says which scenario's reports are read.
    pub fn drilled(self, name: &str) -> Self {
        Self {
            drilled: name.to_owned(),
            ..self
        }
    }

    /// Writes the scenario and names it.
    pub fn scenario(self, text: &str) -> Self {
        self.file("scenario.toml", text).with("scenario.toml")
    }

    /// Writes the backup and names it.
    pub fn backup(self, bytes: impl AsRef<[u8]>, name: &str) -> Self {
        self.file(name, bytes).with("--backup").with(name)
    }

    /// Copies a file or a folder into the folder in which the binary runs.
    pub fn copy(self, from: &Path, name: &str) -> Self {
        super::dumps::copy(from, &self.folder.path().join(name));
        self
    }

    /// Names the backup, which is there already.
    pub fn names(self, name: &str) -> Self {
        self.with("--backup").with(name)
    }

    /// Where a file of that folder lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds an argument.
    pub fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Puts the work folder on a disk of this size, which nobody else sees. Needs root.
    pub fn on_a_disk_of(self, mebibytes: u32) -> Self {
        let disk = Some(mebibytes);
        Self { disk, ..self }
    }

    /// Adds a variable to the environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `redrill run` with what was added.
    pub fn run(self) -> Ended {
        let work = self.work.clone();
        let arguments = [
            "run",
            "--quiet",
            "--reports",
            "reports",
            "--work-dir",
            &work,
        ];
        self.call(&arguments)
    }

    /// `redrill run` with what was added, and Ctrl-C after a while.
    pub fn interrupted_after(self, while_: Duration) -> Ended {
        let work = self.work.clone();
        let arguments = [
            "run",
            "--quiet",
            "--reports",
            "reports",
            "--work-dir",
            &work,
        ];
        let mut command = self.command(&arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        wait_until_handled(&child, Signal::SIGINT);
        std::thread::sleep(while_);
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(id, Signal::SIGINT).unwrap();
        let asked = Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(10), "it goes on");
        self.ended(output)
    }

    /// `redrill` with these arguments and what was added, and Ctrl-C once this file is in its folder.
    pub fn interrupted_once(self, file: &str, arguments: &[&str]) -> Ended {
        let path = self.path(file);
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        while !path.exists() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended before {file} was there");
            std::thread::sleep(Duration::from_millis(20));
        }
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(id, Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        self.ended(output)
    }

    /// `redrill` with these arguments and what was added.
    pub fn call(self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        self.ended(output)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_redrill");
        let mut command = match self.disk {
            None => Command::new(program),
            Some(mebibytes) => {
                let at = arguments.iter().position(|one| *one == "--work-dir");
                let work = arguments[at.unwrap() + 1];
                let mut command = Command::new("unshare");
                let size = mebibytes.to_string();
                command.args(["--mount", "sh", "-c", ON_A_DISK, work, &size, program]);
                command
            }
        };
        command
            .args(arguments)
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", self.folder.path())
            // Not beside a scenario of this repository.
            .env("REDRILL_STATE", self.path("state"))
            .envs(self.environment.clone());
        // What it takes to find a container engine and a Postgres, and nothing else.
        for name in ["PATH", "DOCKER_HOST"] {
            let given = self.environment.iter().any(|(given, _)| given == name);
            if let Some(value) = std::env::var_os(name).filter(|_| !given) {
                command.env(name, value);
            }
        }
        command
    }

    fn ended(self, output: Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let merged = fs::read(self.path("reports/junit.xml")).ok();
        // Selected checks have a folder of their own.
        let folders = fs::read_dir(self.path("reports")).into_iter().flatten();
        let mut folders = folders.map(|folder| folder.unwrap().path());
        let is_of_drill = |folder: &PathBuf| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let rest = name.strip_prefix(&self.drilled);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(".only-"))
        };
        let folder = folders.find(is_of_drill).unwrap_or_default();
        let report = |name: &str| fs::read(folder.join(name)).ok();
        let rehearsal = self.path(&format!("reports/{}.rehearsal", self.drilled));
        let of_rehearsal = |name: &str| fs::read(rehearsal.join(name)).ok();
        let ended = Ended {
            code: output.status.code().expect("it exits by itself"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            drill: report("drill.json").map(|bytes| serde_json::from_slice(&bytes).unwrap()),
            pages: ["drill.md", "junit.xml"].map(|name| text(&report(name).unwrap_or_default())),
            merged: merged.as_deref().map(text),
            rehearsal: of_rehearsal("rehearsal.json")
                .map(|bytes| serde_json::from_slice(&bytes).unwrap()),
            rehearsal_pages: ["rehearsal.md", "junit.xml", "comment.md", "rehearsal.html"]
                .map(|name| text(&of_rehearsal(name).unwrap_or_default())),
        };
        if let Some(record) = of_rehearsal("rehearsal.json") {
            made_again(&text(&record), of_rehearsal);
        }
        if let Some(drill) = &ended.drill {
            assert_eq!(drill["exit_code"], ended.code, "{}", ended.stdout);
            nothing_is_left(drill["run"].as_str().unwrap());
        }
        ended
    }
}

/// Every report of a rehearsal is what its record gives, with the entry that no record contains.
fn made_again(record: &str, written: impl Fn(&str) -> Option<Vec<u8>>) {
    let (mut result, verdict) = json::read_rehearsal(record).unwrap();
    let page = String::from_utf8(written("rehearsal.md").unwrap()).unwrap();
    let fact = |name: &str| {
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("| {name} ")));
        let value = line?.split('|').nth(2)?.trim();
        Some(value.trim_matches('`').to_owned())
    };
    result.evidence = fact("Entry of its log").map(|entry| Evidence {
        entry: entry.parse().unwrap(),
        record_sha256: fact("SHA-256 of rehearsal.json").unwrap(),
        checkpoint: fact("Checkpoint").unwrap(),
        key: fact("Signed by").filter(|key| key.starts_with("SHA256:")),
    });
    for report in rehearsal_reports() {
        let made = (report.render)(&result, verdict).unwrap();
        if let Some(file) = report.file {
            assert!(
                written(file) == Some(made.into_bytes()),
                "{file} is not what its record gives: {record}"
            );
        }
    }
}

impl Ended {
    /// The report of the drill.
    pub fn drill(&self) -> &Value {
        self.drill
            .as_ref()
            .unwrap_or_else(|| panic!("no report\n{}\n{}", self.stdout, self.stderr))
    }

    /// Ids of the checks that ended in this way.
    pub fn checks(&self, outcome: &str) -> Vec<&str> {
        self.drill()["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|check| check["outcome"] == outcome)
            .map(|check| check["id"].as_str().unwrap())
            .collect()
    }

    /// Names of the stages that ended in this way.
    pub fn stages(&self, outcome: &str) -> Vec<&str> {
        self.drill()["stages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|stage| stage["outcome"] == outcome)
            .map(|stage| stage["name"].as_str().unwrap())
            .collect()
    }

    /// All findings of a stage or a check, and why it could not run, as text.
    pub fn findings(&self, of: &str) -> String {
        let drill = self.drill();
        let all = [&drill["stages"], &drill["checks"]];
        let entries = all.iter().flat_map(|list| list.as_array().unwrap());
        entries
            .filter(|entry| entry["name"] == of || entry["id"] == of)
            .flat_map(|entry| {
                let error = Some(&entry["could_not_run"]).filter(|error| error.is_object());
                entry["findings"].as_array().unwrap().iter().chain(error)
            })
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
                ["object", "expected", "actual", "reason", "hint"]
                    .map(text)
                    .join(" | ")
                    + "\n"
            })
            .collect()
    }

    /// Expects that the drill ended by this stage failing, with all of these texts in its findings,
    /// each of which says what to do.
    pub fn fails_in(&self, stage: &str, says: &[&str]) -> Result<(), String> {
        let shown = format!(
            "{}\n{}",
            self.stdout.lines().take(30).collect::<Vec<_>>().join("\n"),
            self.stderr
        );
        if self.code != 10 || self.stages("fail") != [stage] {
            return Err(format!("must fail in {stage} with code 10:\n{shown}"));
        }
        let findings = self.findings(stage);
        match says.iter().find(|text| !findings.contains(**text)) {
            Some(text) => Err(format!("no `{text}` in the findings:\n{findings}")),
            None => Ok(()),
        }
    }

    /// Expects that a stage could not look, which says nothing about the backup, with all of these
    /// texts in its findings.
    pub fn cannot_look_in(&self, stage: &str, says: &[&str]) -> Result<(), String> {
        if self.code != 3 || self.stages("error") != [stage] {
            let (out, err) = (&self.stdout, &self.stderr);
            return Err(format!(
                "must be INCONCLUSIVE with code 3 in {stage}:\n{out}\n{err}"
            ));
        }
        let findings = self.findings(stage);
        match says.iter().find(|text| !findings.contains(**text)) {
            Some(text) => Err(format!("no `{text}` in the findings:\n{findings}")),
            None => Ok(()),
        }
    }

    /// Expects that everything passed, and so many rows came back.
    pub fn is_proven_with(&self, rows: u64) -> Result<(), String> {
        self.is_proven()?;
        let restore = &self.drill()["restore"];
        let tables = restore["rows"].as_array().unwrap().iter();
        let restored: u64 = tables.map(|row| row["restored"].as_u64().unwrap()).sum();
        match restored == rows {
            true => Ok(()),
            false => Err(format!("{restored} rows came back instead of {rows}")),
        }
    }

    /// Expects that everything passed.
    pub fn is_proven(&self) -> Result<(), String> {
        let drill = self.drill();
        if self.code == 0 && drill["verdict"] == "PROVEN" {
            Ok(())
        } else {
            Err(format!("must be PROVEN:\n{}\n{}", self.stdout, self.stderr))
        }
    }
}

/// Whatever became of a run, nothing that it started is there afterwards.
fn nothing_is_left(run: &str) {
    let filter = format!("label=redrill.run={run}");
    for what in [
        &["ps", "--all", "--quiet", "--filter", &filter],
        &["volume", "ls", "--quiet", "--filter", &filter],
    ] {
        // Without an engine there can be no container.
        if let Ok(output) = Command::new("docker").args(what).output() {
            assert_eq!(String::from_utf8_lossy(&output.stdout), "", "left by {run}");
        }
    }
    let user = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    let root = Path::new(WORK).join(format!("redrill-{}", user.unwrap()));
    for name in [run.to_owned(), format!("{run}.lock")] {
        assert!(!root.join(&name).exists(), "{name} is left");
    }
}

/// Fails with everything that went wrong, so that one run of a table shows all of it.
pub fn none(wrong: Vec<String>) {
    assert!(
        wrong.is_empty(),
        "{} wrong:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}
