//! Verifies each backup of a chain by its own manifest and all of them against each other, because what `pg_combinebackup` makes of a
//! damaged backup has a new manifest, in which the damage is as listed. Tar files become data folders in the folder of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use basebackup::control::{CONTROL, Control};
use basebackup::incremental::{self, Header, incremental_path, whole_path};
use basebackup::label::{self, LABEL};
use basebackup::manifest::{Expected, MANIFEST, Manifest};
use basebackup::page::{PAGE, segment_of};
use sha2::{Digest as _, Sha256};

use super::find::BackupOfChain;
use super::rewritten_label;
use crate::backup::base::archive::finding_of;
use crate::backup::base::files::{Layout, cannot_read};
use crate::backup::base::identity::{VERSION, contradictions, read_manifest, stored};
use crate::backup::base::lay_out::is_needed;
use crate::backup::base::verifying::{LISTED, Verifying};
use crate::backup::inspect::Inspection;
use crate::digest::hex;
use crate::disk;
use crate::outcome::{CouldNotRun, Finding};

/// Small files that are kept in memory.
const KEPT: [&str; 3] = [VERSION, LABEL, CONTROL];
/// The folder of the WAL.
const WAL: &str = "pg_wal/";

/// What one backup of a chain is.
pub(super) struct VerifiedBackup {
    /// Its data folder.
    pub folder: PathBuf,
    /// Its control file and major version; `None` where they cannot be read.
    pub identity: Option<(Control, u32)>,
    /// Bytes as stored, and their digest.
    pub stored: (u64, String),
    /// Layers around its tar files.
    pub layers: Vec<String>,
}

/// The verification of a chain, newest backup first.
pub(super) struct ChainVerification<'a> {
    inspection: &'a Inspection,
    /// What the newest backup does not have as a whole file.
    pub rebuilt: BTreeMap<String, Expected>,
    /// Files of which the whole one was not found yet, by their path.
    wanted: BTreeSet<String>,
    /// What is wrong with the backups.
    pub problems: Vec<Finding>,
    warnings: &'a mut Vec<Finding>,
}

/// The files of a relation in one backup.
#[derive(Default)]
struct RelationFiles {
    /// Paths of whole files.
    whole: BTreeSet<String>,
    /// Paths of the whole files for which there are incremental ones.
    incremental: BTreeSet<String>,
}

impl<'a> ChainVerification<'a> {
    /// Begins before the newest backup.
    pub fn new(inspection: &'a Inspection, warnings: &'a mut Vec<Finding>) -> Self {
        Self {
            inspection,
            rebuilt: BTreeMap::new(),
            wanted: BTreeSet::new(),
            problems: Vec::new(),
            warnings,
        }
    }

