//! Copies of a whole server.

use std::os::fd::RawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use redrill::cleanup::{Run, Work};
use redrill::server::settings::{Container, Durability, Local, Server, Storage};
use redrill::server::{self, Snapshot, ThrowawayServer, Wanted};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::drill::usable;
use crate::support::connect;

/// What belongs to the cluster, to a database, and to nothing that a crash leaves.
const CONTENT: &[&str] = &[
    "CREATE ROLE grp NOLOGIN",
    "CREATE ROLE app LOGIN IN ROLE grp",
    "ALTER ROLE app SET work_mem = '17MB'",
    "ALTER SYSTEM SET deadlock_timeout = '7s'",
    "CREATE TABLE public.rows (id bigserial PRIMARY KEY, text text)",
    "INSERT INTO public.rows (text) SELECT pg_catalog.repeat('x', 100) FROM pg_catalog.generate_series(1, 1000)",
    "CREATE UNLOGGED TABLE public.fast AS SELECT * FROM pg_catalog.generate_series(1, 500) AS n",
];

const STATE: &str = "
SELECT pg_catalog.concat_ws(' ',
    (SELECT pg_catalog.count(*) FROM public.rows), (SELECT pg_catalog.count(*) FROM public.fast),
    (SELECT last_value FROM public.rows_id_seq), pg_catalog.current_setting('deadlock_timeout'),
    pg_catalog.current_setting('fsync'), pg_catalog.pg_has_role('app', 'grp', 'MEMBER'),
    (SELECT setconfig FROM pg_catalog.pg_db_role_setting))";

/// A server with a work folder that no other test shares.
struct Cluster {
    base: tempfile::TempDir,
    server: ThrowawayServer,
    run: Run,
}

fn settings(provider: &str) -> Server {
    Server {
        container: (provider == "container").then(Container::default),
        local: (provider == "local").then(Local::default),
        ..Server::default()
    }
}

