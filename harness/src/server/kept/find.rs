//! Kept servers by name, and their removal.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{FILE, KEEPER, Kept, name_end};
use crate::cleanup::Work;
use crate::outcome::CouldNotRun;
use crate::process;

/// Limit of the removal of a kept server.
const DROP_WITHIN: Duration = Duration::from_secs(60);

/// Why a kept server is not found or not removed.
#[derive(Debug)]
pub enum NoKept {
    /// There is none of this name; the hint lists those that there are.
    Unknown(CouldNotRun),
    /// Its record is damaged, or it is still there.
    Unusable(CouldNotRun),
}

/// The record of a kept server that cannot be read.
#[derive(Debug, Clone)]
pub struct DamagedRecord {
    /// The id of its run.
    pub run: String,
    file: PathBuf,
    why: String,
}

impl DamagedRecord {
    /// Whether it may be that of a name.
    fn is_of(&self, name: &str) -> bool {
        name.ends_with(&name_end(&self.run))
    }

    /// What to do about it.
    #[must_use]
    pub fn error(&self) -> CouldNotRun {
        CouldNotRun::with_hint(
            format!(
                "the record of a kept server, {}, is damaged: {}",
                self.file.display(),
                self.why
            ),
            format!(
                "`redrill drop NAME` removes it, with a name that ends in `{}`; it is removed at its time too",
                name_end(&self.run)
            ),
        )
    }
}

impl Kept {
    /// Kept servers that are there, by scenario and time, and the damaged records of others.
    #[must_use]
    pub fn all(work: &Work) -> (Vec<Self>, Vec<DamagedRecord>) {
        let entries = std::fs::read_dir(work.root()).into_iter().flatten();
        let folders = entries.flatten().map(|entry| entry.path());
        let (mut all, mut damaged) = (Vec::new(), Vec::new());
        for folder in folders {
            let run = folder.file_name().and_then(|name| name.to_str());
            let Some(run) = run.filter(|run| work.is_alive(run) && folder.join(FILE).exists())
            else {
                continue;
            };
            match Self::read(work, run.to_owned()) {
                Ok(kept) => all.push(kept),
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => damaged.push(DamagedRecord {
                    run: run.to_owned(),
                    file: folder.join(FILE),
                    why: error.to_string(),
                }),
            }
        }
        // Of a scenario, the one that is kept longest comes last.
        let order = |kept: &Self| {
            (
                kept.facts.scenario.clone(),
                kept.facts.until,
                kept.facts.name.clone(),
            )
        };
        all.sort_by_key(order);
        (all, damaged)
    }

    /// The kept server of a name.
    ///
    /// # Errors
    /// There is none, or its record is damaged.
    pub fn named(work: &Work, name: &str) -> Result<Self, NoKept> {
        let (all, damaged) = Self::all(work);
        if let Some(damaged) = damaged.iter().find(|one| one.is_of(name)) {
            return Err(NoKept::Unusable(damaged.error()));
        }
        let names: Vec<&str> = all.iter().map(|kept| kept.facts.name.as_str()).collect();
        let hint = match names.as_slice() {
            [] => "`redrill run --keep 2h` keeps the server of a drill for two hours".to_owned(),
            names => format!("kept servers: {}", names.join(", ")),
        };
        let found = all.iter().find(|kept| kept.facts.name == name).cloned();
        found.ok_or_else(|| {
            let why = format!("no kept server is named `{name}`");
            NoKept::Unknown(CouldNotRun::with_hint(why, hint))
        })
    }

    /// Removes the kept server of a name and everything of its run, also where its record is damaged.
    ///
    /// # Errors
    /// There is none; or it is still there after a minute.
    pub async fn remove(work: &Work, name: &str) -> Result<(), NoKept> {
        let run = match Self::named(work, name) {
            Ok(kept) => kept.run,
            Err(error) => {
                let (_, mut damaged) = Self::all(work);
                let of_name = damaged.extract_if(.., |one| one.is_of(name)).next();
                of_name.ok_or(error)?.run
            }
        };
        process::signal_marked(&format!("{run}.{KEEPER}"), Signal::SIGTERM);
        let gone = async {
            while work.is_alive(&run) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(DROP_WITHIN, gone).await.is_err() {
            return Err(NoKept::Unusable(CouldNotRun::with_hint(
                format!("{name} was not removed within {DROP_WITHIN:?}"),
                "try again, and then `redrill clean`",
            )));
        }
        // What a keeper that was killed left.
        crate::server::sweep(work).await;
        Ok(())
    }
}
