//! Inspects a physical backup: every file of it, and every record of the WAL up to the target.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use basebackup::conf::{self, AUTO_CONF, CONF};
use basebackup::control::{CONTROL, Control};
use basebackup::label::{self, LABEL, Label, TABLESPACE_MAP, Tablespace};
use basebackup::manifest::{self, Manifest};
use basebackup::page::Pages;
use basebackup::roles::{self, SHARED_MAP};

use sha2::{Digest as _, Sha256};

use super::archive::{finding_of, read_plain};
use super::asked::{Asker, Command};
use super::bucket::WalBucket;
use super::files::{Layout, Verifying};
use super::lay_out::is_needed;
use super::segments::{Archive, Supply};
use super::settings::Physical;
use super::{BaseBackup, Files};
use crate::backup::Backup;
use crate::backup::inspect::Inspection;
use crate::backup::source::confine::is_confined;
use crate::backup::source::{Found, HeaderTime, made};
use crate::backup::{bundle, describe};
use crate::digest::{hex, sha256_of};
use crate::outcome::{CouldNotRun, Finding, TimeSource};

/// The file with the major version.
const VERSION: &str = "PG_VERSION";
/// The folder of the WAL in a data folder.
const WAL: &str = "pg_wal/";
/// Small files that are kept in memory.
const KEPT: [&str; 7] = [
    VERSION,
    LABEL,
    TABLESPACE_MAP,
    CONTROL,
    CONF,
    AUTO_CONF,
    SHARED_MAP,
];

/// Archived WAL that is not in the base backup.
pub enum Further {
    /// None.
    No,
    /// In a folder.
    Folder(PathBuf),
    /// A command gives it.
    Command(Asker),
    /// In a bucket.
    Bucket(WalBucket),
}

