//! Where a backup lies: real storage, real HTTP, real commands.

mod command;
mod http;
mod s3;
pub mod servers;
pub mod web;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use redrill::backup::settings::Composition;
use redrill::backup::source::{self, Found, Place};
use redrill::event::{Event, Listener};
use redrill::input::Environment;
use redrill::outcome::CouldNotRun;
use redrill::redact::Redactor;
use redrill::scenario;
use tempfile::TempDir;

/// What finding a backup needs, in folders of its own.
struct Bench {
    folder: TempDir,
    environment: Environment,
    redactor: Redactor,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    fn new(environment: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let path = ("PATH".to_owned(), std::env::var("PATH").unwrap());
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: environment.iter().map(own).chain([path]).collect(),
            redactor: Redactor::default(),
            events: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Finds the backup of a scenario with this `[backup]`, as a drill would. Where there is none,
    /// nothing of it may be left.
    async fn find(&self, backup: &str) -> Result<Found, CouldNotRun> {
        let text = format!(
            "schema = 1\nname = \"test\"\n{backup}\n[[check.row-count]]\ntable = \"x\"\nmin = 1\n"
        );
        let scenario = scenario::parse(&self.path("scenario.toml"), &text, &self.environment);
        let scenario = scenario.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let events = Arc::clone(&self.events);
        let listener: Listener = Arc::new(move |event| events.lock().unwrap().push(event));
        let spool = self.path("spool");
        // What an earlier search of the same test left.
        let _ = std::fs::remove_dir_all(&spool);
        let place = Place {
            folder: &scenario.folder,
            spool: &spool,
            run: "test",
            environment: &self.environment,
            redactor: &self.redactor,
            listener: &listener,
        };
        let Composition::One(subject) = &scenario.backup else {
            panic!("one backup")
        };
        let found = source::find(&subject.source, &place).await;
        if found.is_err() {
            assert_eq!(
                names(&spool),
                [""; 0],
                "nothing is left of what did not come whole"
            );
        }
        found
    }

    /// Expects an error that says this and none of these secrets.
    async fn fails(&self, backup: &str, says: &str, secrets: &[&str]) -> CouldNotRun {
        let error = match self.find(backup).await {
            Ok(found) => panic!("must fail with `{says}`: {found:?}\n{backup}"),
            Err(error) => error,
        };
        assert!(error.reason.contains(says), "no `{says}` in: {error:?}");
        assert!(
            !error.reason.contains('\n')
                && error.hint.as_ref().is_some_and(|hint| !hint.is_empty()),
            "{error:?}"
        );
        for secret in secrets {
            assert!(
                !format!("{error:?}").contains(secret),
                "`{secret}` is shown: {error:?}"
            );
        }
        error
    }
}

/// Names of the files in a folder; none when there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Bytes that are no two alike for a long way, so that a wrong seam shows.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend(next());
    }
    bytes.truncate(count);
    bytes
}
