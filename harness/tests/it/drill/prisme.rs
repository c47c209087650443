//! The scenario of Prisme.ai as it is committed: three databases with an archive each, against backups that are broken by
//! code.

use std::collections::BTreeMap;
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
pub fn on_two_servers() -> Redrill {
    let text = std::fs::read_to_string(root().join("scenarios/prisme.toml")).unwrap();
    let part = "database = \"collections\"\n";
    let text = text.replacen(part, &format!("{part}server = \"documents\"\n"), 1);
    assert!(text.contains("documents"));
    // The scenario is elsewhere now.
    let fixtures = root().join("fixtures").display().to_string();
    with_backups(|_, _| {}).scenario(&text.replace("../fixtures", &fixtures))
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
        let files = redrill()
            .file("a.sql", CLUSTER)
            .file("b.sql", CLUSTER.replace("2\n", "2\n3\n"));
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

/// The newest archive of a database as `pg_restore` writes it, to be changed.
fn as_text(database: &str) -> String {
    let newest = archives(database).pop().unwrap();
    let written = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--interactive",
            "--network",
            "none",
            "redrill/postgres:17",
            "pg_restore",
            "--create",
            "--file=-",
        ])
        .stdin(std::fs::File::open(newest).unwrap())
        .output()
        .unwrap();
    assert!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    String::from_utf8(written.stdout).unwrap()
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all(1)]
#[case::some(4)]
fn each_statement_of_the_document_fails_when_it_must(#[case] each: usize) {
    let text = |database: &str| (database.to_owned(), as_text(database));
    let texts: BTreeMap<String, String> = ["users", "permissions", "collections"].map(text).into();
    // Harmless: the same as a plain dump, with an index more.
    let more = "\n--\n-- Name: more; Type: INDEX; Schema: public; Owner: prismeai\n--\n\nCREATE INDEX more ON public.users USING btree (name);\n\n--\n-- PostgreSQL database dump complete";
    let cases: [(&str, &str, &str, &str, &str); 9] = [
        (
            "harmless",
            "users",
            "\n--\n-- PostgreSQL database dump complete",
            more,
            "",
        ),
        (
            "M01 a migration is not recorded",
            "collections",
            "\n002_search\t2025-09-19 06:00:00+00\n",
            "\n",
            "collections: every migration of the application is there, and no other (schema-version",
        ),
        (
            "I01 an index is gone",
            "collections",
            "CREATE INDEX items_collection_id_idx",
            "-- CREATE INDEX items_collection_id_idx",
            "items are found by collection (index",
        ),
        (
            "I01 a unique index is plain",
            "users",
            "CREATE UNIQUE INDEX users_email_key",
            "CREATE INDEX users_email_key",
            "users are found by e-mail (index",
        ),
        (
            "D04 a constraint is not validated",
            "permissions",
            "REFERENCES public.workspaces(id) ON DELETE CASCADE;",
            "REFERENCES public.workspaces(id) ON DELETE CASCADE NOT VALID;",
            "permissions: every constraint is validated and holds on every row",
        ),
        (
            "D06 a sequence is behind",
            "collections",
            "SELECT pg_catalog.setval('public.items_id_seq', 6000, true);",
            "SELECT pg_catalog.setval('public.items_id_seq', 60, true);",
            "collections: no sequence is behind its column [public.items_id_seq]",
        ),
        (
            "R02 a table is owned by the superuser",
            "permissions",
            "ALTER TABLE public.api_keys OWNER TO prismeai;",
            "-- nobody",
            "permissions: the application's role owns what it uses",
        ),
        (
            "D03 a collection of a workspace that is lost",
            "collections",
            "\t5186e2c1-cd5d-fe1b-cafe-c7a0d5850a04\t",
            "\t5186e2c1-0000-0000-0000-c7a0d5850a04\t",
            "every collection is in a workspace (reference",
        ),
        (
            "D03 a permission of a user who is lost",
            "permissions",
            "\taae2c9ea-2269-0147-179d-e84c7a37eaa8\t",
            "\taae2c9ea-0000-0000-0000-e84c7a37eaa8\t",
            "1 of 543 values in 812 rows exist nowhere",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, database, from, to, says) in cases.into_iter().step_by(each) {
        let text = &texts[database];
        assert!(text.contains(from), "{name}: no {from} in the dump");
        let changed = text.replacen(from, to, 1);
        let path = archives(database).pop().unwrap();
        let ended = drill(|run, _| std::fs::write(run.path(&at(&path)), changed).unwrap());
        let code = if says.is_empty() { 0 } else { 10 };
        if ended.code != code || !ended.stdout.contains(says) {
            wrong.push(format!(
                "{name}: code {}, no {says}\n{}\n{}",
                ended.code, ended.stdout, ended.stderr
            ));
        }
    }
    none(wrong);
}

/// Parts that are not what the scenario takes them for.
#[test]
fn a_part_that_is_another_backup_is_not_proven() {
    let table = |name: &str| {
        format!("CREATE TABLE public.{name} (a int);\nCOPY public.{name} (a) FROM stdin;\n1\n\\.\n")
    };
    let part =
        |pattern: &str, more: &str| format!("[[backup.part]]\nnewest = \"{pattern}\"\n{more}");
    let run = |parts: &[String], files: &[(&str, String)], rest: &str| {
        let scenario = format!("schema = 1\nname = \"drilled\"\n{}{rest}", parts.concat());
        let run = files
            .iter()
            .fold(redrill(), |run, (name, text)| run.file(name, text));
        run.scenario(&scenario).run()
    };
    let users = part("users_*.sql", "database = \"users\"\n");
    let others = part("users_eu_*.sql", "database = \"users_eu\"\n");
    let both = [users.clone(), others.clone()];
    let eu = ("users_eu_20260525_020000.sql", table("eu"));
    let mut wrong = Vec::new();
    for (name, file, says) in [
        (
            "F46 its own backup is missing, and the pattern finds another's",
            None,
            "the same file as part `users`",
        ),
        (
            "F09 only the roles were written",
            Some("CREATE ROLE app;\n".to_owned()),
            "definitions without any data",
        ),
        (
            "F09 roles and definitions",
            Some("CREATE ROLE app;\nCREATE TABLE public.t (a int);\n".to_owned()),
            "definitions without any data",
        ),
    ] {
        let own = file.map(|text| ("users_20260525_020000.sql", text));
        let files: Vec<_> = own.into_iter().chain([eu.clone()]).collect();
        wrong.extend(run(&both, &files, "").fails_in("backup", &[says]).err());
        assert!(!name.is_empty());
    }
    none(wrong);
    // A part of unknown age is not younger than the others.
    let by_command =
        "[[backup.part]]\ndatabase = \"users\"\ncommand = { run = [\"cat\", \"u.sql\"] }\n"
            .to_owned();
    let files = [("u.sql", table("u")), eu.clone()];
    let ended = run(
        &[by_command, others],
        &files,
        "[backup]\nmax-age = \"9999d\"\n",
    );
    assert_ne!(ended.code, 0, "{}", ended.stdout);
    // Two clusters with a database of one name: a check could not say which.
    let of = |server: &str| {
        part(
            &format!("{server}-*.sql"),
            &format!("name = \"{server}\"\nserver = \"{server}\"\n"),
        )
    };
    let dump = |rows: &str| {
        format!(
            "\\connect postgres\nCREATE TABLE public.t (a int);\nCOPY public.t (a) FROM stdin;\n{rows}\\.\n"
        )
    };
    let files = [
        ("one-2026-05-25.sql", dump("1\n")),
        ("two-2026-05-25.sql", dump("1\n2\n")),
    ];
    let ended = run(&[of("one"), of("two")], &files, "");
    ended
        .fails_in("backup", &["a database `postgres` on another server"])
        .unwrap();
    // The roles of the cluster, for all parts.
    let owned = |name: &str| format!("{}ALTER TABLE public.{name} OWNER TO app;\n", table(name));
    let files = [
        ("users_20260525_020000.sql", owned("u")),
        ("users_eu_20260525_020000.sql", owned("eu")),
        (
            "globals_20260525_020000.sql",
            "CREATE ROLE app;\n".to_owned(),
        ),
    ];
    let globals = ["[backup]\nglobals = \"globals_*.sql\"\n".to_owned()];
    let ended = run(&[globals.as_slice(), both.as_slice()].concat(), &files, "");
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
}
