//! `inspect` and a drill judge the same folder alike.

use super::broken::gzip;
use super::builder::{none, redrill};
use super::bundle::{Members, members};
use super::dumps::dumps;

/// Folders, and the judgement of them: what the first finding says, or nothing for a folder that is proven.
type Folder = (&'static str, fn() -> Members, Option<&'static str>);

const FOLDERS: &[Folder] = &[
    ("a bundle", members, None),
    ("one file", || one("users.sql"), None),
    (
        "garbage next to it",
        || [one("users.sql"), vec![("core.1234", vec![7; 99])]].concat(),
        None,
    ),
    ("a directory archive", || archive("collections.dir"), None),
    (
        "nothing",
        || vec![(".keep", Vec::new())],
        Some("an empty folder"),
    ),
    (
        "no dump",
        || vec![("README", b"how to restore".to_vec())],
        Some("a folder without a dump"),
    ),
    (
        "roles alone",
        || one("globals.sql"),
        Some("definitions without any data"),
    ),
    (
        "three nights",
        || nights("collections.sql"),
        Some("3 dumps of several times, from shop-2026-05-23.sql.gz"),
    ),
    (
        "three nights with --create",
        || nights("collections-create.sql"),
        Some("3 dumps of several times"),
    ),
    (
        "two dumps of one database",
        || {
            [
                one("users.sql"),
                vec![("again.dump", dumps(17).read("users.dump"))],
            ]
            .concat()
        },
        Some("it is restored into `users`, like "),
    ),
    (
        "an empty dump next to it",
        || [one("users.sql"), vec![("x.sql", Vec::new())]].concat(),
        Some("an empty file"),
    ),
];

fn one(name: &'static str) -> Members {
    let mut members = vec![(name, dumps(17).read(name))];
    if name != "globals.sql" {
        members.push(("globals.sql", dumps(17).read("globals.sql")));
    }
    members
}

fn archive(name: &str) -> Members {
    let entries = std::fs::read_dir(dumps(17).path(name)).unwrap();
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (&*name.leak(), std::fs::read(entry.path()).unwrap())
    };
    entries.map(|entry| file(entry.unwrap())).collect()
}

fn nights(dump: &str) -> Members {
    let dump = gzip(&dumps(17).read(dump));
    let names = [
        "shop-2026-05-23.sql.gz",
        "shop-2026-05-24.sql.gz",
        "shop-2026-05-25.sql.gz",
    ];
    names.into_iter().map(|name| (name, dump.clone())).collect()
}

#[test]
fn inspect_and_a_drill_judge_a_folder_alike() {
    let scenario = "schema = 1\nname = \"drilled\"\n[backup]\npath = \"bundle\"\n[[check.row-count]]\ntable = \"auth.users\"\nmin = 1\n";
    let mut wrong = Vec::new();
    for (what, members, says) in FOLDERS {
        let lay = || {
            members().iter().fold(redrill(), |drill, (name, bytes)| {
                drill.file(&format!("bundle/{name}"), bytes)
            })
        };
        let run = lay().scenario(scenario).run();
        let inspected = lay().with("bundle").call(&["inspect", "--quiet", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
        // Hints have the folder of the run in them.
        let judged = |findings: &serde_json::Value| -> Vec<String> {
            let findings = findings.as_array().unwrap().iter();
            let keys = ["object", "expected", "actual"];
            findings
                .map(|finding| keys.map(|key| finding[key].to_string()).join(" | "))
                .collect()
        };
        let problems = judged(&json["problems"]);
        let drilled = judged(&run.drill()["stages"][0]["findings"]);
        if !drilled.starts_with(&problems) {
            wrong.push(format!("{what}: {problems:#?}\n{drilled:#?}"));
        }
        let is_whole = run.stages("fail") != ["backup"];
        if is_whole != (inspected.code == 0) || is_whole != says.is_none() {
            wrong.push(format!("{what}: {}\n{}", run.stdout, inspected.stdout));
        }
        if let Some(says) = says
            && !problems.iter().any(|problem| problem.contains(says))
        {
            wrong.push(format!("{what}: no `{says}` in {problems:#?}"));
        }
    }
    none(wrong);
}
