//! Inspects a physical backup: every file of it, and every record of the WAL up to the target.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use basebackup::conf::{self, AUTO_CONF, CONF};
use basebackup::control::{CONTROL, Control};
use basebackup::label::{self, LABEL, Label, TABLESPACE_MAP};
use basebackup::manifest::{self, Manifest};
use basebackup::page::Pages;
use basebackup::roles::{self, SHARED_MAP};

use super::archive::{Archive, finding_of, read_plain};
use super::files::{Layout, Verifying};
use super::settings::Physical;
use super::{BaseBackup, Files};
use crate::backup::Backup;
use crate::backup::inspect::Inspection;
use crate::backup::source::{Found, HeaderTime, made};
use crate::backup::{bundle, describe};
use crate::digest::sha256_of;
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

/// Inspects a physical backup, with the WAL in `wal` and its own. Blocks: run it on a separate thread.
///
/// # Errors
/// It is no base backup, or cannot be read. Faults of the backup are in [`Backup::problems`].
pub fn inspect(
    found: &Found,
    physical: &Physical,
    wal: Option<&Path>,
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
    let manifest = read_manifest(&layout, &mut problems, &mut warnings)?;
    let mut small: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut pages = Pages::default();
    let mut own_wal = Vec::new();
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
        verifying.file(path, reader, &mut |bytes| {
            pages.take(bytes);
            if is_kept && content.len() < usize::try_from(label::LONGEST).unwrap_or(usize::MAX) {
                content.extend_from_slice(bytes);
            }
            match &mut copy {
                Some(copy) => copy.write_all(bytes),
                None => Ok(()),
            }
        })?;
        pages.end();
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
    let stored = stored(&layout).map_err(|error| unreadable(&error))?;
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
            .filter(|one| files.iter().all(|(oid, _)| *oid != one.oid));
        problems.extend(missing.map(|one| {
            Finding::about(
                format!("{}.tar", one.oid),
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
    let mut archive = Archive::default();
    if let Some(folder) = wal {
        archive.add_folder(folder, control.wal_segment_size)?;
    }
    for (name, path) in own_wal {
        archive.add(&name, path, control.wal_segment_size);
    }
    let of = (&control, &label, manifest.as_ref());
    let wal = archive.read(of, physical, &inspection.keys, &mut problems, &mut warnings)?;
    let roles = small
        .get(SHARED_MAP)
        .and_then(|map| small.get(&roles::authid_file(map)?))
        .map(|file| roles::read(file))
        .unwrap_or_default();
    let configured = [CONF, AUTO_CONF].into_iter().filter_map(text);
    let base = BaseBackup {
        superuser: roles::superuser(&roles).map(|role| role.name.clone()),
        configured: configured.flat_map(|text| conf::settings(&text)).collect(),
        verified_pages,
        recovery: physical.clone(),
        source: Files {
            layout,
            keys: inspection.keys.clone(),
            tablespaces: tablespaces.iter().map(|one| one.oid).collect(),
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

/// Whether a file may be that of a shared catalog: which one has the roles is known later.
fn is_shared_catalog(path: &str) -> bool {
    path.strip_prefix("global/")
        .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads the manifest; without one, its absence is a warning.
fn read_manifest(
    layout: &Layout,
    problems: &mut Vec<Finding>,
    warnings: &mut Vec<Finding>,
) -> Result<Option<Manifest>, CouldNotRun> {
    let Some(path) = layout.manifest() else {
        warnings.push(
            Finding::about(
                manifest::MANIFEST,
                "the sizes and checksums of all files",
                "it is missing, so a file that was changed, lost or added is not noticed",
            )
            .hint("pg_basebackup writes it from version 13 on, unless `--no-manifest` is given; copy it with the backup"),
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
/// of its manifest, which has the checksums of all files.
fn stored(layout: &Layout) -> io::Result<(u64, String)> {
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
    let sums = files.iter().map(sum).collect::<io::Result<Vec<_>>>()?;
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
    let is_folder = format == "base backup, data folder";
    Backup {
        path: found.path.clone(),
        origin: found.origin.clone(),
        chosen: found.chosen.clone(),
        candidates: (found.candidates.clone(), found.unlisted),
        picked: found.picked.clone(),
        format,
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
