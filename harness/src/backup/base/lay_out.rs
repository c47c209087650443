//! The data folder that a server recovers from: files of the base backup, the WAL that was verified, and settings of redrill.
//!
//! Each file is compared with the manifest again while it is written. What a recovery does not need is left out, so that settings,
//! programs and links of the source are not there at all.

use std::collections::BTreeSet;
use std::io::{self, Read as _};

use basebackup::label::{LABEL, TABLESPACE_MAP};
use basebackup::manifest::{MANIFEST, Manifest};

use super::archive::{open, read_plain};
use super::verifying::Verifying;
use super::{BaseBackup, Files};
use crate::backup::packing::LayerError;
use crate::data_folder::DataFolder;
use crate::outcome::CouldNotRun;

/// Folders that a server needs, in an order in which they can be created.
const FOLDERS: [&str; 20] = [
    "base",
    "global",
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_logical",
    "pg_logical/mappings",
    "pg_logical/snapshots",
    "pg_multixact",
    "pg_multixact/members",
    "pg_multixact/offsets",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_tblspc",
    "pg_twophase",
    "pg_xact",
];
/// Files and folders of a backup that are laid out.
const NEEDED: [&str; 9] = [
    "PG_VERSION",
    LABEL,
    "base",
    "global",
    "pg_commit_ts",
    "pg_multixact",
    "pg_tblspc",
    "pg_twophase",
    "pg_xact",
];
/// Files that are replaced, or say nothing to a server.
const REPLACED: [&str; 10] = [
    "postgresql.conf",
    "postgresql.auto.conf",
    "pg_hba.conf",
    "pg_ident.conf",
    "standby.signal",
    "recovery.signal",
    TABLESPACE_MAP,
    MANIFEST,
    "pg_wal",
    "current_logfiles",
];
/// Bytes per read.
const CHUNK: usize = 1 << 17;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaidOut {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files and folders at the top of the backup that were left out, other than those which redrill writes itself.
    pub left_out: Vec<String>,
}

/// Whether a file of a backup is laid out.
pub(super) fn is_needed(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or(path);
    NEEDED.contains(&top)
}

impl BaseBackup {
    /// Bytes that a data folder with its WAL takes.
    #[must_use]
    pub fn bytes_to_lay_out(&self) -> u64 {
        self.files.1 + self.wal.bytes
    }

    /// Writes the data folder, with the settings `conf` and rules by which only sessions of the socket are let in.
    /// Blocks: run it on a separate thread.
    ///
    /// # Errors
    /// The disk, or a backup that is not what was inspected any more.
    pub fn lay_out(&self, conf: &str, to: &mut dyn DataFolder) -> Result<LaidOut, CouldNotRun> {
        let mut out = LaidOut::default();
        let own = [
            ("postgresql.conf", conf),
            ("postgresql.auto.conf", ""),
            ("pg_hba.conf", "local all all trust\n"),
            ("pg_ident.conf", ""),
            // `recovery.signal` would demand a command that fetches WAL.
            ("standby.signal", ""),
        ];
        let begun = (|| {
            for folder in FOLDERS
                .into_iter()
                .chain(["pg_wal", "pg_wal/archive_status"])
            {
                to.folder(folder)?;
            }
            if self.major >= 17 {
                to.folder("pg_wal/summaries")?;
            }
            for oid in &self.source.tablespaces {
                to.folder(&format!("pg_tblspc/{oid}"))?;
                let version = format!("PG_{}_{}", self.major, self.control.catalog_version);
                to.folder(&format!("pg_tblspc/{oid}/{version}"))?;
            }
            own.iter()
                .try_for_each(|(name, text)| write_whole(to, name, text.as_bytes()))
        })();
        begun.map_err(|error: io::Error| unwritten(&error))?;
        self.write_files(to, &mut out)?;
        for (name, path) in &self.wal.files {
            let mut content = match open(path, &self.source.keys)? {
                Ok(content) => content,
                Err(finding) => return Err(changed(&finding.within(name).in_one_line())),
            };
            let damaged = |error: &io::Error| match LayerError::of(error) {
                LayerError::CouldNotRun(error) => error,
                LayerError::Damaged(finding) => changed(&finding.within(name).in_one_line()),
            };
            let within = format!("pg_wal/{name}");
            let mut buffer = vec![0; CHUNK];
            if name.ends_with(".history") {
                buffer.clear();
                let read = content.read_to_end(&mut buffer);
                read.map_err(|error| damaged(&error))?;
                write_whole(to, &within, &buffer).map_err(|error| unwritten(&error))?;
                continue;
            }
            let segment = u64::from(self.control.wal_segment_size);
            to.begin(&within, segment)
                .map_err(|error| unwritten(&error))?;
            loop {
                match content.read(&mut buffer).map_err(|error| damaged(&error))? {
                    0 => break,
                    read => to
                        .write(&buffer[..read])
                        .map_err(|error| unwritten(&error))?,
                }
            }
            to.end().map_err(|error| unwritten(&error))?;
            out.bytes += segment;
        }
        Ok(out)
    }

