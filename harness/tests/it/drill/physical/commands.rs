//! What the other commands do with a base backup: `init`, `baseline`, `recover`, `rehearse` and `inspect`, and every kind of check that
//! needs neither pgvector nor AGE.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rstest::rstest;
use serde_json::Value;

use super::faults::{edit, table};
use super::{CLUSTER, Copy, one_line};
use crate::drill::builder::{Ended, Redrill, redrill};
use crate::init::shop::SHOP;
use crate::support::shared;

/// The folder of the base backup, its WAL and a moment.
static MADE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shop = format!("cat >shop.sql <<'SHOP'\n{SHOP}\nSHOP\n");
    shared::made_by_postgres(&[CLUSTER, &shop, include_str!("commands.sh")].concat())
});

/// The path of a file of the backup.
fn path(name: &str) -> String {
    MADE.join(name).display().to_string()
}

/// A command with a local server.
fn local(words: &[&str]) -> Redrill {
    let words = words.iter().chain(&["--quiet", "--work-dir", "/tmp"]);
    words.fold(redrill(), |redrill, word| redrill.with(word))
}

/// What a command printed, on one line.
fn said(ended: &Ended) -> String {
    one_line(&format!("{}\n{}", ended.stdout, ended.stderr))
}

fn shows(ended: &Ended, code: i32, texts: &[&str]) {
    let said = said(ended);
    assert_eq!(ended.code, code, "{said}");
    for text in texts {
        assert!(said.contains(text), "no `{text}` in {said}");
    }
}

