//! A small dump of our own and the real binary, in a work folder that no other test shares.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use redrill::server;

use crate::support::caches;

/// Both ways to run a server.
pub const PROVIDERS: [&str; 2] = ["container", "local"];

/// A scenario with its backup, its reports and its work folder.
pub struct Drill {
    folder: tempfile::TempDir,
    /// The program, with what comes before its own arguments.
    program: Vec<String>,
    user: u32,
    /// `XDG_CACHE_HOME` of its runs.
    caches: PathBuf,
}

/// Whether a provider can be used here; a machine need not have both.
pub async fn usable(provider: &str) -> bool {
    let usable = match provider {
        "container" => server::images()
            .await
            .iter()
            .any(|line| line.starts_with("image")),
        _ => !server::installations(&std::env::var("PATH").unwrap())
            .await
            .is_empty(),
    };
    if !usable {
        eprintln!("not tested: this machine has no {provider} server");
    }
    usable
}

impl Drill {
    /// Wraps SQL as `pg_dump` 15 would, with `checks` and further tables of the scenario.
    pub fn new(sql: &str, rest: &str) -> Self {
        // Sockets lie in it: the path must be short, and a server of another user passes through.
        let folder = tempfile::Builder::new()
            .prefix("rd")
            .tempdir_in("/tmp")
            .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode).unwrap();
        let dump = format!(
            "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.4\n\
             -- Dumped by pg_dump version 15.4\n\nSET client_encoding = 'UTF8';\n{sql}\n\
             --\n-- PostgreSQL database dump complete\n--\n\n"
        );
        std::fs::write(folder.path().join("dump.sql"), dump).unwrap();
        let scenario =
            format!("schema = 1\nname = \"small\"\n[backup]\npath = \"dump.sql\"\n{rest}");
        std::fs::write(folder.path().join("small.toml"), scenario).unwrap();
        Self {
            folder,
            program: vec![env!("CARGO_BIN_EXE_redrill").to_owned()],
            user: nix::unistd::geteuid().as_raw(),
            caches: caches().to_owned(),
        }
    }

    /// Lets the dump be one of another version than 15.4.
    pub fn dumped_by(self, version: &str) -> Self {
        let path = self.folder.path().join("dump.sql");
        let dump = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, dump.replace("15.4", version)).unwrap();
        self
    }

    /// Gives its runs a cache of their own.
    pub fn with_own_cache(mut self) -> Self {
        self.caches = self.folder.path().join("cache");
        self
    }

    /// The templates of its local servers: names in their folder.
    pub fn templates(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.caches.join("redrill/local"));
        let entries = entries.into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    /// Lets another user run it, if the tests run as root.
    pub fn of_user(mut self, user: u32) -> Self {
        if nix::unistd::geteuid().is_root() {
            // That user may not see where the program was built.
            let program = self.folder.path().join("redrill");
            std::fs::copy(&self.program[0], &program).unwrap();
            self.program = vec![program.display().to_string()];
            chown(self.folder.path(), Some(user), Some(user)).unwrap();
            self.user = user;
        }
        self
    }

    /// Takes the right to create namespaces from root.
    pub fn without_namespaces(mut self) -> Self {
        let words = [
            "setpriv",
            "--bounding-set=-sys_admin",
            "--inh-caps=-sys_admin",
        ];
        self.program.splice(..0, words.map(str::to_owned));
        self
    }

    /// The work folder of its runs.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join(format!("redrill-{}", self.user))
    }

    /// Runs a command to its end.
    pub fn call(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Starts a command.
    pub fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program[0]);
        if !nix::unistd::Uid::from_raw(self.user).is_root() && nix::unistd::geteuid().is_root() {
            command.uid(self.user).gid(self.user);
            command.env("HOME", self.folder.path());
        }
        command
            .args(&self.program[1..])
            .args(words)
            .env("REDRILL_WORK_DIR", self.folder.path())
            .env("XDG_CACHE_HOME", &self.caches)
            .stdin(Stdio::null());
        command
    }

    /// Begins a run.
    pub fn begin(&self, provider: &str, reports: &Path) -> Child {
        let scenario = self.folder.path().join("small.toml");
        self.command(&["run", scenario.to_str().unwrap(), "--server", provider])
            .arg("--reports")
            .arg(reports)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs to the end; gives the output and the JSON report.
    pub fn run(&self, provider: &str) -> (Output, serde_json::Value) {
        let reports = self.folder.path().join(provider);
        let output = self.begin(provider, &reports).wait_with_output().unwrap();
        (output, report(&reports))
    }

    /// `redrill clean`.
    pub fn clean(&self) -> Output {
        self.command(&["clean"]).output().unwrap()
    }

    /// `redrill clean --templates`.
    pub fn clean_templates(&self) -> Output {
        self.command(&["clean", "--templates"]).output().unwrap()
    }

    /// The folder of its scenario.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A folder for reports.
    pub fn reports(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is left of its runs: files, containers, processes.
    pub fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = std::fs::read_dir(self.work())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().display().to_string())
            .collect();
        let label = format!("label=redrill.work={}", self.work().display());
        if let Ok(containers) = Command::new("docker")
            .args(["ps", "--all", "--quiet", "--filter", &label])
            .output()
        {
            let text = String::from_utf8_lossy(&containers.stdout).into_owned();
            left.extend(text.lines().map(|id| format!("container {id}")));
        }
        if let Ok(volumes) = Command::new("docker")
            .args(["volume", "ls", "--quiet", "--filter", &label])
            .output()
        {
            let text = String::from_utf8_lossy(&volumes.stdout).into_owned();
            left.extend(text.lines().map(|name| format!("volume {name}")));
        }
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            if std::fs::read_link(entry.path().join("cwd"))
                .is_ok_and(|cwd| cwd.starts_with(self.work()))
            {
                left.push(format!("process {}", entry.path().display()));
            }
        }
        left
    }
}

/// Reads the JSON report in a folder of reports.
pub fn report(reports: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(reports.join("small/drill.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
