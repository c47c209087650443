//! A cluster that archives its WAL while it writes, its base backup, and what is wrong with both: each fault is named.

mod bucket;
mod commands;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rstest::rstest;

use crate::support::shared;

/// A folder with `base` (tar files), `folder` (a data folder), `wal`, and `failover`: WAL of a server that was recovered to a restore point
/// and went on. Made once.
const MAKE: &str = r#"
set -e
cd "$1"; bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
"$bin/initdb" -D data -k -U postgres -A trust --no-sync > /dev/null
mkdir wal
cat >> data/postgresql.conf <<END
archive_mode = on
archive_command = 'cp %p $1/wal/%f'
listen_addresses = ''
unix_socket_directories = '$1'
fsync = off
END
"$bin/pg_ctl" -D data -w -l log start > /dev/null
sql() { "$bin/psql" -h "$1" -U postgres -qAtX -v ON_ERROR_STOP=1 -c "$2" > /dev/null; }
sql "$1" 'CREATE TABLE t (id int)'
"$bin/pg_basebackup" -h "$1" -U postgres -D base -F t -z -X stream -c fast
"$bin/pg_basebackup" -h "$1" -U postgres -D folder -X stream -c fast
sql "$1" 'INSERT INTO t SELECT generate_series(1, 100000)'
sql "$1" "SELECT pg_create_restore_point('before_release')"
for _ in 1 2 3; do sql "$1" 'INSERT INTO t VALUES (0)'; sql "$1" 'SELECT pg_switch_wal()'; done
"$bin/pg_ctl" -D data -w -m fast stop > /dev/null
cp -a folder promoted
mkdir failover
cat >> promoted/postgresql.conf <<END
archive_command = 'cp %p $1/failover/%f'
restore_command = 'cp $1/wal/%f "%p"'
recovery_target_name = 'before_release'
recovery_target_action = 'promote'
hot_standby = off
END
touch promoted/recovery.signal
"$bin/pg_ctl" -D promoted -w -l promoted.log start > /dev/null
for _ in $(seq 600); do sql "$1" 'SELECT 1' 2> /dev/null && break; sleep 0.1; done
sql "$1" 'INSERT INTO t VALUES (1)'
sql "$1" 'SELECT pg_switch_wal()'
sql "$1" 'INSERT INTO t VALUES (2)'
"$bin/pg_ctl" -D promoted -w -m fast stop > /dev/null
"#;

/// What is copied for each test.
static MADE: LazyLock<PathBuf> = LazyLock::new(|| shared::made_by_postgres(MAKE));

struct Cluster(tempfile::TempDir);

impl Cluster {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = ["base", "folder", "wal", "failover"].map(|name| MADE.join(name));
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"])
            .args(made)
            .arg(folder.path());
        assert!(copy.status().unwrap().success());
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The segment of the archive at this place, counted from the end.
    fn segment(&self, from_end: usize) -> PathBuf {
        let entries = std::fs::read_dir(self.path("wal")).unwrap().flatten();
        let mut all: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_none())
            .collect();
        all.sort();
        all.swap_remove(all.len() - 1 - from_end)
    }

    /// Adds the WAL of the second timeline to the archive.
    fn fail_over(&self) {
        for entry in std::fs::read_dir(self.path("failover")).unwrap().flatten() {
            std::fs::copy(entry.path(), self.path("wal").join(entry.file_name())).unwrap();
        }
    }

    /// Output and exit code of `redrill inspect`.
    fn inspect(&self, base: &str, recovery: &str) -> (String, i32) {
        let base = format!("path = \"{base}\"");
        self.inspect_with(&base, "path = \"wal\"", recovery)
    }

    /// The same with these settings of `[backup.base]` and `[backup.wal]`.
    fn inspect_with(&self, base: &str, wal: &str, recovery: &str) -> (String, i32) {
        let scenario = self.path("x.toml");
        let text = format!(
            "schema = 1\nname = \"x\"\n[backup.base]\n{base}\n[backup.wal]\n{wal}\n\
             [recovery]\n{recovery}\n[[check.row-count]]\ntable = \"t\"\nmin = 1\n"
        );
        std::fs::write(&scenario, text).unwrap();
        run(&["inspect", "-q"], &scenario)
    }
}