/// A program of a scenario.
fn program(path: &Path, text: &str) {
    let head = "#!/bin/bash\nset -eu\nPATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH\n";
    fs::write(path, format!("{head}{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An application that answers with the number of imports.
const APP: &str = r#"exec perl -MIO::Socket::INET -e '
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}, Listen => 5) or die $!;
while (my $client = $server->accept) {
    while (<$client>) { last if /^\r?$/ }
    my $count = `psql -qAtX -c "SELECT count(*) AS imports FROM shop.imports" "\$DATABASE_URL"`;
    my $status = $? ? "500 Error" : "200 OK";
    printf $client "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", $status, length $count, $count;
    close $client;
}'"#;

/// Checks of the kinds that `init` does not write.
const MORE: &str = r#"
[[check.api]]
command = ["./app.sh"]
role = "shop_app"
ready = { listens = true, within = "20s" }

[[check.api.request]]
path = "/"
expect.body-contains = "21"

[[check.command]]
command = ["./books.sh"]
writes = true

[[check.migrations]]
files = "migrations"
names = '^([0-9]+)_[a-z]+\.sql$'
table = "drizzle.__drizzle_migrations"
column = "id"

[[check.object]]
kind = "view"
present = ["shop.order_totals"]

[[check.reference]]
table = "shop.orders"
column = "customer_id"
to = { table = "shop.customers", column = "id" }

[[check.size]]
table = "shop.imports"
min = "1 kB"

[[check.sql]]
query = "SELECT id FROM shop.orders WHERE total = 0"
no-rows = true
"#;

/// Kinds of checks by their outcome.
fn kinds(drill: &Value, outcome: &str) -> BTreeSet<String> {
    let checks = drill["checks"].as_array().unwrap().iter();
    let those = checks.filter(|check| check["outcome"] == outcome);
    those
        .map(|check| check["kind"].as_str().unwrap().to_owned())
        .collect()
}

/// Every kind of check passes on a recovered server, and fails there.
#[test]
fn what_init_writes_holds_at_its_moment_and_fails_after_a_bad_release() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().display().to_string();
    let (base, wal) = (path("base"), path("wal"));
    let from = ["init", "--from", &base, "--wal", &wal, "--until", "good"];
    let to = ["--out", &folder, "--name", "shop", "--server", "local"];
    let ended = local(&[]).call(&[&from[..], &to].concat());
    shows(
        &ended,
        0,
        &[
            "WRITTEN",
            "not described, because they are unlogged: the rows of shop.scratch",
        ],
    );
    let passed = "Every check was run on the restored backup and passed.";
    assert!(ended.stdout.contains(passed), "{}", ended.stdout);
    let file = out.path().join("shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    for expected in [
        "[backup.base]\npath = ",
        "[backup.wal]\npath = ",
        "[recovery]\nname = \"good\"\n",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    let head = one_line(&text.replace("\n#", ""));
    let recovered = "from base, recovered to the restore point `good`, with transactions up to 20";
    assert!(head.contains(recovered), "{head}");
    // Of dumps only, as roles that redrill makes are.
    for wrong in ["[backup.previous]", "[restore]", "role = ["] {
        assert!(!text.contains(&format!("\n{wrong}\n")), "{text}");
    }

    fs::create_dir(out.path().join("migrations")).unwrap();
    for number in 1..=7 {
        let path = out.path().join(format!("migrations/{number}_step.sql"));
        fs::write(path, "SELECT 1;\n").unwrap();
    }
    program(&out.path().join("app.sh"), APP);
    let books = "psql -qAtX -v ON_ERROR_STOP=1 -c 'DELETE FROM shop.imports' \"$DATABASE_URL\"";
    program(&out.path().join("books.sh"), books);
    // Its folder has another name by now.
    let line = text.lines().find(|line| line.ends_with("/base\""));
    let moved = text.replacen(line.unwrap(), "path = \"gone\"", 1);
    fs::write(&file, moved + MORE).unwrap();
    let run = |more: &[&str]| {
        let file = file.display().to_string();
        let run = redrill().drilled("shop").with(&file);
        more.iter().fold(run, |run, word| run.with(word)).run()
    };
    let good = run(&["--server", "container", "--backup", &base]);
    assert_eq!(good.code, 0, "{}", good.stdout);
    let passed = kinds(good.drill(), "pass");
    let all: Vec<String> = redrill::check::kinds()
        .iter()
        .map(|one| one.name.to_owned())
        .collect();
    let mut all: BTreeSet<String> = all.into_iter().collect();
    for of_extension in ["graph", "vector"] {
        all.remove(of_extension);
    }
    assert_eq!(passed, all);

    let latest = text.replace("name = \"good\"", "target = \"latest\"") + MORE;
    fs::write(&file, latest).unwrap();
    let bad = run(&["--server", "local"]);
    assert_eq!(bad.code, 10, "{}", bad.stdout);
    assert_eq!(kinds(bad.drill(), "fail"), all, "{}", bad.stdout);

    // The same state, taken by the other command.
    let baseline = out.path().join("other.toml").display().to_string();
    let file = file.display().to_string();
    let from = ["baseline", "--from", &file, "--until", "good"];
    let to = ["--out", &baseline, "--server", "local"];
    let ended = local(&[]).call(&[&from[..], &to].concat());
    shows(
        &ended,
        0,
        &[
            "append-only: shop.audit",
            "not read: rows of shop.scratch: it is unlogged, so a recovery empties it",
        ],
    );
    let written = |name: &str| {
        let text = fs::read_to_string(out.path().join(name)).unwrap();
        // The path of the backup, as each was given it.
        let lines = text.lines().filter(|line| !line.starts_with("from = "));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(written("other.toml"), written("shop.baseline.toml"));
}

/// `redrill recover` into a file of a folder; gives how it ended, and the file.
fn recover(table: &str, name: &str, more: &[&str]) -> (Ended, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name).display().to_string();
    let words = ["recover", "--table", table, "--out", &file];
    let ended = local(&["--server", "local"]).call(&[&words[..], more].concat());
    (ended, fs::read_to_string(&file).ok())
}

#[test]
fn a_table_comes_back_as_it_was_before_it_was_dropped() {
    let (base, wal, time) = (path("base"), path("wal"), path("time"));
    let of_folder = ["--from", &base, "--wal", &wal];
    let until = ["--until", "good"];
    let words = [&of_folder[..], &until].concat();
    let (ended, file) = recover("shop.imports", "x.sql", &words);
    shows(
        &ended,
        0,
        &[
            "21 rows: read to the end and verified by amcheck; a base backup has no second copy",
            "recovered to the restore point `good`, with transactions up to 20",
        ],
    );
    assert!(!said(&ended).contains("as many as in the backup"));
    let file = file.unwrap();
    for line in [
        "-- recovered to the restore point `good`, with transactions up to 20",
        "-- 21 rows\n",
        "--   role shop_owner\n",
        "--   tablespace space\n",
        "\nALTER TABLE shop.imports OWNER TO shop_owner;\n",
        "\nGRANT SELECT ON TABLE shop.imports TO shop_reader;\n",
        "\nafter the base backup\n",
    ] {
        assert!(file.contains(line), "no `{line}` in\n{file}");
    }

    // From a scenario that recovers to the end, to a time.
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("x.toml").display().to_string();
    let text = format!(
        "schema = 1\nname = \"x\"\n[backup.base]\npath = {base:?}\n[backup.wal]\npath = {wal:?}\n"
    );
    fs::write(&scenario, text).unwrap();
    let time = fs::read_to_string(time).unwrap();
    let words = ["--from", &scenario, "--until", time.trim()];
    let (ended, file) = recover("shop.imports", "x.csv", &words);
    shows(&ended, 0, &["21 rows", "recovered to the time 20"]);
    assert_eq!(file.unwrap().lines().count(), 22);
    let (ended, file) = recover("shop.imports", "x.sql", &["--from", &scenario]);
    shows(
        &ended,
        4,
        &[
            "shop.imports cannot be recovered",
            "recovered to the end of the WAL, and `--until` recovers it to an earlier moment",
        ],
    );
    assert_eq!(file, None);
    // Its rows are not in a base backup, and an empty table is not what it was.
    let (ended, file) = recover("shop.scratch", "x.sql", &words);
    shows(
        &ended,
        10,
        &["shop.scratch", "the table is unlogged", "SET LOGGED"],
    );
    assert_eq!(file, None);
}

/// No checksum shows it, and a table would come back with fewer rows.
#[test]
fn a_table_that_lost_pages_is_not_recovered() {
    let copy = Copy::make();
    edit(&copy, |files| {
        let table = table(files);
        files.get_mut(&table).unwrap().truncate(8192);
    });
    let (base, wal) = (copy.path("base"), copy.path("wal"));
    let scenario = copy.path("x.toml");
    let text = |proof: &str| {
        format!(
            "schema = 1\nname = \"x\"\nproof = \"{proof}\"\n[backup.base]\npath = {base:?}\n[backup.wal]\npath = {wal:?}\n[recovery]\ntarget = \"immediate\"\n"
        )
    };
    let recovered = |proof: &str| {
        fs::write(&scenario, text(proof)).unwrap();
        let scenario = scenario.display().to_string();
        recover("public.orders", "x.csv", &["--from", &scenario])
    };
    let (ended, file) = recovered("full");
    let damaged = "public.orders is damaged on the recovered server";
    shows(&ended, 10, &[damaged, "34 rows, as its index on id has"]);
    assert_eq!(file, None);
    // With another proof the output says what was not verified.
    let (ended, file) = recovered("counts");
    shows(
        &ended,
        0,
        &["34 rows: read to the end, and not verified by amcheck"],
    );
    assert_eq!(file.unwrap().lines().count(), 35);
}

#[rstest]
#[case::no_base_backup(&["recover", "--table", "a.b", "--out", "x", "--from", "dump.toml", "--until", "good"], "`--until` is for base backups")]
#[case::no_offset(&["recover", "--table", "a.b", "--out", "x", "--from", "base", "--until", "2026-11-24 20:35"], "has no offset")]
#[case::baseline_of_an_address(&["baseline", "--from", "postgres://x@localhost/y", "--wal", "wal"], "`--wal` is for base backups")]
#[case::init_of_an_address(&["init", "--from", "postgres://x@localhost/y", "--until", "good"], "`--until` is for base backups")]
#[case::roles(&["inspect", "role.toml"], "`role` is for dumps: a base backup contains all roles")]
fn mistakes_are_named_before_anything_is_started(#[case] words: &[&str], #[case] says: &str) {
    let of_dump = "schema = 1\nname = \"x\"\n[backup]\npath = \"x.sql\"\n";
    let of_base = "schema = 1\nname = \"x\"\n[backup.base]\npath = \"base\"\n[[restore.role]]\nname = \"app\"\n";
    let ended = redrill()
        .file("dump.toml", of_dump)
        .file("role.toml", of_base)
        .call(words);
    shows(&ended, 2, &[says]);
}

#[test]
fn a_folder_is_inspected_with_its_wal() {
    let (base, wal) = (path("base"), path("wal"));
    let words = ["inspect", &base, "--wal", &wal, "--until", "prepared"];
    let ended = local(&[]).call(&words);
    shows(
        &ended,
        0,
        &["the restore point `prepared`", "good, prepared"],
    );
    // Its own WAL ends before.
    let ended = local(&[]).call(&["inspect", &base, "--until", "prepared"]);
    shows(&ended, 10, &["prepared"]);
}

/// The scenario of a release, whose program is `migrate.sh`.
fn release(folder: &Path, provider: &str, migration: &str) -> String {
    let (base, wal) = (path("base"), path("wal"));
    let text = format!(
        "schema = 1\nname = \"release\"\n[server.{provider}]\n[backup.base]\npath = {base:?}\n[backup.wal]\npath = {wal:?}\n\
         [recovery]\nname = \"prepared\"\n[[check.row-count]]\ntable = \"shop.imports\"\nexact = 21\n\
         [rehearse]\ncommand = [\"./migrate.sh\"]\nrole = \"shop_owner\"\napplication = [\"shop_app\"]\n"
    );
    let script = format!(
        "psql -qX -v ON_ERROR_STOP=1 -c \"SET lock_timeout = '5s'\" -c '{migration}' \"$DATABASE_URL\""
    );
    program(&folder.join("migrate.sh"), &script);
    let file = folder.join("release.toml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// A column that may be NULL. The prepared transaction of the source is not there any more, so it is not taken for one of the tool.
const SAFE: &str = "ALTER TABLE shop.imports ADD COLUMN IF NOT EXISTS note text";

#[rstest]
#[case::local("local")]
#[ignore = "slow: ci/slow.sh"]
#[case::container("container")]
fn a_release_is_rehearsed_on_a_recovered_server(#[case] provider: &str) {
    let folder = tempfile::tempdir().unwrap();
    let rehearse = |migration: &str| {
        let file = release(folder.path(), provider, migration);
        let command = redrill().drilled("release").with(&file);
        command.call(&[
            "rehearse",
            "--quiet",
            "--reports",
            "reports",
            "--work-dir",
            "/tmp",
        ])
    };
    let ended = rehearse(SAFE);
    assert_eq!(ended.code, 0, "{}", said(&ended));
    let rehearsal = ended.rehearsal.as_ref().unwrap();
    assert_eq!(rehearsal["verdict"], "SAFE");
    let ended = rehearse("ALTER TABLE shop.customers ALTER COLUMN email TYPE varchar(200)");
    let rehearsal = ended.rehearsal.as_ref().unwrap();
    assert_eq!(rehearsal["verdict"], "UNSAFE", "{}", said(&ended));
}

#[test]
fn a_release_is_rehearsed_on_a_kept_server_that_was_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let file = release(folder.path(), "local", SAFE);
    let work = tempfile::Builder::new()
        .prefix("rd")
        .tempdir_in("/tmp")
        .unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(work.path(), mode).unwrap();
    let call = |words: &[&str]| {
        redrill()
            .drilled("release")
            .works_in(work.path())
            .call(words)
    };
    let work_dir = work.path().display().to_string();
    let options = ["--quiet", "--reports", "reports", "--work-dir", &work_dir];
    let kept = redrill_kept(&[&["run", &file, "--keep", "10m"], &options[..]].concat());
    let name = kept
        .split_whitespace()
        .find(|word| word.starts_with("release-"));
    let name = name
        .unwrap_or_else(|| panic!("{kept}"))
        .trim_end_matches([',', ';', '`', '.']);
    let ended = call(&[&["rehearse", &file, "--on", name], &options[..]].concat());
    let dropped = call(&["drop", name, "--work-dir", &work_dir]);
    assert_eq!(ended.code, 0, "{}", said(&ended));
    assert_eq!(dropped.code, 0, "{}", said(&dropped));
    let backup = &ended.rehearsal.as_ref().unwrap()["backup"];
    // Whatever compares with the backup knows that it is a whole cluster.
    let target = &backup["physical"]["target"];
    assert_eq!(target, "the restore point `prepared`", "{backup}");
}

/// Runs a drill whose server is kept, after which something is left; gives what it printed.
fn redrill_kept(words: &[&str]) -> String {
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_redrill"))
        .args(words)
        .arg("--no-state")
        .current_dir(tempfile::tempdir().unwrap().path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{text}");
    text
}
