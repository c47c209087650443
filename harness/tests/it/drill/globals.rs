//! A flat folder of dumps and files of roles: the roles of the same run belong to the backup.

use super::broken::gzip;
use super::builder::{Redrill, none, redrill};
use super::dumps::{ROWS, dumps};
use redrill::digest::hex;
use sha2::{Digest as _, Sha256};

/// Its roles, grants and rows; `{backup}` is replaced.
const SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
{backup}

[[check.row-count]]
table = "public.grants"
exact = 700

[[check.role]]
role = "shop_reader"
floor = ["select on public.grants"]
ceiling = "any"

[[check.role]]
role = "shop_app"
attributes = { login = true, password = true }
"#;

const NEWEST: &str =
    "newest = \"b/permissions-*.sql.gz\"\nglobals = \"globals-*.sql.gz\"\nmax-age = \"100000d\"";

/// Three nights in one folder. The roles of the other nights lack one that is needed.
fn nights(backup: &str, globals: &[&str]) -> Redrill {
    let of = dumps(17);
    let dump = gzip(&of.read("permissions.sql"));
    let roles = of.read("globals.sql");
    let others = String::from_utf8(roles.clone()).unwrap();
    let others = others.replace("shop_reader", "shop_writer");
    let drill = redrill().scenario(&SCENARIO.replace("{backup}", backup));
    let drill = ["23", "24", "25"].iter().fold(drill, |drill, day| {
        drill.file(&format!("b/permissions-2026-05-{day}.sql.gz"), &dump)
    });
    globals.iter().fold(drill, |drill, name| {
        let content = if name.contains("25") {
            gzip(&roles)
        } else {
            gzip(others.as_bytes())
        };
        drill.file(&format!("b/{name}"), content)
    })
}

const ALL: &[&str] = &[
    "globals-2026-05-23.sql.gz",
    "globals-2026-05-24.sql.gz",
    "globals-2026-05-25.sql.gz",
];

#[test]
fn the_newest_dump_is_restored_with_the_roles_of_its_night() {
    let ended = nights(NEWEST, ALL).run();
    ended.is_proven_with(ROWS[1]).unwrap();
    let backup = &ended.drill()["backup"];
    assert_eq!(backup["format"], "plain SQL, gzip, with globals");
    let names = |list: &serde_json::Value| {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&backup["dumps"]),
        ["globals-2026-05-25.sql.gz", "permissions-2026-05-25.sql.gz"]
    );
    // Size, digest and comparison remain those of the dump.
    let dump = gzip(&dumps(17).read("permissions.sql"));
    assert_eq!(backup["sha256"], hex(&Sha256::digest(&dump)));
    assert_eq!(backup["size_bytes"], dump.len());
    assert!(ended.findings("backup").contains("identical bytes"));
    let chosen = backup["chosen"].as_str().unwrap();
    assert!(chosen.ends_with("; its roles are in globals-2026-05-25.sql.gz"));
}

#[test]
fn names_of_one_run_may_differ_by_their_time_of_day() {
    let scenario = "path = \"b/permissions_20260525T020003.dump\"\nglobals = \"globals_*\"";
    let drill = nights(scenario, &["globals_20260525T0159.sql.gz"]);
    let drill = drill.copy(
        &dumps(17).path("permissions.dump"),
        "b/permissions_20260525T020003.dump",
    );
    drill.run().is_proven_with(ROWS[1]).unwrap();
}

