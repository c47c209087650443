//! A shop, its backup, and releases of it: migrations that a tool of its own runs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::LazyLock;

use redrill::rehearse::rules;
use serde_json::Value;
use tempfile::TempDir;

use crate::drill::builder::{Ended, Redrill, redrill};
use crate::drill::upgrade::dump_of;
use crate::report::rehearsal;
use crate::support::caches;
use crate::support::json_schema::JsonSchema;

/// The backup of the shop, of the oldest version that all servers of the tests restore.
static DUMP: LazyLock<Vec<u8>> = LazyLock::new(|| dump(""));

/// A dump of the shop after these statements.
pub fn dump(sql: &str) -> Vec<u8> {
    let sql = format!("{}{sql}", include_str!("release.sql"));
    dump_of(15, ("C.UTF-8", "pg_dump plur"), &sql)
}

/// No further runs.
pub const FIRST_RUN_ONLY: &str = "second-run = false\ntwo-runners = false\ncrashes = 0\n";

/// A release of the shop and how it is rehearsed.
pub struct Release {
    redrill: Redrill,
    role: &'static str,
    command: String,
    settings: String,
    more: String,
    provider: &'static str,
    backup: Vec<u8>,
}

/// Begins a release whose tool is `migrate.sh`.
pub fn release() -> Release {
    let redrill = redrill().file("migrate.sh", include_str!("migrate.sh"));
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(redrill.path("migrate.sh"), mode).unwrap();
    fs::create_dir_all(redrill.path("up")).unwrap();
    Release {
        redrill: redrill.environment("XDG_CACHE_HOME", caches().to_str().unwrap()),
        role: "shop_owner",
        command: "[\"./migrate.sh\"]".to_owned(),
        settings: String::new(),
        more: String::new(),
        provider: "local",
        backup: DUMP.clone(),
    }
}

impl Release {
    /// Adds a migration.
    pub fn up(self, name: &str, sql: &str) -> Self {
        let redrill = self.redrill.file(&format!("up/{name}.sql"), sql);
        Self { redrill, ..self }
    }

    /// Adds how to undo it, and makes `down` known.
    pub fn down(self, sql: &str) -> Self {
        let redrill = self.redrill.file("down/1.sql", sql);
        let settings = self.settings + "down = [\"./migrate.sh\", \"down\"]\n";
        Self {
            redrill,
            settings,
            ..self
        }
    }

    /// Sets `command`, a list of TOML.
    pub fn command(self, command: &str) -> Self {
        let command = command.to_owned();
        Self { command, ..self }
    }

    /// Sets the role that migrates.
    pub fn role(self, role: &'static str) -> Self {
        Self { role, ..self }
    }

    /// Adds lines to `[rehearse]`.
    pub fn settings(self, lines: &str) -> Self {
        let settings = self.settings + lines;
        Self { settings, ..self }
    }

    /// Adds lines to the end of the scenario.
    pub fn more(self, lines: &str) -> Self {
        let more = self.more + lines;
        Self { more, ..self }
    }

    /// Sets the provider of servers.
    pub fn on(self, provider: &'static str) -> Self {
        Self { provider, ..self }
    }

    /// Rehearses on another backup.
    pub fn backup(self, backup: Vec<u8>) -> Self {
        Self { backup, ..self }
    }

    /// Puts the work folder on a disk of this size.
    pub fn on_a_disk_of(self, mebibytes: u32) -> Self {
        let redrill = self.redrill.on_a_disk_of(mebibytes);
        Self { redrill, ..self }
    }

    /// Adds a variable to the environment of redrill.
    pub fn environment(self, name: &str, value: &str) -> Self {
        let redrill = self.redrill.environment(name, value);
        Self { redrill, ..self }
    }

    /// Rehearses it.
    pub fn rehearse(self) -> Rehearsed {
        rehearse(self.prepared())
    }

    /// Rehearses it, and interrupts that once the tool has made a file of this name.
    pub fn interrupted_once(self, file: &str) -> Ended {
        let work = work();
        let path = work.path().to_str().unwrap();
        let ended = self
            .prepared()
            .interrupted_once(file, &["rehearse", "--quiet", "--work-dir", path]);
        nothing_is_left(work.path());
        ended
    }

