//! The rehearsal of a major upgrade: real dumps of one version, restored on it and on a newer one.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use rstest::rstest;

use super::builder::{Ended, redrill};
use crate::support::root;

/// One of every kind of object.
const EVERYTHING: &str = include_str!("../catalog/everything.sql");

/// Views, functions and constraints with expressions of many kinds.
const EXPRESSIONS: &str = include_str!("upgrade.sql");

/// Starts a server of a locale, runs statements in the database `plur`, and dumps.
const DUMP: &str = r#"
set -e
PATH=$(ls -d /usr/lib/postgresql/*/bin):$PATH
export PGDATA=/tmp/data PGHOST=/tmp PGUSER=postgres
{
    initdb --username=postgres --locale="$0" --encoding=UTF8
    pg_ctl start --wait --options="-c listen_addresses= -c unix_socket_directories=/tmp -c fsync=off"
    createdb plur
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=plur
} >&2
$1
pg_ctl stop --mode=immediate >&2
"#;

/// What a program of a version writes after these statements in the database `plur` of a cluster of a locale.
pub fn dump_of(major: u32, (locale, program): (&str, &str), sql: &str) -> Vec<u8> {
    let mut child = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--interactive",
            "--network=none",
            "--user=postgres",
        ])
        .args(["--entrypoint=sh", &format!("redrill/postgres:{major}")])
        .args(["-c", DUMP, locale, program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(sql.as_bytes()).unwrap();
    drop(stdin);
    let ended = child.wait_with_output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    ended.stdout
}

/// The whole cluster, as pg_dumpall of a version writes it.
fn dump(major: u32, sql: &str) -> Vec<u8> {
    dump_of(major, ("C.UTF-8", "pg_dumpall"), sql)
}

/// Drills a dump with these lines in `[server]`.
fn drill(dump: Vec<u8>, server: &str) -> Ended {
    let scenario = format!(
        "schema = 1\nname = \"drilled\"\n[backup]\npath = \"dump.sql\"\n[server]\n{server}\n[restore]\ndatabase = \"plur\"\n"
    );
    redrill().file("dump.sql", dump).scenario(&scenario).run()
}

/// The rehearsal in the report: `since object` of each explained difference, and what each step is about.
fn rehearsed(ended: &Ended) -> (BTreeSet<String>, Vec<String>) {
    let upgrade = &ended.drill()["proof"]["upgrade"];
    let list = |key: &str| upgrade[key].as_array().unwrap().clone();
    let explained = list("explained").into_iter().map(|entry| {
        let object = entry["object"].as_str().unwrap();
        format!("{} {object}", entry["since"])
    });
    let steps = list("steps").into_iter();
    let steps = steps.map(|step| step["about"].as_str().unwrap().to_owned());
    (explained.collect(), steps.collect())
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::f15_to_17(15, 17, &[16, 17])]
#[case::f15_to_18(15, 18, &[16, 17, 18])]
#[ignore = "slow: ci/slow.sh"]
#[case::f17_to_18(17, 18, &[18])]
fn what_the_version_changes_is_explained(
    #[case] from: u32,
    #[case] to: u32,
    #[case] since: &[u32],
) {
    let ended = drill(dump(from, EXPRESSIONS), &format!("major = {to}"));
    ended.is_proven().unwrap();
    let (explained, steps) = rehearsed(&ended);
    let versions: BTreeSet<&str> = explained
        .iter()
        .filter_map(|one| one.split(' ').next())
        .collect();
    let since: Vec<String> = since.iter().map(u32::to_string).collect();
    assert_eq!(Vec::from_iter(versions), since, "{explained:#?}");
    assert_eq!(steps, [""; 0]);
    let all = [
        "16 view app.v1: definition",
        "17 table app.t: grant to r_1",
        "17 table app.u: revoked from its owner",
        "18 view app.v12: definition",
    ];
    for one in all {
        let version: u32 = one[..2].parse().unwrap();
        let expected = (from + 1..=to).contains(&version);
        assert_eq!(explained.contains(one), expected, "{one}: {explained:#?}");
    }
    // Definitions were compared, since the own major version prints them as the backup does.
    let not_tested = ended.drill()["not_tested"].to_string();
    assert!(!not_tested.contains("definitions"), "{not_tested}");
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case(15, 17)]
#[case(15, 18)]
#[ignore = "slow: ci/slow.sh"]
#[case(17, 18)]
fn every_kind_of_object_is_upgraded(#[case] from: u32, #[case] to: u32) {
    let ended = drill(dump(from, EVERYTHING), &format!("major = {to}"));
    ended.is_proven().unwrap();
    let (_, steps) = rehearsed(&ended);
    let citext = match to {
        18 => &["extension citext"][..],
        _ => &[],
    };
    assert_eq!(steps, citext);
}

/// A column of an ICU collation, with letters that Unicode got with version 16, and Han, which all of them come after or
/// before, as ICU knows them or not.
fn icu(values: &str) -> String {
    format!(
        "CREATE SCHEMA app; CREATE TABLE app.names (name text COLLATE \"und-x-icu\" PRIMARY KEY, plain text COLLATE \"C\" UNIQUE);
         INSERT INTO app.names SELECT v, v FROM unnest(ARRAY[{values}]) v;
         CREATE INDEX names_lower ON app.names (lower(name));
         CREATE INDEX names_pattern ON app.names (name text_pattern_ops);"
    )
}

/// Values that all versions of ICU have in one order.
const SAME: &str = "'a', 'B', 'c'";
/// U+10D50, of Garay, since Unicode 16.
const OTHER: &str = "'a', '漢', U&'\\+010D50'";

#[test]
fn indexes_of_another_version_of_a_collation_are_a_step() {
    let ended = drill(dump(15, &icu(SAME)), "major = 18");
    ended.is_proven().unwrap();
    let (_, steps) = rehearsed(&ended);
    assert_eq!(steps, ["collation \"und-x-icu\""]);
    let says = "2 keys: index app.names_lower, index app.names_pkey";
    let json = ended.drill()["proof"].to_string();
    for report in [
        &json,
        &ended.pages[0].replace(['\\', '`'], ""),
        &ended.pages[1],
    ] {
        assert!(report.contains(says), "{report}");
    }
    let terminal = ended
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(terminal.contains(says), "{terminal}");
}

#[test]
fn an_index_whose_rows_are_in_another_order_is_found() {
    let dump = dump(15, &icu(OTHER));
    let ended = drill(dump.clone(), "major = 18");
    let says = [
        "index app.names_pkey",
        "another order: collation",
        "REINDEX INDEX app.names_pkey",
    ];
    ended.fails_in("proof", &says).unwrap();
    assert!(
        !ended.findings("proof").contains("app.names_plain"),
        "{}",
        ended.stdout
    );
    // Nothing of it is a row.
    assert!(!ended.drill().to_string().contains('漢'));
    let explained = "major = 18\n[server.explained]\n\"index app.names_pkey\" = \"the runbook reindexes\"\n\
                     \"index app.names_lower\" = \"the runbook reindexes\"\n\"view app.gone\" = \"there is none\"\n";
    let ended = drill(dump, explained);
    ended.is_proven().unwrap();
    let (explained, steps) = rehearsed(&ended);
    let both = ["null index app.names_lower", "null index app.names_pkey"];
    assert_eq!(Vec::from_iter(explained), both);
    assert_eq!(steps, ["view app.gone"]);
    assert!(
        ended.pages[0].contains("the runbook reindexes"),
        "{}",
        ended.pages[0]
    );
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn partitions_by_text_in_another_order_are_found() {
    let sql = "CREATE TABLE public.p (name text COLLATE \"und-x-icu\") PARTITION BY RANGE (name);
               CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
               INSERT INTO public.p VALUES ('漢'), (U&'\\+010D50');";
    let ended = drill(dump(15, sql), "major = 18");
    ended
        .fails_in("proof", &["partitions of public.p", "another order"])
        .unwrap();
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn the_locale_of_the_database_is_compared_too() {
    let sql = "CREATE TABLE public.t (name text PRIMARY KEY, n integer UNIQUE); INSERT INTO public.t VALUES ('a', 1), ('B', 2);";
    let ended = drill(
        dump_of(15, ("en_US.UTF-8", "pg_dumpall"), sql),
        "major = 17",
    );
    ended.is_proven().unwrap();
    let (_, steps) = rehearsed(&ended);
    assert_eq!(steps, ["the locale of the database, libc en_US.UTF-8"]);
}

#[test]
fn what_the_newer_version_lacks_is_found() {
    // Its columns have other names since 17.
    let sql = "CREATE EXTENSION pg_stat_statements; CREATE VIEW public.slow AS SELECT query, blk_read_time FROM pg_stat_statements;
               CREATE TABLE public.t (a integer); INSERT INTO public.t VALUES (1);";
    let ended = drill(dump(15, sql), "major = 17");
    ended.fails_in("restore", &["blk_read_time"]).unwrap();
}

/// A plain dump that claims to be of a version.
fn written_by(major: u32, sql: &str) -> Vec<u8> {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version {major}.4\n-- Dumped by pg_dump version {major}.4\n\n\
         SET client_encoding = 'UTF8';\n{sql}\n--\n-- PostgreSQL database dump complete\n--\n\n"
    )
    .into_bytes()
}

const TABLE: &str = "CREATE TABLE public.t (a integer);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n";

#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_definition_that_depends_on_the_version_is_found() {
    let by_version = |what: &str| {
        let sql = format!(
            "{TABLE}DO $$ BEGIN IF pg_catalog.current_setting('server_version_num')::integer < 160000 THEN\n\
             CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';\nCREATE VIEW public.v AS SELECT 1 AS one;\n\
             ELSE\n{what}\nEND IF; END $$;"
        );
        drill(written_by(15, &sql), "major = 17")
    };
    let function = "CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n";
    let view = "CREATE VIEW public.v AS SELECT 1 AS one;\n";
    by_version(&format!("{function}{view}"))
        .is_proven()
        .unwrap();
    let other_view = format!("{function}{}", view.replace("SELECT 1", "SELECT 2"));
    let ended = by_version(&other_view);
    ended
        .fails_in("proof", &["view public.v: definition", "explained = {"])
        .unwrap();
    let other_function = format!("{view}{}", function.replace("SELECT 1", "SELECT 2"));
    by_version(&other_function)
        .fails_in("proof", &["function public.f(): body"])
        .unwrap();
    by_version(function)
        .fails_in("proof", &["view public.v"])
        .unwrap();
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_removed_setting_is_found() {
    let set = |name: &str| format!("CREATE ROLE r; ALTER ROLE r SET {name};");
    let table = "CREATE TABLE public.t (a integer); INSERT INTO public.t VALUES (1);";
    let of_15 = dump(15, &(set("force_parallel_mode = off") + table));
    let of_13 = written_by(
        13,
        &(set("vacuum_cleanup_index_scale_factor TO '0.2'") + TABLE),
    );
    for (dump, major, name) in [
        (of_15, 17, "force_parallel_mode"),
        (of_13, 15, "vacuum_cleanup_index_scale_factor"),
    ] {
        let ended = drill(dump, &format!("major = {major}"));
        let says = [
            format!("role r: setting {name}"),
            format!("PostgreSQL {major} has no such setting"),
            format!("`ALTER ROLE r RESET {name}`"),
        ];
        let says: Vec<&str> = says.iter().map(String::as_str).collect();
        ended.fails_in("restore", &says).unwrap();
    }
    let kept = dump(15, &(set("work_mem = '5MB'") + table));
    drill(kept, "major = 17").is_proven().unwrap();
}

#[test]
fn each_setting_of_the_backup_that_the_newer_version_lacks_is_named() {
    let sql = "CREATE TABLE public.t (a integer); INSERT INTO public.t VALUES (1); CREATE ROLE r;
        ALTER DATABASE plur SET app.region = 'eu'; ALTER DATABASE plur SET work_mem = '5MB';
        ALTER DATABASE plur SET force_parallel_mode = off;
        ALTER ROLE r IN DATABASE plur SET force_parallel_mode = on;
        CREATE FUNCTION public.f(a integer) RETURNS integer LANGUAGE sql
        SET force_parallel_mode = off SET search_path = public, pg_temp AS 'SELECT 1';";
    let dump = dump(15, sql);
    let ended = drill(dump.clone(), "major = 17");
    let says = [
        "database plur: setting force_parallel_mode",
        "role r in database plur: setting force_parallel_mode",
        "function public.f(integer): setting force_parallel_mode",
        "as it is one of PostgreSQL 15",
        "PostgreSQL 17 has no such setting",
        "`ALTER ROLE r IN DATABASE plur RESET force_parallel_mode`",
        "`ALTER FUNCTION public.f(integer) RESET force_parallel_mode`",
    ];
    ended.fails_in("restore", &says).unwrap();
    let findings = ended.findings("restore");
    for name in [
        "setting app.region",
        "setting work_mem",
        "setting search_path",
    ] {
        assert!(!findings.contains(name), "{findings}");
    }
    drill(dump, "major = 15").is_proven().unwrap();
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_setting_that_the_restore_tolerates_is_a_step() {
    let sql = "CREATE TABLE public.t (a integer); INSERT INTO public.t VALUES (1); CREATE ROLE r; ALTER ROLE r SET force_parallel_mode = off;";
    let tolerate = "\n[[restore.tolerate]]\nmessage = \"unrecognized configuration parameter \\\"force_parallel_mode\\\"\"\nreason = \"the runbook resets it\"\n";
    let scenario = format!(
        "schema = 1\nname = \"drilled\"\n[backup]\npath = \"dump.sql\"\n[server]\nmajor = 17\n[restore]\ndatabase = \"plur\"\n{tolerate}"
    );
    let ended = redrill()
        .file("dump.sql", dump(15, sql))
        .scenario(&scenario)
        .run();
    let steps = rehearsed(&ended).1;
    assert_eq!(
        steps,
        ["role r: setting force_parallel_mode"],
        "{}",
        ended.stdout
    );
}

#[test]
fn a_value_that_the_newer_version_refuses_is_found() {
    // 15 takes any of these; the claim of the version is made up.
    let sql = format!("CREATE ROLE r;\nALTER ROLE r SET wal_compression TO 'brotli';\n{TABLE}");
    let ended = drill(written_by(14, &sql), "major = 17");
    let says = [
        "role r: setting wal_compression",
        "PostgreSQL 17 refuses its value",
        "`ALTER ROLE r RESET wal_compression`",
    ];
    ended.fails_in("restore", &says).unwrap();
}

#[rstest]
#[case::removed(
    "old_snapshot_threshold = \"1h\"",
    15,
    Some("PostgreSQL 17 has no such setting")
)]
#[case::value(
    "wal_compression = \"brotli\"",
    15,
    Some("PostgreSQL 17 refuses its value")
)]
#[case::no_rehearsal("old_snapshot_threshold = \"1h\"", 17, None)]
fn settings_of_the_scenario_that_the_newer_version_refuses_are_found(
    #[case] setting: &str,
    #[case] from: u32,
    #[case] says: Option<&str>,
) {
    let ended = drill(
        written_by(from, TABLE),
        &format!("major = 17\n[server.settings]\n{setting}"),
    );
    let name = setting.split(' ').next().unwrap();
    let name = format!("setting {name}");
    match says {
        Some(says) => ended.fails_in("server", &[&name, says]).unwrap(),
        None => ended.cannot_look_in("server", &["did not start"]).unwrap(),
    }
}

/// An archive of 15, which has the format of 12 to 14 too, that claims to be of a version.
fn archive_by(major: u32) -> Vec<u8> {
    let sql = "CREATE TABLE public.t (a integer); INSERT INTO public.t VALUES (1);";
    let archive = dump_of(
        15,
        ("C.UTF-8", "pg_dump --format=custom --dbname=plur"),
        sql,
    );
    let at = archive
        .windows(4)
        .position(|bytes| bytes == b"15.2")
        .unwrap();
    let mut archive = archive;
    archive[at..at + 2].copy_from_slice(major.to_string().as_bytes());
    archive
}

#[rstest]
#[case(12, written_by(12, TABLE))]
#[case(13, written_by(13, TABLE))]
#[case(14, archive_by(14))]
fn without_a_server_of_its_own_version_that_is_not_tested(
    #[case] major: u32,
    #[case] dump: Vec<u8>,
) {
    let ended = drill(dump, "major = 18");
    ended.is_proven_with(1).unwrap();
    let upgrade = &ended.drill()["proof"]["upgrade"];
    assert_eq!(upgrade["from"], major);
    assert_eq!(upgrade["servers"], serde_json::json!([]));
    let says = format!("were not compared with a server of PostgreSQL {major}");
    let json = ended.drill()["not_tested"].to_string();
    for report in [&json, &ended.pages[0]] {
        assert!(report.contains(&says), "{report}");
    }
    let compared = "compared with no server";
    assert!(ended.pages[1].contains(compared), "{}", ended.pages[1]);
    assert!(ended.stdout.contains(compared), "{}", ended.stdout);
}

#[test]
fn a_function_that_the_newer_version_has_itself_is_a_step() {
    let sql = "CREATE FUNCTION public.uuidv7() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
               CREATE FUNCTION public.uuidv9() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
               CREATE TABLE public.t (a integer); INSERT INTO public.t VALUES (1);";
    let ended = drill(dump(17, sql), "major = 18");
    ended.is_proven().unwrap();
    assert_eq!(rehearsed(&ended).1, ["function public.uuidv7()"]);
}

#[rstest]
#[case::older("major = 15", 17, &["`major = 15`", "of PostgreSQL 17", "set 17 or a later version"])]
#[case::other_image("major = 18\n[server.container]\nimage = \"redrill/postgres:17\"", 15, &["`major = 18`", "redrill/postgres:17", "PostgreSQL 17."])]
#[case::no_image("major = 99\n[server.container]", 15, &["no Postgres image for version 99"])]
#[case::no_installation("major = 99\n[server.local]", 15, &["no local Postgres of version 99"])]
fn a_version_that_does_not_fit_is_an_error(
    #[case] server: &str,
    #[case] from: u32,
    #[case] says: &[&str],
) {
    drill(written_by(from, TABLE), server)
        .cannot_look_in("server", says)
        .unwrap();
}

#[test]
fn the_own_version_is_no_rehearsal() {
    let ended = drill(written_by(15, TABLE), "major = 15\n[server.local]");
    ended.is_proven_with(1).unwrap();
    assert!(ended.drill()["proof"]["upgrade"].is_null());
}

/// An image of a version with an older hstore than it comes with; removed when it is dropped.
struct OldExtension(&'static str);

impl OldExtension {
    fn build() -> Self {
        let name = "redrill-test/postgres:old-hstore";
        let dockerfile = "FROM redrill/postgres:17\nUSER root\n\
            RUN sed -i \"s/^default_version.*/default_version = '1.4'/\" /usr/share/postgresql/17/extension/hstore.control\n";
        let mut build = Command::new("docker")
            .args(["build", "--quiet", "--network=none", "--tag", name, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        build
            .stdin
            .take()
            .unwrap()
            .write_all(dockerfile.as_bytes())
            .unwrap();
        assert!(build.wait().unwrap().success());
        Self(name)
    }
}

impl Drop for OldExtension {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["image", "rm", self.0])
            .output();
    }
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn an_extension_that_is_too_old_is_found() {
    let image = OldExtension::build();
    let sql = "CREATE EXTENSION hstore SCHEMA public; CREATE TABLE public.t (a hstore); INSERT INTO public.t VALUES ('a => 1');";
    let server = format!("major = 17\n[server.container]\nimage = \"{}\"", image.0);
    let ended = drill(dump(15, sql), &server);
    let says = ["extension hstore", "version 1.8 or newer", "version 1.4"];
    ended.fails_in("proof", &says).unwrap();
}

