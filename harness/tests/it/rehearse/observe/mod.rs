//! A real tool, a real server, and the observer between them.

mod alike;
mod cost;
mod locks;
mod stop;
mod tool;

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use redrill::database::{Address, Endpoint};
use redrill::rehearse::observe::{Control, CutOff, HeldLock, LockMode, Observed, Observer, StopAt};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::support::{Plur, on_empty};

/// What migrations work on.
const SCHEMA: &str = "
    CREATE SCHEMA app;
    CREATE TABLE app.t (id integer PRIMARY KEY, a text, b integer NOT NULL DEFAULT 0);
    CREATE TABLE app.u (id integer PRIMARY KEY, t integer);
    ALTER TABLE app.t ADD CONSTRAINT positive CHECK (b >= 0) NOT VALID;
    CREATE INDEX u_t ON app.u (t);
    CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.t;
    CREATE UNIQUE INDEX m_id ON app.m (id);
    CREATE PROCEDURE app.commits() LANGUAGE plpgsql AS $$
        BEGIN UPDATE app.t SET b = b; PERFORM pg_sleep(0.2); COMMIT; PERFORM 1; END $$;
    CREATE FUNCTION app.noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    INSERT INTO app.t SELECT n, 'a' || n FROM generate_series(1, 10) n;
    INSERT INTO app.u SELECT n, 1 FROM generate_series(1, 50000) n;
    REFRESH MATERIALIZED VIEW app.m;";

/// Starts a server of version 17 with the schema.
async fn on_schema(test: impl AsyncFnOnce(&Plur)) {
    on_empty(17, async |plur| {
        plur.sql("plur", SCHEMA).await;
        test(plur).await;
    })
    .await;
}

/// A folder for the socket of an observer.
fn folder(plur: &Plur) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = plur.run.folder.join(format!("o{number}"));
    std::fs::create_dir(&folder).unwrap();
    folder
}

/// Observes what a tool does, which may be stopped.
async fn stopped(plur: &Plur, at: Option<StopAt>, tool: impl AsyncFnOnce(&Endpoint)) -> Observed {
    cut_off(plur, at, tool).await.0
}

/// The same, and where it was stopped.
async fn cut_off(
    plur: &Plur,
    at: Option<StopAt>,
    tool: impl AsyncFnOnce(&Endpoint),
) -> (Observed, Option<CutOff>) {
    let stops = at.is_some();
    let observer = Observer::start(&plur.server, &folder(plur), at.map(Control::Stop))
        .await
        .unwrap();
    tool(observer.endpoint()).await;
    let cut_off = observer.cut_off();
    assert_eq!(cut_off.is_some(), stops);
    (observer.finish().await, cut_off)
}

/// Observes what a tool does; nothing of it may escape.
async fn observed(plur: &Plur, tool: impl AsyncFnOnce(&Endpoint)) -> Observed {
    let observed = stopped(plur, None, tool).await;
    assert_eq!(observed.not_observed, Vec::<String>::new());
    observed
}

/// A connection of a program.
async fn connect(endpoint: &Endpoint) -> PgConnection {
    PgConnection::connect_with(&options(endpoint))
        .await
        .unwrap()
}

fn options(endpoint: &Endpoint) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .username("postgres")
        .database("plur");
    match &endpoint.address {
        Address::Socket { programs, .. } => options.socket(programs),
        Address::Loopback(_) => panic!("servers of tests have a socket"),
    }
}

fn psql_command(endpoint: &Endpoint) -> Command {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=0"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .envs(endpoint.environment("postgres", "plur"))
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// psql with a script; psql sends each of its statements alone.
async fn psql(endpoint: &Endpoint, script: &str) -> Output {
    let mut child: Child = psql_command(endpoint).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(script.as_bytes()).await.unwrap();
    drop(input);
    child.wait_with_output().await.unwrap()
}

/// The strongest lock on a relation.
fn strongest<'a>(observed: &'a Observed, relation: &str) -> Option<&'a HeldLock> {
    let locks = observed
        .locks
        .iter()
        .filter(|lock| lock.relation == relation);
    locks.max_by_key(|lock| lock.mode)
}

fn mode(observed: &Observed, relation: &str) -> Option<LockMode> {
    strongest(observed, relation).map(|lock| lock.mode)
}
