//! One streaming pass over a backup: digest, what it is wrapped in to its end, completeness, contents.
//!
//! - `file`: one dump, whatever it is wrapped in
//! - `several`: bundles, in a folder or in a tar file

mod file;
mod several;

use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::gather::Gather;
use super::packing::{Keys, Trouble};
use super::source::{Found, made};
use super::spool::Spool;
use super::{Backup, Part};
use crate::event::Listener;
use crate::outcome::Finding;

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// Why a backup could not be looked at. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InspectError {
    /// A lowercase fragment.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<Trouble> for InspectError {
    fn from(trouble: Trouble) -> Self {
        let (reason, hint) = match trouble {
            Trouble::Place { reason, hint } | Trouble::Keys { reason, hint } => (reason, hint),
            Trouble::Backup(finding) => (finding.actual, finding.hint),
        };
        Self { reason, hint }
    }
}

impl InspectError {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }

    /// The disk, or the right to read it.
    fn place(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => {
                "free some space, or name another folder with `--work-dir`"
            }
            _ => "run redrill as a user who may read the backup",
        };
        Self::new(format!("cannot read {}: {error}", path.display()), hint)
    }
}

/// What an inspection needs beside the backup.
pub struct Inspection {
    /// Opens what is encrypted.
    pub keys: Keys,
    /// Takes what must lie on disk by itself: members of a tar file, archives that are wrapped.
    pub spool: Spool,
    /// Whether a restore follows: then an archive is written out of what it is wrapped in.
    pub for_restore: bool,
    /// Whether the rows of every table are digested, to be compared with what is restored.
    pub digests: bool,
    /// Is told how far it is.
    pub listener: Listener,
}

impl Inspection {
    /// Looks and tells nobody; nothing is restored.
    #[must_use]
    pub fn quiet(spool: Spool) -> Self {
        Self {
            keys: Keys::default(),
            spool,
            for_restore: false,
            digests: false,
            listener: std::sync::Arc::new(|_| {}),
        }
    }
}

/// Looks at a backup from its first byte to its last. Blocks: it is run on a thread of its own.
///
/// # Errors
/// When it cannot be opened, or is of a kind that this version cannot read. What is wrong with the
/// backup itself is in [`Backup::problems`].
pub fn inspect(found: &Found, inspection: &Inspection) -> Result<Backup, InspectError> {
    let name = found
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut looked = if found.path.is_dir() {
        inspection.folder(&name, &found.path)?
    } else {
        inspection.file(&name, &found.path, Bundles::Allowed)?
    };
    looked.judge();
    Ok(Backup {
        path: found.path.clone(),
        origin: found.origin.clone(),
        chosen: found.chosen.clone(),
        candidates: (found.candidates.clone(), found.unlisted),
        format: looked.format,
        bytes: looked.bytes,
        unpacked_bytes: looked.unpacked_bytes,
        sha256: looked.sha256,
        digest: None,
        manifest: None,
        made: made(found, looked.header_time),
        parts: looked.parts,
        tiers: Vec::new(),
        previous: None,
        before: None,
        problems: looked.problems,
        warnings: looked.warnings,
    })
}

/// Whether a file may be a bundle, rather than be in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bundles {
    Allowed,
    Within,
}

/// What a file or folder turned out to be.
#[derive(Debug, Default)]
struct Looked {
    format: String,
    bytes: u64,
    unpacked_bytes: Option<u64>,
    sha256: String,
    header_time: Option<Timestamp>,
    parts: Vec<Part>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Looked {
    /// What can only be said of the whole.
    fn judge(&mut self) {
        let holds_data = self.parts.iter().any(|part| part.contents.holds_data());
        if self.problems.is_empty() && !holds_data {
            self.problems.push(
                Finding::new("rows of at least one table", "definitions without any data").hint(
                    "it holds only roles (`--globals-only`) or only a schema (`--schema-only`), its filters match no table, or the databases behind the roles were cut off",
                ),
            );
        }
    }
}

impl Inspection {
    /// What gathers the contents of a dump.
    fn gather(&self) -> Gather {
        if self.digests {
            Gather::digesting()
        } else {
            Gather::default()
        }
    }

    /// A folder: a directory archive, or a bundle.
    fn folder(&self, name: &str, path: &Path) -> Result<Looked, InspectError> {
        if path.join("PG_VERSION").exists() || path.join("backup_manifest").exists() {
            return Err(InspectError::new(
                format!(
                    "{} is a physical base backup, which this version does not restore",
                    path.display()
                ),
                "drill a logical backup: pg_dump, pg_dumpall",
            ));
        }
        if super::bundle::is_directory_archive(path) {
            return self.directory_archive(name, path);
        }
        let mut looked = self.bundle(path)?;
        looked.format = match looked.parts.len() {
            1 => "bundle of one dump, folder".to_owned(),
            dumps => format!("bundle of {dumps} dumps, folder"),
        };
        Ok(looked)
    }
}

/// The last part of a name.
fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
