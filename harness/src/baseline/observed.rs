//! What a drill saw of the databases: `redrill accept` takes from it what a person accepts, and the next drill
//! can be held against it.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Baseline, Database, file};
use crate::outcome::{BackupFacts, ServerFacts};
use crate::verdict::Verdict;

/// Databases as checks saw them, while the drill runs.
#[derive(Debug, Default)]
pub struct Observed(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    databases: BTreeMap<String, Database>,
    against: Option<String>,
    record: Option<PathBuf>,
}

/// What a drill saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The databases.
    pub baseline: Baseline,
    /// Where it is kept once the drill is PROVEN, for the next one.
    pub record: Option<PathBuf>,
}

impl Observed {
    /// Notes what a database looks like, the SHA-256 of the file that it was held against, and where what was seen is to
    /// be kept.
    pub fn note(
        &self,
        name: &str,
        database: Database,
        against: Option<String>,
        record: Option<PathBuf>,
    ) {
        // A panic elsewhere leaves whole databases in it, or none.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of several checks of one database, the one against a file is what `accept` is about.
        if against.is_some() || !all.databases.contains_key(name) {
            all.databases.insert(name.to_owned(), database);
        }
        all.against = against.or(all.against.take());
        all.record = record.or(all.record.take());
    }

    /// Gives what was seen; `None` where no check looked at a whole database.
    #[must_use]
    pub fn seen(&self, backup: &BackupFacts, server: &ServerFacts) -> Option<Seen> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!all.databases.is_empty()).then(|| Seen {
            baseline: Baseline {
                taken: backup.made.map_or_else(Timestamp::now, |(made, _)| made),
                from: backup.origin.clone(),
                server: server.version.clone(),
                dump: None,
                against: all.against.clone(),
                databases: all.databases.clone(),
            },
            record: all.record.clone(),
        })
    }
}

/// Keeps what a PROVEN drill saw for the next one; gives where.
///
/// # Errors
/// When the file cannot be written.
pub fn keep(seen: Option<&Seen>, verdict: Verdict) -> Result<Option<PathBuf>, String> {
    let Some(Seen {
        baseline,
        record: Some(path),
    }) = seen.filter(|_| verdict == Verdict::Proven)
    else {
        return Ok(None);
    };
    save(path, baseline).map(|()| Some(path.clone()))
}

/// The SHA-256 of a file's text, as [`Baseline::against`] has it.
#[must_use]
pub fn digest_of(text: &str) -> String {
    crate::digest::hex(&Sha256::digest(text.as_bytes()))
}

/// Writes a baseline; the file appears whole or stays as it was.
///
/// # Errors
/// When it cannot be written.
pub fn save(path: &Path, baseline: &Baseline) -> Result<(), String> {
    let text = file::write(baseline)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let write = || {
        let folder = folder.unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut staged = tempfile::Builder::new()
            .prefix(".redrill-")
            // As any file that a program makes; a temporary file is its owner's alone otherwise.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        staged.write_all(text.as_bytes())?;
        staged.as_file().sync_all()?;
        staged.persist(path)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| format!("cannot write {}: {error}", path.display()))
}
