//! Base backups and WAL that real tools fetch by commands: pgBackRest and barman-cloud.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rstest::rstest;

use super::{CLUSTER, Drilled, drill, find};
use crate::backup::source::servers::Server;
use crate::support::{digests, shared};

pub(super) static PGBACKREST: LazyLock<PathBuf> =
    LazyLock::new(|| shared::made_by_postgres(&[CLUSTER, include_str!("pgbackrest.sh")].concat()));

const LATEST: &str = "target = \"latest\"";
const ENCRYPTED: &[&str] = &["--repo1-cipher-type=aes-256-cbc"];

/// A copy of a repository.
pub(super) struct Repository(pub tempfile::TempDir);

/// What a drill of it has that others have not.
struct Changes<'a> {
    /// Where the server is.
    provider: &'a str,
    /// Options of both commands.
    both: &'a [&'a str],
    /// Options of the restore.
    restore: &'a [&'a str],
    /// What is before the command of WAL.
    before_wal: &'a [&'a str],
    /// The passwords of both.
    keys: Option<[&'a str; 2]>,
    recovery: &'a str,
    rows: u32,
}

const PLAIN: Changes<'_> = Changes {
    provider: "local",
    both: &[],
    restore: &[],
    before_wal: &[],
    keys: None,
    recovery: LATEST,
    rows: 1006,
};

impl Repository {
    pub fn copy(name: &str) -> Self {
        Self::copy_of(&PGBACKREST, name)
    }