/// The scenario of a fixture with `[server] major`, on backups of a version.
#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::prisme("prisme", "PRISME_BACKUPS", "", 15, 17, &[])]
#[ignore = "slow: ci/slow.sh"]
#[case::prisme("prisme", "PRISME_BACKUPS", "", 15, 18, &[])]
#[ignore = "slow: ci/slow.sh"]
#[case::prisme("prisme", "PRISME_BACKUPS", "", 17, 18, &[])]
#[ignore = "slow: ci/slow.sh"]
#[case::caracal("caracal", "CARACAL_BACKUPS", "", 15, 18, &[])]
#[ignore = "slow: ci/slow.sh"]
#[case::paperclip("paperclip", "PAPERCLIP_BACKUPS", "pg_dump", 15, 18, &[])]
#[case::powernode("powernode", "POWERNODE_BACKUPS", "", 17, 18, &["extension pgcrypto", "extension vector"])]
fn the_fixtures_are_upgraded(
    #[case] system: &str,
    #[case] variable: &str,
    #[case] within: &str,
    #[case] from: u32,
    #[case] to: u32,
    #[case] steps: &[&str],
) {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("out");
    let made = Command::new(
        root()
            .join("fixtures/databases")
            .join(system)
            .join("make.sh"),
    )
    .arg(&backups)
    .env("FIXTURE_IMAGE", format!("redrill/postgres:{from}"))
    .output()
    .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let scenarios = folder.path().join("scenarios");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(root().join("scenarios"))
        .arg(&scenarios)
        .status();
    assert!(copied.unwrap().success());
    for linked in ["fixtures", "target"] {
        std::os::unix::fs::symlink(root().join(linked), folder.path().join(linked)).unwrap();
    }
    let scenario = scenarios.join(format!("{system}.toml"));
    let text = std::fs::read_to_string(&scenario).unwrap();
    // The checks of the scenario have tests of their own.
    let ended = text + &format!("\n[server]\nmajor = {to}\n");
    std::fs::write(&scenario, ended).unwrap();
    let ended = redrill()
        .with(scenario.to_str().unwrap())
        .drilled(system)
        .environment(variable, backups.join(within).to_str().unwrap())
        .environment(
            "PAPERCLIP_INSTANCE",
            backups.join("instance").to_str().unwrap(),
        )
        .run();
    assert_eq!(ended.findings("proof"), "");
    assert_eq!(ended.stages("pass").len(), 5, "{}", ended.stdout);
    let upgrade = &ended.drill()["proof"]["upgrade"];
    assert_eq!(
        upgrade["servers"].as_array().unwrap().len(),
        1,
        "{upgrade:#}"
    );
    assert_eq!(rehearsed(&ended).1, steps, "{upgrade:#}");
}