    /// Writes the files of the base backup, without its WAL.
    fn write_files(&self, to: &mut dyn DataFolder, out: &mut LaidOut) -> Result<(), CouldNotRun> {
        let Files {
            layout,
            keys,
            tablespaces,
        } = &self.source;
        let manifest = match layout.manifest().filter(|_| self.has_manifest) {
            Some(path) => {
                let text = read_plain(&path, basebackup::manifest::LONGEST)?;
                let manifest = Manifest::parse(&text);
                Some(layout.listed(manifest.map_err(|fault| changed(&fault.to_string()))?))
            }
            None => None,
        };
        let mut folders: BTreeSet<String> = FOLDERS.into_iter().map(str::to_owned).collect();
        for oid in tablespaces {
            let version = format!("PG_{}_{}", self.major, self.control.catalog_version);
            folders.insert(format!("pg_tblspc/{oid}"));
            folders.insert(format!("pg_tblspc/{oid}/{version}"));
        }
        let mut verifying = Verifying::new(manifest.as_ref());
        let (mut faults, mut left_out) = (Vec::new(), BTreeSet::new());
        // An error of the disk is none of the backup, which is all that the reader knows.
        let mut broken = None;
        let read = layout.read(keys, &mut faults, &mut |path, bytes, reader| {
            if !is_needed(path) {
                let top = path.split('/').next().unwrap_or(path);
                if !REPLACED.contains(&top) && !FOLDERS.contains(&top) {
                    left_out.insert(top.to_owned());
                }
                return verifying.file(path, reader, &mut |_| Ok(()));
            }
            let mut note =
                |done: io::Result<()>| done.inspect_err(|error| broken = Some(unwritten(error)));
            for (at, _) in path.match_indices('/') {
                if folders.insert(path[..at].to_owned()) {
                    note(to.folder(&path[..at]))?;
                }
            }
            note(to.begin(path, bytes))?;
            verifying.file(path, reader, &mut |piece| note(to.write(piece)))?;
            out.bytes += bytes;
            note(to.end())
        });
        if let Some(error) = broken {
            return Err(error);
        }
        read?;
        verifying.end();
        faults.extend(verifying.into_faults());
        match faults.first() {
            Some(first) => Err(changed(&first.in_one_line())),
            None => {
                out.left_out = left_out.into_iter().collect();
                Ok(())
            }
        }
    }
}

fn write_whole(to: &mut dyn DataFolder, name: &str, content: &[u8]) -> io::Result<()> {
    to.begin(name, content.len() as u64)?;
    to.write(content)?;
    to.end()
}

fn unwritten(error: &io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("the data folder of the base backup cannot be written: {error}"),
        "free some space, or set a folder on another disk with `--work-dir`",
    )
}

fn changed(what: &str) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("the backup is not what was inspected a moment ago: {what}"),
        "find out what writes to it while it is drilled, and drill it again",
    )
}