    /// Reads one backup; those before it are newer.
    pub fn member(
        &mut self,
        number: usize,
        member: &BackupOfChain,
        is_full: bool,
    ) -> Result<VerifiedBackup, CouldNotRun> {
        let BackupOfChain { name, layout, .. } = member;
        let (mut faults, mut missing) = (Vec::new(), Vec::new());
        let manifest = read_manifest(layout, false, &mut faults, &mut missing)?;
        let missing = missing.into_iter().map(|warning| warning.within(name));
        if number > 0 {
            self.warnings.extend(missing);
        }
        let is_tar = matches!(layout, Layout::Tars { .. });
        if is_tar {
            self.make_room(name, manifest.as_ref(), number == 0)?;
        }
        let spool = &self.inspection.spool;
        let wanted = &self.wanted;
        let is_unlisted = manifest.is_none() && !is_tar;
        // Whole files of a data folder are verified when they are read as those of the chain.
        let is_read_later = number == 0 && !is_tar && !is_unlisted;
        let mut verifying = Verifying::new(manifest.as_ref());
        let mut small: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        let mut relations = RelationFiles::default();
        let (mut bytes, mut sums, mut wrong) = (0, Vec::new(), Vec::new());
        let mut rebuilt = BTreeMap::new();
        let done = layout.read(
            &self.inspection.keys,
            &mut faults,
            &mut |path, size, reader| {
                let whole = whole_path(path);
                if !path.starts_with(WAL) {
                    bytes += size;
                } else if number > 0 {
                    return Ok(());
                }
                match &whole {
                    Some(whole) => relations.incremental.insert(whole.clone()),
                    None => segment_of(path).is_some() && relations.whole.insert(path.to_owned()),
                };
                let kept = KEPT.into_iter().find(|kept| *kept == path);
                if is_read_later && whole.is_none() && kept.is_none() {
                    return Ok(());
                }
                let is_copied = number == 0 || wanted.contains(whole.as_deref().unwrap_or(path));
                let mut copy = match is_tar && is_copied && !verifying.has_seen(path) {
                    true => Some(spool.file(&format!("chain/{number}/{path}"))?.1),
                    false => None,
                };
                let most = match (kept, &whole) {
                    (Some(_), _) => usize::try_from(label::LONGEST).unwrap_or(usize::MAX),
                    (None, Some(_)) => incremental::LONGEST,
                    (None, None) => 0,
                };
                let mut head = Vec::new();
                let mut sum = (is_unlisted && is_needed(path)).then(Sha256::new);
                let mut read = 0;
                verifying.file(path, reader, &mut |piece| {
                    read += piece.len() as u64;
                    head.extend_from_slice(&piece[..piece.len().min(most - head.len())]);
                    if let Some(sum) = &mut sum {
                        sum.update(piece);
                    }
                    copy.as_mut().map_or(Ok(()), |copy| copy.write_all(piece))
                })?;
                sums.extend(sum.map(|sum| (path.to_owned(), read, hex(&sum.finalize()))));
                if let Some(whole) = whole {
                    match Header::read(path, &mut head.as_slice(), read)? {
                        Ok(header) => {
                            rebuilt.insert(whole, header.rebuilt_bytes());
                        }
                        Err(fault) if wrong.len() < LISTED => wrong.push(finding_of(&fault)),
                        Err(_) => {}
                    }
                }
                if let Some(kept) = kept {
                    small.insert(kept, head);
                }
                Ok(())
            },
        )?;
        if !is_read_later {
            verifying.end();
        }
        faults.extend(verifying.into_faults());
        faults.append(&mut wrong);
        if number == 0 {
            self.begin(rebuilt, small.get(LABEL))?;
        }
        faults.extend(self.missing(number, &relations, is_full));
        let text = |path: &str| small.get(path).map(|text| String::from_utf8_lossy(text));
        let major = text(VERSION).and_then(|text| text.trim().parse().ok());
        let control = small.get(CONTROL).map_or_else(
            || {
                Err(Finding::about(
                    CONTROL,
                    "the control file of the cluster",
                    "it is missing",
                ))
            },
            |bytes| Control::parse(bytes).map_err(|fault| finding_of(&fault)),
        );
        let identity = match control {
            Ok(control) => {
                if number > 0 {
                    let manifest = manifest.as_ref();
                    faults.extend(contradictions(&control, &member.label, manifest, major));
                }
                let major = control.major.or(major).unwrap_or_default();
                Some((control, major))
            }
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        if identity
            .as_ref()
            .is_some_and(|(control, _)| !has_usual_pages(control))
        {
            return Err(CouldNotRun::with_hint(
                format!(
                    "{name} is an incremental backup of a server with other pages than those of 8192 bytes"
                ),
                "combine it with its parents by its own `pg_combinebackup`, and name the result in `[backup.base]`",
            ));
        }
        self.problems
            .extend(faults.into_iter().map(|fault| fault.within(name)));
        let mut of_member =
            stored(layout, sums).map_err(|error| cannot_read(Path::new(name), &error))?;
        let folder = match layout.folder() {
            Some(folder) => {
                of_member.0 = bytes;
                folder.to_owned()
            }
            None => spool.folder().join(format!("chain/{number}")),
        };
        if let (true, 0, Some(from)) = (is_tar, number, layout.manifest()) {
            let copied = spool
                .file(&format!("chain/0/{MANIFEST}"))
                .and_then(|(_, mut to)| io::copy(&mut File::open(from)?, &mut to));
            copied.map_err(|error| cannot_read(spool.folder(), &error))?;
        }
        Ok(VerifiedBackup {
            folder,
            identity,
            stored: of_member,
            layers: done.layers,
        })
    }

    /// Notes what is rebuilt of the newest backup: incremental files, with their bytes then, and the label.
    fn begin(
        &mut self,
        files: BTreeMap<String, u64>,
        label: Option<&Vec<u8>>,
    ) -> Result<(), CouldNotRun> {
        self.wanted = files.keys().cloned().collect();
        let expected = |size| Expected {
            size,
            checksum: None,
        };
        let files = files.into_iter();
        self.rebuilt = files.map(|(path, bytes)| (path, expected(bytes))).collect();
        if let Some(label) = label {
            let text = rewritten_label(&mut label.as_slice());
            let text = text.map_err(|error| CouldNotRun::new(error.to_string()))?;
            self.rebuilt
                .insert(LABEL.to_owned(), expected(text.len() as u64));
        }
        Ok(())
    }

    /// What one backup lacks of the files that newer ones need.
    fn missing(&mut self, number: usize, relations: &RelationFiles, is_full: bool) -> Vec<Finding> {
        let RelationFiles { whole, incremental } = relations;
        let both = whole.intersection(incremental).map(|path| {
            Finding::about(
                incremental_path(path),
                "either the whole file or an incremental one",
                format!("both, as {path} is there too"),
            )
            .hint("files of several backups are mixed: fetch the backup again")
        });
        let mut faults: Vec<Finding> = both.take(LISTED).collect();
        if number == 0 {
            return faults;
        }
        let lost = self.wanted.iter().filter(|path| {
            let has_part = incremental.contains(*path) && !is_full;
            !whole.contains(*path) && !has_part
        });
        let expected = match is_full {
            true => "the whole file, because newer backups have only a part of it",
            false => "the file or a part of it, because newer backups have only a part of it",
        };
        faults.extend(lost.take(LISTED).map(|path| {
            Finding::about(path, expected, "it is missing")
                .hint("a file of it was lost, or the newer backups are based on another one")
        }));
        self.wanted.retain(|path| !whole.contains(path));
        faults
    }

    /// Compares a parent with the newest backup.
    pub fn compare(
        &mut self,
        newest: Option<(&(Control, u32), &str)>,
        (control, major): &(Control, u32),
        member: &BackupOfChain,
    ) {
        let Some(((of_newest, newest_major), newest)) = newest else {
            return;
        };
        let mut wrong = |object: &str, expected: String, found: String, hint: &str| {
            let finding = Finding::about(object, expected, found).within(&member.name);
            self.problems.push(finding.hint(hint));
        };
        if control.system_identifier != of_newest.system_identifier {
            wrong(
                CONTROL,
                format!(
                    "the cluster {}, as in {newest}",
                    of_newest.system_identifier
                ),
                format!("the cluster {}", control.system_identifier),
                "it is no parent: put the backup of the same cluster in its place",
            );
        }
        if (*major, control.catalog_version) != (*newest_major, of_newest.catalog_version) {
            wrong(
                VERSION,
                format!("PostgreSQL {newest_major}, as in {newest}"),
                format!(
                    "PostgreSQL {major} with catalogs {}",
                    control.catalog_version
                ),
                "an incremental backup is based on one of the same major version",
            );
        }
        if of_newest.checksums && !control.checksums {
            wrong(
                CONTROL,
                format!("data checksums, as in {newest}"),
                "none: they were switched on after this backup".to_owned(),
                "a server refuses pages of this backup, which have no checksums: take a full backup after they are switched on",
            );
        }
    }

    /// Checks that what is unpacked of a tar backup fits on the disk.
    fn make_room(
        &self,
        name: &str,
        manifest: Option<&Manifest>,
        is_newest: bool,
    ) -> Result<(), CouldNotRun> {
        let of_chain = |path: &String| {
            is_newest
                || self
                    .wanted
                    .contains(&whole_path(path).unwrap_or_else(|| path.clone()))
        };
        let files = manifest.iter().flat_map(|manifest| &manifest.files);
        let needed = files.filter(|(path, _)| of_chain(path));
        let needed = needed.fold(0_u64, |sum, (_, file)| sum.saturating_add(file.size));
        let spool = &self.inspection.spool;
        let made = spool.within("chain");
        made.map_err(|error| cannot_read(spool.folder(), &error))?;
        disk::fits(spool.folder(), needed).map_err(|why| {
            CouldNotRun::with_hint(
                format!("no room to unpack {name}, a tar backup of a chain: {why}"),
                "free some space, set a folder on another disk with `--work-dir`, or take chains with `-F p`",
            )
        })
    }
}

fn has_usual_pages(control: &Control) -> bool {
    control.block_size as usize == PAGE && control.relation_segment == 131_072
}
