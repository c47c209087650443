//! One drill for all tests of a scenario, also where every test is a process.
//!
//! Under nextest the processes of one run share its id. The first one that holds the lock of a scenario
//! runs its drill and writes `drill.json` next to the lock; the others wait and read it. If a process ends
//! early, its lock is released and the next one runs the drill.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::report::DrillReport;
use crate::atomic_file;
use crate::baseline::observed;
use crate::cleanup::{Work, cache_folder};
use crate::context::Context;
use crate::digest::sha256;
use crate::input::Environment;
use crate::redact::Redactor;
use crate::scenario::Scenario;
use crate::{interrupt, progress, report, run, server};

/// Bytes of the stack of a drill, as many as the main thread of a program has.
const STACK: usize = 8 << 20;

/// Results of runs that ended longer ago than this are removed.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What the drills of a process share.
pub(super) struct Drills {
    environment: Environment,
    // Started by the first drill: a listing needs none of it.
    started: std::sync::OnceLock<Result<Started, String>>,
}

struct Started {
    runtime: Runtime,
    interrupted: watch::Receiver<bool>,
    work: Work,
}

impl Drills {
    /// Without starting anything.
    pub(super) const fn of(environment: Environment) -> Self {
        Self {
            environment,
            started: std::sync::OnceLock::new(),
        }
    }

    pub(super) const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Ends what was started.
    pub(super) fn end(self: std::sync::Arc<Self>) {
        // A blocked thread of a reader must not delay the end.
        if let Some(Ok(started)) =
            std::sync::Arc::into_inner(self).and_then(|drills| drills.started.into_inner())
        {
            started.runtime.shutdown_background();
        }
    }

    /// Runs the drill, or reads the result of another process of this run; also returns the folder of the
    /// reports.
    ///
    /// # Errors
    /// Why there is no result.
    pub(super) fn drill(&self, scenario: &Scenario) -> Result<(DrillReport, PathBuf), String> {
        let started = self.started.get_or_init(|| self.start());
        let started = started.as_ref().map_err(Clone::clone)?;
        let reports = self.reports();
        let text = match self.environment.get("NEXTEST_RUN_ID") {
            Some(run) => self.once(run, scenario, started, &reports)?,
            None => self.alone(scenario, started, &reports)?,
        };
        Ok((
            DrillReport::parse(&text)?,
            reports.join(&scenario.facts.name),
        ))
    }

    fn start(&self) -> Result<Started, String> {
        let base = self.environment.get("REDRILL_WORK_DIR");
        let base = Path::new(base.map_or("/tmp", String::as_str));
        let work = Work::below(base).map_err(|error| {
            format!(
                "cannot use the work folder {}: {error}; set another one with REDRILL_WORK_DIR",
                base.display()
            )
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start threads: {error}"))?;
        let watching = {
            let _inside = runtime.enter();
            interrupt::watch()
        };
        let interrupted = watching.map_err(|error| format!("cannot handle signals: {error}"))?;
        let work = work.caching_in(cache_folder(&self.environment));
        Ok(Started {
            runtime,
            interrupted,
            work,
        })
    }

    /// The folder for reports: that of the environment, otherwise in the `target/` of the test binary.
    fn reports(&self) -> PathBuf {
        if let Some(folder) = self.environment.get("REDRILL_REPORTS") {
            return PathBuf::from(folder);
        }
        let binary = std::env::current_exe().unwrap_or_default();
        let target = binary
            .ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").exists());
        target.unwrap_or(Path::new("target")).join("redrill")
    }

    /// Runs the drill once for all processes of a nextest run; returns `drill.json`.
    fn once(
        &self,
        run: &str,
        scenario: &Scenario,
        started: &Started,
        reports: &Path,
    ) -> Result<String, String> {
        let runs = started.work.root().join("nextest");
        let folder = runs.join(sha256(run));
        let unable =
            |error: std::io::Error| format!("cannot write to {}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(unable)?;
        forget_old(&runs);
        let key = sha256(format!(
            "{}\n{}\n{}",
            scenario.facts.name,
            std::path::absolute(&scenario.facts.file)
                .map_err(unable)?
                .display(),
            scenario.facts.sha256
        ));
        let result = folder.join(format!("{key}.json"));
        let lock = File::create(folder.join(format!("{key}.lock"))).map_err(unable)?;
        wait_for(&lock, &started.interrupted)?;
        if let Ok(text) = fs::read_to_string(&result) {
            return Ok(text);
        }
        let text = self.alone(scenario, started, reports)?;
        // Another process never reads a part of it, should this one be killed.
        atomic_file::write(&result, &text, true).map_err(|error| error.to_string())?;
        Ok(text)
    }

    /// Runs the drill and writes the reports; returns `drill.json`.
    fn alone(
        &self,
        scenario: &Scenario,
        started: &Started,
        reports: &Path,
    ) -> Result<String, String> {
        let context = Context {
            work: started.work.clone(),
            environment: self.environment.clone(),
            redactor: Redactor::default(),
            listener: progress::listener(!self.environment.contains_key("NEXTEST_RUN_ID")),
            interrupted: started.interrupted.clone(),
            keep: None,
            repeat: repeat(scenario),
            rehearse: false,
            last_record: Ok(None),
        };
        let run::Drilled {
            result,
            verdict,
            observed,
            ..
        } = on_a_stack_of_its_own(|| {
            started.runtime.block_on(async {
                server::sweep(&context.work).await;
                run::drill(scenario, &context).await
            })
        })?;
        let baseline = observed.as_ref().map(|observed| &observed.baseline);
        report::write_all(reports, &result, verdict, baseline)
            .map_err(|error| format!("the reports were not written: {error}"))?;
        observed::save_record(observed.as_ref(), verdict)?;
        if result.interrupted {
            return Err(
                "a signal interrupted the drill; everything that it started is removed".to_owned(),
            );
        }
        report::json::render(&result, verdict).map_err(|error| error.to_string())
    }
}

/// Runs work on the stack that a drill of the command has: a thread of tests has a quarter of it, which a build without
/// optimization overflows.
fn on_a_stack_of_its_own<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let running = thread
            .spawn_scoped(scope, work)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        let ended = running.join();
        Ok(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The command that repeats a drill.
fn repeat(scenario: &Scenario) -> String {
    let run = format!("redrill run {}", scenario.facts.file.display());
    match scenario.backup.choosing().seed() {
        Some(seed) => format!("{run} --seed {seed}"),
        None => run,
    }
}

/// Waits for the lock; a signal ends the waiting.
fn wait_for(lock: &File, interrupted: &watch::Receiver<bool>) -> Result<(), String> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(format!("cannot lock the drill: {error}"));
            }
        }
        if *interrupted.borrow() {
            return Err("a signal ended the waiting for the drill".to_owned());
        }
        sleep(Duration::from_millis(100));
    }
}

/// Removes the results of old runs.
fn forget_old(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            // Another process may be removing it.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