    /// A copy of one that another fixture made.
    pub fn copy_of(made: &Path, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(made.join(name));
        copy.arg(folder.path().join("repo"));
        assert!(copy.status().unwrap().success());
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The archived file of a segment, counted from the end.
    fn segment(&self, from_end: usize) -> PathBuf {
        let all = digests(&self.path("repo/archive")).into_keys();
        let mut all: Vec<PathBuf> = all
            .filter(|path| path.extension().is_some_and(|ending| ending == "lz4"))
            .collect();
        all.sort();
        all.swap_remove(all.len() - 1 - from_end)
    }

    /// The name of the full backup.
    pub fn full(&self) -> String {
        let entries = std::fs::read_dir(self.path("repo/backup/main")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut full = names.filter(|name| name.len() == 16 && name.ends_with('F'));
        full.next().unwrap()
    }

    /// Drills it, which changes nothing in it.
    fn drill(&self, changes: &Changes<'_>) -> Drilled {
        let repository = format!("--repo1-path={}", self.path("repo").display());
        let config = format!("--config={}", self.path("pgbackrest.conf").display());
        // As on a host of a database: with locks, logs and a queue of WAL that a drill must leave alone.
        let conf = format!(
            "[global]\nlock-path={0}/lock\nlog-path={0}/log\nspool-path={0}/queue\narchive-async=y\n",
            self.0.path().display()
        );
        std::fs::write(self.path("pgbackrest.conf"), conf).unwrap();
        let mut tool = vec![
            "pgbackrest",
            &config,
            "--stanza=main",
            &repository,
            "--pg1-path={folder}",
        ];
        tool.extend(changes.both);
        let restore = ["--tablespace-map-all={tablespaces}", "restore"];
        let restore = [&tool[..], changes.restore, &restore].concat();
        let get = ["archive-get", "{segment}", "{file}"];
        let get = [changes.before_wal, &tool[..], &get].concat();
        let env = ["base", "wal"].map(|name| {
            let Some([of_base, of_wal]) = changes.keys else {
                return String::new();
            };
            let key = if name == "base" { of_base } else { of_wal };
            std::fs::write(self.path(name), key).unwrap();
            format!("env = {{ PGBACKREST_REPO1_CIPHER_PASS = {{ file = \"{name}\" }} }}")
        });
        let writes = match changes.before_wal {
            [] => "",
            _ => "writes = [\"calls\"]\n",
        };
        let text = format!(
            "schema = 1\nname = \"x\"\n[server.{}]\n[backup.base]\ncommand = {restore:?}\n{}\n[backup.wal]\ncommand = {get:?}\n{writes}{}\n\
             [recovery]\n{}\n[[check.row-count]]\ntable = \"public.orders\"\nmin = {rows}\nmax = {rows}\n",
            changes.provider,
            env[0],
            env[1],
            changes.recovery,
            rows = changes.rows,
        );
        let before = digests(&self.path("repo"));
        let drilled = drill(self.0.path(), &[], &text);
        assert_eq!(digests(&self.path("repo")), before);
        for name in ["lock", "log", "queue"] {
            assert!(!self.path(name).exists(), "{name}");
        }
        let reports = digests(&self.path("reports")).into_keys();
        for report in reports {
            let text = std::fs::read(&report).unwrap();
            let text = String::from_utf8_lossy(&text);
            for key in changes.keys.into_iter().flatten() {
                assert!(!text.contains(key), "{}", report.display());
            }
        }
        drilled
    }
}

fn stages(drilled: &Drilled) -> String {
    drilled.record["stages"].to_string()
}

#[rstest]
#[case::latest("repo", Changes { provider: "container", ..PLAIN })]
#[case::latest_local("repo", PLAIN)]
#[ignore = "slow: ci/slow.sh"]
#[case::incremental("repo", Changes { recovery: "target = \"immediate\"", rows: 1002, ..PLAIN })]
#[ignore = "slow: ci/slow.sh"]
#[case::time("repo", Changes { recovery: "time = TIME", rows: 1003, ..PLAIN })]
#[ignore = "slow: ci/slow.sh"]
#[case::encrypted("secret", Changes { both: ENCRYPTED, keys: Some(["correct-horse"; 2]), ..PLAIN })]
fn pgbackrest_backups_are_proven(#[case] name: &str, #[case] changes: Changes<'_>) {
    let repository = Repository::copy(name);
    let time = std::fs::read_to_string(PGBACKREST.join("time")).unwrap();
    let recovery = changes.recovery.replace("TIME", time.trim());
    let drilled = repository.drill(&Changes {
        recovery: &recovery,
        ..changes
    });
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let record = &drilled.record;
    assert_eq!(record["verdict"], "PROVEN");
    let (backup, recovered) = (&record["backup"], &record["restore"]["recovery"]);
    assert!(
        backup["origin"]
            .as_str()
            .unwrap()
            .starts_with("pgbackrest --config=/"),
        "{backup}"
    );
    let physical = &backup["physical"];
    assert_eq!(physical["tablespaces"], 1);
    assert_eq!(physical["manifest"], false);
    assert_eq!(recovered["end"], physical["end"]);
    let fetch = &physical["fetch"];
    assert!(fetch["base_s"].as_f64().unwrap() > 0.0, "{fetch}");
    assert!(
        fetch["wal_files"].as_u64() >= physical["segments"].as_u64(),
        "{fetch}"
    );
    assert!(
        fetch["wal_origin"]
            .as_str()
            .unwrap()
            .ends_with("archive-get {segment} {file}"),
        "{fetch}"
    );
    assert_eq!(fetch["confined"], true);
    // What pgBackRest wrote for a server of its own.
    let off = recovered["switched_off"].as_array().unwrap();
    assert!(off.iter().any(|one| one == "restore_command"), "{off:?}");
    assert_eq!(recovered["left_out"], serde_json::json!([]));
    let page = find(&repository.path("reports"), "drill.md").unwrap();
    let page = super::one_line(&std::fs::read_to_string(page).unwrap());
    assert!(page.contains("base backup in "), "{page}");
}

#[test]
fn an_older_backup_of_pgbackrest_is_proven() {
    let repository = Repository::copy("repo");
    let set = format!("--set={}", repository.full());
    let drilled = repository.drill(&Changes {
        restore: &[&set],
        recovery: "target = \"immediate\"",
        rows: 1000,
        ..PLAIN
    });
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let found = drilled.record["backup"]["origin"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(found.contains(&set), "{found}");
}

#[rstest]
#[case::of_both(["wrong-horse", "wrong-horse"], "[backup.base]")]
#[case::of_wal(["correct-horse", "wrong-horse"], "gave no file at all")]
fn a_wrong_key_is_inconclusive(#[case] keys: [&str; 2], #[case] says: &str) {
    let repository = Repository::copy("secret");
    let drilled = repository.drill(&Changes {
        both: ENCRYPTED,
        keys: Some(keys),
        ..PLAIN
    });
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "INCONCLUSIVE");
    let stages = stages(&drilled);
    assert!(
        stages.contains("exit code") && stages.contains("ERROR"),
        "{stages}"
    );
    if says != "[backup.base]" {
        assert!(stages.contains(says), "{stages}");
    }
    assert!(!drilled.said.contains("horse"), "{}", drilled.said);
}

#[test]
fn a_segment_that_pgbackrest_lacks_is_named() {
    let repository = Repository::copy("repo");
    let missing = repository.segment(1);
    std::fs::remove_file(&missing).unwrap();
    let drilled = repository.drill(&PLAIN);
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "NOT PROVEN");
    let name = &missing.file_name().unwrap().to_str().unwrap()[..24];
    let stages = stages(&drilled);
    assert!(
        stages.contains(name) && stages.contains("it is missing;"),
        "{stages}"
    );
}

#[test]
fn pgbackrest_that_begins_to_fail_is_inconclusive() {
    let repository = Repository::copy("repo");
    let script = repository.path("get.sh");
    let text = "#!/bin/sh\necho >> calls; [ $(wc -l < calls) -lt 5 ] || exec pgbackrest --stanza=none archive-get\nexec \"$@\"\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(repository.path("calls"), "").unwrap();
    let drilled = repository.drill(&Changes {
        before_wal: &["./get.sh"],
        ..PLAIN
    });
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "INCONCLUSIVE");
    let stages = stages(&drilled);
    assert!(
        stages.contains("which it gave before, not any more"),
        "{stages}"
    );
}

