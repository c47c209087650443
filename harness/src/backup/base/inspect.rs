//! Inspects a physical backup: every file of it, and every record of the WAL up to the target.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use basebackup::conf::{self, AUTO_CONF, CONF};
use basebackup::control::{CONTROL, Control};
use basebackup::label::{self, LABEL, Label, TABLESPACE_MAP, Tablespace};
use basebackup::manifest::{Algorithm, Expected, Sum};
use basebackup::page::Pages;
use basebackup::roles::{self, SHARED_MAP};

use sha2::{Digest as _, Sha256};

use super::archive::finding_of;
use super::asked::{Asker, WalCommand};
use super::bucket::WalBucket;
use super::chain::{OpenedChain, open_chain, peek};
use super::files::Layout;
use super::identity::{VERSION, contradictions, read_manifest, stored};
use super::lay_out::is_needed;
use super::segments::{Archive, Supply};
use super::settings::Physical;
use super::verifying::Verifying;
use super::{BaseBackup, Files};
use crate::backup::Backup;
use crate::backup::inspect::Inspection;
use crate::backup::source::confine::is_confined;
use crate::backup::source::{Found, HeaderTime, made};
use crate::digest::hex;
use crate::outcome::{ChainFacts, CouldNotRun, Finding, TimeSource};

/// The folder of the WAL in a data folder.
const WAL: &str = "pg_wal/";
/// The checksums of rebuilt files, by which they are known again when they are laid out.
const REBUILT: Algorithm = Algorithm::Crc32c;
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
    let keys = &inspection.keys;
    let opened = match peek(&layout, keys)?.filter(|label| label.parent.is_some()) {
        None => None,
        Some(label) => {
            let of = (&layout, &label);
            match open_chain(found, of, &physical.parents, inspection, &mut warnings)? {
                Ok(opened) => Some(opened),
                Err(faults) => {
                    let format = "incremental base backup".to_owned();
                    let stored = stored(&layout, Vec::new()).map_err(|error| unreadable(&error))?;
                    let mut backup = backup(found, format, stored, None, faults);
                    backup.warnings = warnings;
                    return Ok(backup);
                }
            }
        }
    };
    let (mut layout, chain) = match opened {
        None => (layout, None),
        Some(OpenedChain {
            chain,
            backups,
            stored,
            format,
        }) => (Layout::Chain(chain), Some((backups, stored, format))),
    };
    let is_fetched = found.fetched_in.is_some();
    let manifest = read_manifest(&layout, is_fetched, &mut problems, &mut warnings)?;
    let mut small: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut pages = Pages::default();
    let mut own_wal = Vec::new();
    // Without a manifest nothing else identifies a data folder.
    let is_unlisted = manifest.is_none() && matches!(layout, Layout::Folder(_));
    let mut sums = Vec::new();
    let mut verifying = Verifying::new(manifest.as_ref());
    let mut rebuilt = Vec::new();
    let done = layout.read(keys, &mut problems, &mut |path, _, reader| {
        let is_kept = KEPT.contains(&path) || is_shared_catalog(path);
        let mut content = Vec::new();
        let mut copy = match path.strip_prefix(WAL) {
            // A folder has it as a file already.
            Some(name) if !name.contains('/') => match layout.folder() {
                Some(folder) => {
                    own_wal.push((name.to_owned(), folder.join(path)));
                    None
                }
                None => {
                    let (at, copy) = inspection.spool.file(&format!("pg_wal-{name}"))?;
                    own_wal.push((name.to_owned(), at));
                    Some(copy)
                }
            },
            _ => None,
        };
        pages.begin(path);
        let mut sum = (is_unlisted && is_needed(path)).then(Sha256::new);
        let mut sum_of_rebuilt = layout.is_rebuilt(path).then(|| Sum::of(REBUILT));
        let mut size = 0;
        verifying.file(path, reader, &mut |bytes| {
            pages.take(bytes);
            size += bytes.len() as u64;
            if let Some(sum) = &mut sum {
                sum.update(bytes);
            }
            if let Some(sum) = &mut sum_of_rebuilt {
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
        rebuilt.extend(sum_of_rebuilt.map(|sum| {
            let checksum = Some((REBUILT, sum.finish()));
            (path.to_owned(), Expected { size, checksum })
        }));
        if is_kept {
            small.insert(path.to_owned(), content);
        }
        Ok(())
    })?;
    verifying.end();
    let files = verifying.files;
    problems.extend(verifying.into_faults());
    layout.seal(rebuilt);
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
    let (chain, stored, format) = match chain {
        Some((backups, stored, format)) => {
            let absent_pages = done.absent;
            (
                Some(ChainFacts {
                    backups,
                    absent_pages,
                }),
                stored,
                format,
            )
        }
        None => {
            let stored = stored(&layout, sums).map_err(|error| unreadable(&error))?;
            let form = if layout.folder().is_some() {
                "data folder"
            } else {
                "tar"
            };
            let mut format = format!("base backup, {form}");
            for layer in &done.layers {
                format.push_str(&format!(", {layer}"));
            }
            (None, stored, format)
        }
    };
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
    if label.parent.is_some() {
        problems.push(Finding::about(
            LABEL,
            "the first file of `base.tar`, as the server sends it",
            "one that comes later, of an incremental backup",
        ));
    }
    let by_command = is_fetched || matches!(further, Further::Command(_));
    let size = control.wal_segment_size;
    let (folder, supply) = match further {
        Further::No => (None, Supply::None),
        Further::Folder(folder) => (Some(folder), Supply::None),
        Further::Command(asker) => (None, Supply::Command(WalCommand::new(size, asker))),
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
        chain,
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
    if let Some(folder) = layout.folder() {
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
    let is_packed = format.contains("tar");
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
        unpacked_bytes: of_files.filter(|_| is_packed),
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
