//! The scenario of Prisme.ai as it is committed: three databases with an archive each, against backups that are broken by
//! code.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rstest::rstest;

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
    let scenario = root().join("scenarios/prisme.toml");
    with_backups(change)
        .with(&scenario.display().to_string())
        .with("--verbose")
        .run()
}

/// A run that has all backups of the fixture in a folder of its own, after a change of it.
fn with_backups(change: impl FnOnce(&Redrill, &Path)) -> Redrill {
    let mut run = redrill().drilled("prisme");
    for path in ["users", "permissions", "collections"]
        .into_iter()
        .flat_map(archives)
    {
        run = run.copy(&path, &at(&path));
    }
    let folder = run.path("backups");
    change(&run, &folder);
    run.environment("PRISME_BACKUPS", &folder.display().to_string())
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

/// The committed scenario with the collections on a server of their own, as Prisme.ai recommends under load.
fn on_two_servers() -> Redrill {
    let text = std::fs::read_to_string(root().join("scenarios/prisme.toml")).unwrap();
    let part = "database = \"collections\"\n";
    let text = text.replacen(part, &format!("{part}server = \"documents\"\n"), 1);
    assert!(text.contains("documents"));
    with_backups(|_, _| {}).scenario(&text)
}

#[test]
fn parts_of_two_clusters_are_restored_on_two_servers() {
    let ended = on_two_servers().run();
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let drill = ended.drill();
    assert_eq!(drill["other_servers"][0]["name"], "documents");
    // Every row was compared, and the references lead from one server to the other.
    assert_eq!(drill["restore"]["rows"].as_array().unwrap().len(), 12);
    assert_eq!(
        ended
            .checks("pass")
            .iter()
            .filter(|id| id.starts_with("reference/"))
            .count(),
        4
    );
    assert!(
        ended.pages[0].contains("## Server `documents`"),
        "{}",
        ended.pages[0]
    );
}

#[test]
fn nothing_of_the_second_server_is_left_after_ctrl_c() {
    // A check that does not end, so that both servers are up.
    let work = tempfile::tempdir_in("/tmp").unwrap();
    let run = on_two_servers();
    let text = std::fs::read_to_string(run.path("scenario.toml")).unwrap();
    let slow = "\n[[check.sql]]\nname = \"slow\"\ndatabase = \"users\"\nquery = \"SELECT pg_sleep(600)\"\nno-rows = true\n";
    let run = run.file("scenario.toml", text + slow);
    let folder = work.path().display().to_string();
    let ended = run
        .works_in(work.path())
        .interrupted_after(Duration::from_secs(8));
    assert_eq!(ended.code, 130, "{}\n{}", ended.stdout, ended.stderr);
    let left = Command::new("docker")
        .args(["ps", "--all", "--format", "{{.Labels}}"])
        .output()
        .unwrap();
    let left = String::from_utf8_lossy(&left.stdout).into_owned();
    assert!(!left.contains(&folder), "{left}");
    let runs = std::fs::read_dir(work.path()).unwrap().flatten();
    let runs: Vec<_> = runs
        .flat_map(|user| std::fs::read_dir(user.path()).unwrap().flatten())
        .collect();
    assert!(runs.is_empty(), "{runs:?}");
}

/// Each cluster has its own roles: what both have would clash on one server.
const CLUSTER: &str = "CREATE ROLE app;\nCREATE TABLE public.t (a int);\nALTER TABLE public.t OWNER TO app;\nCOPY public.t (a) FROM stdin;\n1\n2\n\\.\n";

#[rstest]
#[case::container("container")]
#[case::local("local")]
fn clusters_have_their_own_roles(#[case] provider: &str) {
    let part = |name: &str, server: &str| {
        format!("[[backup.part]]\npath = \"{name}.sql\"\ndatabase = \"{name}\"\n{server}")
    };
    let check = "[[check.reference]]\ndatabase = \"a\"\ntable = \"public.t\"\ncolumn = \"a\"\nto = { database = \"b\", table = \"public.t\", column = \"a\" }\n";
    let run = |of_b: &str| {
        let parts = [part("a", ""), part("b", of_b)].concat();
        let scenario = format!("schema = 1\nname = \"drilled\"\n{parts}{check}");
        let files = redrill().file("a.sql", CLUSTER).file("b.sql", CLUSTER);
        files
            .scenario(&scenario)
            .with("--server")
            .with(provider)
            .run()
    };
    let ended = run("server = \"other\"\n");
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let ended = run("");
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("role \"app\" already exists"),
        "{}",
        ended.stdout
    );
}
