//! Incremental backups: rebuilt as pg_combinebackup does it, drilled, from data folders and tar files.

mod faults;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use basebackup::manifest::{Algorithm, Sum};
use redrill::backup::base::settings::Physical;
use redrill::backup::base::{Further, inspect};
use redrill::backup::inspect::Inspection;
use redrill::backup::source::{Rules, path};
use redrill::backup::spool::Spool;
use redrill::data_folder::DataFolder;
use rstest::rstest;

use super::{CLUSTER, Drilled, drill, find, one_line};
use crate::support::shared;

static OF_17: LazyLock<PathBuf> = LazyLock::new(|| made(17));
static OF_18: LazyLock<PathBuf> = LazyLock::new(|| made(18));

fn made(major: u32) -> PathBuf {
    shared::made_in_image(major, &[CLUSTER, include_str!("chain.sh")].concat())
}

/// Some folders of a chain, to be broken: its files are links to those of the good one until they are put anew.
struct Chain(tempfile::TempDir);

/// Puts a file in place of another one.
fn put(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

impl Chain {
    fn of(from: &Path, names: &[&str]) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let mut copy = Command::new("cp");
        copy.args(["-a", "--link"]);
        copy.args(names.iter().map(|name| from.join(name)));
        assert!(copy.arg(folder.path()).status().unwrap().success());
        Self(folder)
    }

    /// The data folders without the archived WAL.
    fn make() -> Self {
        Self::of(&OF_17, &["full", "first", "second"])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Output and exit code of `redrill inspect` with these settings of `[backup.base]`.
    fn inspect(&self, base: &str) -> (String, i32) {
        let scenario = self.path("x.toml");
        let text = format!(
            "schema = 1\nname = \"x\"\n[backup.base]\n{base}\n[recovery]\ntarget = \"immediate\"\n\
             [[check.row-count]]\ntable = \"t\"\nmin = 1\n"
        );
        fs::write(&scenario, text).unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_redrill"))
            .args(["inspect", "-q"])
            .arg(&scenario)
            .output()
            .unwrap();
        let text = [ended.stdout, ended.stderr].concat();
        let text = one_line(&String::from_utf8_lossy(&text));
        (text, ended.status.code().unwrap())
    }

    /// The largest incremental file of a backup, of a relation that the manifests list as such all the way down.
    fn incremental(&self, backup: &str) -> PathBuf {
        let all = files(&self.path(backup)).into_keys();
        let all = all.filter(|path| path.contains("INCREMENTAL.") && path.starts_with("base/"));
        let of_chain = all.filter(|path| {
            let whole = path.replace("INCREMENTAL.", "");
            self.path("full").join(whole).exists()
        });
        let sized = of_chain.map(|path| self.path(backup).join(path));
        sized
            .max_by_key(|path| path.metadata().unwrap().len())
            .unwrap()
    }

    /// The path of the whole file in another backup.
    fn whole(&self, backup: &str) -> PathBuf {
        let of_second = self.incremental("second");
        let within = of_second.strip_prefix(self.path("second")).unwrap();
        let within = within.display().to_string().replace("INCREMENTAL.", "");
        self.path(backup).join(within)
    }

    /// The path, in any backup, of the largest file of which only the full backup has pages.
    fn unchanged(&self, backup: &str) -> PathBuf {
        let full = files(&self.path("full")).into_iter();
        let is_empty = |path: &str, backup: &str| {
            let (folder, name) = path.rsplit_once('/').unwrap_or_default();
            let path = format!("{backup}/{folder}/INCREMENTAL.{name}");
            self.path(&path)
                .metadata()
                .is_ok_and(|file| file.len() == 12)
        };
        let kept =
            full.filter(|(path, _)| ["first", "second"].iter().all(|one| is_empty(path, one)));
        let (path, _) = kept.max_by_key(|(_, content)| content.len()).unwrap();
        self.path(backup).join(path)
    }

    /// Changes a file; the manifest of its backup would show it, so it is removed.
    fn edit(&self, backup: &str, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        put(path, &bytes);
        self.forget(backup);
    }

    /// Flips a bit in a page of the full backup.
    fn damage_full_backup(&self) {
        let path = self.whole("full");
        let mut bytes = fs::read(&path).unwrap();
        bytes[5000] ^= 1;
        put(&path, &bytes);
    }

    fn forget(&self, backup: &str) {
        let _ = fs::remove_file(self.path(backup).join("backup_manifest"));
    }

    /// Changes `pg_control` of a backup, whose checksum is right then.
    fn control(&self, backup: &str, change: impl FnOnce(&mut [u8])) {
        let path = self.path(backup).join("global/pg_control");
        self.edit(backup, &path, |bytes| {
            change(bytes);
            let mut sum = Sum::of(Algorithm::Crc32c);
            sum.update(&bytes[..288]);
            bytes[288..292].copy_from_slice(&sum.finish());
        });
    }

    /// Replaces a text in the label of a backup.
    fn label(&self, backup: &str, from: &str, to: &str) {
        let path = self.path(backup).join("backup_label");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        put(&path, text.replace(from, to).as_bytes());
        self.forget(backup);
    }

    /// The first line of a label: where the backup starts.
    fn start(&self, backup: &str) -> String {
        let label = fs::read_to_string(self.path(backup).join("backup_label")).unwrap();
        label.split(' ').nth(3).unwrap().to_owned()
    }
}

/// All files below a folder, by path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    all.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    all
}

