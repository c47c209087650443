//! `[[backup.companion]]`: files that belong to a backup and are not in it.

use std::fs::File;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::GOOD;
use super::builder::{Ended, redrill};
use crate::backup::source::servers::{Server, free_port};

const SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
path = "shop-2026-05-25.sql.gz"

[[backup.companion]]
name = "uploads"
newest = "uploads/uploads-*.tar"
max-age = "90000h"
same-time-within = "1h"

[[backup.companion]]
name = "master key"
path = "secrets/master.key"

[[backup.companion]]
name = "workspaces"
path = "workspaces"
max-age = "1h"
read = false

[server.container]

[[check.row-count]]
name = "orgs"
table = "plur.orgs"
exact = 3
"#;

/// The uploads of the same night, a key and a folder; `change` breaks one of them.
struct Companions {
    uploads: Option<&'static str>,
    key: Option<&'static [u8]>,
    digest: Option<String>,
    workspaces_changed: Duration,
}

impl Companions {
    fn good() -> Self {
        Self {
            uploads: Some("uploads-2026-05-25.tar"),
            key: Some(b"0123456789abcdef0123456789abcdef"),
            digest: None,
            workspaces_changed: Duration::from_secs(60),
        }
    }

    fn run(self, command: &[&str]) -> Ended {
        let mut run = redrill()
            .file("scenario.toml", SCENARIO)
            .file("shop-2026-05-25.sql.gz", &GOOD.gzip)
            .file("uploads/uploads-2026-05-23.tar", "older")
            .file("workspaces/a/notes.md", "notes")
            .file("secrets/other", "x");
        let changed = SystemTime::now() - self.workspaces_changed;
        let notes = File::options()
            .write(true)
            .open(run.path("workspaces/a/notes.md"));
        notes.unwrap().set_modified(changed).unwrap();
        if let Some(name) = self.uploads {
            run = run.file(&format!("uploads/{name}"), "uploads");
        }
        if let Some(key) = self.key {
            run = run.file("secrets/master.key", key);
        }
        if let Some(digest) = &self.digest {
            run = run.file("secrets/master.key.sha256", digest);
        }
        let run = run.with("scenario.toml");
        match command {
            [] => run.run(),
            command => run.call(command),
        }
    }
}

#[test]
fn what_belongs_to_a_backup_is_found_and_named() {
    let ended = Companions::good().run(&[]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let drill = ended.drill.unwrap();
    let companions = drill["backup"]["companions"].as_array().unwrap();
    let names: Vec<&str> = companions
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["uploads", "master key", "workspaces"]);
    assert_eq!(companions[0]["made"]["at"], "2026-05-25T00:00:00Z");
    assert_eq!(companions[1]["size_bytes"], 32);
    assert!(companions[1]["sha256"].is_string());
    assert!(companions[2]["sha256"].is_null());
    assert!(
        ended.pages[0].contains("master key: "),
        "{}",
        ended.pages[0]
    );
    assert!(
        !ended.pages[0].contains("0123456789abcdef0123"),
        "the key is shown"
    );
}

#[test]
fn one_that_is_missing_empty_old_or_changed_fails_the_drill_and_the_inspection() {
    let good = Companions::good;
    // A missed objective has a code of its own.
    let cases: Vec<(&str, Companions, &str, i32)> = vec![
        (
            "the key is missing",
            Companions {
                key: None,
                ..good()
            },
            "companion master key",
            10,
        ),
        (
            "the key is empty",
            Companions {
                key: Some(b""),
                ..good()
            },
            "it is empty",
            10,
        ),
        (
            "the key is another",
            Companions {
                digest: Some(format!("{}  master.key\n", "0".repeat(64))),
                ..good()
            },
            "companion master key",
            10,
        ),
        (
            "the newest uploads are of another night",
            Companions {
                uploads: None,
                ..good()
            },
            "taken within 1 h 00 min of the backup",
            10,
        ),
        (
            "the folder did not change for a day",
            Companions {
                workspaces_changed: Duration::from_secs(86_400),
                ..good()
            },
            "of workspaces",
            11,
        ),
    ];
    for (name, companions, text, code) in cases {
        let ended = companions.run(&[]);
        assert_eq!(
            ended.code, code,
            "{name}: {}\n{}",
            ended.stdout, ended.stderr
        );
        let shown: Vec<&str> = ended.stdout.split_whitespace().collect();
        assert!(shown.join(" ").contains(text), "{name}: {}", ended.stdout);
    }
    let missing = Companions {
        key: None,
        ..good()
    };
    let ended = missing.run(&["inspect"]);
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("companion master key"),
        "{}",
        ended.stdout
    );
}