/// Inspects a physical backup, with its own WAL and `further`. Blocks: run it on a separate thread.
///
/// # Errors
/// It is no base backup, or cannot be read. Faults of the backup are in [`Backup::problems`].
pub fn inspect(
    found: &Found,
    physical: &Physical,
    further: Further,
    inspection: &Inspection,
) -> Result<Backup, CouldNotRun> {
    let unreadable = |error: &io::Error| {
        CouldNotRun::with_hint(
            format!("cannot read {}: {error}", found.path.display()),
            "`[backup.base]` names the folder that pg_basebackup wrote; run redrill as a user who may read it",
        )
    };
    let layout = Layout::of(&found.path).map_err(|error| unreadable(&error))?;
    let mut problems = Vec::new();
    let Some(layout) = layout else {
        problems.push(
            Finding::new(
                "a base backup",
                "a folder without PG_VERSION and without base.tar",
            )
            .hint("`[backup.base]` names the folder that pg_basebackup wrote with `-D`"),
        );
        return Ok(backup(
            found,
            "unknown".to_owned(),
            (0, String::new()),
            None,
            problems,
        ));
    };
    let mut warnings = Vec::new();
    let is_fetched = found.fetched_in.is_some();
    let manifest = read_manifest(&layout, is_fetched, &mut problems, &mut warnings)?;
    let mut small: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut pages = Pages::default();
    let mut own_wal = Vec::new();
    // Without a manifest nothing else identifies a data folder.
    let is_unlisted = manifest.is_none() && matches!(layout, Layout::Folder(_));
    let mut sums = Vec::new();
    let mut verifying = Verifying::new(manifest.as_ref());
    let layers = layout.read(&inspection.keys, &mut problems, &mut |path, _, reader| {
        let is_kept = KEPT.contains(&path) || is_shared_catalog(path);
        let mut content = Vec::new();
        let mut copy = match path.strip_prefix(WAL) {
            // A folder has it as a file already.
            Some(name) if !name.contains('/') => match &layout {
                Layout::Folder(folder) => {
                    own_wal.push((name.to_owned(), folder.join(path)));
                    None
                }
                Layout::Tars { .. } => {
                    let (at, copy) = inspection.spool.file(&format!("pg_wal-{name}"))?;
                    own_wal.push((name.to_owned(), at));
                    Some(copy)
                }
            },
            _ => None,
        };
        pages.begin(path);
        let mut sum = (is_unlisted && is_needed(path)).then(Sha256::new);
        let mut size = 0;
        verifying.file(path, reader, &mut |bytes| {
            pages.take(bytes);
            size += bytes.len() as u64;
            if let Some(sum) = &mut sum {
                sum.update(bytes);
            }
            if is_kept && content.len() < usize::try_from(label::LONGEST).unwrap_or(usize::MAX) {
                content.extend_from_slice(bytes);
            }
            match &mut copy {
                Some(copy) => copy.write_all(bytes),
                None => Ok(()),
            }
        })?;
        pages.end();
        sums.extend(sum.map(|sum| (path.to_owned(), size, hex(&sum.finalize()))));
        if is_kept {
            small.insert(path.to_owned(), content);
        }
        Ok(())
    })?;
    verifying.end();
    let (files, unlisted) = (verifying.files, verifying.unlisted);
    problems.append(&mut verifying.faults);
    if unlisted > 0 {
        problems.push(Finding::new(
            "files as the manifest lists them",
            format!("{unlisted} further files that differ"),
        ));
    }
    let text = |name: &str| {
        let bytes = small.get(name).map(Vec::as_slice);
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let major = text(VERSION).and_then(|text| text.trim().parse::<u32>().ok());
    let control = match small.get(CONTROL) {
        Some(bytes) => Control::parse(bytes).map_err(|fault| finding_of(&fault)),
        None => Err(Finding::about(
            CONTROL,
            "the control file of the cluster",
            "it is missing",
        )),
    };
    let label = match text(LABEL) {
        Some(text) => Label::parse(&text).map_err(|fault| finding_of(&fault)),
        None => Err(Finding::about(LABEL, "where the recovery begins", "it is missing").hint(
            "without it a server starts at the wrong place and its data is silently damaged: a copy of a data folder is no backup, and nothing may remove this file; take a backup with pg_basebackup",
        )),
    };
    let format = match &layout {
        Layout::Folder(_) => "base backup, data folder".to_owned(),
        Layout::Tars { .. } => {
            let mut format = describe(&"base backup, tar", &[]);
            for layer in &layers {
                format.push_str(&format!(", {layer}"));
            }
            format
        }
    };
    let stored = stored(&layout, sums).map_err(|error| unreadable(&error))?;
    let (control, label) = match (control, label) {
        (Ok(control), Ok(label)) => (control, label),
        (control, label) => {
            problems.extend([control.err(), label.err()].into_iter().flatten());
            return Ok(backup(found, format, stored, None, problems));
        }
    };
    let tablespaces = text(TABLESPACE_MAP).unwrap_or_default();
    let tablespaces = match label::parse_tablespace_map(&tablespaces) {
        Ok(tablespaces) => tablespaces,
        Err(fault) => {
            problems.push(finding_of(&fault));
            Vec::new()
        }
    };
    let tablespaces = tablespaces_of(&layout, &tablespaces).map_err(|error| unreadable(&error))?;
    problems.extend(contradictions(&control, &label, manifest.as_ref(), major));
    let (wrong, verified_pages) = pages.judge(&control, label.start);
    problems.extend(wrong.iter().map(|fault| {
        finding_of(fault).hint(
            "the page was damaged on the disk of the source or after the backup was taken: fetch the backup again, or take a new one",
        )
    }));
    if let Layout::Tars {
        tablespaces: files, ..
    } = &layout
    {
        let missing = tablespaces
            .iter()
            .filter(|one| files.iter().all(|(oid, _)| oid != *one));
        problems.extend(missing.map(|oid| {
            Finding::about(
                format!("{oid}.tar"),
                "the tar file of a tablespace",
                "it is missing",
            )
            .hint("pg_basebackup writes one for each tablespace: fetch all files of the backup")
        }));
    }
    if label.incremental {
        return Err(CouldNotRun::with_hint(
            format!(
                "{} is an incremental backup, which this version does not restore",
                found.origin
            ),
            "combine it with its parents by `pg_combinebackup`, and name the result in `[backup.base]`",
        ));
    }
    let by_command = is_fetched || matches!(further, Further::Command(_));
    let size = control.wal_segment_size;
    let (folder, supply) = match further {
        Further::No => (None, Supply::None),
        Further::Folder(folder) => (Some(folder), Supply::None),
        Further::Command(asker) => (None, Supply::Command(Command::new(size, asker))),
        Further::Bucket(bucket) => (None, Supply::Bucket(bucket)),
    };
    let mut archive = Archive::new(size, supply);
    if let Some(folder) = folder {
        archive.add_folder(&folder)?;
    }
    for (name, path) in own_wal {
        archive.add(&name, path);
    }
    let of = (&control, &label, manifest.as_ref());
    let wal = archive.read(of, physical, &inspection.keys, &mut problems, &mut warnings)?;
    // Whoever gives WAL ends with this.
    drop(archive);
    let roles = small
        .get(SHARED_MAP)
        .and_then(|map| small.get(&roles::authid_file(map)?))
        .map(|file| roles::read(file))
        .unwrap_or_default();
    let configured = [CONF, AUTO_CONF].into_iter().filter_map(text);
    let base = BaseBackup {
        fetched_in: found.fetched_in,
        is_confined: by_command && is_confined(),
        superuser: roles::superuser(&roles).map(|role| role.name.clone()),
        configured: configured.flat_map(|text| conf::settings(&text)).collect(),
        verified_pages,
        recovery: physical.clone(),
        source: Files {
            layout,
            keys: inspection.keys.clone(),
            tablespaces: tablespaces.clone(),
        },
        major: control.major.or(major).unwrap_or_default(),
        files,
        tablespaces: tablespaces.len() as u64,
        has_manifest: manifest.is_some(),
        target: physical.target.to_string(),
        control,
        label,
        wal,
    };
    let mut backup = backup(found, format, stored, Some(base), problems);
    backup.warnings = warnings;
    Ok(backup)
}

/// OIDs of the tablespaces of a backup: those of `tablespace_map`, and those that a tool put into a data folder.
fn tablespaces_of(layout: &Layout, map: &[Tablespace]) -> io::Result<Vec<u32>> {
    let mut all: BTreeSet<u32> = map.iter().map(|one| one.oid).collect();
    if let Layout::Folder(folder) = layout {
        let folders = match std::fs::read_dir(folder.join("pg_tblspc")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries?),
        };
        for entry in folders.into_iter().flatten() {
            let entry = entry?;
            let oid: Option<u32> = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if entry.file_type()?.is_dir() {
                all.extend(oid.filter(|oid| *oid > 0));
            }
        }
    }
    Ok(all.into_iter().collect())
}

