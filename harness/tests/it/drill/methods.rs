//! The methods of a restore, and that an archive is restored as the SQL that pg_restore makes of it.

use std::io::{self, Write};
use std::path::Path;

use redrill::backup::format::archive::{Entry, script};
use redrill::backup::script::lexer::{Lexer, Piece};
use rstest::rstest;

use super::builder::{Ended, redrill};
use super::dumps::{ROWS, docker, dumps};
use crate::server::drill::usable;

fn scenario(method: &str) -> String {
    format!(
        r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[restore]
method = "{method}"
create-roles = ["shop_app"]
database = "users"

[[check.row-count]]
table = "auth.users"
exact = 1500
"#
    )
}

fn drilled(method: &str, name: &str) -> Ended {
    let path = dumps(17).path(name);
    redrill()
        .scenario(&scenario(method))
        .copy(&path, name)
        .names(name)
        .run()
}

#[rstest]
#[case("auto", "users.sql", "as `cat FILE | psql` does")]
#[case("auto", "users.dump", "as `pg_restore` does")]
#[case("parallel", "users.tar", "as `pg_restore` does")]
#[case("psql", "users.sql", "psql")]
#[case("pg_restore", "users.dump", "pg_restore")]
#[case("pg_restore", "users.dir", "pg_restore")]
fn a_method_restores_what_it_is_for(#[case] method: &str, #[case] name: &str, #[case] says: &str) {
    let ended = drilled(method, name);
    ended.is_proven_with(ROWS[0]).unwrap();
    let drill = ended.drill();
    let shown = drill["restore"]["method"].as_str().unwrap();
    assert!(shown.ends_with(says), "{shown}");
    assert!(drill["restore"]["processor_s"].as_f64().unwrap() >= 0.0);
    assert!(drill["restore"]["analyze_s"].as_f64().is_some());
}

/// pg_restore cannot read it, so it gets a copy.
#[test]
fn a_compressed_archive_is_unpacked_for_pg_restore() {
    let archive = dumps(17).read("users.dump");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&archive).unwrap();
    let ended = redrill()
        .scenario(&scenario("pg_restore"))
        .backup(packed.finish().unwrap(), "users.dump.gz")
        .run();
    ended.is_proven_with(ROWS[0]).unwrap();
}

#[rstest]
#[case("psql", "users.dump", "method = \"pg_restore\"")]
#[case("pg_restore", "users.sql", "method = \"psql\"")]
fn a_method_for_another_format_says_which(
    #[case] method: &str,
    #[case] name: &str,
    #[case] hint: &str,
) {
    let ended = drilled(method, name);
    ended.cannot_look_in("backup", &[hint]).unwrap();
}

/// What psql says has a line, an SQLSTATE and no value.
#[tokio::test]
async fn psql_is_understood() {
    let good = String::from_utf8(dumps(15).read("users.sql")).unwrap();
    let row = good
        .lines()
        .find(|line| line.starts_with("7\tuser7@"))
        .unwrap();
    let bad = good
        .replace(row, "seven\tuser7@example.com")
        .replace("SET row_security = off;", "SET no_such_setting = on;")
        .replace(" OWNER TO shop_app;", " OWNER TO shop_owner;");
    let line = |text: &str| 1 + bad.lines().position(|line| line.contains(text)).unwrap();
    for provider in ["container", "local"] {
        if !usable(provider).await {
            continue;
        }
        let drill = |method: &str| {
            let ended = redrill()
                .scenario(&scenario(method).replace("shop_app", "shop_owner\", \"shop_app"))
                .backup(&bad, "bad.sql")
                .with("--server")
                .with(provider)
                .run();
            assert_eq!(ended.code, 10, "{}{}", ended.stdout, ended.stderr);
            ended.findings("restore")
        };
        let (psql, own) = (drill("psql"), drill("parallel"));
        for text in [
            format!("line {} of the dump", line("no_such_setting")),
            "(42704)".to_owned(),
            "(22P02)".to_owned(),
        ] {
            assert!(psql.contains(&text), "{provider}: {text} is not in {psql}");
            assert!(own.contains(&text), "{provider}: {text} is not in {own}");
        }
        assert!(!psql.contains("seven"), "{psql}");
    }
}