/// Barman's tools for object storage, and a server of S3 that keeps what they write.
#[test]
fn barman_cloud_backups_are_proven() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::seaweedfs(folder.path());
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let script = include_str!("barman_cloud.sh");
    let script = format!("export ENDPOINT={endpoint}\n{CLUSTER}{script}");
    let made = shared::made_by_postgres(&script);
    let id = std::fs::read_to_string(made.join("id")).unwrap();
    let env = "env = { AWS_ACCESS_KEY_ID = \"test-key\", AWS_SECRET_ACCESS_KEY = { file = \"secret\" }, AWS_DEFAULT_REGION = \"us-east-1\" }";
    std::fs::write(folder.path().join("secret"), "test-s3cret").unwrap();
    let text = format!(
        "schema = 1\nname = \"x\"\n[server.local]\n\
         [backup.base]\ncommand = [\"barman-cloud-restore\", \"--endpoint-url\", {endpoint:?}, \"--tablespace\", \"space:{{tablespaces}}/space\", \"s3://drills\", \"main\", {id:?}, \"{{folder}}\"]\n{env}\n\
         [backup.wal]\ncommand = [\"barman-cloud-wal-restore\", \"--endpoint-url\", {endpoint:?}, \"s3://drills\", \"main\", \"{{segment}}\", \"{{file}}\"]\n{env}\n\
         [[check.row-count]]\ntable = \"public.orders\"\nmin = 1002\nmax = 1002\n",
        id = id.trim()
    );
    let drilled = drill(folder.path(), &[], &text);
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "PROVEN");
    let physical = &drilled.record["backup"]["physical"];
    assert_eq!(physical["tablespaces"], 1);
    assert_eq!(physical["fetch"]["confined"], true);
}