/// Whether a file may be that of a shared catalog: which one has the roles is known later.
fn is_shared_catalog(path: &str) -> bool {
    path.strip_prefix("global/")
        .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads the manifest; without one, its absence is a warning.
fn read_manifest(
    layout: &Layout,
    is_fetched: bool,
    problems: &mut Vec<Finding>,
    warnings: &mut Vec<Finding>,
) -> Result<Option<Manifest>, CouldNotRun> {
    let Some(path) = layout.manifest() else {
        let hint = match is_fetched {
            false => {
                "pg_basebackup writes it from version 13 on, unless `--no-manifest` is given; copy it with the backup"
            }
            true => {
                "some tools, such as pgBackRest, have a manifest of their own and verify each file when they restore it: an error there ends the drill, and what a tool does not verify is not known here"
            }
        };
        warnings.push(
            Finding::about(
                manifest::MANIFEST,
                "the sizes and checksums of all files",
                "it is missing, so a file that was changed, lost or added is not noticed",
            )
            .hint(hint),
        );
        return Ok(None);
    };
    match Manifest::parse(&read_plain(&path, manifest::LONGEST)?) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(fault) => {
            problems.push(
                finding_of(&fault).hint(
                    "fetch the manifest again: without it nothing says which files are whole",
                ),
            );
            Ok(None)
        }
    }
}

