//! One drill for all tests of a scenario, also where every test is a process.
//!
//! Under nextest the processes of one run have its id in common. The first that holds the lock of a
//! scenario drills it and leaves `drill.json` beside the lock; the others wait and read. Whoever dies
//! lets go of the lock, and the next one drills.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::seen::Seen;
use crate::baseline::observed;
use crate::cleanup::Work;
use crate::context::Context;
use crate::digest::hex;
use crate::input::Environment;
use crate::redact::Redactor;
use crate::scenario::Scenario;
use crate::{interrupt, progress, report, run, server};

/// Results of runs that ended longer ago than this are removed.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What the drills of one process stand on.
pub(super) struct Drills {
    environment: Environment,
    // A listing needs neither of these.
    started: std::sync::OnceLock<Result<Started, String>>,
}

struct Started {
    runtime: Runtime,
    interrupted: watch::Receiver<bool>,
    work: Work,
}

impl Drills {
    /// Nothing is started yet.
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
        // A blocked thread of a reader must not hold up the end.
        if let Some(Ok(started)) =
            std::sync::Arc::into_inner(self).and_then(|drills| drills.started.into_inner())
        {
            started.runtime.shutdown_background();
        }
    }

    /// Drills, or reads what another process of this run has found; gives where the reports lie too.
    ///
    /// # Errors
    /// That there is no result, and why.
    pub(super) fn drill(&self, scenario: &Scenario) -> Result<(Seen, PathBuf), String> {
        let started = self.started.get_or_init(|| self.start());
        let started = started.as_ref().map_err(Clone::clone)?;
        let reports = self.reports();
        let text = match self.environment.get("NEXTEST_RUN_ID") {
            Some(run) => self.once(run, scenario, started, &reports)?,
            None => self.alone(scenario, started, &reports)?,
        };
        Ok((Seen::read(&text)?, reports.join(&scenario.facts.name)))
    }

    fn start(&self) -> Result<Started, String> {
        let base = self.environment.get("REDRILL_WORK_DIR");
        let base = Path::new(base.map_or("/tmp", String::as_str));
        let work = Work::below(base).map_err(|error| {
            format!(
                "cannot use the work folder {}: {error}; name another one with REDRILL_WORK_DIR",
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
        let interrupted = watching.map_err(|error| format!("cannot listen to signals: {error}"))?;
        Ok(Started {
            runtime,
            interrupted,
            work,
        })
    }

    /// Where reports go: as the environment says, or beside the tests' own binary in `target/`.
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

    /// Drills once in all processes of a nextest run; gives `drill.json`.
    fn once(
        &self,
        run: &str,
        scenario: &Scenario,
        started: &Started,
        reports: &Path,
    ) -> Result<String, String> {
        let runs = started.work.root().join("nextest");
        let folder = runs.join(hex(&Sha256::digest(run)));
        let unable =
            |error: std::io::Error| format!("cannot write to {}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(unable)?;
        forget_old(&runs);
        let key = hex(&Sha256::digest(format!(
            "{}\n{}",
            std::path::absolute(&scenario.facts.file)
                .map_err(unable)?
                .display(),
            scenario.facts.sha256
        )));
        let result = folder.join(format!("{key}.json"));
        let lock = File::create(folder.join(format!("{key}.lock"))).map_err(unable)?;
        wait_for(&lock, &started.interrupted)?;
        if let Ok(text) = fs::read_to_string(&result) {
            return Ok(text);
        }
        let text = self.alone(scenario, started, reports)?;
        // It appears whole or not at all, should this process be killed.
        let mut file = tempfile::NamedTempFile::new_in(&folder).map_err(unable)?;
        file.write_all(text.as_bytes()).map_err(unable)?;
        file.persist(&result).map_err(|error| unable(error.error))?;
        Ok(text)
    }

    /// Drills and writes the reports; gives `drill.json`.
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
            repeat: format!("redrill run {}", scenario.facts.file.display()),
        };
        let run::Drilled {
            result,
            verdict,
            seen,
        } = started.runtime.block_on(async {
            server::sweep(&context.work).await;
            run::drill(scenario, &context).await
        });
        let baseline = seen.as_ref().map(|seen| &seen.baseline);
        report::write_all(reports, &result, verdict, baseline)
            .map_err(|error| format!("cannot write reports to {}: {error}", reports.display()))?;
        observed::keep(seen.as_ref(), verdict)?;
        if result.interrupted {
            return Err(
                "a signal interrupted the drill; everything that it started is removed".to_owned(),
            );
        }
        report::json::render(&result, verdict).map_err(|error| error.to_string())
    }
}

/// Waits until the lock is ours; a signal ends the waiting.
fn wait_for(lock: &File, interrupted: &watch::Receiver<bool>) -> Result<(), String> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(format!("cannot lock: {error}")),
        }
        if *interrupted.borrow() {
            return Err("a signal ended the waiting for the drill".to_owned());
        }
        sleep(Duration::from_millis(100));
    }
}

/// Removes the results of runs that are long over.
fn forget_old(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            // Another process may be at it.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
