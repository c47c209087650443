//! Base backups that are recovered and proven: each target, both providers, and faults made from a good backup.

mod chains;
mod commands;
mod extensions;
mod faults;
mod large;
mod sections;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rstest::rstest;

use crate::backup::source::servers::{Server, free_port};
use crate::support::shared;

/// What the fixtures of this folder begin with.
const CLUSTER: &str = include_str!("cluster.sh");
const MAKE: &str = include_str!("make.sh");

/// The files of the good backup: `base`, `wal`, and the moments.
static GOOD: LazyLock<PathBuf> =
    LazyLock::new(|| shared::made_by_postgres(&[CLUSTER, MAKE].concat()));

/// The folders of the good backup and of its WAL.
pub fn good() -> (PathBuf, PathBuf) {
    (GOOD.join("base"), GOOD.join("wal"))
}

/// A copy of the good backup, to be broken.
struct Copy(tempfile::TempDir);

impl Copy {
    fn make() -> Self {
        Self::of("base")
    }

    /// A copy of the base backup of this name.
    fn of(base: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (from, name) in [(base, "base"), ("wal", "wal")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            for entry in std::fs::read_dir(GOOD.join(from)).unwrap() {
                let entry = entry.unwrap();
                let to = folder.path().join(name).join(entry.file_name());
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A moment that the source noted.
    fn moment(name: &str) -> String {
        let text = std::fs::read_to_string(GOOD.join(name)).unwrap();
        text.trim().to_owned()
    }

    /// Drills it; returns the exit code, what was printed and the record.
    fn drill(&self, provider: &str, recovery: &str, more: &str) -> Drilled {
        self.drill_with(&[], provider, recovery, more)
    }

    /// Drills it with these further words on the command line.
    fn drill_with(&self, words: &[&str], provider: &str, recovery: &str, more: &str) -> Drilled {
        let text = format!(
            "schema = 1\nname = \"x\"\n[server.{provider}]\n[backup.base]\npath = \"base\"\n[backup.wal]\npath = \"wal\"\n\
             [recovery]\n{recovery}\n{more}\n"
        );
        drill(self.0.path(), words, &text)
    }
}

/// Drills a scenario in a folder, with further words on the command line.
fn drill(folder: &Path, words: &[&str], text: &str) -> Drilled {
    let scenario = folder.join("x.toml");
    std::fs::write(&scenario, text).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_redrill"))
        .args(["run", "-q", "--no-state", "--reports", "reports"])
        .args(words)
        .arg(&scenario)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = [ended.stdout, ended.stderr].concat();
    let record = find(&folder.join("reports"), "drill.json");
    let record = record.map(|path| std::fs::read_to_string(path).unwrap());
    Drilled {
        code: ended.status.code().unwrap(),
        said: one_line(&String::from_utf8_lossy(&text)),
        record: record.map_or_else(serde_json::Value::default, |text| {
            serde_json::from_str(&text).unwrap()
        }),
    }
}

/// The result of a drill.
struct Drilled {
    code: i32,
    said: String,
    record: serde_json::Value,
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.ends_with(name) {
            return Some(path);
        }
    }
    None
}

/// Checks that hold where `orders` has so many rows.
fn orders(rows: u32) -> String {
    format!(
        "[[check.row-count]]\ntable = \"public.orders\"\nmin = {rows}\nmax = {rows}\n\
         [[check.role]]\nrole = \"app\"\ndatabase = \"shop\"\nfloor = [\"select on public.orders\"]\n\
         ceiling = [\"select on public.orders\", \"usage on schema public\", \"connect, temporary on database shop\"]\n"
    )
}

#[rstest]
#[case::latest("container", "target = \"latest\"", 100)]
#[case::latest_local("local", "target = \"latest\"", 100)]
#[case::immediate("local", "target = \"immediate\"", 3000)]
#[ignore = "slow: ci/slow.sh"]
#[case::name("local", "name = \"before_release\"", 3001)]
#[ignore = "slow: ci/slow.sh"]
#[case::time("container", "time = TIME", 3002)]
#[case::time_local("local", "time = TIME", 3002)]
#[ignore = "slow: ci/slow.sh"]
#[case::transaction("local", "transaction = TRANSACTION", 3003)]
#[case::before_transaction("local", "transaction = TRANSACTION\ninclusive = false", 3002)]
#[ignore = "slow: ci/slow.sh"]
#[case::lsn("local", "lsn = \"LSN\"", 3003)]
#[case::before_lsn("local", "lsn = \"LSN\"\ninclusive = false", 3003)]
fn each_target_is_reached(#[case] provider: &str, #[case] recovery: &str, #[case] rows: u32) {
    let copy = Copy::make();
    let recovery = recovery
        .replace("TIME", &Copy::moment("time"))
        .replace("TRANSACTION", &Copy::moment("transaction"))
        .replace("LSN", &Copy::moment("lsn"));
    let drilled = copy.drill(provider, &recovery, &orders(rows));
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let record = &drilled.record;
    assert_eq!(record["verdict"], "PROVEN");
    let (recovered, cluster) = (&record["restore"]["recovery"], &record["proof"]["cluster"]);
    // Where the server ended is where the WAL was read to before it started.
    assert_eq!(recovered["end"], record["backup"]["physical"]["end"]);
    assert_eq!(recovered["timeline"], 2);
    assert_eq!(recovered["libraries"][0], "pg_stat_statements");
    let off = recovered["switched_off"].as_array().unwrap();
    for name in ["archive_command", "cron.database_name", "listen_addresses"] {
        assert!(off.iter().any(|one| one == name), "{off:?}");
    }
    assert_eq!(recovered["unlogged"][0], "shop: public.scratch");
    assert_eq!(cluster["large_objects"], 1);
    // `postgres`, `template1`, `shop`, and `closed`, to which nobody may connect.
    assert_eq!(cluster["databases"], 4);
    assert!(
        cluster["verified_indexes"].as_u64().unwrap() > 100,
        "{cluster}"
    );
    assert!(cluster["references"].as_u64().unwrap() > 300, "{cluster}");
    assert!(cluster["pages"].as_u64().unwrap() > 1000, "{cluster}");
    let phases = record["restore"]["phases"].as_array().unwrap();
    let phases: Vec<&str> = phases
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(
        phases,
        [
            "copy",
            "start",
            "until consistent",
            "replay",
            "promotion",
            "first query"
        ]
    );
    // A record makes its reports again.
    let again = Command::new(env!("CARGO_BIN_EXE_redrill"))
        .args(["report", "--format", "markdown"])
        .arg(find(&copy.path("reports"), "drill.json").unwrap())
        .output()
        .unwrap();
    let stored = std::fs::read(find(&copy.path("reports"), "drill.md").unwrap()).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&again.stdout),
        String::from_utf8_lossy(&stored)
    );
    let shown = one_line(&String::from_utf8_lossy(&stored));
    assert!(
        shown.contains("Settings that were not taken over"),
        "{shown}"
    );
    assert!(shown.contains("the values of rows"), "{shown}");
}