/// Reads a row and decrypts it with the key in the file.
const DECRYPTS: &str = r#"set -eu
material=$(psql -XAtqc 'SELECT material FROM public.secrets ORDER BY id LIMIT 1')
printf '%s' "$material" | openssl enc -d -aes-256-cbc -a -A -pbkdf2 -pass "file:$1" | grep -q '^made up'
"#;

#[test]
fn a_program_finds_out_whether_the_key_decrypts_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef\n").unwrap();
    std::fs::write(folder.path().join("text"), "made up").unwrap();
    let encrypted = std::process::Command::new("openssl")
        .args(["enc", "-aes-256-cbc", "-a", "-A", "-pbkdf2", "-in", "text"])
        .args(["-pass", "file:key"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(encrypted.status.success(), "{encrypted:?}");
    let material = String::from_utf8(encrypted.stdout).unwrap();
    let dump = format!(
        "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\nCREATE TABLE public.secrets (id integer, material text);\nCOPY public.secrets (id, material) FROM stdin;\n1\t{material}\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n"
    );
    let scenario = r#"schema = 1
name = "drilled"
[backup]
path = "shop.sql"
[[backup.companion]]
name = "master key"
path = "secrets/master.key"
[[check.command]]
name = "the key decrypts a secret"
command = ["/bin/sh", "decrypts.sh", "{companion.master key}"]
"#;
    let drill = |scenario: &str, key: &str| {
        redrill()
            .file("scenario.toml", scenario)
            .file("decrypts.sh", DECRYPTS)
            .file("shop.sql", &dump)
            .file("secrets/master.key", key)
            .with("scenario.toml")
            .run()
    };
    let id = "command/the-key-decrypts-a-secret";
    let ended = drill(scenario, "0123456789abcdef\n");
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let ended = drill(scenario, "fedcba9876543210\n");
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.checks("fail"), [id]);
    assert!(!ended.stdout.contains(&material), "a row is shown");
    // In a variable instead of an argument.
    let in_env = scenario.replace(
        "\"decrypts.sh\", \"{companion.master key}\"]",
        "\"-c\", 'sh decrypts.sh \"$KEY\"']\nenv = { KEY = \"{companion.master key}\" }",
    );
    let ended = drill(&in_env, "0123456789abcdef\n");
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let ended = drill(
        &scenario.replace("{companion.master key}", "{companion.masterkey}"),
        "x",
    );
    assert_eq!(ended.code, 2, "{}\n{}", ended.stdout, ended.stderr);
    let said = &ended.stderr;
    assert!(
        said.contains("no companion `masterkey`") && said.contains("`master key`"),
        "{said}"
    );
}

/// A bucket with the uploads of two nights and a key.
struct Bucket {
    folder: TempDir,
    server: Server,
}

