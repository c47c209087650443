//! The state and its log, by the real binary: on disk, in S3, killed while it writes, and as an auditor reads it without redrill.

mod again;
mod auditor;
mod baseline;
mod command;
mod faults;
mod kills;
mod metrics;
mod pipelines;
mod release;
mod s3;
mod shards;
mod sign;
mod slurm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use redrill::input::Environment;
use redrill::ledger::key::Signer;
use redrill::ledger::statement::Summary;
use redrill::ledger::{Signing, Written, append};
use redrill::outcome::CouldNotRun;
use redrill::redact::Redactor;
use redrill::state::{At, State};
use tempfile::TempDir;

use crate::drill::codes::SMALL;

/// A scenario whose drill takes a second.
const SCENARIO: &str = r#"schema = 1
name = "orgs"

[backup]
path = "orgs-2026-11-20.sql"

[[check.row-count]]
name = "orgs"
table = "plur.orgs"
exact = 3
"#;

/// A folder with a scenario, its backup and a key.
struct Site {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command gave.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("orgs.toml"), SCENARIO).unwrap();
        fs::write(folder.path().join("orgs-2026-11-20.sql"), SMALL).unwrap();
        let site = Self {
            folder,
            environment: Vec::new(),
        };
        new_key(&site.path("key"));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// redrill with these words.
    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redrill"));
        command
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.environment.clone());
        for name in ["PATH", "DOCKER_HOST"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs redrill with these words.
    fn call(&self, words: &str) -> Said {
        let output = self.command(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().expect("it exits by itself"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Drills with these further words; expects this exit code.
    fn drill(&self, words: &str, code: i32) -> Said {
        let said = self.call(&format!("run orgs.toml --quiet {words}"));
        assert_eq!(said.code, code, "{}{}", said.stdout, said.stderr);
        said
    }
}

/// Makes the backup one that the oldest server of this machine can restore.
fn any_server(site: &Site) {
    let older = SMALL.replace("version 17.6", "version 15.6");
    fs::write(site.path("orgs-2026-11-20.sql"), older).unwrap();
}

/// Makes a key as the README says.
fn new_key(path: &Path) -> Signer {
    let mut command = Command::new("ssh-keygen");
    let made = command
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path);
    assert!(made.status().unwrap().success());
    Signer::read(path).unwrap()
}

/// Creates or opens a state on disk.
async fn state(place: &Path) -> State {
    let at = At {
        place: &place.display().to_string(),
        environment: &Environment::new(),
        redactor: &Redactor::default(),
    };
    State::create(&at).await.unwrap()
}

/// Adds an entry that says the id of a run and nothing else.
async fn add(state: &State, signer: Option<&Signer>, run: &str) -> Result<Written, CouldNotRun> {
    let summary = Summary {
        run: run.to_owned(),
        scenario: "orgs".to_owned(),
        verdict: "PROVEN".to_owned(),
        ..Summary::default()
    };
    let signer = signer.map(Signing::from);
    append(state, signer, &format!("{{\"run\":\"{run}\"}}\n"), summary).await
}
