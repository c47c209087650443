//! Roles that a backup requires and does not contain: one finding, before a server is started, and the same for
//! `inspect`. What restores without a role goes on doing so.

use std::path::PathBuf;
use std::sync::LazyLock;

use super::broken::gzip;
use super::builder::{Redrill, none, redrill};
use super::dumps::{docker, started};
use crate::support::shared;

const SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[[check.row-count]]
table = "public.orders"
exact = 3
"#;

/// The owner of the database has nothing else. The roles are named in an owner, a grant, a membership of a grantor, a
/// policy and default privileges.
const SQL: &str = r"
CREATE ROLE dba;
CREATE DATABASE shop OWNER dba TEMPLATE template0;
CREATE DATABASE plain OWNER dba TEMPLATE template0;
\connect plain
CREATE TABLE public.orders (id integer PRIMARY KEY);
INSERT INTO public.orders VALUES (1), (2), (3);
GRANT SELECT ON public.orders TO pg_monitor, PUBLIC;
GRANT CONNECT ON DATABASE plain TO dba;
\connect shop
CREATE ROLE boss;
CREATE ROLE reader;
CREATE ROLE auditor;
CREATE ROLE later;
CREATE TABLE public.orders (id integer PRIMARY KEY);
INSERT INTO public.orders VALUES (1), (2), (3);
ALTER TABLE public.orders OWNER TO boss;
GRANT SELECT ON public.orders TO reader;
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON public.orders TO auditor USING (true);
ALTER DEFAULT PRIVILEGES FOR ROLE boss GRANT SELECT ON TABLES TO later;
";

const DUMP: &str = r"
set -e
mkdir /tmp/dumps
cd /tmp/dumps
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --file=/tmp/shop.sql >/dev/null
pg_dumpall --globals-only >globals-2026-05-25.sql
for db in plain shop; do
    pg_dump $db >$db.sql
    pg_dump --format=custom $db >$db.dump
    pg_dump --format=custom --data-only $db >$db-data.dump
done
";

static DUMPS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = shared::folder();
    let sql = folder.join("shop.sql");
    std::fs::write(&sql, SQL).unwrap();
    let container = started(17, "missing-roles");
    let inside = |path: &str| format!("{}:{path}", container.0);
    docker(&["cp", &sql.to_string_lossy(), &inside("/tmp/shop.sql")]).unwrap();
    let script = ["exec", "--user=postgres", &container.0, "bash", "-c", DUMP];
    docker(&script).unwrap();
    let to = folder.to_string_lossy().into_owned();
    docker(&["cp", &inside("/tmp/dumps"), &to]).unwrap();
    folder
});

fn dump(name: &str) -> Vec<u8> {
    std::fs::read(DUMPS.join("dumps").join(name)).unwrap()
}

fn drill(name: &str, restore: &str) -> Redrill {
    redrill()
        .scenario(&(SCENARIO.to_owned() + restore))
        .backup(dump(name), name)
}

const ALL: &str = "roles \"auditor\", \"boss\", \"later\", \"reader\" do not exist";
const LINE: &str = "role = [{ name = \"auditor\" }, { name = \"boss\" }, { name = \"later\" }, { name = \"reader\" }]";

#[test]
fn missing_roles_are_one_finding_before_a_server_starts() {
    let mut wrong = Vec::new();
    for name in ["shop.sql", "shop.dump"] {
        let ended = drill(name, "").run();
        wrong.extend(ended.fails_in("backup", &["roles | ", ALL, LINE]).err());
        let findings = ended.findings("backup");
        if findings.lines().count() != 1 {
            wrong.push(format!("{name}: {findings}"));
        }
        let restore = format!("[restore]\n{LINE}\n");
        wrong.extend(drill(name, &restore).run().is_proven_with(3).err());
        let restore =
            "[restore]\ncreate-roles = [\"boss\", \"later\"]\nlogin-roles = [\"auditor\"]\n";
        let ended = drill(name, restore).run();
        let says = [
            "role \"reader\" does not exist",
            "role = [{ name = \"reader\" }]",
        ];
        wrong.extend(ended.fails_in("backup", &says).err());
    }
    none(wrong);
}

#[test]
fn inspect_reports_the_same() {
    for name in ["shop.sql", "shop.dump"] {
        let file = redrill().file(name, dump(name)).with(name);
        let ended = file.call(&["inspect", "--quiet", "--json"]);
        let inspected: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let drilled = drill(name, "").run();
        let finding = &drilled.drill()["stages"][0]["findings"][0];
        assert_eq!(inspected["warnings"][0], *finding, "{}", ended.stdout);
        assert_eq!(ended.code, 0);
    }
    let created = redrill()
        .file("shop.sql", dump("shop.sql"))
        .scenario(&SCENARIO.replace(
            "path = \"named-by-the-command-line\"",
            &format!("path = \"shop.sql\"\n[restore]\n{LINE}"),
        ));
    let ended = created.call(&["inspect", "--quiet", "--json"]);
    let inspected: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(inspected["warnings"], serde_json::json!([]));
}