impl Bucket {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = folder.path().join("instance");
        for name in ["uploads", "secrets"] {
            std::fs::create_dir_all(bucket.join(name)).unwrap();
        }
        let digest = redrill::digest::sha256_of(&b"uploads"[..]).unwrap();
        for (name, text) in [
            ("uploads/uploads-2026-05-24.tar", "older"),
            ("uploads/uploads-2026-05-25.tar", "uploads"),
            ("uploads/uploads-2026-05-25.tar.sha256", digest.as_str()),
            ("secrets/uploads-2026-05-25.tar", "0123456789abcdef"),
        ] {
            std::fs::write(bucket.join(name), text).unwrap();
        }
        let server = Server::rclone(folder.path(), free_port());
        Self { folder, server }
    }

    fn drill(&self, change: impl Fn(String) -> String) -> Ended {
        let scenario = format!(
            r#"schema = 1
name = "drilled"
[backup]
path = "shop-2026-05-25.sql.gz"
[[backup.companion]]
name = "uploads"
max-age = "90000h"
same-time-within = "1h"
s3 = {{ bucket = "instance", newest = "uploads/uploads-*.tar", endpoint = "http://127.0.0.1:{port}" }}
[[backup.companion]]
name = "key"
[backup.companion.s3]
bucket = "instance"
key = "secrets/uploads-2026-05-25.tar"
endpoint = "http://127.0.0.1:{port}"
[[check.command]]
name = "both were fetched"
command = ["/bin/sh", "-c", 'test "$(cat "$1")" = uploads && test "$(cut -c 1-8 "$2")" = 01234567 && test "$(wc -c < "$2")" -eq 16', "sh", "{{companion.uploads}}", "{{companion.key}}"]
"#,
            port = self.server.port
        );
        redrill()
            .file("scenario.toml", change(scenario))
            .file("shop-2026-05-25.sql.gz", &GOOD.gzip)
            .environment("AWS_ACCESS_KEY_ID", "test-key")
            .environment("AWS_SECRET_ACCESS_KEY", "test-s3cret")
            .with("scenario.toml")
            .run()
    }

    /// Drills with another content of an object, or without it; afterwards it is as before.
    fn with(&self, name: &str, content: Option<&str>) -> Ended {
        let path = self.folder.path().join("instance").join(name);
        let good = std::fs::read(&path).unwrap();
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let ended = self.drill(|scenario| scenario);
        std::fs::write(&path, good).unwrap();
        ended
    }
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn companions_of_a_bucket_are_fetched_and_judged_as_those_of_a_folder() {
    const UPLOADS: &str = "uploads/uploads-2026-05-25.tar";
    const KEY: &str = "secrets/uploads-2026-05-25.tar";
    let bucket = Bucket::begin();
    let ended = bucket.drill(|scenario| scenario);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let drill = ended.drill.unwrap();
    let companions = &drill["backup"]["companions"];
    assert_eq!(companions[0]["origin"], format!("s3://instance/{UPLOADS}"));
    assert_eq!(companions[0]["made"]["at"], "2026-05-25T00:00:00Z");
    assert!(
        companions[0]["digest"]
            .as_str()
            .is_some_and(|digest| digest.contains(".sha256")),
        "{companions}"
    );
    assert_eq!(companions[1]["size_bytes"], 16);
    assert!(
        !drill.to_string().contains("0123456789abcdef"),
        "the key is shown"
    );
    let fails = |ended: Ended, code: i32, text: &str| {
        let shown: Vec<&str> = ended.stdout.split_whitespace().collect();
        let shown = shown.join(" ");
        assert_eq!(ended.code, code, "{text}: {shown}\n{}", ended.stderr);
        assert!(shown.contains(text), "no `{text}` in {shown}");
    };
    fails(bucket.with(KEY, None), 10, "companion key");
    fails(bucket.with(KEY, Some("")), 10, "it is empty");
    fails(
        bucket.with(KEY, Some("fedcba9876543210")),
        10,
        "both were fetched (command",
    );
    fails(
        bucket.with(UPLOADS, Some("others")),
        10,
        "companion uploads",
    );
    fails(
        bucket.with(UPLOADS, None),
        10,
        "taken within 1 h 00 min of the backup",
    );
    let none_match = bucket.drill(|scenario| scenario.replace("uploads-*.tar", "photos-*.tar"));
    fails(none_match, 10, "companion uploads");
    let old = bucket.drill(|scenario| scenario.replace("90000h", "1h"));
    fails(old, 11, "of uploads");
    // What prevents an answer says nothing of the backup.
    let no_bucket = bucket.drill(|scenario| scenario.replace("\"instance\"", "\"other\""));
    fails(no_bucket, 3, "the bucket `other` does not exist");
    let no_server = bucket.drill(|scenario| {
        let port = bucket.server.port.to_string();
        scenario.replace(&port, &free_port().to_string())
    });
    fails(no_server, 3, "companion `uploads`: ");
}