/// A data folder in memory.
#[derive(Default)]
struct Kept {
    files: BTreeMap<String, Vec<u8>>,
    last: String,
}

impl DataFolder for Kept {
    fn folder(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn begin(&mut self, path: &str, _: u64) -> io::Result<()> {
        path.clone_into(&mut self.last);
        self.files.insert(path.to_owned(), Vec::new());
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.files.get_mut(&self.last).unwrap().extend(bytes);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What redrill lays out of a backup.
fn laid_out(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let spool = tempfile::tempdir().unwrap();
    let inspection = Inspection::quiet(Spool::in_folder(spool.path().join("spool")));
    let found = path::find(folder, &Rules::default()).unwrap();
    let backup = inspect(&found, &Physical::default(), Further::No, &inspection).unwrap();
    assert_eq!(backup.problems, []);
    let mut kept = Kept::default();
    backup.physical.unwrap().lay_out("", &mut kept).unwrap();
    kept.files
}

/// The files that redrill does not write itself.
fn of_relations(files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let kept = [
        "base/",
        "global/",
        "pg_tblspc/",
        "pg_xact/",
        "pg_multixact/",
    ];
    let is_kept = |path: &str| {
        matches!(path, "backup_label" | "PG_VERSION")
            || kept.iter().any(|folder| path.starts_with(folder))
    };
    let files = files.into_iter();
    files.filter(|(path, _)| is_kept(path)).collect()
}

#[rstest]
#[case::of_17(&OF_17)]
#[ignore = "slow: ci/slow.sh"]
#[case::of_18(&OF_18)]
fn each_file_is_that_of_pg_combinebackup(#[case] made: &LazyLock<PathBuf>) {
    let combined = of_relations(files(&made.join("combined")));
    let rebuilt = of_relations(laid_out(&made.join("second")));
    assert!(combined.len() > 1000);
    assert!(combined.keys().any(|path| path.starts_with("pg_tblspc/")));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&rebuilt), names(&combined));
    for (path, content) in &combined {
        assert!(rebuilt[path] == *content, "{path} differs");
    }
    // They are of all three backups.
    let incremental = |backup: &str| {
        let all = files(&made.join(backup)).into_iter();
        let all = all.filter(|(path, content)| path.contains("INCREMENTAL.") && content.len() > 12);
        all.count()
    };
    assert!(incremental("first") > 2 && incremental("second") > 2);
}

/// The checks of the good chain, at the restore point after it.
const CHECKS: &str = r#"
[[check.row-count]]
table = "public.orders"
min = 3011
max = 3011
[[check.row-count]]
table = "public.unchanged"
min = 3000
max = 3000
[[check.row-count]]
table = "public.shrunk"
min = 110
max = 110
[[check.row-count]]
table = "public.emptied"
min = 7
max = 7
[[check.row-count]]
table = "public.created"
min = 10
max = 10
[[check.sql]]
query = "SELECT count(*) FROM public.within WHERE note IN ('first', 'second')"
scalar = 2
[[check.object]]
kind = "table"
present = ["public.created"]
absent = ["public.dropped"]
"#;

fn drilled(chain: &Chain, base: &str, recovery: &str, checks: &str) -> Drilled {
    let text = format!(
        "schema = 1\nname = \"x\"\n[server.container]\n[backup.base]\n{base}\n[backup.wal]\npath = \"wal\"\n\
         [recovery]\n{recovery}\n{checks}\n"
    );
    drill(chain.0.path(), &[], &text)
}

#[rstest]
#[case::of_17(&OF_17)]
#[ignore = "slow: ci/slow.sh"]
#[case::of_18(&OF_18)]
fn a_chain_is_recovered(#[case] made: &LazyLock<PathBuf>) {
    let chain = Chain::of(made, &["full", "first", "second", "wal"]);
    let drilled = drilled(
        &chain,
        "path = \"second\"",
        "name = \"after_the_chain\"",
        CHECKS,
    );
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "PROVEN");
    let backup = &drilled.record["backup"];
    let format = "base backup, chain of 3, data folders";
    assert_eq!(backup["format"], format, "{backup}");
    let listed = backup["physical"]["chain"]["backups"].as_array().unwrap();
    for (one, name) in listed.iter().zip(["full", "first", "second"]) {
        assert_eq!(one["name"], name);
        assert_eq!(one["start"], chain.start(name));
    }
    let page = find(&chain.path("reports"), "drill.md").unwrap();
    let page = one_line(&fs::read_to_string(page).unwrap());
    let line = format!("first from {} on timeline 1", chain.start("first"));
    assert!(page.contains(&line), "{page}");
    let pages = &drilled.record["proof"]["cluster"]["pages"];
    assert!(pages.as_u64().unwrap() > 2000, "{pages}");
}

