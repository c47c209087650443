//! The scenarios of the copies in S3 as they are committed, on a real server with the objects that `ci/drill.sh` gives it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::builder::{Ended, none, redrill};
use crate::backup::source::servers::{Server, free_port};
use crate::support::{plur_api, root};

/// The buckets, and their server.
struct Copies {
    folder: TempDir,
    server: Server,
}

impl Copies {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = root().join("fixtures/databases/bucket.sh");
        let made = Command::new(script).arg(folder.path()).output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let server = Server::rclone(folder.path(), free_port());
        Self { folder, server }
    }

    /// Drills a committed scenario, the same choice each time.
    fn drill(&self, system: &str) -> Ended {
        drill(system, self.server.port, "test-s3cret")
    }

    /// Changes an object, and makes it again as it was.
    fn with_damaged(&self, origin: &str, test: impl FnOnce()) {
        let object = self
            .folder
            .path()
            .join(origin.strip_prefix("s3://").unwrap());
        let good = std::fs::read(&object).unwrap();
        let mut bad = good.clone();
        // In the header of gzip, where the time of the file is: it restores as well as before.
        bad[4] ^= 1;
        std::fs::write(&object, bad).unwrap();
        test();
        std::fs::write(&object, good).unwrap();
    }
}

/// Drills a committed scenario with `--json`, so that each drill of it is a line.
fn drill(system: &str, port: u16, secret: &str) -> Ended {
    let scenario = root().join(format!("scenarios/{system}-s3.toml"));
    let endpoint = format!("http://127.0.0.1:{port}");
    let powernode_api = plur_api().with_file_name("powernode-api");
    // None of the folders of reports has this name.
    let run = redrill()
        .drilled("none")
        .with("--json")
        .with("--seed")
        .with("11");
    run.with(&scenario.display().to_string())
        .environment("PLUR_API", &plur_api().display().to_string())
        .environment("POWERNODE_API", &powernode_api.display().to_string())
        .environment("PLUR_BACKUP_S3_ENDPOINT", &endpoint)
        .environment("PLUR_BACKUP_S3_ACCESS_KEY", "test-key")
        .environment("PLUR_BACKUP_S3_SECRET_KEY", secret)
        .environment("POWERNODE_S3_ENDPOINT", &endpoint)
        .environment("POWERNODE_S3_ACCESS_KEY", "test-key")
        .environment("POWERNODE_S3_SECRET_KEY", secret)
        .run()
}

/// The drills of a run.
fn drills(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", ended.stderr)))
        .collect()
}

fn verdicts(ended: &Ended) -> Vec<String> {
    let drills = drills(ended);
    drills
        .iter()
        .map(|drill| drill["verdict"].as_str().unwrap().to_owned())
        .collect()
}

fn origin(drill: &Value) -> String {
    drill["backup"]["origin"].as_str().unwrap().to_owned()
}

#[test]
fn a_copy_of_plur_restores_and_fails_when_it_must() {
    let copies = Copies::begin();
    let good = copies.drill("plur");
    assert_eq!(good.code, 0, "{}\n{}", good.stdout, good.stderr);
    let drilled = origin(&drills(&good)[0]);
    let mut wrong = Vec::new();
    let agrees = drills(&good)[0]["backup"]["sha256_agrees_with"].to_string();
    if !agrees.contains(".sha256") {
        wrong.push(format!("the digest is not compared: {agrees}"));
    }
    copies.with_damaged(&drilled, || {
        let ended = copies.drill("plur");
        if ended.code != 10
            || !ended
                .stdout
                .contains("the file was changed or is truncated")
        {
            wrong.push(format!("damaged: {}\n{}", ended.code, ended.stdout));
        }
    });
    // A day without a copy, another one than that which is drilled.
    let folder = copies.folder.path().join("my-bucket/plur-backups");
    let mut names = objects(&folder);
    names.retain(|name| !drilled.ends_with(name.as_str()));
    std::fs::remove_file(folder.join(&names[3])).unwrap();
    let ended = copies.drill("plur");
    if ended.code != 11 || verdicts(&ended) != ["OBJECTIVE MISSED"] {
        wrong.push(format!("a day less: {}\n{}", ended.code, ended.stdout));
    }
    none(wrong);
}

/// The names of the backups in a bucket, oldest first.
fn objects(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".sql.gz")).collect();
    names.sort();
    names
}

#[test]
fn each_tier_of_powernode_restores_and_a_damaged_one_fails_alone() {
    let copies = Copies::begin();
    let good = copies.drill("powernode");
    assert_eq!(good.code, 0, "{}\n{}", good.stdout, good.stderr);
    let names: Vec<String> = drills(&good)
        .iter()
        .map(|drill| drill["scenario"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "powernode-s3-daily",
            "powernode-s3-weekly",
            "powernode-s3-monthly"
        ]
    );
    copies.with_damaged(&origin(&drills(&good)[1]), || {
        let ended = copies.drill("powernode");
        assert_eq!(
            verdicts(&ended),
            ["PROVEN", "NOT PROVEN", "PROVEN"],
            "{}",
            ended.stderr
        );
        assert_eq!(ended.code, 10);
    });
}

#[test]
fn without_its_server_or_a_key_a_scenario_says_what_is_missing() {
    let port = free_port();
    let ended = drill("plur", port, "test-s3cret");
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(
        ended.stdout.contains(&format!("127.0.0.1:{port}")),
        "{}",
        ended.stdout
    );
    let scenario = root()
        .join("scenarios/powernode-s3.toml")
        .display()
        .to_string();
    let ended = redrill().drilled("none").with(&scenario).run();
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("POWERNODE_S3_ACCESS_KEY"),
        "{}",
        ended.stdout
    );
}
