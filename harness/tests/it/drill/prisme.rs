//! The scenario of Prisme.ai as it is committed: three databases with an archive each, against backups that are broken by
//! code.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::builder::{Ended, Redrill, none, redrill};
use crate::support::root;

/// The folder of the fixture's backups, made by its own script unless they are there.
fn backups() -> &'static Path {
    static BACKUPS: OnceLock<PathBuf> = OnceLock::new();
    BACKUPS.get_or_init(|| {
        let folder = root().join("fixtures/databases/prisme");
        let made = Command::new(folder.join("make.sh")).output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        folder.join("out")
    })
}

/// The archives of a database, the newest last.
fn archives(database: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(backups()).unwrap();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(database) && name.ends_with(".dump")
    });
    all.sort();
    assert_eq!(all.len(), 3, "{all:?}");
    all
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Where the backups of a run are.
fn at(path: &Path) -> String {
    format!("backups/{}", name(path))
}

/// Drills the committed scenario on all backups of the fixture after a change of their folder.
fn drill(change: impl FnOnce(&Redrill, &Path)) -> Ended {
    let mut run = redrill().drilled("prisme");
    for path in ["users", "permissions", "collections"]
        .into_iter()
        .flat_map(archives)
    {
        run = run.copy(&path, &at(&path));
    }
    let folder = run.path("backups");
    change(&run, &folder);
    run.with(&root().join("scenarios/prisme.toml").display().to_string())
        .environment("PRISME_BACKUPS", &folder.display().to_string())
        .with("--verbose")
        .run()
}

#[test]
fn three_archives_are_one_drill() {
    let ended = drill(|_, _| {});
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let drill = ended.drill.unwrap();
    let parts = drill["backup"]["consists_of"].as_array().unwrap();
    let names: Vec<&str> = parts
        .iter()
        .map(|part| part["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["users", "permissions", "collections"]);
    for (part, database) in parts.iter().zip(names) {
        let newest = archives(database).pop().unwrap();
        assert!(
            part["backup"]["origin"]
                .as_str()
                .unwrap()
                .ends_with(&name(&newest))
        );
        assert_eq!(part["backup"]["candidates"].as_array().unwrap().len(), 9);
    }
    // The age of the whole is that of its oldest part.
    assert_eq!(drill["backup"]["made"], parts[0]["backup"]["made"]);
    assert!(
        ended.pages[0].contains("It consists of these backups:"),
        "{}",
        ended.pages[0]
    );
}

#[test]
fn each_fault_of_a_part_is_found() {
    let newest = |database: &str| archives(database).pop().unwrap();
    let earlier = |database: &str| archives(database)[1].clone();
    type Change = Box<dyn FnOnce(&Redrill, &Path)>;
    let remove = |databases: &'static [&'static str]| -> Change {
        Box::new(move |run, _| {
            for path in databases
                .iter()
                .map(|database| archives(database).pop().unwrap())
            {
                std::fs::remove_file(run.path(&at(&path))).unwrap();
            }
        })
    };
    let cases: Vec<(&str, Change, i32, &[&str])> = vec![
        (
            "F46 one part is of the night before",
            remove(&["collections"]),
            10,
            &[
                "FAIL     backup",
                "collections",
                "at most 10 min 00 s older than permissions",
            ],
        ),
        (
            "F46 two of three are",
            remove(&["users", "permissions"]),
            10,
            &["FAIL     backup", "users", "older than collections"],
        ),
        (
            "a part is missing altogether",
            Box::new(|run, _| {
                for path in archives("permissions") {
                    std::fs::remove_file(run.path(&at(&path))).unwrap();
                }
            }),
            3,
            &["part `permissions`: no file matches"],
        ),
        (
            "F01 a part is cut",
            Box::new(move |run, _| {
                let path = run.path(&at(&newest("users")));
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
            }),
            10,
            &["FAIL     backup", "users"],
        ),
        (
            "F46 an old archive under a new name: users that others refer to are lost",
            Box::new(move |run, _| {
                let old = std::fs::read(earlier("users")).unwrap();
                std::fs::write(run.path(&at(&newest("users"))), old).unwrap();
            }),
            10,
            &[
                "every item has an owner (reference",
                "every permission is that of a user (reference",
            ],
        ),
        (
            "F46 the archive of another database under this name",
            Box::new(move |run, _| {
                let other = std::fs::read(newest("users")).unwrap();
                std::fs::write(run.path(&at(&newest("permissions"))), other).unwrap();
            }),
            10,
            &["permissions"],
        ),
    ];
    let mut wrong = Vec::new();
    for (name, change, code, says) in cases {
        let ended = drill(change);
        let missing = says.iter().find(|text| !ended.stdout.contains(**text));
        if ended.code != code || missing.is_some() {
            wrong.push(format!(
                "{name}: code {}, no {missing:?}\n{}\n{}",
                ended.code, ended.stdout, ended.stderr
            ));
        }
    }
    none(wrong);
}
