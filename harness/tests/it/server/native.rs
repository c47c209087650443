//! Native code in a backup: a library that the server loads and that does what its user may do.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redrill::database::Address;

use super::drill::{Drill, PROVIDERS, usable};
use crate::support::{Plur, on_empty};

/// What the library tries and what a local server must refuse; see `hostile.c`.
const REFUSED: [&str; 8] = [
    "create a folder",
    "create a file",
    "rename",
    "replace",
    "append to the log",
    "a socket",
    "processes",
    "a signal",
];

/// The rows that the backup has. One is deleted by the library's dump; another server has both.
const ROWS: &str = "[[check.row-count]]\ntable = \"public.t\"\nexact = 2\n";

/// The user that a local server has when root starts it.
pub fn nobody() -> u32 {
    let user = nix::unistd::User::from_name("nobody").unwrap();
    user.unwrap().uid.as_raw()
}

/// What a library can aim at.
struct Targets {
    folder: tempfile::TempDir,
    _listener: UnixListener,
    /// A process of the user of the server.
    other: Child,
    /// Name that processes give themselves.
    name: String,
}

impl Targets {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("rdt")
            .tempdir_in("/tmp")
            .unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let socket = folder.path().join("open");
        let listener = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
        let mut other = Command::new("sleep");
        other.arg("600").stdin(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            other.uid(nobody());
        }
        let name = folder.path().file_name().unwrap().to_string_lossy();
        let name = name.into_owned();
        Self {
            other: other.spawn().unwrap(),
            _listener: listener,
            name,
            folder,
        }
    }

    /// A dump that loads the library. `victim` is the socket of another server.
    fn dump(&self, victim: &str) -> String {
        let source = include_str!("hostile.c")
            .replace("@VICTIM@", victim)
            .replace("@OPEN@", self.folder.path().join("open").to_str().unwrap())
            .replace("@OTHER@", &self.other.id().to_string())
            .replace("@NAME@", &self.name);
        let (file, library) = (
            self.folder.path().join("h.c"),
            self.folder.path().join("h.so"),
        );
        std::fs::write(&file, source).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &file])
            .status()
            .unwrap();
        assert!(compiled.success());
        let mut hex = String::new();
        for byte in std::fs::read(&library).unwrap() {
            write!(hex, "{byte:02x}").unwrap();
        }
        // The statements are put together at run time: no reader of the dump can see them coming.
        format!(
            "CREATE TABLE public.t (x integer);
COPY public.t (x) FROM stdin;
1
2
\\.
CREATE TABLE public.refused (what text);
SELECT pg_catalog.lo_from_bytea(4711, '\\x{hex}');
DO $$ DECLARE library text := pg_catalog.current_setting('data_directory') || '/h.so'; BEGIN
  EXECUTE replace('SELECT pg_catalog.lo_exp#ort(4711, ', '#', '') || pg_catalog.quote_literal(library) || ')';
  -- It has no magic block: that is found out after its code has run.
  BEGIN EXECUTE replace('LO#AD ', '#', '') || pg_catalog.quote_literal(library);
  EXCEPTION WHEN OTHERS THEN NULL; END;
  EXECUTE replace('INSERT INTO public.refused SELECT pg_catalog.string_to_table(pg_catalog.rtrim(pg_catalog.pg_read_f#ile(''refused''), E''\\n''), E''\\n'')', '#', '');
END $$;
DELETE FROM public.t WHERE x = 2;"
        )
    }

    /// Processes of the library.
    fn survivors(&self) -> Vec<i32> {
        let name = format!("{}\n", self.name);
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter(|entry| {
            std::fs::read_to_string(entry.path().join("comm")).is_ok_and(|comm| comm == name)
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        for survivor in self.survivors() {
            let survivor = nix::unistd::Pid::from_raw(survivor);
            let _ = nix::sys::signal::kill(survivor, nix::sys::signal::Signal::SIGKILL);
        }
        self.other.kill().unwrap();
        self.other.wait().unwrap();
    }
}

/// Checks of the scenario for a local server: which attempts were refused.
fn refusals() -> String {
    let list: Vec<String> = REFUSED.iter().map(|what| format!("{what:?}")).collect();
    format!(
        "{ROWS}[[check.sql]]
name = \"refusals\"
query = \"SELECT what FROM public.refused WHERE what <> 'symlink' ORDER BY ctid\"
rows = [{}]
",
        list.iter()
            .map(|what| format!("[{what}]"))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// The outcome of a check in the report.
pub fn outcome<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    &found.unwrap_or_else(|| panic!("{report:#}"))["outcome"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_cannot_give_its_place_to_another_and_keeps_nothing() {
    on_empty(15, async |victim: &Plur| {
        // What the drill would see there is what the backup has.
        victim.sql("postgres", "CREATE DATABASE restored").await;
        let rows = "CREATE TABLE public.t AS SELECT generate_series(1, 2) AS x";
        victim.sql("restored", rows).await;
        let Address::Socket { programs, .. } = &victim.server.endpoint().address else {
            panic!("a server with a socket");
        };
        let socket = programs.join(".s.PGSQL.5432");
        for provider in PROVIDERS {
            if !usable(provider).await {
                continue;
            }
            let targets = Targets::new();
            let writes = "[[check.command]]\nname = \"writes\"\ncommand = [\"/bin/sh\", \"-c\", \"exit 0\"]\nwrites = true\n";
            let checks = format!("{}{writes}", refusals());
            let drill = Drill::new(&targets.dump(socket.to_str().unwrap()), &checks);
            let (output, report) = drill.run(provider);
            // The table lacks a row, and redrill saw that.
            assert_eq!(output.status.code(), Some(10), "{provider}: {report:#}");
            assert_eq!(outcome(&report, "rows of public.t"), "fail", "{provider}: {report:#}");
            assert_eq!(outcome(&report, "writes"), "pass", "{provider}: {report:#}");
            if provider == "local" {
                assert_eq!(outcome(&report, "refusals"), "pass", "{report:#}");
            }
            assert_eq!(targets.survivors(), [0; 0], "{provider}");
            assert_eq!(drill.left(), [""; 0], "{provider}");
        }
        let mut session = victim.server.session("restored").await.unwrap();
        let databases = session.count("SELECT count(*) FROM pg_database").await;
        assert_eq!(databases, Ok(5));
        assert_eq!(session.count("SELECT count(*) FROM public.t").await, Ok(2));
        session.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_ordinary_user_gets_the_same_isolation() {
    if !usable("local").await {
        return;
    }
    let targets = Targets::new();
    let drill = Drill::new(&targets.dump("/nowhere"), &refusals()).of_user(nobody());
    let (output, report) = drill.run("local");
    let stages = report["stages"].as_array().unwrap();
    if stages[1]["outcome"] == "error" {
        // This kernel lets no ordinary user create namespaces; then it must say so.
        let reason = stages[1]["could_not_run"].to_string();
        assert!(reason.contains("trusted-backup"), "{reason}");
        return;
    }
    assert_eq!(output.status.code(), Some(10), "{report:#}");
    assert_eq!(outcome(&report, "refusals"), "pass", "{report:#}");
    assert_eq!(targets.survivors(), [0; 0]);
    assert_eq!(drill.left(), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_kept_in_must_be_trusted() {
    if !usable("local").await || !nix::unistd::geteuid().is_root() {
        return;
    }
    let sql = "CREATE TABLE public.t (x integer);\nCOPY public.t (x) FROM stdin;\n1\n2\n\\.";
    let drill = Drill::new(sql, ROWS).without_namespaces();
    let (output, report) = drill.run("local");
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    let reason = report["stages"][1]["could_not_run"].to_string();
    assert!(reason.contains("other servers of this machine"), "{reason}");
    assert!(reason.contains("trusted-backup"), "{reason}");
    assert_eq!(drill.left(), [""; 0]);

    let trusted = format!("[server.local]\ntrusted-backup = true\n{ROWS}");
    let drill = Drill::new(sql, &trusted).without_namespaces();
    let (output, report) = drill.run("local");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let weaknesses = report["server"]["weaknesses"].to_string();
    assert!(
        weaknesses.contains("`trusted-backup` is set"),
        "{weaknesses}"
    );
    assert_eq!(drill.left(), [""; 0]);
}

#[tokio::test]
async fn what_a_killed_run_leaves_of_native_code_is_removed() {
    for provider in PROVIDERS {
        if !usable(provider).await {
            continue;
        }
        let targets = Targets::new();
        let slow = format!(
            "{}\nSELECT pg_catalog.pg_sleep(60);",
            targets.dump("/nowhere")
        );
        let drill = Drill::new(&slow, ROWS);
        let mut killed = drill.begin(provider, &drill.reports("killed"));
        let began = Instant::now();
        while targets.survivors().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60), "{provider}");
            std::thread::sleep(Duration::from_millis(50));
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(drill.clean().status.code(), Some(0), "{provider}");
        assert_eq!(targets.survivors(), [0; 0], "{provider}");
        assert_eq!(drill.left(), [""; 0], "{provider}");
    }
}