#[test]
fn what_restores_without_a_role_is_restored() {
    let mut wrong = Vec::new();
    // Without `--create` nothing of the database itself is restored, such as its owner.
    for name in ["plain.sql", "plain.dump"] {
        wrong.extend(drill(name, "").run().is_proven_with(3).err());
    }
    let tolerate = "[[restore.tolerate]]\nmessage = \"does not exist\"\nreason = \"the roles are elsewhere\"\n";
    let ended = drill("shop.sql", tolerate).run();
    if !ended.stages("pass").contains(&"restore") {
        wrong.push(ended.stdout);
    }
    // Rows have an owner in an archive, which no statement names.
    let ended = drill("shop-data.dump", "").run();
    let findings = ended.findings("backup") + &ended.findings("restore");
    if findings.contains("\"boss\"") || !findings.contains("public.orders") {
        wrong.push(findings);
    }
    none(wrong);
}

#[test]
fn the_hint_names_the_file_of_roles_next_to_the_backup() {
    let scenario = SCENARIO.replace(
        "path = \"named-by-the-command-line\"",
        "newest = \"b/shop-*.sql.gz\"",
    );
    let night = |scenario: &str| {
        let drill = redrill().scenario(scenario);
        let drill = drill.file("b/shop-2026-05-25.sql.gz", gzip(&dump("shop.sql")));
        drill.file("b/globals-2026-05-25.sql", dump("globals-2026-05-25.sql"))
    };
    let ended = night(&scenario).run();
    let key = "globals = \"globals-*.sql\"";
    let says = [ALL, "globals-2026-05-25.sql is next to the backup", key];
    ended.fails_in("backup", &says).unwrap();
    let scenario = scenario.replace("newest", &format!("{key}\nnewest"));
    night(&scenario).run().is_proven_with(3).unwrap();
}

/// The role of an application, which a dump with its file of roles does not have, and what it may do as a member of others.
#[test]
fn a_role_that_is_made_is_a_member_of_those_of_the_backup() {
    let dump = "CREATE ROLE readers;\nCREATE TABLE public.orders (id integer);\nGRANT SELECT ON public.orders TO readers;\nCOPY public.orders (id) FROM stdin;\n1\n2\n3\n\\.\n";
    let role = |member_of: &str| {
        format!("[[restore.role]]\nname = \"web\"\nlogin = true\nmember-of = [{member_of}]\n")
    };
    let check = "[[check.role]]\nrole = \"web\"\nfloor = [\"select on public.orders\"]\nceiling = [\"connect, temporary on database\", \"usage on schema public\"]\nmay = [\"SELECT id FROM public.orders\"]\n";
    let run = |role: &str| {
        let scenario = format!("{SCENARIO}{role}{check}");
        redrill().scenario(&scenario).backup(dump, "shop.sql").run()
    };
    let ended = run(&role("\"readers\""));
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.checks("pass").len(), 2, "{}", ended.stdout);
    // Without the membership it may read nothing.
    let ended = run(&role(""));
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    let ended = run(&role("\"reders\""));
    assert_eq!(ended.code, 3, "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended
            .stdout
            .contains("cannot make `web` a member of `reders`"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_only_judges_a_role_that_is_made_is_refused() {
    let vacuous = "[[check.role]]\nrole = \"web\"\nattributes = { login = true }\nmember-of = []\nceiling = \"any\"\n";
    for role in [
        "[[restore.role]]\nname = \"web\"\nlogin = true\n",
        "[restore]\nlogin-roles = [\"web\"]\n",
    ] {
        let ended = redrill()
            .scenario(&format!("{SCENARIO}{role}{vacuous}"))
            .run();
        assert_eq!(ended.code, 2, "{}\n{}", ended.stdout, ended.stderr);
        let says =
            "this check only judges what redrill itself made: `[[restore.role]]` creates `web`";
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    let twice = "[restore]\ncreate-roles = [\"web\"]\nrole = [{ name = \"web\" }]\n";
    let ended = redrill().scenario(&format!("{SCENARIO}{twice}")).run();
    assert_eq!(ended.code, 2, "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended.stderr.contains("the role `web` is created twice"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_older_form_works_and_names_the_newer_one() {
    let dump = "CREATE TABLE public.orders (id integer);\nCOPY public.orders (id) FROM stdin;\n1\n2\n3\n\\.\n";
    let scenario = format!("{SCENARIO}[restore]\nlogin-roles = [\"web\"]\n");
    let run = redrill().scenario(&scenario).backup(dump, "shop.sql");
    let ended = run.call(&["run", "--reports", "reports", "--work-dir", "/tmp"]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let says =
        "`login-roles` still works; `[[restore.role]]` with `login = true` is the newer form";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
}