fn run(arguments: &[&str], scenario: &Path) -> (String, i32) {
    let ended = Command::new(env!("CARGO_BIN_EXE_redrill"))
        .args(arguments)
        .arg(scenario)
        .current_dir(scenario.parent().unwrap())
        .output()
        .unwrap();
    let text = [ended.stdout, ended.stderr].concat();
    let text = String::from_utf8_lossy(&text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (text, ended.status.code().unwrap())
}

fn flip(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// The label of the base backup that was taken before.
fn label_of_another(cluster: &Cluster) {
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xzf")
        .arg(cluster.path("base/base.tar.gz"))
        .arg("-C")
        .arg(cluster.path("folder"))
        .arg("backup_label");
    assert!(unpack.status().unwrap().success());
}

/// The WAL of the base backup is in another folder, as with `--waldir`.
fn wal_elsewhere(cluster: &Cluster) {
    let (wal, away) = (cluster.path("folder/pg_wal"), cluster.path("away"));
    std::fs::rename(&wal, &away).unwrap();
    std::os::unix::fs::symlink(away, wal).unwrap();
}

/// A segment of the first timeline under the name of one of the second, which begins before it.
fn other_timeline(cluster: &Cluster) {
    cluster.fail_over();
    let newest = cluster.segment(0);
    let name = newest.file_name().unwrap().to_str().unwrap();
    let of_first = cluster.path(&format!("wal/00000001{}", &name[8..]));
    std::fs::rename(of_first, newest).unwrap();
}

/// The segment in which the second timeline begins is missing, and the first has one of that number, with what was left behind.
fn missing_begin_of_timeline(cluster: &Cluster) {
    cluster.fail_over();
    std::fs::remove_file(cluster.segment(1)).unwrap();
}

#[rstest]
#[case::tar("base", "target = \"latest\"")]
#[case::folder("folder", "target = \"latest\"")]
#[case::restore_point("base", "name = \"before_release\"")]
#[case::immediate("base", "target = \"immediate\"")]
fn a_base_backup_is_whole(#[case] base: &str, #[case] recovery: &str) {
    let cluster = Cluster::make();
    let (text, code) = cluster.inspect(base, recovery);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("data checksums on"), "{text}");
}

#[rstest]
#[case::x01_gap(|c: &Cluster| std::fs::remove_file(c.segment(1)).unwrap(), "it is missing;")]
#[case::truncated(|c: &Cluster| std::fs::File::options().write(true).open(c.segment(1)).unwrap().set_len(1 << 20).unwrap(), "1048576 bytes: it was truncated")]
#[case::swapped(|c: &Cluster| assert!(std::fs::copy(c.segment(2), c.segment(1)).unwrap() > 0), "the contents of")]
#[case::corrupt(|c: &Cluster| flip(&c.segment(2), 60), "a record with a wrong checksum")]
#[case::other_cluster(|c: &Cluster| flip(&c.segment(1), 24), "WAL of another cluster")]
#[case::x07_no_label(|c: &Cluster| std::fs::remove_file(c.path("folder/backup_label")).unwrap(), "backup_label: expected where the recovery begins; found it is missing")]
#[case::page(|c: &Cluster| flip(&c.path("folder/base/1/1259"), 5000), "base/1/1259: expected the checksum in the manifest")]
#[case::missing_relation(|c: &Cluster| std::fs::remove_file(c.path("folder/base/1/1259")).unwrap(), "base/1/1259: expected a file, by the manifest; found it is missing")]
#[case::added(|c: &Cluster| std::fs::write(c.path("folder/base/1/evil"), "x").unwrap(), "base/1/evil: expected a file that the manifest lists")]
#[case::link(|c: &Cluster| std::os::unix::fs::symlink("/etc", c.path("folder/base/x")).unwrap(), "a link, which leads out of the backup")]
#[case::control(|c: &Cluster| flip(&c.path("folder/global/pg_control"), 216), "contents with another checksum")]
#[case::manifest(|c: &Cluster| flip(&c.path("folder/backup_manifest"), 300), "backup_manifest")]
#[case::label_of_another(label_of_another, "it is of another backup")]
#[case::commit_log(|c: &Cluster| flip(&c.path("folder/pg_xact/0000"), 100), "pg_xact/0000: expected the checksum in the manifest")]
#[case::tablespace_elsewhere(|c: &Cluster| std::os::unix::fs::symlink("/etc", c.path("folder/pg_tblspc/16400")).unwrap(), "pg_tblspc/16400: expected a file or a folder; found a link, which leads out of the backup")]
#[case::wal_elsewhere(wal_elsewhere, "pg_wal: expected a file or a folder; found a link")]
#[case::other_timeline(other_timeline, "expected WAL of timeline 2 at 0/")]
#[case::missing_begin_of_timeline(missing_begin_of_timeline, "expected WAL of timeline 2 at 0/4")]
fn each_fault_is_named(#[case] fault: impl Fn(&Cluster), #[case] says: &str) {
    let cluster = Cluster::make();
    fault(&cluster);
    let (text, code) = cluster.inspect("folder", "target = \"latest\"");
    assert_eq!(code, 10, "{text}");
    assert!(text.contains(says), "{text}");
}

#[rstest]
#[case::beyond("lsn = \"F/0\"", "a server would refuse this target")]
#[case::x04_before_consistency("lsn = \"0/1\"", "where the backup is consistent")]
#[case::no_such_point("name = \"nobody\"", "the restore point `nobody`")]
#[case::no_such_timeline("timeline = 7", "00000007.history in the archive")]
fn a_target_that_cannot_be_reached_is_named(#[case] recovery: &str, #[case] says: &str) {
    let (text, code) = Cluster::make().inspect("base", recovery);
    assert_eq!(code, 10, "{text}");
    assert!(text.contains(says), "{text}");
}

/// It left the first one within a segment, of which the first has the rest.
#[test]
fn a_timeline_is_followed() {
    let cluster = Cluster::make();
    cluster.fail_over();
    let (text, code) = cluster.inspect("folder", "target = \"latest\"");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("on timeline 2"), "{text}");
    let (text, code) = cluster.inspect("folder", "timeline = 1");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("on timeline 1"), "{text}");
}

/// It left the first timeline before the base backup was taken.
#[test]
fn a_timeline_that_does_not_lead_to_the_target_is_named() {
    let cluster = Cluster::make();
    let history = "1\t0/1000000\tno recovery target specified\n";
    std::fs::write(cluster.path("wal/00000002.history"), history).unwrap();
    let (text, code) = cluster.inspect("base", "timeline = 2");
    assert_eq!(code, 10, "{text}");
    let says = "one that left timeline 1 before the backup was taken";
    assert!(text.contains(says), "{text}");
    // The newest timeline that the backup leads to is its own.
    let (text, code) = cluster.inspect("base", "target = \"latest\"");
    assert_eq!(code, 0, "{text}");
}

#[rstest]
#[case("target = \"latest\"\nname = \"x\"", "a recovery has one target")]
#[case("inclusive = false", "`inclusive` has no effect")]
#[case("time = \"2026-11-24\"", "without quotes")]
fn contradictions_are_errors(#[case] recovery: &str, #[case] says: &str) {
    let cluster = Cluster(tempfile::tempdir().unwrap());
    let (text, code) = cluster.inspect("base", recovery);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains(says), "{text}");
}
