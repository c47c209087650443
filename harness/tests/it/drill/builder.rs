//! One way to run the binary: a folder of its own, a clean environment, and nothing left behind.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Where runs keep what they start; short, since sockets lie in it.
const WORK: &str = "/tmp";

/// The binary with its arguments, in a folder of its own.
pub struct Redrill {
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// What a run of the binary gave.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// `drill.json` of the scenario `drilled`, when it was written.
    pub drill: Option<Value>,
}

/// Begins a run.
pub fn redrill() -> Redrill {
    Redrill {
        folder: tempfile::tempdir().unwrap(),
        arguments: Vec::new(),
        environment: Vec::new(),
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

    /// Writes the scenario and names it.
    pub fn scenario(self, text: &str) -> Self {
        self.file("scenario.toml", text).with("scenario.toml")
    }

    /// Writes the backup and names it.
    pub fn backup(self, bytes: impl AsRef<[u8]>, name: &str) -> Self {
        self.file(name, bytes).with("--backup").with(name)
    }

    /// Adds an argument.
    pub fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Adds a variable to the environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `redrill run` with what was added.
    pub fn run(self) -> Ended {
        let arguments = ["run", "--quiet", "--reports", "reports", "--work-dir", WORK];
        self.call(&arguments)
    }

    /// `redrill` with these arguments and what was added.
    pub fn call(self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redrill"));
        command
            .args(arguments)
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.environment);
        // What it takes to find a container engine and a Postgres, and nothing else.
        for name in ["PATH", "DOCKER_HOST"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let report = self.folder.path().join("reports/drilled/drill.json");
        let drill: Option<Value> = fs::read(report)
            .ok()
            .map(|bytes| serde_json::from_slice(&bytes).unwrap());
        let ended = Ended {
            code: output.status.code().expect("it exits by itself"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            drill,
        };
        if let Some(drill) = &ended.drill {
            assert_eq!(drill["exit_code"], ended.code, "{}", ended.stdout);
            nothing_is_left(drill["run"].as_str().unwrap());
        }
        ended
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

    /// All findings of a stage or a check, as text.
    pub fn findings(&self, of: &str) -> String {
        let drill = self.drill();
        let all = [&drill["stages"], &drill["checks"]];
        let entries = all.iter().flat_map(|list| list.as_array().unwrap());
        entries
            .filter(|entry| entry["name"] == of || entry["id"] == of)
            .flat_map(|entry| entry["findings"].as_array().unwrap())
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
                ["object", "expected", "actual", "hint"]
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
