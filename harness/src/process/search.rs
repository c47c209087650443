//! Processes of the machine: those that a child started, and those that it left behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::MARKER;

/// The children that [`spawn`](super::spawn) started and that have an owner.
pub(super) fn children() -> MutexGuard<'static, BTreeSet<Pid>> {
    static CHILDREN: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets this process become the parent of what its children leave behind, so that
/// [`kill_orphans`] finds it. For programs whose children all come from [`spawn`](super::spawn).
pub fn adopt_orphans() {
    // Only ancient kernels refuse; then `adopts_orphans` says so.
    let _ = prctl::set_child_subreaper(true);
}

/// Whether everything that a child leaves behind is found by [`kill_orphans`].
#[must_use]
pub fn adopts_orphans() -> bool {
    prctl::get_child_subreaper().unwrap_or(false)
}

/// Kills what ended children of a run left behind, whatever it did to its environment. What has the marker of
/// another run is left alone. No child can be started meanwhile.
pub fn kill_orphans(run: &str) {
    if !adopts_orphans() {
        return;
    }
    for _ in 0..SEARCHES {
        let owned = children();
        let orphans: Vec<Pid> = processes()
            .into_iter()
            .filter(|(pid, parent)| *parent == Pid::this() && !owned.contains(pid))
            .map(|(pid, _)| pid)
            .filter(|pid| !is_of_another_run(*pid, run))
            .collect();
        if orphans.is_empty() {
            return;
        }
        for orphan in orphans {
            let _ = kill(orphan, Signal::SIGKILL);
            // Its children become ours before the next search.
            let _ = waitpid(orphan, None);
        }
    }
}

/// Whether the environment of a process has the marker of another run.
fn is_of_another_run(pid: Pid, run: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let own = format!("{MARKER}={run}.");
    let of_any = format!("{MARKER}=");
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry.starts_with(of_any.as_bytes()) && !entry.starts_with(own.as_bytes()))
}

/// Id and parent of every process that is visible.
fn processes() -> Vec<(Pid, Pid)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Some((Pid::from_raw(id), parent(Pid::from_raw(id))?)))
        .collect()
}

/// The parent of a process; `None` once it is gone.
fn parent(pid: Pid) -> Option<Pid> {
    // `17 (name) S 1 …`: the name may contain anything.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let id = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
    id.parse().ok().map(Pid::from_raw)
}

/// Processor time of a process and of everything that it started, whether that runs or has ended; `None` once it is gone.
#[must_use]
pub fn processor_time_of_all(pid: i32) -> Option<Duration> {
    let first = Pid::from_raw(pid);
    let own = processor_time(first)?;
    let others = descendants(first).into_iter().filter_map(processor_time);
    Some(own + others.sum::<Duration>())
}

/// Processor time of a process and of its children that have ended; `None` once it is gone.
fn processor_time(pid: Pid) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    // In user mode and in the kernel, of itself and of its children.
    let ticks = fields.skip(11).take(4).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>().ok()?.into_iter().sum();
    let millis = ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second();
    Some(Duration::from_millis(millis))
}

/// Whether a process is `ancestor`, or was started by it or by one that it started.
#[must_use]
pub fn descends_from(pid: Pid, ancestor: Pid) -> bool {
    let line = std::iter::successors(Some(pid), |pid| parent(*pid));
    line.take_while(|pid| pid.as_raw() > 0)
        .any(|pid| pid == ancestor)
}

/// All processes that a process started, and that those started.
pub(super) fn descendants(ancestor: Pid) -> Vec<Pid> {
    let mut found = vec![ancestor];
    let all = processes();
    let mut at = 0;
    while at < found.len() {
        let of = found[at];
        found.extend(
            all.iter()
                .filter(|(_, parent)| *parent == of)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    found.split_off(1)
}

/// Kills every process whose marker is `marker`, or begins with it and a dot.
pub fn kill_marked(marker: &str) {
    let exact = format!("{MARKER}={marker}");
    let prefix = format!("{exact}.");
    kill_where(|process| {
        std::fs::read(process.join("environ")).is_ok_and(|environment| {
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == exact.as_bytes() || entry.starts_with(prefix.as_bytes()))
        })
    });
}

/// Sends a signal to every process whose marker is exactly `marker`.
pub fn signal_marked(marker: &str, signal: Signal) {
    let exact = format!("{MARKER}={marker}");
    for (pid, _) in processes() {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == exact.as_bytes())
        {
            // It may have ended already.
            let _ = kill(pid, signal);
        }
    }
}

/// Kills every process whose working folder is `folder` or below it: a server stays in its data folder,
/// but overwrites its environment.
pub fn kill_working_in(folder: &Path) {
    kill_where(|process| {
        std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    });
}

/// Number of searches: processes may fork meanwhile, and take time to end.
const SEARCHES: u32 = 100;

/// Kills the processes for whose folder in `/proc` `selects` is true, until there are none.
fn kill_where(selects: impl Fn(&Path) -> bool) {
    let own = std::process::id().to_string();
    for search in 0..SEARCHES {
        if search > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return;
        };
        let mut found = false;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if name.to_str() != Some(own.as_str()) && selects(&entry.path()) {
                found |= kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok();
            }
        }
        if !found {
            return;
        }
    }
}