fn wanted() -> Wanted {
    Wanted {
        superuser: "boss".to_owned(),
        copies: true,
        ..Wanted::default()
    }
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

impl Cluster {
    async fn start(settings: &Server) -> Self {
        // Sockets are in it: the path must be short, and a server of another user passes through.
        let base = tempfile::Builder::new().prefix("rd").tempdir_in("/tmp");
        let base = base.unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(base.path(), mode).unwrap();
        let run = Work::below(base.path()).unwrap().begin().unwrap();
        let server = ThrowawayServer::start(settings, &wanted(), &run, &path()).await;
        Self {
            base,
            server: server.unwrap(),
            run,
        }
    }

    async fn filled(settings: &Server) -> Self {
        let cluster = Self::start(settings).await;
        for sql in CONTENT {
            write(&cluster.server, sql).await;
        }
        cluster
    }

    fn work(&self) -> Work {
        Work::below(self.base.path()).unwrap()
    }

    async fn copy(&self, snapshot: &Snapshot, settings: &Server) -> (ThrowawayServer, Run) {
        let run = self.work().begin().unwrap();
        let copy = snapshot.start(settings, &wanted(), &run, &path()).await;
        (copy.unwrap(), run)
    }

    /// Removes the server; nothing of it, its snapshots and the copies may be left.
    async fn end(self) {
        self.server.stop().await.unwrap();
        self.run.end().unwrap();
        assert_eq!(left(self.base.path()), [""; 0]);
    }

    /// The path of the data folder of a local server.
    fn data(&self) -> PathBuf {
        self.run.folder.join("server/data")
    }
}

async fn end((server, run): (ThrowawayServer, Run)) {
    server.stop().await.unwrap();
    run.end().unwrap();
}

async fn write(server: &ThrowawayServer, sql: &str) {
    let mut session = connect(server, "postgres").await;
    let sql = AssertSqlSafe(sql.to_owned());
    session.execute(sqlx::raw_sql(sql)).await.unwrap();
    session.close().await.unwrap();
}

async fn value(server: &ThrowawayServer, sql: &str) -> String {
    let mut session = server.session("postgres").await.unwrap();
    let value = session.value(sql).await.unwrap();
    session.close().await;
    value.unwrap()
}

fn docker(words: &[&str]) -> Vec<String> {
    let Ok(output) = Command::new("docker").args(words).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// Files, containers and volumes of the runs of a work folder.
fn left(base: &Path) -> Vec<String> {
    let root = Work::below(base).unwrap().root().to_owned();
    let label = format!("label=redrill.work={}", root.display());
    let mut left = docker(&["ps", "--all", "--quiet", "--filter", &label]);
    left.extend(docker(&["volume", "ls", "--quiet", "--filter", &label]));
    let files = std::fs::read_dir(&root).unwrap().flatten();
    left.extend(files.map(|file| file.path().display().to_string()));
    left
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_the_whole_cluster_and_changes_nothing_else(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let fast = settings(provider);
    let cluster = Cluster::filled(&fast).await;
    let snapshot = cluster.server.snapshot(&cluster.run).await.unwrap();
    assert!(snapshot.bytes > 20 << 20, "{}", snapshot.bytes);
    let state = "1000 500 1000 7s off t {work_mem=17MB}";
    assert_eq!(value(&cluster.server, STATE).await, state);

    let production = Server {
        durability: Durability::Production,
        ..settings(provider)
    };
    let (one, two) = tokio::join!(
        cluster.copy(&snapshot, &production),
        cluster.copy(&snapshot, &fast)
    );
    assert_eq!(value(&one.0, STATE).await, state.replace("off", "on"));
    assert_eq!(value(&two.0, STATE).await, state);
    assert_eq!(value(&one.0, "SELECT session_user").await, "boss");
    assert_eq!(one.0.facts().provider, provider);

    for sql in ["DROP TABLE public.rows", "DROP ROLE app"] {
        write(&one.0, sql).await;
    }
    write(&cluster.server, "DELETE FROM public.fast").await;
    assert_eq!(value(&two.0, STATE).await, state);
    end(one).await;
    let after = value(&cluster.server, STATE).await;
    assert_eq!(after, state.replace(" 500 ", " 0 "));
    // Neither what copies nor what the server did is in the next copy.
    let three = cluster.copy(&snapshot, &fast).await;
    assert_eq!(value(&three.0, STATE).await, state);
    end(two).await;
    end(three).await;
    // A second snapshot is of what the server has now.
    let second = cluster.server.snapshot(&cluster.run).await.unwrap();
    let four = cluster.copy(&second, &fast).await;
    assert_eq!(value(&four.0, STATE).await, after);
    end(four).await;
    cluster.end().await;
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test(flavor = "multi_thread")]
async fn programs_find_the_server_after_a_snapshot(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let cluster = Cluster::start(&settings(provider)).await;
    cluster.server.snapshot(&cluster.run).await.unwrap();
    let client = server::Client {
        program: "psql",
        arguments: ["-X", "-c", "SELECT 1"].map(str::to_owned).into(),
        ..server::Client::default()
    };
    let mut client = cluster.server.client(client).await.unwrap();
    assert_eq!(client.end.wait().await.unwrap(), Some(0));
    assert_eq!(cluster.server.ended().await, None);
    cluster.end().await;
}

/// Puts something into a data folder that leads out of it.
type Plant = fn(&Path);

#[rstest]
#[case::symlink("evil", |at: &Path| symlink("/etc", at).unwrap())]
#[case::tablespace("pg_tblspc/4711", |at: &Path| symlink("/tmp", at).unwrap())]
#[case::second_name("evil", |at: &Path| {
    let outside = at.parent().unwrap().parent().unwrap().join("victim");
    std::fs::write(&outside, "x").unwrap();
    std::fs::hard_link(outside, at).unwrap();
})]
#[case::pipe("base/1/4711", |at: &Path| {
    nix::unistd::mkfifo(at, nix::sys::stat::Mode::S_IRWXU).unwrap();
})]
#[case::socket("evil", |at: &Path| drop(std::os::unix::net::UnixListener::bind(at).unwrap()))]
#[tokio::test(flavor = "multi_thread")]
async fn data_that_leads_elsewhere_is_refused_before_the_server_ends(
    #[case] name: &str,
    #[case] plant: Plant,
) {
    if !usable("local").await {
        return;
    }
    let cluster = Cluster::start(&settings("local")).await;
    let started = "SELECT pg_catalog.pg_postmaster_start_time()::text";
    let before = value(&cluster.server, started).await;
    plant(&cluster.data().join(name));
    let error = cluster.server.snapshot(&cluster.run).await.unwrap_err();
    let reason = format!(
        "the data of the server cannot be copied: {name} is neither a folder nor a file with one name"
    );
    assert_eq!(error.reason, reason);
    assert_eq!(value(&cluster.server, started).await, before);
    std::fs::remove_file(cluster.data().join(name)).unwrap();
    cluster.server.snapshot(&cluster.run).await.unwrap();
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_data_of_a_container_stays_in_containers() {
    if !usable("container").await {
        return;
    }
    let cluster = Cluster::start(&settings("container")).await;
    let label = format!("label=redrill.run={}", cluster.run.id);
    let id = docker(&["ps", "--quiet", "--filter", &label]).remove(0);
    let at = "/var/lib/postgresql/redrill/evil";
    docker(&["exec", &id, "ln", "-s", "/etc/hostname", at]);
    let snapshot = cluster.server.snapshot(&cluster.run).await.unwrap();
    let copy = cluster.copy(&snapshot, &settings("container")).await;
    let label = format!("label=redrill.run={}", copy.1.id);
    let id = docker(&["ps", "--quiet", "--filter", &label]).remove(0);
    assert_eq!(docker(&["exec", &id, "readlink", at]), ["/etc/hostname"]);
    // What the backup set for the server is in effect when it starts, so there is no shell at any time.
    let shell = Command::new("docker")
        .args(["exec", "--user", "0", &id, "/bin/sh", "-c", "exit 0"])
        .output();
    assert!(!shell.unwrap().status.success());
    end(copy).await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_in_memory_is_not_copied() {
    if !usable("container").await {
        return;
    }
    let in_memory = Server {
        container: Some(Container {
            storage: Some(Storage::Memory),
            ..Container::default()
        }),
        ..Server::default()
    };
    let cluster = Cluster::start(&in_memory).await;
    let error = cluster.server.snapshot(&cluster.run).await.unwrap_err();
    assert_eq!(
        error.reason,
        "the data of the server is in memory, and cannot be copied from there"
    );
    assert_eq!(value(&cluster.server, "SELECT 1").await, "1");
    cluster.end().await;
}

#[rstest]
#[case("container")]
#[ignore = "slow: ci/slow.sh"]
#[case("local")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_interrupted_leaves_nothing(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let settings = settings(provider);
    for moment in [1, 80, 400] {
        let moment = Duration::from_millis(moment);
        let cluster = Cluster::start(&settings).await;
        let taken = tokio::time::timeout(moment, cluster.server.snapshot(&cluster.run)).await;
        if let Ok(snapshot) = taken {
            snapshot.unwrap();
        }
        cluster.end().await;

        let cluster = Cluster::start(&settings).await;
        let snapshot = cluster.server.snapshot(&cluster.run).await.unwrap();
        let run = cluster.work().begin().unwrap();
        let (wanted, path) = (wanted(), path());
        let starting = snapshot.start(&settings, &wanted, &run, &path);
        if let Ok(copy) = tokio::time::timeout(moment, starting).await {
            copy.unwrap().stop().await.unwrap();
        }
        assert_eq!(server::forget(&run).await, [""; 0]);
        run.end().unwrap();
        cluster.end().await;
    }
}

/// Closes the lock of a run, as the kernel does when its process is killed.
fn killed(run: Run) {
    let name = format!("{}.lock", run.id);
    std::mem::forget(run);
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        if std::fs::read_link(entry.path()).is_ok_and(|to| to.ends_with(&name)) {
            let fd: RawFd = entry.file_name().to_str().unwrap().parse().unwrap();
            nix::unistd::close(fd).unwrap();
        }
    }
}

#[rstest]
#[case("container")]
#[case("local")]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_leaves_is_swept(#[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let cluster = Cluster::start(&settings(provider)).await;
    let Cluster { base, server, run } = cluster;
    let snapshot = server.snapshot(&run).await.unwrap();
    let work = Work::below(base.path()).unwrap();
    let other = work.begin().unwrap();
    let (settings, wanted, path) = (settings(provider), wanted(), path());
    let copy = snapshot.start(&settings, &wanted, &other, &path).await;
    std::mem::forget((server, copy.unwrap()));
    for run in [run, other] {
        killed(run);
    }
    assert_ne!(left(base.path()), [""; 0]);
    let swept = server::sweep(&work).await;
    assert_eq!(swept.failed, [""; 0]);
    assert_eq!(swept.runs.len(), 2);
    let volumes = if provider == "container" { 3 } else { 0 };
    assert_eq!(swept.volumes.len(), volumes);
    assert_eq!(left(base.path()), [""; 0]);
}
