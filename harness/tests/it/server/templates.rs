//! Templates: `initdb` runs once, later servers begin with a copy of what it made, and still have identities of their own.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use redrill::cleanup::{Run, Work};
use redrill::database::{Endpoint, Session, Terms};
use redrill::server::settings::{Container, Local, Server};
use redrill::server::{ThrowawayServer, Wanted};

use super::drill::{Drill, usable};

const SQL: &str = "CREATE TABLE public.t (x integer);\nCOPY public.t (x) FROM stdin;\n1\n\\.";
const CHECK: &str = "[[check.row-count]]\ntable = \"public.t\"\nexact = 1\n";

/// A server without a backup, and its run.
struct Empty {
    server: ThrowawayServer,
    run: Run,
}

impl Empty {
    async fn start(provider: &str, superuser: &str, cache: &Path) -> Self {
        let settings = Server {
            container: (provider == "container").then(Container::default),
            local: (provider == "local").then(Local::default),
            ..Server::default()
        };
        let wanted = Wanted {
            superuser: superuser.to_owned(),
            ..Wanted::default()
        };
        let work = Work::below(Path::new("/tmp")).unwrap();
        let run = work.caching_in(Some(cache.to_owned())).begin().unwrap();
        let path = std::env::var("PATH").unwrap();
        let server = ThrowawayServer::start(&settings, &wanted, &run, &path).await;
        Self {
            server: server.unwrap(),
            run,
        }
    }

    /// Its system identifier, which copies of a template share.
    async fn template(&self) -> String {
        let mut session = self.server.session("postgres").await.unwrap();
        let sql = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
        let identifier = session.value(sql).await.unwrap();
        session.close().await;
        identifier.unwrap()
    }

    async fn stop(self) {
        self.server.stop().await.unwrap();
        self.run.end().unwrap();
    }

    /// Starts one, stops it, and returns its system identifier.
    async fn template_of(provider: &str, superuser: &str, cache: &Path) -> String {
        let empty = Self::start(provider, superuser, cache).await;
        let template = empty.template().await;
        empty.stop().await;
        template
    }
}

/// Starts two servers at the same time, each in a task of its own.
async fn two(provider: &'static str, superuser: &str, cache: &Path) -> [Empty; 2] {
    let start = || {
        let (superuser, cache) = (superuser.to_owned(), cache.to_owned());
        tokio::spawn(async move { Empty::start(provider, &superuser, &cache).await })
    };
    let (one, other) = tokio::join!(start(), start());
    [one.unwrap(), other.unwrap()]
}

/// Expects that a session of one server is refused at the address of the other.
async fn are_distinguished(one: &Empty, other: &Empty) {
    let (one, other) = (one.server.endpoint(), other.server.endpoint());
    assert_ne!(one.known.identity(), other.known.identity());
    let swapped = Endpoint {
        address: other.address.clone(),
        ..one.clone()
    };
    let refused = Session::superuser(&swapped, "postgres", &Terms::default()).await;
    let Err(refused) = refused else {
        panic!("a session of another server");
    };
    let refused = refused.to_string();
    assert!(refused.contains("another server answers"), "{refused}");
}