/// Tar files have a tablespace that is elsewhere on the source. They are unpacked for the run only.
#[test]
fn a_chain_of_tar_files_is_recovered() {
    let chain = Chain::of(&OF_17, &["tars", "wal"]);
    let checks = CHECKS.replace("3011", "3012")
        + "[[check.sql]]\nquery = \"SELECT count(*) FROM public.without WHERE note = 'first' AND id = 1\"\nscalar = 1\n";
    let drilled = drilled(
        &chain,
        "path = \"tars/first\"",
        "target = \"latest\"",
        &checks,
    );
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let backup = &drilled.record["backup"];
    assert_eq!(backup["format"], "base backup, chain of 2, tar, gzip");
    assert_eq!(backup["physical"]["tablespaces"], 2);
    // That of the newest one, which is a file next to its tar files.
    assert_eq!(backup["physical"]["manifest"], true);
    let (stored, size) = (&backup["size_bytes"], &backup["uncompressed_bytes"]);
    assert!(stored.as_u64() < size.as_u64(), "{backup}");
}

#[test]
fn parents_are_found_next_to_it_and_where_they_are_listed() {
    let chain = Chain::make();
    let digest = |said: &str| {
        let (_, from) = said.split_once("sha256 ").unwrap();
        from.split(' ').next().unwrap().to_owned()
    };
    let (beside, code) = chain.inspect("path = \"second\"");
    assert_eq!(code, 0, "{beside}");
    for backup in ["full", "first", "second"] {
        let line = format!("{backup} from {}", chain.start(backup));
        assert!(beside.contains(&line), "{beside}");
    }
    // Elsewhere, in any order, and with one that is of no use.
    fs::create_dir(chain.path("kept")).unwrap();
    for backup in ["full", "first"] {
        fs::rename(chain.path(backup), chain.path("kept").join(backup)).unwrap();
    }
    let (lost, code) = chain.inspect("path = \"second\"");
    assert_eq!(code, 10, "{lost}");
    assert!(lost.contains("there is no other backup"), "{lost}");
    let listed = "path = \"second\"\nparents = [\"kept/first\", \"kept/full\"]";
    for list in [listed, &listed.replace("[", "[\"second\", ")] {
        let (said, code) = chain.inspect(list);
        assert_eq!(code, 0, "{said}");
        assert_eq!(digest(&said), digest(&beside), "{said}");
    }
    let (said, code) = chain.inspect("path = \"second\"\nparents = [\"kept\"]");
    assert_eq!(code, 10, "{said}");
    assert!(said.contains("no base backup with a label"), "{said}");
    // The digest is of all backups.
    chain.forget("kept/full");
    let (said, code) = chain.inspect(listed);
    assert_eq!(code, 0, "{said}");
    assert_ne!(digest(&said), digest(&beside), "{said}");
    assert!(said.contains("kept/full: backup_manifest"), "{said}");
}

/// Two folders of one backup may differ, and nothing says which one is meant.
#[test]
fn two_parents_are_none() {
    let chain = Chain::make();
    let mut copy = Command::new("cp");
    copy.args(["-a", "--link"]).arg(chain.path("full"));
    copy.arg(chain.path("full_again"));
    assert!(copy.status().unwrap().success());
    let (said, code) = chain.inspect("path = \"second\"");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("may be full or full_again"), "{said}");
}