/// Collects a script.
struct Script(Vec<u8>);

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl script::Output for Script {
    fn entry(&mut self, _: &Entry) {}
}

fn script_of(path: &Path, name: &str) -> Vec<u8> {
    let mut out = Script(Vec::new());
    let open = || io::BufReader::new(std::fs::File::open(path).unwrap());
    if path.is_dir() {
        script::directory(path, "drilled", &mut out).unwrap();
    } else if name.ends_with(".tar") {
        script::tar(open(), "drilled", &mut out).unwrap();
    } else {
        script::custom(open(), "drilled", &mut out).unwrap();
    }
    out.0
}

/// Statements and rows, without settings, commands of psql and comments.
fn statements(text: &[u8]) -> Vec<String> {
    let mut lexer = Lexer::new(text).singly();
    let mut found = Vec::new();
    while let Some(piece) = lexer.next_piece().unwrap() {
        let mut rows_follow = false;
        match piece {
            Piece::Statement(statement) => {
                let text = String::from_utf8_lossy(statement.text).into_owned();
                rows_follow = text.starts_with("COPY ");
                let is_setting = text.starts_with("SET ") || text.contains("pg_catalog.set_config");
                if !is_setting {
                    found.push(text);
                }
            }
            Piece::Rows { lines, .. } => found.push(String::from_utf8_lossy(lines).into_owned()),
            _ => {}
        }
        if rows_follow {
            lexer.expect_rows();
        }
    }
    found
}

/// The oracle is pg_restore itself, of the version that wrote the archive.
#[rstest]
#[case(15)]
#[case(17)]
#[case(18)]
fn an_archive_is_the_sql_that_pg_restore_makes(#[case] major: u32) {
    let all = dumps(major).names(&["custom-", "directory-", "inserts.d", "users.d", "users.t"]);
    assert!(all.len() >= 7, "{all:?}");
    for name in all {
        let path = dumps(major).path(&name);
        let folder = format!("{}:/dumps", path.parent().unwrap().display());
        let printed = docker(&[
            "run",
            "--rm",
            "--network=none",
            "--user=root",
            "--volume",
            &folder,
            "--entrypoint=pg_restore",
            &format!("redrill/postgres:{major}"),
            "--file=-",
            &format!("/dumps/{name}"),
        ]);
        let expected = statements(printed.unwrap().as_bytes());
        assert!(expected.len() > 10, "{name}: {expected:?}");
        assert_eq!(statements(&script_of(&path, &name)), expected, "{name}");
    }
}

/// A drill of the archive of the database `settled`, into `database`, with these roles.
fn settled(database: &str, roles: &str, expected: &str) -> Ended {
    let scenario = format!(
        r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[restore]
create-roles = [{roles}]
database = "{database}"

[[check.sql]]
name = "the owner, rights, settings and comment of the database"
query = """
SELECT concat_ws(', ', pg_get_userbyid(datdba) = 'shop_app', shobj_description(oid, 'pg_database'),
  has_database_privilege('public', oid, 'CONNECT'),
  (SELECT string_agg(array_to_string(setconfig, ','), ' ' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = oid))
FROM pg_database WHERE datname = current_database()"""
scalar = "{expected}"
"#
    );
    redrill()
        .scenario(&scenario)
        .copy(&dumps(17).path("settled.dump"), "settled.dump")
        .names("settled.dump")
        .run()
}

#[test]
fn r06_the_database_of_an_archive_keeps_its_owner_rights_and_settings() {
    let roles = "\"shop_app\", \"shop_reader\"";
    let all = "t, of the shop, f, work_mem=9MB search_path=shop";
    let same = settled("settled", roles, all);
    same.is_proven_with(1).unwrap();
    assert_eq!(same.findings("restore"), "");
    // In a database of another name they would be those of another database.
    let other = settled("other", roles, "f, t");
    other.is_proven_with(1).unwrap();
    // Nothing else needs these roles, so that the backup restores without them: what was lost is listed.
    let without = settled("settled", "", "f, of the shop, f, work_mem=9MB");
    without.is_proven_with(1).unwrap();
    let tolerated = without.drill()["restore"]["tolerated"].to_string();
    for role in ["shop_app", "shop_reader"] {
        assert!(tolerated.contains(role), "{tolerated}");
    }
}