/// The time to fetch is a part of the recovery time: a real recovery has to fetch too.
#[test]
fn wal_in_a_bucket_is_fetched_and_replayed() {
    let copy = Copy::make();
    let bucket = copy.path("storage/archive/wal");
    std::fs::create_dir_all(&bucket).unwrap();
    for entry in std::fs::read_dir(copy.path("wal")).unwrap() {
        let (path, name) = entry.map(|one| (one.path(), one.file_name())).unwrap();
        let content = std::fs::read(&path).unwrap();
        let to = bucket.join(name.to_str().unwrap().to_owned() + ".zst");
        std::fs::write(to, zstd::encode_all(content.as_slice(), 1).unwrap()).unwrap();
    }
    std::fs::remove_dir_all(copy.path("wal")).unwrap();
    std::fs::write(copy.path("key"), "test-s3cret").unwrap();
    let server = Server::rclone(&copy.path("storage"), free_port());
    let text = format!(
        "schema = 1\nname = \"x\"\n[server.local]\n[objective]\nrestore-within = \"1h\"\n[recovery]\ntime = {}\n\
         [backup.base]\ncommand = [\"sh\", \"-c\", \"sleep 2; cp -a base/. $0\", \"{{folder}}\"]\n\
         [backup.wal.s3]\nbucket = \"archive\"\nprefix = \"wal/\"\nendpoint = \"http://127.0.0.1:{}\"\n\
         access-key-id = \"test-key\"\nsecret-access-key = {{ file = \"key\" }}\n{}",
        Copy::moment("time"),
        server.port,
        orders(3002)
    );
    let drilled = drill(copy.0.path(), &[], &text);
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let record = &drilled.record;
    assert_eq!(record["verdict"], "PROVEN");
    let (backup, restore) = (&record["backup"], &record["restore"]);
    assert_eq!(restore["recovery"]["end"], backup["physical"]["end"]);
    let fetch = &backup["physical"]["fetch"];
    assert_eq!(fetch["wal_origin"], "s3://archive/wal/");
    // Of the base backup are the first segments.
    assert!(fetch["wal_files"].as_u64().unwrap() >= 1, "{fetch}");
    let seconds = |value: &serde_json::Value| value.as_f64().unwrap();
    let fetched = seconds(&backup["fetched_s"]);
    let parts = seconds(&fetch["base_s"]) + seconds(&fetch["wal_s"]);
    assert!(fetched > 2.0 && (fetched - parts).abs() < 0.01, "{fetch}");
    let actual = seconds(&record["objectives"][0]["actual_s"]);
    let whole = fetched + seconds(&restore["duration_s"]);
    assert!((actual - whole).abs() < 0.01, "{actual} {whole}");
    let page = find(&copy.path("reports"), "drill.md").unwrap();
    let page = one_line(&std::fs::read_to_string(page).unwrap());
    assert!(page.contains("to fetch the backup"), "{page}");
}

