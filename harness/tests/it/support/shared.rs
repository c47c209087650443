//! One server with PLUR for all tests of this process that only work in clones.
//!
//! No test knows that it is the last one, and the harness has no hook for the end. So a process of its own waits
//! for the end of this one, however that comes, and has `redrill clean` remove what is left: the lock of
//! the server's run is free by then.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, OnceLock};

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

/// Starts the process that outlives this one. Its input is a pipe that only this process holds open; it
/// is in a group of its own, so that Ctrl-C does not end both.
fn clean_at_the_end() {
    static WAITING: OnceLock<Child> = OnceLock::new();
    let waiting = Command::new("sh")
        .args(["-c", "cat; exec \"$0\" clean --work-dir /tmp"])
        .arg(env!("CARGO_BIN_EXE_redrill"))
        .env("XDG_CACHE_HOME", super::caches())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A static is never dropped: the system closes the pipe when this process ends.
    let _ = WAITING.set(waiting);
}