#[test]
fn without_the_roles_of_its_night_a_dump_is_not_drilled() {
    let mut wrong = Vec::new();
    let ended = nights(NEWEST, &ALL[..2]).run();
    let says = [
        "permissions-2026-05-25.sql.gz | a file of its roles of 2026-05-25",
        "the nearest is globals-2026-05-24.sql.gz",
        "pg_dumpall --globals-only",
    ];
    wrong.extend(ended.fails_in("backup", &says).err());
    let ended = nights(NEWEST, &[]).run();
    wrong.extend(ended.fails_in("backup", &["no file with a time"]).err());
    // A pair of two nights, named explicitly.
    let two = "path = \"b/permissions-2026-05-25.sql.gz\"\nglobals = \"globals-2026-05-24.sql.gz\"";
    let ended = nights(two, ALL).run();
    wrong.extend(ended.fails_in("backup", &["none of that day"]).err());
    let dump = NEWEST.replace("globals-*", "permissions-*");
    let ended = nights(&dump, ALL).run();
    wrong.extend(ended.fails_in("backup", &["a dump with data"]).err());
    none(wrong);
}

#[test]
fn the_command_line_names_the_roles_of_its_backup() {
    let of = dumps(17);
    let drill = || {
        nights(NEWEST, ALL)
            .file("copy.sql", of.read("permissions.sql"))
            .file("roles.sql", of.read("globals.sql"))
            .names("copy.sql")
    };
    let says = ["has no time in its name", "`--globals FILE`"];
    drill().run().cannot_look_in("backup", &says).unwrap();
    let ended = drill().with("--globals").with("roles.sql").run();
    ended.is_proven_with(ROWS[1]).unwrap();
    assert!(ended.stdout.contains("--globals"), "{}", ended.stdout);
}

#[test]
fn a_file_of_roles_is_judged_like_the_dump() {
    let mut wrong = Vec::new();
    let name = "globals-2026-05-25.sql.gz";
    let roles = dumps(17).read("globals.sql");
    let cut = nights(NEWEST, ALL).file(&format!("b/{name}"), gzip(&roles[..roles.len() - 90]));
    wrong.extend(cut.run().fails_in("backup", &[name]).err());
    let changed = nights(NEWEST, ALL).file(
        &format!("b/{name}.sha256"),
        format!("{}  {name}\n", hex(&Sha256::digest(b"other"))),
    );
    let says = [&format!("{name} | SHA-256")[..]];
    wrong.extend(changed.run().fails_in("backup", &says).err());
    none(wrong);
}

#[test]
fn inspect_shows_the_pair() {
    let ended = nights(NEWEST, ALL).call(&["inspect", "--quiet"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    for text in ["with globals", "globals-2026-05-25.sql.gz: plain SQL, gzip"] {
        assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
    }
    let ended = nights(NEWEST, &ALL[..1]).call(&["inspect", "--quiet"]);
    assert_ne!(ended.code, 0);
    assert!(ended.stdout.contains("BROKEN"), "{}", ended.stdout);
}

#[test]
fn init_writes_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let of = dumps(17);
    for (name, dump) in [
        ("permissions", "permissions.sql"),
        ("globals", "globals.sql"),
    ] {
        let path = folder.path().join(format!("{name}-2026-05-25.sql.gz"));
        std::fs::write(path, gzip(&of.read(dump))).unwrap();
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let ended = redrill().call(&[
        "init",
        "--quiet",
        "--work-dir=/tmp",
        "--from",
        &path("permissions-2026-05-25.sql.gz"),
        "--out",
        &path(""),
        "--name=drilled",
    ]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let text = std::fs::read_to_string(path("drilled.toml")).unwrap();
    assert!(text.contains("globals = \"globals-*.sql.gz\"\n"), "{text}");
    assert!(!text.contains("create-roles"), "{text}");
    let ended = redrill().with(&path("drilled.toml")).run();
    ended.is_proven_with(ROWS[1]).unwrap();
    // What init found of the roles is what the file of roles says.
    assert!(text.contains("role = \"shop_reader\""), "{text}");
    std::fs::remove_file(path("globals-2026-05-25.sql.gz")).unwrap();
    let ended = redrill().with(&path("drilled.toml")).run();
    ended
        .fails_in("backup", &["a file of its roles of 2026-05-25"])
        .unwrap();
}