/// Files and folders below `folder`.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            let inner = if path.is_dir() {
                below(&path)
            } else {
                Vec::new()
            };
            inner.into_iter().chain([path])
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn local_servers_begin_with_copies_of_one_template() {
    if !usable("local").await {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let first = Empty::template_of("local", "postgres", cache.path()).await;
    let [one, other] = two("local", "postgres", cache.path()).await;
    assert_eq!(one.template().await, first);
    assert_eq!(other.template().await, first);
    are_distinguished(&one, &other).await;

    let owner = nix::unistd::geteuid();
    for path in below(cache.path()) {
        let metadata = path.symlink_metadata().unwrap();
        let owned = metadata.uid() == owner.as_raw() && metadata.mode() & 0o022 == 0;
        assert!(owned, "{}", path.display());
    }
    let data = one.run.folder.join("server/data");
    let server = data.join("postmaster.pid").metadata().unwrap().uid();
    assert_eq!(server == owner.as_raw(), !owner.is_root());
    for path in below(&data) {
        let metadata = path.symlink_metadata().unwrap();
        let owned = metadata.uid() == server && metadata.mode() & 0o077 == 0;
        assert!(owned, "{}", path.display());
    }
    one.stop().await;
    other.stop().await;

    // Another superuser is another template.
    let admin = Empty::template_of("local", "admin", cache.path()).await;
    assert_ne!(admin, first);
    let template = std::fs::read_dir(cache.path().join("local")).unwrap();
    for template in template.flatten() {
        std::fs::write(template.path().join("data/global/pg_control"), "").unwrap();
    }
    let again = Empty::template_of("local", "postgres", cache.path()).await;
    assert_ne!(again, first);
    assert_eq!(
        Empty::template_of("local", "postgres", cache.path()).await,
        again
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_make_one_template() {
    if !usable("local").await {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let [one, other] = two("local", "postgres", cache.path()).await;
    let made = [one.template().await, other.template().await];
    one.stop().await;
    other.stop().await;
    let templates = std::fs::read_dir(cache.path().join("local")).unwrap();
    assert_eq!(templates.count(), 1);
    let used = Empty::template_of("local", "postgres", cache.path()).await;
    assert!(made.contains(&used));
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_no_template_or_a_whole_one() {
    if !usable("local").await {
        return;
    }
    let drill = Drill::new(SQL, CHECK).with_own_cache();
    for moment in [100, 300, 500, 700, 900, 1200] {
        let mut killed = drill.begin("local", &drill.reports("killed"));
        std::thread::sleep(Duration::from_millis(moment));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(drill.clean().status.code(), Some(0));
        let templates = drill.templates();
        assert!(
            templates.iter().all(|name| !name.contains('.')),
            "{templates:?}"
        );
        assert!(templates.len() <= 1, "{templates:?}");
    }
    let (output, report) = drill.run("local");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(drill.templates().len(), 1);
    assert_eq!(drill.left(), [""; 0]);
}

/// The volume of the template of a superuser.
fn volume(superuser: &str) -> Option<String> {
    let docker = |words: &[&str]| {
        let output = Command::new("docker").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let format = "{{.Name}} {{.Label \"redrill.template\"}}";
    let listed = docker(&["volume", "ls", "--format", format]);
    let superuser = format!(", superuser {superuser}");
    let line = listed.lines().find(|line| line.ends_with(&superuser))?;
    line.split(' ').next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_begin_with_copies_of_one_volume() {
    if !usable("container").await {
        return;
    }
    // No other test has a template of this superuser.
    let superuser = format!("of{}", std::process::id());
    let cache = tempfile::tempdir().unwrap();
    // Two at once without a template, then two at once with it.
    let [one, other] = two("container", &superuser, cache.path()).await;
    are_distinguished(&one, &other).await;
    one.stop().await;
    other.stop().await;
    let made = volume(&superuser).unwrap();
    let [one, other] = two("container", &superuser, cache.path()).await;
    let template = one.template().await;
    assert_eq!(other.template().await, template);
    are_distinguished(&one, &other).await;
    // The server can read its template, and that is all.
    let mut session = one.server.session("postgres").await.unwrap();
    let sql = "SELECT pg_catalog.pg_read_file('/redrill/template/current/PG_VERSION')";
    session.value(sql).await.unwrap();
    let write = "COPY (SELECT 1) TO '/redrill/template/current/PG_VERSION'";
    let refused = session.run(write).await.unwrap_err().to_string();
    assert!(refused.contains("42501"), "{refused}");
    session.close().await;
    one.stop().await;
    other.stop().await;

    // A template whose making was killed is an empty volume: it is not used, and made again by the run after.
    let docker = |words: &[&str]| Command::new("docker").args(words).output().unwrap();
    assert!(docker(&["volume", "rm", &made]).status.success());
    assert!(docker(&["volume", "create", &made]).status.success());
    let own = Empty::template_of("container", &superuser, cache.path()).await;
    assert_ne!(own, template);
    assert_eq!(volume(&superuser), None);
    Empty::template_of("container", &superuser, cache.path()).await;
    assert_eq!(volume(&superuser), Some(made));
    let again = Empty::template_of("container", &superuser, cache.path()).await;
    assert_ne!(again, template);

    let cleaned = Drill::new(SQL, CHECK).with_own_cache().clean_templates();
    let shown = String::from_utf8_lossy(&cleaned.stdout).into_owned();
    let line = format!(", superuser {superuser}\n");
    assert!(
        shown.contains("removed template ") && shown.contains(&line),
        "{shown}"
    );
    assert_eq!(volume(&superuser), None);
}
