//! A server with the good backup in it, of which other dumps are made: as a job makes them that is not
//! what it should be.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::drill::GOOD;
use crate::drill::dumps::{Container, docker};

/// The database as it is in the backup, under a name that no dump knows.
const KEEP: &str = "ALTER DATABASE plur RENAME TO good";

/// Makes `plur` as it was, with the settings and rights that a template does not carry.
const AGAIN: &str = "
DROP DATABASE IF EXISTS plur WITH (FORCE);
DROP ROLE IF EXISTS dumper;
CREATE DATABASE plur TEMPLATE good;
UPDATE pg_database p SET datacl = g.datacl, datdba = g.datdba FROM pg_database g
 WHERE p.datname = 'plur' AND g.datname = 'good';
INSERT INTO pg_db_role_setting
SELECT p.oid, s.setrole, s.setconfig FROM pg_db_role_setting s
  JOIN pg_database g ON g.oid = s.setdatabase AND g.datname = 'good'
  JOIN pg_database p ON p.datname = 'plur';
";

/// Started when the first dump is wanted. One dump is made at a time: there is one `plur`.
#[derive(Default)]
pub struct Production(Mutex<Option<Container>>);

impl Production {
    /// Runs SQL in the database, then the script, which writes the backup.
    pub fn dump(&self, prepare: &str, script: &str) -> Result<Vec<u8>, String> {
        let mut container = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        if container.is_none() {
            *container = Some(started()?);
        }
        let id = &container.as_ref().unwrap().0;
        psql(id, "postgres", AGAIN)?;
        psql(id, "plur", prepare)?;
        let script = format!("set -e -o pipefail; {script}");
        inside(id, &["bash", "-c", &script], b"")
    }
}

fn started() -> Result<Container, String> {
    let id = docker(&[
        "run",
        "--detach",
        "--network=none",
        "--shm-size=512m",
        "--label=redrill.fixture=production",
        "--env=POSTGRES_USER=plur_admin",
        "--env=POSTGRES_HOST_AUTH_METHOD=trust",
        "redrill/postgres:17",
        "-cfsync=off",
        "-cfull_page_writes=off",
    ]);
    let container = Container(id?);
    let began = Instant::now();
    // The image's first server, without TCP, is not the one.
    while let Err(error) = docker(&["exec", &container.0, "pg_isready", "--host=127.0.0.1"]) {
        if began.elapsed() > Duration::from_secs(60) {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    // The superuser is there already: that one error is as it must be.
    let restore = ["psql", "--no-psqlrc", "--quiet", "--dbname=postgres"];
    inside(&container.0, &restore, GOOD.sql.as_bytes())?;
    psql(&container.0, "postgres", KEEP)?;
    Ok(container)
}

fn psql(id: &str, database: &str, sql: &str) -> Result<(), String> {
    let database = format!("--dbname={database}");
    let call = [
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        &database,
    ];
    inside(id, &call, sql.as_bytes())
        .map(|_| ())
        .map_err(|error| format!("{error}\nin: {sql}"))
}

/// Runs a program in the container; gives what it wrote.
fn inside(id: &str, call: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = Command::new("docker")
        .args([
            "exec",
            "--interactive",
            "--user=postgres",
            "--env=PGUSER=plur_admin",
            id,
        ])
        .args(call)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A program that ends before it read everything tells why by itself.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
