//! Archives that pg_dump of several versions writes, read by redrill itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use redrill::backup::contents::Contents;
use redrill::backup::format::archive::{Archive, custom, directory, tar};
use redrill::backup::format::plain;
use redrill::server::{Client, ClientInput};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Row as _};
use tokio::io::AsyncReadExt as _;

use crate::support::{Plur, on_empty, on_restored_plur};

/// Two large objects, one of them empty, beside the rows that every version dumps.
const ADDED: &str = "
SELECT lo_from_bytea(4711, 'hello'), lo_create(4712);
CREATE TABLE public.\"Odd \"\"name\" (id integer, note text);
INSERT INTO public.\"Odd \"\"name\" SELECT i, E'a\\ttab, a\\nline, a \\\\. and ' || md5(i::text) FROM generate_series(1, 20000) i;
CREATE TABLE public.no_rows (id integer);
CREATE TABLE public.no_columns ();
INSERT INTO public.no_columns DEFAULT VALUES;
";

/// What stands for PLUR on a server without its extensions.
const INSTEAD: &str = "
CREATE SCHEMA org;
DO $$ BEGIN
  FOR i IN 1..25 LOOP
    EXECUTE format('CREATE TABLE org.t%s AS SELECT n, repeat(''text '', n) AS note FROM generate_series(1, %s) n', i, i * 7);
    EXECUTE format('GRANT SELECT ON org.t%s TO PUBLIC', i);
    EXECUTE format('CREATE INDEX ON org.t%s (n)', i);
  END LOOP;
END $$;
SELECT lo_from_bytea(4710, decode(repeat('00', 100000), 'hex'));
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: ci/slow.sh"]
async fn archives_of_15_are_read_as_the_server_counts() {
    on_empty(15, async |plur| {
        plur.sql("plur", INSTEAD).await;
        as_the_server_counts(plur, 15).await;
    })
    .await;
}

#[rstest]
#[case(17)]
#[ignore = "slow: ci/slow.sh"]
#[case(18)]
#[tokio::test(flavor = "multi_thread")]
async fn archives_of_plur_are_read_as_the_server_counts(#[case] major: u32) {
    on_restored_plur(Some(major), async |plur| {
        as_the_server_counts(plur, major).await
    })
    .await;
}

async fn as_the_server_counts(plur: &Plur, major: u32) {
    plur.sql("plur", ADDED).await;
    let (plain, found, _) = plain::read(dump(plur, &[]).await.as_slice()).unwrap();
    assert_eq!(found.problems, []);
    counted(plur, &plain).await;
    let compressions: &[&str] = if major < 16 {
        &["0", "6"]
    } else {
        &["none", "gzip", "lz4", "zstd"]
    };
    for compression in compressions {
        let compress = format!("--compress={compression}");
        for more in [&[][..], &["--inserts"], &["--rows-per-insert=9"]] {
            let what = format!("{major} custom {compression} {more:?}");
            let arguments = [&["--format=custom", &compress], more].concat();
            let archive = custom::read(dump(plur, &arguments).await.as_slice()).unwrap();
            same(&what, &archive, &plain, more.is_empty());
        }
        let folder = dump_folder(plur, &["--format=directory", &compress]).await;
        let read = directory::read(&folder.path).unwrap();
        same(
            &format!("{major} directory {compression}"),
            &read.archive,
            &plain,
            true,
        );
    }
    // With a file it can go back to, pg_dump writes where the data lies.
    let seekable = dump_folder(plur, &["--format=custom"]).await;
    let bytes = fs::read(&seekable.path).unwrap();
    same(
        &format!("{major} seekable"),
        &custom::read(bytes.as_slice()).unwrap(),
        &plain,
        true,
    );
    let tar_bytes = dump(plur, &["--format=tar"]).await;
    same(
        &format!("{major} tar"),
        &tar::read(tar_bytes.as_slice()).unwrap(),
        &plain,
        true,
    );
}

/// Every table of the dump has as many rows as the server counts.
async fn counted(plur: &Plur, plain: &Contents) {
    let mut connection = plur.connect("plur").await;
    assert!(plain.rows.len() > 20, "{:?}", plain.rows);
    for ((_, table), rows) in &plain.rows {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM ONLY {table}"));
        let counted: i64 = sqlx::query(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .get(0);
        assert_eq!(rows.count, counted.unsigned_abs(), "{table}");
    }
}

/// An archive holds what the plain dump of the same database holds.
fn same(what: &str, archive: &Archive, plain: &Contents, by_copy: bool) {
    assert_eq!(archive.problems.problems, [], "{what}");
    assert_eq!(archive.problems.warnings, [], "{what}");
    let shown = |contents: &Contents| -> BTreeMap<String, (u64, u64)> {
        let rows = contents.rows.iter();
        rows.map(|((_, table), rows)| {
            (
                table.to_string(),
                (rows.count, if by_copy { rows.bytes } else { 0 }),
            )
        })
        .collect()
    };
    assert_eq!(shown(&archive.contents), shown(plain), "{what}");
    let contents = &archive.contents;
    // PLUR has one of its own.
    assert_eq!(contents.large_objects, 3, "{what}");
    assert_eq!(contents.extensions, plain.extensions, "{what}");
    assert_eq!(contents.encoding, plain.encoding, "{what}");
    assert_eq!(contents.source_version, plain.source_version, "{what}");
    assert_eq!(contents.origin.as_deref(), Some("plur"), "{what}");
    assert!(contents.has_privileges && contents.has_owners, "{what}");
    for owner in &plain.owners {
        assert!(contents.owners.contains(owner), "{what}: {owner}");
    }
    assert_eq!(contents.roles, plain.roles, "{what}");
    assert_eq!(contents.creates, plain.creates, "{what}");
}

/// Runs pg_dump of the server's own version, and gives what it writes.
async fn dump(plur: &Plur, arguments: &[&str]) -> Vec<u8> {
    let always = ["--no-password", "--dbname=plur"];
    let arguments = arguments.iter().chain(&always);
    let mut client = plur
        .server
        .client(Client {
            program: "pg_dump",
            arguments: arguments.map(|argument| (*argument).to_owned()).collect(),
            input: ClientInput::Nothing,
        })
        .await
        .unwrap();
    let (mut archive, mut messages) = (Vec::new(), String::new());
    let (read, _) = tokio::join!(
        client.stdout.read_to_end(&mut archive),
        client.stderr.read_to_string(&mut messages)
    );
    read.unwrap();
    assert_eq!(client.end.wait().await.unwrap(), Some(0), "{messages}");
    archive
}

/// A file or a folder that pg_dump wrote, taken out of the container.
struct Taken {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

async fn dump_folder(plur: &Plur, arguments: &[&str]) -> Taken {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let inside = format!("/tmp/dump-{number}");
    let file = format!("--file={inside}");
    dump(plur, &[arguments, &[&file]].concat()).await;
    let docker = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let filter = format!("label=redrill.run={}", plur.run.id);
    let container = docker(&["ps", "--quiet", "--filter", &filter]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let from = format!("{container}:{inside}");
    docker(&["cp", &from, &path.to_string_lossy()]);
    Taken {
        path,
        _folder: folder,
    }
}
