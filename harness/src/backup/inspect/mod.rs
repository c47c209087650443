//! One streaming pass over a backup: digest, layers to their end, completeness, contents.
//!
//! - `file`: one dump, with all its layers
//! - `several`: bundles, in a folder or in a tar file

mod file;
mod several;

use std::io;
use std::path::Path;

use super::base::is_base_backup;
use super::gather::Gather;
use super::packing::Keys;
use super::source::{Found, HeaderTime, made, renamed};
use super::spool::Spool;
use super::{Backup, Part};
use crate::event::Listener;
use crate::outcome::{CouldNotRun, Finding};

/// Bytes per read.
const CHUNK: usize = 1 << 20;

/// A file that cannot be read: the error of the disk or of its permissions.
fn unreadable(path: &Path, error: &io::Error) -> CouldNotRun {
    let hint = match error.kind() {
        io::ErrorKind::OutOfMemory => {
            "redrill keeps the name of every object in memory: dump the schemas separately, or report it if this is a normal database"
        }
        io::ErrorKind::StorageFull => "free some space, or set another folder with `--work-dir`",
        _ => "run redrill as a user who may read the backup",
    };
    CouldNotRun::with_hint(format!("cannot read {}: {error}", path.display()), hint)
}

/// What an inspection requires in addition to the backup.
pub struct Inspection {
    /// Keys for encrypted layers.
    pub keys: Keys,
    /// For files that must be on disk: members of a tar file.
    pub spool: Spool,
    /// Whether the rows of every table are digested, to be compared with what is restored.
    pub digests: bool,
    /// Receives the progress.
    pub listener: Listener,
}

impl Inspection {
    /// Without progress and without a restore.
    #[must_use]
    pub fn quiet(spool: Spool) -> Self {
        Self {
            keys: Keys::default(),
            spool,
            digests: false,
            listener: std::sync::Arc::new(|_| {}),
        }
    }
}

/// Inspects a backup from its first byte to its last. Blocks: run it on a separate thread.
///
/// # Errors
/// When it cannot be opened, or has a format that this version does not read. Faults of the backup
/// itself are in [`Backup::problems`].
pub fn inspect(found: &Found, inspection: &Inspection) -> Result<Backup, CouldNotRun> {
    let name = found
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut inspected = if found.path.is_dir() {
        inspection.folder(&name, &found.path)?
    } else {
        inspection.file(&name, &found.path, Bundles::Allowed)?
    };
    if let Some((name, globals)) = &found.globals {
        inspection.add_globals(name, &globals.path, &mut inspected)?;
    }
    inspected
        .warnings
        .extend(renamed(found, inspected.header_time));
    inspected.judge();
    if let (Some(unread), []) = (inspected.unread.first(), inspected.problems.as_slice()) {
        return Err(CouldNotRun {
            reason: format!("the backup contains {}", unread.actual),
            hint: unread.hint.clone(),
        });
    }
    Ok(Backup {
        path: found.path.clone(),
        origin: found.origin.clone(),
        chosen: found.chosen.clone(),
        candidates: (found.candidates.clone(), found.unlisted),
        picked: found.picked.clone(),
        format: inspected.format,
        fetched_in: found.fetched_in,
        bytes: inspected.bytes,
        unpacked_bytes: inspected.unpacked_bytes,
        sha256: inspected.sha256,
        digest: None,
        manifest: None,
        made: made(found, inspected.header_time),
        parts: inspected.parts,
        physical: None,
        tiers: Vec::new(),
        previous: None,
        before: None,
        globals_beside: None,
        missing_roles: None,
        problems: inspected.problems,
        warnings: inspected.warnings,
        consists_of: Vec::new(),
        companions: Vec::new(),
    })
}

/// The fault of a backup without data.
pub(super) fn no_rows() -> Finding {
    Finding::new("rows of at least one table", "definitions without any data").hint(
        "it contains only roles (`--globals-only`) or only a schema (`--schema-only`), its filters match no table, or it was truncated after the roles",
    )
}

/// Whether a file may be a bundle; a member of a bundle may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bundles {
    Allowed,
    Within,
}

/// The result of inspecting a file or folder.
#[derive(Debug, Default)]
struct Inspected {
    format: String,
    bytes: u64,
    unpacked_bytes: Option<u64>,
    sha256: String,
    header_time: Option<HeaderTime>,
    parts: Vec<Part>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
    /// What was not read, so that nothing is known of it.
    unread: Vec<Finding>,
}

impl Inspected {
    /// Checks that concern the whole backup.
    fn judge(&mut self) {
        let holds_data = self.parts.iter().any(|part| part.contents.holds_data());
        // Of several backups that are one, one may be the roles.
        let is_globals = !self.parts.is_empty() && self.parts.iter().all(Part::is_globals);
        if self.problems.is_empty() && !holds_data && !is_globals {
            self.problems.push(no_rows());
        }
    }
}

impl Inspection {
    /// Collects the contents of a dump.
    fn gather(&self) -> Gather {
        if self.digests {
            Gather::digesting()
        } else {
            Gather::default()
        }
    }

    /// Inspects a folder: a directory archive, or a bundle.
    fn folder(&self, name: &str, path: &Path) -> Result<Inspected, CouldNotRun> {
        if is_base_backup(path) {
            return Err(CouldNotRun::with_hint(
                format!("{} is a physical base backup, not a dump", path.display()),
                "name it by `path` or `newest` in `[backup.base]`, and its archived WAL in `[backup.wal]`",
            ));
        }
        if super::bundle::is_directory_archive(path) {
            return self.directory_archive(name, path);
        }
        let mut inspected = self.bundle(path)?;
        inspected.format = match inspected.parts.len() {
            1 => "bundle of one dump, folder".to_owned(),
            dumps => format!("bundle of {dumps} dumps, folder"),
        };
        Ok(inspected)
    }
}