    /// With its scenario.
    fn prepared(self) -> Redrill {
        let Self {
            command,
            role,
            settings,
            more,
            ..
        } = self;
        let scenario = format!(
            "schema = 1
name = \"drilled\"
[backup]
path = \"shop.sql\"
[restore]
role = [{{ name = \"shop_app\", login = true }}, {{ name = \"shop_owner\", login = true }}]
[rehearse]
command = {command}
role = \"{role}\"
{settings}{more}"
        );
        let run = self.redrill.file("shop.sql", &self.backup);
        run.scenario(&scenario).with("--server").with(self.provider)
    }
}

/// A work folder; short, since sockets are in it.
fn work() -> TempDir {
    let work = tempfile::Builder::new().prefix("rd").tempdir_in("/tmp");
    work.unwrap()
}

/// `redrill rehearse` with what was added. Whatever it gives, its reports agree, and nothing is left.
pub fn rehearse(run: Redrill) -> Rehearsed {
    let work = work();
    let ended = run.call(&[
        "rehearse",
        "--quiet",
        "--reports",
        "reports",
        "--work-dir",
        work.path().to_str().unwrap(),
    ]);
    nothing_is_left(work.path());
    let rehearsed = Rehearsed { ended };
    rehearsed.reports_agree();
    rehearsed
}

/// Nothing that was started in a work folder is there any more.
fn nothing_is_left(work: &Path) {
    let user = fs::metadata("/proc/self").unwrap().uid();
    let runs = work.join(format!("redrill-{user}"));
    let left = fs::read_dir(runs).into_iter().flatten().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "left: {left:?}");
    let work = work.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    for process in processes {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        assert!(!command.contains(work), "it runs: {command}");
    }
    let containers = std::process::Command::new("docker")
        .args(["ps", "--all", "--no-trunc", "--format", "{{.Mounts}}"])
        .output();
    if let Ok(containers) = containers {
        let mounts = String::from_utf8_lossy(&containers.stdout).into_owned();
        assert!(!mounts.contains(work), "left: {mounts}");
    }
}

/// What a rehearsal gave.
pub struct Rehearsed {
    pub ended: Ended,
}

impl Rehearsed {
    /// `rehearsal.json`.
    pub fn report(&self) -> &Value {
        let Ended { stdout, stderr, .. } = &self.ended;
        let report = self.ended.rehearsal.as_ref();
        report.unwrap_or_else(|| panic!("no report\n{stdout}\n{stderr}"))
    }

    /// The verdict, once the exit code was seen to be its own.
    pub fn verdict(&self) -> &str {
        self.report()["verdict"].as_str().unwrap()
    }

    fn reports_agree(&self) {
        let report = self.report();
        assert_eq!(report["exit_code"], self.ended.code);
        let code = match self.verdict() {
            "SAFE" => 0,
            "INCONCLUSIVE" => 3,
            "NOTHING PENDING" => 4,
            "UNSAFE" => 12,
            other => panic!("{other}"),
        };
        assert_eq!(self.ended.code, code);
        let schema = JsonSchema::of(redrill::report::json::rehearsal_schema());
        assert_eq!(schema.errors(report), "");
        let [markdown, junit, _, page] = &self.ended.rehearsal_pages;
        rehearsal::agree(markdown, page, junit, self.verdict());
        for text in self
            .ended
            .rehearsal_pages
            .iter()
            .chain([&self.ended.stdout])
        {
            assert!(text.contains(self.verdict()), "{text}");
        }
    }

    fn step(&self, name: &str) -> &Value {
        let mut steps = self.report()["steps"].as_array().unwrap().iter();
        steps.find(|step| step["name"] == name).unwrap()
    }

    /// How a step ended: `pass`, `fail`, `error`, `skipped`.
    pub fn outcome(&self, step: &str) -> &str {
        self.step(step)["outcome"].as_str().unwrap()
    }

    /// The line about a step.
    pub fn summary(&self, step: &str) -> &str {
        self.step(step)["summary"].as_str().unwrap()
    }

    /// Names of the steps that ended in this way.
    pub fn steps(&self, outcome: &str) -> Vec<&str> {
        let steps = self.report()["steps"].as_array().unwrap().iter();
        let steps = steps.filter(|step| step["outcome"] == outcome);
        steps.map(|step| step["name"].as_str().unwrap()).collect()
    }

    /// The findings of a step, and why it could not run, as text.
    pub fn findings(&self, step: &str) -> String {
        let step = self.step(step);
        let findings = step["findings"].as_array().unwrap().iter();
        let error = Some(&step["could_not_run"]).filter(|error| error.is_object());
        let text = |finding: &Value| {
            let text = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
            ["object", "expected", "actual", "reason", "hint"]
                .map(text)
                .join(" | ")
                + "\n"
        };
        findings.chain(error).map(text).collect()
    }

    /// The findings of all steps on which the verdict depends: `rule: name` where a rule is violated, `accept: change` for a
    /// change that a review must accept, otherwise object and what was found.
    pub fn faults(&self) -> BTreeSet<String> {
        self.all(false)
    }

    /// The findings on which it does not depend.
    pub fn advice(&self) -> BTreeSet<String> {
        self.all(true)
    }

    fn all(&self, of_advice: bool) -> BTreeSet<String> {
        let steps = self.report()["steps"].as_array().unwrap().iter();
        let findings = steps.flat_map(|step| step["findings"].as_array().unwrap());
        let lines = findings.map(line);
        let of_kind = lines.filter(|(advice, _)| *advice == of_advice);
        of_kind.map(|(_, line)| line).collect()
    }

    /// Expects that exactly these steps failed and that none could not run; gives the findings of the first.
    pub fn fails_in(&self, steps: &[&str]) -> String {
        let all = &self.ended.stdout;
        assert_eq!(self.steps("error"), [""; 0], "{all}");
        assert_eq!(self.steps("fail"), steps, "{all}");
        assert_eq!(self.verdict(), "UNSAFE");
        self.findings(steps[0])
    }
}

/// A finding in one line, and whether it only advises.
fn line(finding: &Value) -> (bool, String) {
    let text = |key: &str| finding[key].as_str().unwrap_or_default();
    let quoted = |after: &str, end: &str| {
        let (_, rest) = text("hint").split_once(after)?;
        Some(rest.rsplit_once(end)?.0.to_owned())
    };
    if let Some((rule, name)) = quoted("; rule `", "`")
        .as_deref()
        .and_then(|rest| rest.split_once("`; to accept it: `"))
    {
        let rule = rules::named(rule).unwrap();
        return (rule.advice, format!("{}: {name}", rule.name));
    }
    match quoted("`change = \"", "\"`") {
        Some(change) => (false, format!("accept: {change}")),
        None => (
            text("expected").starts_with("every entry of"),
            format!("{} | {}", text("object"), text("actual")),
        ),
    }
}
