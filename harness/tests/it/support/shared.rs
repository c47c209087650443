//! One server with PLUR for all tests of this process that only work in clones.
//!
//! No test knows that it is the last one, and the harness has no hook for the end. So a process of its own waits
//! for the end of this one, however that comes, and has `redrill clean` remove what is left: the lock of
//! the server's run is free by then.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use super::{Plur, with_separate_owner};

/// Each test has a runtime of its own, which ends with it. Connections to the shared server and to the
/// engine are kept open by whoever comes next, so they belong to this one.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

static PLUR: OnceCell<Plur> = OnceCell::const_new();

/// Lets a test work with the shared server; the first one starts it.
pub async fn on(test: impl AsyncFnOnce(&Plur)) {
    let _entered = RUNTIME.enter();
    let plur = PLUR
        .get_or_init(async || {
            clean_at_the_end();
            with_separate_owner().await
        })
        .await;
    test(plur).await;
}

fn clean_at_the_end() {
    let mut clean = Command::new("sh");
    clean
        .args(["-c", "cat; exec \"$0\" clean --work-dir /tmp"])
        .arg(env!("CARGO_BIN_EXE_redrill"))
        .env("XDG_CACHE_HOME", super::caches());
    run_at_the_end(clean);
}

/// A new folder for several tests of this process, which is removed once it has ended. Its path is short, for sockets in it.
pub fn folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("rb").tempdir_in("/tmp");
    let folder = folder.unwrap().keep();
    let mut remove = Command::new("sh");
    remove.args(["-c", "cat; rm -rf \"$0\""]).arg(&folder);
    run_at_the_end(remove);
    folder
}

/// A folder for several tests that a script fills, which gets its path as `$1` and runs as a user that may start a server.
pub fn made_by_postgres(script: &str) -> PathBuf {
    let folder = folder();
    let is_root = nix::unistd::geteuid().is_root();
    let mut command = Command::new(if is_root { "runuser" } else { "bash" });
    if is_root {
        let postgres = nix::unistd::User::from_name("postgres").unwrap().unwrap();
        std::os::unix::fs::chown(&folder, Some(postgres.uid.as_raw()), None).unwrap();
        command.args(["-u", "postgres", "--", "bash"]);
    }
    let made = command.args(["-c", script, "bash"]).arg(&folder).output();
    let made = made.unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    folder
}

/// The same with the programs of this major version, in its image: what the script leaves in `$1`, without the folders of a cluster.
pub fn made_in_image(major: u32, script: &str) -> PathBuf {
    made_in_image_with(major, None, script)
}

/// The same with a folder of this machine in it, at `/tools`.
pub fn made_in_image_with(major: u32, tools: Option<&Path>, script: &str) -> PathBuf {
    let folder = folder();
    let script = format!(
        "exec 3>&1 >&2\nmkdir /tmp/made\nset -- /tmp/made\n{script}\n\
         tar --exclude=./data --exclude=./space -cf - . >&3"
    );
    let mut made = Command::new("docker");
    made.args(["run", "--rm", "--network", "none", "--user", "postgres"]);
    made.args(tools.map(|tools| format!("--volume={}:/tools:ro", tools.display())));
    made.args([&format!("redrill/postgres:{major}"), "bash", "-c", &script]);
    let made = made.output().unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let archive = tar::Archive::new(made.stdout.as_slice()).unpack(&folder);
    archive.unwrap();
    folder
}

/// Starts a process that outlives this one and first waits for the end of its input, which is a pipe that only this process holds
/// open. It is in a group of its own, so that Ctrl-C does not end both.
fn run_at_the_end(mut command: Command) {
    let waiting = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The system closes the pipe when this process ends, however that comes.
    std::mem::forget(waiting);
}