#[test]
fn a_canary_shows_what_was_lost() {
    let time = Copy::moment("time");
    let pitr =
        "[pitr]\ncanary = \"public.redrill_canary\"\nevery = \"1s\"\nmax-data-loss = \"1h\"\n";
    let copy = Copy::make();
    let drilled = copy.drill("local", &format!("time = {time}"), &(orders(3002) + pitr));
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let canary = &drilled.record["proof"]["cluster"]["canary"];
    assert_eq!(canary["rows"], 2);
    assert!(
        canary["newest"].as_str().unwrap() < time.as_str(),
        "{canary}"
    );
    // Nothing is as new as that.
    let pitr = pitr.replace("1h", "1ms");
    let drilled = copy.drill("local", &format!("time = {time}"), &(orders(3002) + &pitr));
    assert_eq!(
        drilled.record["verdict"], "OBJECTIVE MISSED",
        "{}",
        drilled.said
    );
    // A table that is none.
    let pitr = pitr.replace("redrill_canary", "nobody");
    let drilled = copy.drill("local", &format!("time = {time}"), &(orders(3002) + &pitr));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    assert!(drilled.said.contains("public.nobody"), "{}", drilled.said);
}

/// Its label says so, and where it is consistent is in its control file, not in the WAL.
#[rstest]
#[case::latest("container", "target = \"latest\"", 100)]
#[case::immediate("local", "target = \"immediate\"", 3000)]
fn a_base_backup_of_a_standby_is_recovered(
    #[case] provider: &str,
    #[case] recovery: &str,
    #[case] rows: u32,
) {
    let copy = Copy::of("of_standby");
    let drilled = copy.drill(provider, recovery, &orders(rows));
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let (recovered, physical) = (
        &drilled.record["restore"]["recovery"],
        &drilled.record["backup"]["physical"],
    );
    assert_eq!(recovered["end"], physical["end"]);
    assert!(physical["consistent"].is_string(), "{physical}");
}

#[test]
fn a_recovery_is_compared_with_an_earlier_one() {
    let copy = Copy::make();
    let baseline = "[[check.baseline]]\ndatabase = \"shop\"\nrecord = \"last.toml\"\n";
    for _ in 0..2 {
        let drilled = copy.drill("local", "target = \"latest\"", baseline);
        assert_eq!(drilled.code, 0, "{}", drilled.said);
        // Of a cluster everything is compared.
        let said = &drilled.said;
        assert!(!said.contains("against the baseline: owners"), "{said}");
    }
    // Its rows are of a later moment.
    let drilled = copy.drill("local", "target = \"immediate\"", baseline);
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    let said = &drilled.said;
    assert!(said.contains("public.redrill_canary"), "{said}");
}

#[test]
fn selected_checks_run_on_a_recovered_server() {
    let copy = Copy::make();
    let only = ["--only", "row-count"];
    let drilled = copy.drill_with(&only, "local", "target = \"immediate\"", &orders(3000));
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "CHECKS PASSED");
    let drilled = copy.drill_with(&only, "local", "target = \"latest\"", &orders(3000));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
}

#[rstest]
#[case::other_major("major = 17", "starts on a server of that version only")]
fn a_server_that_cannot_recover_it_is_named(#[case] server: &str, #[case] says: &str) {
    let copy = Copy::make();
    let provider = format!("local]\n[server]\n{server}\n[objective");
    let drilled = copy.drill(&provider, "target = \"latest\"", &orders(1));
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    assert!(drilled.said.contains(says), "{}", drilled.said);
}

/// It holds its locks until somebody ends it, in production too.
#[test]
fn a_prepared_transaction_that_locks_a_table_is_named() {
    let copy = Copy::make();
    let drilled = copy.drill("local", "name = \"locked\"", &orders(100));
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let prepared = drilled.record["restore"]["recovery"]["prepared"].to_string();
    assert!(prepared.contains("locks"), "{prepared}");
    // Of a database that nobody may connect to.
    assert!(prepared.contains("closed: closed"), "{prepared}");
}

/// Code of the backup would run while amcheck is created, and could answer in its place.
#[test]
fn indexes_that_cannot_be_verified_are_not_proven() {
    let copy = Copy::make();
    let drilled = copy.drill("local", "name = \"watched\"", &orders(100));
    let version = drilled.record["server"]["version"].as_str().unwrap();
    let major: u32 = version.split('.').next().unwrap().parse().unwrap();
    // A newer server switches event triggers off.
    let code = if major < 17 { 3 } else { 0 };
    assert_eq!(drilled.code, code, "{}", drilled.said);
    let named = drilled.said.contains("event triggers");
    assert_eq!(named, major < 17, "{}", drilled.said);
}
