//! The databases that a drill observed: the source of `redrill accept`, and the record for the next drill.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::{Baseline, Database, file};
use crate::outcome::{BackupFacts, ServerFacts};
use crate::verdict::Verdict;

/// Collects databases from checks while a drill runs.
#[derive(Debug, Default)]
pub struct Observed(Mutex<Databases>);

#[derive(Debug, Default)]
struct Databases {
    by_name: BTreeMap<String, Database>,
    against: Option<String>,
    record: Option<PathBuf>,
}

/// The state of the databases of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedBaseline {
    /// The databases.
    pub baseline: Baseline,
    /// The file that keeps it for the next drill if this one is PROVEN.
    pub record: Option<PathBuf>,
}

impl Observed {
    /// Adds the state of a database, the SHA-256 of the baseline file that it was compared with, and the file of the record.
    pub fn add(
        &self,
        name: &str,
        database: Database,
        against: Option<String>,
        record: Option<PathBuf>,
    ) {
        // A panic elsewhere cannot leave half a database in the map.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of several checks of one database, `accept` uses the one with a baseline file.
        if against.is_some() || !all.by_name.contains_key(name) {
            all.by_name.insert(name.to_owned(), database);
        }
        all.against = against.or(all.against.take());
        all.record = record.or(all.record.take());
    }

    /// Builds the baseline; `None` where no check compared a whole database.
    #[must_use]
    pub fn baseline(&self, backup: &BackupFacts, server: &ServerFacts) -> Option<ObservedBaseline> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!all.by_name.is_empty()).then(|| ObservedBaseline {
            baseline: Baseline {
                taken: backup.made.map_or_else(Timestamp::now, |(made, _)| made),
                from: backup.origin.clone(),
                server: server.version.clone(),
                dump: None,
                against: all.against.clone(),
                databases: all.by_name.clone(),
            },
            // The next drill is not compared with an older backup that this one was asked for.
            record: all.record.clone().filter(|_| backup.picked.is_none()),
        })
    }
}

/// The record of a PROVEN drill for the next one, and its file; `None` where no check wants one. With waivers there is none,
/// because what is waived may be a difference from the earlier record.
#[must_use]
pub fn record_of(
    observed: Option<&ObservedBaseline>,
    verdict: Verdict,
) -> Option<(&Path, &Baseline)> {
    let observed = observed.filter(|_| verdict == Verdict::Proven)?;
    Some((observed.record.as_deref()?, &observed.baseline))
}

/// Saves the record of a PROVEN drill in its file; gives its path.
///
/// # Errors
/// When the file cannot be written.
pub fn save_record(
    observed: Option<&ObservedBaseline>,
    verdict: Verdict,
) -> Result<Option<PathBuf>, String> {
    let Some((path, baseline)) = record_of(observed, verdict) else {
        return Ok(None);
    };
    file::save(path, baseline).map(|()| Some(path.to_owned()))
}