/// Files of several backups or clusters.
fn contradictions(
    control: &Control,
    label: &Label,
    manifest: Option<&Manifest>,
    major: Option<u32>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let cluster = manifest.and_then(|manifest| manifest.system_identifier);
    if let Some(cluster) = cluster.filter(|cluster| *cluster != control.system_identifier) {
        found.push(Finding::about(
            CONTROL,
            format!("the cluster {cluster}, by the manifest"),
            format!("the cluster {}", control.system_identifier),
        ));
    }
    if let (Some(of_control), Some(of_file)) = (control.major, major)
        && of_control != of_file
    {
        found.push(Finding::about(
            VERSION,
            format!("{of_control}, by pg_control"),
            of_file.to_string(),
        ));
    }
    if control.checkpoint < label.checkpoint {
        found.push(
            Finding::about(
                LABEL,
                format!(
                    "a checkpoint up to {}, the newest in pg_control",
                    control.checkpoint
                ),
                format!("{}: it is of a later backup", label.checkpoint),
            )
            .hint("the files of the backup are of several backups: fetch it again"),
        );
    }
    let of_manifest = manifest.and_then(|manifest| manifest.wal.first());
    if let Some(range) = of_manifest.filter(|range| range.start != label.start) {
        found.push(
            Finding::about(
                LABEL,
                format!("WAL from {} on, by the manifest", range.start),
                format!("from {} on: it is of another backup", label.start),
            )
            .hint("the files of the backup are of several backups: fetch it again"),
        );
    }
    found
}

/// Bytes of a backup as stored, and its digest: of the sorted lines `SHA-256  BYTES  NAME` of its files; of a data folder that
/// of its manifest, which has the checksums of all files, or of `sums` without one.
fn stored(layout: &Layout, sums: Vec<(String, u64, String)>) -> io::Result<(u64, String)> {
    let sum = |path: &PathBuf| -> io::Result<(String, u64, String)> {
        let file = std::fs::File::open(path)?;
        let bytes = file.metadata()?.len();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, bytes, sha256_of(file)?))
    };
    let files = match layout {
        Layout::Folder(_) => layout.manifest().into_iter().collect(),
        Layout::Tars {
            main,
            wal,
            tablespaces,
            manifest,
        } => {
            let others = wal
                .iter()
                .chain(manifest)
                .chain(tablespaces.iter().map(|(_, path)| path));
            [main]
                .into_iter()
                .chain(others)
                .cloned()
                .collect::<Vec<_>>()
        }
    };
    let of_files = files.iter().map(sum).collect::<io::Result<Vec<_>>>()?;
    let sums = [sums, of_files].concat();
    let bytes = sums.iter().map(|(_, bytes, _)| bytes).sum();
    Ok((bytes, bundle::digest(&sums)))
}

fn backup(
    found: &Found,
    format: String,
    (bytes, sha256): (u64, String),
    base: Option<BaseBackup>,
    problems: Vec<Finding>,
) -> Backup {
    let header = base.as_ref().and_then(|base| base.label.made);
    let of_files = base.as_ref().map(|base| base.files.1);
    let of_wal = base.as_ref().and_then(|base| base.wal.fetched.as_ref());
    let of_wal = of_wal.map(|wal| wal.duration);
    let is_folder = format == "base backup, data folder";
    Backup {
        path: found.path.clone(),
        origin: found.origin.clone(),
        chosen: found.chosen.clone(),
        candidates: (found.candidates.clone(), found.unlisted),
        picked: found.picked.clone(),
        format,
        fetched_in: match (found.fetched_in, of_wal) {
            (None, None) => None,
            (of_base, of_wal) => Some(of_base.unwrap_or_default() + of_wal.unwrap_or_default()),
        },
        bytes: if is_folder {
            of_files.unwrap_or(bytes)
        } else {
            bytes
        },
        unpacked_bytes: of_files.filter(|_| !is_folder),
        sha256,
        digest: None,
        manifest: None,
        made: match header {
            Some(time) => Some((time, TimeSource::Header)),
            None => made(found, None::<HeaderTime>),
        },
        parts: Vec::new(),
        physical: base.map(Arc::new),
        tiers: Vec::new(),
        previous: None,
        before: None,
        globals_beside: None,
        missing_roles: None,
        problems,
        warnings: Vec::new(),
        consists_of: Vec::new(),
        companions: Vec::new(),
    }
}
