//! Real dumps of a small shop by every version, in every format, made once for all tests: the
//! databases `users`, `permissions` and `collections`, whose rows are [`ROWS`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::support::shared;

/// Rows of all tables of `users`, `permissions` and `collections`.
pub const ROWS: [u64; 3] = [1500, 700, 900];

/// What is dumped. The roles are needed, so that a dump without them is seen to lack them.
const SHOP: &str = r"
CREATE ROLE shop_app LOGIN PASSWORD 'planted';
CREATE ROLE shop_reader;
CREATE DATABASE users TEMPLATE template0;
CREATE DATABASE permissions TEMPLATE template0;
CREATE DATABASE collections TEMPLATE template0;
\connect users
CREATE SCHEMA auth AUTHORIZATION shop_app;
CREATE TABLE auth.users (id integer PRIMARY KEY, email text NOT NULL);
ALTER TABLE auth.users OWNER TO shop_app;
INSERT INTO auth.users SELECT i, 'user' || i || '@example.com' FROM generate_series(1, 1500) i;
CREATE TABLE auth.nobody (id integer);
CREATE INDEX users_email ON auth.users (email);
SELECT lo_from_bytea(4711, 'a large object');
\connect permissions
CREATE TABLE public.grants (id integer PRIMARY KEY, what text);
INSERT INTO public.grants SELECT i, md5(i::text) FROM generate_series(1, 700) i;
GRANT SELECT ON public.grants TO shop_reader;
\connect collections
CREATE TABLE public.documents (id integer PRIMARY KEY, body text);
INSERT INTO public.documents SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 900) i;
";

/// A database that has an owner, rights and settings of its own.
const SETTLED: &str = r#"
CREATE DATABASE settled TEMPLATE template0 OWNER shop_app;
COMMENT ON DATABASE settled IS 'of the shop';
ALTER DATABASE settled SET work_mem = '9MB';
ALTER ROLE shop_reader IN DATABASE settled SET search_path = 'shop';
REVOKE ALL ON DATABASE settled FROM PUBLIC;
GRANT CONNECT ON DATABASE settled TO shop_reader;
\connect settled
CREATE TABLE public.marker (id integer);
INSERT INTO public.marker VALUES (1);
CREATE TABLE public."DATABASE odd" (id integer);
"#;

/// Writes them all. Before version 16 `pg_dump` knows gzip alone, by its level.
const DUMP: &str = r"
set -e
mkdir /tmp/dumps
cd /tmp/dumps
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --file=/tmp/shop.sql >/dev/null
pg_dumpall --globals-only >globals.sql
pg_dumpall >all.sql
for db in users permissions collections; do
    pg_dump $db >$db.sql
    pg_dump --create $db >$db-create.sql
    pg_dump --format=custom $db >$db.dump
    pg_dump --format=custom --file=$db-seekable.dump $db
    pg_dump --format=directory --file=$db.dir $db
    pg_dump --format=tar $db >$db.tar
done
pg_dump --inserts users >inserts.sql
pg_dump --inserts --format=custom users >inserts.dump
pg_dump --rows-per-insert=7 --format=directory --file=inserts.dir users
compressions='none gzip lz4 zstd'
((MAJOR > 15)) || compressions='0 6'
for compress in $compressions; do
    pg_dump --compress=$compress --format=custom users | cat >custom-$compress.dump
    pg_dump --compress=$compress --format=directory --file=directory-$compress users
done
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --file=/tmp/settled.sql >/dev/null
pg_dump --format=custom settled >settled.dump
";

/// The dumps of one version.
pub struct Dumps(PathBuf);

impl Dumps {
    /// Where one lies, by its name.
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.0.join("dumps").join(name);
        assert!(path.exists(), "{name} is no dump");
        path
    }

    /// The bytes of one.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The names of all files and folders that begin so.
    pub fn names(&self, begins: &[&str]) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("dumps")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .filter(|name| begins.iter().any(|begin| name.starts_with(begin)))
            .collect();
        names.sort();
        names
    }
}

static OF_15: LazyLock<Dumps> = LazyLock::new(|| make(15));
static OF_17: LazyLock<Dumps> = LazyLock::new(|| make(17));
static OF_18: LazyLock<Dumps> = LazyLock::new(|| make(18));

/// The dumps that a version writes.
pub fn dumps(major: u32) -> &'static Dumps {
    match major {
        15 => &OF_15,
        17 => &OF_17,
        18 => &OF_18,
        other => panic!("no dumps of {other}"),
    }
}

/// A container that goes with its value.
pub struct Container(pub String);

impl Drop for Container {
    fn drop(&mut self) {
        let remove = ["rm", "--force", "--volumes", &self.0];
        let _ = Command::new("docker")
            .args(remove)
            .stdout(Stdio::null())
            .status();
    }
}

/// Calls the container engine.
pub fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Starts a server of this version in a container, for a test to be dumped from.
pub fn started(major: u32, label: &str) -> Container {
    let image = format!("redrill/postgres:{major}");
    let id = docker(&[
        "run",
        "--detach",
        "--network=none",
        &format!("--label=redrill.fixture={label}"),
        "--env=POSTGRES_HOST_AUTH_METHOD=trust",
        &image,
        "-cfsync=off",
    ]);
    let container = Container(id.unwrap());
    let began = Instant::now();
    // The image's first server, without TCP, is not the one.
    while docker(&["exec", &container.0, "pg_isready", "--host=127.0.0.1"]).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "{image}");
        std::thread::sleep(Duration::from_millis(100));
    }
    container
}

fn make(major: u32) -> Dumps {
    let folder = shared::folder();
    let version = format!("MAJOR={major}");
    let container = started(major, "dumps");
    let inside = |path: &str| format!("{}:{path}", container.0);
    for (name, sql) in [("shop.sql", SHOP), ("settled.sql", SETTLED)] {
        let path = folder.join(name);
        std::fs::write(&path, sql).unwrap();
        let inside = inside(&format!("/tmp/{name}"));
        docker(&["cp", &path.to_string_lossy(), &inside]).unwrap();
    }
    let user = ["exec", "--user=postgres", "--env", &version, &container.0];
    docker(&[&user[..], &["bash", "-c", DUMP]].concat()).unwrap();
    docker(&["cp", &inside("/tmp/dumps"), &folder.to_string_lossy()]).unwrap();
    Dumps(folder)
}

/// Copies a file or a folder.
pub fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
